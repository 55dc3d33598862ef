//! The introspection endpoint of a test issuer ([RFC 7662 §2], [RFC 9701 §4]).
//!
//! [RFC 7662 §2]: https://www.rfc-editor.org/rfc/rfc7662#section-2
//! [RFC 9701 §4]: https://www.rfc-editor.org/rfc/rfc9701#section-4

use std::collections::{HashMap, HashSet};

use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::fault::Reply;
use super::token::TokenBuilder;
use super::wire::Request;
use crate::jose::sign::{SigningKey, random_id};

/// The tokens that the endpoint knows.
#[derive(Debug, Default)]
pub(super) struct Introspected {
    opaque: HashMap<String, Map<String, Value>>,
    revoked: HashSet<String>,
    signs: bool,
}

impl Introspected {
    /// Issues an opaque token with these claims.
    pub(super) fn issue(&mut self, claims: Map<String, Value>) -> String {
        let token = random_id();
        self.opaque.insert(token.clone(), claims);
        token
    }

    pub(super) fn revoke(&mut self, token: &str) {
        self.revoked.insert(token.to_owned());
    }

    pub(super) fn sign(&mut self) {
        self.signs = true;
    }

    pub(super) fn signs(&self) -> bool {
        self.signs
    }

    /// The response to a request with client credentials, of any client.
    pub(super) fn answer(&self, request: &Request, issuer: &str, key: &SigningKey) -> Reply {
        let form: HashMap<_, _> = form_urlencoded::parse(&request.body).into_owned().collect();
        let Some(client) = client_id(request, &form) else {
            return Reply::new(401).header("WWW-Authenticate", "Basic realm=\"test\"");
        };
        let token = form.get("token").map(String::as_str).unwrap_or_default();
        let response = self.response(token, issuer);
        let accepts = request.header("accept").unwrap_or_default();
        if !self.signs || !accepts.contains(SIGNED) {
            return Reply::json(&response);
        }
        let signed = TokenBuilder::blank(key)
            .signed_by(key)
            .header("typ", "token-introspection+jwt")
            .claim("iss", issuer)
            .claim("aud", client)
            .issued_at(std::time::SystemTime::now())
            .without("exp")
            .claim("token_introspection", response);
        Reply::new(200)
            .header("Content-Type", &format!("application/{SIGNED}"))
            .body(signed.build())
    }

    fn response(&self, token: &str, issuer: &str) -> Value {
        let claims = self
            .opaque
            .get(token)
            .cloned()
            .or_else(|| claims_of(token, issuer));
        match claims.filter(|_| !self.revoked.contains(token)) {
            Some(mut claims) => {
                claims.insert("active".to_owned(), true.into());
                Value::Object(claims)
            }
            None => json!({"active": false}),
        }
    }
}

/// The claims of a JWT of this issuer; its signature is not verified.
fn claims_of(token: &str, issuer: &str) -> Option<Map<String, Value>> {
    let payload = BASE64URL_NOPAD
        .decode(token.split('.').nth(1)?.as_bytes())
        .ok()?;
    let claims: Map<String, Value> = serde_json::from_slice(&payload).ok()?;
    (claims.get("iss")? == issuer).then_some(claims)
}

fn client_id(request: &Request, form: &HashMap<String, String>) -> Option<String> {
    if let Some(id) = form.get("client_id") {
        return Some(id.clone());
    }
    let basic = request.header("authorization")?.strip_prefix("Basic ")?;
    let pair = String::from_utf8(BASE64.decode(basic.as_bytes()).ok()?).ok()?;
    pair.split_once(':').map(|(id, _)| id.to_owned())
}

const SIGNED: &str = "token-introspection+jwt";
