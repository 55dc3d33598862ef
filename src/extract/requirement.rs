//! The requirement of an access type, as data.

use std::fmt;

use super::ActorRequirement;
use super::direct::DIRECT_ONLY;
use crate::claims::authn::AuthnRequirement;
use crate::claims::scope::each_with_each;

/// What a route requires of its callers.
///
/// # Examples
/// ```
/// use actix_resource_server::{Access, Scoped, scope};
///
/// scope!(ReadMessages = "read:messages");
/// assert_eq!(Scoped::<ReadMessages>::requirement().to_string(), "a token with read:messages");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Requirement {
    /// Whether the caller must be authenticated.
    pub caller: Authentication,
    /// The sufficient sets of scopes; empty if no scope is required.
    pub scopes: Vec<Vec<&'static str>>,
    /// The required scopes that wider ones imply ([`scope!`](crate::scope)), each with the names of those; a token with one
    /// of them grants the required one.
    pub implied_by: Vec<(&'static str, &'static [&'static str])>,
    /// The requirements on the user's login, innermost first.
    pub logins: Vec<AuthnRequirement>,
    /// The descriptions of the rules on claims and actors, innermost first.
    pub rules: Vec<&'static str>,
    /// Whether the token must be bound to its sender, and possession be proved (RFC 9449, RFC 8705).
    pub proven_sender: bool,
    /// What the token's actor must be, innermost first; their descriptions are among the rules, too.
    pub actors: Vec<ActorRequirement>,
    /// Whether the token must not name an actor (RFC 8693 §4.1); the rules say so, too.
    pub direct: bool,
}

/// Whether a route requires an authenticated caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Authentication {
    /// The route is open; credentials are not read.
    None,
    /// The route is open, but a token that is sent must be valid.
    Optional,
    /// A valid token is required.
    Required,
}

impl Requirement {
    pub(crate) fn of(caller: Authentication) -> Self {
        Self {
            caller,
            scopes: Vec::new(),
            implied_by: Vec::new(),
            logins: Vec::new(),
            rules: Vec::new(),
            proven_sender: false,
            actors: Vec::new(),
            direct: false,
        }
    }

    /// Whether credentials are read.
    pub(crate) fn takes_token(&self) -> bool {
        self.caller != Authentication::None
    }

    /// All scopes of the first sufficient set, which challenges name.
    pub(crate) fn first_scopes(&self) -> Vec<&'static str> {
        self.scopes.first().cloned().unwrap_or_default()
    }

    /// Adds scopes: every set so far is combined with every new one.
    pub(crate) fn and_scopes(mut self, more: &[Vec<&'static str>]) -> Self {
        self.scopes = match self.scopes.as_slice() {
            [] => more.to_vec(),
            ways => each_with_each(ways, more),
        };
        self
    }

    /// Adds the scopes that wider ones imply, each once.
    pub(crate) fn and_implied(
        mut self,
        implied: Vec<(&'static str, &'static [&'static str])>,
    ) -> Self {
        for scope in implied {
            if !self.implied_by.contains(&scope) {
                self.implied_by.push(scope);
            }
        }
        self
    }

    fn name_of(&self, scope: &str) -> String {
        let mut implied = self.implied_by.iter();
        match implied.find(|(narrow, _)| *narrow == scope) {
            Some((_, wider)) => format!("{scope} (implied by {})", wider.join(", ")),
            None => scope.to_owned(),
        }
    }

    pub(crate) fn and_login(mut self, demand: AuthnRequirement) -> Self {
        self.logins.push(demand);
        self
    }

    pub(crate) fn and_rule(mut self, description: &'static str) -> Self {
        self.rules.push(description);
        self
    }

    pub(crate) fn and_actor(mut self, actor: ActorRequirement) -> Self {
        self.actors.push(actor);
        self.and_rule(actor.description)
    }

    pub(crate) fn and_direct(mut self) -> Self {
        self.direct = true;
        self.and_rule(DIRECT_ONLY)
    }

    pub(crate) fn and_proven_sender(mut self) -> Self {
        self.proven_sender = true;
        self
    }

    pub(crate) fn or_anonymous(mut self) -> Self {
        self.caller = Authentication::Optional;
        self
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.caller {
            Authentication::None => "everyone",
            Authentication::Optional => "everyone, or a token",
            Authentication::Required => "a token",
        })?;
        let ways = self.scopes.iter().map(|way| {
            let names: Vec<_> = way.iter().map(|scope| self.name_of(scope)).collect();
            names.join(" and ")
        });
        let ways: Vec<_> = ways.collect();
        if !ways.is_empty() {
            write!(f, " with {}", ways.join(", or "))?;
        }
        if self.proven_sender {
            f.write_str(", bound to its sender")?;
        }
        for login in &self.logins {
            write!(f, "; {login}")?;
        }
        for rule in &self.rules {
            write!(f, "; {rule}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::step_up!(Recently = max_age 5 minutes);

    fn token_with(scopes: &[Vec<&'static str>]) -> Requirement {
        Requirement::of(Authentication::Required).and_scopes(scopes)
    }

    #[test]
    fn it_reads_as_a_demand_on_the_caller() {
        for (requirement, text) in [
            (Requirement::of(Authentication::None), "everyone"),
            (
                Requirement::of(Authentication::Optional),
                "everyone, or a token",
            ),
            (Requirement::of(Authentication::Required), "a token"),
            (token_with(&[vec!["a"]]), "a token with a"),
            (token_with(&[vec!["a", "b"]]), "a token with a and b"),
            (
                token_with(&[vec!["a"], vec!["b", "c"]]),
                "a token with a, or b and c",
            ),
            (
                token_with(&[vec!["a"]]).or_anonymous(),
                "everyone, or a token with a",
            ),
            (
                token_with(&[vec!["a"]]).and_rule("One.").and_rule("Two."),
                "a token with a; One.; Two.",
            ),
            (
                token_with(&[])
                    .and_rule("One.")
                    .and_login(AuthnRequirement::of::<Recently>()),
                "a token; a login at most 300 s ago; One.",
            ),
        ] {
            assert_eq!(requirement.to_string(), text);
        }
    }

    #[test]
    fn a_further_demand_goes_with_every_way_to_fulfil_the_first() {
        let twice = token_with(&[vec!["a"], vec!["b"]]).and_scopes(&[vec!["c"], vec!["d", "e"]]);
        assert_eq!(
            twice.scopes,
            [
                vec!["a", "c"],
                vec!["a", "d", "e"],
                vec!["b", "c"],
                vec!["b", "d", "e"]
            ]
        );
    }

    #[test]
    fn who_may_stay_anonymous_must_still_have_the_scopes_once_known() {
        let optional = token_with(&[vec!["a"]]).or_anonymous();
        assert_eq!(optional.caller, Authentication::Optional);
        assert_eq!(optional.scopes, [["a"]]);
    }
}
