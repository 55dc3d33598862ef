//! One DPoP proof: its form, what it says, and whose it is ([RFC 9449 §4.3]).
//!
//! What costs little is judged first: a key is parsed, and a signature looked at, only for a proof
//! that is about this request and by the key that the token names.
//!
//! [RFC 9449 §4.3]: https://www.rfc-editor.org/rfc/rfc9449#section-4.3

mod statement;
mod token_request;

use std::fmt;
use std::time::Duration;

use actix_web::http::header::HeaderMap;
use data_encoding::BASE64URL_NOPAD;

use self::statement::{Statement, Window};
pub use self::token_request::{Holder, TokenRequest};
use super::replay::ProofId;
use super::{ProofError, Target};
use crate::authorization::DPOP;
use crate::jose::compact::{Compact, KeyedHeader};
use crate::jose::digest::sha256;
use crate::jose::json::Member;
use crate::jose::jwk::UnparsedJwk;
use crate::jose::{Algorithm, CompactError};

/// A proof in the right form, which says all that a proof must say; whether it is true is not known yet.
///
/// Its `Debug` shows nothing that it says.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use actix_resource_server::sender::{Expected, Proof, ProofError, Target};
/// # fn judge(header: &str, token: &str, thumbprint: &str, now: Duration) -> Result<(), ProofError> {
/// let called = Target::parse("https://api.example/messages").map_err(ProofError::MalformedTarget)?;
/// let proof = Proof::parse(header)?;
/// let proven = proof.check(&Expected {
///     method: "GET",
///     target: &called,
///     token,
///     key_thumbprint: thumbprint,
///     now,
///     iat_offset: Duration::from_secs(300),
///     iat_leeway: Duration::from_secs(30),
/// })?;
/// assert!(proven.acceptable_until >= now);
/// # Ok(())
/// # }
/// # assert!(judge("", "", "", Duration::ZERO).is_err());
/// ```
pub struct Proof<'h> {
    compact: Compact<'h, KeyedHeader>,
    algorithm: Algorithm,
    signature: Vec<u8>,
    statement: Statement,
}

/// What a proof must say to be good for this request.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    /// The request's method, exactly as `htm` must have it.
    pub method: &'a str,
    /// The URL that the client called.
    pub target: &'a Target,
    /// The access token that the proof came with.
    pub token: &'a str,
    /// The key that the token is bound to: its `cnf.jkt`.
    pub key_thumbprint: &'a str,
    /// The time since 1970.
    pub now: Duration,
    /// For how long a proof is good.
    pub iat_offset: Duration,
    /// How far the client's clock may be ahead.
    pub iat_leeway: Duration,
}

/// A proof that holds for this request, unless it was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proven {
    /// Which proof it was, to be accepted once.
    pub id: ProofId,
    /// The moment since 1970 until which the proof would be accepted again.
    pub acceptable_until: Duration,
}

impl<'h> Proof<'h> {
    /// Reads the one proof of a request, or `None` where there is no `DPoP` header.
    ///
    /// # Errors
    /// [`ProofError::Several`] for a second header, and what [`Proof::parse`] refuses.
    pub fn find(headers: &'h HeaderMap) -> Result<Option<Self>, ProofError> {
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

    /// Reads a proof, and refuses at once what no signature could mend.
    ///
    /// # Errors
    /// [`ProofError`] for a form, type or algorithm that is not a proof's, and for claims that are malformed, or
    /// missing and in every proof; `ath` is in those that come with a token, and [`check`](Self::check) wants it.
    pub fn parse(proof: &'h str) -> Result<Self, ProofError> {
        let compact = Compact::parse_keyed(proof)?;
        let header = &compact.header.plain;
        check_type(&header.token_type)?;
        let algorithm = algorithm(&header.algorithm)?;
        if header.has_critical {
            return Err(ProofError::CriticalHeader);
        }
        if compact.header.key.is_none() {
            return Err(ProofError::MissingKey);
        }
        let statement = Statement::parse(&compact.payload()?)?;
        Ok(Self {
            signature: compact.signature()?,
            compact,
            algorithm,
            statement,
        })
    }

    /// The server's nonce that the proof repeats, where it has one (RFC 9449 §9).
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.statement.nonce.as_deref()
    }

    /// When the proof was made, as it says (`iat`), since 1970.
    #[must_use]
    pub fn issued_at(&self) -> Duration {
        self.statement.issued_at
    }

    /// Whether the proof is good for this request: method, time, URL, token and key, and then the signature.
    ///
    /// # Errors
    /// [`ProofError::OtherKey`] when the key is not the token's, and otherwise what does not hold.
    pub fn check(&self, expected: &Expected<'_>) -> Result<Proven, ProofError> {
        let hash = self.statement.token_hash.as_deref();
        let hash = hash.ok_or(ProofError::Missing { claim: "ath" })?;
        let acceptable_until =
            self.check_request(expected.method, expected.target, &expected.window())?;
        if hash != BASE64URL_NOPAD.encode(&sha256(expected.token.as_bytes())) {
            return Err(ProofError::OtherToken);
        }
        let key = self.key()?;
        if key.thumbprint != expected.key_thumbprint {
            return Err(ProofError::OtherKey);
        }
        self.check_signature(key)?;
        Ok(Proven {
            id: ProofId::new(expected.key_thumbprint, expected.target, &self.statement.id),
            acceptable_until,
        })
    }

    /// Whether the proof is about a request of this method to this URL now; the last moment at which it will be.
    fn check_request(
        &self,
        method: &str,
        target: &Target,
        window: &Window,
    ) -> Result<Duration, ProofError> {
        let said = &self.statement;
        if said.method != method {
            return Err(ProofError::OtherMethod);
        }
        let acceptable_until = said.check_times(window)?;
        if Target::parse(&said.target).map_err(ProofError::MalformedTarget)? != *target {
            return Err(ProofError::OtherTarget);
        }
        Ok(acceptable_until)
    }

    /// The key that the proof names as its own; nothing shows yet that it is.
    fn key(&self) -> Result<UnparsedJwk, ProofError> {
        let jwk = self.compact.header.key.as_ref();
        Ok(UnparsedJwk::read(jwk.ok_or(ProofError::MissingKey)?)?)
    }

    fn check_signature(&self, key: UnparsedJwk) -> Result<(), ProofError> {
        let key = key.bind(self.algorithm)?;
        if !key.verifies(self.algorithm, self.compact.signing_input, &self.signature) {
            return Err(ProofError::Signature);
        }
        Ok(())
    }
}

impl Expected<'_> {
    fn window(&self) -> Window {
        Window {
            now: self.now,
            iat_offset: self.iat_offset,
            iat_leeway: self.iat_leeway,
        }
    }
}

impl fmt::Debug for Proof<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proof")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expected")
            .field("method", &self.method)
            .field("now", &self.now)
            .field("iat_offset", &self.iat_offset)
            .field("iat_leeway", &self.iat_leeway)
            .finish_non_exhaustive()
    }
}

/// `typ` is the proof's, whatever its case and with or without `application/` (RFC 7515 §4.1.9).
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

/// Anything of ours but a shared secret, by which nobody proves anything.
fn algorithm(named: &Member<String>) -> Result<Algorithm, ProofError> {
    let name = named.valid().ok_or(ProofError::UnknownAlgorithm)?;
    let algorithm: Option<Algorithm> = name.parse().ok();
    algorithm
        .filter(|known| !known.is_symmetric())
        .ok_or(ProofError::UnknownAlgorithm)
}

#[cfg(all(test, feature = "test-kit"))]
mod tests;
