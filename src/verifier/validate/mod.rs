//! Validation of the claims of a signed token, or of an introspected one: audience, times, kind, required claims and
//! scopes ([RFC 9068 §4]).
//!
//! [RFC 9068 §4]: https://www.rfc-editor.org/rfc/rfc9068#section-4

use std::sync::Arc;
use std::time::Duration;

use super::VerifyError;
use super::audience::check_audience;
use super::payload::Payload;
use super::scopes::granted_scopes;
use super::unverified::Unverified;
use crate::claims::scope::ScopeSet;
use crate::claims::{Claims, OtherKind};
use crate::issuer::Issuer;
use crate::jose::json::Member;

/// The result of validation; times are since the Unix epoch.
#[derive(Debug)]
pub(crate) struct ValidClaims {
    pub(crate) scopes: ScopeSet,
    /// The tolerance for the issuer's clock.
    pub(crate) tolerance: Duration,
    /// The token is valid from this time on.
    pub(crate) from: Duration,
    /// The token is valid before this time.
    pub(crate) until: Duration,
}

/// Validates the claims of an authentic payload at the time `now` since the Unix epoch.
///
/// # Errors
/// The first rule that is violated.
pub(crate) fn validate_claims(
    issuer: &Issuer,
    payload: &Payload<'_>,
    now: Duration,
) -> Result<ValidClaims, VerifyError> {
    let claims = &payload.claims;
    check_audience(issuer, payload)?;
    let (from, until) = check_times(issuer, claims, now)?;
    check_strings(claims)?;
    if claims.actor == Member::Malformed {
        return Err(VerifyError::MalformedActor);
    }
    check_kind(claims)?;
    check_required(issuer, payload)?;
    let mut scopes = granted_scopes(issuer, payload);
    check_numbers(claims, &scopes)?;
    let implied = issuer.rules.scope_implications.beyond(&scopes);
    scopes.extend(implied);
    if issuer.rules.strict {
        check_profile(claims)?;
    }
    Ok(ValidClaims {
        scopes: ScopeSet::of(&scopes),
        tolerance: issuer.rules.clock_tolerance,
        from,
        until,
    })
}

/// Whether a token could be accepted if its signature were valid, by its audience and times.
pub(crate) fn may_pass(issuer: &Issuer, token: &Unverified<'_>, now: Duration) -> bool {
    check_audience(issuer, token.payload()).is_ok()
        && check_times(issuer, token.claims(), now).is_ok()
}

/// RFC 7519 §4.1.4 to §4.1.6, with the tolerance in the token's favour; returns the times from and until which the
/// token is valid.
fn check_times(
    issuer: &Issuer,
    claims: &Claims<'_>,
    now: Duration,
) -> Result<(Duration, Duration), VerifyError> {
    let tolerance = issuer.rules.clock_tolerance;
    let expires_at = required(&claims.expires_at, "exp")?.since_epoch();
    let mut until = expires_at.saturating_add(tolerance);
    if let Some(ago) = now.checked_sub(until) {
        return Err(VerifyError::Expired { ago });
    }
    let not_before = optional(&claims.not_before, "nbf")?.map(|at| at.since_epoch());
    let mut from = not_before.unwrap_or_default().saturating_sub(tolerance);
    if now < from {
        return Err(VerifyError::NotYetValid);
    }
    let issued_at = optional(&claims.issued_at, "iat")?;
    if let Some(max_age) = issuer.rules.max_token_age {
        let issued_at = issued_at
            .ok_or(VerifyError::Missing { claim: "iat" })?
            .since_epoch();
        if now < issued_at.saturating_sub(tolerance) {
            return Err(VerifyError::IssuedAhead);
        }
        let too_old = issued_at.saturating_add(max_age).saturating_add(tolerance);
        if now > too_old {
            return Err(VerifyError::TooOld);
        }
        from = from.max(issued_at.saturating_sub(tolerance));
        until = until.min(too_old);
    }
    Ok((from, until))
}

fn check_strings(claims: &Claims<'_>) -> Result<(), VerifyError> {
    optional(&claims.subject, "sub")?;
    optional(&claims.client_id, "client_id")?;
    optional(&claims.token_id, "jti")?;
    Ok(())
}

/// Rejects other tokens that are signed with the same keys: those that name their kind (Cognito, Keycloak), ID tokens
/// (OpenID Connect Core §2, §3.1.3.6), which have `at_hash`, or `nonce` without a scope (Keycloak's access tokens have
/// both), and logout tokens, which have `events`.
pub(super) fn check_kind(claims: &Claims<'_>) -> Result<(), VerifyError> {
    match claims.other_kind {
        Some(OtherKind::Id) => return Err(VerifyError::IdToken),
        Some(OtherKind::Logout) => return Err(VerifyError::LogoutToken),
        Some(OtherKind::Refresh) => return Err(VerifyError::RefreshToken),
        None => {}
    }
    // Other claims that grant scopes, such as roles, may stand in ID tokens.
    let has_scope = claims.scope != Member::Absent || claims.scp != Member::Absent;
    if claims.has_access_token_hash || (claims.has_nonce && !has_scope) {
        return Err(VerifyError::IdToken);
    }
    if claims.has_events {
        return Err(VerifyError::LogoutToken);
    }
    Ok(())
}

fn check_required(issuer: &Issuer, payload: &Payload<'_>) -> Result<(), VerifyError> {
    let mut required = issuer.rules.required_claims.iter();
    match required.find(|required| !required.is_met_by(payload.claim(required.name()))) {
        Some(unmet) => Err(VerifyError::RequiredClaim(Arc::clone(unmet))),
        None => Ok(()),
    }
}

/// Bounds the work that a token causes for each request.
fn check_numbers(claims: &Claims<'_>, scopes: &[&str]) -> Result<(), VerifyError> {
    let audience = claims.audience.valid();
    if audience.is_some_and(|audience| audience.len() > MOST_AUDIENCES) {
        return Err(VerifyError::TooManyAudiences);
    }
    if scopes.len() > MOST_SCOPES {
        return Err(VerifyError::TooManyScopes);
    }
    Ok(())
}

/// RFC 9068 §2.2.
fn check_profile(claims: &Claims<'_>) -> Result<(), VerifyError> {
    required(&claims.issued_at, "iat")?;
    required(&claims.subject, "sub")?;
    required(&claims.client_id, "client_id")?;
    required(&claims.token_id, "jti")?;
    Ok(())
}

pub(super) fn required<'a, T>(
    member: &'a Member<T>,
    claim: &'static str,
) -> Result<&'a T, VerifyError> {
    optional(member, claim)?.ok_or(VerifyError::Missing { claim })
}

pub(super) fn optional<'a, T>(
    member: &'a Member<T>,
    claim: &'static str,
) -> Result<Option<&'a T>, VerifyError> {
    match member {
        Member::Absent => Ok(None),
        Member::Malformed => Err(VerifyError::Malformed { claim }),
        Member::Valid(value) => Ok(Some(value)),
    }
}

/// The most audiences that a token may name; providers that list every API of a user name some dozens.
const MOST_AUDIENCES: usize = 1000;

/// The most scopes that a token may grant in all scope claims together; Auth0 allows an API as many.
const MOST_SCOPES: usize = 1000;

#[cfg(test)]
mod tests;
