//! The issuer as clients and browsers use it: each response is that of the whole application.

mod app;
mod authorize;
mod dpop;
mod pages;
mod refresh;
mod registration;
mod step_up;
mod token;

use std::time::{Duration, SystemTime};

use actix_web::body::to_bytes;
use actix_web::dev::Service;
use actix_web::http::StatusCode;
use actix_web::http::header::{HOST, HeaderMap};
use actix_web::test::{TestRequest, init_service};
use actix_web::web::{Bytes, Data};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::jose::Algorithm;
use crate::test_kit::{SigningKey, TestClock, shared};
use crate::verifier::clock::Clock;

use super::app::app;
use super::error::OAuthError;
use super::sender::DpopVerifier;
use super::{Provider, ProviderKey};

const URL: &str = "http://localhost:3011/";
const AUDIENCE: &str = "https://api.test/";

/// An issuer whose state lasts between requests.
struct Issuer {
    provider: Data<Provider>,
    clock: TestClock,
}

/// A response with its whole body.
struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Issuer {
    fn new() -> Self {
        Self::with_nonces(false)
    }

    /// One that requires nonces in proofs, or not.
    fn with_nonces(with_nonces: bool) -> Self {
        let clock = TestClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000));
        let test_clock = clock.clone();
        let key = ProviderKey::from(shared(Algorithm::Rs256));
        let clock_of_provider = Clock::new(move || test_clock.now());
        let dpop = DpopVerifier::new(with_nonces, clock.now()).unwrap();
        let provider = Provider::new(3011, AUDIENCE.to_owned(), key, clock_of_provider, dpop);
        Self {
            provider: Data::new(provider),
            clock,
        }
    }

    async fn send(&self, request: TestRequest) -> Response {
        self.send_to("localhost:3011", request).await
    }

    async fn send_to(&self, host: &str, request: TestRequest) -> Response {
        let app = init_service(app(self.provider.clone())).await;
        let request = request.insert_header((HOST, host)).to_request();
        let response = match app.call(request).await {
            Ok(response) => response.into_parts().1.map_into_boxed_body(),
            Err(error) => error.error_response(),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body()).await.ok().unwrap();
        Response {
            status,
            headers,
            body,
        }
    }

    /// Posts a form.
    async fn post(&self, path: &str, form: &str) -> Response {
        let request = TestRequest::post()
            .uri(path)
            .insert_header(("Content-Type", "application/x-www-form-urlencoded"));
        self.send(request.set_payload(form.to_owned())).await
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn now(&self) -> u64 {
        let now = self.clock.now().duration_since(SystemTime::UNIX_EPOCH);
        now.unwrap().as_secs()
    }
}

impl Response {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The parameter `name` of the URL that the response redirects to.
    fn redirect_parameter(&self, name: &str) -> Option<String> {
        let url = url::Url::parse(self.header("location")?).unwrap();
        let mut pairs = url.query_pairs();
        pairs.find_map(|(known, value)| (known == name).then(|| value.into_owned()))
    }
}

async fn send(request: TestRequest) -> Response {
    Issuer::new().send(request).await
}

/// A provider for tests of single functions.
pub(super) fn provider() -> Provider {
    let key = shared(Algorithm::Es256).into();
    let dpop = DpopVerifier::new(false, SystemTime::now()).unwrap();
    Provider::new(3011, AUDIENCE.to_owned(), key, Clock::default(), dpop)
}

/// The claims of a token of this type whose signature is checked.
fn claims(token: &str, typ: &str) -> Value {
    let key = shared(Algorithm::Rs256);
    let (input, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = input.split_once('.').unwrap();
    assert_eq!(
        decode(header),
        json!({"alg": "RS256", "kid": key.kid(), "typ": typ})
    );
    // PKCS #1 v1.5 signs the same bytes the same way.
    assert_eq!(
        signature,
        BASE64URL_NOPAD.encode(&key.sign(input.as_bytes()))
    );
    decode(payload)
}

fn decode(part: &str) -> Value {
    serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
}

impl From<SigningKey> for ProviderKey {
    fn from(key: SigningKey) -> Self {
        Self {
            algorithm: key.algorithm(),
            generated: watch::channel(Some(key)).1,
        }
    }
}

#[actix_web::test]
async fn the_key_is_awaited_until_it_is_generated() {
    let generated = ProviderKey::generate(Algorithm::Rs256).unwrap();
    let key = generated.signing().await.unwrap();
    assert_eq!(key.algorithm(), Algorithm::Rs256);
    let jwk = generated.public_jwk().await.unwrap();
    assert_eq!(jwk, key.public_jwk().unwrap());
}

#[actix_web::test]
async fn a_key_that_cannot_be_generated_is_an_error() {
    let none = ProviderKey {
        algorithm: Algorithm::Rs256,
        generated: watch::channel(None).1,
    };
    let error = none.signing().await.unwrap_err();
    assert_eq!(error, OAuthError::NO_SIGNING_KEY);
}
