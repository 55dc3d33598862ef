//! Rejection → response: status, challenges and body. The only module that knows status codes.

mod cause;
pub(crate) mod challenge;
mod error_format;
mod from_errors;
mod metadata_path;
pub(crate) mod problem;
mod response_cache;

use std::fmt;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, ResponseError};

use crate::authorization::{AuthScheme, Schemes};
use crate::metrics::RejectionReason;
use crate::sender::{DPOP_NONCE, NO_STORE};
pub use cause::Cause;
use challenge::{ChallengeContext, Challenges, RouteContext, is_about_token};
pub(crate) use error_format::ErrorFormat;
pub use error_format::ErrorInfo;
pub(crate) use metadata_path::{MetadataPath, WELL_KNOWN};
use problem::Problem;

/// The rejection of a request: its cause, and the credentials that would be accepted.
///
/// As a response it has the status of its cause, `WWW-Authenticate` challenges ([RFC 6750 §3]) and a problem body
/// ([RFC 9457]).
///
/// # Examples
/// ```
/// use actix_resource_server::Rejection;
/// use actix_resource_server::Cause;
/// use actix_web::ResponseError;
///
/// let rejection = Rejection::from(Cause::InvalidToken("The tenant does not exist."));
/// assert_eq!(rejection.status_code(), 401);
/// ```
///
/// [RFC 6750 §3]: https://www.rfc-editor.org/rfc/rfc6750#section-3
/// [RFC 9457]: https://www.rfc-editor.org/rfc/rfc9457
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    cause: Cause,
    context: ChallengeContext,
    nonce: Option<HeaderValue>,
    /// Without it, the body is a problem document.
    format: Option<ErrorFormat>,
}

impl Rejection {
    /// The rejection of a request without credentials.
    #[must_use]
    pub fn no_credentials() -> Self {
        let text = "An access token is needed in the Authorization header.";
        Cause::Unauthenticated(text).into()
    }

    /// Why.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// As [`cause`](Self::cause), by value.
    #[must_use]
    pub fn into_cause(self) -> Cause {
        self.cause
    }

    /// Sets the schemes that are accepted.
    pub(crate) fn offering(mut self, schemes: Schemes) -> Self {
        self.context.schemes = schemes;
        self
    }

    /// Sets the scheme that the request used.
    pub(crate) fn after(mut self, scheme: Option<AuthScheme>) -> Self {
        self.context.used = scheme;
        self
    }

    /// Sets what the challenges say of the route: the scopes that it requires, and the URL of the metadata of its protected
    /// resource unless that is set already.
    pub(crate) fn for_route(
        mut self,
        scopes: impl FnOnce() -> Vec<&'static str>,
        resource_metadata: impl FnOnce() -> Option<String>,
    ) -> Self {
        if !is_about_token(self.cause.status()) {
            return self;
        }
        let scopes = scopes();
        self.context.route = Some(match self.context.route {
            Some(route) if route.scopes == scopes => route,
            Some(route) => Arc::new(RouteContext {
                scopes,
                ..Arc::unwrap_or_clone(route)
            }),
            None => Arc::new(RouteContext {
                scopes,
                resource_metadata: resource_metadata(),
            }),
        });
        self
    }

    /// Sets the nonce for the client's next proof, if it is to get one (RFC 9449 §9).
    pub(crate) fn with_nonce(self, nonce: Option<HeaderValue>) -> Self {
        let nonce = nonce.or(self.nonce);
        Self { nonce, ..self }
    }

    /// Sets the format of the table that serves the request, if it has one.
    pub(crate) fn formatted_for(mut self, request: &HttpRequest) -> Self {
        self.format = self.format.or_else(|| ErrorFormat::of(request).cloned());
        self
    }

    /// The reason under which it is counted; `None` for a fault of the application.
    pub(crate) fn reason(&self) -> Option<RejectionReason> {
        self.cause.reason()
    }

    fn without_nonce(&self) -> Self {
        Self {
            nonce: None,
            format: None,
            ..self.clone()
        }
    }

    fn challenges(&self) -> Option<HeaderValue> {
        let text = Challenges::of(&self.cause, &self.context).text();
        text.and_then(|text| HeaderValue::from_maybe_shared(Bytes::from(text)).ok())
    }
}

impl<C: Into<Cause>> From<C> for Rejection {
    fn from(cause: C) -> Self {
        Self {
            cause: cause.into(),
            context: ChallengeContext::default(),
            nonce: None,
            format: None,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl std::error::Error for Rejection {}

impl ResponseError for Rejection {
    fn status_code(&self) -> StatusCode {
        self.cause.status()
    }

    fn error_response(&self) -> HttpResponse {
        let cached = response_cache::answer(self);
        let mut response = match &self.format {
            Some(format) => format.render(&ErrorInfo {
                status: self.status_code(),
                code: self.cause.code(),
                detail: self.cause.text(),
                cause: Some(&self.cause),
            }),
            None => {
                let mut response = HttpResponse::build(self.status_code());
                problem::headers(&mut response);
                response.body(cached.body)
            }
        };
        let headers = response.headers_mut();
        if let Some(challenges) = cached.challenges {
            headers.insert(WWW_AUTHENTICATE, challenges);
        }
        if let Some(pause) = self.cause.retry_after() {
            let begun = u64::from(pause.subsec_nanos() > 0);
            let seconds = pause.as_secs().saturating_add(begun);
            headers.insert(RETRY_AFTER, seconds.max(1).into());
        }
        if let Some(nonce) = &self.nonce {
            headers.insert(DPOP_NONCE, nonce.clone());
            headers.insert(CACHE_CONTROL, NO_STORE);
        }
        response
    }
}
