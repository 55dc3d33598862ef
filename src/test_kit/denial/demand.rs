//! The requirements of a route: tokens that meet them, and the rejections of those that do not.
//!
//! Each builder adds what the route requires to a token, so that a case lacks one thing alone.

use std::time::SystemTime;

use serde_json::{Map, Value};

use crate::extract::{DIRECT_ONLY, Requirement, UNBOUND};
use crate::rejection::{Cause, Rejection};
use crate::test_kit::TokenBuilder;

/// The possible rejections of a token without scopes; `None` if none is required.
pub(super) fn too_little_scope(requirement: &Requirement) -> Option<Vec<Rejection>> {
    let first = requirement.scopes.first()?;
    let lacking = Cause::InsufficientScope {
        alternatives: vec![first.clone()],
    };
    let rejections = [lacking.into()].into_iter();
    Some(rejections.chain(unbound(requirement)).collect())
}

/// The possible rejections of a token without claims about the login; `None` if none are required.
pub(super) fn too_weak_login(requirement: &Requirement) -> Option<Vec<Rejection>> {
    let rejections = requirement
        .logins
        .iter()
        .map(|login| Cause::InsufficientLogin(*login).into());
    (!requirement.logins.is_empty()).then(|| rejections.chain(unbound(requirement)).collect())
}

/// The possible rejections of a token whose actor is missing or another one; `None` if none is required.
pub(super) fn other_actor(requirement: &Requirement) -> Option<Vec<Rejection>> {
    let rules = requirement.actors.iter().map(|actor| actor.description);
    let rejections = rules.map(|rule| Cause::UnfulfilledRule(rule).into());
    (!requirement.actors.is_empty()).then(|| rejections.chain(unbound(requirement)).collect())
}

/// The possible rejections of a token with an actor; `None` if one is accepted.
pub(super) fn delegated(requirement: &Requirement) -> Option<Vec<Rejection>> {
    let rejection = Cause::UnfulfilledRule(DIRECT_ONLY).into();
    let rejections = [rejection].into_iter().chain(unbound(requirement));
    requirement.direct.then(|| rejections.collect())
}

/// Whether the route accepts some actors alone.
pub(super) fn names_actors(requirement: &Requirement) -> bool {
    let mut actors = requirement.actors.iter();
    actors.any(|actor| {
        let lists = [actor.subjects, actor.client_ids, actor.issuers];
        lists.iter().any(|list| !list.is_empty())
    })
}

/// The rejection of a token that is not sender-constrained, if the route requires one that is. The tokens of all
/// other kinds are not sender-constrained either.
pub(super) fn unbound(requirement: &Requirement) -> Option<Rejection> {
    requirement
        .proven_sender
        .then(|| Cause::InvalidToken(UNBOUND).into())
}

/// A scope that is neither required nor accepted in place of a required one.
pub(super) fn unrelated_scope(requirement: &Requirement) -> String {
    let required = requirement.scopes.iter().flatten();
    let wider = requirement.implied_by.iter().flat_map(|(_, wider)| *wider);
    let accepted: Vec<_> = required.chain(wider).copied().collect();
    unrelated(&accepted)
}

/// A name that is none of these.
fn unrelated(accepted: &[&str]) -> String {
    let mut unrelated = "unrelated".to_owned();
    while accepted.contains(&unrelated.as_str()) {
        unrelated.push('x');
    }
    unrelated
}

/// Gives the token an actor that every rule accepts, by the lists of the rules, or none where the route accepts none.
pub(super) fn acting(token: TokenBuilder, requirement: &Requirement) -> TokenBuilder {
    if requirement.direct {
        return token.without("act");
    }
    if requirement.actors.is_empty() {
        return token;
    }
    // What a rule requires beyond its lists is in the application's own token.
    let mut actor = match token.clone().claims().remove("act") {
        Some(Value::Object(actor)) => actor,
        _ => Map::new(),
    };
    let actors = &requirement.actors;
    let names = [
        ("sub", common(actors.iter().map(|actor| actor.subjects))),
        (
            "client_id",
            common(actors.iter().map(|actor| actor.client_ids)),
        ),
        ("iss", common(actors.iter().map(|actor| actor.issuers))),
    ];
    for (name, value) in names {
        if let Some(value) = value {
            actor.insert(name.to_owned(), value.into());
        }
    }
    if !actor.contains_key("sub") && !actor.contains_key("client_id") {
        actor.insert("sub".to_owned(), "actor-1".into());
    }
    token.claim("act", actor)
}

/// An actor that no rule with a list accepts.
pub(super) fn unrelated_actor(requirement: &Requirement) -> Map<String, Value> {
    let lists = requirement.actors.iter();
    let lists = lists.flat_map(|actor| [actor.subjects, actor.client_ids, actor.issuers]);
    let accepted: Vec<_> = lists.flatten().copied().collect();
    let name = unrelated(&accepted);
    let names = ["sub", "client_id", "iss"].into_iter();
    names
        .map(|member| (member.to_owned(), name.as_str().into()))
        .collect()
}

/// Grants the required scopes.
pub(super) fn scoped(token: TokenBuilder, requirement: &Requirement) -> TokenBuilder {
    match requirement.scopes.first() {
        Some(scopes) => token.scope(&scopes.join(" ")),
        None => token,
    }
}

/// Adds claims about a login that meets every requirement: an accepted class, all methods, just now.
pub(super) fn logged_in(
    token: TokenBuilder,
    requirement: &Requirement,
    now: SystemTime,
) -> TokenBuilder {
    let logins = &requirement.logins;
    let mut methods = logins.iter().flat_map(|login| login.amr_values).peekable();
    let mut token = token;
    if let Some(class) = common(logins.iter().map(|login| login.acr_values)) {
        token = token.acr(class);
    }
    if methods.peek().is_some() {
        token = token.amr(methods.copied());
    }
    if logins.iter().any(|login| login.max_age.is_some()) {
        token.auth_time(now)
    } else {
        token
    }
}

/// The first value that is in each list, of those that are not empty.
fn common(lists: impl Iterator<Item = &'static [&'static str]>) -> Option<&'static str> {
    let lists: Vec<_> = lists.filter(|list| !list.is_empty()).collect();
    let is_in_all = |value: &&&str| lists.iter().all(|list| list.contains(value));
    lists.first()?.iter().find(is_in_all).copied()
}
