//! The token and revocation endpoints (RFC 6749 §3.2, RFC 7009), and the tokens that they issue.

use std::time::Duration;

use actix_web::{Error, HttpRequest, HttpResponse, ResponseError, web};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::authorization::DPOP;
use crate::claims::scope::OFFLINE_ACCESS;
use crate::jose::sign::SigningKey;
use crate::sender::DPOP_NONCE;
use crate::test_kit::TokenBuilder;

use super::accounts::{Client, OPENID};
use super::error::OAuthError;
use super::fault::Fault;
use super::parameters::Parameters;
use super::sender::SenderBinding;
use super::sessions::{AuthorizationCode, Consent};
use super::{Provider, endpoint};

pub(super) const PATH: &str = "/oauth/token";
pub(super) const REVOCATION: &str = "/oauth/revoke";

pub(super) const AUTHORIZATION_CODE: &str = "authorization_code";
const CLIENT_CREDENTIALS: &str = "client_credentials";
pub(super) const REFRESH_TOKEN: &str = "refresh_token";
pub(super) const GRANT_TYPES: [&str; 3] = [AUTHORIZATION_CODE, CLIENT_CREDENTIALS, REFRESH_TOKEN];

/// The claims that the parameter `claims` cannot set.
const RESERVED_CLAIMS: [&str; 5] = ["iss", "aud", "exp", "iat", "nbf"];

/// As Auth0's for APIs.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// As Auth0's for browsers.
const USER_TOKEN_LIFETIME: Duration = Duration::from_secs(2 * 60 * 60);
/// As Auth0's.
const ID_TOKEN_LIFETIME: Duration = Duration::from_secs(10 * 60 * 60);
/// The longest that can be requested.
pub(super) const MAX_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Answers a token request, which is a form or a JSON object.
///
/// Parameters of `client_credentials` are for development: `expires_in` or `lifetime`, the lifetime in
/// seconds up to a week; `sub`, the token's subject; `claims`, a JSON object of further claims; `issuer`, its
/// `iss`; and `dev_fault`, a [`Fault`].
/// Where proofs need nonces, the response to each proof carries the next one (RFC 9449 §8).
pub(super) async fn issue(
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
    provider: web::Data<Provider>,
) -> HttpResponse {
    let result = respond(&request, body, &provider).await;
    let needs_nonce = result.as_ref().err() == Some(&OAuthError::USE_DPOP_NONCE);
    let mut response = match result {
        Ok(tokens) => HttpResponse::Ok().json(tokens),
        Err(error) => error.error_response(),
    };
    if request.headers().contains_key(DPOP)
        && let Some(nonce) = provider.dpop.nonce(needs_nonce, provider.now())
    {
        response.headers_mut().insert(DPOP_NONCE, nonce);
    }
    response
}

/// Revokes a refresh token or an opaque access token. Any other token gets 200, too: it is as good as revoked (RFC 7009 §2.2).
pub(super) async fn revoke(
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, OAuthError> {
    let parameters = Parameters::from_body(&request, body)?;
    let client_id = provider.accounts.client_id(&request, &parameters)?;
    let token = parameters.get("token").ok_or(OAuthError::NO_TOKEN)?;
    let mut store = provider.store();
    store.revoke_refresh_token(token, &client_id, provider.now());
    store.revoke_opaque_token(token, &client_id, provider.now());
    Ok(HttpResponse::Ok().finish())
}

async fn respond(
    request: &HttpRequest,
    body: Result<web::Bytes, Error>,
    provider: &Provider,
) -> Result<TokenResponse, OAuthError> {
    let parameters = Parameters::from_body(request, body)?;
    provider.check_resource(&parameters)?;
    let url = endpoint(provider.url_for(request), PATH);
    let token_request = TokenRequest {
        request,
        // Before any code is used: a request without a nonce is sent again with one.
        sender: provider.dpop.sender(request, &url, provider.now()).await?,
        parameters,
        provider,
        key: provider.key.signing().await?,
    };
    match token_request.parameters.get("grant_type") {
        Some(AUTHORIZATION_CODE) => token_request.authorization_code(),
        Some(CLIENT_CREDENTIALS) => token_request.client_credentials(),
        Some(REFRESH_TOKEN) => token_request.refresh_token(),
        Some(_) => Err(OAuthError::UNSUPPORTED_GRANT_TYPE),
        None => Err(OAuthError::NO_GRANT_TYPE),
    }
}

/// A token request, and what is needed to answer it.
struct TokenRequest<'r> {
    request: &'r HttpRequest,
    parameters: Parameters,
    sender: SenderBinding,
    provider: &'r Provider,
    key: SigningKey,
}

