//! The requirements of a route: tokens that meet them, and the rejections of those that do not.

use std::time::SystemTime;

use crate::extract::{Requirement, UNBOUND};
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
    let mut unrelated = "unrelated".to_owned();
    while accepted.contains(&unrelated.as_str()) {
        unrelated.push('x');
    }
    unrelated
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
    if let Some(class) = class(requirement) {
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

fn class(requirement: &Requirement) -> Option<&'static str> {
    let accepted: Vec<_> = requirement
        .logins
        .iter()
        .map(|login| login.acr_values)
        .filter(|classes| !classes.is_empty())
        .collect();
    let suits_all = |class: &&&str| accepted.iter().all(|classes| classes.contains(class));
    accepted.first()?.iter().find(suits_all).copied()
}
