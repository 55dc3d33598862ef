//! Verification of access tokens; synchronous and independent of any web framework.

#[cfg(feature = "openapi")]
mod accepted_tokens;
mod audience;
mod builder;
pub(crate) mod clock;
mod ended;
mod error;
mod event;
#[cfg(feature = "service")]
mod exact_issuer;
mod introspection;
mod missing_key;
mod payload;
mod resolver;
mod revoke;
mod scopes;
pub(crate) mod tickets;
mod token_cache;
mod trust;
mod unverified;
mod validate;
mod verified;
mod verified_payload;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::issuer::{Issuer, KeySource, Tenants};
use crate::jose::jwk::Jwk;
use crate::jose::{Algorithm, CompactError};
use crate::keys::jwk_set::KeySet;
use crate::keys::root_certificates::RootCertificates;
#[cfg(feature = "service")]
use crate::keys::{Findings, KeySetStatus};
use crate::keys::{IssuerKeys, KeyRefresher, Purpose, WantedKey};
pub use crate::keys::{Unready, UnreadyReason};
use crate::metrics::Counters;
use crate::sender::SenderPolicy;
#[cfg(feature = "openapi")]
pub(crate) use accepted_tokens::{AcceptedTokens, Endpoints, TokenSource};
#[cfg(feature = "service")]
pub(crate) use builder::DEFAULT_TOKEN_MEMORY;
pub use builder::VerifierBuilder;
use clock::since_epoch;
pub use ended::Ended;
pub use error::VerifyError;
pub use event::EventError;
#[cfg(feature = "service")]
pub(crate) use event::MOST_EVENT_BYTES;
use event::SeenEvents;
#[cfg(feature = "service")]
pub(crate) use exact_issuer::UnresolvedIssuer;
pub use introspection::NeededIntrospection;
pub use missing_key::MissingKey;
pub(crate) use missing_key::{Pending, Verification};
use resolver::IssuerResolver;
pub(crate) use tickets::{Ticket, TicketStore, TicketTarget};
use token_cache::TokenCache;
#[cfg(feature = "service")]
use token_cache::TokenCacheSize;
use trust::Trust;
use unverified::{Decoded, HeaderType, Unverified};
use verified::{Basis, Origin};
pub use verified::{ClaimsMismatch, Verified};
use verified_payload::VerifiedPayload;

/// Verifies access tokens with the keys of the trusted issuers.
///
/// Create one and clone it for every worker; clones share keys, cache and counters. A thread
/// fetches the keys; it ends when the last clone is dropped.
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
    trust: ArcSwap<Trust>,
    /// Fetches the keys of all issuers; started with the first issuer whose keys are fetched. The lock is held while the
    /// issuers are changed.
    refresher: Mutex<Option<KeyRefresher>>,
    counters: Arc<Counters>,
    /// Trusted for requests to issuers.
    roots: RootCertificates,
    /// Clock and number.
    origin: Arc<Origin>,
    cache: Option<Arc<TokenCache>>,
    /// Security events that have been accepted.
    events: SeenEvents,
    /// Decides about issuers that are not configured.
    resolver: Option<IssuerResolver>,
    /// The number of issuers at the start; those that are added have larger numbers.
    configured_issuers: u64,
    /// The length of the longest token that is verified, in bytes.
    max_token_length: usize,
    senders: SenderPolicy,
    tickets: TicketStore,
    /// Whether the server is shutting down.
    is_over: watch::Sender<bool>,
}

impl Verifier {
    /// Creates a verifier that trusts these issuers, and starts fetching their keys without waiting for them.
    ///
    /// # Errors
    /// See [`VerifierBuilder::start`].
    pub fn start(issuers: impl IntoIterator<Item = Issuer>) -> io::Result<Self> {
        Self::builder().start(issuers)
    }

    /// Returns a builder, which configures more than the issuers.
    pub fn builder() -> VerifierBuilder {
        VerifierBuilder::default()
    }

    /// Verifies a bearer token at the time `now`, with the keys that have been fetched.
    ///
    /// A token that names more than 1,000 audiences, or grants more than 1,000 scopes, is rejected.
    ///
    /// A sender-constrained token is rejected here, because nothing is known of its sender; the extractors check it
    /// against the proof in the request.
    ///
    /// # Errors
    /// [`VerifyError`]; a fetch of keys may only help for [`VerifyError::UnknownKey`] and [`VerifyError::OutdatedKey`].
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Arc<Verified>, VerifyError> {
        let verified = self.verify_known(token, now)?;
        if verified.is_sender_constrained() {
            return Err(VerifyError::Bound);
        }
        Ok(verified)
    }

