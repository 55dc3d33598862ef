//! Tokens of another issuer, algorithm or key.

use std::time::Duration;

use super::super::case::Case;
use super::super::words::{listed, quoted};
use super::{Explanation, claims};
use crate::issuer::{Issuer, KeySource};
use crate::jose::Algorithm;
use crate::service::cli::layout::line;

pub(super) fn unknown_issuer(case: &Case<'_>) -> Explanation {
    let named = case.contents.issuer().unwrap_or_default();
    let same = |issuer: &&Issuer| unslashed(issuer.label()) == unslashed(named);
    if let Some(issuer) = case.issuers.iter().find(same) {
        return slash(named, issuer);
    }
    let why = format!(
        "The token is from another issuer: its iss is {}, and what is trusted here is {}.",
        quoted(named),
        listed(case.issuers.iter().map(Issuer::label))
    );
    Explanation::new("other_issuer", why, other_issuer(named, case))
}

fn unslashed(issuer: &str) -> &str {
    issuer.strip_suffix('/').unwrap_or(issuer)
}

fn slash(named: &str, issuer: &Issuer) -> Explanation {
    let (written, expected) = match issuer.name() {
        Some(name) => ("configured as", name),
        None => (
            "written otherwise in its own discovery document than",
            issuer.label(),
        ),
    };
    let why = match (named.ends_with('/'), issuer.name()) {
        (true, Some(_)) => "The issuer is configured without the slash that iss ends in",
        (false, Some(_)) => "The issuer is configured with a slash that iss does not end in",
        (_, None) => "The issuer's name differs in its last slash",
    };
    Explanation::new(
        "issuer_slash",
        format!(
            "{why}: the token says {}, and the issuer is {written} {}. iss is compared to the letter.",
            quoted(named),
            quoted(expected)
        ),
        format!(
            "Set ISSUER (auth.issuer) to {}, or leave it out beside ISSUER_BASE_URL, so that discovery says it.",
            quoted(named)
        ),
    )
}

fn other_issuer(named: &str, case: &Case<'_>) -> String {
    if named.starts_with("https://sts.windows.net/") {
        return "This is a token of Microsoft Entra ID in version 1: set accessTokenAcceptedVersion to 2 in the \
                application's manifest."
            .to_owned();
    }
    if case.development {
        return format!(
            "No issuer is configured, so the development issuer alone is trusted. To trust this one, set \
             ISSUER_BASE_URL to {} and AUDIENCE to this API's name; else get a token with the command token.",
            quoted(named)
        );
    }
    format!(
        "Get a token from an issuer that is trusted, or trust this one too (ISSUER_BASE_URL, or [[auth.issuers]] for \
         several): {}.",
        quoted(named)
    )
}

pub(super) fn other_algorithm(case: &Case<'_>) -> Explanation {
    if case.contents.is_refresh_token() {
        return Explanation::new(
            "refresh_token",
            "This is a refresh token: it is for the issuer's token endpoint alone.",
            "Send the access_token of the same answer instead.",
        );
    }
    if case.contents.looks_like_id_token() {
        return claims::id_token(case);
    }
    let named = case.contents.algorithm().unwrap_or_default();
    let (of, remedy) = kept_from(case, is_symmetric(case));
    let why = format!("The token is signed with {}, and {of}.", line(named));
    Explanation::new("wrong_algorithm", why, remedy)
}

