//! `POST /revocations`, where operators revoke tokens.

use std::time::{Duration, SystemTime};

use actix_web::http::StatusCode;
use actix_web::http::header::{
    AUTHORIZATION, CACHE_CONTROL, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::web::{self, Bytes, Payload};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use jiff::Timestamp;
use serde::Deserialize;

use crate::errors::RevokeError;
use crate::jose::digest::are_equal;
use crate::rejection::problem;
use crate::sender::NO_STORE;
use crate::service::config::{OPERATOR_PATH, OperatorToken};
use crate::verifier::UnresolvedIssuer;
use crate::{Api, CutOff, Public, Verifier, post};

pub(super) fn api() -> Api {
    Api::new("").route(
        OPERATOR_PATH,
        post(respond).summary("takes revocations of operators, with revocation.operator_token"),
    )
}

async fn respond(
    _: Public,
    request: HttpRequest,
    body: Payload,
    verifier: web::Data<Verifier>,
    token: web::Data<OperatorToken>,
) -> HttpResponse {
    let revoked = async {
        authenticate(&request, &token)?;
        let revocation = Revocation::parse(&read(&request, body).await?)?;
        revocation.apply(&verifier).await
    };
    match revoked.await {
        Ok(target) => {
            log::info!("an operator has revoked the tokens of one {target}");
            let mut response = HttpResponse::NoContent();
            response.insert_header((CACHE_CONTROL, NO_STORE)).finish()
        }
        Err(error) => error.response(),
    }
}

/// Accepts the token of operators alone.
fn authenticate(request: &HttpRequest, token: &OperatorToken) -> Result<(), NotRevoked> {
    let mut values = request.headers().get_all(AUTHORIZATION);
    let (value, further) = (values.next(), values.next());
    let value = value
        .filter(|_| further.is_none())
        .map(HeaderValue::as_bytes);
    let (scheme, sent) = value
        .and_then(|value| value.split_at_checked(SCHEME.len()))
        .unwrap_or_default();
    let is_accepted = scheme.eq_ignore_ascii_case(SCHEME)
        && are_equal(sent.trim_ascii(), token.expose().as_bytes());
    if is_accepted {
        return Ok(());
    }
    log::warn!("a revocation is rejected, because it is not sent with revocation.operator_token");
    Err(NotRevoked::Unauthenticated)
}

/// Reads the body; the server limits the time that it takes.
async fn read(request: &HttpRequest, body: Payload) -> Result<Bytes, NotRevoked> {
    if !request.content_type().eq_ignore_ascii_case(JSON) {
        return Err(NotRevoked::MediaType);
    }
    match body.to_bytes_limited(MOST_BYTES).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(NotRevoked::Unread),
        Err(_) => Err(NotRevoked::TooLong),
    }
}

/// What is to be revoked.
#[derive(Debug, PartialEq, Eq)]
struct Revocation {
    /// `None` for the only one that is trusted.
    issuer: Option<String>,
    target: Target,
    /// The last second of tokens that are revoked; `None` for now.
    until: Option<SystemTime>,
}

#[derive(Debug, PartialEq, Eq)]
enum Target {
    Subject(String),
    Session(String),
    TokenId(String),
}

/// The JSON object of a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    issuer: Option<String>,
    subject: Option<String>,
    session: Option<String>,
    token_id: Option<String>,
    before: Option<Before>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Before {
    Seconds(u64),
    Time(String),
}

impl Revocation {
    fn parse(body: &[u8]) -> Result<Self, NotRevoked> {
        // An array would be read as the members in their order.
        let is_object = body.trim_ascii_start().starts_with(b"{");
        let body = Some(body).filter(|_| is_object);
        let body: Option<Body> = body.and_then(|body| serde_json::from_slice(body).ok());
        let body = body.ok_or(NotRevoked::Malformed)?;
        let target = match (body.subject, body.session, body.token_id) {
            (Some(subject), None, None) => Target::Subject(subject),
            (None, Some(session), None) => Target::Session(session),
            (None, None, Some(token_id)) => Target::TokenId(token_id),
            _ => return Err(NotRevoked::Malformed),
        };
        if target.value().is_empty() {
            return Err(NotRevoked::Malformed);
        }
        Ok(Self {
            issuer: body.issuer,
            target,
            until: body.before.map(Before::time).transpose()?,
        })
    }

