//! Arbitrary proofs cause no panic, and only those signed by the sender for the request are accepted.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use actix_resource_server::test_kit::{ProofBuilder, SigningKey, TokenBuilder, shared};
use actix_resource_server::{
    Algorithm, AuthenticatedUser, Cause, Clock, Issuer, NoClaims, Verifier,
};
use actix_web::FromRequest;
use actix_web::http::header::{HOST, HeaderName, HeaderValue};
use actix_web::test::TestRequest;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::app::poll_once;
use crate::hostile::{altered, any_json, config};

const ISSUER: &str = "https://issuer.example/";

const URL: &str = "http://api.test/messages";

fn verifier() -> &'static Verifier {
    static VERIFIER: OnceLock<Verifier> = OnceLock::new();
    VERIFIER.get_or_init(|| {
        let jwk = shared(Algorithm::EdDsa).public_jwk().expect("a public key");
        let issuer = Issuer::with_public_key(ISSUER, &jwk.to_string()).audience("api");
        let verifier = Verifier::builder().clock(started_long_ago());
        let verifier = verifier.start([issuer.build().expect("an issuer")]);
        verifier.expect("a verifier")
    })
}

/// The system's clock, except at the start: proofs from before it would need a nonce.
fn started_long_ago() -> Clock {
    let is_started = AtomicBool::new(false);
    Clock::new(move || match is_started.swap(true, Ordering::Relaxed) {
        true => SystemTime::now(),
        false => SystemTime::UNIX_EPOCH,
    })
}

/// A cached token, as a client's usually is.
fn token() -> &'static str {
    static TOKEN: OnceLock<String> = OnceLock::new();
    TOKEN.get_or_init(|| {
        let token = TokenBuilder::new(ISSUER, "api", &shared(Algorithm::EdDsa));
        token.bound_to_key(&sender()).build()
    })
}

fn sender() -> SigningKey {
    shared(Algorithm::Es256)
}

fn proof() -> ProofBuilder {
    ProofBuilder::new(&sender(), "GET", URL).token(token())
}

