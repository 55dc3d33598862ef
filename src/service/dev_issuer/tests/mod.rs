//! The issuer as its clients and browsers see it: every answer over the whole application.

mod app;
mod authorize;
mod dpop;
mod pages;
mod refresh;
mod step_up;
mod token;

use std::time::{Duration, SystemTime};

use actix_web::body::to_bytes;
use actix_web::http::StatusCode;
use actix_web::http::header::{HOST, HeaderMap};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web::{Bytes, Data};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::jose::Algorithm;
use crate::test_kit::{TestClock, shared};
use crate::verify::clock::Clock;

use super::app::app;
use super::proofs::Proofs;
use super::provider::Provider;

const URL: &str = "http://localhost:3011/";
const AUDIENCE: &str = "https://api.test/";

/// An issuer that has forgotten nothing between requests.
struct Issuer {
    provider: Data<Provider>,
    clock: TestClock,
}

/// An answer.
struct Seen {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Issuer {
    fn new() -> Self {
        Self::with_nonces(false)
    }

    /// One that wants nonces in proofs, or not.
    fn with_nonces(with_nonces: bool) -> Self {
        let clock = TestClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000));
        let shown = clock.clone();
        let keys = shared(Algorithm::Rs256).into();
        let clock_of_provider = Clock::new(move || shown.now());
        let proofs = Proofs::new(with_nonces, clock.now()).unwrap();
        let provider = Provider::new(3011, AUDIENCE.to_owned(), keys, clock_of_provider, proofs);
        Self {
            provider: Data::new(provider),
            clock,
        }
    }

    async fn send(&self, request: TestRequest) -> Seen {
        self.send_to("localhost:3011", request).await
    }

    async fn send_to(&self, host: &str, request: TestRequest) -> Seen {
        let app = init_service(app(self.provider.clone())).await;
        let request = request.insert_header((HOST, host)).to_request();
        let response = call_service(&app, request).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body()).await.ok().unwrap();
        Seen {
            status,
            headers,
            body,
        }
    }

    /// Posts a form.
    async fn post(&self, path: &str, form: &str) -> Seen {
        let request = TestRequest::post()
            .uri(path)
            .insert_header(("Content-Type", "application/x-www-form-urlencoded"));
        self.send(request.set_payload(form.to_owned())).await
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn now(&self) -> u64 {
        let now = self.clock.now().duration_since(SystemTime::UNIX_EPOCH);
        now.unwrap().as_secs()
    }
}

impl Seen {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// What a redirect says under `name`, decoded.
    fn told(&self, name: &str) -> Option<String> {
        let url = url::Url::parse(self.header("location")?).unwrap();
        let mut pairs = url.query_pairs();
        pairs.find_map(|(known, value)| (known == name).then(|| value.into_owned()))
    }
}

async fn send(request: TestRequest) -> Seen {
    Issuer::new().send(request).await
}

/// A provider for rules that need one and nothing of it.
pub(super) fn provider() -> Provider {
    let keys = shared(Algorithm::Es256).into();
    let proofs = Proofs::new(false, SystemTime::now()).unwrap();
    Provider::new(3011, AUDIENCE.to_owned(), keys, Clock::default(), proofs)
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
