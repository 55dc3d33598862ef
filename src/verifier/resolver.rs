//! Decides at run time whether an issuer that is not configured is trusted.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

use super::{Verifier, VerifyError};
use crate::issuer::Issuer;
use crate::keys::is_issuer;

/// Returns the issuer of this name, if it is trusted.
pub(super) type ResolveIssuer = dyn Fn(&str) -> Option<Issuer> + Send + Sync;

/// A function of the application, and what bounds its calls.
pub(super) struct IssuerResolver {
    resolve: Arc<ResolveIssuer>,
    /// Hashes of issuers that are not trusted, and until when the function is not called for them again.
    rejected: Cache<u64, Instant>,
    hasher: RandomState,
    /// When the calls so far would have been made at the permitted rate.
    called_until: Mutex<Option<Instant>>,
}

impl IssuerResolver {
    pub(super) fn new(resolve: Arc<ResolveIssuer>) -> Self {
        Self {
            resolve,
            rejected: Cache::new(MOST_REJECTED),
            hasher: RandomState::new(),
            called_until: Mutex::new(None),
        }
    }

    /// Asks the function about an issuer that `verifier` does not trust, and lets it trust what the function returns.
    ///
    /// # Errors
    /// The issuer is not trusted, or the function may not be called now.
    pub(super) fn resolve(
        &self,
        verifier: &Verifier,
        iss: &str,
        now: Instant,
    ) -> Result<(), VerifyError> {
        let hash = self.hasher.hash_one(iss);
        let is_rejected = self.rejected.get(&hash).is_some_and(|until| now < until);
        let trusted = verifier.0.trust.load().issuers.len();
        if is_rejected || iss.len() > LONGEST_NAME || trusted >= MOST_ISSUERS {
            return Err(VerifyError::UnknownIssuer);
        }
        self.take_call(now)?;
        let added = match (self.resolve)(iss) {
            Some(issuer) if is_issuer(&issuer, iss) => add(verifier, issuer, iss),
            Some(_) => {
                log::warn!("the issuer resolver returned another issuer than it was asked for");
                false
            }
            None => false,
        };
        if added {
            return Ok(());
        }
        if let Some(until) = now.checked_add(REJECTED_FOR) {
            self.rejected.insert(hash, until);
        }
        Err(VerifyError::UnknownIssuer)
    }

    fn take_call(&self, now: Instant) -> Result<(), VerifyError> {
        let mut called_until = self
            .called_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let from = called_until.map_or(now, |until| until.max(now));
        let ahead = from.saturating_duration_since(now);
        let burst = INTERVAL.saturating_mul(BURST);
        if ahead >= burst {
            let retry_after = ahead.saturating_sub(burst).saturating_add(INTERVAL);
            return Err(VerifyError::IssuerUndetermined { retry_after });
        }
        *called_until = from.checked_add(INTERVAL);
        Ok(())
    }
}

/// Trusts the issuer, unless another request has let it be trusted since.
fn add(verifier: &Verifier, issuer: Issuer, iss: &str) -> bool {
    let Err(error) = verifier.add_issuer(issuer) else {
        return true;
    };
    let issuers = &verifier.0.trust.load().issuers;
    let is_trusted = issuers.iter().any(|keys| is_issuer(&keys.issuer, iss));
    if !is_trusted {
        log::warn!("an issuer that the resolver returned cannot be trusted: {error}");
    }
    is_trusted
}

impl fmt::Debug for IssuerResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IssuerResolver")
    }
}

/// With so many issuers, those that are configured included, no other is added.
const MOST_ISSUERS: usize = 1000;

/// The issuers that are remembered as not trusted; a flood of made-up ones evicts the oldest.
const MOST_REJECTED: usize = 4096;

const REJECTED_FOR: Duration = Duration::from_secs(60);

/// In bytes; issuers are URLs.
const LONGEST_NAME: usize = 1024;

/// Between calls, after a burst.
const INTERVAL: Duration = Duration::from_millis(100);

const BURST: u32 = 50;

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::jose::Algorithm;

    /// Trusts issuers whose name ends in `known`, with a key of their own; counts its calls.
    fn verifier() -> (Verifier, Arc<AtomicUsize>) {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let resolve = move |iss: &str| {
            counted.fetch_add(1, Ordering::Relaxed);
            let issuer = Issuer::with_secret(iss, &"s".repeat(32), Algorithm::Hs256);
            let issuer = issuer.audience("api").build().expect("an issuer");
            iss.ends_with("known").then_some(issuer)
        };
        let verifier = Verifier::builder().issuer_resolver(resolve);
        (verifier.start([]).expect("a verifier"), calls)
    }

    fn resolve(verifier: &Verifier, iss: &str, now: Instant) -> Result<(), VerifyError> {
        let resolver = verifier.0.resolver.as_ref().expect("a resolver");
        resolver.resolve(verifier, iss, now)
    }

    #[test]
    fn a_negative_answer_is_remembered_for_a_minute() {
        let (verifier, calls) = verifier();
        let now = Instant::now();
        for (seconds, expected) in [(0, 1), (1, 1), (59, 1), (60, 2), (119, 2)] {
            let now = now + Duration::from_secs(seconds);
            assert_eq!(
                resolve(&verifier, "other", now),
                Err(VerifyError::UnknownIssuer)
            );
            assert_eq!(calls.load(Ordering::Relaxed), expected, "{seconds}");
        }
    }

    #[test]
    fn calls_are_limited_in_rate_after_a_burst() {
        let (verifier, calls) = verifier();
        let now = Instant::now();
        let flood = |now: Instant, prefix: &str| {
            for number in 0..1000 {
                let rejected = resolve(&verifier, &format!("{prefix}{number}"), now);
                assert!(rejected.is_err());
            }
            calls.load(Ordering::Relaxed)
        };
        assert_eq!(flood(now, "a"), 50);
        let retry_after = Duration::from_millis(100);
        let limited = Err(VerifyError::IssuerUndetermined { retry_after });
        assert_eq!(resolve(&verifier, "known", now), limited);
        assert_eq!(flood(now + Duration::from_secs(1), "b"), 60);
        let later = now + Duration::from_secs(60);
        assert_eq!(flood(later, "c"), 110);
    }

    #[test]
    fn issuers_are_limited_in_number() {
        let (verifier, calls) = verifier();
        let mut now = Instant::now();
        for number in 0..MOST_ISSUERS {
            now += INTERVAL;
            let iss = format!("https://{number}.example/known");
            assert_eq!(resolve(&verifier, &iss, now), Ok(()));
        }
        now += INTERVAL;
        let rejected = Err(VerifyError::UnknownIssuer);
        assert_eq!(resolve(&verifier, "https://a.example/known", now), rejected);
        assert_eq!(calls.load(Ordering::Relaxed), MOST_ISSUERS);
        assert!(verifier.remove_issuer("https://7.example/known"));
        assert_eq!(resolve(&verifier, "https://a.example/known", now), Ok(()));
    }

    #[test]
    fn a_long_name_is_no_issuers() {
        let (verifier, calls) = verifier();
        let name = |length: usize| format!("{}known", "a".repeat(length - 5));
        let now = Instant::now();
        assert_eq!(resolve(&verifier, &name(LONGEST_NAME), now), Ok(()));
        let rejected = resolve(&verifier, &name(LONGEST_NAME + 1), now);
        assert_eq!(rejected, Err(VerifyError::UnknownIssuer));
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }
}
