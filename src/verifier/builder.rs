//! The builder of a verifier.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::clock::{Clock, since_epoch};
use super::event::SeenEvents;
use super::resolver::{IssuerResolver, ResolveIssuer};
use super::revoke::check_lifetimes;
use super::tickets::TicketStore;
use super::token_cache::TokenCache;
use super::trust::Trust;
use super::verified::Origin;
use super::{Shared, Verifier};
use crate::issuer::Issuer;
use crate::jose::compact::MAX_TOKEN_BYTES;
use crate::keys::KeyRefresher;
use crate::keys::root_certificates::{RootCertificates, RootCertificatesError};
use crate::metrics::Counters;
use crate::revocation::Revocations;
use crate::sender::{ClientCertificates, Dpop, SenderPolicy, TargetUriSource};

/// Configures a [`Verifier`].
///
/// # Examples
/// ```no_run
/// use actix_resource_server::{Issuer, Verifier};
///
/// let issuer = Issuer::discover("https://tenant.eu.auth0.com/").audience("https://my/api").build()?;
/// let verifier = Verifier::builder().token_memory(8 * 1024 * 1024).start([issuer])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `start` is called"]
pub struct VerifierBuilder {
    clock: Clock,
    token_memory: usize,
    max_token_length: usize,
    resolver: Option<Resolve>,
    senders: SenderPolicy,
    roots: RootCertificates,
    revocations: Option<Revocations>,
}

impl Default for VerifierBuilder {
    fn default() -> Self {
        Self {
            clock: Clock::default(),
            token_memory: DEFAULT_TOKEN_MEMORY,
            max_token_length: MAX_TOKEN_BYTES,
            resolver: None,
            senders: SenderPolicy::default(),
            roots: RootCertificates::default(),
            revocations: None,
        }
    }
}

impl VerifierBuilder {
    /// Sets the clock; the system's by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the approximate size in bytes of the cache of verified tokens; 32 MiB by default, 0 disables it.
    ///
    /// A token counts with everything that is parsed of it, also later: [`Verified::claim`](super::Verified::claim)
    /// keeps the payload as JSON, and [`Verified::custom_claims`](super::Verified::custom_claims) as a type of the
    /// application, which is counted as if it were JSON.
    pub fn token_memory(mut self, bytes: usize) -> Self {
        self.token_memory = bytes;
        self
    }

    /// Trusts the certificates in a PEM text for all requests to issuers, in addition to those of the system and of
    /// Mozilla, as where an issuer's server certificate is signed by a private authority.
    ///
    /// # Errors
    /// [`RootCertificatesError`] if the text has no certificate, or one that cannot be used.
    pub fn root_certificates_pem(mut self, pem: &[u8]) -> Result<Self, RootCertificatesError> {
        self.roots = RootCertificates::from_pem(pem)?;
        Ok(self)
    }

    /// Sets the length of the longest token that is verified, in bytes; 16 KiB by default. A longer one is rejected with
    /// 401 before any work.
    ///
    /// The server must let such a header through: Actix Web limits the head of a request to 128 KiB.
    pub fn max_token_length(mut self, bytes: usize) -> Self {
        self.max_token_length = bytes;
        self
    }

