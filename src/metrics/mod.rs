//! The library's counters, with closed label sets: nothing that a client sends becomes a label.

mod histogram;
mod reached;
#[cfg(feature = "service")]
mod requests;

use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use histogram::Histogram;
#[cfg(feature = "service")]
pub(crate) use histogram::{BOUNDS, Distribution};
#[cfg(feature = "service")]
pub(crate) use reached::reached_during;
pub(crate) use reached::{RouteNumber, reach};
#[cfg(feature = "service")]
pub(crate) use requests::{
    METHODS, Requests, RouteTotals, STATUS_CLASSES, WorkerRequests, method_index,
};

/// The counters of a [`Verifier`](crate::Verifier) since its start.
#[derive(Debug, Default)]
pub struct Counters {
    pub(crate) granted: Count,
    rejected: [Count; RejectionReason::ALL.len()],
    fetched: [Count; Fetched::ALL.len()],
    introspected: [Count; Introspected::ALL.len()],
    ended_streams: [Count; EndedStream::ALL.len()],
    opened_streams: Count,
    closed_streams: Count,
    pub(crate) introspections_denied: Count,
    pub(crate) revocations: Count,
    events: [[Count; EventOutcome::ALL.len()]; EventKind::ALL.len()],
    pub(crate) awaited_keys: Count,
    pub(crate) unknown_keys: Count,
    pub(crate) refreshes_denied: Count,
    pub(crate) unusable_keys: Count,
    pub(crate) cached_tokens: Count,
    pub(crate) uncached_tokens: Count,
}

/// A closed set of labels.
macro_rules! labels {
    ($(#[$attribute:meta])* $name:ident, $all:literal, $own:literal { $($(#[$doc:meta])* $label:ident = $text:literal,)+ }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name { $($(#[$doc])* $label),+ }

        impl $name {
            #[doc = $all]
            pub const ALL: &'static [Self] = &[$(Self::$label),+];

            #[doc = $own]
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$label => $text),+ }
            }
        }
    };
}

#[cfg(feature = "test-kit")]
pub(crate) use labels;

labels! {
    /// Why a request was rejected, as a label of a counter.
    RejectionReason, "Every reason, in the order of declaration.", "The label under which the reason is counted." {
        /// No credentials, or an `Authorization` header of another scheme.
        Unauthenticated = "unauthenticated",
        /// Two credentials, or a malformed `Host`.
        InvalidRequest = "invalid_request",
        /// The token is invalid.
        InvalidToken = "invalid_token",
        /// The token is valid, but the login behind it is too weak or too old for this route.
        InsufficientLogin = "insufficient_user_authentication",
        /// The token is valid, but does not grant access to this route.
        InsufficientScope = "insufficient_scope",
        /// A page of an origin that is not allowed called a route for WebSockets or streams.
        ForeignOrigin = "foreign_origin",
        /// The issuer's keys could not be fetched.
        KeysUnavailable = "keys_unavailable",
        /// The token names an unknown key, and the budget allows no fetch now.
        KeyUndetermined = "key_undetermined",
        /// The token could not be introspected.
        IntrospectionUnavailable = "introspection_unavailable",
        /// Whether the token is revoked is unknown.
        RevocationUnknown = "revocation_unknown",
        /// The DPoP proof is invalid, or lacks a nonce.
        InvalidProof = "invalid_dpop_proof",
        /// The replay store could not tell whether the proof was used before.
        ReplayUnknown = "replay_unknown",
        /// The sender has too many DPoP proofs in the replay store.
        TooManyProofs = "too_many_dpop_proofs",
        /// Too many tickets are valid.
        TooManyTickets = "too_many_tickets",
    }
}

labels! {
    /// How a fetch of an issuer's keys ended.
    Fetched, "Every outcome, in the order of declaration.", "The label under which the outcome is counted." {
        /// The fetch succeeded.
        Keys = "ok",
        /// The fetch failed.
        Nothing = "failed",
    }
}

labels! {
    /// How a call of an introspection endpoint ended.
    Introspected, "Every outcome, in the order of declaration.", "The label under which the outcome is counted." {
        /// The token is active and valid for this API.
        Active = "active",
        /// The token is not active, or not valid for this API.
        Rejected = "rejected",
        /// There was no response that can be used.
        Failed = "failed",
    }
}

labels! {
    /// What revokes tokens: see [`Verifier::receive_logout_token`](crate::Verifier::receive_logout_token) and
    /// [`Verifier::receive_security_event`](crate::Verifier::receive_security_event).
    EventKind, "Every kind, in the order of declaration.", "The label under which the kind is counted." {
        /// Logout tokens (OpenID Connect Back-Channel Logout).
        Logout = "logout",
        /// Security event tokens (RFC 8417).
        SecurityEvent = "security_event",
    }
}

labels! {
    /// What became of a logout token or a security event.
    EventOutcome, "Every outcome, in the order of declaration.", "The label under which the outcome is counted." {
        /// It was applied; or it has no event that revokes anything.
        Accepted = "accepted",
        /// It was accepted before.
        Repeated = "repeated",
        /// It is invalid.
        Rejected = "rejected",
        /// It could not be checked or applied then.
        Unavailable = "unavailable",
    }
}

