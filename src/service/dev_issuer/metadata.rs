//! Says where everything is, and publishes the key (OIDC Discovery §4, RFC 8414 §3).

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::{Provider, clients, token};

pub(super) const OPENID: &str = "/.well-known/openid-configuration";
pub(super) const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
pub(super) const JWKS: &str = "/.well-known/jwks.json";

/// Answers at once: where things are does not depend on the key.
pub(super) async fn show(provider: web::Data<Provider>) -> HttpResponse {
    HttpResponse::Ok().json(metadata(&provider))
}

pub(super) async fn show_keys(provider: web::Data<Provider>) -> Result<HttpResponse, Refusal> {
    let jwk = provider.keys.public().await?;
    Ok(HttpResponse::Ok().json(json!({ "keys": [jwk] })))
}

/// Members that would be empty are left out (RFC 8414 §3.2).
fn metadata(provider: &Provider) -> Value {
    json!({
        "issuer": provider.url,
        "token_endpoint": provider.at(token::PATH),
        "jwks_uri": provider.at(JWKS),
        "grant_types_supported": [token::CLIENT_CREDENTIALS],
        "scopes_supported": clients::SCOPES,
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })
}

impl Provider {
    /// The URL of one of its paths.
    pub(super) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url.trim_end_matches('/'))
    }
}
