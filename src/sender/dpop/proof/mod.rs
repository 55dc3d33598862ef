//! Parses and verifies one DPoP proof ([RFC 9449 §4.3]).
//!
//! The cheap checks come first: the key is parsed and the signature verified only for a proof that
//! names this request and the key that the token is bound to.
//!
//! [RFC 9449 §4.3]: https://www.rfc-editor.org/rfc/rfc9449#section-4.3

mod claims;

use std::fmt;
use std::time::Duration;

use actix_web::http::header::HeaderMap;
use data_encoding::BASE64URL_NOPAD;

use self::claims::ProofClaims;
pub(crate) use self::claims::TimeWindow;
use super::{ProofError, ProofId, TargetUri};
use crate::authorization::DPOP;
use crate::jose::compact::{Compact, HeaderWithJwk};
use crate::jose::digest::sha256;
use crate::jose::json::Member;
use crate::jose::jwk::UnparsedJwk;
use crate::jose::{Algorithm, CompactError};

/// A well-formed proof with every required claim; nothing about it is verified yet.
///
/// Its `Debug` shows none of its claims.
pub(crate) struct Proof<'h> {
    compact: Compact<'h, HeaderWithJwk>,
    algorithm: Algorithm,
    signature: Vec<u8>,
    claims: ProofClaims,
}

/// The request to a protected resource that a proof must match.
#[derive(Clone, Copy)]
pub(crate) struct ResourceRequest<'a> {
    /// The request's method, compared exactly with `htm`.
    pub(crate) method: &'a str,
    /// The URL that the client called.
    pub(crate) target: &'a TargetUri,
    /// The access token that the proof came with.
    pub(crate) token: &'a str,
    /// The key that the token is bound to: its `cnf.jkt`.
    pub(crate) key_thumbprint: &'a str,
    pub(crate) window: TimeWindow,
}

/// A proof that matches its request; only whether it was used before is still open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VerifiedProof {
    /// Identifies the proof in the replay store.
    pub(crate) id: ProofId,
    /// The RFC 7638 thumbprint of the key that signed it, as `cnf.jkt` carries it.
    pub(crate) key_thumbprint: String,
    /// The time since 1970 until which the proof would be accepted again.
    pub(crate) acceptable_until: Duration,
}

