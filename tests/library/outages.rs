//! Outages of the issuer: known keys stay in use, and no token is accepted without its key.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use actix_resource_server::test_kit::{Document, Fault, TestIssuer};
use actix_resource_server::{Api, AuthenticatedUser, Cause, NoClaims, Rejection, Verifier, get};
use actix_web::test::init_service;
use actix_web::{App, FromRequest};
use serde_json::json;

use crate::app::{self, Answer, get_with};

async fn private(user: AuthenticatedUser) -> String {
    user.subject().unwrap_or_default().to_owned()
}

fn api() -> Api {
    Api::new("/api").route("/private", get(private))
}

fn unavailable() -> Answer {
    let detail = "The issuer's keys are unavailable at the moment; the token may be valid.";
    Answer {
        retry_after: Some("1".to_owned()),
        ..Answer::problem(503, "Service Unavailable", detail)
    }
}

/// Responses that are not a usable key set.
fn broken_key_sets() -> Vec<(&'static str, Fault)> {
    let text = |bytes: &str| Fault::body("application/json", bytes);
    vec![
        ("an error", Fault::status(500)),
        ("nothing there", Fault::status(404)),
        ("no content", Fault::status(204)),
        ("closed", Fault::Close),
        (
            "half an answer",
            Fault::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}".to_vec()),
        ),
        ("no HTTP", Fault::Raw(b"\0\x01\x02\r\n\r\n".to_vec())),
        ("empty", text("")),
        ("no JSON", Fault::body("text/html", "<html>")),
        ("cut off", text(r#"{"keys":["#)),
        ("no object", Fault::json(&json!([]))),
        ("null", Fault::json(&json!(null))),
        ("no keys", Fault::json(&json!({}))),
        ("keys of another type", Fault::json(&json!({"keys": {}}))),
        ("an empty set", Fault::json(&json!({"keys": []}))),
        (
            "no usable key",
            Fault::json(&json!({"keys": [{"kty": "oct", "k": "AA"}, 1, null]})),
        ),
        ("endless", Fault::Endless),
        ("elsewhere", Fault::redirect("http://localhost:1/jwks.json")),
    ]
}

#[actix_web::test]
async fn without_keys_the_response_is_503_without_a_challenge() {
    for (name, fault) in broken_key_sets() {
        let issuer = app::issuer();
        issuer.set_fault(Document::Jwks, Some(fault));
        let verifier = app::verifier(&issuer);
        let app = init_service(App::new().service(api().verified_by(verifier.clone()))).await;
        let answer = get_with!(app, "/api/private", &issuer.token().build());
        assert_eq!(answer, unavailable(), "{name}");
        let unready = verifier.unready();
        assert_eq!(unready.len(), 1, "{name}");
        assert_eq!(unready[0].issuer, issuer.url(), "{name}");
        assert!(
            unready[0].details.starts_with("its key set "),
            "{name}: {}",
            unready[0].details
        );
    }
}

#[actix_web::test]
async fn known_keys_stay_in_use_during_an_outage() {
    for (name, fault) in broken_key_sets() {
        let issuer = app::issuer();
        let verifier = app::warm_verifier(&issuer).await;
        let app = init_service(App::new().service(api().verified_by(verifier.clone()))).await;
        issuer.set_fault(Document::Jwks, Some(fault));
        let known = issuer.token().build();
        issuer.rotate_keeping_old();
        let unknown = issuer.token().build();
        assert_eq!(
            get_with!(app, "/api/private", &unknown),
            unavailable(),
            "{name}"
        );
        assert_eq!(
            get_with!(app, "/api/private", &known),
            Answer::text("user-1"),
            "{name}"
        );
        assert_eq!(verifier.unready(), [], "{name}");
    }
}

#[actix_web::test]
async fn recovery_is_noticed_without_requests() {
    let issuer = app::issuer();
    issuer.set_fault(Document::Discovery, Some(Fault::status(500)));
    let verifier = app::verifier(&issuer);
    let token = issuer.token().build();
    assert!(matches!(
        app::admit(&verifier, &token).await,
        Err(Cause::KeysUnavailable { .. })
    ));
    issuer.set_fault(Document::Discovery, None);
    assert!(issuer.wait_for(Document::Jwks, 1));
    while let Err(rejected) = at_once(&verifier, &token) {
        assert_unavailable(Some(&rejected));
    }
    assert_eq!(verifier.unready(), []);
}

#[actix_web::test]
async fn a_request_after_a_failure_costs_no_fetch() {
    let issuer = app::issuer();
    issuer.set_fault(Document::Jwks, Some(Fault::status(500)));
    let verifier = app::verifier(&issuer);
    let token = issuer.token().build();
    for _ in 0..200 {
        let rejected = app::admit(&verifier, &token).await.err();
        assert!(
            matches!(rejected, Some(Cause::KeysUnavailable { .. })),
            "{rejected:?}"
        );
    }
    // Scheduled retries continue, with growing pauses.
    assert!(issuer.requests().jwks < 20, "{:?}", issuer.requests());
}

#[actix_web::test]
async fn a_fetch_from_a_stalled_issuer_ends_at_the_deadline() {
    let issuer = app::issuer();
    let _gate = app::shut(&issuer);
    let deadline = Duration::from_millis(50);
    let verifier = app::verifier_of(app::trusted(&issuer).timeout_duration(deadline));
    let rejected = app::admit(&verifier, &issuer.token().build()).await.err();
    assert!(
        matches!(rejected, Some(Cause::KeysUnavailable { .. })),
        "{rejected:?}"
    );
    assert_eq!(
        verifier.unready()[0].details,
        "its keys did not come within 50ms"
    );
}

/// The issuer accepts connections and never responds: requests wait for one fetch, but not for its retries.
#[actix_web::test]
async fn requests_do_not_wait_for_a_retry() {
    let issuer = app::issuer();
    let gate = app::shut(&issuer);
    let verifier = app::verifier_of(app::trusted(&issuer).timeout_duration(STALL));
    let token = issuer.token().build();
    assert_unavailable(app::admit(&verifier, &token).await.err().as_ref());
    for retry in 2..4 {
        assert!(issuer.wait_for(Document::Jwks, retry));
        assert_unavailable(at_once(&verifier, &token).err().as_ref());
    }
    gate.open();
    verifier.ready().await;
    assert!(at_once(&verifier, &token).is_ok());
}

#[actix_web::test]
async fn while_a_refresh_stalls_no_request_waits() {
    let issuer = app::issuer();
    let verifier = app::verifier_of(app::trusted(&issuer).timeout_duration(STALL));
    app::warm(&verifier, &issuer).await;
    let known = issuer.token().build();
    issuer.rotate_keeping_old();
    let unknown = issuer.token().build();
    let gate = app::shut(&issuer);
    let request = app::request(&verifier, &unknown);
    let mut first = Box::pin(AuthenticatedUser::<NoClaims>::extract(&request));
    assert!(app::poll_once(first.as_mut()).is_pending());
    assert!(at_once(&verifier, &known).is_ok(), "the first stalls");
    assert_unavailable(first.await.err().map(Rejection::into_cause).as_ref());
    for retry in 3..5 {
        assert!(issuer.wait_for(Document::Jwks, retry));
        assert_unavailable(at_once(&verifier, &unknown).err().as_ref());
        assert!(at_once(&verifier, &known).is_ok());
    }
    gate.open();
    while let Err(rejected) = app::admit(&verifier, &unknown).await {
        assert_unavailable(Some(&rejected));
    }
}

/// The result that is available without waiting.
fn at_once(verifier: &Verifier, token: &str) -> Result<AuthenticatedUser, Cause> {
    let request = app::request(verifier, token);
    let mut user = pin!(AuthenticatedUser::extract(&request));
    match app::poll_once(user.as_mut()) {
        Poll::Ready(user) => user.map_err(Rejection::into_cause),
        Poll::Pending => panic!("it waits"),
    }
}

#[track_caller]
fn assert_unavailable(rejected: Option<&Cause>) {
    let is_unavailable = matches!(rejected, Some(Cause::KeysUnavailable { .. }));
    assert!(is_unavailable, "{rejected:?}");
}

/// Long enough for a test to observe a running fetch.
const STALL: Duration = Duration::from_millis(700);

#[actix_web::test]
async fn old_keys_are_refreshed_without_requests() {
    let issuer = app::issuer();
    let verifier = app::verifier_of(app::trusted(&issuer).cache_max_age(Duration::from_millis(1)));
    let old = issuer.token().build();
    assert!(app::admit(&verifier, &old).await.is_ok());
    issuer.rotate();
    let requests = issuer.requests().jwks;
    // The first response may precede the rotation; the second does not.
    assert!(issuer.wait_for(Document::Jwks, requests + 3));
    let rejected = verifier.verify(&old, std::time::SystemTime::now());
    assert!(
        rejected.is_err(),
        "the old key is dropped without a request for another"
    );
}

#[actix_web::test]
async fn keys_are_withdrawn_while_the_set_stays_empty() {
    let issuer = app::issuer();
    let verifier = app::verifier_of(app::trusted(&issuer).cache_max_age(Duration::from_millis(1)));
    let token = issuer.token().build();
    assert!(app::admit(&verifier, &token).await.is_ok());
    let answered = |more: usize| {
        let requests = issuer.requests().jwks;
        assert!(issuer.wait_for(Document::Jwks, requests + more));
    };
    issuer.set_fault(Document::Jwks, Some(Fault::json(&json!({"keys": []}))));
    // The first may precede the change, and the last has not been processed yet.
    answered(5);
    let unknown = Cause::InvalidToken("The token's key is not known.");
    assert_eq!(app::admit(&verifier, &token).await.err(), Some(unknown));
    assert_eq!(verifier.unready(), []);
    issuer.set_fault(Document::Jwks, None);
    answered(3);
    assert!(app::admit(&verifier, &token).await.is_ok());
}

/// Otherwise another origin could serve keys for the issuer.
#[actix_web::test]
async fn a_redirect_to_another_origin_is_not_followed() {
    let (issuer, other) = (app::issuer(), TestIssuer::start());
    issuer.set_fault(Document::Jwks, Some(Fault::redirect(&other.jwks_uri())));
    let verifier = app::verifier(&issuer);
    let rejected = app::admit(&verifier, &issuer.token().build()).await.err();
    assert!(
        matches!(rejected, Some(Cause::KeysUnavailable { .. })),
        "{rejected:?}"
    );
    assert_eq!(other.requests().jwks, 0);
}
