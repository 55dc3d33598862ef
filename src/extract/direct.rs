//! `Direct`: a user for whom no other acts.

use actix_web::dev::Payload;

use super::wrapper::impl_wrapper;
use super::{Access, AuthenticatedUser, Caller, Identified, Requirement};
use crate::rejection::{Cause, Rejection};
use crate::verifier::Verified;

/// A user whose token names no actor: no client acts on the user's behalf ([RFC 8693 §4.1]), or on its own.
///
/// Rejects whatever `A` rejects, and with 403 `insufficient_scope` tokens with the claim `act`, without `sub`, and whose `sub` is
/// the client (`client_id`, `azp` or `appid`; [RFC 9068 §2.2]). It dereferences to `A`. Only what the issuer declares is visible:
/// a client that got the user's own token is not told apart from the user. Some issuers mark the tokens of clients otherwise
/// (Auth0 by `gty`, Microsoft Entra ID by `idtyp`): add a [`Claim`](crate::Claim).
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
/// [RFC 9068 §2.2]: https://www.rfc-editor.org/rfc/rfc9068#section-2.2
pub struct Direct<A: Identified = AuthenticatedUser> {
    access: A,
}

impl<A: Identified> Access for Direct<A> {
    fn requirement() -> Requirement {
        A::requirement().and_direct()
    }

    fn grant(caller: Option<Caller>) -> Result<Self, Rejection> {
        let access = A::grant(caller)?;
        if !is_direct(access.caller()) {
            return Err(Cause::UnfulfilledRule(DIRECT_ONLY).into());
        }
        Ok(Self { access })
    }

    fn limit_body(&self, body: Payload) -> Payload {
        self.access.limit_body(body)
    }
}

impl_wrapper!(Direct<A: Identified>);

/// Whether a user calls without an actor. A token of a client itself has no subject, or has the client as its subject (RFC 9068
/// §2.2).
pub(super) fn is_direct(token: &Verified) -> bool {
    let is_of_user = |subject| token.client() != Some(subject);
    token.actor().is_none() && token.subject().is_some_and(is_of_user)
}

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
    fn a_token_of_a_client_itself_is_rejected() {
        let token = || {
            crate::test_kit::caller()
                .without("client_id")
                .without("azp")
        };
        let is_granted =
            |token: crate::test_kit::CallerBuilder| token.try_build::<Direct>().is_ok();
        assert!(is_granted(token()));
        assert!(!is_granted(token().without("sub")));
        for client in ["client_id", "azp", "appid"] {
            let own = token().subject("x").claim(client, "x");
            assert!(!is_granted(own), "{client}");
            assert!(is_granted(token().subject("y").claim(client, "x")));
        }
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
