//! Proof that a token was verified: only this room can make one.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::clock::since_epoch;
use super::token_cache::Place;
use super::unverified::SignatureVerified;
use super::validate::ValidClaims;
use crate::claims::authn::AuthnRequirement;
use crate::claims::footprint::{self, allocated};
use crate::claims::scope::{ScopeSet, find_claim};
use crate::claims::{Audience, Claims, Confirmation, NumericDate};
use crate::jose::json::Member;
use crate::jose::jwk::Jwk;

/// A token that is its issuer's word, meant for this API, today.
///
/// Only a [`Verifier`](crate::Verifier) makes one. Its `Debug` shows no claims.
pub struct Verified {
    claims: Claims,
    scopes: ScopeSet,
    /// How far the issuer's clock may be off.
    tolerance: Duration,
    /// The times since 1970 between which the verdict stands, the first included.
    from: Duration,
    until: Duration,
    payload: Box<[u8]>,
    /// Ends with the key: what was verified by a key that its issuer withdrew is verified no more.
    key: Weak<Jwk>,
    /// The payload as any JSON, parsed when it is first asked.
    document: OnceLock<Value>,
    /// The payload as the type that the application reads it as, parsed once.
    custom_claims: OnceLock<CustomClaims>,
    /// Where the token is remembered, if it is: what is parsed later counts there, too.
    place: OnceLock<Place>,
}

/// The payload as a type of the application's own.
struct CustomClaims {
    claims: Arc<dyn Any + Send + Sync>,
    /// About as many as they take.
    bytes: usize,
}

impl Verified {
    pub(super) fn new(token: SignatureVerified, valid: ValidClaims, key: &Arc<Jwk>) -> Self {
        // The scopes that count are those valid; what they were made of is not kept.
        let claims = Claims {
            scope: Member::Absent,
            scp: Member::Absent,
            ..token.claims
        };
        Self {
            claims,
            scopes: valid.scopes,
            tolerance: valid.tolerance,
            from: valid.from,
            until: valid.until,
            payload: token.payload.into_boxed_slice(),
            key: Arc::downgrade(key),
            document: OnceLock::new(),
            custom_claims: OnceLock::new(),
            place: OnceLock::new(),
        }
    }

    /// The memory that holds this token from now on.
    pub(super) fn set_place(&self, place: Place) {
        drop(self.place.set(place));
    }

    /// The bytes of memory that the token takes, with all that has been parsed of it so far.
    pub(super) fn allocated(&self) -> usize {
        let parts = [
            allocated(COUNTS_OF_ARC.saturating_add(size_of::<Self>())),
            self.claims.allocated(),
            self.scopes.allocated(),
            allocated(self.payload.len()),
            self.document.get().map_or(0, footprint::of_json),
            self.custom_claims.get().map_or(0, |own| own.bytes),
        ];
        parts.into_iter().fold(0, usize::saturating_add)
    }

    /// Whether the verdict still stands at `now` since 1970.
    pub(super) fn holds_at(&self, now: Duration) -> bool {
        (self.from..self.until).contains(&now)
    }

