//! Valid tokens that a route does not accept: scopes, rules on claims and actors, logins and proofs of possession.

use std::time::Duration;

use serde_json::Value;

use super::super::context::{Context, listed, moment, quoted};
use super::Explanation;
use crate::claims::authn::AuthnRequirement;
use crate::claims::scope_claim::ScopeClaim;
use crate::extract::DIRECT_ONLY;
use crate::rejection::Cause;
use crate::sender::SenderError;
use crate::{Caller, Rejection, Verified};

/// The route's access type rejects the caller.
pub(super) fn denied(caller: &Caller, rejection: &Rejection, context: &Context<'_>) -> Explanation {
    match rejection.cause() {
        Cause::InsufficientScope { alternatives } => {
            insufficient_scope(caller, alternatives, context)
        }
        Cause::InsufficientLogin(requirement) => insufficient_login(requirement, context),
        Cause::UnfulfilledRule(DIRECT_ONLY) => delegated(caller),
        Cause::UnfulfilledRule(rule) if is_about_actor(rule, context) => other_actor(caller, rule),
        Cause::UnfulfilledRule(rule) => Explanation::new(
            "insufficient_claims",
            format!("The token is valid, but it does not fulfil a rule of the route: {rule}"),
            "Let the issuer put the claim into the token, or call the route with a token of another user or client.",
        ),
        _ => Explanation::new(
            "rejected_by_route",
            format!("The token is valid, but the route rejects it: {rejection}"),
            "Compare the claims of the token with those that the route's access type requires.",
        ),
    }
}

/// Whether a rule of the route is one about the actor.
fn is_about_actor(rule: &str, context: &Context<'_>) -> bool {
    let actors = context.requirement.map(|requirement| &requirement.actors);
    let mut actors = actors.into_iter().flatten();
    actors.any(|actor| actor.description == rule)
}

fn delegated(token: &Verified) -> Explanation {
    Explanation::new(
        "delegated",
        format!(
            "The token is valid, but {} (act), and the route is for users directly.",
            acts(token)
        ),
        "Let the user's own client call the route, with a token that the issuer gave it for the user, without a token exchange.",
    )
}

fn other_actor(token: &Verified, rule: &str) -> Explanation {
    Explanation::new(
        "other_actor",
        format!(
            "The token is valid, but {}, and the route decides by the current actor: {rule}",
            acts(token)
        ),
        "Let the client that is meant exchange the user's token for one of its own (RFC 8693), whose claim act names the client. \
         Actors before the current one, and may_act, do not count.",
    )
}

/// Who acts, by the names that the token has of it.
fn acts(token: &Verified) -> String {
    let Some(actor) = token.actor() else {
        return "it names no actor (act)".to_owned();
    };
    let names = [
        ("sub", actor.subject()),
        ("client_id", actor.client_id()),
        ("iss", actor.issuer()),
    ];
    let names = names.into_iter();
    let names = names.filter_map(|(name, value)| Some(format!("{name} {}", quoted(value?))));
    let names: Vec<_> = names.collect();
    format!("its actor is {}", names.join(", "))
}

/// The request does not prove possession as the token or the settings require.
pub(super) fn unproven(error: &SenderError) -> Explanation {
    match error {
        SenderError::Unproven => bound(),
        SenderError::NoKeyBound => Explanation::new(
            "not_bound",
            "The token is not bound to a key, so the scheme DPoP cannot be used with it.",
            "Send it with the scheme Bearer, or let the client request a token with a DPoP proof.",
        ),
        SenderError::Nonce => Explanation::new(
            "use_dpop_nonce",
            "The proof needs a nonce of the running server, which this command does not have.",
            "Send the request: its 401 response has the nonce in the header DPoP-Nonce. Put it into the next proof.",
        ),
        SenderError::NoCertificate | SenderError::OtherCertificate => Explanation::new(
            "no_certificate",
            "The token is bound to a client certificate, and this command presents none.",
            "Send it over a connection with the client's certificate; the server then accepts it.",
        ),
        error => Explanation::new(
            "invalid_proof",
            format!("The proof of possession is rejected: {error}."),
            "Make a new proof for each request, with the token's key, the method and the URL of the request (RFC 9449, \
             section 4.2).",
        ),
    }
}

pub(super) fn bound() -> Explanation {
    Explanation::new(
        "sender_constrained",
        "The token is bound to a key or certificate of its client (cnf), so it is not a bearer token. The server accepts \
         it together with a proof of possession.",
        "Send it with the scheme DPoP and a proof by that key (explain --dpop shows the decision), or with the client's \
         certificate. For a bearer token, request one without DPoP and without a client certificate.",
    )
}

pub(super) fn bearer_not_accepted() -> Explanation {
    Explanation::new(
        "dpop_required",
        "This API accepts no bearer tokens (auth.dpop.required).",
        "Request a token with a DPoP proof, and send it with the scheme DPoP and a proof (explain --dpop).",
    )
}

