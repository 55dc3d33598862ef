//! `POST /oauth/token`: grants in, tokens out (RFC 6749 §3.2).

use actix_web::{Error, HttpRequest, HttpResponse, web};

use crate::jose::sign::SigningKey;

use super::Provider;
use super::clients::{self, Client};
use super::grant::{self, Grant, TokenAnswer};
use super::memory::Code;
use super::parameters::Parameters;
use super::people::OFFLINE_ACCESS;
use super::refusal::Refusal;

pub(super) const PATH: &str = "/oauth/token";
pub(super) const GRANT_TYPES: [&str; 3] = [AUTHORIZATION_CODE, CLIENT_CREDENTIALS, REFRESH_TOKEN];

const AUTHORIZATION_CODE: &str = "authorization_code";
const CLIENT_CREDENTIALS: &str = "client_credentials";
const REFRESH_TOKEN: &str = "refresh_token";

/// Answers a token request, which is a form or a JSON object.
///
/// Three parameters of `client_credentials` are for development alone: `expires_in`, the lifetime in
/// seconds up to a week, `sub`, whom the token is about, and `claims`, a JSON object of further claims.
pub(super) async fn issue(
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, Refusal> {
    let parameters = Parameters::read(&request, body)?;
    let key = provider.keys.signing().await?;
    let answer = match parameters.find("grant_type") {
        Some(AUTHORIZATION_CODE) => authorization_code(&request, &parameters, &provider, &key)?,
        Some(CLIENT_CREDENTIALS) => {
            client_credentials(&request, &parameters, &provider)?.answer(&provider, &key)
        }
        Some(REFRESH_TOKEN) => refresh_token(&request, &parameters, &provider, &key)?,
        Some(_) => return Err(Refusal::UnsupportedGrantType),
        None => return Err(Refusal::NoGrantType),
    };
    Ok(HttpResponse::Ok().json(answer))
}

/// A client trades the code that it was sent (RFC 6749 §4.1.3); whatever comes of it, the code is used.
fn authorization_code(
    request: &HttpRequest,
    parameters: &Parameters,
    provider: &Provider,
    key: &SigningKey,
) -> Result<TokenAnswer, Refusal> {
    let client = clients::public_id(request, parameters)?;
    let now = provider.clock.now();
    let name = parameters.find("code").unwrap_or_default();
    let code = provider.memory().codes.take(name, now);
    let code = code
        .filter(|code| is_owner(code, &client, parameters))
        .ok_or(Refusal::InvalidCode)?;
    let mut answer = code.consent.grant(None).answer(provider, key);
    answer.id_token = code.consent.id_token(code.nonce.as_deref(), provider, key);
    if code.consent.grants(OFFLINE_ACCESS) {
        let refresh_token = provider.memory().begin_refreshing(code.consent, now);
        answer.refresh_token = Some(refresh_token);
    }
    Ok(answer)
}

/// Whether the one who brings a code is the one who asked for it (RFC 6749 §4.1.3, RFC 7636 §4.6).
fn is_owner(code: &Code, client: &str, parameters: &Parameters) -> bool {
    let verifier = parameters.find("code_verifier").unwrap_or_default();
    code.consent.client == client
        && parameters.find("redirect_uri") == Some(&code.redirect_uri)
        && code.challenge.is_met_by(verifier)
}

/// A client trades a refresh token for a new one and an access token (RFC 6749 §6).
fn refresh_token(
    request: &HttpRequest,
    parameters: &Parameters,
    provider: &Provider,
    key: &SigningKey,
) -> Result<TokenAnswer, Refusal> {
    let client = clients::public_id(request, parameters)?;
    let token = parameters.find("refresh_token").unwrap_or_default();
    let now = provider.clock.now();
    let refreshed = provider.memory().refresh(token, &client, now);
    let (consent, next) = refreshed.ok_or(Refusal::InvalidRefreshToken)?;
    let mut answer = consent
        .grant(parameters.find("scope"))
        .answer(provider, key);
    answer.id_token = consent.id_token(None, provider, key);
    answer.refresh_token = Some(next);
    Ok(answer)
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
        client: client.id.to_owned(),
        subject: parameters.find("sub").map_or_else(itself, str::to_owned),
        scopes: grant::narrow(client.scopes, parameters)?,
        lifetime: grant::lifetime(parameters)?,
        kind: Some("client-credentials"),
        claims: grant::claims(parameters)?,
    })
}
