//! The issuer's keys: fetched once for all requests, refreshed when they change, dropped when withdrawn.

use std::time::{Duration, Instant, SystemTime};

use actix_resource_server::metrics::RejectionReason;
use actix_resource_server::test_kit::{Document, SigningKey, TestIssuer};
use actix_resource_server::{Algorithm, Api, AuthenticatedUser, Cause, NoClaims, Verifier, get};
use actix_web::test::init_service;
use actix_web::{App, FromRequest};
use serde_json::{Value, json};

use crate::app::{self, Answer, get_with, poll_once};

const UNKNOWN_KEY: Cause = Cause::InvalidToken("The token's key is not known.");
const BAD_SIGNATURE: Cause = Cause::InvalidToken("The token's signature is invalid.");

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256)
}

fn jwk(key: &SigningKey) -> Value {
    key.public_jwk().expect("a public key")
}

fn without(mut jwk: Value, member: &str) -> Value {
    jwk.as_object_mut().expect("an object").remove(member);
    jwk
}

fn signed_by(issuer: &TestIssuer, key: &SigningKey) -> String {
    issuer.token().signed_by(key).build()
}

/// Uses one fetch of the budget for unknown keys.
async fn refresh(verifier: &Verifier, issuer: &TestIssuer) {
    let before = issuer.requests().jwks;
    let rejected = app::admit(verifier, &signed_by(issuer, &key())).await;
    assert_eq!(rejected.err(), Some(UNKNOWN_KEY));
    assert_eq!(issuer.requests().jwks, before + 1);
}

/// Uses up the budget for unknown keys.
async fn spend(verifier: &Verifier, issuer: &TestIssuer) {
    for _ in 0..3 {
        refresh(verifier, issuer).await;
    }
}

#[track_caller]
fn assert_undetermined(rejected: Option<&Cause>) {
    let Some(Cause::KeyUndetermined { retry_after }) = rejected else {
        panic!("{rejected:?}");
    };
    assert!(*retry_after <= Duration::from_secs(30), "{retry_after:?}");
}

async fn private(user: AuthenticatedUser) -> String {
    user.subject().unwrap_or_default().to_owned()
}

#[actix_web::test]
async fn requests_for_the_first_keys_share_one_fetch() {
    let issuer = app::issuer();
    let gate = app::shut(&issuer);
    let verifier = app::verifier(&issuer);
    let mut waiting = Vec::new();
    for _ in 0..200 {
        let request = app::request(&verifier, &issuer.token().build());
        let mut user = Box::pin(AuthenticatedUser::<NoClaims>::extract(&request));
        assert!(poll_once(user.as_mut()).is_pending());
        waiting.push(user);
    }
    assert!(issuer.wait_for(Document::Jwks, 1));
    gate.open();
    for user in waiting {
        assert!(user.await.is_ok());
    }
    let requests = issuer.requests();
    assert_eq!((requests.discovery, requests.jwks), (1, 1));
}

#[actix_web::test]
async fn clones_of_a_verifier_share_its_keys() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let token = issuer.token().build();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), token.clone());
            std::thread::spawn(move || verifier.verify(&token, SystemTime::now()).is_ok())
        })
        .collect();
    assert!(
        threads
            .into_iter()
            .all(|thread| thread.join().expect("a thread that ends"))
    );
    assert_eq!(issuer.requests().jwks, 1);
}

#[actix_web::test]
async fn a_newly_published_key_is_accepted_at_once() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let old = issuer.token().build();
    issuer.rotate_keeping_old();
    let new = issuer.token().build();
    assert!(app::admit(&verifier, &new).await.is_ok());
    assert!(app::admit(&verifier, &old).await.is_ok());
    let requests = issuer.requests();
    assert_eq!((requests.discovery, requests.jwks), (2, 2));
}

