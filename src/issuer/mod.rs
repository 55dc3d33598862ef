//! The configuration of an issuer: where its keys come from, and what its tokens must contain.

mod builder;
mod error;
mod http_hosts;
mod identity;
mod introspection;
mod required_claim;
mod scope_implications;
mod tenants;
mod token_type;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};
use url::Url;
use zeroize::Zeroizing;

use crate::claims::claim_name::ClaimName;
use crate::claims::scope_claim::ScopeClaim;
use crate::jose::Algorithm;
use crate::jose::public_key::PublicKeys;
pub use builder::IssuerBuilder;
pub use error::{IssuerError, UrlRole};
pub(crate) use http_hosts::{HttpHosts, is_loopback, leads_to_this_machine};
pub(crate) use identity::{WELL_KNOWN, check_distinct, issuer_of, same_issuers};
pub(crate) use introspection::ClientAuthentication;
pub use introspection::{Introspection, IntrospectionClient, SignedResponses};
#[cfg(feature = "service")]
pub(crate) use required_claim::PARTY_CLAIMS;
pub use required_claim::RequiredClaim;
pub(crate) use scope_implications::ScopeImplications;
pub(crate) use tenants::{Tenants, is_template};
pub use token_type::{TokenType, UnknownTokenType};

/// An issuer whose access tokens are accepted, and the rules for them.
///
/// # Examples
/// ```
/// use actix_resource_server::Issuer;
///
/// let issuer = Issuer::discover("https://tenant.eu.auth0.com/")
///     .audience("https://quickstarts/api")
///     .build()?;
/// # Ok::<(), actix_resource_server::errors::IssuerError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Issuer {
    pub(crate) source: Source,
    pub(crate) rules: TokenRules,
    pub(crate) fetching: Fetching,
    pub(crate) http_hosts: HttpHosts,
    /// The tenants that it stands for, where its name is a template.
    pub(crate) tenants: Option<Tenants>,
    pub(crate) introspection: Option<Arc<Introspection>>,
    /// The configured endpoint; without it, the discovered one.
    pub(crate) introspection_endpoint: Option<Url>,
    /// The name in normal form; entries with the same one are the same issuer.
    pub(crate) identity: String,
    /// The name, or else the base URL, as it is configured.
    pub(crate) spelling: String,
}

/// Where the value of `iss` and the keys come from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    /// From the discovery document, as far as they are not configured.
    Discovery {
        base_url: Url,
        /// Without it, the document's `issuer`, which is the base URL up to a trailing slash.
        name: Option<String>,
        /// Without them, those of the document's `jwks_uri`.
        keys: Option<KeySource>,
    },
    /// Both are configured.
    Configured { name: String, keys: KeySource },
}

/// The configured source of the issuer's keys.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum KeySource {
    JwksUri(Url),
    /// Configured keys.
    PublicKeys(PublicKeys),
    Secret(Secret),
}

/// What tokens must contain to be accepted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TokenRules {
    /// The names of this API.
    pub(crate) audience: Vec<String>,
    /// Where tokens name their audience; the first one that a token has decides.
    pub(crate) audience_claims: Vec<ClaimName>,
    /// Whether tokens of any audience, or none, are accepted; then a required claim names the client, tenant or owner.
    pub(crate) any_audience: bool,
    pub(crate) required_claims: Vec<Arc<RequiredClaim>>,
    /// Whom logout tokens and security events of the issuer are addressed to; without any, none are accepted.
    pub(crate) event_audience: Vec<String>,
    /// Whether a logout token that names a session revokes all tokens of the user that it names, too.
    pub(crate) logout_revokes_user: bool,
    /// Those of [`token_types`](Self::token_types) unless `strict`.
    pub(crate) accepted_types: Vec<TokenType>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) strict: bool,
    pub(crate) clock_tolerance: Duration,
    pub(crate) max_token_age: Option<Duration>,
    pub(crate) scope_claims: Vec<ScopeClaim>,
    pub(crate) scope_implications: ScopeImplications,
}

impl TokenRules {
    /// Whether the settings accept the algorithm: those that they name, or else the default ones.
    pub(crate) fn accepts(&self, algorithm: Algorithm) -> bool {
        match self.algorithms.as_slice() {
            [] => algorithm.is_default(),
            named => named.contains(&algorithm),
        }
    }
}

impl Default for TokenRules {
    fn default() -> Self {
        Self {
            audience: Vec::new(),
            audience_claims: vec!["aud".into()],
            any_audience: false,
            required_claims: Vec::new(),
            event_audience: Vec::new(),
            logout_revokes_user: false,
            accepted_types: TokenType::DEFAULT.to_vec(),
            algorithms: Vec::new(),
            strict: false,
            clock_tolerance: Duration::from_secs(5),
            max_token_age: None,
            scope_claims: ScopeClaim::defaults(),
            scope_implications: ScopeImplications::default(),
        }
    }
}

impl TokenRules {
    /// The accepted types; of RFC 9068 alone in strict mode.
    pub(crate) fn token_types(&self) -> &[TokenType] {
        if self.strict {
            &[TokenType::AccessToken]
        } else {
            &self.accepted_types
        }
    }
}

