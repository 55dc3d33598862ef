//! The scopes of a token (RFC 6749 §3.3, RFC 9068 §2.2.3).

use actix_resource_server::test_kit::TestIssuer;
use serde_json::{Value, json};

use crate::app::{Launch, TestApp};
use crate::expected::{Expected, PRIVATE, SCOPED, assert_answer};

use Expected::InsufficientScope;

fn check(app: &TestApp, issuer: &TestIssuer, claim: &str, cases: &[(Value, Expected)]) {
    for (value, expected) in cases {
        let case = format!("{claim}: {value}");
        let token = issuer.token().claim(claim, value.clone()).build();
        assert_answer(&app.scoped(&token), *expected, &case);
        assert_answer(&app.private(&token), PRIVATE, &case);
    }
}

#[test]
fn a_string_is_split_at_spaces_and_compared_exactly() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let cases = [
        ("read:messages", SCOPED),
        ("openid read:messages", SCOPED),
        ("read:messages write:messages", SCOPED),
        ("a  read:messages   b", SCOPED),
        (" read:messages ", SCOPED),
        ("", InsufficientScope),
        (" ", InsufficientScope),
        ("read:message", InsufficientScope),
        ("read:messages2", InsufficientScope),
        ("xread:messages", InsufficientScope),
        ("Read:Messages", InsufficientScope),
        ("READ:MESSAGES", InsufficientScope),
        ("read: messages", InsufficientScope),
        ("read:*", InsufficientScope),
        ("*", InsufficientScope),
        ("read", InsufficientScope),
        ("read:messages,write:messages", InsufficientScope),
        ("read:messages;a", InsufficientScope),
        ("a\tread:messages", InsufficientScope),
        ("a\nread:messages", InsufficientScope),
        ("a\u{a0}read:messages", InsufficientScope),
        ("a\u{2003}read:messages", InsufficientScope),
        ("\"read:messages\"", InsufficientScope),
        ("[\"read:messages\"]", InsufficientScope),
        ("write:messages", InsufficientScope),
    ];
    for claim in ["scope", "scp"] {
        check(
            &app,
            &issuer,
            claim,
            &cases.map(|(text, expected)| (json!(text), expected)),
        );
    }
}

#[test]
fn an_array_is_compared_member_by_member() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let cases = [
        (json!(["read:messages"]), SCOPED),
        (json!(["openid", "read:messages"]), SCOPED),
        (json!([]), InsufficientScope),
        (json!([""]), InsufficientScope),
        (json!(["openid read:messages"]), InsufficientScope),
        (json!(["read:messages "]), InsufficientScope),
        (json!(["READ:MESSAGES"]), InsufficientScope),
        (json!([["read:messages"]]), InsufficientScope),
        (json!(["read:messages", 1]), InsufficientScope),
        (json!(["read:messages", null]), InsufficientScope),
    ];
    for claim in ["scope", "scp"] {
        check(&app, &issuer, claim, &cases);
    }
}

#[test]
fn any_other_type_grants_nothing() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let others = [
        json!(null),
        json!(true),
        json!(1),
        json!({"read:messages": true}),
        json!({"0": "read:messages"}),
    ];
    for claim in ["scope", "scp"] {
        check(
            &app,
            &issuer,
            claim,
            &others.clone().map(|other| (other, InsufficientScope)),
        );
    }
}

#[test]
fn claims_that_are_not_configured_grant_nothing() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let names = [
        "permissions",
        "roles",
        "scopes",
        "Scope",
        "SCP",
        "authorities",
        "groups",
    ];
    for name in names {
        let cases = [
            (json!("read:messages"), InsufficientScope),
            (json!(["read:messages"]), InsufficientScope),
        ];
        check(&app, &issuer, name, &cases);
    }
}

#[test]
fn configured_claims_replace_the_default_ones() {
    let issuer = TestIssuer::start();
    let launch = Launch::trusting(&issuer)
        .variable("APP__AUTH__SCOPE_CLAIMS", "permissions,/realm_access/roles");
    let app = TestApp::ready(launch);
    let granted = [(json!(["read:messages"]), SCOPED)];
    check(&app, &issuer, "permissions", &granted);
    let realm = |roles: Value| json!({ "roles": roles });
    let cases = [
        (realm(json!(["read:messages"])), SCOPED),
        (realm(json!("a read:messages")), SCOPED),
        (realm(json!(["other"])), InsufficientScope),
        (realm(json!(null)), InsufficientScope),
        (json!(["read:messages"]), InsufficientScope),
        (json!("read:messages"), InsufficientScope),
    ];
    check(&app, &issuer, "realm_access", &cases);
    let refused = [(json!("read:messages"), InsufficientScope)];
    check(&app, &issuer, "scope", &refused);
    check(&app, &issuer, "/realm_access/roles", &refused);
}

#[test]
fn scopes_of_several_claims_are_combined() {
    let issuer = TestIssuer::start();
    let launch = Launch::trusting(&issuer).variable("APP__AUTH__SCOPE_CLAIMS", "scope,permissions");
    let app = TestApp::ready(launch);
    let token = issuer
        .token()
        .scope("openid")
        .claim("permissions", json!(["read:messages"]))
        .build();
    assert_answer(&app.scoped(&token), SCOPED, "permissions beside scope");
}
