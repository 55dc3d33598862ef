//! The cache of verified tokens; an entry ends with its token's validity or its key.
//!
//! An entry is found by a hash of some characters of the token, of all in a short one, and used only if the tag of the whole
//! token is the entry's ([`TokenTagger`]), so that no usable credential stays in memory. It holds only the [`Verified`], nothing
//! that belongs to one request. A token is admitted when it is verified for the second time: caching tokens that never come
//! again costs as much as verifying them.

use std::io;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ahash::RandomState;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::Verified;
use crate::jose::token_tag::{TokenTag, TokenTagger};

/// The cache of one verifier, shared by all workers.
#[derive(Debug)]
pub(crate) struct TokenCache {
    tokens: Cache<Address, Entry, Bytes>,
    tagger: TokenTagger,
    /// Keyed at random, so that clients cannot choose different samples that share an address.
    hasher: RandomState,
    /// The tokens that have been verified at least once.
    seen_once: SeenOnceFilter,
}

/// How much a cache holds.
#[cfg(feature = "service")]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TokenCacheSize {
    pub(crate) entries: usize,
    /// All tables included, as for the limit.
    pub(crate) bytes: u64,
}

/// A verified token, its tag, and its last measured weight in bytes.
#[derive(Clone, Debug)]
struct Entry {
    tag: TokenTag,
    verified: Arc<Verified>,
    weight: u64,
}

impl Entry {
    fn weigh(tag: TokenTag, verified: Arc<Verified>) -> Self {
        Self {
            tag,
            weight: weight_of(&verified),
            verified,
        }
    }
}

/// Where a token's entry is: a hash of characters of the token, which proves nothing. A token whose address is that of another one
/// takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address(u64);

/// The characters of a long token that its address depends on. The end of a signature differs between JWTs; of tokens that all end
/// alike, some further ahead do.
fn sample(token: &[u8]) -> [[u8; SAMPLE]; 3] {
    let before = |length| token.get(..length).unwrap_or_default();
    let parts = [before(token.len() / 4), before(token.len() / 2), token];
    parts.map(|part| part.last_chunk().copied().unwrap_or_default())
}

impl TokenCache {
    /// A cache of about this many bytes, all tables included; `None` if that is too little for one token.
    ///
    /// # Errors
    /// The system provides no random numbers.
    pub(crate) fn new(bytes: usize) -> io::Result<Option<Arc<Self>>> {
        let tokens = bytes.checked_div(TYPICAL_WEIGHT).unwrap_or_default();
        if tokens == 0 {
            return Ok(None);
        }
        let seen_once = SeenOnceFilter::for_tokens(tokens);
        let left = bytes.saturating_sub(size_of_val(&*seen_once.sets));
        let weight = u64::try_from(left).unwrap_or(u64::MAX);
        let tagger = TokenTagger::random();
        Ok(Some(Arc::new(Self {
            tokens: Cache::with_weighter(tokens.min(EXPECTED_TOKENS), weight, Bytes),
            tagger: tagger.ok_or_else(|| io::Error::other(NO_RANDOM_NUMBERS))?,
            hasher: RandomState::new(),
            seen_once,
        })))
    }

    /// The verified token, if it is still valid at `now` since the Unix epoch and its key is still the issuer's.
    pub(crate) fn get(&self, token: &[u8], now: Duration) -> Option<Arc<Verified>> {
        let address = self.address_of(token);
        let Entry { tag, verified, .. } = self.tokens.get(&address)?;
        if self.tagger.tag(token) != Some(tag) {
            return None;
        }
        if verified.is_valid_at(now) && verified.key_is_current() {
            return Some(verified);
        }
        self.tokens.remove(&address);
        None
    }

    #[cfg(feature = "service")]
    pub(super) fn size(&self) -> TokenCacheSize {
        let marks = u64::try_from(size_of_val(&*self.seen_once.sets)).unwrap_or(u64::MAX);
        TokenCacheSize {
            entries: self.tokens.len(),
            bytes: self.tokens.weight().saturating_add(marks),
        }
    }

    /// Inserts a token that has just been verified, if it has been verified before.
    pub(crate) fn insert(&self, token: &[u8], verified: &Arc<Verified>) {
        let address = self.address_of(token);
        if self.seen_once.insert(address) {
            self.store(address, token, verified);
        }
    }

