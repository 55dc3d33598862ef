//! Whose tokens the service takes, and the issuer of its own beside it, where there is one.

use std::io;
use std::time::Duration;

use super::config::{self, Mtls, Trust};
#[cfg(feature = "dev-issuer")]
use super::dev_issuer::DevIssuer;
use super::failure::Failure;
use super::server::{Listener, Serving, Tls};
use crate::issuer::Issuer;

/// Whose tokens are accepted, and the server that issues them where it is our own.
pub(super) struct Trusted {
    pub(super) issuers: Vec<Issuer>,
    pub(super) companion: Option<Companion>,
    pub(super) any_loopback_origin: bool,
}

/// Starts the issuer once it is known where the API listens, which its Test view calls.
pub(super) type Companion =
    Box<dyn FnOnce(&Listener, &config::Server, Option<&Tls>) -> io::Result<Running>>;

/// The servers of an issuer of our own.
pub(super) struct Running {
    pub(super) plain: Serving,
    pub(super) encrypted: Option<Serving>,
}

impl Running {
    /// Ends them, whoever waits for an answer.
    pub(super) async fn end(self) {
        self.plain.end(Duration::ZERO).await;
        if let Some(encrypted) = self.encrypted {
            encrypted.end(Duration::ZERO).await;
        }
    }
}

/// Takes the issuers that are configured, or binds one of our own.
///
/// # Errors
/// A port is taken, no thread can be had, or what is said of the issuer contradicts itself.
#[cfg(feature = "dev-issuer")]
pub(super) fn trusted(trust: Trust, mtls: Option<&Mtls>) -> Result<Trusted, Failure> {
    use super::config::DEV_AUDIENCE;
    use super::routes;
    use crate::sender::CertificateSource;

    let (own, issuer) = match trust {
        Trust::Issuers(issuers) => return Ok(configured(issuers)),
        Trust::DevIssuer { own, issuer } => (own, issuer),
    };
    let issuer = issuer.default_audience(DEV_AUDIENCE);
    let audience = issuer.first_audience().to_owned();
    let asks_clients = mtls.is_some_and(|mtls| mtls.source == CertificateSource::Connection);
    let companion = bound(&own, audience.clone(), asks_clients)?;
    log::warn!(
        "FOR DEVELOPMENT ONLY: tokens are issued to anybody at {url} for the audience {audience}",
        url = companion.url()
    );
    if let Some(url) = companion.tls_url() {
        log::info!("tokens are bound to the certificates that clients show at {url}");
    }
    let issuer = issuer.base_url(companion.url());
    let issuer = issuer.build()?;
    Ok(Trusted {
        issuers: vec![issuer],
        companion: Some(Box::new(|listener, server, tls| {
            let address = listener.addresses().next();
            let origin = address.map(|address| origin(server.scheme(), address));
            let origin = origin.unwrap_or_default();
            companion
                .with_api(origin, routes::api().routes())
                .run(&server.options(), tls)
        })),
        any_loopback_origin: true,
    })
}

/// The issuer, with its sockets.
#[cfg(feature = "dev-issuer")]
fn bound(
    own: &config::DevIssuer,
    audience: String,
    asks_clients: bool,
) -> Result<DevIssuer, Failure> {
    let refuse = |key, port| move |error| Failure::BindDevIssuer { key, port, error };
    let issuer = DevIssuer::bind(own.port, audience, own.dpop_nonce);
    let issuer = issuer.map_err(refuse("port", own.port))?;
    if !asks_clients {
        return Ok(issuer);
    }
    let issuer = issuer.with_tls(own.tls_port);
    issuer.map_err(refuse("tls_port", own.tls_port))
}

/// The API as browsers on this machine call it; their content policies name no IPv6 address.
#[cfg(feature = "dev-issuer")]
fn origin(scheme: &str, address: std::net::SocketAddr) -> String {
    match address.ip() {
        std::net::IpAddr::V4(ip) if !ip.is_unspecified() => format!("{scheme}://{address}"),
        _ => format!("{scheme}://localhost:{}", address.port()),
    }
}

#[cfg(not(feature = "dev-issuer"))]
pub(super) fn trusted(trust: Trust, _: Option<&Mtls>) -> Result<Trusted, Failure> {
    let Trust::Issuers(issuers) = trust;
    Ok(configured(issuers))
}

fn configured(issuers: Vec<Issuer>) -> Trusted {
    Trusted {
        issuers,
        companion: None,
        any_loopback_origin: false,
    }
}
