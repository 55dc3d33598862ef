//! HMAC-SHA-256 for what this server says to itself ([RFC 2104]).
//!
//! [RFC 2104]: https://www.rfc-editor.org/rfc/rfc2104

use std::fmt;

use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use aws_lc_rs::rand::SystemRandom;

/// A key that both makes and recognises codes; its `Debug` shows nothing of it.
pub(crate) struct MacKey(Key);

impl MacKey {
    pub(crate) fn of_secret(secret: &[u8]) -> Self {
        Self(Key::new(HMAC_SHA256, secret))
    }

    /// A key that nobody else has; `None` where the system has no randomness.
    pub(crate) fn random() -> Option<Self> {
        Key::generate(HMAC_SHA256, &SystemRandom::new())
            .ok()
            .map(Self)
    }

    pub(crate) fn code(&self, message: &[u8]) -> Vec<u8> {
        hmac::sign(&self.0, message).as_ref().to_vec()
    }

    /// Whether `code` is this key's for `message`, in a time that tells nothing.
    pub(crate) fn recognises(&self, message: &[u8], code: &[u8]) -> bool {
        hmac::verify(&self.0, message, code).is_ok()
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(redacted)")
    }
}

/// The length of a code.
pub(crate) const CODE_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_that_of_rfc_4231() {
        let key = MacKey::of_secret(b"Jefe");
        let code = key.code(b"what do ya want for nothing?");
        assert_eq!(
            data_encoding::HEXLOWER.encode(&code),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(code.len(), CODE_BYTES);
    }

    #[test]
    fn only_the_whole_code_of_the_same_key_and_message_is_recognised() {
        let (key, other) = (MacKey::random().unwrap(), MacKey::random().unwrap());
        let code = key.code(b"message");
        assert!(key.recognises(b"message", &code));
        assert!(!other.recognises(b"message", &code));
        assert!(!key.recognises(b"another", &code));
        assert!(!key.recognises(b"message", &code[..16]));
        assert!(!key.recognises(b"message", b""));
        assert_eq!(format!("{key:?}"), "MacKey(redacted)");
    }
}
