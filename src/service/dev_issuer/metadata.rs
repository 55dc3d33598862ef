//! What the issuer publishes: its metadata (OIDC Discovery §4, RFC 8414 §3), its key, and the
//! claims of users (OIDC Core §5.3).

use actix_web::{Error, HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use crate::extract::AccessFuture;
use crate::extract::Scoped;
use crate::jose::Algorithm;
use crate::rejection::{Cause, Rejection};
use crate::sender::{CertificateSource, ClientCertificates, ProofError, TargetUriSource};
use crate::{Issuer, Verifier};

use super::accounts::{self, OPENID_SCOPES};
use super::error::OAuthError;
use super::introspection::{PATH as INTROSPECTION, introspection};
use super::sessions::Factors;
use super::{Provider, authorize, endpoint, registration, sessions, token};

pub(super) const OPENID: &str = "/.well-known/openid-configuration";
pub(super) const OAUTH: &str = "/.well-known/oauth-authorization-server";
pub(super) const JWKS: &str = "/.well-known/jwks.json";
pub(super) const USERINFO: &str = "/userinfo";

pub(super) const AUTH_METHODS: [&str; 3] = ["none", "client_secret_basic", "client_secret_post"];

crate::scope!(OpenId = "openid");

/// The metadata; it does not wait for the key.
pub(super) async fn metadata(provider: web::Data<Provider>) -> HttpResponse {
    let own = provider.accounts.scopes.iter().map(String::as_str);
    let scopes: Vec<_> = OPENID_SCOPES.into_iter().chain(own).collect();
    let algorithms = Algorithm::ALL.iter().copied();
    let algorithms = algorithms.filter(|algorithm| algorithm.is_default());
    let mut metadata = json!({
        "issuer": provider.url,
        "authorization_endpoint": provider.endpoint(authorize::PATH),
        "token_endpoint": provider.endpoint(token::PATH),
        "userinfo_endpoint": provider.endpoint(USERINFO),
        "registration_endpoint": provider.endpoint(registration::PATH),
        "revocation_endpoint": provider.endpoint(token::REVOCATION),
        "end_session_endpoint": provider.endpoint(sessions::END_SESSION),
        "jwks_uri": provider.endpoint(JWKS),
        "scopes_supported": scopes,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "web_message"],
        "grant_types_supported": token::GRANT_TYPES,
        "code_challenge_methods_supported": ["S256"],
        "acr_values_supported": Factors::ALL.map(Factors::acr),
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "token_endpoint_auth_methods_supported": AUTH_METHODS,
        "revocation_endpoint_auth_methods_supported": AUTH_METHODS,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [provider.key.algorithm.name()],
        "dpop_signing_alg_values_supported": algorithms.map(|a| a.to_string()).collect::<Vec<_>>(),
        "claims_supported": [
            "acr", "amr", "aud", "auth_time", "email", "email_verified", "exp", "iat", "iss", "name",
            "nickname", "nonce", "sub",
        ],
        "authorization_response_iss_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    });
    if provider.has_opaque_tokens {
        metadata["introspection_endpoint"] = provider.endpoint(INTROSPECTION).into();
        metadata["introspection_endpoint_auth_methods_supported"] = json!(AUTH_METHODS);
    }
    if let Some(url) = &provider.mtls_url {
        add_mtls_endpoints(&mut metadata, url);
    }
    HttpResponse::Ok().json(metadata)
}

/// The endpoints for clients that present certificates (RFC 8705 §3.3, §5).
fn add_mtls_endpoints(metadata: &mut Value, url: &str) {
    metadata["tls_client_certificate_bound_access_tokens"] = true.into();
    metadata["mtls_endpoint_aliases"] = json!({
        "token_endpoint": endpoint(url, token::PATH),
        "revocation_endpoint": endpoint(url, token::REVOCATION),
        "userinfo_endpoint": endpoint(url, USERINFO),
    });
}

/// The key set, which holds the one key.
pub(super) async fn jwks(provider: web::Data<Provider>) -> Result<HttpResponse, OAuthError> {
    let jwk = provider.key.public_jwk().await?;
    Ok(HttpResponse::Ok().json(json!({ "keys": [jwk] })))
}

/// The claims of the access token's user, under the rules of any protected route: 401 without a
/// valid token or its proof, 403 for a token without `openid`.
pub(super) async fn userinfo(
    request: HttpRequest,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, Error> {
    let jwk = provider.key.public_jwk().await?;
    let verifier = verifier(&provider, provider.url_for(&request), &jwk)?;
    let caller = AccessFuture::<Scoped<OpenId>>::verified_by(&verifier, &request).await?;
    let subject = caller.subject().unwrap_or_default();
    let user = provider.accounts.user_with_subject(subject);
    let user = user.ok_or_else(no_user)?;
    Ok(HttpResponse::Ok().json(user.claims(caller.scopes().iter())))
}

/// A token of no user is one of a client, which cannot be granted `openid`.
fn no_user() -> Rejection {
    let alternatives = vec![vec![accounts::OPENID]];
    Cause::InsufficientScope { alternatives }.into()
}

/// Trusts the access tokens of this issuer, with proofs for `url`.
fn verifier(provider: &Provider, url: &str, jwk: &Value) -> Result<Verifier, OAuthError> {
    let issuer = Issuer::with_public_key(&provider.url, &jwk.to_string());
    let issuer = issuer.algorithms([provider.key.algorithm]);
    let issuer = if provider.has_opaque_tokens {
        let endpoint = provider.endpoint(INTROSPECTION);
        issuer.introspection(introspection().endpoint(&endpoint))
    } else {
        issuer
    };
    let issuer = issuer.audience(&provider.audience).build();
    let issuer = issuer.map_err(|_| OAuthError::NO_SIGNING_KEY)?;
    let certificates = ClientCertificates::from_source(CertificateSource::Connection);
    Verifier::builder()
        .clock(provider.clock.clone())
        .token_memory(0)
        .client_certificates(certificates)
        .dpop(provider.dpop.policy_for_resources())
        .target_uri(TargetUriSource::public_url(url).map_err(ProofError::MalformedTarget)?)
        .start([issuer])
        .map_err(|_| OAuthError::NO_SIGNING_KEY)
}
