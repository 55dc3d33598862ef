//! HMAC-SHA-256 ([RFC 2104]) for values that this server issues and verifies itself.
//!
//! [RFC 2104]: https://www.rfc-editor.org/rfc/rfc2104

use std::fmt;

use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};

use super::random;

/// A key that computes and verifies tags; its `Debug` is redacted.
pub(crate) struct MacKey(Key);

impl MacKey {
    pub(crate) fn of_secret(secret: &[u8]) -> Self {
        Self(Key::new(HMAC_SHA256, secret))
    }

    /// A random key; `None` if the system provides no random numbers.
    pub(crate) fn random() -> Option<Self> {
        random::bytes_256().map(|key| Self::of_secret(&*key))
    }

    pub(crate) fn tag(&self, message: &[u8]) -> Vec<u8> {
        hmac::sign(&self.0, message).as_ref().to_vec()
    }

    /// Whether `tag` is this key's for `message`, compared in constant time.
    pub(crate) fn verify(&self, message: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.0, message, tag).is_ok()
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(redacted)")
    }
}

/// The length of a tag.
pub(crate) const TAG_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_that_of_rfc_4231() {
        let key = MacKey::of_secret(b"Jefe");
        let tag = key.tag(b"what do ya want for nothing?");
        assert_eq!(
            data_encoding::HEXLOWER.encode(&tag),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(tag.len(), TAG_BYTES);
    }

    #[test]
    fn only_the_whole_tag_of_the_same_key_and_message_is_valid() {
        let (key, other) = (MacKey::random().unwrap(), MacKey::random().unwrap());
        let tag = key.tag(b"message");
        assert!(key.verify(b"message", &tag));
        assert!(!other.verify(b"message", &tag));
        assert!(!key.verify(b"another", &tag));
        assert!(!key.verify(b"message", &tag[..16]));
        assert!(!key.verify(b"message", b""));
        assert_eq!(format!("{key:?}"), "MacKey(redacted)");
    }
}
