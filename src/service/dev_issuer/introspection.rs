//! Opaque access tokens, and the endpoint that tells what they grant ([RFC 7662 §2]).
//!
//! [RFC 7662 §2]: https://www.rfc-editor.org/rfc/rfc7662#section-2

use std::time::SystemTime;

use actix_web::{Error, HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

use crate::{Introspection, IntrospectionClient};

use super::Provider;
use super::error::OAuthError;
use super::parameters::Parameters;

pub(super) const PATH: &str = "/oauth/introspect";

/// How an API introspects the tokens of the development issuer, which accepts any client here.
pub(crate) fn introspection() -> Introspection {
    Introspection::new(IntrospectionClient::basic("api", "development"))
}

/// Tells the claims of an opaque access token that has neither expired nor been revoked.
pub(super) async fn introspect(
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, OAuthError> {
    let parameters = Parameters::from_body(&request, body)?;
    provider.accounts.client_id(&request, &parameters)?;
    let token = parameters.get("token").ok_or(OAuthError::NO_TOKEN)?;
    let claims = provider
        .store()
        .opaque_tokens
        .get(token, provider.now())
        .cloned();
    let response = match claims.filter(|claims| !has_expired(claims, provider.now())) {
        Some(mut claims) => {
            claims.insert("active".to_owned(), true.into());
            Value::Object(claims)
        }
        None => json!({ "active": false }),
    };
    Ok(HttpResponse::Ok().json(response))
}

fn has_expired(claims: &Map<String, Value>, now: SystemTime) -> bool {
    let now = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let expires_at = claims.get("exp").and_then(Value::as_u64);
    expires_at.is_none_or(|expires_at| expires_at <= now.as_secs())
}