    /// Verifies a bearer token as the extractors do: waits for the fetch of a missing key, or for introspection.
    ///
    /// # Errors
    /// Those of [`verify`](Self::verify); also [`VerifyError::KeysUnavailable`], [`VerifyError::KeyUndetermined`] and
    /// [`VerifyError::IntrospectionUnavailable`], after which the token may be valid.
    pub async fn verify_or_fetch(&self, token: &str) -> Result<Arc<Verified>, VerifyError> {
        let now = self.now();
        let verified = match self.cached(token.as_bytes(), now) {
            Some(verified) => self.unrevoked(verified)?,
            None => match self.verify_or_request_key(token, now)? {
                Verification::Done(verified) => verified,
                Verification::Pending(pending) => self.verify_with(token, pending).await?,
            },
        };
        if verified.is_sender_constrained() {
            return Err(VerifyError::Bound);
        }
        Ok(verified)
    }

    /// The cached verification of a token, which may be any bytes, if it is still valid at `now`.
    pub(crate) fn cached(&self, token: &[u8], now: SystemTime) -> Option<Arc<Verified>> {
        if token.len() > self.0.max_token_length {
            return None;
        }
        let cache = self.0.cache.as_ref()?;
        let cached = cache.get(token, since_epoch(now));
        let counters = &self.0.counters;
        let count = if cached.is_some() {
            &counters.cached_tokens
        } else {
            &counters.uncached_tokens
        };
        count.add(1);
        cached
    }

    /// Verifies a token, cached or not, with the current keys.
    fn verify_known(&self, token: &str, now: SystemTime) -> Result<Arc<Verified>, VerifyError> {
        match self.cached(token.as_bytes(), now) {
            Some(verified) => self.unrevoked(verified),
            None => self.verify_uncached(token, now),
        }
    }

    /// Verifies a token that is not cached, and offers it to the cache.
    fn verify_uncached(&self, token: &str, now: SystemTime) -> Result<Arc<Verified>, VerifyError> {
        let verified = loop {
            match self.check(token, since_epoch(now)) {
                // The issuer was removed or replaced after the check began.
                Err(error) if self.is_of_removed_issuer(&error) => {}
                outcome => break outcome?,
            }
        };
        // Revoked or not: what is cached is checked again.
        if let Some(cache) = &self.0.cache {
            cache.insert(token.as_bytes(), &verified);
        }
        self.unrevoked(verified)
    }

    /// The checks in order (RFC 7519 §7.2): form, issuer, key and signature, claims.
    fn check(&self, token: &str, now: Duration) -> Result<Arc<Verified>, VerifyError> {
        if token.len() > self.0.max_token_length {
            return Err(CompactError::TooLong.into());
        }
        let mut trust = self.0.trust.load();
        if let Some(introspector) = trust.introspector_of_opaque(token) {
            return Err(introspector.needed());
        }
        let decoded: Decoded<'_> = Decoded::parse(token)?;
        let unverified = decoded.read()?;
        if let Some(resolver) = &self.0.resolver
            && trust.lacks_issuer(&unverified)
        {
            resolver.resolve(self, unverified.issuer()?, Instant::now())?;
            trust = self.0.trust.load();
        }
        let keys = trust.entry_for(&unverified)?;
        check_type(&keys.issuer, &unverified)?;
        if let Some(introspector) = trust.introspector(keys.id).filter(|of| of.takes_jwts()) {
            // What it says about itself can only count against it: endpoints call ID tokens and refresh tokens active.
            validate::check_kind(unverified.claims())?;
            return Err(introspector.needed());
        }
        let key = find_key(keys, &unverified, Purpose::AccessTokens, || {
            validate::may_pass(&keys.issuer, &unverified, now)
        })?;
        let payload = unverified.into_verified_payload();
        let valid = validate::validate_claims(&keys.issuer, &payload, now)?;
        let basis = Basis::Key(Arc::downgrade(&key), Arc::downgrade(keys));
        let payload = VerifiedPayload::new(payload)?;
        let verified = Verified::new(payload, valid, basis, &self.0.origin);
        Ok(Arc::new(verified))
    }

