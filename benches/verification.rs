//! What a verification costs: fresh by each algorithm, cached, and rejected.
//!
//! `cargo bench --bench verification`

use std::hint::black_box;
use std::time::SystemTime;

use actix_resource_server::test_kit::{SigningKey, TokenBuilder, shared};
use actix_resource_server::{Algorithm, Issuer, Verifier};
use criterion::{Criterion, criterion_group, criterion_main};

const ISSUER: &str = "https://issuer.example/";

fn token(key: &SigningKey) -> TokenBuilder {
    let scopes = "openid profile email read:messages";
    TokenBuilder::new(ISSUER, "https://my/api", key).scope(scopes)
}

fn verifier(key: &SigningKey, token_memory: usize) -> Verifier {
    let jwk = key.public_jwk().expect("a public key").to_string();
    let issuer = Issuer::with_public_key(ISSUER, &jwk).audience("https://my/api");
    let issuer = issuer.algorithms([key.algorithm()]);
    let issuer = issuer.build().expect("an issuer");
    let verifier = Verifier::builder().token_memory(token_memory);
    verifier.start([issuer]).expect("a verifier")
}

fn fresh(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fresh");
    let asymmetric = Algorithm::ALL
        .iter()
        .copied()
        .filter(|algorithm| !algorithm.is_symmetric());
    for algorithm in asymmetric {
        let key = shared(algorithm);
        let (verifier, token) = (verifier(&key, 0), token(&key).build());
        group.bench_function(algorithm.name(), |bencher| {
            bencher.iter(|| {
                verifier
                    .verify(black_box(&token), SystemTime::now())
                    .expect("a good token")
            });
        });
    }
}

fn remembered(criterion: &mut Criterion) {
    let key = shared(Algorithm::Rs256);
    let verifier = verifier(&key, 32 * 1024 * 1024);
    let mut group = criterion.benchmark_group("remembered");
    for tokens in [1, 1_000, 10_000] {
        let tokens: Vec<_> = (0..tokens).map(|_| token(&key).build()).collect();
        for token in tokens.iter().chain(&tokens) {
            verifier
                .verify(token, SystemTime::now())
                .expect("a good token");
        }
        let mut next = tokens.iter().cycle();
        group.bench_function(format!("one of {}", tokens.len()), |bencher| {
            bencher.iter(|| {
                verifier
                    .verify(next.next().expect("a token"), SystemTime::now())
                    .expect("a good token")
            });
        });
    }
}

fn rejected(criterion: &mut Criterion) {
    let key = shared(Algorithm::Rs256);
    let verifier = verifier(&key, 32 * 1024 * 1024);
    let good = token(&key).build();
    let mut group = criterion.benchmark_group("rejected");
    for (name, token) in [
        ("no JWT", "invalidToken".to_owned()),
        (
            "unknown issuer",
            token(&key).claim("iss", "https://other.example/").build(),
        ),
        ("unknown key", token(&key).header("kid", "other").build()),
        ("other audience", token(&key).claim("aud", "other").build()),
        (
            "wrong signature",
            format!("{}AAAA", good.get(..good.len() - 4).expect("ASCII")),
        ),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                verifier
                    .verify(black_box(&token), SystemTime::now())
                    .expect_err("a rejection")
            });
        });
    }
}

criterion_group!(benches, fresh, remembered, rejected);
criterion_main!(benches);