labels! {
    /// Why the access to a stream has ended.
    EndedStream, "Every reason, in the order of declaration.", "The label under which the reason is counted." {
        /// The token has expired.
        Expired = "expired",
        /// The token was revoked.
        Revoked = "revoked",
        /// The key of the token was withdrawn, or its issuer is no longer trusted.
        KeyWithdrawn = "key_withdrawn",
        /// The server is shutting down.
        Shutdown = "shutdown",
    }
}

impl Counters {
    /// Streams of a [`StreamAccess`](crate::streams::StreamAccess) that are open.
    #[must_use]
    pub fn open_streams(&self) -> u64 {
        let closed = self.closed_streams.read();
        self.opened_streams.read().saturating_sub(closed)
    }

    /// Streams that were ended for this reason; those that a client or a handler has closed are not among them.
    #[must_use]
    pub fn ended_streams(&self, reason: EndedStream) -> u64 {
        counted(EndedStream::ALL, &self.ended_streams, &reason).map_or(0, Count::read)
    }

    pub(crate) fn count_ended_stream(&self, reason: EndedStream) {
        if let Some(count) = counted(EndedStream::ALL, &self.ended_streams, &reason) {
            count.add(1);
        }
    }

    pub(crate) fn count_opened_stream(&self) {
        self.opened_streams.add(1);
    }

    pub(crate) fn count_closed_stream(&self) {
        self.closed_streams.add(1);
    }

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

    /// Calls of introspection endpoints with this outcome.
    #[must_use]
    pub fn introspected(&self, outcome: Introspected) -> u64 {
        counted(Introspected::ALL, &self.introspected, &outcome).map_or(0, Count::read)
    }

    /// Requests with a token that was not introspected because of the limits of calls.
    #[must_use]
    pub fn introspections_denied(&self) -> u64 {
        self.introspections_denied.read()
    }

    /// Cut-offs that were recorded ([`Verifier::revoke`](crate::Verifier::revoke)).
    #[must_use]
    pub fn revocations(&self) -> u64 {
        self.revocations.read()
    }

    /// Logout tokens or security events with this outcome.
    #[must_use]
    pub fn security_events(&self, kind: EventKind, outcome: EventOutcome) -> u64 {
        self.event_count(kind, outcome).map_or(0, Count::read)
    }

    fn event_count(&self, kind: EventKind, outcome: EventOutcome) -> Option<&Count> {
        let of_kind = EventKind::ALL.iter().position(|known| *known == kind);
        let of_kind = of_kind.and_then(|at| self.events.get(at))?;
        counted(EventOutcome::ALL, of_kind, &outcome)
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

    /// Tokens whose verification was found in the token cache.
    #[must_use]
    pub fn cached_tokens(&self) -> u64 {
        self.cached_tokens.read()
    }

    /// Tokens that were looked for in the token cache and not found.
    #[must_use]
    pub fn uncached_tokens(&self) -> u64 {
        self.uncached_tokens.read()
    }

    pub(crate) fn count_rejected(&self, reason: RejectionReason) {
        if let Some(count) = counted(RejectionReason::ALL, &self.rejected, &reason) {
            count.add(1);
        }
    }

    pub(crate) fn count_event(&self, kind: EventKind, outcome: EventOutcome) {
        if let Some(count) = self.event_count(kind, outcome) {
            count.add(1);
        }
    }

    pub(crate) fn count_introspected(&self, outcome: Introspected) {
        if let Some(count) = counted(Introspected::ALL, &self.introspected, &outcome) {
            count.add(1);
        }
    }

    pub(crate) fn count_fetched(&self, outcome: Fetched) {
        if let Some(count) = counted(Fetched::ALL, &self.fetched, &outcome) {
            count.add(1);
        }
    }
}

/// The fetches of one issuer's keys, by outcome.
#[derive(Debug, Default)]
pub(crate) struct FetchCounts([Count; Fetched::ALL.len()]);

impl FetchCounts {
    pub(crate) fn count(&self, outcome: Fetched) {
        if let Some(count) = counted(Fetched::ALL, &self.0, &outcome) {
            count.add(1);
        }
    }

    /// Each outcome with its number.
    #[cfg(feature = "service")]
    pub(crate) fn read(&self) -> impl Iterator<Item = (Fetched, u64)> {
        let counts = self.0.iter().map(Count::read);
        Fetched::ALL.iter().copied().zip(counts)
    }
}

fn counted<'a, L: PartialEq>(labels: &[L], counts: &'a [Count], label: &L) -> Option<&'a Count> {
    labels
        .iter()
        .position(|known| known == label)
        .and_then(|at| counts.get(at))
}

#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, events: u64) {
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
        let expected = (1..).take(RejectionReason::ALL.len());
        assert!(rejected.eq(expected));
    }

    #[test]
    fn each_kind_and_outcome_of_an_event_is_counted_separately() {
        let counters = Counters::default();
        let pairs = || {
            EventKind::ALL.iter().flat_map(|kind| {
                let outcomes = EventOutcome::ALL.iter();
                outcomes.map(move |outcome| (*kind, *outcome))
            })
        };
        for (times, (kind, outcome)) in (1..).zip(pairs()) {
            for _ in 0..times {
                counters.count_event(kind, outcome);
            }
        }
        let counted = pairs().map(|(kind, outcome)| counters.security_events(kind, outcome));
        assert_eq!(counted.collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
