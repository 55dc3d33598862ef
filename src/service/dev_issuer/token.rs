//! `POST /oauth/token`: grants in, tokens out (RFC 6749 §3.2).

use actix_web::{Error, HttpRequest, HttpResponse, ResponseError, web};

use crate::credentials::DPOP;
use crate::jose::sign::SigningKey;
use crate::proof::nonce::DPOP_NONCE;

use super::Provider;
use super::clients::{self, Client};
use super::error::Refusal;
use super::grant::{self, Grant, TokenAnswer};
use super::parameters::Parameters;
use super::provider::below;
use super::sender::Sender;
use super::sessions::Code;
use super::users::OFFLINE_ACCESS;

pub(super) const PATH: &str = "/oauth/token";
pub(super) const GRANT_TYPES: [&str; 3] = [AUTHORIZATION_CODE, CLIENT_CREDENTIALS, REFRESH_TOKEN];

const AUTHORIZATION_CODE: &str = "authorization_code";
const CLIENT_CREDENTIALS: &str = "client_credentials";
const REFRESH_TOKEN: &str = "refresh_token";

/// Answers a token request, which is a form or a JSON object.
///
/// Three parameters of `client_credentials` are for development alone: `expires_in`, the lifetime in
/// seconds up to a week, `sub`, whom the token is about, and `claims`, a JSON object of further claims.
/// Whoever sends a proof is told the nonce for the next, where proofs need one (RFC 9449 §8).
pub(super) async fn issue(
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
    provider: web::Data<Provider>,
) -> HttpResponse {
    let answer = answer(&request, body, &provider).await;
    let needs_nonce = matches!(answer, Err(Refusal::NonceNeeded));
    let mut response = match answer {
        Ok(answer) => HttpResponse::Ok().json(answer),
        Err(refusal) => refusal.error_response(),
    };
    let nonce = provider.proofs.nonce(needs_nonce, provider.clock.now());
    if let Some(nonce) = nonce.filter(|_| request.headers().contains_key(DPOP)) {
        response.headers_mut().insert(DPOP_NONCE, nonce);
    }
    response
}

/// A request, and what is needed to answer it.
struct Asked<'r> {
    request: &'r HttpRequest,
    parameters: Parameters,
    sender: Sender,
    provider: &'r Provider,
    key: SigningKey,
}

async fn answer(
    request: &HttpRequest,
    body: Result<web::Bytes, Error>,
    provider: &Provider,
) -> Result<TokenAnswer, Refusal> {
    let asked = Asked {
        request,
        parameters: Parameters::read(request, body)?,
        // Nothing is used up for a request that is to be sent again, with a nonce.
        sender: sender(request, provider).await?,
        provider,
        key: provider.keys.signing().await?,
    };
    match asked.parameters.find("grant_type") {
        Some(AUTHORIZATION_CODE) => asked.authorization_code(),
        Some(CLIENT_CREDENTIALS) => asked.client_credentials(),
        Some(REFRESH_TOKEN) => asked.refresh_token(),
        Some(_) => Err(Refusal::UnsupportedGrantType),
        None => Err(Refusal::NoGrantType),
    }
}

/// What the client proves to have.
async fn sender(request: &HttpRequest, provider: &Provider) -> Result<Sender, Refusal> {
    let url = below(provider.url_for(request), PATH);
    let now = provider.clock.now();
    let key = provider.proofs.key_of(request, &url, now).await?;
    Ok(Sender::of(request, key))
}

impl Asked<'_> {
    /// A client trades the code that it was sent (RFC 6749 §4.1.3); whatever comes of it, the code is used.
    fn authorization_code(&self) -> Result<TokenAnswer, Refusal> {
        let client = clients::public_id(self.request, &self.parameters)?;
        let now = self.provider.clock.now();
        let name = self.parameters.find("code").unwrap_or_default();
        let code = self.provider.memory().codes.take(name, now);
        let code = code
            .filter(|code| is_owner(code, &client, &self.parameters))
            .ok_or(Refusal::InvalidCode)?;
        if !self.sender.is(&code.sender) {
            return Err(Refusal::OtherKey);
        }
        let mut answer = self.token_for(&code.consent.grant(None));
        let nonce = code.nonce.as_deref();
        answer.id_token = code.consent.id_token(nonce, self.provider, &self.key);
        if code.consent.grants(OFFLINE_ACCESS) {
            let mut memory = self.provider.memory();
            let refresh_token = memory.begin_refreshing(code.consent, &self.sender, now);
            answer.refresh_token = Some(refresh_token);
        }
        Ok(answer)
    }

    /// A client trades a refresh token for a new one and an access token (RFC 6749 §6).
    fn refresh_token(&self) -> Result<TokenAnswer, Refusal> {
        let client = clients::public_id(self.request, &self.parameters)?;
        let token = self.parameters.find("refresh_token").unwrap_or_default();
        let now = self.provider.clock.now();
        let mut memory = self.provider.memory();
        let refreshed = memory.refresh(token, &client, &self.sender, now);
        let (consent, next) = refreshed.ok_or(Refusal::InvalidRefreshToken)?;
        let mut answer = self.token_for(&consent.grant(self.parameters.find("scope")));
        answer.id_token = consent.id_token(None, self.provider, &self.key);
        answer.refresh_token = Some(next);
        Ok(answer)
    }

    /// The client acts for itself (RFC 6749 §4.4).
    fn client_credentials(&self) -> Result<TokenAnswer, Refusal> {
        let client = Client::authenticate(self.request, &self.parameters)?;
        grant::check_audience(&self.parameters, self.provider)?;
        let itself = || format!("{}@clients", client.id);
        let subject = self.parameters.find("sub");
        Ok(self.token_for(&Grant {
            client: client.id.to_owned(),
            subject: subject.map_or_else(itself, str::to_owned),
            scopes: grant::narrow(client.scopes, &self.parameters)?,
            lifetime: grant::lifetime(&self.parameters)?,
            kind: Some("client-credentials"),
            claims: grant::claims(&self.parameters)?,
        }))
    }

    fn token_for(&self, grant: &Grant) -> TokenAnswer {
        grant.answer(&self.sender, self.provider, &self.key)
    }
}

/// Whether the one who brings a code is the one who asked for it (RFC 6749 §4.1.3, RFC 7636 §4.6).
fn is_owner(code: &Code, client: &str, parameters: &Parameters) -> bool {
    let verifier = parameters.find("code_verifier").unwrap_or_default();
    code.consent.client == client
        && parameters.find("redirect_uri") == Some(&code.redirect_uri)
        && code.challenge.is_met_by(verifier)
}
