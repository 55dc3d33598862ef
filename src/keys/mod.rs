//! Key wanted → the issuer's key; a thread of its own fetches.
//!
//! Finding a key reads an atomic pointer and never waits. A key that is not there is asked for
//! ([`IssuerKeys::wanted`]), and everybody who waits for it waits for the same fetch.

mod cache_control;
pub(crate) mod discovery;
pub(crate) mod fetch;
pub(crate) mod fetch_error;
pub(crate) mod jwk_set;
mod members;
mod negative_cache;
pub(crate) mod refresh_budget;
mod refresher;
mod reused;
#[cfg(test)]
mod tests;
mod unready;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwapOption, Guard};
use tokio::sync::{Notify, watch};

use crate::issuer::{Issuer, KeySource, Source};
use crate::jose::Algorithm;
use crate::metrics::Counters;
use jwk_set::KeySet;
use negative_cache::NegativeCache;
use refresh_budget::{Refresh, RefreshBudget};
pub(crate) use refresher::{FetchFailure, KeyRefresher};
pub(crate) use unready::Problem;
pub use unready::UnreadyReason;

/// The keys of one issuer, for all workers.
#[derive(Debug)]
pub(crate) struct IssuerKeys {
    pub(crate) issuer: Issuer,
    current: ArcSwapOption<KeySet>,
    state: Mutex<State>,
    /// The number of the last fetch that has ended, and whether it brought keys.
    ended: watch::Sender<Ended>,
    called: Notify,
}

#[derive(Debug)]
struct State {
    budget: RefreshBudget,
    fetch_state: FetchState,
    unknown: NegativeCache,
    problem: Option<FetchFailure>,
}

/// Whether there is a fetch that somebody who wants a key can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FetchState {
    /// None.
    Idle,
    /// One is called for, and begins at once.
    Requested,
    /// One has begun, and may have read the set before the key was in it.
    InFlight,
}

#[derive(Clone, Copy, Debug, Default)]
struct Ended {
    number: u64,
    brought_keys: bool,
}

/// What becomes of a wish for a key.
#[derive(Debug)]
pub(crate) enum KeyRequest {
    /// Other keys have come meanwhile: look again.
    Arrived,
    /// A fetch is under way.
    Fetching(Fetch),
    /// None is made for it: the key is absent, or none could help.
    Denied,
    /// The last fetch failed; the next retry begins after this time.
    Failing(Duration),
    /// Too many were made to look for the key now; the next one is allowed after this time.
    Undetermined(Duration),
}

/// A key that a token needs and the issuer's set lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WantedKey {
    /// Stands for the key ID.
    pub(crate) fingerprint: u64,
    /// The generation of the set that lacks it; 0 where there is no set.
    pub(crate) generation: u64,
    /// Whether the token names it: of one that names none, a signature that does not hold is all that is known.
    pub(crate) is_named: bool,
    /// Whether all that can be judged without the key would pass.
    pub(crate) may_pass: bool,
}

/// A fetch that many may wait for.
#[derive(Debug)]
pub(crate) struct Fetch {
    number: u64,
    /// Whether it had begun before the key was wished for.
    pub(crate) is_late: bool,
    ended: watch::Receiver<Ended>,
}

impl Fetch {
    /// Waits until the fetch has ended, and says whether it brought keys.
    pub(crate) async fn brought_keys(mut self) -> bool {
        let number = self.number;
        let ended = self.ended.wait_for(|ended| ended.number >= number).await;
        ended.is_ok_and(|ended| ended.brought_keys)
    }
}

impl IssuerKeys {
    pub(crate) fn new(issuer: Issuer) -> Self {
        let keys = Self {
            current: ArcSwapOption::empty(),
            state: Mutex::new(State {
                budget: RefreshBudget::new(issuer.fetching, Instant::now()),
                fetch_state: FetchState::InFlight,
                unknown: NegativeCache::default(),
                problem: None,
            }),
            ended: watch::Sender::default(),
            called: Notify::new(),
            issuer,
        };
        keys.report_configuration();
        if let Source::Configured { name, keys: source } = &keys.issuer.source {
            let set = configured(source, &keys.issuer.algorithms, name.clone());
            let set = set.map(|set| set.succeeding(None, 1));
            keys.current.store(set.map(Arc::new));
        }
        keys
    }

    /// The keys as they are now; `None` until they have been had once.
    pub(crate) fn current(&self) -> Guard<Option<Arc<KeySet>>> {
        self.current.load()
    }

