//! Parses `Sec-WebSocket-Protocol`, by which browsers send the access token of a WebSocket ([RFC 6455 §11.3.4]).
//!
//! A browser cannot set the `Authorization` header of a WebSocket, but it chooses the subprotocols that it offers.
//!
//! [RFC 6455 §11.3.4]: https://www.rfc-editor.org/rfc/rfc6455#section-11.3.4

use std::fmt;

use actix_web::http::Method;
use actix_web::http::header::{
    AUTHORIZATION, CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use data_encoding::BASE64URL_NOPAD;

use crate::authorization::{CredentialsError, is_b64token};

/// The subprotocol that precedes a token, and that is selected where the application has none of its own.
pub(crate) const BEARER: HeaderValue = HeaderValue::from_static("bearer");

/// Precedes the base64url of a token, as the API server of Kubernetes has it.
const ENCODED: &str = "base64url.bearer.authorization.k8s.io.";

/// What a client offers.
///
/// ```text
/// Sec-WebSocket-Protocol: chat.v1, bearer, eyJhbGciOi…
/// Sec-WebSocket-Protocol: chat.v1, base64url.bearer.authorization.k8s.io.ZXlKaGJHY2lPaeKApg
/// ```
///
/// Its `Debug` shows no token.
#[derive(Default)]
pub(crate) struct Subprotocols {
    token: Option<String>,
    offers_bearer: bool,
    /// The application's own, in the order of the client.
    others: Vec<String>,
}

impl Subprotocols {
    /// Reads what the client offers; all header lines are one list.
    ///
    /// # Errors
    /// [`CredentialsError`] for several tokens, and for a token that is malformed or missing.
    pub(crate) fn parse(headers: &HeaderMap) -> Result<Self, CredentialsError> {
        let mut read = Self::default();
        let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL);
        let lines = lines.map(|line| line.to_str().map_err(|_| CredentialsError::Subprotocol));
        let lines: Vec<_> = lines.collect::<Result<_, _>>()?;
        let elements = lines.iter().flat_map(|line| line.split(','));
        let elements = elements.map(|element| element.trim_matches([' ', '\t']));
        let mut elements = elements.filter(|element| !element.is_empty()).peekable();
        while let Some(element) = elements.next() {
            if let Some(encoded) = element.strip_prefix(ENCODED) {
                read.add(decoded(encoded).ok_or(CredentialsError::Subprotocol)?)?;
            } else if BEARER == element {
                read.offers_bearer = true;
                let plain = elements.next_if(|next| !next.starts_with(ENCODED));
                if let Some(token) = plain {
                    read.add(token.to_owned())?;
                }
            } else {
                read.others.push(element.to_owned());
            }
        }
        if read.offers_bearer && read.token.is_none() {
            return Err(CredentialsError::Subprotocol);
        }
        Ok(read)
    }

    fn add(&mut self, token: String) -> Result<(), CredentialsError> {
        if !is_b64token(token.as_bytes()) {
            return Err(CredentialsError::Subprotocol);
        }
        if self.token.replace(token).is_some() {
            return Err(CredentialsError::Several);
        }
        Ok(())
    }

    /// Moves the token to where clients that can set headers send it, so that no handler repeats it; false if there is none.
    ///
    /// # Errors
    /// [`CredentialsError::Several`] if there is an `Authorization` header already.
    pub(crate) fn move_token(&self, headers: &mut HeaderMap) -> Result<bool, CredentialsError> {
        let Some(token) = &self.token else {
            return Ok(false);
        };
        if headers.contains_key(AUTHORIZATION) {
            return Err(CredentialsError::Several);
        }
        let credentials = HeaderValue::from_str(&format!("Bearer {token}"));
        let credentials = credentials.map_err(|_| CredentialsError::Subprotocol)?;
        headers.insert(AUTHORIZATION, credentials);
        headers.remove(SEC_WEBSOCKET_PROTOCOL);
        if let Ok(others) = HeaderValue::from_str(&self.others.join(", "))
            && !others.is_empty()
        {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, others);
        }
        Ok(true)
    }

    /// The subprotocol for the response: the first one that the client offers and the application supports, or else
    /// `bearer` if it is offered and tokens are taken.
    pub(crate) fn select(
        &self,
        supported: &[&'static str],
        takes_token: bool,
    ) -> Option<HeaderValue> {
        let is_supported = |other: &String| supported.iter().find(|known| *known == other);
        match self.others.iter().find_map(is_supported) {
            Some(known) => HeaderValue::from_str(known).ok(),
            None => (takes_token && self.offers_bearer).then_some(BEARER),
        }
    }

    pub(crate) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether a value repeats the token in any form.
    pub(crate) fn is_repeated_by(&self, value: &HeaderValue) -> bool {
        let text = String::from_utf8_lossy(value.as_bytes());
        let token = self.token.as_deref();
        text.contains(ENCODED) || token.is_some_and(|token| text.contains(token))
    }
}

