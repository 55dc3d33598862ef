//! Error responses of the endpoints: one table of status, `error` and `error_description`.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;

use crate::sender::ProofError;

use super::pages;

/// An error response (RFC 6749 §4.1.2.1, §5.2); it repeats nothing of the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{description}")]
pub(super) struct OAuthError {
    status: StatusCode,
    pub(super) code: &'static str,
    description: Cow<'static, str>,
    /// `Allow` or `WWW-Authenticate`, where the status needs it.
    header: Option<(&'static str, &'static str)>,
}

macro_rules! errors {
    ($($name:ident: $status:ident, $code:literal, $description:literal;)*) => {
        impl OAuthError {
            $(pub(super) const $name: Self = Self::new(StatusCode::$status, $code, $description);)*
        }
    };
}

// The statuses are those of RFC 6749, but for Auth0's 403. `REFRESH_TOKEN` has Auth0's text, which its SDK looks for.
errors! {
    SCOPE_NOT_GRANTED: FORBIDDEN, "access_denied", "the client was not granted that scope";
    UNKNOWN_AUDIENCE: FORBIDDEN, "access_denied", "no API has that audience";
    UNKNOWN_CLIENT: UNAUTHORIZED, "invalid_client", "unknown client, or no client_secret";
    PROOF_REPLAYED: BAD_REQUEST, "invalid_dpop_proof", "the proof was used before";
    CODE: BAD_REQUEST, "invalid_grant", "unknown, used or expired authorization code";
    CODE_OF_OTHER_KEY: BAD_REQUEST, "invalid_grant", "the code is bound to another key (dpop_jkt) than the one that made the proof, if any did";
    REFRESH_TOKEN: BAD_REQUEST, "invalid_grant", "unknown or invalid refresh token";
    BODY: BAD_REQUEST, "invalid_request", "the body must be a form or a JSON object of strings and numbers, each name once";
    BODY_TOO_LARGE: PAYLOAD_TOO_LARGE, "invalid_request", "the body is larger than 64 KiB";
    CLAIMS: BAD_REQUEST, "invalid_request", "claims must be a JSON object without iss, aud, exp, iat and nbf";
    CODE_CHALLENGE: BAD_REQUEST, "invalid_request", "code_challenge must be the base64url of a SHA-256 and code_challenge_method S256";
    DEV_FAULT: BAD_REQUEST, "invalid_request", "dev_fault must be expired, foreign_key, id_token, wrong_audience or wrong_issuer";
    DPOP_JKT: BAD_REQUEST, "invalid_request", "dpop_jkt must be the base64url of a SHA-256";
    EXPIRES_IN: BAD_REQUEST, "invalid_request", "expires_in must be a number of seconds from 1 to 604800";
    EXPLAIN: BAD_REQUEST, "invalid_request", "route, url and token must be those of a request to a route of the API";
    FOREIGN_PAGE: FORBIDDEN, "invalid_request", "only the Test view sends this request";
    FORM_TOKEN: BAD_REQUEST, "invalid_request", "the form does not belong to this browser; go back and reload the page";
    HOST: MISDIRECTED_REQUEST, "invalid_request", "the host must be localhost or a loopback address";
    MAX_AGE: BAD_REQUEST, "invalid_request", "max_age must be a number of seconds";
    NO_CLIENT_ID: BAD_REQUEST, "invalid_request", "client_id is missing";
    NO_GRANT_TYPE: BAD_REQUEST, "invalid_request", "grant_type is missing";
    NO_TOKEN: BAD_REQUEST, "invalid_request", "token is missing";
    PROMPT: BAD_REQUEST, "invalid_request", "prompt=none cannot be combined with other values";
    QUERY_TOO_LONG: URI_TOO_LONG, "invalid_request", "the query is longer than 8 KiB";
    REDIRECT_URI: BAD_REQUEST, "invalid_request", "redirect_uri must be an http or https URL on loopback, without a fragment";
    REDIRECT_URI_OF_CLIENT: BAD_REQUEST, "invalid_request", "redirect_uri is not one of those that are registered for this client, by itself or in dev_issuer.clients";
    REPEATED_PARAMETER: BAD_REQUEST, "invalid_request", "a parameter was sent more than once";
    RESPONSE_MODE: BAD_REQUEST, "invalid_request", "response_mode must be query or web_message";
    RETURN_TO: BAD_REQUEST, "invalid_request", "the URL to return to must be an http or https URL on loopback, without a fragment";
    TWO_SECRETS: BAD_REQUEST, "invalid_request", "send the client_secret in the header or in the body, not in both";
    CLIENT_METADATA: BAD_REQUEST, "invalid_client_metadata", "the body must be a JSON object of client metadata (RFC 7591 §2), each member once";
    CLIENT_NAME: BAD_REQUEST, "invalid_client_metadata", "client_name must be text of at most 200 bytes without control characters";
    AUTH_METHOD: BAD_REQUEST, "invalid_client_metadata", "token_endpoint_auth_method must be none, client_secret_basic or client_secret_post";
    GRANT_TYPES: BAD_REQUEST, "invalid_client_metadata", "grant_types must contain authorization_code, the one that can be registered beside refresh_token";
    RESPONSE_TYPES: BAD_REQUEST, "invalid_client_metadata", "response_types must contain code, the one that is supported";
    REDIRECT_URIS: BAD_REQUEST, "invalid_redirect_uri", "redirect_uris must be 1 to 10 http or https URLs on loopback, each of at most 500 bytes and without a fragment";
    INVALID_TARGET: BAD_REQUEST, "invalid_target", "resource must be the audience, or a URL of the API that runs beside this issuer, below the path of one of its tables";
    GRANT_OF_REGISTERED: BAD_REQUEST, "unauthorized_client", "clients that registered themselves only act for users";
    UNKNOWN_USER: BAD_REQUEST, "invalid_request", "unknown user";
    LOGIN_REQUIRED: BAD_REQUEST, "login_required", "login required";
    NOT_FOUND: NOT_FOUND, "not_found", "no such path";
    NO_SIGNING_KEY: SERVICE_UNAVAILABLE, "temporarily_unavailable", "the signing key could not be generated";
    REPLAY_STORE_FULL: SERVICE_UNAVAILABLE, "temporarily_unavailable", "no more proofs can be remembered at the moment";
    UNSUPPORTED_GRANT_TYPE: BAD_REQUEST, "unsupported_grant_type", "unknown grant_type";
    UNSUPPORTED_RESPONSE_TYPE: BAD_REQUEST, "unsupported_response_type", "response_type must be code";
    USE_DPOP_NONCE: BAD_REQUEST, "use_dpop_nonce", "the proof must carry the nonce of the DPoP-Nonce header";
}

