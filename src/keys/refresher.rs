//! The keys' own thread: fetches for everybody and publishes.
//!
//! Timers, the HTTP client and every fetch live here, so that no worker that stops or hangs can
//! strand those who wait for a key.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};
use url::Url;

use super::discovery::{DiscoveryError, discover, key_set_url};
use super::fetch::Client;
use super::fetch_error::{Chain, FetchError};
use super::jwk_set::{self, KeySet, KeySetError};
use super::refresh_budget::RefreshBudget;
use super::{Ended, FetchState, IssuerKeys, configured};
use crate::issuer::{KeySource, Source};
use crate::metrics::{Counters, Fetched};

/// Keeps the thread alive; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct KeyRefresher {
    _alive: oneshot::Sender<()>,
}

impl KeyRefresher {
    /// Starts to fetch the keys of all `issuers`, and goes on refreshing them.
    ///
    /// # Errors
    /// The operating system gave no thread or no event queue.
    pub(crate) fn start(
        issuers: Vec<Arc<IssuerKeys>>,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        let (alive, dropped) = oneshot::channel();
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let keep = move || {
            // Fetches that are dropped unfinished spawn their cleaning up, so that the runtime must outlast them.
            let _context = runtime.enter();
            let tasks = LocalSet::new();
            let client = Arc::new(Client::default());
            for issuer in issuers {
                tasks.spawn_local(keep(issuer, Arc::clone(&client), Arc::clone(&counters)));
            }
            tasks.block_on(&runtime, async { drop(dropped.await) });
        };
        std::thread::Builder::new()
            .name("keys".to_owned())
            .spawn(keep)?;
        Ok(Self { _alive: alive })
    }
}

async fn keep(issuer: Arc<IssuerKeys>, client: Arc<Client>, counters: Arc<Counters>) {
    let mut published = None;
    loop {
        let begun = Instant::now();
        let deadline = issuer.begin_fetch();
        let fetched = fetch(deadline, &issuer, &client, published.as_ref(), &counters).await;
        let fetched = fetched.map(|brought| {
            published = brought.published;
            (brought.set, brought.lifetime)
        });
        let pause = issuer.end_fetch(begun, fetched, &counters);
        tokio::select! {
            // A call that comes together with the timer must not be left for one fetch more.
            biased;
            () = issuer.called.notified() => {}
            () = sleep(pause) => {}
        }
    }
}

/// The set, unless it has not changed, and for how long its server would have it kept.
type FetchOutcome = Result<(Option<KeySet>, Option<Duration>), FetchFailure>;

/// What a fetch brought.
struct Brought {
    /// `None` when the published set has not changed.
    set: Option<KeySet>,
    lifetime: Option<Duration>,
    published: Option<Published>,
}

/// The key set as it was last taken: where, from whom, and its `ETag`.
#[derive(PartialEq, Eq)]
struct Published {
    issuer: String,
    jwks_uri: Url,
    etag: String,
}

/// One fetch: discovery where it is due, then the key set, all within the deadline.
async fn fetch(
    deadline: Duration,
    issuer: &IssuerKeys,
    client: &Client,
    published: Option<&Published>,
    counters: &Counters,
) -> Result<Brought, FetchFailure> {
    let gathered = timeout(deadline, gather(issuer, client, published, counters)).await;
    gathered.unwrap_or(Err(FetchFailure::Deadline(deadline)))
}

async fn gather(
    issuer: &IssuerKeys,
    client: &Client,
    published: Option<&Published>,
    counters: &Counters,
) -> Result<Brought, FetchFailure> {
    let named_set;
    let (name, keys) = match &issuer.issuer.source {
        Source::Configured { name, keys } => (name.clone(), keys),
        Source::Discovery {
            base_url,
            name,
            keys,
        } => {
            let found = discover(client, base_url).await?;
            let keys = if let Some(keys) = keys {
                keys
            } else {
                let uri = found.jwks_uri.ok_or(FetchFailure::NoJwksUri)?;
                let uri = key_set_url(&uri, base_url, &issuer.issuer.http_hosts)?;
                named_set = KeySource::JwksUri(uri);
                &named_set
            };
            (name.clone().unwrap_or(found.issuer), keys)
        }
    };
    if let KeySource::JwksUri(uri) = keys {
        return download(issuer, client, name, uri.clone(), published, counters).await;
    }
    Ok(Brought {
        set: configured(keys, &issuer.issuer.algorithms, name),
        lifetime: None,
        published: None,
    })
}

