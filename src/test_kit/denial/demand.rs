//! What a route demands of a good token: how it is met, and the answers where it is not.

use std::time::SystemTime;

use crate::extract::{Requirement, UNBOUND};
use crate::rejection::{Cause, Rejection};
use crate::test_kit::TokenBuilder;

/// The refusals of a token without any scope; `None` where none is asked for. Of access types inside one another,
/// the innermost refuses first and names its own scopes alone: a beginning of the first way.
pub(super) fn too_little_scope(requirement: &Requirement) -> Option<Vec<Rejection>> {
    let first = requirement.scopes.first()?;
    let beginnings = (1..=first.len())
        .rev()
        .filter_map(|length| first.get(..length));
    let refusals = beginnings.map(|beginning| Cause::InsufficientScope {
        alternatives: vec![beginning.to_vec()],
    });
    let refusals = refusals.map(Rejection::from);
    Some(refusals.chain(unbound(requirement)).collect())
}

/// The refusals of a token that tells of no login; `None` where none is asked for.
pub(super) fn too_weak_login(requirement: &Requirement) -> Option<Vec<Rejection>> {
    let refusals = requirement.logins.iter();
    let refusals = refusals.map(|login| Cause::InsufficientLogin(*login).into());
    (!requirement.logins.is_empty()).then(|| refusals.chain(unbound(requirement)).collect())
}

/// The refusal of a token that is bound to nobody, where one is asked for that is; the tokens of all other tries are
/// bound to nobody too.
pub(super) fn unbound(requirement: &Requirement) -> Option<Rejection> {
    let refusal = || Cause::InvalidToken(UNBOUND).into();
    requirement.proven_sender.then(refusal)
}

/// Grants the scopes that are asked for.
pub(super) fn scoped(token: TokenBuilder, requirement: &Requirement) -> TokenBuilder {
    match requirement.scopes.first() {
        Some(way) => token.scope(&way.join(" ")),
        None => token,
    }
}

/// Tells of the login that is asked for: of a class that every level takes, by all methods, just now.
pub(super) fn logged_in(
    token: TokenBuilder,
    requirement: &Requirement,
    now: SystemTime,
) -> TokenBuilder {
    let logins = &requirement.logins;
    let mut methods = logins.iter().flat_map(|login| login.amr_values).peekable();
    let mut token = token;
    if let Some(class) = class(requirement) {
        token = token.acr(class);
    }
    if methods.peek().is_some() {
        token = token.amr(methods.copied());
    }
    match logins.iter().any(|login| login.max_age.is_some()) {
        true => token.auth_time(now),
        false => token,
    }
}

fn class(requirement: &Requirement) -> Option<&'static str> {
    let asked = requirement.logins.iter().map(|login| login.acr_values);
    let asked: Vec<_> = asked.filter(|classes| !classes.is_empty()).collect();
    let is_taken = |class: &&&str| asked.iter().all(|classes| classes.contains(class));
    asked.first()?.iter().find(is_taken).copied()
}
