use std::sync::Barrier;
use std::time::Duration;

use super::memory::{Memory, SET_BYTES, SLOTS};
use super::*;

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
    let firsts = (0..50_000).filter(|number| claim(&memory, *number, NOW) == ReplayOutcome::First);
    assert_eq!(firsts.count(), memory.sets.len() * SLOTS);
    for set in &memory.sets {
        assert_eq!(set.lock().unwrap().capacity(), SLOTS);
    }
}

#[test]
fn a_proof_is_identified_by_key_url_and_jti_together() {
    let one = TargetUri::parse("https://api.example/a").unwrap();
    let other = TargetUri::parse("https://api.example/ab").unwrap();
    let ids = [
        ProofId::new("key", &one, "id"),
        ProofId::new("key", &one, "bid"),
        ProofId::new("key", &other, "id"),
        ProofId::new("other", &one, "id"),
        ProofId::new("key", &one, "id "),
    ];
    for (place, id) in ids.iter().enumerate() {
        assert!(!ids[..place].contains(id), "{place}");
    }
    assert_eq!(ids[0], ProofId::new("key", &one, "id"));
}
