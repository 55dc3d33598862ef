//! Validation of a signed token's claims: audience, times, kind and scopes ([RFC 9068 §4]).
//!
//! [RFC 9068 §4]: https://www.rfc-editor.org/rfc/rfc9068#section-4

use std::time::Duration;

use serde_json::Value;

use super::VerifyError;
use super::unverified::{SignatureVerified, TokenType, Unverified};
use crate::claims::Claims;
use crate::claims::scope::{ScopeClaim, ScopeSet, ScopeValue};
use crate::issuer::Issuer;
use crate::jose::json::{FromJson, Member};

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

/// Validates the claims of a signed token at the time `now` since the Unix epoch.
///
/// # Errors
/// The first rule that is violated.
pub(crate) fn validate_claims(
    issuer: &Issuer,
    token: &SignatureVerified,
    now: Duration,
) -> Result<ValidClaims, VerifyError> {
    let claims = &token.claims;
    check_audience(issuer, claims)?;
    let (from, until) = check_times(issuer, claims, now)?;
    check_strings(claims)?;
    let scopes = GrantedScopes::read(issuer, token);
    let any_scope_claim =
        scopes.any_claim || claims.scope != Member::Absent || claims.scp != Member::Absent;
    check_kind(claims, any_scope_claim)?;
    check_numbers(claims, &scopes.set)?;
    if issuer.rules.strict {
        check_profile(token)?;
    }
    Ok(ValidClaims {
        scopes: scopes.set,
        tolerance: issuer.rules.clock_tolerance,
        from,
        until,
    })
}

/// Whether a token could be accepted if its signature were valid, by its audience, times and type.
pub(crate) fn may_pass(issuer: &Issuer, token: &Unverified<'_>, now: Duration) -> bool {
    let is_of_type = !issuer.rules.strict || token.token_type() == TokenType::AccessToken;
    is_of_type
        && check_audience(issuer, token.claims()).is_ok()
        && check_times(issuer, token.claims(), now).is_ok()
}

/// RFC 7519 §4.1.3: a token that does not name this API must be rejected.
fn check_audience(issuer: &Issuer, claims: &Claims) -> Result<(), VerifyError> {
    let audience = required(&claims.audience, "aud")?;
    if audience.names_one_of(&issuer.rules.audience) {
        Ok(())
    } else {
        Err(VerifyError::WrongAudience)
    }
}

