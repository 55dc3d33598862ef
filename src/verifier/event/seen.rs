//! The events that have been accepted, so that each is applied once ([RFC 8417 §2.2], `jti`).
//!
//! An event that is applied again changes nothing, because its cut-offs are those that there are: what cannot be remembered is
//! applied all the same.
//!
//! [RFC 8417 §2.2]: https://www.rfc-editor.org/rfc/rfc8417#section-2.2

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::jose::digest::sha256;
use crate::metrics::EventKind;

/// The events that have been accepted, each until it is too old; at most [`MOST`], of which none is dropped for another.
#[derive(Debug, Default)]
pub(in crate::verifier) struct SeenEvents(Mutex<Events>);

#[derive(Debug, Default)]
struct Events {
    /// Until which second since the Unix epoch each is remembered.
    until: HashMap<EventId, u64>,
    /// When those that are too old were last removed.
    purged_at: u64,
}

/// The SHA-256 of the kind, the issuer and the identifier of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct EventId([u8; 32]);

impl EventId {
    pub(super) fn of(kind: EventKind, issuer: &str, token_id: &str) -> Self {
        let mut text = Vec::new();
        for part in [kind.label(), issuer, token_id] {
            // The lengths keep the parts apart.
            text.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            text.extend(part.as_bytes());
        }
        Self(sha256(&text))
    }
}

impl SeenEvents {
    /// Whether the event has been accepted before.
    pub(super) fn contains(&self, id: EventId) -> bool {
        self.lock().until.contains_key(&id)
    }

    /// Remembers an event that has been applied until a second since the Unix epoch, while fewer than [`MOST`] are remembered.
    pub(super) fn remember(&self, id: EventId, until: u64, now: u64) {
        let mut events = self.lock();
        events.purge(now);
        if events.until.len() < MOST {
            events.until.insert(id, until);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Events> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events {
    /// Removes the events that would be rejected as too old; at most once a minute, because it reads all.
    fn purge(&mut self, now: u64) {
        if now.saturating_sub(self.purged_at) >= PURGE_INTERVAL {
            self.purged_at = now;
            self.until.retain(|_, until| *until >= now);
        }
    }
}

/// They take about 1 MiB.
const MOST: usize = 10_000;

/// In seconds.
const PURGE_INTERVAL: u64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> EventId {
        EventId::of(EventKind::Logout, "issuer", &number.to_string())
    }

    /// Whether the event was new; it is then remembered for ten minutes.
    fn take(seen: &SeenEvents, number: usize, now: u64) -> bool {
        let is_new = !seen.contains(id(number));
        seen.remember(id(number), now + 600, now);
        is_new
    }

    #[test]
    fn the_kind_the_issuer_and_the_identifier_make_an_event() {
        let ids = [
            EventId::of(EventKind::Logout, "ab", "c"),
            EventId::of(EventKind::Logout, "a", "bc"),
            EventId::of(EventKind::SecurityEvent, "ab", "c"),
        ];
        assert!(ids[0] != ids[1] && ids[0] != ids[2]);
    }

    #[test]
    fn an_event_is_new_once_until_it_is_too_old() {
        let seen = SeenEvents::default();
        let new: Vec<_> = [1000, 1000, 1600].map(|now| take(&seen, 1, now)).into();
        assert_eq!(new, [true, false, false]);
        seen.remember(id(2), 3000, 2300);
        assert!(take(&seen, 1, 2300));
    }

    #[test]
    fn while_it_is_full_no_event_is_dropped_and_new_ones_are_not_remembered() {
        let seen = SeenEvents::default();
        assert!((0..MOST).all(|number| take(&seen, number, 1000)));
        assert!(take(&seen, MOST, 1001) && take(&seen, MOST, 1001));
        assert!((0..MOST).all(|number| !take(&seen, number, 1001)));
        assert_eq!(seen.lock().until.len(), MOST);
        assert!(take(&seen, MOST, 1700) && !take(&seen, MOST, 1700));
    }
}
