//! JWK sets ([RFC 7517 §5]): parsing, and finding keys by ID. Unusable keys are skipped.
//!
//! [RFC 7517 §5]: https://www.rfc-editor.org/rfc/rfc7517#section-5

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::content::Content;
use super::members;
use super::skipped::Skipped;
use crate::jose::Algorithm;
use crate::jose::jwk::Jwk;
use crate::jose::signature::VerificationKey;

/// The keys of one issuer at one moment, under its exact name.
#[derive(Debug)]
pub(crate) struct KeySet {
    issuer: String,
    /// Distinguishes the sets of this issuer; 0 until the set is published.
    generation: u64,
    keys: Vec<Arc<Jwk>>,
    by_id: HashMap<String, Vec<Arc<Jwk>>>,
    /// Each key once, even if it has several IDs.
    distinct: Vec<Arc<Jwk>>,
    /// Whether the keys apply to every `kid`, as a shared secret does.
    ignores_ids: bool,
}

impl KeySet {
    fn new(issuer: String, mut keys: Vec<Arc<Jwk>>) -> Self {
        remove_duplicates(&mut keys, |key| key.key_id.as_deref());
        let mut distinct = keys.clone();
        remove_duplicates(&mut distinct, |_| None);
        Self {
            issuer,
            generation: 0,
            by_id: index(&keys),
            keys,
            distinct,
            ignores_ids: false,
        }
    }

    /// The set of an issuer that publishes no keys.
    pub(crate) fn empty(issuer: String) -> Self {
        Self::new(issuer, Vec::new())
    }

    /// The set of one shared secret: a key for each HMAC algorithm.
    pub(crate) fn of_secret(issuer: String, secret: &[u8], algorithms: &[Algorithm]) -> Self {
        let key = |&algorithm| {
            let verification = VerificationKey::from_secret(secret, algorithm)?;
            Some(Arc::new(Jwk {
                key_id: None,
                thumbprint: String::new(),
                issuer: None,
                key: verification,
            }))
        };
        let keys = algorithms.iter().filter_map(key).collect();
        Self {
            ignores_ids: true,
            ..Self::new(issuer, keys)
        }
    }

    /// The set of configured keys; if none has a `kid`, they apply to every `kid`.
    pub(crate) fn of_public_keys(issuer: String, keys: &[Arc<Jwk>]) -> Self {
        Self {
            ignores_ids: keys.iter().all(|key| key.key_id.is_none()),
            ..Self::new(issuer, copied(keys))
        }
    }

    /// The same keys, but none of the tokens that these have verified stays valid with them.
    pub(crate) fn copied(&self) -> Self {
        Self {
            generation: self.generation,
            ignores_ids: self.ignores_ids,
            ..Self::new(self.issuer.clone(), copied(&self.keys))
        }
    }

    /// The exact value of `iss` in the issuer's tokens.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The number of keys that verify at least one accepted algorithm.
    pub(crate) fn usable(&self, accepts: impl Fn(Algorithm) -> bool) -> usize {
        let is_usable = |key: &&Arc<Jwk>| key.key.algorithms().any(&accepts);
        self.keys.iter().filter(is_usable).count()
    }

    /// The keys that may have signed a token, each once: those with its `kid`, or all if it has none.
    pub(crate) fn named(&self, id: Option<&str>) -> &[Arc<Jwk>] {
        match id {
            Some(id) if !self.ignores_ids => {
                self.by_id.get(id).map(Vec::as_slice).unwrap_or_default()
            }
            _ => &self.distinct,
        }
    }

    /// Whether a later set may have the key of a token that none of these has signed. Without a `kid`
    /// a key is only found by trying, so it may have been replaced unnoticed.
    pub(crate) fn may_lack_key(&self, id: Option<&str>) -> bool {
        !self.ignores_ids && id.is_none_or(|id| !self.by_id.contains_key(id))
    }

    /// Makes this the set of `generation`, which replaces `earlier`. Unchanged keys are taken from `earlier`, so that
    /// cached tokens that they verified stay valid.
    pub(crate) fn replacing(self, earlier: Option<&Self>, generation: u64) -> Self {
        let Some(earlier) = earlier.filter(|earlier| earlier.issuer == self.issuer) else {
            return Self { generation, ..self };
        };
        let carried = self
            .keys
            .into_iter()
            .map(|key| earlier.same_as(&key).unwrap_or(key));
        Self {
            generation,
            ignores_ids: self.ignores_ids,
            ..Self::new(self.issuer, carried.collect())
        }
    }

    fn same_as(&self, key: &Arc<Jwk>) -> Option<Arc<Jwk>> {
        let mut candidates = match &key.key_id {
            Some(id) => self.by_id.get(id).map(Vec::as_slice).unwrap_or_default(),
            None => &self.keys,
        }
        .iter();
        let has_same_id = |known: &&Arc<Jwk>| known.key_id == key.key_id;
        candidates
            .find(|known| has_same_id(known) && known.is_same(key))
            .map(Arc::clone)
    }
}

/// Copies of their own: a token is valid while the key that verified it exists, which others must not prolong.
fn copied(keys: &[Arc<Jwk>]) -> Vec<Arc<Jwk>> {
    keys.iter().map(|key| Arc::new(Jwk::clone(key))).collect()
}

/// Removes all but the first of keys with the same `name`, thumbprint, issuer and algorithms.
fn remove_duplicates(keys: &mut Vec<Arc<Jwk>>, name: fn(&Jwk) -> Option<&str>) {
    let mut known = HashSet::new();
    let all = keys.clone();
    let mut is_new = all.iter().map(|key| {
        let algorithms: Vec<_> = key.key.algorithms().collect();
        known.insert((name(key), key.thumbprint.as_str(), &key.issuer, algorithms))
    });
    keys.retain(|_| is_new.next().unwrap_or_default());
}

