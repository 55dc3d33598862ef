//! A JWK set → keys ([RFC 7517 §5]); what is unusable is counted, not fatal.
//!
//! [RFC 7517 §5]: https://www.rfc-editor.org/rfc/rfc7517#section-5

use std::collections::HashMap;
use std::sync::Arc;

use super::members;
use crate::jose::Algorithm;
use crate::jose::jwk::{Jwk, JwkError};
use crate::jose::signature::VerificationKey;

/// One key that an issuer vouches for.
#[derive(Debug)]
pub(crate) struct Key {
    id: Option<String>,
    thumbprint: String,
    verification: VerificationKey,
}

impl Key {
    /// Whether `signature` is this key's over `message`.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.verification.verifies(algorithm, message, signature)
    }

    pub(crate) fn allows(&self, algorithm: Algorithm) -> bool {
        self.verification.allows(algorithm)
    }

    fn is_same_as(&self, other: &Self) -> bool {
        self.id == other.id
            && self.thumbprint == other.thumbprint
            && self
                .verification
                .algorithms()
                .eq(other.verification.algorithms())
    }
}

impl From<Jwk> for Key {
    fn from(jwk: Jwk) -> Self {
        Self {
            id: jwk.key_id,
            thumbprint: jwk.thumbprint,
            verification: jwk.key,
        }
    }
}

/// The keys of one issuer as they were at one moment, under its exact name.
#[derive(Debug)]
pub(crate) struct KeySet {
    issuer: String,
    /// Tells the sets of this issuer apart; 0 until it is published.
    edition: u64,
    keys: Vec<Arc<Key>>,
    by_id: HashMap<String, Vec<Arc<Key>>>,
    /// A shared secret serves whatever `kid` a token names.
    ignores_ids: bool,
}

impl KeySet {
    fn new(issuer: String, keys: Vec<Arc<Key>>) -> Self {
        let by_id = index(&keys);
        Self {
            issuer,
            edition: 0,
            keys,
            by_id,
            ignores_ids: false,
        }
    }

    /// The set of one shared secret, once for each HMAC that it may be used with.
    pub(crate) fn of_secret(issuer: String, secret: &[u8], algorithms: &[Algorithm]) -> Self {
        let key = |&algorithm| {
            let verification = VerificationKey::from_secret(secret, algorithm)?;
            Some(Arc::new(Key {
                id: None,
                thumbprint: String::new(),
                verification,
            }))
        };
        let keys = algorithms.iter().filter_map(key).collect();
        Self {
            ignores_ids: true,
            ..Self::new(issuer, keys)
        }
    }

    /// The set of configured keys; where none has a name, they serve whatever `kid` a token names.
    pub(crate) fn of_public_keys(issuer: String, keys: Vec<Jwk>) -> Self {
        let keys: Vec<_> = keys
            .into_iter()
            .map(|jwk| Arc::new(Key::from(jwk)))
            .collect();
        let ignores_ids = keys.iter().all(|key| key.id.is_none());
        Self {
            ignores_ids,
            ..Self::new(issuer, keys)
        }
    }

    /// The exact value of `iss` in the tokens of these keys.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(crate) fn edition(&self) -> u64 {
        self.edition
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys that a token may be signed with: those of its `kid` where it names one, else all.
    pub(crate) fn named(&self, id: Option<&str>) -> &[Arc<Key>] {
        match id {
            Some(id) if !self.ignores_ids => {
                self.by_id.get(id).map(Vec::as_slice).unwrap_or_default()
            }
            _ => &self.keys,
        }
    }

    /// Whether a later set may have a key for a token that none of these has signed. A key without
    /// a name can only be known by trying, so it may have been replaced unnoticed.
    pub(crate) fn may_lack_key(&self, id: Option<&str>) -> bool {
        !self.ignores_ids && id.is_none_or(|id| !self.by_id.contains_key(id))
    }

    /// Becomes the set of this edition, after `earlier`: takes the keys that have not changed from it, so that what they verified stays verified.
    pub(crate) fn succeeding(mut self, earlier: Option<&Self>, edition: u64) -> Self {
        self.edition = edition;
        let Some(earlier) = earlier else {
            return self;
        };
        if earlier.issuer == self.issuer {
            let carried = self
                .keys
                .into_iter()
                .map(|key| earlier.same_as(&key).unwrap_or(key));
            self.keys = carried.collect();
            self.by_id = index(&self.keys);
        }
        self
    }

    fn same_as(&self, key: &Key) -> Option<Arc<Key>> {
        let candidates = self.named(key.id.as_deref());
        candidates
            .iter()
            .find(|known| known.is_same_as(key))
            .map(Arc::clone)
    }
}

