//! Builds an [`Issuer`] and checks its configuration as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use super::identity::identity;
use super::{
    Fetching, HttpHosts, Introspection, Issuer, IssuerError, KeySource, RequiredClaim,
    ScopeImplications, Secret, SecretEncoding, Source, Tenants, TokenRules, TokenType, UrlRole,
    is_template,
};
use crate::claims::scope_claim::ScopeClaim;
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
    secret_encoding: SecretEncoding,
    allow_http_hosts: Vec<String>,
    audience_claims: Option<Vec<String>>,
    required_claims: Vec<(String, Value)>,
    scope_implications: BTreeMap<String, Vec<String>>,
    tenants: Vec<String>,
    introspection: Option<Introspection>,
    rules: TokenRules,
    fetching: Fetching,
}

impl IssuerBuilder {
    /// The URL under which the discovery document is found: that of the issuer, or the document's own, which contains
    /// `/.well-known/`. A query is sent with each request, as `?appid=` of Entra ID or `?p=` of Azure AD B2C; where the
    /// URL is the issuer's, `/.well-known/…` is inserted before it.
    pub fn base_url(mut self, base_url: &str) -> Self {
        self.base_url = Some(base_url.to_owned());
        self
    }

    /// The exact value that `iss` must have; by default the discovery document's `issuer`.
    ///
    /// The document may then be that of this issuer as well as that of the base URL, which can be an internal address.
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

    /// The shared secret of HS256, HS384 or HS512; its UTF-8 bytes are the key, unless [`secret_encoding`] is set.
    ///
    /// [`secret_encoding`]: Self::secret_encoding
    pub fn secret(mut self, secret: &str) -> Self {
        self.secret = Some(Secret(Zeroizing::new(secret.as_bytes().to_vec())));
        self
    }

    /// How the text of the secret becomes the key; by default as it is.
    pub fn secret_encoding(mut self, encoding: SecretEncoding) -> Self {
        self.secret_encoding = encoding;
        self
    }

    /// Adds a value that `aud` may contain: the name of this API. At least one is needed.
    ///
    /// Each call adds another value, where the other methods replace what an earlier call set.
    pub fn audience(mut self, audience: &str) -> Self {
        self.rules.audience.push(audience.to_owned());
        self
    }

    /// The claims that may hold the audience, as names or JSON pointers; by default `aud` alone.
    ///
    /// The first one that a token has decides, and later ones do not count then: with `aud` and `azp`, a token whose `aud`
    /// is another API is rejected, whatever its `azp`.
    ///
    /// # Examples
    /// ```
    /// use actix_resource_server::Issuer;
    ///
    /// // Amazon Cognito: access tokens have no `aud`, ID tokens do.
    /// let pool = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI";
    /// let issuer = Issuer::discover(pool)
    ///     .audience_claims(["client_id"])
    ///     .audience("6q2p1example")
    ///     .require("token_use", "access")
    ///     .build()?;
    /// # Ok::<(), actix_resource_server::errors::IssuerError>(())
    /// ```
    pub fn audience_claims<T: Into<String>>(mut self, claims: impl IntoIterator<Item = T>) -> Self {
        self.audience_claims = Some(claims.into_iter().map(Into::into).collect());
        self
    }

    /// Accepts tokens for any audience, and tokens without one; only for issuers that name none. Not in strict mode.
    ///
    /// [`require`](Self::require) must then fix a value of a claim that names the client, the tenant or the owner of a
    /// token: `client_id`, `azp`, `cid`, `appid`, `tid`, `tenant`, `tenant_id`, `dct`, `org_id`, `organization_id`,
    /// `/o/id`, `hd`, `repository_owner`, `repository_owner_id`, `namespace_id`, `namespace_path`, `project_id`, `owner` or
    /// `sub`.
    pub fn allow_any_audience(mut self, allow: bool) -> Self {
        self.rules.any_audience = allow;
        self
    }

