//! `MaybeUser`: an authenticated or an anonymous caller.

use actix_web::dev::Payload;

use super::wrapper::impl_from_request;
use super::{Access, AuthenticatedUser, Caller, Identified, Requirement};
use crate::rejection::Rejection;

/// An authenticated caller, or an anonymous one if the request has no credentials.
///
/// A request with credentials is rejected whenever `A` rejects it: an invalid token is 401, never an anonymous caller as
/// with `Option`.
///
/// # Examples
/// ```
/// use actix_resource_server::{AuthenticatedUser, MaybeUser};
///
/// async fn greet(caller: MaybeUser) -> String {
///     match caller.user() {
///         Some(user) => format!("Hello, {}.", user.subject().unwrap_or("unknown")),
///         None => "Hello.".to_owned(),
///     }
/// }
/// ```
pub struct MaybeUser<A: Identified = AuthenticatedUser>(Option<A>);

impl<A: Identified> MaybeUser<A> {
    /// The caller; `None` if the request has no credentials.
    #[must_use]
    pub fn user(&self) -> Option<&A> {
        self.0.as_ref()
    }

    /// The caller, by value.
    #[must_use]
    pub fn into_user(self) -> Option<A> {
        self.0
    }
}

impl<A: Identified> Access for MaybeUser<A> {
    fn requirement() -> Requirement {
        A::requirement().or_anonymous()
    }

    fn grant(caller: Option<Caller>) -> Result<Self, Rejection> {
        match caller {
            None => Ok(Self(None)),
            Some(caller) => A::grant(Some(caller)).map(Some).map(Self),
        }
    }

    fn limit_body(&self, body: Payload) -> Payload {
        match &self.0 {
            Some(user) => user.limit_body(body),
            None => body,
        }
    }
}

impl_from_request!(MaybeUser<A: Identified>);

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use super::*;
    use crate::extract::Scoped;
    use crate::extract::caller::tests::caller_with;
    use crate::rejection::Cause;

    crate::scope!(Read = "read");

    #[test]
    fn anonymous_callers_are_accepted_and_others_as_by_the_inner_type() {
        type Reader = MaybeUser<Scoped<Read>>;
        let granted = |caller| Reader::grant(caller).map(|maybe| maybe.user().is_some());
        let lacking = Cause::InsufficientScope {
            alternatives: vec![vec!["read"]],
        };
        assert_eq!(granted(None), Ok(false));
        assert_eq!(granted(Some(caller_with(&[]))), Err(lacking.into()));
        let reader = caller_with(&[("scope", "read".into())]);
        assert_eq!(granted(Some(reader)), Ok(true));
    }
}
