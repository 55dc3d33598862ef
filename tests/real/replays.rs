//! A proof sent to two replicas is accepted once.

use std::net::SocketAddr;
use std::thread;
use std::time::Instant;

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::TestIssuer;

use crate::connection::Connection;
use crate::proxy::Kind;
use crate::redis::Redis;
use crate::sender::{HOST, PATH, Sender, error};
use crate::site::{Site, replicas};

#[test]
#[ignore = "needs what tests/real/run installs"]
fn a_proof_that_is_sent_twice_through_a_proxy_is_accepted_once() {
    let redis = Redis::start();
    for kind in Kind::ALL {
        let site = Site::sharing(&redis, kind);
        let sender = Sender::of(&site.issuer);
        let proof = sender.proof().build();
        let answers = [(); 3].map(|()| sender.curl(&site, &proof).answer());
        assert_eq!(
            answers.each_ref().map(|answer| answer.status),
            [200, 401, 401],
            "{kind:?}"
        );
        assert_eq!(error(&answers[1]), Some("invalid_dpop_proof"));
        // The second attempt reached the other replica.
        let mut counts = site.counts("invalid_dpop_proof");
        counts.sort_unstable();
        assert_eq!(counts, [(0, 1), (1, 1)], "{kind:?}");
    }
}

#[test]
#[ignore = "needs what tests/real/run installs"]
fn ten_thousand_proofs_sent_to_both_replicas_are_each_accepted_once() {
    let redis = Redis::start();
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let url = redis.url();
    let both = replicas(&issuer, &[("APP__AUTH__DPOP__REPLAY_STORE", &url)]);
    let addresses = both.each_ref().map(|replica| replica.address);
    let begun = Instant::now();
    let counted = thread::scope(|scope| {
        let threads = [(); THREADS].map(|()| scope.spawn(|| race(&issuer, addresses)));
        threads.map(|thread| thread.join().unwrap())
    });
    let mut taken = [0; 3];
    for counts in counted {
        for (sum, count) in taken.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    let [never, once, twice] = taken;
    println!(
        "{PROOFS} proofs at two replicas in {:?}: {once} taken once, {twice} twice, {never} never",
        begun.elapsed()
    );
    assert_eq!(taken, [0, PROOFS, 0]);
    let granted = both
        .each_ref()
        .map(|replica| replica.metric("ars_access_granted_total"));
    println!(
        "taken by the one replica: {}, by the other: {}",
        granted[0], granted[1]
    );
    // Each replica accepted some, so there was a race.
    assert!(granted.iter().all(|&count| count > 0), "{granted:?}");
}

/// How many proofs were accepted by none, by one and by both.
fn race(issuer: &TestIssuer, addresses: [SocketAddr; 2]) -> [usize; 3] {
    let sender = Sender::of(issuer);
    let mut connections = addresses.map(Connection::open);
    let mut taken = [0; 3];
    for round in 0..PROOFS / THREADS {
        let request = request(&sender);
        connections.rotate_left(round % 2);
        for connection in &mut connections {
            connection.send(&request);
        }
        let statuses = connections.each_mut().map(Connection::status);
        assert!(
            statuses.iter().all(|status| [200, 401].contains(status)),
            "{statuses:?}"
        );
        taken[statuses.iter().filter(|&&status| status == 200).count()] += 1;
    }
    taken
}

fn request(sender: &Sender) -> String {
    format!(
        "GET {PATH} HTTP/1.1\r\nHost: {HOST}\r\nX-Forwarded-Proto: https\r\n\
         Authorization: DPoP {}\r\nDPoP: {}\r\n\r\n",
        sender.token,
        sender.proof().build()
    )
}

const PROOFS: usize = 10_000;

const THREADS: usize = 4;
