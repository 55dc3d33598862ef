//! When a token is valid (RFC 7519 §4.1.4 to §4.1.6).

use std::time::SystemTime;

use actix_resource_server::test_kit::TestIssuer;
use serde_json::{Value, json};

use crate::app::{Launch, TestApp};
use crate::expected::{
    EXPIRED, Expected, ISSUED_AHEAD, MALFORMED_CLAIM, MALFORMED_PAYLOAD, MISSING_CLAIM,
    NOT_YET_VALID, PRIVATE, TOO_OLD, assert_answer,
};

/// This many seconds from now; far enough from every bound for a slow machine.
fn from_now(seconds: i64) -> Value {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = i64::try_from(now.unwrap().as_secs()).unwrap();
    json!(now + seconds)
}

fn check(app: &TestApp, issuer: &TestIssuer, cases: &[(&str, Value, Expected)]) {
    for (claim, value, expected) in cases {
        let case = format!("{claim}: {value}");
        let token = issuer.token().claim(claim, value.clone()).build();
        assert_answer(&app.private(&token), *expected, &case);
    }
}

#[test]
fn a_token_is_valid_until_it_expires() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let in_a_minute = from_now(60).as_f64().unwrap();
    let cases = [
        ("exp", from_now(60), PRIVATE),
        ("exp", json!(in_a_minute + 0.5), PRIVATE),
        ("exp", json!(253_402_300_799_u64), PRIVATE),
        ("exp", from_now(-30), EXPIRED),
        ("exp", json!(1), EXPIRED),
        ("exp", json!(0), EXPIRED),
        ("exp", json!(0.5), EXPIRED),
    ];
    check(&app, &issuer, &cases);
    let token = issuer.token().without("exp").build();
    assert_answer(&app.private(&token), MISSING_CLAIM, "no exp");
}

#[test]
fn a_token_is_valid_from_nbf() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let cases = [
        ("nbf", from_now(-60), PRIVATE),
        ("nbf", json!(0), PRIVATE),
        ("nbf", json!(1.5), PRIVATE),
        ("nbf", from_now(60), NOT_YET_VALID),
        ("nbf", json!(253_402_300_799_u64), NOT_YET_VALID),
        ("iat", from_now(-60), PRIVATE),
        ("iat", json!(0), PRIVATE),
    ];
    check(&app, &issuer, &cases);
    let token = issuer.token().without("iat").build();
    assert_answer(&app.private(&token), PRIVATE, "no iat");
}

#[test]
fn a_time_is_a_finite_number_up_to_the_year_9999() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let good = from_now(60);
    let others = [
        json!(null),
        json!(true),
        json!(good.to_string()),
        json!("tomorrow"),
        json!("2099-01-01T00:00:00Z"),
        json!([good]),
        json!({ "exp": good }),
        json!(-1),
        json!(-0.5),
        json!(253_402_300_800_u64),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e30),
        json!(f64::MAX),
    ];
    for claim in ["exp", "nbf", "iat"] {
        for other in &others {
            check(&app, &issuer, &[(claim, other.clone(), MALFORMED_CLAIM)]);
        }
    }
}

#[test]
fn a_number_that_is_not_json_makes_the_payload_invalid() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    for number in [
        "1e999",
        "-1e999",
        "NaN",
        "Infinity",
        "0x7fffffff",
        "+1",
        "01",
    ] {
        let (url, api) = (issuer.url(), issuer.audience());
        let payload = format!(r#"{{"iss":"{url}","aud":"{api}","exp":{number}}}"#);
        let token = issuer.token().raw_payload(payload).build();
        assert_answer(&app.private(&token), MALFORMED_PAYLOAD, number);
    }
}

#[test]
fn times_may_differ_by_the_tolerance() {
    let issuer = TestIssuer::start();
    let cases = [
        ("exp", from_now(-240), PRIVATE),
        ("exp", from_now(-360), EXPIRED),
        ("nbf", from_now(240), PRIVATE),
        ("nbf", from_now(360), NOT_YET_VALID),
    ];
    for tolerance in ["5m", "300", "300s", "300000ms", "4m 60s"] {
        let launch = Launch::trusting(&issuer).variable("APP__AUTH__CLOCK_TOLERANCE", tolerance);
        check(&TestApp::ready(launch), &issuer, &cases);
    }
    let exact = Launch::trusting(&issuer).variable("APP__AUTH__CLOCK_TOLERANCE", "0s");
    let cases = [
        ("exp", from_now(-1), EXPIRED),
        ("nbf", from_now(-1), PRIVATE),
    ];
    check(&TestApp::ready(exact), &issuer, &cases);
}

#[test]
fn a_maximum_age_requires_a_recent_iat() {
    let issuer = TestIssuer::start();
    let launch = Launch::trusting(&issuer).variable("APP__AUTH__MAX_TOKEN_AGE", "1h");
    let app = TestApp::ready(launch);
    let cases = [
        ("iat", from_now(0), PRIVATE),
        ("iat", from_now(-3000), PRIVATE),
        ("iat", from_now(-3700), TOO_OLD),
        ("iat", json!(0), TOO_OLD),
        ("iat", from_now(60), ISSUED_AHEAD),
        ("iat", json!("now"), MALFORMED_CLAIM),
    ];
    check(&app, &issuer, &cases);
    let token = issuer.token().without("iat").build();
    assert_answer(&app.private(&token), MISSING_CLAIM, "no iat");
}