    /// Adds a value that `aud` of the issuer's logout tokens and security events may contain: the ID of the client for which
    /// the issuer sends them. Without one, none of them are accepted.
    ///
    /// Each call adds another value, where most methods replace what an earlier call set. See
    /// [`Verifier::receive_logout_token`](crate::Verifier::receive_logout_token) and
    /// [`Verifier::receive_security_event`](crate::Verifier::receive_security_event).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// use actix_resource_server::Issuer;
    ///
    /// let issuer = Issuer::discover("https://login.example/realms/shop")
    ///     .audience("https://my/api")
    ///     .event_audience("web-client")
    ///     .max_token_age(Duration::from_secs(3600))
    ///     .build()?;
    /// # Ok::<(), actix_resource_server::errors::IssuerError>(())
    /// ```
    pub fn event_audience(mut self, audience: impl Into<String>) -> Self {
        self.rules.event_audience.push(audience.into());
        self
    }

    /// Sets whether a logout token revokes all tokens of the user in its `sub`, also if it names a session (`sid`); `false` by
    /// default. For issuers such as Auth0, whose logout tokens have both, and whose access tokens do not name the session.
    pub fn logout_revokes_user(mut self, revokes_user: bool) -> Self {
        self.rules.logout_revokes_user = revokes_user;
        self
    }

    /// Adds a claim that tokens must have, by its name or a JSON pointer ([RFC 6901]), and its value; tokens without it are
    /// rejected with 401.
    ///
    /// - A string, a number or `false` must be the claim's value exactly. A claim that is an array must contain the string
    ///   or number.
    /// - An array lists alternatives.
    /// - `true` requires the claim to be there, and not `false` or `null`. An array of `true` alone requires `true`.
    ///
    /// Each call adds another claim, where most methods replace what an earlier call set.
    ///
    /// [RFC 6901]: https://www.rfc-editor.org/rfc/rfc6901
    ///
    /// # Examples
    /// ```
    /// use actix_resource_server::Issuer;
    ///
    /// let issuer = Issuer::discover("https://token.actions.githubusercontent.com")
    ///     .audience("https://deploy.example")
    ///     .require("repository_owner", "acme")
    ///     .require("ref", ["refs/heads/main", "refs/heads/release"])
    ///     .require("environment", true)
    ///     .build()?;
    /// # Ok::<(), actix_resource_server::errors::IssuerError>(())
    /// ```
    pub fn require(mut self, claim: &str, value: impl Into<Value>) -> Self {
        self.required_claims.push((claim.to_owned(), value.into()));
        self
    }

    /// Lets a token with the scope `wide` grant `narrow` as well, and what those imply in turn; may be called several times.
    ///
    /// It is for names that the issuer defines. Scopes of the application imply others where they are defined: see
    /// [`scope!`](crate::scope).
    ///
    /// # Examples
    /// ```
    /// use actix_resource_server::Issuer;
    ///
    /// let issuer = Issuer::discover("https://tenant.eu.auth0.com/")
    ///     .audience("https://my/api")
    ///     .scope_implies("docs:write", ["docs:read"])
    ///     .build()?;
    /// # Ok::<(), actix_resource_server::errors::IssuerError>(())
    /// ```
    pub fn scope_implies<N: Into<String>>(
        mut self,
        wide: &str,
        narrow: impl IntoIterator<Item = N>,
    ) -> Self {
        let implied = self.scope_implications.entry(wide.to_owned()).or_default();
        implied.extend(narrow.into_iter().map(Into::into));
        self
    }

    /// The types of token that are accepted, by the `typ` of the header; by default `at+jwt` and `JWT`. A token without
    /// `typ` counts as `JWT`.
    pub fn token_types(mut self, types: impl IntoIterator<Item = TokenType>) -> Self {
        self.rules.accepted_types = types.into_iter().collect();
        self
    }

