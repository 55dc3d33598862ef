//! The key refresher: a thread that fetches the keys of all issuers and publishes them.
//!
//! Timers, the HTTP client and all fetches run here, so that a worker that stops or hangs cannot
//! block requests that wait for a key.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};
use url::Url;

use super::discovery::{DiscoveryError, Expected, Metadata, discover, endpoint_url};
use super::fetch::Client;
use super::fetch_error::{Chain, FetchError};
use super::jwk_set::{self, KeySet, KeySetError};
use super::refresh_budget::RefreshBudget;
use super::root_certificates::RootCertificates;
use super::skipped::Skipped;
use super::{Discovered, Ended, FetchState, IssuerKeys, configured};
use crate::issuer::{KeySource, Source};
use crate::metrics::{Counters, Fetched};

/// Keeps the thread alive; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct KeyRefresher {
    tasks: mpsc::UnboundedSender<Task>,
}

/// A future of the thread.
type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

/// What the thread runs.
enum Task {
    /// Keeps the keys of this issuer fresh.
    Refresh(Arc<IssuerKeys>),
    /// Another task that sends requests to an issuer.
    Request(Box<dyn FnOnce(Arc<Client>) -> LocalFuture + Send>),
}

impl KeyRefresher {
    /// Starts the thread, which fetches the keys of all `issuers` and keeps them fresh;
    /// `roots` are trusted in addition.
    ///
    /// # Errors
    /// The operating system provides no thread or no event queue.
    pub(crate) fn start(
        issuers: impl IntoIterator<Item = Arc<IssuerKeys>>,
        counters: Arc<Counters>,
        roots: RootCertificates,
    ) -> io::Result<Self> {
        let (sender, mut added) = mpsc::unbounded_channel();
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let run = move || {
            // Dropping an unfinished fetch spawns its cleanup, so the runtime must outlive the tasks.
            let _context = runtime.enter();
            let tasks = LocalSet::new();
            let client = Arc::new(Client::trusting(roots));
            tasks.block_on(&runtime, async {
                while let Some(task) = added.recv().await {
                    let client = Arc::clone(&client);
                    match task {
                        Task::Refresh(issuer) => {
                            tasks.spawn_local(refresh(issuer, client, Arc::clone(&counters)))
                        }
                        Task::Request(request) => tasks.spawn_local(request(client)),
                    };
                }
            });
        };
        std::thread::Builder::new()
            .name("keys".to_owned())
            .spawn(run)?;
        let refresher = Self { tasks: sender };
        issuers.into_iter().for_each(|issuer| refresher.add(issuer));
        Ok(refresher)
    }

    /// Fetches the keys of another issuer, too.
    pub(crate) fn add(&self, issuer: Arc<IssuerKeys>) {
        // Fails only if the thread has ended, as the process does.
        let _ = self.tasks.send(Task::Refresh(issuer));
    }

    /// Runs a task that sends requests to an issuer, on the thread and with its client.
    pub(crate) fn run<F: Future<Output = ()> + 'static>(
        &self,
        task: impl FnOnce(Arc<Client>) -> F + Send + 'static,
    ) {
        let task = |client| -> LocalFuture { Box::pin(task(client)) };
        let _ = self.tasks.send(Task::Request(Box::new(task)));
    }
}

/// Fetches the keys of one issuer until it is removed: on a timer, and early if a key is requested.
async fn refresh(issuer: Arc<IssuerKeys>, client: Arc<Client>, counters: Arc<Counters>) {
    // Kept across failures, so that an unchanged set is recognised after an outage.
    let mut published = None;
    loop {
        let begun = Instant::now();
        let deadline = issuer.begin_fetch();
        let fetched = fetch(deadline, &issuer, &client, published.as_ref(), &counters).await;
        let fetched = fetched.map(|fetched| {
            published = fetched.published;
            (fetched.set, fetched.lifetime)
        });
        let pause = issuer.end_fetch(begun, fetched, &counters);
        tokio::select! {
            // A request that coincides with the timer must be consumed here; left over, it would cause a second fetch.
            biased;
            () = issuer.fetch_requested.notified() => {}
            () = sleep(pause) => {}
        }
        if issuer.is_removed() {
            return;
        }
    }
}

/// The set, or `None` if it has not changed, and its lifetime by the response's headers.
type FetchOutcome = Result<(Option<KeySet>, Option<Duration>), FetchFailure>;

