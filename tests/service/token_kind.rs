//! Tokens that the same issuer signs with the same keys, but not for an API.

use actix_resource_server::test_kit::TestIssuer;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::expected::{
    BOUND, Expected, ID_TOKEN, LOGOUT_TOKEN, MALFORMED_PAYLOAD, PRIVATE, assert_answer,
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
