//! Tokens that the same issuer signs with the same keys, but not for an API.

use actix_resource_server::test_kit::TestIssuer;
use serde_json::{Value, json};

use crate::app::{Launch, TestApp};
use crate::expected::{
    BOUND, Expected, ID_TOKEN, LOGOUT_TOKEN, MALFORMED_PAYLOAD, MISSING_CLAIM, OTHER_AUDIENCE,
    PRIVATE, REFRESH_TOKEN, REQUIRED_CLAIM, assert_answer,
};

const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";

#[test]
fn id_tokens_and_logout_tokens_are_rejected() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let cases: [(&[(&str, Value)], Expected); 8] = [
        (&[("nonce", json!("n-0S6_WzA2Mj"))], ID_TOKEN),
        (&[("nonce", Value::Null)], ID_TOKEN),
        (&[("at_hash", json!("77QmUPtjPfzWtF2AnpK9RQ"))], ID_TOKEN),
        (
            &[("at_hash", json!("a")), ("scope", json!("openid"))],
            ID_TOKEN,
        ),
        (
            &[("nonce", json!("a")), ("scope", json!("openid"))],
            PRIVATE,
        ),
        (
            &[("nonce", json!("a")), ("scp", json!(["openid"]))],
            PRIVATE,
        ),
        (&[("events", json!({ LOGOUT: {} }))], LOGOUT_TOKEN),
        (
            &[("events", json!({ LOGOUT: {} })), ("scope", json!("a"))],
            LOGOUT_TOKEN,
        ),
    ];
    for (claims, expected) in cases {
        let token = claims.iter().fold(issuer.token(), |token, (name, value)| {
            token.header("typ", "JWT").claim(name, value.clone())
        });
        assert_answer(
            &app.private(&token.build()),
            expected,
            &format!("{claims:?}"),
        );
    }
}

#[test]
fn tokens_that_name_another_kind_are_rejected() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    for (claim, kind, expected) in [
        ("token_use", "id", ID_TOKEN),
        ("typ", "ID", ID_TOKEN),
        ("typ", "Logout", LOGOUT_TOKEN),
        ("typ", "Refresh", REFRESH_TOKEN),
        ("token_use", "access", PRIVATE),
        ("typ", "Bearer", PRIVATE),
    ] {
        let token = issuer.token().claim(claim, kind).scope("openid").build();
        assert_answer(&app.private(&token), expected, kind);
    }
}

#[test]
fn required_claims_decide_and_are_not_logged() {
    let issuer = TestIssuer::start();
    let required = r#"{"token_use": "access", "/app/id": ["a", "b"]}"#;
    let launch = Launch::trusting(&issuer)
        .variable("APP__AUTH__REQUIRED_CLAIMS", required)
        .variable("RUST_LOG", "debug");
    let app = TestApp::ready(launch);
    for (kind, id, expected) in [
        ("access", "b", PRIVATE),
        ("access", "secret-value", REQUIRED_CLAIM),
        ("secret-value", "a", REQUIRED_CLAIM),
    ] {
        let token = issuer.token().claim("token_use", kind);
        let token = token.claim("app", json!({ "id": id })).build();
        assert_answer(&app.private(&token), expected, id);
    }
    let log = app.process.log.text();
    let line = r#"a required claim is not met: /app/id must be "a" or "b""#;
    assert!(log.contains(line), "{log}");
    assert!(!log.contains("secret-value"), "{log}");
}

#[test]
fn the_audience_may_stand_in_another_claim() {
    let issuer = TestIssuer::start();
    let launch =
        Launch::trusting(&issuer).variable("APP__AUTH__AUDIENCE_CLAIMS", "aud, client_id, azp");
    let app = TestApp::ready(launch);
    let without = || issuer.token().without("aud").without("client_id");
    let ours = issuer.audience();
    for (token, expected) in [
        (without().claim("client_id", ours), PRIVATE),
        (without().claim("azp", ours), PRIVATE),
        (without().claim("azp", "other"), OTHER_AUDIENCE),
        (
            without().claim("client_id", "other").claim("azp", ours),
            OTHER_AUDIENCE,
        ),
        (
            without().claim("aud", "other").claim("azp", ours),
            OTHER_AUDIENCE,
        ),
        (without().without("azp"), MISSING_CLAIM),
    ] {
        assert_answer(&app.private(&token.build()), expected, "audience claims");
    }
}

#[test]
fn a_bound_token_is_rejected_as_a_bearer_token() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let confirmations = [
        json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
        json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}),
        json!({"jkt": "a", "x5t#S256": "b"}),
        json!({"jkt": ""}),
        json!({"jkt": null}),
        json!({"x5t#S256": 1}),
    ];
    for confirmation in confirmations {
        let case = confirmation.to_string();
        let token = issuer.token().claim("cnf", confirmation);
        let token = token.scope("read:messages").build();
        assert_answer(&app.private(&token), BOUND, &case);
        assert_answer(&app.scoped(&token), BOUND, &case);
    }
}

#[test]
fn a_confirmation_that_is_not_an_object_is_rejected() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    for confirmation in [json!(null), json!("a"), json!(1), json!(["jkt"])] {
        let case = confirmation.to_string();
        let token = issuer.token().claim("cnf", confirmation).build();
        assert_answer(&app.private(&token), MALFORMED_PAYLOAD, &case);
    }
}