/// Whether a request with this proof is granted; if not, the proof must be the reason.
fn is_accepted(proof: &str) -> bool {
    let Ok(value) = HeaderValue::from_str(proof) else {
        return false;
    };
    let request = TestRequest::with_uri("/messages")
        .app_data(verifier().clone())
        .insert_header((HOST, "api.test"))
        .insert_header(("Authorization", format!("DPoP {}", token())))
        .insert_header((HeaderName::from_static("dpop"), value))
        .to_http_request();
    let mut extraction = Box::pin(AuthenticatedUser::<NoClaims>::extract(&request));
    let judged = poll_once(extraction.as_mut());
    match judged {
        std::task::Poll::Ready(Ok(_)) => true,
        std::task::Poll::Ready(Err(rejection)) => {
            let cause = rejection.into_cause();
            let other_key = "The token is bound to another key than the proof's.";
            let is_for_the_proof =
                matches!(cause, Cause::InvalidProof(_)) || cause == Cause::InvalidToken(other_key);
            assert!(is_for_the_proof, "{cause:?}");
            false
        }
        std::task::Poll::Pending => panic!("a configured key is always there"),
    }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn no_text_is_a_proof(text in "\\PC{0,200}") {
        prop_assert!(!is_accepted(&text));
    }

    #[test]
    fn nothing_of_three_segments_is_a_proof_without_its_signature(text in "[A-Za-z0-9_-]{0,90}\\.[A-Za-z0-9_-]{0,90}\\.[A-Za-z0-9_-]{0,90}") {
        prop_assert!(!is_accepted(&text));
    }

    #[test]
    fn no_header_and_no_claims_of_any_kind_are_a_proof(header in any_json(), claims in any_json()) {
        let proof = proof().raw_header(header.to_string()).raw_payload(claims.to_string());
        prop_assert!(!is_accepted(&proof.build()));
    }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn a_proof_with_a_byte_inserted_removed_or_changed_is_rejected(at: Index, byte in 0_u8..128, how in 0_usize..3) {
        let good = proof().build();
        let altered = altered(&good, at, byte, how);
        prop_assert_eq!(is_accepted(&altered), altered == good);
    }

    #[test]
    fn a_truncated_or_doubled_proof_is_rejected(at: Index) {
        let good = proof().build();
        let at = at.index(good.len());
        let doubled = [good.as_str(), &good[at..]].concat();
        prop_assert!(!is_accepted(&good[..at]));
        prop_assert!(!is_accepted(&doubled));
        prop_assert!(is_accepted(&good));
        prop_assert!(!is_accepted(&good));
    }

    #[test]
    fn a_signed_claim_of_any_type_is_judged_and_never_a_panic(
        name in prop::sample::select(vec!["htm", "htu", "iat", "ath", "nonce", "exp", "nbf", "x"]),
        value in any_json(),
    ) {
        let accepted = is_accepted(&proof().claim(name, value.clone()).build());
        let number = value.as_f64().filter(|at| (0.0..YEAR_10000).contains(at));
        let right = match name {
            "htm" | "htu" | "ath" => false,
            "nonce" => value.is_string(),
            "iat" => number.is_some_and(|at| (now() - 300.0..now() + 30.0).contains(&at)),
            "exp" => number.is_some_and(|at| at > now() - 30.0),
            "nbf" => number.is_some_and(|at| at <= now() + 30.0),
            _ => true,
        };
        prop_assert_eq!(accepted, right, "{}: {}", name, value);
    }

    #[test]
    fn a_name_of_any_type_is_judged_and_never_a_panic(value in any_json()) {
        let named = || proof().claim("jti", value.clone()).build();
        let is_name = value.as_str().is_some_and(|jti| !jti.is_empty());
        // Another case may have used it.
        prop_assert!(!is_accepted(&named()) || is_name, "{}", value);
        prop_assert!(!is_accepted(&named()), "{}", value);
    }

    #[test]
    fn a_signed_header_of_any_kind_is_judged_and_never_a_panic(
        name in prop::sample::select(vec!["alg", "typ", "jwk", "kid", "crit", "b64", "jku", "x5c", "zip"]),
        value in any_json(),
    ) {
        let accepted = is_accepted(&proof().header(name, value.clone()).build());
        let right = !["alg", "typ", "jwk", "crit", "b64"].contains(&name);
        prop_assert_eq!(accepted, right, "{}: {}", name, value);
    }

    #[test]
    fn a_member_of_the_key_of_any_kind_is_judged_and_never_a_panic(
        name in prop::sample::select(vec!["kty", "crv", "x", "y", "d", "k", "use", "key_ops", "alg", "n", "e", "ext"]),
        value in any_json(),
    ) {
        let mut jwk = sender().public_jwk().expect("a public key");
        jwk[name] = value.clone();
        let accepted = is_accepted(&proof().raw_jwk(jwk).build());
        // Members that an EC key does not use are ignored, unless they are private.
        let right = match name {
            "n" | "e" | "ext" => true,
            "key_ops" => value == json!(["verify"]),
            _ => false,
        };
        prop_assert_eq!(accepted, right, "{}: {}", name, value);
    }

    #[test]
    fn a_url_of_any_kind_is_judged_and_never_a_panic(
        scheme in "(http|https|HTTP|ftp|)(:|://|)",
        host in "(api.test|API.test:80|[a-z:@%\\[\\]]{0,9})",
        path in "(/messages|/%6Dessages|/x/../messages|[/a-z.%0-9]{0,9})(\\?[a-z]{0,3})?(#[a-z]{0,3})?",
    ) {
        let url = format!("{scheme}{host}{path}");
        let accepted = is_accepted(&proof().claim("htu", url.clone()).build());
        let plain = path.split(['?', '#']).next();
        let is_right = scheme.eq_ignore_ascii_case("http://")
            && ["api.test", "API.test:80"].contains(&host.as_str())
            && ["/messages", "/%6Dessages", "/x/../messages"].map(Some).contains(&plain);
        prop_assert!(accepted || !is_right, "{}", url);
        if accepted {
            prop_assert!(url.to_ascii_lowercase().starts_with("http://api.test"), "{}", url);
        }
    }
}

fn now() -> f64 {
    let now = std::time::UNIX_EPOCH.elapsed();
    now.expect("after 1970").as_secs_f64()
}

const YEAR_10000: f64 = 253_402_300_800.0;

#[test]
fn an_unusual_but_signed_proof_is_accepted() {
    let value: Value = json!({"deep": [[[[{"a": null}]]]]});
    assert!(is_accepted(&proof().claim("x", value).build()));
}
