//! What fetches have found at an issuer, for operators.

#[cfg(feature = "service")]
use std::time::{Duration, Instant};

use super::IssuerKeys;
use super::discovery::DiscoveryError;
use super::refresher::FetchFailure;
use super::skipped::Skipped;
#[cfg(feature = "service")]
use crate::issuer::KeySource;
#[cfg(feature = "service")]
use crate::jose::Algorithm;
#[cfg(feature = "service")]
use crate::metrics::Fetched;

/// What is kept of the last fetches beside the keys themselves.
#[derive(Clone, Debug, Default)]
pub(super) struct Noted {
    /// The `issuer` of the discovery document, also where it is another than the configured one.
    pub(super) document_issuer: Option<String>,
    pub(super) skipped: Skipped,
}

/// The keys of an issuer as operators see them.
#[cfg(feature = "service")]
#[derive(Clone, Debug)]
pub(crate) struct Findings {
    /// The `issuer` of the discovery document; the text is the network's.
    pub(crate) document_issuer: Option<String>,
    /// How many keys can verify tokens of an accepted algorithm; `None` while there is no set.
    pub(crate) usable: Option<usize>,
    pub(crate) skipped: Skipped,
    /// The accepted algorithms that a key can verify.
    pub(crate) algorithms: Vec<Algorithm>,
    /// How long fetched keys are fresh, by settings and response headers.
    pub(crate) fresh_for: Option<Duration>,
}

/// The keys of an issuer, and the fetches of them, for metrics.
#[cfg(feature = "service")]
#[derive(Clone, Debug)]
pub(crate) struct KeySetStatus {
    /// As it is configured.
    pub(crate) issuer: String,
    /// Since the last fetch that brought keys; `None` if none has.
    pub(crate) age: Option<Duration>,
    pub(crate) usable: usize,
    pub(crate) fetches: Vec<(Fetched, u64)>,
}

#[cfg(feature = "service")]
impl IssuerKeys {
    pub(crate) fn status(&self, now: Instant) -> KeySetStatus {
        KeySetStatus {
            issuer: self.issuer.label().to_owned(),
            age: self.age(now),
            usable: self.usable().unwrap_or_default(),
            fetches: self.fetches.read().collect(),
        }
    }

    /// How many keys can verify tokens of an accepted algorithm; `None` while there is no set.
    fn usable(&self) -> Option<usize> {
        let rules = &self.issuer.rules;
        let set = self.current();
        let set = set.as_ref()?;
        Some(set.usable(|algorithm| rules.accepts(algorithm)))
    }

    pub(crate) fn findings(&self) -> Findings {
        let rules = &self.issuer.rules;
        let set = self.current();
        let accepted = |algorithm: &Algorithm| {
            let keys = set.iter().flat_map(|set| set.named(None));
            rules.accepts(*algorithm) && keys.into_iter().any(|key| key.allows(*algorithm))
        };
        let state = self.state();
        Findings {
            document_issuer: state.noted.document_issuer.clone(),
            usable: self.usable(),
            skipped: self.skipped(&state.noted),
            algorithms: Algorithm::ALL.iter().copied().filter(accepted).collect(),
            fresh_for: state
                .budget
                .age(Instant::now())
                .map(|_| state.budget.lifetime()),
        }
    }

    fn skipped(&self, noted: &Noted) -> Skipped {
        let mut skipped = noted.skipped.clone();
        if let Some(KeySource::PublicKeys(keys)) = self.issuer.keys() {
            skipped.extend(keys.skipped.iter().cloned());
        }
        skipped
    }
}

impl IssuerKeys {
    /// Notes the `issuer` of a discovery document, or that of another issuer's.
    pub(super) fn note_document<T>(
        &self,
        outcome: Result<T, DiscoveryError>,
        issuer: fn(&T) -> &str,
    ) -> Result<T, FetchFailure> {
        let found = match &outcome {
            Ok(document) => Some(issuer(document)),
            Err(DiscoveryError::OtherIssuer { found }) => Some(found.as_str()),
            Err(_) => None,
        };
        self.state().noted.document_issuer = found.map(str::to_owned);
        Ok(outcome?)
    }

    pub(super) fn note_skipped(&self, skipped: Skipped) {
        self.state().noted.skipped = skipped;
    }
}
