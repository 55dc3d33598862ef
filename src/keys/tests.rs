//! Tests of requests for keys, with the time as an argument.

use std::time::{Duration, Instant};

use super::*;
use crate::jose::Algorithm;

const COOLDOWN: Duration = Duration::from_secs(30);

/// The keys of an issuer whose first fetch has brought a set.
struct Bench {
    keys: IssuerKeys,
    counters: Counters,
    start: Instant,
}

impl Bench {
    fn new() -> Self {
        let issuer = Issuer::with_jwks_uri("a", "https://a.example/keys").audience("api");
        let issuer = issuer.cooldown_duration(COOLDOWN).build();
        let bench = Self {
            keys: IssuerKeys::new(issuer.expect("an issuer"), 0),
            counters: Counters::default(),
            start: Instant::now(),
        };
        bench.end(true);
        bench
    }

    /// Ends a fetch that finds the set unchanged, or fails.
    fn end(&self, succeeds: bool) {
        let set = KeySet::of_secret("a".to_owned(), b"secret", &[Algorithm::Hs256]);
        let set = self.keys.current().is_none().then_some(set);
        let fetched = if succeeds {
            Ok((set, None))
        } else {
            Err(FetchFailure::NoJwksUri)
        };
        self.keys.end_fetch(self.start, fetched, &self.counters);
    }

    fn fetch(&self, succeeds: bool) {
        self.keys.begin_fetch();
        self.end(succeeds);
    }

    fn ask(&self, key: u64, seconds: u64) -> KeyRequest {
        let wanted = WantedKey {
            fingerprint: key,
            generation: self.keys.generation(),
            is_named: true,
            may_pass: true,
            purpose: Purpose::AccessTokens,
        };
        let now = self.start + Duration::from_secs(seconds);
        self.keys.request_key(wanted, &self.counters, now)
    }

    /// Requests a key, and completes the fetch that this causes.
    fn ask_and_fetch(&self, key: u64, seconds: u64) {
        let request = self.ask(key, seconds);
        assert!(matches!(request, KeyRequest::Fetching(_)), "{request:?}");
        self.fetch(true);
    }

    /// Uses up the budget for unknown keys.
    fn spend(&self) {
        (1001..=1003).for_each(|key| self.ask_and_fetch(key, 0));
    }
}

#[test]
fn a_key_is_undetermined_until_a_fetch_that_began_later_has_succeeded() {
    let bench = Bench::new();
    bench.spend();
    for _ in 0..2 {
        let request = bench.ask(1, 10);
        assert!(
            matches!(request, KeyRequest::Undetermined(wait) if wait <= COOLDOWN),
            "{request:?}"
        );
    }
    // The next fetch is made for another key; it decides about both.
    bench.ask_and_fetch(2, 31);
    for key in [1, 2] {
        let request = bench.ask(key, 32);
        assert!(matches!(request, KeyRequest::Denied), "{request:?}");
    }
    let request = bench.ask(3, 32);
    assert!(
        matches!(request, KeyRequest::Undetermined(_)),
        "{request:?}"
    );
}

#[test]
fn a_fetch_that_began_before_the_first_request_for_a_key_does_not_decide_about_it() {
    let bench = Bench::new();
    bench.spend();
    assert!(matches!(bench.ask(1, 31), KeyRequest::Fetching(fetch) if !fetch.is_late));
    bench.keys.begin_fetch();
    assert!(matches!(bench.ask(2, 31), KeyRequest::Fetching(fetch) if fetch.is_late));
    bench.end(true);
    assert!(matches!(bench.ask(1, 32), KeyRequest::Denied));
    assert!(matches!(bench.ask(2, 32), KeyRequest::Undetermined(_)));
    bench.fetch(true);
    assert!(matches!(bench.ask(2, 32), KeyRequest::Denied));
}

