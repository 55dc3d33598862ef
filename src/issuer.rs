//! Says whom we trust, and for what: the library's whole configuration.

use std::fmt;
use std::time::Duration;

use url::{Host, Url};
use zeroize::Zeroizing;

use crate::claims::scope::ScopeClaim;
use crate::jose::{Algorithm, PublicKeyError, public_key};

/// An issuer whose access tokens are accepted, and what they must be like.
///
/// # Examples
/// ```
/// use actix_resource_server::Issuer;
///
/// let issuer = Issuer::discover("https://tenant.eu.auth0.com/")
///     .audience("https://quickstarts/api")
///     .build()?;
/// # Ok::<(), actix_resource_server::issuer::IssuerError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Issuer {
    pub(crate) name: Name,
    pub(crate) discovery: Option<Url>,
    pub(crate) keys: KeySource,
    pub(crate) audience: Vec<String>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) strict: bool,
    pub(crate) clock_tolerance: Duration,
    pub(crate) max_token_age: Option<Duration>,
    pub(crate) scope_claims: Vec<ScopeClaim>,
    pub(crate) fetching: Fetching,
}

/// The value that `iss` must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// Whatever the discovery document calls itself, which is the base URL up to a trailing slash.
    Discovered,
    Fixed(String),
}

/// Where the issuer's keys come from.
#[derive(Clone, Debug)]
pub(crate) enum KeySource {
    /// The `jwks_uri` of the discovery document.
    Discovered,
    JwksUri(Url),
    /// Configured keys, as PEM, JWK or JWK set; known to be usable.
    PublicKey(String),
    Secret(Secret),
}

/// How keys are fetched and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fetching {
    /// Keys older than this are fetched anew in the background.
    pub(crate) cache_max_age: Duration,
    /// Pause between fetches for unknown `kid`s once the first few are used up.
    pub(crate) cooldown: Duration,
    /// All that one fetch may take.
    pub(crate) timeout: Duration,
    /// For how long the last good keys serve while no fetch brings others.
    pub(crate) longest_outage: Duration,
}

/// A shared secret, as the bytes that the HMAC uses; its `Debug` is redacted.
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
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

    /// What to call this issuer in logs: its configured URL.
    pub(crate) fn label(&self) -> &str {
        match (&self.name, &self.discovery) {
            (Name::Fixed(name), _) => name,
            (Name::Discovered, Some(url)) => url.as_str(),
            (Name::Discovered, None) => "",
        }
    }
}

/// Collects what is said of an [`Issuer`] and checks it as a whole.
#[derive(Clone, Debug)]
#[must_use = "an issuer is made by `build`"]
pub struct IssuerBuilder {
    base_url: Option<String>,
    name: Option<String>,
    jwks_uri: Option<String>,
    public_key: Option<String>,
    secret: Option<Secret>,
    audience: Vec<String>,
    algorithms: Vec<Algorithm>,
    strict: bool,
    clock_tolerance: Duration,
    max_token_age: Option<Duration>,
    scope_claims: Vec<ScopeClaim>,
    fetching: Fetching,
}

impl Default for IssuerBuilder {
    fn default() -> Self {
        Self {
            base_url: None,
            name: None,
            jwks_uri: None,
            public_key: None,
            secret: None,
            audience: Vec::new(),
            algorithms: Vec::new(),
            strict: false,
            clock_tolerance: DEFAULT_CLOCK_TOLERANCE,
            max_token_age: None,
            scope_claims: ScopeClaim::defaults(),
            fetching: Fetching {
                cache_max_age: DEFAULT_CACHE_MAX_AGE,
                cooldown: DEFAULT_COOLDOWN,
                timeout: DEFAULT_TIMEOUT,
                longest_outage: DEFAULT_LONGEST_OUTAGE,
            },
        }
    }
}

impl IssuerBuilder {
    /// The URL under which the discovery document is found.
    pub fn base_url(mut self, base_url: &str) -> Self {
        self.base_url = Some(base_url.to_owned());
        self
    }

    /// The exact value that `iss` must have; without it, the discovery document's `issuer`.
    pub fn name(mut self, issuer: &str) -> Self {
        self.name = Some(issuer.to_owned());
        self
    }

    /// Where the key set is, instead of where the discovery document says.
    pub fn jwks_uri(mut self, jwks_uri: &str) -> Self {
        self.jwks_uri = Some(jwks_uri.to_owned());
        self
    }

    /// The public key, or keys: PEM, a JWK or a JWK set.
    pub fn public_key(mut self, key: &str) -> Self {
        self.public_key = Some(key.to_owned());
        self
    }

    /// The shared secret of HS256, HS384 or HS512; its UTF-8 bytes are the key.
    pub fn secret(mut self, secret: &str) -> Self {
        self.secret = Some(Secret(Zeroizing::new(secret.as_bytes().to_vec())));
        self
    }

