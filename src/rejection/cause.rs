//! Every way to be turned away, and what each room's errors mean to a client.
//!
//! Causes are matched without a catch-all, so that a new one does not compile until somebody has
//! decided here what it means.

use std::time::Duration;

use actix_web::http::StatusCode;

use super::challenge::ErrorCode;
use crate::counters::Refusal;
use crate::credentials::CredentialsError;
use crate::jose::compact::CompactError;
use crate::verify::{UnfitClaims, VerifyError};

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
    /// 500: the application serves a protected route without a verifier.
    #[error("no verifier is registered")]
    NoVerifier,
}

impl Cause {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated(_) | Self::InvalidToken(_) => StatusCode::UNAUTHORIZED,
            Self::InvalidRequest(_) => StatusCode::BAD_REQUEST,
            Self::InsufficientScope { .. } | Self::UnfulfilledRule(_) => StatusCode::FORBIDDEN,
            Self::KeysUnavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoVerifier => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The error code of the challenge; `None` where it has none.
    pub(super) fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::InvalidRequest(_) => Some(ErrorCode::InvalidRequest),
            Self::InvalidToken(_) => Some(ErrorCode::InvalidToken),
            Self::InsufficientScope { .. } | Self::UnfulfilledRule(_) => {
                Some(ErrorCode::InsufficientScope)
            }
            Self::Unauthenticated(_) | Self::KeysUnavailable { .. } | Self::NoVerifier => None,
        }
    }

    /// What the client is told.
    pub(super) fn text(&self) -> &'static str {
        match self {
            Self::Unauthenticated(text)
            | Self::InvalidRequest(text)
            | Self::InvalidToken(text)
            | Self::UnfulfilledRule(text) => text,
            Self::InsufficientScope { .. } => TOO_LITTLE_SCOPE,
            Self::KeysUnavailable { .. } => {
                "The issuer's keys cannot be had at the moment; the token may be good."
            }
            Self::NoVerifier => "The server is not configured to verify access tokens.",
        }
    }

    /// When it is worth trying again, where that is for the server to say.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::KeysUnavailable { retry_after } => Some(*retry_after),
            _ => None,
        }
    }

    /// The reason under which it is counted; `None` for a fault of the application.
    pub(super) fn reason(&self) -> Option<Refusal> {
        match self {
            Self::Unauthenticated(_) => Some(Refusal::Unauthenticated),
            Self::InvalidRequest(_) => Some(Refusal::InvalidRequest),
            Self::InvalidToken(_) => Some(Refusal::InvalidToken),
            Self::InsufficientScope { .. } | Self::UnfulfilledRule(_) => {
                Some(Refusal::InsufficientScope)
            }
            Self::KeysUnavailable { .. } => Some(Refusal::KeysUnavailable),
            Self::NoVerifier => None,
        }
    }
}

impl From<CredentialsError> for Cause {
    fn from(error: CredentialsError) -> Self {
        match error {
            CredentialsError::MalformedHost => {
                Self::InvalidRequest("The Host header is malformed.")
            }
            CredentialsError::NoToken => {
                Self::InvalidToken("The credentials are not an access token.")
            }
            CredentialsError::ProofAlone => {
                Self::InvalidRequest("A DPoP proof was sent without an access token.")
            }
            CredentialsError::ProofMissing => {
                Self::InvalidRequest("The scheme DPoP needs a proof in the DPoP header.")
            }
            CredentialsError::Several => {
                Self::InvalidRequest("More than one access token was sent.")
            }
            CredentialsError::Unusable => Self::Unauthenticated(
                "The Authorization header must be Bearer and one access token.",
            ),
        }
    }
}

impl From<UnfitClaims> for Cause {
    fn from(_: UnfitClaims) -> Self {
        Self::InvalidToken("The token's claims are not what this API expects.")
    }
}

impl From<VerifyError> for Cause {
    fn from(error: VerifyError) -> Self {
        Self::InvalidToken(match error {
            VerifyError::Bound => "The token is bound to its sender and is no bearer token.",
            VerifyError::CriticalHeader => {
                "The token's header demands extensions that are not supported."
            }
            VerifyError::Expired { .. } => "The token has expired.",
            VerifyError::Form(error) => form(error),
            VerifyError::IdToken => "The token is an ID token; an access token is needed.",
            VerifyError::IssuedAhead => "The token was issued in the future.",
            VerifyError::LogoutToken => "The token is a logout token; an access token is needed.",
            VerifyError::Malformed { .. } => "A claim of the token is malformed.",
            VerifyError::MalformedKeyId => "The token's key identifier is malformed.",
            VerifyError::MalformedPayload => "The token's payload is malformed.",
            VerifyError::Missing { .. } => "A claim that is needed is missing from the token.",
            VerifyError::NotYetValid => "The token is not valid yet.",
            VerifyError::OtherAlgorithm => "The token's algorithm is not accepted here.",
            VerifyError::OtherAudience => "The token is for another audience.",
            VerifyError::OtherType => "The token is of a type that is not accepted here.",
            VerifyError::Signature => "The token's signature does not hold.",
            VerifyError::TooOld => "The token is too old.",
            VerifyError::UnknownAlgorithm => "The token's algorithm is not known here.",
            VerifyError::UnknownIssuer => "The token is from an issuer that is not trusted here.",
            VerifyError::UnknownKey(_) => "The token's key is not known.",
        })
    }
}

fn form(error: CompactError) -> &'static str {
    match error {
        CompactError::Base64Url | CompactError::Segments => "The token is not a signed JWT.",
        CompactError::Header => "The token's header is malformed.",
        CompactError::TooLong => "The token is too long.",
    }
}

const TOO_LITTLE_SCOPE: &str = "The token does not grant the scope that this route needs.";
