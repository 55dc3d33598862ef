//! The path of a request: credentials → verified token → proven sender → access.
//!
//! [`authenticate`] does all that needs no waiting. A request whose key is known and whose proof is checked in memory
//! is decided in one poll, without a future on the heap; one that has to wait for a fetch of keys or for the replay
//! store is continued by [`finish`].

use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use actix_web::http::header::HeaderValue;
use actix_web::{HttpMessage, HttpRequest, web};

#[cfg(feature = "service")]
use super::decided::{note_caller, note_rejected};
use super::route_challenge::rejected_for;
use super::sender_constraint::{ReplayCheck, prove_sender};
use super::ticket::caller_by_ticket;
use super::{Access, Caller};
use crate::authorization::{AuthScheme, Credentials, CredentialsError};
use crate::rejection::{Cause, Rejection};
use crate::sender::SenderError;
use crate::verifier::clock::since_epoch;
use crate::verifier::{Pending, Verification, Verified, Verifier, VerifyError};

/// The future of an access type: its `FromRequest::Future`.
#[must_use = "futures do nothing unless polled"]
pub struct AccessFuture<A>(State<A>);

enum State<A> {
    Decided(Ready<Result<A, Rejection>>),
    Waiting(Pin<Box<dyn Future<Output = Result<A, Rejection>>>>),
}

impl<A: Access> AccessFuture<A> {
    /// Authenticates the request with the app's verifier, and asks `A` for its decision.
    pub fn start(request: &HttpRequest) -> Self {
        let Some(verifier) = registered_verifier(request) else {
            log::error!(
                "a protected route has no verifier: add .app_data(verifier) to the App or to the scope of the route, or \
                 serve it by an Api with .verified_by(verifier)"
            );
            return Self(State::Decided(ready(Err(Cause::NoVerifier.into()))));
        };
        Self::verified_by(verifier, request)
    }

    /// As [`start`](Self::start), with this verifier.
    pub(crate) fn verified_by(verifier: &Verifier, request: &HttpRequest) -> Self {
        let decided = |caller| State::Decided(ready(authorize(verifier, request, caller)));
        Self(match authenticate(verifier, request) {
            Ok(Progress::Authenticated(caller)) => decided(Ok(caller)),
            Err(error) => decided(Err(error)),
            Ok(progress) => {
                let (verifier, request) = (verifier.clone(), request.clone());
                State::Waiting(Box::pin(async move {
                    let caller = finish(&verifier, &request, progress).await;
                    authorize(&verifier, &request, caller)
                }))
            }
        })
    }
}

pub(crate) fn registered_verifier(request: &HttpRequest) -> Option<&Verifier> {
    let shared = || request.app_data::<web::Data<Verifier>>();
    request
        .app_data::<Verifier>()
        .or_else(|| shared().map(web::Data::get_ref))
}

/// How far a request is authenticated.
pub(crate) enum Progress {
    /// The caller; `None` if the request has no credentials.
    Authenticated(Option<Caller>),
    /// A fetch may bring the key of the token, or its issuer is being asked about it.
    AwaitsToken(Credentials, Pending),
    /// The replay store has not answered yet whether the proof was used before.
    AwaitsReplayCheck(Caller, ReplayCheck),
}

/// Why a request is not authenticated.
#[derive(Debug)]
pub(crate) enum AuthenticationError {
    /// With the scheme, if it is known.
    Credentials(Option<AuthScheme>, CredentialsError),
    Token(AuthScheme, VerifyError),
    Sender(AuthScheme, SenderError),
}

/// Authenticates a request as far as that is possible without waiting.
pub(crate) fn authenticate(
    verifier: &Verifier,
    request: &HttpRequest,
) -> Result<Progress, AuthenticationError> {
    let schemes = verifier.senders().schemes();
    let credentials = Credentials::find(request.headers(), request.uri(), schemes)?;
    let Some(credentials) = credentials else {
        return Ok(Progress::Authenticated(caller_by_ticket(request, verifier)));
    };
    if let Some(caller) = Caller::find(request, verifier, &credentials) {
        return Ok(Progress::Authenticated(Some(caller)));
    }
    let now = verifier.now();
    let verified = match verify(verifier, &credentials, now)? {
        Verification::Done(verified) => verified,
        Verification::Pending(key) => return Ok(Progress::AwaitsToken(credentials, key)),
    };
    let (caller, replay_check) = prove_sender(verifier, request, &credentials, verified, now)?;
    Ok(match replay_check {
        Some(check) => Progress::AwaitsReplayCheck(caller, check),
        None => {
            request.extensions_mut().insert(caller.clone());
            Progress::Authenticated(Some(caller))
        }
    })
}

