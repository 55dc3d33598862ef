//! A bounded store whose entries expire.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use crate::jose::sign::random_id;

/// Values under random IDs; each expires after its lifetime, and the oldest is evicted when the
/// store is full.
#[derive(Debug)]
pub(super) struct TtlStore<T> {
    /// Oldest first.
    entries: VecDeque<Entry<T>>,
    capacity: usize,
    lifetime: Duration,
}

#[derive(Debug)]
struct Entry<T> {
    id: String,
    inserted: SystemTime,
    value: T,
}

impl<T> TtlStore<T> {
    pub(super) const fn new(capacity: usize, lifetime: Duration) -> Self {
        Self {
            entries: VecDeque::new(),
            capacity,
            lifetime,
        }
    }

    /// Inserts `value` and returns its ID.
    pub(super) fn insert(&mut self, value: T, now: SystemTime) -> String {
        let id = random_id();
        self.insert_with_id(id.clone(), value, now);
        id
    }

    /// Inserts `value` under an ID that is free since its value was [removed](Self::remove).
    pub(super) fn insert_with_id(&mut self, id: String, value: T, now: SystemTime) {
        let lifetime = self.lifetime;
        self.entries.retain(|entry| entry.is_alive(lifetime, now));
        if self.entries.len() >= self.capacity {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry {
            id,
            inserted: now,
            value,
        });
    }

    pub(super) fn get(&self, id: &str, now: SystemTime) -> Option<&T> {
        let entry = self.entries.iter().find(|entry| entry.id == id)?;
        entry.is_alive(self.lifetime, now).then_some(&entry.value)
    }

    pub(super) fn remove(&mut self, id: &str, now: SystemTime) -> Option<T> {
        let position = self.entries.iter().position(|entry| entry.id == id)?;
        let entry = self.entries.remove(position)?;
        entry.is_alive(self.lifetime, now).then_some(entry.value)
    }
}

impl<T> Entry<T> {
    /// A clock that was set back makes no entry older.
    fn is_alive(&self, lifetime: Duration, now: SystemTime) -> bool {
        now.duration_since(self.inserted).unwrap_or_default() < lifetime
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_value_expires_after_its_lifetime() {
        let mut store = TtlStore::new(2, MINUTE);
        let id = store.insert("value", at(100));
        let cases = [
            (at(0), Some(&"value")),
            (at(100), Some(&"value")),
            (at(159), Some(&"value")),
            (at(160), None),
        ];
        for (now, expected) in cases {
            assert_eq!(store.get(&id, now), expected, "{now:?}");
        }
        assert_eq!(store.remove(&id, at(160)), None);
    }

    #[test]
    fn a_removed_id_can_be_used_again() {
        let mut store = TtlStore::new(2, MINUTE);
        let id = store.insert(1, at(0));
        assert_eq!(store.remove(&id, at(1)), Some(1));
        assert_eq!(store.remove(&id, at(1)), None);
        store.insert_with_id(id.clone(), 2, at(1));
        assert_eq!(store.get(&id, at(60)), Some(&2));
        assert_eq!(store.get("another", at(1)), None);
    }

    #[test]
    fn expired_values_are_evicted_before_the_oldest() {
        let mut store = TtlStore::new(2, MINUTE);
        let first = store.insert(1, at(0));
        let second = store.insert(2, at(30));
        let third = store.insert(3, at(59));
        let left = [&first, &second, &third].map(|id| store.get(id, at(59)).copied());
        assert_eq!(left, [None, Some(2), Some(3)]);
        store.insert(4, at(119));
        assert_eq!(store.entries.len(), 1);
    }
}
