//! Entry points for the fuzz targets in `fuzz/`, one for each parser of foreign bytes.
//!
//! Each checks that nothing panics, and that accepted input means the same to other parsers.

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use actix_web::http::uri::Uri;
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

use crate::authorization::{Credentials, Schemes};
use crate::claims::Claims;
use crate::jose::compact::Compact;
use crate::keys::{discovery, jwk_set};
use crate::sender::{Proof, TargetUri};

/// The token of an accepted `Authorization` header has only visible ASCII characters.
pub fn authorization(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else {
        return;
    };
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, value);
    let found = Credentials::find(&headers, &Uri::from_static("/"), Schemes::BEARER);
    let token = found.ok().flatten();
    if let Some(text) = token.as_ref().and_then(|token| token.as_str().ok()) {
        assert!(
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b',')
        );
    }
}

/// Encoding the parts of an accepted token again yields the token.
pub fn compact(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(token) = Compact::parse(text) else {
        return;
    };
    if let (Ok(payload), Ok(signature)) = (token.payload(), token.signature()) {
        let signature = BASE64URL_NOPAD.encode(&signature);
        let signed = text
            .strip_suffix(&signature)
            .and_then(|rest| rest.strip_suffix('.'));
        assert_eq!(signed.map(str::as_bytes), Some(token.signing_input));
        assert!(text.contains(&BASE64URL_NOPAD.encode(&payload)));
    }
}

/// The claims of an accepted proof are the same to other JSON parsers; normalising its URL again does not change it.
pub fn proof(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(proof) = Proof::parse(text) else {
        return;
    };
    let payload = text.split('.').nth(1).unwrap_or_default();
    let payload = BASE64URL_NOPAD.decode(payload.as_bytes());
    let value: Value = serde_json::from_slice(&payload.unwrap_or_default()).unwrap_or_default();
    let claim = |name: &str| value.get(name).and_then(Value::as_str);
    for name in ["jti", "htm", "htu"] {
        assert!(claim(name).is_some());
    }
    assert_eq!(proof.nonce(), claim("nonce"));
    if let Some(Ok(target)) = claim("htu").map(TargetUri::parse) {
        assert_eq!(TargetUri::parse(target.as_str()), Ok(target));
    }
}

/// Accepted claims are an object to other JSON parsers too, with the same issuer.
pub fn claims(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(claims) = Claims::parse(text) {
        let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
        assert!(value.is_object());
        let issuer = value.get("iss").and_then(Value::as_str);
        assert_eq!(claims.issuer.valid().map(|issuer| &**issuer), issuer);
    }
}

/// An accepted set has keys, and not more (usable and unusable) than the document lists.
pub fn jwks(bytes: &[u8]) {
    if let Ok((set, unusable)) = jwk_set::read("issuer".to_owned(), bytes) {
        let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let value: Value = serde_json::from_slice(text).unwrap_or_default();
        let members = match value.get("keys") {
            Some(keys) => keys.as_array().map_or(0, Vec::len),
            None => value.as_object().map_or(0, serde_json::Map::len),
        };
        let keys = set.len().checked_add(unusable.len());
        assert!(set.len() > 0 && keys.is_some_and(|keys| keys <= members));
    }
}

/// The issuer of an accepted document has only visible ASCII characters.
pub fn discovery(bytes: &[u8]) {
    let Ok(base_url) = "https://issuer.example/tenant/".parse() else {
        return;
    };
    let expected = discovery::Expected {
        base_url: &base_url,
        name: None,
    };
    if let Ok(found) = discovery::read(bytes, expected) {
        assert!(found.issuer.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
