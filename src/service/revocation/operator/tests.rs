use actix_web::App;
use actix_web::body::to_bytes;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use actix_web::test::{TestRequest, call_service, init_service};
use serde_json::{Value, json};

use super::*;
use crate::errors::VerifyError;
use crate::service::config::tests::configured;
use crate::test_kit::{SigningKey, TestClock, TokenBuilder};
use crate::{Algorithm, Clock, Issuer, Revocations};

const ISSUER: &str = "https://issuer.example/";

const OPERATOR: &str = "0123456789abcdef0123456789abcdef";

/// The beginning of a second.
const NOW: u64 = 1_800_000_000;

fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(second)
}

fn issuer(name: &str) -> Issuer {
    let issuer = Issuer::with_secret(name, &"s".repeat(32), Algorithm::Hs256);
    let issuer = issuer
        .audience(name)
        .max_token_age(Duration::from_secs(3600));
    issuer.build().expect("an issuer")
}

fn verifier(most: usize, issuers: &[&str]) -> Verifier {
    let clock = TestClock::at(at(NOW));
    let builder = Verifier::builder()
        .clock(Clock::new(move || clock.now()))
        .revocations(Revocations::in_memory(most));
    let issuers = issuers.iter().map(|name| issuer(name));
    builder.start(issuers).expect("a verifier")
}

fn operator_token() -> OperatorToken {
    let text = format!(
        "[auth]\nmax_token_age = '1h'\n[revocation]\nenabled = true\noperator_token = '{OPERATOR}'"
    );
    let revocation = configured(&text).expect("settings").revocation;
    revocation
        .and_then(|of| of.operator_token)
        .expect("a token")
}

fn token(subject: &str, second: u64) -> String {
    let key = SigningKey::from_secret(&"s".repeat(32), Algorithm::Hs256);
    TokenBuilder::new(ISSUER, ISSUER, &key)
        .issued_at(at(second))
        .claim("sub", subject)
        .claim("sid", "session")
        .claim("jti", "id")
        .build()
}

async fn send(verifier: &Verifier, request: TestRequest) -> (StatusCode, HeaderMap, Value) {
    let app = App::new()
        .app_data(web::Data::new(verifier.clone()))
        .app_data(web::Data::new(operator_token()))
        .service(api().verified_by(verifier.clone()));
    let app = init_service(app).await;
    let response = call_service(&app, request.to_request()).await;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = to_bytes(response.into_body()).await.expect("a body");
    (
        status,
        headers,
        serde_json::from_slice(&body).unwrap_or_default(),
    )
}

fn request(authorization: &str, body: impl Into<Bytes>) -> TestRequest {
    TestRequest::post()
        .uri(OPERATOR_PATH)
        .insert_header((AUTHORIZATION, authorization))
        .insert_header((CONTENT_TYPE, JSON))
        .set_payload(body)
}

fn operators(body: &Value) -> TestRequest {
    request(&format!("Bearer {OPERATOR}"), body.to_string())
}

async fn rejected(verifier: &Verifier, request: TestRequest) -> (u16, Value, Value) {
    let (status, headers, body) = send(verifier, request).await;
    assert_eq!(headers.get(CACHE_CONTROL), Some(&NO_STORE));
    let challenge = headers.get(WWW_AUTHENTICATE);
    let header = headers.get(RETRY_AFTER).or(challenge);
    let header = header.map_or(Value::Null, |value| value.to_str().expect("ASCII").into());
    (status.as_u16(), body["detail"].clone(), header)
}

#[actix_web::test]
async fn each_target_is_revoked_up_to_the_tolerance_of_the_clock() {
    for target in [
        json!({"subject": "ada"}),
        json!({"session": "session", "issuer": ISSUER}),
        json!({"token_id": "id", "issuer": "https://issuer.example/", "before": null}),
    ] {
        let verifier = verifier(10, &[ISSUER]);
        let verify = |second| {
            verifier
                .verify(&token("ada", second), at(NOW + 6))
                .map(drop)
        };
        assert_eq!(verify(NOW), Ok(()));
        let (status, headers, body) = send(&verifier, operators(&target)).await;
        assert_eq!((status, body), (StatusCode::NO_CONTENT, Value::Null));
        assert_eq!(headers.get(CACHE_CONTROL), Some(&NO_STORE));
        for second in [NOW - 60, NOW, NOW + 5] {
            assert_eq!(verify(second), Err(VerifyError::Revoked), "{target}");
        }
        assert_eq!(verify(NOW + 6), Ok(()), "{target}");
    }
}

#[actix_web::test]
async fn a_time_is_a_text_or_seconds() {
    // The same second.
    for before in [
        json!(NOW - 10),
        json!("2027-01-15T07:59:50Z"),
        json!("2027-01-15T08:59:50.7+01:00"),
    ] {
        let verifier = verifier(10, &[ISSUER]);
        let body = json!({"subject": "ada", "before": before});
        assert_eq!(
            send(&verifier, operators(&body)).await.0,
            StatusCode::NO_CONTENT
        );
        let verify = |subject, second| verifier.verify(&token(subject, second), at(NOW)).map(drop);
        assert_eq!(verify("ada", NOW - 10), Err(VerifyError::Revoked));
        assert_eq!(verify("ada", NOW - 9), Ok(()));
        assert_eq!(verify("eva", NOW - 10), Ok(()));
    }
}

