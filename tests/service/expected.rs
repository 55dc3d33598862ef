//! Every response of the API in full (RFC 6750 §3, RFC 9457 §3).

use serde_json::{Value, json};

use crate::route_parameters::without_route_parameters;
use crate::wire::Answer;

/// A response without the headers that the connection adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Message(&'static str),
    Unauthenticated(&'static str),
    InvalidRequest(&'static str),
    InvalidToken(&'static str),
    InvalidProof(&'static str),
    /// With a nonce in `DPoP-Nonce`.
    UseNonce,
    InsufficientScope,
    /// The replay store is unavailable.
    ReplayUnknown,
    /// The sender has too many proofs that are still valid.
    TooManyProofs,
    KeysUnavailable,
    /// The token names an unknown key, and no fetch may be spent on it now.
    KeyUndetermined,
    NotFound,
    /// `Allow` is always the same: every route is for reading.
    MethodNotAllowed,
}

use Expected::{InvalidProof, InvalidRequest, InvalidToken, Message, Unauthenticated};

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
    InvalidToken("The token's algorithm is not supported.");
pub(crate) const OTHER_ALGORITHM: Expected =
    InvalidToken("The token's algorithm is not accepted here.");
pub(crate) const CRITICAL: Expected =
    InvalidToken("The token's header requires extensions that are not supported.");
pub(crate) const OTHER_TYPE: Expected =
    InvalidToken("The token is of a type that is not accepted here.");
pub(crate) const MALFORMED_KEY_ID: Expected =
    InvalidToken("The token's key identifier is malformed.");
pub(crate) const UNKNOWN_KEY: Expected = InvalidToken("The token's key is not known.");
pub(crate) const SIGNATURE: Expected = InvalidToken("The token's signature is invalid.");
pub(crate) const UNKNOWN_ISSUER: Expected =
    InvalidToken("The token is from an issuer that is not trusted here.");
pub(crate) const OTHER_AUDIENCE: Expected = InvalidToken("The token is for another audience.");
pub(crate) const SEVERAL_AUDIENCES: Expected = InvalidToken(
    "The token is for several audiences of which this API accepts only one at a time.",
);
pub(crate) const MALFORMED_CLAIM: Expected = InvalidToken("A claim of the token is malformed.");
pub(crate) const MISSING_CLAIM: Expected =
    InvalidToken("A required claim is missing from the token.");
pub(crate) const EXPIRED: Expected = InvalidToken("The token has expired.");
pub(crate) const NOT_YET_VALID: Expected = InvalidToken("The token is not valid yet.");
pub(crate) const TOO_OLD: Expected = InvalidToken("The token is too old.");
pub(crate) const ISSUED_AHEAD: Expected = InvalidToken("The token was issued in the future.");
pub(crate) const ID_TOKEN: Expected =
    InvalidToken("The token is an ID token; an access token is needed.");
pub(crate) const LOGOUT_TOKEN: Expected =
    InvalidToken("The token is a logout token; an access token is needed.");
pub(crate) const REFRESH_TOKEN: Expected =
    InvalidToken("The token is a refresh token; an access token is needed.");
pub(crate) const REQUIRED_CLAIM: Expected =
    InvalidToken("A claim of the token is not what this API requires.");
pub(crate) const BOUND: Expected =
    InvalidToken("The token is bound to its sender and is not a bearer token.");

pub(crate) const PROOF_ALONE: Expected =
    InvalidRequest("A DPoP proof was sent without an access token.");
pub(crate) const PROOF_MISSING: Expected =
    InvalidRequest("The scheme DPoP needs a proof in the DPoP header.");
pub(crate) const PROOF_FOR_BEARER: Expected =
    InvalidRequest("A DPoP proof needs the scheme DPoP and a token bound to its key.");
pub(crate) const UNKNOWN_TARGET: Expected =
    InvalidRequest("The URL of the request cannot be determined.");
pub(crate) const MALFORMED_CERTIFICATE: Expected =
    InvalidRequest("The client certificate is malformed.");

pub(crate) const NO_KEY_BOUND: Expected = InvalidToken("The token is not bound to a key.");
pub(crate) const MALFORMED_CONFIRMATION: Expected =
    InvalidToken("The token's confirmation is malformed.");
pub(crate) const OTHER_KEY: Expected =
    InvalidToken("The token is bound to another key than the proof's.");
pub(crate) const NO_CERTIFICATE_BOUND: Expected =
    InvalidToken("The token is not bound to a certificate.");
pub(crate) const NO_CERTIFICATE: Expected =
    InvalidToken("The token is bound to a client certificate, and none was sent.");
pub(crate) const OTHER_CERTIFICATE: Expected =
    InvalidToken("The token is bound to another certificate.");

pub(crate) const PROOF_FORM: Expected = InvalidProof("The DPoP header is not one signed JWT.");
pub(crate) const SEVERAL_PROOFS: Expected = InvalidProof("More than one proof was sent.");
pub(crate) const PROOF_TYPE: Expected = InvalidProof("The proof is not of the type dpop+jwt.");
pub(crate) const PROOF_ALGORITHM: Expected = InvalidProof("The proof's algorithm is not accepted.");
pub(crate) const PROOF_CRITICAL: Expected =
    InvalidProof("The proof's header requires extensions that are not supported.");
pub(crate) const PROOF_NO_KEY: Expected = InvalidProof("The proof's header has no key.");
pub(crate) const PROOF_KEY: Expected = InvalidProof("The proof's key cannot be used.");
pub(crate) const PROOF_SIGNATURE: Expected = InvalidProof("The proof's signature is invalid.");
pub(crate) const PROOF_PAYLOAD: Expected = InvalidProof("The proof's payload is malformed.");
pub(crate) const PROOF_CLAIM_MISSING: Expected =
    InvalidProof("A required claim is missing from the proof.");
pub(crate) const PROOF_CLAIM: Expected = InvalidProof("A claim of the proof is malformed.");
pub(crate) const PROOF_METHOD: Expected = InvalidProof("The proof is for another method.");
pub(crate) const PROOF_URL: Expected = InvalidProof("The proof is for another URL.");
pub(crate) const PROOF_NO_URL: Expected = InvalidProof("The proof's htu is not a URL of an API.");
pub(crate) const PROOF_TOKEN: Expected = InvalidProof("The proof is for another access token.");
pub(crate) const PROOF_OLD: Expected = InvalidProof("The proof is too old.");
pub(crate) const PROOF_AHEAD: Expected = InvalidProof("The proof was made in the future.");
pub(crate) const REPLAYED: Expected = InvalidProof("The proof was used before.");

/// The accepted schemes, and the one that the caller used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// Only Bearer.
    BearerAlone,
    /// Both; the caller used Bearer or none.
    ByBearer,
    /// Both; the caller used DPoP.
    ByDpop,
    /// Only DPoP.
    DpopAlone,
}

const TOO_LITTLE_SCOPE: &str = "The token does not grant the scope that this route requires.";

impl Expected {
    fn status(self) -> u16 {
        match self {
            Self::Message(_) => 200,
            Self::InvalidRequest(_) => 400,
            Self::InvalidProof(_)
            | Self::InvalidToken(_)
            | Self::Unauthenticated(_)
            | Self::UseNonce => 401,
            Self::InsufficientScope => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TooManyProofs => 429,
            Self::KeysUnavailable | Self::KeyUndetermined | Self::ReplayUnknown => 503,
        }
    }

    /// The parameters of the error, where there is one.
    fn error(self) -> Option<String> {
        let error =
            |code: &str, text: &str| Some(format!(r#"error="{code}", error_description="{text}""#));
        match self {
            InvalidRequest(text) => error("invalid_request", text),
            InvalidToken(text) => error("invalid_token", text),
            InvalidProof(text) => error("invalid_dpop_proof", text),
            Self::UseNonce => error("use_dpop_nonce", USE_NONCE),
            Self::InsufficientScope => error("insufficient_scope", TOO_LITTLE_SCOPE)
                .map(|error| format!(r#"{error}, scope="read:messages""#)),
            _ => None,
        }
    }

    /// Each scheme at a 401, otherwise the one that was used; the error is on that one.
    fn challenges(self, offer: Offer) -> Vec<String> {
        let error = self.error();
        if self.status() != 401 && error.is_none() {
            return Vec::new();
        }
        let is_used = |scheme: &str| match offer {
            Offer::BearerAlone | Offer::ByBearer => scheme == "Bearer",
            Offer::ByDpop | Offer::DpopAlone => scheme == "DPoP",
        };
        let is_offered = |scheme: &str| match offer {
            Offer::ByBearer | Offer::ByDpop => self.status() == 401 || is_used(scheme),
            Offer::BearerAlone | Offer::DpopAlone => is_used(scheme),
        };
        let challenge = |scheme: &str| {
            let error = error.clone().filter(|_| is_used(scheme));
            let parameters = match scheme {
                "Bearer" => [Some(REALM.to_owned()), error],
                _ => [error, Some(ALGS.to_owned())],
            };
            let parameters: Vec<_> = parameters.into_iter().flatten().collect();
            format!("{scheme} {}", parameters.join(", "))
        };
        let schemes = ["Bearer", "DPoP"].into_iter();
        let challenges: Vec<_> = schemes
            .filter(|scheme| is_offered(scheme))
            .map(challenge)
            .collect();
        vec![challenges.join(", ")]
    }

    fn body(self) -> Value {
        let problem = |title: &str, detail: &str| json!({"type": "about:blank", "title": title, "status": self.status(), "detail": detail});
        match self {
            Self::Message(message) => json!({ "message": message }),
            Self::InvalidRequest(detail) => problem("Bad Request", detail),
            Unauthenticated(detail) | InvalidToken(detail) | InvalidProof(detail) => {
                problem("Unauthorized", detail)
            }
            Self::UseNonce => problem("Unauthorized", USE_NONCE),
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
            Self::ReplayUnknown => problem(
                "Service Unavailable",
                "The replay store is unavailable, so whether the proof was used before is unknown.",
            ),
            Self::KeyUndetermined => problem(
                "Service Unavailable",
                "The token's key is not known yet; the token may be valid.",
            ),
            Self::TooManyProofs => problem(
                "Too Many Requests",
                "Too many DPoP proofs by this key have not expired yet; send fewer requests.",
            ),
            Self::KeysUnavailable => problem(
                "Service Unavailable",
                "The issuer's keys are unavailable at the moment; the token may be valid.",
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

const USE_NONCE: &str = "The proof must carry the nonce that the DPoP-Nonce header gives.";

const REALM: &str = r#"realm="api""#;

const ALGS: &str = r#"algs="RS256 RS384 RS512 ES256 ES384 ES512 PS256 PS384 PS512 EdDSA""#;

/// Compares the whole response: status, challenge, `Allow`, `Retry-After`, type and body.
#[track_caller]
pub(crate) fn assert_answer(answer: &Answer, expected: Expected, case: &str) {
    assert_offer(answer, expected, Offer::ByBearer, case);
}

/// The same for a caller that did not use Bearer, or a service that does not accept both schemes.
#[track_caller]
pub(crate) fn assert_offer(answer: &Answer, expected: Expected, offer: Offer, case: &str) {
    assert_head(answer, expected, offer, case);
    assert_eq!(answer.json(), expected.body(), "{case}");
}

/// The same for an answer to `HEAD`, which has no body.
#[track_caller]
pub(crate) fn assert_head(answer: &Answer, expected: Expected, offer: Offer, case: &str) {
    assert_eq!(answer.status, expected.status(), "{case}: {answer:?}");
    let challenges = answer.all("www-authenticate").into_iter();
    let challenges = challenges.map(|text| without_route_parameters(answer.status, text));
    let challenges: Vec<_> = challenges.collect();
    assert_eq!(challenges, expected.challenges(offer), "{case}");
    let content_type = Some(expected.content_type());
    assert_eq!(answer.header("content-type"), content_type, "{case}");
    let allow = (expected == Expected::MethodNotAllowed).then_some("GET, HEAD");
    assert_eq!(answer.header("allow"), allow, "{case}");
    let retry_after = answer.header("retry-after").map(str::parse::<u64>);
    if [429, 503].contains(&expected.status()) {
        let latest = if expected == Expected::KeyUndetermined {
            30
        } else {
            5
        };
        let soon = retry_after.is_some_and(|seconds| (1..=latest).contains(&seconds.unwrap()));
        assert!(soon, "{case}: {answer:?}");
    } else {
        assert_eq!(retry_after, None, "{case}");
    }
}
