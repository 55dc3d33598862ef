//! Revocation: tokens that are rejected before they expire, because their user, session or the token itself was revoked.
//!
//! What is kept are cut-offs, not tokens. A token that was checked against the current cut-offs remembers their generation,
//! so that a request with a cached token costs one comparison.

mod cut_off;
#[cfg(feature = "redis")]
mod redis;
mod table;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tokio::sync::watch;

pub use cut_off::CutOff;
use cut_off::Kept;
pub(crate) use cut_off::{RevocableClaims, RevocationKeys};
use table::{Full, Table};

#[cfg(feature = "redis")]
use crate::redis_client::RedisError;

/// The revocations that a [`Verifier`](crate::Verifier) honours; clones share their contents.
///
/// See [`VerifierBuilder::revocations`](crate::verifier::VerifierBuilder::revocations).
#[derive(Clone, Debug)]
pub struct Revocations(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// That of the table; [`UNKNOWN`] while cut-offs may be missing. Changed under the lock of the table.
    generation: AtomicU64,
    table: RwLock<Contents>,
    /// Wakes streams whose access may have ended.
    changed: watch::Sender<()>,
    /// Whether tokens are accepted while cut-offs may be missing.
    accepts_unchecked: AtomicBool,
    #[cfg(feature = "redis")]
    redis: Option<redis::Redis>,
}

#[derive(Debug)]
struct Contents {
    table: Table,
    /// Grows with each change.
    generation: u64,
    /// Whether no cut-off is missing.
    is_complete: bool,
}

/// Whether a token is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RevocationStatus {
    /// By none of the cut-offs of this generation.
    Unrevoked(u64),
    Revoked,
    /// The store is unavailable, and cut-offs may be missing.
    Unknown,
}

/// Why nothing was revoked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// The verifier was built without [`Revocations`].
    #[error("no store of revocations is configured")]
    NotConfigured,
    /// No trusted issuer has this name.
    #[error("the issuer is not trusted")]
    UnknownIssuer,
    /// The cut-off is later than now, beyond the tolerance for the issuer's clock.
    #[error("the time of the cut-off is in the future")]
    InFuture,
    /// The store holds as many cut-offs as it may, and drops none for others.
    #[error("the store of revocations is full")]
    Full,
    /// The store is unavailable.
    #[error("the store of revocations is unavailable")]
    Unavailable,
}

impl Revocations {
    /// The default number of cut-offs that are kept; they take about 10 MiB.
    pub const MOST: usize = 100_000;

    /// Revocations in this process, at most `most` at a time.
    ///
    /// A cut-off is never dropped for another one: while the store is full, new ones are rejected. After a restart it is
    /// empty.
    #[must_use]
    pub fn in_memory(most: usize) -> Self {
        Self(Arc::new(Shared {
            table: RwLock::new(Contents {
                table: Table::new(most),
                generation: FIRST,
                is_complete: true,
            }),
            generation: AtomicU64::new(FIRST),
            changed: watch::Sender::default(),
            accepts_unchecked: AtomicBool::new(false),
            #[cfg(feature = "redis")]
            redis: None,
        }))
    }

    /// Revocations in Redis, at most `most` at a time, for all replicas that use it with the same prefix. Each replica keeps
    /// all of them, and learns of new ones at once.
    ///
    /// While Redis is unavailable for longer than 0.8 s, and before it has been reached for the first time, requests get 503,
    /// because revocations may be missing; see [`accept_unchecked`](Self::accept_unchecked). Redis must not evict
    /// (`maxmemory-policy noeviction`), and must know RESP3 (Redis 6). What it loses by a restart is written again by replicas
    /// that know it.
    ///
    /// # Errors
    /// The URL is not one of `redis://` or `rediss://`, or the thread cannot be started.
    #[cfg(feature = "redis")]
    pub fn in_redis(url: &str, prefix: &str, most: usize) -> Result<Self, RedisError> {
        let (redis, not_started) = redis::Redis::new(url, prefix, most)?;
        let revocations = Self(Arc::new(Shared {
            table: RwLock::new(Contents {
                table: Table::new(most),
                generation: FIRST,
                is_complete: false,
            }),
            generation: AtomicU64::new(UNKNOWN),
            changed: watch::Sender::default(),
            accepts_unchecked: AtomicBool::new(false),
            redis: Some(redis),
        }));
        not_started.start(&revocations)?;
        Ok(revocations)
    }

    /// Accepts tokens also while revocations may be missing, as far as those that are known here do not revoke them.
    #[must_use]
    pub fn accept_unchecked(self) -> Self {
        self.0.accepts_unchecked.store(true, Ordering::Relaxed);
        self.publish(&mut self.write());
        self
    }

