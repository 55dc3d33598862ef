//! A verified token; only this module's parent can create one.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use super::clock::{Clock, since_epoch};
use super::introspection::Introspector;
use super::token_cache::Address;
use super::validate::ValidClaims;
use super::verified_payload::VerifiedPayload;
use super::{Shared, Verifier};
use crate::claims::actor::Actor;
use crate::claims::authn::AuthnRequirement;
use crate::claims::claim_name::find_claim;
use crate::claims::footprint::{self, allocated};
use crate::claims::scope::ScopeSet;
use crate::claims::{Confirmation, NumericDate};
use crate::jose::jwk::Jwk;
use crate::keys::{IssuerKeys, KeyChanges};
use crate::revocation::{RevocationKeys, Revocations};

/// A verified access token: signed by a trusted issuer, for this API, and valid when it was verified.
///
/// Only a [`Verifier`](crate::Verifier) creates one. Its `Debug` output shows no claims.
// In this order, what each request with a cached token reads stands together at the beginning.
#[repr(C)]
pub struct Verified {
    /// The times since the Unix epoch from (inclusive) and until (exclusive) which the token is valid.
    from: Duration,
    until: Duration,
    pub(super) basis: Basis,
    /// The generation of cut-offs that do not revoke the token; 0 before it is checked.
    checked: AtomicU64,
    is_sender_constrained: bool,
    scopes: ScopeSet,
    payload: VerifiedPayload,
    /// The tolerance for the issuer's clock.
    tolerance: Duration,
    pub(super) origin: Arc<Origin>,
    /// The payload as JSON, parsed on first use.
    document: OnceLock<Box<Value>>,
    /// The payload as a type of the application, parsed on first use.
    custom_claims: OnceLock<Box<CustomClaims>>,
    /// The token's address in the cache, if it is cached: what is parsed later counts there.
    address: OnceLock<Address>,
}

/// What a token was verified with; once it is gone, the token is no longer valid.
#[derive(Clone, Debug)]
pub(super) enum Basis {
    /// Dangling once the issuer has withdrawn the key; with the key set that it was in.
    Key(Weak<Jwk>, Weak<IssuerKeys>),
    /// Dangling once the issuer is no longer trusted.
    Introspection(Weak<Introspector>),
}

impl Basis {
    pub(super) fn is_current(&self) -> bool {
        match self {
            Self::Key(key, _) => key.strong_count() > 0,
            Self::Introspection(introspector) => {
                introspector.upgrade().is_some_and(|of| of.is_trusted())
            }
        }
    }

    /// Receives a message after each change of the keys that the token was verified with.
    pub(super) fn changes(&self) -> Option<KeyChanges> {
        let keys = match self {
            Self::Key(_, keys) => keys.upgrade()?,
            Self::Introspection(introspector) => Arc::clone(&introspector.upgrade()?.keys),
        };
        Some(keys.changes())
    }
}

/// The verifier of a token.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) clock: Clock,
    pub(super) revocations: Option<Revocations>,
    /// Dangling once the verifier is dropped.
    pub(super) shared: Weak<Shared>,
    /// A number that no other verifier of the process has.
    pub(super) verifier: u64,
}

/// The payload as a type of the application.
struct CustomClaims {
    claims: Arc<dyn Any + Send + Sync>,
    /// Their approximate size.
    bytes: usize,
}

impl Verified {
    pub(super) fn new(
        payload: VerifiedPayload,
        valid: ValidClaims,
        basis: Basis,
        origin: &Arc<Origin>,
    ) -> Self {
        Self {
            is_sender_constrained: payload.confirmation().binds(),
            payload,
            scopes: valid.scopes,
            tolerance: valid.tolerance,
            from: valid.from,
            until: valid.until,
            origin: Arc::clone(origin),
            basis,
            checked: AtomicU64::new(0),
            document: OnceLock::new(),
            custom_claims: OnceLock::new(),
            address: OnceLock::new(),
        }
    }

    /// Sets the address of the cache entry that holds this token.
    pub(super) fn set_address(&self, address: Address) {
        self.address.get_or_init(|| address);
    }

    /// The size of the token in memory in bytes, with everything that has been parsed of it so far.
    pub(super) fn allocated(&self) -> usize {
        let document = self.document.get().map_or(0, |document| {
            allocated(size_of::<Value>()).saturating_add(footprint::of_json(document))
        });
        let parts = [
            allocated(COUNTS_OF_ARC.saturating_add(size_of::<Self>())),
            self.scopes.allocated(),
            self.payload.allocated(),
            document,
            self.custom_claims.get().map_or(0, |own| own.bytes),
        ];
        parts.into_iter().fold(0, usize::saturating_add)
    }

    /// Whether the token is valid at `now` since the Unix epoch.
    pub(super) fn is_valid_at(&self, now: Duration) -> bool {
        (self.from..self.until).contains(&now)
    }

