//! The URL of a request: from configuration, the `Host` header, or a trusted proxy.

mod forwarded;
mod own_hosts;

use std::net::IpAddr;

use actix_web::http::Uri;
use actix_web::http::header::{HOST, HeaderMap};
use ipnet::IpNet;

use super::{BaseUri, Scheme, TargetUri, TargetUriError};
use crate::sender::trusted_proxies::is_trusted;
use own_hosts::OwnHosts;

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
    Request {
        trusted: Vec<IpNet>,
        own_hosts: OwnHosts,
    },
}

/// What the URLs of the server begin with, for documents and challenges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicUrl {
    /// Scheme and authority.
    pub(crate) origin: String,
    /// Empty, or a path without a slash at its end.
    pub(crate) path: String,
    /// Whether it is the same for all requests.
    pub(crate) is_fixed: bool,
}

impl PublicUrl {
    fn new(base: &BaseUri, is_fixed: bool) -> Self {
        let (origin, path) = base.split_path();
        Self {
            origin: origin.to_owned(),
            path: path.to_owned(),
            is_fixed,
        }
    }
}

/// The parts of a request that name its URL.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestUri<'r> {
    pub(crate) headers: &'r HeaderMap,
    pub(crate) uri: &'r Uri,
    /// The other end of the connection.
    pub(crate) peer: Option<IpAddr>,
    /// Whether the connection is TLS.
    pub(crate) is_secure: bool,
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
            own_hosts: OwnHosts::default(),
        })
    }

    /// Lists hosts, such as `api.example`, `api.example:8443` or `api.example/prefix`, by which the server may name itself in
    /// challenges and in its metadata ([RFC 9728]) where a request, or a trusted proxy, names one of them.
    ///
    /// It makes no difference to the URL that a proof must name, nor where a [`public_url`](Self::public_url) is set.
    ///
    /// # Errors
    /// A host is malformed.
    ///
    /// [RFC 9728]: https://www.rfc-editor.org/rfc/rfc9728
    pub fn allowed_hosts<H: AsRef<str>>(
        mut self,
        hosts: impl IntoIterator<Item = H>,
    ) -> Result<Self, TargetUriError> {
        if let Source::Request { own_hosts, .. } = &mut self.0 {
            for host in hosts {
                own_hosts.list(host.as_ref())?;
            }
        }
        Ok(self)
    }

    /// Also lets the server name itself as `localhost`, `127.0.0.1` or `[::1]`, whichever a request names.
    ///
    /// Only for a server that listens on loopback: elsewhere, clients could be led to a server on their own machine.
    #[must_use]
    pub fn on_loopback(mut self) -> Self {
        if let Source::Request { own_hosts, .. } = &mut self.0 {
            own_hosts.add_loopback();
        }
        self
    }

    /// What the server's URLs begin with for the client of this request; `None` where only the client says so.
    pub(crate) fn public_url_for(&self, request: RequestUri<'_>) -> Option<PublicUrl> {
        let (trusted, own_hosts) = match &self.0 {
            Source::Configured(base) => return Some(PublicUrl::new(base, true)),
            Source::Request { trusted, own_hosts } => (trusted, own_hosts),
        };
        if own_hosts.is_empty() {
            return None;
        }
        let base = base(trusted, request).ok()?;
        let is_forwarded = is_trusted(trusted, request.peer) && base != direct(request).ok()?;
        let is_own = own_hosts.has(&base, is_forwarded);
        is_own.then(|| PublicUrl::new(&base, false))
    }

    /// The paths, other than the empty one, that [`public_url_for`](Self::public_url_for) may have.
    pub(crate) fn public_paths(&self) -> Vec<&str> {
        let mut paths: Vec<_> = match &self.0 {
            Source::Configured(base) => vec![base.split_path().1],
            Source::Request { own_hosts, .. } => own_hosts.paths().collect(),
        };
        paths.retain(|path| !path.is_empty());
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    /// Whether an origin, as a browser sends it, is the server's own for the client of this request.
    ///
    /// A proxy in front that is not trusted may have taken TLS off: `https` with the host of a request without TLS is the
    /// server's own, too.
    pub(crate) fn is_own_origin(&self, request: RequestUri<'_>, origin: &str) -> bool {
        let Ok(origin) = BaseUri::parse(origin) else {
            return false;
        };
        match &self.0 {
            Source::Configured(base) => base.split_path().0 == origin.split_path().0,
            Source::Request { trusted, .. } => {
                let is_called = base(trusted, request)
                    .is_ok_and(|base| base.split_path().0 == origin.split_path().0);
                is_called || encrypted_before(request).is_ok_and(|base| base == origin)
            }
        }
    }

    /// The URL that the client called.
    ///
    /// # Errors
    /// [`TargetUriError`] for a malformed host or path, and for a malformed header of a trusted proxy.
    pub(crate) fn of_request(&self, request: RequestUri<'_>) -> Result<TargetUri, TargetUriError> {
        let path = request.uri.path();
        match &self.0 {
            Source::Configured(base) => base.target(path),
            Source::Request { trusted, .. } => base(trusted, request)?.target(path),
        }
    }
}

/// The base of the URL as the client called it, which a trusted proxy knows better than the request.
fn base(trusted: &[IpNet], request: RequestUri<'_>) -> Result<BaseUri, TargetUriError> {
    if is_trusted(trusted, request.peer) {
        let scheme = scheme(request);
        let host = host(request.headers, request.uri, scheme)?;
        forwarded::base(request.headers, scheme, host)
    } else {
        direct(request)
    }
}

/// The base of the URL as this server received it.
fn direct(request: RequestUri<'_>) -> Result<BaseUri, TargetUriError> {
    let scheme = scheme(request);
    BaseUri::new(scheme, host(request.headers, request.uri, scheme)?)
}

/// The base of the URL if a proxy has taken TLS off.
fn encrypted_before(request: RequestUri<'_>) -> Result<BaseUri, TargetUriError> {
    let host = host(request.headers, request.uri, Scheme::Https)?;
    BaseUri::new(Scheme::Https, host)
}

fn scheme(request: RequestUri<'_>) -> Scheme {
    if request.is_secure {
        Scheme::Https
    } else {
        Scheme::Http
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