    /// Inserts a token that has just been introspected: unlike a verification, the call must not be repeated.
    pub(crate) fn insert_introspected(&self, token: &[u8], verified: &Arc<Verified>) {
        let address = self.address_of(token);
        self.seen_once.insert(address);
        self.store(address, token, verified);
    }

    fn address_of(&self, token: &[u8]) -> Address {
        Address(if token.len() <= SHORT {
            self.hasher.hash_one(token)
        } else {
            self.hasher.hash_one(sample(token))
        })
    }

    fn store(&self, address: Address, token: &[u8], verified: &Arc<Verified>) {
        let Some(tag) = self.tagger.tag(token) else {
            return;
        };
        // Before the entry is weighed, so that a part that is parsed meanwhile is counted here or by an update.
        verified.set_address(address);
        let entry = Entry::weigh(tag, Arc::clone(verified));
        self.tokens.insert(address, entry);
    }

    /// Updates the entry's weight after a part of the token was parsed; evicts what no longer fits.
    pub(super) fn update_weight(&self, address: Address, verified: &Verified) {
        // Two threads may parse two parts at once, and the last insert may carry the weight of only one: repeat until
        // the entry has the current weight. Ends, because a token has two parts that are parsed later.
        while let Some(entry) = self.tokens.peek(&address) {
            let is_same = ptr::eq(&raw const *entry.verified, verified);
            if !is_same || entry.weight == weight_of(verified) {
                return;
            }
            let entry = Entry::weigh(entry.tag, entry.verified);
            self.tokens.insert(address, entry);
        }
    }
}

/// Returns the weight stored in the entry, because `quick_cache` requires a weight that does not change.
#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<Address, Entry> for Bytes {
    fn weight(&self, _: &Address, entry: &Entry) -> u64 {
        entry.weight
    }
}