/// A token response (RFC 6749 §5.1, OIDC Core §3.1.3.3).
#[derive(Debug, Serialize)]
struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

impl TokenRequest<'_> {
    /// RFC 6749 §4.1.3; any attempt uses the code up.
    fn authorization_code(&self) -> Result<TokenResponse, OAuthError> {
        let client_id = self.client_id()?;
        let now = self.provider.now();
        let code = self.parameters.get("code").unwrap_or_default();
        let code = self.provider.store().codes.remove(code, now);
        let code = code.filter(|code| self.matches(code, &client_id));
        let code = code.ok_or(OAuthError::CODE)?;
        if !self.sender.satisfies(&code.binding) {
            return Err(OAuthError::CODE_OF_OTHER_KEY);
        }
        let consent = code.consent;
        let mut response = self.user_tokens(&consent, &consent.scopes, code.nonce.as_deref());
        if consent.scopes.iter().any(|scope| scope == OFFLINE_ACCESS) {
            let mut store = self.provider.store();
            let token = store.issue_refresh_token(consent, self.sender.clone(), now);
            response.refresh_token = Some(token);
        }
        Ok(response)
    }

    /// RFC 6749 §6, with rotation.
    fn refresh_token(&self) -> Result<TokenResponse, OAuthError> {
        let client_id = self.client_id()?;
        let token = self.parameters.get("refresh_token").unwrap_or_default();
        let now = self.provider.now();
        let mut store = self.provider.store();
        let rotated = store.rotate_refresh_token(token, &client_id, &self.sender, now);
        drop(store);
        let (consent, next) = rotated.ok_or(OAuthError::REFRESH_TOKEN)?;
        let mut scopes = consent.scopes.clone();
        if let Some(scope) = self.parameters.get("scope") {
            scopes.retain(|granted| scope.split(' ').any(|requested| requested == granted));
        }
        let mut response = self.user_tokens(&consent, &scopes, None);
        response.refresh_token = Some(next);
        Ok(response)
    }

    /// RFC 6749 §4.4.
    fn client_credentials(&self) -> Result<TokenResponse, OAuthError> {
        let accounts = &self.provider.accounts;
        let client = accounts.authenticate(self.request, &self.parameters)?;
        if client.is_registered() {
            return Err(OAuthError::GRANT_OF_REGISTERED);
        }
        let fault = Fault::read(&self.parameters)?;
        if fault != Some(Fault::WrongAudience) {
            self.provider.check_audience(&self.parameters)?;
        }
        let scopes = requested_scopes(&self.parameters, &client)?;
        let lifetime = requested_lifetime(&self.parameters)?;
        let claims = requested_claims(&self.parameters)?;
        let token = match self.parameters.get("sub") {
            Some(subject) => self.user_token(&client.id, subject, &scopes),
            None => self
                .access_token(&client.id, &format!("{}@clients", client.id), &scopes)
                .claim("gty", "client-credentials"),
        };
        let mut token = with_claims(token, claims);
        if let Some(issuer) = self.parameters.get("issuer") {
            token = token.claim("iss", issuer);
        }
        if let Some(fault) = fault {
            let now = self.provider.now();
            token = fault.apply(
                token,
                &self.parameters,
                (&client.id, &self.key),
                lifetime,
                now,
            );
        }
        Ok(self.respond(token, lifetime, &scopes))
    }

    fn client_id(&self) -> Result<String, OAuthError> {
        let accounts = &self.provider.accounts;
        accounts.client_id(self.request, &self.parameters)
    }

    /// Whether a code was issued for this request (RFC 6749 §4.1.3, RFC 7636 §4.6).
    fn matches(&self, code: &AuthorizationCode, client_id: &str) -> bool {
        let verifier = self.parameters.get("code_verifier").unwrap_or_default();
        code.consent.client_id == client_id
            && self.parameters.get("redirect_uri") == Some(&code.redirect_uri)
            && code.code_challenge.verify(verifier)
    }

    /// An access token with these scopes and, if the client requested `openid`, an ID token.
    fn user_tokens(
        &self,
        consent: &Consent,
        scopes: &[String],
        nonce: Option<&str>,
    ) -> TokenResponse {
        let subject = &consent.session.user.subject;
        let token = self.user_token(&consent.client_id, subject, scopes);
        let token = with_authentication(token, consent);
        let has_openid = consent.scopes.iter().any(|scope| scope == OPENID);
        TokenResponse {
            id_token: has_openid.then(|| self.id_token(consent, nonce)),
            ..self.respond(token, USER_TOKEN_LIFETIME, scopes)
        }
    }

    /// An access token with the claims that are configured for the user of this subject, if any.
    fn user_token(&self, client_id: &str, subject: &str, scopes: &[String]) -> TokenBuilder {
        let token = self.access_token(client_id, subject, scopes);
        match self.provider.accounts.user_with_subject(subject) {
            Some(user) => with_claims(token, user.claims.clone()),
            None => token,
        }
    }

    /// An access token (RFC 9068 §2) with Auth0's claims.
    fn access_token(&self, client_id: &str, subject: &str, scopes: &[String]) -> TokenBuilder {
        let token = TokenBuilder::new(&self.provider.url, &self.provider.audience, &self.key)
            .issued_at(self.provider.now())
            .claim("sub", subject)
            .claim("azp", client_id)
            .claim("client_id", client_id);
        match scopes {
            [] => token,
            scopes => token.scope(&scopes.join(" ")),
        }
    }

    /// An ID token (OIDC Core §2).
    fn id_token(&self, consent: &Consent, nonce: Option<&str>) -> String {
        let token = TokenBuilder::new(&self.provider.url, &consent.client_id, &self.key)
            .header("typ", "JWT")
            .without("azp")
            .without("client_id")
            .without("jti")
            .issued_at(self.provider.now())
            .expires_in(ID_TOKEN_LIFETIME);
        let mut claims = consent
            .session
            .user
            .claims(consent.scopes.iter().map(String::as_str));
        claims.extend(nonce.map(|nonce| ("nonce".to_owned(), nonce.into())));
        with_authentication(with_claims(token, claims), consent).build()
    }

    /// Binds an access token to the sender and signs it.
    fn respond(&self, token: TokenBuilder, lifetime: Duration, scopes: &[String]) -> TokenResponse {
        let confirmation = self.sender.confirmation().into_iter();
        let token = confirmation.fold(token, |token, methods| token.claim("cnf", methods));
        let token = token.expires_in(lifetime);
        let access_token = if self.provider.has_opaque_tokens {
            let mut store = self.provider.store();
            store
                .opaque_tokens
                .insert(token.claims(), self.provider.now())
        } else {
            token.build()
        };
        TokenResponse {
            access_token,
            token_type: self.sender.token_type(),
            expires_in: lifetime.as_secs(),
            scope: (!scopes.is_empty()).then(|| scopes.join(" ")),
            id_token: None,
            refresh_token: None,
        }
    }
}

