//! Token → [`Verified`]; synchronous, and a stranger to any web framework.

mod builder;
pub mod clock;
mod error;
mod rules;
mod seen;
mod unverified;
mod verified;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::counters::Counters;
use crate::issuer::{Issuer, KeySource};
use crate::jose::Algorithm;
use crate::keys::document::Key;
use crate::keys::{IssuerKeys, Keeper, WantedKey, Wish};
use crate::proof::Senders;
#[cfg(feature = "service")]
pub(crate) use builder::DEFAULT_TOKEN_MEMORY;
pub use builder::VerifierBuilder;
use clock::{Clock, since_epoch};
pub use error::{Missing, VerifyError};
use seen::Seen;
use unverified::Unverified;
pub use verified::{UnfitClaims, Verified};

/// Verifies access tokens by the keys of the issuers that are trusted.
///
/// It is made once and cloned for every worker; its clones share keys and counters. The keys are
/// fetched by a thread that ends with the last clone.
///
/// # Examples
/// ```no_run
/// use actix_resource_server::{Issuer, Verifier};
///
/// let issuer = Issuer::discover("https://tenant.eu.auth0.com/")
///     .audience("https://quickstarts/api")
///     .build()?;
/// let verifier = Verifier::start([issuer])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Verifier(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    issuers: Vec<Arc<IssuerKeys>>,
    by_name: HashMap<String, usize>,
    counters: Arc<Counters>,
    clock: Clock,
    seen: Option<Arc<Seen>>,
    senders: Senders,
    _keeper: Option<Keeper>,
}

impl Verifier {
    /// Trusts these issuers and begins to fetch their keys; waits for nothing.
    ///
    /// # Errors
    /// The operating system gave no thread for the fetching.
    pub fn start(issuers: impl IntoIterator<Item = Issuer>) -> io::Result<Self> {
        Self::builder().start(issuers)
    }

    /// Begins with what can be said of a verifier beyond its issuers.
    pub fn builder() -> VerifierBuilder {
        VerifierBuilder::default()
    }