    /// The tenants of an issuer whose [`name`](Self::name) has `{tenantid}` as one segment of its path, as Microsoft Entra ID
    /// has it: UUIDs, or `*` for every tenant. All of them share one key set.
    ///
    /// A token is the issuer's if its `iss` is the name with the value of its claim `tid`, a UUID in lower case, and if
    /// the key's own `issuer` in the key set, where it has one without placeholder, is that `iss`. A tenant that is not
    /// listed is rejected before any key is looked for.
    ///
    /// # Examples
    /// ```
    /// use actix_resource_server::Issuer;
    ///
    /// let issuer = Issuer::discover("https://login.microsoftonline.com/common/v2.0")
    ///     .name("https://login.microsoftonline.com/{tenantid}/v2.0")
    ///     .tenants(["11111111-2222-3333-4444-555555555555"])
    ///     .audience("00000000-0000-0000-0000-000000000000")
    ///     .build()?;
    /// # Ok::<(), actix_resource_server::errors::IssuerError>(())
    /// ```
    pub fn tenants<T: Into<String>>(mut self, tenants: impl IntoIterator<Item = T>) -> Self {
        self.tenants = tenants.into_iter().map(Into::into).collect();
        self
    }

    /// The audience to be used where none was named.
    #[cfg(feature = "dev-issuer")]
    pub(crate) fn default_audience(mut self, audience: &str) -> Self {
        if self.rules.audience.is_empty() && !self.rules.any_audience {
            self.rules.audience.push(audience.to_owned());
        }
        self
    }

