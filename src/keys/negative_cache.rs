//! Key IDs that tokens named and no published key has, each with the fetch that decides about it.
//!
//! A key ID that is not in the set is undetermined until a fetch has brought a set without it. Only
//! a fetch that began after the key ID was first seen counts: an earlier one may have read the set
//! before the key was published.

use std::collections::HashMap;

/// A bounded memory of unknown key IDs, by their fingerprints.
#[derive(Debug, Default)]
pub(crate) struct NegativeCache {
    /// The number of the first fetch that began after the key ID was first seen.
    decided_by: HashMap<u64, u64>,
    /// The number of the last fetch that succeeded.
    last_success: u64,
    /// Whether `last_success` has decided about none of the key IDs that are still remembered.
    all_undetermined: bool,
}

impl NegativeCache {
    /// Takes note that a token names `key`, and says whether it is absent: whether a fetch that began after the
    /// key ID was first seen has not brought it. Of a key ID that is new, the fetch of the number `next` is the
    /// first to decide; while too many are undetermined, it is not remembered.
    pub(crate) fn is_absent(&mut self, key: u64, next: u64) -> bool {
        if let Some(decided_by) = self.decided_by.get(&key) {
            return *decided_by <= self.last_success;
        }
        if self.decided_by.len() >= CAPACITY {
            self.forget_absent();
        }
        if self.decided_by.len() < CAPACITY {
            self.decided_by.insert(key, next);
        }
        false
    }

    /// The fetch of this number succeeded, and decides about every key ID that was seen before it began.
    pub(crate) fn decide(&mut self, number: u64) {
        self.last_success = number;
        self.all_undetermined = false;
    }

    /// Makes way for key IDs that are undetermined. One pass a fetch: between two fetches none becomes absent,
    /// and a full memory must not cost each request of a flood a pass.
    fn forget_absent(&mut self) {
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
    fn only_so_many_are_undetermined_and_those_that_are_absent_make_way() {
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
    fn a_full_memory_is_searched_for_absent_keys_once_a_fetch() {
        let mut unknown = NegativeCache::default();
        unknown.decide(1);
        assert!((0..2048).all(|key| !unknown.is_absent(key, 2)));
        assert!(unknown.all_undetermined);
        unknown.decide(2);
        assert!(!unknown.all_undetermined);
    }
}