/// Waits for what `progress` lacks, and continues as [`authenticate`] does.
pub(crate) async fn finish(
    verifier: &Verifier,
    request: &HttpRequest,
    progress: Progress,
) -> Result<Option<Caller>, AuthenticationError> {
    let (caller, replay_check) = match progress {
        Progress::Authenticated(caller) => return Ok(caller),
        Progress::AwaitsReplayCheck(caller, check) => (caller, Some(check)),
        Progress::AwaitsToken(credentials, key) => {
            let verified = verifier.verify_with(credentials.as_word()?, key).await;
            let verified =
                verified.map_err(|error| AuthenticationError::token(&credentials, error))?;
            prove_sender(verifier, request, &credentials, verified, verifier.now())?
        }
    };
    if let Some(check) = replay_check {
        check.accept(verifier, caller.scheme()).await?;
    }
    request.extensions_mut().insert(caller.clone());
    Ok(Some(caller))
}

/// Verifies the token with the keys that are there, and requests its key if that is not.
fn verify(
    verifier: &Verifier,
    credentials: &Credentials,
    now: SystemTime,
) -> Result<Verification, AuthenticationError> {
    // A cached token was checked before: neither its grammar nor its form is checked again.
    if let Some(verified) = verifier.cached(credentials.as_bytes(), now) {
        let verified = verifier.unrevoked(verified);
        return verified
            .map(Verification::Done)
            .map_err(|error| AuthenticationError::token(credentials, error));
    }
    let token = credentials
        .as_word()
        .map_err(|error| AuthenticationError::credentials(credentials, error))?;
    let verified = verifier.verify_or_request_key(token, now);
    verified.map_err(|error| AuthenticationError::token(credentials, error))
}

/// Verifies the token, and waits for its key or for introspection if it has to.
pub(crate) async fn verify_or_wait(
    verifier: &Verifier,
    credentials: &Credentials,
) -> Result<Arc<Verified>, AuthenticationError> {
    match verify(verifier, credentials, verifier.now())? {
        Verification::Done(verified) => Ok(verified),
        Verification::Pending(pending) => {
            let verified = verifier.verify_with(credentials.as_word()?, pending).await;
            verified.map_err(|error| AuthenticationError::token(credentials, error))
        }
    }
}

impl AuthenticationError {
    fn credentials(credentials: &Credentials, error: CredentialsError) -> Self {
        Self::Credentials(Some(credentials.scheme()), error)
    }

    fn token(credentials: &Credentials, error: VerifyError) -> Self {
        match error {
            VerifyError::Form(_) if !credentials.is_token() => {
                Self::credentials(credentials, CredentialsError::NoToken)
            }
            error => Self::Token(credentials.scheme(), error),
        }
    }

    /// The response to the request; with a nonce where the proof needs one.
    pub(crate) fn into_rejection(self, verifier: &Verifier) -> Rejection {
        match self {
            Self::Credentials(scheme, error) => Rejection::from(error).after(scheme),
            Self::Token(scheme, error) => {
                log::debug!("a token is rejected: {error}");
                Rejection::from(error).after(Some(scheme))
            }
            Self::Sender(scheme, error) => {
                log::debug!("a sender is rejected: {error}");
                let nonce = if error == SenderError::Nonce {
                    verifier.senders().nonce(since_epoch(verifier.now()))
                } else {
                    None
                };
                Rejection::from(error).after(Some(scheme)).with_nonce(nonce)
            }
        }
    }
}

impl From<CredentialsError> for AuthenticationError {
    fn from(error: CredentialsError) -> Self {
        Self::Credentials(error.scheme(), error)
    }
}

