//! Arbitrary tokens cause no panic, and only tokens that the issuer signed are accepted.

use std::sync::OnceLock;
use std::time::SystemTime;

use actix_resource_server::errors::VerifyError;
use actix_resource_server::test_kit::{TokenBuilder, shared};
use actix_resource_server::{Algorithm, Issuer, Verifier};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

const ISSUER: &str = "https://issuer.example/";

/// A verifier with a token cache, and one without.
fn verifiers() -> &'static [Verifier; 2] {
    static VERIFIERS: OnceLock<[Verifier; 2]> = OnceLock::new();
    VERIFIERS.get_or_init(|| [1 << 20, 0].map(verifier))
}

fn verifier(token_memory: usize) -> Verifier {
    let jwk = shared(Algorithm::Es256).public_jwk().expect("a public key");
    let issuer = Issuer::with_public_key(ISSUER, &jwk.to_string()).audience("api");
    let builder = Verifier::builder().token_memory(token_memory);
    let verifier = builder.start([issuer.build().expect("an issuer")]);
    verifier.expect("a verifier")
}

fn token() -> TokenBuilder {
    TokenBuilder::new(ISSUER, "api", &shared(Algorithm::Es256))
}

/// Verifies a token three times, and asserts that the cached result equals a fresh one.
fn is_accepted(token: &str) -> bool {
    let [remembering, fresh] = verifiers();
    let now = SystemTime::now();
    let found = |verifier: &Verifier| {
        let verified = verifier.verify(token, now)?;
        let scopes: Vec<_> = verified.scopes().iter().map(str::to_owned).collect();
        let payload = verified.payload().to_vec();
        Ok::<_, VerifyError>((payload, scopes, verified.expires_at(), verified.issued_at()))
    };
    let expected = found(fresh);
    for sight in 1..=3 {
        assert_eq!(found(remembering), expected, "{token} at sight {sight}");
    }
    expected.is_ok()
}

/// Any JSON, nested a little, with numbers of every size.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        ".{0,20}".prop_map(Value::from),
        Just(json!("api")),
        Just(json!(ISSUER)),
        Just(json!("JWT")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z]{1,5}", inner, 0..4)
                .prop_map(|members| json!(members)),
        ]
    })
}

/// The text with a byte inserted, removed or changed, as selected by `how`.
pub(crate) fn altered(good: &str, at: Index, byte: u8, how: usize) -> String {
    let mut bytes = good.as_bytes().to_vec();
    let at = at.index(bytes.len());
    match how {
        0 => bytes.insert(at, byte),
        1 => drop(bytes.remove(at)),
        _ => bytes[at] = byte,
    }
    String::from_utf8(bytes).expect("ASCII")
}

pub(crate) fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn no_text_is_a_token(text in "\\PC{0,200}") {
        prop_assert!(!is_accepted(&text));
    }

    #[test]
    fn nothing_of_three_segments_is_a_token_without_its_signature(text in "[A-Za-z0-9_-]{0,90}\\.[A-Za-z0-9_-]{0,90}\\.[A-Za-z0-9_-]{0,90}") {
        prop_assert!(!is_accepted(&text));
    }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn a_token_with_a_byte_inserted_removed_or_changed_is_rejected(at: Index, byte in 0_u8..128, how in 0_usize..3) {
        let good = token().build();
        let altered = altered(&good, at, byte, how);
        prop_assert_eq!(is_accepted(&altered), altered == good);
    }

    #[test]
    fn a_truncated_or_doubled_token_is_rejected(at: Index) {
        let good = token().build();
        let at = at.index(good.len());
        let doubled = [good.as_str(), &good[at..]].concat();
        prop_assert!(!is_accepted(&good[..at]));
        prop_assert!(!is_accepted(&doubled));
    }

    #[test]
    fn a_signed_claim_of_any_type_is_judged_and_never_a_panic(
        name in prop::sample::select(vec!["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope", "scp", "cnf", "x"]),
        value in any_json(),
    ) {
        let accepted = is_accepted(&token().claim(name, value.clone()).build());
        let right = match name {
            "iss" => value == ISSUER,
            "sub" | "jti" | "client_id" => value.is_string(),
            "aud" => value == "api" || value.as_array().is_some_and(|list| {
                list.iter().all(Value::is_string) && list.contains(&json!("api"))
            }),
            "exp" => value.as_f64().is_some_and(|at| (now()..YEAR_10000).contains(&at)),
            "nbf" => value.as_f64().is_some_and(|at| (0.0..now() + 60.0).contains(&at)),
            "iat" => value.as_f64().is_some_and(|at| (0.0..YEAR_10000).contains(&at)),
            // With any confirmation, even an empty one, it is not a bearer token.
            "cnf" => false,
            _ => true,
        };
        prop_assert_eq!(accepted, right, "{}: {}", name, value);
    }

    #[test]
    fn a_signed_header_of_any_kind_is_judged_and_never_a_panic(
        name in prop::sample::select(vec!["alg", "typ", "kid", "crit", "b64", "jwk", "jku", "x5u", "x5c", "cty", "zip"]),
        value in any_json(),
    ) {
        let good = shared(Algorithm::Es256);
        let accepted = is_accepted(&token().header(name, value.clone()).build());
        let right = match name {
            "alg" => value == "ES256",
            "typ" => value.as_str().is_some_and(|typ| typ.eq_ignore_ascii_case("jwt") || typ.eq_ignore_ascii_case("at+jwt")),
            "kid" => value == good.kid(),
            "crit" | "b64" => false,
            _ => true,
        };
        prop_assert_eq!(accepted, right, "{}: {}", name, value);
    }
}

fn now() -> f64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.expect("after 1970").as_secs_f64()
}

const YEAR_10000: f64 = 253_402_300_800.0;
