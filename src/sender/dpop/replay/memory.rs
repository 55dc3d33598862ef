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
    pub(super) sets: Box<[Mutex<Vec<Slot>>]>,
    hasher: RandomState,
}

/// One recorded proof.
#[derive(Debug)]
pub(super) struct Slot {
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
pub(super) const SLOTS: usize = 256;

/// The slots of a set before it is grown to all of them.
const FIRST_SLOTS: usize = 16;

/// A full set, what it was grown from, and what the allocator adds to each of the two.
pub(super) const SET_BYTES: usize =
    (SLOTS + FIRST_SLOTS) * size_of::<Slot>() + size_of::<Mutex<Vec<Slot>>>() + 2 * 16;
