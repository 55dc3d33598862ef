//! What this server demands of DPoP proofs and client certificates: configuration alone.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::HeaderValue;

use super::dpop::NoncePolicy;
use super::{CertificateSource, NonceError, NonceIssuer, Replay, TargetUriSource};
use crate::authorization::Schemes;

/// How DPoP proofs are judged ([RFC 9449]).
///
/// The default accepts tokens that are bound to a key, with their proofs, beside bearer tokens.
///
/// Where used proofs are remembered in this process, a proof that was made before the verifier started may have been
/// used before it. For one proof lifetime such a proof is answered with 401 `use_dpop_nonce`, whether or not
/// [`nonces`](Self::nonces) are asked for, and taken with the nonce of that answer.
///
/// # Examples
/// ```no_run
/// use actix_resource_server::sender::{Dpop, NonceIssuer};
/// use actix_resource_server::{Issuer, Verifier};
///
/// let issuer = Issuer::discover("https://tenant.eu.auth0.com/").audience("https://my/api").build()?;
/// let dpop = Dpop::default().required().nonces(NonceIssuer::new(None, NonceIssuer::LIFETIME)?);
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
    pub(super) accepts_unchecked: bool,
    pub(super) nonces: Option<Arc<NonceIssuer>>,
    /// Known once the verifier starts, unless it is shared with something that has started.
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
    /// For how long a proof is good after it was made, unless said otherwise.
    pub const IAT_OFFSET: Duration = Duration::from_secs(300);

    /// How far a client's clock may be ahead, unless said otherwise.
    pub const IAT_LEEWAY: Duration = Duration::from_secs(30);

    /// Takes no bearer tokens.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// For how long a proof is good after it was made (`iat`).
    #[must_use]
    pub fn iat_offset(mut self, offset: Duration) -> Self {
        self.iat_offset = offset;
        self
    }

    /// How far the clock of a proof's maker may be ahead.
    #[must_use]
    pub fn iat_leeway(mut self, leeway: Duration) -> Self {
        self.iat_leeway = leeway;
        self
    }

    /// Where proofs are remembered, so that each is taken once; in this process unless said otherwise.
    #[must_use]
    pub fn replay(mut self, replay: Replay) -> Self {
        self.replay = replay;
        self
    }

    /// Takes proofs even while it cannot be found out whether they were used before; otherwise such a
    /// request is answered with 503.
    #[must_use]
    pub fn accept_unchecked(mut self) -> Self {
        self.accepts_unchecked = true;
        self
    }

    /// Asks for a nonce of this server in every proof ([RFC 9449 §9]).
    ///
    /// A client has its first one from a 401, and a new one with each answer of a route of an
    /// [`Api`](crate::Api) or of [`protected`](crate::protected) handlers; others that take an access type as an
    /// extractor ask for nonces and renew none, so that a client has the next one from the next 401.
    ///
    /// [RFC 9449 §9]: https://www.rfc-editor.org/rfc/rfc9449#section-9
    #[must_use]
    pub fn nonces(mut self, nonces: NonceIssuer) -> Self {
        self.nonces = Some(Arc::new(nonces));
        self
    }

    /// Takes over the nonces, and the start, of something else that remembers proofs in the same place.
    #[cfg(feature = "dev-issuer")]
    pub(crate) fn nonce_policy(mut self, policy: NoncePolicy) -> Self {
        self.nonce_policy = Some(policy);
        self
    }

    /// Begins to take proofs at this moment since 1970.
    ///
    /// # Errors
    /// The system gave no random numbers.
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

/// Whether and where client certificates are looked for ([RFC 8705 §3]); without this they count for nothing.
///
/// [RFC 8705 §3]: https://www.rfc-editor.org/rfc/rfc8705#section-3
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificates {
    pub(super) source: CertificateSource,
    pub(super) is_required: bool,
}

impl ClientCertificates {
    /// Certificates from there; tokens that are bound to none are taken as ever.
    #[must_use]
    pub fn from_source(source: CertificateSource) -> Self {
        Self {
            source,
            is_required: false,
        }
    }

    /// Takes no token that is not bound to a certificate.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.is_required = true;
        self
    }
}

/// How senders are judged: the whole configuration.
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
    /// Begins to judge at this moment since 1970.
    ///
    /// # Errors
    /// The system gave no random numbers.
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
