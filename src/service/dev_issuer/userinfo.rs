//! `/userinfo`: who the access token is about (OIDC Core §5.3).

use actix_web::{Error, HttpRequest, HttpResponse, web};
use serde_json::Value;

use crate::access::Scoped;
use crate::access::granting::Granting;
use crate::proof::{CertificateSource, ClientCertificates, Origin, ProofError};
use crate::rejection::{Cause, Rejection};
use crate::{Issuer, Verifier};

use super::Provider;
use super::error::Refusal;
use super::users::{OPENID, Person};

pub(super) const PATH: &str = "/userinfo";

crate::scope!(OpenId = "openid");

/// Answers as any protected route does: 401 without a good token or its proof, 403 where it lacks `openid`.
pub(super) async fn show(
    request: HttpRequest,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, Error> {
    let url = provider.url_for(&request);
    let verifier = verifier(&provider, url, &provider.keys.public().await?)?;
    let caller = Granting::<Scoped<OpenId>>::verified_by(&verifier, &request).await?;
    Ok(HttpResponse::Ok().json(claims(&caller)?))
}

fn claims(caller: &Scoped<OpenId>) -> Result<Value, Rejection> {
    let person = Person::with_subject(caller.subject());
    let person = person.ok_or_else(|| Cause::InsufficientScope {
        alternatives: vec![vec![OPENID]],
    })?;
    Ok(person.claims(caller.scopes().iter()).into())
}

/// Trusts what this issuer signs for its API, and takes each proof for `url` once.
fn verifier(provider: &Provider, url: &str, key: &Value) -> Result<Verifier, Refusal> {
    let issuer = Issuer::with_public_key(&provider.url, &key.to_string());
    let issuer = issuer.audience(&provider.audience).build();
    let issuer = issuer.map_err(|_| Refusal::NoKey)?;
    let origin = Origin::public_url(url);
    let clock = provider.clock.clone();
    Verifier::builder()
        .clock(clock)
        .token_memory(0)
        .client_certificates(ClientCertificates::from_source(
            CertificateSource::Connection,
        ))
        .dpop(provider.proofs.of_resources())
        .origin(origin.map_err(ProofError::MalformedTarget)?)
        .start([issuer])
        .map_err(|_| Refusal::NoKey)
}
