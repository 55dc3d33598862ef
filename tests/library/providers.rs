//! Tokens as well-known providers issue them, with the settings of `docs/providers.md`.

use actix_resource_server::test_kit::{TokenBuilder, shared};
use actix_resource_server::{Algorithm, Issuer, IssuerBuilder, Verifier};
use serde_json::{Value, json};

/// The scopes granted by a token of the issuer `iss` with these claims.
fn scopes(iss: &str, audience: &str, scope_claims: &[&str], claims: &Value) -> Vec<String> {
    let key = shared(Algorithm::Rs256);
    let jwk = key.public_jwk().expect("a public key").to_string();
    let mut issuer: IssuerBuilder = Issuer::with_public_key(iss, &jwk).audience(audience);
    if !scope_claims.is_empty() {
        issuer = issuer.scope_claims(
            scope_claims
                .iter()
                .map(|claim| claim.parse().expect("a claim")),
        );
    }
    let verifier = Verifier::start([issuer.build().expect("an issuer")]).expect("a verifier");
    let mut token = TokenBuilder::new(iss, audience, &key)
        .without("client_id")
        .without("jti")
        .header("typ", "JWT");
    for (name, value) in claims.as_object().expect("claims") {
        token = token.claim(name, value.clone());
    }
    let verified = verifier
        .verify(&token.build(), std::time::SystemTime::now())
        .expect("a valid token");
    verified.scopes().iter().map(str::to_owned).collect()
}

#[test]
fn auth0_has_scopes_in_a_string_and_permissions_in_an_array() {
    let (iss, audience) = ("https://tenant.eu.auth0.com/", "https://my/api");
    let claims = json!({
        "sub": "auth0|6543210fedcba9876543210f", "azp": "kX8wq0ZrT3vYb1NcL5dGhJmPsUaEiO2F",
        "aud": [audience, "https://tenant.eu.auth0.com/userinfo"],
        "scope": "openid profile email read:messages", "permissions": ["read:messages", "write:messages"],
    });
    assert_eq!(
        scopes(iss, audience, &[], &claims),
        ["openid", "profile", "email", "read:messages"]
    );
    assert_eq!(
        scopes(iss, audience, &["permissions"], &claims),
        ["read:messages", "write:messages"]
    );
}

#[test]
fn okta_has_scopes_in_an_array() {
    let (iss, audience) = ("https://tenant.okta.com/oauth2/default", "api://default");
    let claims = json!({
        "ver": 1, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE", "cid": "nmdP1fcyvdVO11AL7ECm",
        "uid": "00ujmkLgagxeRrAg20g3", "scp": ["openid", "read:messages"], "auth_time": 1_438_000_000,
        "sub": "nate.barbettini@okta.example", "groups": ["Everyone"],
    });
    assert_eq!(
        scopes(iss, audience, &[], &claims),
        ["openid", "read:messages"]
    );
}

#[test]
fn entra_has_delegated_scopes_in_a_string_and_roles_in_an_array() {
    let iss = "https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/v2.0";
    let audience = "11111111-1111-1111-1111-111111111111";
    let delegated = json!({
        "aio": "AXQAi/8IAAAA", "azp": audience, "azpacr": "0", "name": "Somebody", "oid": "o", "rh": "I",
        "scp": "access_as_user read:messages", "tid": "t", "uti": "u", "ver": "2.0",
    });
    let application =
        json!({"azp": audience, "idtyp": "app", "roles": ["Messages.Read.All"], "ver": "2.0"});
    let both = ["scp", "roles"];
    assert_eq!(
        scopes(iss, audience, &both, &delegated),
        ["access_as_user", "read:messages"]
    );
    assert_eq!(
        scopes(iss, audience, &both, &application),
        ["Messages.Read.All"]
    );
}

#[test]
fn keycloak_has_roles_inside_objects_and_a_nonce_in_access_tokens() {
    let (iss, audience) = ("https://keycloak.example/realms/shop", "shop");
    let claims = json!({
        "jti": "onrtac:1", "typ": "Bearer", "azp": "spa", "sid": "s", "acr": "1", "nonce": "n-0S6_WzA2Mj",
        "aud": ["shop", "account"], "scope": "openid email profile", "allowed-origins": ["http://localhost:5173"],
        "realm_access": {"roles": ["offline_access", "read:messages"]},
        "resource_access": {"shop": {"roles": ["clerk"]}, "account": {"roles": ["manage-account"]}},
        "email_verified": true, "preferred_username": "somebody",
    });
    let pointers = [
        "scope",
        "/realm_access/roles",
        "/resource_access/shop/roles",
    ];
    assert_eq!(
        scopes(iss, audience, &pointers, &claims),
        [
            "openid",
            "email",
            "profile",
            "offline_access",
            "read:messages",
            "clerk"
        ]
    );
}
