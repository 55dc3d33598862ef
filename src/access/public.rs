//! Anybody may call.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use super::{Access, Caller, CallerNeed, Requirement};
use crate::credentials::check_host;
use crate::rejection::Rejection;

/// Lets anybody in, and says that this is meant; credentials are not looked at.
///
/// # Examples
/// ```
/// use actix_resource_server::Public;
///
/// async fn public(_: Public) -> &'static str {
///     "Anybody may read this."
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Public(());

impl Access for Public {
    fn requirement() -> Requirement {
        Requirement::of(CallerNeed::Anybody)
    }

    fn grant(_: Option<Caller>) -> Result<Self, Rejection> {
        Ok(Self(()))
    }
}

impl FromRequest for Public {
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(
            check_host(request.headers())
                .map_err(Rejection::from)
                .and_then(|()| Self::grant(None)),
        )
    }
}
