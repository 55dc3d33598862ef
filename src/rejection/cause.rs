//! Every way to be turned away: its status, its error code and its text.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::http::StatusCode;

use super::challenge::ErrorCode;
use crate::claims::authn::AuthnRequirement;
use crate::metrics::Refusal;

/// Why a caller is turned away; all its texts are constants, and nothing of the request is among them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// 401 without an error code: no credentials, or none for us.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// 400 `invalid_request`.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// 401 `invalid_token`.
    #[error("{0}")]
    InvalidToken(&'static str),
    /// 401 `invalid_dpop_proof`.
    #[error("{0}")]
    InvalidProof(&'static str),
    /// 401 `use_dpop_nonce`, with a nonce to use.
    #[error("{NONCE_NEEDED}")]
    NonceNeeded,
    /// 401 `insufficient_user_authentication` (RFC 9470 §3).
    #[error("{TOO_WEAK_LOGIN} {0}.")]
    InsufficientLogin(AuthnRequirement),
    /// 403 `insufficient_scope`.
    #[error("{TOO_LITTLE_SCOPE}")]
    InsufficientScope {
        /// The ways to fulfil the demand, each a list of scopes that are needed together.
        alternatives: Vec<Vec<&'static str>>,
    },
    /// 403 `insufficient_scope`, with the description of the rule on claims that does not hold.
    #[error("{0}")]
    UnfulfilledRule(&'static str),
    /// 503 with `Retry-After`: the token may be good.
    #[error("the issuer's keys cannot be had")]
    KeysUnavailable {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// 503 with `Retry-After`: the token names a key that is not known yet, and may be good.
    #[error("whether the issuer has the token's key is not known yet")]
    KeyUndetermined {
        /// When the issuer may be asked again.
        retry_after: Duration,
    },
    /// 503 with `Retry-After`: the proof may be good.
    #[error("{PROOFS_UNKNOWN}")]
    ReplayUnknown,
    /// 429 with `Retry-After`: too many proofs by the sender's key are still good; no other sender is affected.
    #[error("{TOO_MANY_PROOFS}")]
    TooManyProofs,
    /// 500: the application serves a protected route without a verifier.
    #[error("no verifier is registered")]
    NoVerifier,
}

impl Cause {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated(_)
            | Self::InvalidToken(_)
            | Self::InvalidProof(_)
            | Self::InsufficientLogin(_)
            | Self::NonceNeeded => StatusCode::UNAUTHORIZED,
            Self::InvalidRequest(_) => StatusCode::BAD_REQUEST,
            Self::InsufficientScope { .. } | Self::UnfulfilledRule(_) => StatusCode::FORBIDDEN,
            Self::KeysUnavailable { .. } | Self::KeyUndetermined { .. } | Self::ReplayUnknown => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::TooManyProofs => StatusCode::TOO_MANY_REQUESTS,
            Self::NoVerifier => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The error code of the challenge; `None` where it has none.
    pub(super) fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::InvalidRequest(_) => Some(ErrorCode::InvalidRequest),
            Self::InvalidToken(_) => Some(ErrorCode::InvalidToken),
            Self::InvalidProof(_) => Some(ErrorCode::InvalidProof),
            Self::NonceNeeded => Some(ErrorCode::UseNonce),
            Self::InsufficientLogin(_) => Some(ErrorCode::InsufficientLogin),
            Self::InsufficientScope { .. } | Self::UnfulfilledRule(_) => {
                Some(ErrorCode::InsufficientScope)
            }
            Self::Unauthenticated(_)
            | Self::KeysUnavailable { .. }
            | Self::KeyUndetermined { .. }
            | Self::ReplayUnknown
            | Self::TooManyProofs
            | Self::NoVerifier => None,
        }
    }

    /// What the client is told.
    pub(super) fn text(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Unauthenticated(text)
            | Self::InvalidRequest(text)
            | Self::InvalidToken(text)
            | Self::InvalidProof(text)
            | Self::UnfulfilledRule(text) => text,
            Self::NonceNeeded => NONCE_NEEDED,
            Self::ReplayUnknown => PROOFS_UNKNOWN,
            Self::TooManyProofs => TOO_MANY_PROOFS,
            Self::InsufficientLogin(_) => return Cow::Owned(self.to_string()),
            Self::InsufficientScope { .. } => TOO_LITTLE_SCOPE,
            Self::KeysUnavailable { .. } => {
                "The issuer's keys cannot be had at the moment; the token may be good."
            }
            Self::KeyUndetermined { .. } => {
                "The token's key is not known yet; the token may be good."
            }
            Self::NoVerifier => "The server is not configured to verify access tokens.",
        })
    }

    /// When it is worth trying again, where that is for the server to say.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::KeysUnavailable { retry_after } | Self::KeyUndetermined { retry_after } => {
                Some(*retry_after)
            }
            Self::ReplayUnknown | Self::TooManyProofs => Some(RETRY_SOON),
            _ => None,
        }
    }

    /// Whether both are answered with the same challenges and the same body.
    pub(super) fn reads_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::KeysUnavailable { .. }, Self::KeysUnavailable { .. })
            | (Self::KeyUndetermined { .. }, Self::KeyUndetermined { .. }) => true,
            _ => self == other,
        }
    }

    /// The reason under which it is counted; `None` for a fault of the application.
    pub(super) fn reason(&self) -> Option<Refusal> {
        match self {
            Self::Unauthenticated(_) => Some(Refusal::Unauthenticated),
            Self::InvalidRequest(_) => Some(Refusal::InvalidRequest),
            Self::InvalidToken(_) => Some(Refusal::InvalidToken),
            Self::InvalidProof(_) | Self::NonceNeeded => Some(Refusal::InvalidProof),
            Self::ReplayUnknown => Some(Refusal::ReplayUnknown),
            Self::TooManyProofs => Some(Refusal::TooManyProofs),
            Self::InsufficientLogin(_) => Some(Refusal::InsufficientLogin),
            Self::InsufficientScope { .. } | Self::UnfulfilledRule(_) => {
                Some(Refusal::InsufficientScope)
            }
            Self::KeysUnavailable { .. } => Some(Refusal::KeysUnavailable),
            Self::KeyUndetermined { .. } => Some(Refusal::KeyUndetermined),
            Self::NoVerifier => None,
        }
    }
}

const TOO_LITTLE_SCOPE: &str = "The token does not grant the scope that this route needs.";

const NONCE_NEEDED: &str = "The proof must carry the nonce that the DPoP-Nonce header gives.";

const PROOFS_UNKNOWN: &str = "Whether the proof was used before cannot be found out at the moment.";

const TOO_MANY_PROOFS: &str =
    "Too many DPoP proofs by this key are still good; send fewer requests.";

const TOO_WEAK_LOGIN: &str = "The login behind the token does not suffice; this route needs";

/// By then the replay store is asked again, proofs of the sender have expired, and keys are fetched again within a few
/// attempts.
const RETRY_SOON: Duration = Duration::from_secs(1);
