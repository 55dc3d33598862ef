//! The walk of a request: credentials → verified token → proven sender.

use actix_web::http::header::HeaderValue;
use actix_web::{HttpMessage, HttpRequest};

use super::Caller;
use super::sender_constraint::{self, Checked, Claim, Proving};
use crate::authorization::{Credentials, CredentialsError};
use crate::keys::{Fetch, KeyRequest};
use crate::rejection::{Cause, RETRY_SOON, Rejection};
use crate::verifier::{Verifier, VerifyError};

/// Left with a request by its access argument, for the answer.
pub(crate) struct NextNonce(pub(crate) HeaderValue);

impl NextNonce {
    /// Gives it to a caller who is known, and turned away for what the token grants.
    pub(super) fn give(request: &HttpRequest, rejection: Rejection) -> Rejection {
        match request.extensions().get() {
            Some(Self(nonce)) => rejection.with_nonce(nonce.clone()),
            None => rejection,
        }
    }
}

/// What one look at a request brings, with the keys that are there.
pub(super) enum Look {
    Done(Result<Option<Caller>, Rejection>),
    Waiting(Wait),
}

/// What a request has to wait for.
pub(super) enum Wait {
    /// For the key of its token.
    Keys(Credentials, VerifyError, Fetch),
    /// For whoever remembers proofs, before this caller is let in.
    Proof(Caller, Claim),
}

impl From<Proving> for Look {
    fn from(proving: Proving) -> Self {
        match proving {
            Proving::Done(caller) => Self::Done(Ok(Some(caller))),
            Proving::Refused(rejection) => Self::Done(Err(rejection)),
            Proving::Pending(caller, claim) => Self::Waiting(Wait::Proof(caller, claim)),
        }
    }
}

/// Looks at a request's credentials.
pub(super) fn look(verifier: &Verifier, request: &HttpRequest) -> Look {
    let accepted = verifier.senders().schemes();
    match Credentials::find(request.headers(), request.uri(), accepted) {
        Ok(Some(credentials)) => seek(verifier, request, credentials),
        Ok(None) => Look::Done(Ok(None)),
        Err(error) => {
            let scheme = error.scheme();
            Look::Done(Err(Rejection::from(error).after(scheme)))
        }
    }
}

/// Checks the token, and wishes for its key if that is not there.
fn seek(verifier: &Verifier, request: &HttpRequest, credentials: Credentials) -> Look {
    let error = match check(verifier, &credentials) {
        Err(Refused::ForNow(error)) => error,
        Err(Refused::Finally(rejection)) => return Look::Done(Err(rejection)),
        Ok(checked) => {
            return sender_constraint::prove(verifier, request, &credentials, checked).into();
        }
    };
    let refusal = match verifier.request_key(&error) {
        KeyRequest::Arrived => return seek(verifier, request, credentials),
        KeyRequest::Fetching(keys) => return Look::Waiting(Wait::Keys(credentials, error, keys)),
        KeyRequest::Denied => refusal(error),
        KeyRequest::Failing(retry_after) => Cause::KeysUnavailable { retry_after }.into(),
        KeyRequest::Undetermined(retry_after) => Cause::KeyUndetermined { retry_after }.into(),
    };
    Look::Done(Err(refusal.after(Some(credentials.scheme()))))
}

/// Why a token is worth nothing.
enum Refused {
    Finally(Rejection),
    /// A fetch may bring the key.
    ForNow(VerifyError),
}

/// What the token is worth now, whoever sends it.
fn check(verifier: &Verifier, credentials: &Credentials) -> Result<Checked, Refused> {
    let now = verifier.now();
    if let Some(verified) = verifier.recall(credentials.as_bytes(), now) {
        return Ok(Checked { verified, now });
    }
    let refused = |rejection: Rejection| {
        let scheme = Some(credentials.scheme());
        Refused::Finally(rejection.after(scheme))
    };
    let token = credentials
        .as_word()
        .map_err(|error| refused(error.into()))?;
    match verifier.verify_afresh(token, now) {
        Ok(verified) => Ok(Checked { verified, now }),
        Err(error @ (VerifyError::UnknownKey(_) | VerifyError::OutdatedKey(_))) => {
            Err(Refused::ForNow(error))
        }
        Err(VerifyError::Form(_)) if !credentials.is_token() => {
            Err(refused(CredentialsError::NoToken.into()))
        }
        Err(error) => Err(refused(refusal(error))),
    }
}

/// A request that has to wait, and what it takes to look at it again.
pub(super) struct Walk {
    pub(super) verifier: Verifier,
    pub(super) request: HttpRequest,
}

impl Walk {
    pub(super) fn new(verifier: Verifier, request: HttpRequest) -> Self {
        Self { verifier, request }
    }

    /// Awaits what is missing, and goes on from there. A fetch that had begun before the key was wished
    /// for may have missed it: then the wish is made once more.
    pub(super) async fn go_on(&self, wait: Wait) -> Result<Option<Caller>, Rejection> {
        let look = match wait {
            Wait::Keys(credentials, error, keys) if keys.is_late => {
                arrival(keys, error, &credentials).await?;
                seek(&self.verifier, &self.request, credentials)
            }
            wait => Look::Waiting(wait),
        };
        match look {
            Look::Done(caller) => caller,
            Look::Waiting(Wait::Keys(credentials, error, keys)) => {
                arrival(keys, error, &credentials).await?;
                self.last_look(&credentials).await
            }
            Look::Waiting(Wait::Proof(caller, claim)) => self.settle(caller, claim).await,
        }
    }

    /// Checks the token with the keys that have come, and with no others.
    async fn last_look(&self, credentials: &Credentials) -> Result<Option<Caller>, Rejection> {
        let checked = match check(&self.verifier, credentials) {
            Ok(checked) => checked,
            Err(Refused::Finally(rejection)) => return Err(rejection),
            Err(Refused::ForNow(error)) => {
                let refusal = refusal(error);
                return Err(refusal.after(Some(credentials.scheme())));
            }
        };
        match sender_constraint::prove(&self.verifier, &self.request, credentials, checked) {
            Proving::Done(caller) => Ok(Some(caller)),
            Proving::Refused(rejection) => Err(rejection),
            Proving::Pending(caller, claim) => self.settle(caller, claim).await,
        }
    }

    async fn settle(&self, caller: Caller, claim: Claim) -> Result<Option<Caller>, Rejection> {
        let settled = sender_constraint::settle(&self.verifier, caller, claim);
        settled.await.map(Some)
    }
}

/// Waits for a fetch that may mend `error`. Where it fails, a signature that does not hold under the key that is there
/// is refused for that; whether there is a key that is not there stays open.
async fn arrival(
    keys: Fetch,
    error: VerifyError,
    credentials: &Credentials,
) -> Result<(), Rejection> {
    if keys.brought_keys().await {
        return Ok(());
    }
    if let VerifyError::OutdatedKey(_) = error {
        return Err(refusal(error).after(Some(credentials.scheme())));
    }
    Err(Cause::KeysUnavailable {
        retry_after: RETRY_SOON,
    }
    .into())
}

fn refusal(error: VerifyError) -> Rejection {
    log::debug!("a token is refused: {error}");
    error.into()
}
