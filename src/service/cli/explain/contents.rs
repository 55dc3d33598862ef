//! Reads what a token says, for the person who has it; nothing of it is verified.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

use crate::claims::NumericDate;

/// As much of a token as can be read; its signature is left out.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// How many parts there are between dots.
    pub(super) parts: usize,
    pub(super) header: Option<Map<String, Value>>,
    pub(super) claims: Option<Map<String, Value>>,
}

impl Contents {
    pub(super) fn read(token: &str) -> Self {
        let mut parts = token.split('.');
        let (header, claims) = (parts.next(), parts.next());
        Self {
            parts: token.split('.').count(),
            header: header.and_then(object),
            claims: claims.and_then(object),
        }
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&Value> {
        self.header.as_ref()?.get(name)
    }

    pub(super) fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.as_ref()?.get(name)
    }

    pub(super) fn has_claim(&self, name: &str) -> bool {
        self.claim(name).is_some()
    }

    /// The name of the algorithm, where it is a text.
    pub(super) fn algorithm(&self) -> Option<&str> {
        self.parameter("alg")?.as_str()
    }

    pub(super) fn issuer(&self) -> Option<&str> {
        self.claim("iss")?.as_str()
    }

    /// Every recipient that `aud` names.
    pub(super) fn audience(&self) -> Vec<&str> {
        match self.claim("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// A time since 1970, as the rules read it.
    pub(super) fn time(&self, claim: &str) -> Option<Duration> {
        let seconds = self.claim(claim)?.as_f64()?;
        NumericDate::from_seconds(seconds).map(NumericDate::since_epoch)
    }

    /// Encrypted, as RFC 7516 has it: only its recipient can read it.
    pub(super) fn is_encrypted(&self) -> bool {
        self.parts == 5 || self.parameter("enc").is_some()
    }

    /// Made for the client that signs people in (OpenID Connect Core §2), as far as can be seen:
    /// it tells of a person or of the sign-in, and grants nothing.
    pub(super) fn looks_like_id_token(&self) -> bool {
        let has = |claims: &[&str]| claims.iter().any(|claim| self.has_claim(claim));
        let of_keycloak = self.claim("typ").is_some_and(|typ| typ == "ID");
        of_keycloak || (has(&OF_ID_TOKENS) && !has(&["scope", "scp"]))
    }

    /// Keycloak's refresh tokens are JWTs, and say so in a claim.
    pub(super) fn is_refresh_token(&self) -> bool {
        self.claim("typ")
            .is_some_and(|typ| typ == "Refresh" || typ == "Offline")
    }
}

/// OpenID Connect Core §2, §3.3.2.11 and §5.1, and Auth0's session; an access token may tell of its login too (RFC
/// 9068 §2.2.1).
const OF_ID_TOKENS: [&str; 9] = [
    "at_hash",
    "c_hash",
    "email",
    "name",
    "nickname",
    "nonce",
    "picture",
    "preferred_username",
    "sid",
];

fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = BASE64URL_NOPAD.decode(part.as_bytes()).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn contents(claims: &Value) -> Contents {
        let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let header = json!({"alg": "RS256"});
        Contents::read(&format!("{}.{}.AAAA", encode(&header), encode(claims)))
    }

    #[test]
    fn header_and_claims_are_read_and_the_signature_is_not() {
        let contents = contents(&json!({"iss": "a", "aud": ["b", "c"], "exp": 7}));
        assert_eq!(contents.parts, 3);
        assert_eq!(contents.algorithm(), Some("RS256"));
        assert_eq!(contents.issuer(), Some("a"));
        assert_eq!(contents.audience(), ["b", "c"]);
        assert_eq!(contents.time("exp"), Some(Duration::from_secs(7)));
        assert!(!format!("{contents:?}").contains("AAAA"));
    }

    #[test]
    fn what_cannot_be_read_is_not_there() {
        for token in ["", "a", "..", "a.b.c.d", "eyJ9.W10.x"] {
            let contents = Contents::read(token);
            assert!(
                contents.header.is_none() && contents.claims.is_none(),
                "{token}"
            );
        }
    }

    #[test]
    fn id_tokens_are_told_from_access_tokens() {
        let cases = [
            (json!({"nonce": "x"}), true),
            (json!({"nonce": "x", "scope": "openid"}), false),
            (json!({"at_hash": "x"}), true),
            (json!({"acr": "x", "amr": ["mfa"], "auth_time": 1}), false),
            (json!({"typ": "ID", "scope": "x"}), true),
            (json!({"typ": "Bearer"}), false),
            (json!({"aud": "app", "sid": "x"}), true),
            (json!({"aud": "app", "email": "x"}), true),
            (json!({"email": "x", "scp": []}), false),
            (json!({}), false),
        ];
        for (claims, expected) in cases {
            assert_eq!(
                contents(&claims).looks_like_id_token(),
                expected,
                "{claims}"
            );
        }
    }
}
