//! Nonces of the server, which proofs must contain when they are required (RFC 9449 §8, §9).

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{ProofBuilder, TestIssuer};
use serde_json::json;

use crate::app::{Launch, TestApp};
use crate::expected::{
    BOUND, Expected, NO_CREDENTIALS, Offer, PRIVATE, PROOF_CLAIM, PROOF_METHOD, REPLAYED,
    assert_answer, assert_offer,
};
use crate::sender::Sender;
use crate::wire::{Answer, Request};

use Expected::UseNonce;

const ON: (&str, &str) = ("APP__AUTH__DPOP__NONCE", "true");

/// The nonce in a response, which must have one.
#[track_caller]
fn nonce_in(answer: &Answer) -> String {
    let nonce = answer
        .header("dpop-nonce")
        .unwrap_or_else(|| panic!("no nonce: {answer:?}"));
    assert!(nonce.len() > 32 && nonce.bytes().all(|byte| byte.is_ascii_graphic()));
    nonce.to_owned()
}

fn nonce_of(sender: &Sender) -> String {
    let answer = sender.send(sender.proof());
    assert_offer(&answer, UseNonce, Offer::ByDpop, "no nonce");
    nonce_in(&answer)
}

#[test]
fn a_proof_without_a_nonce_is_rejected_with_a_nonce() {
    let sender = Sender::with(&[ON]);
    let nonce = nonce_of(&sender);
    for wrong in [
        "",
        "nonsense",
        &nonce[1..],
        &format!("{nonce}A"),
        &nonce.to_lowercase(),
    ] {
        let answer = sender.send(sender.proof().nonce(wrong));
        assert_offer(&answer, UseNonce, Offer::ByDpop, wrong);
        nonce_in(&answer);
    }
    let answer = sender.send(sender.proof().nonce(&nonce));
    assert_offer(&answer, PRIVATE, Offer::ByDpop, "with the nonce");
    // It is valid until it is renewed.
    let renewed = nonce_in(&answer);
    for _ in 0..3 {
        let answer = sender.send(sender.proof().nonce(&renewed));
        assert_offer(&answer, PRIVATE, Offer::ByDpop, "with the new one");
        nonce_in(&answer);
    }
}

#[test]
fn a_proof_without_a_nonce_is_not_stored_as_used() {
    let sender = Sender::with(&[ON]);
    let proof = || sender.proof().claim("jti", "one");
    let nonce = nonce_in(&sender.send(proof()));
    let proof = || proof().nonce(&nonce);
    assert_offer(&sender.send(proof()), PRIVATE, Offer::ByDpop, "first");
    assert_offer(&sender.send(proof()), REPLAYED, Offer::ByDpop, "second");
}

#[test]
fn only_valid_proofs_of_valid_tokens_are_asked_for_a_nonce() {
    let sender = Sender::with(&[ON]);
    let nonce = nonce_of(&sender);
    let cases = [
        (
            sender.request(sender.proof().claim("htm", "PUT")),
            PROOF_METHOD,
            Offer::ByDpop,
        ),
        (
            sender.request(sender.proof().claim("nonce", 1)),
            PROOF_CLAIM,
            Offer::ByDpop,
        ),
        (
            sender.request(sender.proof().claim("nonce", json!([nonce]))),
            PROOF_CLAIM,
            Offer::ByDpop,
        ),
        (
            Request::get("/api/private").bearer(&sender.token),
            BOUND,
            Offer::ByBearer,
        ),
        (
            Request::get("/api/private"),
            NO_CREDENTIALS,
            Offer::ByBearer,
        ),
    ];
    for (request, expected, offer) in cases {
        let answer = sender.app.send(&request);
        assert_offer(&answer, expected, offer, &format!("{request:?}"));
        assert_eq!(answer.header("dpop-nonce"), None);
    }
    let plain = sender.app.private(&sender.issuer.token().build());
    assert_answer(&plain, PRIVATE, "a bearer token");
    assert_eq!(plain.header("dpop-nonce"), None);
}

