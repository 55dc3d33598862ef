//! The replay store, which makes each proof valid once ([RFC 9449 §11.1]).
//!
//! It keeps a hash of a proof, only as long as the proof would be accepted again: in memory for a
//! single server, in Redis for replicas.
//!
//! [RFC 9449 §11.1]: https://www.rfc-editor.org/rfc/rfc9449#section-11.1

mod memory;
#[cfg(feature = "redis")]
mod redis;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use self::memory::Memory;
#[cfg(feature = "redis")]
use self::redis::Redis;
use super::TargetUri;
use crate::jose::digest::sha256;
#[cfg(feature = "service")]
use crate::metrics::Distribution;
use crate::metrics::Histogram;
#[cfg(feature = "redis")]
use crate::redis_client::RedisError;

/// A replay store, which makes each DPoP proof valid once; clones share their contents.
///
/// See [`Dpop::replay`](crate::sender::Dpop::replay).
#[derive(Clone)]
pub struct Replay {
    store: Store,
    durations: Arc<Histogram>,
}

#[derive(Clone, Debug)]
enum Store {
    Memory(Arc<Memory>),
    #[cfg(feature = "redis")]
    Redis(Redis),
}

impl Replay {
    /// The default size in memory, in bytes: two million proofs, seven thousand a second.
    pub const BYTES: usize = 64 * 1024 * 1024;

    /// A store in this process of at most `bytes`, allocated as needed.
    ///
    /// A proof that would still be accepted is never evicted for another: while the store is full, requests with a proof
    /// get 503. The minimum is the size of a few hundred proofs.
    ///
    /// The store is shared fairly by key: the fuller it is, the less one key may add, and one alone gets
    /// 38 % of it at most. Requests with a key at its share get 429, and others are not affected.
    #[must_use]
    pub fn in_memory(bytes: usize) -> Self {
        Store::Memory(Arc::new(Memory::new(bytes))).into()
    }

    /// A store in Redis for all replicas that use it with the same key prefix.
    ///
    /// The connection is opened with the first proof and reopened when it breaks; one thread serves
    /// all workers. Redis must not evict (`maxmemory-policy noeviction`). A proof whose key is lost
    /// (`FLUSHALL`, a restart without persistence, a failover that loses writes) can be used once more
    /// within its lifetime.
    ///
    /// # Errors
    /// The URL is not one of `redis://` or `rediss://`, or the thread cannot be started.
    #[cfg(feature = "redis")]
    pub fn in_redis(url: &str, prefix: &str) -> Result<Self, RedisError> {
        Redis::start(url, prefix).map(|redis| Store::Redis(redis).into())
    }

    /// Whether the contents survive this process.
    pub(in crate::sender) fn outlives_process(&self) -> bool {
        match &self.store {
            Store::Memory(_) => false,
            #[cfg(feature = "redis")]
            Store::Redis(_) => true,
        }
    }

    /// Records a proof that is acceptable until `acceptable_until`; of several claims for one proof, one is the first.
    ///
    /// The times are since 1970.
    pub(crate) fn claim(
        &self,
        proof: &ProofId,
        acceptable_until: Duration,
        now: Duration,
    ) -> ReplayAnswer {
        let begun = Instant::now();
        let answer = match &self.store {
            Store::Memory(memory) => {
                ReplayAnswer::Decided(memory.claim(proof, acceptable_until, now))
            }
            #[cfg(feature = "redis")]
            Store::Redis(redis) => redis.claim(proof, acceptable_until, now),
        };
        match answer {
            ReplayAnswer::Decided(outcome) => {
                self.durations.observe(begun.elapsed());
                ReplayAnswer::Decided(outcome)
            }
            ReplayAnswer::Pending(pending) => ReplayAnswer::Pending(PendingOutcome {
                measured: Some((begun, Arc::clone(&self.durations))),
                ..pending
            }),
        }
    }

    /// How long the answers took.
    #[cfg(feature = "service")]
    pub(in crate::sender) fn durations(&self) -> Distribution {
        self.durations.read()
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Replay").field(&self.store).finish()
    }
}

impl From<Store> for Replay {
    fn from(store: Store) -> Self {
        Self {
            store,
            durations: Arc::default(),
        }
    }
}

/// Identifies one proof by hashes of its key, its URL and its `jti`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ProofId {
    hash: [u8; 32],
    /// The hash of the key's thumbprint.
    key: [u8; 32],
}

impl ProofId {
    /// The proof by the key of this thumbprint, for this URL, with this `jti`.
    pub(crate) fn new(key_thumbprint: &str, target: &TargetUri, jti: &str) -> Self {
        let mut parts = Vec::new();
        for part in [key_thumbprint, target.as_str(), jti] {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            parts.extend(length.to_be_bytes());
            parts.extend(part.as_bytes());
        }
        Self {
            hash: sha256(&parts),
            key: sha256(key_thumbprint.as_bytes()),
        }
    }
}

/// The answer of the replay store, immediate or pending.
#[derive(Debug)]
pub(crate) enum ReplayAnswer {
    /// The answer is known.
    Decided(ReplayOutcome),
    /// The answer has to be awaited.
    Pending(PendingOutcome),
}

/// Whether a proof was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplayOutcome {
    /// The proof is used for the first time.
    First,
    /// The store is full, so that the proof cannot be recorded.
    Full,
    /// The key has reached its share of the store.
    OverShare,
    /// The proof was used before.
    Replayed,
    /// The store is unavailable.
    Unavailable,
}

/// The pending answer of a remote store; it resolves within seconds, even if the store fails.
#[derive(Debug)]
pub(crate) struct PendingOutcome {
    answer: oneshot::Receiver<ReplayOutcome>,
    /// When the store was asked, and where the time until its answer is counted.
    measured: Option<(Instant, Arc<Histogram>)>,
}

impl From<oneshot::Receiver<ReplayOutcome>> for PendingOutcome {
    fn from(answer: oneshot::Receiver<ReplayOutcome>) -> Self {
        Self {
            answer,
            measured: None,
        }
    }
}

impl Future for PendingOutcome {
    type Output = ReplayOutcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<ReplayOutcome> {
        let answer = ready!(Pin::new(&mut self.answer).poll(context));
        if let Some((begun, durations)) = self.measured.take() {
            durations.observe(begun.elapsed());
        }
        Poll::Ready(answer.unwrap_or(ReplayOutcome::Unavailable))
    }
}
