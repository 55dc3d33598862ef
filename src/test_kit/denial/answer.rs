//! The response of a route, and the comparison with the expected rejections.

use std::fmt;

use actix_web::body::{self, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::header::WWW_AUTHENTICATE;
use actix_web::{HttpResponse, ResponseError};
use serde_json::Value;

use crate::rejection::Rejection;

/// The parts of a response that identify a rejection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    status: u16,
    challenge: Option<String>,
    body: Vec<u8>,
}

impl Answer {
    /// An answer with a status, the first `WWW-Authenticate` header if any, and a body.
    #[must_use]
    pub fn new(status: u16, challenge: Option<&str>, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            challenge: challenge.map(str::to_owned),
            body: body.into(),
        }
    }

    /// The response of an app of `actix_web::test`.
    pub async fn of<B: MessageBody>(response: ServiceResponse<B>) -> Self {
        Self::of_response(response.into_parts().1).await
    }

    async fn of_response<B: MessageBody>(response: HttpResponse<B>) -> Self {
        let status = response.status().as_u16();
        let challenge = response.headers().get(WWW_AUTHENTICATE);
        let challenge =
            challenge.map(|header| String::from_utf8_lossy(header.as_bytes()).into_owned());
        let body = body::to_bytes(response.into_body()).await;
        Self {
            status,
            challenge,
            // An incomplete body is not that of a rejection.
            body: body.map(|bytes| bytes.to_vec()).unwrap_or_default(),
        }
    }

    /// Whether the request was granted: the status is not an error.
    pub(super) fn is_granted(&self) -> bool {
        self.status < 400
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        self.challenge
            .iter()
            .try_for_each(|challenge| write!(f, " {challenge}"))
    }
}

/// The acceptable rejections, the most likely first.
#[derive(Clone, Debug)]
pub(super) struct Expected(Vec<RejectionReason>);

#[derive(Clone, Debug)]
struct RejectionReason {
    status: u16,
    challenge: Option<String>,
    detail: Option<Value>,
}

impl Expected {
    pub(super) fn any_of(rejections: &[Rejection]) -> Self {
        Self(rejections.iter().map(RejectionReason::of).collect())
    }

    /// Whether the answer equals one of the rejections in status, challenge and body.
    pub(super) fn is(&self, answer: &Answer) -> bool {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        self.0.iter().any(|rejection| {
            rejection.status == answer.status
                && is_offered(rejection.challenge.as_deref(), answer.challenge.as_deref())
                && body.get("status") == Some(&rejection.status.into())
                && body.get("detail") == rejection.detail.as_ref()
        })
    }
}

/// Whether the answer's challenge is the expected one; the URL of the metadata, and the challenge of another scheme, may
/// follow.
fn is_offered(expected: Option<&str>, challenge: Option<&str>) -> bool {
    match expected.zip(challenge) {
        Some((expected, challenge)) => challenge
            .strip_prefix(expected)
            .map(without_metadata)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(", DPoP ")),
        None => expected == challenge,
    }
}

/// What follows the parameter `resource_metadata` (RFC 9728 §5.1), where the challenge goes on with it.
fn without_metadata(rest: &str) -> &str {
    let url = rest.strip_prefix(", resource_metadata=\"");
    url.and_then(|url| url.split_once('"'))
        .map_or(rest, |(_, rest)| rest)
}

impl RejectionReason {
    fn of(rejection: &Rejection) -> Self {
        let response = rejection.error_response();
        let challenge = response.headers().get(WWW_AUTHENTICATE);
        let challenge = challenge.and_then(|header| header.to_str().ok());
        Self {
            status: response.status().as_u16(),
            challenge: challenge.map(str::to_owned),
            detail: detail(response),
        }
    }
}

fn detail(response: HttpResponse) -> Option<Value> {
    let bytes = response.into_body().try_into_bytes().ok()?;
    let body: Value = serde_json::from_slice(&bytes).ok()?;
    body.get("detail").cloned()
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(rejection) = self.0.first() else {
            return Ok(());
        };
        write!(f, "{}", rejection.status)?;
        rejection
            .challenge
            .iter()
            .try_for_each(|challenge| write!(f, " {challenge}"))
    }
}
