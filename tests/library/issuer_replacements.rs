//! Issuers that are replaced at run time, without a gap.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::SystemTime;

use actix_resource_server::errors::VerifyError;
use actix_resource_server::test_kit::{
    Document, Fault, Gate, SigningKey, TestIssuer, TokenBuilder,
};
use actix_resource_server::{
    Algorithm, Cause, Introspection, IntrospectionClient, Issuer, IssuerBuilder, Verifier,
};

use crate::app::{self, trusted};

fn verify(verifier: &Verifier, token: &str) -> Result<(), VerifyError> {
    verifier.verify(token, SystemTime::now()).map(drop)
}

fn built(issuer: IssuerBuilder) -> Issuer {
    issuer.build().expect("an issuer")
}

#[actix_web::test]
async fn new_rules_apply_at_once_and_also_to_cached_tokens() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let token = issuer.token().without("client_id").build();
    for _ in 0..3 {
        assert_eq!(verify(&verifier, &token), Ok(()));
    }
    // From now on nothing can be fetched.
    issuer.set_fault(Document::Discovery, Some(Fault::Close));
    let former = built(trusted(&issuer));
    let required = built(trusted(&issuer).require("client_id", true));
    verifier
        .replace_issuers(std::slice::from_ref(&former), [required.clone()])
        .expect("a thread");
    let rejected = verify(&verifier, &token);
    assert!(
        matches!(rejected, Err(VerifyError::RequiredClaim(_))),
        "{rejected:?}"
    );
    assert_eq!(verify(&verifier, &issuer.token().build()), Ok(()));
    verifier
        .replace_issuers(&[required], [former])
        .expect("a thread");
    for _ in 0..3 {
        assert_eq!(verify(&verifier, &token), Ok(()));
    }
    assert_eq!(verifier.key_ages().count(), 1);
}

#[actix_web::test]
async fn issuers_in_both_lists_and_others_stay_as_they_are() {
    let (kept, other) = (app::issuer(), app::issuer());
    let verifier = app::warm_verifier(&kept).await;
    let others = trusted(&other);
    verifier
        .add_issuer(built(others.clone()))
        .expect("a thread");
    verifier.ready().await;
    let tokens = [kept.token().build(), other.token().build()];
    let verified = |token: &str| verifier.verify(token, SystemTime::now()).expect("a token");
    let cached = tokens.each_ref().map(|token| {
        verified(token);
        verified(token)
    });
    let list = [built(trusted(&kept))];
    verifier
        .replace_issuers(&list, list.clone())
        .expect("a thread");
    for (token, cached) in tokens.iter().zip(&cached) {
        assert!(std::ptr::eq(
            &raw const *verified(token),
            &raw const **cached
        ));
    }
    verifier
        .replace_issuers(&list, [built(others.strict(true))])
        .expect_err("the other issuer is trusted already");
    assert_eq!(verify(&verifier, &tokens[0]), Ok(()));
    verifier.replace_issuers(&list, []).expect("no thread");
    assert_eq!(
        verify(&verifier, &tokens[0]),
        Err(VerifyError::UnknownIssuer)
    );
    assert_eq!(verify(&verifier, &tokens[1]), Ok(()));
}

#[actix_web::test]
async fn keys_from_another_place_are_awaited() {
    let (issuer, mirror) = (app::issuer(), app::issuer());
    let verifier = app::warm_verifier(&issuer).await;
    let token = issuer.token().build();
    for _ in 0..3 {
        assert_eq!(verify(&verifier, &token), Ok(()));
    }
    let jwks_uri = mirror.jwks_uri();
    let moved = trusted(&issuer).name(issuer.url()).jwks_uri(&jwks_uri);
    let former = [built(trusted(&issuer))];
    verifier
        .replace_issuers(&former, [built(moved)])
        .expect("a thread");
    // The old keys do not count any more, and those of the mirror are others.
    let rejected = app::admit(&verifier, &token).await.map(drop);
    assert!(rejected.is_err(), "{rejected:?}");
    let token = issuer.token().signed_by(&mirror.key()).build();
    assert!(app::admit(&verifier, &token).await.is_ok());
}

#[test]
fn cached_tokens_of_a_removed_public_key_are_rejected_while_its_issuer_is_held() {
    const NAME: &str = "https://issuer.example/";
    let key = SigningKey::generate(Algorithm::Es256);
    let jwk = key.public_jwk().expect("a public key").to_string();
    let issuer = built(Issuer::with_public_key(NAME, &jwk).audience("api"));
    let verifier = Verifier::start([issuer.clone()]).expect("a verifier");
    let token = TokenBuilder::new(NAME, "api", &key).build();
    for _ in 0..3 {
        assert_eq!(verify(&verifier, &token), Ok(()));
    }
    assert!(verifier.remove_issuer(NAME));
    assert_eq!(verify(&verifier, &token), Err(VerifyError::UnknownIssuer));
    verifier.add_issuer(issuer).expect("no thread");
    assert_eq!(verify(&verifier, &token), Ok(()));
}

