//! Remembers things under names that nobody can guess: for a while, and only so many.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use crate::jose::sign::random_id;

/// Values under random names; each is forgotten after its lifetime, and the oldest when there are
/// too many.
#[derive(Debug)]
pub(super) struct Remembered<T> {
    /// Oldest first.
    entries: VecDeque<Entry<T>>,
    capacity: usize,
    lifetime: Duration,
}

#[derive(Debug)]
struct Entry<T> {
    name: String,
    since: SystemTime,
    value: T,
}

impl<T> Remembered<T> {
    pub(super) const fn new(capacity: usize, lifetime: Duration) -> Self {
        Self {
            entries: VecDeque::new(),
            capacity,
            lifetime,
        }
    }

    /// Keeps `value` from `now` on and says under which name.
    pub(super) fn keep(&mut self, value: T, now: SystemTime) -> String {
        let name = random_id();
        self.keep_as(name.clone(), value, now);
        name
    }

    /// Keeps `value` under a name that is free since its value was [taken](Self::take).
    pub(super) fn keep_as(&mut self, name: String, value: T, now: SystemTime) {
        let lifetime = self.lifetime;
        self.entries.retain(|entry| entry.lives(lifetime, now));
        if self.entries.len() >= self.capacity {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry {
            name,
            since: now,
            value,
        });
    }

    /// The value under `name`, unless it is forgotten by `now`.
    pub(super) fn find(&self, name: &str, now: SystemTime) -> Option<&T> {
        let entry = self.entries.iter().find(|entry| entry.name == name)?;
        entry.lives(self.lifetime, now).then_some(&entry.value)
    }

    /// As [`find`](Self::find), and forgets it.
    pub(super) fn take(&mut self, name: &str, now: SystemTime) -> Option<T> {
        let position = self.entries.iter().position(|entry| entry.name == name)?;
        let entry = self.entries.remove(position)?;
        entry.lives(self.lifetime, now).then_some(entry.value)
    }
}

impl<T> Entry<T> {
    /// A clock that was set back makes nothing older.
    fn lives(&self, lifetime: Duration, now: SystemTime) -> bool {
        now.duration_since(self.since).unwrap_or_default() < lifetime
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
    fn a_value_lives_as_long_as_it_may_and_no_longer() {
        let mut remembered = Remembered::new(2, MINUTE);
        let name = remembered.keep("value", at(100));
        let cases = [
            (at(0), Some(&"value")),
            (at(100), Some(&"value")),
            (at(159), Some(&"value")),
            (at(160), None),
        ];
        for (now, expected) in cases {
            assert_eq!(remembered.find(&name, now), expected, "{now:?}");
        }
        assert_eq!(remembered.take(&name, at(160)), None);
    }

    #[test]
    fn what_is_taken_is_gone_and_its_name_can_be_used_again() {
        let mut remembered = Remembered::new(2, MINUTE);
        let name = remembered.keep(1, at(0));
        assert_eq!(remembered.take(&name, at(1)), Some(1));
        assert_eq!(remembered.take(&name, at(1)), None);
        remembered.keep_as(name.clone(), 2, at(1));
        assert_eq!(remembered.find(&name, at(60)), Some(&2));
        assert_eq!(remembered.find("another", at(1)), None);
    }

    #[test]
    fn the_expired_and_then_the_oldest_make_room() {
        let mut remembered = Remembered::new(2, MINUTE);
        let first = remembered.keep(1, at(0));
        let second = remembered.keep(2, at(30));
        let third = remembered.keep(3, at(59));
        let left = [&first, &second, &third].map(|name| remembered.find(name, at(59)).copied());
        assert_eq!(left, [None, Some(2), Some(3)]);
        remembered.keep(4, at(119));
        assert_eq!(remembered.entries.len(), 1);
    }
}
