//! An identity provider for development: on loopback alone, with a key that lasts as long as the
//! process.
//!
//! Its paths and answers are Auth0's, so that what works against it works against a tenant. It
//! gives a token to anybody who asks, which is why nobody may ask from another machine.
//!
//! It listens as `localhost` and as `127.0.0.1`, and calls itself `localhost` alone: to a browser
//! the two are different sites, and a page of the one is never signed in silently by the other.

mod app;
mod authorization;
mod authorize;
mod clients;
mod consent;
mod cookies;
mod error;
mod grant;
mod keys;
mod login;
mod logout;
mod metadata;
pub(crate) mod origin;
mod pages;
mod parameters;
mod pkce;
mod proofs;
mod provider;
mod redirect;
mod revoke;
mod sender;
mod sessions;
mod test_view;
#[cfg(test)]
mod tests;
mod token;
mod ttl_store;
mod userinfo;
mod users;

use std::io;
use std::num::NonZeroUsize;

use actix_web::web;

use crate::access::table::Row;
use crate::service::companion::Running;
use crate::service::server::{Listener, Options, Tls, http};
use crate::verify::clock::Clock;

use self::keys::Keys;
use self::proofs::Proofs;
use self::provider::Provider;
use self::test_view::TestedApi;

/// An issuer whose sockets are bound; it answers once it [runs](Self::run).
#[derive(Debug)]
pub(crate) struct DevIssuer {
    listener: Listener,
    encrypted: Option<Listener>,
    provider: Provider,
}

impl DevIssuer {
    /// Binds `port` of `127.0.0.1` and, where there is IPv6, of `::1`; port 0 is any free one. With
    /// `dpop_nonce` it wants a nonce of its own in every DPoP proof.
    ///
    /// Returns at once: the key is made on a thread of its own, and whoever needs it waits.
    ///
    /// # Errors
    /// The port is taken on either address, or no thread or random number can be had.
    pub(crate) fn bind(port: u16, audience: String, dpop_nonce: bool) -> io::Result<Self> {
        let listener = Listener::bind_loopback(port)?;
        let port = listener
            .addresses()
            .next()
            .map_or(port, |address| address.port());
        let clock = Clock::default();
        let proofs = Proofs::new(dpop_nonce, clock.now()).map_err(io::Error::other)?;
        let provider = Provider::new(port, audience, Keys::generate()?, clock, proofs);
        Ok(Self {
            listener,
            encrypted: None,
            provider,
        })
    }

    /// Binds `port` for clients that show a certificate, which their tokens are bound to (RFC 8705).
    ///
    /// # Errors
    /// The port is taken.
    pub(crate) fn with_tls(mut self, port: u16) -> io::Result<Self> {
        let listener = Listener::bind("localhost", port)?;
        let address = listener.addresses().next();
        let port = address.map_or(port, |address| address.port());
        self.provider.tls_url = Some(format!("https://localhost:{port}/"));
        self.encrypted = Some(listener);
        Ok(self)
    }

    /// Lets the Test view call the routes of an API, which browsers reach at `origin`, such as
    /// `http://127.0.0.1:3010`.
    #[must_use]
    pub(crate) fn with_api<'a>(
        mut self,
        origin: String,
        rows: impl IntoIterator<Item = Row<'a>>,
    ) -> Self {
        self.provider.api = Some(TestedApi::new(origin, rows));
        self
    }

    /// The value of `iss`: the base URL, which ends in a slash.
    pub(crate) fn url(&self) -> &str {
        &self.provider.url
    }

    /// Where clients show certificates, if they are asked for any.
    pub(crate) fn tls_url(&self) -> Option<&str> {
        self.provider.tls_url.as_deref()
    }

    /// Answers, on a worker of its own for each way in; with the API's timeouts. Signals are left to
    /// the caller.
    ///
    /// # Errors
    /// A socket cannot be listened on, or the system gives no thread or event queue.
    pub(crate) fn run(self, options: &Options, tls: Option<&Tls>) -> io::Result<Running> {
        let provider = web::Data::new(self.provider);
        let site = http(move || app::app(provider.clone()));
        let options = Options {
            workers: Some(NonZeroUsize::MIN),
            ..options.clone()
        };
        let encrypted = self.encrypted.zip(tls);
        let encrypted = encrypted.map(|(listener, tls)| listener.serve(&site, &options, Some(tls)));
        Ok(Running {
            plain: self.listener.serve(&site, &options, None)?,
            encrypted: encrypted.transpose()?,
        })
    }
}
