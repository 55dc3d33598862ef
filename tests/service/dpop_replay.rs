//! Each proof is accepted once (RFC 9449 §11.1).

use std::sync::Barrier;
use std::thread;

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{
    Document, Fault, Gate, ProofBuilder, SigningKey, TestIssuer,
};

use crate::app::Launch;
use crate::expected::{Expected, Offer, PRIVATE, PROOF_URL, REPLAYED, SCOPED, assert_offer};
use crate::sender::Sender;
use crate::wire::{Request, pipeline};

#[test]
fn a_replayed_proof_is_rejected() {
    let sender = Sender::new();
    let proof = sender.proof();
    sender.assert_proof(proof.clone(), PRIVATE, "the first time");
    for time in 2..5 {
        sender.assert_proof(proof.clone(), REPLAYED, &format!("time {time}"));
    }
    sender.assert_proof(sender.proof(), PRIVATE, "another proof");
}

#[test]
fn a_proof_is_identified_by_jti_key_and_url() {
    let sender = Sender::new();
    let proof = || sender.proof().claim("jti", "one");
    sender.assert_proof(proof(), PRIVATE, "the first time");
    // A new signature, time or method, or another spelling of the URL, does not make a new proof.
    sender.assert_proof(proof(), REPLAYED, "signed again");
    let later = proof().claim("iat", crate::sender::seconds_from_now(10));
    sender.assert_proof(later, REPLAYED, "another time");
    let written = format!("{}?page=2", sender.url("/%61pi/private"));
    sender.assert_proof(proof().claim("htu", written), REPLAYED, "another spelling");
    let head = sender.proof_of("HEAD", "/api/private").claim("jti", "one");
    let head = head.token(&sender.token).build();
    let answer = sender
        .app
        .send(&Request::new("HEAD", "/api/private").dpop(&sender.token, &head));
    assert_eq!(answer.status, 401);
    // Another token of the same sender does not help.
    let token = sender.bound().build();
    let again = sender.proof_for(&token).claim("jti", "one").build();
    let request = Request::get("/api/private").dpop(&token, &again);
    assert_offer(
        &sender.app.send(&request),
        REPLAYED,
        Offer::ByDpop,
        "another token",
    );
    // Another URL or another key is another proof.
    let scoped = sender.proof_of("GET", "/api/private-scoped");
    let scoped = scoped.claim("jti", "one").token(&sender.token).build();
    let request = Request::get("/api/private-scoped").dpop(&sender.token, &scoped);
    assert_offer(
        &sender.app.send(&request),
        SCOPED,
        Offer::ByDpop,
        "another URL",
    );
    let key = SigningKey::generate(Algorithm::EdDsa);
    let token = sender.issuer.token().bound_to_key(&key).build();
    let other = ProofBuilder::new(&key, "GET", &sender.url("/api/private"));
    let other = other.claim("jti", "one").token(&token).build();
    let request = Request::get("/api/private").dpop(&token, &other);
    assert_offer(
        &sender.app.send(&request),
        PRIVATE,
        Offer::ByDpop,
        "another key",
    );
}

#[test]
fn a_proof_for_one_path_is_rejected_for_another() {
    let sender = Sender::new();
    let proof = sender.proof().build();
    let scoped = Request::get("/api/private-scoped").dpop(&sender.token, &proof);
    let answer = sender.app.send(&scoped);
    assert_offer(&answer, PROOF_URL, Offer::ByDpop, "another path");
    // The rejection did not store it as used.
    let request = Request::get("/api/private").dpop(&sender.token, &proof);
    assert_offer(
        &sender.app.send(&request),
        PRIVATE,
        Offer::ByDpop,
        "its path",
    );
}

#[test]
fn a_rejected_proof_can_be_sent_again_and_one_without_scope_cannot() {
    let sender = Sender::new();
    let broken = sender.proof().claim("jti", "one").raw_signature([1; 64]);
    sender.assert_proof(broken, crate::expected::PROOF_SIGNATURE, "by another key");
    sender.assert_proof(sender.proof().claim("jti", "one"), PRIVATE, "the sender's");
    let lacking = sender.bound().build();
    let proof = sender
        .proof_of("GET", "/api/private-scoped")
        .token(&lacking);
    let request = Request::get("/api/private-scoped").dpop(&lacking, &proof.build());
    for expected in [Expected::InsufficientScope, REPLAYED] {
        assert_offer(
            &sender.app.send(&request),
            expected,
            Offer::ByDpop,
            "no scope",
        );
    }
}

#[test]
fn over_one_connection_a_proof_is_accepted_once() {
    let sender = Sender::new();
    let proof = sender.proof();
    let same = vec![sender.request(proof); 5];
    assert_eq!(
        pipeline(sender.app.address, &same),
        [200, 401, 401, 401, 401]
    );
    // A replayed proof behind the sender's own request on the same connection is rejected.
    let stolen = Request::get("/api/private").bearer(&sender.token);
    let alone =
        Request::get("/api/private").header("Authorization", format!("DPoP {}", sender.token));
    let requests = [
        sender.request(sender.proof()),
        stolen,
        alone,
        sender.request(sender.proof()),
    ];
    assert_eq!(
        pipeline(sender.app.address, &requests),
        [200, 401, 400, 200]
    );
}

