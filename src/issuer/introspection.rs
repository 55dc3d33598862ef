//! How tokens of an issuer are introspected, and how this API authenticates to the endpoint ([RFC 7662]).
//!
//! [RFC 7662]: https://www.rfc-editor.org/rfc/rfc7662

use std::time::Duration;

use zeroize::Zeroizing;

use super::Secret;
use crate::jose::private_key::PrivateKey;
use crate::jose::{Algorithm, PrivateKeyError};

/// Asks the issuer whether a token is active, and what it grants ([RFC 7662]); for opaque tokens, which only the issuer
/// can read.
///
/// A token is opaque unless it has the form of a JWT. Whether a token is introspected never depends on the result of
/// verifying it: a JWT with an invalid signature is rejected, not introspected.
///
/// What an active token says (`iss`, `aud`, `exp`, `nbf`, `sub`, `client_id`, `scope`, `cnf` and so on) is judged as the
/// claims of a JWT are, with the same settings of the [`Issuer`](crate::Issuer). `iss` and `exp` may be absent: then
/// the token is the configured issuer's, and is introspected again after [`cache_max_age`](Self::cache_max_age).
///
/// One call answers all requests with the same token, and no client can cause more than
/// [`calls_per_second`](Self::calls_per_second). While the endpoint is unavailable, or the limit is reached, tokens that
/// are not cached are answered with 503 and `Retry-After`, because they may be valid.
///
/// # Examples
/// ```
/// use actix_resource_server::{Introspection, IntrospectionClient, Issuer};
///
/// let client = IntrospectionClient::basic("my-api", "the client's secret");
/// let issuer = Issuer::discover("https://login.example/")
///     .audience("https://my/api")
///     .introspection(Introspection::new(client))
///     .build()?;
/// # Ok::<(), actix_resource_server::errors::IssuerError>(())
/// ```
///
/// [RFC 7662]: https://www.rfc-editor.org/rfc/rfc7662
#[derive(Clone, Debug, PartialEq)]
pub struct Introspection {
    pub(crate) client: IntrospectionClient,
    pub(crate) endpoint: Option<String>,
    pub(crate) introspects_jwts: bool,
    pub(crate) token_prefix: Option<String>,
    pub(crate) cache_max_age: Duration,
    pub(crate) calls_per_second: u32,
    pub(crate) signed_responses: SignedResponses,
}

/// Whether the endpoint's responses are signed ([RFC 9701]).
///
/// [RFC 9701]: https://www.rfc-editor.org/rfc/rfc9701
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignedResponses {
    /// They are requested if the discovery document offers them; a response without a signature is accepted, too.
    #[default]
    Offered,
    /// They are requested, and a response without a signature is not used.
    Required,
    /// They are not requested.
    Off,
}

impl Introspection {
    /// Introspects opaque tokens at the `introspection_endpoint` of the issuer's discovery document.
    #[must_use]
    pub fn new(client: IntrospectionClient) -> Self {
        Self {
            client,
            endpoint: None,
            introspects_jwts: false,
            token_prefix: None,
            cache_max_age: Self::CACHE_MAX_AGE,
            calls_per_second: Self::CALLS_PER_SECOND,
            signed_responses: SignedResponses::default(),
        }
    }

    /// The URL of the endpoint, instead of the discovered one.
    #[must_use]
    pub fn endpoint(mut self, url: &str) -> Self {
        self.endpoint = Some(url.to_owned());
        self
    }

    /// Introspects JWTs of the issuer, too, so that revoked ones are rejected. Their signatures are not verified here.
    #[must_use]
    pub fn all_tokens(mut self) -> Self {
        self.introspects_jwts = true;
        self
    }

    /// Introspects only opaque tokens that begin with this prefix, such as `ory_at_`.
    ///
    /// An opaque token does not name its issuer: of several issuers whose opaque tokens are introspected, all but one
    /// need a prefix, so that no token is sent to another issuer. If several prefixes match, the longest decides.
    #[must_use]
    pub fn token_prefix(mut self, prefix: &str) -> Self {
        self.token_prefix = Some(prefix.to_owned());
        self
    }

    /// How long a positive response is used, at most until the token expires; by default a minute. Until then, a revoked
    /// token is accepted.
    #[must_use]
    pub fn cache_max_age(mut self, age: Duration) -> Self {
        self.cache_max_age = age;
        self
    }