/// The key set, or that it has not changed since it was last taken from there.
async fn download(
    issuer: &IssuerKeys,
    client: &Client,
    name: String,
    jwks_uri: Url,
    published: Option<&Published>,
    counters: &Counters,
) -> Result<Brought, FetchFailure> {
    let known = published
        .filter(|known| known.issuer == name && known.jwks_uri == jwks_uri && issuer.has_keys());
    let etag = known.map(|known| known.etag.as_str());
    let answer = client.get(&jwks_uri, etag).await;
    let answer = answer.map_err(FetchFailure::KeySetFetch)?;
    let set = match &answer.body {
        Some(body) => Some(read(issuer, name.clone(), body, counters)?),
        None => None,
    };
    let published = answer.etag.map(|etag| Published {
        issuer: name,
        jwks_uri,
        etag,
    });
    Ok(Brought {
        set,
        lifetime: answer.lifetime,
        published,
    })
}

fn read(
    issuer: &IssuerKeys,
    name: String,
    body: &[u8],
    counters: &Counters,
) -> Result<KeySet, FetchFailure> {
    let (set, unusable) = jwk_set::read(name, body)?;
    counters.count_unusable_keys(u64::try_from(unusable.len()).unwrap_or(u64::MAX));
    for error in &unusable {
        log::debug!(
            "keys: {}: a published key is passed over: {error}",
            issuer.issuer.label()
        );
    }
    Ok(set)
}

impl IssuerKeys {
    /// Notes that a fetch begins, and says what it may take.
    pub(super) fn begin_fetch(&self) -> Duration {
        let mut state = self.state();
        state.fetch_state = FetchState::InFlight;
        state.budget.deadline()
    }

    /// Publishes what a fetch brought, wakes those who wait for it, and says when the next one is due.
    pub(super) fn end_fetch(
        &self,
        begun: Instant,
        fetched: FetchOutcome,
        counters: &Counters,
    ) -> Duration {
        let now = Instant::now();
        let mut state = self.state();
        let number = self.ended.borrow().number.saturating_add(1);
        state.fetch_state = FetchState::Idle;
        let fetched = self.believe_empty(fetched, &mut state.budget, now);
        state.problem = fetched.as_ref().err().cloned();
        let brought_keys = fetched.is_ok();
        match fetched {
            Ok((set, lifetime)) => {
                counters.count_fetched(Fetched::Keys);
                self.report(set.as_ref(), state.budget.is_well());
                if let Some(set) = set {
                    self.publish(set, number);
                }
                // Under the lock and after the set is published: whoever finds a key absent has seen this set.
                state.unknown.decide(number);
                state.budget.succeeded(now, lifetime);
            }
            Err(failure) => {
                counters.count_fetched(Fetched::Nothing);
                log::warn!("keys: {}: {}", self.issuer.label(), Chain(&failure));
                state.budget.failed(begun);
                if !self.is_configured() && state.budget.is_stale_beyond_limit(now) {
                    self.withdraw();
                }
            }
        }
        self.ended.send_replace(Ended {
            number,
            brought_keys,
        });
        state.budget.until_refresh(now).max(SHORTEST_INTERVAL)
    }

    /// Takes an empty set for the issuer's word, where it has come often enough, so that its keys are withdrawn.
    fn believe_empty(
        &self,
        fetched: FetchOutcome,
        budget: &mut RefreshBudget,
        now: Instant,
    ) -> FetchOutcome {
        let current = self.current();
        let (Err(FetchFailure::KeySet(KeySetError::Empty)), Some(set)) = (&fetched, &*current)
        else {
            return fetched;
        };
        if !self.has_keys() {
            return Ok((None, None));
        }
        if !budget.is_emptied(now) {
            return fetched;
        }
        log::error!(
            "keys: {}: its key set has been empty three refreshes in a row: its keys are withdrawn",
            self.issuer.label()
        );
        Ok((Some(KeySet::empty(set.issuer().to_owned())), None))
    }

    /// Whether there is a set that an answer of "unchanged" may stand for. After an empty one, the set that the answer
    /// compares with is an older one.
    fn has_keys(&self) -> bool {
        self.current().as_ref().is_some_and(|set| set.len() > 0)
    }

    fn publish(&self, set: KeySet, generation: u64) {
        let earlier = self.current.load_full();
        let set = set.succeeding(earlier.as_deref(), generation);
        self.current.store(Some(Arc::new(set)));
    }

    /// Gives the last good keys up: nobody knows any more whether they are still good.
    fn withdraw(&self) {
        if self.current.swap(None).is_some() {
            log::error!(
                "keys: {}: the last good keys are too old to be used",
                self.issuer.label()
            );
        }
    }

    /// Tells of the first success and of each that ends a failure; the others are the usual thing.
    fn report(&self, set: Option<&KeySet>, was_well: bool) {
        let level = if was_well {
            log::Level::Debug
        } else {
            log::Level::Info
        };
        let label = self.issuer.label();
        match set.map(KeySet::len) {
            Some(keys) => log::log!(level, "keys: {label}: {keys} usable"),
            None => log::log!(level, "keys: {label}: unchanged"),
        }
    }
}

