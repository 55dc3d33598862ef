//! Errors in the application's own format.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};

use super::Cause;

/// An error that is to be rendered; its texts are constants, nothing of the request is repeated.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ErrorInfo<'e> {
    /// The status of the response, which the format cannot change.
    pub status: StatusCode,
    /// The error code of the challenge, such as `invalid_token`, if it has one.
    pub code: Option<&'static str>,
    /// What is wrong, in one sentence.
    pub detail: Cow<'static, str>,
    /// The cause of a rejection; `None` for a path or a method that is not there.
    pub cause: Option<&'e Cause>,
}

/// The application's own format of rejections, of 404 and of 405; set by [`Api::error_format`](crate::Api::error_format).
#[derive(Clone)]
pub(crate) struct ErrorFormat(Arc<dyn Fn(&ErrorInfo<'_>) -> HttpResponse + Send + Sync>);

impl ErrorFormat {
    pub(crate) fn new(
        render: impl Fn(&ErrorInfo<'_>) -> HttpResponse + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(render))
    }

    /// The format of the table that serves the request.
    pub(crate) fn of(request: &HttpRequest) -> Option<&Self> {
        request.app_data()
    }

    /// The response, with the status of the error.
    pub(super) fn render(&self, error: &ErrorInfo<'_>) -> HttpResponse {
        let mut response = (self.0)(error);
        *response.status_mut() = error.status;
        response
    }
}

/// Rejections are compared by what they are, not by how they are rendered.
impl PartialEq for ErrorFormat {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for ErrorFormat {}

impl fmt::Debug for ErrorFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErrorFormat")
    }
}
