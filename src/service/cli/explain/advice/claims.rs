//! Tokens of a trusted issuer that are for another API, of another kind, or not valid now.

use std::time::Duration;

use serde_json::Value;

use super::super::context::{Context, listed, moment, quoted, span};
use super::{Explanation, ask_for_audience};
use crate::RequiredClaim;

pub(super) fn other_audience(context: &Context<'_>) -> Explanation {
    let (named, accepted) = (context.token.audience(), context.accepted_audience());
    if context.token.looks_like_id_token() {
        return id_token(context);
    }
    let why = format!(
        "The token is for another audience: its aud names {}, and this API is {}.",
        listed(named.iter().copied()),
        listed(accepted.iter().copied())
    );
    let bare = |name: &str| name.trim_end_matches('/').to_lowercase();
    let close = |name: &&&str| accepted.iter().any(|ours| bare(ours) == bare(name));
    let remedy = if let Some(close) = named.iter().find(close) {
        format!(
            "The two differ in a slash or in capital letters alone, and aud is compared exactly: set AUDIENCE to {}.",
            quoted(close)
        )
    } else if named.contains(&"account") {
        "This is Keycloak's default audience: give the client an audience mapper for this API."
            .to_owned()
    } else {
        ask_for_audience(context)
    };
    Explanation::new("other_audience", why, remedy)
}

pub(super) fn id_token(context: &Context<'_>) -> Explanation {
    let named = context.token.audience();
    Explanation::new(
        "id_token",
        format!(
            "This is an ID token: it describes to the application {} who has signed in, and no API accepts it.",
            listed(named)
        ),
        "Send the access_token of the same answer, not the id_token (auth0-spa-js: getTokenSilently, with \
         authorizationParams.audience).",
    )
}

pub(super) fn malformed_audience(context: &Context<'_>) -> Explanation {
    Explanation::new(
        "malformed_claim",
        format!(
            "The claim that names the audience, the first of {} that the token has, is neither a string nor an array of \
             strings.",
            listed(context.audience_claims())
        ),
        "Let the issuer write it as a string, or name another claim (auth.audience_claims).",
    )
}

/// A claim that the settings require.
pub(super) fn unmet(required: &RequiredClaim, context: &Context<'_>) -> Explanation {
    let found = match context.token.find(required.claim()) {
        Some(value) => format!("it is {}", quoted(&shown(value))),
        None => "the token does not have it".to_owned(),
    };
    Explanation::new(
        "required_claim",
        format!(
            "The settings (auth.required_claims) require that the claim {required}, and {found}.",
        ),
        "Get a token of the kind, client or tenant that this API is for; or change the setting, if others may call it too.",
    )
}

/// A string as it is, any other value as JSON.
fn shown(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) fn logout_token() -> Explanation {
    Explanation::new(
        "logout_token",
        "This is a logout token: it notifies an application of a sign-out, and no API accepts it.",
        "Send an access token.",
    )
}

pub(super) fn other_type(context: &Context<'_>) -> Explanation {
    let is_strict = context.issuer().is_some_and(|issuer| issuer.rules.strict);
    if let Some(named) = context.token_type().filter(|_| !is_strict) {
        return Explanation::new(
            "other_type",
            format!(
                "The token's type is {named} (typ in its header; JWT if it has none), and the settings do not accept it."
            ),
            format!(
                "If the issuer's access tokens have it, add {named} to auth.token_types (APP__AUTH__TOKEN_TYPES)."
            ),
        );
    }
    if context.token_type().is_some() {
        return Explanation::new(
            "not_strict",
            "Strict mode is on, and the token's typ is not at+jwt.",
            "Let the issuer use the profile of RFC 9068 (Auth0: the API's settings, Token Profile), or set auth.strict \
             to false.",
        );
    }
    let named = context.token.parameter("typ").and_then(Value::as_str);
    let named = named.unwrap_or_default();
    if named.eq_ignore_ascii_case("id+jwt") {
        return id_token(context);
    }
    Explanation::new(
        "other_type",
        format!(
            "The token's typ is {}, which is not that of an access token.",
            quoted(named)
        ),
        "Send the access_token of the issuer's answer: its typ is JWT or at+jwt.",
    )
}

pub(super) fn expired(ago: Duration, context: &Context<'_>) -> Explanation {
    let at = context.token.time("exp").unwrap_or_default();
    let tolerance = context.issuer().map(|issuer| issuer.rules.clock_tolerance);
    let why = format!(
        "The token has expired: its exp is {}, and the tolerance of {} ended {} ago.",
        moment(at, context.now),
        span(tolerance.unwrap_or_default()),
        span(ago)
    );
    let issued_at = context.token.time("iat");
    let lifetime = issued_at.map(|from| at.saturating_sub(from));
    let remedy = match lifetime {
        Some(lifetime) if ago < A_FEW_MINUTES => format!(
            "Get a new token. If this one is new (it was to live for {}), {CLOCKS}",
            span(lifetime)
        ),
        _ => "Get a new token.".to_owned(),
    };
    Explanation::new("expired", why, remedy)
}