fn index(keys: &[Arc<Jwk>]) -> HashMap<String, Vec<Arc<Jwk>>> {
    let mut by_id = HashMap::<String, Vec<Arc<Jwk>>>::new();
    for key in keys {
        if let Some(id) = &key.key_id {
            by_id.entry(id.clone()).or_default().push(Arc::clone(key));
        }
    }
    by_id
}

/// Parses a JWK set key by key; returns the set, and the keys that were skipped.
///
/// # Errors
/// [`KeySetError`] if the set has no usable key.
pub(crate) fn read(issuer: String, body: &[u8]) -> Result<(KeySet, Skipped), KeySetError> {
    let mut members = members::keys(body)
        .map_err(KeySetError::Malformed)?
        .peekable();
    if members.peek().is_none() {
        return Err(KeySetError::Empty);
    }
    let mut keys = Vec::new();
    let mut skipped = Skipped::default();
    for member in members {
        match member {
            Ok(jwk) => keys.push(Arc::new(jwk)),
            Err(error) => skipped.extend([error]),
        }
    }
    if keys.is_empty() {
        return Err(KeySetError::NoUsableKey(skipped));
    }
    Ok((KeySet::new(issuer, keys), skipped))
}

/// Why a document is not a usable key set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeySetError {
    #[error("its key set is malformed")]
    Malformed(#[source] Content),
    #[error("its key set is empty")]
    Empty,
    #[error("its key set has no usable key ({0})")]
    NoUsableKey(Skipped),
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
    fn unusable_keys_are_counted_and_skipped() {
        let body = json!({"keys": [null, {}, {"kty": "oct", "k": "AA"}, key("a"), "x", {"kty": "RSA", "use": "enc"}]});
        let (set, unusable) =
            read("issuer".to_owned(), body.to_string().as_bytes()).expect("a key set");
        assert_eq!((set.len(), unusable.len()), (1, 5));
    }

    #[test]
    fn a_document_without_a_usable_key_is_rejected() {
        let error = |body: &str| read("issuer".to_owned(), body.as_bytes()).map(drop);
        for (body, content) in [
            ("", Content::Empty),
            ("null", Content::Structure),
            ("[]", Content::Structure),
            ("<html>", Content::Markup),
            (r#"{"keys":{}}"#, Content::Structure),
            (r#"{"keys":"a"}"#, Content::Structure),
            (r#"{"error":"unavailable"}"#, Content::NoKeys),
            (r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#, Content::NoKeys),
        ] {
            assert_eq!(error(body), Err(KeySetError::Malformed(content)), "{body}");
        }
        for body in [
            "{}",
            r#"{"keys":null}"#,
            r#"{"keys":[]}"#,
            "\u{feff}{\"keys\":[]}",
        ] {
            assert_eq!(error(body), Err(KeySetError::Empty), "{body}");
        }
        let none = error(r#"{"keys":[null,{}]}"#).expect_err("no usable key");
        assert_eq!(
            none.to_string(),
            "its key set has no usable key (2 unusable: the key is malformed (1); \
             the key lacks a member that its type needs (1))"
        );
    }

    #[test]
    fn keys_are_found_by_id_and_all_of_them_without_one() {
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
    fn a_key_that_is_listed_again_is_one_key() {
        let (a, mut b) = (key("a"), key("b"));
        b.as_object_mut().expect("an object").remove("alg");
        let mut again = a.clone();
        again["kid"] = json!("other");
        let set = set(&json!([a, a, b, again, a]));
        assert_eq!(set.len(), 3);
        assert_eq!(
            [Some("a"), Some("other"), None].map(|id| set.named(id).len()),
            [1, 1, 2]
        );
    }

    #[test]
    fn configured_keys_are_copied_and_stay_those_of_their_set() {
        let unnamed = |_| {
            let mut jwk = Jwk::parse(&key("a")).expect("a key");
            jwk.key_id = None;
            Arc::new(jwk)
        };
        let keys: Vec<_> = (0..2).map(unnamed).collect();
        let set = || KeySet::of_public_keys("issuer".to_owned(), &keys);
        let first = set();
        let later = set().replacing(Some(&first), 2);
        let copied = later.copied();
        let found = [&first, &later, &copied].map(|set| set.named(None));
        assert_eq!(found.map(<[_]>::len), [2, 2, 2]);
        for (index, key) in keys.iter().enumerate() {
            assert!(!Arc::ptr_eq(&found[0][index], key));
            assert!(Arc::ptr_eq(&found[0][index], &found[1][index]));
            assert!(!Arc::ptr_eq(&found[1][index], &found[2][index]));
        }
    }

    #[test]
    fn an_unchanged_key_is_carried_over_and_a_changed_one_is_not() {
        let (a, b) = (key("a"), key("b"));
        let earlier = set(&json!([a, b]));
        let kept = Arc::downgrade(&earlier.named(Some("a"))[0]);
        let gone = Arc::downgrade(&earlier.named(Some("b"))[0]);
        let mut bound = a.clone();
        bound.as_object_mut().expect("an object").remove("alg");
        let later = set(&json!([bound, key("b")])).replacing(Some(&earlier), 2);
        assert_eq!(later.generation(), 2);
        drop(earlier);
        // ES256 is the only algorithm of such a key, with or without `alg`.
        assert!(kept.upgrade().is_some());
        assert!(gone.upgrade().is_none());
        assert_eq!(later.len(), 2);
    }
}