#[test]
fn the_first_success_after_an_outage_decides_about_a_key() {
    let bench = Bench::new();
    bench.spend();
    assert!(matches!(bench.ask(1, 10), KeyRequest::Undetermined(_)));
    bench.fetch(false);
    assert!(matches!(bench.ask(1, 10), KeyRequest::Failing(_)));
    bench.fetch(true);
    assert!(matches!(bench.ask(1, 10), KeyRequest::Denied));
}

#[test]
fn an_absent_key_is_fetched_again_when_the_budget_allows() {
    let bench = Bench::new();
    bench.ask_and_fetch(1, 0);
    let now = bench.start;
    let ask = |milliseconds| {
        let wanted = WantedKey {
            fingerprint: 1,
            generation: bench.keys.generation(),
            is_named: true,
            may_pass: true,
            purpose: Purpose::AccessTokens,
        };
        let now = now + Duration::from_millis(milliseconds);
        bench.keys.request_key(wanted, &bench.counters, now)
    };
    assert!(
        matches!(ask(10), KeyRequest::Denied),
        "found absent just now"
    );
    assert!(
        matches!(ask(900), KeyRequest::Fetching(_)),
        "published late"
    );
}

#[test]
fn while_fetches_fail_a_request_neither_waits_nor_causes_one() {
    let bench = Bench::new();
    bench.fetch(false);
    for (key, seconds) in [(1, 0), (2, 3600)] {
        let request = bench.ask(key, seconds);
        assert!(matches!(request, KeyRequest::Failing(_)), "{request:?}");
    }
    bench.keys.begin_fetch();
    let request = bench.ask(3, 0);
    assert!(matches!(request, KeyRequest::Failing(_)), "{request:?}");
    assert_eq!(bench.counters.awaited_keys(), 0);
    bench.end(true);
    assert!(
        matches!(bench.ask(3, 0), KeyRequest::Fetching(_)),
        "recovered"
    );
}

#[test]
fn a_token_that_no_key_would_make_valid_costs_no_fetch() {
    let bench = Bench::new();
    let wanted = WantedKey {
        fingerprint: 1,
        generation: bench.keys.generation(),
        is_named: true,
        may_pass: false,
        purpose: Purpose::AccessTokens,
    };
    let request = bench.keys.request_key(wanted, &bench.counters, bench.start);
    assert!(matches!(request, KeyRequest::Denied), "{request:?}");
}

#[test]
fn a_flood_is_bounded_and_leaves_unrecorded_keys_undetermined() {
    let bench = Bench::new();
    bench.spend();
    for key in 2000..5000 {
        let request = bench.ask(key, 1);
        assert!(
            matches!(request, KeyRequest::Undetermined(_)),
            "{request:?}"
        );
    }
    bench.ask_and_fetch(1, 31);
    assert!(matches!(bench.ask(2000, 32), KeyRequest::Denied));
    let beyond = bench.ask(4999, 32);
    assert!(matches!(beyond, KeyRequest::Undetermined(_)), "{beyond:?}");
}

#[test]
fn a_flood_of_events_leaves_the_fetches_and_places_of_access_tokens() {
    let bench = Bench::new();
    let ask = |key| {
        let wanted = WantedKey {
            fingerprint: key,
            generation: bench.keys.generation(),
            is_named: true,
            may_pass: true,
            purpose: Purpose::Events,
        };
        bench.keys.request_key(wanted, &bench.counters, bench.start)
    };
    assert!(matches!(ask(0), KeyRequest::Fetching(_)));
    bench.fetch(true);
    assert!(
        matches!(ask(0), KeyRequest::Denied),
        "the fetch did not bring it"
    );
    for key in 1..3000 {
        let request = ask(key);
        assert!(
            matches!(request, KeyRequest::Undetermined(_)),
            "{request:?}"
        );
    }
    bench.ask_and_fetch(5000, 0);
    assert!(
        matches!(bench.ask(5000, 0), KeyRequest::Denied),
        "it was recorded, and is known to be absent"
    );
}