    /// Sets a function that decides whether an issuer is trusted that the verifier does not know: for applications whose
    /// customers have issuers of their own.
    ///
    /// The function gets the exact `iss` of a token whose signature has not been verified: anyone can make it up. It
    /// returns the issuer of that name, which is trusted from then on as if by [`Verifier::add_issuer`], or `None`.
    /// It is called while a request is decided, so that it must not block: look the name up in memory. To ask a database,
    /// do so in a task of the application, and call [`Verifier::add_issuer`] there.
    ///
    /// Its calls are bounded: 50 at once and then 10 a second; a token that would need another is answered 503 with
    /// `Retry-After`. A negative answer is remembered for a minute, 4,096 of them at most. No issuer is added to a
    /// verifier that has 1,000. To trust an issuer no longer, let the function return `None`, and call
    /// [`Verifier::remove_issuer`].
    ///
    /// # Examples
    /// ```no_run
    /// use std::collections::HashMap;
    ///
    /// use actix_resource_server::{Issuer, Verifier};
    ///
    /// let customers = HashMap::from([("https://login.customer.example/", "https://my/api")]);
    /// let verifier = Verifier::builder()
    ///     .issuer_resolver(move |iss| {
    ///         let audience = customers.get(iss)?;
    ///         Issuer::discover(iss).name(iss).audience(audience).build().ok()
    ///     })
    ///     .start([])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn issuer_resolver(
        mut self,
        resolve: impl Fn(&str) -> Option<Issuer> + Send + Sync + 'static,
    ) -> Self {
        self.resolver = Some(Resolve(Arc::new(resolve)));
        self
    }

    /// Sets how DPoP proofs are checked ([RFC 9449]); by default they are accepted beside bearer tokens.
    ///
    /// [RFC 9449]: https://www.rfc-editor.org/rfc/rfc9449
    pub fn dpop(mut self, dpop: Dpop) -> Self {
        self.senders.dpop = Some(dpop);
        self
    }

    /// Disables DPoP: tokens that are bound to a DPoP key are rejected.
    pub fn without_dpop(mut self) -> Self {
        self.senders.dpop = None;
        self
    }

    /// Accepts client certificates ([RFC 8705 §3]); by default they are ignored.
    ///
    /// [RFC 8705 §3]: https://www.rfc-editor.org/rfc/rfc8705#section-3
    pub fn client_certificates(mut self, certificates: ClientCertificates) -> Self {
        self.senders.certificates = Some(certificates);
        self
    }

    /// Sets how the target URL of a request is determined, which its DPoP proof must name; by default from `Host`.
    pub fn target_uri(mut self, source: TargetUriSource) -> Self {
        self.senders.target_uri = source;
        self
    }

    /// Lets tokens be revoked before they expire ([`Verifier::revoke`]). A revoked token is rejected with 401
    /// `invalid_token`, also if it was verified before; with 503 while the store is unavailable.
    ///
    /// Each issuer needs a maximum age of tokens ([`IssuerBuilder::max_token_age`]), since cut-offs are kept for as long: a
    /// larger one that is configured later lets tokens be valid again whose cut-offs have ended.
    ///
    /// [`IssuerBuilder::max_token_age`]: crate::IssuerBuilder::max_token_age
    pub fn revocations(mut self, revocations: Revocations) -> Self {
        self.revocations = Some(revocations);
        self
    }

    /// Creates a verifier that trusts these issuers, and starts fetching their keys without waiting for them.
    ///
    /// # Errors
    /// - The operating system provides no thread for fetching, or no random numbers.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput), with an [`IssuerError`](crate::issuer::IssuerError) inside: two
    ///   entries are the same issuer in two spellings, or share an audience; or [`revocations`](Self::revocations) are set,
    ///   and an issuer has no maximum age of tokens.
    pub fn start(self, issuers: impl IntoIterator<Item = Issuer>) -> io::Result<Verifier> {
        let trust = Trust::new(issuers)?;
        if self.revocations.is_some() {
            check_lifetimes(trust.issuers.iter().map(|keys| &keys.issuer))?;
        }
        let started_at = since_epoch(self.clock.now());
        let senders = self.senders.start(started_at).map_err(io::Error::other)?;
        let counters = Arc::new(Counters::default());
        let fetched = trust.issuers.iter().filter(|issuer| issuer.is_fetched());
        let fetched: Vec<_> = fetched.map(Arc::clone).collect();
        let refresher = if fetched.is_empty() && !trust.introspects() {
            None
        } else {
            Some(KeyRefresher::start(
                fetched,
                Arc::clone(&counters),
                self.roots.clone(),
            )?)
        };
        let cache = TokenCache::new(self.token_memory)?;
        Ok(Verifier(Arc::new_cyclic(|shared| Shared {
            configured_issuers: trust.next_id(),
            trust: ArcSwap::from_pointee(trust),
            refresher: Mutex::new(refresher),
            counters,
            roots: self.roots,
            origin: Arc::new(Origin {
                clock: self.clock,
                revocations: self.revocations,
                shared: shared.clone(),
                verifier: STARTED.fetch_add(1, Ordering::Relaxed),
            }),
            cache,
            events: SeenEvents::default(),
            max_token_length: self.max_token_length,
            resolver: self.resolver.map(|resolve| IssuerResolver::new(resolve.0)),
            senders,
            tickets: TicketStore::default(),
            is_over: watch::Sender::new(false),
        })))
    }
}

/// The function that [`VerifierBuilder::issuer_resolver`] sets.
#[derive(Clone)]
struct Resolve(Arc<ResolveIssuer>);

impl fmt::Debug for Resolve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolve")
    }
}

/// How many verifiers the process has started.
static STARTED: AtomicU64 = AtomicU64::new(0);

/// Enough for more than 20,000 tokens of common size, or 10,000 whose claims are read.
pub(crate) const DEFAULT_TOKEN_MEMORY: usize = 32 * 1024 * 1024;
