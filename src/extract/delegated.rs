//! `Delegated`: a client that acts on behalf of a user, by name.

use std::marker::PhantomData;

use actix_web::dev::Payload;
use serde::Serialize;

use super::wrapper::impl_wrapper;
use super::{Access, AuthenticatedUser, Caller, Identified, Requirement};
use crate::claims::actor::Actor;
use crate::rejection::{Cause, Rejection};
use crate::verifier::Verified;

/// A rule on the actor of a token; defined by [`actor!`](crate::actor), or implemented where that does not suffice.
///
/// The actor must be one of each list that is not empty. Names are unique for their issuer alone: where several issuers are
/// trusted, name the issuer, too. The denial matrix of the test kit takes the first of each list as an actor that is accepted.
///
/// # Examples
/// ```
/// use actix_resource_server::{Actor, ActorRule, Delegated, Verified};
///
/// /// The calendar's agent, for users of the same organisation.
/// struct Agent;
///
/// impl ActorRule for Agent {
///     const DESCRIPTION: &'static str = "The token's actor must be an agent of the user's organisation.";
///
///     fn holds(actor: &Actor, token: &Verified) -> bool {
///         let organisation = token.claim("org").and_then(serde_json::Value::as_str);
///         let agent = actor.client_id().and_then(|client| client.strip_prefix("agent."));
///         agent.is_some() && agent == organisation
///     }
/// }
///
/// async fn plan(_: Delegated<Agent>) {}
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement `ActorRule`",
    label = "expected a rule on actors",
    note = "`actor!(pub Assistant = client_id \"assistant\");` defines one; `impl ActorRule` is possible too"
)]
pub trait ActorRule: 'static {
    /// The description in the response to a caller that does not fulfil it.
    const DESCRIPTION: &'static str;

    /// The subjects (`sub`) of which the actor must be one; any where none is named.
    const SUBJECTS: &'static [&'static str] = &[];

    /// The client IDs (`client_id`) of which the actor must have one; any where none is named.
    const CLIENT_IDS: &'static [&'static str] = &[];

    /// The issuers of which the actor's name must be (`iss`, or that of the token). Where none is named, a rule that names
    /// subjects or client IDs means those of the token's issuer, and others mean any.
    const ISSUERS: &'static [&'static str] = &[];

    /// Whether the current actor of the token fulfils the rule. Actors before it are informational only.
    fn holds(actor: &Actor, token: &Verified) -> bool {
        let issuer = actor.issuer().unwrap_or_else(|| token.issuer());
        // RFC 8693 §4.1: a name is unique at its issuer alone.
        let is_named = !Self::SUBJECTS.is_empty() || !Self::CLIENT_IDS.is_empty();
        let own_issuer = [token.issuer()];
        let issuers = match Self::ISSUERS {
            [] if is_named => own_issuer.as_slice(),
            issuers => issuers,
        };
        is_one_of(Self::SUBJECTS, actor.subject())
            && is_one_of(Self::CLIENT_IDS, actor.client_id())
            && is_one_of(issuers, Some(issuer))
    }
}

fn is_one_of(accepted: &[&str], name: Option<&str>) -> bool {
    accepted.is_empty() || name.is_some_and(|name| accepted.contains(&name))
}

