//! An OAuth 2.0 resource server for Actix Web: a route's signature is its access policy.
//!
//! Typed extractors verify the access token while a handler's arguments are resolved, so that
//! nothing depends on the order of middleware, and a route that does not say who may call it does
//! not compile.
//!
//! ```no_run
//! use actix_resource_server::{Api, AuthenticatedUser, Issuer, Public, Scoped, Verifier, get, scope};
//! use actix_web::{App, HttpServer};
//!
//! scope!(ReadMessages = "read:messages");
//!
//! async fn public(_: Public) -> &'static str { "for anybody" }
//! async fn private(user: AuthenticatedUser) -> String { format!("for {}", user.subject().unwrap_or("unknown")) }
//! async fn messages(_: Scoped<ReadMessages>) -> &'static str { "for readers of messages" }
//!
//! #[actix_web::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let issuer = Issuer::discover("https://tenant.eu.auth0.com/").audience("https://my/api").build()?;
//!     let verifier = Verifier::start([issuer])?;
//!     let api = move || {
//!         Api::new("/api")
//!             .route("/public", get(public))
//!             .route("/private", get(private))
//!             .route("/messages", get(messages))
//!             .verified_by(verifier.clone())
//!     };
//!     HttpServer::new(move || App::new().service(api())).bind("127.0.0.1:3010")?.run().await?;
//!     Ok(())
//! }
//! ```
//!
//! The modules are the rooms that a request walks through, in their order.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod authorization;

pub mod jose;

pub mod claims;

pub mod metrics;

pub mod issuer;

mod keys;

pub mod sender;

pub mod verifier;

pub mod rejection;

pub mod extract;

pub mod routing;

#[cfg(feature = "test-kit")]
pub mod test_kit;

#[cfg(feature = "service")]
pub mod service;

/// Settings for well-known providers.
#[doc = include_str!("../docs/providers.md")]
pub mod providers {}

/// What a request costs, where that goes, and how it grows.
///
#[doc = include_str!("../docs/performance.md")]
pub mod performance {}

/// Proxies and replicas.
#[doc = include_str!("../docs/proxies.md")]
pub mod proxies {}

/// Testing your handlers.
#[cfg(feature = "test-kit")]
#[doc = include_str!("../docs/testing.md")]
pub mod testing {}

#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;

pub use claims::authn::AuthnLevel;
pub use claims::scope::{AnyOf, Scope, ScopeClaim, Scopes};
pub use extract::{
    Access, AuthenticatedUser, Bound, Caller, Claim, ClaimRule, Identified, KnownUser, MaybeUser,
    NoClaims, Public, Requirement, Scoped, StepUp,
};
pub use issuer::Issuer;
pub use jose::Algorithm;
pub use rejection::Rejection;
pub use routing::{Api, ProtectedRoute, delete, get, patch, post, protected, put};
pub use verifier::{Verified, Verifier};
