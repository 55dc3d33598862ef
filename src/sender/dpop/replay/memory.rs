//! A replay store in memory, for all workers, with a fixed number of bytes.
//!
//! A proof belongs to one of many small sets, each behind its own lock. Slots whose proof has
//! expired are reused, so no sweep is needed; a set without such a slot accepts no more,
//! since a proof that is evicted too early is accepted twice. Which proofs share a set is secret,
//! so that a set cannot be filled on purpose.
//!
//! In each set a holder may have as large a part of the free slots as is free of the whole set: one
//! holder gets 38 % of the memory at most, and the fuller the memory is, the less a holder may add.
//! Some thirty keys are needed to fill it. Since the proofs of a holder spread evenly over the sets,
//! this holds for the whole memory without a count of holders anywhere.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{ProofId, ReplayOutcome};

#[derive(Debug)]
pub(super) struct Memory {
    sets: Box<[Mutex<Vec<Slot>>]>,
    hasher: RandomState,
}

/// One recorded proof.
#[derive(Debug)]
struct Slot {
    /// The last second since 1970 in which it must be known.
    until: u64,
    /// The first bytes of its hash, enough to make collisions infeasible.
    proof: [u8; 12],
    /// Under a secret key, so that the holder of one key cannot take the share of another.
    holder: u32,
}

