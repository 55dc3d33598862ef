//! Why a proof is not valid.

use std::time::Duration;

use super::TargetUriError;
use crate::jose::{CompactError, JwkError};

/// Why a DPoP proof is rejected.
///
/// The texts are for the log, and contain nothing of the proof but times.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProofError {
    /// The header has `crit` or `b64`; no extension is supported (RFC 7515 §4.1.11).
    #[error("the proof's header demands extensions")]
    CriticalHeader,
    /// `exp` has passed, the leeway included (RFC 7519 §4.1.4).
    #[error("the proof expired {ago:?} ago")]
    Expired {
        /// How long ago it expired.
        ago: Duration,
    },
    /// The proof is not a compact JWS (RFC 9449 §4.3, check 2).
    #[error("the proof is not well-formed: {0}")]
    Form(CompactError),
    /// `iat` is further ahead of the clock than the leeway (RFC 9449 §4.3, check 11).
    #[error("the proof was made ahead of the clock")]
    IssuedAhead,
    /// `jwk` is no public key for signatures, or not one for the proof's `alg` (RFC 9449 §4.3, checks 6 and 7).
    #[error("the proof's key cannot be used: {0}")]
    Key(JwkError),
    /// A claim has the wrong type or form (RFC 9449 §4.2).
    #[error("the proof's claim {claim} is malformed")]
    Malformed {
        /// The claim's name.
        claim: &'static str,
    },
    /// The payload is not one JSON object without duplicate members (RFC 7519 §4).
    #[error("the proof's payload is not one JSON object without duplicate members")]
    MalformedPayload,
    /// `htu` is not an absolute `http` or `https` URL (RFC 9449 §4.2).
    #[error("the proof's URL cannot be compared: {0}")]
    MalformedTarget(TargetUriError),
    /// A required claim is missing (RFC 9449 §4.3, check 3).
    #[error("the proof's claim {claim} is missing")]
    Missing {
        /// The claim's name.
        claim: &'static str,
    },
    /// The header has no `jwk` (RFC 9449 §4.3, check 3).
    #[error("the proof's header has no key")]
    MissingKey,
    /// `nbf` is in the future (RFC 7519 §4.1.5).
    #[error("the proof is not valid yet")]
    NotYetValid,
    /// The key is not the one that the token is bound to (RFC 9449 §4.3, check 12; §6.1).
    #[error("the proof is by another key than the token's")]
    OtherKey,
    /// `htm` is not the request's method (RFC 9449 §4.3, check 8).
    #[error("the proof is for another method")]
    OtherMethod,
    /// `htu` is not the request's URL (RFC 9449 §4.3, check 9).
    #[error("the proof is for another URL")]
    OtherTarget,
    /// `ath` is not the hash of the access token (RFC 9449 §4.3, check 12).
    #[error("the proof is for another token")]
    OtherToken,
    /// `typ` is not `dpop+jwt` (RFC 9449 §4.3, check 4).
    #[error("the proof is of another type")]
    WrongType,
    /// There is more than one `DPoP` header (RFC 9449 §4.3, check 1).
    #[error("more than one proof was sent")]
    Several,
    /// The signature is not valid (RFC 9449 §4.3, check 6).
    #[error("the proof's signature does not hold")]
    Signature,
    /// `iat` is too long ago (RFC 9449 §4.3, check 11).
    #[error("the proof is too old")]
    TooOld,
    /// `alg` is missing, `none`, symmetric or unknown (RFC 9449 §4.3, check 5).
    #[error("the proof's algorithm is not known here")]
    UnknownAlgorithm,
}

// Not by `#[from]`, which would report the error as a source too, and print it twice.
impl From<CompactError> for ProofError {
    fn from(error: CompactError) -> Self {
        Self::Form(error)
    }
}

impl From<JwkError> for ProofError {
    fn from(error: JwkError) -> Self {
        Self::Key(error)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn an_error_in_the_text_is_no_source() {
        let form = ProofError::from(CompactError::Base64Url);
        let key = ProofError::from(JwkError::Malformed);
        assert_eq!(
            form.to_string(),
            format!("the proof is not well-formed: {}", CompactError::Base64Url)
        );
        assert_eq!(
            key.to_string(),
            format!("the proof's key cannot be used: {}", JwkError::Malformed)
        );
        assert!(form.source().is_none());
        assert!(key.source().is_none());
    }
}
