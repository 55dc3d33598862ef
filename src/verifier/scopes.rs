//! The scopes that a token grants.

use super::payload::Payload;
use crate::claims::scope::{ScopeSet, ScopeValue};
use crate::claims::scope_claim::ScopeClaim;
use crate::issuer::Issuer;
use crate::jose::json::Member;

/// The scopes that the configured claims grant together, without those that they imply; a malformed claim grants none.
pub(super) fn granted_scopes(issuer: &Issuer, payload: &Payload) -> ScopeSet {
    let mut granted = ScopeSet::default();
    for claim in &issuer.rules.scope_claims {
        if let Some(scopes) = scopes_in(claim, payload) {
            granted.add(scopes);
        }
    }
    granted
}

/// Adds the scopes that the granted ones imply by configuration.
pub(super) fn add_implied(issuer: &Issuer, granted: &mut ScopeSet) {
    let implied = issuer.rules.scope_implications.beyond(granted);
    if !implied.is_empty() {
        // No name contains a space.
        let implied = implied.join(" ");
        granted.add(ScopeValue::Text(implied));
    }
}

fn scopes_in(claim: &ScopeClaim, payload: &Payload) -> Option<ScopeValue> {
    let known = |claim: &Member<ScopeValue>| claim.valid().cloned();
    if claim.is_plain("scope") {
        known(&payload.claims.scope)
    } else if claim.is_plain("scp") {
        known(&payload.claims.scp)
    } else {
        claim.scopes(payload.document())
    }
}
