//! Prints sender-constrained tokens, each with a DPoP proof for a request, as `benches/compare/load.rs` reads them.
//!
//! `proofs ISSUER AUDIENCE SECRET URL COUNT` signs one token with the secret (HS256), and so many proofs by its key (ES256).

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{ProofBuilder, SigningKey, TokenBuilder};

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [issuer, audience, secret, url, count] = arguments.as_slice() else {
        panic!("proofs ISSUER AUDIENCE SECRET URL COUNT");
    };
    let secret = SigningKey::from_secret(secret, Algorithm::Hs256);
    let sender = SigningKey::generate(Algorithm::Es256);
    let token = TokenBuilder::new(issuer, audience, &secret).bound_to_key(&sender);
    let token = token.build();
    for _ in 0..count.parse::<usize>().expect("a number") {
        let proof = ProofBuilder::new(&sender, "GET", url).token(&token).build();
        println!("DPoP {token}\tDPoP: {proof}");
    }
}
