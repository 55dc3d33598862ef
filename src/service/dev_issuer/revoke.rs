//! `POST /oauth/revoke`: a client gives a refresh token back (RFC 7009 §2).

use actix_web::{Error, HttpRequest, HttpResponse, web};

use super::Provider;
use super::clients;
use super::error::Refusal;
use super::parameters::Parameters;

pub(super) const PATH: &str = "/oauth/revoke";

/// Answers 200 to a token that is none of the client's too: it is as good as revoked (RFC 7009 §2.2).
pub(super) async fn revoke(
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, Refusal> {
    let parameters = Parameters::read(&request, body)?;
    let client = clients::public_id(&request, &parameters)?;
    let token = parameters.find("token").ok_or(Refusal::NoToken)?;
    let now = provider.clock.now();
    provider.memory().revoke(token, &client, now);
    Ok(HttpResponse::Ok().finish())
}
