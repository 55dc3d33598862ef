//! Differential test: this library and biscuit, with one key and one algorithm, accept the same tokens.

use std::time::SystemTime;

use actix_resource_server::test_kit::{SigningKey, TokenBuilder, shared};
use actix_resource_server::{Algorithm, Issuer, Verifier};
use biscuit::jwa::SignatureAlgorithm;
use biscuit::jwk::AlgorithmParameters;
use biscuit::jws::Secret;
use biscuit::{Empty, JWT};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

const ISSUER: &str = "https://issuer.example/";

/// One algorithm in the types of both libraries.
struct Pair {
    key: SigningKey,
    verifier: Verifier,
    biscuit: (Secret, SignatureAlgorithm),
}

impl Pair {
    fn of(algorithm: Algorithm) -> Self {
        let secret = "s".repeat(64);
        let (key, issuer, biscuit) = if algorithm.is_symmetric() {
            let issuer = Issuer::with_secret(ISSUER, &secret, algorithm);
            (
                SigningKey::from_secret(&secret, algorithm),
                issuer,
                Secret::bytes_from_str(&secret),
            )
        } else {
            let key = shared(algorithm);
            let jwk = key.public_jwk().expect("a public key");
            let issuer = Issuer::with_public_key(ISSUER, &jwk.to_string());
            let parameters = serde_json::from_value(jwk).expect("biscuit reads the key");
            (key, issuer, biscuit_key(&parameters))
        };
        let named = serde_json::from_value(algorithm.name().into())
            .expect("biscuit supports the algorithm");
        let issuer = issuer.audience("api").build().expect("an issuer");
        Self {
            key,
            verifier: Verifier::start([issuer]).expect("a verifier"),
            biscuit: (biscuit, named),
        }
    }

    fn token(&self, subject: &str) -> String {
        TokenBuilder::new(ISSUER, "api", &self.key)
            .claim("sub", subject)
            .build()
    }

    fn ours(&self, token: &str) -> bool {
        self.verifier.verify(token, SystemTime::now()).is_ok()
    }

    fn biscuits(&self, token: &str) -> bool {
        let (secret, algorithm) = &self.biscuit;
        JWT::<Value, Empty>::new_encoded(token)
            .into_decoded(secret, *algorithm)
            .is_ok()
    }
}

fn biscuit_key(parameters: &AlgorithmParameters) -> Secret {
    match parameters {
        AlgorithmParameters::RSA(key) => key.jws_public_key_secret(),
        AlgorithmParameters::EllipticCurve(key) => key.jws_public_key_secret(),
        other => panic!("no key of biscuit's: {other:?}"),
    }
}

/// The token with one character replaced by a base64url character, which may be the same.
fn altered(token: &str, at: Index, with: Index) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = token.as_bytes().to_vec();
    let at = at.index(bytes.len());
    bytes[at] = ALPHABET[with.index(ALPHABET.len())];
    String::from_utf8(bytes).expect("ASCII")
}

#[test]
fn biscuit_and_this_library_agree_on_valid_and_altered_tokens() {
    let both_know = [
        Algorithm::Hs256,
        Algorithm::Hs384,
        Algorithm::Hs512,
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
        Algorithm::Es256,
        Algorithm::Es384,
    ];
    for algorithm in both_know {
        let pair = Pair::of(algorithm);
        let config = ProptestConfig {
            cases: 64,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        proptest!(config, |(subject in ".{0,40}", at: Index, with: Index)| {
            let token = pair.token(&subject);
            prop_assert!(pair.ours(&token) && pair.biscuits(&token), "{algorithm}");
            let altered = altered(&token, at, with);
            prop_assert_eq!(pair.ours(&altered), altered == token, "{}", algorithm);
            prop_assert_eq!(pair.biscuits(&altered), altered == token, "{}", algorithm);
        });
    }
}
