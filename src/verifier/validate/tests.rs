use super::*;
use crate::claims::claim_name::ClaimName;
use crate::issuer::RequiredClaim;
use serde_json::{Value, json};

const NOW: u64 = 1_700_000_000;

fn issuer() -> Issuer {
    let key = "k".repeat(32);
    let issuer = Issuer::with_secret("https://issuer.example/", &key, crate::Algorithm::Hs256);
    issuer.audience("api").build().expect("an issuer")
}

/// The payload of a token that is valid at `NOW`, with the members of `changes`; `"absent"` removes one.
fn payload(changes: &Value) -> String {
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
    claims.to_string()
}

fn validate(issuer: &Issuer, payload: &str) -> Result<ValidClaims, VerifyError> {
    let payload = Payload::parse(payload.as_bytes()).expect("claims");
    validate_claims(issuer, &payload, Duration::from_secs(NOW))
}

fn outcome(issuer: &Issuer, changes: &Value) -> Result<(), VerifyError> {
    validate(issuer, &payload(changes)).map(drop)
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
fn an_actor_must_be_named_if_there_is_one() {
    for (actor, expected) in [
        (json!("absent"), Ok(())),
        (json!({"sub": "agent", "act": {"client_id": "c"}}), Ok(())),
        (json!({}), Err(VerifyError::MalformedActor)),
        (json!("agent"), Err(VerifyError::MalformedActor)),
    ] {
        let changes = json!({ "act": actor });
        assert_eq!(outcome(&issuer(), &changes), expected, "{changes}");
    }
    let may_act = json!({"may_act": "anything"});
    assert_eq!(outcome(&issuer(), &may_act), Ok(()));
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
fn only_scope_and_scp_mark_an_access_token_with_a_nonce() {
    let mut issuer = issuer();
    issuer.rules.scope_claims = vec!["/realm_access/roles".parse().expect("a claim")];
    assert_eq!(outcome(&issuer, &json!({"nonce": "x"})), Ok(()));
    let roles = json!({"nonce": "x", "scope": "absent", "realm_access": {"roles": ["a"]}});
    assert_eq!(outcome(&issuer, &roles), Err(VerifyError::IdToken));
}

#[test]
fn tokens_that_name_another_kind_are_rejected_whatever_their_scope() {
    for (claim, kind, expected) in [
        ("token_use", "id", VerifyError::IdToken),
        ("typ", "ID", VerifyError::IdToken),
        ("typ", "Logout", VerifyError::LogoutToken),
        ("token_use", "refresh", VerifyError::RefreshToken),
        ("typ", "Offline", VerifyError::RefreshToken),
    ] {
        assert_eq!(outcome(&issuer(), &json!({ claim: kind })), Err(expected));
    }
    for (claim, kind) in [("token_use", "access"), ("typ", "Bearer")] {
        assert_eq!(outcome(&issuer(), &json!({ claim: kind })), Ok(()));
    }
}

#[test]
fn the_first_audience_claim_that_the_token_has_decides() {
    let mut issuer = issuer();
    issuer.rules.audience_claims = ["aud", "client_id", "azp"].map(ClaimName::from).to_vec();
    let (wrong, missing) = (VerifyError::WrongAudience, missing("aud"));
    let malformed_audience = VerifyError::MalformedAudience;
    for (aud, client_id, azp, expected) in [
        (json!("api"), json!("other"), json!("other"), Ok(())),
        (
            json!("other"),
            json!("api"),
            json!("api"),
            Err(wrong.clone()),
        ),
        (json!([]), json!("api"), json!("api"), Err(wrong.clone())),
        (
            json!(null),
            json!("api"),
            json!("api"),
            Err(malformed("aud")),
        ),
        (json!("absent"), json!("api"), json!("other"), Ok(())),
        (
            json!("absent"),
            json!("other"),
            json!("api"),
            Err(wrong.clone()),
        ),
        (json!("absent"), json!("absent"), json!("api"), Ok(())),
        (
            json!("absent"),
            json!("absent"),
            json!(["x", "api"]),
            Ok(()),
        ),
        (json!("absent"), json!("absent"), json!("other"), Err(wrong)),
        (
            json!("absent"),
            json!("absent"),
            json!(null),
            Err(malformed_audience.clone()),
        ),
        (
            json!("absent"),
            json!("absent"),
            json!(["api", 1]),
            Err(malformed_audience),
        ),
        (
            json!("absent"),
            json!("absent"),
            json!("absent"),
            Err(missing),
        ),
    ] {
        let changes = json!({"aud": aud, "client_id": client_id, "azp": azp});
        assert_eq!(outcome(&issuer, &changes), expected, "{changes}");
    }
}

#[test]
fn without_an_audience_a_required_claim_decides() {
    let issuer = Issuer::with_secret(
        "https://issuer.example/",
        &"k".repeat(32),
        crate::Algorithm::Hs256,
    )
    .allow_any_audience(true)
    .require("azp", "spa")
    .build()
    .expect("an issuer");
    let unmet = VerifyError::RequiredClaim(Arc::clone(&issuer.rules.required_claims[0]));
    for (changes, expected) in [
        (json!({"aud": "absent", "azp": "spa"}), Ok(())),
        (json!({"aud": "other", "azp": "spa"}), Ok(())),
        (json!({"aud": 1, "azp": "spa"}), Err(malformed("aud"))),
        (json!({"aud": "absent", "azp": "other"}), Err(unmet.clone())),
        (json!({"aud": "absent"}), Err(unmet)),
    ] {
        assert_eq!(outcome(&issuer, &changes), expected, "{changes}");
    }
}

#[test]
fn every_required_claim_must_be_met() {
    let mut issuer = issuer();
    let required = [("token_use", json!("access")), ("/o/id", json!(["a", "b"]))];
    issuer.rules.required_claims = required
        .map(|(name, value)| Arc::new(RequiredClaim::new(name, value).expect("a required claim")))
        .to_vec();
    let unmet = |index: usize| {
        let required = &issuer.rules.required_claims;
        Err(VerifyError::RequiredClaim(Arc::clone(&required[index])))
    };
    for (changes, expected) in [
        (json!({"token_use": "access", "o": {"id": "b"}}), Ok(())),
        (json!({"token_use": "other", "o": {"id": "b"}}), unmet(0)),
        (json!({"token_use": "access", "o": {"id": "c"}}), unmet(1)),
        (json!({"token_use": "access"}), unmet(1)),
        (json!({}), unmet(0)),
    ] {
        assert_eq!(outcome(&issuer, &changes), expected, "{changes}");
    }
}

#[test]
fn the_strict_profile_requires_claims() {
    let mut issuer = issuer();
    issuer.rules.strict = true;
    for claim in ["iat", "sub", "client_id", "jti"] {
        assert_eq!(
            outcome(&issuer, &json!({ claim: "absent" })),
            Err(missing(claim))
        );
    }
    assert_eq!(outcome(&issuer, &json!({})), Ok(()));
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
        let valid = validate(&issuer, &payload(changes)).expect("a valid token");
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