/// Those of the client's scopes that `scope` names, or those that it is granted without being asked.
fn requested_scopes(parameters: &Parameters, client: &Client) -> Result<Vec<String>, OAuthError> {
    let Some(scope) = parameters.get("scope") else {
        return Ok(client.scopes.clone());
    };
    let requested: Vec<_> = scope.split(' ').filter(|s| !s.is_empty()).collect();
    let known = client.scopes.iter().chain(&client.optional_scopes);
    if requested
        .iter()
        .any(|requested| !known.clone().any(|scope| scope == requested))
    {
        return Err(OAuthError::SCOPE_NOT_GRANTED);
    }
    let granted = known.filter(|scope| requested.contains(&scope.as_str()));
    Ok(granted.cloned().collect())
}

/// The lifetime that `expires_in` or `lifetime` requests, by default that of Auth0's access tokens.
fn requested_lifetime(parameters: &Parameters) -> Result<Duration, OAuthError> {
    let requested = parameters.get("expires_in");
    let requested = requested.or_else(|| parameters.get("lifetime"));
    match requested.map(str::parse) {
        None => Ok(DEFAULT_LIFETIME),
        Some(Ok(seconds)) if (1..=MAX_LIFETIME.as_secs()).contains(&seconds) => {
            Ok(Duration::from_secs(seconds))
        }
        Some(_) => Err(OAuthError::EXPIRES_IN),
    }
}

/// The claims that `claims` requests, a JSON object as text.
fn requested_claims(parameters: &Parameters) -> Result<Map<String, Value>, OAuthError> {
    let Some(requested) = parameters.get("claims") else {
        return Ok(Map::new());
    };
    let claims: Map<_, _> = serde_json::from_str(requested).map_err(|_| OAuthError::CLAIMS)?;
    if RESERVED_CLAIMS
        .iter()
        .any(|name| claims.contains_key(*name))
    {
        return Err(OAuthError::CLAIMS);
    }
    Ok(claims)
}

