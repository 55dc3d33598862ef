//! `[auth.mtls]` as the service uses it.

use super::error::SettingsError;
use super::layers::Table;
use super::model::{self, CertificateOrigin};
use super::origins::Origins;
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
    /// `None` where it is not enabled.
    pub(super) fn resolve(
        model: &model::Mtls,
        server: &Server,
        root: &Table,
    ) -> Result<Option<Self>, SettingsError> {
        let origins = Origins::of(root, "auth.mtls");
        let required = model.required.0;
        if required && !model.enabled.0 {
            return Err(origins.reject("required", "needs auth.mtls.enabled = true"));
        }
        let mtls = if model.enabled.0 {
            let source = source(model, server, &origins, root)?;
            Some(Self { required, source })
        } else {
            None
        };
        check_client_ca(server, mtls.as_ref())?;
        Ok(mtls)
    }

    /// What to log where no certificate can be received.
    pub(super) fn note(&self) -> Option<String> {
        match &self.source {
            CertificateSource::Header {
                trusted_proxies, ..
            } if trusted_proxies.is_empty() => Some(NO_SOURCE.to_owned()),
            _ => None,
        }
    }
}

fn source(
    model: &model::Mtls,
    server: &Server,
    origins: &Origins<'_>,
    root: &Table,
) -> Result<CertificateSource, SettingsError> {
    let header = origins.get("header");
    if let (Some(header), false) = (header, model.source == Some(CertificateOrigin::EscapedPem)) {
        return Err(header.reject(HEADER_UNUSED));
    }
    let form = match model.source {
        None => return Ok(default_source(server)),
        Some(CertificateOrigin::Tls) if server.tls.is_some() => {
            return Ok(CertificateSource::Connection);
        }
        Some(CertificateOrigin::Tls) => {
            let remedy = format!("{} {NO_TLS}", origins.described("source"));
            return Err(Origins::of(root, "server.tls").reject("certificate", remedy));
        }
        Some(CertificateOrigin::ClientCert) => CertificateHeader::ClientCert,
        Some(CertificateOrigin::EscapedPem) => {
            CertificateHeader::EscapedPem(model.header.0.clone())
        }
        Some(CertificateOrigin::Xfcc) => CertificateHeader::ForwardedClientCert,
    };
    if server.trusted_proxies.is_empty() {
        return Err(SettingsError::Missing {
            key: "server.trusted_proxies".to_owned(),
            remedy: format!("{} {NO_PROXIES}", origins.described("source")).into(),
        });
    }
    Ok(CertificateSource::Header {
        form,
        trusted_proxies: server.trusted_proxies.clone(),
    })
}

/// The handshake with the service itself, or no proxy: only the operator knows which header a proxy removes
/// from the requests of clients.
fn default_source(server: &Server) -> CertificateSource {
    match server.tls {
        Some(_) => CertificateSource::Connection,
        None => CertificateSource::Header {
            form: CertificateHeader::ClientCert,
            trusted_proxies: Vec::new(),
        },
    }
}

/// Rejects an authority for certificates that are never requested.
fn check_client_ca(server: &Server, mtls: Option<&Mtls>) -> Result<(), SettingsError> {
    let is_requested = mtls.is_some_and(|mtls| mtls.source == CertificateSource::Connection);
    let client_ca = server.tls.as_ref().and_then(|tls| tls.client_ca.as_ref());
    match client_ca {
        Some(file) if !is_requested => Err(file.reject(CLIENT_CA_UNUSED)),
        _ => Ok(()),
    }
}

const CLIENT_CA_UNUSED: &str = "only applies to client certificates, which auth.mtls.enabled = true with \
                                auth.mtls.source = \"tls\" requests";

const HEADER_UNUSED: &str = "only applies when auth.mtls.source = \"escaped-pem\"";

const NO_PROXIES: &str = "reads certificates from a header, which any client can send: name the \
                          proxies that set it";

const NO_SOURCE: &str = "auth.mtls is enabled, but no client certificate can be received: set server.tls, or \
                         server.trusted_proxies and auth.mtls.source";

const NO_TLS: &str = "reads certificates from the service's own TLS: name the file";

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderName;

    use super::super::tests::configured;
    use super::*;

    fn mtls(mtls: &str, server: &str) -> Result<Option<Mtls>, String> {
        let text = format!("[server]\n{server}\n[auth.mtls]\n{mtls}");
        configured(&text).map(|settings| settings.mtls)
    }

    const SOURCE: &str = "auth.mtls.source (file Settings.toml)";
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
                let text = format!("enabled = true\nrequired = {required}\n{text}");
                let expected = Mtls {
                    required,
                    source: source.clone(),
                };
                assert_eq!(mtls(&text, server), Ok(Some(expected)), "{text}");
            }
        }
    }

    #[test]
    fn a_missing_source_of_certificates_is_noted() {
        let notes = |server: &str| {
            let text = format!(
                "[server]\n{server}\n[auth.mtls]\nenabled = true\n[resource]\nmetadata = false"
            );
            configured(&text).map(|settings| settings.notes)
        };
        assert_eq!(notes(""), Ok(vec![NO_SOURCE.to_owned()]));
        assert_eq!(notes(PROXY), Ok(vec![NO_SOURCE.to_owned()]));
        assert_eq!(notes(TLS), Ok(Vec::new()));
    }

    #[test]
    fn contradictions_are_rejected() {
        let message =
            |key: &str, remedy: &str| format!("auth.mtls.{key} (file Settings.toml): {remedy}");
        let unused = format!("server.tls.client_ca (file Settings.toml): {CLIENT_CA_UNUSED}");
        let cases = [
            (
                "required = true",
                TLS,
                message("required", "needs auth.mtls.enabled = true"),
            ),
            (
                "header = 'a b'",
                "",
                message("header", "must be the name of a header"),
            ),
            (
                "header = ''",
                "",
                message("header", "must be the name of a header"),
            ),
            (
                "enabled = true\nheader = 'a'",
                TLS,
                message("header", HEADER_UNUSED),
            ),
            (
                "enabled = true\nsource = 'xfcc'\nheader = 'a'",
                PROXY,
                message("header", HEADER_UNUSED),
            ),
            (
                "enabled = true\nsource = 'tls'",
                PROXY,
                format!("server.tls.certificate is missing: {SOURCE} {NO_TLS}"),
            ),
            (
                "enabled = true\nsource = 'xfcc'",
                TLS,
                format!("server.trusted_proxies is missing: {SOURCE} {NO_PROXIES}"),
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
