//! The configuration of DPoP and client certificates.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::HeaderValue;

use super::dpop::NoncePolicy;
use super::{CertificateSource, NonceError, NonceIssuer, Replay, TargetUriSource};
use crate::authorization::Schemes;
#[cfg(feature = "service")]
use crate::metrics::Distribution;

/// How DPoP proofs are verified ([RFC 9449]).
///
/// The default accepts tokens that are bound to a key, with their proofs, and bearer tokens.
///
/// With a replay store in memory, a proof that was made before the verifier started may have been used before. For
/// one proof lifetime such a proof gets 401 `use_dpop_nonce`, whether or not [`nonces`](Self::nonces) are required, and
/// is accepted with the nonce of that response.
///
/// # Examples
/// ```no_run
/// use actix_resource_server::sender::Dpop;
/// use actix_resource_server::{Issuer, Verifier};
///
/// let issuer = Issuer::discover("https://tenant.eu.auth0.com/").audience("https://my/api").build()?;
/// let dpop = Dpop::default().required().nonces(None, Dpop::NONCE_LIFETIME)?;
/// let verifier = Verifier::builder().dpop(dpop).start([issuer])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [RFC 9449]: https://www.rfc-editor.org/rfc/rfc9449
#[derive(Clone, Debug)]
pub struct Dpop {
    pub(super) is_required: bool,
    pub(super) iat_offset: Duration,
    pub(super) iat_leeway: Duration,
    pub(super) replay: Replay,
    pub(crate) accepts_unchecked: bool,
    pub(super) nonces: Option<Arc<NonceIssuer>>,
    /// Set when the verifier starts, unless it is shared with something that has started.
    pub(super) nonce_policy: Option<NoncePolicy>,
}

impl Default for Dpop {
    fn default() -> Self {
        Self {
            is_required: false,
            iat_offset: Self::IAT_OFFSET,
            iat_leeway: Self::IAT_LEEWAY,
            replay: Replay::in_memory(Replay::BYTES),
            accepts_unchecked: false,
            nonces: None,
            nonce_policy: None,
        }
    }
}

impl Dpop {
    /// The default of [`iat_offset`](Self::iat_offset).
    pub const IAT_OFFSET: Duration = Duration::from_secs(300);

    /// The default of [`iat_leeway`](Self::iat_leeway).
    pub const IAT_LEEWAY: Duration = Duration::from_secs(30);

    /// A suitable lifetime for [`nonces`](Self::nonces).
    pub const NONCE_LIFETIME: Duration = NonceIssuer::LIFETIME;

    /// Rejects bearer tokens.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// How long after its `iat` a proof is accepted.
    #[must_use]
    pub fn iat_offset(mut self, offset: Duration) -> Self {
        self.iat_offset = offset;
        self
    }

    /// How far the client's clock may be ahead.
    #[must_use]
    pub fn iat_leeway(mut self, leeway: Duration) -> Self {
        self.iat_leeway = leeway;
        self
    }

    /// The replay store, which makes each proof valid once; by default in memory.
    #[must_use]
    pub fn replay(mut self, replay: Replay) -> Self {
        self.replay = replay;
        self
    }

    /// Accepts proofs while the replay store is full or unavailable; by default, such requests get 503.
    #[must_use]
    pub fn accept_unchecked(mut self) -> Self {
        self.accepts_unchecked = true;
        self
    }

    /// Requires a nonce of this server in every proof ([RFC 9449 §9]); each is valid for at most `lifetime`, and for at
    /// least half of it.
    ///
    /// Replicas that share `secret` and `lifetime` accept each other's nonces; without a secret, the key is random.
    ///
    /// A client receives its first one with a 401, and a new one with each response of a route of an
    /// [`Api`](crate::Api) or of [`protected`](crate::protected) handlers; others that take an access type as an
    /// extractor require nonces and renew none, so that a client receives the next one with the next 401.
    ///
    /// # Errors
    /// The secret is shorter than 32 bytes, or the system provides no random numbers.
    ///
    /// [RFC 9449 §9]: https://www.rfc-editor.org/rfc/rfc9449#section-9
    pub fn nonces(mut self, secret: Option<&str>, lifetime: Duration) -> Result<Self, NonceError> {
        self.nonces = Some(Arc::new(NonceIssuer::new(secret, lifetime)?));
        Ok(self)
    }

