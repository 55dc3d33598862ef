//! Reads `[auth.mtls]`: whether clients' certificates count, and where they are found.

use actix_web::http::header::HeaderName;

use super::error::{Place, SettingsError};
use super::section::{Section, Setting, said};
use super::server::Server;
use crate::sender::{CertificateHeader, CertificateSource};

/// `[auth.mtls]`, where it is enabled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mtls {
    /// Whether a token must be bound to a certificate.
    pub(crate) required: bool,
    pub(crate) source: CertificateSource,
}

impl Mtls {
    /// What to log where no certificate can ever come.
    pub(super) fn note(&self) -> Option<String> {
        match &self.source {
            CertificateSource::Header {
                trusted_proxies, ..
            } if trusted_proxies.is_empty() => Some(NOBODY_TELLS.to_owned()),
            _ => None,
        }
    }
}

/// What is said, its values checked one by one.
pub(super) struct Said {
    enabled: bool,
    /// Who said that it is required, if it is.
    required: Option<Place>,
    source: Option<(Source, Place)>,
    header: Option<(HeaderName, Place)>,
}

/// The values that `source` may have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    ClientCert,
    EscapedPem,
    Tls,
    Xfcc,
}

impl Said {
    pub(super) fn read(mtls: &mut Section) -> Result<Self, SettingsError> {
        let required = said(mtls, "required", |said| {
            Ok(said.flag()?.then(|| said.place().clone()))
        });
        Ok(Self {
            enabled: said(mtls, "enabled", Setting::flag)?.unwrap_or(false),
            required: required?.flatten(),
            source: said(mtls, "source", source)?,
            header: said(mtls, "header", header)?,
        })
    }

    /// Checks the values together, and with those of `[server]`.
    pub(super) fn resolve(&self, server: &Server) -> Result<Option<Mtls>, SettingsError> {
        if let (false, Some(place)) = (self.enabled, &self.required) {
            return Err(place.refuse("needs auth.mtls.enabled = true"));
        }
        let required = self.required.is_some();
        let mtls = match self.enabled {
            true => Some(Mtls {
                required,
                source: self.certificate_source(server)?,
            }),
            false => None,
        };
        check_client_ca(server, mtls.as_ref())?;
        Ok(mtls)
    }

    fn certificate_source(&self, server: &Server) -> Result<CertificateSource, SettingsError> {
        let source = match (&self.source, &self.header) {
            (Some((source, _)), _) => *source,
            (None, Some((_, place))) => return Err(place.refuse(HEADER_UNUSED)),
            (None, None) => return Ok(unsaid(server)),
        };
        let form = match (source, &self.header) {
            (Source::EscapedPem, header) => {
                let named = header.as_ref().map(|said| said.0.clone());
                CertificateHeader::EscapedPem(named.unwrap_or(DEFAULT_HEADER))
            }
            (_, Some((_, place))) => return Err(place.refuse(HEADER_UNUSED)),
            (Source::ClientCert, None) => CertificateHeader::ClientCert,
            (Source::Xfcc, None) => CertificateHeader::ForwardedClientCert,
            (Source::Tls, None) if server.tls.is_some() => {
                return Ok(CertificateSource::Connection);
            }
            (Source::Tls, None) => return Err(needed("server.tls.certificate", NO_TLS)),
        };
        if server.trusted_proxies.is_empty() {
            return Err(needed("server.trusted_proxies", NO_PROXIES));
        }
        Ok(CertificateSource::Header {
            form,
            trusted_proxies: server.trusted_proxies.clone(),
        })
    }
}

/// The handshake with the service itself, or nobody: that a proxy removes what clients write into
/// a header is for somebody to say.
fn unsaid(server: &Server) -> CertificateSource {
    match server.tls {
        Some(_) => CertificateSource::Connection,
        None => CertificateSource::Header {
            form: CertificateHeader::ClientCert,
            trusted_proxies: Vec::new(),
        },
    }
}

/// An authority that nothing is asked of is a misunderstanding.
fn check_client_ca(server: &Server, mtls: Option<&Mtls>) -> Result<(), SettingsError> {
    let asked = mtls.is_some_and(|mtls| mtls.source == CertificateSource::Connection);
    let client_ca = server.tls.as_ref().and_then(|tls| tls.client_ca.as_ref());
    match client_ca {
        Some(file) if !asked => Err(file.refuse(CLIENT_CA_UNUSED)),
        _ => Ok(()),
    }
}

fn source(said: &Setting) -> Result<(Source, Place), SettingsError> {
    let source = match said.text() {
        Ok("client-cert") => Source::ClientCert,
        Ok("escaped-pem") => Source::EscapedPem,
        Ok("tls") => Source::Tls,
        Ok("xfcc") => Source::Xfcc,
        _ => {
            let remedy = "must be tls, client-cert, escaped-pem or xfcc";
            return Err(said.place().refuse(remedy));
        }
    };
    Ok((source, said.place().clone()))
}

fn header(said: &Setting) -> Result<(HeaderName, Place), SettingsError> {
    let name = HeaderName::from_bytes(said.text()?.as_bytes());
    let name = name.map_err(|_| said.place().refuse("must be the name of a header"))?;
    Ok((name, said.place().clone()))
}

fn needed(key: &str, remedy: &'static str) -> SettingsError {
    SettingsError::Missing {
        key: key.to_owned(),
        remedy: remedy.into(),
    }
}

