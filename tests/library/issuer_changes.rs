//! Issuers that are added and removed at run time.

use std::time::{Duration, SystemTime};

use actix_resource_server::errors::VerifyError;
use actix_resource_server::test_kit::{Document, Fault, Gate, TestIssuer};
use actix_resource_server::{Algorithm, Cause, Issuer, Verifier};

use crate::app::{self, trusted};

fn verify(verifier: &Verifier, token: &str) -> Result<(), VerifyError> {
    verifier.verify(token, SystemTime::now()).map(drop)
}

fn none() -> Verifier {
    Verifier::start([]).expect("nothing to start")
}

#[actix_web::test]
async fn an_issuer_is_trusted_from_its_addition_to_its_removal() {
    let (first, second) = (app::issuer(), app::issuer());
    let verifier = none();
    let tokens = [first.token().build(), second.token().build()];
    for token in &tokens {
        assert_eq!(verify(&verifier, token), Err(VerifyError::UnknownIssuer));
    }
    verifier
        .add_issuer(trusted(&first).build().expect("an issuer"))
        .expect("a thread");
    verifier
        .add_issuer(trusted(&second).build().expect("an issuer"))
        .expect("a thread");
    verifier.ready().await;
    assert_eq!(verifier.key_ages().count(), 2);
    for token in &tokens {
        assert_eq!(verify(&verifier, token), Ok(()));
    }
    assert!(verifier.remove_issuer(first.url()));
    assert_eq!(
        verify(&verifier, &tokens[0]),
        Err(VerifyError::UnknownIssuer)
    );
    assert_eq!(verify(&verifier, &tokens[1]), Ok(()));
    assert!(!verifier.remove_issuer(first.url()));
    verifier
        .add_issuer(trusted(&first).build().expect("an issuer"))
        .expect("a thread");
    verifier.ready().await;
    assert_eq!(verify(&verifier, &tokens[0]), Ok(()));
}

/// A token is cached when it is verified for the second time.
#[actix_web::test]
async fn cached_tokens_of_a_removed_issuer_are_rejected_at_once() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let token = issuer.token().build();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(
            verifier
                .verify(&token, SystemTime::now())
                .expect("a valid token"),
        );
    }
    assert!(
        std::ptr::eq(&raw const *held[1], &raw const *held[2]),
        "it is cached"
    );
    assert!(verifier.remove_issuer(issuer.url()));
    assert!(!held[0].key_is_current());
    assert_eq!(verify(&verifier, &token), Err(VerifyError::UnknownIssuer));
    let admitted = app::admit(&verifier, &token).await.map(drop);
    let untrusted = "The token is from an issuer that is not trusted here.";
    assert_eq!(admitted, Err(Cause::InvalidToken(untrusted)));
}

#[actix_web::test]
async fn cached_tokens_of_a_configured_key_are_rejected_at_once() {
    let secret = "s".repeat(32);
    let issuer = Issuer::with_secret("https://issuer.example/", &secret, Algorithm::Hs256);
    let issuer = issuer.audience("api").build().expect("an issuer");
    let verifier = Verifier::start([issuer.clone()]).expect("a verifier");
    let key = actix_resource_server::test_kit::SigningKey::from_secret(&secret, Algorithm::Hs256);
    let token =
        actix_resource_server::test_kit::TokenBuilder::new("https://issuer.example/", "api", &key);
    let token = token.build();
    for _ in 0..3 {
        assert_eq!(verify(&verifier, &token), Ok(()));
    }
    assert!(verifier.remove_issuer("https://issuer.example/"));
    assert_eq!(verify(&verifier, &token), Err(VerifyError::UnknownIssuer));
    verifier.add_issuer(issuer).expect("no thread");
    assert_eq!(verify(&verifier, &token), Ok(()));
}

#[actix_web::test]
async fn a_contradicting_issuer_is_not_added() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let same = trusted(&issuer).build().expect("an issuer");
    let error = verifier.add_issuer(same).expect_err("a shared audience");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    let token = issuer.token().build();
    assert_eq!(verify(&verifier, &token), Ok(()));
    assert_eq!(verifier.key_ages().count(), 1);
}

#[actix_web::test]
async fn a_request_that_waits_for_the_keys_of_a_removed_issuer_is_answered() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let gate = Gate::new();
    issuer.set_fault(Document::Discovery, Some(Fault::Hang(gate.clone())));
    let verifier = app::verifier(&issuer);
    let token = issuer.token().build();
    let waiting = app::admit(&verifier, &token);
    let removing = async {
        while issuer.requests().discovery == 0 {
            actix_web::rt::task::yield_now().await;
        }
        assert!(verifier.remove_issuer(issuer.url()));
    };
    let both = async { tokio::join!(waiting, removing) };
    let (admitted, ()) = tokio::time::timeout(Duration::from_secs(10), both)
        .await
        .expect("an answer");
    let untrusted = "The token is from an issuer that is not trusted here.";
    assert_eq!(admitted.map(drop), Err(Cause::InvalidToken(untrusted)));
    gate.open();
    verifier.ready().await;
}

#[actix_web::test]
async fn nothing_is_fetched_for_a_removed_issuer() {
    let issuer = app::issuer();
    let verifier = none();
    let brief = || trusted(&issuer).cache_max_age(Duration::from_millis(1));
    verifier
        .add_issuer(brief().build().expect("an issuer"))
        .expect("a thread");
    verifier.ready().await;
    assert!(verifier.remove_issuer(issuer.url()));
    let other = app::issuer();
    // A second of further fetches of another issuer shows that time has passed.
    let watched = trusted(&other).cache_max_age(Duration::from_millis(1));
    let before = issuer.requests();
    verifier
        .add_issuer(watched.build().expect("an issuer"))
        .expect("a thread");
    let fetched = actix_web::rt::task::spawn_blocking(move || other.wait_for(Document::Jwks, 4));
    assert!(fetched.await.expect("no panic"));
    let after = issuer.requests();
    assert!(
        after.jwks - before.jwks <= 1,
        "at most the fetch that had begun"
    );
}

#[actix_web::test]
async fn a_resolver_decides_about_an_unknown_issuer() {
    let (known, other) = (app::issuer(), app::issuer());
    let configured = trusted(&known).build().expect("an issuer");
    let name = known.url().to_owned();
    let resolve = move |iss: &str| (iss == name).then(|| configured.clone());
    let verifier = Verifier::builder().issuer_resolver(resolve);
    let verifier = verifier.start([]).expect("a verifier");
    // The first token waits for the keys.
    let token = known.token().build();
    assert!(app::admit(&verifier, &token).await.is_ok());
    assert!(app::admit(&verifier, &token).await.is_ok());
    let rejected = app::admit(&verifier, &other.token().build()).await;
    let text = "The token is from an issuer that is not trusted here.";
    assert_eq!(rejected.err(), Some(Cause::InvalidToken(text)));
    assert_eq!(other.requests().discovery, 0);
    assert_eq!(known.requests().discovery, 1);
}

#[actix_web::test]
async fn a_resolver_that_returns_another_issuer_changes_nothing() {
    let (one, other) = (app::issuer(), app::issuer());
    let configured = trusted(&other).build().expect("an issuer");
    let verifier = Verifier::builder().issuer_resolver(move |_| Some(configured.clone()));
    let verifier = verifier.start([]).expect("a verifier");
    let rejected = verify(&verifier, &one.token().build());
    assert_eq!(rejected, Err(VerifyError::UnknownIssuer));
    assert_eq!(verifier.key_ages().count(), 0);
}
