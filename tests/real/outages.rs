//! A Redis that is stopped, full or locked: proofs are rejected for a while, bearer tokens are not.

use std::time::{Duration, Instant};

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::TestIssuer;

use crate::app::TestApp;
use crate::documented::Documented;
use crate::proxy::Kind;
use crate::redis::Redis;
use crate::sender::{Sender, error};
use crate::site::{remembering, replica};
use crate::wire::Answer;

/// A service, its Redis, and a client.
struct Stage {
    issuer: TestIssuer,
    redis: Redis,
    app: TestApp,
    sender: Sender,
}

impl Stage {
    fn new(redis: Redis, variables: &[(&str, &str)]) -> Self {
        let issuer = TestIssuer::start_with(Algorithm::Es256);
        let settings = format!(
            "{}\n{}",
            Kind::Nginx.settings().text(),
            remembering(&redis).text()
        );
        let app = replica(&issuer, &settings, variables);
        let sender = Sender::of(&issuer);
        Self {
            issuer,
            redis,
            app,
            sender,
        }
    }

    fn send(&self, proof: &str) -> Answer {
        self.app.send(&self.sender.request(proof))
    }

    /// Sends a request with a new proof.
    fn ask(&self) -> Answer {
        self.send(&self.sender.proof().build())
    }

    fn assert_unavailable(&self) {
        let answer = self.ask();
        assert_eq!(answer.status, 503, "{answer:?}");
        let pause = answer.header("retry-after").map(str::parse::<u32>);
        assert!(pause.is_some_and(|pause| pause.is_ok()), "{answer:?}");
        assert_eq!(answer.header("www-authenticate"), None);
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
    }

    /// Waits until the service notices that Redis is available.
    fn assert_soon_served(&self) {
        let begun = Instant::now();
        while self.ask().status != 200 {
            assert!(begun.elapsed() < Duration::from_secs(2));
        }
        println!("Redis is used again after {:?}", begun.elapsed());
    }

    fn assert_bearer_tokens_are_served(&self) {
        assert_eq!(self.app.private(&self.issuer.token().build()).status, 200);
    }
}

#[test]
#[ignore = "needs what tests/real/run installs"]
fn proofs_are_rejected_only_while_redis_is_stopped() {
    let mut stage = Stage::new(Redis::start(), &[]);
    let used = stage.sender.proof().build();
    assert_eq!(stage.send(&used).status, 200);
    for _ in 0..2 {
        stage.redis.stop();
        for _ in 0..3 {
            stage.assert_unavailable();
            stage.assert_bearer_tokens_are_served();
        }
        stage.redis.start_again();
        stage.assert_soon_served();
        let answer = stage.send(&used);
        assert_eq!(
            (answer.status, error(&answer)),
            (401, Some("invalid_dpop_proof"))
        );
    }
}

#[test]
#[ignore = "needs what tests/real/run installs"]
fn a_redis_that_is_started_after_the_service_is_found() {
    let mut redis = Redis::start();
    redis.stop();
    let mut stage = Stage::new(redis, &[]);
    stage.assert_unavailable();
    stage.redis.start_again();
    stage.assert_soon_served();
}

#[test]
#[ignore = "needs what tests/real/run installs"]
fn proofs_are_accepted_unchecked_if_so_configured() {
    let accept = ("APP__AUTH__DPOP__REPLAY_FAILURE", "accept");
    let mut stage = Stage::new(Redis::start(), &[accept]);
    let proof = stage.sender.proof().build();
    let statuses = |stage: &Stage| [(); 2].map(|()| stage.send(&proof).status);
    assert_eq!(statuses(&stage), [200, 401]);
    stage.redis.stop();
    assert_eq!(statuses(&stage), [200, 200]);
    stage
        .app
        .wait_for_log("proofs: Redis cannot be asked whether they were used before");
}

#[test]
#[ignore = "needs what tests/real/run installs"]
fn a_full_redis_evicts_nothing() {
    let stage = Stage::new(Redis::start(), &[]);
    let used = stage.sender.proof().build();
    assert_eq!(stage.send(&used).status, 200);
    stage.redis.limit("100kb");
    stage.assert_unavailable();
    stage.assert_bearer_tokens_are_served();
    assert_eq!(stage.send(&used).status, 503);
    stage.redis.limit("256mb");
    stage.assert_soon_served();
    assert_eq!(stage.send(&used).status, 401);
}

#[test]
#[ignore = "needs what tests/real/run installs"]
fn a_password_authenticates_to_redis_and_is_never_shown() {
    let configuration = Documented::block("Replicas", "text")
        .with("maxmemory 256mb", &format!("requirepass {PASSWORD}"));
    for (given, status) in [(Some(PASSWORD), 200), (Some(WRONG), 503), (None, 503)] {
        let redis = Redis::start_with(&configuration);
        let url = given.map_or_else(|| redis.url(), |password| redis.url_with(password));
        let stage = Stage::new(
            redis,
            &[
                ("APP__AUTH__DPOP__REPLAY_STORE", &url),
                ("RUST_LOG", "trace"),
            ],
        );
        match status {
            200 => assert_eq!(stage.ask().status, 200),
            _ => stage.assert_unavailable(),
        }
        stage.assert_bearer_tokens_are_served();
        if given == Some(WRONG) {
            stage
                .app
                .wait_for_log("it does not accept the user name or password");
        }
        let written = stage.app.log().text() + &stage.app.output().text();
        for password in [PASSWORD, WRONG] {
            assert!(!written.contains(password), "{given:?}");
        }
    }
}

const PASSWORD: &str = "the-one-that-opens";

const WRONG: &str = "another-that-does-not";
