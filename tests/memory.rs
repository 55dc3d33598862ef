//! The token cache takes no more memory than configured, measured by the allocator, whatever the tokens contain.
//! A separate program, because it counts every allocation.

use std::alloc::System;
use std::sync::Mutex;
use std::time::SystemTime;

use actix_resource_server::test_kit::{SigningKey, TokenBuilder};
use actix_resource_server::{Algorithm, Issuer, IssuerBuilder, Verified, Verifier};
use serde_json::{Value, json};
use stats_alloc::{Stats, StatsAlloc};

#[global_allocator]
static COUNTED: StatsAlloc<System> = StatsAlloc::system();

/// Tokens of one kind, and what an application does with them.
struct Case {
    name: &'static str,
    /// More tokens than the cache holds.
    tokens: usize,
    claims: Value,
    /// As an application reads them.
    read: fn(&Verified),
    /// Whether the cache gets full: with many cores it has many shards, too small for the largest tokens.
    fills: bool,
}

fn cases() -> Vec<Case> {
    let list = |number: usize| (0..number).map(|n| n.to_string()).collect::<Vec<_>>();
    let case = |name, tokens, claims, read, fills| Case {
        name,
        tokens,
        claims,
        read,
        fills,
    };
    let one_scope = json!({ "scope": "read:messages" });
    let nested = (0..100).fold(json!(1), |inner, _| json!({ "a": inner }));
    let mut objects = vec![json!({ "a": 1 }); 1_300];
    let mut small = objects.split_off(1_200);
    small.push(nested.clone());
    vec![
        case("one scope", 4_000, one_scope.clone(), |_| {}, true),
        case(
            "one scope, claims read",
            2_000,
            one_scope.clone(),
            read_claim,
            true,
        ),
        case(
            "one scope, own claims read",
            2_000,
            one_scope.clone(),
            read_own,
            true,
        ),
        case("one scope, all read", 1_500, one_scope, read_all, true),
        case(
            "1,000 scopes in an array",
            200,
            json!({ "scp": list(1_000) }),
            |_| {},
            true,
        ),
        case(
            "1,000 scopes in a text",
            300,
            json!({ "scope": list(1_000).join(" ") }),
            |_| {},
            true,
        ),
        case(
            "1,000 scopes, claims read",
            100,
            json!({ "scp": list(1_000) }),
            read_all,
            false,
        ),
        case(
            "1,000 audiences",
            200,
            json!({ "aud": audiences(list(999)) }),
            |_| {},
            true,
        ),
        case(
            "11 KiB of payload",
            250,
            json!({ "x": "x".repeat(11_000) }),
            |_| {},
            true,
        ),
        case("nested claims", 1_500, json!({ "x": nested }), |_| {}, true),
        case(
            "nested claims, read",
            150,
            json!({ "x": nested }),
            read_claim,
            false,
        ),
        case(
            "a hundred objects, read",
            80,
            json!({ "x": small }),
            read_all,
            false,
        ),
        case(
            "objects of all the payload, read",
            20,
            json!({ "x": objects }),
            read_all,
            false,
        ),
    ]
}

fn audiences(others: Vec<String>) -> Vec<String> {
    [vec![AUDIENCE.to_owned()], others].concat()
}

fn read_claim(token: &Verified) {
    assert!(token.claim("iss").is_some());
}

fn read_own(token: &Verified) {
    assert!(token.custom_claims::<Value>().is_ok());
}

fn read_all(token: &Verified) {
    read_own(token);
    read_claim(token);
}

/// Held by the one test that runs: all allocations of the program count.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn the_token_cache_takes_what_is_configured() {
    let _alone = ALONE.lock();
    for case in cases() {
        let before = taken(COUNTED.stats());
        let verifier = verifier();
        fill(&verifier, &case);
        let took = taken(COUNTED.stats()) - before;
        let kibibytes = took / 1024;
        println!("{}: {kibibytes} KiB", case.name);
        let most = MEMORY + MEMORY / 10 + VERIFIER;
        assert!(took <= most, "{}: {kibibytes} KiB", case.name);
        let least = if case.fills { MEMORY / 2 } else { 0 };
        assert!(took >= least, "{}: {kibibytes} KiB", case.name);
    }
}

#[test]
fn a_usual_token_takes_less_than_900_bytes() {
    let _alone = ALONE.lock();
    let key = SigningKey::from_secret(SECRET, Algorithm::Hs256);
    let token = TokenBuilder::new("https://tenant.eu.auth0.com/", AUDIENCE, &key)
        .claim("aud", [AUDIENCE, "https://tenant.eu.auth0.com/userinfo"])
        .claim("azp", "kX8wq0ZrT3vYb1NcL5dGhJmPsUaEiO2F")
        .claim("scope", "openid profile email read:messages")
        .claim(
            "permissions",
            ["read:messages", "write:messages", "read:users"],
        )
        .without("client_id");
    let tokens: Vec<_> = (0..TOKENS)
        .map(|number| {
            let subject = format!("auth0|6543210fedcba98{number:09}");
            token.clone().claim("sub", subject).build()
        })
        .collect();
    let issuer = Issuer::with_secret("https://tenant.eu.auth0.com/", SECRET, Algorithm::Hs256);
    let verifier = verifier_of(issuer, 8 * MEMORY);
    let verify = || {
        for token in &tokens {
            let verified = verifier.verify(token, SystemTime::now());
            assert!(verified.is_ok_and(|token| token.subject().is_some()));
        }
        taken(COUNTED.stats())
    };
    // From the second verification on, they are cached.
    let [before, after] = [(), ()].map(|()| verify());
    let each = (after - before) / isize::try_from(TOKENS).expect("a small number");
    println!("a usual token: {each} bytes");
    assert!(each < 900, "{each} bytes");
}

/// The bytes of live allocations, including the allocator's approximate overhead.
fn taken(stats: Stats) -> isize {
    let allocations = stats.allocations - stats.deallocations;
    let bytes = stats.bytes_allocated - stats.bytes_deallocated;
    isize::try_from(bytes + allocations * 12).expect("less than the address space")
}

fn verifier() -> Verifier {
    let issuer = Issuer::with_secret(ISSUER, SECRET, Algorithm::Hs256);
    verifier_of(issuer, MEMORY)
}

fn verifier_of(issuer: IssuerBuilder, memory: isize) -> Verifier {
    let issuer = issuer.audience(AUDIENCE);
    let memory = usize::try_from(memory).expect("a positive number");
    let builder = Verifier::builder().token_memory(memory);
    let verifier = builder.start([issuer.build().expect("an issuer")]);
    verifier.expect("a verifier")
}

/// Verifies every token three times: it is cached the second time.
fn fill(verifier: &Verifier, case: &Case) {
    let key = SigningKey::from_secret(SECRET, Algorithm::Hs256);
    let mut token = TokenBuilder::new(ISSUER, AUDIENCE, &key);
    for (name, value) in case.claims.as_object().expect("claims") {
        token = token.claim(name, value.clone());
    }
    for number in 0..case.tokens {
        let token = token.clone().claim("jti", number.to_string()).build();
        for _ in 0..3 {
            let verified = verifier.verify(&token, SystemTime::now());
            (case.read)(&verified.expect("a valid token"));
        }
    }
}

const TOKENS: usize = 10_000;
const MEMORY: isize = 2 * 1024 * 1024;
/// The most that a verifier takes beside its token cache.
const VERIFIER: isize = 128 * 1024;
const ISSUER: &str = "https://issuer.example/";
const AUDIENCE: &str = "https://api.example/";
const SECRET: &str = "0123456789abcdef0123456789abcdef";
