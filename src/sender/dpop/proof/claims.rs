//! The claims of a DPoP proof, and whether it is acceptable now ([RFC 9449 §4.2]).
//!
//! [RFC 9449 §4.2]: https://www.rfc-editor.org/rfc/rfc9449#section-4.2

use std::time::Duration;

use serde::de::MapAccess;

use crate::claims::NumericDate;
use crate::jose::json::{self, Member, Members, Unique};
use crate::sender::ProofError;

/// The times at which a proof is acceptable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeWindow {
    /// The time since 1970.
    pub(crate) now: Duration,
    /// How long after its `iat` a proof is acceptable.
    pub(crate) iat_offset: Duration,
    /// How far the client's clock may be ahead.
    pub(crate) iat_leeway: Duration,
}

/// The claims of a proof, each of the right type.
pub(super) struct ProofClaims {
    pub(super) id: String,
    pub(super) method: String,
    pub(super) target: String,
    /// The hash of the access token that the proof comes with.
    pub(super) token_hash: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) issued_at: Duration,
    not_before: Option<Duration>,
    expires_at: Option<Duration>,
}

impl ProofClaims {
    pub(super) fn parse(payload: &[u8]) -> Result<Self, ProofError> {
        let claims: RawClaims =
            json::read_object(payload).map_err(|_| ProofError::MalformedPayload)?;
        let id = required(claims.id, "jti")?;
        if !(1..=MAX_ID_BYTES).contains(&id.len()) {
            return Err(ProofError::Malformed { claim: "jti" });
        }
        let since_epoch = NumericDate::since_epoch;
        Ok(Self {
            id,
            method: required(claims.method, "htm")?,
            target: required(claims.target, "htu")?,
            token_hash: optional(claims.token_hash, "ath")?,
            nonce: optional(claims.nonce, "nonce")?,
            issued_at: required(claims.issued_at, "iat").map(since_epoch)?,
            not_before: optional(claims.not_before, "nbf")?.map(since_epoch),
            expires_at: optional(claims.expires_at, "exp")?.map(since_epoch),
        })
    }

    /// Checks that the proof is acceptable now; returns the time from which it is too old.
    pub(super) fn check_times(&self, window: &TimeWindow) -> Result<Duration, ProofError> {
        let &TimeWindow {
            now,
            iat_offset,
            iat_leeway,
        } = window;
        let latest = now.saturating_add(iat_leeway);
        if self.issued_at > latest {
            return Err(ProofError::IssuedAhead);
        }
        let until = self.acceptable_until(iat_offset);
        if until <= now {
            return Err(ProofError::TooOld);
        }
        if self.not_before.is_some_and(|at| at > latest) {
            return Err(ProofError::NotYetValid);
        }
        let expiry = self.expires_at.map(|at| at.saturating_add(iat_leeway));
        match expiry.and_then(|at| now.checked_sub(at)) {
            Some(ago) => Err(ProofError::Expired { ago }),
            None => Ok(until),
        }
    }

    /// `iat` is a whole second that the client rounded down, so the proof stays acceptable for all of that second.
    fn acceptable_until(&self, iat_offset: Duration) -> Duration {
        let oldest = self.issued_at.saturating_add(iat_offset);
        Duration::from_secs(oldest.as_secs().saturating_add(1))
    }
}

fn required<T>(claim: Member<T>, name: &'static str) -> Result<T, ProofError> {
    optional(claim, name)?.ok_or(ProofError::Missing { claim: name })
}

fn optional<T>(claim: Member<T>, name: &'static str) -> Result<Option<T>, ProofError> {
    match claim {
        Member::Absent => Ok(None),
        Member::Malformed => Err(ProofError::Malformed { claim: name }),
        Member::Valid(value) => Ok(Some(value)),
    }
}

/// The claims as they are in the payload; others are only checked for duplicate members.
#[derive(Debug, Default)]
struct RawClaims {
    id: Member<String>,
    method: Member<String>,
    target: Member<String>,
    token_hash: Member<String>,
    nonce: Member<String>,
    issued_at: Member<NumericDate>,
    not_before: Member<NumericDate>,
    expires_at: Member<NumericDate>,
}

impl<'de> Members<'de> for RawClaims {
    fn read<A: MapAccess<'de>>(&mut self, name: &str, values: &mut A) -> Result<(), A::Error> {
        match name {
            "jti" => self.id = values.next_value()?,
            "htm" => self.method = values.next_value()?,
            "htu" => self.target = values.next_value()?,
            "ath" => self.token_hash = values.next_value()?,
            "nonce" => self.nonce = values.next_value()?,
            "iat" => self.issued_at = values.next_value()?,
            "nbf" => self.not_before = values.next_value()?,
            "exp" => self.expires_at = values.next_value()?,
            _ => {
                values.next_value::<Unique>()?;
            }
        }
        Ok(())
    }
}

/// Longer than any identifier in use; the replay store keeps only a hash.
const MAX_ID_BYTES: usize = 512;
