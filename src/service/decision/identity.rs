//! The headers that tell the API behind the proxy who calls it.
//!
//! All of them stand in every decision, empty where a token has no such value: a client can send them too, and the proxy
//! overwrites its request's headers with those of the decision.

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::Caller;
use crate::extract::Permitted;

/// Permits the request, and names its caller.
pub(super) fn permit(permitted: &Permitted) -> HttpResponse {
    let mut response = HttpResponse::Ok().finish();
    if let Some(caller) = permitted.caller() {
        let headers = response.headers_mut();
        for (name, value) in HEADERS.iter().zip(values(caller)) {
            headers.insert(name.clone(), value);
        }
    }
    response
}

/// Adds those that are not there, empty.
pub(super) fn complete(headers: &mut HeaderMap) {
    for name in HEADERS {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(""));
        }
    }
}

/// In the order of [`HEADERS`].
fn values(caller: &Caller) -> [HeaderValue; 4] {
    let azp = || caller.claim("azp").and_then(Value::as_str);
    let scopes: Vec<_> = caller.scopes().iter().map(encoded).collect();
    let client = caller.client_id().or_else(azp);
    [
        encoded(caller.subject().unwrap_or_default()),
        scopes.join(" "),
        encoded(client.unwrap_or_default()),
        encoded(caller.issuer()),
    ]
    // They are visible ASCII characters.
    .map(|value| HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("")))
}

/// The value with each byte that is not a visible ASCII character, and each `%`, as an escape of RFC 3986.
fn encoded(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

const HEADERS: [HeaderName; 4] = [
    HeaderName::from_static("x-auth-subject"),
    HeaderName::from_static("x-auth-scopes"),
    HeaderName::from_static("x-auth-client"),
    HeaderName::from_static("x-auth-issuer"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_visible_ascii_characters_and_can_be_decoded() {
        for (value, expected) in [
            ("", ""),
            ("auth0|ada", "auth0|ada"),
            ("a@b.example,c;d=\"e\"", "a@b.example,c;d=\"e\""),
            ("100%", "100%25"),
            ("Ada Lovelace", "Ada%20Lovelace"),
            (
                "é\r\nX-Auth-Scopes: admin",
                "%C3%A9%0D%0AX-Auth-Scopes:%20admin",
            ),
            ("\0\u{7f}", "%00%7F"),
        ] {
            assert_eq!(encoded(value), expected);
        }
    }
}
