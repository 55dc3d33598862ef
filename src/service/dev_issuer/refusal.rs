//! Turns requests away as OAuth does (RFC 6749 §5.2): constant texts, nothing of the request.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};
use serde_json::json;

/// Why a request is refused; its `Display` is the `error_description`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the body is larger than 64 KiB")]
    BodyTooLarge,
    #[error("the body is neither a form nor a JSON object of texts and numbers, or repeats a name")]
    BodyMalformed,
    #[error("expires_in is a number of seconds from 1 to 604800")]
    Lifetime,
    /// The methods that the path has.
    #[error("this path has another method")]
    MethodNotAllowed(&'static str),
    #[error("grant_type is missing")]
    NoGrantType,
    #[error("the signing key could not be made")]
    NoKey,
    #[error("there is nothing here")]
    NotFound,
    #[error("the client was not granted that scope")]
    Scope,
    #[error("send the client's secret in the header or in the body, not in both")]
    TwoCredentials,
    #[error("no API has that audience here")]
    UnknownAudience,
    /// `RFC 6749 §5.2` wants a challenge where the header was tried.
    #[error("no such client, or no client_secret")]
    UnknownClient { header_tried: bool },
    #[error("this issuer knows no such grant type")]
    UnsupportedGrantType,
}

impl Refusal {
    const fn code(self) -> &'static str {
        match self {
            Self::BodyMalformed
            | Self::BodyTooLarge
            | Self::Lifetime
            | Self::NoGrantType
            | Self::TwoCredentials => "invalid_request",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::NoKey => "temporarily_unavailable",
            Self::NotFound => "not_found",
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
            | Self::Lifetime
            | Self::NoGrantType
            | Self::TwoCredentials
            | Self::UnsupportedGrantType => StatusCode::BAD_REQUEST,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoKey => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotFound => StatusCode::NOT_FOUND,
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
