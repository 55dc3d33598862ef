//! Where a request's own URL comes from: configuration, the `Host` header, or a proxy that is trusted.

mod forwarded;

use std::net::IpAddr;

use actix_web::http::Uri;
use actix_web::http::header::{HOST, HeaderMap};
use ipnet::IpNet;

use super::{BaseUri, Scheme, TargetUri, TargetUriError};
use crate::sender::trusted_proxies::is_trusted;

/// How the URL is known that a client called, which proofs must name.
///
/// The default is a server that clients reach directly: the host that they name, and the scheme
/// of the connection.
///
/// # Examples
/// ```
/// use actix_resource_server::sender::{TargetUriSource, TargetUri};
/// use actix_web::http::header::HeaderMap;
///
/// let origin = TargetUriSource::public_url("https://api.example/v1")?;
/// let called = origin.of_request(&HeaderMap::new(), &"/messages?page=2".parse()?, None, false)?;
/// assert_eq!(called.as_str(), "https://api.example/v1/messages");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TargetUriSource(Source);

#[derive(Clone, Debug)]
enum Source {
    Configured(BaseUri),
    Request { trusted: Vec<IpNet> },
}

impl TargetUriSource {
    /// A fixed URL, below which the paths of requests stand; whatever a request says is ignored.
    ///
    /// # Errors
    /// The URL is not an absolute one of `http` or `https`, or has a user name, a query or a fragment.
    pub fn public_url(url: &str) -> Result<Self, TargetUriError> {
        BaseUri::parse(url).map(Source::Configured).map(Self)
    }

    /// A server behind proxies at these addresses, whose `Forwarded` or `X-Forwarded-Proto`, `-Host` and `-Port` are
    /// believed, and whose `X-Forwarded-Prefix` is put before the path.
    ///
    /// Only what the last proxy itself added is looked at. Each proxy must set or remove *all five* of these
    /// headers: one that hands on what a client sent lets the client choose the URL, and then a fixed
    /// [`public_url`](Self::public_url) is the answer. From anybody else these headers are ignored.
    #[must_use]
    pub fn behind(proxies: impl IntoIterator<Item = IpNet>) -> Self {
        Self(Source::Request {
            trusted: proxies.into_iter().collect(),
        })
    }

    /// The URL that the client called with a request of these headers and this URI.
    ///
    /// `peer` is the other end of the connection, and `secure` whether that is TLS.
    ///
    /// # Errors
    /// [`TargetUriError`] for a malformed host or path, and for malformed words of a trusted proxy.
    pub fn of_request(
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
        let base = match is_trusted(trusted, peer) {
            true => forwarded::base(headers, scheme, host)?,
            false => BaseUri::new(scheme, host)?,
        };
        base.target(uri.path())
    }
}

impl Default for TargetUriSource {
    fn default() -> Self {
        Self::behind([])
    }
}

/// The host that the client named: in the URI, where HTTP/2 has it, or in the one `Host` header.
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
        // RFC 9112 §3.2.2 wants them identical.
        return Err(TargetUriError::Authority);
    }
    named.or(header).ok_or(TargetUriError::Authority)
}

#[cfg(test)]
mod tests;
