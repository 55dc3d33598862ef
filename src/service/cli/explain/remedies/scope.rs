//! Good tokens that do not grant what a route asks for.

use serde_json::Value;

use super::super::case::Case;
use super::super::words::listed;
use super::Explanation;
use crate::Verified;
use crate::claims::scope::ScopeClaim;

pub(super) fn too_little(token: &Verified, ways: &[Vec<&str>], case: &Case<'_>) -> Explanation {
    let asked: Vec<_> = ways.iter().map(|way| listed(way.iter().copied())).collect();
    let why = format!(
        "The token is good, but it grants {}, and the route asks for {}.",
        listed(token.scopes().iter()),
        asked.join(", or ")
    );
    let needed = ways.first().map(Vec::as_slice).unwrap_or_default();
    let read = case.issuer().map(|issuer| issuer.scope_claims.as_slice());
    let read = read.unwrap_or_default();
    let places = needed.iter().map(|scope| places(case, scope));
    let common = places.reduce(|common, other| {
        let in_both = |place: &String| other.contains(place);
        common.into_iter().filter(in_both).collect()
    });
    let elsewhere = common.unwrap_or_default();
    if let Some(claim) = elsewhere.first() {
        return other_claim(claim, needed, read, &why);
    }
    let joined = |claim: &&ScopeClaim| is_joined(case, claim, needed);
    if let Some(claim) = read.iter().find(joined) {
        let why = format!(
            "{why} Its {} separates scopes by something else than one blank.",
            claim.as_str()
        );
        let remedy =
            "Let the issuer separate scopes by blanks (RFC 6749, section 3.3), or write an array.";
        return Explanation::new("scope_separator", why, remedy);
    }
    Explanation::new(
        "insufficient_scope",
        why,
        "Ask for the scope when the token is requested (the parameter scope), and see that the issuer lets this \
         person or client have it.",
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
            "Where {claim} shall decide, set APP__AUTH__SCOPE_CLAIMS={claim} (auth.scope_claims); to read both, \
             APP__AUTH__SCOPE_CLAIMS={},{claim}.",
            read.join(",")
        ),
    )
}

/// Every claim that has this scope, as `auth.scope_claims` would name it.
fn places(case: &Case<'_>, scope: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, value) in case.contents.claims.iter().flatten() {
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

/// Whether a claim that is read has all that is needed, but not between blanks.
fn is_joined(case: &Case<'_>, claim: &ScopeClaim, needed: &[&str]) -> bool {
    let text = case.contents.claim(claim.as_str()).and_then(Value::as_str);
    let words: Vec<_> = text
        .unwrap_or_default()
        .split([',', ';', '|', '+', ' ', '\t', '\n'])
        .collect();
    needed.iter().all(|scope| words.contains(scope))
}