impl OAuthError {
    /// The answer to an `Authorization` header, which needs a challenge (RFC 6749 §5.2).
    pub(super) fn unknown_client_in_header() -> Self {
        let challenge = r#"Basic realm="development issuer""#;
        Self::UNKNOWN_CLIENT.with_header("WWW-Authenticate", challenge)
    }

    /// The answer where a path has only the methods of `allow`.
    pub(super) fn method_not_allowed(allow: &'static str) -> Self {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Self::new(status, "method_not_allowed", "the path has other methods")
            .with_header("Allow", allow)
    }

    const fn new(status: StatusCode, code: &'static str, description: &'static str) -> Self {
        Self {
            status,
            code,
            description: Cow::Borrowed(description),
            header: None,
        }
    }

    fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }
}

impl From<ProofError> for OAuthError {
    fn from(error: ProofError) -> Self {
        let description = error.to_string().into();
        Self {
            description,
            ..Self::PROOF_REPLAYED
        }
    }
}

impl ResponseError for OAuthError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(header) = self.header {
            response.insert_header(header);
        }
        response.json(json!({"error": self.code, "error_description": self.description}))
    }
}

/// An error response as a page, for requests that a browser shows.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct HtmlError(#[from] OAuthError);

impl ResponseError for HtmlError {
    fn status_code(&self) -> StatusCode {
        self.0.status
    }

    fn error_response(&self) -> HttpResponse {
        let sentence = format!("{}: {}.", self.0.code, self.0);
        pages::notice(self.0.status, "This request cannot be answered", &sentence)
    }
}