/// Without the token.
impl fmt::Debug for Subprotocols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subprotocols").finish_non_exhaustive()
    }
}

fn decoded(encoded: &str) -> Option<String> {
    let token = BASE64URL_NOPAD.decode(encoded.as_bytes()).ok()?;
    String::from_utf8(token).ok()
}

/// Whether a request asks for a WebSocket (RFC 6455 §4.1).
pub(crate) fn is_websocket_upgrade(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::GET
        && lists(headers, &UPGRADE, "websocket")
        && lists(headers, &CONNECTION, "upgrade")
}

fn lists(headers: &HeaderMap, name: &HeaderName, option: &str) -> bool {
    let lines = headers.get_all(name).filter_map(|line| line.to_str().ok());
    let mut options = lines.flat_map(|line| line.split(',')).map(str::trim);
    options.any(|listed| listed.eq_ignore_ascii_case(option))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = (Option<String>, Vec<String>);

    fn read(lines: &[&str]) -> Result<Read, CredentialsError> {
        let mut headers = HeaderMap::new();
        for line in lines {
            let line = HeaderValue::from_bytes(line.as_bytes()).expect("a header value");
            headers.append(SEC_WEBSOCKET_PROTOCOL, line);
        }
        Subprotocols::parse(&headers).map(|read| (read.token, read.others))
    }

    fn encoded(token: &[u8]) -> String {
        format!("{ENCODED}{}", BASE64URL_NOPAD.encode(token))
    }

    #[test]
    fn the_token_follows_bearer_or_is_encoded() {
        let k8s = encoded(b"a+b/c==");
        for (lines, token, others) in [
            (vec!["bearer, a.b.c"], Some("a.b.c"), vec![]),
            (vec!["bearer,a.b.c"], Some("a.b.c"), vec![]),
            (vec!["x, bearer, a.b.c, y"], Some("a.b.c"), vec!["x", "y"]),
            (
                vec!["x, bearer", "a.b.c", "y"],
                Some("a.b.c"),
                vec!["x", "y"],
            ),
            (vec![" ,bearer ,, a.b.c, "], Some("a.b.c"), vec![]),
            (vec!["bearer, bearer"], Some("bearer"), vec![]),
            (vec![k8s.as_str()], Some("a+b/c=="), vec![]),
            (vec![k8s.as_str(), "x"], Some("a+b/c=="), vec!["x"]),
            (vec!["bearer", k8s.as_str()], Some("a+b/c=="), vec![]),
            (vec![k8s.as_str(), "bearer"], Some("a+b/c=="), vec![]),
            (vec!["x, y"], None, vec!["x", "y"]),
            (vec!["Bearer, a.b.c"], None, vec!["Bearer", "a.b.c"]),
            (vec![], None, vec![]),
        ] {
            let others = others.iter().map(|&other| other.to_owned()).collect();
            let expected = (token.map(str::to_owned), others);
            assert_eq!(read(&lines), Ok(expected), "{lines:?}");
        }
    }

    #[test]
    fn a_malformed_or_missing_token_is_unusable() {
        for line in [
            "bearer".to_owned(),
            "x, bearer".to_owned(),
            "bearer, a b".to_owned(),
            "bearer, a;b".to_owned(),
            "bearer, =".to_owned(),
            ENCODED.to_owned(),
            format!("{ENCODED}YQ=="),
            format!("{ENCODED}a+b"),
            format!("{ENCODED}Y"),
            encoded(b"a b"),
            encoded(b"a\r\nb"),
            encoded(b"\xff"),
            "bearer, \u{e4}".to_owned(),
        ] {
            let rejected = Err(CredentialsError::Subprotocol);
            assert_eq!(read(&[&line]), rejected, "{line}");
        }
    }

    #[test]
    fn several_tokens_are_rejected() {
        let k8s = encoded(b"a");
        for lines in [
            vec!["bearer, a, bearer, a"],
            vec!["bearer, a", "bearer, b"],
            vec!["bearer, a", &k8s],
            vec![&k8s, &k8s],
        ] {
            assert_eq!(read(&lines), Err(CredentialsError::Several), "{lines:?}");
        }
    }

    #[test]
    fn the_token_is_moved_and_the_other_protocols_stay() {
        let mut headers = HeaderMap::new();
        let offered = HeaderValue::from_static("x, bearer, a, y");
        headers.insert(SEC_WEBSOCKET_PROTOCOL, offered.clone());
        let read = Subprotocols::parse(&headers).expect("subprotocols");
        assert_eq!(read.move_token(&mut headers), Ok(true));
        assert_eq!(headers.get(AUTHORIZATION).unwrap(), "Bearer a");
        assert_eq!(headers.get(SEC_WEBSOCKET_PROTOCOL).unwrap(), "x, y");
        headers.insert(SEC_WEBSOCKET_PROTOCOL, offered);
        assert_eq!(
            read.move_token(&mut headers),
            Err(CredentialsError::Several)
        );
        assert_eq!(format!("{read:?}"), "Subprotocols { .. }");
    }

    #[test]
    fn the_applications_protocol_precedes_bearer() {
        let select = |offered: &'static str, supported: &[&'static str]| {
            let mut headers = HeaderMap::new();
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(offered));
            let read = Subprotocols::parse(&headers).expect("subprotocols");
            let selected = read.select(supported, true);
            selected.map(|value| value.to_str().expect("text").to_owned())
        };
        let chat = &["chat.v2", "chat.v1"];
        for (offered, supported, expected) in [
            ("chat.v1, bearer, a", chat.as_slice(), Some("chat.v1")),
            ("bearer, a, chat.v1, chat.v2", chat, Some("chat.v1")),
            ("chat.v3, bearer, a", chat, Some("bearer")),
            ("chat.v1, bearer, a", &[], Some("bearer")),
            ("chat.v1", chat, Some("chat.v1")),
            ("chat.v3", chat, None),
            ("base64url.bearer.authorization.k8s.io.YQ", chat, None),
        ] {
            assert_eq!(select(offered, supported).as_deref(), expected, "{offered}");
        }
    }

    #[test]
    fn a_repeated_token_is_found_in_both_forms() {
        let mut headers = HeaderMap::new();
        let offered = HeaderValue::from_static("bearer, a.b.c");
        headers.insert(SEC_WEBSOCKET_PROTOCOL, offered);
        let read = Subprotocols::parse(&headers).expect("subprotocols");
        for (value, expected) in [
            ("chat.v1", false),
            ("bearer, a.b.c", true),
            ("base64url.bearer.authorization.k8s.io.YQ", true),
        ] {
            let value = HeaderValue::from_static(value);
            assert_eq!(read.is_repeated_by(&value), expected, "{value:?}");
        }
    }

    #[test]
    fn only_a_get_with_both_headers_asks_for_a_websocket() {
        for (method, upgrade, connection, expected) in [
            (Method::GET, "websocket", "Upgrade", true),
            (Method::GET, "WebSocket", "keep-alive, upgrade", true),
            (Method::GET, "h2c, websocket", "upgrade", true),
            (Method::POST, "websocket", "upgrade", false),
            (Method::HEAD, "websocket", "upgrade", false),
            (Method::GET, "h2c", "upgrade", false),
            (Method::GET, "websocket", "close", false),
            (Method::GET, "websocketx", "upgrade", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(UPGRADE, HeaderValue::from_static(upgrade));
            headers.insert(CONNECTION, HeaderValue::from_static(connection));
            let found = is_websocket_upgrade(&method, &headers);
            assert_eq!(found, expected, "{method} {upgrade} {connection}");
        }
    }
}
