//! The current keys of an issuer, and requests for keys that are missing.
//!
//! Finding a key reads an atomic pointer and never waits. A missing key is requested
//! ([`IssuerKeys::request_key`]); the [`refresher`] thread fetches it, and all requests share one fetch.

mod cache_control;
mod content;
pub(crate) mod discovery;
pub(crate) mod fetch;
pub(crate) mod fetch_error;
mod findings;
pub(crate) mod jwk_set;
mod members;
mod negative_cache;
mod outdated;
#[cfg(all(test, feature = "test-kit"))]
mod published_forms;
pub(crate) mod refresh_budget;
mod refresher;
mod replaced;
pub(crate) mod root_certificates;
mod skipped;
#[cfg(test)]
mod tests;
mod unready;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwapOption, Guard};
use tokio::sync::{Notify, watch};
use url::Url;

use crate::issuer::{Issuer, KeySource, Source};
use crate::jose::Algorithm;
use crate::metrics::{Counters, FetchCounts};
use findings::Noted;
#[cfg(feature = "service")]
pub(crate) use findings::{Findings, KeySetStatus};
use jwk_set::KeySet;
use negative_cache::NegativeCache;
pub(crate) use refresh_budget::Purpose;
use refresh_budget::{Refresh, RefreshBudget};
#[cfg(feature = "service")]
pub(crate) use refresher::NONE_FITS;
pub(crate) use refresher::{FetchFailure, KeyRefresher};
pub use unready::{Unready, UnreadyReason};

/// The keys of one issuer, shared by all workers.
#[derive(Debug)]
pub(crate) struct IssuerKeys {
    /// A number that no other entry of the verifier has or had.
    pub(crate) id: u64,
    pub(crate) issuer: Issuer,
    current: ArcSwapOption<KeySet>,
    /// What its discovery document offers, once fetched.
    discovered: ArcSwapOption<Discovered>,
    state: Mutex<State>,
    /// The last completed fetch.
    ended: watch::Sender<Ended>,
    /// Wakes the refresher before its timer.
    fetch_requested: Notify,
    /// Whether the issuer is no longer trusted; nothing is fetched or published any more. Set under the lock of `state`.
    is_removed: AtomicBool,
    fetches: FetchCounts,
}

/// What an issuer's discovery document offers beside its keys (RFC 8414 §2, RFC 9701 §7). An endpoint that must not be
/// called from here, or is no URL, counts as absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Discovered {
    /// The exact name of the issuer in the document.
    pub(crate) issuer: String,
    pub(crate) introspection: Option<Url>,
    pub(crate) offers_signed_introspection: bool,
    /// For documents that tell clients where tokens are issued; nothing is sent there.
    pub(crate) authorization: Option<Url>,
    pub(crate) token: Option<Url>,
}

#[derive(Debug)]
struct State {
    budget: RefreshBudget,
    fetch_state: FetchState,
    unknown: NegativeCache,
    /// The same for security events, so that a flood of them fills no place that access tokens need.
    unknown_of_events: NegativeCache,
    problem: Option<FetchFailure>,
    noted: Noted,
}

/// Whether there is a fetch that a request for a key can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FetchState {
    /// No fetch is requested or running.
    Idle,
    /// The refresher has been notified; the fetch has not begun.
    Requested,
    /// A fetch has begun, and may have read the set before the key was published.
    InFlight,
}

/// A completed fetch. Fetches are numbered from 1; 0 stands for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ended {
    number: u64,
    brought_keys: bool,
}

impl Ended {
    /// No fetch follows, because the issuer is no longer trusted.
    const REMOVED: Self = Self {
        number: u64::MAX,
        brought_keys: false,
    };
}

/// How a fetch that requests wait for has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FetchEnd {
    /// It brought keys.
    Keys,
    Failed,
    /// The issuer has been removed meanwhile; another entry may have replaced it.
    Removed,
}

/// The outcome of a request for a missing key.
#[derive(Debug)]
pub(crate) enum KeyRequest {
    /// Other keys have been published since: verify again.
    Arrived,
    /// A fetch that may bring the key is requested or running.
    Fetching(Fetch),
    /// No fetch is made: the key is known to be absent, or no fetch could help.
    Denied,
    /// The last fetch failed; the time until the next retry.
    Failing(Duration),
    /// The refresh budget is spent; the time until the next fetch is allowed.
    Undetermined(Duration),
}