/// The result of a successful fetch.
struct FetchedKeys {
    /// `None` if the published set has not changed.
    set: Option<KeySet>,
    lifetime: Option<Duration>,
    published: Option<Published>,
}

/// Identifies the key set fetched last: its issuer, URL and `ETag`.
#[derive(PartialEq, Eq)]
struct Published {
    issuer: String,
    jwks_uri: Url,
    etag: String,
}

/// Fetches once, within the deadline: the discovery document if the issuer has one, then the key set.
async fn fetch(
    deadline: Duration,
    issuer: &IssuerKeys,
    client: &Client,
    published: Option<&Published>,
    counters: &Counters,
) -> Result<FetchedKeys, FetchFailure> {
    timeout(
        deadline,
        discover_and_download(issuer, client, published, counters),
    )
    .await
    .unwrap_or(Err(FetchFailure::Deadline(deadline)))
}

async fn discover_and_download(
    issuer: &IssuerKeys,
    client: &Client,
    published: Option<&Published>,
    counters: &Counters,
) -> Result<FetchedKeys, FetchFailure> {
    let named_set;
    let (name, keys) = match &issuer.issuer.source {
        Source::Configured { name, keys } => (name.clone(), keys),
        Source::Discovery {
            base_url,
            name,
            keys,
        } => {
            let found = document(issuer, client, base_url, name.as_deref()).await?;
            let keys = if let Some(keys) = keys {
                keys
            } else {
                let Some(uri) = found.jwks_uri else {
                    return issuer.without_keys(found.issuer, FetchFailure::NoJwksUri);
                };
                let uri = endpoint_url(&uri, base_url, &issuer.issuer.http_hosts)?;
                named_set = KeySource::JwksUri(uri);
                &named_set
            };
            (name.clone().unwrap_or(found.issuer), keys)
        }
    };
    if let KeySource::JwksUri(uri) = keys {
        let (of, uri) = (name.clone(), uri.clone());
        let downloaded = download(issuer, client, of, uri, published, counters).await;
        return match downloaded {
            Err(FetchFailure::KeySet(KeySetError::Empty)) => {
                issuer.without_keys(name, FetchFailure::KeySet(KeySetError::Empty))
            }
            outcome => outcome,
        };
    }
    Ok(FetchedKeys {
        set: configured(keys, &issuer.issuer.rules.algorithms, name),
        lifetime: None,
        published: None,
    })
}

/// Fetches the discovery document, and publishes what it says beside the keys.
async fn document(
    issuer: &IssuerKeys,
    client: &Client,
    base_url: &Url,
    name: Option<&str>,
) -> Result<Metadata, FetchFailure> {
    let found = discover(client, Expected { base_url, name }).await;
    let found = issuer.note_document(found, |document| &document.issuer)?;
    issuer.publish_discovered(&found, base_url);
    Ok(found)
}

