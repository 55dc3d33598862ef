//! The URL that a client called, normalised for comparison ([RFC 9449 §4.3]).
//!
//! Two URLs are equal by [RFC 3986 §6.2.2 and §6.2.3] alone: none of the repairs and translations
//! of browsers are applied.
//!
//! [RFC 9449 §4.3]: https://www.rfc-editor.org/rfc/rfc9449#section-4.3
//! [RFC 3986 §6.2.2 and §6.2.3]: https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2

mod source;

use std::fmt;
use std::net::Ipv6Addr;

pub use self::source::TargetUriSource;
pub(crate) use self::source::{PublicUrl, RequestUri};

/// An `http` or `https` URL without query and fragment, normalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TargetUri(String);

impl TargetUri {
    /// Parses an absolute URL, such as the claim `htu`.
    ///
    /// # Errors
    /// [`TargetUriError`] if no client could have called the URL.
    pub(crate) fn parse(url: &str) -> Result<Self, TargetUriError> {
        let (base, path) = BaseUri::split(url)?;
        Ok(base.with_path(&without_dot_segments(&normal_path(path)?)))
    }

    /// The normalised text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TargetUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What precedes the path of a request: scheme, authority, and possibly the beginning of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BaseUri(String);

impl BaseUri {
    pub(super) fn new(scheme: Scheme, authority: &str) -> Result<Self, TargetUriError> {
        let mut base = format!("{}://", scheme.name());
        write_authority(authority, scheme, &mut base)?;
        Ok(Self(base))
    }

    /// Like [`new`](Self::new), with `port` instead of the authority's own.
    pub(super) fn with_port(
        scheme: Scheme,
        authority: &str,
        port: u16,
    ) -> Result<Self, TargetUriError> {
        // The port that is replaced must be well-formed, too.
        Self::new(scheme, authority)?;
        let (host, _) = split_port(authority);
        Self::new(scheme, &format!("{host}:{port}"))
    }

    /// Like [`new`](Self::new), with `port`, which the authority has too or leaves open.
    ///
    /// # Errors
    /// [`TargetUriError::Contradiction`] when the authority has another port.
    pub(super) fn on_port(
        scheme: Scheme,
        authority: &str,
        port: u16,
    ) -> Result<Self, TargetUriError> {
        let base = Self::with_port(scheme, authority, port)?;
        let (_, own) = split_port(authority);
        if !own.is_empty() && base != Self::new(scheme, authority)? {
            return Err(TargetUriError::Contradiction);
        }
        Ok(base)
    }

    /// Appends a prefix for the paths of requests; `None` if it is not a plain path.
    pub(super) fn below(mut self, path: &str) -> Option<Self> {
        let is_plain = |byte: u8| is_path_character(byte) || byte == b'%';
        if !path.starts_with('/') || !path.bytes().all(is_plain) {
            return None;
        }
        let path = normal_path(path).ok()?;
        let path = path.strip_suffix('/').unwrap_or(&path);
        let mut segments = path.split('/').skip(1);
        if segments.any(|segment| matches!(segment, "" | "." | "..")) {
            return None;
        }
        self.0.push_str(path);
        Some(self)
    }

    /// Parses a URL to which the paths of requests are appended.
    pub(super) fn parse(url: &str) -> Result<Self, TargetUriError> {
        if url.contains(['?', '#']) {
            return Err(TargetUriError::NotPlain);
        }
        let target = TargetUri::parse(url)?;
        Ok(Self(target.0.trim_end_matches('/').to_owned()))
    }

    /// The URL of a request, with its path unresolved, so that the compared path is the routed one.
    ///
    /// Dot segments are rejected: clients resolve them before they call, and routers do not, so that the
    /// proof would name another resource than the one that is reached.
    pub(super) fn target(&self, path: &str) -> Result<TargetUri, TargetUriError> {
        let path = normal_path(path)?;
        if path.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(TargetUriError::DotSegments);
        }
        Ok(self.clone().with_path(&path))
    }

    /// Scheme and authority, and the path, which is empty or begins with a slash.
    pub(super) fn split_path(&self) -> (&str, &str) {
        let authority = self
            .0
            .find("://")
            .map_or(0, |colon| colon.saturating_add(3));
        let rest = self.0.get(authority..).unwrap_or_default();
        let end = rest.find('/').unwrap_or(rest.len());
        self.0.split_at(authority.saturating_add(end))
    }

    fn with_path(mut self, path: &str) -> TargetUri {
        self.0.push_str(path);
        TargetUri(self.0)
    }

    /// Splits a URL into its base and its path, without query and fragment.
    fn split(url: &str) -> Result<(Self, &str), TargetUriError> {
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TargetUriError::Characters);
        }
        let end = url.find(['?', '#']).unwrap_or(url.len());
        let (url, _) = url.split_at(end);
        let (scheme, rest) = url.split_once("://").ok_or(TargetUriError::Scheme)?;
        let scheme = Scheme::parse(scheme).ok_or(TargetUriError::Scheme)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Ok((Self::new(scheme, authority)?, path))
    }
}

