//! The documents of a test issuer: their content, faults and request counts.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::jose::Algorithm;
use crate::jose::sign::SigningKey;

use super::fault::{Fault, Reply};
use super::introspection::Introspected;
use super::keys::Lent;
use super::wire::{Answer, Answers, Request};

/// A document that an issuer publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Document {
    /// `/.well-known/oauth-authorization-server` ([RFC 8414 §3]); a 404 until its fault is
    /// removed.
    ///
    /// [RFC 8414 §3]: https://www.rfc-editor.org/rfc/rfc8414#section-3
    AuthorizationServer,
    /// `/.well-known/openid-configuration`.
    Discovery,
    /// The introspection endpoint, `/oauth/introspect`, which answers POST requests ([RFC 7662]).
    ///
    /// [RFC 7662]: https://www.rfc-editor.org/rfc/rfc7662
    Introspection,
    /// The JWK set, at any path that ends in `jwks.json`.
    Jwks,
}

/// The number of requests for each document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Requests for [`Document::AuthorizationServer`].
    pub authorization_server: usize,
    /// Requests for [`Document::Discovery`].
    pub discovery: usize,
    /// Requests for [`Document::Introspection`].
    pub introspection: usize,
    /// Requests for [`Document::Jwks`].
    pub jwks: usize,
}

/// The state shared by the test and the issuer's thread.
#[derive(Debug)]
pub(super) struct Published {
    url: String,
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Debug)]
struct State {
    key: SigningKey,
    /// Includes withdrawn keys, so that none is reused while its tokens may still exist.
    lent: Vec<Lent>,
    jwks: Value,
    introspected: Introspected,
    faults: HashMap<Document, Fault>,
    counts: Counts,
}

impl Published {
    pub(super) fn new(url: &str, algorithm: Algorithm) -> Self {
        let lent = Lent::new(algorithm);
        let jwk = lent.public_jwk();
        let state = State {
            key: SigningKey::clone(&lent),
            jwks: jwk_set(jwk.as_slice()),
            lent: vec![lent],
            introspected: Introspected::default(),
            faults: [(Document::AuthorizationServer, Fault::status(404))].into(),
            counts: Counts::default(),
        };
        Self {
            url: url.to_owned(),
            state: Mutex::new(state),
            arrived: Condvar::new(),
        }
    }

    pub(super) fn key(&self) -> SigningKey {
        self.state().key.clone()
    }

    /// Signs with a new key and publishes it too.
    pub(super) fn add_key(&self) {
        let lent = Lent::new(self.key().algorithm());
        let mut state = self.state();
        state.key = SigningKey::clone(&lent);
        if let Some(Value::Array(keys)) = state.jwks.get_mut("keys") {
            keys.extend(lent.public_jwk());
        }
        state.lent.push(lent);
    }

    pub(super) fn withdraw_keys(&self) {
        self.publish(jwk_set(&[]));
    }

    pub(super) fn publish(&self, jwks: Value) {
        self.state().jwks = jwks;
    }

    /// Changes or reads what the introspection endpoint knows.
    pub(super) fn introspected<T>(&self, action: impl FnOnce(&mut Introspected) -> T) -> T {
        action(&mut self.state().introspected)
    }

    pub(super) fn set_fault(&self, document: Document, fault: Option<Fault>) {
        let faults = &mut self.state().faults;
        match fault {
            Some(fault) => drop(faults.insert(document, fault)),
            None => drop(faults.remove(&document)),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.state().counts
    }

    pub(super) fn wait_for(&self, document: Document, number: usize) -> bool {
        let too_few = |state: &mut State| *state.counts.of(document) < number;
        let waited = self
            .arrived
            .wait_timeout_while(self.state(), LONGEST_WAIT, too_few);
        let (_state, wait) = waited.unwrap_or_else(PoisonError::into_inner);
        !wait.timed_out()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, document: Document) {
        *self.state().counts.of(document) += 1;
        self.arrived.notify_all();
    }

    /// The current fault, after waiting for closed gates.
    async fn fault(&self, document: Document) -> Option<Fault> {
        loop {
            let fault = self.state().faults.get(&document).cloned();
            match fault {
                Some(Fault::Hang(gate)) if gate.is_open() => return None,
                Some(Fault::Hang(gate)) => gate.opened().await,
                other => return other,
            }
        }
    }

    fn correct(&self, document: Document, request: &Request) -> Reply {
        let state = self.state();
        match document {
            Document::AuthorizationServer | Document::Discovery => {
                Reply::json(&discovery(&self.url, state.introspected.signs()))
            }
            Document::Introspection => state.introspected.answer(request, &self.url, &state.key),
            Document::Jwks => Reply::json(&state.jwks),
        }
    }
}

impl Answers for Published {
    async fn answer(&self, request: &Request) -> Answer {
        let Some(document) = Document::at(&request.path) else {
            return Answer::Reply(Reply::new(404));
        };
        let allowed = document.methods();
        if !allowed.contains(&request.method.as_str()) {
            return Answer::Reply(Reply::new(405).header("Allow", &allowed.join(", ")));
        }
        self.count(document);
        match self.fault(document).await {
            Some(Fault::Close) => Answer::Close,
            Some(Fault::Drip(pause)) => Answer::Drip(self.correct(document, request), pause),
            Some(Fault::Endless) => Answer::Endless,
            Some(Fault::Raw(bytes)) => Answer::Raw(bytes),
            Some(Fault::Reply(reply)) => Answer::Reply(reply),
            Some(Fault::Hang(_)) | None => Answer::Reply(self.correct(document, request)),
        }
    }
}

impl Document {
    /// The path of a tenant may come before the well-known path, or after it (RFC 8414 §3.1).
    fn at(path: &str) -> Option<Self> {
        if path.ends_with("jwks.json") {
            return Some(Self::Jwks);
        }
        if path.contains("/.well-known/openid-configuration") {
            return Some(Self::Discovery);
        }
        if path.ends_with("/oauth/introspect") {
            return Some(Self::Introspection);
        }
        let other = path.contains("/.well-known/oauth-authorization-server");
        other.then_some(Self::AuthorizationServer)
    }
}

impl Document {
    const fn methods(self) -> &'static [&'static str] {
        match self {
            Self::Introspection => &["POST"],
            _ => &["GET", "HEAD"],
        }
    }
}

impl Counts {
    const fn of(&mut self, document: Document) -> &mut usize {
        match document {
            Document::AuthorizationServer => &mut self.authorization_server,
            Document::Discovery => &mut self.discovery,
            Document::Introspection => &mut self.introspection,
            Document::Jwks => &mut self.jwks,
        }
    }
}

fn discovery(url: &str, signs_introspection: bool) -> Value {
    let mut document = json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}authorize"),
        "token_endpoint": format!("{url}oauth/token"),
        "jwks_uri": jwks_uri(url),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "introspection_endpoint": format!("{url}oauth/introspect"),
    });
    if signs_introspection {
        document["introspection_signing_alg_values_supported"] = json!(["RS256"]);
    }
    document
}

pub(super) fn jwks_uri(url: &str) -> String {
    format!("{url}.well-known/jwks.json")
}

fn jwk_set(keys: &[Value]) -> Value {
    json!({ "keys": keys })
}

/// Longer than any passing test waits.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
