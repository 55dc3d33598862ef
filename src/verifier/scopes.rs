//! The scopes that a token grants.

use super::payload::Payload;
use crate::claims::scope::scopes_in;
use crate::issuer::Issuer;

/// The scopes that the configured claims grant together, without those that they imply; a malformed claim grants none.
pub(super) fn granted_scopes<'p>(issuer: &Issuer, payload: &'p Payload<'_>) -> Vec<&'p str> {
    let mut granted = Vec::new();
    for claim in &issuer.rules.scope_claims {
        let scopes = if claim.is_plain("scope") {
            payload.claims.scope.valid().map(scopes_in)
        } else if claim.is_plain("scp") {
            payload.claims.scp.valid().map(scopes_in)
        } else {
            claim.scopes(payload.document())
        };
        let scopes = scopes.into_iter().flatten();
        granted.extend(scopes.filter(|scope| !scope.is_empty()));
    }
    granted
}
