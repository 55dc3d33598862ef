//! Parses the `Authorization` header: one scheme and one token ([RFC 6750 §2.1], [RFC 9449 §7.1]).
//!
//! The scheme may have any case. A second header is rejected, and so is more than one word after the
//! scheme. Tokens are accepted only in the header, never in query or body.
//!
//! [RFC 6750 §2.1]: https://www.rfc-editor.org/rfc/rfc6750#section-2.1
//! [RFC 9449 §7.1]: https://www.rfc-editor.org/rfc/rfc9449#section-7.1

use std::fmt;
use std::net::Ipv6Addr;
use std::ops::Range;

use actix_web::http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::uri::Uri;

/// The credentials of an `Authorization` header: an accepted scheme and the token after it, not yet checked.
///
/// ```text
/// credentials = ( "Bearer" / "DPoP" ) 1*SP b64token      ; such as Bearer mF_9.B5f-4.1JqM
/// b64token    = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
/// ```
///
/// Its `Debug` shows no token.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    scheme: AuthScheme,
    /// Shares the request's bytes, so that a token is never copied.
    header: HeaderValue,
    /// Where the token stands in it.
    token: Range<usize>,
}

impl Credentials {
    /// Finds the one access token of a request, or `None` where no credentials were sent.
    ///
    /// The token's characters are checked by [`as_str`](Self::as_str): a token in the cache needs no such check.
    ///
    /// # Errors
    /// [`CredentialsError`] for two credentials, and for a header without an accepted scheme.
    pub(crate) fn find(
        headers: &HeaderMap,
        uri: &Uri,
        accepted: Schemes,
    ) -> Result<Option<Self>, CredentialsError> {
        check_host(headers)?;
        let mut values = headers.get_all(AUTHORIZATION);
        let Some(header) = values.next() else {
            if accepted.accept(AuthScheme::Dpop) && headers.contains_key(DPOP) {
                return Err(CredentialsError::ProofAlone);
            }
            return Ok(None);
        };
        if values.next().is_some() || uri.query().is_some_and(names_access_token) {
            return Err(CredentialsError::Several);
        }
        let credentials = Self::read(header, accepted)?;
        if credentials.scheme == AuthScheme::Dpop && !headers.contains_key(DPOP) {
            return Err(CredentialsError::ProofMissing);
        }
        Ok(Some(credentials))
    }

    /// Checks that a request with a ticket has no other credentials.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub(crate) fn check_none(headers: &HeaderMap, uri: &Uri) -> Result<(), CredentialsError> {
        if headers.contains_key(AUTHORIZATION) || uri.query().is_some_and(names_access_token) {
            Err(CredentialsError::Several)
        } else if headers.contains_key(DPOP) {
            Err(CredentialsError::ProofAlone)
        } else {
            Ok(())
        }
    }

    fn read(header: &HeaderValue, accepted: Schemes) -> Result<Self, CredentialsError> {
        let credentials = header.as_bytes().trim_ascii_end();
        let (scheme, word) = split(credentials);
        let scheme = AuthScheme::named(scheme).filter(|scheme| accepted.accept(*scheme));
        let scheme = scheme.filter(|_| !word.is_empty());
        let start = credentials.len().saturating_sub(word.len());
        Ok(Self {
            scheme: scheme.ok_or(CredentialsError::Unusable)?,
            header: header.clone(),
            token: start..credentials.len(),
        })
    }

    /// The credentials that a request with this scheme and this token has.
    ///
    /// # Errors
    /// [`CredentialsError::NoToken`] for a text that is no token.
    pub(crate) fn new(scheme: AuthScheme, token: &str) -> Result<Self, CredentialsError> {
        if !is_b64token(token.as_bytes()) {
            return Err(CredentialsError::NoToken);
        }
        let header = format!("{} {token}", scheme.name());
        let start = header.len().saturating_sub(token.len());
        Ok(Self {
            scheme,
            token: start..header.len(),
            header: HeaderValue::try_from(header).map_err(|_| CredentialsError::NoToken)?,
        })
    }

    /// The credentials of a bearer token.
    #[cfg(feature = "test-kit")]
    pub(crate) fn bearer(token: &str) -> Self {
        let header = format!("Bearer {token}");
        Self {
            scheme: AuthScheme::Bearer,
            token: "Bearer ".len()..header.len(),
            header: HeaderValue::from_str(&header).unwrap_or_else(|_| HeaderValue::from_static("")),
        }
    }

    pub(crate) fn scheme(&self) -> AuthScheme {
        self.scheme
    }

    /// What follows the scheme, as it was sent.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        let header = self.header.as_bytes();
        header.get(self.token.clone()).unwrap_or_default()
    }

    /// The token, as it was sent.
    ///
    /// # Errors
    /// [`CredentialsError`] for more words than one, and a word that is no token.
    pub(crate) fn as_str(&self) -> Result<&str, CredentialsError> {
        let word = self.as_word()?;
        if self.is_token() {
            Ok(word)
        } else {
            Err(CredentialsError::NoToken)
        }
    }

    /// What follows the scheme, if it is one word, be it a token or not.
    ///
    /// # Errors
    /// [`CredentialsError`] for more words than one, and for what is no text.
    pub(crate) fn as_word(&self) -> Result<&str, CredentialsError> {
        let word = self.as_bytes();
        if memchr::memchr(b' ', word).is_some() {
            return Err(CredentialsError::Unusable);
        }
        std::str::from_utf8(word).map_err(|_| CredentialsError::NoToken)
    }

    /// Whether what follows the scheme has the grammar of a token.
    pub(crate) fn is_token(&self) -> bool {
        is_b64token(self.as_bytes())
    }
}