/// A key that a token needs and the issuer's set lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WantedKey {
    /// A hash of the key ID; see `Unverified::key_fingerprint`.
    pub(crate) fingerprint: u64,
    /// The generation of the set that lacks it; 0 where there is no set.
    pub(crate) generation: u64,
    /// Whether the token has a `kid`. Without one, all that is known is that no key verifies its signature.
    pub(crate) is_named: bool,
    /// Whether the checks that do not need the key succeed.
    pub(crate) may_pass: bool,
    pub(crate) purpose: Purpose,
}

/// A requested or running fetch, shared by all requests that wait for it.
#[derive(Debug)]
pub(crate) struct Fetch {
    number: u64,
    /// Whether it began before the key was requested, so that it may have read the set too early.
    pub(crate) is_late: bool,
    ended: watch::Receiver<Ended>,
}

impl Fetch {
    /// Waits until the fetch has ended.
    pub(crate) async fn end(mut self) -> FetchEnd {
        let number = self.number;
        let ended = self.ended.wait_for(|ended| ended.number >= number).await;
        match ended.as_deref() {
            Ok(&Ended::REMOVED) => FetchEnd::Removed,
            Ok(ended) if ended.brought_keys => FetchEnd::Keys,
            _ => FetchEnd::Failed,
        }
    }
}

/// Receives a message after each fetch and when the issuer is removed.
#[derive(Clone, Debug)]
pub(crate) struct KeyChanges(watch::Receiver<Ended>);

impl KeyChanges {
    /// Waits for the next one; `false` if there is none any more.
    pub(crate) async fn next(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}

impl IssuerKeys {
    pub(crate) fn new(issuer: Issuer, id: u64) -> Self {
        let keys = Self {
            id,
            current: ArcSwapOption::empty(),
            discovered: ArcSwapOption::empty(),
            state: Mutex::new(State {
                budget: RefreshBudget::new(issuer.fetching, Instant::now()),
                fetch_state: FetchState::InFlight,
                unknown: NegativeCache::default(),
                unknown_of_events: NegativeCache::default(),
                problem: None,
                noted: Noted::default(),
            }),
            ended: watch::Sender::default(),
            fetch_requested: Notify::new(),
            is_removed: AtomicBool::new(false),
            fetches: FetchCounts::default(),
            issuer,
        };
        keys.report_configuration();
        if let Source::Configured { name, keys: source } = &keys.issuer.source {
            let set = configured(source, &keys.issuer.rules.algorithms, name.clone())
                .map(|set| Arc::new(set.replacing(None, 1)));
            keys.current.store(set);
        }
        keys
    }

    /// What the discovery document offers, if it has been fetched.
    pub(crate) fn discovered(&self) -> Option<Arc<Discovered>> {
        self.discovered.load_full()
    }

    /// The exact value of `iss`, as far as it is known; an issuer of several tenants has none.
    pub(crate) fn name(&self) -> Option<String> {
        if self.issuer.tenants.is_some() {
            return None;
        }
        let current = self.current();
        let named = current.as_ref().map(|set| set.issuer().to_owned());
        let named = named.or_else(|| self.issuer.name().map(str::to_owned));
        named.or_else(|| Some(self.discovered()?.issuer.clone()))
    }

    /// The current key set; `None` until the first one has been fetched.
    pub(crate) fn current(&self) -> Guard<Option<Arc<KeySet>>> {
        self.current.load()
    }

    /// Whether `iss` selects this issuer: exactly once its name is known, before that up to a trailing slash.
    pub(crate) fn is_named(&self, iss: &str) -> bool {
        match &self.issuer.source {
            Source::Discovery {
                name: None,
                base_url,
                ..
            } => match &*self.current() {
                Some(set) => iss == set.issuer(),
                None => discovery::names(iss, base_url),
            },
            Source::Discovery {
                name: Some(name), ..
            }
            | Source::Configured { name, .. } => iss == name && self.issuer.tenants.is_none(),
        }
    }

