//! Takes each proof once ([RFC 9449 §11.1]).
//!
//! What is remembered of a proof is a hash, and only for as long as the proof would be accepted
//! again. One server remembers in its own memory; replicas share a Redis.
//!
//! [RFC 9449 §11.1]: https://www.rfc-editor.org/rfc/rfc9449#section-11.1

mod memory;
#[cfg(feature = "redis")]
mod redis;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;

use self::memory::Memory;
#[cfg(feature = "redis")]
use self::redis::Redis;
#[cfg(feature = "redis")]
pub use self::redis::RedisError;
use super::TargetUri;
use crate::jose::digest::sha256;

/// Where proofs are remembered; clones share one memory.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use actix_resource_server::sender::{ReplayCheck, ProofId, Replay, TargetUri, ReplayOutcome};
///
/// let replay = Replay::in_memory(Replay::BYTES);
/// let id = ProofId::new("thumbprint", &TargetUri::parse("https://api.example/")?, "jti");
/// let now = Duration::from_secs(1_700_000_000);
/// let until = now + Duration::from_secs(300);
/// assert!(matches!(replay.claim(&id, until, now), ReplayCheck::Decided(ReplayOutcome::First)));
/// assert!(matches!(replay.claim(&id, until, now), ReplayCheck::Decided(ReplayOutcome::Replayed)));
/// # Ok::<_, actix_resource_server::sender::TargetUriError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Replay(Store);

#[derive(Clone, Debug)]
enum Store {
    Memory(Arc<Memory>),
    #[cfg(feature = "redis")]
    Redis(Redis),
}

impl Replay {
    /// The memory of a server that is told nothing else, in bytes: two million proofs, seven thousand a second.
    pub const BYTES: usize = 64 * 1024 * 1024;

    /// Remembers in this process, in at most so many bytes.
    ///
    /// They are taken when they are needed. A proof that would still be accepted is never
    /// forgotten for another: when there is no room, [`ReplayOutcome::Full`] is the answer. Fewer
    /// bytes than for a few hundred proofs are taken for that.
    ///
    /// The memory is shared fairly by key: the fuller it is, the less a holder may add, and one alone gets
    /// 38 % of it at most. A holder at its share gets [`ReplayOutcome::OverShare`], and others are not affected.
    #[must_use]
    pub fn in_memory(bytes: usize) -> Self {
        Self(Store::Memory(Arc::new(Memory::new(bytes))))
    }

    /// Remembers in Redis, for all replicas that use it under the same prefix of keys.
    ///
    /// The connection is made when the first proof comes, and anew whenever it breaks; a thread of
    /// its own asks for all workers. Redis must not evict (`maxmemory-policy noeviction`), and
    /// what it forgets (`FLUSHALL`, a restart without persistence, a failover that loses writes)
    /// can be used once more within the proof's lifetime.
    ///
    /// # Errors
    /// The URL is not one of `redis://` or `rediss://`, or the system gave no thread.
    #[cfg(feature = "redis")]
    pub fn in_redis(url: &str, prefix: &str) -> Result<Self, RedisError> {
        Redis::start(url, prefix).map(Store::Redis).map(Self)
    }

    /// Whether [`in_redis`](Self::in_redis) takes this URL; nothing is connected to.
    ///
    /// # Errors
    /// [`RedisError::NotARedisUrl`].
    #[cfg(all(feature = "redis", feature = "service"))]
    pub(crate) fn check_redis_url(url: &str) -> Result<(), RedisError> {
        redis::check_url(url)
    }

    /// Whether what was used stays known when this process ends.
    pub(in crate::sender) fn outlives_process(&self) -> bool {
        match &self.0 {
            Store::Memory(_) => false,
            #[cfg(feature = "redis")]
            Store::Redis(_) => true,
        }
    }

    /// Takes a proof that is acceptable until then, the times since 1970; only one who claims it is the first.
    #[must_use]
    pub fn claim(&self, proof: &ProofId, acceptable_until: Duration, now: Duration) -> ReplayCheck {
        match &self.0 {
            Store::Memory(memory) => {
                ReplayCheck::Decided(memory.claim(proof, acceptable_until, now))
            }
            #[cfg(feature = "redis")]
            Store::Redis(redis) => redis.claim(proof, acceptable_until, now),
        }
    }
}

/// Stands for one proof: by one key, for one URL, with one `jti`; it cannot be turned back into them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProofId {
    hash: [u8; 32],
    /// The hash of the key's thumbprint.
    holder: [u8; 32],
}

impl ProofId {
    /// The proof by the key of this thumbprint, for this URL, named `jti` by its maker.
    #[must_use]
    pub fn new(key_thumbprint: &str, target: &TargetUri, jti: &str) -> Self {
        let mut parts = Vec::new();
        for part in [key_thumbprint, target.as_str(), jti] {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            parts.extend(length.to_be_bytes());
            parts.extend(part.as_bytes());
        }
        Self {
            hash: sha256(&parts),
            holder: sha256(key_thumbprint.as_bytes()),
        }
    }
}

/// The answer to a claim, at once or later.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReplayCheck {
    /// It is known.
    Decided(ReplayOutcome),
    /// It is being asked for.
    Pending(PendingOutcome),
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayOutcome {
    /// Nobody has used the proof before.
    First,
    /// There is no room for one proof more: whether it was used cannot be kept in mind.
    Full,
    /// The holder of the key has as many proofs in the memory as it may, beside what is left for others.
    OverShare,
    /// The proof has been used.
    Replayed,
    /// Whoever remembers cannot be asked.
    Unavailable,
}

/// The answer of a store that is elsewhere; it comes within seconds, whatever happens there.
#[derive(Debug)]
pub struct PendingOutcome(oneshot::Receiver<ReplayOutcome>);

impl Future for PendingOutcome {
    type Output = ReplayOutcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<ReplayOutcome> {
        let answer = Pin::new(&mut self.0).poll(context);
        answer.map(|verdict| verdict.unwrap_or(ReplayOutcome::Unavailable))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_told_by_key_url_and_name_together() {
        let one = TargetUri::parse("https://api.example/a").unwrap();
        let other = TargetUri::parse("https://api.example/ab").unwrap();
        let ids = [
            ProofId::new("key", &one, "id"),
            ProofId::new("key", &one, "bid"),
            ProofId::new("key", &other, "id"),
            ProofId::new("other", &one, "id"),
            ProofId::new("key", &one, "id "),
        ];
        for (place, id) in ids.iter().enumerate() {
            assert!(!ids[..place].contains(id), "{place}");
        }
        assert_eq!(ids[0], ProofId::new("key", &one, "id"));
    }
}