/// As nginx's documentation and its ingress controllers have it in their examples.
const DEFAULT_HEADER: HeaderName = HeaderName::from_static("x-ssl-client-cert");

const CLIENT_CA_UNUSED: &str = "is for clients' certificates, which auth.mtls.enabled = true with auth.mtls.source = \"tls\" asks for";

const HEADER_UNUSED: &str = "has a meaning with auth.mtls.source = \"escaped-pem\" alone";

const NO_PROXIES: &str = "auth.mtls.source takes certificates from a header, which anybody can write: name the proxies that do";

const NO_TLS: &str = "auth.mtls.source = \"tls\" takes certificates from the service's own TLS";

const NOBODY_TELLS: &str = "auth.mtls is enabled, but no client certificate can come: set server.tls, or server.trusted_proxies and auth.mtls.source";

#[cfg(test)]
mod tests {
    use super::super::tests::parsed;
    use super::*;

    fn mtls(mtls: &str, server: &str) -> Result<Option<Mtls>, String> {
        let auth = "[auth]\nissuer_base_url = 'https://a.example/'\naudience = 'a'";
        let text = format!("[server]\n{server}\n{auth}\n[auth.mtls]\n{mtls}");
        parsed(&text, &[]).map(|settings| settings.mtls)
    }

    const PROXY: &str = "trusted_proxies = '10.0.0.0/8'";
    const TLS: &str = "tls = { certificate = 'a', key = 'b' }";
    const CA: &str = "tls = { certificate = 'a', key = 'b', client_ca = 'c' }";

    #[test]
    fn it_is_off_unless_enabled() {
        for text in [
            "",
            "enabled = false",
            "source = 'xfcc'\nheader = 'x'\nrequired = false",
        ] {
            assert_eq!(mtls(text, ""), Ok(None));
        }
    }

    #[test]
    fn a_certificate_comes_from_the_connection_or_from_a_proxy() {
        let header = |form| CertificateSource::Header {
            form,
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        };
        let escaped = |name| CertificateHeader::EscapedPem(HeaderName::from_static(name));
        let cases = [
            ("", TLS, CertificateSource::Connection),
            ("source = 'tls'", CA, CertificateSource::Connection),
            (
                "source = 'client-cert'",
                PROXY,
                header(CertificateHeader::ClientCert),
            ),
            (
                "source = 'xfcc'",
                PROXY,
                header(CertificateHeader::ForwardedClientCert),
            ),
            (
                "source = 'escaped-pem'",
                PROXY,
                header(escaped("x-ssl-client-cert")),
            ),
            (
                "source = 'escaped-pem'\nheader = 'SSL-Cert'",
                PROXY,
                header(escaped("ssl-cert")),
            ),
        ];
        for (text, server, source) in cases {
            for required in [false, true] {
                let said = format!("enabled = true\nrequired = {required}\n{text}");
                let expected = Mtls {
                    required,
                    source: source.clone(),
                };
                assert_eq!(mtls(&said, server), Ok(Some(expected)), "{said}");
            }
        }
    }

    #[test]
    fn it_is_said_where_no_certificate_can_come() {
        let notes = |server: &str| {
            let auth = "[auth]\nissuer_base_url = 'https://a.example/'\naudience = 'a'";
            let text = format!("[server]\n{server}\n{auth}\n[auth.mtls]\nenabled = true");
            parsed(&text, &[]).map(|settings| settings.notes)
        };
        assert_eq!(notes(""), Ok(vec![NOBODY_TELLS.to_owned()]));
        assert_eq!(notes(PROXY), Ok(vec![NOBODY_TELLS.to_owned()]));
        assert_eq!(notes(TLS), Ok(Vec::new()));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let said =
            |key: &str, remedy: &str| format!("auth.mtls.{key} (file Settings.toml): {remedy}");
        let flag = "must be true or false";
        let source = "must be tls, client-cert, escaped-pem or xfcc";
        let unused = format!("server.tls.client_ca (file Settings.toml): {CLIENT_CA_UNUSED}");
        let cases = [
            ("enabled = 1", "", said("enabled", flag)),
            ("required = 'x'", "", said("required", flag)),
            (
                "required = true",
                TLS,
                said("required", "needs auth.mtls.enabled = true"),
            ),
            ("source = 'nginx'", "", said("source", source)),
            ("source = 1", "", said("source", source)),
            (
                "header = 'a b'",
                "",
                said("header", "must be the name of a header"),
            ),
            (
                "header = ''",
                "",
                said("header", "must be the name of a header"),
            ),
            (
                "enabled = true\nheader = 'a'",
                TLS,
                said("header", HEADER_UNUSED),
            ),
            (
                "enabled = true\nsource = 'xfcc'\nheader = 'a'",
                PROXY,
                said("header", HEADER_UNUSED),
            ),
            (
                "enabled = true\nsource = 'tls'",
                PROXY,
                format!("server.tls.certificate is missing: {NO_TLS}"),
            ),
            (
                "enabled = true\nsource = 'xfcc'",
                TLS,
                format!("server.trusted_proxies is missing: {NO_PROXIES}"),
            ),
            ("", CA, unused.clone()),
            (
                "enabled = true\nsource = 'xfcc'",
                &format!("{PROXY}\n{CA}"),
                unused,
            ),
        ];
        for (text, server, message) in cases {
            assert_eq!(mtls(text, server), Err(message), "{text} {server}");
        }
    }
}