#[actix_web::test]
async fn requests_for_a_new_key_share_one_fetch() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    issuer.rotate_keeping_old();
    let gate = app::shut(&issuer);
    let mut waiting = Vec::new();
    for _ in 0..50 {
        let request = app::request(&verifier, &issuer.token().build());
        let mut user = Box::pin(AuthenticatedUser::<NoClaims>::extract(&request));
        assert!(poll_once(user.as_mut()).is_pending());
        waiting.push(user);
    }
    gate.open();
    for user in waiting {
        assert!(user.await.is_ok());
    }
    assert_eq!(issuer.requests().jwks, 2);
}

#[actix_web::test]
async fn a_flood_of_invented_key_ids_costs_three_fetches() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let unknown = verifier.counters().unknown_keys();
    spend(&verifier, &issuer).await;
    for _ in 0..17 {
        let rejected = app::admit(&verifier, &signed_by(&issuer, &key())).await;
        assert_undetermined(rejected.err().as_ref());
    }
    assert_eq!(issuer.requests().jwks, 1 + 3);
    let counters = verifier.counters();
    assert_eq!(counters.unknown_keys(), unknown + 20);
    assert_eq!(counters.refreshes_denied(), 17);
    assert_eq!(counters.rejected(RejectionReason::KeyUndetermined), 17);
    assert_eq!(counters.rejected(RejectionReason::InvalidToken), 3);
    assert!(app::admit(&verifier, &issuer.token().build()).await.is_ok());
}

#[actix_web::test]
async fn an_unknown_key_without_budget_is_a_503_without_a_challenge() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    spend(&verifier, &issuer).await;
    let api = Api::new("/api").route("/private", get(private));
    let app = init_service(App::new().service(api.verified_by(verifier.clone()))).await;
    let mut answer = get_with!(app, "/api/private", &signed_by(&issuer, &key()));
    let seconds = answer.retry_after.take().map(|seconds| seconds.parse());
    assert!(matches!(seconds, Some(Ok(1..=30))), "{seconds:?}");
    let detail = "The token's key is not known yet; the token may be valid.";
    assert_eq!(answer, Answer::problem(503, "Service Unavailable", detail));
}

/// A client that invents key IDs cannot cause the rejection of tokens of a newly published key.
#[actix_web::test]
async fn a_new_key_is_never_rejected_because_of_invented_ones() {
    let issuer = app::issuer();
    let trusted = app::trusted(&issuer).cooldown_duration(Duration::from_millis(300));
    let verifier = app::verifier_of(trusted);
    app::warm(&verifier, &issuer).await;
    for _ in 0..2 {
        issuer.rotate_keeping_old();
        let new = issuer.token().build();
        while app::admit(&verifier, &signed_by(&issuer, &key()))
            .await
            .err()
            == Some(UNKNOWN_KEY)
        {}
        let begun = Instant::now();
        while let Err(rejected) = app::admit(&verifier, &new).await {
            assert_undetermined(Some(&rejected));
            assert!(begun.elapsed() < Duration::from_secs(10));
        }
    }
}

#[actix_web::test]
async fn a_token_that_no_key_could_make_valid_is_rejected_without_a_fetch() {
    let issuer = app::issuer();
    let verifier = app::verifier_of(app::trusted(&issuer).strict(true));
    app::warm(&verifier, &issuer).await;
    let token = || issuer.token().signed_by(&key());
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    let unknown = [
        token().expires_at(long_ago),
        token().without("exp"),
        token().claim("exp", "soon"),
        token().claim("aud", "https://other.test/"),
        token().without("aud"),
        token().claim("aud", 1),
    ];
    let unknown = unknown.map(|token| (token.build(), Some(UNKNOWN_KEY)));
    let others = [
        (
            token().claim("iss", "https://other.test/"),
            "The token is from an issuer that is not trusted here.",
        ),
        (
            token().header("alg", "HS256"),
            "The token's algorithm is not accepted here.",
        ),
        (
            token().header("typ", "JWT"),
            "The token is of a type that is not accepted here.",
        ),
        (
            token().header("typ", "id+jwt"),
            "The token is of a type that is not accepted here.",
        ),
        (
            token().raw_payload("[]"),
            "The token's payload is malformed.",
        ),
    ];
    let others = others.map(|(token, text)| (token.build(), Some(Cause::InvalidToken(text))));
    let judge = async || {
        for (token, expected) in unknown.iter().chain(&others) {
            assert_eq!(
                app::admit(&verifier, token).await.err(),
                *expected,
                "{token}"
            );
        }
    };
    judge().await;
    assert_eq!(issuer.requests().jwks, 1);
    spend(&verifier, &issuer).await;
    judge().await;
    assert_undetermined(app::admit(&verifier, &token().build()).await.err().as_ref());
}