/// Why a fetch brought no keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FetchFailure {
    #[error("its keys did not come within {0:?}")]
    Deadline(Duration),
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    #[error(transparent)]
    KeySet(#[from] KeySetError),
    #[error("its key set could not be fetched")]
    KeySetFetch(#[source] FetchError),
    #[error("its discovery document names no jwks_uri")]
    NoJwksUri,
}

/// However short the configured age, fetches that nobody asked for are this far apart.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::{Issuer, IssuerBuilder};
    use crate::jose::Algorithm;
    use crate::keys::{KeyRequest, WantedKey};

    fn keys(issuer: IssuerBuilder) -> IssuerKeys {
        let issuer = issuer.audience("api").longest_outage(Duration::ZERO);
        IssuerKeys::new(issuer.build().expect("an issuer"))
    }

    fn fetched() -> IssuerKeys {
        keys(Issuer::with_jwks_uri("a", "https://a.example/keys"))
    }

    fn set() -> KeySet {
        KeySet::of_secret("a".to_owned(), b"secret", &[Algorithm::Hs256])
    }

    fn end(keys: &IssuerKeys, fetched: Result<KeySet, FetchFailure>) {
        let fetched = fetched.map(|set| (Some(set), None));
        keys.end_fetch(Instant::now(), fetched, &Counters::default());
    }

    fn wish(keys: &IssuerKeys, fingerprint: u64, generation: u64) -> KeyRequest {
        let wanted = WantedKey {
            fingerprint,
            generation,
            is_named: true,
            may_pass: true,
        };
        keys.request_key(wanted, &Counters::default(), Instant::now())
    }

    /// Whether the fetch that a wish is answered with had begun before; `None` where there is none.
    fn is_late(keys: &IssuerKeys, key: u64) -> Option<bool> {
        match wish(keys, key, keys.generation()) {
            KeyRequest::Fetching(fetch) => Some(fetch.is_late),
            KeyRequest::Arrived
            | KeyRequest::Denied
            | KeyRequest::Failing(_)
            | KeyRequest::Undetermined(_) => None,
        }
    }

    #[test]
    fn a_fetch_that_had_begun_before_the_wish_is_told_from_one_that_is_made_for_it() {
        let keys = fetched();
        assert_eq!(is_late(&keys, 1), Some(true));
        end(&keys, Ok(set()));
        assert_eq!(
            [is_late(&keys, 1), is_late(&keys, 2)],
            [Some(false), Some(false)]
        );
        keys.begin_fetch();
        assert_eq!(is_late(&keys, 3), Some(true));
    }

    #[test]
    fn without_any_keys_a_wish_is_never_denied() {
        let keys = fetched();
        end(&keys, Ok(set()));
        end(&keys, Err(FetchFailure::NoJwksUri));
        assert!(keys.current().is_none());
        for key in 0..10 {
            let wish = wish(&keys, key, 0);
            assert!(matches!(wish, KeyRequest::Failing(_)), "{wish:?}");
        }
    }

    #[test]
    fn keys_are_withdrawn_when_the_set_stays_empty_for_three_refreshes() {
        let at_once = Duration::ZERO;
        for (refresh, withdrawn) in [(at_once, true), (Duration::from_secs(600), false)] {
            let issuer = Issuer::with_jwks_uri("a", "https://a.example/keys");
            let issuer = issuer.audience("api").cache_max_age(refresh);
            let keys = IssuerKeys::new(issuer.build().expect("an issuer"));
            let empty = || end(&keys, Err(FetchFailure::KeySet(KeySetError::Empty)));
            let usable = || keys.current().as_ref().map_or(0, |set| set.len());
            end(&keys, Ok(set()));
            empty();
            end(&keys, Err(FetchFailure::NoJwksUri));
            empty();
            assert_eq!(usable(), 1, "a failed fetch says nothing");
            empty();
            assert_eq!(usable(), usize::from(!withdrawn), "{refresh:?}");
            if withdrawn {
                empty();
                assert_eq!((usable(), keys.problem()), (0, None));
                assert!(!keys.has_keys());
                end(&keys, Ok(set()));
                empty();
                assert_eq!(usable(), 1, "keys that come again count afresh");
            }
        }
    }

    #[test]
    fn without_keys_an_empty_set_is_no_success() {
        let keys = fetched();
        for _ in 0..5 {
            end(&keys, Err(FetchFailure::KeySet(KeySetError::Empty)));
        }
        assert!(keys.problem().is_some());
    }

    #[test]
    fn fetched_keys_are_given_up_after_an_outage_and_configured_ones_are_not() {
        let secret = "s".repeat(32);
        let configured = Issuer::discover("https://a.example/").secret(&secret);
        let configured = keys(configured.algorithms([Algorithm::Hs256]));
        for (keys, kept) in [(fetched(), false), (configured, true)] {
            end(&keys, Ok(set()));
            end(&keys, Err(FetchFailure::NoJwksUri));
            assert_eq!(keys.current().is_some(), kept);
        }
    }
}
