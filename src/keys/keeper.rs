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

use super::discovery::{DiscoveryError, Metadata, discover};
use super::document::{self, KeySet, KeySetError};
use super::fetch::{Client, FetchError};
use super::{Ended, IssuerKeys, configured};
use crate::counters::{Counters, Fetched};
use crate::issuer::{KeySource, Name};

/// Keeps the thread alive; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Keeper {
    _alive: oneshot::Sender<()>,
}

impl Keeper {
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
    loop {
        issuer.state().fetching = true;
        let fetched = fetch(&issuer, &client, &counters).await;
        let pause = issuer.end_fetch(fetched, &counters);
        tokio::select! {
            // A call that comes together with the timer must not be left for one fetch more.
            biased;
            () = issuer.called.notified() => {}
            () = sleep(pause) => {}
        }
    }
}

/// One fetch: discovery where it is due, then the key set, all within the deadline.
async fn fetch(
    issuer: &IssuerKeys,
    client: &Client,
    counters: &Counters,
) -> Result<KeySet, FetchFailure> {
    let deadline = issuer.issuer.fetching.timeout;
    timeout(deadline, gather(issuer, client, counters))
        .await
        .unwrap_or(Err(FetchFailure::Deadline(deadline)))
}

async fn gather(
    issuer: &IssuerKeys,
    client: &Client,
    counters: &Counters,
) -> Result<KeySet, FetchFailure> {
    let metadata = match &issuer.issuer.discovery {
        Some(base) => Some(discover(client, base).await?),
        None => None,
    };
    let name = name(issuer, metadata.as_ref())?;
    if let Some(set) = configured(&issuer.issuer, name.clone()) {
        return Ok(set);
    }
    let jwks_uri = match &issuer.issuer.keys {
        KeySource::JwksUri(uri) => Some(uri.clone()),
        _ => metadata.and_then(|found| found.jwks_uri),
    };
    let jwks_uri = jwks_uri.ok_or(FetchFailure::NoJwksUri)?;
    let body = client
        .get(&jwks_uri)
        .await
        .map_err(FetchFailure::KeySetFetch)?;
    let (set, unusable) = document::read(name, &body)?;
    counters.count_unusable_keys(u64::try_from(unusable.len()).unwrap_or(u64::MAX));
    for error in &unusable {
        log::debug!(
            "keys: {}: a published key is passed over: {error}",
            issuer.issuer.label()
        );
    }
    Ok(set)
}

fn name(issuer: &IssuerKeys, metadata: Option<&Metadata>) -> Result<String, FetchFailure> {
    match (&issuer.issuer.name, metadata) {
        (Name::Fixed(name), _) => Ok(name.clone()),
        (Name::Discovered, Some(found)) => Ok(found.issuer.clone()),
        (Name::Discovered, None) => Err(FetchFailure::NoJwksUri),
    }
}

impl IssuerKeys {
    /// Publishes what a fetch brought, wakes those who wait for it, and says when the next one is due.
    fn end_fetch(&self, fetched: Result<KeySet, FetchFailure>, counters: &Counters) -> Duration {
        let label = self.issuer.label();
        let failure = fetched.as_ref().err().copied();
        match fetched {
            Ok(set) => {
                counters.count_fetched(Fetched::Keys);
                log::log!(
                    self.level_of_success(),
                    "keys: {label}: {} usable keys",
                    set.len()
                );
                let earlier = self.current.load_full();
                self.current
                    .store(Some(Arc::new(set.succeeding(earlier.as_deref()))));
            }
            Err(failure) => {
                counters.count_fetched(Fetched::Nothing);
                log::warn!("keys: {label}: {failure}");
            }
        }
        let now = Instant::now();
        let mut state = self.state();
        state.fetching = false;
        state.problem = failure;
        match failure {
            None => state.freshness.succeeded(now),
            Some(_) => state.freshness.failed(now),
        }
        self.ended.send_modify(|ended| {
            *ended = Ended {
                number: ended.number.saturating_add(1),
                brought_keys: failure.is_none(),
            };
        });
        state.freshness.until_refresh(now).max(SHORTEST_INTERVAL)
    }

    fn level_of_success(&self) -> log::Level {
        if self.state().freshness.is_well() {
            log::Level::Debug
        } else {
            log::Level::Info
        }
    }
}

/// Why a fetch brought no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FetchFailure {
    #[error("its keys did not come within {0:?}")]
    Deadline(Duration),
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    #[error(transparent)]
    KeySet(#[from] KeySetError),
    #[error("its key set could not be fetched: {0}")]
    KeySetFetch(FetchError),
    #[error("its discovery document names no jwks_uri")]
    NoJwksUri,
}

/// However short the configured age, fetches that nobody asked for are this far apart.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(250);
