//! A pool of RSA keys: generating one takes a debug build a few tenths of a second.

use std::fmt;
use std::ops::Deref;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::jose::Algorithm;
use crate::jose::algorithm::KeyKind;
use crate::jose::sign::{SigningKey, random_id};

/// The key that all tests of one process share for `algorithm`, generated on first use.
///
/// Every call returns the same key. The algorithms of one key type share the key, except for HMAC, where
/// each has a secret as long as its hash.
///
/// # Examples
/// ```
/// use actix_resource_server::Algorithm;
/// use actix_resource_server::test_kit::shared;
///
/// let key = shared(Algorithm::Es256);
/// assert_eq!(key.kid(), shared(Algorithm::Es256).kid());
/// ```
#[must_use]
pub fn shared(algorithm: Algorithm) -> SigningKey {
    static ED25519: OnceLock<SigningKey> = OnceLock::new();
    static ML_DSA_44: OnceLock<SigningKey> = OnceLock::new();
    static ML_DSA_65: OnceLock<SigningKey> = OnceLock::new();
    static ML_DSA_87: OnceLock<SigningKey> = OnceLock::new();
    static P256: OnceLock<SigningKey> = OnceLock::new();
    static P384: OnceLock<SigningKey> = OnceLock::new();
    static P521: OnceLock<SigningKey> = OnceLock::new();
    static RSA: OnceLock<SigningKey> = OnceLock::new();
    static SECRET: OnceLock<SigningKey> = OnceLock::new();
    let (slot, made_for) = match algorithm.key_kind() {
        KeyKind::Ed25519 => (&ED25519, Algorithm::EdDsa),
        KeyKind::MlDsa44 => (&ML_DSA_44, Algorithm::MlDsa44),
        KeyKind::MlDsa65 => (&ML_DSA_65, Algorithm::MlDsa65),
        KeyKind::MlDsa87 => (&ML_DSA_87, Algorithm::MlDsa87),
        KeyKind::P256 => (&P256, Algorithm::Es256),
        KeyKind::P384 => (&P384, Algorithm::Es384),
        KeyKind::P521 => (&P521, Algorithm::Es512),
        KeyKind::Rsa => (&RSA, Algorithm::Rs256),
        KeyKind::Symmetric => (&SECRET, Algorithm::Hs512),
    };
    let key = slot.get_or_init(|| SigningKey::generate(made_for));
    key.clone().with_algorithm(algorithm)
}

/// A key that is used exclusively until this is dropped; RSA keys then return to the pool.
///
/// Two issuers therefore never have the same key at the same time: otherwise a test of one could pass
/// because of the other.
pub(super) struct Lent(SigningKey);

impl Lent {
    /// A key for `algorithm` with a unique `kid`.
    pub(super) fn new(algorithm: Algorithm) -> Self {
        if algorithm.key_kind() != KeyKind::Rsa {
            return Self(SigningKey::generate(algorithm));
        }
        let kept = returned().pop();
        let key = kept.unwrap_or_else(|| SigningKey::generate(algorithm));
        Self(key.with_algorithm(algorithm).with_kid(&random_id()))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.algorithm().key_kind() == KeyKind::Rsa {
            returned().push(self.0.clone());
        }
    }
}

impl Deref for Lent {
    type Target = SigningKey;

    fn deref(&self) -> &SigningKey {
        &self.0
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The pool of unused RSA keys.
fn returned() -> impl std::ops::DerefMut<Target = Vec<SigningKey>> {
    static RETURNED: Mutex<Vec<SigningKey>> = Mutex::new(Vec::new());
    RETURNED.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_key_is_the_same_every_time() {
        for algorithm in Algorithm::ALL.iter().copied() {
            let key = shared(algorithm);
            assert_eq!(key.algorithm(), algorithm);
            assert_eq!(key.kid(), shared(algorithm).kid());
            assert_eq!(key.public_jwk(), shared(algorithm).public_jwk());
        }
    }

    #[test]
    fn two_keys_lent_at_once_differ() {
        for algorithm in [Algorithm::Ps256, Algorithm::Es256] {
            let (one, other) = (Lent::new(algorithm), Lent::new(algorithm));
            let material = |key: &Lent| {
                let jwk = key.public_jwk().unwrap();
                (jwk["n"].clone(), jwk["x"].clone())
            };
            assert_ne!(material(&one), material(&other));
            assert_ne!(one.kid(), other.kid());
            assert_eq!(one.algorithm(), algorithm);
        }
    }
}
