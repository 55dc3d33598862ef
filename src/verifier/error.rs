//! Every way in which a token can fail to be verified.

use std::time::Duration;

use super::MissingKey;
use crate::jose::compact::CompactError;

/// Why a token was refused.
///
/// The text of an error is for the log; it carries nothing of the token but times.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The token is bound to its sender, who has proved nothing (RFC 9449 §7.2, RFC 8705 §3).
    #[error("the token is bound to its sender, but was sent as a bearer token")]
    Bound,
    /// The header has `crit` or `b64`, of which nothing is understood here (RFC 7515 §4.1.11).
    #[error("the header requires extensions")]
    CriticalHeader,
    /// `exp` has passed, the tolerance included (RFC 7519 §4.1.4).
    #[error("the token expired {ago:?} ago")]
    Expired {
        /// For how long it has been expired.
        ago: Duration,
    },
    /// The token is no compact JWS.
    #[error(transparent)]
    Form(#[from] CompactError),
    /// The token is an ID token, made for the client (OpenID Connect Core §2).
    #[error("the token is an ID token")]
    IdToken,
    /// `iat` is ahead of the clock while a maximal age is demanded.
    #[error("the token was issued ahead of the clock")]
    IssuedAhead,
    /// The token is a logout token (OpenID Connect Back-Channel Logout §2.4).
    #[error("the token is a logout token")]
    LogoutToken,
    /// A claim has the wrong type (RFC 7519 §4.1, RFC 9068 §2.2).
    #[error("the claim {claim} is malformed")]
    Malformed {
        /// The claim's name.
        claim: &'static str,
    },
    /// `kid` is no string (RFC 7515 §4.1.4).
    #[error("the key identifier is malformed")]
    MalformedKeyId,
    /// The payload is not one JSON object without duplicate members (RFC 7519 §4).
    #[error("the payload is not one JSON object without duplicate members")]
    MalformedPayload,
    /// A claim that must be there is not (RFC 9068 §2.2).
    #[error("the claim {claim} is missing")]
    Missing {
        /// The claim's name.
        claim: &'static str,
    },
    /// Whether the issuer has the token's key is unknown, because no fetch may be made for it now.
    #[error("whether the issuer has the token's key is not known yet")]
    KeyUndetermined {
        /// The time until the issuer may be asked.
        retry_after: Duration,
    },
    /// The issuer's keys could not be fetched.
    #[error("the issuer's keys are unavailable")]
    KeysUnavailable {
        /// The time until they are fetched again.
        retry_after: Duration,
    },
    /// `nbf` has not come yet (RFC 7519 §4.1.5).
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The algorithm is known, but this issuer or the key does not use it (RFC 8725 §3.1).
    #[error("the algorithm is not one that this issuer's key is used with")]
    AlgorithmNotAllowed,
    /// `aud` does not name this API (RFC 7519 §4.1.3).
    #[error("the token is for another audience")]
    WrongAudience,
    /// `typ` is not that of an access token (RFC 9068 §4).
    #[error("the token is of another type")]
    WrongType,
    /// `aud` names audiences of several entries of the token's issuer, each with rules of its own.
    #[error("the token is for audiences of more than one entry of its issuer")]
    SeveralAudiences,
    /// The signature does not hold, and the key set is old enough for the issuer to have replaced the key under the
    /// same ID since it was fetched.
    #[error("the signature is invalid under a key that may be outdated")]
    OutdatedKey(MissingKey),
    /// The signature does not hold.
    #[error("the signature is invalid")]
    Signature,
    /// `aud` names more than 1,000 audiences.
    #[error("the token has more than 1,000 audiences")]
    TooManyAudiences,
    /// The scope claims grant more than 1,000 scopes together.
    #[error("the token has more than 1,000 scopes")]
    TooManyScopes,
    /// The token is older than is accepted.
    #[error("the token is too old")]
    TooOld,
    /// `alg` is `none`, missing or unknown (RFC 8725 §3.1, §3.2).
    #[error("the algorithm is not supported")]
    UnknownAlgorithm,
    /// `iss` is none of the issuers that are trusted here.
    #[error("the issuer is not trusted")]
    UnknownIssuer,
    /// The issuer publishes no such key, as far as is known now.
    #[error("the issuer's key is not known")]
    UnknownKey(MissingKey),
}
