//! Issuer, audience, times, type: what this server demands of a token that is authentic ([RFC 9068 §4]).
//!
//! [RFC 9068 §4]: https://www.rfc-editor.org/rfc/rfc9068#section-4

use std::time::Duration;

use serde_json::Value;

use super::VerifyError;
use super::unverified::{Authentic, TokenType};
use crate::claims::scope::{ScopeClaim, ScopeSet, ScopeValue};
use crate::claims::{Claims, NumericDate};
use crate::issuer::Issuer;
use crate::jose::json::{FromJson, Member};

/// Judges what an authentic token says, at the moment `now` since 1970, and finds the scopes that it grants.
///
/// # Errors
/// The first demand that is not met.
pub(crate) fn admit(
    issuer: &Issuer,
    token: &Authentic,
    now: Duration,
) -> Result<ScopeSet, VerifyError> {
    let claims = &token.claims;
    check_audience(issuer, claims)?;
    check_times(issuer, claims, now)?;
    check_texts(claims)?;
    let scopes = GrantedScopes::read(issuer, token);
    check_kind(claims, scopes.any_claim)?;
    if issuer.strict {
        check_profile(token)?;
    }
    Ok(scopes.set)
}

/// RFC 7519 §4.1.3: a token that names other recipients alone must be rejected.
fn check_audience(issuer: &Issuer, claims: &Claims) -> Result<(), VerifyError> {
    let audience = required(&claims.audience, "aud")?;
    if audience.names_one_of(&issuer.audience) {
        Ok(())
    } else {
        Err(VerifyError::OtherAudience)
    }
}

/// RFC 7519 §4.1.4 to §4.1.6, with the tolerance added on the token's side.
fn check_times(issuer: &Issuer, claims: &Claims, now: Duration) -> Result<(), VerifyError> {
    let tolerance = issuer.clock_tolerance;
    let expires_at = required(&claims.expires_at, "exp")?.since_epoch();
    if let Some(ago) = now.checked_sub(expires_at.saturating_add(tolerance)) {
        return Err(VerifyError::Expired { ago });
    }
    let latest = now.saturating_add(tolerance);
    if optional(&claims.not_before, "nbf")?.is_some_and(|from| from.since_epoch() > latest) {
        return Err(VerifyError::NotYetValid);
    }
    let issued_at = optional(&claims.issued_at, "iat")?;
    match issuer.max_token_age {
        Some(max_age) => check_age(issued_at, now, max_age, tolerance),
        None => Ok(()),
    }
}

fn check_age(
    issued_at: Option<&NumericDate>,
    now: Duration,
    max_age: Duration,
    tolerance: Duration,
) -> Result<(), VerifyError> {
    let issued_at = issued_at
        .ok_or(VerifyError::Missing { claim: "iat" })?
        .since_epoch();
    if issued_at > now.saturating_add(tolerance) {
        return Err(VerifyError::IssuedAhead);
    }
    if now.saturating_sub(issued_at) > max_age.saturating_add(tolerance) {
        return Err(VerifyError::TooOld);
    }
    Ok(())
}

fn check_texts(claims: &Claims) -> Result<(), VerifyError> {
    optional(&claims.subject, "sub")?;
    optional(&claims.client_id, "client_id")?;
    optional(&claims.token_id, "jti")?;
    Ok(())
}

/// Refuses what is signed by the same keys but no access token: ID tokens (OpenID Connect Core §2, §3.1.3.6), which
/// carry `at_hash`, or `nonce` and no scope (Keycloak's access tokens carry both), and logout tokens, which carry `events`.
fn check_kind(claims: &Claims, any_scope_claim: bool) -> Result<(), VerifyError> {
    if claims.has_access_token_hash || (claims.has_nonce && !any_scope_claim) {
        return Err(VerifyError::IdToken);
    }
    if claims.has_events {
        return Err(VerifyError::LogoutToken);
    }
    Ok(())
}

/// RFC 9068 §2.1 and §2.2.
fn check_profile(token: &Authentic) -> Result<(), VerifyError> {
    if token.token_type != TokenType::AccessToken {
        return Err(VerifyError::OtherType);
    }
    let claims = &token.claims;
    required(&claims.issued_at, "iat")?;
    required(&claims.subject, "sub")?;
    required(&claims.client_id, "client_id")?;
    required(&claims.token_id, "jti")?;
    Ok(())
}

fn required<'a, T>(member: &'a Member<T>, claim: &'static str) -> Result<&'a T, VerifyError> {
    optional(member, claim)?.ok_or(VerifyError::Missing { claim })
}

fn optional<'a, T>(
    member: &'a Member<T>,
    claim: &'static str,
) -> Result<Option<&'a T>, VerifyError> {
    match member {
        Member::Absent => Ok(None),
        Member::Malformed => Err(VerifyError::Malformed { claim }),
        Member::Valid(value) => Ok(Some(value)),
    }
}

/// What the configured scope claims grant together.
#[derive(Default)]
struct GrantedScopes {
    set: ScopeSet,
    /// Whether the token has any of the claims, be it an empty or a malformed one.
    any_claim: bool,
}

impl GrantedScopes {
    fn read(issuer: &Issuer, token: &Authentic) -> Self {
        let mut granted = Self::default();
        let mut others = Vec::new();
        for claim in &issuer.scope_claims {
            match claim.as_str() {
                "scope" => granted.add(&token.claims.scope),
                "scp" => granted.add(&token.claims.scp),
                _ => others.push(claim),
            }
        }
        if !others.is_empty() {
            granted.add_others(&others, &token.payload);
        }
        granted
    }

    fn add(&mut self, claim: &Member<ScopeValue>) {
        self.any_claim |= *claim != Member::Absent;
        if let Some(value) = claim.valid() {
            self.set.add(value.clone());
        }
    }

    fn add_others(&mut self, claims: &[&ScopeClaim], payload: &[u8]) {
        let Ok(payload) = serde_json::from_slice::<Value>(payload) else {
            return;
        };
        for value in claims.iter().filter_map(|claim| claim.find(&payload)) {
            self.any_claim = true;
            if let Some(scopes) = ScopeValue::from_json(value.clone()) {
                self.set.add(scopes);
            }
        }
    }
}
