//! Issuer, audience, subject and client of a token (RFC 7519 §4.1.1 to §4.1.3, RFC 9068 §4).

use actix_resource_server::test_kit::{TestIssuer, TokenBuilder};
use serde_json::{Value, json};

use crate::app::{Launch, TestApp};
use crate::expected::{
    Expected, MALFORMED_CLAIM, MISSING_CLAIM, OTHER_AUDIENCE, PRIVATE, UNKNOWN_ISSUER,
    assert_answer,
};

#[test]
fn the_issuer_is_compared_exactly() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let url = issuer.url();
    let bare = url.trim_end_matches('/');
    let others = [
        bare.to_owned(),
        format!("{url}/"),
        format!("{url}x"),
        format!(" {url}"),
        format!("{url} "),
        url.to_uppercase(),
        bare.replace("http", "https"),
        bare.replace("127.0.0.1", "localhost"),
        "https://tenant.eu.auth0.com/".to_owned(),
        String::new(),
    ];
    for other in others {
        let token = issuer.token().claim("iss", other.as_str()).build();
        assert_answer(&app.private(&token), UNKNOWN_ISSUER, &other);
    }
    let asked = issuer.requests();
    assert_eq!((asked.discovery, asked.jwks), (1, 1), "no fetch for those");
}

#[test]
fn the_issuer_is_a_string() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let url = issuer.url();
    for other in [json!(null), json!(1), json!(true), json!([url]), json!({})] {
        let case = other.to_string();
        let token = issuer.token().claim("iss", other).build();
        assert_answer(&app.private(&token), MALFORMED_CLAIM, &case);
    }
    let token = issuer.token().without("iss").build();
    assert_answer(&app.private(&token), MISSING_CLAIM, "no iss");
}

#[test]
fn the_audience_is_compared_exactly() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let api = issuer.audience();
    let cases = [
        (json!(api), PRIVATE),
        (json!([api]), PRIVATE),
        (json!(["other", api]), PRIVATE),
        (json!([api, api]), PRIVATE),
        (json!("https://api.test"), OTHER_AUDIENCE),
        (json!("https://api.test//"), OTHER_AUDIENCE),
        (json!("https://API.test/"), OTHER_AUDIENCE),
        (json!("https://api.test/ "), OTHER_AUDIENCE),
        (json!("https://api.test/x"), OTHER_AUDIENCE),
        (json!("other https://api.test/"), OTHER_AUDIENCE),
        (json!("https://api.test/,other"), OTHER_AUDIENCE),
        (json!("other"), OTHER_AUDIENCE),
        (json!(""), OTHER_AUDIENCE),
        (json!("*"), OTHER_AUDIENCE),
        (json!([]), OTHER_AUDIENCE),
        (json!(["other"]), OTHER_AUDIENCE),
        (json!(null), MALFORMED_CLAIM),
        (json!(1), MALFORMED_CLAIM),
        (json!(true), MALFORMED_CLAIM),
        (json!({ "aud": api }), MALFORMED_CLAIM),
        (json!([api, 1]), MALFORMED_CLAIM),
        (json!([api, null]), MALFORMED_CLAIM),
        (json!([[api]]), MALFORMED_CLAIM),
    ];
    for (audience, expected) in cases {
        let case = audience.to_string();
        let token = issuer.token().claim("aud", audience).build();
        assert_answer(&app.private(&token), expected, &case);
    }
    let token = issuer.token().without("aud").build();
    assert_answer(&app.private(&token), MISSING_CLAIM, "no aud");
}

#[test]
fn any_audience_of_a_list_suffices() {
    let issuer = TestIssuer::start();
    let launch = Launch::trusting(&issuer).variable("AUDIENCE", "https://one.test/, two,");
    let app = TestApp::ready(launch);
    let cases = [
        ("https://one.test/", PRIVATE),
        ("two", PRIVATE),
        ("https://one.test/, two", OTHER_AUDIENCE),
        (" two", OTHER_AUDIENCE),
        ("", OTHER_AUDIENCE),
        ("https://api.test/", OTHER_AUDIENCE),
    ];
    for (audience, expected) in cases {
        let token = issuer.token().claim("aud", audience).build();
        assert_answer(&app.private(&token), expected, audience);
    }
}

const TEXTS: [&str; 3] = ["sub", "client_id", "jti"];

#[test]
fn subject_client_and_token_identifier_are_strings_if_present() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let others = [json!(null), json!(1), json!(false), json!(["a"]), json!({})];
    for claim in TEXTS {
        let check = |token: TokenBuilder, expected: Expected, case: &str| {
            let case = format!("{claim}: {case}");
            assert_answer(&app.private(&token.build()), expected, &case);
        };
        for other in &others {
            let token = issuer.token().claim(claim, other.clone());
            check(token, MALFORMED_CLAIM, &other.to_string());
        }
        check(issuer.token().claim(claim, "auth0|1"), PRIVATE, "auth0|1");
        check(issuer.token().without(claim), PRIVATE, "absent");
    }
}

#[test]
fn strict_mode_requires_every_claim_of_rfc_9068() {
    let issuer = TestIssuer::start();
    let app = TestApp::ready(Launch::trusting(&issuer).variable("APP__AUTH__STRICT", "true"));
    assert_answer(&app.private(&issuer.token().build()), PRIVATE, "all");
    for claim in ["iss", "aud", "exp", "iat", "sub", "client_id", "jti"] {
        let token = issuer.token().without(claim).build();
        assert_answer(&app.private(&token), MISSING_CLAIM, claim);
    }
    for claim in TEXTS.into_iter().chain(["iat"]) {
        let token = issuer.token().claim(claim, Value::Null).build();
        assert_answer(&app.private(&token), MALFORMED_CLAIM, claim);
    }
}

#[test]
fn other_claims_may_have_any_value() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let token = issuer
        .token()
        .claim("https://api.test/roles", json!([1, null, {"a": [true]}]))
        .claim("azp", json!(1))
        .claim("permissions", Value::Null)
        .claim("auth_time", "yesterday")
        .claim("name", "\u{0}\u{1f600}")
        .build();
    assert_answer(&app.private(&token), PRIVATE, "claims of others");
}
