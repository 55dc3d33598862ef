//! Turns requests away as OAuth does (RFC 6749 §4.1.2.1, §5.2): constant texts, nothing of the
//! request.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};
use serde_json::json;

use crate::proof::ProofError;

/// Why a request is refused; its `Display` is the `error_description`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the body is larger than 64 KiB")]
    BodyTooLarge,
    #[error("the body is neither a form nor a JSON object of texts and numbers, or repeats a name")]
    BodyMalformed,
    #[error("code_challenge must be the base64url of a SHA-256 and code_challenge_method S256")]
    Challenge,
    #[error("claims is one JSON object, without iss, aud, exp, iat and nbf")]
    Claims,
    #[error("the form is not one that this page gave to this browser; go back and reload it")]
    ForeignForm,
    #[error("unknown, used or expired authorization code")]
    InvalidCode,
    /// Auth0's words, which its SDK looks for.
    #[error("unknown or invalid refresh token")]
    InvalidRefreshToken,
    #[error("expires_in is a number of seconds from 1 to 604800")]
    Lifetime,
    #[error("dpop_jkt must be the base64url of a SHA-256")]
    KeyThumbprint,
    #[error("login required")]
    LoginRequired,
    #[error("max_age is a number of seconds")]
    MaxAge,
    /// The methods that the path has.
    #[error("this path has another method")]
    MethodNotAllowed(&'static str),
    #[error("client_id is missing")]
    NoClientId,
    #[error("grant_type is missing")]
    NoGrantType,
    #[error("the signing key could not be made")]
    NoKey,
    #[error("the proof must carry the nonce that the DPoP-Nonce header gives")]
    NonceNeeded,
    #[error("there is nothing here")]
    NotFound,
    #[error("token is missing")]
    NoToken,
    #[error(
        "the code is bound to another key (dpop_jkt) than the one that made the proof, if any did"
    )]
    OtherKey,
    #[error("the development issuer answers to the names of this machine alone")]
    OtherHost,
    #[error("prompt none goes with no other")]
    Prompt,
    #[error(transparent)]
    Proof(#[from] ProofError),
    #[error("the proof was used before")]
    ProofReplayed,
    #[error("the query is longer than 8 KiB")]
    QueryTooLong,
    #[error("redirect_uri must be an http or https URL on loopback, without a fragment")]
    RedirectUri,
    #[error("a parameter comes twice")]
    Repeated,
    #[error("response_mode is query or web_message")]
    ResponseMode,
    #[error("response_type is code")]
    ResponseType,
    #[error("the page to return to must be an http or https URL on loopback, without a fragment")]
    ReturnTo,
    #[error("the client was not granted that scope")]
    Scope,
    #[error("no more proofs can be remembered at the moment")]
    TooManyProofs,
    #[error("send the client's secret in the header or in the body, not in both")]
    TwoCredentials,
    #[error("no API has that audience here")]
    UnknownAudience,
    /// `RFC 6749 §5.2` wants a challenge where the header was tried.
    #[error("no such client, or no client_secret")]
    UnknownClient { header_tried: bool },
    #[error("nobody of that name can sign in")]
    UnknownPerson,
    #[error("this issuer knows no such grant type")]
    UnsupportedGrantType,
}

impl Refusal {
    /// The `error` of an answer.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::BodyMalformed
            | Self::BodyTooLarge
            | Self::Challenge
            | Self::Claims
            | Self::ForeignForm
            | Self::KeyThumbprint
            | Self::Lifetime
            | Self::MaxAge
            | Self::NoClientId
            | Self::NoGrantType
            | Self::NoToken
            | Self::OtherHost
            | Self::Prompt
            | Self::QueryTooLong
            | Self::RedirectUri
            | Self::Repeated
            | Self::ResponseMode
            | Self::ReturnTo
            | Self::TwoCredentials
            | Self::UnknownPerson => "invalid_request",
            Self::InvalidCode | Self::InvalidRefreshToken | Self::OtherKey => "invalid_grant",
            Self::LoginRequired => "login_required",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::NoKey | Self::TooManyProofs => "temporarily_unavailable",
            Self::NonceNeeded => "use_dpop_nonce",
            Self::NotFound => "not_found",
            Self::Proof(_) | Self::ProofReplayed => "invalid_dpop_proof",
            Self::ResponseType => "unsupported_response_type",
            Self::Scope | Self::UnknownAudience => "access_denied",
            Self::UnknownClient { .. } => "invalid_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
        }
    }
}

impl ResponseError for Refusal {
    /// As RFC 6749 has them, but for Auth0's 403 where it denies access.
    fn status_code(&self) -> StatusCode {
        match self {
            Self::BodyMalformed
            | Self::Challenge
            | Self::Claims
            | Self::ForeignForm
            | Self::InvalidCode
            | Self::InvalidRefreshToken
            | Self::KeyThumbprint
            | Self::Lifetime
            | Self::LoginRequired
            | Self::MaxAge
            | Self::NoClientId
            | Self::NoGrantType
            | Self::NoToken
            | Self::NonceNeeded
            | Self::OtherKey
            | Self::Prompt
            | Self::Proof(_)
            | Self::ProofReplayed
            | Self::RedirectUri
            | Self::Repeated
            | Self::ResponseMode
            | Self::ResponseType
            | Self::ReturnTo
            | Self::TwoCredentials
            | Self::UnknownPerson
            | Self::UnsupportedGrantType => StatusCode::BAD_REQUEST,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoKey | Self::TooManyProofs => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::OtherHost => StatusCode::MISDIRECTED_REQUEST,
            Self::QueryTooLong => StatusCode::URI_TOO_LONG,
            Self::Scope | Self::UnknownAudience => StatusCode::FORBIDDEN,
            Self::UnknownClient { .. } => StatusCode::UNAUTHORIZED,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if let Self::MethodNotAllowed(methods) = *self {
            response.insert_header((ALLOW, methods));
        }
        if let Self::UnknownClient { header_tried: true } = *self {
            response.insert_header((WWW_AUTHENTICATE, r#"Basic realm="development issuer""#));
        }
        response.json(json!({"error": self.code(), "error_description": self.to_string()}))
    }
}

impl Responder for Refusal {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.error_response()
    }
}