    /// The issuer, exactly as in `iss`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.payload.issuer()
    }

    /// The user, or the client itself, that the token is about (`sub`), if the token names one.
    ///
    /// Two tokens without a subject are not of the same user.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.payload.subject()
    }

    /// The client that requested the token (`client_id`), if the token names it.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.payload.client_id()
    }

    /// Who acts on behalf of the subject (`act`, [RFC 8693 §4.1]); `None` for a token that the user's own client got.
    ///
    /// It is the current actor, which access is decided by; [`Actor::prior`] are those before it.
    ///
    /// [RFC 8693 §4.1]: https://www.rfc-editor.org/rfc/rfc8693#section-4.1
    #[must_use]
    pub fn actor(&self) -> Option<&Actor> {
        self.payload.actor()
    }

    /// The token's identifier (`jti`), if it has one.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.payload.token_id()
    }

    /// The audiences of the token (`aud`); this API is among them.
    ///
    /// The payload is parsed as for [`claim`](Self::claim).
    pub fn audience(&self) -> impl Iterator<Item = &str> {
        let named = self.claim("aud");
        let one = named.filter(|named| named.is_string());
        let many = named.and_then(Value::as_array);
        let many = many.filter(|many| many.iter().all(Value::is_string));
        let all = one.into_iter().chain(many.into_iter().flatten());
        all.filter_map(Value::as_str)
    }

    /// When the token expires (`exp`), without the clock tolerance.
    ///
    /// For an opaque token whose issuer tells no `exp`, the time until which the issuer's response is used.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        let expires_at = self.payload.expires_at();
        expires_at.map_or(SystemTime::UNIX_EPOCH, NumericDate::to_system_time)
    }

    /// When the access that the token gives ends, by the verifier's clock: at `exp`, or at its maximum age if that is
    /// earlier.
    pub(super) fn ends_at(&self) -> SystemTime {
        match self.basis {
            Basis::Key(..) => {
                let until = self.until.saturating_sub(self.tolerance);
                let until = SystemTime::UNIX_EPOCH.checked_add(until);
                until.map_or_else(|| self.expires_at(), |until| until.min(self.expires_at()))
            }
            // Until the issuer's response is to be asked for again, which an open stream does not do.
            Basis::Introspection(_) => self.expires_at(),
        }
    }

    /// The verifier of the token, unless it has been dropped.
    pub(crate) fn verifier(&self) -> Option<Verifier> {
        self.origin.shared.upgrade().map(Verifier)
    }

    /// The client that requested the token: `client_id`, or as some issuers name it, `azp` or `appid`.
    pub(crate) fn client(&self) -> Option<&str> {
        let others = || {
            ["azp", "appid"]
                .iter()
                .find_map(|name| self.claim(name)?.as_str())
        };
        self.client_id().or_else(others)
    }

    /// Whether the token was verified by the verifier with this number.
    pub(crate) fn is_from(&self, verifier: u64) -> bool {
        self.origin.verifier == verifier
    }

    /// When the token was issued (`iat`), if it has the claim.
    #[must_use]
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.payload.issued_at().map(NumericDate::to_system_time)
    }

    /// The scopes that the token grants.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }

    /// The whole payload, a JSON object.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.payload.as_bytes()
    }

    /// A claim by its name, or by a JSON pointer ([RFC 6901]) such as `/realm_access/roles`.
    ///
    /// The payload is parsed on the first call for a token; its size then counts in the token cache.
    ///
    /// [RFC 6901]: https://www.rfc-editor.org/rfc/rfc6901
    #[must_use]
    pub fn claim(&self, claim: &str) -> Option<&Value> {
        if self.document.get().is_none() {
            drop(self.document.set(Box::new(self.parse())));
            self.update_weight();
        }
        find_claim(self.document.get()?, claim)
    }

    /// The payload as JSON; cannot fail, because it was parsed when the token was verified.
    fn parse(&self) -> Value {
        serde_json::from_slice(self.payload()).unwrap_or_default()
    }

    fn update_weight(&self) {
        let Some(&address) = self.address.get() else {
            return;
        };
        let shared = self.origin.shared.upgrade();
        if let Some(cache) = shared.as_ref().and_then(|shared| shared.cache.as_ref()) {
            cache.update_weight(address, self);
        }
    }

    /// Whether a claim has exactly this value.
    #[must_use]
    pub fn claim_equals(&self, claim: &str, value: impl Into<Value>) -> bool {
        self.claim(claim)
            .is_some_and(|found| *found == value.into())
    }

    /// Whether a claim is an array that contains this string, or a space-separated list that does.
    #[must_use]
    pub fn claim_includes(&self, claim: &str, text: &str) -> bool {
        match self.claim(claim) {
            Some(Value::Array(list)) => list.iter().any(|member| member == text),
            Some(Value::String(texts)) => texts.split(' ').any(|member| member == text),
            _ => false,
        }
    }

    /// Whether the login behind the token meets `requirement` at `now`, within the issuer's clock tolerance.
    #[must_use]
    pub fn login_meets(&self, requirement: &AuthnRequirement, now: SystemTime) -> bool {
        requirement.is_met_by(|claim| self.claim(claim), since_epoch(now), self.tolerance)
    }

    /// Whether the key that verified the token is still in the issuer's key set; for an introspected token, whether its
    /// issuer is still trusted.
    #[must_use]
    pub fn key_is_current(&self) -> bool {
        self.basis.is_current()
    }

    /// Whether the token need not be checked against the cut-offs of `revocations` again.
    pub(super) fn is_checked_by(&self, revocations: &Revocations) -> bool {
        revocations.is_current(self.checked.load(Ordering::Relaxed))
    }

    /// Notes that the cut-offs of this generation do not revoke the token.
    pub(super) fn set_checked(&self, generation: u64) {
        self.checked.store(generation, Ordering::Relaxed);
    }

    /// How cut-offs find the token.
    pub(super) fn revocation_keys(&self) -> RevocationKeys {
        self.payload.revocation_keys()
    }

    /// Whether `sid` is present and not a string.
    pub(super) fn has_malformed_session_id(&self) -> bool {
        self.payload.has_malformed_session_id()
    }

    /// What the sender of the token must prove (`cnf`).
    pub(crate) fn confirmation(&self) -> &Confirmation {
        self.payload.confirmation()
    }

    /// Whether the token is sender-constrained (RFC 9449 §6, RFC 8705 §3).
    #[must_use]
    pub fn is_sender_constrained(&self) -> bool {
        self.is_sender_constrained
    }

    /// The payload as a type of the application. For the first type that is requested it is parsed once for a token.
    ///
    /// # Errors
    /// The payload cannot be deserialised as the type.
    pub fn custom_claims<C>(&self) -> Result<Arc<C>, ClaimsMismatch>
    where
        C: DeserializeOwned + Send + Sync + 'static,
    {
        let known = self.custom_claims.get().map(|own| Arc::clone(&own.claims));
        if let Some(claims) = known.and_then(|known| known.downcast::<C>().ok()) {
            return Ok(claims);
        }
        let claims: Arc<C> =
            Arc::new(serde_json::from_slice(self.payload()).map_err(|_| self.mismatch::<C>())?);
        let parsed = CustomClaims {
            claims: claims.clone(),
            bytes: self.bytes_as::<C>(),
        };
        // Only one type is kept; any other one is parsed each time.
        if self.custom_claims.set(Box::new(parsed)).is_ok() {
            self.update_weight();
        }
        Ok(claims)
    }

    /// Logs which claim does not fit the type, without its value, which serde's own message may repeat.
    fn mismatch<C: DeserializeOwned>(&self) -> ClaimsMismatch {
        let mut payload = serde_json::Deserializer::from_slice(self.payload());
        if let Err(error) = serde_path_to_error::deserialize::<_, C>(&mut payload) {
            let name = std::any::type_name::<C>();
            log::debug!("the claims do not fit {name}: {}", unfitting(&error));
        }
        ClaimsMismatch
    }

    /// The approximate size of the payload as `C` in bytes. What `C` holds on the heap is unknown; it is counted as the
    /// size of the payload as JSON, which is hardly ever less.
    fn bytes_as<C>(&self) -> usize {
        let own = allocated(COUNTS_OF_ARC.saturating_add(size_of::<C>()))
            .saturating_add(allocated(size_of::<CustomClaims>()));
        if size_of::<C>() == 0 || self.address.get().is_none() {
            return own;
        }
        let heap = match self.document.get() {
            Some(document) => footprint::of_json(document),
            None => footprint::of_json(&self.parse()),
        };
        own.saturating_add(heap)
    }
}

/// Which claim does not fit, and how. A missing member is named by the application's type.
fn unfitting(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let claim = error.path().iter().find_map(|segment| match segment {
        Segment::Map { key } => Some(format!("the claim {key}")),
        _ => None,
    });
    let text = error.inner().to_string();
    let missing = text.strip_prefix("missing field `");
    let missing = missing.and_then(|text| text.split('`').next());
    match (claim, missing) {
        (None, Some(missing)) => format!("the claim {missing} is missing"),
        (Some(claim), Some(missing)) => format!("{claim} has no {missing}"),
        (Some(claim), None) => format!("{claim} has another type or value"),
        (None, None) => "a claim has another type or value".to_owned(),
    }
}

/// The two counters that an `Arc` keeps beside its value.
const COUNTS_OF_ARC: usize = 2 * size_of::<usize>();

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").finish_non_exhaustive()
    }
}

/// The token's claims cannot be deserialised as the application's type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token's claims do not fit the type that they are read as")]
pub struct ClaimsMismatch;
