//! Every answer that the API gives, word for word (RFC 6750 §3, RFC 9457 §3).

use serde_json::{Value, json};

use crate::wire::Answer;

/// An answer without what the connection adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Message(&'static str),
    Unauthenticated(&'static str),
    InvalidRequest(&'static str),
    InvalidToken(&'static str),
    InsufficientScope,
    KeysUnavailable,
    NotFound,
    /// `Allow` is always the same: everything here is read.
    MethodNotAllowed,
}

use Expected::{InvalidRequest, InvalidToken, Message, Unauthenticated};

pub(crate) const PUBLIC: Expected =
    Message("Anybody may read this: no access token was asked for.");
pub(crate) const PRIVATE: Expected = Message("Your access token is valid, so you may read this.");
pub(crate) const SCOPED: Expected =
    Message("Your access token is valid and grants read:messages, so you may read this.");

pub(crate) const NO_CREDENTIALS: Expected =
    Unauthenticated("An access token is needed in the Authorization header.");
pub(crate) const UNUSABLE: Expected =
    Unauthenticated("The Authorization header must be a scheme of this API and one access token.");

pub(crate) const SEVERAL: Expected = InvalidRequest("More than one access token was sent.");
pub(crate) const MALFORMED_HOST: Expected = InvalidRequest("The Host header is malformed.");

pub(crate) const NO_BEARER_TOKEN: Expected =
    InvalidToken("The credentials are not an access token.");
pub(crate) const NO_JWT: Expected = InvalidToken("The token is not a signed JWT.");
pub(crate) const TOO_LONG: Expected = InvalidToken("The token is too long.");
pub(crate) const MALFORMED_HEADER: Expected = InvalidToken("The token's header is malformed.");
pub(crate) const MALFORMED_PAYLOAD: Expected = InvalidToken("The token's payload is malformed.");
pub(crate) const UNKNOWN_ALGORITHM: Expected =
    InvalidToken("The token's algorithm is not known here.");
pub(crate) const OTHER_ALGORITHM: Expected =
    InvalidToken("The token's algorithm is not accepted here.");
pub(crate) const CRITICAL: Expected =
    InvalidToken("The token's header demands extensions that are not supported.");
pub(crate) const OTHER_TYPE: Expected =
    InvalidToken("The token is of a type that is not accepted here.");
pub(crate) const MALFORMED_KEY_ID: Expected =
    InvalidToken("The token's key identifier is malformed.");
pub(crate) const UNKNOWN_KEY: Expected = InvalidToken("The token's key is not known.");
pub(crate) const SIGNATURE: Expected = InvalidToken("The token's signature does not hold.");
pub(crate) const UNKNOWN_ISSUER: Expected =
    InvalidToken("The token is from an issuer that is not trusted here.");
pub(crate) const OTHER_AUDIENCE: Expected = InvalidToken("The token is for another audience.");
pub(crate) const MALFORMED_CLAIM: Expected = InvalidToken("A claim of the token is malformed.");
pub(crate) const MISSING_CLAIM: Expected =
    InvalidToken("A claim that is needed is missing from the token.");
pub(crate) const EXPIRED: Expected = InvalidToken("The token has expired.");
pub(crate) const NOT_YET_VALID: Expected = InvalidToken("The token is not valid yet.");
pub(crate) const TOO_OLD: Expected = InvalidToken("The token is too old.");
pub(crate) const ISSUED_AHEAD: Expected = InvalidToken("The token was issued in the future.");
pub(crate) const ID_TOKEN: Expected =
    InvalidToken("The token is an ID token; an access token is needed.");
pub(crate) const LOGOUT_TOKEN: Expected =
    InvalidToken("The token is a logout token; an access token is needed.");
pub(crate) const BOUND: Expected =
    InvalidToken("The token is bound to its sender and is no bearer token.");

const TOO_LITTLE_SCOPE: &str = "The token does not grant the scope that this route needs.";

impl Expected {
    fn status(self) -> u16 {
        match self {
            Self::Message(_) => 200,
            Self::InvalidRequest(_) => 400,
            Self::InvalidToken(_) | Self::Unauthenticated(_) => 401,
            Self::InsufficientScope => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::KeysUnavailable => 503,
        }
    }

    fn challenges(self) -> Vec<String> {
        let error = |code: &str, description: &str| {
            format!(r#"Bearer realm="api", error="{code}", error_description="{description}""#)
        };
        let challenge = match self {
            Self::Unauthenticated(_) => Some(format!(r#"Bearer realm="api", {DPOP}"#)),
            Self::InvalidRequest(description) => Some(error("invalid_request", description)),
            Self::InvalidToken(description) => {
                let challenge = error("invalid_token", description);
                Some(format!("{challenge}, {DPOP}"))
            }
            Self::InsufficientScope => {
                let challenge = error("insufficient_scope", TOO_LITTLE_SCOPE);
                Some(format!(r#"{challenge}, scope="read:messages""#))
            }
            _ => None,
        };
        challenge.into_iter().collect()
    }

    fn body(self) -> Value {
        let problem = |title: &str, detail: &str| json!({"type": "about:blank", "title": title, "status": self.status(), "detail": detail});
        match self {
            Self::Message(message) => json!({ "message": message }),
            Self::InvalidRequest(detail) => problem("Bad Request", detail),
            Self::Unauthenticated(detail) | Self::InvalidToken(detail) => {
                problem("Unauthorized", detail)
            }
            Self::InsufficientScope => {
                let mut body = problem("Forbidden", TOO_LITTLE_SCOPE);
                body["required_scopes"] = json!(["read:messages"]);
                body
            }
            Self::NotFound => problem("Not Found", "There is nothing at this path."),
            Self::MethodNotAllowed => problem(
                "Method Not Allowed",
                "This path does not have this method; Allow lists those that it has.",
            ),
            Self::KeysUnavailable => problem(
                "Service Unavailable",
                "The issuer's keys cannot be had at the moment; the token may be good.",
            ),
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Message(_) => "application/json",
            _ => "application/problem+json",
        }
    }
}

/// The challenge that follows the one of Bearer wherever the caller is unknown.
pub(crate) const DPOP: &str =
    r#"DPoP algs="RS256 RS384 RS512 ES256 ES384 ES512 PS256 PS384 PS512 EdDSA""#;

/// Compares everything that the API says: status, challenge, `Allow`, `Retry-After`, type and body.
#[track_caller]
pub(crate) fn assert_answer(answer: &Answer, expected: Expected, case: &str) {
    assert_head(answer, expected, case);
    assert_eq!(answer.json(), expected.body(), "{case}");
}

/// The same for an answer to `HEAD`, which has no body.
#[track_caller]
pub(crate) fn assert_head(answer: &Answer, expected: Expected, case: &str) {
    assert_eq!(answer.status, expected.status(), "{case}: {answer:?}");
    let challenges = expected.challenges();
    assert_eq!(answer.all("www-authenticate"), challenges, "{case}");
    let content_type = Some(expected.content_type());
    assert_eq!(answer.header("content-type"), content_type, "{case}");
    let allow = (expected == Expected::MethodNotAllowed).then_some("GET, HEAD");
    assert_eq!(answer.header("allow"), allow, "{case}");
    let retry_after = answer.header("retry-after").map(str::parse::<u64>);
    if expected == Expected::KeysUnavailable {
        let soon = retry_after.is_some_and(|seconds| (1..=5).contains(&seconds.unwrap()));
        assert!(soon, "{case}: {answer:?}");
    } else {
        assert_eq!(retry_after, None, "{case}");
    }
}
