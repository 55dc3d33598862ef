//! Builds an [`Issuer`] and checks its configuration as a whole.

use std::sync::Arc;
use std::time::Duration;

use url::Url;
use zeroize::Zeroizing;

use super::{
    Fetching, HttpHosts, Introspection, Issuer, IssuerError, KeySource, Secret, Source, TokenRules,
    UrlRole,
};
use crate::claims::scope::ScopeClaim;
use crate::jose::Algorithm;
use crate::jose::public_key::{self, PublicKeys};

/// Builds an [`Issuer`] and checks its configuration as a whole.
#[derive(Clone, Debug, Default)]
#[must_use = "an issuer is made by `build`"]
pub struct IssuerBuilder {
    base_url: Option<String>,
    name: Option<String>,
    jwks_uri: Option<String>,
    public_key: Option<String>,
    secret: Option<Secret>,
    allow_http_hosts: Vec<String>,
    introspection: Option<Introspection>,
    rules: TokenRules,
    fetching: Fetching,
}

impl IssuerBuilder {
    /// The URL under which the discovery document is found.
    pub fn base_url(mut self, base_url: &str) -> Self {
        self.base_url = Some(base_url.to_owned());
        self
    }

    /// The exact value that `iss` must have; by default the discovery document's `issuer`.
    pub fn name(mut self, issuer: &str) -> Self {
        self.name = Some(issuer.to_owned());
        self
    }

    /// The URL of the key set, instead of the discovery document's `jwks_uri`.
    pub fn jwks_uri(mut self, jwks_uri: &str) -> Self {
        self.jwks_uri = Some(jwks_uri.to_owned());
        self
    }

    /// The public key, or keys: PEM, a JWK or a JWK set. Keys of a set that cannot be used are skipped, unless none is left.
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
    ///
    /// Each call adds another value, where the other methods replace what an earlier call set.
    pub fn audience(mut self, audience: &str) -> Self {
        self.rules.audience.push(audience.to_owned());
        self
    }

    /// The audience to be used where none was named.
    #[cfg(feature = "dev-issuer")]
    pub(crate) fn default_audience(mut self, audience: &str) -> Self {
        if self.rules.audience.is_empty() {
            self.rules.audience.push(audience.to_owned());
        }
        self
    }

    /// The first audience that was named.
    #[cfg(feature = "dev-issuer")]
    pub(crate) fn first_audience(&self) -> &str {
        self.rules
            .audience
            .first()
            .map(String::as_str)
            .unwrap_or_default()
    }

    /// The only algorithms to accept; without them, every asymmetric one that a key allows.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.rules.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Demands the access token profile of RFC 9068: `typ` `at+jwt`, and `iat`, `sub`, `client_id`, `jti`.
    pub fn strict(mut self, strict: bool) -> Self {
        self.rules.strict = strict;
        self
    }

    /// How far the issuer's clock may be off; by default 5 seconds.
    pub fn clock_tolerance(mut self, tolerance: Duration) -> Self {
        self.rules.clock_tolerance = tolerance;
        self
    }

    /// The maximum age of a token, by its `iat`; by default there is no limit.
    pub fn max_token_age(mut self, age: Duration) -> Self {
        self.rules.max_token_age = Some(age);
        self
    }

    /// Where granted scopes are read from; by default `scope` and `scp`.
    pub fn scope_claims(mut self, claims: impl IntoIterator<Item = ScopeClaim>) -> Self {
        self.rules.scope_claims = claims.into_iter().collect();
        self
    }

    /// The age at which keys are fetched again; by default 10 minutes.
    pub fn cache_max_age(mut self, age: Duration) -> Self {
        self.fetching.cache_max_age = age;
        self
    }

    /// The pause between fetches for unknown `kid`s after the first three; by default 30 seconds.
    pub fn cooldown_duration(mut self, pause: Duration) -> Self {
        self.fetching.cooldown = pause;
        self
    }

