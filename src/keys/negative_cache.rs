//! The negative cache: key IDs that tokens name and the key set lacks.
//!
//! A key ID is undetermined until a fetch has brought a set without it; then it is absent. Only
//! a fetch that began after the key ID was first requested counts: an earlier one may have read
//! the set before the key was published.

use std::collections::HashMap;

/// A bounded cache of unknown key IDs, by their fingerprints.
#[derive(Debug, Default)]
pub(crate) struct NegativeCache {
    /// For each key ID, the number of the first fetch to begin after its first request.
    decided_by: HashMap<u64, u64>,
    /// The number of the last fetch that succeeded.
    last_success: u64,
    /// Whether every entry is undetermined, so that there is nothing to evict.
    all_undetermined: bool,
}

impl NegativeCache {
    /// Records a request for `key`; returns whether the key is absent. For a new key ID, the fetch with the number
    /// `next` decides. While the cache is full of undetermined key IDs, a new one is not recorded and stays
    /// undetermined.
    pub(crate) fn is_absent(&mut self, key: u64, next: u64) -> bool {
        if let Some(decided_by) = self.decided_by.get(&key) {
            return *decided_by <= self.last_success;
        }
        if self.decided_by.len() >= CAPACITY {
            self.evict_absent();
        }
        if self.decided_by.len() < CAPACITY {
            self.decided_by.insert(key, next);
        }
        false
    }

    /// Records that the fetch with this number succeeded: it decides about every key ID requested before it began.
    pub(crate) fn decide(&mut self, number: u64) {
        self.last_success = number;
        self.all_undetermined = false;
    }

    /// Evicts absent key IDs. At most one pass for each fetch: no key ID becomes absent between two fetches, and a
    /// full cache must not cost a pass for each request of a flood.
    fn evict_absent(&mut self) {
        if !self.all_undetermined {
            let last_success = self.last_success;
            self.decided_by.retain(|_, number| *number > last_success);
            self.all_undetermined = true;
        }
    }
}

/// How many key IDs may be undetermined at once.
const CAPACITY: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_absent_once_a_fetch_that_began_later_has_succeeded() {
        let mut unknown = NegativeCache::default();
        assert!(!unknown.is_absent(1, 5));
        for (number, expected) in [(3, false), (4, false), (5, true), (6, true)] {
            unknown.decide(number);
            assert_eq!(unknown.is_absent(1, number + 1), expected, "{number}");
        }
        assert!(!unknown.is_absent(2, 7));
    }

    #[test]
    fn the_cache_is_bounded_and_evicts_absent_key_ids() {
        let capacity = u64::try_from(CAPACITY).expect("a small number");
        let mut unknown = NegativeCache::default();
        assert!((0..2 * capacity).all(|key| !unknown.is_absent(key, 1)));
        assert_eq!(unknown.decided_by.len(), CAPACITY);
        unknown.decide(1);
        assert!(unknown.is_absent(0, 2));
        assert!((capacity..3 * capacity).all(|key| !unknown.is_absent(key, 2)));
        assert_eq!(unknown.decided_by.len(), CAPACITY);
        unknown.decide(2);
        assert!(unknown.is_absent(capacity, 3) && !unknown.is_absent(0, 3));
    }

    #[test]
    fn a_full_cache_is_searched_for_absent_keys_once_a_fetch() {
        let mut unknown = NegativeCache::default();
        unknown.decide(1);
        assert!((0..2048).all(|key| !unknown.is_absent(key, 2)));
        assert!(unknown.all_undetermined);
        unknown.decide(2);
        assert!(!unknown.all_undetermined);
    }
}