/// A time in the future.
pub(super) fn ahead(claim: &str, code: &'static str, context: &Context<'_>) -> Explanation {
    let at = context.token.time(claim).unwrap_or_default();
    let why = format!(
        "The token is not valid yet: its {claim} is {}, and the time here is {}.",
        moment(at, context.now),
        moment(context.now, context.now)
            .split(' ')
            .next()
            .unwrap_or_default()
    );
    let remedy = match at.saturating_sub(context.now) {
        little if little < A_FEW_MINUTES => {
            let mut clocks = CLOCKS.to_owned();
            clocks.replace_range(..1, "T");
            clocks
        }
        _ => format!(
            "Use the token later, or get one without such a {claim}. If it should be valid now, {CLOCKS}"
        ),
    };
    Explanation::new(code, why, remedy)
}

pub(super) fn too_old(context: &Context<'_>) -> Explanation {
    let at = context.token.time("iat").unwrap_or_default();
    let allowed = context
        .issuer()
        .and_then(|issuer| issuer.rules.max_token_age);
    Explanation::new(
        "too_old",
        format!(
            "The token is too old: its iat is {}, and auth.max_token_age allows {}.",
            moment(at, context.now),
            span(allowed.unwrap_or_default())
        ),
        "Get a new token, or allow older ones.",
    )
}

pub(super) fn too_many(what: &str) -> Explanation {
    Explanation::new(
        "too_many",
        format!("The token has more than 1,000 {what}."),
        "Let the issuer put fewer into the token: those that this API needs.",
    )
}

pub(super) fn malformed_actor() -> Explanation {
    Explanation::new(
        "malformed_actor",
        "The claim act does not name an actor: it must be an object with sub or client_id, both texts that are not empty, and \
         may hold the actor before it in an act of its own, eight in all (RFC 8693, section 4.1).",
        "Let the issuer write it so, or leave it out where no client acts on the user's behalf.",
    )
}

pub(super) fn malformed(claim: &str, context: &Context<'_>) -> Explanation {
    let value = context.token.claim(claim);
    let date = matches!(claim, "exp" | "nbf" | "iat");
    let milliseconds = value.and_then(Value::as_f64).is_some_and(|at| at > 1e12);
    let remedy = if date && milliseconds {
        "Times are seconds since 1970; this one seems to be milliseconds: let the issuer divide by 1000."
    } else if date {
        "Let the issuer write it as a number: seconds since 1970, before the year 10000."
    } else if claim == "aud" {
        "Let the issuer write it as a string, or as an array of strings."
    } else {
        "Let the issuer write it as a string, or leave it out."
    };
    let why = format!(
        "The claim {claim} is malformed: {}.",
        value.map_or("it cannot be read", form_of)
    );
    Explanation::new("malformed_claim", why, remedy)
}

fn form_of(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "an array with a member that is not a string, or where no array belongs",
        Value::Bool(_) => "it is true or false",
        Value::Null => "it is null",
        Value::Number(_) => "it is a number that is out of range, or where a string belongs",
        Value::Object(_) => "it is an object",
        Value::String(_) => "it is a string where a number belongs",
    }
}

pub(super) fn missing(claim: &str, context: &Context<'_>) -> Explanation {
    if claim == "aud" {
        return no_audience(context);
    }
    let why = format!("The token has no {claim}, which it must have.");
    let remedy = match claim {
        "exp" | "iss" | "tid" => "Get a token from the issuer itself: every access token has it.".to_owned(),
        "iat" if context.has_max_age() => {
            "auth.max_token_age requires it: let the issuer say when the token was issued, or remove that setting."
                .to_owned()
        }
        _ => "Strict mode requires it (RFC 9068): let the issuer use that profile, or set auth.strict to false."
            .to_owned(),
    };
    Explanation::new("missing_claim", why, remedy)
}

fn no_audience(context: &Context<'_>) -> Explanation {
    let claims = context.audience_claims();
    let why = match claims.as_slice() {
        [claim] => format!("The token has no {claim}, which it must have."),
        claims => format!(
            "The token has none of the claims that can name its audience (auth.audience_claims): {}.",
            listed(claims.iter().copied())
        ),
    };
    let remedy = match context.claim_with_audience() {
        Some(claim) => format!(
            "The token names {} in the claim {claim} instead. If the issuer does so for every access token, set \
             APP__AUTH__AUDIENCE_CLAIMS={},{claim} (auth.audience_claims).",
            listed(context.accepted_audience()),
            claims.join(",")
        ),
        None => ask_for_audience(context),
    };
    Explanation::new("missing_claim", why, remedy)
}

/// Clocks are rarely further apart.
const A_FEW_MINUTES: Duration = Duration::from_secs(600);

const CLOCKS: &str = "the clocks of this machine and of the issuer differ: compare both with the right time, and set \
them by NTP. auth.clock_tolerance allows for a small difference.";