/// Defines an [`ActorRule`] for actors that are known by name.
///
/// `subject`, `client_id` and `issuer` take one value, or a list of which the actor must have one. All that are given must
/// match, exactly.
///
/// # Examples
/// ```
/// use actix_resource_server::{Delegated, Scoped, actor, scope};
///
/// scope!(pub WriteEvents = "write:events");
/// actor!(pub Assistant = client_id "assistant");
/// actor!(pub Desk = subject ["support-desk", "night-desk"], issuer "https://issuer.example/");
///
/// async fn plan(_: Delegated<Assistant, Scoped<WriteEvents>>) {}
/// async fn reset(_: Delegated<Desk>) {}
/// ```
#[macro_export]
macro_rules! actor {
    (@ subject $values:tt) => {
        const SUBJECTS: &'static [&'static str] = $crate::actor!(@ list $values);
    };
    (@ client_id $values:tt) => {
        const CLIENT_IDS: &'static [&'static str] = $crate::actor!(@ list $values);
    };
    (@ issuer $values:tt) => {
        const ISSUERS: &'static [&'static str] = $crate::actor!(@ list $values);
    };
    (@ list [$($value:literal),+ $(,)?]) => {
        &[$($value),+]
    };
    (@ list $value:literal) => {
        &[$value]
    };
    (@ text [$first:literal $(, $value:literal)* $(,)?]) => {
        ::core::concat!($first $(, " or ", $value)*)
    };
    (@ text $value:literal) => {
        $value
    };
    (@ $($other:tt)*) => {
        ::core::compile_error!("an actor is known by subject \"…\", client_id \"…\" and issuer \"…\"");
    };
    ($(#[$attribute:meta])* $visibility:vis $name:ident = $first:ident $value:tt $(, $more:ident $values:tt)* $(,)?) => {
        $(#[$attribute])*
        #[doc = ::core::concat!(
            "An actor with the ", ::core::stringify!($first), " `", $crate::actor!(@ text $value), "`",
            $(" and the ", ::core::stringify!($more), " `", $crate::actor!(@ text $values), "`",)* "."
        )]
        #[derive(Clone, Copy, Debug)]
        $visibility struct $name;

        impl $crate::ActorRule for $name {
            const DESCRIPTION: &'static str = ::core::concat!(
                "The token's actor must have the ", ::core::stringify!($first), " ", $crate::actor!(@ text $value),
                $(" and the ", ::core::stringify!($more), " ", $crate::actor!(@ text $values),)* "."
            );

            $crate::actor!(@ $first $value);
            $( $crate::actor!(@ $more $values); )*
        }
    };
}

/// Accepts every actor, and rejects tokens without one.
///
/// # Examples
/// ```
/// use actix_resource_server::{AnyActor, Delegated};
///
/// async fn propose(caller: Delegated<AnyActor>) -> String {
///     format!("proposed by {}", caller.actor().client_id().unwrap_or("an agent"))
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AnyActor;

impl ActorRule for AnyActor {
    const DESCRIPTION: &'static str =
        "The token must name an actor, which acts on the user's behalf.";
}

/// The requirements of an [`ActorRule`], as data.
///
/// As JSON it has the members `description`, `subjects`, `client_ids` and `issuers`, lists only where they are not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ActorRequirement {
    /// The description in the response to a caller that does not fulfil it.
    pub description: &'static str,
    /// The subjects of which the actor must be one.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub subjects: &'static [&'static str],
    /// The client IDs of which the actor must have one.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub client_ids: &'static [&'static str],
    /// The issuers of which the actor's name must be.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub issuers: &'static [&'static str],
}

impl ActorRequirement {
    /// Those of `R`.
    #[must_use]
    pub const fn of<R: ActorRule>() -> Self {
        Self {
            description: R::DESCRIPTION,
            subjects: R::SUBJECTS,
            client_ids: R::CLIENT_IDS,
            issuers: R::ISSUERS,
        }
    }
}

/// A client that acts on behalf of the token's subject, as the rule `R` allows ([RFC 8693 §4.1]).
///
/// The outermost actor of the token decides; those before it are informational only. Rejects whatever `A` rejects, and tokens
/// without an actor or with one that does not fulfil the rule with 403 `insufficient_scope` and the rule's description. It
/// dereferences to `A`. [`AnyActor`] accepts every actor; [`Direct`](crate::Direct) accepts none.
///
/// # Examples
/// ```
/// use actix_resource_server::{Delegated, actor};
///
/// actor!(pub Assistant = client_id "assistant");
///
/// async fn plan(caller: Delegated<Assistant>) -> String {
///     format!("planned for {}", caller.subject().unwrap_or("unknown"))
/// }
/// ```
///
/// [RFC 8693 §4.1]: https://www.rfc-editor.org/rfc/rfc8693#section-4.1
pub struct Delegated<R: ActorRule, A: Identified = AuthenticatedUser> {
    access: A,
    actor: Actor,
    rule: PhantomData<fn() -> R>,
}

