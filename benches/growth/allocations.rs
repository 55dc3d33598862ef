//! How often a decision allocates memory, in the usual case and in the largest of each kind, as Markdown.
//!
//! `cargo bench --bench allocations` counts; it is a program of its own, since counting costs time.

mod cases;
mod sizes;

use std::alloc::System;
use std::sync::Arc;

use stats_alloc::{Region, StatsAlloc};

use cases::Kind;
use sizes::{GROWTHS, Sizes, USUAL};

#[global_allocator]
static COUNTED: StatsAlloc<System> = StatsAlloc::system();

fn main() {
    println!("<!-- allocations -->");
    println!("| | {} |", cases::KINDS.join(" | "));
    println!("|---|---:|---:|---:|---:|");
    print("a payload of 512 bytes, one of everything else", USUAL);
    for growth in GROWTHS {
        let most = growth.steps.iter().max().copied().unwrap_or_default();
        let sizes = (growth.sizes)(most);
        // How many others ask is nothing that one thread could count.
        if sizes.threads == 1 {
            print(&format!("{most} {}", growth.unit), sizes);
        }
    }
    println!();
    memory();
}

/// What cached tokens of a payload of 512 bytes take, by what is freed with their verifier.
fn memory() {
    println!("<!-- memory of cached tokens -->");
    println!("| tokens cached | bytes each |");
    println!("|---:|---:|");
    for remembered in [10_000, 100_000, 1_000_000] {
        let kinds = cases::kinds(
            Sizes {
                remembered,
                ..USUAL
            },
            FRESH,
        );
        let tokens = kinds.each_ref().map(|kind| Arc::clone(&kind.tokens));
        let region = Region::new(&COUNTED);
        drop(kinds);
        println!(
            "| {remembered} | {} |",
            region.change().bytes_deallocated / remembered
        );
        drop(tokens);
    }
    println!();
}

fn print(what: &str, sizes: Sizes) {
    let counts =
        cases::kinds(sizes, FRESH).map(|mut kind| format!("{:.1}", allocations(&mut kind)));
    println!("| {what} | {} |", counts.join(" | "));
}

/// Allocations for each token, those that enlarge another included.
fn allocations(kind: &mut Kind) -> f64 {
    let region = Region::new(&COUNTED);
    for _ in 0..FRESH {
        kind.send();
    }
    let counted = region.change();
    let counted = u32::try_from(counted.allocations + counted.reallocations);
    let each = u32::try_from(FRESH).map(f64::from);
    f64::from(counted.expect("not so many")) / each.expect("not so many")
}

const FRESH: usize = 100;