/// RFC 7519 §4.1.4 to §4.1.6, with the tolerance in the token's favour; returns the times from and until which the
/// token is valid.
fn check_times(
    issuer: &Issuer,
    claims: &Claims,
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

fn check_strings(claims: &Claims) -> Result<(), VerifyError> {
    optional(&claims.subject, "sub")?;
    optional(&claims.client_id, "client_id")?;
    optional(&claims.token_id, "jti")?;
    Ok(())
}

/// Rejects other tokens that are signed with the same keys: ID tokens (OpenID Connect Core §2, §3.1.3.6), which have
/// `at_hash`, or `nonce` without a scope (Keycloak's access tokens have both), and logout tokens, which have `events`.
fn check_kind(claims: &Claims, any_scope_claim: bool) -> Result<(), VerifyError> {
    if claims.has_access_token_hash || (claims.has_nonce && !any_scope_claim) {
        return Err(VerifyError::IdToken);
    }
    if claims.has_events {
        return Err(VerifyError::LogoutToken);
    }
    Ok(())
}

/// Bounds the work that a token causes for each request.
fn check_numbers(claims: &Claims, scopes: &ScopeSet) -> Result<(), VerifyError> {
    let audience = claims.audience.valid();
    if audience.is_some_and(|audience| audience.len() > MOST_AUDIENCES) {
        return Err(VerifyError::TooManyAudiences);
    }
    if scopes.iter().nth(MOST_SCOPES).is_some() {
        return Err(VerifyError::TooManyScopes);
    }
    Ok(())
}

/// RFC 9068 §2.1 and §2.2.
fn check_profile(token: &SignatureVerified) -> Result<(), VerifyError> {
    if token.token_type != TokenType::AccessToken {
        return Err(VerifyError::WrongType);
    }
    let claims = &token.claims;
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

/// The scopes that the configured claims grant together.
#[derive(Default)]
struct GrantedScopes {
    set: ScopeSet,
    /// Whether the token has any of the claims, even an empty or malformed one.
    any_claim: bool,
}

impl GrantedScopes {
    fn read(issuer: &Issuer, token: &SignatureVerified) -> Self {
        let mut granted = Self::default();
        let mut others = Vec::new();
        for claim in &issuer.rules.scope_claims {
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

/// The most audiences that a token may name; providers that list every API of a user name some dozens.
const MOST_AUDIENCES: usize = 1000;

/// The most scopes that a token may grant in all scope claims together; Auth0 allows an API as many.
const MOST_SCOPES: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: u64 = 1_700_000_000;

    fn issuer() -> Issuer {
        let key = "k".repeat(32);
        let issuer = Issuer::with_secret("https://issuer.example/", &key, crate::Algorithm::Hs256);
        issuer.audience("api").build().expect("an issuer")
    }

    /// A token that is valid at `NOW`, with the members of `changes`; `"absent"` removes one.
    fn token(token_type: TokenType, changes: &Value) -> SignatureVerified {
        let mut claims = json!({
            "iss": "https://issuer.example/", "sub": "user", "aud": "api", "exp": NOW + 60, "iat": NOW - 60,
            "client_id": "client", "jti": "1", "scope": "read",
        });
        for (name, value) in changes.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        claims
            .as_object_mut()
            .expect("an object")
            .retain(|_, value| *value != "absent");
        let payload = claims.to_string().into_bytes();
        let claims = Claims::parse(&payload).expect("claims");
        SignatureVerified {
            payload,
            token_type,
            claims,
        }
    }

    fn outcome(issuer: &Issuer, changes: &Value) -> Result<(), VerifyError> {
        let token = token(TokenType::AccessToken, changes);
        validate_claims(issuer, &token, Duration::from_secs(NOW)).map(drop)
    }

    const fn missing(claim: &'static str) -> VerifyError {
        VerifyError::Missing { claim }
    }

    const fn malformed(claim: &'static str) -> VerifyError {
        VerifyError::Malformed { claim }
    }

    fn expired(seconds: u64) -> VerifyError {
        VerifyError::Expired {
            ago: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn a_valid_token_is_accepted() {
        assert_eq!(outcome(&issuer(), &json!({})), Ok(()));
        for bare in ["sub", "iat", "client_id", "jti", "scope"] {
            assert_eq!(
                outcome(&issuer(), &json!({ bare: "absent" })),
                Ok(()),
                "{bare}"
            );
        }
    }

    #[test]
    fn the_audience_must_include_this_api() {
        for (audience, expected) in [
            (json!("absent"), missing("aud")),
            (json!(null), malformed("aud")),
            (json!(1), malformed("aud")),
            (json!([]), VerifyError::WrongAudience),
            (json!(["api", 1]), malformed("aud")),
            (json!("other"), VerifyError::WrongAudience),
            (json!(["other", "API"]), VerifyError::WrongAudience),
        ] {
            assert_eq!(
                outcome(&issuer(), &json!({ "aud": audience })),
                Err(expected),
                "{audience}"
            );
        }
    }

    #[test]
    fn times_are_compared_with_a_tolerance_of_five_seconds() {
        for (changes, expected) in [
            (json!({"exp": NOW - 4}), Ok(())),
            (json!({"exp": NOW - 5}), Err(expired(0))),
            (json!({"exp": NOW - 65}), Err(expired(60))),
            (json!({"exp": 0}), Err(expired(NOW - 5))),
            (json!({"exp": "absent"}), Err(missing("exp"))),
            (json!({"exp": null}), Err(malformed("exp"))),
            (json!({"exp": NOW.to_string()}), Err(malformed("exp"))),
            (
                json!({"exp": 99_999_999_999_999_u64}),
                Err(malformed("exp")),
            ),
            (json!({"nbf": NOW + 5}), Ok(())),
            (json!({"nbf": NOW + 6}), Err(VerifyError::NotYetValid)),
            (json!({"nbf": null}), Err(malformed("nbf"))),
            (json!({"iat": NOW + 3600}), Ok(())),
            (json!({"iat": true}), Err(malformed("iat"))),
        ] {
            assert_eq!(outcome(&issuer(), &changes), expected, "{changes}");
        }
    }

    #[test]
    fn a_maximum_age_requires_an_iat_that_is_neither_too_old_nor_in_the_future() {
        let mut issuer = issuer();
        issuer.rules.max_token_age = Some(Duration::from_secs(60));
        for (changes, expected) in [
            (json!({"iat": NOW}), Ok(())),
            (json!({"iat": NOW - 65}), Ok(())),
            (json!({"iat": NOW - 66}), Err(VerifyError::TooOld)),
            (json!({"iat": NOW + 5}), Ok(())),
            (json!({"iat": NOW + 6}), Err(VerifyError::IssuedAhead)),
            (json!({"iat": "absent"}), Err(missing("iat"))),
        ] {
            assert_eq!(outcome(&issuer, &changes), expected, "{changes}");
        }
    }

    #[test]
    fn identifiers_must_be_strings_if_present() {
        for claim in ["sub", "client_id", "jti"] {
            for other in [json!(null), json!(1), json!(["a"]), json!({"a": 1})] {
                assert_eq!(
                    outcome(&issuer(), &json!({ claim: other })),
                    Err(malformed(claim)),
                    "{claim}: {other}"
                );
            }
        }
    }

    #[test]
    fn id_tokens_and_logout_tokens_are_rejected() {
        for (changes, expected) in [
            (json!({"at_hash": "x"}), Err(VerifyError::IdToken)),
            (
                json!({"nonce": "x", "scope": "absent"}),
                Err(VerifyError::IdToken),
            ),
            (json!({"nonce": "x"}), Ok(())),
            (json!({"nonce": "x", "scope": "absent", "scp": []}), Ok(())),
            (json!({"events": {}}), Err(VerifyError::LogoutToken)),
        ] {
            assert_eq!(outcome(&issuer(), &changes), expected, "{changes}");
        }
    }

    #[test]
    fn any_scope_claim_marks_an_access_token_even_one_that_grants_nothing() {
        let mut issuer = issuer();
        issuer.rules.scope_claims = vec!["/realm_access/roles".parse().expect("a claim")];
        assert_eq!(outcome(&issuer, &json!({"nonce": "x"})), Ok(()));
        let bare = json!({"nonce": "x", "scope": "absent"});
        assert_eq!(outcome(&issuer, &bare), Err(VerifyError::IdToken));
    }

    #[test]
    fn the_strict_profile_requires_type_and_claims() {
        let mut issuer = issuer();
        issuer.rules.strict = true;
        for claim in ["iat", "sub", "client_id", "jti"] {
            assert_eq!(
                outcome(&issuer, &json!({ claim: "absent" })),
                Err(missing(claim))
            );
        }
        assert_eq!(outcome(&issuer, &json!({})), Ok(()));
        let plain = token(TokenType::Jwt, &json!({}));
        let outcome = validate_claims(&issuer, &plain, Duration::from_secs(NOW)).map(drop);
        assert_eq!(outcome, Err(VerifyError::WrongType));
    }

    #[test]
    fn audiences_and_scopes_are_bounded_in_number() {
        let list = |number: usize| {
            let texts = (0..number).map(|number| number.to_string());
            texts.chain(["api".to_owned()]).collect::<Vec<_>>()
        };
        let text = |number: usize| list(number).join(" ");
        let issuer = issuer();
        for (changes, expected) in [
            (json!({ "aud": list(999) }), Ok(())),
            (
                json!({ "aud": list(1000) }),
                Err(VerifyError::TooManyAudiences),
            ),
            (json!({ "scp": list(998) }), Ok(())),
            (json!({ "scp": list(999) }), Err(VerifyError::TooManyScopes)),
            (json!({ "scope": text(999) }), Ok(())),
            (
                json!({ "scope": text(1000) }),
                Err(VerifyError::TooManyScopes),
            ),
            (json!({ "scope": text(499), "scp": list(499) }), Ok(())),
            (
                json!({ "scope": text(499), "scp": list(500) }),
                Err(VerifyError::TooManyScopes),
            ),
            (json!({ "permissions": list(2000) }), Ok(())),
        ] {
            assert_eq!(outcome(&issuer, &changes), expected);
        }
    }

    #[test]
    fn scopes_only_come_from_the_configured_claims() {
        let granted = |claims: &[&str], changes: &Value| {
            let mut issuer = issuer();
            issuer.rules.scope_claims = claims
                .iter()
                .map(|claim| claim.parse().expect("a claim"))
                .collect();
            let token = token(TokenType::Jwt, changes);
            let valid =
                validate_claims(&issuer, &token, Duration::from_secs(NOW)).expect("a valid token");
            valid.scopes.iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let changes = json!({
            "scope": "a b", "scp": ["c", "d e"], "permissions": ["f"], "roles": "g",
            "realm_access": {"roles": ["h", "i"]}, "odd": 7, "https://api/x": "j",
        });
        assert_eq!(granted(&["scope", "scp"], &changes), ["a", "b", "c", "d e"]);
        assert_eq!(granted(&["permissions"], &changes), ["f"]);
        assert_eq!(
            granted(&["/realm_access/roles", "roles"], &changes),
            ["h", "i", "g"]
        );
        assert_eq!(granted(&["https://api/x"], &changes), ["j"]);
        assert!(
            granted(
                &["odd", "nothing", "/realm_access", "/realm_access/roles/7"],
                &changes
            )
            .is_empty()
        );
    }
}
