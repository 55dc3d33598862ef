//! Whether a token is meant for this API (RFC 7519 §4.1.3, RFC 8707).

use super::VerifyError;
use super::payload::Payload;
use super::validate::optional;
use crate::issuer::Issuer;
use crate::jose::json::OneOrMany;

/// Checks that the token names this API, in the first of the issuer's audience claims that it has. Later ones do not
/// count then: `azp` names the client that requested a token, which may be for another API.
///
/// # Errors
/// The token has none of the claims, the first one is malformed, or it names other audiences alone.
pub(super) fn check_audience(issuer: &Issuer, payload: &Payload<'_>) -> Result<(), VerifyError> {
    let (rules, aud) = (&issuer.rules, &payload.claims.audience);
    if rules.any_audience {
        return optional(aud, AUD).map(drop);
    }
    for claim in &rules.audience_claims {
        let is_named = if claim.as_str() == AUD {
            optional(aud, AUD)?.map(|named| named.contains_one_of(&rules.audience))
        } else if let Some(value) = payload.claim(claim) {
            let named = OneOrMany::of(value).ok_or(VerifyError::MalformedAudience)?;
            Some(named.contains_one_of(&rules.audience))
        } else {
            None
        };
        match is_named {
            Some(true) => return Ok(()),
            Some(false) => return Err(VerifyError::WrongAudience),
            None => {}
        }
    }
    Err(VerifyError::Missing { claim: AUD })
}

const AUD: &str = "aud";
