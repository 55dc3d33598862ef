//! Good tokens of logins that are too weak or too long ago for a route.

use std::time::Duration;

use serde_json::Value;

use super::super::case::Case;
use super::super::words::{listed, moment, quoted};
use super::Explanation;
use crate::claims::authn::AuthnRequirement;

pub(super) fn too_weak(demand: &AuthnRequirement, case: &Case<'_>) -> Explanation {
    let told = [told_class(case), told_methods(case), told_time(case)].join(", ");
    Explanation::new(
        "insufficient_login",
        format!("The token is good, but the route asks for {demand}, and the token says: {told}."),
        format!(
            "Let the person log in again{}, and use the new token. If that one says no better, let the issuer put \
             acr, amr and auth_time into access tokens (RFC 9068, section 2.2.1).",
            parameters(demand)
        ),
    )
}

/// What an authorization request says for it (RFC 9470 §5).
fn parameters(demand: &AuthnRequirement) -> String {
    let classes = demand.acr_values;
    let classes =
        (!classes.is_empty()).then(|| format!("acr_values={}", quoted(&classes.join(" "))));
    let age = demand.max_age.as_ref().map(Duration::as_secs);
    let age = age.map(|seconds| format!("max_age={seconds}"));
    let said: Vec<_> = classes.into_iter().chain(age).collect();
    match said.is_empty() {
        true => String::new(),
        false => format!(", with {} in the authorization request", said.join(" and ")),
    }
}

fn told_class(case: &Case<'_>) -> String {
    match case.contents.claim("acr") {
        None => "no acr".to_owned(),
        Some(Value::String(class)) => format!("acr {}", quoted(class)),
        Some(_) => "an acr that is no text".to_owned(),
    }
}

fn told_methods(case: &Case<'_>) -> String {
    match case.contents.claim("amr") {
        None => "no amr".to_owned(),
        Some(Value::Array(methods)) if methods.iter().all(Value::is_string) => {
            format!("amr {}", listed(methods.iter().filter_map(Value::as_str)))
        }
        Some(_) => "an amr that is no array of texts".to_owned(),
    }
}

fn told_time(case: &Case<'_>) -> String {
    match (
        case.contents.time("auth_time"),
        case.contents.has_claim("auth_time"),
    ) {
        (Some(at), _) => format!("auth_time {}", moment(at, case.now)),
        (None, true) => "an auth_time that is no time".to_owned(),
        (None, false) => "no auth_time".to_owned(),
    }
}