/// The schemes of HTTP (RFC 9110 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// Parses a scheme in any case (RFC 3986 §6.2.2.1).
    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Http, Self::Https]
            .into_iter()
            .find(|scheme| name.eq_ignore_ascii_case(scheme.name()))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Writes the host in lower case, and the port unless it is the scheme's default (RFC 3986 §6.2.3).
fn write_authority(authority: &str, scheme: Scheme, to: &mut String) -> Result<(), TargetUriError> {
    let (host, port) = split_port(authority);
    write_host(host, to)?;
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(TargetUriError::Authority);
    }
    if port.is_empty() {
        return Ok(());
    }
    let port: u16 = port.parse().map_err(|_| TargetUriError::Authority)?;
    if port != scheme.default_port() {
        to.push_str(&format!(":{port}"));
    }
    Ok(())
}

/// Host and port; the port may be empty.
fn split_port(authority: &str) -> (&str, &str) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, ""),
    }
}

/// An IPv6 address in brackets, or a name in ASCII (RFC 3986 §3.2.2); escapes in names are rejected.
fn write_host(host: &str, to: &mut String) -> Result<(), TargetUriError> {
    if let Some(literal) = host.strip_prefix('[') {
        let address = literal.strip_suffix(']');
        let address = address.and_then(|text| text.parse::<Ipv6Addr>().ok());
        to.push_str(&format!("[{}]", address.ok_or(TargetUriError::Authority)?));
        return Ok(());
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte);
    if host.is_empty() || !host.bytes().all(allowed) {
        return Err(TargetUriError::Authority);
    }
    to.extend(host.chars().map(|letter| letter.to_ascii_lowercase()));
    Ok(())
}

/// Normalises escapes (RFC 3986 §6.2.2): unreserved characters are decoded, the other escapes are in upper case. An
/// empty path is `/`.
fn normal_path(path: &str) -> Result<String, TargetUriError> {
    if path.is_empty() {
        return Ok("/".to_owned());
    }
    if !path.starts_with('/') {
        return Err(TargetUriError::NoPath);
    }
    let mut normal = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let decoded = hex(bytes.next()).zip(hex(bytes.next()));
            let (high, low) = decoded.ok_or(TargetUriError::Escape)?;
            push(high << 4 | low, is_unreserved, &mut normal);
        } else {
            push(byte, is_path_character, &mut normal);
        }
    }
    Ok(normal)
}

/// Writes the byte itself if it is allowed, or else its escape.
fn push(byte: u8, is_allowed: fn(u8) -> bool, to: &mut String) {
    if is_allowed(byte) {
        to.push(char::from(byte));
    } else {
        to.push_str(&format!("%{byte:02X}"));
    }
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// `pchar` or the slash between segments (RFC 3986 §3.3).
fn is_path_character(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@/".contains(&byte)
}

fn hex(digit: Option<u8>) -> Option<u8> {
    let value = char::from(digit?).to_digit(16)?;
    u8::try_from(value).ok()
}

/// RFC 3986 §5.2.4, for a path that begins with a slash.
fn without_dot_segments(path: &str) -> String {
    let mut kept = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
        if matches!(segment, "." | "..") && segments.peek().is_none() {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

/// Why a text is not a URL that a client could have called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetUriError {
    /// No host, a malformed one or port, or a user name (RFC 3986 §3.2, RFC 9110 §4.2.4).
    #[error("the host is missing or malformed")]
    Authority,
    /// Characters other than visible ASCII (RFC 3986 §2).
    #[error("a URL has visible ASCII characters only")]
    Characters,
    /// `Forwarded` and `X-Forwarded-*` name different URLs.
    #[error("Forwarded and X-Forwarded-* contradict each other")]
    Contradiction,
    /// The path of a request has `.` or `..` segments, which clients resolve before they call.
    #[error("the path has dot segments")]
    DotSegments,
    /// A percent sign without two hexadecimal digits (RFC 3986 §2.1).
    #[error("a percent sign is not followed by two hexadecimal digits")]
    Escape,
    /// The header of the trusted proxy is malformed (RFC 7239 §4).
    #[error("a forwarding header of the proxy is malformed")]
    Forwarded,
    /// The path does not begin with a slash.
    #[error("the path does not begin with a slash")]
    NoPath,
    /// A public URL has a query or a fragment.
    #[error("a public URL has no query or fragment")]
    NotPlain,
    /// Neither `http://` nor `https://`.
    #[error("the URL is neither http nor https")]
    Scheme,
}

#[cfg(test)]
mod tests;
