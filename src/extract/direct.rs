//! `Direct`: a caller for whom no other acts.

use super::wrapper::impl_wrapper;
use super::{Access, AuthenticatedUser, Caller, Identified, Requirement};
use crate::rejection::{Cause, Rejection};

/// A caller whose token names no actor: no client acts on the user's behalf ([RFC 8693 §4.1]).
///
/// Rejects whatever `A` rejects, and tokens with the claim `act` with 403 `insufficient_scope`. It dereferences to `A`. Only
/// delegation that the issuer declares is visible: a client that got the user's own token is not told apart from the user.
///
/// # Examples
/// ```
/// use actix_resource_server::{Direct, Scoped, scope};
///
/// scope!(pub CloseAccount = "close:account");
///
/// async fn close(caller: Direct<Scoped<CloseAccount>>) -> String {
///     format!("closed by {}", caller.subject().unwrap_or("unknown"))
/// }
/// ```
///
/// [RFC 8693 §4.1]: https://www.rfc-editor.org/rfc/rfc8693#section-4.1
pub struct Direct<A: Identified = AuthenticatedUser> {
    access: A,
}

impl<A: Identified> Access for Direct<A> {
    fn requirement() -> Requirement {
        A::requirement().and_direct()
    }

    fn grant(caller: Option<Caller>) -> Result<Self, Rejection> {
        let access = A::grant(caller)?;
        if access.caller().actor().is_some() {
            return Err(Cause::UnfulfilledRule(DIRECT_ONLY).into());
        }
        Ok(Self { access })
    }
}

impl_wrapper!(Direct<A: Identified>);

pub(crate) const DIRECT_ONLY: &str =
    "This route is for the user directly, not for a client that acts on the user's behalf.";

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::extract::Scoped;
    use crate::extract::caller::tests::caller_with;

    crate::scope!(Read = "read");

    type Inner = Scoped<Read, Direct>;
    type Outer = Direct<Scoped<Read>>;

    fn granted<A: Access>(claims: &[(&str, Value)]) -> Result<(), Rejection> {
        A::grant(Some(caller_with(claims))).map(drop)
    }

    #[test]
    fn a_token_with_any_actor_is_rejected() {
        let scope = ("scope", json!("read"));
        assert_eq!(granted::<Outer>(std::slice::from_ref(&scope)), Ok(()));
        assert_eq!(granted::<Inner>(std::slice::from_ref(&scope)), Ok(()));
        let rejected = Err(Cause::UnfulfilledRule(DIRECT_ONLY).into());
        for actor in [json!({"sub": "x"}), json!({"client_id": "x"})] {
            let claims = [scope.clone(), ("act", actor)];
            assert_eq!(granted::<Outer>(&claims), rejected);
            assert_eq!(granted::<Inner>(&claims), rejected);
        }
        let may_act = [scope, ("may_act", json!({"sub": "x"}))];
        assert_eq!(granted::<Outer>(&may_act), Ok(()));
    }

    #[test]
    fn what_the_inner_type_asks_is_asked_first() {
        let lacking = Cause::InsufficientScope {
            alternatives: vec![vec!["read"]],
        };
        let delegated = [("act", json!({"sub": "x"}))];
        assert_eq!(granted::<Outer>(&delegated), Err(lacking.into()));
        let no_credentials = Err(Rejection::no_credentials());
        assert_eq!(Outer::grant(None).map(drop), no_credentials);
        assert_eq!(
            Outer::requirement().to_string(),
            format!("a token with read; {DIRECT_ONLY}")
        );
    }
}