impl Memory {
    pub(super) fn new(bytes: usize) -> Self {
        let sets = (bytes / SET_BYTES).max(1);
        Self {
            sets: (0..sets).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    pub(super) fn claim(&self, proof: &ProofId, until: Duration, now: Duration) -> ReplayOutcome {
        let Some(set) = self.set_of(proof) else {
            return ReplayOutcome::Full;
        };
        let claimed = self.slot(proof, until);
        let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
        claim_in(&mut set, claimed, now.as_secs())
    }

    fn set_of(&self, proof: &ProofId) -> Option<&Mutex<Vec<Slot>>> {
        let number = usize::try_from(self.hasher.hash_one(proof.hash) >> 1).unwrap_or_default();
        self.sets.get(number.checked_rem(self.sets.len())?)
    }

    /// Seconds are rounded up: an instant too long is harmless.
    fn slot(&self, proof: &ProofId, until: Duration) -> Slot {
        let mut first = [0; 12];
        for (to, from) in first.iter_mut().zip(proof.hash) {
            *to = from;
        }
        let [a, b, c, d, ..] = self.hasher.hash_one(proof.key).to_be_bytes();
        Slot {
            until: until.as_secs().saturating_add(1),
            proof: first,
            holder: u32::from_be_bytes([a, b, c, d]),
        }
    }
}

fn claim_in(set: &mut Vec<Slot>, claimed: Slot, now: u64) -> ReplayOutcome {
    let (mut reusable, mut used, mut of_holder) = (None, 0, 0);
    for (number, slot) in set.iter().enumerate() {
        if slot.until < now {
            reusable = Some(number);
        } else if slot.proof == claimed.proof {
            return ReplayOutcome::Replayed;
        } else {
            used += 1;
            of_holder += usize::from(slot.holder == claimed.holder);
        }
    }
    let free = SLOTS.saturating_sub(used);
    if free == 0 {
        return ReplayOutcome::Full;
    }
    if of_holder * SLOTS >= free * free {
        return ReplayOutcome::OverShare;
    }
    match reusable.and_then(|number| set.get_mut(number)) {
        Some(slot) => *slot = claimed,
        None => push(set, claimed),
    }
    ReplayOutcome::First
}

/// Grows a set only once, which limits fragmentation of the heap.
fn push(set: &mut Vec<Slot>, claimed: Slot) {
    if set.len() == set.capacity() {
        let capacity = if set.is_empty() { FIRST_SLOTS } else { SLOTS };
        set.reserve_exact(capacity.saturating_sub(set.len()));
    }
    set.push(claimed);
}

/// The slots of a set; searching them all costs far less than a signature.
const SLOTS: usize = 256;

/// The slots of a set before it is grown to all of them.
const FIRST_SLOTS: usize = 16;

/// A full set, what it was grown from, and what the allocator adds to each of the two.
const SET_BYTES: usize =
    (SLOTS + FIRST_SLOTS) * size_of::<Slot>() + size_of::<Mutex<Vec<Slot>>>() + 2 * 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sender::TargetUri;
    use std::sync::Barrier;

    const NOW: Duration = Duration::from_secs(1_700_000_000);

    const LIFETIME: Duration = Duration::from_secs(300);

    fn id(holder: &str, number: usize) -> ProofId {
        let target = TargetUri::parse("https://api.example/").unwrap();
        ProofId::new(holder, &target, &number.to_string())
    }

    /// A claim by a key that makes no other.
    fn claim(memory: &Memory, number: usize, now: Duration) -> ReplayOutcome {
        let id = id(&format!("key {number}"), number);
        memory.claim(&id, now + LIFETIME, now)
    }

    fn claim_by(memory: &Memory, holder: &str, number: usize) -> ReplayOutcome {
        memory.claim(&id(holder, number), NOW + LIFETIME, NOW)
    }

    /// How many of so many claims by one holder are the first.
    fn flood(memory: &Memory, holder: &str, claims: usize) -> usize {
        let outcomes = (0..claims).map(|number| claim_by(memory, holder, number));
        outcomes
            .filter(|outcome| *outcome == ReplayOutcome::First)
            .count()
    }

    #[test]
    fn of_ten_thousand_concurrent_claims_for_one_proof_one_is_first() {
        let memory = Memory::new(1024 * 1024);
        let start = Barrier::new(4);
        let firsts = || {
            start.wait();
            let outcomes = (0..2500).map(|_| claim(&memory, 1, NOW));
            let (firsts, others): (Vec<_>, Vec<_>) =
                outcomes.partition(|outcome| *outcome == ReplayOutcome::First);
            assert!(
                others
                    .iter()
                    .all(|outcome| *outcome == ReplayOutcome::Replayed)
            );
            firsts.len()
        };
        let total: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(firsts)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(total, 1);
    }

    #[test]
    fn a_proof_is_known_for_as_long_as_it_would_be_accepted() {
        let memory = Memory::new(0);
        let until = NOW + LIFETIME + Duration::from_millis(500);
        let at = |now| memory.claim(&id("key", 1), until, now);
        assert_eq!(at(NOW), ReplayOutcome::First);
        for later in [LIFETIME, LIFETIME + Duration::from_millis(500)] {
            assert_eq!(at(NOW + later), ReplayOutcome::Replayed);
        }
        assert_eq!(
            at(NOW + LIFETIME + Duration::from_secs(2)),
            ReplayOutcome::First
        );
    }

    #[test]
    fn a_proof_that_is_still_valid_is_never_evicted_for_another() {
        let memory = Memory::new(0);
        for number in 0..SLOTS {
            assert_eq!(claim(&memory, number, NOW), ReplayOutcome::First);
        }
        assert_eq!(claim(&memory, SLOTS, NOW), ReplayOutcome::Full);
        for number in 0..SLOTS {
            assert_eq!(claim(&memory, number, NOW), ReplayOutcome::Replayed);
        }
    }

    #[test]
    fn slots_are_reused_when_their_proofs_have_expired() {
        let memory = Memory::new(0);
        let mut now = NOW;
        for round in 0..4 {
            for number in 0..SLOTS {
                assert_eq!(
                    claim(&memory, round * SLOTS + number, now),
                    ReplayOutcome::First
                );
            }
            assert_eq!(claim(&memory, usize::MAX, now), ReplayOutcome::Full);
            now += LIFETIME + Duration::from_secs(2);
        }
        assert_eq!(memory.sets[0].lock().unwrap().len(), SLOTS);
    }

    #[test]
    fn one_key_gets_38_percent_of_a_set_and_each_further_one_less() {
        let memory = Memory::new(0);
        for (holder, share) in [
            ("a", 98),
            ("b", 48),
            ("c", 27),
            ("d", 18),
            ("e", 12),
            ("f", 8),
        ] {
            assert_eq!(flood(&memory, holder, 1000), share, "{holder}");
            assert_eq!(claim_by(&memory, holder, 1000), ReplayOutcome::OverShare);
            // What it has used stays used.
            assert_eq!(claim_by(&memory, holder, 0), ReplayOutcome::Replayed);
        }
    }

    #[test]
    fn a_key_over_its_share_is_accepted_again_when_its_proofs_have_expired() {
        let memory = Memory::new(0);
        assert_eq!(flood(&memory, "a", 1000), 98);
        let later = NOW + LIFETIME + Duration::from_secs(2);
        let again = memory.claim(&id("a", 0), later + LIFETIME, later);
        assert_eq!(again, ReplayOutcome::First);
    }

    #[test]
    fn twenty_busy_keys_leave_slots_for_others() {
        let memory = Memory::new(128 * 1024);
        let slots = memory.sets.len() * SLOTS;
        for holder in 0..20 {
            flood(&memory, &format!("busy {holder}"), slots * 2);
        }
        for number in 0..memory.sets.len() {
            let holder = format!("other {number}");
            assert_eq!(claim_by(&memory, &holder, number), ReplayOutcome::First);
        }
    }

    #[test]
    fn one_busy_key_alone_gets_a_quarter_of_the_store_before_it_is_rejected() {
        let memory = Memory::new(1024 * 1024);
        let slots = memory.sets.len() * SLOTS;
        let taken = (0..slots)
            .take_while(|number| claim_by(&memory, "busy", *number) == ReplayOutcome::First)
            .count();
        assert!(taken * 4 > slots, "{taken} of {slots}");
    }

    #[test]
    fn most_of_the_store_is_used_before_any_of_many_keys_is_rejected() {
        let memory = Memory::new(1024 * 1024);
        let slots = memory.sets.len() * SLOTS;
        let taken = (0..slots)
            .take_while(|number| claim(&memory, *number, NOW) == ReplayOutcome::First)
            .count();
        assert!(taken * 10 > slots * 6, "{taken} of {slots}");
    }

    #[test]
    fn a_full_store_has_as_many_slots_as_its_bytes_allow() {
        let bytes = 256 * 1024;
        let memory = Memory::new(bytes);
        assert_eq!(memory.sets.len(), bytes / SET_BYTES);
        let firsts =
            (0..50_000).filter(|number| claim(&memory, *number, NOW) == ReplayOutcome::First);
        assert_eq!(firsts.count(), memory.sets.len() * SLOTS);
        for set in &memory.sets {
            assert_eq!(set.lock().unwrap().capacity(), SLOTS);
        }
    }
}