const CONNECTIONS: usize = 16;

/// Sends a request `times` times over each of many connections at once, and counts the accepted ones.
fn accepted(sender: &Sender, request: &Request, times: usize) -> usize {
    let start = Barrier::new(CONNECTIONS);
    let send = || {
        let requests = vec![request.clone(); times];
        start.wait();
        let statuses = pipeline(sender.app.address, &requests);
        assert!(
            statuses.len() == times && statuses.iter().all(|status| [200, 401].contains(status))
        );
        statuses.iter().filter(|status| **status == 200).count()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(send)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    })
}

#[test]
fn of_many_requests_with_one_proof_one_is_accepted() {
    let sender = Sender::with(&[("APP__SERVER__WORKERS", "2")]);
    for _ in 0..5 {
        let request = sender.request(sender.proof());
        assert_eq!(accepted(&sender, &request, 13), 1);
    }
    let refused = sender
        .app
        .metric("ars_rejections_total{reason=\"invalid_dpop_proof\"}");
    assert_eq!(refused, 5 * (16 * 13 - 1));
    assert_eq!(sender.app.metric("ars_access_granted_total"), 5);
}

#[test]
fn of_requests_that_wait_for_keys_with_one_proof_one_is_accepted() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let gate = Gate::new();
    issuer.set_fault(Document::Jwks, Some(Fault::Hang(gate.clone())));
    let app = Launch::trusting(&issuer)
        .variable("APP__SERVER__WORKERS", "2")
        .serve();
    let sender = Sender::of(issuer, app);
    let request = sender.request(sender.proof());
    let accepted = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| sender.app.send(&request).status))
            .collect();
        sender.app.wait_for_metric("ars_key_set_waits_total", 8);
        sender.issuer.set_fault(Document::Jwks, None);
        gate.open();
        let statuses = threads.into_iter().map(|thread| thread.join().unwrap());
        statuses.filter(|status| *status == 200).count()
    });
    assert_eq!(accepted, 1);
}

#[test]
fn a_sender_that_uses_its_share_of_the_memory_does_not_affect_others() {
    let sender = Sender::with(&[("APP__AUTH__DPOP__REPLAY_MEMORY_BYTES", "65536")]);
    let refused = (0..6000).find_map(|_| {
        let answer = sender.send(sender.proof());
        (answer.status != 200).then_some(answer)
    });
    let refused = refused.unwrap();
    assert_offer(&refused, Expected::TooManyProofs, Offer::ByDpop, "flood");
    let refused = sender
        .app
        .metric("ars_rejections_total{reason=\"too_many_dpop_proofs\"}");
    assert!(refused > 0);
    for _ in 0..3000 {
        sender.send(sender.proof());
    }
    // Neither other keys nor bearer tokens are affected.
    let key = SigningKey::generate(Algorithm::EdDsa);
    let token = sender.issuer.token().bound_to_key(&key).build();
    for _ in 0..100 {
        let proof = ProofBuilder::new(&key, "GET", &sender.url("/api/private"));
        let request = Request::get("/api/private").dpop(&token, &proof.token(&token).build());
        let answer = sender.app.send(&request);
        assert_offer(&answer, PRIVATE, Offer::ByDpop, "another sender");
    }
    assert_eq!(
        sender.app.private(&sender.issuer.token().build()).status,
        200
    );
}

/// A port without a listener.
const NO_REDIS: (&str, &str) = ("APP__AUTH__DPOP__REPLAY_STORE", "redis://127.0.0.1:1");

#[test]
fn while_redis_is_unavailable_no_proof_is_accepted() {
    let sender = Sender::with(&[NO_REDIS]);
    for _ in 0..3 {
        let answer = sender.send(sender.proof());
        assert_offer(&answer, Expected::ReplayUnknown, Offer::ByDpop, "no Redis");
    }
    // Invalid proofs are rejected as before.
    let wrong = sender.proof().claim("htm", "PUT");
    sender.assert_proof(wrong, crate::expected::PROOF_METHOD, "a wrong proof");
    assert_eq!(sender.app.private(&sender.token).status, 401);
    assert_eq!(
        sender.app.private(&sender.issuer.token().build()).status,
        200
    );
    let unknown = sender
        .app
        .metric("ars_rejections_total{reason=\"replay_unknown\"}");
    assert_eq!(unknown, 3);
}

#[test]
fn while_redis_is_unavailable_proofs_are_accepted_if_so_configured() {
    let accept = ("APP__AUTH__DPOP__REPLAY_FAILURE", "accept");
    let sender = Sender::with(&[NO_REDIS, accept]);
    sender.assert_proof(sender.proof(), PRIVATE, "no Redis");
    let forged = sender.proof().raw_signature([1; 64]);
    sender.assert_proof(forged, crate::expected::PROOF_SIGNATURE, "a forged proof");
}