    /// Whether the key is missing only because its issuer is no longer trusted.
    fn is_of_removed_issuer(&self, error: &VerifyError) -> bool {
        let (VerifyError::UnknownKey(missing) | VerifyError::OutdatedKey(missing)) = error else {
            return false;
        };
        self.0.trust.load().with_id(missing.issuer).is_none()
    }

    /// The counters since the start.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// The issuers whose keys have not been fetched yet, each with the reason; empty once all are ready.
    #[must_use]
    pub fn unready(&self) -> Vec<Unready> {
        self.readiness().into_iter().flatten().collect()
    }

    /// For each issuer in the order of the configuration, why it is not ready; `None` if it is.
    pub(crate) fn readiness(&self) -> Vec<Option<Unready>> {
        let trust = self.0.trust.load();
        trust.issuers.iter().map(|keys| keys.unready()).collect()
    }

    /// For each issuer in the order of the configuration, what fetches have found.
    #[cfg(feature = "service")]
    pub(crate) fn findings(&self) -> Vec<Findings> {
        let trust = self.0.trust.load();
        trust.issuers.iter().map(|keys| keys.findings()).collect()
    }

    /// A number that no other verifier of the process has.
    pub(crate) fn id(&self) -> u64 {
        self.0.origin.verifier
    }

    /// Whether both are clones of one verifier.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// How senders of sender-constrained tokens are checked.
    pub(crate) fn senders(&self) -> &SenderPolicy {
        &self.0.senders
    }

    /// Ends all streams whose access is a [`StreamAccess`](crate::streams::StreamAccess), for the shutdown of a server, which
    /// would otherwise wait for them; also those that begin later. A `Service` calls it itself.
    pub fn end_streams(&self) {
        self.0.is_over.send_replace(true);
    }

    /// Completes once [`end_streams`](Self::end_streams) is called.
    pub(crate) async fn until_shutdown(&self) {
        // The sender is as old as the verifier.
        drop(
            self.0
                .is_over
                .subscribe()
                .wait_for(|is_over| *is_over)
                .await,
        );
    }

    /// The tickets that were issued to callers, whichever worker has issued them.
    pub(crate) fn tickets(&self) -> &TicketStore {
        &self.0.tickets
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.0.origin.clock.now()
    }

    /// The issuers that documents may name: those that a resolver has added are the customers of the application.
    fn named_issuers<'a>(&self, trust: &'a Trust) -> impl Iterator<Item = &'a Arc<IssuerKeys>> {
        let configured = self
            .0
            .resolver
            .is_some()
            .then_some(self.0.configured_issuers);
        let issuers = trust.issuers.iter();
        issuers.filter(move |keys| configured.is_none_or(|configured| keys.id < configured))
    }

    /// For each issuer that documents may name, in the order of the configuration, its names, as far as they are known.
    pub(crate) fn authorization_servers(&self) -> Vec<AuthorizationServer> {
        let trust = self.0.trust.load();
        let servers = self.named_issuers(&trust).map(|keys| AuthorizationServer {
            names: match &keys.issuer.tenants {
                Some(tenants) => tenants.names().collect(),
                None => keys.name().into_iter().collect(),
            },
            is_awaited: keys.issuer.tenants.is_none() && keys.name().is_none(),
        });
        servers.collect()
    }

    /// Waits until keys have been fetched from every issuer.
    pub async fn ready(&self) {
        let trust = self.0.trust.load_full();
        for issuer in &trust.issuers {
            issuer.ready().await;
        }
    }

    /// The issuers, each with the time since its keys were last fetched; `None` if they never were.
    pub fn key_ages(&self) -> impl Iterator<Item = (String, Option<Duration>)> {
        let now = Instant::now();
        let issuers = self.0.trust.load().issuers.clone();
        issuers
            .into_iter()
            .map(move |keys| (keys.issuer.label().to_owned(), keys.age(now)))
    }

    /// For each issuer in the order of the configuration, its keys and the fetches of them.
    #[cfg(feature = "service")]
    pub(crate) fn key_sets(&self) -> Vec<KeySetStatus> {
        let now = Instant::now();
        let trust = self.0.trust.load();
        trust.issuers.iter().map(|keys| keys.status(now)).collect()
    }

    /// How much the token cache holds; `None` without a cache.
    #[cfg(feature = "service")]
    pub(crate) fn token_cache_size(&self) -> Option<TokenCacheSize> {
        self.0.cache.as_ref().map(|cache| cache.size())
    }

    #[cfg(test)]
    pub(crate) fn make_keys_older(&self, by: Duration) {
        for issuer in &self.0.trust.load().issuers {
            issuer.make_older(by);
        }
    }
}

