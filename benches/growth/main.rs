//! How the cost of a decision grows: microseconds of processor time, the median of some rounds, as Markdown.
//!
//! `cargo bench --bench growth` takes a minute or two, and 3 GiB for a million tokens remembered.

mod cases;
mod sizes;

use std::sync::Barrier;
use std::thread;

use cpu_time::ThreadTime;

use cases::Kind;
use sizes::{GROWTHS, Sizes};

fn main() {
    for growth in GROWTHS {
        println!("<!-- growth: {} -->", growth.unit);
        println!("| {} | {} |", growth.unit, cases::KINDS.join(" | "));
        println!("|---:|---:|---:|---:|---:|");
        for &step in growth.steps {
            let costs = costs((growth.sizes)(step)).map(|cost| format!("{cost:.2}"));
            println!("| {step} | {} |", costs.join(" | "));
        }
        println!();
    }
}

/// What a token of each kind costs.
fn costs(sizes: Sizes) -> [f64; 4] {
    let mut kinds = cases::kinds(sizes, ROUNDS * sizes.threads * FRESH);
    let mut rounds = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        for ((kind, count), costs) in kinds.iter_mut().zip(COUNTS).zip(&mut rounds) {
            costs.push(cost(kind, count, sizes.threads));
        }
    }
    rounds.map(median)
}

/// Microseconds for each token, of which every thread sends so many.
fn cost(kind: &mut Kind, count: usize, threads: usize) -> f64 {
    let start = Barrier::new(threads);
    let parts: Vec<_> = (0..threads)
        .map(|part| further(kind, part * count))
        .collect();
    *kind = further(kind, threads * count);
    thread::scope(|scope| {
        let send = |part| scope.spawn(|| seconds(part, count, &start));
        let sending: Vec<_> = parts.into_iter().map(send).collect();
        let seconds = sending
            .into_iter()
            .map(|thread| thread.join().expect("sent"));
        seconds.sum::<f64>() * 1e6 / float(threads * count)
    })
}

/// The same tokens, beginning so many later.
fn further(kind: &Kind, count: usize) -> Kind {
    let mut kind = kind.clone();
    kind.next = (kind.next + count) % kind.tokens.len();
    kind
}

/// What the sending of so many takes this thread.
fn seconds(mut kind: Kind, count: usize, start: &Barrier) -> f64 {
    start.wait();
    let start = ThreadTime::now();
    for _ in 0..count {
        kind.send();
    }
    start.elapsed().as_secs_f64()
}

fn float(number: usize) -> f64 {
    f64::from(u32::try_from(number).expect("not so many"))
}

fn median(mut costs: Vec<f64>) -> f64 {
    costs.sort_by(f64::total_cmp);
    costs[costs.len() / 2]
}

const ROUNDS: usize = 7;

/// Tokens of a round that have not been verified before: few, since to sign one takes as long as to verify twenty.
const FRESH: usize = 200;

/// How many of each kind are sent in a round; seven rounds see each of a million remembered tokens.
const COUNTS: [usize; 4] = [150_000, FRESH, FRESH, 5_000];