fn index(keys: &[Arc<Key>]) -> HashMap<String, Vec<Arc<Key>>> {
    let mut by_id = HashMap::<String, Vec<Arc<Key>>>::new();
    for key in keys {
        if let Some(id) = &key.id {
            by_id.entry(id.clone()).or_default().push(Arc::clone(key));
        }
    }
    by_id
}

/// Reads a JWK set, key by key.
///
/// # Errors
/// [`KeySetError`] when no usable key is in it.
pub(crate) fn read(issuer: String, body: &[u8]) -> Result<(KeySet, Vec<JwkError>), KeySetError> {
    let members = members::keys(body).ok_or(KeySetError::Malformed)?;
    let mut keys = Vec::new();
    let mut unusable = Vec::new();
    for member in members {
        match member {
            Ok(jwk) => keys.push(Arc::new(Key::from(jwk))),
            Err(error) => unusable.push(error),
        }
    }
    if keys.is_empty() {
        return Err(KeySetError::NoUsableKey {
            unusable: unusable.len(),
        });
    }
    Ok((KeySet::new(issuer, keys), unusable))
}

/// Why a document is no key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeySetError {
    #[error("its key set is malformed")]
    Malformed,
    #[error("its key set has no usable key ({unusable} unusable)")]
    NoUsableKey { unusable: usize },
}

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use super::*;
    use crate::jose::sign::SigningKey;
    use serde_json::{Value, json};

    fn key(kid: &str) -> Value {
        let key = SigningKey::generate(Algorithm::Es256).with_kid(kid);
        key.public_jwk().expect("a public key")
    }

    fn set(keys: &Value) -> KeySet {
        let body = json!({ "keys": keys }).to_string();
        read("issuer".to_owned(), body.as_bytes())
            .expect("a key set")
            .0
    }

    #[test]
    fn unusable_keys_are_counted_and_passed_over() {
        let body = json!({"keys": [null, {}, {"kty": "oct", "k": "AA"}, key("a"), "x", {"kty": "RSA", "use": "enc"}]});
        let (set, unusable) =
            read("issuer".to_owned(), body.to_string().as_bytes()).expect("a key set");
        assert_eq!((set.len(), unusable.len()), (1, 5));
    }

    #[test]
    fn a_document_without_a_usable_key_is_no_key_set() {
        let error = |body: &str| read("issuer".to_owned(), body.as_bytes()).map(drop);
        for body in [
            "",
            "null",
            "[]",
            "{}",
            "<html>",
            r#"{"keys":null}"#,
            r#"{"keys":{}}"#,
            r#"{"keys":"a"}"#,
        ] {
            assert_eq!(error(body), Err(KeySetError::Malformed), "{body}");
        }
        assert_eq!(
            error(r#"{"keys":[]}"#),
            Err(KeySetError::NoUsableKey { unusable: 0 })
        );
        assert_eq!(
            error(r#"{"keys":[null,{}]}"#),
            Err(KeySetError::NoUsableKey { unusable: 2 })
        );
    }

    #[test]
    fn keys_are_found_by_name_or_all_without_one() {
        let mut nameless = key("c");
        nameless.as_object_mut().expect("an object").remove("kid");
        let set = set(&json!([key("a"), key("a"), key("b"), nameless]));
        let found = |id| set.named(id).len();
        assert_eq!(
            [
                found(Some("a")),
                found(Some("b")),
                found(Some("c")),
                found(Some("")),
                found(None)
            ],
            [2, 1, 0, 0, 4]
        );
        assert_eq!(
            [Some("a"), Some("c"), None].map(|id| set.may_lack_key(id)),
            [false, true, true]
        );
    }

    #[test]
    fn an_unchanged_key_is_carried_over_and_a_changed_one_is_not() {
        let (a, b) = (key("a"), key("b"));
        let earlier = set(&json!([a, b]));
        let kept = Arc::downgrade(&earlier.named(Some("a"))[0]);
        let gone = Arc::downgrade(&earlier.named(Some("b"))[0]);
        let mut bound = a.clone();
        bound.as_object_mut().expect("an object").remove("alg");
        let later = set(&json!([bound, key("b")])).succeeding(Some(&earlier), 2);
        assert_eq!(later.edition(), 2);
        drop(earlier);
        // ES256 is the only algorithm of such a key, said or not.
        assert!(kept.upgrade().is_some());
        assert!(gone.upgrade().is_none());
        assert_eq!(later.len(), 2);
    }
}
