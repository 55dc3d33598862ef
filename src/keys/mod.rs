//! Key wanted → the issuer's key; a thread of its own fetches.
//!
//! Finding a key reads an atomic pointer and never waits. A key that is not there is asked for
//! ([`IssuerKeys::wanted`]), and everybody who waits for it waits for the same fetch.

mod absent;
pub(crate) mod discovery;
pub(crate) mod document;
pub(crate) mod fetch;
pub(crate) mod fetch_error;
pub(crate) mod freshness;
mod keeper;
mod lifetime;
mod members;
mod reused;
mod unready;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwapOption, Guard};
use tokio::sync::{Notify, watch};

use crate::counters::Counters;
use crate::issuer::{Issuer, KeySource, Name};
use absent::Absent;
use document::KeySet;
use freshness::{Freshness, Refresh};
pub(crate) use keeper::{FetchFailure, Keeper};
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
    freshness: Freshness,
    flight: Flight,
    absent: Absent,
    problem: Option<FetchFailure>,
}

/// Whether there is a fetch that somebody who wants a key can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flight {
    /// None.
    Grounded,
    /// One is called for, and begins at once.
    CalledFor,
    /// One has begun, and may have read the set before the key was in it.
    UnderWay,
}

#[derive(Clone, Copy, Debug, Default)]
struct Ended {
    number: u64,
    brought_keys: bool,
}

/// What becomes of a wish for a key.
#[derive(Debug)]
pub(crate) enum Wish {
    /// Other keys have come meanwhile: look again.
    Arrived,
    /// A fetch is under way.
    Fetching(Fetch),
    /// None is made for it: too many were, or none could help.
    Denied,
    /// The last fetch failed a moment ago.
    Failing(Duration),
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
                freshness: Freshness::new(issuer.fetching, Instant::now()),
                flight: Flight::UnderWay,
                absent: Absent::default(),
                problem: None,
            }),
            ended: watch::Sender::default(),
            called: Notify::new(),
            issuer,
        };
        keys.report_configuration();
        if let (Name::Fixed(name), None) = (&keys.issuer.name, &keys.issuer.discovery) {
            let set = configured(&keys.issuer, name.clone()).map(|set| set.succeeding(None, 1));
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
        if let Name::Fixed(name) = &self.issuer.name {
            return iss == name;
        }
        match (&*self.current(), &self.issuer.discovery) {
            (Some(set), _) => iss == set.issuer(),
            (None, Some(base)) => discovery::names(iss, base),
            (None, None) => false,
        }
    }

    /// Whether anything is ever fetched for this issuer.
    pub(crate) fn is_fetched(&self) -> bool {
        self.issuer.discovery.is_some() || matches!(self.issuer.keys, KeySource::JwksUri(_))
    }

    /// Which of its key sets the issuer is at; 0 before the first.
    pub(crate) fn edition(&self) -> u64 {
        self.current().as_ref().map_or(0, |set| set.edition())
    }

    /// Asks for a key that was not in the set of this edition; `key` stands for its name.
    pub(crate) fn wanted(&self, key: u64, edition: u64, counters: &Counters, now: Instant) -> Wish {
        if !self.is_fetched() || (self.is_configured() && edition > 0) {
            return Wish::Denied;
        }
        let mut state = self.state();
        if self.edition() != edition {
            return Wish::Arrived;
        }
        if edition > 0 {
            counters.count_unknown_key();
        }
        let is_late = state.flight == Flight::UnderWay;
        if state.flight == Flight::Grounded {
            match state.refresh(key, edition, now) {
                Refresh::Allowed => {}
                Refresh::Denied => {
                    counters.count_refresh_denied();
                    return Wish::Denied;
                }
                Refresh::Failing(pause) => return Wish::Failing(pause),
            }
            state.flight = Flight::CalledFor;
            self.called.notify_one();
        }
        counters.count_awaited_key();
        let ended = self.ended.subscribe();
        let number = ended.borrow().number.saturating_add(1);
        Wish::Fetching(Fetch {
            number,
            is_late,
            ended,
        })
    }

    /// Whether a token that names this key is lost for now: the set is there without it, and no fetch may be
    /// spent on it; `key` stands for its name.
    pub(crate) fn cannot_have(&self, id: &str, key: u64, now: Instant) -> bool {
        let lacks = |set: &Arc<KeySet>| set.may_lack_key(Some(id));
        let is_lacking = || self.current().as_ref().is_some_and(lacks);
        if !self.is_fetched() || self.is_configured() || !is_lacking() {
            return false;
        }
        let mut state = self.state();
        // A fetch may have ended since, and nothing is published while the state is held.
        is_lacking()
            && state.flight == Flight::Grounded
            && (state.absent.holds(key, now) || state.freshness.is_spent(now))
    }

    /// Remembers for a moment that a fetch did not bring this key.
    pub(crate) fn still_missing(&self, key: u64, now: Instant) {
        self.state().absent.add(key, now);
    }

    /// Why keys have never been had so far; `None` once they have.
    pub(crate) fn problem(&self) -> Option<Problem> {
        let state = self.state();
        if self.current().is_some() || state.freshness.has_succeeded() {
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
        self.state().freshness.age(now)
    }

    fn report_configuration(&self) {
        if let Some(warning) = self.issuer.warning() {
            log::warn!("keys: {warning}");
        }
        if let KeySource::PublicKeys(keys) = &self.issuer.keys {
            for error in &keys.skipped {
                let label = self.issuer.label();
                log::warn!("keys: {label}: a configured key is skipped: {error}");
            }
        }
    }

    /// Whether the keys themselves are configured, so that no fetch can bring another.
    fn is_configured(&self) -> bool {
        matches!(
            self.issuer.keys,
            KeySource::PublicKeys(_) | KeySource::Secret(_)
        )
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether a fetch may be spent on this key.
    fn refresh(&mut self, key: u64, edition: u64, now: Instant) -> Refresh {
        if edition == 0 {
            self.freshness.first(now)
        } else if self.absent.holds(key, now) {
            Refresh::Denied
        } else {
            self.freshness.draw(now)
        }
    }
}

/// The keys that are configured rather than fetched, under the issuer's exact name.
fn configured(issuer: &Issuer, name: String) -> Option<KeySet> {
    match &issuer.keys {
        KeySource::Secret(secret) => Some(KeySet::of_secret(
            name,
            secret.as_bytes(),
            &issuer.algorithms,
        )),
        KeySource::PublicKeys(keys) => Some(KeySet::of_public_keys(name, &keys.usable)),
        KeySource::Discovered | KeySource::JwksUri(_) => None,
    }
}
