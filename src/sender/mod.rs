//! Sender-constrained tokens: whether a request proves what its token's confirmation (`cnf`) demands.
//!
//! [`Dpop`] and [`ClientCertificates`] configure what is accepted. `dpop` verifies DPoP proofs ([RFC 9449]), `mtls`
//! finds client certificates ([RFC 8705]), and `check` compares both with the token.
//!
//! [RFC 9449]: https://www.rfc-editor.org/rfc/rfc9449
//! [RFC 8705]: https://www.rfc-editor.org/rfc/rfc8705

mod check;
mod dpop;
mod mtls;
mod policy;
mod trusted_proxies;

pub(crate) use self::check::{RequestEvidence, SenderError, SenderProof};
#[cfg(feature = "dev-issuer")]
pub(crate) use self::dpop::NoncePolicy;
#[cfg(any(feature = "dev-issuer", fuzzing))]
pub(crate) use self::dpop::TargetUri;
pub(crate) use self::dpop::{
    DPOP_NONCE, NO_STORE, Proof, ProofError, PublicUrl, RequestUri, TimeWindow, VerifiedProof,
};
pub use self::dpop::{NonceError, Replay, TargetUriError, TargetUriSource};
pub(crate) use self::dpop::{NonceIssuer, PendingOutcome, ReplayAnswer, ReplayOutcome};
pub use self::mtls::{
    CertificateError, CertificateHeader, CertificateSource, ClientCertificate, OverTls, Thumbprint,
};
pub(crate) use self::policy::SenderPolicy;
pub use self::policy::{ClientCertificates, Dpop};
pub(crate) use self::trusted_proxies::is_trusted;