fn with_claims(token: TokenBuilder, claims: Map<String, Value>) -> TokenBuilder {
    let claims = claims.into_iter();
    claims.fold(token, |token, (name, value)| token.claim(&name, value))
}

/// How and when the user signed in (OIDC Core §2, RFC 9470 §6).
fn with_authentication(token: TokenBuilder, consent: &Consent) -> TokenBuilder {
    let session = &consent.session;
    token
        .acr(consent.acr)
        .amr(session.factors.amr().iter().copied())
        .auth_time(session.auth_time)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::super::accounts::Accounts;
    use super::*;

    #[test]
    fn requested_claims_are_an_object_without_reserved_claims() {
        let requested = |text: &str| {
            let form: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
            requested_claims(&parameters(&format!("claims={form}"))).map(Value::from)
        };
        assert_eq!(requested_claims(&parameters("")), Ok(Map::new()));
        let expected = serde_json::json!({"email_verified": true, "roles": ["a"]});
        assert_eq!(requested(&expected.to_string()), Ok(expected));
        for text in ["[]", "1", "{", r#"{"iss":"a"}"#, r#"{"x":1,"exp":9}"#] {
            assert_eq!(requested(text), Err(OAuthError::CLAIMS), "{text}");
        }
    }

    fn parameters(form: &str) -> Parameters {
        Parameters::parse("", form.as_bytes()).unwrap()
    }

    #[test]
    fn a_scope_narrows_the_granted_scopes_and_never_widens_them() {
        let cases: [(&str, _, Result<&[&str], _>); 11] = [
            (
                "demo-read-write",
                "",
                Ok(&["read:messages", "write:messages", "a"]),
            ),
            (
                "demo-read-write",
                "scope=",
                Ok(&["read:messages", "write:messages", "a"]),
            ),
            (
                "demo-read-write",
                "scope=a+write:messages+a",
                Ok(&["write:messages", "a"]),
            ),
            ("demo-read-write", "scope=+", Ok(&[])),
            (
                "demo-read-write",
                "scope=b",
                Err(OAuthError::SCOPE_NOT_GRANTED),
            ),
            (
                "demo-read-write",
                "scope=A",
                Err(OAuthError::SCOPE_NOT_GRANTED),
            ),
            ("demo-read", "", Ok(&["read:messages"])),
            ("demo-read", "scope=a", Ok(&["a"])),
            ("demo", "", Ok(&[])),
            ("demo", "scope=a", Ok(&["a"])),
            (
                "demo",
                "scope=a+read:messages",
                Err(OAuthError::SCOPE_NOT_GRANTED),
            ),
        ];
        let accounts = Accounts::new(["read:messages", "a", "a"], &[], &[]);
        for (client, form, expected) in cases {
            // The quickstart's second scope is offered beside its first.
            let request = TestRequest::default().to_http_request();
            let id = parameters(&format!("client_id={client}&client_secret=x"));
            let client = accounts.authenticate(&request, &id).unwrap();
            let mut expected =
                expected.map(|scopes| scopes.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
            let mut granted = requested_scopes(&parameters(form), &client);
            for scopes in [&mut granted, &mut expected].into_iter().flatten() {
                scopes.sort_unstable();
            }
            assert_eq!(granted, expected, "{form}");
        }
    }

    #[test]
    fn a_lifetime_is_a_number_of_seconds_up_to_a_week() {
        let cases = [
            ("", Ok(86_400)),
            ("expires_in=1", Ok(1)),
            ("expires_in=604800", Ok(604_800)),
            ("lifetime=60", Ok(60)),
            ("lifetime=0", Err(OAuthError::EXPIRES_IN)),
            ("expires_in=604801", Err(OAuthError::EXPIRES_IN)),
            ("expires_in=0", Err(OAuthError::EXPIRES_IN)),
            ("expires_in=-1", Err(OAuthError::EXPIRES_IN)),
            ("expires_in=1.5", Err(OAuthError::EXPIRES_IN)),
            ("expires_in=1h", Err(OAuthError::EXPIRES_IN)),
        ];
        for (form, expected) in cases {
            let seconds = requested_lifetime(&parameters(form)).map(|lifetime| lifetime.as_secs());
            assert_eq!(seconds, expected, "{form}");
        }
    }
}
