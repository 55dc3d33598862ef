//! One call of an introspection endpoint: the request and the form of its response (RFC 7662 §2, RFC 9701 §4).

use std::time::Duration;

use data_encoding::BASE64;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{RequestBuilder, StatusCode};
use url::Url;
use url::form_urlencoded::{self, Serializer};
use zeroize::Zeroizing;

use super::assertion::Assertion;
use crate::issuer::{ClientAuthentication, IntrospectionClient};
use crate::keys::fetch::{Client, read_body};
use crate::keys::fetch_error::FetchError;

/// What is asked, and where.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub(crate) endpoint: &'a Url,
    pub(crate) client: &'a IntrospectionClient,
    pub(crate) token: &'a str,
    /// The issuer's name, the audience of an assertion.
    pub(crate) issuer: &'a str,
    pub(crate) wants_signature: bool,
    /// The time since the Unix epoch.
    pub(crate) now: Duration,
}

/// A response, not judged yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Response {
    /// A JSON object (RFC 7662 §2.2).
    Plain(Vec<u8>),
    /// A signed JWT (RFC 9701 §5), not verified yet.
    Signed(String),
}

/// Why a call brought no response; contains nothing of the token, the client or the response but its status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    #[error("the introspection endpoint rejects the client credentials of this API (status {0})")]
    Credentials(u16),
    #[error("the introspection endpoint could not be asked")]
    Fetch(#[from] FetchError),
    #[error("the client's assertion could not be signed")]
    NotSigned,
    #[error("no introspection endpoint is known")]
    NoEndpoint,
    #[error("the response is not text")]
    NotText,
}

impl CallError {
    /// Whether the cause may be the token alone: a client must not be able to suspend the calls for others.
    pub(crate) const fn may_be_of_token(&self) -> bool {
        match self {
            // A gateway's answer, or that of an overloaded or missing endpoint, is the same for every token.
            Self::Fetch(FetchError::Status(status)) => {
                !matches!(status, 404 | 405 | 429 | 502..=504)
            }
            // A firewall in front of the endpoint answers 403 because of what is in the token.
            Self::Credentials(403) | Self::NotText | Self::Fetch(FetchError::TooLarge) => true,
            _ => false,
        }
    }

    /// Whether there was no response, or that of a gateway instead, which the token may have caused.
    pub(crate) const fn may_be_of_connection(&self) -> bool {
        match self {
            Self::Fetch(FetchError::Status(status)) => matches!(status, 502..=504),
            Self::Fetch(_) => true,
            _ => false,
        }
    }
}

impl Question<'_> {
    /// Sends the question.
    ///
    /// # Errors
    /// [`CallError`]; a status other than 200 is an error.
    pub(crate) async fn ask(&self, client: &Client) -> Result<Response, CallError> {
        let http = client.http_for(self.endpoint).await?;
        let request = self.request(http.post(self.endpoint.clone()))?;
        let sent = request.send().await;
        let response = sent.map_err(|error| FetchError::of(&error))?;
        match response.status() {
            StatusCode::OK => {}
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                return Err(CallError::Credentials(status.as_u16()));
            }
            status => return Err(FetchError::Status(status.as_u16()).into()),
        }
        let is_signed = is_jwt(response.headers());
        let body = read_body(response).await?;
        if is_signed {
            let text = String::from_utf8(body).map_err(|_| CallError::NotText)?;
            return Ok(Response::Signed(text.trim().to_owned()));
        }
        Ok(Response::Plain(body))
    }

    /// Adds the body and the headers of RFC 7662 §2.1.
    fn request(&self, request: RequestBuilder) -> Result<RequestBuilder, CallError> {
        let mut form = Serializer::new(String::new());
        form.append_pair("token", self.token);
        form.append_pair("token_type_hint", "access_token");
        let mut request = request
            .header(CONTENT_TYPE, FORM)
            .header(ACCEPT, self.accept());
        match &self.client.authentication {
            ClientAuthentication::Basic(secret) => {
                request = request.header(AUTHORIZATION, basic(&self.client.id, secret.as_bytes())?);
            }
            ClientAuthentication::Post(secret) => {
                form.append_pair("client_id", &self.client.id);
                form.append_pair("client_secret", &String::from_utf8_lossy(secret.as_bytes()));
            }
            ClientAuthentication::PrivateKey {
                key,
                key_id,
                audience,
            } => {
                let assertion = Assertion {
                    client_id: &self.client.id,
                    key_id: key_id.as_deref(),
                    audience: audience.as_deref().unwrap_or(self.issuer),
                    now: self.now,
                };
                let assertion = assertion.sign(key).ok_or(CallError::NotSigned)?;
                form.append_pair("client_id", &self.client.id);
                form.append_pair("client_assertion_type", JWT_BEARER);
                form.append_pair("client_assertion", &assertion);
            }
        }
        Ok(request.body(form.finish()))
    }

    const fn accept(&self) -> &'static str {
        if self.wants_signature {
            "application/token-introspection+jwt, application/json;q=0.5"
        } else {
            "application/json"
        }
    }
}

fn is_jwt(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media_type = media_type.and_then(|value| value.split(';').next());
    media_type.is_some_and(|name| name.trim().eq_ignore_ascii_case(SIGNED))
}

/// RFC 6749 §2.3.1: both parts are form-encoded before they are joined.
fn basic(id: &str, secret: &[u8]) -> Result<HeaderValue, CallError> {
    let encode = |bytes: &[u8]| form_urlencoded::byte_serialize(bytes).collect::<String>();
    let pair = Zeroizing::new(format!("{}:{}", encode(id.as_bytes()), encode(secret)));
    let value = Zeroizing::new(format!("Basic {}", BASE64.encode(pair.as_bytes())));
    let mut value = HeaderValue::from_str(&value).map_err(|_| CallError::NotSigned)?;
    value.set_sensitive(true);
    Ok(value)
}

const FORM: &str = "application/x-www-form-urlencoded";

/// RFC 9701 §5.
const SIGNED: &str = "application/token-introspection+jwt";

/// RFC 7523 §2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
