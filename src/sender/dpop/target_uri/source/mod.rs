//! The URL of a request: from configuration, the `Host` header, or a trusted proxy.

mod forwarded;

use std::net::IpAddr;

use actix_web::http::Uri;
use actix_web::http::header::{HOST, HeaderMap};
use ipnet::IpNet;

use super::{BaseUri, Scheme, TargetUri, TargetUriError};
use crate::sender::trusted_proxies::is_trusted;

/// How to determine the URL that a client called, which its proof must name.
///
/// The default is for a server that clients reach directly: the host of the request and the scheme
/// of the connection.
///
/// # Examples
/// ```no_run
/// use actix_resource_server::sender::TargetUriSource;
/// use actix_resource_server::{Issuer, Verifier};
///
/// let issuer = Issuer::discover("https://tenant.eu.auth0.com/").audience("https://my/api").build()?;
/// let source = TargetUriSource::public_url("https://api.example/v1")?;
/// let verifier = Verifier::builder().target_uri(source).start([issuer])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TargetUriSource(Source);

#[derive(Clone, Debug)]
enum Source {
    Configured(BaseUri),
    Request { trusted: Vec<IpNet> },
}

impl TargetUriSource {
    /// A fixed URL, to which the paths of requests are appended; host and scheme of requests are ignored.
    ///
    /// # Errors
    /// The URL is not an absolute `http` or `https` URL, or has a user name, a query or a fragment.
    pub fn public_url(url: &str) -> Result<Self, TargetUriError> {
        BaseUri::parse(url).map(Source::Configured).map(Self)
    }

    /// A server behind proxies at these addresses, whose `Forwarded` or `X-Forwarded-Proto`, `-Host` and `-Port` are
    /// used, and whose `X-Forwarded-Prefix` is put before the path.
    ///
    /// Only the elements that the last proxy itself added are used. Each proxy must set or remove *all five* of these
    /// headers: one that forwards a client's own lets the client choose the URL; behind such a proxy, configure a fixed
    /// [`public_url`](Self::public_url). From other peers these headers are ignored.
    #[must_use]
    pub fn behind(proxies: impl IntoIterator<Item = IpNet>) -> Self {
        Self(Source::Request {
            trusted: proxies.into_iter().collect(),
        })
    }

    /// The URL that the client called, for a request with these headers and this URI.
    ///
    /// `peer` is the other end of the connection, and `secure` whether that is TLS.
    ///
    /// # Errors
    /// [`TargetUriError`] for a malformed host or path, and for a malformed header of a trusted proxy.
    pub(crate) fn of_request(
        &self,
        headers: &HeaderMap,
        uri: &Uri,
        peer: Option<IpAddr>,
        secure: bool,
    ) -> Result<TargetUri, TargetUriError> {
        let trusted = match &self.0 {
            Source::Configured(base) => return base.target(uri.path()),
            Source::Request { trusted } => trusted,
        };
        let scheme = if secure { Scheme::Https } else { Scheme::Http };
        let host = host(headers, uri, scheme)?;
        let base = if is_trusted(trusted, peer) {
            forwarded::base(headers, scheme, host)?
        } else {
            BaseUri::new(scheme, host)?
        };
        base.target(uri.path())
    }
}

impl Default for TargetUriSource {
    fn default() -> Self {
        Self::behind([])
    }
}

/// The host of the request: in the URI, as with HTTP/2, or in its one `Host` header.
fn host<'r>(
    headers: &'r HeaderMap,
    uri: &'r Uri,
    scheme: Scheme,
) -> Result<&'r str, TargetUriError> {
    let mut values = headers.get_all(HOST);
    let header = values.next().map(|value| value.to_str());
    let header = header.transpose().map_err(|_| TargetUriError::Authority)?;
    if values.next().is_some() {
        return Err(TargetUriError::Authority);
    }
    let named = uri.authority().map(|authority| authority.as_str());
    if let Some((one, other)) = named.zip(header)
        && BaseUri::new(scheme, one)? != BaseUri::new(scheme, other)?
    {
        // RFC 9112 §3.2.2 requires them to be identical.
        return Err(TargetUriError::Authority);
    }
    named.or(header).ok_or(TargetUriError::Authority)
}

#[cfg(test)]
mod tests;
