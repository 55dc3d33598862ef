//! The JSON body of every rejection ([RFC 9457 §3]).
//!
//! [RFC 9457 §3]: https://www.rfc-editor.org/rfc/rfc9457#section-3

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;

use super::{Cause, ErrorFormat, ErrorInfo};
use crate::claims::authn::AuthnRequirement;

/// A problem document, `application/problem+json`; its texts are made of constants.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    required_scopes: Option<Vec<&'static str>>,
    /// All ways to fulfil the demand, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alternatives: Vec<Vec<&'static str>>,
    #[serde(flatten)]
    login: Option<AuthnRequirement>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            required_scopes: None,
            alternatives: Vec::new(),
            login: None,
        }
    }

    /// Lists the scopes that would do: those of the first way, and all ways where there are several.
    pub(crate) fn requiring(mut self, alternatives: &[Vec<&'static str>]) -> Self {
        self.required_scopes = alternatives.first().cloned();
        if alternatives.len() > 1 {
            self.alternatives = alternatives.to_vec();
        }
        self
    }

    pub(super) fn of(cause: &Cause) -> Self {
        let problem = Self::new(cause.status(), cause.text());
        match cause {
            Cause::InsufficientLogin(demand) => Self {
                login: Some(*demand),
                ..problem
            },
            Cause::InsufficientScope { alternatives } => problem.requiring(alternatives),
            _ => problem,
        }
    }

    pub(super) fn to_json(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    fn into_response(self, mut response: HttpResponseBuilder) -> HttpResponse {
        headers(&mut response);
        response.body(self.to_json())
    }
}

/// Sets the headers that describe the body of a rejection.
pub(super) fn headers(response: &mut HttpResponseBuilder) {
    response.insert_header((CONTENT_TYPE, PROBLEM_JSON));
    response.insert_header((X_CONTENT_TYPE_OPTIONS, NOSNIFF));
}

/// 404 for a path that is not there.
#[cfg(feature = "service")]
pub(crate) fn not_found() -> HttpResponse {
    not_found_as(None)
}

/// As a problem document, or in this format.
pub(crate) fn not_found_as(format: Option<&ErrorFormat>) -> HttpResponse {
    respond(
        StatusCode::NOT_FOUND,
        "There is nothing at this path.",
        format,
    )
}

fn respond(status: StatusCode, detail: &'static str, format: Option<&ErrorFormat>) -> HttpResponse {
    match format {
        Some(format) => format.render(&ErrorInfo {
            status,
            code: None,
            detail: detail.into(),
            cause: None,
        }),
        None => Problem::new(status, detail).into_response(HttpResponse::build(status)),
    }
}

/// 405 for a path that is there, but not with this method; `allow` lists those that it has (RFC 9110 §15.5.6).
pub(crate) fn method_not_allowed(allow: HeaderValue, format: Option<&ErrorFormat>) -> HttpResponse {
    let detail = "This path does not have this method; Allow lists those that it has.";
    let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, detail, format);
    response.headers_mut().insert(ALLOW, allow);
    response
}

/// 503 for the metadata of an API none of whose issuers is discovered.
pub(crate) fn not_discovered(format: Option<&ErrorFormat>) -> HttpResponse {
    let detail = "The API's authorization server is not known yet.";
    let mut response = respond(StatusCode::SERVICE_UNAVAILABLE, detail, format);
    response.headers_mut().insert(RETRY_AFTER, 1.into());
    response
}

/// 400 for a request that is rejected before it reaches a handler.
#[cfg(feature = "service")]
pub(crate) fn bad_request(detail: &'static str) -> HttpResponse {
    respond(StatusCode::BAD_REQUEST, detail, None)
}

/// A response with this status that no other function here has.
#[cfg(feature = "service")]
pub(crate) fn of_status(status: StatusCode, detail: &'static str) -> HttpResponse {
    respond(status, detail, None)
}

/// 403 for a request whose sender is not trusted.
#[cfg(feature = "service")]
pub(crate) fn forbidden(detail: &'static str) -> HttpResponse {
    respond(StatusCode::FORBIDDEN, detail, None)
}

/// 500 for a handler that panicked; nothing of the panic is shown.
pub(crate) fn internal_error(format: Option<&ErrorFormat>) -> HttpResponse {
    let detail = "The service failed to answer this request.";
    respond(StatusCode::INTERNAL_SERVER_ERROR, detail, format)
}

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
