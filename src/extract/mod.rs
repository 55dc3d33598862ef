//! Access types: extractors that authenticate the caller and decide whether the handler runs.

mod authenticate;
mod authenticated_user;
mod bound;
mod caller;
mod claim;
#[cfg(feature = "service")]
mod decided;
mod delegated;
mod direct;
mod maybe_user;
mod public;
mod requirement;
mod route_challenge;
#[cfg(feature = "service")]
mod rule;
mod scoped;
mod sender_constraint;
mod step_up;
mod ticket;
mod wrapper;

use actix_web::FromRequest;
use actix_web::dev::Payload;

use crate::rejection::Rejection;
pub use authenticate::AccessFuture;
#[cfg(feature = "service")]
pub(crate) use authenticate::{AuthenticationError, authenticate, finish};
pub(crate) use authenticate::{NextNonce, verify_or_wait};
pub use authenticated_user::{AuthenticatedUser, CustomClaims, NoClaims};
pub use bound::Bound;
#[cfg(feature = "test-kit")]
pub(crate) use bound::UNBOUND;
pub use caller::Caller;
pub use claim::{Claim, ClaimRule, KnownUser};
#[cfg(feature = "service")]
pub(crate) use decided::{Decided, DecisionRecord, Rejected, note_rejected};
pub use delegated::{ActorRequirement, ActorRule, AnyActor, Delegated};
#[cfg(any(feature = "service", feature = "test-kit"))]
pub(crate) use direct::DIRECT_ONLY;
pub use direct::Direct;
pub use maybe_user::MaybeUser;
pub use public::Public;
pub use requirement::{Authentication, Requirement};
pub(crate) use route_challenge::{is_own_origin, public_url, rejected_by, rejected_early};
#[cfg(feature = "service")]
pub(crate) use rule::{AccessRule, Permitted};
pub use scoped::Scoped;
pub use step_up::StepUp;
#[cfg(feature = "test-kit")]
pub(crate) use ticket::UNUSABLE_TICKET;
pub(crate) use ticket::{issue_ticket, redeem_ticket};

/// A handler argument that declares who may call the handler.
///
/// Extraction authenticates the request, and fails with the [`Rejection`] that authentication or
/// [`grant`](Access::grant) returns.
///
/// # Examples
/// An access type of an application: the tenant in the path must be the tenant of the token. What depends on the request
/// is decided by the extractor; [`grant`](Access::grant) decides on the caller alone, as the command `explain` does.
/// ```
/// use std::future::Future;
/// use std::pin::Pin;
///
/// use actix_resource_server::Cause;
/// use actix_resource_server::{Access, AuthenticatedUser, Caller, Rejection, Requirement};
/// use actix_web::dev::Payload;
/// use actix_web::{FromRequest, HttpRequest};
///
/// /// A caller of `/{tenant}/…` whose token is for that tenant; others are rejected with 403.
/// struct TenantUser(AuthenticatedUser);
///
/// impl Access for TenantUser {
///     fn requirement() -> Requirement {
///         <AuthenticatedUser>::requirement()
///     }
///
///     fn grant(caller: Option<Caller>) -> Result<Self, Rejection> {
///         <AuthenticatedUser>::grant(caller).map(Self)
///     }
/// }
///
/// impl FromRequest for TenantUser {
///     type Error = Rejection;
///     type Future = Pin<Box<dyn Future<Output = Result<Self, Rejection>>>>;
///
///     fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
///         let request = request.clone();
///         Box::pin(async move {
///             let user = <AuthenticatedUser>::extract(&request).await?;
///             let tenant = request.match_info().get("tenant");
///             if tenant.is_some() && user.claim("tenant").and_then(|claim| claim.as_str()) == tenant {
///                 Ok(Self(user))
///             } else {
///                 Err(Cause::UnfulfilledRule("The token is for another tenant.").into())
///             }
///         })
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement `Access`: the first argument must declare who may call this handler",
    label = "expected an access type",
    note = "begin the arguments with `AuthenticatedUser`, `Scoped<S>` or `MaybeUser`, or with `Public` for an open route; other extractors follow",
    note = "`Option` and `Result` do not implement it: they would turn a rejected token into an anonymous caller; use `MaybeUser`"
)]
pub trait Access: FromRequest<Error = Rejection> + 'static {
    /// The requirement as data, for the route table and everything that is derived from it.
    fn requirement() -> Requirement;

    /// Accepts or rejects the caller; `None` if the request has no credentials.
    ///
    /// # Errors
    /// The rejection, which is the response to the client.
    fn grant(caller: Option<Caller>) -> Result<Self, Rejection>;

    /// The body of the request as the other arguments may read it, which ends with the access of a stream.
    #[doc(hidden)]
    fn limit_body(&self, body: Payload) -> Payload {
        body
    }
}

/// An access type that always has an authenticated caller.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement `Identified`: it may have no authenticated caller",
    label = "expected an access type with an authenticated caller",
    note = "wrap `AuthenticatedUser`, `Scoped<S, …>`, `Claim<R, …>`, `StepUp<L, …>` or another type that rejects anonymous callers; `MaybeUser` must be outermost"
)]
pub trait Identified: Access {
    /// The caller, with its verified token.
    fn caller(&self) -> &Caller;
}
