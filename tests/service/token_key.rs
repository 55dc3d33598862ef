//! Which keys verify a token: its issuer's, never one that the token contains.

use actix_resource_server::test_kit::{Document, Fault, TestIssuer, TokenBuilder};
use serde_json::{Value, json};

use crate::app::{Launch, TestApp};
use crate::expected::{PRIVATE, SIGNATURE, UNKNOWN_KEY, assert_answer};

/// Ways in which a header can offer the key of `attacker`.
fn offers(attacker: &TestIssuer) -> [(&'static str, Value); 5] {
    let jwk = attacker.key().public_jwk().unwrap();
    [
        ("jwk", jwk),
        ("jku", json!(attacker.jwks_uri())),
        ("x5u", json!(format!("{}chain.pem", attacker.url()))),
        ("x5c", json!(["MIIB"])),
        ("x5t#S256", json!("AAAA")),
    ]
}

#[test]
fn a_key_in_the_token_is_never_used() {
    let (issuer, attacker) = (TestIssuer::start(), TestIssuer::start());
    let app = TestApp::trusting(&issuer);
    let known_kid = issuer.key().kid().to_owned();
    for (name, value) in offers(&attacker) {
        let offer = |token: TokenBuilder| token.header(name, value.clone());
        let forged = |kid| issuer.token().signed_by(&attacker.key().with_kid(kid));
        let token = offer(forged(&known_kid)).build();
        assert_answer(&app.private(&token), SIGNATURE, name);
        let token = offer(forged("attacker")).build();
        assert_answer(&app.private(&token), UNKNOWN_KEY, name);
        let token = offer(issuer.token()).build();
        assert_answer(&app.private(&token), PRIVATE, name);
    }
    let asked = attacker.requests();
    assert_eq!((asked.discovery, asked.jwks), (0, 0));
}

#[test]
fn a_token_without_a_kid_is_tried_with_every_key() {
    let issuer = TestIssuer::start();
    let old = issuer.token().without_header("kid").build();
    issuer.rotate_keeping_old();
    let app = TestApp::trusting(&issuer);
    let new = issuer.token().without_header("kid").build();
    assert_answer(&app.private(&old), PRIVATE, "the first key");
    assert_answer(&app.private(&new), PRIVATE, "the second key");
    assert_eq!(issuer.requests().jwks, 1);
}

#[test]
fn several_keys_with_one_id_are_each_tried() {
    let (issuer, other) = (TestIssuer::start(), TestIssuer::start());
    let (one, two) = (issuer.key().with_kid("same"), other.key().with_kid("same"));
    issuer.publish(json!({"keys": [one.public_jwk(), two.public_jwk()]}));
    let app = TestApp::trusting(&issuer);
    for key in [one, two] {
        let token = issuer.token().signed_by(&key).build();
        assert_answer(&app.private(&token), PRIVATE, "same");
    }
}

#[test]
fn a_key_id_is_compared_exactly() {
    let issuer = TestIssuer::start();
    let key = issuer.key().with_kid("Key-1");
    issuer.publish(json!({"keys": [key.public_jwk()]}));
    // Each of the IDs is requested.
    let launch = Launch::trusting(&issuer).variable("APP__AUTH__COOLDOWN_DURATION", "1ms");
    let app = TestApp::ready(launch);
    for kid in ["key-1", "Key-1 ", "Key-10", "", "../Key-1"] {
        let token = issuer.token().signed_by(&key.clone().with_kid(kid)).build();
        assert_answer(&app.private(&token), UNKNOWN_KEY, kid);
    }
    let token = issuer.token().signed_by(&key).build();
    assert_answer(&app.private(&token), PRIVATE, "Key-1");
}

#[test]
fn a_document_of_another_issuer_provides_no_keys() {
    let (issuer, other) = (TestIssuer::start(), TestIssuer::start());
    let app = TestApp::trusting(&issuer);
    let redirect = Fault::redirect(&other.jwks_uri());
    issuer.set_fault(Document::Jwks, Some(redirect));
    let token = issuer.token().signed_by(&other.key()).build();
    assert_eq!(app.private(&token).status, 503);
    assert_eq!(other.requests().jwks, 0);
}
