//! `Claim`: a caller whose token fulfils a rule on its claims.

use std::marker::PhantomData;

use actix_web::dev::Payload;

use super::wrapper::impl_wrapper;
use super::{Access, AuthenticatedUser, Caller, Identified, Requirement};
use crate::rejection::{Cause, Rejection};
use crate::verifier::Verified;

/// A rule on a token's claims; defined by [`claim!`](crate::claim), or implemented where that does not suffice.
///
/// # Examples
/// ```
/// use actix_resource_server::{Claim, ClaimRule, Verified};
///
/// struct UnderTwenty;
///
/// impl ClaimRule for UnderTwenty {
///     const DESCRIPTION: &'static str = "The user must be under twenty.";
///
///     fn holds(token: &Verified) -> bool {
///         let age = token.claim("age").and_then(serde_json::Value::as_u64);
///         age.is_some_and(|age| age < 20)
///     }
/// }
///
/// async fn vote(_: Claim<UnderTwenty>) {}
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement `ClaimRule`",
    label = "expected a rule on claims",
    note = "`claim!(pub EmailVerified = \"email_verified\" equals true);` defines one; `impl ClaimRule` is possible too"
)]
pub trait ClaimRule: 'static {
    /// The description in the response to a caller that does not fulfil it.
    const DESCRIPTION: &'static str;

    /// Whether the token fulfils the rule.
    fn holds(token: &Verified) -> bool;
}

