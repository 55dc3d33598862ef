//! Tokens that are not what a JWT looks like.

use super::super::case::Case;
use super::super::words::{listed, quoted};
use super::Explanation;
use crate::jose::{Algorithm, CompactError};

pub(super) fn form(error: &CompactError, case: &Case<'_>) -> Explanation {
    match error {
        CompactError::Base64Url => Explanation::new(
            "malformed_token",
            "A part of the token is not base64url: a character was lost, added or changed.",
            "Copy the token again, whole. Its parts have no =, + or / in them.",
        ),
        CompactError::Header => Explanation::new(
            "malformed_token",
            "The first part of the token is not one JSON object without duplicate members, so this is no JWT.",
            "Copy the value of access_token again, whole.",
        ),
        CompactError::Segments => segments(case),
        CompactError::TooLong => Explanation::new(
            "too_long",
            "The token is longer than 16 KiB.",
            "Let the issuer put less into it: usually a long list of groups or roles.",
        ),
    }
}

fn segments(case: &Case<'_>) -> Explanation {
    match case.contents.parts {
        1 => Explanation::new(
            "opaque_token",
            "This is an opaque token: one word without dots, which only its issuer can read. \
             Issuers give such tokens when no audience was asked for; refresh tokens look like this too.",
            ask_for_audience(case),
        ),
        5 => encrypted(case),
        parts => Explanation::new(
            "malformed_token",
            format!("The token has {parts} parts between dots; a signed JWT has three."),
            "Copy the token again: a part was lost, or something was joined to it.",
        ),
    }
}

fn encrypted(case: &Case<'_>) -> Explanation {
    Explanation::new(
        "encrypted_token",
        "This is an encrypted token (JWE), which only its recipient can read. Auth0 gives one for its own \
         /userinfo when no audience was asked for.",
        ask_for_audience(case),
    )
}

/// What makes issuers give a JWT for this API.
pub(super) fn ask_for_audience(case: &Case<'_>) -> String {
    let audience = listed(case.accepted_audience().into_iter().take(1));
    format!(
        "Ask the issuer for a token for this API: send audience {audience} with the request (in auth0-spa-js: \
         authorizationParams.audience), and send the access_token of the answer."
    )
}

pub(super) fn unknown_algorithm(case: &Case<'_>) -> Explanation {
    if case.contents.is_encrypted() {
        return encrypted(case);
    }
    match case.contents.algorithm() {
        Some(none) if none.eq_ignore_ascii_case("none") => Explanation::new(
            "wrong_algorithm",
            "The token is not signed (alg is none): anybody could have written it.",
            "Get a token from the issuer itself.",
        ),
        Some(other) => Explanation::new(
            "wrong_algorithm",
            format!("The token's algorithm {} is not known here.", quoted(other)),
            format!("Let the issuer sign with one of {}.", known_algorithms()),
        ),
        None => Explanation::new(
            "wrong_algorithm",
            "The token's header names no algorithm.",
            "Get a token from the issuer itself, and copy it whole.",
        ),
    }
}

fn known_algorithms() -> String {
    let asymmetric = Algorithm::ALL
        .iter()
        .copied()
        .filter(|algorithm| !algorithm.is_symmetric());
    let names: Vec<_> = asymmetric.map(Algorithm::name).collect();
    names.join(", ")
}

pub(super) fn critical_header() -> Explanation {
    Explanation::new(
        "critical_header",
        "The token's header has crit or b64: it demands extensions, of which none is supported.",
        "Let the issuer make plain JWTs.",
    )
}

pub(super) fn malformed_key_id() -> Explanation {
    Explanation::new(
        "malformed_token",
        "The token's kid is not a text.",
        "Get a token from the issuer itself; its keys have names that are texts.",
    )
}

pub(super) fn malformed_payload() -> Explanation {
    Explanation::new(
        "malformed_token",
        "The second part of the token is not one JSON object without duplicate members.",
        "Get a token from the issuer itself, and copy it whole.",
    )
}