fn insufficient_scope(token: &Verified, ways: &[Vec<&str>], context: &Context<'_>) -> Explanation {
    let asked: Vec<_> = ways.iter().map(|way| listed(way.iter().copied())).collect();
    let why = format!(
        "The token is valid, but it grants {}, and the route requires {}.",
        listed(token.scopes().iter()),
        asked.join(", or ")
    );
    let needed = ways.first().map(Vec::as_slice).unwrap_or_default();
    let read = context
        .issuer()
        .map(|issuer| issuer.rules.scope_claims.as_slice());
    let read = read.unwrap_or_default();
    let places = needed.iter().map(|scope| places(context, scope));
    let common = places.reduce(|common, other| {
        let in_both = |place: &String| other.contains(place);
        common.into_iter().filter(in_both).collect()
    });
    let elsewhere = common.unwrap_or_default();
    if let Some(claim) = elsewhere.first() {
        return other_claim(claim, needed, read, &why);
    }
    let joined = |claim: &&ScopeClaim| is_joined(context, claim, needed);
    if let Some(claim) = read.iter().find(joined) {
        let why = format!(
            "{why} Its {} does not separate scopes by single spaces.",
            claim.as_str()
        );
        let remedy =
            "Let the issuer separate scopes by spaces (RFC 6749, section 3.3), or write an array.";
        return Explanation::new("scope_separator", why, remedy);
    }
    Explanation::new(
        "insufficient_scope",
        why,
        "Request the scope together with the token (the parameter scope), and make sure that the issuer grants it to this \
         user or client.",
    )
}

fn other_claim(claim: &str, needed: &[&str], read: &[ScopeClaim], why: &str) -> Explanation {
    let read: Vec<_> = read.iter().map(ScopeClaim::as_str).collect();
    Explanation::new(
        "other_scope_claim",
        format!(
            "{why} It has {} in the claim {claim}, which is not read: scopes are read from {}.",
            listed(needed.iter().copied()),
            read.join(", ")
        ),
        format!(
            "To read scopes from {claim}, set APP__AUTH__SCOPE_CLAIMS={claim} (auth.scope_claims); to read both, \
             APP__AUTH__SCOPE_CLAIMS={},{claim}.",
            read.join(",")
        ),
    )
}

/// The claims that contain this scope, as `auth.scope_claims` would name them.
fn places(context: &Context<'_>, scope: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, value) in context.token.claims.iter().flatten() {
        let pointer = format!("/{}", escaped(name));
        if holds(value, scope) {
            found.push(match name.starts_with('/') {
                true => pointer,
                false => name.clone(),
            });
        } else {
            search(value, scope, &pointer, &mut found);
        }
    }
    found
}

fn search(value: &Value, scope: &str, path: &str, found: &mut Vec<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let path = format!("{path}/{}", escaped(name));
        if holds(value, scope) {
            found.push(path);
        } else {
            search(value, scope, &path, found);
        }
    }
}

/// A member's name in a JSON pointer (RFC 6901 §3).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn holds(value: &Value, scope: &str) -> bool {
    match value {
        Value::Array(list) => list.iter().any(|member| member == scope),
        Value::String(text) => text.split(' ').any(|word| word == scope),
        _ => false,
    }
}

/// Whether a claim has all required scopes, but separated otherwise than by spaces.
fn is_joined(context: &Context<'_>, claim: &ScopeClaim, needed: &[&str]) -> bool {
    let text = context.token.claim(claim.as_str()).and_then(Value::as_str);
    let words: Vec<_> = text
        .unwrap_or_default()
        .split([',', ';', '|', '+', ' ', '\t', '\n'])
        .collect();
    needed.iter().all(|scope| words.contains(scope))
}

fn insufficient_login(demand: &AuthnRequirement, context: &Context<'_>) -> Explanation {
    let values = [class(context), methods(context), time(context)].join(", ");
    Explanation::new(
        "insufficient_login",
        format!("The token is valid, but the route requires {demand}, and the token has {values}."),
        format!(
            "Let the user log in again{}, and use the new token. If that one is no better, let the issuer put \
             acr, amr and auth_time into access tokens (RFC 9068, section 2.2.1).",
            parameters(demand)
        ),
    )
}

/// The parameters of the authorization request (RFC 9470 §5).
fn parameters(demand: &AuthnRequirement) -> String {
    let classes = demand.acr_values;
    let classes =
        (!classes.is_empty()).then(|| format!("acr_values={}", quoted(&classes.join(" "))));
    let age = demand.max_age.as_ref().map(Duration::as_secs);
    let age = age.map(|seconds| format!("max_age={seconds}"));
    let parameters: Vec<_> = classes.into_iter().chain(age).collect();
    match parameters.is_empty() {
        true => String::new(),
        false => format!(
            ", with {} in the authorization request",
            parameters.join(" and ")
        ),
    }
}

fn class(context: &Context<'_>) -> String {
    match context.token.claim("acr") {
        None => "no acr".to_owned(),
        Some(Value::String(class)) => format!("acr {}", quoted(class)),
        Some(_) => "an acr that is not a string".to_owned(),
    }
}

fn methods(context: &Context<'_>) -> String {
    match context.token.claim("amr") {
        None => "no amr".to_owned(),
        Some(Value::Array(methods)) if methods.iter().all(Value::is_string) => {
            format!("amr {}", listed(methods.iter().filter_map(Value::as_str)))
        }
        Some(_) => "an amr that is not an array of strings".to_owned(),
    }
}

fn time(context: &Context<'_>) -> String {
    match (
        context.token.time("auth_time"),
        context.token.has_claim("auth_time"),
    ) {
        (Some(at), _) => format!("auth_time {}", moment(at, context.now)),
        (None, true) => "an auth_time that is not a time".to_owned(),
        (None, false) => "no auth_time".to_owned(),
    }
}