/// The schemes of `Authorization` that carry an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthScheme {
    /// RFC 6750 §2.1.
    Bearer,
    /// RFC 9449 §7.1.
    Dpop,
}

impl AuthScheme {
    /// Reads the name of a scheme, whatever its case (RFC 9110 §11.1).
    fn named(name: &[u8]) -> Option<Self> {
        [Self::Bearer, Self::Dpop]
            .into_iter()
            .find(|scheme| name.eq_ignore_ascii_case(scheme.name().as_bytes()))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }
}

/// The header that carries a proof of possession (RFC 9449 §4.1).
pub(crate) const DPOP: HeaderName = HeaderName::from_static("dpop");

/// Which of the schemes are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schemes {
    bearer: bool,
    dpop: bool,
}

impl Schemes {
    pub(crate) const BEARER: Self = Self {
        bearer: true,
        dpop: false,
    };
    pub(crate) const BOTH: Self = Self {
        bearer: true,
        dpop: true,
    };
    pub(crate) const DPOP: Self = Self {
        bearer: false,
        dpop: true,
    };

    pub(crate) fn accept(self, scheme: AuthScheme) -> bool {
        match scheme {
            AuthScheme::Bearer => self.bearer,
            AuthScheme::Dpop => self.dpop,
        }
    }
}

impl Default for Schemes {
    fn default() -> Self {
        Self::BEARER
    }
}

/// Scheme and what follows it, without the blanks around either (RFC 9110 §11.4).
fn split(credentials: &[u8]) -> (&[u8], &[u8]) {
    let credentials = credentials.trim_ascii_start();
    let blank = credentials.iter().position(|&byte| byte == b' ');
    let (scheme, rest) = credentials.split_at(blank.unwrap_or(credentials.len()));
    (scheme, rest.trim_ascii_start())
}

pub(crate) fn is_b64token(word: &[u8]) -> bool {
    let end = word.iter().rposition(|&byte| byte != b'=');
    let characters = end.and_then(|end| word.get(..=end)).unwrap_or_default();
    // Without branches, so that the compiler vectorises the loop.
    let wrong = characters.iter().fold(0, |wrong, &byte| {
        wrong | u8::from(!is_token_character(byte))
    });
    !characters.is_empty() && wrong == 0
}

const fn is_token_character(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let digit = byte.wrapping_sub(b'0') < 10;
    let mark = (byte == b'-')
        | (byte == b'.')
        | (byte == b'_')
        | (byte == b'~')
        | (byte == b'+')
        | (byte == b'/');
    letter | digit | mark
}

/// Whether a token also stands in the query, where RFC 6750 §2.3 would have it.
fn names_access_token(query: &str) -> bool {
    url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token")
}

