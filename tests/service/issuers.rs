//! Several issuers, each with its own keys, audience and rules.

use actix_resource_server::test_kit::{Document, Fault, TestIssuer};
use serde_json::json;

use crate::app::{Launch, TestApp};
use crate::expected::{
    Expected, OTHER_AUDIENCE, OTHER_TYPE, PRIVATE, SCOPED, SEVERAL_AUDIENCES, UNKNOWN_KEY,
    assert_answer,
};
use crate::wire::Request;

/// The first is trusted for `one`; the second for `two`, strictly, and by its permissions.
fn settings(first: &TestIssuer, second: &TestIssuer) -> String {
    format!(
        "[auth]\naudience = 'one'\n\
         [[auth.issuers]]\nissuer_base_url = '{}'\n\
         [[auth.issuers]]\nissuer_base_url = '{}'\naudience = ['two']\nstrict = true\n\
         scope_claims = ['permissions']\n",
        first.url(),
        second.url()
    )
}

#[test]
fn each_issuer_has_its_own_rules() {
    let (first, second) = (TestIssuer::start(), TestIssuer::start());
    let launch = Launch::new().file("Settings.toml", settings(&first, &second));
    let app = TestApp::ready(launch);
    let one = || first.token().claim("aud", "one");
    let two = || second.token().claim("aud", "two");
    let permissions = json!(["read:messages"]);
    let cases = [
        (one(), PRIVATE),
        (two(), PRIVATE),
        (one().claim("aud", "two"), OTHER_AUDIENCE),
        (two().claim("aud", "one"), OTHER_AUDIENCE),
        (one().header("typ", "JWT"), PRIVATE),
        (two().header("typ", "JWT"), OTHER_TYPE),
        (one().signed_by(&second.key()), UNKNOWN_KEY),
        (two().signed_by(&first.key()), UNKNOWN_KEY),
        (one().claim("iss", second.url()), UNKNOWN_KEY),
    ];
    for (token, expected) in cases {
        let case = format!("{token:?}");
        assert_answer(&app.private(&token.build()), expected, &case);
    }
    let cases = [
        (one().scope("read:messages"), SCOPED),
        (two().scope("read:messages"), Expected::InsufficientScope),
        (
            one().claim("permissions", permissions.clone()),
            Expected::InsufficientScope,
        ),
        (two().claim("permissions", permissions), SCOPED),
    ];
    for (token, expected) in cases {
        let case = format!("{token:?}");
        assert_answer(&app.scoped(&token.build()), expected, &case);
    }
}

#[test]
fn an_unavailable_issuer_does_not_affect_the_other() {
    let (first, second) = (TestIssuer::start(), TestIssuer::start());
    second.set_fault(Document::Discovery, Some(Fault::Close));
    let launch = Launch::new().file("Settings.toml", settings(&first, &second));
    let app = launch.serve();
    let token = first.token().claim("aud", "one").build();
    assert_answer(&app.private(&token), PRIVATE, "the first");
    let token = second.token().claim("aud", "two").build();
    assert_answer(
        &app.private(&token),
        Expected::KeysUnavailable,
        "the second",
    );
    let ready = app.get("/readyz");
    assert_eq!(ready.status, 503);
    let reasons = ready.json()["reasons"].clone();
    assert_eq!(reasons.as_array().map(Vec::len), Some(1), "{reasons}");
    assert_eq!(reasons[0]["issuer"], second.url());

    second.set_fault(Document::Discovery, None);
    app.wait_for(200, &Request::get("/readyz"));
    assert_answer(&app.private(&token), PRIVATE, "the second, available again");
}

#[test]
fn the_audience_selects_between_two_entries_of_one_issuer() {
    let issuer = TestIssuer::start();
    let app = TestApp::ready(Launch::new().file("Settings.toml", settings(&issuer, &issuer)));
    let with = |audience| issuer.token().claim("aud", audience);
    let permissions = json!(["read:messages"]);
    let cases = [
        (with(json!("one")).scope("read:messages"), SCOPED),
        (
            with(json!("two")).scope("read:messages"),
            Expected::InsufficientScope,
        ),
        (with(json!("two")).claim("permissions", permissions), SCOPED),
        (with(json!("three")), OTHER_AUDIENCE),
        (with(json!(["one", "two"])), SEVERAL_AUDIENCES),
    ];
    for (token, expected) in cases {
        let case = format!("{token:?}");
        assert_answer(&app.scoped(&token.build()), expected, &case);
    }
    let metrics = app.get("/metrics").body;
    let ages = metrics
        .lines()
        .filter(|line| line.starts_with("ars_key_set_age_seconds{"));
    assert_eq!(ages.count(), 1, "{metrics}");
}
