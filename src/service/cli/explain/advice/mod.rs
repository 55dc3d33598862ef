//! The cause of a rejection in plain words, and its remedy.

mod access;
mod claims;
mod introspection;
mod revocation;

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::Verdict;
use super::context::{Context, listed, quoted};
use crate::authorization::CredentialsError;
use crate::extract::AuthenticationError;
use crate::issuer::{Issuer, KeySource};
use crate::jose::{Algorithm, CompactError};
use crate::service::cli::output::line;
use crate::service::config;
use crate::verifier::VerifyError;

/// A cause, and its remedy.
#[derive(Debug, Serialize)]
pub(super) struct Explanation {
    /// The cause for scripts.
    pub(super) code: &'static str,
    pub(super) why: String,
    pub(super) remedy: String,
}

impl Explanation {
    /// Explains a rejection; `None` for an accepted token.
    pub(super) fn of(verdict: &Verdict, context: &Context<'_>) -> Option<Self> {
        match verdict {
            Verdict::Granted(_) | Verdict::Open => None,
            Verdict::Unauthenticated(AuthenticationError::Credentials(_, error)) => {
                Some(unusable(error, context))
            }
            Verdict::Unauthenticated(AuthenticationError::Token(_, error)) => {
                Some(invalid(error, context))
            }
            Verdict::Unauthenticated(AuthenticationError::Sender(_, error)) => {
                Some(access::unproven(error))
            }
            Verdict::Denied(caller, rejection) => Some(access::denied(caller, rejection, context)),
        }
    }

    fn new(code: &'static str, why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            code,
            why: why.into(),
            remedy: remedy.into(),
        }
    }
}

fn invalid(error: &VerifyError, context: &Context<'_>) -> Explanation {
    match error {
        VerifyError::Bound => access::bound(),
        VerifyError::CriticalHeader => critical_header(),
        VerifyError::Expired { ago } => claims::expired(*ago, context),
        VerifyError::Form(error) => form(error, context),
        VerifyError::IdToken => claims::id_token(context),
        VerifyError::Inactive => introspection::inactive(),
        VerifyError::IntrospectionNeeded(_) | VerifyError::IntrospectionUnavailable { .. } => {
            introspection::unavailable()
        }
        VerifyError::UnknownKind => introspection::unknown_kind(),
        VerifyError::IssuedAhead => claims::ahead("iat", "issued_ahead", context),
        VerifyError::IssuerUndetermined { retry_after }
        | VerifyError::KeyUndetermined { retry_after } => key_undetermined(*retry_after),
        VerifyError::KeysUnavailable { .. } => keys_unavailable(context),
        VerifyError::LogoutToken => claims::logout_token(),
        VerifyError::Malformed { claim } => claims::malformed(claim, context),
        VerifyError::MalformedAudience => claims::malformed_audience(context),
        VerifyError::RefreshToken => refresh_token(),
        VerifyError::Revoked => revocation::revoked(),
        VerifyError::RevocationUnknown => revocation::unknown(),
        VerifyError::RequiredClaim(required) => claims::unmet(required, context),
        VerifyError::MalformedActor => claims::malformed_actor(),
        VerifyError::MalformedKeyId => malformed_key_id(),
        VerifyError::MalformedPayload => malformed_payload(),
        VerifyError::Missing { claim } => claims::missing(claim, context),
        VerifyError::NotYetValid => claims::ahead("nbf", "not_yet_valid", context),
        VerifyError::AlgorithmNotAllowed => other_algorithm(context),
        VerifyError::WrongAudience => claims::other_audience(context),
        VerifyError::WrongType => claims::other_type(context),
        VerifyError::OutdatedKey(_) | VerifyError::Signature => signature(context),
        VerifyError::SeveralAudiences => several_audiences(),
        VerifyError::TooManyAudiences => claims::too_many("audiences"),
        VerifyError::TooManyScopes => claims::too_many("scopes"),
        VerifyError::TooOld => claims::too_old(context),
        VerifyError::UnknownAlgorithm => unknown_algorithm(context),
        VerifyError::KeyOfOtherTenant | VerifyError::OtherTenant => other_tenant(context),
        VerifyError::UnknownTenant => unknown_tenant(context),
        VerifyError::UnknownIssuer => unknown_issuer(context),
        VerifyError::UnknownKey(_) => unknown_key(context),
    }
}

fn unusable(error: &CredentialsError, context: &Context<'_>) -> Explanation {
    match error {
        CredentialsError::NoToken => Explanation::new(
            "no_bearer_token",
            "This is not a token: it contains characters that no token has, such as quotation marks, commas or percent signs.",
            "Copy the value of access_token alone, without quotation marks and without URL encoding.",
        ),
        _ if context.token.is_empty() => Explanation::new(
            "no_token",
            "The token is empty.",
            "If it comes from a variable, such as $TOKEN, the variable is not set. Copy the value of access_token.",
        ),
        _ if context.token.is_one_word() => access::bearer_not_accepted(),
        _ => Explanation::new(
            "no_token",
            "There is not exactly one word: a space or line break is in the middle of the token.",
            "Copy the value of access_token alone and in one piece.",
        ),
    }
}

