//! A proof that was used before a restart is rejected after it (RFC 9449 §11.1).

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{ProofBuilder, TestIssuer, shared};

use crate::app::{Launch, TestApp};
use crate::expected::{Expected, Offer, PRIVATE, REPLAYED, assert_offer};
use crate::sender::{Sender, seconds_from_now};
use crate::wire::Request;

const HTU: &str = "https://api.example/api/private";

/// Services one after another, under one URL and with one secret for nonces.
struct Restarted {
    issuer: TestIssuer,
    token: String,
    variables: Vec<(&'static str, &'static str)>,
}

impl Restarted {
    fn new(variables: &[(&'static str, &'static str)]) -> Self {
        let issuer = TestIssuer::start_with(Algorithm::Es256);
        let token = issuer.token().bound_to_key(&shared(Algorithm::Es256));
        let url = ("APP__SERVER__PUBLIC_URL", "https://api.example");
        Self {
            token: token.build(),
            variables: [&[url], variables].concat(),
            issuer,
        }
    }

    fn start(&self) -> TestApp {
        TestApp::ready(Launch::trusting(&self.issuer).variables(&self.variables))
    }

    fn proof(&self) -> ProofBuilder {
        let proof = ProofBuilder::new(&shared(Algorithm::Es256), "GET", HTU);
        proof.token(&self.token)
    }

    fn request(&self, proof: &str) -> Request {
        Request::get("/api/private").dpop(&self.token, proof)
    }
}

#[track_caller]
fn nonce_of(app: &TestApp, request: &Request) -> String {
    let answer = app.send(request);
    assert_offer(&answer, Expected::UseNonce, Offer::ByDpop, "no nonce");
    answer.header("dpop-nonce").unwrap().to_owned()
}

/// A proof of a client whose clock is slow, so that the start is in a later second.
fn made_before_the_start(service: &Restarted) -> ProofBuilder {
    service.proof().claim("iat", seconds_from_now(-2))
}

#[test]
fn a_proof_that_was_used_before_a_restart_needs_a_nonce_after_it() {
    let service = Restarted::new(&[]);
    let before = service.start();
    let nonce = nonce_of(
        &before,
        &service.request(&made_before_the_start(&service).build()),
    );
    let used = made_before_the_start(&service).nonce(&nonce).build();
    let used = service.request(&used);
    assert_offer(&before.send(&used), PRIVATE, Offer::ByDpop, "first");
    drop(before);
    let now = seconds_from_now(0);
    let after = service.start();
    for _ in 0..2 {
        nonce_of(&after, &used);
    }
    // A client whose clock is slow sends a proof with the nonce, which is accepted once.
    let nonce = nonce_of(&after, &used);
    let old = service.proof().claim("iat", now - 60).nonce(&nonce).build();
    let old = service.request(&old);
    let answer = after.send(&old);
    assert_offer(&answer, PRIVATE, Offer::ByDpop, "with the nonce");
    assert_eq!(answer.header("dpop-nonce"), None);
    assert_offer(&after.send(&old), REPLAYED, Offer::ByDpop, "again");
    // Proofs made from now on need none.
    let fresh = service.request(&service.proof().build());
    assert_offer(&after.send(&fresh), PRIVATE, Offer::ByDpop, "a new proof");
}

#[test]
fn a_nonce_from_before_the_restart_does_not_help() {
    let service = Restarted::new(&[
        ("APP__AUTH__DPOP__NONCE", "true"),
        (
            "APP__AUTH__DPOP__NONCE_SECRET",
            "a secret that outlives the service",
        ),
    ]);
    let before = service.start();
    let nonce = nonce_of(&before, &service.request(&service.proof().build()));
    let used = made_before_the_start(&service).nonce(&nonce).build();
    let used = service.request(&used);
    assert_offer(&before.send(&used), PRIVATE, Offer::ByDpop, "first");
    drop(before);
    let after = service.start();
    nonce_of(&after, &used);
    // In a new proof the nonce is valid.
    let fresh = service.request(&service.proof().nonce(&nonce).build());
    assert_offer(&after.send(&fresh), PRIVATE, Offer::ByDpop, "a new proof");
}

#[test]
fn a_shared_store_needs_no_nonces() {
    let redis = ("APP__AUTH__DPOP__REPLAY_STORE", "redis://127.0.0.1:1");
    let sender = Sender::with(&[redis, ("APP__AUTH__DPOP__REPLAY_FAILURE", "accept")]);
    let old = sender.proof().claim("iat", seconds_from_now(-60));
    sender.assert_proof(old, PRIVATE, "an old proof");
}
