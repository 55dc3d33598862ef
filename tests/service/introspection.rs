//! Opaque tokens over HTTP, with a configured issuer and with the development issuer.

use actix_resource_server::test_kit::{Document, Fault, TestIssuer};

use crate::app::{Launch, TestApp};
use crate::dev_issuer::address;
use crate::expected::{Expected, PRIVATE, SCOPED, assert_answer};
use crate::wire::Request;

const FORM: &str = "application/x-www-form-urlencoded";

const CLIENT: [(&str, &str); 2] = [
    ("APP__AUTH__INTROSPECTION__CLIENT_ID", "api"),
    ("APP__AUTH__INTROSPECTION__CLIENT_SECRET", "hush, secret"),
];

fn launch(issuer: &TestIssuer) -> Launch {
    Launch::trusting(issuer).variables(&CLIENT)
}

#[test]
fn opaque_tokens_are_accepted_where_their_scopes_suffice() {
    let issuer = TestIssuer::start();
    let app = TestApp::ready(launch(&issuer).variable("RUST_LOG", "trace"));
    let reader = issuer.issue_opaque(issuer.token().scope("read:messages"));
    let other = issuer.issue_opaque(issuer.token());
    assert_answer(&app.scoped(&reader), SCOPED, "reader");
    assert_answer(&app.private(&other), PRIVATE, "other");
    assert_answer(&app.scoped(&other), Expected::InsufficientScope, "other");
    assert_eq!(app.private("made-up").status, 401);
    assert_eq!(
        app.metric("ars_introspections_total{outcome=\"active\"}"),
        2
    );
    assert_eq!(
        app.metric("ars_introspections_total{outcome=\"rejected\"}"),
        1
    );
    let log = app.process.log.text();
    for secret in [reader.as_str(), &other, "made-up", "hush"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn while_the_endpoint_is_unavailable_the_answer_is_503() {
    let issuer = TestIssuer::start();
    let app = TestApp::ready(launch(&issuer));
    issuer.set_fault(Document::Introspection, Some(Fault::Close));
    let token = issuer.issue_opaque(issuer.token());
    let answer = app.private(&token);
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("www-authenticate"), None);
    app.wait_for_log("introspection: ");
    let reason = "ars_rejections_total{reason=\"introspection_unavailable\"}";
    assert_eq!(app.metric(reason), 1);
}

#[test]
fn check_tests_the_endpoint_with_the_credentials() {
    let issuer = TestIssuer::start();
    let ended = launch(&issuer).arguments(&["check"]).run();
    assert!(
        ended.output.contains("its introspection endpoint answers"),
        "{ended:?}"
    );
    assert_eq!(ended.code, Some(0));
    issuer.set_fault(Document::Introspection, Some(Fault::status(401)));
    let ended = launch(&issuer).arguments(&["check"]).run();
    let expected = "tokens cannot be introspected: the introspection endpoint rejects the client credentials of this \
                    API (status 401)";
    assert!(ended.output.contains(expected), "{ended:?}");
    assert_eq!(ended.code, Some(1));
}

#[test]
fn explain_tells_what_the_issuer_says_about_an_opaque_token() {
    let issuer = TestIssuer::start();
    let explained = |launch: Launch, token: &str| {
        let ended = launch.arguments(&["explain", token]).run();
        ended.output
    };
    let token = issuer.issue_opaque(issuer.token());
    assert!(explained(launch(&issuer), &token).starts_with("ACCEPTED"));
    let unknown = explained(launch(&issuer), "unknown");
    assert!(
        unknown.contains("The issuer says that the token is not active"),
        "{unknown}"
    );
    let elsewhere = explained(Launch::trusting(&issuer), &token);
    assert!(elsewhere.contains("set auth.introspection"), "{elsewhere}");
}

#[test]
fn the_development_issuer_issues_and_revokes_opaque_tokens() {
    let app = Launch::new()
        .variable("APP__DEV_ISSUER__OPAQUE_TOKENS", "true")
        .serve();
    let post = |path: &str, form: &str| {
        Request::new("POST", path)
            .body(FORM, form)
            .send(address(&app))
    };
    let client = "client_id=demo-read&client_secret=any";
    let answer = post(
        "/oauth/token",
        &format!("grant_type=client_credentials&{client}"),
    );
    let token = answer.json()["access_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    assert!(!token.contains('.'));
    assert_answer(&app.scoped(&token), SCOPED, "active");
    let other = post(
        "/oauth/revoke",
        &format!("client_id=demo&client_secret=x&token={token}"),
    );
    assert_eq!(other.status, 200);
    assert_answer(
        &app.private(&token),
        PRIVATE,
        "not revoked by another client",
    );
    assert_eq!(
        post("/oauth/revoke", &format!("{client}&token={token}")).status,
        200
    );
    let introspected = post("/oauth/introspect", &format!("{client}&token={token}"));
    assert_eq!(introspected.json(), serde_json::json!({"active": false}));
    assert_eq!(
        post("/oauth/introspect", &format!("token={token}")).status,
        400
    );
}
