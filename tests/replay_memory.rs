//! The replay memory takes no more bytes than configured, including the allocator's overhead.

use std::alloc::System;
use std::time::Duration;

use actix_resource_server::sender::{ProofId, Replay, ReplayAnswer, ReplayOutcome, TargetUri};
use stats_alloc::{Region, StatsAlloc};

#[global_allocator]
static COUNTED: StatsAlloc<System> = StatsAlloc::system();

#[test]
fn a_full_memory_takes_no_more_bytes_than_configured() {
    let target = TargetUri::parse("https://api.example/").unwrap();
    let now = Duration::from_secs(1_700_000_000);
    let region = Region::new(&COUNTED);
    let replay = Replay::in_memory(BYTES);
    let kept = (0..300_000)
        .filter(|number| {
            let id = ProofId::new(&format!("key {number}"), &target, "jti");
            let claimed = replay.claim(&id, now + Duration::from_secs(300), now);
            matches!(claimed, ReplayAnswer::Decided(ReplayOutcome::First))
        })
        .count();
    let counted = region.change();
    let pieces = counted.allocations - counted.deallocations;
    let held = counted.bytes_allocated - counted.bytes_deallocated + pieces * OVERHEAD;
    println!("{kept} proofs in {held} bytes of {BYTES}, in {pieces} pieces");
    assert!(held <= BYTES, "{held}");
    assert!(held * 10 > BYTES * 9, "{held}");
    assert!(kept * 30 > BYTES, "{kept} proofs");
}

const BYTES: usize = 4 * 1024 * 1024;

/// The overhead of glibc's allocator for each allocation, rounded up.
const OVERHEAD: usize = 16;