/// A `Host` that is no `uri-host [ ":" port ]` makes the request malformed (RFC 9112 §3.2).
pub(crate) fn check_host(headers: &HeaderMap) -> Result<(), CredentialsError> {
    match headers.get(HOST) {
        Some(host) if !is_host(host.as_bytes()) => Err(CredentialsError::MalformedHost),
        _ => Ok(()),
    }
}

/// `uri-host [ ":" port ]`, the host an IPv6 address in brackets or a registered name (RFC 3986 §3.2.2).
fn is_host(host: &[u8]) -> bool {
    if host.first() == Some(&b'[') {
        return is_bracketed_host(host);
    }
    match host.iter().position(|&byte| byte == b':') {
        Some(colon) => {
            let (name, port) = host.split_at(colon);
            is_host_name(name) && is_port(port.get(1..).unwrap_or_default())
        }
        None => is_host_name(host),
    }
}

fn is_bracketed_host(host: &[u8]) -> bool {
    let parts = || {
        let literal = std::str::from_utf8(host).ok()?.strip_prefix('[')?;
        let (address, rest) = literal.split_once(']')?;
        address.parse::<Ipv6Addr>().ok()?;
        Some(rest)
    };
    parts().is_some_and(|rest| match rest.strip_prefix(':') {
        Some(port) => is_port(port.as_bytes()),
        None => rest.is_empty(),
    })
}

fn is_host_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&byte| is_host_character(byte))
}

/// What a registered name consists of (RFC 3986 §3.2.2).
const fn is_host_character(byte: u8) -> bool {
    matches!(
        byte,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&' | b'\''..=b',' | b';' | b'='
    )
}

/// Digits, or nothing at all.
fn is_port(port: &[u8]) -> bool {
    let number = port.iter().try_fold(0_u16, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    });
    number.is_some()
}

/// Without the token.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({} ******)", self.scheme.name())
    }
}

/// Why a request has no usable credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CredentialsError {
    /// `Host` is malformed (RFC 9112 §3.2).
    #[error("the Host header is malformed")]
    MalformedHost,
    /// One word follows the scheme, but it is no `b64token` (RFC 6750 §2.1).
    #[error("the credentials are not an access token")]
    NoToken,
    /// A `DPoP` header came without a token (RFC 9449 §7.1).
    #[error("a DPoP proof was sent without an access token")]
    ProofAlone,
    /// The scheme is DPoP, but no `DPoP` header came (RFC 9449 §7.1).
    #[error("the scheme DPoP was used without a proof")]
    ProofMissing,
    /// More than one credential (RFC 6750 §2: no more than one method in each request).
    #[error("more than one access token was sent")]
    Several,
    /// The offered subprotocols of a WebSocket carry no usable token (RFC 6455 §11.3.4).
    #[error("the subprotocols carry no access token")]
    Subprotocol,
    /// Nothing after the scheme, more than one word, or another scheme.
    #[error("the Authorization header carries no access token")]
    Unusable,
}