    /// Verifies a bearer token as of `now`, with the keys that are known.
    ///
    /// A token that names more than 1,000 audiences, or grants more than 1,000 scopes, is rejected.
    ///
    /// A token that is bound to its sender is refused here, where nothing of a sender is known; access types hold
    /// it against what the request proves.
    ///
    /// # Errors
    /// [`VerifyError`]; for [`VerifyError::UnknownKey`] a fetch may help, for no other.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Arc<Verified>, VerifyError> {
        let verified = match self.recall(token.as_bytes(), now) {
            Some(known) => known,
            None => self.verify_afresh(token, now)?,
        };
        match verified.is_sender_constrained() {
            true => Err(VerifyError::Bound),
            false => Ok(verified),
        }
    }

    /// What is remembered of a token, which may be any bytes, where its verdict still stands at `now`.
    pub(crate) fn recall(&self, token: &[u8], now: SystemTime) -> Option<Arc<Verified>> {
        let seen = self.0.seen.as_ref()?;
        seen.recall(token, since_epoch(now))
    }

    /// Verifies a token that is not remembered, and remembers it if it comes again.
    pub(crate) fn verify_afresh(
        &self,
        token: &str,
        now: SystemTime,
    ) -> Result<Arc<Verified>, VerifyError> {
        let verified = self.check(token, since_epoch(now))?;
        if let Some(seen) = &self.0.seen {
            seen.remember(token.as_bytes(), &verified);
        }
        Ok(verified)
    }

    /// The checks in order (RFC 7519 §7.2), the cheap ones before the signature.
    fn check(&self, token: &str, now: Duration) -> Result<Arc<Verified>, VerifyError> {
        let unverified = Unverified::parse(token)?;
        let issuer = self.named(unverified.issuer()?)?;
        let key = self.find_key(issuer, &unverified, now)?;
        let authentic = unverified.into_authentic();
        let admitted = rules::admit(&self.issuer(issuer)?.issuer, &authentic, now)?;
        Ok(Arc::new(Verified::new(authentic, admitted, &key)))
    }

    /// What has happened since the start.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// The issuers whose keys have not been had yet, each with the reason; empty when all is ready.
    #[must_use]
    pub fn unready(&self) -> Vec<Unready> {
        let unready = |issuer: &Arc<IssuerKeys>| {
            let reason = issuer.problem()?.to_string();
            Some(Unready {
                issuer: issuer.issuer.label().to_owned(),
                reason,
            })
        };
        self.0.issuers.iter().filter_map(unready).collect()
    }

    /// Whether both are clones of one verifier.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// How this server has senders prove that tokens are theirs.
    pub(crate) fn senders(&self) -> &Senders {
        &self.0.senders
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.0.clock.now()
    }

    /// Waits until every issuer's keys have been had once.
    pub async fn ready(&self) {
        for issuer in &self.0.issuers {
            issuer.ready().await;
        }
    }

    /// The issuers as they are configured, each with the time since its keys last came, where they are fetched.
    pub fn key_ages(&self) -> impl Iterator<Item = (&str, Option<Duration>)> {
        let now = Instant::now();
        self.0
            .issuers
            .iter()
            .map(move |issuer| (issuer.issuer.label(), issuer.age(now)))
    }

    /// Asks for a key that a token needs.
    pub(crate) fn wish_for(&self, missing: Missing) -> Wish {
        let Missing { issuer, key } = missing;
        let asked = self.0.issuers.get(issuer);
        asked.map_or(Wish::Denied, |issuer| {
            issuer.wanted(key, &self.0.counters, Instant::now())
        })
    }

    fn named(&self, iss: &str) -> Result<usize, VerifyError> {
        let is_named = |index: &usize| self.issuer(*index).is_ok_and(|keys| keys.is_named(iss));
        let likely = self.0.by_name.get(without_slash(iss)).copied();
        let named = likely
            .filter(is_named)
            .or_else(|| (0..self.0.issuers.len()).find(is_named));
        named.ok_or(VerifyError::UnknownIssuer)
    }

    fn issuer(&self, index: usize) -> Result<&IssuerKeys, VerifyError> {
        self.0
            .issuers
            .get(index)
            .map(Arc::as_ref)
            .ok_or(VerifyError::UnknownIssuer)
    }

    /// The key whose signature the token carries (RFC 7515 §4.1.4, RFC 8725 §3.1).
    fn find_key(
        &self,
        index: usize,
        token: &Unverified<'_>,
        now: Duration,
    ) -> Result<Arc<Key>, VerifyError> {
        let keys = self.issuer(index)?;
        if !accepts(&keys.issuer, token.algorithm()) {
            return Err(VerifyError::OtherAlgorithm);
        }
        let missing = |edition| {
            let key = WantedKey {
                fingerprint: token.key_fingerprint(),
                edition,
                may_pass: rules::may_pass(&keys.issuer, token, now),
            };
            VerifyError::UnknownKey(Missing { issuer: index, key })
        };
        let current = keys.current();
        let set = current.as_ref().ok_or_else(|| missing(0))?;
        // The issuer may have been selected by its configured name, before its own was known.
        if token.issuer()? != set.issuer() {
            return Err(VerifyError::UnknownIssuer);
        }
        let named = set.named(token.key_id());
        let named = named.get(..MOST_KEYS_TRIED).unwrap_or(named);
        let signature = match named {
            [] => Vec::new(),
            _ => token.signature()?,
        };
        let is_signed_by = |key: &&Arc<Key>| token.is_signed_by(key, &signature);
        if let Some(key) = named.iter().find(is_signed_by) {
            return Ok(Arc::clone(key));
        }
        if set.may_lack_key(token.key_id()) {
            return Err(missing(set.edition()));
        }
        match named.iter().any(|key| key.allows(token.algorithm())) {
            true => Err(VerifyError::Signature),
            false => Err(VerifyError::OtherAlgorithm),
        }
    }
}

