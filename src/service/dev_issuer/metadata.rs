//! Says where everything is, and publishes the key (OIDC Discovery §4, RFC 8414 §3).

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use crate::jose::Algorithm;

use super::error::Refusal;
use super::login::Strength;
use super::provider::below;
use super::users::IDENTITY_SCOPES;
use super::{Provider, authorize, clients, logout, revoke, token, userinfo};

pub(super) const OPENID: &str = "/.well-known/openid-configuration";
pub(super) const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
pub(super) const JWKS: &str = "/.well-known/jwks.json";

/// Answers at once: where things are does not depend on the key.
pub(super) async fn show(provider: web::Data<Provider>) -> HttpResponse {
    let mut metadata = metadata(&provider);
    if let Some(url) = &provider.tls_url {
        tell_of_certificates(&mut metadata, url);
    }
    HttpResponse::Ok().json(metadata)
}

pub(super) async fn show_keys(provider: web::Data<Provider>) -> Result<HttpResponse, Refusal> {
    let jwk = provider.keys.public().await?;
    Ok(HttpResponse::Ok().json(json!({ "keys": [jwk] })))
}

fn metadata(provider: &Provider) -> Value {
    let scopes: Vec<_> = IDENTITY_SCOPES.iter().chain(&clients::SCOPES).collect();
    let proof_algorithms = Algorithm::ALL.into_iter();
    let proof_algorithms = proof_algorithms.filter(|algorithm| !algorithm.is_symmetric());
    let proof_algorithms: Vec<_> = proof_algorithms
        .map(|algorithm| algorithm.to_string())
        .collect();
    json!({
        "issuer": provider.url,
        "authorization_endpoint": provider.at(authorize::PATH),
        "token_endpoint": provider.at(token::PATH),
        "userinfo_endpoint": provider.at(userinfo::PATH),
        "revocation_endpoint": provider.at(revoke::PATH),
        "end_session_endpoint": provider.at(logout::OPENID),
        "jwks_uri": provider.at(JWKS),
        "scopes_supported": scopes,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "web_message"],
        "grant_types_supported": token::GRANT_TYPES,
        "code_challenge_methods_supported": ["S256"],
        "acr_values_supported": Strength::ALL.map(Strength::class),
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "token_endpoint_auth_methods_supported": AUTH_METHODS,
        "revocation_endpoint_auth_methods_supported": AUTH_METHODS,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "dpop_signing_alg_values_supported": proof_algorithms,
        "claims_supported": CLAIMS,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    })
}

/// Where clients show the certificates that their tokens are bound to (RFC 8705 §3.3, §5).
fn tell_of_certificates(metadata: &mut Value, url: &str) {
    metadata["tls_client_certificate_bound_access_tokens"] = true.into();
    metadata["mtls_endpoint_aliases"] = json!({
        "token_endpoint": below(url, token::PATH),
        "revocation_endpoint": below(url, revoke::PATH),
        "userinfo_endpoint": below(url, userinfo::PATH),
    });
}

const AUTH_METHODS: [&str; 3] = ["none", "client_secret_basic", "client_secret_post"];
const CLAIMS: [&str; 13] = [
    "acr",
    "amr",
    "aud",
    "auth_time",
    "email",
    "email_verified",
    "exp",
    "iat",
    "iss",
    "name",
    "nickname",
    "nonce",
    "sub",
];
