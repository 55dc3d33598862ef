//! A cached token is not verified again, and is rejected as soon as a fresh verification would reject it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use actix_resource_server::test_kit::{TestClock, TestIssuer};
use actix_resource_server::{AuthenticatedUser, Cause, Clock, Verified, Verifier};
use actix_web::FromRequest;
use serde::{Deserialize, Deserializer};

use crate::app;

fn verify(verifier: &Verifier, token: &str) -> Option<Arc<Verified>> {
    verifier.verify(token, SystemTime::now()).ok()
}

/// Verifies a token until it is cached; returns the cached entry.
fn cached(verifier: &Verifier, token: &str) -> Arc<Verified> {
    let mut verified = verify(verifier, token).expect("a valid token");
    for _ in 0..10 {
        let again = verify(verifier, token).expect("a valid token");
        if Arc::ptr_eq(&verified, &again) {
            return again;
        }
        verified = again;
    }
    panic!("a token that comes again and again is never remembered");
}

#[actix_web::test]
async fn custom_claims_are_parsed_once_for_a_cached_token() {
    static PARSED: AtomicUsize = AtomicUsize::new(0);
    struct Counted;
    impl<'de> Deserialize<'de> for Counted {
        fn deserialize<D: Deserializer<'de>>(claims: D) -> Result<Self, D::Error> {
            PARSED.fetch_add(1, Ordering::Relaxed);
            serde::de::IgnoredAny::deserialize(claims).map(|_| Self)
        }
    }
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let token = issuer.token().build();
    cached(&verifier, &token);
    for _ in 0..100 {
        let request = app::request(&verifier, &token);
        assert!(
            AuthenticatedUser::<Counted>::extract(&request)
                .await
                .is_ok()
        );
    }
    assert_eq!(PARSED.load(Ordering::Relaxed), 1);
}

#[actix_web::test]
async fn only_the_whole_token_is_recognised() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let token = issuer.token().claim("sub", "user-2").build();
    cached(&verifier, &token);
    let (signed, signature) = token.rsplit_once('.').expect("three segments");
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let forged = [
        format!("{signed}.{first}{}", &signature[1..]),
        format!("{signed}."),
        format!("{token}."),
        format!("{token}A"),
        format!("{}x", &token[..token.len() - 1]),
    ];
    for forged in forged.iter().filter(|forged| **forged != token) {
        assert!(verify(&verifier, forged).is_none(), "{forged}");
    }
}

#[actix_web::test]
async fn a_cached_token_is_rejected_when_its_key_is_withdrawn() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let token = issuer.token().build();
    let known = cached(&verifier, &token);
    issuer.rotate();
    app::warm(&verifier, &issuer).await;
    assert!(!known.key_is_current());
    let rejected = app::admit(&verifier, &token).await.err();
    assert_eq!(
        rejected,
        Some(Cause::InvalidToken("The token's key is not known."))
    );
}

#[actix_web::test]
async fn a_cached_token_is_rejected_when_it_expires() {
    let issuer = app::issuer();
    let clock = TestClock::at(SystemTime::now());
    let shown = clock.clone();
    let verifier = Verifier::builder().clock(Clock::new(move || shown.now()));
    let trusted = app::trusted(&issuer).max_token_age(Duration::from_secs(3600));
    let verifier = verifier.start([trusted.build().expect("an issuer")]);
    let verifier = verifier.expect("a thread for the keys");
    let judge = async |token: &str| app::admit(&verifier, token).await.err();
    let expiring = |issuer: &TestIssuer| issuer.token().expires_in(Duration::from_secs(60)).build();
    let (short, long) = (expiring(&issuer), issuer.token().build());
    for _ in 0..10 {
        assert_eq!((judge(&short).await, judge(&long).await), (None, None));
    }
    clock.advance(Duration::from_secs(66));
    let expired = Some(Cause::InvalidToken("The token has expired."));
    assert_eq!(
        (judge(&short).await, judge(&long).await),
        (expired.clone(), None)
    );
    clock.advance(Duration::from_secs(3600));
    let too_old = Some(Cause::InvalidToken("The token is too old."));
    assert_eq!(
        (judge(&short).await, judge(&long).await),
        (expired, too_old)
    );
    clock.set(SystemTime::now());
    assert_eq!((judge(&short).await, judge(&long).await), (None, None));
}
