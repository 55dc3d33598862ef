//! `StepUp`: a caller whose login is strong and recent enough.

use std::marker::PhantomData;

use actix_web::dev::Payload;

use super::wrapper::impl_wrapper;
use super::{Access, AuthenticatedUser, Caller, Identified, Requirement};
use crate::claims::authn::{AuthnLevel, AuthnRequirement};
use crate::rejection::{Cause, Rejection};

/// A caller whose user logged in at the level `L`, according to the verified token.
///
/// `L` is a type defined by [`step_up!`](crate::step_up), or an implementation of [`AuthnLevel`]. Rejects whatever `A`
/// rejects, and with 401 `insufficient_user_authentication` ([RFC 9470 §3]) tokens whose `acr`, `amr` or `auth_time` is
/// missing, malformed or not sufficient for `L`. It dereferences to `A`.
///
/// The challenge has the parameters for a new authorization request: `acr_values` and `max_age`, with everything that `L`
/// requires. There is no such parameter for `amr`: its values stand in the description, and in the body as `amr_values`.
/// Where clients are to step up automatically, require an `acr` instead.
///
/// ```text
/// WWW-Authenticate: Bearer realm="api", error="insufficient_user_authentication",
///     error_description="…", acr_values="urn:example:gold urn:example:silver", max_age="300"
/// ```
///
/// `max_age` counts from `auth_time`, by the verifier's clock and with the issuer's `clock_tolerance`. The issuer must be
/// configured to put these claims into access tokens (RFC 9068 §2.2.1).
///
/// # Examples
/// ```
/// use actix_resource_server::{Scoped, StepUp, scope, step_up};
///
/// scope!(pub Transfer = "transfer");
/// step_up!(pub Recently = max_age 5 minutes);
///
/// async fn transfer(caller: StepUp<Recently, Scoped<Transfer>>) -> String {
///     caller.subject().unwrap_or("unknown").to_owned()
/// }
/// ```
///
/// [RFC 9470 §3]: https://www.rfc-editor.org/rfc/rfc9470#section-3
pub struct StepUp<L: AuthnLevel, A: Identified = AuthenticatedUser> {
    access: A,
    level: PhantomData<fn() -> L>,
}

impl<L: AuthnLevel, A: Identified> StepUp<L, A> {
    const DEMAND: AuthnRequirement = AuthnRequirement::of::<L>();
}

impl<L: AuthnLevel, A: Identified> Access for StepUp<L, A> {
    fn requirement() -> Requirement {
        A::requirement().and_login(Self::DEMAND)
    }

    fn grant(caller: Option<Caller>) -> Result<Self, Rejection> {
        let access = A::grant(caller)?;
        let caller = access.caller();
        if !caller.login_meets(&Self::DEMAND, caller.now()) {
            return Err(Cause::InsufficientLogin(Self::DEMAND).into());
        }
        Ok(Self {
            access,
            level: PhantomData,
        })
    }

    fn limit_body(&self, body: Payload) -> Payload {
        self.access.limit_body(body)
    }
}

impl_wrapper!(StepUp<L: AuthnLevel, A: Identified>);

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use std::time::{Duration, SystemTime};

    use serde_json::{Value, json};

    use super::*;
    use crate::extract::Scoped;
    use crate::extract::caller::tests::caller_at;

    crate::scope!(Read = "read");
    crate::step_up!(Gold = acr "gold");
    crate::step_up!(Recently = max_age 5 minutes);

    fn granted<A: Access>(seconds: u64, claims: &[(&str, Value)]) -> Result<(), Rejection> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        A::grant(Some(caller_at(now, claims))).map(drop)
    }

    fn insufficient<L: AuthnLevel>() -> Result<(), Rejection> {
        Err(Cause::InsufficientLogin(AuthnRequirement::of::<L>()).into())
    }

    #[test]
    fn a_login_is_as_old_as_the_callers_clock_and_the_issuers_tolerance_say() {
        let at = |seconds| granted::<StepUp<Recently>>(seconds, &[("auth_time", json!(1000))]);
        for seconds in [995, 1000, 1300, 1305] {
            assert_eq!(at(seconds), Ok(()), "{seconds}");
        }
        for seconds in [994, 1306, 9999] {
            assert_eq!(at(seconds), insufficient::<Recently>(), "{seconds}");
        }
    }

    #[test]
    fn the_inner_type_is_asked_first() {
        type Inner = StepUp<Gold, Scoped<Read>>;
        type Outer = Scoped<Read, StepUp<Gold>>;
        let (acr, scope) = (("acr", json!("gold")), ("scope", json!("read")));
        let lacking: Result<(), Rejection> = Err(Cause::InsufficientScope {
            alternatives: vec![vec!["read"]],
        }
        .into());
        assert_eq!(granted::<Inner>(1000, &[]), lacking);
        assert_eq!(granted::<Outer>(1000, &[]), insufficient::<Gold>());
        assert_eq!(
            granted::<Inner>(1000, std::slice::from_ref(&scope)),
            insufficient::<Gold>()
        );
        assert_eq!(granted::<Outer>(1000, std::slice::from_ref(&acr)), lacking);
        let both = [acr, scope];
        assert_eq!(granted::<Inner>(1000, &both), Ok(()));
        assert_eq!(granted::<Outer>(1000, &both), Ok(()));
        let no_credentials = Err(Rejection::no_credentials());
        assert_eq!(Inner::grant(None).map(drop), no_credentials);
    }

    #[test]
    fn each_level_is_asked_for_itself() {
        type Both = StepUp<Recently, StepUp<Gold>>;
        let (acr, time) = (("acr", json!("gold")), ("auth_time", json!(1000)));
        let with = |claims: &[_]| granted::<Both>(1000, claims);
        assert_eq!(with(&[]), insufficient::<Gold>());
        assert_eq!(with(std::slice::from_ref(&time)), insufficient::<Gold>());
        assert_eq!(with(std::slice::from_ref(&acr)), insufficient::<Recently>());
        assert_eq!(with(&[acr, time]), Ok(()));
    }
}
