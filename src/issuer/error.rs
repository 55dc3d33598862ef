//! Errors in the configuration of an issuer.

use std::fmt;

use crate::jose::{Algorithm, PublicKeyError};

/// Which of an issuer's URLs an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlRole {
    /// Where discovery begins.
    BaseUrl,
    /// Where tokens are introspected.
    IntrospectionEndpoint,
    /// Where the key set is.
    JwksUri,
}

impl fmt::Display for UrlRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BaseUrl => "the issuer's base URL",
            Self::IntrospectionEndpoint => "the introspection endpoint",
            Self::JwksUri => "the key set's URL",
        })
    }
}

/// An error in the configuration of an issuer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerError {
    /// An audience is configured, and any is to be accepted.
    #[error("an audience and the acceptance of any audience exclude each other: give one of them")]
    AnyAudienceWithAudience,
    /// Any audience is to be accepted, and no required claim limits whose tokens are (RFC 9068 §4).
    #[error(
        "to accept any audience, require a value of a claim that names the client, tenant or owner, such as azp or tid"
    )]
    AnyAudienceUnlimited,
    /// Any audience is to be accepted, and the strict profile requires one (RFC 9068 §2.2).
    #[error("the strict profile requires an audience")]
    AnyAudienceWhileStrict,
    /// An audience claim is neither a claim's name nor a JSON pointer, or there is none.
    #[error("audience claims must be names such as client_id, or JSON pointers such as /app/id")]
    AudienceClaims,
    /// No type of token is accepted.
    #[error("a type of token must be accepted; in strict mode at+jwt")]
    NoTokenType,
    /// A required claim has no usable name or value.
    #[error(
        "the required claim {claim} must be true, a string, a number, false, or a list of such values, and its name a \
         claim or a JSON pointer"
    )]
    RequiredClaim {
        /// The claim as it is configured.
        claim: String,
    },
    /// No audience is configured: the tokens of every API would be accepted (RFC 9068 §4).
    #[error("an audience is needed: the identifier of this API, as `aud` carries it")]
    NoAudience,
    /// The audience of logout tokens and security events is empty.
    #[error(
        "the audience of events must not be empty: give the ID of the client that the issuer sends them to"
    )]
    EventAudience,
    /// An introspection endpoint is neither configured nor discovered.
    #[error("an introspection endpoint is needed: its URL, or a base URL to discover it")]
    NoIntrospectionEndpoint,
    /// No source of keys is configured.
    #[error("keys are needed: a base URL to discover them, a key set's URL or a secret")]
    NoKeys,
    /// Neither a name nor a base URL is configured.
    #[error("an issuer is needed: the value of `iss`, or a base URL to discover it")]
    NoName,
    /// An HMAC algorithm without a secret.
    #[error("{algorithm} needs a secret")]
    NoSecret {
        /// The configured algorithm.
        algorithm: Algorithm,
    },
    /// A host from which `http` is to be accepted is no host name.
    #[error("hosts that allow http must be names such as keycloak, without scheme and port")]
    NotAHttpHost,
    /// Not an absolute `https` or `http` URL.
    #[error("{role} must be an absolute URL such as https://tenant.example/")]
    NotAUrl {
        /// Which URL.
        role: UrlRole,
    },
    /// The URL carries a user name, a password, a fragment, or a query that is no list of parameters.
    #[error(
        "{role} must have no user name, password or fragment, and a query only of parameters such as ?p=name"
    )]
    NotPlain {
        /// Which URL.
        role: UrlRole,
    },
    /// Keys fetched over `http` could be an attacker's.
    #[error("{role} must be https; http is accepted on loopback and on hosts that allow it only")]
    PlainHttp {
        /// Which URL.
        role: UrlRole,
    },
    /// The public key cannot be used.
    #[error("the public key cannot be used")]
    PublicKey(#[from] PublicKeyError),
    /// Keys cannot be configured and fetched at once.
    #[error("a public key and a key set's URL exclude each other: give one of them")]
    PublicKeyWithJwksUri,
    /// Opaque tokens of two issuers cannot be told apart.
    #[error(
        "issuers {first} and {second} both introspect opaque tokens: give all but one a prefix of its own"
    )]
    SharedTokenPrefix {
        /// The index of the first entry.
        first: usize,
        /// The index of the second entry.
        second: usize,
    },
    /// Two entries are the same issuer and have an audience in common, so that a token would belong to both.
    #[error("issuers {first} and {second} are the same one and have an audience in common")]
    SharedAudience {
        /// The index of the first entry.
        first: usize,
        /// The index of the second entry.
        second: usize,
    },
    /// The name of a scope that implies another, or of one that is implied, is malformed (RFC 6749 §3.3).
    #[error(
        "implied scopes must be names such as read:messages, without spaces, quotation marks and backslashes"
    )]
    ImpliedScope,
    /// A scope implies itself, be it through others.
    #[error("a scope must not imply itself: {}", cycle.join(" implies "))]
    ScopeImpliesItself {
        /// The scopes of the cycle; the first is also the last.
        cycle: Vec<String>,
    },
    /// A secret with an algorithm that uses public keys.
    #[error("a secret goes with HS256, HS384 or HS512, not with {algorithm}")]
    SecretForPublicKey {
        /// The configured algorithm.
        algorithm: Algorithm,
    },
    /// The secret is to be decoded from base64, and is not in it.
    #[error("the secret is not in base64")]
    SecretNotBase64,
    /// The secret is weaker than the hash (RFC 7518 §3.2).
    #[error("the secret has {given} bytes; the algorithm needs at least {needed}")]
    SecretTooShort {
        /// The shortest secret that is accepted, in bytes.
        needed: usize,
        /// The length of the configured secret, in bytes.
        given: usize,
    },
    /// Keys cannot come from a secret and from a key set at once.
    #[error("a secret and a key set's URL exclude each other: give one of them")]
    SecretWithJwksUri,
    /// A secret signs and verifies, a public key verifies: both at once invite confusion of the two.
    #[error("a secret and a public key exclude each other: give one of them")]
    SecretWithPublicKey,
    /// The name of an issuer has a placeholder for a tenant in another place than it may stand, or has none although
    /// tenants are configured.
    #[error(
        "an issuer with tenants must be a URL with {{tenantid}} as one segment of its path, such as \
         https://login.microsoftonline.com/{{tenantid}}/v2.0"
    )]
    TenantTemplate,
    /// Responses about opaque tokens of many tenants are not judged by tenant.
    #[error(
        "an issuer of many tenants cannot be introspected: remove the tenants or the introspection"
    )]
    TenantsWithIntrospection,
    /// Tenants are missing or are no UUIDs.
    #[error(
        "the tenants must be UUIDs, or * alone for all, where the issuer has {{tenantid}} in its name"
    )]
    Tenants,
    /// More scopes imply others than any API declares.
    #[error("at most 1,000 implications of scopes can be configured")]
    TooManyImplications,
    /// Two entries are the same issuer, spelled differently.
    #[error("issuers {first} and {second} are the same one in two spellings")]
    TwoSpellings {
        /// The index of the first entry.
        first: usize,
        /// The index of the second entry.
        second: usize,
    },
    /// A secret without the HMAC algorithm.
    #[error("a secret needs its algorithm: HS256, HS384 or HS512")]
    SecretWithoutAlgorithm,
}
