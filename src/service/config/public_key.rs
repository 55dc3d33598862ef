//! Finds the text of a public key: inline, or in the file that the setting names.

use std::borrow::Cow;
use std::path::Path;

use super::error::SettingsError;
use super::file::{self, LARGEST, TOO_LARGE};
use super::section::Setting;

/// The key's text; what it means is for the issuer to say.
pub(super) fn read(said: &Setting) -> Result<Cow<'_, str>, SettingsError> {
    let text = said.text()?;
    let inline = text.trim_start();
    if inline.starts_with("-----BEGIN") || inline.starts_with('{') {
        return Ok(text.into());
    }
    let bytes = file::read(Path::new(text)).map_err(|cause| {
        said.place().refuse(format!(
            "must be a PEM, JWK or JWK set, or the file of one; it cannot be read: {cause}"
        ))
    })?;
    if bytes.len() > LARGEST {
        return Err(said.place().refuse(TOO_LARGE));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| said.place().refuse("names a file that is not text"))?;
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::super::tests::parsed;
    use super::*;

    /// A file that goes when the test does.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str, content: &[u8]) -> Self {
            let path = std::env::temp_dir().join(format!("ars-{}-{name}", std::process::id()));
            fs::write(&path, content).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            fs::remove_file(&self.0).ok();
        }
    }

    fn found(said: &str) -> Result<String, String> {
        let value = config::Value::new(Some(&"file f".to_owned()), said);
        let tree = config::Map::from([("key".to_owned(), value)]);
        let found = super::super::section::Section::read_root(tree, |root| {
            read(&root.take("key").unwrap()).map(Cow::into_owned)
        });
        found.map_err(|error| error.to_string())
    }

    #[test]
    fn inline_keys_are_taken_as_they_are() {
        for text in ["-----BEGIN PUBLIC KEY-----\nx", "{}", "\n  {\"keys\":[]}"] {
            assert_eq!(found(text), Ok(text.to_owned()));
        }
    }

    #[test]
    fn anything_else_names_a_file() {
        let scratch = Scratch::new("key", b"text");
        assert_eq!(found(scratch.0.to_str().unwrap()), Ok("text".to_owned()));
    }

    #[test]
    fn a_file_that_cannot_hold_a_key_is_refused() {
        let largest = vec![b'x'; LARGEST];
        let whole = Scratch::new("largest", &largest);
        assert_eq!(
            found(whole.0.to_str().unwrap()).map(|text| text.len()),
            Ok(LARGEST)
        );
        let cases = [
            (
                Scratch::new("larger", &[&largest[..], b"x"].concat()),
                "names a file that is larger than 1 MiB",
            ),
            (
                Scratch::new("binary", &[0xff]),
                "names a file that is not text",
            ),
        ];
        for (scratch, message) in cases {
            assert_eq!(
                found(scratch.0.to_str().unwrap()),
                Err(format!("key (file f): {message}"))
            );
        }
        let missing = found("/nowhere/hush.pem").unwrap_err();
        let expected =
            "key (file f): must be a PEM, JWK or JWK set, or the file of one; it cannot be read: ";
        assert!(
            missing.starts_with(expected) && !missing.contains("hush"),
            "{missing}"
        );
    }

    #[test]
    fn a_key_that_cannot_be_read_stops_the_start() {
        let message = parsed(
            "[auth]\naudience = 'api'\nissuer = 'a'\npublic_key = ''",
            &[],
        )
        .map(drop)
        .unwrap_err();
        let expected = "auth.public_key (file Settings.toml): must be a PEM, JWK or JWK set, \
                        or the file of one; it cannot be read: ";
        assert!(message.starts_with(expected), "{message}");
    }
}