fn form(error: &CompactError, context: &Context<'_>) -> Explanation {
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
        CompactError::Segments => segments(context),
        CompactError::TooLong => Explanation::new(
            "too_long",
            "The token is longer than auth.max_token_length allows (16 KiB by default).",
            "Let the issuer put less into it: usually a long list of groups or roles. Or allow longer tokens, if every proxy \
             in front lets such a header through.",
        ),
    }
}

fn segments(context: &Context<'_>) -> Explanation {
    match context.token.parts {
        1 => Explanation::new(
            "opaque_token",
            "This is an opaque token: one word without dots, which only its issuer can read. \
             Issuers give such tokens when no audience was asked for; refresh tokens look like this too.",
            format!(
                "{} If the issuer only has opaque tokens, set auth.introspection, so that it is asked about each.",
                ask_for_audience(context)
            ),
        ),
        5 => encrypted(context),
        parts => Explanation::new(
            "malformed_token",
            format!("The token has {parts} parts between dots; a signed JWT has three."),
            "Copy the token again: a part was lost, or something was joined to it.",
        ),
    }
}

fn encrypted(context: &Context<'_>) -> Explanation {
    Explanation::new(
        "encrypted_token",
        "This is an encrypted token (JWE), which only its recipient can read. Auth0 gives one for its own \
         /userinfo when no audience was asked for.",
        ask_for_audience(context),
    )
}

/// What makes issuers give a JWT for this API.
pub(super) fn ask_for_audience(context: &Context<'_>) -> String {
    let audience = listed(context.accepted_audience().into_iter().take(1));
    format!(
        "Ask the issuer for a token for this API: send audience {audience} with the request (in auth0-spa-js: \
         authorizationParams.audience), and send the access_token of the answer."
    )
}

