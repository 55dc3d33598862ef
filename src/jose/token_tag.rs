//! Tags that tell tokens apart: AES-256-GMAC ([NIST SP 800-38D]) with a random key.
//!
//! [NIST SP 800-38D]: https://doi.org/10.6028/NIST.SP.800-38D

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::random;

/// A random key that computes the tags of tokens.
///
/// A cached verification may only be used for exactly the token that was verified. Comparing tags decides that as well as
/// comparing tokens would, without keeping usable credentials in memory, for these reasons:
///
/// - The tag is that of the whole token under a key that never leaves the process. Under one nonce, GMAC is the polynomial
///   hash GHASH at a secret point, plus a constant. Two different tokens of at most 16 KiB (1,024 blocks) have the same tag
///   with a probability of at most 1,025 · 2⁻¹²⁸, less than 2⁻¹¹⁷, over the choice of the key.
/// - That nonces must not repeat in GCM is because two tags under one nonce reveal something of the key. No tag leaves the
///   process: it is no part of a response, of a log or of an address, and all that this type shows is whether two are equal.
/// - A token is compared with one tag only, that of the entry at its address. A client learns at most that one token is not
///   another, so that `q` attempts find two with the same tag with a probability of less than `q` · 2⁻¹¹⁷.
///
/// Another spelling of a token (an ECDSA signature has two) has another tag: it is not found, and verified by itself.
pub(crate) struct TokenTagger(LessSafeKey);

/// The tag of a token. Only equality is defined; its `Debug` is redacted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenTag(u128);

impl TokenTagger {
    /// A random key; `None` if the system provides no random numbers.
    pub(crate) fn random() -> Option<Self> {
        let key = UnboundKey::new(&AES_256_GCM, &*random::bytes_256()?).ok()?;
        Some(Self(LessSafeKey::new(key)))
    }

    /// The tag of a token; `None` if it is longer than AES-GCM can read, which no token is.
    pub(crate) fn tag(&self, token: &[u8]) -> Option<TokenTag> {
        let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce, Aad::from(token), &mut [])
            .ok()?;
        let tag = <[u8; 16]>::try_from(tag.as_ref()).ok()?;
        Some(TokenTag(u128::from_ne_bytes(tag)))
    }
}

impl fmt::Debug for TokenTagger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenTagger(redacted)")
    }
}

impl fmt::Debug for TokenTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenTag(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_that_of_the_whole_token_and_the_key() {
        let [key, other] = [(), ()].map(|()| TokenTagger::random().expect("random numbers"));
        let token = b"a.token.signature".repeat(100);
        assert_eq!(key.tag(&token), key.tag(&token));
        assert_ne!(key.tag(&token), other.tag(&token));
        for at in 0..token.len() {
            let mut near = token.clone();
            near[at] ^= 1;
            assert_ne!(key.tag(&near), key.tag(&token), "{at}");
        }
        for near in [&token[1..], &token[..token.len() - 1], b""] {
            assert_ne!(key.tag(near), key.tag(&token));
        }
    }

    #[test]
    fn a_tag_is_that_of_gcm_without_a_plaintext() {
        // Test case 13 of the GCM specification: a key of zeros, no plaintext, no associated data.
        let key = UnboundKey::new(&AES_256_GCM, &[0; 32]).expect("a key");
        let tag = TokenTagger(LessSafeKey::new(key)).tag(b"").expect("a tag");
        let expected = [
            0x53, 0x0f, 0x8a, 0xfb, 0xc7, 0x45, 0x36, 0xb9, 0xa9, 0x63, 0xb4, 0xf1, 0xc4, 0xcb,
            0x73, 0x8b,
        ];
        assert_eq!(tag, TokenTag(u128::from_ne_bytes(expected)));
        assert_eq!(format!("{tag:?}"), "TokenTag(redacted)");
    }
}
