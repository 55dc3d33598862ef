//! No part of a proof is in a response, metric or log line.

use actix_resource_server::test_kit::ProofBuilder;

use crate::sender::Sender;
use crate::wire::{Answer, Request};

/// Is put into every part of a proof that its sender determines.
const MARK: &str = "Sesame01";

fn proofs(sender: &Sender) -> Vec<ProofBuilder> {
    let good = || sender.proof().claim("jti", MARK).header("kid", MARK);
    vec![
        good(),
        good(),
        good().claim(MARK, MARK),
        good().claim("htm", MARK),
        good().claim("htu", MARK),
        good().claim("htu", format!("https://{MARK}.example/{MARK}?{MARK}")),
        good().claim("ath", MARK),
        good().claim("iat", MARK),
        good().claim("nonce", MARK),
        good().header("typ", MARK),
        good().header("alg", MARK),
        good().header("crit", MARK),
        good().raw_jwk(serde_json::json!({"kty": MARK})),
        good().raw_jwk(MARK),
        good().raw_payload(MARK),
        good().raw_header(MARK),
        good().raw_signature(MARK),
    ]
}

fn requests(sender: &Sender, proofs: &[String]) -> Vec<Request> {
    let private = || Request::get("/api/private");
    let by_dpop = proofs
        .iter()
        .map(|proof| private().dpop(&sender.token, proof));
    let mut requests: Vec<_> = by_dpop.collect();
    requests.extend([
        private().dpop(&sender.token, MARK),
        private().dpop(MARK, &proofs[0]),
        private().header("DPoP", MARK),
        private().bearer(&sender.token).header("DPoP", MARK),
        private()
            .dpop(&sender.token, &proofs[0])
            .header("DPoP", MARK),
        private()
            .dpop(&sender.token, &proofs[0])
            .header("Host", MARK),
        private()
            .dpop(&sender.token, &proofs[0])
            .header("Forwarded", format!("host={MARK}")),
        private()
            .dpop(&sender.token, &proofs[0])
            .header("X-Forwarded-Host", format!("{MARK}/")),
        private()
            .dpop(&sender.token, &proofs[0])
            .header("X-Forwarded-Proto", MARK),
        private()
            .dpop(&sender.token, &proofs[0])
            .header("Client-Cert", format!(":{MARK}:")),
    ]);
    requests
}

#[test]
fn no_part_of_a_proof_is_returned_or_logged_even_at_trace() {
    for nonce in ["false", "true"] {
        let secret = "the secret of these nonces, Sesame01";
        let mut variables = vec![
            ("RUST_LOG", "trace"),
            ("APP__SERVER__TRUSTED_PROXIES", "127.0.0.1"),
            ("APP__AUTH__MTLS__ENABLED", "true"),
            ("APP__AUTH__DPOP__NONCE", nonce),
        ];
        if nonce == "true" {
            variables.push(("APP__AUTH__DPOP__NONCE_SECRET", secret));
        }
        let sender = Sender::with(&variables);
        let proofs: Vec<_> = proofs(&sender)
            .into_iter()
            .map(ProofBuilder::build)
            .collect();
        let requests = requests(&sender, &proofs);
        let answers: Vec<_> = requests
            .iter()
            .map(|request| sender.app.send(request))
            .collect();
        assert_silent(&sender, &answers, &proofs);
    }
}

fn assert_silent(sender: &Sender, answers: &[Answer], proofs: &[String]) {
    let thumbprint = sender.key.thumbprint().unwrap();
    // The log is in order: once this line is present, all earlier ones are.
    sender.app.send(&Request::new("DELETE", "/livez"));
    sender.app.wait_for_log("DELETE /livez 405");
    let texts = [sender.app.get("/metrics").text, sender.app.log().text()];
    let answers = answers.iter().map(|answer| answer.text.as_str());
    for text in answers.chain(texts.iter().map(String::as_str)) {
        assert!(
            !text.to_lowercase().contains(&MARK.to_lowercase()),
            "{text}"
        );
        assert!(!text.contains(&thumbprint), "{text}");
        for sent in proofs.iter().chain([&sender.token]) {
            let mut parts = sent.split('.').filter(|part| part.len() > 8);
            assert!(parts.all(|part| !text.contains(part)), "{text}");
        }
    }
}
