//! Custom claims are deserialised as the application's type, once for each token.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use actix_resource_server::errors::ClaimsMismatch;
use actix_resource_server::{Api, AuthenticatedUser, MaybeUser, Scoped, get};
use actix_web::App;
use actix_web::test::{TestRequest, init_service};
use serde::{Deserialize, Deserializer};
use serde_json::json;

use crate::app::{self, Answer, ReadMessages, ask, get_with};
use crate::logged;

#[derive(Debug, Deserialize, PartialEq)]
struct Mail {
    email: String,
    #[serde(default)]
    email_verified: bool,
}

async fn mail(user: AuthenticatedUser<Mail>) -> String {
    format!("{} {}", user.claims().email, user.claims().email_verified)
}

async fn scoped_mail(user: Scoped<ReadMessages, AuthenticatedUser<Mail>>) -> String {
    user.claims().email.clone()
}

async fn maybe_mail(user: MaybeUser<AuthenticatedUser<Mail>>) -> String {
    user.user()
        .map_or_else(|| "none".to_owned(), |user| user.claims().email.clone())
}

fn api() -> Api {
    Api::new("/api")
        .route("/mail", get(mail))
        .route("/scoped", get(scoped_mail))
        .route("/maybe", get(maybe_mail))
}

#[actix_web::test]
async fn claims_that_fit_reach_the_handler() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    let token = issuer
        .token()
        .scope("read:messages")
        .claim("email", "a@b.test");
    let plain = token.clone().build();
    assert_eq!(
        get_with!(app, "/api/mail", &plain),
        Answer::text("a@b.test false")
    );
    assert_eq!(
        get_with!(app, "/api/scoped", &plain),
        Answer::text("a@b.test")
    );
    assert_eq!(
        get_with!(app, "/api/maybe", &plain),
        Answer::text("a@b.test")
    );
    assert_eq!(
        ask!(app, TestRequest::get().uri("/api/maybe")),
        Answer::text("none")
    );
    let checked = token.claim("email_verified", true).build();
    assert_eq!(
        get_with!(app, "/api/mail", &checked),
        Answer::text("a@b.test true")
    );
}

#[actix_web::test]
async fn claims_that_do_not_fit_are_rejected_with_401() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    let rejected = Answer::invalid_token("The token's claims are not what this API expects.");
    let token = || issuer.token().scope("read:messages");
    let unfit = [
        token(),
        token().claim("email", 1),
        token().claim("email", json!(null)),
        token()
            .claim("email", "a@b.test")
            .claim("email_verified", "yes"),
    ];
    for token in unfit.map(|token| token.build()) {
        for path in ["/api/mail", "/api/scoped", "/api/maybe"] {
            assert_eq!(get_with!(app, path, &token), rejected, "{path}");
        }
    }
}

#[actix_web::test]
async fn claims_are_checked_before_the_scope() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    let unfit = get_with!(app, "/api/scoped", &issuer.token().build());
    assert_eq!(unfit.status, 401);
    let fit = issuer.token().claim("email", "a@b.test").build();
    let lacking = get_with!(app, "/api/scoped", &fit);
    assert_eq!(lacking, Answer::insufficient_scope(&[&["read:messages"]]));
}

#[actix_web::test]
async fn claims_are_parsed_once_for_each_token() {
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
    let token = issuer.token().claim("email", "a@b.test").build();
    let verified = verifier
        .verify(&token, SystemTime::now())
        .expect("a good token");
    let first = verified
        .custom_claims::<Counted>()
        .expect("claims that fit");
    let second = verified
        .custom_claims::<Counted>()
        .expect("claims that fit");
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(PARSED.load(Ordering::Relaxed), 1);

    let other = verified
        .custom_claims::<Mail>()
        .expect("another type gets its own");
    assert_eq!(other.email, "a@b.test");
    assert!(Arc::ptr_eq(
        &first,
        &verified
            .custom_claims::<Counted>()
            .expect("the first is kept")
    ));
    assert_eq!(PARSED.load(Ordering::Relaxed), 1);
}

#[actix_web::test]
async fn claims_that_did_not_fit_one_type_may_fit_another() {
    #[derive(Deserialize)]
    struct Subject {
        sub: String,
    }
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let token = issuer.token().build();
    let verified = verifier
        .verify(&token, SystemTime::now())
        .expect("a good token");
    assert_eq!(verified.custom_claims::<Mail>().err(), Some(ClaimsMismatch));
    assert_eq!(
        verified
            .custom_claims::<Subject>()
            .expect("claims that fit")
            .sub,
        "user-1"
    );
    assert_eq!(verified.custom_claims::<Mail>().err(), Some(ClaimsMismatch));
}

#[actix_web::test]
async fn the_log_names_the_claim_that_does_not_fit_and_not_its_value() {
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its form matters")]
    struct Profile {
        email: String,
        age: u8,
        address: Address,
    }
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its form matters")]
    struct Address {
        city: String,
    }
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let fitting = issuer.token().claim("email", "a@b.test").claim("age", 7);
    let fitting = fitting.claim("address", json!({"city": "Hidden"}));
    for (token, expected) in [
        (fitting.clone(), None),
        (
            fitting.clone().without("email"),
            Some("the claim email is missing"),
        ),
        (
            fitting.clone().claim("age", "hidden"),
            Some("the claim age has another type or value"),
        ),
        (
            fitting.clone().claim("age", 70_000),
            Some("the claim age has another type or value"),
        ),
        (
            fitting.clone().claim("address", json!({"hidden": 1})),
            Some("the claim address has no city"),
        ),
    ] {
        let verified = verifier.verify(&token.build(), SystemTime::now());
        let verified = verified.expect("a valid token");
        logged::keep();
        assert_eq!(
            verified.custom_claims::<Profile>().is_ok(),
            expected.is_none()
        );
        let lines: Vec<_> = logged::take().into_iter().map(|(_, line)| line).collect();
        match expected {
            None => assert!(lines.is_empty(), "{lines:?}"),
            Some(expected) => assert!(lines[0].ends_with(expected), "{lines:?}"),
        }
        assert!(!format!("{lines:?}").contains("idden"), "{lines:?}");
    }
}