/// Where each issuer is likely to be found by the name that its tokens carry: that which is configured, up to a trailing slash.
fn index(issuers: &[Arc<IssuerKeys>]) -> HashMap<String, usize> {
    let issuers = issuers.iter().enumerate();
    issuers
        .map(|(index, keys)| (without_slash(keys.issuer.label()).to_owned(), index))
        .collect()
}

fn without_slash(name: &str) -> &str {
    name.strip_suffix('/').unwrap_or(name)
}

fn accepts(issuer: &Issuer, algorithm: Algorithm) -> bool {
    let symmetric = matches!(issuer.keys, KeySource::Secret(_));
    algorithm.is_symmetric() == symmetric
        && (issuer.algorithms.is_empty() || issuer.algorithms.contains(&algorithm))
}

/// A token that names no key is tried with so many of its issuer's; each try costs a signature.
const MOST_KEYS_TRIED: usize = 16;

/// An issuer whose keys have not been had yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unready {
    /// The issuer as it is configured.
    pub issuer: String,
    /// Why its keys are not there.
    pub reason: String,
}

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use super::*;
    use crate::jose::sign::SigningKey;
    use crate::test_kit::{TokenBuilder, shared};
    use serde_json::json;

    const ISSUER: &str = "https://issuer.example/";

    fn token(key: &SigningKey) -> TokenBuilder {
        TokenBuilder::new(ISSUER, "api", key)
    }

    fn verifier(issuer: crate::issuer::IssuerBuilder) -> Verifier {
        Verifier::start([issuer.audience("api").build().expect("an issuer")]).expect("a verifier")
    }

    fn trusting(keys: &serde_json::Value) -> Verifier {
        verifier(Issuer::with_public_key(ISSUER, &keys.to_string()))
    }

    fn outcome(verifier: &Verifier, token: TokenBuilder) -> Result<(), VerifyError> {
        verifier.verify(&token.build(), SystemTime::now()).map(drop)
    }

    #[test]
    fn every_algorithm_is_verified_by_its_own_key_and_no_other() {
        let asymmetric = Algorithm::ALL
            .into_iter()
            .filter(|algorithm| !algorithm.is_symmetric());
        for algorithm in asymmetric {
            let key = shared(algorithm);
            let verifier = trusting(&key.public_jwk().expect("a public key"));
            assert_eq!(outcome(&verifier, token(&key)), Ok(()), "{algorithm}");
            let stranger = SigningKey::generate(algorithm).with_kid(key.kid());
            assert_eq!(
                outcome(&verifier, token(&stranger)),
                Err(VerifyError::Signature),
                "{algorithm}"
            );
        }
    }

    #[test]
    fn the_algorithm_is_bound_to_the_key() {
        let key = shared(Algorithm::Rs256);
        let mut jwk = key.public_jwk().expect("a public key");
        let other = || token(&key.clone().with_algorithm(Algorithm::Rs512));
        assert_eq!(
            outcome(&trusting(&jwk), other()),
            Err(VerifyError::OtherAlgorithm)
        );
        jwk.as_object_mut().expect("an object").remove("alg");
        assert_eq!(outcome(&trusting(&jwk), other()), Ok(()));
        assert_eq!(
            outcome(&trusting(&jwk), token(&key).header("alg", "ES256")),
            Err(VerifyError::OtherAlgorithm)
        );
        assert_eq!(
            outcome(&trusting(&jwk), token(&key).header("alg", "PS256")),
            Err(VerifyError::Signature)
        );
    }

    #[test]
    fn a_public_key_is_no_secret() {
        let key = shared(Algorithm::Rs256);
        let jwk = key.public_jwk().expect("a public key");
        let modulus = jwk["n"].as_str().expect("a modulus");
        let forged = SigningKey::from_secret(modulus, Algorithm::Hs256).with_kid(key.kid());
        assert_eq!(
            outcome(&trusting(&jwk), token(&forged)),
            Err(VerifyError::OtherAlgorithm)
        );
    }

    #[test]
    fn named_algorithms_exclude_all_others() {
        let key = shared(Algorithm::Es256);
        let jwk = key.public_jwk().expect("a public key").to_string();
        let issuer = |algorithm| Issuer::with_public_key(ISSUER, &jwk).algorithms([algorithm]);
        assert_eq!(
            outcome(&verifier(issuer(Algorithm::Es256)), token(&key)),
            Ok(())
        );
        assert_eq!(
            outcome(&verifier(issuer(Algorithm::Rs256)), token(&key)),
            Err(VerifyError::OtherAlgorithm)
        );
    }

    #[test]
    fn a_secret_verifies_whatever_kid_is_named() {
        for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
            let secret = "s".repeat(64);
            let key = SigningKey::from_secret(&secret, algorithm);
            let verifier = verifier(Issuer::with_secret(ISSUER, &secret, algorithm));
            assert_eq!(outcome(&verifier, token(&key)), Ok(()), "{algorithm}");
            assert_eq!(
                outcome(&verifier, token(&key).without_header("kid")),
                Ok(()),
                "{algorithm}"
            );
            let stranger = SigningKey::from_secret(&"x".repeat(64), algorithm);
            assert_eq!(
                outcome(&verifier, token(&stranger)),
                Err(VerifyError::Signature),
                "{algorithm}"
            );
            assert_eq!(
                outcome(&verifier, token(&shared(Algorithm::Rs256))),
                Err(VerifyError::OtherAlgorithm)
            );
        }
    }

    #[test]
    fn keys_of_one_name_are_each_tried_and_a_token_without_kid_tries_all() {
        let (first, second) = (
            SigningKey::generate(Algorithm::Es256),
            SigningKey::generate(Algorithm::Es256),
        );
        let keys = |a: &SigningKey, b: &SigningKey| {
            trusting(&json!({ "keys": [a.public_jwk(), b.public_jwk()] }))
        };
        let twins = keys(&first.clone().with_kid("k"), &second.clone().with_kid("k"));
        for key in [&first, &second] {
            assert_eq!(outcome(&twins, token(&key.clone().with_kid("k"))), Ok(()));
            assert_eq!(outcome(&twins, token(key).without_header("kid")), Ok(()));
        }
        let apart = keys(&first, &second);
        assert_eq!(
            outcome(&apart, token(&first).header("kid", second.kid())),
            Err(VerifyError::Signature)
        );
        let unknown = outcome(&apart, token(&first).header("kid", "other"));
        assert!(
            matches!(unknown, Err(VerifyError::UnknownKey(_))),
            "{unknown:?}"
        );
    }

    #[test]
    fn an_issuer_is_named_to_the_letter() {
        let key = shared(Algorithm::Es256);
        let verifier = trusting(&key.public_jwk().expect("a public key"));
        for iss in [
            "https://issuer.example",
            "https://issuer.example//",
            "https://ISSUER.example/",
            "https://other.example/",
            "",
        ] {
            assert_eq!(
                outcome(&verifier, token(&key).claim("iss", iss)),
                Err(VerifyError::UnknownIssuer),
                "{iss}"
            );
        }
    }

    #[test]
    fn a_changed_token_has_no_signature() {
        let key = shared(Algorithm::Es256);
        let verifier = trusting(&key.public_jwk().expect("a public key"));
        let good = token(&key).build();
        let other = token(&key).claim("sub", "somebody else").build();
        let (signed, _) = good.rsplit_once('.').expect("three segments");
        let (_, signature) = other.rsplit_once('.').expect("three segments");
        let mixed = format!("{signed}.{signature}");
        assert_eq!(
            verifier.verify(&mixed, SystemTime::now()).map(drop),
            Err(VerifyError::Signature)
        );
        assert_eq!(
            verifier
                .verify(&format!("{signed}."), SystemTime::now())
                .map(drop),
            Err(VerifyError::Signature)
        );
    }
}
