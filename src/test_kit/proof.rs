//! A builder of DPoP proofs: valid by default, invalid in one place on request.

use std::time::{Duration, SystemTime};

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

use super::token::{TokenBuilder, seconds};
use crate::jose::digest::sha256;
use crate::jose::sign::{SigningKey, random_id};

/// Builds a DPoP proof.
///
/// Starts with a valid proof for a request without a token ([RFC 9449 §4.2]): `jti`, `htm`, `htu` and
/// `iat`, and a header with `typ`, `alg` and the public key as `jwk`. Each method changes only what it
/// names; the last call wins.
///
/// # Examples
/// ```
/// use actix_resource_server::Algorithm;
/// use actix_resource_server::test_kit::{ProofBuilder, SigningKey, TokenBuilder, shared};
///
/// let sender = SigningKey::generate(Algorithm::Es256);
/// let token = TokenBuilder::new("https://issuer.test/", "https://api.test/", &shared(Algorithm::Es256))
///     .bound_to_key(&sender)
///     .build();
/// let proof = ProofBuilder::new(&sender, "GET", "https://api.test/messages")
///     .token(&token)
///     .build();
/// let headers = [("Authorization", format!("DPoP {token}")), ("DPoP", proof)];
/// # assert_eq!(headers[1].1.split('.').count(), 3);
/// ```
///
/// [RFC 9449 §4.2]: https://www.rfc-editor.org/rfc/rfc9449#section-4.2
#[derive(Clone, Debug)]
#[must_use = "a proof is made by `build`"]
pub struct ProofBuilder(TokenBuilder);

impl ProofBuilder {
    /// A proof signed by `key`, issued now, for a request of `method` to `url`.
    ///
    /// A secret has no public key, so its `jwk` is `null`.
    pub fn new(key: &SigningKey, method: &str, url: &str) -> Self {
        let jwk = key.public_members().unwrap_or_default();
        Self(TokenBuilder::blank(key))
            .signed_by(key)
            .header("typ", "dpop+jwt")
            .raw_jwk(jwk)
            .claim("jti", random_id())
            .claim("htm", method)
            .claim("htu", url)
            .issued_at(SystemTime::now())
    }

    /// Sets `ath`, the hash of the access token that is sent with the proof.
    pub fn token(self, token: &str) -> Self {
        let hash = BASE64URL_NOPAD.encode(&sha256(token.as_bytes()));
        self.claim("ath", hash)
    }

    /// Sets `nonce`, which the server sent.
    pub fn nonce(self, nonce: &str) -> Self {
        self.claim("nonce", nonce)
    }

    /// Sets `iat`, including a fraction of a second. A proof from before the start of the verifier needs a nonce.
    pub fn issued_at(self, time: SystemTime) -> Self {
        let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH);
        match since_1970 {
            Ok(after) if after.subsec_micros() > 0 => {
                let whole = Duration::from_micros(u64::try_from(after.as_micros()).unwrap_or(0));
                self.claim("iat", whole.as_secs_f64())
            }
            _ => self.claim("iat", seconds(time)),
        }
    }

    /// Sets the claim `name` to `value`.
    pub fn claim(self, name: &str, value: impl Into<Value>) -> Self {
        Self(self.0.claim(name, value))
    }

    /// Removes the claim `name`.
    pub fn without_claim(self, name: &str) -> Self {
        Self(self.0.without(name))
    }

    /// Sets a header parameter; `alg` does not change how the proof is signed.
    pub fn header(self, name: &str, value: impl Into<Value>) -> Self {
        Self(self.0.header(name, value))
    }

    /// Removes the header parameter `name`.
    pub fn without_header(self, name: &str) -> Self {
        Self(self.0.without_header(name))
    }

    /// Sets `jwk` to any value, for example another key, a private key, or not a key.
    pub fn raw_jwk(self, jwk: impl Into<Value>) -> Self {
        self.header("jwk", jwk)
    }

    /// Signs with `key` and sets `alg`; `jwk` does not change.
    pub fn signed_by(self, key: &SigningKey) -> Self {
        Self(self.0.signed_by(key)).without_header("kid")
    }

    /// Replaces the JSON of the header with these bytes.
    pub fn raw_header(self, text: impl Into<Vec<u8>>) -> Self {
        Self(self.0.raw_header(text))
    }

    /// Replaces the JSON of the claims with these bytes, which are signed unchanged.
    pub fn raw_payload(self, bytes: impl Into<Vec<u8>>) -> Self {
        Self(self.0.raw_payload(bytes))
    }

    /// Replaces the signature with these bytes.
    pub fn raw_signature(self, bytes: impl Into<Vec<u8>>) -> Self {
        Self(self.0.raw_signature(bytes))
    }

    /// Builds the proof: the value of the `DPoP` header.
    #[must_use]
    pub fn build(self) -> String {
        self.0.build()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::Algorithm;

    fn parts(proof: &str) -> (Value, Value) {
        let mut segments = proof.split('.').map(|part| {
            let bytes = BASE64URL_NOPAD.decode(part.as_bytes()).unwrap();
            serde_json::from_slice(&bytes).unwrap_or_default()
        });
        (segments.next().unwrap(), segments.next().unwrap())
    }

    #[test]
    fn a_proof_has_exactly_the_required_claims() {
        let key = SigningKey::generate(Algorithm::Es256);
        let proof = ProofBuilder::new(&key, "POST", "https://api.test/a")
            .issued_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1000))
            .claim("jti", "id");
        let (header, claims) = parts(&proof.clone().build());
        let jwk = key.public_members().unwrap();
        assert_eq!(
            header,
            json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": jwk})
        );
        let expected =
            json!({"jti": "id", "htm": "POST", "htu": "https://api.test/a", "iat": 1000});
        assert_eq!(claims, expected);

        let (_, claims) = parts(
            &proof
                .token("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU")
                .nonce("n")
                .build(),
        );
        assert_eq!(claims["nonce"], "n");
        // RFC 9449 §7.1, figure 13.
        assert_eq!(claims["ath"], "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
    }

    #[test]
    fn every_proof_has_a_unique_jti() {
        let key = SigningKey::generate(Algorithm::EdDsa);
        let id =
            || parts(&ProofBuilder::new(&key, "GET", "https://api.test/").build()).1["jti"].clone();
        assert_ne!(id(), id());
    }

    #[test]
    fn another_key_may_sign_and_jwk_may_have_any_value() {
        let (key, other) = (
            SigningKey::generate(Algorithm::Es256),
            SigningKey::generate(Algorithm::EdDsa),
        );
        let proof = ProofBuilder::new(&key, "GET", "https://api.test/").signed_by(&other);
        let text = proof.clone().build();
        let (header, _) = parts(&text);
        assert_eq!(
            (&header["alg"], &header["jwk"]),
            (&json!("EdDSA"), &key.public_members().unwrap())
        );
        let (input, signature) = text.rsplit_once('.').unwrap();
        assert_eq!(
            signature,
            BASE64URL_NOPAD.encode(&other.sign(input.as_bytes()))
        );
        let (header, _) = parts(&proof.raw_jwk(json!([1])).without_header("alg").build());
        assert_eq!(header, json!({"jwk": [1], "typ": "dpop+jwt"}));
    }
}