    /// The issuer, exactly as in `iss`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        let issuer = self.claims.issuer.valid();
        issuer.map(String::as_str).unwrap_or_default()
    }

    /// The user, or the client itself, that the token is about (`sub`), where the token names one.
    ///
    /// Two tokens without a subject are not of the same user.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.claims.subject.valid().map(String::as_str)
    }

    /// The client that asked for the token (`client_id`), where the token names it.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.claims.client_id.valid().map(String::as_str)
    }

    /// The token's own identifier (`jti`), where it has one.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.claims.token_id.valid().map(String::as_str)
    }

    /// All recipients that the token is for (`aud`); this API is among them.
    pub fn audience(&self) -> impl Iterator<Item = &str> {
        self.claims
            .audience
            .valid()
            .into_iter()
            .flat_map(Audience::iter)
    }

    /// When the token stops being valid (`exp`), the clock tolerance not included.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        let expires_at = self.claims.expires_at.valid();
        expires_at.map_or(SystemTime::UNIX_EPOCH, |at| at.to_system_time())
    }

    /// When the token was issued (`iat`), where it says so.
    #[must_use]
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.claims
            .issued_at
            .valid()
            .copied()
            .map(NumericDate::to_system_time)
    }

    /// The scopes that the token grants.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }

    /// The whole payload, a JSON object.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// A claim by its name, or by a JSON pointer ([RFC 6901]) such as `/realm_access/roles`.
    ///
    /// The payload is parsed once a token, and what it takes then counts in the memory of verified tokens.
    ///
    /// [RFC 6901]: https://www.rfc-editor.org/rfc/rfc6901
    #[must_use]
    pub fn claim(&self, claim: &str) -> Option<&Value> {
        if self.document.get().is_none() {
            drop(self.document.set(self.parse()));
            self.weigh_again();
        }
        find_claim(self.document.get()?, claim)
    }

    /// The payload as any JSON; it was found to be an object when the token was verified.
    fn parse(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or_default()
    }

    fn weigh_again(&self) {
        if let Some(place) = self.place.get() {
            place.weigh_again(self);
        }
    }

    /// Whether a claim has this very value.
    #[must_use]
    pub fn claim_equals(&self, claim: &str, value: impl Into<Value>) -> bool {
        self.claim(claim)
            .is_some_and(|found| *found == value.into())
    }

    /// Whether a claim is an array that has this text, or a text that has it among others separated by spaces.
    #[must_use]
    pub fn claim_includes(&self, claim: &str, text: &str) -> bool {
        match self.claim(claim) {
            Some(Value::Array(list)) => list.iter().any(|member| member == text),
            Some(Value::String(texts)) => texts.split(' ').any(|member| member == text),
            _ => false,
        }
    }

    /// Whether the login behind the token is as `demand` wants it at `now`, the tolerance of the issuer's clock included.
    #[must_use]
    pub fn login_meets(&self, demand: &AuthnRequirement, now: SystemTime) -> bool {
        demand.is_met_by(|claim| self.claim(claim), since_epoch(now), self.tolerance)
    }

    /// Whether the key that verified the token is still among its issuer's.
    #[must_use]
    pub fn key_is_current(&self) -> bool {
        self.key.strong_count() > 0
    }

    /// What the token demands of its sender.
    pub(crate) fn confirmation(&self) -> &Confirmation {
        &self.claims.confirmation
    }

    /// Whether only a sender who proves something may use the token (RFC 9449 §6, RFC 8705 §3).
    #[must_use]
    pub fn is_sender_constrained(&self) -> bool {
        self.claims.confirmation.binds()
    }

    /// The payload as a type of the application's own, parsed once a token for the first type that asks.
    ///
    /// # Errors
    /// The payload does not fit the type.
    pub fn custom_claims<C>(&self) -> Result<Arc<C>, ClaimsMismatch>
    where
        C: DeserializeOwned + Send + Sync + 'static,
    {
        let known = self.custom_claims.get().map(|own| Arc::clone(&own.claims));
        if let Some(claims) = known.and_then(|known| known.downcast::<C>().ok()) {
            return Ok(claims);
        }
        let claims: Arc<C> =
            Arc::new(serde_json::from_slice(&self.payload).map_err(|_| ClaimsMismatch)?);
        let held = CustomClaims {
            claims: claims.clone(),
            bytes: self.bytes_as::<C>(),
        };
        // Another type may hold the one place already; then this one is parsed each time.
        if self.custom_claims.set(held).is_ok() {
            self.weigh_again();
        }
        Ok(claims)
    }

    /// About how many bytes the payload takes as `C`. What a type of the application's own holds on the heap is
    /// not known here; it is counted as what the payload takes as JSON, which is hardly ever less.
    fn bytes_as<C>(&self) -> usize {
        let own = allocated(COUNTS_OF_ARC.saturating_add(size_of::<C>()));
        if size_of::<C>() == 0 || self.place.get().is_none() {
            return own;
        }
        let heap = match self.document.get() {
            Some(document) => footprint::of_json(document),
            None => footprint::of_json(&self.parse()),
        };
        own.saturating_add(heap)
    }
}

/// The two counts that an `Arc` keeps beside its value.
const COUNTS_OF_ARC: usize = 2 * size_of::<usize>();

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").finish_non_exhaustive()
    }
}

/// The token's claims do not fit the type that the application reads them as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token's claims do not fit the type that they are read as")]
pub struct ClaimsMismatch;