impl<'h> Proof<'h> {
    /// Parses the one proof of a request; `None` without a `DPoP` header.
    ///
    /// # Errors
    /// [`ProofError::Several`] for a second header, and the errors of [`Proof::parse`].
    pub(crate) fn find(headers: &'h HeaderMap) -> Result<Option<Self>, ProofError> {
        let mut values = headers.get_all(DPOP);
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(ProofError::Several);
        }
        let text = value.to_str().map_err(|_| CompactError::Base64Url)?;
        Self::parse(text).map(Some)
    }

    /// Parses a proof and rejects what no signature could make valid.
    ///
    /// # Errors
    /// [`ProofError`] for a wrong form, type or algorithm, and for claims that are malformed or missing. `ath` is
    /// required only beside an access token, by [`verify`](Self::verify).
    pub(crate) fn parse(proof: &'h str) -> Result<Self, ProofError> {
        let compact = Compact::parse_with_jwk(proof)?;
        let header = &compact.header.plain;
        check_type(&header.token_type)?;
        let algorithm = algorithm(&header.algorithm)?;
        if header.has_critical {
            return Err(ProofError::CriticalHeader);
        }
        if compact.header.key.is_none() {
            return Err(ProofError::MissingKey);
        }
        let claims = ProofClaims::parse(&compact.payload()?)?;
        Ok(Self {
            signature: compact.signature()?,
            compact,
            algorithm,
            claims,
        })
    }

    /// The server's nonce that the proof repeats (RFC 9449 §9).
    pub(crate) fn nonce(&self) -> Option<&str> {
        self.claims.nonce.as_deref()
    }

    /// When the proof was created according to its `iat`, since 1970.
    pub(crate) fn issued_at(&self) -> Duration {
        self.claims.issued_at
    }

    /// Verifies the proof for a request with an access token: method, time, URL, token and key, then the signature.
    ///
    /// # Errors
    /// The first check that fails; [`ProofError::OtherKey`] for a key that the token is not bound to.
    pub(crate) fn verify(
        &self,
        request: &ResourceRequest<'_>,
    ) -> Result<VerifiedProof, ProofError> {
        let hash = self.claims.token_hash.as_deref();
        let hash = hash.ok_or(ProofError::Missing { claim: "ath" })?;
        let acceptable_until =
            self.check_request(request.method, request.target, &request.window)?;
        if hash != BASE64URL_NOPAD.encode(&sha256(request.token.as_bytes())) {
            return Err(ProofError::OtherToken);
        }
        let key = self.key()?;
        if key.thumbprint != request.key_thumbprint {
            return Err(ProofError::OtherKey);
        }
        self.check_signature(key, request.target, acceptable_until)
    }

    /// Verifies the proof for a token request (RFC 9449 §5), a POST without an access token.
    ///
    /// # Errors
    /// The first check that fails.
    #[cfg(feature = "dev-issuer")]
    pub(crate) fn verify_token_request(
        &self,
        target: &TargetUri,
        window: &TimeWindow,
    ) -> Result<VerifiedProof, ProofError> {
        let acceptable_until = self.check_request("POST", target, window)?;
        self.check_signature(self.key()?, target, acceptable_until)
    }

    /// Checks method, times and URL; returns the time until which the proof stays acceptable.
    fn check_request(
        &self,
        method: &str,
        target: &TargetUri,
        window: &TimeWindow,
    ) -> Result<Duration, ProofError> {
        let claims = &self.claims;
        if claims.method != method {
            return Err(ProofError::OtherMethod);
        }
        let acceptable_until = claims.check_times(window)?;
        if TargetUri::parse(&claims.target).map_err(ProofError::MalformedTarget)? != *target {
            return Err(ProofError::OtherTarget);
        }
        Ok(acceptable_until)
    }

    /// The key in the proof's own header, not yet shown to have signed it.
    fn key(&self) -> Result<UnparsedJwk, ProofError> {
        let jwk = self.compact.header.key.as_ref();
        Ok(UnparsedJwk::read(jwk.ok_or(ProofError::MissingKey)?)?)
    }

    fn check_signature(
        &self,
        key: UnparsedJwk,
        target: &TargetUri,
        acceptable_until: Duration,
    ) -> Result<VerifiedProof, ProofError> {
        let key_thumbprint = key.thumbprint.clone();
        let key = key.bind(self.algorithm)?;
        if !key.verifies(self.algorithm, self.compact.signing_input, &self.signature) {
            return Err(ProofError::Signature);
        }
        Ok(VerifiedProof {
            id: ProofId::new(&key_thumbprint, target, &self.claims.id),
            key_thumbprint,
            acceptable_until,
        })
    }
}

impl fmt::Debug for Proof<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proof")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// `typ` is `dpop+jwt` in any case, with or without `application/` (RFC 7515 §4.1.9).
fn check_type(named: &Member<String>) -> Result<(), ProofError> {
    let is_proof = |name: &String| {
        ["dpop+jwt", "application/dpop+jwt"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
    };
    if !named.valid().is_some_and(is_proof) {
        return Err(ProofError::WrongType);
    }
    Ok(())
}

/// Any algorithm that is accepted by default: not HMAC, whose secret would be public in the proof's header.
fn algorithm(named: &Member<String>) -> Result<Algorithm, ProofError> {
    let name = named.valid().ok_or(ProofError::UnknownAlgorithm)?;
    let algorithm: Option<Algorithm> = name.parse().ok();
    algorithm
        .filter(|known| known.is_default())
        .ok_or(ProofError::UnknownAlgorithm)
}

#[cfg(all(test, feature = "test-kit"))]
mod tests;
