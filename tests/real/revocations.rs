//! Two replicas that share revocations: what is revoked at one is rejected by both within a second.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::TestIssuer;

use crate::app::TestApp;
use crate::connection::Connection;
use crate::redis::Redis;
use crate::sender::{HOST, PATH};
use crate::site::replicas;
use crate::wire::Request;

#[test]
#[ignore = "needs what tests/real/run installs"]
fn of_ten_thousand_requests_none_is_accepted_a_second_after_the_event_was_answered() {
    let redis = Redis::start();
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let both = revoking(&issuer, &redis);
    let addresses = both.each_ref().map(|replica| replica.address);
    let tokens: Vec<_> = (0..TOKENS)
        .map(|number| {
            issuer
                .token()
                .claim("sub", format!("user-{number}"))
                .build()
        })
        .collect();
    for _ in 0..3 {
        for address in addresses {
            let mut connection = Connection::open(address);
            assert!(
                tokens
                    .iter()
                    .all(|token| ask(&mut connection, token) == 200)
            );
        }
    }
    let [one, _] = &both;
    for number in 0..TOKENS {
        assert_eq!(log_out(one, &issuer, &format!("user-{number}")), 200);
    }
    let answered = Instant::now();
    let counted = thread::scope(|scope| {
        let ask = |at: usize| ask_until_late(addresses[at % 2], &tokens, answered);
        let threads = [0, 1, 2, 3].map(|at| scope.spawn(move || ask(at)));
        threads.map(|thread| thread.join().unwrap())
    });
    let sum = |count: fn(&Counted) -> usize| counted.iter().map(count).sum::<usize>();
    let last = counted
        .iter()
        .filter_map(|counted| counted.last_accepted)
        .max();
    println!(
        "sent in the first second: {}, of which {} were accepted, the last one after {last:?}; sent later: {}, accepted {}",
        sum(|counted| counted.early),
        sum(|counted| counted.accepted_early),
        sum(|counted| counted.late),
        sum(|counted| counted.accepted_late),
    );
    assert_eq!(sum(|counted| counted.late), REQUESTS);
    assert_eq!(sum(|counted| counted.accepted_late), 0);
    // A later login of the same user is accepted.
    let soon = std::time::SystemTime::now() + Duration::from_secs(3);
    let again = issuer
        .token()
        .issued_at(soon)
        .claim("sub", "user-0")
        .build();
    for address in addresses {
        assert_eq!(ask(&mut Connection::open(address), &again), 200);
    }
}

#[test]
#[ignore = "needs what tests/real/run installs"]
fn without_redis_tokens_are_undetermined_and_afterwards_revoked_ones_still_rejected() {
    let mut redis = Redis::start();
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let both = revoking(&issuer, &redis);
    let [one, other] = &both;
    let [ada, eva] = ["ada", "eva"].map(|of| issuer.token().claim("sub", of).build());
    assert_eq!(log_out(one, &issuer, "ada"), 200);
    redis.stop();
    for replica in &both {
        let mut connection = Connection::open(replica.address);
        let begun = Instant::now();
        while ask(&mut connection, &eva) != 503 {
            assert!(begun.elapsed() < Duration::from_secs(1));
        }
    }
    assert_eq!(log_out(other, &issuer, "eva"), 503);
    redis.start_again();
    for replica in &both {
        let mut connection = Connection::open(replica.address);
        let begun = Instant::now();
        while ask(&mut connection, &eva) != 200 {
            assert!(begun.elapsed() < Duration::from_secs(3));
        }
        println!("Redis is used again after {:?}", begun.elapsed());
        assert_eq!(ask(&mut connection, &ada), 401);
    }
}

fn revoking(issuer: &TestIssuer, redis: &Redis) -> [TestApp; 2] {
    let url = redis.url();
    let both = replicas(
        issuer,
        &[
            ("APP__AUTH__MAX_TOKEN_AGE", "1h"),
            ("APP__AUTH__EVENT_AUDIENCE", "client"),
            ("APP__REVOCATION__ENABLED", "true"),
            ("APP__REVOCATION__STORE", &url),
        ],
    );
    for replica in &both {
        let mut connection = Connection::open(replica.address);
        let token = issuer.token().build();
        let begun = Instant::now();
        while ask(&mut connection, &token) != 200 {
            assert!(begun.elapsed() < Duration::from_secs(3));
        }
    }
    both
}

/// What became of the requests of one connection.
#[derive(Default)]
struct Counted {
    early: usize,
    accepted_early: usize,
    last_accepted: Option<Duration>,
    /// Sent more than a second after the last event was answered.
    late: usize,
    accepted_late: usize,
}

fn ask_until_late(address: SocketAddr, tokens: &[String], answered: Instant) -> Counted {
    let mut connection = Connection::open(address);
    let mut counted = Counted::default();
    for token in tokens.iter().cycle() {
        let sent_after = answered.elapsed();
        let is_accepted = ask(&mut connection, token) == 200;
        if sent_after < Duration::from_secs(1) {
            counted.early += 1;
            counted.accepted_early += usize::from(is_accepted);
        } else {
            counted.late += 1;
            counted.accepted_late += usize::from(is_accepted);
        }
        if is_accepted {
            counted.last_accepted = Some(sent_after);
        }
        if counted.late == REQUESTS / 4 {
            break;
        }
    }
    counted
}

fn ask(connection: &mut Connection, token: &str) -> u16 {
    connection.send(&format!(
        "GET {PATH} HTTP/1.1\r\nHost: {HOST}\r\nX-Forwarded-Proto: https\r\nAuthorization: Bearer {token}\r\n\r\n"
    ));
    connection.status()
}

/// The status of the response to a logout token of the issuer.
fn log_out(replica: &TestApp, issuer: &TestIssuer, subject: &str) -> u16 {
    let token = issuer.logout_token("client").claim("sub", subject).build();
    let form = format!("logout_token={token}");
    let request = Request::new("POST", "/events/logout");
    let request = request.body("application/x-www-form-urlencoded", &form);
    replica.send(&request).status
}

const TOKENS: usize = 100;

const REQUESTS: usize = 10_000;
