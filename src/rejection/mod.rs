//! Any refusal → one response: every way to be turned away, and its status.
//!
//! Only this room knows status codes. Causes are matched without a catch-all, so that a new one
//! does not compile until somebody has decided here what it means to a client.

pub(crate) mod challenge;
pub(crate) mod problem;

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, ResponseError};
use actix_web_httpauth::extractors::bearer::Error as BearerError;
use actix_web_httpauth::headers::www_authenticate::WwwAuthenticate;

use crate::counters::Refusal;
use crate::credentials::CredentialsError;
use crate::jose::compact::CompactError;
use crate::verify::{UnfitClaims, VerifyError};
use challenge::BearerChallenge;
use problem::Problem;

/// Why a caller is turned away.
///
/// As a response it has the status, the challenge and a problem body ([RFC 6750 §3], [RFC 9457]); all its
/// texts are constants, and nothing of the request is among them.
///
/// [RFC 6750 §3]: https://www.rfc-editor.org/rfc/rfc6750#section-3
/// [RFC 9457]: https://www.rfc-editor.org/rfc/rfc9457
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
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
    #[error("the token does not grant the scope that this route needs")]
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

impl Rejection {
    /// The refusal of a request that brought no credentials.
    #[must_use]
    pub const fn no_credentials() -> Self {
        Self::Unauthenticated("An access token is needed; send it as Authorization: Bearer.")
    }

    /// The reason under which it is counted; `None` for a fault of the application.
    pub(crate) fn reason(&self) -> Option<Refusal> {
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

    fn challenge(&self) -> Option<BearerChallenge> {
        match self {
            Self::Unauthenticated(_) => Some(BearerChallenge::plain()),
            Self::InvalidRequest(text) => {
                Some(BearerChallenge::of(BearerError::InvalidRequest, text))
            }
            Self::InvalidToken(text) => Some(BearerChallenge::of(BearerError::InvalidToken, text)),
            Self::InsufficientScope { alternatives } => {
                let first = alternatives.first().map(Vec::as_slice).unwrap_or_default();
                Some(
                    BearerChallenge::of(BearerError::InsufficientScope, TOO_LITTLE_SCOPE)
                        .with_scope(first),
                )
            }
            Self::UnfulfilledRule(text) => {
                Some(BearerChallenge::of(BearerError::InsufficientScope, text))
            }
            Self::KeysUnavailable { .. } | Self::NoVerifier => None,
        }
    }

    fn problem(&self) -> Problem {
        let status = self.status_code();
        match self {
            Self::Unauthenticated(text)
            | Self::InvalidRequest(text)
            | Self::InvalidToken(text)
            | Self::UnfulfilledRule(text) => Problem::new(status, text),
            Self::InsufficientScope { alternatives } => {
                Problem::new(status, TOO_LITTLE_SCOPE).requiring(alternatives)
            }
            Self::KeysUnavailable { .. } => Problem::new(
                status,
                "The issuer's keys cannot be had at the moment; the token may be good.",
            ),
            Self::NoVerifier => Problem::new(
                status,
                "The server is not configured to verify access tokens.",
            ),
        }
    }
}

impl ResponseError for Rejection {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Unauthenticated(_) | Self::InvalidToken(_) => StatusCode::UNAUTHORIZED,
            Self::InvalidRequest(_) => StatusCode::BAD_REQUEST,
            Self::InsufficientScope { .. } | Self::UnfulfilledRule(_) => StatusCode::FORBIDDEN,
            Self::KeysUnavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoVerifier => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if let Some(challenge) = self.challenge() {
            response.insert_header((
                actix_web::http::header::WWW_AUTHENTICATE,
                WwwAuthenticate(challenge),
            ));
        }
        if let Self::KeysUnavailable { retry_after } = self {
            let seconds = retry_after
                .as_secs()
                .saturating_add(u64::from(retry_after.subsec_nanos() > 0));
            response.insert_header((RETRY_AFTER, seconds.max(1)));
        }
        self.problem().into_body_of(response)
    }
}

impl From<CredentialsError> for Rejection {
    fn from(error: CredentialsError) -> Self {
        match error {
            CredentialsError::MalformedHost => {
                Self::InvalidRequest("The Host header is malformed.")
            }
            CredentialsError::NoToken => {
                Self::InvalidToken("The credentials are not a bearer token.")
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

impl From<UnfitClaims> for Rejection {
    fn from(_: UnfitClaims) -> Self {
        Self::InvalidToken("The token's claims are not what this API expects.")
    }
}

impl From<VerifyError> for Rejection {
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
