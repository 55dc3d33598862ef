//! A token bound to a key is accepted with a proof of that key (RFC 9449 §7).

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{ProofBuilder, TestIssuer, shared};

use crate::app::TestApp;
use crate::expected::{
    Expected, Offer, PRIVATE, PUBLIC, REPLAYED, SCOPED, assert_answer, assert_head, assert_offer,
};
use crate::sender::Sender;
use crate::wire::Request;

#[test]
fn proofs_of_every_default_algorithm_are_accepted() {
    let sender = Sender::new();
    let algorithms = Algorithm::ALL
        .iter()
        .copied()
        .filter(|algorithm| algorithm.is_default());
    let mut tried = 0;
    for algorithm in algorithms {
        let key = shared(algorithm);
        let token = sender.issuer.token().bound_to_key(&key).build();
        let proof = ProofBuilder::new(&key, "GET", &sender.url("/api/private")).token(&token);
        let request = Request::get("/api/private").dpop(&token, &proof.build());
        assert_answer(&sender.app.send(&request), PRIVATE, algorithm.name());
        tried += 1;
    }
    assert_eq!(tried, 10);
}

#[test]
fn tokens_signed_by_every_algorithm_can_be_bound() {
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256, Algorithm::EdDsa] {
        let issuer = TestIssuer::start_with(algorithm);
        let app = TestApp::trusting(&issuer);
        let sender = Sender::of(issuer, app);
        sender.assert_proof(sender.proof(), PRIVATE, algorithm.name());
    }
}

#[test]
fn the_scope_decides_as_for_bearer_tokens() {
    let sender = Sender::new();
    let request = |token: &str| {
        let proof = sender.proof_of("GET", "/api/private-scoped").token(token);
        Request::get("/api/private-scoped").dpop(token, &proof.build())
    };
    let answer = sender.app.send(&request(&sender.token));
    assert_offer(&answer, SCOPED, Offer::ByDpop, "read:messages");
    let lacking = sender.bound().scope("write:messages").build();
    let answer = sender.app.send(&request(&lacking));
    let refused = Expected::InsufficientScope;
    assert_offer(&answer, refused, Offer::ByDpop, "write:messages");
}

#[test]
fn head_is_a_method_of_its_own() {
    let sender = Sender::new();
    let request = |method: &str| {
        let proof = sender.proof_of(method, "/api/private");
        Request::new("HEAD", "/api/private")
            .dpop(&sender.token, &proof.token(&sender.token).build())
    };
    let answer = sender.app.send(&request("HEAD"));
    assert_head(&answer, PRIVATE, Offer::ByDpop, "HEAD");
    assert_eq!(answer.body, "");
    let answer = sender.app.send(&request("GET"));
    assert_head(&answer, crate::expected::PROOF_METHOD, Offer::ByDpop, "GET");
    assert_eq!(answer.body, "");
}

#[test]
fn other_methods_and_paths_need_no_credentials() {
    let sender = Sender::new();
    for (method, path, expected) in [
        ("POST", "/api/private", Expected::MethodNotAllowed),
        ("DELETE", "/api/private-scoped", Expected::MethodNotAllowed),
        ("GET", "/api/nothing", Expected::NotFound),
    ] {
        let proof = sender.proof_of(method, path).token(&sender.token).build();
        let request = Request::new(method, path).dpop(&sender.token, &proof);
        assert_answer(&sender.app.send(&request), expected, path);
    }
    // A proof that was not checked is not stored as used.
    let proof = sender.proof();
    let elsewhere = Request::get("/api/nothing").dpop(&sender.token, &proof.clone().build());
    assert_answer(&sender.app.send(&elsewhere), Expected::NotFound, "404");
    sender.assert_proof(proof, PRIVATE, "after the 404");
}

#[test]
fn an_open_route_ignores_all_credentials() {
    let sender = Sender::new();
    let public = || Request::get("/api/public");
    let proof = sender.proof().build();
    for request in [
        public().dpop(&sender.token, &proof),
        public().dpop(&sender.token, "nonsense"),
        public().dpop("nonsense", ""),
        public().header("DPoP", "alone"),
        public().header("DPoP", "a").header("DPoP", "b"),
        public().header("Authorization", format!("DPoP {}", sender.token)),
        public().bearer(&sender.token),
    ] {
        assert_answer(&sender.app.send(&request), PUBLIC, &format!("{request:?}"));
    }
}

#[test]
fn bearer_tokens_are_accepted_too() {
    let sender = Sender::new();
    let token = sender.issuer.token().build();
    for _ in 0..3 {
        assert_answer(&sender.app.private(&token), PRIVATE, "a bearer token");
        sender.assert_proof(sender.proof(), PRIVATE, "a bound token");
    }
}

#[test]
fn a_repeated_token_is_verified_like_the_first_time() {
    let sender = Sender::new();
    let proof = sender.proof();
    for time in 0..5 {
        let case = format!("time {time}");
        sender.assert_proof(sender.proof(), PRIVATE, &case);
        let unsigned = sender.proof().raw_signature([0; 64]);
        sender.assert_proof(unsigned, crate::expected::PROOF_SIGNATURE, &case);
        let stolen = sender.app.private(&sender.token);
        assert_answer(&stolen, crate::expected::BOUND, &case);
        let expected = if time == 0 { PRIVATE } else { REPLAYED };
        sender.assert_proof(proof.clone(), expected, &case);
    }
}

#[test]
fn the_scheme_is_case_insensitive_and_followed_by_any_number_of_spaces() {
    let sender = Sender::new();
    for scheme in ["dpop ", "DPOP ", "dPoP ", "DPoP    ", "  DPoP "] {
        let request = Request::get("/api/private")
            .header("authorization", format!("{scheme}{}", sender.token))
            .header("dpop", sender.proof().build());
        let answer = sender.app.send(&request);
        assert_offer(&answer, PRIVATE, Offer::ByDpop, scheme);
    }
}

#[test]
fn rejections_are_counted_by_reason() {
    let sender = Sender::new();
    let proof = sender.proof();
    assert_eq!(sender.send(proof.clone()).status, 200);
    assert_eq!(sender.send(proof).status, 401);
    assert_eq!(sender.send(sender.proof().claim("htm", "PUT")).status, 401);
    assert_eq!(sender.app.private(&sender.token).status, 401);
    let alone = Request::get("/api/private").header("DPoP", sender.proof().build());
    assert_eq!(sender.app.send(&alone).status, 400);
    let refused = |reason| {
        let name = format!("ars_rejections_total{{reason=\"{reason}\"}}");
        sender.app.metric(&name)
    };
    assert_eq!(sender.app.metric("ars_access_granted_total"), 1);
    assert_eq!(refused("invalid_dpop_proof"), 2);
    assert_eq!(refused("invalid_token"), 1);
    assert_eq!(refused("invalid_request"), 1);
    assert_eq!(refused("replay_unknown"), 0);
    // The proofs that were valid on their own.
    let asked = sender.app.metric("ars_replay_store_duration_seconds_count");
    assert_eq!(asked, 2);
}
