//! The walk of a request: credentials → verify → grant.
//!
//! When the key is known the answer is ready at once and nothing is put on the heap; only a
//! request that has to wait for a key carries a future there.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::{HttpRequest, web};

use super::{Access, Caller};
use crate::credentials::{Credentials, Schemes};
use crate::keys::{Fetch, Wish};
use crate::rejection::{Cause, Rejection};
use crate::verify::{Missing, Verifier, VerifyError};

/// The future of an access type: its `FromRequest::Future`.
#[must_use = "futures do nothing unless polled"]
pub struct Granting<A>(Step<A>);

enum Step<A> {
    Decided(Option<Result<A, Rejection>>),
    Fetching(Pin<Box<dyn Future<Output = Result<A, Rejection>>>>),
}

impl<A: Access> Granting<A> {
    /// Finds the request's credentials, verifies them and asks `A`.
    pub fn start(request: &HttpRequest) -> Self {
        let Some(verifier) = verifier(request) else {
            log::error!(
                "a protected route has no verifier: register one, with Api::verified_by or App::app_data"
            );
            return Self(Step::Decided(Some(Err(Cause::NoVerifier.into()))));
        };
        Self(match look(verifier, request) {
            Look::Done(caller) => Step::Decided(Some(decide(verifier, caller))),
            Look::Waiting(token, keys) => {
                Step::Fetching(Box::pin(wait(verifier.clone(), token, keys)))
            }
        })
    }
}

/// What one look at a request brings, with the keys that are there.
enum Look {
    Done(Result<Option<Caller>, Rejection>),
    Waiting(Credentials, Fetch),
}

fn verifier(request: &HttpRequest) -> Option<&Verifier> {
    let shared = || {
        request
            .app_data::<web::Data<Verifier>>()
            .map(web::Data::get_ref)
    };
    request.app_data::<Verifier>().or_else(shared)
}

fn look(verifier: &Verifier, request: &HttpRequest) -> Look {
    match Credentials::find(request.headers(), request.uri(), Schemes::BEARER) {
        Ok(Some(token)) => seek(verifier, token),
        Ok(None) => Look::Done(Ok(None)),
        Err(error) => Look::Done(Err(error.into())),
    }
}

/// Checks the token, and wishes for its key if that is not there.
fn seek(verifier: &Verifier, token: Credentials) -> Look {
    let missing = match check(verifier, &token) {
        Err(Refused::ForNow(missing)) => missing,
        Err(Refused::Finally(rejection)) => return Look::Done(Err(rejection)),
        Ok(caller) => return Look::Done(Ok(Some(caller))),
    };
    match verifier.wish_for(missing) {
        Wish::Arrived => seek(verifier, token),
        Wish::Denied => Look::Done(Err(refusal(VerifyError::UnknownKey(missing)))),
        Wish::Failing(retry_after) => {
            Look::Done(Err(Cause::KeysUnavailable { retry_after }.into()))
        }
        Wish::Fetching(keys) => Look::Waiting(token, keys),
    }
}

/// Why a token is worth nothing.
enum Refused {
    Finally(Rejection),
    /// A fetch may bring the key.
    ForNow(Missing),
}

impl<E: Into<Rejection>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Finally(error.into())
    }
}

/// What the token is worth as a bearer token, now.
fn check(verifier: &Verifier, token: &Credentials) -> Result<Caller, Refused> {
    let now = verifier.now();
    let verified = match verifier.recall(token.as_bytes(), now) {
        Some(known) => known,
        None => verifier
            .verify_afresh(token.as_str()?, now)
            .map_err(refused)?,
    };
    if verified.is_sender_constrained() {
        return Err(refusal(VerifyError::Bound).into());
    }
    Ok(Caller::new(verified))
}

fn refused(error: VerifyError) -> Refused {
    match error {
        VerifyError::UnknownKey(missing) => Refused::ForNow(missing),
        error => Refused::Finally(refusal(error)),
    }
}

async fn wait<A: Access>(
    verifier: Verifier,
    token: Credentials,
    keys: Fetch,
) -> Result<A, Rejection> {
    let caller = await_key(&verifier, token, keys).await;
    decide(&verifier, caller)
}

