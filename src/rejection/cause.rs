//! The causes of rejections: status, error code, metric and text of each.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::http::StatusCode;

use crate::claims::authn::AuthnRequirement;
use crate::metrics::RejectionReason;

/// The cause of a rejection. Its texts are constants: nothing from the request is repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// 401 without an error code: no credentials, or none that this API accepts.
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
        /// The sufficient sets of scopes.
        alternatives: Vec<Vec<&'static str>>,
    },
    /// 403 `insufficient_scope`, with the description of the claim rule that is not fulfilled.
    #[error("{0}")]
    UnfulfilledRule(&'static str),
    /// 403 without an error code: a page of an origin that is not allowed calls a route for WebSockets or streams.
    #[error("{FOREIGN_ORIGIN}")]
    ForeignOrigin,
    /// 503 with `Retry-After`: the token may be valid.
    #[error("the issuer's keys are unavailable")]
    KeysUnavailable {
        /// The time until a retry may succeed.
        retry_after: Duration,
    },
    /// 503 with `Retry-After`: the token names a key that is not known yet, and may be valid.
    #[error("whether the issuer has the token's key is not known yet")]
    KeyUndetermined {
        /// The time until the issuer may be asked.
        retry_after: Duration,
    },
    /// 503 with `Retry-After`: the token could not be introspected; it may be valid.
    #[error("the token could not be introspected")]
    IntrospectionUnavailable {
        /// The time until a retry may succeed.
        retry_after: Duration,
    },
    /// 503 with `Retry-After`: whether the token is revoked is unknown; it may be valid.
    #[error("{REVOCATION_UNKNOWN}")]
    RevocationUnknown,
    /// 503 with `Retry-After`: the replay store is unavailable; the proof may be valid.
    #[error("{PROOFS_UNKNOWN}")]
    ReplayUnknown,
    /// 429 with `Retry-After`: too many unexpired proofs by the sender's key are stored; other senders are not affected.
    #[error("{TOO_MANY_PROOFS}")]
    TooManyProofs,
    /// 503 with `Retry-After`: too many tickets are valid, of the caller or in all.
    #[error("{TOO_MANY_TICKETS}")]
    TooManyTickets,
    /// 500: the application serves a protected route without a verifier.
    #[error("no verifier is registered")]
    NoVerifier,
}

impl Cause {
    /// Status, error code of the challenge, and the reason under which it is counted: the one table of rejections.
    const fn facts(&self) -> (u16, Option<&'static str>, Option<RejectionReason>) {
        use RejectionReason as Reason;

        let (status, code, reason) = match self {
            Self::Unauthenticated(_) => (401, None, Reason::Unauthenticated),
            Self::InvalidRequest(_) => (400, Some("invalid_request"), Reason::InvalidRequest),
            Self::InvalidToken(_) => (401, Some("invalid_token"), Reason::InvalidToken),
            Self::InvalidProof(_) => (401, Some("invalid_dpop_proof"), Reason::InvalidProof),
            Self::NonceNeeded => (401, Some("use_dpop_nonce"), Reason::InvalidProof),
            Self::InsufficientLogin(_) => (
                401,
                Some("insufficient_user_authentication"),
                Reason::InsufficientLogin,
            ),
            Self::InsufficientScope { .. } | Self::UnfulfilledRule(_) => {
                (403, Some("insufficient_scope"), Reason::InsufficientScope)
            }
            Self::ForeignOrigin => (403, None, Reason::ForeignOrigin),
            Self::KeysUnavailable { .. } => (503, None, Reason::KeysUnavailable),
            Self::KeyUndetermined { .. } => (503, None, Reason::KeyUndetermined),
            Self::IntrospectionUnavailable { .. } => (503, None, Reason::IntrospectionUnavailable),
            Self::RevocationUnknown => (503, None, Reason::RevocationUnknown),
            Self::ReplayUnknown => (503, None, Reason::ReplayUnknown),
            Self::TooManyProofs => (429, None, Reason::TooManyProofs),
            Self::TooManyTickets => (503, None, Reason::TooManyTickets),
            // A fault of the application is not a rejection, and not counted.
            Self::NoVerifier => return (500, None, None),
        };
        (status, code, Some(reason))
    }

    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.facts().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The error code of the challenge (RFC 6750 §3.1, RFC 9449 §7.1 and §9, RFC 9470 §3), if any.
    pub(super) fn code(&self) -> Option<&'static str> {
        self.facts().1
    }

    /// The reason under which it is counted.
    pub(super) fn reason(&self) -> Option<RejectionReason> {
        self.facts().2
    }

    /// The text for the client.
    pub(super) fn text(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Unauthenticated(text)
            | Self::InvalidRequest(text)
            | Self::InvalidToken(text)
            | Self::InvalidProof(text)
            | Self::UnfulfilledRule(text) => text,
            Self::NonceNeeded => NONCE_NEEDED,
            Self::RevocationUnknown => REVOCATION_UNKNOWN,
            Self::ReplayUnknown => PROOFS_UNKNOWN,
            Self::TooManyProofs => TOO_MANY_PROOFS,
            Self::TooManyTickets => TOO_MANY_TICKETS,
            Self::ForeignOrigin => FOREIGN_ORIGIN,
            Self::InsufficientLogin(_) => return Cow::Owned(self.to_string()),
            Self::InsufficientScope { .. } => TOO_LITTLE_SCOPE,
            Self::KeysUnavailable { .. } => {
                "The issuer's keys are unavailable at the moment; the token may be valid."
            }
            Self::KeyUndetermined { .. } => {
                "The token's key is not known yet; the token may be valid."
            }
            Self::IntrospectionUnavailable { .. } => {
                "The token could not be introspected at the moment; it may be valid."
            }
            Self::NoVerifier => "The server is not configured to verify access tokens.",
        })
    }

    /// The value of `Retry-After`.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::KeysUnavailable { retry_after }
            | Self::KeyUndetermined { retry_after }
            | Self::IntrospectionUnavailable { retry_after } => Some(*retry_after),
            Self::RevocationUnknown
            | Self::ReplayUnknown
            | Self::TooManyProofs
            | Self::TooManyTickets => Some(RETRY_SOON),
            _ => None,
        }
    }

    /// Whether both have the same challenges and the same body.
    pub(super) fn reads_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::KeysUnavailable { .. }, Self::KeysUnavailable { .. })
            | (Self::KeyUndetermined { .. }, Self::KeyUndetermined { .. })
            | (Self::IntrospectionUnavailable { .. }, Self::IntrospectionUnavailable { .. }) => {
                true
            }
            _ => self == other,
        }
    }
}

const TOO_LITTLE_SCOPE: &str = "The token does not grant the scope that this route requires.";

const FOREIGN_ORIGIN: &str = "Pages of this origin may not open this route.";

const NONCE_NEEDED: &str = "The proof must carry the nonce that the DPoP-Nonce header gives.";

const PROOFS_UNKNOWN: &str =
    "The replay store is unavailable, so whether the proof was used before is unknown.";

const REVOCATION_UNKNOWN: &str =
    "Whether the token is revoked is not known at the moment; it may be valid.";

const TOO_MANY_PROOFS: &str =
    "Too many DPoP proofs by this key have not expired yet; send fewer requests.";

const TOO_MANY_TICKETS: &str = "Too many tickets are neither used nor expired.";

const TOO_WEAK_LOGIN: &str = "The login of the token's user does not suffice; this route requires";

/// By then the replay store is asked again, proofs of the sender have expired, and keys are fetched again within a few
/// attempts.
const RETRY_SOON: Duration = Duration::from_secs(1);
