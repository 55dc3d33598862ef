//! Renewal of a stream's access by another token of the same caller.

use std::sync::Arc;

use super::{StreamAccess, StreamEnd};
use crate::authorization::{AuthScheme, Credentials};
use crate::claims::actor::Actor;
use crate::extract::{Caller, verify_or_wait};
use crate::rejection::Rejection;
use crate::sender::SenderProof;
use crate::verifier::{Verified, Verifier};

/// What another token of the caller is judged by.
pub(super) struct Renewal {
    pub(super) verifier: Verifier,
    /// The decision of the route's access type.
    pub(super) grant: fn(Caller) -> Result<(), Rejection>,
    pub(super) scheme: AuthScheme,
    /// What the request that has opened the stream has proven.
    pub(super) sender: SenderProof,
}

impl StreamAccess {
    /// Replaces the token by another one of the same caller, so that the stream ends with that.
    ///
    /// The application calls it when a client sends a token in a message of the application's own protocol. The token is
    /// verified as that of a request, and the access type of the route decides on it again. It must be of the same issuer,
    /// subject and client (`client_id`, or `azp` or `appid`), and of the same current actor, if there is one. A
    /// sender-constrained token must be bound to the same key and certificate as the one before: the connection that proves possession is that of the first token.
    ///
    /// # Errors
    /// [`RenewError`]; the token before stays in force.
    pub async fn renew(&self, token: &str) -> Result<(), RenewError> {
        let renewal = self.0.renewal.as_ref().ok_or(RenewError::Unavailable)?;
        if let Some(end) = self.0.state().end {
            return Err(RenewError::Ended(end));
        }
        let verified = renewal.verify(token).await?;
        let before = Arc::clone(&self.0.state().verified);
        if !is_same_caller(&before, &verified) {
            return Err(RenewError::OtherCaller);
        }
        if !is_same_sender(&before, &verified) {
            return Err(RenewError::OtherSender);
        }
        let credentials = renewal.credentials(token)?;
        let now = renewal.verifier.now();
        let caller = Caller::new(Arc::clone(&verified), credentials, renewal.sender, now);
        (renewal.grant)(caller).map_err(RenewError::Rejected)?;
        self.0.replace(verified).map_err(RenewError::Ended)
    }
}

impl Renewal {
    fn credentials(&self, token: &str) -> Result<Credentials, RenewError> {
        let credentials = Credentials::new(self.scheme, token);
        credentials.map_err(|error| RenewError::Rejected(error.into()))
    }

    async fn verify(&self, token: &str) -> Result<Arc<Verified>, RenewError> {
        let credentials = self.credentials(token)?;
        let verified = verify_or_wait(&self.verifier, &credentials).await;
        verified.map_err(|error| RenewError::Rejected(error.into_rejection(&self.verifier)))
    }
}

/// Two tokens without a subject are not of the same caller.
fn is_same_caller(one: &Verified, other: &Verified) -> bool {
    one.issuer() == other.issuer()
        && one.subject().is_some()
        && one.subject() == other.subject()
        && one.client() == other.client()
        && one.actor().map(Actor::names) == other.actor().map(Actor::names)
}

fn is_same_sender(one: &Verified, other: &Verified) -> bool {
    let (one, other) = (one.confirmation(), other.confirmation());
    one.binds() == other.binds()
        && one.key_thumbprint == other.key_thumbprint
        && one.certificate_thumbprint == other.certificate_thumbprint
}

/// Why the access of a stream is not renewed. Its texts are constants.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenewError {
    /// The token is invalid, or does not grant what the route requires, or that is unknown at the moment.
    #[error("the token is rejected: {0}")]
    Rejected(Rejection),
    /// The token is of another issuer, subject, client or actor, or names no subject.
    #[error("the token is of another caller")]
    OtherCaller,
    /// The token is bound to another key or certificate, or only one of both tokens is bound.
    #[error("the token is bound to another sender")]
    OtherSender,
    /// The access has ended before.
    #[error("the access has ended: {0}")]
    Ended(StreamEnd),
    /// The verifier has been dropped.
    #[error("there is no verifier any more")]
    Unavailable,
}