/// A token without a key ID is only known by its invalid signature: a fetch may bring its key; without a fetch it is
/// rejected.
#[actix_web::test]
async fn a_token_without_a_key_id_that_no_key_verifies_is_rejected_without_budget() {
    let issuer = app::issuer();
    let publish = |key: &SigningKey| issuer.publish(json!({"keys": [without(jwk(key), "kid")]}));
    let nameless = |key: &SigningKey| issuer.token().signed_by(key).without_header("kid").build();
    let (old, new, later) = (key(), key(), key());
    publish(&old);
    let verifier = app::verifier(&issuer);
    assert!(app::admit(&verifier, &nameless(&old)).await.is_ok());
    publish(&new);
    assert!(app::admit(&verifier, &nameless(&new)).await.is_ok());
    for _ in 0..4 {
        let rejected = app::admit(&verifier, &nameless(&key())).await;
        assert_eq!(rejected.err(), Some(UNKNOWN_KEY));
    }
    publish(&later);
    let rejected = app::admit(&verifier, &nameless(&later)).await;
    assert_eq!(rejected.err(), Some(UNKNOWN_KEY));
    assert_eq!(issuer.requests().jwks, 4);
}

#[actix_web::test]
async fn a_withdrawn_key_is_no_longer_accepted() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let old = issuer.token().build();
    issuer.rotate();
    assert!(app::admit(&verifier, &issuer.token().build()).await.is_ok());
    assert_eq!(app::admit(&verifier, &old).await.err(), Some(UNKNOWN_KEY));
}

#[actix_web::test]
async fn a_token_verified_by_a_withdrawn_key_is_no_longer_current() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let verified = verifier.verify(&issuer.token().build(), SystemTime::now());
    let verified = verified.expect("a valid token");
    assert!(verified.key_is_current());
    issuer.rotate();
    assert!(
        verified.key_is_current(),
        "the set has not been fetched again"
    );
    refresh(&verifier, &issuer).await;
    assert!(!verified.key_is_current());
}

#[actix_web::test]
async fn a_token_verified_by_an_unchanged_key_stays_current() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let verified = verifier.verify(&issuer.token().build(), SystemTime::now());
    let verified = verified.expect("a valid token");
    refresh(&verifier, &issuer).await;
    assert!(verified.key_is_current());
    issuer.rotate_keeping_old();
    refresh(&verifier, &issuer).await;
    assert!(verified.key_is_current());
}

#[actix_web::test]
async fn another_key_under_the_same_id_is_another_key() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let old = issuer.token().build();
    let verified = verifier
        .verify(&old, SystemTime::now())
        .expect("a valid token");
    let successor = key().with_kid(issuer.key().kid());
    issuer.publish(json!({"keys": [jwk(&successor)]}));
    refresh(&verifier, &issuer).await;
    assert!(!verified.key_is_current());
    assert!(
        app::admit(&verifier, &signed_by(&issuer, &successor))
            .await
            .is_ok()
    );
    assert_eq!(app::admit(&verifier, &old).await.err(), Some(BAD_SIGNATURE));
}

