//! Files that settings name.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use zeroize::Zeroizing;

use super::error::{KeyOrigin, SettingsError};
use super::origins::Origins;

/// A file, and the setting that names it; its `Debug` shows nothing of the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedFile {
    pub(super) path: PathBuf,
    pub(super) origin: KeyOrigin,
}

impl NamedFile {
    /// The file at the path that the key is set to; `None` where it is not set.
    pub(super) fn at(path: Option<String>, key: &str, origins: &Origins<'_>) -> Option<Self> {
        let path = path?.into();
        let origin = origins.get(key)?;
        Some(Self { path, origin })
    }

    /// The content of the file; wiped when it is dropped, as it may be a private key.
    pub(crate) fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, SettingsError> {
        read(&self.path)
            .map(Zeroizing::new)
            .map_err(|problem| self.reject(problem))
    }

    /// Why the file, or what it contains, cannot be used.
    pub(crate) fn reject(&self, remedy: impl Into<Cow<'static, str>>) -> SettingsError {
        self.origin.reject(remedy)
    }
}

impl fmt::Display for NamedFile {
    /// The setting, not the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin.fmt(f)
    }
}

/// The content of a file that holds one secret or key, without a byte order mark and the final line break.
pub(super) fn read_line(path: &str) -> Result<String, Cow<'static, str>> {
    let text = read_text(path)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err("names a file that is empty".into());
    }
    Ok(line.to_owned())
}

/// The content of a file that contains a key as text, or in DER, which is returned in base64.
pub(super) fn read_key(path: &str) -> Result<String, Cow<'static, str>> {
    match String::from_utf8(read(Path::new(path))?) {
        Ok(text) => Ok(text),
        Err(error) if error.as_bytes().starts_with(DER) => Ok(BASE64.encode(error.as_bytes())),
        Err(_) => Err("names a file that is not text".into()),
    }
}

/// The content of a text file.
pub(super) fn read_text(path: &str) -> Result<String, Cow<'static, str>> {
    String::from_utf8(read(Path::new(path))?).map_err(|_| "names a file that is not text".into())
}

fn read(path: &Path) -> Result<Vec<u8>, Cow<'static, str>> {
    let bytes =
        read_limited(path).map_err(|cause| format!("names a file that cannot be read: {cause}"))?;
    if bytes.len() > LARGEST {
        return Err("names a file that is larger than 1 MiB".into());
    }
    Ok(bytes)
}

/// At most one byte more than [`LARGEST`], in a buffer that never moves: it may be wiped later.
fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(length.min(LARGEST) + 1);
    let limit = u64::try_from(LARGEST + 1).unwrap_or(u64::MAX);
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// How keys and certificates in DER begin: a sequence.
const DER: &[u8] = &[0x30];

const LARGEST: usize = 1024 * 1024;