    /// Whether `iss` names a tenant of this issuer, listed or not.
    pub(crate) fn has_tenant(&self, iss: &str) -> bool {
        let tenants = self.issuer.tenants.as_ref();
        tenants.is_some_and(|tenants| tenants.tenant_of(iss).is_some())
    }

    /// Whether anything is ever fetched for this issuer.
    pub(crate) fn is_fetched(&self) -> bool {
        self.issuer.base_url().is_some()
            || matches!(self.issuer.keys(), Some(KeySource::JwksUri(_)))
    }

    /// Whether anything is ever requested from this issuer: keys, or what it says about tokens.
    pub(crate) fn needs_requests(&self) -> bool {
        self.is_fetched() || self.issuer.introspection.is_some()
    }

    /// The generation of the current key set; 0 if there is none.
    pub(crate) fn generation(&self) -> u64 {
        self.current().as_ref().map_or(0, |set| set.generation())
    }

    /// Requests a key that the set of `wanted.generation` lacks.
    pub(crate) fn request_key(
        &self,
        wanted: WantedKey,
        counters: &Counters,
        now: Instant,
    ) -> KeyRequest {
        let has_set = wanted.generation > 0;
        // Configured keys are complete. Without a set, the fetch is the discovery that has yet to succeed.
        if !self.is_fetched() || (self.is_configured() && has_set) {
            return KeyRequest::Denied;
        }
        if has_set {
            counters.unknown_keys.add(1);
            // A token that would be rejected with any key must not cost a fetch.
            if !wanted.may_pass {
                return KeyRequest::Denied;
            }
        }
        // A set is published under this lock: from here on the generation cannot change unnoticed.
        let mut state = self.state();
        if self.generation() != wanted.generation {
            return KeyRequest::Arrived;
        }
        // Retries begin by themselves. A stalled one takes its whole deadline, so waiting for it only delays the
        // answer; requesting one would let any client set the rate.
        if let Some(pause) = state.budget.failing(now) {
            return KeyRequest::Failing(pause);
        }
        let ended = self.ended.borrow().number;
        if let Err(denied) = state.reserve_fetch(wanted, ended, now) {
            counters.refreshes_denied.add(1);
            return match denied {
                // Without a `kid` there is no key to wait for: the signature is invalid.
                KeyRequest::Undetermined(_) if !wanted.is_named => KeyRequest::Denied,
                denied => denied,
            };
        }
        self.join_fetch(&mut state, counters)
    }

    /// Joins the requested or running fetch; requests one if there is none.
    fn join_fetch(&self, state: &mut State, counters: &Counters) -> KeyRequest {
        let is_late = state.fetch_state == FetchState::InFlight;
        if state.fetch_state == FetchState::Idle {
            state.fetch_state = FetchState::Requested;
            self.fetch_requested.notify_one();
        }
        counters.awaited_keys.add(1);
        // Under the lock, so that the fetch joined here is the next one to end.
        let ended = self.ended.subscribe();
        let number = ended.borrow().number.saturating_add(1);
        KeyRequest::Fetching(Fetch {
            number,
            is_late,
            ended,
        })
    }

    /// Why no keys have been fetched yet; `None` once they have.
    pub(crate) fn unready(&self) -> Option<Unready> {
        let state = self.state();
        let has_keys = self.current().is_some() || state.budget.has_succeeded();
        (!has_keys).then(|| Unready::new(self.issuer.label(), state.problem.as_ref()))
    }

    /// Receives a message when the keys may have changed, after the change.
    pub(crate) fn changes(&self) -> KeyChanges {
        KeyChanges(self.ended.subscribe())
    }

    /// Waits until keys have been fetched once.
    pub(crate) async fn ready(&self) {
        let mut ended = self.ended.subscribe();
        while self.unready().is_some() && !self.is_removed() && ended.changed().await.is_ok() {}
    }

    /// Waits until the first fetch has ended, whether it brought keys or not; at once if nothing is fetched.
    pub(crate) async fn first_fetch(&self) {
        if self.is_fetched() {
            let mut ended = self.ended.subscribe();
            drop(ended.wait_for(|ended| ended.number > 0).await);
        }
    }