impl<R: ActorRule, A: Identified> Delegated<R, A> {
    /// The actor, which fulfils the rule.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.actor
    }
}

impl<R: ActorRule, A: Identified> Access for Delegated<R, A> {
    fn requirement() -> Requirement {
        A::requirement().and_actor(ActorRequirement::of::<R>())
    }

    fn grant(caller: Option<Caller>) -> Result<Self, Rejection> {
        let access = A::grant(caller)?;
        let token = access.caller();
        let actor = token.actor().filter(|actor| R::holds(actor, token));
        let actor = actor
            .cloned()
            .ok_or(Cause::UnfulfilledRule(R::DESCRIPTION))?;
        Ok(Self {
            access,
            actor,
            rule: PhantomData,
        })
    }

    fn limit_body(&self, body: Payload) -> Payload {
        self.access.limit_body(body)
    }
}

impl_wrapper!(Delegated<R: ActorRule, A: Identified>);

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::extract::caller::tests::caller_with;
    use crate::extract::{Bound, Claim, MaybeUser, Scoped};

    crate::scope!(Read = "read");
    crate::actor!(Assistant = client_id "assistant");
    crate::actor!(Desk = subject ["day", "night"], issuer "https://desk.example/");
    crate::actor!(Own = subject "day", issuer "https://issuer.example/");
    crate::claim!(Staff = "staff" equals true);

    fn granted<A: Access>(claims: &[(&str, Value)]) -> Result<(), Rejection> {
        A::grant(Some(caller_with(claims))).map(drop)
    }

    fn by<R: ActorRule>(actor: Value) -> Result<(), Rejection> {
        granted::<Delegated<R>>(&[("act", actor)])
    }

    fn unfulfilled<R: ActorRule>() -> Result<(), Rejection> {
        Err(Cause::UnfulfilledRule(R::DESCRIPTION).into())
    }

    #[test]
    fn only_the_named_actor_is_accepted() {
        assert_eq!(by::<Assistant>(json!({"client_id": "assistant"})), Ok(()));
        let with_subject = json!({"client_id": "assistant", "sub": "any"});
        assert_eq!(by::<Assistant>(with_subject), Ok(()));
        for other in [
            json!({"client_id": "Assistant"}),
            json!({"client_id": "assistant "}),
            json!({"sub": "assistant"}),
            json!({"iss": "assistant", "sub": "x"}),
        ] {
            assert_eq!(
                by::<Assistant>(other.clone()),
                unfulfilled::<Assistant>(),
                "{other}"
            );
        }
        assert_eq!(
            granted::<Delegated<Assistant>>(&[]),
            unfulfilled::<Assistant>()
        );
    }

    #[test]
    fn a_name_without_an_issuer_is_that_of_the_tokens_issuer() {
        let at = |issuer: &str| json!({"client_id": "assistant", "iss": issuer});
        assert_eq!(by::<Assistant>(at("https://issuer.example/")), Ok(()));
        let partner = at("https://partner.example/");
        assert_eq!(by::<Assistant>(partner.clone()), unfulfilled::<Assistant>());
        assert_eq!(by::<AnyActor>(partner), Ok(()));
    }

    #[test]
    fn the_outermost_actor_decides_whatever_was_before() {
        let (assistant, other) = (
            json!({"client_id": "assistant"}),
            json!({"client_id": "other"}),
        );
        let within = |mut outer: Value, inner: &Value| {
            outer["act"] = inner.clone();
            outer
        };
        assert_eq!(by::<Assistant>(within(assistant.clone(), &other)), Ok(()));
        assert_eq!(
            by::<Assistant>(within(other, &assistant)),
            unfulfilled::<Assistant>()
        );
    }

    #[test]
    fn all_that_is_named_must_match() {
        for subject in ["day", "night"] {
            let actor = json!({"sub": subject, "iss": "https://desk.example/"});
            assert_eq!(by::<Desk>(actor), Ok(()));
        }
        for other in [
            json!({"sub": "day"}),
            json!({"sub": "noon", "iss": "https://desk.example/"}),
            json!({"sub": "day", "iss": "https://desk.example"}),
            json!({"client_id": "day", "iss": "https://desk.example/"}),
        ] {
            assert_eq!(by::<Desk>(other.clone()), unfulfilled::<Desk>(), "{other}");
        }
    }

    #[test]
    fn an_actor_without_an_issuer_is_of_the_tokens() {
        assert_eq!(by::<Own>(json!({"sub": "day"})), Ok(()));
        let foreign = json!({"sub": "day", "iss": "https://desk.example/"});
        assert_eq!(by::<Own>(foreign), unfulfilled::<Own>());
    }

    #[test]
    fn any_actor_is_still_an_actor() {
        assert_eq!(by::<AnyActor>(json!({"sub": "x"})), Ok(()));
        assert_eq!(
            granted::<Delegated<AnyActor>>(&[]),
            unfulfilled::<AnyActor>()
        );
        let may_act = ("may_act", json!({"sub": "x"}));
        assert_eq!(
            granted::<Delegated<AnyActor>>(&[may_act]),
            unfulfilled::<AnyActor>()
        );
    }

    #[test]
    fn it_combines_with_other_types_and_the_inner_one_is_asked_first() {
        type Inner = Delegated<Assistant, Scoped<Read>>;
        type Outer = Scoped<Read, Claim<Staff, Delegated<Assistant, Bound>>>;
        let actor = ("act", json!({"client_id": "assistant"}));
        let lacking = Cause::InsufficientScope {
            alternatives: vec![vec!["read"]],
        };
        assert_eq!(
            granted::<Inner>(std::slice::from_ref(&actor)),
            Err(lacking.into())
        );
        let scope = ("scope", json!("read"));
        assert_eq!(
            granted::<Inner>(std::slice::from_ref(&scope)),
            unfulfilled::<Assistant>()
        );
        assert_eq!(granted::<Inner>(&[scope, actor]), Ok(()));
        let no_credentials = Err(Rejection::no_credentials());
        assert_eq!(Inner::grant(None).map(drop), no_credentials);
        assert_eq!(
            Outer::requirement().to_string(),
            "a token with read, bound to its sender; The token's actor must have the client_id assistant.; \
             The token's claim staff must be true."
        );
        let optional = MaybeUser::<Delegated<Assistant>>::grant(None);
        assert!(optional.is_ok_and(|caller| caller.user().is_none()));
        assert_eq!(
            granted::<MaybeUser<Delegated<Assistant>>>(&[]),
            unfulfilled::<Assistant>()
        );
    }

    #[test]
    fn a_rule_is_described_with_all_that_it_names() {
        assert_eq!(
            Desk::DESCRIPTION,
            "The token's actor must have the subject day or night and the issuer https://desk.example/."
        );
        let desk = serde_json::to_value(ActorRequirement::of::<Desk>()).ok();
        let expected = json!({
            "description": Desk::DESCRIPTION, "subjects": ["day", "night"], "issuers": ["https://desk.example/"],
        });
        assert_eq!(desk, Some(expected));
        let actor =
            <Delegated<AnyActor>>::grant(Some(caller_with(&[("act", json!({"sub": "x"}))])));
        assert_eq!(
            actor
                .ok()
                .as_ref()
                .and_then(|caller| caller.actor().subject()),
            Some("x")
        );
    }
}
