//! Server-provided nonces, which keep proofs from being made in advance ([RFC 9449 §9]).
//!
//! A nonce is the start of a time slot with an HMAC over it: nothing is stored, a nonce is valid until
//! its slot and the next are over, and replicas that share a secret accept each other's.
//!
//! [RFC 9449 §9]: https://www.rfc-editor.org/rfc/rfc9449#section-9

use std::time::Duration;

use actix_web::http::header::{HeaderName, HeaderValue};
use data_encoding::BASE64URL_NOPAD;

use crate::jose::mac::{MacKey, TAG_BYTES};

/// Issues nonces and verifies them.
#[derive(Debug)]
pub(crate) struct NonceIssuer {
    key: MacKey,
    /// In microseconds; at least [`SHORTEST_SLOT`].
    slot: u64,
}

impl NonceIssuer {
    /// The default of the longest time for which a nonce is valid.
    pub(crate) const LIFETIME: Duration = Duration::from_secs(5 * 60);

    /// The minimum length of a secret, in bytes.
    #[cfg(feature = "service")]
    pub(crate) const SHORTEST_SECRET: usize = TAG_BYTES;

    /// Creates an issuer of nonces that are valid for at least half of `lifetime` and at most all of it.
    ///
    /// The key is derived from `secret`, or is random without one.
    ///
    /// Replicas that share `secret` and `lifetime` accept each other's nonces. A lifetime under
    /// two seconds counts as two.
    ///
    /// # Errors
    /// The secret is shorter than 32 bytes, or the system provides no random numbers.
    pub(crate) fn new(secret: Option<&str>, lifetime: Duration) -> Result<Self, NonceError> {
        let key = match secret.map(str::as_bytes) {
            Some(secret) if secret.len() < TAG_BYTES => {
                return Err(NonceError::SecretTooShort {
                    given: secret.len(),
                });
            }
            Some(secret) => MacKey::of_secret(secret),
            None => MacKey::random().ok_or(NonceError::NoRandomness)?,
        };
        let slot = lifetime / 2;
        Ok(Self {
            key,
            slot: microseconds(slot.max(SHORTEST_SLOT)),
        })
    }