#[actix_web::test]
async fn a_token_without_a_kid_is_tried_with_all_keys() {
    let issuer = app::issuer();
    let keys = [key(), key(), key()];
    issuer.publish(json!({"keys": keys.each_ref().map(jwk)}));
    let verifier = app::verifier(&issuer);
    for key in &keys {
        let token = issuer.token().signed_by(key).without_header("kid").build();
        assert!(app::admit(&verifier, &token).await.is_ok());
    }
    assert_eq!(issuer.requests().jwks, 1);
}

/// A key without an ID may have been replaced unnoticed, so the set is fetched again.
#[actix_web::test]
async fn keys_without_ids_are_refreshed_too() {
    let issuer = app::issuer();
    let publish = |key: &SigningKey| issuer.publish(json!({"keys": [without(jwk(key), "kid")]}));
    let nameless = |key: &SigningKey| issuer.token().signed_by(key).without_header("kid").build();
    let (old, new) = (key(), key());
    publish(&old);
    let verifier = app::verifier(&issuer);
    assert!(app::admit(&verifier, &nameless(&old)).await.is_ok());
    publish(&new);
    assert!(app::admit(&verifier, &nameless(&new)).await.is_ok());
    assert_eq!(issuer.requests().jwks, 2);
    assert!(app::admit(&verifier, &nameless(&old)).await.is_err());
}

#[actix_web::test]
async fn a_token_with_a_kid_is_not_tried_with_keys_without_ids() {
    let issuer = app::issuer();
    issuer.publish(json!({"keys": [without(jwk(&issuer.key()), "kid")]}));
    let verifier = app::verifier(&issuer);
    assert_eq!(
        app::admit(&verifier, &issuer.token().build()).await.err(),
        Some(UNKNOWN_KEY)
    );
}

#[actix_web::test]
async fn two_keys_with_one_id_are_both_tried() {
    let issuer = app::issuer();
    let (one, other) = (key().with_kid("one"), key().with_kid("one"));
    issuer.publish(json!({"keys": [jwk(&one), jwk(&other)]}));
    let verifier = app::verifier(&issuer);
    for key in [&one, &other] {
        assert!(
            app::admit(&verifier, &signed_by(&issuer, key))
                .await
                .is_ok()
        );
    }
    let foreign = signed_by(&issuer, &key().with_kid("one"));
    assert_eq!(
        app::admit(&verifier, &foreign).await.err(),
        Some(BAD_SIGNATURE)
    );
    assert_eq!(issuer.requests().jwks, 1);
}

#[actix_web::test]
async fn an_unusable_key_is_skipped_and_counted() {
    let issuer = app::issuer();
    let good = jwk(&issuer.key());
    let with = |name: &str, value: Value| {
        let mut jwk = without(jwk(&key()), "alg");
        jwk[name] = value;
        jwk
    };
    let unusable = [
        json!(null),
        json!({}),
        json!({"kty": "oct", "k": "c2VjcmV0", "kid": issuer.key().kid()}),
        json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
        with("use", json!("enc")),
        with("crv", json!("P-999")),
        with("key_ops", json!(["sign"])),
        with("d", json!("AA")),
    ];
    let expected = u64::try_from(unusable.len()).expect("a small number");
    let keys: Vec<_> = unusable.into_iter().chain([good]).collect();
    issuer.publish(json!({"keys": keys}));
    let verifier = app::warm_verifier(&issuer).await;
    assert_eq!(verifier.counters().unusable_keys(), expected);
}

#[actix_web::test]
async fn a_key_is_only_used_with_its_algorithm() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let other = "The token's algorithm is not accepted here.";
    for name in ["RS256", "PS256", "ES384", "EdDSA", "HS256"] {
        let token = issuer.token().header("alg", name).build();
        let rejected = app::admit(&verifier, &token).await.err();
        assert_eq!(rejected, Some(Cause::InvalidToken(other)), "{name}");
    }
    assert_eq!(issuer.requests().jwks, 1);
}
