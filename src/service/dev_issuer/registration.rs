//! Dynamic client registration (RFC 7591): a client such as that of an MCP host gets an ID without configuration.
//!
//! A registered client is held to its redirect URIs, which are on loopback. At most [`MAX_REGISTERED`] are kept, each of a
//! few KiB; a further one evicts the oldest. An ID that is no longer known is that of a client that is not listed, so a
//! client that keeps its ID can still sign users in when the issuer was restarted.
//!
//! [`MAX_REGISTERED`]: super::accounts::MAX_REGISTERED

use std::sync::Arc;
use std::time::SystemTime;

use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde::de::{IgnoredAny, MapAccess};

use crate::jose::json::{self, Members};
use crate::jose::sign::random_id;

use super::Provider;
use super::accounts::Client;
use super::error::OAuthError;
use super::metadata::AUTH_METHODS;
use super::parameters::{LoopbackUrl, body_error};
use super::token::{AUTHORIZATION_CODE, REFRESH_TOKEN};

/// As Auth0's.
pub(super) const PATH: &str = "/oidc/register";

/// In bytes.
const MAX_NAME_LENGTH: usize = 200;
const MAX_REDIRECT_URIS: usize = 10;
/// In bytes.
const MAX_REDIRECT_URI_LENGTH: usize = 500;

const NO_AUTHENTICATION: &str = "none";

/// Registers a client that signs users in.
pub(super) async fn register(
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, OAuthError> {
    let metadata = Metadata::from_body(&request, body)?;
    let registration = Registration::new(metadata, provider.now())?;
    provider.accounts.register(Arc::new(Client::registered(
        registration.client_id.clone(),
        registration.client_name.clone(),
        registration.client_secret.clone(),
        registration.redirect_uris.clone(),
    )));
    Ok(HttpResponse::Created().json(registration))
}

/// The metadata that is read (RFC 7591 §2); all other members are ignored.
#[derive(Debug, Default)]
struct Metadata {
    client_name: Option<String>,
    redirect_uris: Option<Vec<String>>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    token_endpoint_auth_method: Option<String>,
}

impl Metadata {
    /// Reads JSON alone: a page of another site cannot send it without asking first (CORS).
    fn from_body(
        request: &HttpRequest,
        body: Result<web::Bytes, Error>,
    ) -> Result<Self, OAuthError> {
        let body = body.map_err(|error| body_error(&error, OAuthError::CLIENT_METADATA))?;
        if !request
            .content_type()
            .eq_ignore_ascii_case("application/json")
        {
            return Err(OAuthError::CLIENT_METADATA);
        }
        json::read_object(&body).map_err(|_| OAuthError::CLIENT_METADATA)
    }
}

impl<'de> Members<'de> for Metadata {
    fn read<A: MapAccess<'de>>(&mut self, name: &str, values: &mut A) -> Result<(), A::Error> {
        match name {
            "client_name" => self.client_name = values.next_value()?,
            "redirect_uris" => self.redirect_uris = values.next_value()?,
            "grant_types" => self.grant_types = values.next_value()?,
            "response_types" => self.response_types = values.next_value()?,
            "token_endpoint_auth_method" => {
                self.token_endpoint_auth_method = values.next_value()?;
            }
            _ => drop(values.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

/// The response (RFC 7591 §3.2.1): the ID, and the metadata as it is registered.
#[derive(Debug, Serialize)]
struct Registration {
    client_id: String,
    client_id_issued_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    /// 0, for never, if there is a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    redirect_uris: Vec<String>,
    /// Whatever else is requested: a server may replace metadata (RFC 7591 §2).
    grant_types: [&'static str; 2],
    response_types: [&'static str; 1],
    token_endpoint_auth_method: &'static str,
}

impl Registration {
    fn new(metadata: Metadata, now: SystemTime) -> Result<Self, OAuthError> {
        check_name(metadata.client_name.as_deref())?;
        check_contains(
            metadata.grant_types,
            AUTHORIZATION_CODE,
            OAuthError::GRANT_TYPES,
        )?;
        check_contains(metadata.response_types, "code", OAuthError::RESPONSE_TYPES)?;
        let auth_method = auth_method(metadata.token_endpoint_auth_method.as_deref())?;
        let secret = (auth_method != NO_AUTHENTICATION).then(random_id);
        let issued_at = now.duration_since(SystemTime::UNIX_EPOCH);
        Ok(Self {
            client_id: random_id(),
            client_id_issued_at: issued_at.unwrap_or_default().as_secs(),
            client_secret_expires_at: secret.as_ref().map(|_| 0),
            client_secret: secret,
            client_name: metadata.client_name,
            redirect_uris: redirect_uris(metadata.redirect_uris)?,
            grant_types: [AUTHORIZATION_CODE, REFRESH_TOKEN],
            response_types: ["code"],
            token_endpoint_auth_method: auth_method,
        })
    }
}

fn check_name(name: Option<&str>) -> Result<(), OAuthError> {
    let is_bad = |name: &str| name.len() > MAX_NAME_LENGTH || name.chars().any(char::is_control);
    if name.is_some_and(is_bad) {
        Err(OAuthError::CLIENT_NAME)
    } else {
        Ok(())
    }
}

/// A list that is not sent has the one value by default (RFC 7591 §2).
fn check_contains(
    values: Option<Vec<String>>,
    needed: &str,
    error: OAuthError,
) -> Result<(), OAuthError> {
    if values.is_none_or(|values| values.iter().any(|value| value == needed)) {
        Ok(())
    } else {
        Err(error)
    }
}

fn auth_method(requested: Option<&str>) -> Result<&'static str, OAuthError> {
    // The default of RFC 7591 §2.
    let requested = requested.unwrap_or("client_secret_basic");
    let mut known = AUTH_METHODS.into_iter();
    let method = known.find(|method| *method == requested);
    method.ok_or(OAuthError::AUTH_METHOD)
}

fn redirect_uris(uris: Option<Vec<String>>) -> Result<Vec<String>, OAuthError> {
    let is_good =
        |uri: &String| uri.len() <= MAX_REDIRECT_URI_LENGTH && LoopbackUrl::parse(uri).is_some();
    let uris = uris
        .filter(|uris| (1..=MAX_REDIRECT_URIS).contains(&uris.len()) && uris.iter().all(is_good));
    uris.ok_or(OAuthError::REDIRECT_URIS)
}
