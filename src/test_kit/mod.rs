//! Tools for tests of protected routes: tokens of any kind, an issuer with faults, a clock that can be
//! set.
//!
//! Keys are generated at run time, and the issuer only listens on `127.0.0.1`.
//!
//! ```no_run
//! use actix_resource_server::test_kit::{Document, Fault, TestIssuer};
//!
//! let issuer = TestIssuer::start();
//! let token = issuer.token().scope("read:messages").build();
//! issuer.set_fault(Document::Jwks, Some(Fault::status(503)));
//! # drop(token);
//! ```

mod caller;
mod clock;
pub mod denial;
mod documents;
mod fault;
mod introspection;
mod issuer;
mod keys;
mod proof;
mod token;
mod wire;

pub use crate::jose::sign::SigningKey;

pub use self::caller::{CallerBuilder, caller};
pub use self::clock::TestClock;
pub use self::denial::matrix::DenialMatrix;
pub use self::documents::{Counts, Document};
pub use self::fault::{Fault, Gate, Reply};
pub use self::issuer::TestIssuer;
pub use self::keys::shared;
pub use self::proof::ProofBuilder;
pub use self::token::TokenBuilder;
