//! Keys that a fetch has just not brought, so that asking again at once spends nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A small, short memory of names that no key had.
#[derive(Debug, Default)]
pub(crate) struct Absent(VecDeque<(u64, Instant)>);

impl Absent {
    /// Remembers for [`MEMORY`] that there is no such key; the oldest is forgotten when there are too many.
    pub(crate) fn add(&mut self, key: u64, now: Instant) {
        if self.0.len() >= CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back((key, now));
    }

    /// Whether the key was found missing a moment ago.
    pub(crate) fn holds(&self, key: u64, now: Instant) -> bool {
        let recent = |at: Instant| now.saturating_duration_since(at) < MEMORY;
        self.0.iter().any(|&(known, at)| known == key && recent(at))
    }
}

/// Shorter than the second within which a key that is published late must be accepted.
const MEMORY: Duration = Duration::from_millis(500);

/// More than the fetches that can be made within [`MEMORY`].
const CAPACITY: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_key_is_remembered_for_a_moment() {
        let start = Instant::now();
        let mut absent = Absent::default();
        absent.add(1, start);
        assert!(absent.holds(1, start));
        assert!(!absent.holds(2, start));
        assert!(!absent.holds(1, start + MEMORY));
    }

    #[test]
    fn the_memory_is_small() {
        let start = Instant::now();
        let mut absent = Absent::default();
        (0..1000).for_each(|key| absent.add(key, start));
        assert_eq!(absent.0.len(), CAPACITY);
        assert!(absent.holds(999, start) && !absent.holds(0, start));
    }
}