    /// Withdraws the keys, so that tokens that they verified are no longer valid, and ends all fetches.
    pub(crate) fn remove(&self) {
        let _publishes = self.state();
        self.is_removed.store(true, Ordering::Release);
        self.current.store(None);
        // Requests that wait for a key find that the issuer is not trusted, or another entry of it.
        self.ended.send_replace(Ended::REMOVED);
        self.fetch_requested.notify_one();
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.is_removed.load(Ordering::Acquire)
    }

    /// The time since the last successful fetch; `None` if there was none, or the keys are configured.
    pub(crate) fn age(&self, now: Instant) -> Option<Duration> {
        self.state().budget.age(now)
    }

    fn report_configuration(&self) {
        if let Some(warning) = self.issuer.warning() {
            log::warn!("keys: {warning}");
        }
        if let Some(KeySource::PublicKeys(keys)) = self.issuer.keys() {
            for error in &keys.skipped {
                let label = self.issuer.label();
                log::warn!("keys: {label}: a configured key is skipped: {error}");
            }
        }
    }

    /// Whether the keys themselves are configured, so that no fetch can bring another.
    fn is_configured(&self) -> bool {
        matches!(
            self.issuer.keys(),
            Some(KeySource::PublicKeys(_) | KeySource::Secret(_))
        )
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `iss` is the issuer's name, or that of one of its tenants; up to a trailing slash where it is discovered.
pub(crate) fn is_issuer(issuer: &Issuer, iss: &str) -> bool {
    if let Some(tenants) = &issuer.tenants {
        return tenants.tenant_of(iss).is_some();
    }
    match &issuer.source {
        Source::Discovery {
            name: None,
            base_url,
            ..
        } => discovery::names(iss, base_url),
        Source::Discovery {
            name: Some(name), ..
        }
        | Source::Configured { name, .. } => name == iss,
    }
}

impl State {
    /// Ensures that a fetch may be made for this key: one is requested or running, or the budget allows one.
    /// `ended` is the number of the last completed fetch.
    fn reserve_fetch(
        &mut self,
        wanted: WantedKey,
        ended: u64,
        now: Instant,
    ) -> Result<(), KeyRequest> {
        // A running fetch may already have read the set, so the fetch after it decides.
        let fetches = 1 + u64::from(self.fetch_state == FetchState::InFlight);
        let next = ended.saturating_add(fetches);
        // Recorded even if a fetch is joined below: its end decides about this key as well.
        let unknown = match wanted.purpose {
            Purpose::AccessTokens => &mut self.unknown,
            Purpose::Events => &mut self.unknown_of_events,
        };
        let is_absent = unknown.is_absent(wanted.fingerprint, next);
        if self.fetch_state != FetchState::Idle || wanted.generation == 0 {
            return Ok(());
        }
        // The set was fetched just now without this key: another fetch would read the same.
        let age = self.budget.age(now);
        if is_absent && age.is_some_and(|age| age < SHORTEST_RECHECK) {
            return Err(KeyRequest::Denied);
        }
        // Taken under the lock and only while no fetch is requested or running, so that one draw is one fetch.
        match self.budget.try_take(wanted.purpose, now) {
            Refresh::Allowed => Ok(()),
            // The fetches that emptied the bucket began within the last cool-down and did not bring this key either.
            Refresh::Denied(_) if is_absent => Err(KeyRequest::Denied),
            Refresh::Denied(wait) => Err(KeyRequest::Undetermined(wait)),
        }
    }
}

/// The least age of a set before it is fetched again for an absent key. A key that is published late must be
/// accepted within a second, so this is less.
const SHORTEST_RECHECK: Duration = Duration::from_millis(500);

/// The set of configured keys, under the issuer's exact name; `None` for keys that are fetched.
fn configured(keys: &KeySource, algorithms: &[Algorithm], name: String) -> Option<KeySet> {
    match keys {
        KeySource::Secret(secret) => Some(KeySet::of_secret(name, secret.as_bytes(), algorithms)),
        KeySource::PublicKeys(keys) => Some(KeySet::of_public_keys(name, &keys.usable)),
        KeySource::JwksUri(_) => None,
    }
}
