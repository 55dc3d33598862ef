//! The confirmation of a token: `cnf` in every form (RFC 7800 §3.1, RFC 9449 §6.1).

use serde_json::{Value, json};

use crate::expected::{
    BOUND, Expected, MALFORMED_CONFIRMATION, MALFORMED_PAYLOAD, NO_CERTIFICATE, NO_KEY_BOUND,
    OTHER_KEY, PRIVATE, assert_answer,
};
use crate::sender::Sender;

/// Sends it as a bound token with a valid proof, and as a bearer token.
fn check(sender: &Sender, confirmation: &Value, by_dpop: Expected, by_bearer: Expected) {
    let case = confirmation.to_string();
    let token = || sender.issuer.token().claim("cnf", confirmation.clone());
    sender.assert_token(token(), by_dpop, &case);
    assert_answer(&sender.app.private(&token().build()), by_bearer, &case);
}

#[test]
fn a_token_is_bound_to_the_key_that_it_names_and_to_no_other() {
    let sender = Sender::new();
    let jkt = sender.key.thumbprint().unwrap();
    for (confirmation, by_dpop) in [
        (json!({"jkt": jkt}), PRIVATE),
        (json!({"jkt": ""}), OTHER_KEY),
        (json!({"jkt": "other"}), OTHER_KEY),
        (json!({"jkt": format!("{jkt}=")}), OTHER_KEY),
        (json!({"jkt": format!(" {jkt}")}), OTHER_KEY),
        (json!({"jkt": jkt.to_uppercase()}), OTHER_KEY),
        (json!({"jkt": &jkt[..42]}), OTHER_KEY),
        (json!({"jkt": null}), MALFORMED_CONFIRMATION),
        (json!({"jkt": 1}), MALFORMED_CONFIRMATION),
        (json!({"jkt": true}), MALFORMED_CONFIRMATION),
        (json!({"jkt": [jkt]}), MALFORMED_CONFIRMATION),
        (json!({"jkt": {"jkt": jkt}}), MALFORMED_CONFIRMATION),
    ] {
        check(&sender, &confirmation, by_dpop, BOUND);
    }
}

#[test]
fn an_unbound_token_with_the_dpop_scheme_is_rejected() {
    let sender = Sender::new();
    let jkt = sender.key.thumbprint().unwrap();
    sender.assert_token(sender.issuer.token(), NO_KEY_BOUND, "no cnf");
    check(&sender, &json!({}), NO_KEY_BOUND, BOUND);
    for confirmation in [
        json!({"JKT": jkt}),
        json!({"jkt ": jkt}),
        json!({"kid": "a"}),
        json!({"jwk": sender.key.public_jwk()}),
        json!({"x5t#S256": jkt}),
        json!({"x5t#S256": 1}),
    ] {
        check(&sender, &confirmation, NO_KEY_BOUND, BOUND);
    }
    let token = sender.issuer.token().claim("jkt", jkt);
    sender.assert_token(token, NO_KEY_BOUND, "jkt outside cnf");
}

#[test]
fn unknown_confirmation_methods_beside_the_key_are_ignored() {
    let sender = Sender::new();
    let jkt = sender.key.thumbprint().unwrap();
    for confirmation in [
        json!({"jkt": jkt, "kid": "a"}),
        json!({"jkt": jkt, "jwk": {"kty": "EC"}, "x": null}),
    ] {
        check(&sender, &confirmation, PRIVATE, BOUND);
    }
}

#[test]
fn a_token_that_is_bound_to_a_certificate_too_needs_both() {
    let sender = Sender::new();
    let jkt = sender.key.thumbprint().unwrap();
    for certificate in [json!("of a certificate"), json!(""), json!(1), json!(null)] {
        let confirmation = json!({"jkt": jkt, "x5t#S256": certificate});
        check(&sender, &confirmation, NO_CERTIFICATE, BOUND);
    }
}

#[test]
fn a_confirmation_is_an_object_without_duplicates() {
    let sender = Sender::new();
    let jkt = sender.key.thumbprint().unwrap();
    for confirmation in [
        json!(null),
        json!(true),
        json!(1),
        json!(jkt),
        json!([]),
        json!([{"jkt": jkt}]),
    ] {
        check(&sender, &confirmation, MALFORMED_PAYLOAD, MALFORMED_PAYLOAD);
    }
    let (issuer, now) = (&sender.issuer, crate::sender::seconds_from_now(60));
    let (url, audience) = (issuer.url(), issuer.audience());
    for cnf in [
        format!(r#"{{"jkt":"{jkt}","jkt":"{jkt}"}}"#),
        format!(r#"{{"jkt":"{jkt}"}},"cnf":{{"jkt":"{jkt}"}}"#),
    ] {
        let payload = format!(r#"{{"iss":"{url}","aud":"{audience}","exp":{now},"cnf":{cnf}}}"#);
        let token = issuer.token().raw_payload(payload);
        sender.assert_token(token, MALFORMED_PAYLOAD, &cnf);
    }
}