    /// Adds a value that `aud` may contain: the name of this API. At least one is needed.
    pub fn audience(mut self, audience: &str) -> Self {
        self.audience.push(audience.to_owned());
        self
    }

    /// The audience to be used where none was named.
    #[cfg(feature = "dev-issuer")]
    pub(crate) fn default_audience(mut self, audience: &str) -> Self {
        if self.audience.is_empty() {
            self.audience.push(audience.to_owned());
        }
        self
    }

    /// The first audience that was named.
    #[cfg(feature = "dev-issuer")]
    pub(crate) fn first_audience(&self) -> &str {
        self.audience
            .first()
            .map(String::as_str)
            .unwrap_or_default()
    }

    /// The only algorithms to accept; without them, every asymmetric one that a key allows.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Demands the access token profile of RFC 9068: `typ` `at+jwt`, and `iat`, `sub`, `client_id`, `jti`.
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// How far the issuer's clock may be off; 5 seconds unless said otherwise.
    pub fn clock_tolerance(mut self, tolerance: Duration) -> Self {
        self.clock_tolerance = tolerance;
        self
    }

    /// The oldest a token may be, by its `iat`; no limit unless said.
    pub fn max_token_age(mut self, age: Duration) -> Self {
        self.max_token_age = Some(age);
        self
    }

    /// Where granted scopes are read from; `scope` and `scp` unless said otherwise.
    pub fn scope_claims(mut self, claims: impl IntoIterator<Item = ScopeClaim>) -> Self {
        self.scope_claims = claims.into_iter().collect();
        self
    }

    /// The age at which keys are fetched anew; 10 minutes unless said otherwise.
    pub fn cache_max_age(mut self, age: Duration) -> Self {
        self.fetching.cache_max_age = age;
        self
    }

    /// The pause between fetches for unknown `kid`s after the first three; 30 seconds unless said otherwise.
    pub fn cooldown_duration(mut self, pause: Duration) -> Self {
        self.fetching.cooldown = pause;
        self
    }

    /// All that one fetch may take, from the connection to the last byte; 5 seconds unless said otherwise.
    pub fn timeout_duration(mut self, timeout: Duration) -> Self {
        self.fetching.timeout = timeout;
        self
    }

    /// For how long the last good keys serve while the issuer cannot be reached; a day unless said otherwise.
    pub fn longest_outage(mut self, outage: Duration) -> Self {
        self.fetching.longest_outage = outage;
        self
    }

    /// Checks what was said, each part and all of it together.
    ///
    /// # Errors
    /// [`IssuerError`] names the first contradiction; its variants say what would be right.
    pub fn build(self) -> Result<Issuer, IssuerError> {
        self.check_audience()?;
        self.check_algorithms()?;
        let keys = self.key_source()?;
        let discovery = self.base_url.as_deref().map(base_url).transpose()?;
        let name = self.name_in_tokens()?;
        Ok(Issuer {
            name,
            discovery,
            keys,
            audience: self.audience,
            algorithms: self.algorithms,
            strict: self.strict,
            clock_tolerance: self.clock_tolerance,
            max_token_age: self.max_token_age,
            scope_claims: self.scope_claims,
            fetching: self.fetching,
        })
    }

    fn check_audience(&self) -> Result<(), IssuerError> {
        if self.audience.is_empty() || self.audience.iter().any(|audience| audience.is_empty()) {
            return Err(IssuerError::NoAudience);
        }
        Ok(())
    }

    fn check_algorithms(&self) -> Result<(), IssuerError> {
        let Some(secret) = &self.secret else {
            let symmetric = self.algorithms.iter().find(|named| named.is_symmetric());
            return symmetric.map_or(Ok(()), |&algorithm| {
                Err(IssuerError::NoSecret { algorithm })
            });
        };
        if self.algorithms.is_empty() {
            return Err(IssuerError::SecretWithoutAlgorithm);
        }
        if let Some(&algorithm) = self.algorithms.iter().find(|named| !named.is_symmetric()) {
            return Err(IssuerError::SecretForPublicKey { algorithm });
        }
        let needed = self
            .algorithms
            .iter()
            .map(|named| named.shortest_secret())
            .max();
        match needed.filter(|&needed| secret.0.len() < needed) {
            Some(needed) => Err(IssuerError::SecretTooShort {
                needed,
                given: secret.0.len(),
            }),
            None => Ok(()),
        }
    }