fn weight_of(verified: &Verified) -> u64 {
    let bytes = verified.allocated().saturating_add(TABLE_BYTES_PER_ENTRY);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// The tokens that have been verified, as marks of 32 bits that overwrite older ones.
///
/// Only verified tokens are inserted. A lost mark costs one more signature verification, a false match
/// a place in the cache; no decision depends on it, so relaxed loads and stores suffice.
#[derive(Debug)]
struct SeenOnceFilter {
    sets: Box<[[AtomicU32; WAYS]]>,
}

impl SeenOnceFilter {
    fn for_tokens(tokens: usize) -> Self {
        let sets = tokens.clamp(FEWEST_SETS, MOST_SETS).next_power_of_two();
        Self {
            sets: (0..sets).map(|_| Default::default()).collect(),
        }
    }

    /// Inserts the token with this address; returns whether it was already in the filter.
    fn insert(&self, address: Address) -> bool {
        let (set, mark) = self.locate(address);
        let find = |mark: u32| set.iter().find(|slot| slot.load(Ordering::Relaxed) == mark);
        if find(mark).is_some() {
            return true;
        }
        // In a full set the mark itself selects the victim: as good as random, and without state.
        let victim = usize::try_from(mark).unwrap_or_default() % WAYS;
        if let Some(slot) = find(EMPTY).or_else(|| set.get(victim)) {
            slot.store(mark, Ordering::Relaxed);
        }
        false
    }

    /// The token's set and its mark.
    fn locate(&self, Address(hash): Address) -> (&[AtomicU32], u32) {
        let [set, mark] = halves(hash);
        let set = usize::try_from(set).unwrap_or_default();
        let set = set.checked_rem(self.sets.len()).unwrap_or_default();
        let set = self.sets.get(set).map(<[_; _]>::as_slice);
        // EMPTY is not a mark.
        (set.unwrap_or_default(), mark.max(EMPTY + 1))
    }
}

fn halves(hash: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = hash.to_le_bytes();
    [[a, b, c, d], [e, f, g, h]].map(u32::from_le_bytes)
}

const NO_RANDOM_NUMBERS: &str = "the system provides no random numbers";

/// A slot without a mark.
const EMPTY: u32 = 0;

/// Slots of a set. One token falls into a set on average; of 100,000, none finds its set full.
const WAYS: usize = 8;

/// 256 bytes of marks in all.
const FEWEST_SETS: usize = 8;

/// 32 MiB of marks in all.
const MOST_SETS: usize = 1024 * 1024;

/// Of a signature, base64url characters of 96 bits.
const SAMPLE: usize = 16;

/// The length of the longest token of which all characters count, in bytes: most opaque tokens are shorter, most JWTs longer.
const SHORT: usize = 256;

/// The bytes of the cache's tables for an entry, on average; the tables double when they are full.
const TABLE_BYTES_PER_ENTRY: usize = 160;

/// The weight in bytes of an entry whose payload has a few hundred bytes.
const TYPICAL_WEIGHT: usize = 1024;

/// The initial capacity of the cache's tables, which grow.
const EXPECTED_TOKENS: usize = 1024;

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use super::*;
    use crate::test_kit::{TestClock, TokenBuilder, shared};
    use crate::verifier::clock::Clock;
    use crate::{Algorithm, Issuer, Verifier};
    use std::collections::HashSet;
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

    fn cached(verifier: &Verifier) -> usize {
        verifier
            .0
            .cache
            .as_ref()
            .map_or(0, |cache| cache.tokens.len())
    }

    #[test]
    fn a_token_is_cached_when_it_is_verified_for_the_second_time() {
        let clock = TestClock::at(SystemTime::now());
        let verifier = verifier(&clock, 1 << 20);
        let token = token().scope("a b").build();
        let verify = || verifier.verify(&token, clock.now()).expect("a valid token");
        let first = verify();
        assert_eq!(cached(&verifier), 0);
        let second = verify();
        assert_eq!(cached(&verifier), 1);
        let third = verify();
        assert!(!Arc::ptr_eq(&first, &second) && Arc::ptr_eq(&second, &third));
        assert_eq!(
            (first.payload(), first.scopes()),
            (third.payload(), third.scopes())
        );
    }

    #[test]
    fn a_cached_token_expires_like_any_other() {
        let start = SystemTime::now();
        // By `exp` and by the maximum age, both with the tolerance of five seconds.
        for (lifetime, end) in [(60, 65), (7200, 3005)] {
            let clock = TestClock::at(start);
            let (with, without) = (verifier(&clock, 1 << 20), verifier(&clock, 0));
            let token = token()
                .issued_at(start)
                .expires_in(Duration::from_secs(lifetime))
                .build();
            let outcomes =
                |at| [&with, &without].map(|verifier| verifier.verify(&token, at).map(drop));
            for second in [0, 0, 0, end - 1, end, end + 1, end - 1] {
                let [hit, fresh] = outcomes(start + Duration::from_secs(second));
                assert_eq!(hit, fresh, "after {second} seconds");
            }
            assert!(outcomes(start - Duration::from_secs(3600))[0].is_err());
        }
    }

    #[test]
    fn rejected_tokens_are_not_cached_and_a_cache_may_be_disabled() {
        let clock = TestClock::at(SystemTime::now());
        let with = verifier(&clock, 1 << 20);
        let mut wrong = token().build();
        wrong.truncate(wrong.len() - 2);
        for _ in 0..3 {
            assert!(with.verify(&wrong, clock.now()).is_err());
            assert!(with.verify("a.b.c", clock.now()).is_err());
        }
        assert_eq!(cached(&with), 0);
        for too_little in [0, 1] {
            let cache = TokenCache::new(too_little).expect("random numbers");
            assert!(cache.is_none());
        }
    }

    #[test]
    fn the_cache_is_bounded_in_bytes() {
        let clock = TestClock::at(SystemTime::now());
        let verifier = verifier(&clock, 64 * 1024);
        for _ in 0..200 {
            let token = token().build();
            for _ in 0..2 {
                verifier.verify(&token, clock.now()).expect("a valid token");
            }
        }
        let cache = verifier.0.cache.as_ref().expect("a cache");
        assert!(
            cache.tokens.len() > 10 && cache.tokens.weight() <= 64 * 1024,
            "{}",
            cache.tokens.len()
        );
    }

    #[test]
    fn parts_parsed_later_count_and_an_entry_that_no_longer_fits_is_evicted() {
        let clock = TestClock::at(SystemTime::now());
        let verifier = verifier(&clock, 64 * 1024);
        let weight = || {
            verifier
                .0
                .cache
                .as_ref()
                .map_or(0, |cache| cache.tokens.weight())
        };
        let verify = |token: &str| verifier.verify(token, clock.now()).expect("a valid token");
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
        assert_eq!(cached(&verifier), 2);
        assert!(verified.claim("x").is_some());
        assert_eq!(cached(&verifier), 1);
        assert!(weight() <= 64 * 1024);
    }

    #[test]
    fn a_token_that_differs_anywhere_from_a_cached_one_is_not_found() {
        let clock = TestClock::at(SystemTime::now());
        let verifier = verifier(&clock, 1 << 20);
        let token = token().build();
        for _ in 0..2 {
            verifier.verify(&token, clock.now()).expect("a valid token");
        }
        assert!(verifier.cached(token.as_bytes(), clock.now()).is_some());
        for at in 0..token.len() {
            let mut near = token.clone().into_bytes();
            near[at] ^= 1;
            assert!(verifier.cached(&near, clock.now()).is_none(), "{at}");
            // With the same end.
            near.truncate(token.len() - SAMPLE);
            near.extend(&token.as_bytes()[token.len() - SAMPLE..]);
            let is_same = near == token.as_bytes();
            assert_eq!(
                verifier.cached(&near, clock.now()).is_some(),
                is_same,
                "{at}"
            );
        }
        let longer = format!("{token}A");
        assert!(verifier.cached(longer.as_bytes(), clock.now()).is_none());
        assert!(
            verifier
                .cached(&token.as_bytes()[1..], clock.now())
                .is_none()
        );
        assert!(verifier.cached(b"", clock.now()).is_none());
    }

    #[test]
    fn no_token_at_the_address_of_a_cached_one_is_found() {
        let clock = TestClock::at(SystemTime::now());
        let verifier = verifier(&clock, 1 << 20);
        let token = token().claim("x", "x".repeat(300)).build().into_bytes();
        for _ in 0..2 {
            let token = std::str::from_utf8(&token).expect("a token");
            verifier.verify(token, clock.now()).expect("a valid token");
        }
        // Of the parts that make the address, none is changed.
        let ends = [token.len() / 4, token.len() / 2, token.len()];
        let is_sample = |at: &usize| ends.iter().any(|end| (end - SAMPLE..*end).contains(at));
        let others: Vec<_> = (0..token.len()).filter(|at| !is_sample(at)).collect();
        let changes = (
            proptest::collection::vec(proptest::sample::select(others), 1..4),
            proptest::collection::vec(0x21..0x7f_u8, 3),
        );
        proptest::proptest!(|((places, bytes) in changes)| {
            let mut near = token.clone();
            for (place, byte) in places.into_iter().zip(bytes) {
                near[place] = byte;
            }
            proptest::prop_assert_eq!(sample(&near), sample(&token));
            let is_same = near == token;
            proptest::prop_assert_eq!(verifier.cached(&near, clock.now()).is_some(), is_same);
        });
        assert!(verifier.cached(&token, clock.now()).is_some());
    }

    #[test]
    fn tokens_that_differ_in_few_characters_have_addresses_of_their_own() {
        let cache = TokenCache::new(1 << 20).expect("random numbers");
        let cache = cache.expect("enough memory");
        let long = "t".repeat(SHORT + 1);
        let opaque = [
            b"".as_slice(),
            b"a",
            b"ab",
            b"b",
            b"ba",
            &long.as_bytes()[1..],
        ];
        let with_suffix = |id: &str| format!("{id:u>80}{long}").into_bytes();
        let (one, other) = (with_suffix("one"), with_suffix("other"));
        let all = opaque.into_iter().chain([long.as_bytes(), &one, &other]);
        let addresses: HashSet<_> = all.map(|token| cache.address_of(token)).collect();
        assert_eq!(addresses.len(), opaque.len() + 3);
    }

    #[test]
    fn the_filter_recognises_ten_thousand_tokens() {
        let filter = SeenOnceFilter::for_tokens(10_000);
        let hasher = RandomState::new();
        let addresses: Vec<_> = (0..10_000)
            .map(|number: u32| Address(hasher.hash_one(number)))
            .collect();
        let insert = |address: &&Address| filter.insert(**address);
        assert_eq!(addresses.iter().filter(insert).count(), 0);
        assert_eq!(addresses.iter().filter(insert).count(), 10_000);
    }
}
