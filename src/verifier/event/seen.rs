//! The events that have been accepted, so that each is applied once ([RFC 8417 §2.2], `jti`).
//!
//! [RFC 8417 §2.2]: https://www.rfc-editor.org/rfc/rfc8417#section-2.2

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::EventError;
use crate::jose::digest::sha256;
use crate::metrics::EventKind;

/// The events that have been accepted, each until it is too old; at most [`MOST`], of which none is dropped for another.
#[derive(Debug, Default)]
pub(in crate::verifier) struct SeenEvents(Mutex<Events>);

#[derive(Debug, Default)]
struct Events {
    /// Until which second since the Unix epoch each is remembered.
    until: HashMap<EventId, u64>,
    /// Places for events that are being applied.
    reserved: usize,
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

/// Whether an event has been accepted before.
pub(super) enum Seen<'s> {
    Before,
    Never(Reservation<'s>),
}

/// A place for an event that is being applied; freed when it is dropped.
pub(super) struct Reservation<'s> {
    events: &'s SeenEvents,
    id: EventId,
    until: u64,
}

impl SeenEvents {
    /// Reserves a place for an event that is to be remembered until a second since the Unix epoch.
    ///
    /// # Errors
    /// [`EventError::Full`].
    pub(super) fn reserve(
        &self,
        id: EventId,
        until: u64,
        now: u64,
    ) -> Result<Seen<'_>, EventError> {
        let mut events = self.lock();
        events.purge(now);
        if events.until.contains_key(&id) {
            return Ok(Seen::Before);
        }
        if events.until.len().saturating_add(events.reserved) >= MOST {
            return Err(EventError::Full);
        }
        events.reserved = events.reserved.saturating_add(1);
        Ok(Seen::Never(Reservation {
            events: self,
            id,
            until,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Events> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events {
    /// Removes the events that would be rejected as too old; at most once a second, because it reads all.
    fn purge(&mut self, now: u64) {
        let since = now.saturating_sub(self.purged_at);
        let is_full = self.until.len().saturating_add(self.reserved) >= MOST;
        if since >= PURGE_INTERVAL || (is_full && since > 0) {
            self.purged_at = now;
            self.until.retain(|_, until| *until >= now);
        }
    }
}

impl Reservation<'_> {
    /// The event has been applied.
    pub(super) fn remember(self) {
        self.events.lock().until.insert(self.id, self.until);
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut events = self.events.lock();
        events.reserved = events.reserved.saturating_sub(1);
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
    fn take(seen: &SeenEvents, number: usize, now: u64) -> Result<bool, EventError> {
        match seen.reserve(id(number), now + 600, now)? {
            Seen::Before => Ok(false),
            Seen::Never(reservation) => {
                reservation.remember();
                Ok(true)
            }
        }
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
        assert_eq!(take(&seen, 1, 1000), Ok(true));
        assert_eq!(take(&seen, 1, 1000), Ok(false));
        assert_eq!(take(&seen, 1, 1600), Ok(false));
        assert_eq!(take(&seen, 1, 1661), Ok(true));
    }

    #[test]
    fn an_event_that_could_not_be_applied_is_still_new() {
        let seen = SeenEvents::default();
        drop(seen.reserve(id(1), 2000, 1000));
        assert_eq!(seen.lock().reserved, 0);
        assert_eq!(take(&seen, 1, 1000), Ok(true));
        assert_eq!(seen.lock().reserved, 0);
    }

    #[test]
    fn while_it_is_full_new_events_are_rejected_and_none_is_dropped() {
        let seen = SeenEvents::default();
        assert!((1..MOST).all(|number| take(&seen, number, 1000) == Ok(true)));
        let last = seen.reserve(id(0), 1600, 1000).expect("a place");
        assert_eq!(take(&seen, MOST, 1001), Err(EventError::Full));
        drop(last);
        assert_eq!(take(&seen, MOST, 1001), Ok(true));
        assert_eq!(take(&seen, 0, 1001), Err(EventError::Full));
        assert!((1..=MOST).all(|number| take(&seen, number, 1001) == Ok(false)));
        assert_eq!(take(&seen, 0, 1601), Ok(true), "those of 1000 are too old");
    }
}
