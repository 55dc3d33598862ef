//! An access type's decision on a request, ready at once whenever the key is known.
//!
//! Then nothing is put on the heap; only a request that has to wait, for a key or for whoever
//! remembers proofs, carries a future there.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::{HttpRequest, web};

use super::authenticate::{self, Look, NextNonce, Walk};
use super::{Access, Caller};
use crate::rejection::{Cause, Rejection};
use crate::verifier::Verifier;

/// The future of an access type: its `FromRequest::Future`.
#[must_use = "futures do nothing unless polled"]
pub struct AccessFuture<A>(Step<A>);

enum Step<A> {
    Decided(Ready<Result<A, Rejection>>),
    Waiting(Pin<Box<dyn Future<Output = Result<A, Rejection>>>>),
}

impl<A: Access> AccessFuture<A> {
    /// Finds the request's credentials, has them verified as the app is told to, and asks `A`.
    pub fn start(request: &HttpRequest) -> Self {
        let Some(verifier) = verifier(request) else {
            log::error!(
                "a protected route has no verifier: register one, with Api::verified_by or App::app_data"
            );
            return Self(Step::Decided(ready(Err(Cause::NoVerifier.into()))));
        };
        Self::verified_by(verifier, request)
    }

    /// The same with this verifier.
    pub(crate) fn verified_by(verifier: &Verifier, request: &HttpRequest) -> Self {
        Self(match authenticate::look(verifier, request) {
            Look::Done(caller) => Step::Decided(ready(decide(request, verifier, caller))),
            Look::Waiting(wait) => {
                let walk = Walk::new(verifier.clone(), request.clone());
                Step::Waiting(Box::pin(async move {
                    let caller = walk.go_on(wait).await;
                    decide(&walk.request, &walk.verifier, caller)
                }))
            }
        })
    }
}

fn verifier(request: &HttpRequest) -> Option<&Verifier> {
    let shared = || {
        request
            .app_data::<web::Data<Verifier>>()
            .map(web::Data::get_ref)
    };
    request.app_data::<Verifier>().or_else(shared)
}

fn decide<A: Access>(
    request: &HttpRequest,
    verifier: &Verifier,
    caller: Result<Option<Caller>, Rejection>,
) -> Result<A, Rejection> {
    let granted = caller.and_then(|caller| {
        let scheme = caller.as_ref().map(Caller::scheme);
        A::grant(caller).map_err(|rejection| NextNonce::give(request, rejection.after(scheme)))
    });
    let rejection = match granted {
        Ok(access) => {
            verifier.counters().count_granted();
            return Ok(access);
        }
        Err(rejection) => rejection,
    };
    if let Some(reason) = rejection.reason() {
        verifier.counters().count_refused(reason);
    }
    Err(rejection.offering(verifier.senders().schemes()))
}

impl<A> Unpin for AccessFuture<A> {}

impl<A> Future for AccessFuture<A> {
    type Output = Result<A, Rejection>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Step::Decided(decision) => Pin::new(decision).poll(context),
            Step::Waiting(decision) => decision.as_mut().poll(context),
        }
    }
}