    /// The timeout of one fetch, from the connection to the last byte; by default 5 seconds.
    pub fn timeout_duration(mut self, timeout: Duration) -> Self {
        self.fetching.timeout = timeout;
        self
    }

    /// How long the last valid keys stay in use while the issuer is unreachable; by default a day.
    pub fn longest_outage(mut self, outage: Duration) -> Self {
        self.fetching.longest_outage = outage;
        self
    }

    /// The hosts, such as `keycloak`, from which documents and keys may be fetched over plain `http`, as they may on
    /// loopback. An attacker who controls the network in between can forge tokens: use it in container networks only.
    pub fn allow_http_hosts<T: Into<String>>(mut self, hosts: impl IntoIterator<Item = T>) -> Self {
        self.allow_http_hosts = hosts.into_iter().map(Into::into).collect();
        self
    }

    /// Introspects opaque tokens of the issuer, or all of its tokens.
    pub fn introspection(mut self, introspection: Introspection) -> Self {
        self.introspection = Some(introspection);
        self
    }

    /// Checks the configuration, each part and all of it together.
    ///
    /// # Errors
    /// [`IssuerError`] names the first problem, and its text the remedy.
    pub fn build(self) -> Result<Issuer, IssuerError> {
        self.check_audience()?;
        self.check_algorithms()?;
        let http_hosts =
            HttpHosts::parse(&self.allow_http_hosts).ok_or(IssuerError::NotAHttpHost)?;
        let (source, spelling) = self.source(&http_hosts)?;
        let introspection_endpoint = self.introspection_endpoint(&http_hosts)?;
        Ok(Issuer {
            introspection: self.introspection.map(Arc::new),
            introspection_endpoint,
            spelling,
            source,
            rules: self.rules,
            fetching: self.fetching,
            http_hosts,
        })
    }

    fn check_audience(&self) -> Result<(), IssuerError> {
        if self.rules.audience.is_empty()
            || self
                .rules
                .audience
                .iter()
                .any(|audience| audience.is_empty())
        {
            return Err(IssuerError::NoAudience);
        }
        Ok(())
    }

    fn check_algorithms(&self) -> Result<(), IssuerError> {
        let Some(secret) = &self.secret else {
            let symmetric = self
                .rules
                .algorithms
                .iter()
                .find(|named| named.is_symmetric());
            return symmetric.map_or(Ok(()), |&algorithm| {
                Err(IssuerError::NoSecret { algorithm })
            });
        };
        if self.rules.algorithms.is_empty() {
            return Err(IssuerError::SecretWithoutAlgorithm);
        }
        if let Some(&algorithm) = self
            .rules
            .algorithms
            .iter()
            .find(|named| !named.is_symmetric())
        {
            return Err(IssuerError::SecretForPublicKey { algorithm });
        }
        let needed = self
            .rules
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

    /// The source, and the issuer's name or base URL exactly as it is configured.
    fn source(&self, http_hosts: &HttpHosts) -> Result<(Source, String), IssuerError> {
        let keys = self.key_source(http_hosts)?;
        let with_text =
            |text: &String| base_url_of(text, http_hosts).map(|url| (url, text.clone()));
        let base_url = self.base_url.as_ref().map(with_text).transpose()?;
        match (base_url, self.name.clone(), keys) {
            (None, _, None) => Err(IssuerError::NoKeys),
            (_, Some(name), _) if name.is_empty() => Err(IssuerError::NoName),
            (Some((base_url, text)), name, keys) => {
                let spelling = name.clone().unwrap_or(text);
                let source = Source::Discovery {
                    base_url,
                    name,
                    keys,
                };
                Ok((source, spelling))
            }
            (None, Some(name), Some(keys)) => {
                let spelling = name.clone();
                Ok((Source::Configured { name, keys }, spelling))
            }
            (None, None, Some(_)) => Err(IssuerError::NoName),
        }
    }

    fn introspection_endpoint(&self, http_hosts: &HttpHosts) -> Result<Option<Url>, IssuerError> {
        let Some(introspection) = &self.introspection else {
            return Ok(None);
        };
        match &introspection.endpoint {
            Some(url) => fetchable(url, UrlRole::IntrospectionEndpoint, http_hosts).map(Some),
            None if self.base_url.is_none() => Err(IssuerError::NoIntrospectionEndpoint),
            None => Ok(None),
        }
    }

    fn key_source(&self, http_hosts: &HttpHosts) -> Result<Option<KeySource>, IssuerError> {
        match (&self.secret, &self.public_key, &self.jwks_uri) {
            (Some(_), None, Some(_)) => Err(IssuerError::SecretWithJwksUri),
            (Some(_), Some(_), _) => Err(IssuerError::SecretWithPublicKey),
            (None, Some(_), Some(_)) => Err(IssuerError::PublicKeyWithJwksUri),
            (Some(secret), None, None) => Ok(Some(KeySource::Secret(secret.clone()))),
            (None, Some(key), None) => Ok(Some(KeySource::PublicKeys(public_key::read(key)?))),
            (None, None, Some(uri)) => {
                let uri = fetchable(uri, UrlRole::JwksUri, http_hosts)?;
                Ok(Some(KeySource::JwksUri(uri)))
            }
            // All of its tokens are opaque.
            (None, None, None) if self.introspection.is_some() && self.base_url.is_none() => {
                Ok(Some(KeySource::PublicKeys(PublicKeys::default())))
            }
            (None, None, None) => Ok(None),
        }
    }
}

fn base_url_of(text: &str, http_hosts: &HttpHosts) -> Result<Url, IssuerError> {
    let url = fetchable(text, UrlRole::BaseUrl, http_hosts)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(IssuerError::NotPlain {
            role: UrlRole::BaseUrl,
        });
    }
    Ok(url)
}