    fn key_source(&self) -> Result<KeySource, IssuerError> {
        match (&self.secret, &self.public_key, &self.jwks_uri) {
            (Some(_), None, Some(_)) => Err(IssuerError::SecretWithJwksUri),
            (Some(_), Some(_), _) => Err(IssuerError::SecretWithPublicKey),
            (None, Some(_), Some(_)) => Err(IssuerError::PublicKeyWithJwksUri),
            (Some(secret), None, None) => Ok(KeySource::Secret(secret.clone())),
            (None, Some(key), None) => {
                public_key::read(key)?;
                Ok(KeySource::PublicKey(key.clone()))
            }
            (None, None, Some(uri)) => Ok(KeySource::JwksUri(fetchable(uri, UrlRole::JwksUri)?)),
            (None, None, None) if self.base_url.is_some() => Ok(KeySource::Discovered),
            (None, None, None) => Err(IssuerError::NoKeys),
        }
    }

    fn name_in_tokens(&self) -> Result<Name, IssuerError> {
        match (&self.name, &self.base_url) {
            (Some(name), _) if name.is_empty() => Err(IssuerError::NoName),
            (Some(name), _) => Ok(Name::Fixed(name.clone())),
            (None, Some(_)) => Ok(Name::Discovered),
            (None, None) => Err(IssuerError::NoName),
        }
    }
}

fn base_url(text: &str) -> Result<Url, IssuerError> {
    let url = fetchable(text, UrlRole::BaseUrl)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(IssuerError::NotPlain {
            role: UrlRole::BaseUrl,
        });
    }
    Ok(url)
}

fn fetchable(text: &str, role: UrlRole) -> Result<Url, IssuerError> {
    let url = Url::parse(text).map_err(|_| IssuerError::NotAUrl { role })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(IssuerError::NotPlain { role });
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(IssuerError::PlainHttp { role }),
        _ => Err(IssuerError::NotAUrl { role }),
    }
}

/// Whether the URL stays on this machine, the one place where `http` is as good as `https`.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Which of an issuer's URLs an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlRole {
    /// Where discovery begins.
    BaseUrl,
    /// Where the key set is.
    JwksUri,
}

impl fmt::Display for UrlRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BaseUrl => "the issuer's base URL",
            Self::JwksUri => "the key set's URL",
        })
    }
}

/// What is wrong with what was said of an issuer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerError {
    /// No audience was named: any API's tokens would be accepted (RFC 9068 §4).
    #[error("an audience is needed: the identifier of this API, as `aud` carries it")]
    NoAudience,
    /// There is nothing to verify tokens with.
    #[error("keys are needed: a base URL to discover them, a key set's URL or a secret")]
    NoKeys,
    /// Nothing says what `iss` must be.
    #[error("an issuer is needed: the value of `iss`, or a base URL to discover it")]
    NoName,
    /// An HMAC algorithm was named, but no secret.
    #[error("{algorithm} needs a secret")]
    NoSecret {
        /// The algorithm that was named.
        algorithm: Algorithm,
    },
    /// The URL is none, or neither `https` nor `http`.
    #[error("{role} must be an absolute URL such as https://tenant.example/")]
    NotAUrl {
        /// Which URL.
        role: UrlRole,
    },
    /// The URL carries a user name, a query or a fragment that it may not have.
    #[error("{role} must have no user name, password, query or fragment")]
    NotPlain {
        /// Which URL.
        role: UrlRole,
    },
    /// Keys fetched over `http` could be anybody's.
    #[error("{role} must be https; http is accepted on loopback only")]
    PlainHttp {
        /// Which URL.
        role: UrlRole,
    },
    /// The public key cannot be used.
    #[error("the public key cannot be used: {0}")]
    PublicKey(#[from] PublicKeyError),
    /// Keys cannot be configured and fetched at once.
    #[error("a public key and a key set's URL exclude each other: give one of them")]
    PublicKeyWithJwksUri,
    /// A secret was given together with an algorithm that uses public keys.
    #[error("a secret goes with HS256, HS384 or HS512, not with {algorithm}")]
    SecretForPublicKey {
        /// The algorithm that was named.
        algorithm: Algorithm,
    },
    /// The secret is weaker than the hash (RFC 7518 §3.2).
    #[error("the secret has {given} bytes; the algorithm needs at least {needed}")]
    SecretTooShort {
        /// The shortest secret that is accepted, in bytes.
        needed: usize,
        /// The length of the one given, in bytes.
        given: usize,
    },
    /// Keys cannot come from a secret and from a key set at once.
    #[error("a secret and a key set's URL exclude each other: give one of them")]
    SecretWithJwksUri,
    /// A secret signs and verifies, a public key verifies: both at once invite confusion of the two.
    #[error("a secret and a public key exclude each other: give one of them")]
    SecretWithPublicKey,
    /// A secret alone does not say which HMAC.
    #[error("a secret needs its algorithm: HS256, HS384 or HS512")]
    SecretWithoutAlgorithm,
}