impl CredentialsError {
    /// The scheme that was meant, where that is plain.
    pub(crate) fn scheme(&self) -> Option<AuthScheme> {
        match self {
            Self::ProofAlone | Self::ProofMissing => Some(AuthScheme::Dpop),
            Self::MalformedHost
            | Self::NoToken
            | Self::Several
            | Self::Subprotocol
            | Self::Unusable => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(values: &[&[u8]], uri: &str) -> Result<Option<String>, CredentialsError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                AUTHORIZATION,
                HeaderValue::from_bytes(value).expect("a header value"),
            );
        }
        let uri = uri.parse().expect("a URI");
        let found = Credentials::find(&headers, &uri, Schemes::BEARER)?;
        found
            .map(|token| token.as_str().map(str::to_owned))
            .transpose()
    }

    #[test]
    fn one_bearer_token_is_found_whatever_the_case_of_its_scheme() {
        for header in [
            "Bearer a.b-c_d~e+f/g==",
            "bearer a.b-c_d~e+f/g==",
            "BEARER    a.b-c_d~e+f/g==",
            " BeArEr a.b-c_d~e+f/g== ",
        ] {
            assert_eq!(
                find(&[header.as_bytes()], "/"),
                Ok(Some("a.b-c_d~e+f/g==".to_owned())),
                "{header}"
            );
        }
        assert_eq!(find(&[], "/?access_token=a"), Ok(None));
    }

    #[test]
    fn a_header_without_one_word_for_us_is_unusable() {
        for header in [
            "",
            " ",
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer a, Bearer b",
            "Basic YTpi",
            "DPoP a",
            "a.b.c",
            "Bearer\ta",
            "Bearertoken",
            "Token a",
        ] {
            assert_eq!(
                find(&[header.as_bytes()], "/"),
                Err(CredentialsError::Unusable),
                "{header:?}"
            );
        }
    }

    #[test]
    fn a_word_that_is_not_a_b64token_is_an_invalid_token() {
        for header in [
            &b"Bearer a,b"[..],
            b"Bearer \"a\"",
            b"Bearer =",
            b"Bearer a=b",
            b"Bearer a%20",
            b"Bearer a\tb",
            b"Bearer \xc3\xa4",
            b"Bearer a;b",
        ] {
            assert_eq!(
                find(&[header], "/"),
                Err(CredentialsError::NoToken),
                "{header:?}"
            );
        }
    }

    #[test]
    fn two_credentials_are_rejected() {
        assert_eq!(
            find(&[b"Bearer a", b"Bearer a"], "/"),
            Err(CredentialsError::Several)
        );
        assert_eq!(
            find(&[b"Bearer a", b""], "/"),
            Err(CredentialsError::Several)
        );
        for query in [
            "access_token=a",
            "x=1&access_token",
            "access%5Ftoken=a",
            "%61ccess_token=a",
        ] {
            assert_eq!(
                find(&[b"Bearer a"], &format!("/?{query}")),
                Err(CredentialsError::Several),
                "{query}"
            );
        }
        for query in [
            "",
            "x=access_token",
            "access_token_hint=a",
            "Access_Token=a",
        ] {
            assert_eq!(
                find(&[b"Bearer a"], &format!("/?{query}")),
                Ok(Some("a".to_owned())),
                "{query}"
            );
        }
    }

    #[test]
    fn a_malformed_host_is_noticed() {
        for good in [
            "localhost",
            "localhost:3010",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:80",
            "a_b.example",
            "host:",
            "xn--a.example",
        ] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "a b",
            "a/b",
            "user@host",
            "host:port",
            "host:65536",
            "[::1",
            "[nope]",
            "::1",
            "a,b:1:2",
            "http://a",
            "host:+1",
            "ä",
            "a\"b",
            "a\\b",
            ":80",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
        assert!(!is_host(b"\xff"));
    }

    #[test]
    fn each_scheme_is_found_where_it_is_accepted() {
        let (bearer, dpop) = (Some(AuthScheme::Bearer), Some(AuthScheme::Dpop));
        for (header, accepted, expected) in [
            ("Bearer a", Schemes::BEARER, bearer),
            ("DPoP a", Schemes::BEARER, None),
            ("Bearer a", Schemes::BOTH, bearer),
            ("dpop a", Schemes::BOTH, dpop),
            ("Bearer a", Schemes::DPOP, None),
            ("DPOP a", Schemes::DPOP, dpop),
        ] {
            let found = Credentials::read(&HeaderValue::from_static(header), accepted);
            let found = found.map(|credentials| credentials.scheme());
            assert_eq!(
                found,
                expected.ok_or(CredentialsError::Unusable),
                "{header}"
            );
        }
    }

    #[test]
    fn a_proof_without_a_token_is_no_request_without_credentials() {
        let mut headers = HeaderMap::new();
        headers.insert(DPOP, HeaderValue::from_static("a.b.c"));
        let find = |accepted| Credentials::find(&headers, &Uri::from_static("/"), accepted);
        assert_eq!(find(Schemes::BEARER), Ok(None));
        for accepted in [Schemes::BOTH, Schemes::DPOP] {
            assert_eq!(find(accepted), Err(CredentialsError::ProofAlone));
        }
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("DPoP a"));
        let found = Credentials::find(&headers, &Uri::from_static("/"), Schemes::BOTH);
        assert_eq!(found, Err(CredentialsError::ProofMissing));
    }

    #[test]
    fn debug_does_not_show_the_token() {
        let header = HeaderValue::from_static("Bearer secret");
        let credentials = Credentials::read(&header, Schemes::BOTH).expect("a token");
        let shown = format!("{credentials:?}");
        assert_eq!(shown, "Credentials(Bearer ******)");
    }
}