fn fetchable(text: &str, role: UrlRole, http_hosts: &HttpHosts) -> Result<Url, IssuerError> {
    let url = Url::parse(text).map_err(|_| IssuerError::NotAUrl { role })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(IssuerError::NotPlain { role });
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if http_hosts.trust(&url) => Ok(url),
        "http" => Err(IssuerError::PlainHttp { role }),
        _ => Err(IssuerError::NotAUrl { role }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::PublicKeyError;

    fn discovered() -> IssuerBuilder {
        Issuer::discover("https://issuer.example/").audience("api")
    }

    fn secret() -> String {
        "s".repeat(32)
    }

    #[test]
    fn contradictions_are_rejected() {
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
    fn audiences_add_up_where_other_settings_are_replaced() {
        let builder = discovered().audience("other").name("a").name("b");
        let issuer = builder.build().unwrap();
        assert_eq!(issuer.rules.audience, ["api", "other"]);
        assert_eq!(issuer.label(), "b");
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
    fn http_is_accepted_on_hosts_that_are_listed() {
        let listed = || discovered().allow_http_hosts(["keycloak", "KEYS.internal"]);
        for builder in [
            listed().base_url("http://keycloak:8080/realms/shop"),
            listed().jwks_uri("http://keys.internal/jwks.json"),
        ] {
            assert_eq!(builder.build().map(drop), Ok(()));
        }
        for (builder, role) in [
            (listed().base_url("http://other/"), UrlRole::BaseUrl),
            (listed().jwks_uri("http://a.keycloak/"), UrlRole::JwksUri),
        ] {
            let expected = Err(IssuerError::PlainHttp { role });
            assert_eq!(builder.build().map(drop), expected);
        }
        let url = discovered().allow_http_hosts(["http://keycloak"]);
        assert_eq!(url.build().map(drop), Err(IssuerError::NotAHttpHost));
    }

    #[test]
    fn a_secret_is_never_shown() {
        let issuer = Issuer::with_secret("a", &secret(), Algorithm::Hs256).audience("api");
        assert!(!format!("{issuer:?} {:?}", issuer.clone().build()).contains(&secret()));
    }
}
