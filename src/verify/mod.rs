//! Token → [`Verified`]; synchronous, and a stranger to any web framework.

pub mod clock;
mod error;
mod rules;
mod unverified;
mod verified;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::counters::Counters;
use crate::issuer::{Issuer, KeySource};
use crate::jose::Algorithm;
use crate::keys::document::Key;
use crate::keys::{IssuerKeys, Keeper, Wish};
use clock::Clock;
pub use error::{Missing, VerifyError};
use unverified::Unverified;
pub use verified::{UnfitClaims, Verified};

/// Verifies access tokens by the keys of the issuers that are trusted.
///
/// It is made once and cloned for every worker; its clones share keys and counters. The keys are
/// fetched by a thread that ends with the last clone.
///
/// # Examples
/// ```no_run
/// use actix_resource_server::{Issuer, Verifier};
///
/// let issuer = Issuer::discover("https://tenant.eu.auth0.com/")
///     .audience("https://quickstarts/api")
///     .build()?;
/// let verifier = Verifier::start([issuer])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Verifier(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    issuers: Vec<Arc<IssuerKeys>>,
    counters: Arc<Counters>,
    clock: Clock,
    _keeper: Option<Keeper>,
}

impl Verifier {
    /// Trusts these issuers and begins to fetch their keys; waits for nothing.
    ///
    /// # Errors
    /// The operating system gave no thread for the fetching.
    pub fn start(issuers: impl IntoIterator<Item = Issuer>) -> io::Result<Self> {
        Self::start_at(Clock::default(), issuers)
    }

    /// As [`Verifier::start`], by another clock than the system's.
    ///
    /// # Errors
    /// The operating system gave no thread for the fetching.
    pub fn start_at(clock: Clock, issuers: impl IntoIterator<Item = Issuer>) -> io::Result<Self> {
        let counters = Arc::new(Counters::default());
        let issuers: Vec<_> = issuers
            .into_iter()
            .map(|issuer| Arc::new(IssuerKeys::new(issuer)))
            .collect();
        let fetched: Vec<_> = issuers
            .iter()
            .filter(|issuer| issuer.is_fetched())
            .map(Arc::clone)
            .collect();
        let keeper = match fetched.is_empty() {
            true => None,
            false => Some(Keeper::start(fetched, Arc::clone(&counters))?),
        };
        Ok(Self(Arc::new(Shared {
            issuers,
            counters,
            clock,
            _keeper: keeper,
        })))
    }

    /// Verifies a token as of `now`, with the keys that are known.
    ///
    /// # Errors
    /// [`VerifyError`]; for [`VerifyError::UnknownKey`] a fetch may help, for no other.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Arc<Verified>, VerifyError> {
        let unverified = Unverified::parse(token)?;
        let issuer = self.named(unverified.issuer()?)?;
        let key = self.find_key(issuer, &unverified)?;
        let authentic = unverified.into_authentic();
        let scopes = rules::admit(&self.issuer(issuer)?.issuer, &authentic, since_epoch(now))?;
        Ok(Arc::new(Verified::new(authentic, scopes, &key)))
    }

    /// What has happened since the start.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// The issuers whose keys have not been had yet, each with the reason; empty when all is ready.
    #[must_use]
    pub fn unready(&self) -> Vec<Unready> {
        let unready = |issuer: &Arc<IssuerKeys>| {
            let reason = issuer.problem()?.to_string();
            Some(Unready {
                issuer: issuer.issuer.label().to_owned(),
                reason,
            })
        };
        self.0.issuers.iter().filter_map(unready).collect()
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.0.clock.now()
    }

    /// Asks for a key that a token needs.
    pub(crate) fn wish_for(&self, missing: Missing) -> Wish {
        let issuer = self.0.issuers.get(missing.issuer);
        issuer.map_or(Wish::Denied, |issuer| {
            issuer.wanted(missing.edition, &self.0.counters, Instant::now())
        })
    }

    fn named(&self, iss: &str) -> Result<usize, VerifyError> {
        let position = self
            .0
            .issuers
            .iter()
            .position(|issuer| issuer.is_named(iss));
        position.ok_or(VerifyError::UnknownIssuer)
    }

    fn issuer(&self, index: usize) -> Result<&IssuerKeys, VerifyError> {
        self.0
            .issuers
            .get(index)
            .map(Arc::as_ref)
            .ok_or(VerifyError::UnknownIssuer)
    }

    /// The key whose signature the token carries (RFC 7515 §4.1.4, RFC 8725 §3.1).
    fn find_key(&self, index: usize, token: &Unverified<'_>) -> Result<Arc<Key>, VerifyError> {
        let keys = self.issuer(index)?;
        if !accepts(&keys.issuer, token.algorithm()) {
            return Err(VerifyError::OtherAlgorithm);
        }
        let missing = |edition| {
            VerifyError::UnknownKey(Missing {
                issuer: index,
                edition,
            })
        };
        let current = keys.current();
        let set = current.as_ref().ok_or_else(|| missing(0))?;
        let named = set.named(token.key_id());
        if let Some(key) = named.iter().find(|key| token.is_signed_by(key)) {
            return Ok(Arc::clone(key));
        }
        if set.may_lack_key(token.key_id()) {
            return Err(missing(set.edition()));
        }
        match named.iter().any(|key| key.allows(token.algorithm())) {
            true => Err(VerifyError::Signature),
            false => Err(VerifyError::OtherAlgorithm),
        }
    }
}

fn accepts(issuer: &Issuer, algorithm: Algorithm) -> bool {
    let symmetric = matches!(issuer.keys, KeySource::Secret(_));
    algorithm.is_symmetric() == symmetric
        && (issuer.algorithms.is_empty() || issuer.algorithms.contains(&algorithm))
}

fn since_epoch(now: SystemTime) -> Duration {
    now.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// An issuer whose keys have not been had yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unready {
    /// The issuer as it is configured.
    pub issuer: String,
    /// Why its keys are not there.
    pub reason: String,
}