    /// Whether `iss` selects this issuer: to the letter once its name is known, before that up to a trailing slash.
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
            | Source::Configured { name, .. } => iss == name,
        }
    }

    /// Whether anything is ever fetched for this issuer.
    pub(crate) fn is_fetched(&self) -> bool {
        self.issuer.base_url().is_some()
            || matches!(self.issuer.keys(), Some(KeySource::JwksUri(_)))
    }

    /// Which of its key sets the issuer is at; 0 before the first.
    pub(crate) fn generation(&self) -> u64 {
        self.current().as_ref().map_or(0, |set| set.generation())
    }

    /// Asks for a key that was not in the set of a generation.
    pub(crate) fn request_key(
        &self,
        wanted: WantedKey,
        counters: &Counters,
        now: Instant,
    ) -> KeyRequest {
        let has_set = wanted.generation > 0;
        if !self.is_fetched() || (self.is_configured() && has_set) {
            return KeyRequest::Denied;
        }
        if has_set {
            counters.count_unknown_key();
            if !wanted.may_pass {
                return KeyRequest::Denied;
            }
        }
        let mut state = self.state();
        if self.generation() != wanted.generation {
            return KeyRequest::Arrived;
        }
        // A stalled retry takes its whole deadline, and each retry begins by itself: waiting for one would gain
        // nothing but seconds, and calling for one would let any client set the pace.
        if let Some(pause) = state.budget.failing(now) {
            return KeyRequest::Failing(pause);
        }
        let ended = self.ended.borrow().number;
        if let Err(refused) = state.look_for(wanted, ended, now) {
            counters.count_refresh_denied();
            return match refused {
                KeyRequest::Undetermined(_) if !wanted.is_named => KeyRequest::Denied,
                refused => refused,
            };
        }
        self.join_fetch(&mut state, counters)
    }

    /// The fetch that is under way or requested; requests one where there is none.
    fn join_fetch(&self, state: &mut State, counters: &Counters) -> KeyRequest {
        let is_late = state.fetch_state == FetchState::InFlight;
        if state.fetch_state == FetchState::Idle {
            state.fetch_state = FetchState::Requested;
            self.called.notify_one();
        }
        counters.count_awaited_key();
        let ended = self.ended.subscribe();
        let number = ended.borrow().number.saturating_add(1);
        KeyRequest::Fetching(Fetch {
            number,
            is_late,
            ended,
        })
    }

    /// Why keys have never been had so far; `None` once they have.
    pub(crate) fn problem(&self) -> Option<Problem> {
        let state = self.state();
        if self.current().is_some() || state.budget.has_succeeded() {
            return None;
        }
        let failed = state.problem.clone().map(Problem::Failed);
        Some(failed.unwrap_or(Problem::Fetching))
    }

    /// Waits until keys have been had.
    pub(crate) async fn ready(&self) {
        let mut ended = self.ended.subscribe();
        while self.problem().is_some() && ended.changed().await.is_ok() {}
    }

    /// How long ago keys last came; `None` where they never did, or are configured.
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

impl State {
    /// Whether there is a fetch for this key, or one may be called for, after `ended` of them have ended.
    fn look_for(&mut self, wanted: WantedKey, ended: u64, now: Instant) -> Result<(), KeyRequest> {
        // A fetch that is under way may have read the set already, so that the one after it decides.
        let fetches = 1 + u64::from(self.fetch_state == FetchState::InFlight);
        let next = ended.saturating_add(fetches);
        let is_absent = self.unknown.is_absent(wanted.fingerprint, next);
        if self.fetch_state != FetchState::Idle || wanted.generation == 0 {
            return Ok(());
        }
        let age = self.budget.age(now);
        if is_absent && age.is_some_and(|age| age < SHORTEST_RECHECK) {
            return Err(KeyRequest::Denied);
        }
        // The budget is spent here alone, under the lock and with no fetch under way, so that one draw is one fetch.
        match self.budget.try_take(now) {
            Refresh::Allowed => Ok(()),
            // Whatever emptied the bucket was drawn within the last cool-down, and has looked for this key too.
            Refresh::Denied(_) if is_absent => Err(KeyRequest::Denied),
            Refresh::Denied(wait) => Err(KeyRequest::Undetermined(wait)),
        }
    }
}

/// A key that was absent is looked for again only after this time: less than the second within which a key
/// that is published late must be accepted.
const SHORTEST_RECHECK: Duration = Duration::from_millis(500);

/// The keys that are configured rather than fetched, under the issuer's exact name.
fn configured(keys: &KeySource, algorithms: &[Algorithm], name: String) -> Option<KeySet> {
    match keys {
        KeySource::Secret(secret) => Some(KeySet::of_secret(name, secret.as_bytes(), algorithms)),
        KeySource::PublicKeys(keys) => Some(KeySet::of_public_keys(name, &keys.usable)),
        KeySource::JwksUri(_) => None,
    }
}
