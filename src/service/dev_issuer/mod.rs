//! An OpenID provider for development, on loopback only, with a key that lasts as long as the process.
//!
//! Its paths and responses are Auth0's, so that a client that works with it works with a tenant. It
//! issues a token to every client that asks, which is why other machines cannot reach it.
//!
//! It listens on `localhost` and on `127.0.0.1`, and calls itself `localhost` only: to a browser
//! the two are different sites, so a session of one is never used for a page of the other.

mod accounts;
mod app;
mod authorize;
mod error;
mod fault;
mod introspection;
mod metadata;
mod pages;
mod parameters;
mod registration;
mod resource;
mod sender;
mod sessions;
#[cfg(test)]
mod tests;
mod token;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::SystemTime;

use actix_web::HttpRequest;
use serde_json::Value;
use tokio::sync::watch;

use crate::jose::Algorithm;
use crate::jose::sign::SigningKey;
use crate::sender::OverTls;
use crate::service::cli::Explainer;
use crate::verifier::clock::Clock;

use self::accounts::Accounts;
use self::error::OAuthError;
use self::pages::TestedApi;
use self::parameters::Parameters;
use self::resource::Resources;
use self::sender::DpopVerifier;
use self::sessions::Store;

pub(crate) use self::app::DevIssuer;
pub(crate) use self::introspection::introspection;
pub(crate) use self::parameters::is_loopback_origin;

/// What the handlers share.
struct Provider {
    /// The value of `iss`, which ends in a slash.
    url: String,
    /// The base URL for clients that present certificates.
    mtls_url: Option<String>,
    port: u16,
    audience: String,
    key: ProviderKey,
    clock: Clock,
    dpop: DpopVerifier,
    store: Mutex<Store>,
    accounts: Accounts,
    /// Whether access tokens are opaque.
    has_opaque_tokens: bool,
    /// The API that the Test view calls.
    api: Option<TestedApi>,
    /// The resources of that API.
    resources: Resources,
    /// Set once the API is served.
    explainer: Arc<OnceLock<Explainer>>,
}

impl Provider {
    fn new(
        port: u16,
        audience: String,
        key: ProviderKey,
        clock: Clock,
        dpop: DpopVerifier,
    ) -> Self {
        Self {
            url: format!("http://localhost:{port}/"),
            mtls_url: None,
            port,
            audience,
            key,
            clock,
            dpop,
            store: Mutex::new(Store::new()),
            accounts: Accounts::of_quickstart(),
            has_opaque_tokens: false,
            api: None,
            resources: Resources::default(),
            explainer: Arc::default(),
        }
    }

    /// The URL of an endpoint.
    fn endpoint(&self, path: &str) -> String {
        endpoint(&self.url, path)
    }

    /// The base URL under which `request` reached the issuer.
    fn url_for(&self, request: &HttpRequest) -> &str {
        match &self.mtls_url {
            Some(url) if request.conn_data::<OverTls>().is_some() => url,
            _ => &self.url,
        }
    }

    /// Accepts the `audience` of the one API, which is also the default.
    ///
    /// # Errors
    /// [`OAuthError::UNKNOWN_AUDIENCE`].
    fn check_audience(&self, parameters: &Parameters) -> Result<(), OAuthError> {
        let requested = parameters.get("audience");
        if requested.is_none_or(|audience| audience == self.audience) {
            Ok(())
        } else {
            Err(OAuthError::UNKNOWN_AUDIENCE)
        }
    }

    fn now(&self) -> SystemTime {
        self.clock.now()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The URL of an endpoint under a base URL that ends in a slash.
fn endpoint(base: &str, path: &str) -> String {
    format!("{}{path}", base.trim_end_matches('/'))
}

/// The issuer's key, generated on a thread of its own.
#[derive(Clone, Debug)]
struct ProviderKey {
    algorithm: Algorithm,
    generated: watch::Receiver<Option<SigningKey>>,
}

impl ProviderKey {
    fn generate(algorithm: Algorithm) -> io::Result<Self> {
        let (sender, generated) = watch::channel(None);
        let thread = thread::Builder::new().name("dev-issuer-key".to_owned());
        thread.spawn(move || sender.send_replace(Some(SigningKey::generate(algorithm))))?;
        Ok(Self {
            algorithm,
            generated,
        })
    }

    /// Waits for the key.
    ///
    /// # Errors
    /// [`OAuthError::NO_SIGNING_KEY`] where its thread ended without one.
    async fn signing(&self) -> Result<SigningKey, OAuthError> {
        let mut receiver = self.generated.clone();
        let key = receiver.wait_for(Option::is_some).await;
        let key = key.ok().and_then(|key| key.clone());
        key.ok_or(OAuthError::NO_SIGNING_KEY)
    }

    /// Waits for the public key.
    ///
    /// # Errors
    /// Those of [`signing`](Self::signing).
    async fn public_jwk(&self) -> Result<Value, OAuthError> {
        let key = self.signing().await?;
        key.public_jwk().ok_or(OAuthError::NO_SIGNING_KEY)
    }
}