/// Downloads the key set, unless it has not changed since the last download from the same URL.
async fn download(
    issuer: &IssuerKeys,
    client: &Client,
    name: String,
    jwks_uri: Url,
    published: Option<&Published>,
    counters: &Counters,
) -> Result<FetchedKeys, FetchFailure> {
    let known = published
        .filter(|known| known.issuer == name && known.jwks_uri == jwks_uri && issuer.has_keys());
    let etag = known.map(|known| known.etag.as_str());
    let answer = client
        .get(&jwks_uri, etag)
        .await
        .map_err(FetchFailure::KeySetFetch)?;
    let set = match &answer.body {
        Some(body) => Some(read(issuer, name.clone(), body, counters)?),
        None => None,
    };
    let published = answer.etag.map(|etag| Published {
        issuer: name,
        jwks_uri,
        etag,
    });
    Ok(FetchedKeys {
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
    let (set, skipped) = jwk_set::read(name, body)?;
    counters
        .unusable_keys
        .add(u64::try_from(skipped.len()).unwrap_or(u64::MAX));
    issuer.note_skipped(skipped);
    Ok(set)
}

impl IssuerKeys {
    /// Marks a fetch as begun; returns its deadline.
    pub(super) fn begin_fetch(&self) -> Duration {
        let mut state = self.state();
        state.fetch_state = FetchState::InFlight;
        state.budget.deadline()
    }

    /// Publishes the result of a fetch and wakes the requests that wait for it; returns the time until the next one.
    pub(super) fn end_fetch(
        &self,
        begun: Instant,
        fetched: FetchOutcome,
        counters: &Counters,
    ) -> Duration {
        let now = Instant::now();
        // One lock for the whole transition: a request sees the state either before or after this fetch.
        let mut state = self.state();
        if self.is_removed() {
            return Duration::ZERO;
        }
        let number = self.ended.borrow().number.saturating_add(1);
        state.fetch_state = FetchState::Idle;
        let fetched = self.confirm_empty(fetched, &mut state.budget, now);
        state.problem = fetched.as_ref().err().cloned();
        let brought_keys = fetched.is_ok();
        match fetched {
            Ok((set, lifetime)) => {
                counters.count_fetched(Fetched::Keys);
                self.fetches.count(Fetched::Keys);
                self.report(set.as_ref(), &state.noted.skipped, state.budget.is_well());
                if let Some(set) = set {
                    self.publish(set, number);
                }
                // Only after the set is published: a key may be called absent only from a set without it.
                state.unknown.decide(number);
                state.unknown_of_events.decide(number);
                state.budget.succeeded(now, lifetime);
            }
            Err(failure) => {
                counters.count_fetched(Fetched::Nothing);
                self.fetches.count(Fetched::Nothing);
                self.keep_or_withdraw(&failure, &mut state.budget, [begun, now]);
            }
        }
        // Last: a request that is woken finds the new set.
        self.ended.send_replace(Ended {
            number,
            brought_keys,
        });
        state.budget.until_refresh(now).max(SHORTEST_INTERVAL)
    }

    /// Keeps the keys after a failed fetch, unless they are too old.
    fn keep_or_withdraw(
        &self,
        failure: &FetchFailure,
        budget: &mut RefreshBudget,
        [begun, now]: [Instant; 2],
    ) {
        log::warn!("keys: {}: {}", self.issuer.label(), Chain(failure));
        // From the beginning of the fetch, so that a timeout does not lengthen the pause.
        budget.failed(begun);
        if !self.is_configured() && budget.is_stale_beyond_limit(now) {
            self.withdraw();
        }
    }

    /// Turns an empty set into a success once it has come often enough ([`RefreshBudget::is_emptied`]): the issuer
    /// has withdrawn its keys. Until then it is a failure, and the keys in use stay.
    fn confirm_empty(
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

    /// Whether a `304 Not Modified` can refer to the current set. After an empty set the known `ETag` is that of an
    /// older one.
    fn has_keys(&self) -> bool {
        self.current().as_ref().is_some_and(|set| set.len() > 0)
    }

    /// The result where the issuer `name` publishes no keys: an issuer whose tokens are introspected needs none. Keys
    /// that are in use are not replaced; for other issuers it is `failure`.
    fn without_keys(
        &self,
        name: String,
        failure: FetchFailure,
    ) -> Result<FetchedKeys, FetchFailure> {
        if self.issuer.introspection.is_none() || self.has_keys() {
            return Err(failure);
        }
        Ok(FetchedKeys {
            set: self.current().is_none().then(|| KeySet::empty(name)),
            lifetime: None,
            published: None,
        })
    }

    /// Publishes what the discovery document found under `base_url` offers.
    fn publish_discovered(&self, found: &Metadata, base_url: &Url) {
        let endpoint = |text: &Option<String>| {
            endpoint_url(text.as_deref()?, base_url, &self.issuer.http_hosts).ok()
        };
        let introspection = endpoint(&found.introspection_endpoint);
        let is_needed =
            self.issuer.introspection.is_some() && self.issuer.introspection_endpoint.is_none();
        if is_needed && introspection.is_none() {
            log::warn!(
                "keys: {}: its discovery document names no introspection endpoint, or one that may not be called from \
                 here",
                self.issuer.label()
            );
        }
        self.discovered.store(Some(Arc::new(Discovered {
            issuer: found.issuer.clone(),
            introspection,
            offers_signed_introspection: found.offers_signed_introspection,
            authorization: endpoint(&found.authorization_endpoint),
            token: endpoint(&found.token_endpoint),
        })));
    }

    fn publish(&self, set: KeySet, generation: u64) {
        let earlier = self.current.load_full();
        let set = set.replacing(earlier.as_deref(), generation);
        self.current.store(Some(Arc::new(set)));
    }

    /// Drops the keys after a long outage: the issuer may have revoked them since.
    fn withdraw(&self) {
        if self.current.swap(None).is_some() {
            log::error!(
                "keys: {}: the last good keys are too old to be used",
                self.issuer.label()
            );
        }
    }

    /// Logs a success: at `info` if it is the first or ends an outage, else at `debug`; keys of which none can be used
    /// are a warning each time that they are published anew.
    fn report(&self, set: Option<&KeySet>, skipped: &Skipped, was_well: bool) {
        let level = if was_well {
            log::Level::Debug
        } else {
            log::Level::Info
        };
        let label = self.issuer.label();
        let rules = &self.issuer.rules;
        match set.map(|set| set.usable(|algorithm| rules.accepts(algorithm))) {
            Some(0) => log::warn!("keys: {label}: {NONE_FITS}; {skipped}"),
            Some(keys) => log::log!(level, "keys: {label}: {keys} usable, {skipped}"),
            None => log::log!(level, "keys: {label}: unchanged"),
        }
    }
}

/// Of a set whose keys could be used, but not with the algorithms of the settings.
pub(crate) const NONE_FITS: &str = "none of its keys is for an algorithm that is accepted";

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

/// The least time between scheduled fetches, however short the configured lifetime.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::{Issuer, IssuerBuilder};
    use crate::jose::Algorithm;
    use crate::keys::{KeyRequest, Purpose, WantedKey};

    fn keys(issuer: IssuerBuilder) -> IssuerKeys {
        let issuer = issuer.audience("api").longest_outage(Duration::ZERO);
        IssuerKeys::new(issuer.build().expect("an issuer"), 0)
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

    fn request(keys: &IssuerKeys, fingerprint: u64, generation: u64) -> KeyRequest {
        let wanted = WantedKey {
            fingerprint,
            generation,
            is_named: true,
            may_pass: true,
            purpose: Purpose::AccessTokens,
        };
        keys.request_key(wanted, &Counters::default(), Instant::now())
    }

    /// Whether the fetch that a request joins began before it; `None` if it joins none.
    fn is_late(keys: &IssuerKeys, key: u64) -> Option<bool> {
        match request(keys, key, keys.generation()) {
            KeyRequest::Fetching(fetch) => Some(fetch.is_late),
            KeyRequest::Arrived
            | KeyRequest::Denied
            | KeyRequest::Failing(_)
            | KeyRequest::Undetermined(_) => None,
        }
    }

    #[test]
    fn a_fetch_that_began_before_the_request_is_marked_as_late() {
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
    fn a_request_is_never_denied_while_there_are_no_keys() {
        let keys = fetched();
        end(&keys, Ok(set()));
        end(&keys, Err(FetchFailure::NoJwksUri));
        assert!(keys.current().is_none());
        for key in 0..10 {
            let outcome = request(&keys, key, 0);
            assert!(matches!(outcome, KeyRequest::Failing(_)), "{outcome:?}");
        }
    }

    #[test]
    fn keys_are_withdrawn_when_the_set_stays_empty_for_three_refreshes() {
        let at_once = Duration::ZERO;
        for (refresh, withdrawn) in [(at_once, true), (Duration::from_secs(600), false)] {
            let issuer = Issuer::with_jwks_uri("a", "https://a.example/keys");
            let issuer = issuer.audience("api").cache_max_age(refresh);
            let keys = IssuerKeys::new(issuer.build().expect("an issuer"), 0);
            let empty = || end(&keys, Err(FetchFailure::KeySet(KeySetError::Empty)));
            let usable = || keys.current().as_ref().map_or(0, |set| set.len());
            end(&keys, Ok(set()));
            empty();
            end(&keys, Err(FetchFailure::NoJwksUri));
            empty();
            assert_eq!(usable(), 1, "a failed fetch does not count");
            empty();
            assert_eq!(usable(), usize::from(!withdrawn), "{refresh:?}");
            if withdrawn {
                empty();
                assert_eq!((usable(), keys.unready()), (0, None));
                assert!(!keys.has_keys());
                end(&keys, Ok(set()));
                empty();
                assert_eq!(usable(), 1, "new keys reset the count");
            }
        }
    }

    #[test]
    fn an_empty_set_is_a_failure_while_there_are_no_keys() {
        let keys = fetched();
        for _ in 0..5 {
            end(&keys, Err(FetchFailure::KeySet(KeySetError::Empty)));
        }
        assert!(keys.unready().is_some());
    }

    #[test]
    fn fetched_keys_are_dropped_after_an_outage_and_configured_ones_are_kept() {
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