    /// How many tokens that were never active before are introspected a second; by default 100, and the same number
    /// at once. Tokens that were active before have a limit of the same size for themselves, which unknown tokens
    /// cannot use up.
    #[must_use]
    pub fn calls_per_second(mut self, calls: u32) -> Self {
        self.calls_per_second = calls.max(1);
        self
    }

    /// Whether responses are signed ([RFC 9701]); by default if the issuer offers it.
    ///
    /// [RFC 9701]: https://www.rfc-editor.org/rfc/rfc9701
    #[must_use]
    pub fn signed_responses(mut self, signed: SignedResponses) -> Self {
        self.signed_responses = signed;
        self
    }

    /// The default of [`cache_max_age`](Self::cache_max_age).
    pub(crate) const CACHE_MAX_AGE: Duration = Duration::from_secs(60);

    /// The default of [`calls_per_second`](Self::calls_per_second).
    pub(crate) const CALLS_PER_SECOND: u32 = 100;
}

/// How this API authenticates to the introspection endpoint, as a client of the issuer.
///
/// Its `Debug` output shows no secret.
#[derive(Clone, Debug, PartialEq)]
pub struct IntrospectionClient {
    pub(crate) id: String,
    pub(crate) authentication: ClientAuthentication,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ClientAuthentication {
    /// `client_secret_basic` (RFC 6749 §2.3.1).
    Basic(Secret),
    /// `client_secret_post` (RFC 6749 §2.3.1).
    Post(Secret),
    /// `private_key_jwt` (RFC 7523 §2.2, OpenID Connect Core §9).
    PrivateKey {
        key: PrivateKey,
        key_id: Option<String>,
        /// The `aud` of assertions, where it is not the issuer.
        audience: Option<String>,
    },
}

impl IntrospectionClient {
    /// Sends client ID and secret in the `Authorization` header: `client_secret_basic`.
    #[must_use]
    pub fn basic(id: &str, secret: &str) -> Self {
        Self::of(id, ClientAuthentication::Basic(secret_of(secret)))
    }

    /// Sends client ID and secret in the body: `client_secret_post`.
    #[must_use]
    pub fn post(id: &str, secret: &str) -> Self {
        Self::of(id, ClientAuthentication::Post(secret_of(secret)))
    }

    /// Signs an assertion with a private key, given as PEM: `private_key_jwt` ([RFC 7523 §2.2]).
    ///
    /// An RSA key signs with RS256 unless [`algorithm`](Self::algorithm) is set, other keys with their only algorithm.
    ///
    /// # Errors
    /// [`PrivateKeyError`] if the text is not the PEM of an unencrypted RSA, EC or Ed25519 key.
    ///
    /// [RFC 7523 §2.2]: https://www.rfc-editor.org/rfc/rfc7523#section-2.2
    pub fn private_key(id: &str, pem: &str) -> Result<Self, PrivateKeyError> {
        let authentication = ClientAuthentication::PrivateKey {
            key: PrivateKey::read(pem)?,
            key_id: None,
            audience: None,
        };
        Ok(Self::of(id, authentication))
    }

    /// The algorithm of assertions, such as PS256.
    ///
    /// # Errors
    /// The private key does not fit the algorithm.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Result<Self, PrivateKeyError> {
        if let ClientAuthentication::PrivateKey { key, .. } = &mut self.authentication {
            *key = key.clone().with_algorithm(algorithm)?;
        }
        Ok(self)
    }

    /// The `kid` of assertions, by which the issuer finds the public key.
    #[must_use]
    pub fn key_id(mut self, id: &str) -> Self {
        if let ClientAuthentication::PrivateKey { key_id, .. } = &mut self.authentication {
            *key_id = Some(id.to_owned());
        }
        self
    }

    /// The `aud` of assertions, by default the issuer's name; some issuers expect the endpoint's URL.
    #[must_use]
    pub fn assertion_audience(mut self, value: &str) -> Self {
        if let ClientAuthentication::PrivateKey { audience, .. } = &mut self.authentication {
            *audience = Some(value.to_owned());
        }
        self
    }

    fn of(id: &str, authentication: ClientAuthentication) -> Self {
        Self {
            id: id.to_owned(),
            authentication,
        }
    }
}

fn secret_of(text: &str) -> Secret {
    Secret(Zeroizing::new(text.as_bytes().to_vec()))
}
