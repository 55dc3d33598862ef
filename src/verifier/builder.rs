//! What can be said of a verifier beyond its issuers.

use std::io;
use std::sync::Arc;

use super::clock::{Clock, since_epoch};
use super::token_cache::TokenCache;
use super::{Shared, Verifier, index};
use crate::issuer::{Issuer, check_distinct, same_issuers};
use crate::keys::{IssuerKeys, KeyRefresher};
use crate::metrics::Counters;
use crate::sender::{ClientCertificates, Dpop, SenderPolicy, TargetUriSource};

/// Collects what a [`Verifier`] is to be like.
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
#[must_use = "a verifier is made by `start`"]
pub struct VerifierBuilder {
    clock: Clock,
    token_memory: usize,
    senders: SenderPolicy,
}

impl Default for VerifierBuilder {
    fn default() -> Self {
        Self {
            clock: Clock::default(),
            token_memory: DEFAULT_TOKEN_MEMORY,
            senders: SenderPolicy::default(),
        }
    }
}

impl VerifierBuilder {
    /// Another clock than the system's.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How many bytes the memory of verified tokens may take, about; 32 MiB unless said otherwise, 0 for no memory.
    ///
    /// A token counts with all that is parsed of it, also later: [`Verified::claim`](super::Verified::claim) keeps the
    /// payload as JSON, and [`Verified::custom_claims`](super::Verified::custom_claims) as a type of the application's own, which
    /// counts as much as the JSON does, whatever it holds.
    pub fn token_memory(mut self, bytes: usize) -> Self {
        self.token_memory = bytes;
        self
    }

    /// How DPoP proofs are judged ([RFC 9449]); beside bearer tokens unless said otherwise.
    ///
    /// [RFC 9449]: https://www.rfc-editor.org/rfc/rfc9449
    pub fn dpop(mut self, dpop: Dpop) -> Self {
        self.senders.dpop = Some(dpop);
        self
    }

    /// Knows no DPoP: tokens that are bound to a key are refused, whoever sends them.
    pub fn without_dpop(mut self) -> Self {
        self.senders.dpop = None;
        self
    }

    /// Looks for client certificates ([RFC 8705 §3]); otherwise they count for nothing.
    ///
    /// [RFC 8705 §3]: https://www.rfc-editor.org/rfc/rfc8705#section-3
    pub fn client_certificates(mut self, certificates: ClientCertificates) -> Self {
        self.senders.certificates = Some(certificates);
        self
    }

    /// How the URL is known that a client called, which its proof must name; directly by its `Host` unless said otherwise.
    pub fn target_uri(mut self, source: TargetUriSource) -> Self {
        self.senders.target_uri = source;
        self
    }

    /// Trusts these issuers and begins to fetch their keys; waits for nothing.
    ///
    /// # Errors
    /// The operating system gave no thread for the fetching, or no random numbers. Of the kind
    /// [`InvalidInput`](io::ErrorKind::InvalidInput), with an [`IssuerError`](crate::issuer::IssuerError) inside: two
    /// entries are one issuer in two spellings, or with an audience in common.
    pub fn start(self, issuers: impl IntoIterator<Item = Issuer>) -> io::Result<Verifier> {
        let issuers: Vec<_> = issuers.into_iter().collect();
        check_distinct(&issuers)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let started_at = since_epoch(self.clock.now());
        let senders = self.senders.start(started_at).map_err(io::Error::other)?;
        let counters = Arc::new(Counters::default());
        let same_issuers = same_issuers(&issuers);
        let issuers: Vec<_> = issuers
            .into_iter()
            .map(|issuer| Arc::new(IssuerKeys::new(issuer)))
            .collect();
        let fetched: Vec<_> = issuers
            .iter()
            .filter(|issuer| issuer.is_fetched())
            .map(Arc::clone)
            .collect();
        let refresher = match fetched.is_empty() {
            true => None,
            false => Some(KeyRefresher::start(fetched, Arc::clone(&counters))?),
        };
        Ok(Verifier(Arc::new(Shared {
            by_name: index(&issuers),
            same_issuers,
            issuers,
            counters,
            clock: self.clock,
            seen: TokenCache::new(self.token_memory),
            senders,
            _refresher: refresher,
        })))
    }
}

/// Enough for more than twenty thousand tokens of common size, or ten thousand whose claims are read.
pub(crate) const DEFAULT_TOKEN_MEMORY: usize = 32 * 1024 * 1024;