impl<A> std::fmt::Debug for AccessFuture<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccessFuture")
    }
}

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use std::task::Waker;

    use actix_web::test::TestRequest;

    use super::*;
    use crate::extract::{AuthenticatedUser, MaybeUser, NoClaims, Scoped, StepUp};
    use crate::jose::Algorithm;
    use crate::metrics::Refusal;
    use crate::test_kit::{SigningKey, TokenBuilder};
    use crate::{Issuer, authorization};

    crate::scope!(Read = "read");
    crate::step_up!(Recently = max_age 5 minutes);

    const ISSUER: &str = "https://issuer.example/";

    fn key() -> SigningKey {
        SigningKey::from_secret(&"s".repeat(32), Algorithm::Hs256)
    }

    fn verifier() -> Verifier {
        let issuer = Issuer::with_secret(ISSUER, &"s".repeat(32), Algorithm::Hs256);
        let issuer = issuer.audience("api").build().expect("an issuer");
        Verifier::start([issuer]).expect("a verifier")
    }

    fn token() -> TokenBuilder {
        TokenBuilder::new(ISSUER, "api", &key())
    }

    fn poll<A>(granting: &mut AccessFuture<A>) -> Poll<Result<A, Rejection>> {
        Pin::new(granting).poll(&mut Context::from_waker(Waker::noop()))
    }

    /// What becomes of a request with this `Authorization` header.
    fn decide<A: Access>(verifier: &Verifier, header: Option<&str>) -> Result<(), Cause> {
        let request = TestRequest::default().app_data(verifier.clone());
        let request = match header {
            Some(header) => request.insert_header(("authorization", header)),
            None => request,
        };
        match poll(&mut AccessFuture::<A>::start(&request.to_http_request())) {
            Poll::Ready(decided) => decided.map(drop).map_err(Rejection::into_cause),
            Poll::Pending => panic!("a configured key is always there"),
        }
    }

    #[test]
    fn every_decision_is_counted_once() {
        let verifier = verifier();
        let good = format!("Bearer {}", token().build());
        let bad = format!("Bearer {}", token().raw_signature([1]).build());
        assert_eq!(decide::<AuthenticatedUser>(&verifier, Some(&good)), Ok(()));
        assert_eq!(decide::<MaybeUser>(&verifier, None), Ok(()));
        assert!(decide::<AuthenticatedUser>(&verifier, Some(&bad)).is_err());
        assert!(decide::<MaybeUser>(&verifier, Some(&bad)).is_err());
        assert!(decide::<AuthenticatedUser>(&verifier, None).is_err());
        assert!(decide::<Scoped<Read>>(&verifier, Some(&good)).is_err());
        assert!(decide::<StepUp<Recently>>(&verifier, Some(&good)).is_err());
        let counters = verifier.counters();
        assert_eq!(counters.granted(), 2);
        let refused = Refusal::ALL
            .iter()
            .map(|&reason| (reason.label(), counters.refused(reason)));
        let refused: Vec<_> = refused.collect();
        let expected = [
            ("unauthenticated", 1),
            ("invalid_request", 0),
            ("invalid_token", 2),
            ("insufficient_user_authentication", 1),
            ("insufficient_scope", 1),
            ("keys_unavailable", 0),
            ("key_undetermined", 0),
            ("invalid_dpop_proof", 0),
            ("replay_unknown", 0),
            ("too_many_dpop_proofs", 0),
        ];
        assert_eq!(refused, expected);
    }

    #[test]
    fn a_bound_token_is_no_bearer_token() {
        let bound = token()
            .claim("cnf", serde_json::json!({"jkt": "x"}))
            .build();
        let refused = decide::<AuthenticatedUser>(&verifier(), Some(&format!("Bearer {bound}")));
        let expected = "The token is bound to its sender and is no bearer token.";
        assert_eq!(refused, Err(Cause::InvalidToken(expected)));
    }

    #[test]
    fn credentials_that_cannot_be_used_are_refused_before_any_verifying() {
        let unusable = Cause::from(authorization::CredentialsError::Unusable);
        for header in ["", "Bearer", "Basic YTpi", "Bearer a b"] {
            let refused = decide::<MaybeUser>(&verifier(), Some(header));
            assert_eq!(refused, Err(unusable.clone()), "{header:?}");
        }
    }

    #[test]
    #[should_panic(expected = "polled after completion")]
    fn a_poll_after_completion_panics() {
        let request = TestRequest::default()
            .app_data(verifier())
            .to_http_request();
        let mut granting = AccessFuture::<AuthenticatedUser<NoClaims>>::start(&request);
        assert!(poll(&mut granting).is_ready());
        drop(poll(&mut granting));
    }
}