/// Asks the access type for its decision, and counts it.
fn authorize<A: Access>(
    verifier: &Verifier,
    request: &HttpRequest,
    caller: Result<Option<Caller>, AuthenticationError>,
) -> Result<A, Rejection> {
    let scopes = || A::requirement().first_scopes();
    authorize_by(verifier, request, caller, A::grant, scopes)
}

/// Asks `grant` for the decision, and counts it; `scopes` are those that challenges name.
pub(super) fn authorize_by<T>(
    verifier: &Verifier,
    request: &HttpRequest,
    caller: Result<Option<Caller>, AuthenticationError>,
    grant: impl FnOnce(Option<Caller>) -> Result<T, Rejection>,
    scopes: impl FnOnce() -> Vec<&'static str>,
) -> Result<T, Rejection> {
    let caller = caller.map_err(|error| error.into_rejection(verifier));
    #[cfg(feature = "service")]
    note_caller(request, caller.as_ref().ok().and_then(Option::as_ref));
    let granted = caller.and_then(|caller| {
        let scheme = caller.as_ref().map(Caller::scheme);
        grant(caller).map_err(|rejection| NextNonce::add(request, rejection.after(scheme)))
    });
    match &granted {
        Ok(_) => verifier.counters().granted.add(1),
        Err(rejection) => {
            if let Some(reason) = rejection.reason() {
                verifier.counters().count_rejected(reason);
            }
            #[cfg(feature = "service")]
            note_rejected(request, rejection);
        }
    }
    granted.map_err(|rejection| {
        let rejection = rejection.offering(verifier.senders().schemes());
        rejected_for(scopes, rejection, request, Some(verifier))
    })
}

/// The nonce for the client's next proof (RFC 9449 §8.2); kept in the request's extensions until its response is made.
pub(crate) struct NextNonce(pub(crate) HeaderValue);

impl NextNonce {
    /// Adds it to the rejection of a caller whose proof was accepted.
    fn add(request: &HttpRequest, rejection: Rejection) -> Rejection {
        let nonce = request.extensions().get().map(|Self(nonce)| nonce.clone());
        rejection.with_nonce(nonce)
    }
}

impl<A> Unpin for AccessFuture<A> {}

impl<A> Future for AccessFuture<A> {
    type Output = Result<A, Rejection>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Decided(decision) => Pin::new(decision).poll(context),
            State::Waiting(decision) => decision.as_mut().poll(context),
        }
    }
}

impl<A> fmt::Debug for AccessFuture<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessFuture")
    }
}

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use std::task::Waker;

    use actix_web::test::TestRequest;

    use super::*;
    use crate::Issuer;
    use crate::extract::{AuthenticatedUser, MaybeUser, NoClaims, Scoped, StepUp};
    use crate::jose::Algorithm;
    use crate::metrics::RejectionReason;
    use crate::test_kit::{SigningKey, TokenBuilder};

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
        let refused = RejectionReason::ALL
            .iter()
            .map(|&reason| (reason.label(), counters.rejected(reason)));
        let refused: Vec<_> = refused.collect();
        let expected = [
            ("unauthenticated", 1),
            ("invalid_request", 0),
            ("invalid_token", 2),
            ("insufficient_user_authentication", 1),
            ("insufficient_scope", 1),
            ("foreign_origin", 0),
            ("keys_unavailable", 0),
            ("key_undetermined", 0),
            ("introspection_unavailable", 0),
            ("revocation_unknown", 0),
            ("invalid_dpop_proof", 0),
            ("replay_unknown", 0),
            ("too_many_dpop_proofs", 0),
            ("too_many_tickets", 0),
        ];
        assert_eq!(refused, expected);
    }

    #[test]
    fn a_bound_token_is_no_bearer_token() {
        let bound = token()
            .claim("cnf", serde_json::json!({"jkt": "x"}))
            .build();
        let refused = decide::<AuthenticatedUser>(&verifier(), Some(&format!("Bearer {bound}")));
        let expected = "The token is bound to its sender and is not a bearer token.";
        assert_eq!(refused, Err(Cause::InvalidToken(expected)));
    }

    #[test]
    fn unusable_credentials_are_rejected_before_any_verification() {
        let unusable = Cause::from(CredentialsError::Unusable);
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
