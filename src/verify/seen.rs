//! Tokens already verified, until they expire or their key goes.
//!
//! A signature is worth paying for once. What is remembered is keyed by the SHA-256 of the whole
//! token, so that no usable credential lies in memory, and it is the [`Verified`] alone: nothing
//! that only one request proves. A token is remembered when it is verified for the second time,
//! since storing tokens that never come again costs as much as verifying them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::Verified;
use crate::jose::digest::sha256;

/// The memory of one verifier, for all workers.
#[derive(Debug)]
pub(crate) struct Seen {
    tokens: Cache<Fingerprint, Arc<Verified>, Bytes>,
    once: SeenOnce,
}

/// Stands for a token; it cannot be turned back into one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(crate) fn of(token: &str) -> Self {
        Self(sha256(token.as_bytes()))
    }

    /// Numbers of it, each as good as random.
    fn parts(&self) -> [u32; 4] {
        let mut parts = [0; 4];
        for (part, bytes) in parts.iter_mut().zip(self.0.as_chunks().0) {
            *part = u32::from_le_bytes(*bytes);
        }
        parts
    }
}

impl Seen {
    /// A memory of about this many bytes; `None` for none.
    pub(crate) fn new(bytes: usize) -> Option<Self> {
        let tokens = bytes
            .checked_div(TYPICAL_WEIGHT)
            .filter(|tokens| *tokens > 0)?;
        let weight = u64::try_from(bytes).unwrap_or(u64::MAX);
        Some(Self {
            tokens: Cache::with_weighter(tokens.min(EXPECTED_TOKENS), weight, Bytes),
            once: SeenOnce::new(),
        })
    }

    /// What was verified of this token, if it still holds at `now` since 1970: the times are checked
    /// against now, and the key must still be its issuer's.
    pub(crate) fn recall(&self, token: &Fingerprint, now: Duration) -> Option<Arc<Verified>> {
        let known = self.tokens.get(token)?;
        if known.holds_at(now) && known.key_is_current() {
            return Some(known);
        }
        self.tokens.remove(token);
        None
    }

    /// Remembers a token that has just been verified, if it has been before.
    pub(crate) fn remember(&self, token: Fingerprint, verified: &Arc<Verified>) {
        if self.once.was_seen(&token) {
            self.tokens.insert(token, Arc::clone(verified));
        }
    }
}

/// Estimates what an entry occupies; from what never changes, as the cache demands.
#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<Fingerprint, Arc<Verified>> for Bytes {
    fn weight(&self, _: &Fingerprint, verified: &Arc<Verified>) -> u64 {
        let payload = u64::try_from(verified.payload().len()).unwrap_or(u64::MAX);
        payload
            .saturating_mul(COPIES_OF_PAYLOAD)
            .saturating_add(ENTRY_BYTES)
    }
}

/// Which tokens have been verified once: a few bits of each, the older ones overwritten.
///
/// Forgetting one costs a signature more, taking one for another costs a place in the memory; no
/// verdict rests on it, so plain loads and stores suffice.
#[derive(Debug)]
struct SeenOnce(Box<[[AtomicU32; WAYS]]>);

impl SeenOnce {
    fn new() -> Self {
        Self((0..SETS).map(|_| Default::default()).collect())
    }

    /// Whether the token was here before; it is from now on.
    fn was_seen(&self, token: &Fingerprint) -> bool {
        let [set, mark, way, _] = token.parts();
        let Some(set) = pick(&self.0, set) else {
            return false;
        };
        // Zero is an empty place.
        let mark = mark.max(1);
        let holds = |number: u32| move |place: &&AtomicU32| place.load(Ordering::Relaxed) == number;
        if set.iter().any(|place| holds(mark)(&place)) {
            return true;
        }
        let free = set.iter().find(holds(0));
        if let Some(place) = free.or_else(|| pick(set, way)) {
            place.store(mark, Ordering::Relaxed);
        }
        false
    }
}

/// One of the places, as the number falls.
fn pick<T>(places: &[T], number: u32) -> Option<&T> {
    let number = usize::try_from(number).unwrap_or_default();
    places.get(number.checked_rem(places.len())?)
}

/// 256 KiB in all, enough for some ten thousand tokens at once.
const SETS: usize = 16 * 1024;

const WAYS: usize = 4;

/// The payload itself, the claims read from it, and what the application reads it as.
const COPIES_OF_PAYLOAD: u64 = 3;

/// The entry without its payload.
const ENTRY_BYTES: u64 = 1024;

/// An entry of a payload of half a kibibyte.
const TYPICAL_WEIGHT: usize = 2560;

/// The cache's tables are laid out for so many at first, and grow.
const EXPECTED_TOKENS: usize = 1024;

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use super::*;
    use crate::test_kit::{TestClock, TokenBuilder, shared};
    use crate::verify::clock::Clock;
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
        assert!(Seen::new(0).is_none());
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
    fn ten_thousand_tokens_are_known_at_second_sight() {
        let once = SeenOnce::new();
        let fingerprints: Vec<_> = (0..10_000)
            .map(|number: u32| Fingerprint::of(&number.to_string()))
            .collect();
        assert!(!fingerprints.iter().any(|token| once.was_seen(token)));
        let known = fingerprints
            .iter()
            .filter(|token| once.was_seen(token))
            .count();
        assert!(known > 9_900, "{known}");
    }
}