    /// Sets the greatest accepted age of a token, unless one was set.
    #[cfg(feature = "dev-issuer")]
    pub(crate) fn default_max_token_age(mut self, age: Duration) -> Self {
        self.rules.max_token_age.get_or_insert(age);
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

    /// The first algorithm that was named.
    #[cfg(feature = "dev-issuer")]
    pub(crate) fn first_algorithm(&self) -> Option<Algorithm> {
        self.rules.algorithms.first().copied()
    }

    /// The only algorithms to accept; without them, every asymmetric one that a key allows, except ML-DSA.
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
    pub fn build(mut self) -> Result<Issuer, IssuerError> {
        self.read_claims()?;
        self.decode_secret()?;
        self.check_audience()?;
        self.check_types()?;
        self.check_algorithms()?;
        let http_hosts =
            HttpHosts::parse(&self.allow_http_hosts).ok_or(IssuerError::NotAHttpHost)?;
        let (source, spelling) = self.source(&http_hosts)?;
        let tenants = self.template()?;
        let introspection_endpoint = self.introspection_endpoint(&http_hosts)?;
        Ok(Issuer {
            introspection: self.introspection.map(Arc::new),
            introspection_endpoint,
            identity: identity(&source),
            spelling,
            source,
            rules: self.rules,
            fetching: self.fetching,
            http_hosts,
            tenants,
        })
    }

    /// Reads the names and values of claims.
    fn read_claims(&mut self) -> Result<(), IssuerError> {
        let required = std::mem::take(&mut self.required_claims).into_iter();
        let required = required.map(|(name, value)| RequiredClaim::new(&name, value).map(Arc::new));
        self.rules.required_claims = required.collect::<Result<_, _>>()?;
        if let Some(claims) = &self.audience_claims {
            let claims = claims.iter().map(|claim| claim.parse());
            let claims: Result<Vec<_>, _> = claims.collect();
            let claims = claims.ok().filter(|claims| !claims.is_empty());
            self.rules.audience_claims = claims.ok_or(IssuerError::AudienceClaims)?;
        }
        self.rules.scope_implications = ScopeImplications::new(&self.scope_implications)?;
        Ok(())
    }

    fn decode_secret(&mut self) -> Result<(), IssuerError> {
        if let (Some(secret), SecretEncoding::Base64) = (&self.secret, self.secret_encoding) {
            self.secret = Some(secret.decoded().ok_or(IssuerError::SecretNotBase64)?);
        }
        Ok(())
    }

    fn template(&self) -> Result<Option<Tenants>, IssuerError> {
        let name = self.name.as_deref().unwrap_or_default();
        if self.tenants.is_empty() && !is_template(name) {
            return Ok(None);
        }
        if self.introspection.is_some() {
            return Err(IssuerError::TenantsWithIntrospection);
        }
        Tenants::new(name, &self.tenants).map(Some)
    }

    fn check_types(&self) -> Result<(), IssuerError> {
        let accepted = &self.rules.accepted_types;
        let is_enough = if self.rules.strict {
            accepted.contains(&TokenType::AccessToken)
        } else {
            !accepted.is_empty()
        };
        is_enough.then_some(()).ok_or(IssuerError::NoTokenType)
    }

    fn check_audience(&self) -> Result<(), IssuerError> {
        if self.rules.event_audience.iter().any(String::is_empty) {
            return Err(IssuerError::EventAudience);
        }
        if self.rules.any_audience {
            return self.check_any_audience();
        }
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

    fn check_any_audience(&self) -> Result<(), IssuerError> {
        let mut required = self.rules.required_claims.iter();
        if !self.rules.audience.is_empty() {
            Err(IssuerError::AnyAudienceWithAudience)
        } else if self.rules.strict {
            Err(IssuerError::AnyAudienceWhileStrict)
        } else if required.any(|required| required.names_party()) {
            Ok(())
        } else {
            Err(IssuerError::AnyAudienceUnlimited)
        }
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
    let is_parameter = |part: &str| {
        part.split_once('=')
            .is_some_and(|(name, _)| !name.is_empty())
    };
    let has_other_query = |query: &str| !query.split('&').all(is_parameter);
    if url.fragment().is_some() || url.query().is_some_and(has_other_query) {
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
    use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};

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
            (discovered().event_audience(""), IssuerError::EventAudience),
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
                discovered().base_url("https://issuer.example/#a"),
                IssuerError::NotPlain { role: base },
            ),
            (
                discovered().base_url("https://issuer.example/?a"),
                IssuerError::NotPlain { role: base },
            ),
            (
                discovered().base_url("https://issuer.example/?a=b&=c"),
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
    fn the_query_of_a_base_url_is_accepted_and_not_shown() {
        for url in [
            "https://a.example/x/.well-known/openid-configuration?appid=1",
            "https://a.example/x/.well-known/openid-configuration?p=a&q=",
        ] {
            let issuer = discovered().base_url(url).build().expect("an issuer");
            let shown = "https://a.example/x/.well-known/openid-configuration";
            assert_eq!(issuer.label(), shown);
            assert_eq!(issuer.base_url().map(Url::as_str), Some(url));
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
    fn a_secret_may_be_in_base64() {
        let built = |secret: &str| {
            let issuer = Issuer::with_secret("a", secret, Algorithm::Hs256).audience("api");
            issuer.secret_encoding(SecretEncoding::Base64).build()
        };
        let bytes = [0xfb; 32];
        for text in [
            data_encoding::BASE64.encode(&bytes),
            BASE64_NOPAD.encode(&bytes),
            data_encoding::BASE64URL.encode(&bytes),
            BASE64URL_NOPAD.encode(&bytes),
            data_encoding::BASE64.encode(&bytes) + "\n",
        ] {
            let issuer = built(&text).expect("an issuer");
            let Some(KeySource::Secret(key)) = issuer.keys() else {
                panic!("{issuer:?}")
            };
            assert_eq!(key.as_bytes(), bytes, "{text}");
        }
        for text in [
            "",
            "not base64, but long enough for text",
            "\"AAAA\"",
            "AAAAA",
        ] {
            assert_eq!(
                built(text).err(),
                Some(IssuerError::SecretNotBase64),
                "{text}"
            );
        }
        let short = Some(IssuerError::SecretTooShort {
            needed: 32,
            given: 24,
        });
        assert_eq!(built(&"A".repeat(32)).err(), short);
    }

    #[test]
    fn a_secret_is_never_shown() {
        let issuer = Issuer::with_secret("a", &secret(), Algorithm::Hs256).audience("api");
        assert!(!format!("{issuer:?} {:?}", issuer.clone().build()).contains(&secret()));
    }
}
