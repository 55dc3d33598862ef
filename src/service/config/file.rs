//! A file that a setting names, and what is said of it when it cannot be used.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::error::{Place, SettingsError};
use super::section::Setting;

/// A file, and the setting that names it; its `Debug` shows nothing of what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedFile {
    path: PathBuf,
    place: Place,
}

impl NamedFile {
    /// Takes the path of a PEM file; the file is not opened.
    pub(super) fn pem(said: &Setting) -> Result<Self, SettingsError> {
        let path = said.text()?;
        if path.trim().is_empty() || path.contains("-----BEGIN") {
            return Err(said.place().refuse("must be the path of a PEM file"));
        }
        Ok(Self {
            path: path.into(),
            place: said.place().clone(),
        })
    }

    /// What is in the file; wiped when it is dropped, as it may be a private key.
    pub(crate) fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, SettingsError> {
        let bytes = read(&self.path).map(Zeroizing::new);
        let bytes = bytes
            .map_err(|cause| self.refuse(format!("names a file that cannot be read: {cause}")))?;
        match bytes.len() > LARGEST {
            true => Err(self.refuse(TOO_LARGE)),
            false => Ok(bytes),
        }
    }

    pub(crate) fn refuse(&self, remedy: impl Into<Cow<'static, str>>) -> SettingsError {
        self.place.refuse(remedy)
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }
}

/// At most one byte more than [`LARGEST`], in a buffer that never moves.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(length.min(LARGEST) + 1);
    let limit = u64::try_from(LARGEST + 1).unwrap_or(u64::MAX);
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(super) const LARGEST: usize = 1024 * 1024;

pub(super) const TOO_LARGE: &str = "names a file that is larger than 1 MiB";
