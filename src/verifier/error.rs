//! The errors of verification.

use std::sync::Arc;
use std::time::Duration;

use super::{MissingKey, NeededIntrospection};
use crate::issuer::RequiredClaim;
use crate::jose::compact::CompactError;

/// Why a token is rejected.
///
/// The text of an error is for the log; it contains nothing of the token but times. Required claims are shown as they are
/// configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The token is sender-constrained, but came without a proof (RFC 9449 §7.2, RFC 8705 §3).
    #[error("the token is bound to its sender, but was sent as a bearer token")]
    Bound,
    /// The header has `crit` or `b64`; no extension is supported (RFC 7515 §4.1.11).
    #[error("the header requires extensions")]
    CriticalHeader,
    /// `exp` and the clock tolerance have passed (RFC 7519 §4.1.4).
    #[error("the token expired {ago:?} ago")]
    Expired {
        /// The time since then.
        ago: Duration,
    },
    /// The token is not a compact JWS (RFC 7515 §7.1).
    #[error(transparent)]
    Form(#[from] CompactError),
    /// The token is an ID token, which is meant for the client (OpenID Connect Core §2).
    #[error("the token is an ID token")]
    IdToken,
    /// The issuer says that the token is not active (RFC 7662 §2.2).
    #[error("the token is not active")]
    Inactive,
    /// Only the issuer can tell whether the token is valid; it has not been asked (RFC 7662).
    #[error("the token must be introspected")]
    IntrospectionNeeded(NeededIntrospection),
    /// The issuer could not be asked about the token, or may not be asked now.
    #[error("the token could not be introspected")]
    IntrospectionUnavailable {
        /// The time until it may be asked.
        retry_after: Duration,
    },
    /// `act` does not name an actor, or more than eight of them (RFC 8693 §4.1).
    #[error("the claim act is malformed")]
    MalformedActor,
    /// `iat` is in the future while a maximum age is configured.
    #[error("the token was issued ahead of the clock")]
    IssuedAhead,
    /// The claim that holds the audience is neither a string nor an array of strings.
    #[error("the claim with the audience is malformed")]
    MalformedAudience,
    /// The token is a refresh token, which is meant for the issuer alone (RFC 6749 §1.5).
    #[error("the token is a refresh token")]
    RefreshToken,
    /// The issuer says that the token is active, but neither that it is an access token nor that it is for this API.
    #[error("nothing shows that the token is an access token")]
    UnknownKind,
    /// A cut-off revokes the token ([`Verifier::revoke`](crate::Verifier::revoke)).
    #[error("the token is revoked")]
    Revoked,
    /// Whether the token is revoked is unknown, because the store of revocations is unavailable.
    #[error("whether the token is revoked is not known")]
    RevocationUnknown,
    /// A claim that the issuer's configuration requires is missing or has another value.
    #[error("a required claim is not met: {0}")]
    RequiredClaim(Arc<RequiredClaim>),
    /// The token is a logout token (OpenID Connect Back-Channel Logout §2.4).
    #[error("the token is a logout token")]
    LogoutToken,
    /// A claim has the wrong type (RFC 7519 §4.1, RFC 9068 §2.2).
    #[error("the claim {claim} is malformed")]
    Malformed {
        /// The claim's name.
        claim: &'static str,
    },
    /// `kid` is not a string (RFC 7515 §4.1.4).
    #[error("the key identifier is malformed")]
    MalformedKeyId,
    /// The payload is not one JSON object without duplicate members (RFC 7519 §4).
    #[error("the payload is not one JSON object without duplicate members")]
    MalformedPayload,
    /// A required claim is missing (RFC 9068 §2.2).
    #[error("the claim {claim} is missing")]
    Missing {
        /// The claim's name.
        claim: &'static str,
    },
    /// Whether the issuer has the token's key is unknown, because the budget allows no fetch now.
    #[error("whether the issuer has the token's key is not known yet")]
    KeyUndetermined {
        /// The time until a fetch is allowed.
        retry_after: Duration,
    },
    /// Whether the issuer is trusted is unknown, because its resolver may not be called now.
    #[error("whether the issuer is trusted is not known yet")]
    IssuerUndetermined {
        /// The time until it may be called.
        retry_after: Duration,
    },
    /// The issuer's keys could not be fetched.
    #[error("the issuer's keys are unavailable")]
    KeysUnavailable {
        /// The time until they are fetched again.
        retry_after: Duration,
    },
    /// `nbf` is in the future (RFC 7519 §4.1.5).
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The key that the token names signs tokens of another tenant.
    #[error("the token's key is of another tenant")]
    KeyOfOtherTenant,
    /// `tid` is another tenant than that of `iss`.
    #[error("the claims iss and tid name different tenants")]
    OtherTenant,
    /// The tenant is not one of those whose tokens are accepted.
    #[error("the tenant is not trusted")]
    UnknownTenant,
    /// The algorithm is supported, but not allowed for this issuer or key (RFC 8725 §3.1).
    #[error("the algorithm is not one that this issuer's key is used with")]
    AlgorithmNotAllowed,
    /// The claim with the audience does not name this API (RFC 7519 §4.1.3).
    #[error("the token is for another audience")]
    WrongAudience,
    /// `typ` is not that of an access token (RFC 9068 §4).
    #[error("the token is of another type")]
    WrongType,
    /// `aud` names audiences of several configured entries of the token's issuer, whose rules may differ.
    #[error("the token is for audiences of more than one entry of its issuer")]
    SeveralAudiences,
    /// The signature is invalid, but the issuer may have replaced the key under the same ID since the set was fetched.
    #[error("the signature is invalid under a key that may be outdated")]
    OutdatedKey(MissingKey),
    /// The signature is invalid.
    #[error("the signature is invalid")]
    Signature,
    /// `aud` names more than 1,000 audiences.
    #[error("the token has more than 1,000 audiences")]
    TooManyAudiences,
    /// The scope claims grant more than 1,000 scopes together.
    #[error("the token has more than 1,000 scopes")]
    TooManyScopes,
    /// The token is older than the configured maximum age.
    #[error("the token is too old")]
    TooOld,
    /// `alg` is `none`, missing or unknown (RFC 8725 §3.1, §3.2).
    #[error("the algorithm is not supported")]
    UnknownAlgorithm,
    /// `iss` is not a trusted issuer.
    #[error("the issuer is not trusted")]
    UnknownIssuer,
    /// The current key set has no key for the token.
    #[error("the issuer's key is not known")]
    UnknownKey(MissingKey),
}
