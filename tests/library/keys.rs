//! The issuer's keys: fetched once for everybody, followed when they change, gone when they are withdrawn.

use std::time::SystemTime;

use actix_resource_server::rejection::Cause;
use actix_resource_server::test_kit::{Algorithm, Document, SigningKey, TestIssuer};
use actix_resource_server::{AuthenticatedUser, NoClaims, Verifier};
use actix_web::FromRequest;
use serde_json::{Value, json};

use crate::app::{self, poll_once};

const UNKNOWN_KEY: Cause = Cause::InvalidToken("The token's key is not known.");
const BAD_SIGNATURE: Cause = Cause::InvalidToken("The token's signature does not hold.");

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

/// Spends one of the fetches that unknown keys are granted.
async fn refresh(verifier: &Verifier, issuer: &TestIssuer) {
    let before = issuer.requests().jwks;
    let refused = app::admit(verifier, &signed_by(issuer, &key())).await;
    assert_eq!(refused.err(), Some(UNKNOWN_KEY));
    assert_eq!(issuer.requests().jwks, before + 1);
}

#[actix_web::test]
async fn all_who_wait_for_the_first_keys_wait_for_one_fetch() {
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
async fn a_key_that_was_published_a_moment_ago_is_accepted_at_once() {
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
async fn all_who_wait_for_a_new_key_wait_for_one_fetch() {
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
async fn a_flood_of_made_up_keys_costs_three_fetches() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let unknown = verifier.counters().unknown_keys();
    for _ in 0..20 {
        let refused = app::admit(&verifier, &signed_by(&issuer, &key())).await;
        assert_eq!(refused.err(), Some(UNKNOWN_KEY));
    }
    assert_eq!(issuer.requests().jwks, 1 + 3);
    assert_eq!(verifier.counters().unknown_keys(), unknown + 20);
    assert_eq!(verifier.counters().refreshes_denied(), 17);
    assert!(app::admit(&verifier, &issuer.token().build()).await.is_ok());
}

#[actix_web::test]
async fn of_a_token_whose_key_nobody_may_be_asked_for_only_the_header_is_read() {
    let issuers = [app::issuer(), app::issuer()];
    let trusted = issuers.iter().map(app::trusted);
    let trusted = trusted.map(|trusted| trusted.build().expect("an issuer"));
    let verifier = Verifier::start(trusted).expect("a thread for the keys");
    for issuer in &issuers {
        app::warm(&verifier, issuer).await;
    }
    let rubbish = |token: String| {
        let (header, _) = token.split_once('.').expect("three segments");
        format!("{header}.rubbish!.rubbish!")
    };
    let unknown = rubbish(signed_by(&issuers[0], &key()));
    let known = rubbish(issuers[0].token().build());
    let is_read = async |token: &str| app::admit(&verifier, token).await.err() != Some(UNKNOWN_KEY);
    for issuer in &issuers {
        assert!(is_read(&unknown).await, "an issuer may be asked");
        for _ in 0..3 {
            let refused = app::admit(&verifier, &signed_by(issuer, &key())).await;
            assert_eq!(refused.err(), Some(UNKNOWN_KEY));
        }
    }
    assert!(!is_read(&unknown).await, "none may be asked any more");
    assert!(is_read(&known).await, "the key is there");
    for issuer in &issuers {
        assert!(app::admit(&verifier, &issuer.token().build()).await.is_ok());
    }
}

#[actix_web::test]
async fn a_withdrawn_key_is_accepted_no_more() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let old = issuer.token().build();
    issuer.rotate();
    assert!(app::admit(&verifier, &issuer.token().build()).await.is_ok());
    assert_eq!(app::admit(&verifier, &old).await.err(), Some(UNKNOWN_KEY));
}

#[actix_web::test]
async fn what_a_withdrawn_key_has_verified_is_current_no_more() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let verified = verifier.verify(&issuer.token().build(), SystemTime::now());
    let verified = verified.expect("a good token");
    assert!(verified.key_is_current());
    issuer.rotate();
    assert!(verified.key_is_current(), "nobody has asked the issuer yet");
    refresh(&verifier, &issuer).await;
    assert!(!verified.key_is_current());
}

#[actix_web::test]
async fn what_an_unchanged_key_has_verified_stays_current() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let verified = verifier.verify(&issuer.token().build(), SystemTime::now());
    let verified = verified.expect("a good token");
    refresh(&verifier, &issuer).await;
    assert!(verified.key_is_current());
    issuer.rotate_keeping_old();
    refresh(&verifier, &issuer).await;
    assert!(verified.key_is_current());
}

#[actix_web::test]
async fn another_key_under_the_same_name_is_another_key() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let old = issuer.token().build();
    let verified = verifier
        .verify(&old, SystemTime::now())
        .expect("a good token");
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
async fn a_token_that_names_no_key_is_tried_with_all() {
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

/// A key without a name may have been replaced unnoticed, so that the set is fetched once more.
#[actix_web::test]
async fn keys_without_names_are_followed_too() {
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
async fn a_token_that_names_a_key_is_not_tried_with_those_without_names() {
    let issuer = app::issuer();
    issuer.publish(json!({"keys": [without(jwk(&issuer.key()), "kid")]}));
    let verifier = app::verifier(&issuer);
    assert_eq!(
        app::admit(&verifier, &issuer.token().build()).await.err(),
        Some(UNKNOWN_KEY)
    );
}

#[actix_web::test]
async fn of_two_keys_with_one_name_each_is_tried() {
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
async fn an_unusable_key_is_passed_over_and_counted() {
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
async fn a_key_serves_its_own_algorithm_alone() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let other = "The token's algorithm is not accepted here.";
    for name in ["RS256", "PS256", "ES384", "EdDSA", "HS256"] {
        let token = issuer.token().header("alg", name).build();
        let refused = app::admit(&verifier, &token).await.err();
        assert_eq!(refused, Some(Cause::InvalidToken(other)), "{name}");
    }
    assert_eq!(issuer.requests().jwks, 1);
}