    /// Whether a token that was checked against the cut-offs of `generation` need not be checked again.
    pub(crate) fn is_current(&self, generation: u64) -> bool {
        self.0.generation.load(Ordering::Acquire) == generation
    }

    /// Whether a token is revoked; `keys` is called unless there are no cut-offs.
    pub(crate) fn check(&self, keys: impl FnOnce() -> RevocationKeys) -> RevocationStatus {
        // Before the table is read: what is added meanwhile has a later generation.
        let generation = self.0.generation.load(Ordering::Acquire);
        let contents = self.read();
        if !contents.table.is_empty() && contents.table.revokes(&keys()) {
            RevocationStatus::Revoked
        } else if generation == UNKNOWN {
            RevocationStatus::Unknown
        } else {
            RevocationStatus::Unrevoked(generation)
        }
    }

    /// Whether a cut-off that is known here revokes the token, whatever else the store may hold.
    pub(crate) fn revokes(&self, keys: &RevocationKeys) -> bool {
        self.read().table.revokes(keys)
    }

    /// Records cut-offs, all or none, for tokens that are valid for at most `lifetime`.
    ///
    /// # Errors
    /// [`RevokeError::Full`] or [`RevokeError::Unavailable`].
    pub(crate) async fn record(
        &self,
        cut_offs: &[CutOff],
        lifetime: Duration,
        now: Duration,
    ) -> Result<(), RevokeError> {
        let kept = merged(cut_offs.iter().map(|of| of.kept_for(lifetime)));
        #[cfg(feature = "redis")]
        if let Some(redis) = &self.0.redis {
            let recorded = redis.record(&kept).await;
            if recorded == Err(RevokeError::Unavailable) {
                // They may have been written, and apply here at least.
                self.insert(&kept, now.as_secs());
            }
            return recorded;
        }
        self.change(|table| table.add(&kept, now.as_secs()))
            .map_err(|Full| RevokeError::Full)
    }

    /// Inserts cut-offs that the store has accepted.
    #[cfg(feature = "redis")]
    fn insert(&self, kept: &[Kept], now: u64) {
        let inserted = self.change(|table| Ok::<_, Full>(table.insert(kept, now)));
        debug_assert_eq!(inserted, Ok(()));
    }

    /// The cut-offs that have not ended.
    #[cfg(feature = "redis")]
    fn all(&self, now: u64) -> Vec<Kept> {
        self.read().table.lasting(now).collect()
    }

    /// Whether no cut-off is missing from now on.
    #[cfg(feature = "redis")]
    fn set_complete(&self, is_complete: bool) {
        if self.read().is_complete == is_complete {
            return;
        }
        let mut contents = self.write();
        contents.is_complete = is_complete;
        self.publish(&mut contents);
    }

    /// Changes the table; what `change` returns says whether tokens must be checked again.
    fn change<E>(&self, change: impl FnOnce(&mut Table) -> Result<bool, E>) -> Result<(), E> {
        let mut contents = self.write();
        if change(&mut contents.table)? {
            self.publish(&mut contents);
        }
        Ok(())
    }

    /// Lets all tokens be checked again, and wakes streams.
    fn publish(&self, contents: &mut Contents) {
        contents.generation = contents.generation.saturating_add(1);
        let is_usable = contents.is_complete || self.0.accepts_unchecked.load(Ordering::Relaxed);
        let generation = if is_usable {
            contents.generation
        } else {
            UNKNOWN
        };
        self.0.generation.store(generation, Ordering::Release);
        self.0.changed.send_replace(());
    }

    /// Receives a message after each change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    /// Whether no cut-off is missing: always in memory, and while Redis answers.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.read().is_complete
    }

    /// The number of cut-offs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().table.len()
    }

    /// Whether there are no cut-offs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn read(&self) -> RwLockReadGuard<'_, Contents> {
        self.0.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Contents> {
        self.0.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One cut-off for each target, the later one of several.
fn merged(cut_offs: impl Iterator<Item = Kept>) -> Vec<Kept> {
    let mut merged = Vec::<Kept>::new();
    for cut_off in cut_offs {
        match merged.iter_mut().find(|kept| kept.key == cut_off.key) {
            Some(kept) if kept.second >= cut_off.second => {}
            Some(kept) => *kept = cut_off,
            None => merged.push(cut_off),
        }
    }
    merged
}

/// The generation of an empty table; a token that was not checked yet has 0.
const FIRST: u64 = 1;

/// The generation while cut-offs may be missing; no token has been checked against it.
const UNKNOWN: u64 = u64::MAX;