fn unknown_algorithm(context: &Context<'_>) -> Explanation {
    if context.token.is_encrypted() {
        return encrypted(context);
    }
    match context.token.algorithm() {
        Some(none) if none.eq_ignore_ascii_case("none") => Explanation::new(
            "wrong_algorithm",
            "The token is not signed (alg is none): anyone could have written it.",
            "Get a token from the issuer itself.",
        ),
        Some(other) => Explanation::new(
            "wrong_algorithm",
            format!("The token's algorithm {} is not supported.", quoted(other)),
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
    let default = Algorithm::ALL
        .iter()
        .copied()
        .filter(|algorithm| algorithm.is_default());
    let names: Vec<_> = default.map(Algorithm::name).collect();
    names.join(", ")
}

fn critical_header() -> Explanation {
    Explanation::new(
        "critical_header",
        "The token's header has crit or b64: it requires extensions, of which none is supported.",
        "Let the issuer make plain JWTs.",
    )
}

fn malformed_key_id() -> Explanation {
    Explanation::new(
        "malformed_token",
        "The token's kid is not a string.",
        "Get a token from the issuer itself; its key IDs are strings.",
    )
}

fn malformed_payload() -> Explanation {
    Explanation::new(
        "malformed_token",
        "The second part of the token is not one JSON object without duplicate members.",
        "Get a token from the issuer itself, and copy it whole.",
    )
}

fn unknown_issuer(context: &Context<'_>) -> Explanation {
    let named = context.token.issuer().unwrap_or_default();
    let same = |issuer: &&Issuer| unslashed(issuer.label()) == unslashed(named);
    if let Some(issuer) = context.issuers.iter().find(same) {
        return slash(named, issuer);
    }
    let why = format!(
        "The token is from another issuer: its iss is {}, and the trusted issuers are {}.",
        quoted(named),
        listed(context.issuers.iter().map(Issuer::label))
    );
    Explanation::new("other_issuer", why, other_issuer(named, context))
}

fn other_tenant(context: &Context<'_>) -> Explanation {
    Explanation::new(
        "other_tenant",
        format!(
            "The token's iss is {}, and its claim tid or the key that it names belongs to another tenant.",
            quoted(context.token.issuer().unwrap_or_default())
        ),
        "Get a token from the issuer itself: all three are of one tenant there.",
    )
}

fn unknown_tenant(context: &Context<'_>) -> Explanation {
    let tenant = context.token.claim("tid").and_then(Value::as_str);
    let tenant = tenant.unwrap_or_default();
    Explanation::new(
        "unknown_tenant",
        format!(
            "The token is of the tenant {} (tid), which the settings do not list.",
            quoted(tenant)
        ),
        format!(
            "If its users may call this API, add {} to auth.tenants.",
            quoted(tenant)
        ),
    )
}

fn unslashed(issuer: &str) -> &str {
    issuer.strip_suffix('/').unwrap_or(issuer)
}

fn slash(named: &str, issuer: &Issuer) -> Explanation {
    let (written, expected) = match issuer.name() {
        Some(name) => ("configured as", name),
        None => (
            "spelled differently in its discovery document than",
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
            "{why}: the token has {}, and the issuer is {written} {}. iss is compared exactly.",
            quoted(named),
            quoted(expected)
        ),
        format!(
            "Set ISSUER (auth.issuer) to {}, or leave it out beside ISSUER_BASE_URL, so that discovery provides it.",
            quoted(named)
        ),
    )
}

fn other_issuer(named: &str, context: &Context<'_>) -> String {
    if named.starts_with("https://sts.windows.net/") {
        return "This is a token of Microsoft Entra ID in version 1: set accessTokenAcceptedVersion to 2 in the \
                application's manifest."
            .to_owned();
    }
    if context.is_development {
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

fn other_algorithm(context: &Context<'_>) -> Explanation {
    if context.token.is_refresh_token() {
        return refresh_token();
    }
    if context.token.looks_like_id_token() {
        return claims::id_token(context);
    }
    let named = context.token.algorithm().unwrap_or_default();
    let (of, remedy) = kept_from(context, is_symmetric(context));
    let why = format!("The token is signed with {}, and {of}.", line(named));
    Explanation::new("wrong_algorithm", why, remedy)
}

fn refresh_token() -> Explanation {
    Explanation::new(
        "refresh_token",
        "This is a refresh token: it is for the issuer's token endpoint alone.",
        "Send the access_token of the same answer instead.",
    )
}

/// What keeps a token of such an algorithm from being accepted, and the remedy.
fn kept_from(context: &Context<'_>, symmetric: bool) -> (String, &'static str) {
    let issuer = context.issuer();
    let secret = issuer.is_some_and(|issuer| matches!(issuer.keys(), Some(KeySource::Secret(_))));
    let allowed = issuer.map(|issuer| issuer.rules.algorithms.as_slice());
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

fn is_symmetric(context: &Context<'_>) -> bool {
    let named = context.token.algorithm();
    named.is_some_and(|named| named.parse().is_ok_and(Algorithm::is_symmetric))
}

fn unknown_key(context: &Context<'_>) -> Explanation {
    let why = match context.token.parameter("kid") {
        Some(kid) => format!(
            "The token names the key {}, and the issuer does not publish it.",
            quoted(kid.as_str().unwrap_or_default())
        ),
        None => "The token has no key ID (kid), and none of the keys that the issuer publishes has signed it.".to_owned(),
    };
    let remedy = match context.is_development {
        true => {
            "The development issuer makes new keys whenever it starts: get a new token, with the command token."
        }
        false => {
            "Get a new token: the key was withdrawn, or belongs to another environment of the same issuer. \
             Where JWKS_URI or a public key is configured, check that it is the right one."
        }
    };
    Explanation::new("unknown_key", why, remedy)
}

fn several_audiences() -> Explanation {
    Explanation::new(
        "several_audiences",
        "The token is for audiences of several entries of [[auth.issuers]], each with rules of its own.",
        "Get a token for one of these audiences alone, or put them into one entry.",
    )
}

fn signature(context: &Context<'_>) -> Explanation {
    if let Some(debris) = debris_of_secret(context) {
        return Explanation::new(
            "bad_signature",
            format!("The signature is invalid, and the configured secret {debris}."),
            "Remove that from the secret (SECRET, auth.secret), or use the same secret, with it, on both sides.",
        );
    }
    let remedy = if is_symmetric(context) {
        "Use the same secret on both sides. SECRET is used as it is, not decoded from base64, unless \
         auth.secret_encoding = \"base64\"."
    } else if context.token.parameter("nonce").is_some() {
        "A nonce in the header means a token for Microsoft Graph, which Graph alone can verify: ask for a scope of \
         your own API."
    } else {
        "Copy the token again, whole; if it still fails, get a new one from the issuer."
    };
    Explanation::new(
        "bad_signature",
        "The signature is invalid: the token was changed after it was signed, or another key signed it.",
        remedy,
    )
}

/// What is wrong with the ends of the secret of the token's issuer.
fn debris_of_secret(context: &Context<'_>) -> Option<&'static str> {
    match context.issuer()?.keys() {
        Some(KeySource::Secret(secret)) => {
            let text = std::str::from_utf8(secret.as_bytes()).ok()?;
            config::debris_of_secret(text)
        }
        _ => None,
    }
}

fn keys_unavailable(context: &Context<'_>) -> Explanation {
    let label = context.issuer().map(Issuer::label);
    let of_issuer = context
        .unready
        .iter()
        .find(|unready| Some(unready.issuer.as_str()) == label);
    let reason = of_issuer.map_or("its keys are unavailable", |unready| {
        unready.details.as_str()
    });
    let remedy = match context.is_development {
        true => {
            "The development issuer starts with the service: start that first, with cargo run, and get a token from it."
        }
        false => {
            "The token may be valid. Make sure that the issuer can be reached from here; the command check shows more."
        }
    };
    let why = format!(
        "The keys of {} are unavailable: {reason}.",
        quoted(label.unwrap_or_default())
    );
    Explanation::new("keys_unavailable", why, remedy)
}

fn key_undetermined(wait: Duration) -> Explanation {
    Explanation::new(
        "key_undetermined",
        "The token names a key that is not known yet, and the issuer cannot be asked now, because of too many requests for unknown keys.",
        format!(
            "The token may be valid. Send it again after {} s.",
            wait.as_secs().saturating_add(1)
        ),
    )
}
