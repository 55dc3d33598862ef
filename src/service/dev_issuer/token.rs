//! `POST /oauth/token`: grants in, access tokens out (RFC 6749 §3.2).

use actix_web::{Error, HttpRequest, HttpResponse, web};

use super::Provider;
use super::clients::Client;
use super::grant::{self, Grant};
use super::parameters::Parameters;
use super::refusal::Refusal;

pub(super) const PATH: &str = "/oauth/token";
pub(super) const CLIENT_CREDENTIALS: &str = "client_credentials";

/// Answers a token request, which is a form or a JSON object.
///
/// Two parameters are for development alone: `expires_in`, the lifetime in seconds up to a week,
/// and `sub`, whom the token is about.
pub(super) async fn issue(
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, Refusal> {
    let parameters = Parameters::read(&request, body)?;
    let grant = match parameters.find("grant_type") {
        Some(CLIENT_CREDENTIALS) => client_credentials(&request, &parameters, &provider)?,
        Some(_) => return Err(Refusal::UnsupportedGrantType),
        None => return Err(Refusal::NoGrantType),
    };
    let key = provider.keys.signing().await?;
    Ok(HttpResponse::Ok().json(grant.answer(&provider, &key)))
}

/// The client acts for itself (RFC 6749 §4.4).
fn client_credentials(
    request: &HttpRequest,
    parameters: &Parameters,
    provider: &Provider,
) -> Result<Grant, Refusal> {
    let client = Client::authenticate(request, parameters)?;
    grant::check_audience(parameters, provider)?;
    let itself = || format!("{}@clients", client.id);
    Ok(Grant {
        client,
        subject: parameters.find("sub").map_or_else(itself, str::to_owned),
        scopes: grant::narrow(client.scopes, parameters)?,
        lifetime: grant::lifetime(parameters)?,
        kind: "client-credentials",
    })
}