/// An issuer as the metadata of a resource names it.
#[derive(Clone, Debug)]
pub(crate) struct AuthorizationServer {
    /// The exact values of `iss`: one, or one for each listed tenant.
    pub(crate) names: Vec<String>,
    /// Whether the name is still to be discovered.
    pub(crate) is_awaited: bool,
}

/// RFC 9068 §4: tokens of other types are signed with the same keys.
fn check_type(issuer: &Issuer, token: &Unverified<'_>) -> Result<(), VerifyError> {
    if issuer.rules.token_types().contains(&token.token_type()) {
        Ok(())
    } else {
        Err(VerifyError::WrongType)
    }
}

/// The key that verifies the token's signature (RFC 7515 §4.1.4, RFC 8725 §3.1); `may_pass` tells whether the checks that do
/// not need it succeed.
fn find_key<T: HeaderType>(
    keys: &IssuerKeys,
    token: &Unverified<'_, T>,
    purpose: Purpose,
    may_pass: impl Fn() -> bool,
) -> Result<Arc<Jwk>, VerifyError> {
    if !accepts(&keys.issuer, token.algorithm()) {
        return Err(VerifyError::AlgorithmNotAllowed);
    }
    let missing = |generation| MissingKey {
        issuer: keys.id,
        key: WantedKey {
            fingerprint: token.key_fingerprint(),
            generation,
            is_named: token.key_id().is_some(),
            may_pass: may_pass(),
            purpose,
        },
    };
    let current = keys.current();
    let set = current
        .as_ref()
        .ok_or_else(|| VerifyError::UnknownKey(missing(0)))?;
    // The issuer may have been selected by its configured URL before its exact name was known.
    let has_tenants = keys.issuer.tenants.is_some();
    if !has_tenants && token.issuer()? != set.issuer() {
        return Err(VerifyError::UnknownIssuer);
    }
    match signing_key(set, token, has_tenants)? {
        SigningKey::Found(key) => Ok(Arc::clone(key)),
        SigningKey::Missing => Err(VerifyError::UnknownKey(missing(set.generation()))),
        SigningKey::Invalid => {
            // The issuer may have replaced the key under the same ID since the set was fetched.
            let outdated = missing(set.generation());
            if outdated.key.may_pass && keys.may_be_outdated(Instant::now()) {
                return Err(VerifyError::OutdatedKey(outdated));
            }
            Err(VerifyError::Signature)
        }
    }
}

/// What a key set has for a token.
enum SigningKey<'s> {
    /// The key that signed the token.
    Found(&'s Arc<Jwk>),
    /// A later set may have the key.
    Missing,
    /// The set has the key that the token names, and the signature is invalid.
    Invalid,
}

/// Tries the keys of the set that may have signed the token.
fn signing_key<'s, T: HeaderType>(
    set: &'s KeySet,
    token: &Unverified<'_, T>,
    has_tenants: bool,
) -> Result<SigningKey<'s>, VerifyError> {
    let iss = token.issuer()?;
    let named = set.named(token.key_id()).iter();
    let mut allowed = named.filter(|key| key.allows(token.algorithm()));
    let mut fitting = allowed
        .clone()
        .filter(|key| !has_tenants || Tenants::has_key(key, iss))
        .take(MOST_KEYS_TRIED)
        .peekable();
    let is_any_fitting = fitting.peek().is_some();
    if is_any_fitting {
        let signature = token.signature()?;
        if let Some(key) = fitting.find(|key| token.is_signed_by(key, &signature)) {
            return Ok(SigningKey::Found(key));
        }
    }
    if set.may_lack_key(token.key_id()) {
        // A malformed token must not cost a fetch.
        token.check_signature_encoding()?;
        Ok(SigningKey::Missing)
    } else if is_any_fitting {
        Ok(SigningKey::Invalid)
    } else if allowed.next().is_some() {
        Err(VerifyError::KeyOfOtherTenant)
    } else {
        Err(VerifyError::AlgorithmNotAllowed)
    }
}

fn accepts(issuer: &Issuer, algorithm: Algorithm) -> bool {
    let symmetric = matches!(issuer.keys(), Some(KeySource::Secret(_)));
    algorithm.is_symmetric() == symmetric && issuer.rules.accepts(algorithm)
}

