//! Why a logout token or a security event was not accepted.

use std::time::Duration;

use super::super::VerifyError;
use crate::revocation::RevokeError;

/// Why a logout token or a security event was not accepted; nothing was revoked then.
///
/// The texts are constants: nothing of the token is in them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The verifier was built without [`Revocations`](crate::Revocations).
    #[error("no store of revocations is configured")]
    NotConfigured,
    /// The token is not a compact JWS with one JSON object as payload (RFC 7515 §7.1), or requires extensions.
    #[error("the token is not a signed JWT that can be read")]
    Form,
    /// `typ` is not that of a logout token, or of a security event.
    #[error("the token is of another type")]
    WrongType,
    /// `iss` is not a trusted issuer.
    #[error("the issuer is not trusted")]
    UnknownIssuer,
    /// `aud` names none of the issuer's [event audiences](crate::IssuerBuilder::event_audience), or there are none.
    #[error("the token is for another audience")]
    WrongAudience,
    /// The algorithm is not supported, or not allowed for this issuer or key.
    #[error("the algorithm is not one that this issuer's key is used with")]
    Algorithm,
    /// The issuer has no key for the token.
    #[error("the issuer has no such key")]
    UnknownKey,
    /// The signature is invalid.
    #[error("the signature is invalid")]
    Signature,
    /// A required claim is missing.
    #[error("the claim {claim} is missing")]
    Missing {
        /// The claim's name.
        claim: &'static str,
    },
    /// A claim has the wrong type, or a value that is not allowed.
    #[error("the claim {claim} is malformed")]
    Malformed {
        /// The claim's name.
        claim: &'static str,
    },
    /// A logout token has `nonce`, so that it may be an ID token (OpenID Connect Back-Channel Logout §2.4).
    #[error("a logout token must not have the claim nonce")]
    Nonce,
    /// A logout token has neither `sub` nor `sid`, or an event has no subject.
    #[error("the token names no subject and no session")]
    NoSubject,
    /// The subject is described in a way that identifies no tokens, such as by an email address.
    #[error(
        "the subject must be named by iss_sub, opaque, jwt_id, or a complex one with a user or session of these"
    )]
    UnsupportedSubject,
    /// The subject is one of another issuer than the event.
    #[error("the subject is of another issuer than the event")]
    ForeignSubject,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// The token is older than the issuer's maximum age of tokens, so that it could revoke none.
    #[error("the token is too old")]
    TooOld,
    /// The token, or the event in it, is later than now.
    #[error("the token or its event is ahead of the clock")]
    Ahead,
    /// The store of revocations, or the memory of accepted events, is full: nothing is dropped for others.
    #[error("no more revocations can be kept now")]
    Full,
    /// The issuer's keys or the store of revocations are unavailable.
    #[error("the token cannot be checked or applied now")]
    Unavailable {
        /// The time until the sender may try again.
        retry_after: Duration,
    },
}

impl EventError {
    /// The time after which the same token may be accepted; `None` if it never is.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after } => Some(*retry_after),
            Self::Full | Self::NotConfigured => Some(WHILE_FULL),
            _ => None,
        }
    }
}

/// What was found by the checks that events share with access tokens.
impl From<VerifyError> for EventError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::WrongType => Self::WrongType,
            VerifyError::UnknownIssuer => Self::UnknownIssuer,
            VerifyError::UnknownAlgorithm | VerifyError::AlgorithmNotAllowed => Self::Algorithm,
            VerifyError::UnknownKey(_) => Self::UnknownKey,
            VerifyError::Signature
            | VerifyError::OutdatedKey(_)
            | VerifyError::KeyOfOtherTenant => Self::Signature,
            VerifyError::Missing { claim } => Self::Missing { claim },
            VerifyError::Malformed { claim } => Self::Malformed { claim },
            VerifyError::KeysUnavailable { retry_after }
            | VerifyError::KeyUndetermined { retry_after } => Self::Unavailable { retry_after },
            _ => Self::Form,
        }
    }
}

impl From<RevokeError> for EventError {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::NotConfigured => Self::NotConfigured,
            RevokeError::UnknownIssuer => Self::UnknownIssuer,
            RevokeError::InFuture => Self::Ahead,
            RevokeError::Full => Self::Full,
            RevokeError::Unavailable => Self::Unavailable {
                retry_after: WHILE_UNAVAILABLE,
            },
        }
    }
}

/// Cut-offs end when tokens do; a larger store takes more at once.
const WHILE_FULL: Duration = Duration::from_secs(60);

/// A store is usually back soon, and the revocation should not wait for long.
const WHILE_UNAVAILABLE: Duration = Duration::from_secs(1);