    /// Uses the nonces and the start time of another user of the same replay store.
    #[cfg(feature = "dev-issuer")]
    pub(crate) fn nonce_policy(mut self, policy: NoncePolicy) -> Self {
        self.nonce_policy = Some(policy);
        self
    }

    /// Starts accepting proofs at the time `now` since 1970.
    ///
    /// # Errors
    /// The system provides no random numbers.
    pub(super) fn start(&mut self, now: Duration) -> Result<(), NonceError> {
        if self.nonce_policy.is_none() {
            let started_at = if self.replay.outlives_process() {
                Duration::ZERO
            } else {
                now
            };
            self.nonce_policy = Some(NoncePolicy::new(self.nonces.clone(), started_at)?);
        }
        Ok(())
    }

    pub(super) fn schemes(&self) -> Schemes {
        if self.is_required {
            Schemes::DPOP
        } else {
            Schemes::BOTH
        }
    }
}

/// Where client certificates are found ([RFC 8705 §3]), and whether they are required.
///
/// [RFC 8705 §3]: https://www.rfc-editor.org/rfc/rfc8705#section-3
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificates {
    pub(super) source: CertificateSource,
    pub(crate) is_required: bool,
}

impl ClientCertificates {
    /// Uses certificates from `source`; tokens that are not bound to one are still accepted.
    #[must_use]
    pub fn from_source(source: CertificateSource) -> Self {
        Self {
            source,
            is_required: false,
        }
    }

    /// Rejects tokens that are not bound to a certificate.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.is_required = true;
        self
    }
}

/// The whole configuration of sender constraints.
#[derive(Clone, Debug)]
pub(crate) struct SenderPolicy {
    pub(crate) dpop: Option<Dpop>,
    pub(crate) certificates: Option<ClientCertificates>,
    pub(crate) target_uri: TargetUriSource,
}

impl Default for SenderPolicy {
    fn default() -> Self {
        Self {
            dpop: Some(Dpop::default()),
            certificates: None,
            target_uri: TargetUriSource::default(),
        }
    }
}

impl SenderPolicy {
    /// How long the replay store took to answer, where DPoP proofs are accepted.
    #[cfg(feature = "service")]
    pub(crate) fn replay_durations(&self) -> Option<Distribution> {
        self.dpop.as_ref().map(|dpop| dpop.replay.durations())
    }

    /// Starts at the time `now` since 1970.
    ///
    /// # Errors
    /// The system provides no random numbers.
    pub(crate) fn start(mut self, now: Duration) -> Result<Self, NonceError> {
        if let Some(dpop) = &mut self.dpop {
            dpop.start(now)?;
        }
        Ok(self)
    }

    pub(crate) fn schemes(&self) -> Schemes {
        self.dpop.as_ref().map_or(Schemes::BEARER, Dpop::schemes)
    }

    /// A nonce for a client whose proof needs one.
    pub(crate) fn nonce(&self, now: Duration) -> Option<HeaderValue> {
        Some(self.nonce_policy()?.issue(now))
    }

    /// A nonce for the client's next proof, where every proof needs one.
    pub(crate) fn renewed_nonce(&self, now: Duration) -> Option<HeaderValue> {
        self.nonce_policy()?.renewal(now)
    }

    pub(super) fn nonce_policy(&self) -> Option<&NoncePolicy> {
        self.dpop.as_ref()?.nonce_policy.as_ref()
    }
}