    /// The nonce for the time `now` since 1970, as a value of the `DPoP-Nonce` header; the first slot of a server begins
    /// with its `start`.
    pub(super) fn issue_from(&self, start: Duration, now: Duration) -> HeaderValue {
        let slot = self.slot_at(microseconds(now)).saturating_mul(self.slot);
        let time = slot.max(microseconds(start)).to_be_bytes();
        let nonce = [time.as_slice(), &self.key.tag(&message(time))].concat();
        let text = BASE64URL_NOPAD.encode(&nonce);
        // Base64url is visible ASCII, so the conversion cannot fail.
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// Whether a proof's nonce was issued with this key and is valid at `now` since 1970.
    pub(crate) fn accepts(&self, nonce: Option<&str>, now: Duration) -> bool {
        let Some(time) = nonce.and_then(|nonce| self.authentic_time(nonce)) else {
            return false;
        };
        let (slot, current) = (self.slot_at(time), self.slot_at(microseconds(now)));
        // The slot before the current one, and the one after it: the clock of the replica that made the nonce may be
        // a little ahead.
        slot.abs_diff(current) <= 1
    }

    /// Whether the nonce is of a slot that began at `start` since 1970 or later.
    pub(super) fn is_not_before(&self, nonce: Option<&str>, start: Duration) -> bool {
        let time = nonce.and_then(|nonce| self.authentic_time(nonce));
        time.is_some_and(|time| time >= microseconds(start))
    }

    /// The time in a nonce that was issued with this key.
    fn authentic_time(&self, nonce: &str) -> Option<u64> {
        if nonce.len() != NONCE_CHARACTERS {
            return None;
        }
        let bytes = BASE64URL_NOPAD.decode(nonce.as_bytes()).ok()?;
        let (&time, tag) = bytes.split_first_chunk()?;
        let is_ours = self.key.verify(&message(time), tag);
        is_ours.then(|| u64::from_be_bytes(time))
    }

    fn slot_at(&self, time: u64) -> u64 {
        time / self.slot
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// The prefix separates these HMACs from others under the same secret.
fn message(time: [u8; 8]) -> Vec<u8> {
    [b"DPoP-Nonce ".as_slice(), &time].concat()
}

/// Why no nonces can be issued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NonceError {
    /// The system provides no random numbers.
    #[error("the system provides no random numbers")]
    NoRandomness,
    /// A secret shorter than the hash is weaker than it (RFC 2104 §3).
    #[error("the secret has {given} bytes; at least {TAG_BYTES} are needed")]
    SecretTooShort {
        /// The length of the secret, in bytes.
        given: usize,
    },
}

/// The header that carries a nonce to the client (RFC 9449 §8.1, §9).
pub(crate) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// The `Cache-Control` of a response with a nonce (RFC 9449 §8.2).
pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// A shorter slot could end while a request is in transit.
const SHORTEST_SLOT: Duration = Duration::from_secs(1);

/// Eight bytes of time and the HMAC, in base64url.
const NONCE_CHARACTERS: usize = ((8 + TAG_BYTES) * 4).div_ceil(3);

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: u64 = 150;

    const SECRET: &str = "a secret that replicas share, 32+";

    fn shared() -> NonceIssuer {
        NonceIssuer::new(Some(SECRET), NonceIssuer::LIFETIME).unwrap()
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn issued(nonces: &NonceIssuer, seconds: u64) -> String {
        nonces
            .issue_from(Duration::ZERO, at(seconds))
            .to_str()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn a_nonce_is_valid_in_its_slot_and_the_next_and_one_slot_ahead() {
        let nonces = shared();
        let start = 1000 * SLOT;
        let nonce = issued(&nonces, start);
        for (seconds, expected) in [
            (start, true),
            (start + SLOT - 1, true),
            (start + SLOT, true),
            (start + 2 * SLOT - 1, true),
            (start + 2 * SLOT, false),
            (start + 1_000_000, false),
            (start - 1, true),
            (start - SLOT, true),
            (start - SLOT - 1, false),
            (0, false),
        ] {
            assert_eq!(
                nonces.accepts(Some(&nonce), at(seconds)),
                expected,
                "{seconds}"
            );
        }
    }

    #[test]
    fn replicas_that_share_a_secret_accept_each_others() {
        let now = 1_700_000_000;
        let nonce = issued(&shared(), now);
        assert!(shared().accepts(Some(&nonce), at(now)));
        let random = || NonceIssuer::new(None, NonceIssuer::LIFETIME).unwrap();
        for other in [
            random(),
            NonceIssuer::new(Some(&"x".repeat(32)), NonceIssuer::LIFETIME).unwrap(),
        ] {
            assert!(!other.accepts(Some(&nonce), at(now)));
        }
        assert_ne!(issued(&random(), now), issued(&random(), now));
    }

    #[test]
    fn nothing_but_a_whole_nonce_is_accepted() {
        let nonces = shared();
        let now = 1_700_000_000;
        let good = issued(&nonces, now);
        let bytes = BASE64URL_NOPAD.decode(good.as_bytes()).unwrap();
        let mut wrong: Vec<String> = (0..bytes.len())
            .map(|place| {
                let mut bytes = bytes.clone();
                bytes[place] ^= 1;
                BASE64URL_NOPAD.encode(&bytes)
            })
            .collect();
        let (short, _) = good.split_at(good.len() - 1);
        wrong.extend([String::new(), short.to_owned(), format!("{good}A")]);
        wrong.extend([format!("{good}="), "ä".repeat(27), "A".repeat(54)]);
        wrong.extend([format!("{short}~"), BASE64URL_NOPAD.encode(&bytes[..24])]);
        for nonce in wrong {
            assert!(!nonces.accepts(Some(&nonce), at(now)), "{nonce}");
        }
        assert!(!nonces.accepts(None, at(now)));
    }

    #[test]
    fn every_time_has_a_slot() {
        for lifetime in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            let nonces = NonceIssuer::new(None, lifetime).unwrap();
            for now in [Duration::ZERO, Duration::MAX] {
                let nonce = nonces.issue_from(Duration::ZERO, now);
                assert!(nonces.accepts(nonce.to_str().ok(), now));
            }
        }
        let shortest = NonceIssuer::new(None, Duration::ZERO).unwrap();
        let nonce = issued(&shortest, 10);
        assert!(shortest.accepts(Some(&nonce), at(11)));
        assert!(!shortest.accepts(Some(&nonce), at(12)));
    }

    #[test]
    fn a_secret_is_as_long_as_its_hash_and_never_shown() {
        let error = NonceIssuer::new(Some(&"s".repeat(31)), NonceIssuer::LIFETIME).unwrap_err();
        assert_eq!(error, NonceError::SecretTooShort { given: 31 });
        assert_eq!(
            error.to_string(),
            "the secret has 31 bytes; at least 32 are needed"
        );
        assert!(!format!("{:?}", shared()).contains(SECRET));
    }
}