const DEFAULT_CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// As short as issuers take to withdraw a key, as long as a refresh costs them nothing.
const DEFAULT_CACHE_MAX_AGE: Duration = Duration::from_secs(600);

/// Two fetches a minute are no load to any issuer.
const DEFAULT_COOLDOWN: Duration = Duration::from_secs(30);

/// A caller may wait for it.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// An issuer that is down for longer than a day can withdraw no key for as long.
const DEFAULT_LONGEST_OUTAGE: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    fn discovered() -> IssuerBuilder {
        Issuer::discover("https://issuer.example/").audience("api")
    }

    fn secret() -> String {
        "s".repeat(32)
    }

    #[test]
    fn contradictions_are_refused() {
        let base = UrlRole::BaseUrl;
        for (builder, expected) in [
            (
                Issuer::discover("https://issuer.example/"),
                IssuerError::NoAudience,
            ),
            (discovered().audience(""), IssuerError::NoAudience),
            (
                IssuerBuilder::default().name("a").audience("api"),
                IssuerError::NoKeys,
            ),
            (
                IssuerBuilder::default()
                    .jwks_uri("https://a.example/")
                    .audience("api"),
                IssuerError::NoName,
            ),
            (discovered().name(""), IssuerError::NoName),
            (
                discovered().algorithms([Algorithm::Hs256]),
                IssuerError::NoSecret {
                    algorithm: Algorithm::Hs256,
                },
            ),
            (
                discovered().base_url("issuer.example"),
                IssuerError::NotAUrl { role: base },
            ),
            (
                discovered().base_url("ftp://issuer.example/"),
                IssuerError::NotAUrl { role: base },
            ),
            (
                discovered().base_url("https://issuer.example/?a"),
                IssuerError::NotPlain { role: base },
            ),
            (
                discovered().base_url("https://issuer.example/#a"),
                IssuerError::NotPlain { role: base },
            ),
            (
                discovered().base_url("https://me@issuer.example/"),
                IssuerError::NotPlain { role: base },
            ),
            (
                discovered().base_url("http://issuer.example/"),
                IssuerError::PlainHttp { role: base },
            ),
            (
                discovered().jwks_uri("http://issuer.example/"),
                IssuerError::PlainHttp {
                    role: UrlRole::JwksUri,
                },
            ),
            (
                discovered().public_key("none"),
                IssuerError::PublicKey(PublicKeyError::Unreadable),
            ),
            (
                discovered().public_key("x").jwks_uri("https://a.example/"),
                IssuerError::PublicKeyWithJwksUri,
            ),
            (
                discovered()
                    .secret(&secret())
                    .algorithms([Algorithm::Rs256]),
                IssuerError::SecretForPublicKey {
                    algorithm: Algorithm::Rs256,
                },
            ),
            (
                discovered().secret("short").algorithms([Algorithm::Hs256]),
                IssuerError::SecretTooShort {
                    needed: 32,
                    given: 5,
                },
            ),
            (
                discovered()
                    .secret(&secret())
                    .algorithms([Algorithm::Hs256, Algorithm::Hs512]),
                IssuerError::SecretTooShort {
                    needed: 64,
                    given: 32,
                },
            ),
            (
                discovered()
                    .secret(&secret())
                    .algorithms([Algorithm::Hs256])
                    .jwks_uri("https://a.example/"),
                IssuerError::SecretWithJwksUri,
            ),
            (
                discovered()
                    .secret(&secret())
                    .algorithms([Algorithm::Hs256])
                    .public_key("x"),
                IssuerError::SecretWithPublicKey,
            ),
            (
                discovered().secret(&secret()),
                IssuerError::SecretWithoutAlgorithm,
            ),
        ] {
            assert_eq!(builder.build().map(drop), Err(expected));
        }
    }

    #[test]
    fn http_is_accepted_on_loopback_alone() {
        for url in [
            "http://localhost:3011/",
            "http://127.0.0.1/",
            "http://127.9.9.9:1/",
            "http://[::1]:1/",
            "http://a.localhost/",
        ] {
            assert!(discovered().base_url(url).build().is_ok(), "{url}");
        }
        for url in [
            "http://localhost.example/",
            "http://128.0.0.1/",
            "http://0.0.0.0/",
            "http://[::2]/",
            "http://10.0.0.1/",
        ] {
            assert_eq!(
                discovered().base_url(url).build().map(drop),
                Err(IssuerError::PlainHttp {
                    role: UrlRole::BaseUrl
                }),
                "{url}"
            );
        }
    }

    #[test]
    fn a_secret_is_never_shown() {
        let issuer = Issuer::with_secret("a", &secret(), Algorithm::Hs256).audience("api");
        assert!(!format!("{issuer:?} {:?}", issuer.clone().build()).contains(&secret()));
    }
}
