//! `AuthenticatedUser`: a caller with a valid access token.

use std::ops::Deref;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::wrapper::impl_from_request;
use super::{Access, Authentication, Caller, Identified, Requirement};
use crate::rejection::Rejection;
use crate::verifier::{ClaimsMismatch, Verified};

/// A caller whose access token is valid.
///
/// Extraction fails with 401 if the request has no token or an invalid one, and with 503 while the issuer's keys are
/// unavailable. With a type of the application as `C`, the token's claims are deserialized into it; a token whose claims
/// do not fit is rejected with 401.
///
/// It dereferences to the [`Verified`] token.
///
/// # Examples
/// ```
/// use actix_resource_server::AuthenticatedUser;
///
/// #[derive(serde::Deserialize)]
/// struct MyClaims {
///     email: String,
/// }
///
/// async fn hello(user: AuthenticatedUser) -> String {
///     format!("Hello, {}.", user.subject().unwrap_or("unknown"))
/// }
///
/// async fn mail(user: AuthenticatedUser<MyClaims>) -> String {
///     user.claims().email.clone()
/// }
/// ```
pub struct AuthenticatedUser<C: CustomClaims = NoClaims> {
    caller: Caller,
    claims: C::Held,
}

impl<C: CustomClaims> AuthenticatedUser<C> {
    /// The token's claims, deserialized.
    #[must_use]
    pub fn claims(&self) -> &C {
        &self.claims
    }
}

impl<C: CustomClaims> Access for AuthenticatedUser<C> {
    fn requirement() -> Requirement {
        Requirement::of(Authentication::Required)
    }

    fn grant(caller: Option<Caller>) -> Result<Self, Rejection> {
        let caller = caller.ok_or_else(Rejection::no_credentials)?;
        let claims = C::read(&caller)?;
        Ok(Self { caller, claims })
    }
}

impl<C: CustomClaims> Identified for AuthenticatedUser<C> {
    fn caller(&self) -> &Caller {
        &self.caller
    }
}

impl_from_request!(AuthenticatedUser<C: CustomClaims>);

impl<C: CustomClaims> Deref for AuthenticatedUser<C> {
    type Target = Verified;

    fn deref(&self) -> &Verified {
        &self.caller
    }
}

/// A type that a token's claims are deserialized into: any that implements [`DeserializeOwned`].
pub trait CustomClaims: Sized + 'static {
    /// How the claims are stored: they are deserialized once for each token.
    type Held: Deref<Target = Self>;

    /// Deserializes the claims of a verified token.
    ///
    /// # Errors
    /// The claims do not fit the type; the response is 401.
    fn read(verified: &Verified) -> Result<Self::Held, ClaimsMismatch>;
}

impl<C: DeserializeOwned + Send + Sync + 'static> CustomClaims for C {
    type Held = Arc<Self>;

    fn read(verified: &Verified) -> Result<Arc<Self>, ClaimsMismatch> {
        verified.custom_claims()
    }
}

/// No claims besides those that every [`Verified`] token has.
#[derive(Clone, Copy, Debug)]
pub struct NoClaims;

impl CustomClaims for NoClaims {
    type Held = &'static Self;

    fn read(_: &Verified) -> Result<&'static Self, ClaimsMismatch> {
        Ok(&Self)
    }
}

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use super::*;
    use crate::extract::caller::tests::caller_with;

    #[derive(Debug, serde::Deserialize)]
    struct Mail {
        email: String,
    }

    #[test]
    fn without_credentials_the_caller_is_rejected() {
        let rejected = Err(Rejection::no_credentials());
        assert_eq!(
            AuthenticatedUser::<NoClaims>::grant(None).map(drop),
            rejected
        );
        assert_eq!(AuthenticatedUser::<Mail>::grant(None).map(drop), rejected);
    }

    #[test]
    fn own_claims_must_fit_their_type() {
        let granted = |caller| AuthenticatedUser::<Mail>::grant(Some(caller));
        let user = granted(caller_with(&[("email", "a@b.test".into())])).expect("claims that fit");
        assert_eq!(user.claims().email, "a@b.test");
        assert_eq!(user.caller().subject(), user.subject());
        let unfit = granted(caller_with(&[("email", 1.into())])).map(drop);
        assert_eq!(unfit, Err(Rejection::from(ClaimsMismatch)));
    }
}
