//! Every access type with a caller dereferences, through the types inside it, to the verified token.

use std::time::{Duration, SystemTime};

use actix_resource_server::{
    AuthenticatedUser, Caller, Identified, MaybeUser, NoClaims, Scoped, Verified,
};
use actix_web::FromRequest;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::{self, ReadMessages, WriteMessages};

#[derive(Deserialize)]
struct Mail {
    email: String,
}

#[actix_web::test]
async fn each_access_type_dereferences_to_the_one_inside() {
    type Inner = AuthenticatedUser<Mail>;
    type Middle = Scoped<WriteMessages, Inner>;
    type Outer = MaybeUser<Scoped<ReadMessages, Middle>>;
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let token = issuer.token().scope("read:messages write:messages");
    let token = token.claim("email", "a@b.test").build();
    let request = app::request(&verifier, &token);
    let outer = Outer::extract(&request).await.expect("a valid token");
    let scoped: &Scoped<ReadMessages, Middle> = outer.user().expect("a known caller");
    let middle: &Middle = scoped;
    let inner: &Inner = middle;
    let verified: &Verified = inner;
    let caller: &Caller = scoped.caller();
    assert_eq!(inner.claims().email, "a@b.test");
    assert_eq!(scoped.claims().email, "a@b.test");
    assert_eq!(scoped.subject(), Some("user-1"));
    assert!(std::ptr::eq::<Verified>(verified, &**caller));
}

#[actix_web::test]
async fn a_verified_token_returns_its_claims() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let now = Duration::from_secs(1_700_000_000);
    let token = issuer.token().issued_at(SystemTime::UNIX_EPOCH + now);
    let token = token
        .expires_in(Duration::from_secs(90))
        .scope("b a b")
        .claim("scp", json!(["c"]));
    let audience = json!(["https://other.test/", issuer.audience()]);
    let token = token.claim("jti", "id-1").claim("aud", audience).build();
    let now = SystemTime::UNIX_EPOCH + now;
    let verified = verifier.verify(&token, now).expect("a valid token");
    assert_eq!(verified.issuer(), issuer.url());
    assert_eq!(verified.subject(), Some("user-1"));
    assert_eq!(verified.client_id(), Some("client-1"));
    assert_eq!(verified.token_id(), Some("id-1"));
    assert_eq!(
        verified.audience().collect::<Vec<_>>(),
        ["https://other.test/", issuer.audience()]
    );
    assert_eq!(verified.issued_at(), Some(now));
    assert_eq!(verified.expires_at(), now + Duration::from_secs(90));
    assert_eq!(
        verified.scopes().iter().collect::<Vec<_>>(),
        ["b", "a", "b", "c"]
    );
    assert!(verified.key_is_current());
    assert!(!verified.is_sender_constrained());
    let payload: Value = serde_json::from_slice(verified.payload()).expect("a payload of JSON");
    assert_eq!(payload["azp"], "client-1");
}

#[actix_web::test]
async fn missing_claims_are_none() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let names = ["sub", "client_id", "azp", "jti", "iat"];
    let token = names
        .into_iter()
        .fold(issuer.token(), |token, name| token.without(name));
    let user = app::admit(&verifier, &token.build())
        .await
        .expect("a token of the plain profile");
    assert_eq!(user.subject(), None);
    assert_eq!(
        (user.client_id(), user.token_id(), user.issued_at()),
        (None, None, None)
    );
    assert!(user.scopes().is_empty());
}

/// `{:?}` in a log line or error report must not reveal a token.
#[actix_web::test]
async fn debug_shows_nothing_of_a_token() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let token = issuer
        .token()
        .scope("read:messages")
        .claim("sub", "canary")
        .build();
    let request = app::request(&verifier, &token);
    let user = AuthenticatedUser::<NoClaims>::extract(&request)
        .await
        .expect("a valid token");
    let scoped = Scoped::<ReadMessages>::extract(&request)
        .await
        .expect("a valid token");
    let maybe = MaybeUser::<AuthenticatedUser>::extract(&request)
        .await
        .expect("a valid token");
    let (payload, signature) = token
        .split_once('.')
        .expect("three segments")
        .1
        .split_once('.')
        .expect("three");
    for shown in [
        format!("{user:?}"),
        format!("{scoped:?}"),
        format!("{maybe:?}"),
        format!("{:?}", user.caller()),
        format!("{verifier:?}"),
    ] {
        for secret in ["canary", "client-1", payload, signature] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
