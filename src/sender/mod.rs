//! This request's sender: what shows that a token is used by the one whom it was issued to.
//!
//! A DPoP proof is read and checked by [`dpop`], against the URL that [`origin`] says the client
//! called; [`replay`] takes each proof once, and [`nonce`] says how fresh it must be. A client's
//! certificate is found by [`certificate`]. What counts is configuration ([`Dpop`], [`ClientCertificates`]).

pub mod certificate;
pub mod dpop;
mod error;
mod evidence;
pub mod nonce;
mod nonce_policy;
pub mod origin;
mod policy;
mod proxies;
pub mod replay;
pub mod target;

pub use self::certificate::{
    CertificateError, CertificateHeader, CertificateSource, ClientCertificate, OverTls, Thumbprint,
};
pub use self::dpop::{Expected, Holder, Proof, Proven, TokenRequest};
pub use self::error::ProofError;
pub(crate) use self::evidence::{Judged, Sender, SenderError, Senders, Sent};
pub use self::nonce::{NonceError, Nonces};
pub(crate) use self::nonce_policy::NoncePolicy;
pub use self::origin::Origin;
pub use self::policy::{ClientCertificates, Dpop};
#[cfg(feature = "service")]
pub(crate) use self::proxies::is_trusted;
#[cfg(feature = "redis")]
pub use self::replay::RedisError;
pub use self::replay::{Claimed, Pending, ProofId, Replay, Verdict};
pub use self::target::{Target, TargetError};