/// Awaits a fetch of the issuer's keys, and checks again. One that had begun before the key was wished
/// for may have missed it: then the wish is made once more.
async fn await_key(
    verifier: &Verifier,
    token: Credentials,
    keys: Fetch,
) -> Result<Option<Caller>, Rejection> {
    let is_late = keys.is_late;
    arrival(keys).await?;
    if !is_late {
        return last_check(verifier, &token);
    }
    match seek(verifier, token) {
        Look::Done(caller) => caller,
        Look::Waiting(token, keys) => {
            arrival(keys).await?;
            last_check(verifier, &token)
        }
    }
}

async fn arrival(keys: Fetch) -> Result<(), Rejection> {
    match keys.brought_keys().await {
        true => Ok(()),
        false => Err(Cause::KeysUnavailable {
            retry_after: RETRY_AFTER,
        }
        .into()),
    }
}

fn last_check(verifier: &Verifier, token: &Credentials) -> Result<Option<Caller>, Rejection> {
    match check(verifier, token) {
        Err(Refused::ForNow(missing)) => {
            verifier.still_missing(missing);
            Err(refusal(VerifyError::UnknownKey(missing)))
        }
        Err(Refused::Finally(rejection)) => Err(rejection),
        Ok(caller) => Ok(Some(caller)),
    }
}

fn decide<A: Access>(
    verifier: &Verifier,
    caller: Result<Option<Caller>, Rejection>,
) -> Result<A, Rejection> {
    let granted = caller.and_then(A::grant);
    match &granted {
        Ok(_) => verifier.counters().count_granted(),
        Err(rejection) => {
            if let Some(reason) = rejection.reason() {
                verifier.counters().count_refused(reason);
            }
        }
    }
    granted
}

fn refusal(error: VerifyError) -> Rejection {
    log::debug!("a token is refused: {error}");
    error.into()
}

impl<A> Unpin for Granting<A> {}

impl<A> Future for Granting<A> {
    type Output = Result<A, Rejection>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Step::Decided(decision) => match decision.take() {
                Some(decision) => Poll::Ready(decision),
                None => Poll::Pending,
            },
            Step::Fetching(fetch) => fetch.as_mut().poll(context),
        }
    }
}

impl<A> std::fmt::Debug for Granting<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Granting")
    }
}

/// A fetch has just failed; the next one is made within a few of these.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use std::task::Waker;

    use actix_web::test::TestRequest;

    use super::*;
    use crate::access::{AuthenticatedUser, MaybeUser, NoClaims, Scoped};
    use crate::counters::Refusal;
    use crate::jose::Algorithm;
    use crate::test_kit::{SigningKey, TokenBuilder};
    use crate::{Issuer, credentials};

    crate::scope!(Read = "read");

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

    fn poll<A>(granting: &mut Granting<A>) -> Poll<Result<A, Rejection>> {
        Pin::new(granting).poll(&mut Context::from_waker(Waker::noop()))
    }

    /// What becomes of a request with this `Authorization` header.
    fn decide<A: Access>(verifier: &Verifier, header: Option<&str>) -> Result<(), Rejection> {
        let request = TestRequest::default().app_data(verifier.clone());
        let request = match header {
            Some(header) => request.insert_header(("authorization", header)),
            None => request,
        };
        match poll(&mut Granting::<A>::start(&request.to_http_request())) {
            Poll::Ready(decided) => decided.map(drop),
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
        let counters = verifier.counters();
        assert_eq!(counters.granted(), 2);
        let refused = Refusal::ALL.map(|reason| (reason.label(), counters.refused(reason)));
        let expected = [
            ("unauthenticated", 1),
            ("invalid_request", 0),
            ("invalid_token", 2),
            ("insufficient_scope", 1),
            ("keys_unavailable", 0),
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
        assert_eq!(refused, Err(Cause::InvalidToken(expected).into()));
    }

    #[test]
    fn credentials_that_cannot_be_used_are_refused_before_any_verifying() {
        let unusable = Rejection::from(credentials::CredentialsError::Unusable);
        for header in ["", "Bearer", "Basic YTpi", "Bearer a b"] {
            let refused = decide::<MaybeUser>(&verifier(), Some(header));
            assert_eq!(refused, Err(unusable.clone()), "{header:?}");
        }
    }

    #[test]
    fn a_decision_is_taken_once() {
        let request = TestRequest::default()
            .app_data(verifier())
            .to_http_request();
        let mut granting = Granting::<AuthenticatedUser<NoClaims>>::start(&request);
        assert!(poll(&mut granting).is_ready());
        assert!(poll(&mut granting).is_pending());
    }
}
