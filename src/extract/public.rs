//! `Public`: an open route.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use super::{Access, Authentication, Caller, Requirement};
use crate::authorization::check_host;
use crate::rejection::Rejection;

/// Declares an open route: everyone may call it, and credentials are not read.
///
/// Extraction fails only for a malformed `Host` header, with 400.
///
/// # Examples
/// ```
/// use actix_resource_server::Public;
///
/// async fn public(_: Public) -> &'static str {
///     "open to everyone"
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Public(());

impl Access for Public {
    fn requirement() -> Requirement {
        Requirement::of(Authentication::None)
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

#[cfg(test)]
mod tests {
    use actix_web::http::header::{AUTHORIZATION, HOST};
    use actix_web::test::TestRequest;

    use super::*;
    use crate::rejection::Cause;

    #[test]
    fn only_a_malformed_host_is_rejected() {
        let extract = |request: TestRequest| {
            let request = request.to_http_request();
            let extracted = Public::from_request(&request, &mut Payload::None);
            extracted.into_inner().map(drop)
        };
        let malformed = Cause::InvalidRequest("The Host header is malformed.");
        let request = TestRequest::default;
        assert_eq!(extract(request()), Ok(()));
        assert_eq!(
            extract(request().insert_header((AUTHORIZATION, "a b c"))),
            Ok(())
        );
        assert_eq!(
            extract(request().insert_header((HOST, "api.test:80"))),
            Ok(())
        );
        assert_eq!(
            extract(request().insert_header((HOST, "a/b"))),
            Err(malformed.into())
        );
    }
}
