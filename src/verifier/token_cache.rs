//! Tokens already verified, until they expire or their key goes.
//!
//! A signature is worth paying for once. What is remembered is keyed by the SHA-256 of the whole
//! token, so that no usable credential lies in memory, and it is the [`Verified`] alone: nothing
//! that only one request proves. It is weighed with all that has been parsed of it. A token is remembered when it is verified for the second time,
//! since storing tokens that never come again costs as much as verifying them; and only a token
//! that was verified before is hashed, so that a stranger's rubbish is not.

use std::hash::{BuildHasher, RandomState};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::Verified;
use crate::jose::digest::sha256;

/// The memory of one verifier, for all workers.
#[derive(Debug)]
pub(crate) struct TokenCache {
    tokens: Cache<Fingerprint, Entry, Bytes>,
    verified: SeenOnceFilter,
}

/// A token, and what it took when it was weighed last.
#[derive(Clone, Debug)]
struct Entry {
    verified: Arc<Verified>,
    weight: u64,
}

impl Entry {
    fn weigh(verified: Arc<Verified>) -> Self {
        let weight = weight_of(&verified);
        Self { verified, weight }
    }
}

/// Where a token is remembered.
#[derive(Debug)]
pub(super) struct Place {
    seen: Weak<TokenCache>,
    token: Fingerprint,
}

impl Place {
    /// Counts what has been parsed of the token since it was weighed; what no longer fits is forgotten.
    pub(super) fn weigh_again(&self, verified: &Verified) {
        if let Some(seen) = self.seen.upgrade() {
            seen.weigh_again(self.token, verified);
        }
    }
}

/// Stands for a token; it cannot be turned back into one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(token: &[u8]) -> Self {
        Self(sha256(token))
    }
}

impl TokenCache {
    /// A memory of about this many bytes, all tables included; `None` for none.
    pub(crate) fn new(bytes: usize) -> Option<Arc<Self>> {
        let tokens = bytes
            .checked_div(TYPICAL_WEIGHT)
            .filter(|tokens| *tokens > 0)?;
        let verified = SeenOnceFilter::for_tokens(tokens);
        let weight = bytes.saturating_sub(size_of_val(&*verified.sets));
        let weight = u64::try_from(weight).unwrap_or(u64::MAX);
        Some(Arc::new(Self {
            tokens: Cache::with_weighter(tokens.min(EXPECTED_TOKENS), weight, Bytes),
            verified,
        }))
    }

    /// What was verified of this token, if it still holds at `now` since 1970: the times are checked
    /// against now, and the key must still be its issuer's.
    pub(crate) fn recall(&self, token: &[u8], now: Duration) -> Option<Arc<Verified>> {
        if !self.verified.has(token) {
            return None;
        }
        let token = Fingerprint::of(token);
        let known = self.tokens.get(&token)?.verified;
        if known.holds_at(now) && known.key_is_current() {
            return Some(known);
        }
        self.tokens.remove(&token);
        None
    }

    /// Remembers a token that has just been verified, if it has been before.
    pub(crate) fn remember(self: &Arc<Self>, token: &[u8], verified: &Arc<Verified>) {
        if self.verified.add(token) {
            let token = Fingerprint::of(token);
            let seen = Arc::downgrade(self);
            verified.set_place(Place { seen, token });
            self.tokens
                .insert(token, Entry::weigh(Arc::clone(verified)));
        }
    }

    fn weigh_again(&self, token: Fingerprint, verified: &Verified) {
        // Two threads may have parsed two parts at once: the entry must end with the weight of both.
        while let Some(entry) = self.tokens.peek(&token) {
            let is_same = ptr::eq(&raw const *entry.verified, verified);
            if !is_same || entry.weight == weight_of(verified) {
                return;
            }
            self.tokens.insert(token, Entry::weigh(entry.verified));
        }
    }
}

/// Answers what an entry was weighed as, since the cache demands a weight that never changes.
#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<Fingerprint, Entry> for Bytes {
    fn weight(&self, _: &Fingerprint, entry: &Entry) -> u64 {
        entry.weight
    }
}