/// How keys are fetched and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fetching {
    /// Keys older than this are fetched again in the background.
    pub(crate) cache_max_age: Duration,
    /// Pause between fetches for unknown `kid`s once the first few are used up.
    pub(crate) cooldown: Duration,
    /// The timeout of one fetch.
    pub(crate) timeout: Duration,
    /// How long the last valid keys stay in use while fetches fail.
    pub(crate) longest_outage: Duration,
}

impl Default for Fetching {
    fn default() -> Self {
        Self {
            // Short enough for a withdrawn key to end soon, long enough to be no load to the issuer.
            cache_max_age: Duration::from_secs(600),
            // Two fetches a minute are no load to any issuer.
            cooldown: Duration::from_secs(30),
            // A caller may have to wait for it.
            timeout: Duration::from_secs(5),
            // During an outage, the issuer cannot withdraw a key.
            longest_outage: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// How the text of a shared secret becomes the key of the HMAC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "service",
    derive(serde::Deserialize, serde::Serialize),
    serde(rename_all = "lowercase")
)]
#[non_exhaustive]
pub enum SecretEncoding {
    /// Its UTF-8 bytes are the key.
    #[default]
    Text,
    /// It is decoded from base64: standard or URL-safe, padded or not.
    Base64,
}

/// A shared secret, as the bytes that the HMAC uses; its `Debug` is redacted.
#[derive(Clone, PartialEq)]
pub(crate) struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key that the text encodes; white space around base64 is no part of it.
    fn decoded(&self) -> Option<Self> {
        let digits = self.0.trim_ascii();
        let end = digits.iter().rposition(|digit| *digit != b'=')?;
        let digits = digits.get(..=end)?;
        let decoded = BASE64_NOPAD
            .decode(digits)
            .or_else(|_| BASE64URL_NOPAD.decode(digits));
        Some(Self(Zeroizing::new(decoded.ok()?)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

impl Issuer {
    /// An issuer whose document at `/.well-known/openid-configuration` (or RFC 8414's path) names
    /// its keys.
    pub fn discover(base_url: &str) -> IssuerBuilder {
        IssuerBuilder::default().base_url(base_url)
    }

    /// An issuer named `issuer` whose key set is at `jwks_uri`; nothing is discovered.
    pub fn with_jwks_uri(issuer: &str, jwks_uri: &str) -> IssuerBuilder {
        IssuerBuilder::default().name(issuer).jwks_uri(jwks_uri)
    }

    /// An issuer named `issuer` that signs with a shared secret; nothing is fetched.
    pub fn with_secret(issuer: &str, secret: &str, algorithm: Algorithm) -> IssuerBuilder {
        IssuerBuilder::default()
            .name(issuer)
            .secret(secret)
            .algorithms([algorithm])
    }

    /// An issuer named `issuer` whose public key is configured: PEM, a JWK or a JWK set; nothing is fetched.
    pub fn with_public_key(issuer: &str, key: &str) -> IssuerBuilder {
        IssuerBuilder::default().name(issuer).public_key(key)
    }

    /// An issuer named `issuer` all of whose tokens are opaque; `introspection` needs an
    /// [`endpoint`](Introspection::endpoint).
    pub fn introspected(issuer: &str, introspection: Introspection) -> IssuerBuilder {
        IssuerBuilder::default()
            .name(issuer)
            .introspection(introspection)
    }

    /// A warning for the operator, logged at start.
    pub(crate) fn warning(&self) -> Option<String> {
        let warning = format!("{}: {PLAIN_HTTP}", self.label());
        (!self.http_hosts.is_empty()).then_some(warning)
    }

    /// The name of this issuer in logs: its configured name or its URL without the query, which may contain a key to an
    /// API.
    pub(crate) fn label(&self) -> &str {
        match &self.source {
            Source::Discovery {
                name: None,
                base_url,
                ..
            } => {
                let url = base_url.as_str();
                url.split_once('?').map_or(url, |(url, _)| url)
            }
            Source::Discovery {
                name: Some(name), ..
            }
            | Source::Configured { name, .. } => name,
        }
    }

    /// The configured value of `iss`.
    pub(crate) fn name(&self) -> Option<&str> {
        match &self.source {
            Source::Discovery { name, .. } => name.as_deref(),
            Source::Configured { name, .. } => Some(name),
        }
    }

    /// The URL under which the discovery document is found.
    pub(crate) fn base_url(&self) -> Option<&Url> {
        match &self.source {
            Source::Discovery { base_url, .. } => Some(base_url),
            Source::Configured { .. } => None,
        }
    }

    /// The configured source of the keys.
    pub(crate) fn keys(&self) -> Option<&KeySource> {
        match &self.source {
            Source::Discovery { keys, .. } => keys.as_ref(),
            Source::Configured { keys, .. } => Some(keys),
        }
    }
}

const PLAIN_HTTP: &str = "plain http is accepted from the hosts that auth.allow_http_hosts lists: \
                          an attacker on the network in between can replace keys and forge tokens";
