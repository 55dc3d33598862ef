//! The replay memory takes no more bytes than configured, including the allocator's overhead.

use std::alloc::System;
use std::time::Duration;

use memory::Memory;
use stats_alloc::{Region, StatsAlloc};

/// The store itself, which the library does not publish.
#[path = "../src/sender/dpop/replay/memory.rs"]
mod memory;

struct ProofId {
    hash: [u8; 32],
    key: [u8; 32],
}

#[derive(PartialEq)]
enum ReplayOutcome {
    First,
    Full,
    OverShare,
    Replayed,
}

#[global_allocator]
static COUNTED: StatsAlloc<System> = StatsAlloc::system();

#[test]
fn a_full_memory_takes_no_more_bytes_than_configured() {
    let now = Duration::from_secs(1_700_000_000);
    let region = Region::new(&COUNTED);
    let replay = Memory::new(BYTES);
    let kept = (0..300_000)
        .filter(|number| {
            let (mut hash, mut key) = ([0; 32], [1; 32]);
            hash[..4].copy_from_slice(&u32::to_be_bytes(*number));
            key[..4].copy_from_slice(&u32::to_be_bytes(*number));
            let claimed = replay.claim(&ProofId { hash, key }, now + LIFETIME, now);
            claimed == ReplayOutcome::First
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

const LIFETIME: Duration = Duration::from_secs(300);

const BYTES: usize = 4 * 1024 * 1024;

/// The overhead of glibc's allocator for each allocation, rounded up.
const OVERHEAD: usize = 16;
