//! `/userinfo`: who the access token is about (OIDC Core §5.3).

use actix_web::{Error, HttpRequest, HttpResponse, web};
use serde_json::Value;

use crate::credentials::{Credentials, Schemes};
use crate::rejection::{Cause, Rejection};
use crate::{Issuer, Verifier};

use super::Provider;
use super::people::{OPENID, Person};
use super::refusal::Refusal;

pub(super) const PATH: &str = "/userinfo";

/// Answers as any protected route does: 401 without a good token, 403 where it lacks `openid`.
pub(super) async fn show(
    request: HttpRequest,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, Error> {
    let verifier = verifier(&provider, &provider.keys.public().await?)?;
    let claims = claims(&request, &provider, &verifier)?;
    Ok(HttpResponse::Ok().json(claims))
}

fn claims(
    request: &HttpRequest,
    provider: &Provider,
    verifier: &Verifier,
) -> Result<Value, Rejection> {
    let token = Credentials::find(request.headers(), request.uri(), Schemes::BEARER)?;
    let token = token.ok_or_else(Rejection::no_credentials)?;
    let verified = verifier.verify(token.as_str()?, provider.clock.now())?;
    let person = Person::with_subject(verified.subject());
    match person.filter(|_| verified.scopes().contains(OPENID)) {
        Some(person) => Ok(person.claims(verified.scopes().iter()).into()),
        None => Err(Cause::InsufficientScope {
            alternatives: vec![vec![OPENID]],
        }
        .into()),
    }
}

/// Trusts what this issuer signs for its API.
fn verifier(provider: &Provider, key: &Value) -> Result<Verifier, Refusal> {
    let issuer = Issuer::with_public_key(&provider.url, &key.to_string());
    let issuer = issuer.audience(&provider.audience).build();
    let issuer = issuer.map_err(|_| Refusal::NoKey)?;
    Verifier::start([issuer]).map_err(|_| Refusal::NoKey)
}
