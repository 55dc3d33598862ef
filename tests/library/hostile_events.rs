//! Arbitrary logout tokens and security events cause no panic, and only those that the issuer signed revoke anything.

use std::time::{Duration, SystemTime};

use actix_resource_server::test_kit::{TokenBuilder, shared};
use actix_resource_server::{Algorithm, Issuer, Revocations, Verifier};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use crate::hostile::{altered, any_json, config};

const ISSUER: &str = "https://issuer.example/";

/// What a verifier made of a token: whether each endpoint accepted it, and how many cut-offs there are.
fn received(token: &str) -> ([bool; 2], usize) {
    let jwk = shared(Algorithm::Es256).public_jwk().expect("a public key");
    let issuer = Issuer::with_public_key(ISSUER, &jwk.to_string())
        .audience("api")
        .event_audience("client")
        .max_token_age(Duration::from_secs(3600));
    let builder = Verifier::builder().revocations(Revocations::in_memory(10));
    let verifier = builder.start([issuer.build().expect("an issuer")]);
    let verifier = verifier.expect("a verifier");
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().expect("a runtime");
    let accepted = runtime.block_on(async {
        [
            verifier.receive_logout_token(token).await.is_ok(),
            verifier.receive_security_event(token).await.is_ok(),
        ]
    });
    let cut_offs = verifier.revocations().map_or(0, Revocations::len);
    assert!(verifier.verify(token, SystemTime::now()).is_err());
    (accepted, cut_offs)
}

const NOTHING: ([bool; 2], usize) = ([false; 2], 0);

fn tokens() -> [TokenBuilder; 2] {
    let key = shared(Algorithm::Es256);
    let event = TokenBuilder::security_event(ISSUER, "client", &key)
        .event(TokenBuilder::SESSION_REVOKED, json!({}))
        .claim("sub_id", json!({"format": "opaque", "id": "ada"}));
    [TokenBuilder::logout_token(ISSUER, "client", &key), event]
}

#[test]
fn valid_tokens_revoke() {
    let [logout, event] = tokens().map(|token| received(&token.build()));
    assert_eq!(logout, ([true, false], 1));
    assert_eq!(event, ([false, true], 1));
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn no_text_is_an_event(text in "\\PC{0,200}") {
        prop_assert_eq!(received(&text), NOTHING);
    }

    #[test]
    fn an_event_with_a_byte_inserted_removed_or_changed_revokes_nothing(at: Index, byte in 0_u8..128, how in 0_usize..3) {
        for token in tokens().map(TokenBuilder::build) {
            let altered = altered(&token, at, byte, how);
            if altered != token {
                prop_assert_eq!(received(&altered), NOTHING);
            }
        }
    }

    #[test]
    fn a_signed_claim_of_any_type_is_judged_and_never_a_panic(
        name in prop::sample::select(vec![
            "iss", "sub", "sid", "aud", "exp", "nbf", "iat", "jti", "events", "sub_id", "toe", "nonce", "tid", "cnf", "x",
        ]),
        value in any_json(),
    ) {
        for token in tokens() {
            let (accepted, cut_offs) = received(&token.claim(name, value.clone()).build());
            let is_accepted = accepted != [false; 2];
            // Events of other types are accepted, and revoke nothing.
            let revokes = is_accepted && !(name == "events" && accepted[1]);
            prop_assert_eq!(cut_offs, usize::from(revokes), "{}: {}", name, value);
        }
    }

    #[test]
    fn a_signed_event_of_any_kind_is_judged_and_never_a_panic(
        name in prop::sample::select(vec!["subject", "event_timestamp", "reason_admin"]),
        member in prop::sample::select(vec!["format", "id", "iss", "sub", "jti", "user", "session"]),
        value in any_json(),
    ) {
        let [_, event] = tokens();
        let inner = json!({"format": "complex", "user": {"format": "opaque", "id": "ada"}, member: value});
        for content in [json!({name: value}), json!({"subject": inner}), value.clone()] {
            let event = event.clone().without("sub_id").event(TokenBuilder::SESSION_REVOKED, content);
            let ([_, accepted], cut_offs) = received(&event.build());
            prop_assert_eq!(cut_offs, usize::from(accepted));
        }
    }
}
