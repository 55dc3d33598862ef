//! The assertion that authenticates this API as a client ([RFC 7523 §3]).
//!
//! [RFC 7523 §3]: https://www.rfc-editor.org/rfc/rfc7523#section-3

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde_json::json;

use crate::jose::private_key::{PrivateKey, random_id};

/// What an assertion says.
pub(super) struct Assertion<'a> {
    pub(super) client_id: &'a str,
    pub(super) key_id: Option<&'a str>,
    pub(super) audience: &'a str,
    /// Since the Unix epoch.
    pub(super) now: Duration,
}

impl Assertion<'_> {
    /// The signed assertion; `None` if the system gives no random numbers.
    pub(super) fn sign(&self, key: &PrivateKey) -> Option<String> {
        let mut header = json!({"alg": key.algorithm().name(), "typ": "JWT"});
        if let Some(id) = self.key_id {
            header["kid"] = id.into();
        }
        let claims = json!({
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience,
            "jti": random_id()?,
            "iat": self.now.as_secs(),
            "exp": self.now.saturating_add(LIFETIME).as_secs(),
        });
        let encode = |text: String| BASE64URL_NOPAD.encode(text.as_bytes());
        let input = format!(
            "{}.{}",
            encode(header.to_string()),
            encode(claims.to_string())
        );
        let signature = BASE64URL_NOPAD.encode(&key.sign(input.as_bytes())?);
        Some(format!("{input}.{signature}"))
    }
}

/// Longer than any call takes, and than the clocks of servers usually differ.
const LIFETIME: Duration = Duration::from_secs(60);