#[actix_web::test]
async fn a_request_that_waits_for_keys_is_answered_by_the_new_entry() {
    let issuer = app::issuer();
    let gate = Gate::new();
    issuer.set_fault(Document::Discovery, Some(Fault::Hang(gate.clone())));
    let verifier = app::verifier(&issuer);
    let token = issuer.token().build();
    let waiting = app::admit(&verifier, &token);
    let replacing = async {
        while issuer.requests().discovery == 0 {
            actix_web::rt::task::yield_now().await;
        }
        issuer.set_fault(Document::Discovery, None);
        let changed = built(trusted(&issuer).audience("another"));
        verifier
            .replace_issuers(&[built(trusted(&issuer))], [changed])
            .expect("a thread");
    };
    let (admitted, ()) = tokio::join!(waiting, replacing);
    assert!(admitted.is_ok(), "{admitted:?}");
    gate.open();
}

fn introspected(issuer: &TestIssuer) -> IssuerBuilder {
    let client = IntrospectionClient::basic("api", "secret");
    trusted(issuer).introspection(Introspection::new(client))
}

#[actix_web::test]
async fn a_token_whose_introspector_is_replaced_meanwhile_is_introspected_again() {
    let issuer = app::issuer();
    let verifier = app::verifier_of(introspected(&issuer));
    verifier.ready().await;
    let token = issuer.issue_opaque(issuer.token());
    let gate = Gate::new();
    issuer.set_fault(Document::Introspection, Some(Fault::Hang(gate.clone())));
    let waiting = app::admit(&verifier, &token);
    let replacing = async {
        while issuer.requests().introspection == 0 {
            actix_web::rt::task::yield_now().await;
        }
        issuer.set_fault(Document::Introspection, None);
        let changed = built(introspected(&issuer).audience("another"));
        verifier
            .replace_issuers(&[built(introspected(&issuer))], [changed])
            .expect("a thread");
        gate.open();
    };
    let (admitted, ()) = tokio::join!(waiting, replacing);
    assert!(admitted.is_ok(), "{admitted:?}");
}

#[actix_web::test]
async fn a_call_in_progress_keeps_no_cached_token_of_a_removed_issuer() {
    let issuer = app::issuer();
    let verifier = app::verifier_of(introspected(&issuer));
    verifier.ready().await;
    let [cached, pending] = [0, 1].map(|_| issuer.issue_opaque(issuer.token()));
    assert!(app::admit(&verifier, &cached).await.is_ok());
    let gate = Gate::new();
    issuer.set_fault(Document::Introspection, Some(Fault::Hang(gate.clone())));
    let waiting = app::admit(&verifier, &pending);
    let removing = async {
        while issuer.requests().introspection < 2 {
            actix_web::rt::task::yield_now().await;
        }
        assert!(verifier.remove_issuer(issuer.url()));
        let rejected = app::admit(&verifier, &cached).await.map(drop);
        assert!(
            matches!(rejected, Err(Cause::InvalidToken(_))),
            "{rejected:?}"
        );
        gate.open();
    };
    let (admitted, ()) = tokio::join!(waiting, removing);
    assert!(admitted.is_err());
}

/// Tokens are verified in other threads all the time while their issuer is replaced. Without a cache, checks are in progress
/// at every moment of a replacement.
#[actix_web::test]
async fn no_verification_fails_while_issuers_are_replaced() {
    let issuer = app::issuer();
    let verifier = Verifier::builder().token_memory(0);
    let verifier = verifier.start([built(trusted(&issuer))]);
    let verifier = verifier.expect("a thread");
    app::warm(&verifier, &issuer).await;
    let tokens: Vec<_> = (0..20).map(|_| issuer.token().build()).collect();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    for token in &tokens {
                        assert_eq!(verify(&verifier, token), Ok(()));
                    }
                }
            });
        }
        let mut former = [built(trusted(&issuer))];
        for round in 0..500 {
            let changed = [built(trusted(&issuer).audience(&format!("{round}")))];
            let replaced = verifier.replace_issuers(&former, changed.clone());
            replaced.expect("a thread");
            former = changed;
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(verifier.key_ages().count(), 1);
}
