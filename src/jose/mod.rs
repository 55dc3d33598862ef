//! JOSE without policy, and the only user of aws-lc-rs and biscuit.
//!
//! This module decides whether bytes are well-formed and whether a signature is valid; the modules
//! above it decide which keys to trust.

pub(crate) mod algorithm;
pub(crate) mod compact;
pub(crate) mod digest;
pub(crate) mod json;
pub(crate) mod jwk;
mod known_headers;
pub(crate) mod mac;
pub(crate) mod private_key;
pub(crate) mod public_key;
pub(crate) mod random;
#[cfg(feature = "test-kit")]
pub(crate) mod sign;
pub(crate) mod signature;
pub(crate) mod token_tag;

pub use algorithm::Algorithm;
pub use compact::CompactError;
pub use jwk::JwkError;
pub use private_key::PrivateKeyError;
pub use public_key::PublicKeyError;
