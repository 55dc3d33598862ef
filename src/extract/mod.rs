//! Verified → permission, as the arguments of a handler.
//!
//! An access type is an extractor that decides: a handler that takes one runs for those callers
//! only whom the type lets in, and its signature says so to whoever reads it.

mod authenticate;
mod authenticated_user;
mod bound;
mod caller;
mod claim;
mod maybe_user;
mod public;
mod requirement;
mod scoped;
mod sender_constraint;
mod step_up;
mod wrapper;

use actix_web::FromRequest;

use crate::rejection::Rejection;
pub use authenticate::AccessFuture;
pub(crate) use authenticate::NextNonce;
#[cfg(feature = "service")]
pub(crate) use authenticate::{AuthenticationError, authenticate, finish};
pub use authenticated_user::{AuthenticatedUser, CustomClaims, NoClaims};
pub use bound::Bound;
#[cfg(feature = "test-kit")]
pub(crate) use bound::UNBOUND;
pub use caller::Caller;
pub use claim::{Claim, ClaimRule, KnownUser};
pub use maybe_user::MaybeUser;
pub use public::Public;
pub use requirement::{Authentication, Requirement};
pub use scoped::Scoped;
pub use step_up::StepUp;

/// A handler's argument that says who may call it.
///
/// Extraction fails with the [`Rejection`] that [`grant`](Access::grant) decides on.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no access type, so it does not say who may call this handler",
    label = "the first argument must say who may call the handler",
    note = "take `AuthenticatedUser`, `Scoped<S>` or `MaybeUser` first, or `Public` to let anybody in; other extractors follow it",
    note = "`Option` and `Result` of an access type are none: they would turn a refused token into an anonymous caller; `MaybeUser` does not"
)]
pub trait Access: FromRequest<Error = Rejection> + 'static {
    /// What a caller needs, for the route table and all that reads it.
    fn requirement() -> Requirement;

    /// Lets the caller in or turns it away; `None` when no credentials were sent.
    ///
    /// # Errors
    /// The refusal as the client sees it.
    fn grant(caller: Option<Caller>) -> Result<Self, Rejection>;
}

/// An access type behind which there is always a verified caller.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not always have a verified caller behind it",
    label = "an access type with a caller is needed here",
    note = "wrap `AuthenticatedUser`, `Scoped<S, …>`, `Claim<R, …>`, `StepUp<L, …>` or another type that turns anonymous callers away; `MaybeUser` goes outermost"
)]
pub trait Identified: Access {
    /// The caller, with the token that was verified.
    fn caller(&self) -> &Caller;
}