/// How many keys of the token's algorithm are tried at most; each try costs a signature verification.
const MOST_KEYS_TRIED: usize = 16;

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
            .iter()
            .copied()
            .filter(|algorithm| !algorithm.is_symmetric());
        for algorithm in asymmetric {
            let key = shared(algorithm);
            let jwk = key.public_jwk().expect("a public key");
            let issuer = Issuer::with_public_key(ISSUER, &jwk.to_string());
            let verifier = verifier(issuer.algorithms([algorithm]));
            assert_eq!(outcome(&verifier, token(&key)), Ok(()), "{algorithm}");
            let other = SigningKey::generate(algorithm).with_kid(key.kid());
            assert_eq!(
                outcome(&verifier, token(&other)),
                Err(VerifyError::Signature),
                "{algorithm}"
            );
        }
    }

    #[test]
    fn ml_dsa_is_accepted_only_where_it_is_named() {
        for algorithm in [Algorithm::MlDsa44, Algorithm::MlDsa65, Algorithm::MlDsa87] {
            let key = shared(algorithm);
            let verifier = trusting(&key.public_jwk().expect("a public key"));
            let rejected = Err(VerifyError::AlgorithmNotAllowed);
            assert_eq!(outcome(&verifier, token(&key)), rejected, "{algorithm}");
        }
    }

    #[test]
    fn the_algorithm_is_bound_to_the_key() {
        let key = shared(Algorithm::Rs256);
        let mut jwk = key.public_jwk().expect("a public key");
        let other = || token(&key.clone().with_algorithm(Algorithm::Rs512));
        assert_eq!(
            outcome(&trusting(&jwk), other()),
            Err(VerifyError::AlgorithmNotAllowed)
        );
        jwk.as_object_mut().expect("an object").remove("alg");
        assert_eq!(outcome(&trusting(&jwk), other()), Ok(()));
        assert_eq!(
            outcome(&trusting(&jwk), token(&key).header("alg", "ES256")),
            Err(VerifyError::AlgorithmNotAllowed)
        );
        assert_eq!(
            outcome(&trusting(&jwk), token(&key).header("alg", "PS256")),
            Err(VerifyError::Signature)
        );
    }

    #[test]
    fn a_public_key_is_not_accepted_as_a_secret() {
        let key = shared(Algorithm::Rs256);
        let jwk = key.public_jwk().expect("a public key");
        let modulus = jwk["n"].as_str().expect("a modulus");
        let forged = SigningKey::from_secret(modulus, Algorithm::Hs256).with_kid(key.kid());
        assert_eq!(
            outcome(&trusting(&jwk), token(&forged)),
            Err(VerifyError::AlgorithmNotAllowed)
        );
    }

    #[test]
    fn configured_algorithms_exclude_all_others() {
        let key = shared(Algorithm::Es256);
        let jwk = key.public_jwk().expect("a public key").to_string();
        let issuer = |algorithm| Issuer::with_public_key(ISSUER, &jwk).algorithms([algorithm]);
        assert_eq!(
            outcome(&verifier(issuer(Algorithm::Es256)), token(&key)),
            Ok(())
        );
        assert_eq!(
            outcome(&verifier(issuer(Algorithm::Rs256)), token(&key)),
            Err(VerifyError::AlgorithmNotAllowed)
        );
    }

    #[test]
    fn a_secret_verifies_tokens_with_any_kid() {
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
            let other = SigningKey::from_secret(&"x".repeat(64), algorithm);
            assert_eq!(
                outcome(&verifier, token(&other)),
                Err(VerifyError::Signature),
                "{algorithm}"
            );
            assert_eq!(
                outcome(&verifier, token(&shared(Algorithm::Rs256))),
                Err(VerifyError::AlgorithmNotAllowed)
            );
        }
    }

    #[test]
    fn all_keys_of_one_id_are_tried_and_all_keys_without_one() {
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
    fn keys_of_another_type_and_duplicates_do_not_count_as_tries() {
        let valid = shared(Algorithm::Rs256).with_kid("k");
        let jwk = valid.public_jwk().expect("a public key");
        let others: Vec<_> = (0..MOST_KEYS_TRIED)
            .map(|_| {
                SigningKey::generate(Algorithm::Es256)
                    .with_kid("k")
                    .public_jwk()
            })
            .collect();
        let behind = |others: &[Option<serde_json::Value>]| {
            let keys = [others, &[Some(jwk.clone())]].concat();
            trusting(&json!({ "keys": keys }))
        };
        assert_eq!(outcome(&behind(&others), token(&valid)), Ok(()));
        let without_kid = token(&valid).without_header("kid");
        assert_eq!(outcome(&behind(&others), without_kid), Ok(()));

        let other = SigningKey::generate(Algorithm::Rs256);
        let renamed = |number: usize| other.clone().with_kid(&number.to_string()).public_jwk();
        let same = vec![other.clone().with_kid("k").public_jwk(); MOST_KEYS_TRIED];
        assert_eq!(outcome(&behind(&same), token(&valid)), Ok(()));
        let same: Vec<_> = (0..MOST_KEYS_TRIED).map(renamed).collect();
        let without_kid = token(&valid).without_header("kid");
        assert_eq!(outcome(&behind(&same), without_kid), Ok(()));
    }

    #[test]
    fn no_more_than_sixteen_keys_are_tried() {
        let mut keys: Vec<_> = (0..MOST_KEYS_TRIED)
            .map(|_| SigningKey::generate(Algorithm::Es256).with_kid("k"))
            .collect();
        let beyond = SigningKey::generate(Algorithm::Es256).with_kid("k");
        keys.push(beyond.clone());
        let jwks: Vec<_> = keys.iter().map(SigningKey::public_jwk).collect();
        let verifier = trusting(&json!({ "keys": jwks }));
        assert_eq!(
            outcome(&verifier, token(&keys[MOST_KEYS_TRIED - 1])),
            Ok(())
        );
        assert_eq!(
            outcome(&verifier, token(&beyond)),
            Err(VerifyError::Signature)
        );
    }

    #[test]
    fn iss_must_match_the_issuer_exactly() {
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
    fn an_audience_with_another_member_than_strings_names_none() {
        let key = shared(Algorithm::Es256);
        let jwk = key.public_jwk().expect("a public key").to_string();
        let issuer = Issuer::with_public_key(ISSUER, &jwk).audience_claims(["azp"]);
        let verifier = verifier(issuer);
        for (aud, expected) in [
            (json!("one"), vec!["one"]),
            (json!(["one", "other"]), vec!["one", "other"]),
            (json!(["api", 1]), vec![]),
            (json!({"api": true}), vec![]),
        ] {
            let token = token(&key).claim("azp", "api").claim("aud", aud.clone());
            let verified = verifier.verify(&token.build(), SystemTime::now());
            let verified = verified.expect("a valid token");
            assert!(verified.audience().eq(expected), "{aud}");
        }
    }

    #[test]
    fn a_header_is_kept_for_an_authentic_token_alone() {
        use crate::jose::compact::Compact;
        use std::rc::Rc;

        let key = shared(Algorithm::Es256);
        let verifier = trusting(&key.public_jwk().expect("a public key"));
        let token = token(&key).header("x", "of this test");
        let is_kept = |token: &str| {
            let [one, other] = [(), ()].map(|()| Compact::parse(token).expect("a token").header);
            Rc::ptr_eq(&one, &other)
        };
        let valid = token.clone().build();
        let forged = token.clone().raw_signature([1; 64]);
        assert_eq!(
            outcome(&verifier, forged.clone()),
            Err(VerifyError::Signature)
        );
        assert!(!is_kept(&valid));
        assert_eq!(outcome(&verifier, token.clone()), Ok(()));
        assert!(is_kept(&valid));
        // A kept header makes no other token valid.
        assert_eq!(outcome(&verifier, forged), Err(VerifyError::Signature));
        let (signed, signature) = valid.rsplit_once('.').expect("three segments");
        let (header, _) = signed.split_once('.').expect("a header");
        let other = token.claim("sub", "other").build();
        let payload = other.split('.').nth(1).expect("a payload");
        let mixed = format!("{header}.{payload}.{signature}");
        assert_eq!(
            verifier.verify(&mixed, SystemTime::now()).map(drop),
            Err(VerifyError::Signature)
        );
    }

    #[test]
    fn a_changed_token_has_an_invalid_signature() {
        let key = shared(Algorithm::Es256);
        let verifier = trusting(&key.public_jwk().expect("a public key"));
        let valid = token(&key).build();
        let other = token(&key).claim("sub", "other").build();
        let (signed, _) = valid.rsplit_once('.').expect("three segments");
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