/// Defines a [`ClaimRule`] on one claim, given by name or JSON pointer (RFC 6901).
///
/// `equals` compares with a string, a number or a boolean. `includes` looks for a string in an array of strings, or in a
/// space-separated string. A missing claim does not fulfil the rule.
///
/// # Examples
/// ```
/// use actix_resource_server::{Claim, Scoped, claim, scope};
///
/// scope!(pub ReadMessages = "read:messages");
/// claim!(pub EmailVerified = "email_verified" equals true);
/// claim!(pub Staff = "/realm_access/roles" includes "staff");
///
/// async fn inbox(_: Claim<EmailVerified, Scoped<ReadMessages>>) {}
/// async fn office(_: Claim<Staff, Claim<EmailVerified>>) {}
/// ```
#[macro_export]
macro_rules! claim {
    ($(#[$attribute:meta])* $visibility:vis $name:ident = $claim:literal equals $value:literal) => {
        $(#[$attribute])*
        #[doc = concat!("The claim `", $claim, "` is `", $value, "`.")]
        #[derive(Clone, Copy, Debug)]
        $visibility struct $name;

        impl $crate::ClaimRule for $name {
            const DESCRIPTION: &'static str = concat!("The token's claim ", $claim, " must be ", $value, ".");

            fn holds(token: &$crate::Verified) -> bool {
                token.claim_equals($claim, $value)
            }
        }
    };
    ($(#[$attribute:meta])* $visibility:vis $name:ident = $claim:literal includes $value:literal) => {
        $(#[$attribute])*
        #[doc = concat!("The claim `", $claim, "` includes `", $value, "`.")]
        #[derive(Clone, Copy, Debug)]
        $visibility struct $name;

        impl $crate::ClaimRule for $name {
            const DESCRIPTION: &'static str = concat!("The token's claim ", $claim, " must include ", $value, ".");

            fn holds(token: &$crate::Verified) -> bool {
                token.claim_includes($claim, $value)
            }
        }
    };
}

/// Rejects Auth0's anonymous sessions, whose `sub` begins with `anon@`.
///
/// # Examples
/// ```
/// use actix_resource_server::{AuthenticatedUser, Claim, KnownUser};
///
/// async fn profile(user: Claim<KnownUser>) -> String {
///     user.subject().unwrap_or("unknown").to_owned()
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct KnownUser;

impl ClaimRule for KnownUser {
    const DESCRIPTION: &'static str = "Anonymous sessions are not accepted here.";

    fn holds(token: &Verified) -> bool {
        token
            .subject()
            .is_some_and(|subject| !subject.starts_with("anon@"))
    }
}

/// A caller whose verified token fulfils the rule `R`.
///
/// Rejects whatever `A` rejects, and tokens that do not fulfil the rule with 403 `insufficient_scope` and the rule's
/// description. It dereferences to `A`.
///
/// # Examples
/// ```
/// use actix_resource_server::{Claim, claim};
///
/// claim!(pub EmailVerified = "email_verified" equals true);
///
/// async fn inbox(caller: Claim<EmailVerified>) -> String {
///     caller.subject().unwrap_or("unknown").to_owned()
/// }
/// ```
pub struct Claim<R: ClaimRule, A: Identified = AuthenticatedUser> {
    access: A,
    rule: PhantomData<fn() -> R>,
}

impl<R: ClaimRule, A: Identified> Access for Claim<R, A> {
    fn requirement() -> Requirement {
        A::requirement().and_rule(R::DESCRIPTION)
    }

    fn grant(caller: Option<Caller>) -> Result<Self, Rejection> {
        let access = A::grant(caller)?;
        if !R::holds(access.caller()) {
            return Err(Cause::UnfulfilledRule(R::DESCRIPTION).into());
        }
        Ok(Self {
            access,
            rule: PhantomData,
        })
    }

    fn limit_body(&self, body: Payload) -> Payload {
        self.access.limit_body(body)
    }
}

impl_wrapper!(Claim<R: ClaimRule, A: Identified>);

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use super::*;
    use crate::extract::Scoped;
    use crate::extract::caller::tests::caller_with;
    use serde_json::{Value, json};

    crate::claim!(Verified = "email_verified" equals true);
    crate::claim!(AuthnLevel = "level" equals 3);
    crate::claim!(Gold = "plan" equals "gold");
    crate::claim!(Staff = "/access/roles" includes "staff");
    crate::scope!(Read = "read");

    fn holds<R: ClaimRule>(claim: &str, value: Value) -> bool {
        R::holds(&caller_with(&[(claim, value)]))
    }

    #[test]
    fn equality_is_of_value_and_type() {
        assert!(holds::<Verified>("email_verified", json!(true)));
        assert!(holds::<AuthnLevel>("level", json!(3)));
        assert!(holds::<Gold>("plan", json!("gold")));
        for other in [
            json!(false),
            json!("true"),
            json!(1),
            json!(null),
            json!([true]),
        ] {
            assert!(
                !holds::<Verified>("email_verified", other.clone()),
                "{other}"
            );
        }
        for other in [json!(4), json!("3"), json!([3]), json!(3.5)] {
            assert!(!holds::<AuthnLevel>("level", other.clone()), "{other}");
        }
        assert!(!holds::<Gold>("plan", json!("Gold")));
        assert!(!holds::<Gold>("other", json!("gold")));
    }

    #[test]
    fn a_text_is_looked_for_among_several_as_a_whole() {
        for value in [json!(["a", "staff"]), json!("staff"), json!("a staff b")] {
            assert!(
                holds::<Staff>("access", json!({ "roles": value })),
                "{value}"
            );
        }
        for value in [
            json!([]),
            json!("staffers"),
            json!(["a staff"]),
            json!({"staff": 1}),
            json!(null),
        ] {
            assert!(
                !holds::<Staff>("access", json!({ "roles": value })),
                "{value}"
            );
        }
    }

    #[test]
    fn the_inner_type_is_asked_first() {
        type Inner = Claim<Gold, Scoped<Read>>;
        let granted = |claims: &[(&str, Value)]| Inner::grant(Some(caller_with(claims))).map(drop);
        let (scope, plan) = (("scope", json!("read")), ("plan", json!("gold")));
        let lacking = Cause::InsufficientScope {
            alternatives: vec![vec!["read"]],
        };
        assert_eq!(granted(&[]), Err(lacking.into()));
        let unfulfilled = Cause::UnfulfilledRule("The token's claim plan must be gold.");
        assert_eq!(
            granted(std::slice::from_ref(&scope)),
            Err(unfulfilled.into())
        );
        assert_eq!(granted(&[scope, plan]), Ok(()));
        assert_eq!(
            Inner::grant(None).map(drop),
            Err(Rejection::no_credentials())
        );
    }
}