#[actix_web::test]
async fn only_the_token_of_operators_revokes() {
    let verifier = verifier(10, &[ISSUER]);
    let body = json!({"subject": "ada"}).to_string();
    let expected = (
        401,
        json!(UNAUTHENTICATED),
        json!("Bearer realm=\"operator\""),
    );
    for authorization in [
        "",
        "Bearer",
        "Bearer ",
        OPERATOR,
        &format!("Basic {OPERATOR}"),
        &format!("Bearer {OPERATOR}0"),
        &format!("Bearer {}", &OPERATOR[1..]),
        &format!("Bearer {}", OPERATOR.to_uppercase()),
    ] {
        let sent = request(authorization, body.clone());
        assert_eq!(rejected(&verifier, sent).await, expected, "{authorization}");
    }
    let twice = format!("Bearer {OPERATOR}");
    let twice = request(&twice, body.clone()).append_header((AUTHORIZATION, twice.clone()));
    assert_eq!(rejected(&verifier, twice).await, expected);
    // Neither the type nor the length of the body is judged before.
    let other = request("Bearer x", vec![b' '; 5000]).insert_header((CONTENT_TYPE, "text/plain"));
    assert_eq!(rejected(&verifier, other).await, expected);
    assert!(verifier.revocations().is_some_and(Revocations::is_empty));
    let sent = request(&format!("bearer {OPERATOR}"), body);
    assert_eq!(send(&verifier, sent).await.0, StatusCode::NO_CONTENT);
}

#[actix_web::test]
async fn a_body_of_another_form_is_rejected() {
    let verifier = verifier(10, &[ISSUER]);
    for body in [
        "",
        "{}",
        "null",
        "7",
        "[\"https://issuer.example/\", \"ada\", null, null, null]",
        "{\"subject\": \"ada\"",
        "{\"subject\": \"ada\"} {}",
        "{\"subject\": \"\"}",
        "{\"subject\": 7}",
        "{\"subject\": [\"ada\"]}",
        "{\"subject\": \"ada\", \"session\": \"s\"}",
        "{\"subject\": \"ada\", \"subject\": \"eva\"}",
        "{\"subject\": \"ada\", \"sub\": \"ada\"}",
        "{\"subject\": \"ada\", \"before\": -1}",
        "{\"subject\": \"ada\", \"before\": 1.5}",
        "{\"subject\": \"ada\", \"before\": 18446744073709551615}",
        "{\"subject\": \"ada\", \"before\": \"noon\"}",
        "{\"subject\": \"ada\", \"before\": \"1950-01-01T00:00:00Z\"}",
        "{\"subject\": \"ada\", \"before\": \"2026-01-01T00:00:00\"}",
        "{\"subject\": \"ada\", \"issuer\": 7}",
    ] {
        let sent = request(&format!("Bearer {OPERATOR}"), body);
        let expected = (400, json!(MALFORMED), Value::Null);
        assert_eq!(rejected(&verifier, sent).await, expected, "{body}");
    }
    let long = json!({"subject": "a".repeat(MOST_BYTES)});
    let expected = (413, json!(TOO_LONG), Value::Null);
    assert_eq!(rejected(&verifier, operators(&long)).await, expected);
    let other = operators(&json!({"subject": "ada"})).insert_header((CONTENT_TYPE, "text/json"));
    let expected = (415, json!(NOT_JSON), Value::Null);
    assert_eq!(rejected(&verifier, other).await, expected);
    assert!(verifier.revocations().is_some_and(Revocations::is_empty));
}

#[actix_web::test]
async fn what_cannot_be_revoked_is_rejected_with_the_reason() {
    let one = verifier(1, &[ISSUER]);
    let two = verifier(1, &[ISSUER, "other"]);
    let future = json!({"subject": "ada", "before": NOW + 6});
    let unknown = json!({"subject": "ada", "issuer": "https://other.example/"});
    let unnamed = json!({"subject": "ada"});
    let without = Verifier::start([issuer(ISSUER)]).expect("a verifier");
    let none = Value::Null;
    for (verifier, body, expected) in [
        (&one, &future, (400, IN_FUTURE, none.clone())),
        (&one, &unknown, (400, UNKNOWN_ISSUER, none.clone())),
        (&two, &unnamed, (400, SEVERAL_ISSUERS, none)),
        (&without, &unnamed, (503, UNAVAILABLE, json!("5"))),
    ] {
        let (status, detail, header) = expected;
        let expected = (status, json!(detail), header);
        assert_eq!(rejected(verifier, operators(body)).await, expected);
    }
    assert_eq!(
        send(&one, operators(&unnamed)).await.0,
        StatusCode::NO_CONTENT
    );
    let another = operators(&json!({"subject": "eva"}));
    let expected = (503, json!(FULL), json!("5"));
    assert_eq!(rejected(&one, another).await, expected);
    // One that is there already needs no space.
    assert_eq!(
        send(&one, operators(&unnamed)).await.0,
        StatusCode::NO_CONTENT
    );
}

#[actix_web::test]
async fn before_the_keys_are_fetched_the_name_of_an_issuer_is_not_known() {
    let discovered = Issuer::discover("http://127.0.0.1:1/").audience("api");
    let discovered = discovered.max_token_age(Duration::from_secs(3600));
    let builder = Verifier::builder().revocations(Revocations::in_memory(1));
    let verifier = builder.start([discovered.build().expect("an issuer")]);
    let verifier = verifier.expect("a verifier");
    let sent = operators(&json!({"subject": "ada"}));
    let expected = (503, json!(UNDETERMINED), json!("5"));
    assert_eq!(rejected(&verifier, sent).await, expected);
}

#[actix_web::test]
async fn other_methods_are_not_allowed() {
    let verifier = verifier(1, &[ISSUER]);
    let sent = operators(&json!({})).method(actix_web::http::Method::PUT);
    let (status, headers, _) = send(&verifier, sent).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(
        headers.get("allow").map(HeaderValue::as_bytes),
        Some(&b"POST"[..])
    );
}
