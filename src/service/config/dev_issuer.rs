//! Reads `[dev_issuer]`, which every build accepts, so that one file serves them all.

use super::error::SettingsError;
use super::section::{Section, Setting, said};

/// `[dev_issuer]`, where it is enabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DevIssuer {
    pub(crate) port: u16,
    /// Where clients show certificates that their tokens are bound to, if they are asked for any.
    pub(crate) tls_port: u16,
    /// Whether it wants a nonce of its own in every DPoP proof.
    pub(crate) dpop_nonce: bool,
}

/// What is said, be it of use or not.
pub(super) struct Said {
    is_said: bool,
    /// Whether it is switched on in so many words.
    pub(super) is_explicit: bool,
    /// `None` when it is switched off.
    pub(super) enabled: Option<DevIssuer>,
}

impl Said {
    pub(super) fn read(dev_issuer: &mut Section) -> Result<Self, SettingsError> {
        let port = |said: &Setting| said.number(0..=u16::MAX);
        let enabled = said(dev_issuer, "enabled", Setting::flag)?;
        let plain = said(dev_issuer, "port", port)?;
        let encrypted = said(dev_issuer, "tls_port", port)?;
        let dpop_nonce = said(dev_issuer, "dpop_nonce", Setting::flag)?;
        let own = DevIssuer {
            port: plain.unwrap_or(DEFAULT_PORT),
            tls_port: encrypted.unwrap_or(DEFAULT_TLS_PORT),
            dpop_nonce: dpop_nonce.unwrap_or(false),
        };
        let is_said = enabled.is_some() || dpop_nonce.is_some();
        Ok(Self {
            is_explicit: enabled == Some(true),
            is_said: is_said || plain.is_some() || encrypted.is_some(),
            enabled: enabled.unwrap_or(true).then_some(own),
        })
    }

    /// What to log when this build has no such issuer.
    pub(super) fn note(&self) -> Option<String> {
        let ignored = self.is_said && !cfg!(feature = "dev-issuer");
        ignored.then(|| "[dev_issuer] is ignored: this build has no development issuer".to_owned())
    }
}

const DEFAULT_PORT: u16 = 3011;

const DEFAULT_TLS_PORT: u16 = 3012;

#[cfg(test)]
mod tests {
    use super::super::tests::{parsed, read_section};
    use super::*;

    #[test]
    fn without_a_word_it_is_on() {
        let read = |text| read_section(text, Said::read).map(|said| said.enabled);
        let usual = DevIssuer {
            port: 3011,
            tls_port: 3012,
            dpop_nonce: false,
        };
        assert_eq!(read(""), Ok(Some(usual)));
        let said = "port = 1\ntls_port = 2\ndpop_nonce = true";
        let other = DevIssuer {
            port: 1,
            tls_port: 2,
            dpop_nonce: true,
        };
        assert_eq!(read(said), Ok(Some(other)));
        assert_eq!(read("enabled = false\nport = 1"), Ok(None));
    }

    #[test]
    fn the_section_of_the_development_issuer_is_checked_in_every_build() {
        let cases = [
            ("enabled = 1", "enabled", "must be true or false"),
            ("port = 'x'", "port", "must be a number from 0 to 65535"),
            (
                "tls_port = -1",
                "tls_port",
                "must be a number from 0 to 65535",
            ),
            ("dpop_nonce = 1", "dpop_nonce", "must be true or false"),
            (
                "prot = 1",
                "prot",
                "is not a known key; did you mean port? known here: enabled, port, tls_port, dpop_nonce",
            ),
        ];
        for (text, key, message) in cases {
            let message = format!("dev_issuer.{key} (file Settings.toml): {message}");
            assert_eq!(
                parsed(&format!("[dev_issuer]\n{text}"), &[]).map(drop),
                Err(message)
            );
        }
    }

    #[test]
    fn a_build_without_the_development_issuer_says_that_its_section_is_ignored() {
        let said = [
            ("ISSUER_BASE_URL", "https://a.example/"),
            ("AUDIENCE", "api"),
        ];
        let notes = |text| parsed(text, &said).map(|settings| settings.notes);
        let ignored = ["[dev_issuer] is ignored: this build has no development issuer".to_owned()];
        let expected = if cfg!(feature = "dev-issuer") {
            &[]
        } else {
            &ignored[..]
        };
        assert_eq!(notes("[dev_issuer]\nport = 1").as_deref(), Ok(expected));
        assert_eq!(notes("").as_deref(), Ok(&[][..]));
    }
}