#[test]
fn without_the_setting_no_nonces_are_sent() {
    let sender = Sender::new();
    for proof in [sender.proof(), sender.proof().nonce("any")] {
        let answer = sender.send(proof);
        assert_offer(&answer, PRIVATE, Offer::ByDpop, "no nonces");
        assert_eq!(answer.header("dpop-nonce"), None);
    }
}

#[test]
fn replicas_that_share_a_secret_accept_each_others_nonces() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let replica = |secret: Option<&str>| {
        let launch = Launch::trusting(&issuer)
            .variables(&[ON, ("APP__SERVER__PUBLIC_URL", "https://api.example")]);
        TestApp::ready(match secret {
            Some(secret) => launch.variable("APP__AUTH__DPOP__NONCE_SECRET", secret),
            None => launch,
        })
    };
    let shared = "one secret of thirty-two bytes or more";
    let one = replica(Some(shared));
    let others = [
        (replica(Some(shared)), PRIVATE),
        (replica(Some(&"x".repeat(32))), UseNonce),
        (replica(None), UseNonce),
    ];
    let sender = Sender::of(issuer, one);
    let htu = "https://api.example/api/private";
    let proof = || ProofBuilder::new(&sender.key, "GET", htu).token(&sender.token);
    let nonce = nonce_in(&sender.send(proof()));
    for (other, expected) in others {
        let answer = other.send(&sender.request(proof().nonce(&nonce)));
        assert_offer(&answer, expected, Offer::ByDpop, "another replica");
        nonce_in(&answer);
    }
}

#[test]
fn required_mode_requires_nonces_too() {
    let sender = Sender::with(&[ON, ("APP__AUTH__DPOP__REQUIRED", "true")]);
    let answer = sender.send(sender.proof());
    assert_offer(&answer, UseNonce, Offer::DpopAlone, "no nonce");
    let answer = sender.send(sender.proof().nonce(&nonce_in(&answer)));
    assert_offer(&answer, PRIVATE, Offer::DpopAlone, "with it");
}

#[test]
fn every_response_to_a_valid_proof_renews_an_old_nonce() {
    let sender = Sender::with(&[ON]);
    let nonce = nonce_of(&sender);
    let lacking = sender.bound().build();
    let proof = |method: &str, path: &str, token: &str| {
        let proof = sender.proof_of(method, path).token(token).nonce(&nonce);
        Request::new(method, path).dpop(token, &proof.build())
    };
    for (request, status) in [
        (proof("GET", "/api/private", &sender.token), 200),
        (proof("HEAD", "/api/private", &sender.token), 200),
        (proof("GET", "/api/private-scoped", &sender.token), 200),
        (proof("GET", "/api/private-scoped", &lacking), 403),
    ] {
        let answer = sender.app.send(&request);
        assert_eq!(answer.status, status, "{answer:?}");
        nonce_in(&answer);
    }
}

#[test]
fn a_page_in_a_browser_can_read_nonces() {
    let origin = "https://app.example";
    let sender = Sender::with(&[ON, ("APP__CORS__ALLOWED_ORIGINS", origin)]);
    let preflight = Request::preflight("/api/private", origin, "GET");
    let preflight = preflight.header("Access-Control-Request-Headers", "authorization, dpop");
    let answer = sender.app.send(&preflight);
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .words("access-control-allow-headers")
            .contains(&"dpop".to_owned())
    );
    let asked = sender
        .app
        .send(&sender.request(sender.proof()).header("Origin", origin));
    let nonce = nonce_in(&asked);
    let proof = sender.proof().nonce(&nonce);
    let granted = sender
        .app
        .send(&sender.request(proof).header("Origin", origin));
    assert_eq!((asked.status, granted.status), (401, 200));
    for answer in [asked, granted] {
        nonce_in(&answer);
        let exposed = answer.words("access-control-expose-headers");
        assert!(exposed.contains(&"dpop-nonce".to_owned()), "{answer:?}");
        assert!(
            exposed.contains(&"www-authenticate".to_owned()),
            "{answer:?}"
        );
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    }
}
