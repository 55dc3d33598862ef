//! Verifiers of a given size, and the four kinds of token that are sent to them.

use std::sync::Arc;
use std::time::SystemTime;

use actix_resource_server::errors::VerifyError;
use actix_resource_server::test_kit::{SigningKey, TokenBuilder, shared};
use actix_resource_server::{Algorithm, Issuer, Verified, Verifier};
use serde_json::json;

use super::sizes::Sizes;

/// Tokens of one kind, sent in turn to a verifier.
#[derive(Clone)]
pub(crate) struct Kind {
    verifier: Verifier,
    pub(crate) tokens: Arc<[String]>,
    pub(crate) next: usize,
    is_expected: fn(&Outcome) -> bool,
}

/// What stands above the columns of [`kinds`].
pub(crate) const KINDS: [&str; 4] = ["remembered", "never seen", "wrong signature", "unknown key"];

type Outcome = Result<Arc<Verified>, VerifyError>;

impl Kind {
    /// Sends the next one, and makes sure of the answer.
    pub(crate) fn send(&mut self) {
        let token = &self.tokens[self.next];
        self.next = match self.next + 1 {
            end if end == self.tokens.len() => 0,
            next => next,
        };
        let outcome = self.verifier.verify(token, SystemTime::now());
        assert!((self.is_expected)(&outcome), "{outcome:?}");
    }
}

/// All that is sent to a verifier of these sizes: tokens that it remembers, so many that it has never seen,
/// the same with wrong signatures, and tokens of an unknown key.
pub(crate) fn kinds(sizes: Sizes, fresh: usize) -> [Kind; 4] {
    let verifier = verifier(sizes);
    // The last issuer's, by its last key: what a search from the front finds last.
    let key = shared(Algorithm::Rs256).with_kid(&kid(sizes.keys));
    let token = filled(
        TokenBuilder::new(&issuer(sizes.issuers), AUDIENCE, &key),
        sizes,
    );
    let remembered = remember(&verifier, sizes);
    let unknown_key = (0..UNKNOWN_KEYS).map(|number| {
        let token = token.clone().header("kid", format!("other-{number:04}"));
        token.raw_signature([0; RSA_SIGNATURE]).build()
    });
    let unknown_key = unknown_key.collect();
    let fresh: Vec<_> = (0..fresh).map(|number| numbered(&token, number)).collect();
    let forged = forged(&fresh);
    let kind = |tokens: Vec<String>, is_expected| Kind {
        verifier: verifier.clone(),
        tokens: tokens.into(),
        next: 0,
        is_expected,
    };
    [
        kind(remembered, Outcome::is_ok),
        kind(fresh, Outcome::is_ok),
        kind(forged, |outcome| {
            matches!(outcome, Err(VerifyError::Signature))
        }),
        kind(unknown_key, |outcome| {
            matches!(outcome, Err(VerifyError::UnknownKey(_)))
        }),
    ]
}

/// One key under many names: making as many would take longer than all the rest.
fn verifier(sizes: Sizes) -> Verifier {
    let key = shared(Algorithm::Rs256);
    let jwk = |number| key.clone().with_kid(&kid(number)).public_jwk();
    let keys: Vec<_> = (1..=sizes.keys).map(jwk).collect();
    let keys = json!({ "keys": keys }).to_string();
    let secret = Issuer::with_secret(REMEMBERED, SECRET, Algorithm::Hs256);
    let issuers = (1..=sizes.issuers)
        .map(|number| Issuer::with_public_key(&issuer(number), &keys))
        .chain([secret])
        .map(|issuer| issuer.audience(AUDIENCE).build().expect("an issuer"));
    let memory = sizes.remembered * (sizes.payload + MEMORY_BESIDE_PAYLOAD) + MEMORY_AT_LEAST;
    let builder = Verifier::builder().token_memory(memory);
    builder.start(issuers).expect("a verifier")
}

/// Has tokens remembered. A million RSA signatures would take minutes, and a remembered token's is not
/// looked at: these are signed by a secret, and as long as the others.
fn remember(verifier: &Verifier, sizes: Sizes) -> Vec<String> {
    let secret = SigningKey::from_secret(SECRET, Algorithm::Hs256);
    let token = filled(TokenBuilder::new(REMEMBERED, AUDIENCE, &secret), sizes);
    let token = token.header("pad", "p".repeat(RSA_SIGNATURE - HMAC_SIGNATURE));
    let verify = |token: &String| verifier.verify(token, SystemTime::now()).expect("good");
    let tokens: Vec<_> = (0..sizes.remembered)
        .map(|number| {
            let token = numbered(&token, number);
            drop([verify(&token), verify(&token)]);
            token
        })
        .collect();
    let is_forgotten = |token: &&String| !Arc::ptr_eq(&verify(token), &verify(token));
    let forgotten = tokens.iter().filter(is_forgotten).count();
    assert!(forgotten * 10_000 <= tokens.len(), "{forgotten}");
    tokens
}

/// Each token with the signature of the one before.
fn forged(tokens: &[String]) -> Vec<String> {
    let before = tokens.iter().cycle().skip(tokens.len() - 1);
    let exchanged = tokens.iter().zip(before).map(|(token, before)| {
        let (signed, _) = token.rsplit_once('.').expect("three segments");
        let (_, signature) = before.rsplit_once('.').expect("three segments");
        format!("{signed}.{signature}")
    });
    exchanged.collect()
}

/// Adds scopes, and permissions until the payload is about as long as it should be.
fn filled(token: TokenBuilder, sizes: Sizes) -> TokenBuilder {
    let token = token.scope("openid profile email read:messages");
    let empty = numbered(&token, 0);
    let segment = empty.split('.').nth(1).expect("three segments");
    let missing = sizes.payload.saturating_sub(segment.len() * 3 / 4);
    let permissions: Vec<_> = (0..missing / r#""read:item-0000","#.len())
        .map(|number| format!("read:item-{number:04}"))
        .collect();
    token.claim("permissions", permissions)
}

fn numbered(token: &TokenBuilder, number: usize) -> String {
    let subject = format!("user-{number:07}");
    token.clone().claim("sub", subject).build()
}

fn issuer(number: usize) -> String {
    format!("https://issuer-{number:03}.example/")
}

fn kid(number: usize) -> String {
    format!("key-{number:03}")
}

const AUDIENCE: &str = "https://my/api";

/// The issuer of the tokens that are remembered.
const REMEMBERED: &str = "https://issuer-000.example/";

const SECRET: &str = "the secret of a benchmark, long enough for HS256";

const RSA_SIGNATURE: usize = 256;

const HMAC_SIGNATURE: usize = 32;

/// Enough that no two in a row look alike to the processor's guesses.
const UNKNOWN_KEYS: usize = 500;

/// More than a token takes beside its payload.
const MEMORY_BESIDE_PAYLOAD: usize = 1024;

const MEMORY_AT_LEAST: usize = 32 * 1024 * 1024;
