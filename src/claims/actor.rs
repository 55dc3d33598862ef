//! The `act` claim: who acts on behalf of the token's subject ([RFC 8693 §4.1]).
//!
//! [RFC 8693 §4.1]: https://www.rfc-editor.org/rfc/rfc8693#section-4.1

use std::fmt;
use std::iter::successors;

use serde_json::{Map, Value};

use super::footprint::allocated;
use crate::jose::json::FromJson;

/// Who acts on behalf of the token's subject: the claim `act` ([RFC 8693 §4.1]).
///
/// A token that a client got in exchange for the user's, by delegation, names the user as its subject, and the client as its
/// actor. The outermost actor is the current one, which access is decided by. Actors within it are those that acted
/// before; they are informational only, and no decision may depend on them.
///
/// A token whose `act` is not an object, names an actor neither by `sub` nor by `client_id`, has another type than a string
/// in one of these or in `iss`, or has more than eight levels, is rejected with 401 `invalid_token`. The claim `may_act` does not
/// make an actor (§4.4). `Debug` shows nothing of an actor.
///
/// # Examples
/// ```
/// use actix_resource_server::AuthenticatedUser;
///
/// async fn order(user: AuthenticatedUser) -> String {
///     match user.actor() {
///         Some(actor) => format!("ordered by {}", actor.subject().or(actor.client_id()).unwrap_or_default()),
///         None => "ordered by the user".to_owned(),
///     }
/// }
/// ```
///
/// [RFC 8693 §4.1]: https://www.rfc-editor.org/rfc/rfc8693#section-4.1
#[derive(Clone, PartialEq, Eq)]
pub struct Actor {
    issuer: Option<Box<str>>,
    subject: Option<Box<str>>,
    client_id: Option<Box<str>>,
    prior: Option<Box<Self>>,
}

impl Actor {
    /// The actor (`sub`), if it is named so; it is unique for its issuer.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The client that acts (`client_id`), if it is named so.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// The issuer that the names of the actor are from (`iss`), if it is named; else they are from the token's issuer.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// The actors before this one, the latest first. They are informational only (RFC 8693 §4.1).
    pub fn prior(&self) -> impl Iterator<Item = &Self> {
        successors(self.prior.as_deref(), |actor| actor.prior.as_deref())
    }

    /// All that tells it from others; those before it do not.
    pub(crate) fn names(&self) -> [Option<&str>; 3] {
        [self.issuer(), self.subject(), self.client_id()]
    }

    /// The bytes allocated for the actor, its own place included.
    pub(crate) fn allocated(&self) -> usize {
        let own = |actor: &Self| {
            let names = [&actor.issuer, &actor.subject, &actor.client_id];
            let names = names.into_iter().flatten();
            let names = names.map(|name| allocated(name.len()));
            names.fold(allocated(size_of::<Self>()), usize::saturating_add)
        };
        self.prior().map(own).fold(own(self), usize::saturating_add)
    }

    /// `levels` are those that this actor and the prior ones may have.
    fn read(value: Value, levels: usize) -> Option<Self> {
        let levels = levels.checked_sub(1)?;
        let Value::Object(mut members) = value else {
            return None;
        };
        let [issuer, subject, client_id] =
            ["iss", "sub", "client_id"].map(|name| text(&mut members, name));
        let (issuer, subject, client_id) = (issuer?, subject?, client_id?);
        if subject.is_none() && client_id.is_none() {
            return None;
        }
        let prior = match members.remove("act") {
            Some(prior) => Some(Box::new(Self::read(prior, levels)?)),
            None => None,
        };
        Some(Self {
            issuer,
            subject,
            client_id,
            prior,
        })
    }
}

/// A member that is absent, or a text that is not empty; `None` if it is anything else.
#[expect(
    clippy::option_option,
    reason = "an absent member and a malformed one are different"
)]
fn text(members: &mut Map<String, Value>, name: &str) -> Option<Option<Box<str>>> {
    match members.remove(name) {
        None => Some(None),
        Some(Value::String(text)) if !text.is_empty() => Some(Some(text.into_boxed_str())),
        Some(_) => None,
    }
}

impl FromJson for Box<Actor> {
    fn from_json(value: Value) -> Option<Self> {
        Actor::read(value, MOST_LEVELS).map(Self::new)
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actor").finish_non_exhaustive()
    }
}

/// More than any chain of exchanges that is known; it bounds what a token keeps in memory and adds to the log.
pub(crate) const MOST_LEVELS: usize = 8;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn actor(value: Value) -> Option<Box<Actor>> {
        FromJson::from_json(value)
    }

    /// A chain of this many actors, the outermost with the highest number.
    fn chain(levels: usize) -> Value {
        (1..levels).fold(
            json!({"sub": "actor-0"}),
            |prior, number| json!({"sub": format!("actor-{number}"), "act": prior}),
        )
    }

    #[test]
    fn an_actor_is_named_by_subject_or_client() {
        let both = json!({"iss": "i", "sub": "s", "client_id": "c", "exp": 1, "may_act": 7});
        let both = actor(both).unwrap();
        assert_eq!(
            [both.issuer(), both.subject(), both.client_id()],
            [Some("i"), Some("s"), Some("c")]
        );
        assert_eq!(both.prior().count(), 0);
        let client = actor(json!({"client_id": "c"})).unwrap();
        assert_eq!([client.subject(), client.issuer()], [None, None]);
        assert!(!format!("{both:?}").contains('"'));
    }

    #[test]
    fn the_outermost_is_the_current_one_and_the_others_follow() {
        let current = actor(chain(MOST_LEVELS)).unwrap();
        assert_eq!(current.subject(), Some("actor-7"));
        let prior: Vec<_> = current.prior().filter_map(Actor::subject).collect();
        assert_eq!(prior.len(), 7);
        assert_eq!((prior[0], prior[6]), ("actor-6", "actor-0"));
    }

    #[test]
    fn a_chain_of_more_than_eight_is_malformed() {
        assert_eq!(actor(chain(MOST_LEVELS + 1)), None);
        assert_eq!(actor(chain(50)), None);
    }

    #[test]
    fn what_names_no_actor_is_malformed() {
        for value in [
            json!(null),
            json!("agent"),
            json!(1),
            json!([]),
            json!([{"sub": "s"}]),
            json!({}),
            json!({"iss": "i"}),
            json!({"sub": ""}),
            json!({"client_id": ""}),
            json!({"sub": null}),
            json!({"sub": 1}),
            json!({"sub": ["s"]}),
            json!({"sub": "s", "client_id": 1}),
            json!({"sub": "s", "client_id": ""}),
            json!({"sub": "s", "iss": 1}),
            json!({"sub": "s", "iss": ""}),
            json!({"sub": "s", "act": null}),
            json!({"sub": "s", "act": {}}),
            json!({"sub": "s", "act": "t"}),
        ] {
            assert_eq!(actor(value.clone()), None, "{value}");
        }
    }

    #[test]
    fn memory_is_counted_for_each_actor_and_name() {
        let one = allocated(size_of::<Actor>());
        let of = |value| actor(value).unwrap().allocated();
        assert_eq!(of(json!({"sub": "s"})), one + allocated(1));
        let names = json!({"sub": "s".repeat(100), "iss": "i", "client_id": "c".repeat(40)});
        let counted = one + allocated(100) + allocated(1) + allocated(40);
        assert_eq!(of(names.clone()), counted);
        let twice = json!({"sub": "t", "act": names});
        assert_eq!(of(twice), one + allocated(1) + counted);
    }
}
