//! Demonstrating proof of possession ([RFC 9449]): the proof, the URL and the nonce it must name, and the replay store.
//!
//! [RFC 9449]: https://www.rfc-editor.org/rfc/rfc9449

mod error;
mod nonce;
mod nonce_policy;
mod proof;
mod replay;
mod target_uri;

pub(crate) use self::error::ProofError;
pub use self::nonce::NonceError;
pub(crate) use self::nonce::NonceIssuer;
pub(crate) use self::nonce::{DPOP_NONCE, NO_STORE};
pub(crate) use self::nonce_policy::NoncePolicy;
pub(crate) use self::proof::{Proof, ResourceRequest, TimeWindow, VerifiedProof};
pub use self::replay::Replay;
pub(crate) use self::replay::{PendingOutcome, ProofId, ReplayAnswer, ReplayOutcome};
pub(crate) use self::target_uri::{PublicUrl, RequestUri, TargetUri};
pub use self::target_uri::{TargetUriError, TargetUriSource};
