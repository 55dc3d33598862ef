//! An extraction is ready on the first poll, unless a key has to be fetched.

use std::pin::pin;
use std::task::Poll;

use actix_resource_server::{
    AuthenticatedUser, Cause, MaybeUser, Public, Rejection, Scoped, Verifier, protected,
};
use actix_web::dev::Payload;
use actix_web::test::TestRequest;
use actix_web::{FromRequest, Handler, HttpRequest};

use crate::app::{self, ReadMessages, bearer, poll_once};

/// Polls an extraction once.
fn poll<A: FromRequest<Error = Rejection>>(request: &HttpRequest) -> Poll<Result<A, Rejection>> {
    poll_once(pin!(A::from_request(request, &mut Payload::None)))
}

fn without_credentials(verifier: &Verifier) -> HttpRequest {
    TestRequest::get()
        .app_data(verifier.clone())
        .to_http_request()
}

#[actix_web::test]
async fn with_a_known_key_every_access_type_is_ready_at_once() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let request = app::request(&verifier, &issuer.token().scope("read:messages").build());
    assert!(matches!(
        poll::<AuthenticatedUser>(&request),
        Poll::Ready(Ok(_))
    ));
    assert!(matches!(
        poll::<Scoped<ReadMessages>>(&request),
        Poll::Ready(Ok(_))
    ));
    assert!(matches!(poll::<MaybeUser>(&request), Poll::Ready(Ok(_))));
    assert!(matches!(poll::<Public>(&request), Poll::Ready(Ok(_))));
}

#[actix_web::test]
async fn with_a_known_key_a_rejection_is_ready_at_once() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let cases = [
        (
            issuer.token().raw_signature([1; 64]),
            "The token's signature is invalid.",
        ),
        (
            issuer.token().claim("aud", "https://other.test/"),
            "The token is for another audience.",
        ),
        (issuer.token().claim("exp", 1), "The token has expired."),
        (
            issuer.token().claim("iss", "https://other.test/"),
            "The token is from an issuer that is not trusted here.",
        ),
    ];
    for (token, text) in cases {
        match poll::<AuthenticatedUser>(&app::request(&verifier, &token.build())) {
            Poll::Ready(Err(rejection)) => {
                assert_eq!(rejection.into_cause(), Cause::InvalidToken(text))
            }
            other => panic!("{text} {other:?}"),
        }
    }
}

#[actix_web::test]
async fn a_request_that_needs_no_key_does_not_wait_for_keys() {
    let issuer = app::issuer();
    let _gate = app::shut(&issuer);
    let verifier = app::verifier(&issuer);
    let request = without_credentials(&verifier);
    assert!(matches!(
        poll::<AuthenticatedUser>(&request),
        Poll::Ready(Err(_))
    ));
    assert!(matches!(poll::<MaybeUser>(&request), Poll::Ready(Ok(_))));
    let foreign = issuer.token().claim("iss", "https://other.test/").build();
    for token in [
        "no-token",
        &foreign,
        &issuer.token().header("alg", "none").build(),
    ] {
        let request = app::request(&verifier, token);
        assert!(matches!(
            poll::<AuthenticatedUser>(&request),
            Poll::Ready(Err(_))
        ));
    }
}

#[actix_web::test]
async fn a_token_whose_key_is_being_fetched_waits_for_it() {
    let issuer = app::issuer();
    let gate = app::shut(&issuer);
    let verifier = app::verifier(&issuer);
    let request = app::request(&verifier, &issuer.token().build());
    let mut user =
        Box::pin(AuthenticatedUser::<actix_resource_server::NoClaims>::extract(&request));
    let mut maybe = Box::pin(MaybeUser::<AuthenticatedUser>::extract(&request));
    assert!(poll_once(user.as_mut()).is_pending());
    assert!(poll_once(maybe.as_mut()).is_pending());
    gate.open();
    assert_eq!(
        user.await
            .map(|user| user.subject().unwrap_or_default().to_owned()),
        Ok("user-1".to_owned())
    );
    assert!(maybe.await.is_ok_and(|maybe| maybe.user().is_some()));
}

#[actix_web::test]
async fn all_arguments_of_a_protected_handler_are_ready_at_once() {
    async fn greet(_: AuthenticatedUser, method: actix_web::http::Method) -> String {
        method.to_string()
    }
    fn arguments<T: FromRequest, H: Handler<T>>(_: &H, request: &HttpRequest) -> Poll<bool> {
        let arguments = T::from_request(request, &mut Payload::None);
        poll_once(pin!(arguments)).map(|arguments| arguments.is_ok())
    }
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let handler = protected(greet);
    let good = app::request(&verifier, &issuer.token().build());
    assert_eq!(arguments(&handler, &good), Poll::Ready(true));
    assert_eq!(
        arguments(&handler, &without_credentials(&verifier)),
        Poll::Ready(false)
    );
}

#[actix_web::test]
async fn a_waiting_extraction_may_be_dropped() {
    let issuer = app::issuer();
    let gate = app::shut(&issuer);
    let verifier = app::verifier(&issuer);
    let request = app::request(&verifier, &issuer.token().build());
    let mut dropped =
        Box::pin(AuthenticatedUser::<actix_resource_server::NoClaims>::extract(&request));
    let mut waiting =
        Box::pin(AuthenticatedUser::<actix_resource_server::NoClaims>::extract(&request));
    assert!(poll_once(dropped.as_mut()).is_pending());
    assert!(poll_once(waiting.as_mut()).is_pending());
    drop(dropped);
    gate.open();
    assert!(waiting.await.is_ok());
    let request = TestRequest::get()
        .app_data(verifier)
        .insert_header(bearer("x.y.z"));
    assert!(matches!(
        poll::<AuthenticatedUser>(&request.to_http_request()),
        Poll::Ready(Err(_))
    ));
}