fn weight_of(verified: &Verified) -> u64 {
    let bytes = verified.allocated().saturating_add(PLACE_IN_CACHE);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Which tokens have been verified: a few bits of each, the older ones overwritten.
///
/// Only what an issuer has signed comes in. Forgetting a token costs a signature more, taking one for
/// another costs a hash; no verdict rests on it, so plain loads and stores suffice.
#[derive(Debug)]
struct SeenOnceFilter {
    sets: Box<[[AtomicU32; WAYS]]>,
    /// With a key of its own, so that nobody outside knows which tokens share a set.
    hasher: RandomState,
}

impl SeenOnceFilter {
    fn for_tokens(tokens: usize) -> Self {
        let sets = tokens.clamp(FEWEST_SETS, MOST_SETS).next_power_of_two();
        Self {
            sets: (0..sets).map(|_| Default::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    fn has(&self, token: &[u8]) -> bool {
        let (set, mark) = self.place(token);
        set.iter()
            .any(|place| place.load(Ordering::Relaxed) == mark)
    }

    /// Whether the token was here before; it is from now on.
    fn add(&self, token: &[u8]) -> bool {
        let (set, mark) = self.place(token);
        let is = |number: u32| move |place: &&AtomicU32| place.load(Ordering::Relaxed) == number;
        if set.iter().any(|place| is(mark)(&place)) {
            return true;
        }
        let any = usize::try_from(mark).unwrap_or_default() % WAYS;
        let free = set.iter().find(is(EMPTY));
        if let Some(place) = free.or_else(|| set.get(any)) {
            place.store(mark, Ordering::Relaxed);
        }
        false
    }

    /// Where the token's mark stands, and which it is. The signature's end tells tokens apart, and only an issuer makes it.
    fn place(&self, token: &[u8]) -> (&[AtomicU32], u32) {
        let end = token.last_chunk::<SIGNATURE_END>();
        let hash = self.hasher.hash_one(end.map_or(token, <[u8; _]>::as_slice));
        let [set, mark] = halves(hash);
        let set = usize::try_from(set).unwrap_or_default();
        let set = set.checked_rem(self.sets.len()).unwrap_or_default();
        let set = self.sets.get(set).map(<[_; _]>::as_slice);
        (set.unwrap_or_default(), mark.max(EMPTY.saturating_add(1)))
    }
}

fn halves(hash: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = hash.to_le_bytes();
    [[a, b, c, d], [e, f, g, h]].map(u32::from_le_bytes)
}

/// A place that holds no token's mark.
const EMPTY: u32 = 0;

/// One token falls to a set on average; of a hundred thousand, none finds its set full.
const WAYS: usize = 8;

/// 256 bytes of marks in all.
const FEWEST_SETS: usize = 8;

/// 32 MiB of marks in all.
const MOST_SETS: usize = 1024 * 1024;

/// Base64url characters of a signature, worth 96 bits.
const SIGNATURE_END: usize = 16;

/// What the cache's tables take for an entry, on average: they double when they are full.
const PLACE_IN_CACHE: usize = 160;

/// An entry of a payload of a few hundred bytes.
const TYPICAL_WEIGHT: usize = 1024;

/// The cache's tables are laid out for so many at first, and grow.
const EXPECTED_TOKENS: usize = 1024;

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use super::*;
    use crate::test_kit::{TestClock, TokenBuilder, shared};
    use crate::verifier::clock::Clock;
    use crate::{Algorithm, Issuer, Verifier};
    use std::time::SystemTime;

    const ISSUER: &str = "https://issuer.example/";

    fn token() -> TokenBuilder {
        TokenBuilder::new(ISSUER, "api", &shared(Algorithm::Es256))
    }

    fn verifier(clock: &TestClock, bytes: usize) -> Verifier {
        let jwk = shared(Algorithm::Es256)
            .public_jwk()
            .expect("a public key")
            .to_string();
        let issuer = Issuer::with_public_key(ISSUER, &jwk)
            .audience("api")
            .max_token_age(Duration::from_secs(3000));
        let clock = clock.clone();
        let builder = Verifier::builder()
            .clock(Clock::new(move || clock.now()))
            .token_memory(bytes);
        builder
            .start([issuer.build().expect("an issuer")])
            .expect("a verifier")
    }

    fn remembered(verifier: &Verifier) -> usize {
        verifier.0.seen.as_ref().map_or(0, |seen| seen.tokens.len())
    }

    #[test]
    fn a_token_is_remembered_on_second_sight_and_answered_as_it_was() {
        let clock = TestClock::at(SystemTime::now());
        let verifier = verifier(&clock, 1 << 20);
        let token = token().scope("a b").build();
        let verify = || verifier.verify(&token, clock.now()).expect("a good token");
        let first = verify();
        assert_eq!(remembered(&verifier), 0);
        let second = verify();
        assert_eq!(remembered(&verifier), 1);
        let third = verify();
        assert!(!Arc::ptr_eq(&first, &second) && Arc::ptr_eq(&second, &third));
        assert_eq!(
            (first.payload(), first.scopes()),
            (third.payload(), third.scopes())
        );
    }

    #[test]
    fn what_is_remembered_expires_like_a_fresh_token() {
        let start = SystemTime::now();
        // By its exp, and by the maximal age; both with the tolerance of five seconds.
        for (lifetime, end) in [(60, 65), (7200, 3005)] {
            let clock = TestClock::at(start);
            let (with, without) = (verifier(&clock, 1 << 20), verifier(&clock, 0));
            let token = token()
                .issued_at(start)
                .expires_in(Duration::from_secs(lifetime))
                .build();
            let verdicts =
                |at| [&with, &without].map(|verifier| verifier.verify(&token, at).map(drop));
            for second in [0, 0, 0, end - 1, end, end + 1, end - 1] {
                let [hit, fresh] = verdicts(start + Duration::from_secs(second));
                assert_eq!(hit, fresh, "after {second} seconds");
            }
            assert!(verdicts(start - Duration::from_secs(3600))[0].is_err());
        }
    }

    #[test]
    fn nothing_refused_is_remembered_and_nothing_at_all_without_a_memory() {
        let clock = TestClock::at(SystemTime::now());
        let with = verifier(&clock, 1 << 20);
        let mut wrong = token().build();
        wrong.truncate(wrong.len() - 2);
        for _ in 0..3 {
            assert!(with.verify(&wrong, clock.now()).is_err());
            assert!(with.verify("a.b.c", clock.now()).is_err());
        }
        assert_eq!(remembered(&with), 0);
        assert!(TokenCache::new(0).is_none() && TokenCache::new(1).is_none());
    }

    #[test]
    fn the_memory_is_bounded_in_bytes() {
        let clock = TestClock::at(SystemTime::now());
        let verifier = verifier(&clock, 64 * 1024);
        for _ in 0..200 {
            let token = token().build();
            for _ in 0..2 {
                verifier.verify(&token, clock.now()).expect("a good token");
            }
        }
        let seen = verifier.0.seen.as_ref().expect("a memory");
        assert!(
            seen.tokens.len() > 10 && seen.tokens.weight() <= 64 * 1024,
            "{}",
            seen.tokens.len()
        );
    }

    #[test]
    fn what_is_parsed_later_counts_and_what_no_longer_fits_is_forgotten() {
        let clock = TestClock::at(SystemTime::now());
        let verifier = verifier(&clock, 64 * 1024);
        let weight = || {
            verifier
                .0
                .seen
                .as_ref()
                .map_or(0, |seen| seen.tokens.weight())
        };
        let verify = |token: &str| verifier.verify(token, clock.now()).expect("a good token");
        let small = token().build();
        let [_, verified] = [verify(&small), verify(&small)];
        let bare = weight();
        assert!(verified.claim("iss").is_some());
        let read = weight();
        assert!(bare > 0 && read > bare, "{bare} {read}");
        assert!(verified.custom_claims::<serde_json::Value>().is_ok());
        assert!(weight() > read, "{read} {}", weight());

        let objects = vec![serde_json::json!({ "a": 1 }); 1000];
        let large = token().claim("x", objects).build();
        let [_, verified] = [verify(&large), verify(&large)];
        assert_eq!(remembered(&verifier), 2);
        assert!(verified.claim("x").is_some());
        assert_eq!(remembered(&verifier), 1);
        assert!(weight() <= 64 * 1024);
    }

    #[test]
    fn ten_thousand_tokens_are_known_at_second_sight() {
        let verified = SeenOnceFilter::for_tokens(10_000);
        let tokens: Vec<_> = (0..10_000)
            .map(|number: u32| format!("{number:020}"))
            .collect();
        let first = tokens.iter().filter(|token| verified.add(token.as_bytes()));
        assert_eq!(first.count(), 0);
        let known = tokens
            .iter()
            .filter(|token| verified.has(token.as_bytes()) && verified.add(token.as_bytes()));
        let known = known.count();
        assert_eq!(known, 10_000);
    }
}