    /// Revokes the tokens; returns what they have in common.
    async fn apply(self, verifier: &Verifier) -> Result<&'static str, NotRevoked> {
        let issuer = verifier.exact_issuer(self.issuer.as_deref());
        let issuer = issuer.map_err(NotRevoked::Issuer)?;
        let latest = || verifier.latest_cut_off(&issuer);
        let until = self.until.or_else(latest);
        let until = until.ok_or(NotRevoked::Revoke(RevokeError::UnknownIssuer))?;
        let (cut_off, target) = match &self.target {
            Target::Subject(subject) => (CutOff::subject(&issuer, subject, until), "subject"),
            Target::Session(session) => (CutOff::session(&issuer, session, until), "session"),
            Target::TokenId(id) => (CutOff::token_id(&issuer, id, until), "identifier"),
        };
        verifier
            .revoke(&[cut_off])
            .await
            .map_err(NotRevoked::Revoke)?;
        Ok(target)
    }
}

impl Target {
    fn value(&self) -> &str {
        match self {
            Self::Subject(value) | Self::Session(value) | Self::TokenId(value) => value,
        }
    }
}

impl Before {
    fn time(self) -> Result<SystemTime, NotRevoked> {
        let seconds = match self {
            Self::Seconds(seconds) => Some(seconds),
            Self::Time(text) => {
                let time: Option<Timestamp> = text.parse().ok();
                time.and_then(|time| u64::try_from(time.as_second()).ok())
            }
        };
        seconds
            .and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)))
            .ok_or(NotRevoked::Malformed)
    }
}

/// Why nothing is revoked.
#[derive(Debug, PartialEq, Eq)]
enum NotRevoked {
    Unauthenticated,
    MediaType,
    TooLong,
    Unread,
    Malformed,
    Issuer(UnresolvedIssuer),
    Revoke(RevokeError),
}

impl NotRevoked {
    fn response(&self) -> HttpResponse {
        let (status, detail) = self.described();
        let mut response = problem::of_status(status, detail);
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, NO_STORE);
        match status {
            StatusCode::UNAUTHORIZED => headers.insert(WWW_AUTHENTICATE, CHALLENGE),
            StatusCode::SERVICE_UNAVAILABLE => headers.insert(RETRY_AFTER, RETRY_SECONDS.into()),
            _ => return response,
        };
        response
    }

    fn described(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, UNAUTHENTICATED),
            Self::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, NOT_JSON),
            Self::TooLong => (StatusCode::PAYLOAD_TOO_LARGE, TOO_LONG),
            Self::Unread => (StatusCode::BAD_REQUEST, UNREAD),
            Self::Malformed => (StatusCode::BAD_REQUEST, MALFORMED),
            Self::Issuer(UnresolvedIssuer::Unknown) | Self::Revoke(RevokeError::UnknownIssuer) => {
                (StatusCode::BAD_REQUEST, UNKNOWN_ISSUER)
            }
            Self::Issuer(UnresolvedIssuer::Several) => (StatusCode::BAD_REQUEST, SEVERAL_ISSUERS),
            Self::Issuer(UnresolvedIssuer::Undetermined) => {
                (StatusCode::SERVICE_UNAVAILABLE, UNDETERMINED)
            }
            Self::Revoke(RevokeError::InFuture) => (StatusCode::BAD_REQUEST, IN_FUTURE),
            Self::Revoke(RevokeError::Full) => (StatusCode::SERVICE_UNAVAILABLE, FULL),
            Self::Revoke(RevokeError::Unavailable | RevokeError::NotConfigured) => {
                (StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE)
            }
        }
    }
}

const SCHEME: &[u8] = b"Bearer ";

const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"operator\"");

const JSON: &str = "application/json";

const MOST_BYTES: usize = 4 * 1024;

/// A store that is full has space again when revocations end, one that is unavailable when it is reached.
const RETRY_SECONDS: u16 = 5;

const UNAUTHENTICATED: &str = "The token of operators is required.";

const NOT_JSON: &str = "The body must be application/json.";

const TOO_LONG: &str = "The body is longer than 4 KiB.";

const UNREAD: &str = "The body could not be read.";

const MALFORMED: &str = "The body must be a JSON object with one of subject, session and token_id, and possibly issuer, and \
                         before: a time such as 2026-01-31T12:00:00Z, or seconds since 1970.";

const UNKNOWN_ISSUER: &str = "The issuer is not trusted.";

const SEVERAL_ISSUERS: &str =
    "Several issuers could be meant: issuer must be the exact iss of one.";

const UNDETERMINED: &str =
    "The exact name of the issuer is not known before its keys have been fetched.";

const IN_FUTURE: &str = "The time is in the future.";

const FULL: &str = "The store of revocations is full.";

const UNAVAILABLE: &str = "The store of revocations is unavailable.";

#[cfg(all(test, feature = "test-kit"))]
mod tests;
