//! Tokens of the development issuer, requested as OAuth specifies and used like any other.

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::app::{Launch, TestApp};
use crate::dev_issuer::address;
use crate::expected::{Expected, PRIVATE, SCOPED, assert_answer};
use crate::wire::{Answer, Request};

const FORM: &str = "application/x-www-form-urlencoded";

fn ask(app: &TestApp, form: &str) -> Answer {
    let request = Request::new("POST", "/oauth/token").body(FORM, form);
    request.send(address(app))
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let json = answer.json();
    assert_eq!(json["token_type"], "Bearer");
    json["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn each_client_is_accepted_where_its_scopes_suffice() {
    let app = Launch::new().serve();
    let cases = [
        ("demo", None, Expected::InsufficientScope),
        ("demo-read", Some("read:messages"), SCOPED),
        (
            "demo-write",
            Some("write:messages"),
            Expected::InsufficientScope,
        ),
        (
            "demo-read-write",
            Some("read:messages write:messages"),
            SCOPED,
        ),
    ];
    for (client, scope, expected) in cases {
        let form = format!("grant_type=client_credentials&client_id={client}&client_secret=any");
        let answer = ask(&app, &form);
        let token = token(&answer);
        assert_eq!(answer.json().get("scope").and_then(Value::as_str), scope);
        assert_eq!(answer.json()["expires_in"], 86_400);
        assert_answer(&app.private(&token), PRIVATE, client);
        assert_answer(&app.scoped(&token), expected, client);
    }
}

#[test]
fn a_token_is_issued_for_forms_json_and_basic_credentials() {
    let app = Launch::new().serve();
    let post = || Request::new("POST", "/oauth/token");
    let basic = format!("Basic {}", BASE64.encode(b"demo-read:any"));
    let with_basic = || post().header("Authorization", &basic);
    let json = json!({
        "grant_type": "client_credentials", "client_id": "demo-read", "client_secret": "any",
        "audience": "https://quickstarts/api",
    });
    let form = "grant_type=client_credentials&client_id=demo-read&client_secret=any\
                &audience=https%3A%2F%2Fquickstarts%2Fapi&scope=read%3Amessages";
    let requests = [
        post().body(FORM, form),
        post().body("application/x-www-form-urlencoded; charset=utf-8", form),
        post().body("application/json", &json.to_string()),
        post().body("application/json; charset=utf-8", &json.to_string()),
        with_basic().body(FORM, "grant_type=client_credentials"),
        with_basic().body("application/json", r#"{"grant_type":"client_credentials"}"#),
    ];
    for request in requests {
        let answer = request.send(address(&app));
        assert_answer(
            &app.scoped(&token(&answer)),
            SCOPED,
            &format!("{request:?}"),
        );
    }
}

#[test]
fn scopes_subject_and_lifetime_can_be_requested() {
    let app = Launch::new().variable("APP__AUTH__STRICT", "true").serve();
    let answer = ask(
        &app,
        "grant_type=client_credentials&client_id=demo-read-write&client_secret=any\
         &scope=write:messages&sub=auth0%7C1&expires_in=60",
    );
    assert_eq!(answer.json()["scope"], "write:messages");
    assert_eq!(answer.json()["expires_in"], 60);
    let token = token(&answer);
    assert_answer(&app.private(&token), PRIVATE, "strict too");
    assert_answer(&app.scoped(&token), Expected::InsufficientScope, "narrowed");
}

#[test]
fn tokens_are_issued_for_the_configured_audience() {
    let app = Launch::new()
        .variable("AUDIENCE", "https://mine.test/,other")
        .serve();
    let form = "grant_type=client_credentials&client_id=demo-read&client_secret=any";
    assert_answer(
        &app.scoped(&token(&ask(&app, form))),
        SCOPED,
        "the first audience",
    );
    let other = format!("{form}&audience=https://quickstarts/api");
    assert_eq!(ask(&app, &other).status, 403);
}

const REFUSALS: [(&str, u16, &str); 10] = [
    ("", 400, "invalid_request"),
    (
        "grant_type=password&client_id=demo&client_secret=any",
        400,
        "unsupported_grant_type",
    ),
    ("grant_type=client_credentials", 401, "invalid_client"),
    (
        "grant_type=client_credentials&client_id=demo",
        401,
        "invalid_client",
    ),
    (
        "grant_type=client_credentials&client_id=other&client_secret=any",
        401,
        "invalid_client",
    ),
    (
        "grant_type=client_credentials&client_id=demo&client_secret=any&scope=read:messages",
        403,
        "access_denied",
    ),
    (
        "grant_type=client_credentials&client_id=demo&client_secret=any&audience=other",
        403,
        "access_denied",
    ),
    (
        "grant_type=client_credentials&client_id=demo&client_secret=any&expires_in=0",
        400,
        "invalid_request",
    ),
    (
        "grant_type=client_credentials&client_id=demo&client_id=demo&client_secret=any",
        400,
        "invalid_request",
    ),
    (
        "{\"grant_type\":\"client_credentials\"}",
        400,
        "invalid_request",
    ),
];

#[test]
fn errors_have_the_codes_of_oauth() {
    let app = Launch::new().serve();
    for (form, status, code) in REFUSALS {
        let answer = ask(&app, form);
        assert_eq!(answer.status, status, "{form}");
        assert_eq!(answer.json()["error"], code, "{form}");
        assert!(answer.json()["error_description"].is_string(), "{form}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{form}");
    }
}

#[test]
fn a_client_that_tried_basic_is_challenged() {
    let app = Launch::new().serve();
    for header in [
        "Basic !",
        "Basic ZGVtbw==",
        "Basic b3RoZXI6eA==",
        "Bearer a",
    ] {
        let answer = Request::new("POST", "/oauth/token")
            .header("Authorization", header)
            .body(FORM, "grant_type=client_credentials")
            .send(address(&app));
        assert_eq!(answer.status, 401, "{header}");
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge, Some(r#"Basic realm="development issuer""#));
        assert_eq!(answer.json()["error"], "invalid_client", "{header}");
    }
}

#[test]
fn tokens_are_signed_with_the_first_configured_algorithm() {
    for algorithm in ["ES256", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"] {
        let named = format!("{algorithm},RS256");
        let app = Launch::new().variable("TOKEN_SIGNING_ALG", &named).serve();
        let form = "grant_type=client_credentials&client_id=demo-read&client_secret=any";
        let token = token(&ask(&app, form));
        assert_answer(&app.scoped(&token), SCOPED, algorithm);
        let keys = Request::get("/.well-known/jwks.json").send(address(&app));
        assert_eq!(keys.json()["keys"][0]["alg"], algorithm);
        let metadata = Request::get("/.well-known/openid-configuration").send(address(&app));
        let signed_with = &metadata.json()["id_token_signing_alg_values_supported"];
        assert_eq!(*signed_with, json!([algorithm]));
    }
}