/// What keeps a token of such an algorithm from being accepted, and the remedy.
fn kept_from(case: &Case<'_>, symmetric: bool) -> (String, &'static str) {
    let issuer = case.issuer();
    let secret = issuer.is_some_and(|issuer| matches!(issuer.keys(), Some(KeySource::Secret(_))));
    let allowed = issuer.map(|issuer| issuer.algorithms.as_slice());
    let allowed = allowed.unwrap_or_default();
    match (symmetric, secret) {
        (true, false) => (
            "a shared secret is never verified by an issuer's public keys".to_owned(),
            "Let the issuer sign with RS256 (Auth0: the API's settings, Signing Algorithm). Only where it is meant \
             to share a secret with this API, set SECRET and TOKEN_SIGNING_ALG.",
        ),
        (false, true) => (
            "a secret is configured, with which only HMAC signatures are verified".to_owned(),
            "Remove SECRET (auth.secret), so that the issuer's public keys are used.",
        ),
        _ if allowed.is_empty() => (
            "the issuer's key is not one for it".to_owned(),
            "Get a token from the issuer itself: it signs with the algorithm that its published key is for.",
        ),
        _ => (
            format!(
                "only {} is accepted (TOKEN_SIGNING_ALG, auth.token_signing_alg)",
                listed(allowed.iter().map(|allowed| allowed.name()))
            ),
            "Add the algorithm to that setting, or let the issuer sign with another.",
        ),
    }
}

fn is_symmetric(case: &Case<'_>) -> bool {
    let named = case.contents.algorithm();
    named.is_some_and(|named| named.parse().is_ok_and(Algorithm::is_symmetric))
}

pub(super) fn unknown_key(case: &Case<'_>) -> Explanation {
    let why = match case.contents.parameter("kid") {
        Some(kid) => format!(
            "The token names the key {}, and the issuer does not publish it.",
            quoted(kid.as_str().unwrap_or_default())
        ),
        None => "The token names no key (kid), and none of those that the issuer publishes has signed it.".to_owned(),
    };
    let remedy = match case.development {
        true => {
            "The development issuer makes new keys whenever it starts: get a new token, with the command token."
        }
        false => {
            "Get a new token: the key was withdrawn, or belongs to another environment of the same issuer. \
             Where JWKS_URI or a public key is configured, see that it is the right one."
        }
    };
    Explanation::new("unknown_key", why, remedy)
}

pub(super) fn several_audiences() -> Explanation {
    Explanation::new(
        "several_audiences",
        "The token is for audiences of several entries of [[auth.issuers]], each with rules of its own.",
        "Get a token for one of these audiences alone, or put them into one entry.",
    )
}

pub(super) fn signature(case: &Case<'_>) -> Explanation {
    let remedy = if is_symmetric(case) {
        "Use the same secret on both sides. SECRET is taken as the text that it is, never decoded from base64."
    } else if case.contents.parameter("nonce").is_some() {
        "A nonce in the header means a token for Microsoft Graph, which Graph alone can verify: ask for a scope of \
         your own API."
    } else {
        "Copy the token again, whole; if it still fails, get a new one from the issuer."
    };
    Explanation::new(
        "bad_signature",
        "The signature does not hold: the token was changed after it was signed, or another key signed it.",
        remedy,
    )
}

pub(super) fn keys_unavailable(case: &Case<'_>) -> Explanation {
    let label = case.issuer().map(Issuer::label);
    let of_issuer = case
        .unready
        .iter()
        .find(|unready| Some(unready.issuer.as_str()) == label);
    let reason = of_issuer.map_or("its keys cannot be had", |unready| unready.details.as_str());
    let remedy = match case.development {
        true => {
            "The development issuer starts with the service: start that first, with cargo run, and get a token from it."
        }
        false => {
            "The token may be good. See that the issuer can be reached from here; the command check tells more."
        }
    };
    let why = format!(
        "The keys of {} cannot be had: {reason}.",
        quoted(label.unwrap_or_default())
    );
    Explanation::new("keys_unavailable", why, remedy)
}

pub(super) fn key_undetermined(wait: Duration) -> Explanation {
    Explanation::new(
        "key_undetermined",
        "The token names a key that is not known yet, and too many unknown keys were asked for to ask the issuer now.",
        format!(
            "The token may be good. Send it again after {} s.",
            wait.as_secs().saturating_add(1)
        ),
    )
}
