//! The only door to aws-lc-rs and biscuit: JOSE without any policy.
//!
//! What is here says whether bytes have a form and whether a signature holds; whom to
//! believe, and for what, is decided by the rooms above.

pub mod algorithm;
pub(crate) mod compact;
pub(crate) mod digest;
pub(crate) mod json;
pub(crate) mod jwk;
pub(crate) mod mac;
pub(crate) mod public_key;
#[cfg(feature = "test-kit")]
pub mod sign;
pub(crate) mod signature;

pub use algorithm::Algorithm;
pub use compact::CompactError;
pub use jwk::JwkError;
pub use public_key::PublicKeyError;
