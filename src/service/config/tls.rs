//! Reads `[server.tls]`: the files by which the service proves who it is.
//!
//! They are opened later, by the listener, and again whenever they are to be read anew.

use super::error::SettingsError;
use super::file::NamedFile;
use super::section::{Section, said};

/// `[server.tls]`, where it is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tls {
    /// The certificate, and those between it and its root.
    pub(crate) certificate: NamedFile,
    /// The private key of the certificate.
    pub(crate) key: NamedFile,
    /// Who must have signed the certificates of clients, if anybody.
    pub(crate) client_ca: Option<NamedFile>,
    /// Whether clients are asked for a certificate; those that have none are served, too.
    pub(crate) asks_clients: bool,
}

/// What is said, be it enough or not.
pub(super) struct Said {
    certificate: Option<NamedFile>,
    key: Option<NamedFile>,
    client_ca: Option<NamedFile>,
}

impl Said {
    pub(super) fn read(tls: &mut Section) -> Result<Self, SettingsError> {
        Ok(Self {
            certificate: said(tls, "certificate", NamedFile::pem)?,
            key: said(tls, "key", NamedFile::pem)?,
            client_ca: said(tls, "client_ca", NamedFile::pem)?,
        })
    }

    /// `None` where nothing is said.
    pub(super) fn resolve(self) -> Result<Option<Tls>, SettingsError> {
        let (certificate, key) = match (self.certificate, self.key, &self.client_ca) {
            (Some(certificate), Some(key), _) => (certificate, key),
            (Some(other), None, _) => return Err(missing("key", &other)),
            (None, Some(other), _) => return Err(missing("certificate", &other)),
            (None, None, Some(other)) => return Err(missing("certificate", other)),
            (None, None, None) => return Ok(None),
        };
        Ok(Some(Tls {
            certificate,
            key,
            client_ca: self.client_ca,
            asks_clients: false,
        }))
    }
}

fn missing(key: &str, other: &NamedFile) -> SettingsError {
    SettingsError::Missing {
        key: format!("server.tls.{key}"),
        remedy: format!("{} is nothing without it", other.place()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::parsed;
    use super::*;

    fn tls(text: &str) -> Result<Option<Tls>, String> {
        let text =
            format!("[auth]\nissuer_base_url = 'https://a.example/'\naudience = 'a'\n{text}");
        parsed(&text, &[]).map(|settings| settings.server.tls)
    }

    #[test]
    fn without_the_section_there_is_no_tls() {
        assert_eq!(tls(""), Ok(None));
        assert_eq!(tls("[server.tls]"), Ok(None));
    }

    #[test]
    fn certificate_and_key_are_named_together() {
        let both = tls("[server.tls]\ncertificate = 'a.pem'\nkey = 'b.pem'");
        assert!(both.is_ok_and(|tls| tls.is_some()));
        let cases = [
            (
                "certificate = 'a.pem'",
                "server.tls.key is missing: server.tls.certificate (file Settings.toml) is nothing without it",
            ),
            (
                "key = 'a.pem'",
                "server.tls.certificate is missing: server.tls.key (file Settings.toml) is nothing without it",
            ),
            (
                "client_ca = 'a.pem'",
                "server.tls.certificate is missing: server.tls.client_ca (file Settings.toml) is nothing without it",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(
                tls(&format!("[server.tls]\n{text}")),
                Err(message.to_owned())
            );
        }
    }

    #[test]
    fn a_file_is_named_and_not_written_out() {
        for value in ["''", "' '", "'-----BEGIN PRIVATE KEY-----hush'"] {
            let message = "server.tls.key (file Settings.toml): must be the path of a PEM file";
            let said = tls(&format!("[server.tls]\nkey = {value}"));
            assert_eq!(said, Err(message.to_owned()), "{value}");
        }
        let message = "server.tls.key (file Settings.toml): must be a text, in quotes";
        assert_eq!(tls("[server.tls]\nkey = 1"), Err(message.to_owned()));
    }
}
