//! The library's counters, with closed label sets: nothing that a client sends becomes a label.

use std::sync::atomic::{AtomicU64, Ordering};

/// The counters of a [`Verifier`](crate::Verifier) since its start.
#[derive(Debug, Default)]
pub struct Counters {
    granted: Count,
    rejected: [Count; RejectionReason::ALL.len()],
    fetched: [Count; Fetched::ALL.len()],
    awaited_keys: Count,
    unknown_keys: Count,
    refreshes_denied: Count,
    unusable_keys: Count,
}

/// Why a request was rejected, as a label of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectionReason {
    /// No credentials, or an `Authorization` header of another scheme.
    Unauthenticated,
    /// Two credentials, or a malformed `Host`.
    InvalidRequest,
    /// The token is invalid.
    InvalidToken,
    /// The token is valid, but the login behind it is too weak or too old for this route.
    InsufficientLogin,
    /// The token is valid, but does not grant access to this route.
    InsufficientScope,
    /// The issuer's keys could not be fetched.
    KeysUnavailable,
    /// The token names an unknown key, and the budget allows no fetch now.
    KeyUndetermined,
    /// The DPoP proof is invalid, or lacks a nonce.
    InvalidProof,
    /// The replay store could not tell whether the proof was used before.
    ReplayUnknown,
    /// The sender has too many DPoP proofs in the replay store.
    TooManyProofs,
}

impl RejectionReason {
    /// Every reason, in the order of declaration.
    pub const ALL: &'static [Self] = &[
        Self::Unauthenticated,
        Self::InvalidRequest,
        Self::InvalidToken,
        Self::InsufficientLogin,
        Self::InsufficientScope,
        Self::KeysUnavailable,
        Self::KeyUndetermined,
        Self::InvalidProof,
        Self::ReplayUnknown,
        Self::TooManyProofs,
    ];

    /// The label under which the reason is counted.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientLogin => "insufficient_user_authentication",
            Self::InsufficientScope => "insufficient_scope",
            Self::KeysUnavailable => "keys_unavailable",
            Self::KeyUndetermined => "key_undetermined",
            Self::InvalidProof => "invalid_dpop_proof",
            Self::ReplayUnknown => "replay_unknown",
            Self::TooManyProofs => "too_many_dpop_proofs",
        }
    }
}

/// How a fetch of an issuer's keys ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fetched {
    /// The fetch succeeded.
    Keys,
    /// The fetch failed.
    Nothing,
}

impl Fetched {
    /// Every outcome, in the order of declaration.
    pub const ALL: &'static [Self] = &[Self::Keys, Self::Nothing];

    /// The label under which the outcome is counted.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Keys => "ok",
            Self::Nothing => "failed",
        }
    }
}

impl Counters {
    /// Requests that were granted.
    #[must_use]
    pub fn granted(&self) -> u64 {
        self.granted.read()
    }

    /// Requests that were rejected for this reason.
    #[must_use]
    pub fn rejected(&self, reason: RejectionReason) -> u64 {
        counted(RejectionReason::ALL, &self.rejected, &reason).map_or(0, Count::read)
    }

    /// Fetches of keys with this outcome.
    #[must_use]
    pub fn fetched(&self, outcome: Fetched) -> u64 {
        counted(Fetched::ALL, &self.fetched, &outcome).map_or(0, Count::read)
    }

    /// Requests that waited for a fetch of keys.
    #[must_use]
    pub fn awaited_keys(&self) -> u64 {
        self.awaited_keys.read()
    }

    /// Tokens that named a key missing from the issuer's set.
    #[must_use]
    pub fn unknown_keys(&self) -> u64 {
        self.unknown_keys.read()
    }

    /// Requests for unknown keys that were denied a fetch by the budget.
    #[must_use]
    pub fn refreshes_denied(&self) -> u64 {
        self.refreshes_denied.read()
    }

    /// Published keys that were skipped as unusable.
    #[must_use]
    pub fn unusable_keys(&self) -> u64 {
        self.unusable_keys.read()
    }

    pub(crate) fn count_granted(&self) {
        self.granted.add(1);
    }

    pub(crate) fn count_rejected(&self, reason: RejectionReason) {
        if let Some(count) = counted(RejectionReason::ALL, &self.rejected, &reason) {
            count.add(1);
        }
    }

    pub(crate) fn count_fetched(&self, outcome: Fetched) {
        if let Some(count) = counted(Fetched::ALL, &self.fetched, &outcome) {
            count.add(1);
        }
    }

    pub(crate) fn count_awaited_key(&self) {
        self.awaited_keys.add(1);
    }

    pub(crate) fn count_unknown_key(&self) {
        self.unknown_keys.add(1);
    }

    pub(crate) fn count_refresh_denied(&self) {
        self.refreshes_denied.add(1);
    }

    pub(crate) fn count_unusable_keys(&self, keys: u64) {
        self.unusable_keys.add(keys);
    }
}

fn counted<'a, L: PartialEq>(labels: &[L], counts: &'a [Count], label: &L) -> Option<&'a Count> {
    labels
        .iter()
        .position(|known| known == label)
        .and_then(|at| counts.get(at))
}

#[derive(Debug, Default)]
struct Count(AtomicU64);

impl Count {
    fn add(&self, events: u64) {
        self.0.fetch_add(events, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_counted_separately() {
        let counters = Counters::default();
        for (times, reason) in (1..).zip(RejectionReason::ALL.iter().copied()) {
            for _ in 0..times {
                counters.count_rejected(reason);
            }
        }
        let rejected = RejectionReason::ALL
            .iter()
            .map(|&reason| counters.rejected(reason));
        assert_eq!(
            rejected.collect::<Vec<_>>(),
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
        );
    }
}
