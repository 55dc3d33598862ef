//! Counts what happened, as atomics with closed label sets: nothing a stranger sends becomes a label.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often each thing happened since the start.
#[derive(Debug, Default)]
pub struct Counters {
    granted: Count,
    refused: [Count; RejectionReason::ALL.len()],
    fetched: [Count; Fetched::ALL.len()],
    awaited_keys: Count,
    unknown_keys: Count,
    refreshes_denied: Count,
    unusable_keys: Count,
}

/// Why a caller was turned away, as far as a counter tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectionReason {
    /// No credentials, or an `Authorization` header that carries none for us.
    Unauthenticated,
    /// Two credentials, or a malformed `Host`.
    InvalidRequest,
    /// The token was refused.
    InvalidToken,
    /// The token is good, but the login behind it is too weak or too long ago for this route.
    InsufficientLogin,
    /// The token is good, but not for this route.
    InsufficientScope,
    /// The issuer's keys could not be had.
    KeysUnavailable,
    /// The token names a key that is not known yet, and no fetch may be spent on it now.
    KeyUndetermined,
    /// The sender's DPoP proof was refused, or lacked a nonce.
    InvalidProof,
    /// Whether a proof was used before could not be found out.
    ReplayUnknown,
    /// The sender has as many DPoP proofs in the replay memory as it may, beside what is left for others.
    TooManyProofs,
}

impl RejectionReason {
    /// Every reason, in the order of the declaration.
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
    /// Usable keys came.
    Keys,
    /// Nothing usable came.
    Nothing,
}

impl Fetched {
    /// Every outcome, in the order of the declaration.
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
    /// Requests whose caller was let in.
    #[must_use]
    pub fn granted(&self) -> u64 {
        self.granted.read()
    }

    /// Requests whose caller was turned away for this reason.
    #[must_use]
    pub fn rejected(&self, reason: RejectionReason) -> u64 {
        counted(RejectionReason::ALL, &self.refused, &reason).map_or(0, Count::read)
    }

    /// Fetches of keys that ended so.
    #[must_use]
    pub fn fetched(&self, outcome: Fetched) -> u64 {
        counted(Fetched::ALL, &self.fetched, &outcome).map_or(0, Count::read)
    }

    /// Requests that waited for a fetch of keys.
    #[must_use]
    pub fn awaited_keys(&self) -> u64 {
        self.awaited_keys.read()
    }

    /// Tokens that named a key which was not there, while others were.
    #[must_use]
    pub fn unknown_keys(&self) -> u64 {
        self.unknown_keys.read()
    }

    /// Unknown keys for which no fetch was spent, since too many had been.
    #[must_use]
    pub fn refreshes_denied(&self) -> u64 {
        self.refreshes_denied.read()
    }

    /// Published keys that could not be used.
    #[must_use]
    pub fn unusable_keys(&self) -> u64 {
        self.unusable_keys.read()
    }

    pub(crate) fn count_granted(&self) {
        self.granted.add(1);
    }

    pub(crate) fn count_rejected(&self, reason: RejectionReason) {
        if let Some(count) = counted(RejectionReason::ALL, &self.refused, &reason) {
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
    fn each_reason_has_a_count_of_its_own() {
        let counters = Counters::default();
        for (times, reason) in (1..).zip(RejectionReason::ALL.iter().copied()) {
            for _ in 0..times {
                counters.count_rejected(reason);
            }
        }
        let refused = RejectionReason::ALL
            .iter()
            .map(|&reason| counters.rejected(reason));
        assert_eq!(refused.collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    }
}
