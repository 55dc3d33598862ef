//! Remembers proofs in this process, for all workers, within a fixed number of bytes.
//!
//! A proof belongs to one of many small sets, each behind its own lock. Places whose proof has
//! run out are used again, so nothing needs to sweep; a set without such a place takes no more,
//! since to forget a proof too early is to accept it twice. Which proofs meet in a set is secret,
//! so that nobody can fill a set on purpose.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{ProofId, Verdict};

#[derive(Debug)]
pub(super) struct Memory {
    sets: Box<[Mutex<Vec<Place>>]>,
    places: RandomState,
}

/// One proof, and until when it must be known.
#[derive(Debug)]
struct Place {
    /// Half of its hash, which nobody can find a second proof for.
    proof: [u8; 16],
    until: u64,
}

impl Memory {
    pub(super) fn new(bytes: usize) -> Self {
        let sets = bytes.checked_div(SET_BYTES).unwrap_or_default().max(1);
        Self {
            sets: (0..sets).map(|_| Mutex::default()).collect(),
            places: RandomState::new(),
        }
    }

    pub(super) fn claim(&self, proof: &ProofId, until: Duration, now: Duration) -> Verdict {
        let Some(set) = self.set_of(proof) else {
            return Verdict::Full;
        };
        let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
        claim_in(&mut set, Place::of(proof, until), now.as_secs())
    }

    fn set_of(&self, proof: &ProofId) -> Option<&Mutex<Vec<Place>>> {
        let number = usize::try_from(self.places.hash_one(proof) >> 1).unwrap_or_default();
        self.sets.get(number.checked_rem(self.sets.len())?)
    }
}

impl Place {
    /// Seconds are rounded up: an instant too long is harmless.
    fn of(proof: &ProofId, until: Duration) -> Self {
        let (&half, _) = proof
            .as_bytes()
            .split_first_chunk()
            .unwrap_or((&[0; 16], &[]));
        Self {
            proof: half,
            until: until.as_secs().saturating_add(1),
        }
    }
}

fn claim_in(set: &mut Vec<Place>, claimed: Place, now: u64) -> Verdict {
    let has_room = set.len() < PLACES;
    let mut free = None;
    for (number, place) in set.iter().enumerate() {
        let holds = place.until >= now;
        if holds && place.proof == claimed.proof {
            return Verdict::Replayed;
        }
        if !holds && free.is_none() {
            free = Some(number);
        }
    }
    match free.and_then(|number| set.get_mut(number)) {
        Some(place) => *place = claimed,
        None if has_room => set.push(claimed),
        None => return Verdict::Full,
    }
    Verdict::First
}

/// The places of a set, a power of two as its vector grows; searching them all costs far less than a signature.
const PLACES: usize = 256;

/// A full set, its lock, and what the allocator adds.
const SET_BYTES: usize = PLACES * size_of::<Place>() + size_of::<Mutex<Vec<Place>>>() + 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::Target;
    use std::sync::Barrier;

    const NOW: Duration = Duration::from_secs(1_700_000_000);

    const LIFETIME: Duration = Duration::from_secs(300);

    fn id(number: usize) -> ProofId {
        let target = Target::parse("https://api.example/").unwrap();
        ProofId::new("key", &target, &number.to_string())
    }

    fn claim(memory: &Memory, number: usize, now: Duration) -> Verdict {
        memory.claim(&id(number), now + LIFETIME, now)
    }

    #[test]
    fn of_ten_thousand_who_claim_one_proof_at_once_one_is_first() {
        let memory = Memory::new(1024 * 1024);
        let start = Barrier::new(4);
        let firsts = || {
            start.wait();
            let verdicts = (0..2500).map(|_| claim(&memory, 1, NOW));
            let (firsts, others): (Vec<_>, Vec<_>) =
                verdicts.partition(|verdict| *verdict == Verdict::First);
            assert!(others.iter().all(|verdict| *verdict == Verdict::Replayed));
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
        let at = |now| memory.claim(&id(1), until, now);
        assert_eq!(at(NOW), Verdict::First);
        for later in [LIFETIME, LIFETIME + Duration::from_millis(500)] {
            assert_eq!(at(NOW + later), Verdict::Replayed);
        }
        assert_eq!(at(NOW + LIFETIME + Duration::from_secs(2)), Verdict::First);
    }

    #[test]
    fn a_proof_that_holds_is_never_forgotten_for_another() {
        let memory = Memory::new(0);
        for number in 0..PLACES {
            assert_eq!(claim(&memory, number, NOW), Verdict::First);
        }
        assert_eq!(claim(&memory, PLACES, NOW), Verdict::Full);
        for number in 0..PLACES {
            assert_eq!(claim(&memory, number, NOW), Verdict::Replayed);
        }
    }

    #[test]
    fn places_are_used_again_once_their_proofs_have_run_out() {
        let memory = Memory::new(0);
        let mut now = NOW;
        for round in 0..4 {
            for number in 0..PLACES {
                assert_eq!(claim(&memory, round * PLACES + number, now), Verdict::First);
            }
            assert_eq!(claim(&memory, usize::MAX, now), Verdict::Full);
            now += LIFETIME + Duration::from_secs(2);
        }
        assert_eq!(memory.sets[0].lock().unwrap().len(), PLACES);
    }

    #[test]
    fn the_bytes_are_never_more_than_was_said() {
        let bytes = 256 * 1024;
        let memory = Memory::new(bytes);
        assert!(memory.sets.len() > 32);
        let mut first = 0;
        for number in 0..50_000 {
            first += usize::from(claim(&memory, number, NOW) == Verdict::First);
        }
        let taken = |set: &Mutex<Vec<Place>>| {
            set.lock().unwrap().capacity() * size_of::<Place>() + size_of::<Mutex<Vec<Place>>>()
        };
        let total: usize = memory.sets.iter().map(taken).sum();
        assert!(total <= bytes, "{total}");
        assert_eq!(first, memory.sets.len() * PLACES);
    }

    #[test]
    fn most_of_the_memory_is_used_before_any_proof_is_turned_away() {
        let memory = Memory::new(1024 * 1024);
        let places = memory.sets.len() * PLACES;
        let taken = (0..places)
            .take_while(|number| claim(&memory, *number, NOW) == Verdict::First)
            .count();
        assert!(taken * 10 > places * 6, "{taken} of {places}");
    }
}
