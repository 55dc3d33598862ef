//! An OAuth 2.0 resource server for Actix Web: the signature of a handler declares who may call it.
//!
//! Typed extractors verify the access token while the arguments of a handler are resolved, so that protection does not
//! depend on the order of middleware. A handler that does not declare its access does not compile.
//!
//! ```no_run
//! use actix_resource_server::{Api, AuthenticatedUser, Issuer, Public, Scoped, Verifier, get, scope};
//! use actix_web::{App, HttpServer};
//!
//! scope!(ReadMessages = "read:messages");
//!
//! async fn public(_: Public) -> &'static str {
//!     "open to everyone"
//! }
//!
//! async fn private(user: AuthenticatedUser) -> String {
//!     format!("for {}", user.subject().unwrap_or("a client"))
//! }
//!
//! async fn messages(_: Scoped<ReadMessages>) -> &'static str {
//!     "requires read:messages"
//! }
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
#![cfg_attr(
    feature = "service",
    doc = "[`Service`] is a program around such a table: settings, commands, probes, metrics and a development issuer."
)]
//!
//! # Access types
//!
//! | first argument of the handler | accepts | otherwise |
//! |---|---|---|
//! | [`Public`] | every request; credentials are not read | |
//! | [`AuthenticatedUser`], [`AuthenticatedUser<C>`](AuthenticatedUser) | a valid token; its claims are deserialized into `C` | 401 |
//! | [`Scoped<S>`](Scoped) | a token with the scope `S`, all scopes of a tuple, or [`AnyOf`] a tuple | 403 `insufficient_scope` |
//! | [`Claim<R>`](Claim) | a token that fulfils the rule `R` on its claims | 403 `insufficient_scope` |
//! | [`StepUp<L>`](StepUp) | a token whose login is strong and recent enough (RFC 9470) | 401 `insufficient_user_authentication` |
//! | [`Bound`] | a token with proof of possession: DPoP (RFC 9449) or a client certificate (RFC 8705) | 401 `invalid_token` |
//! | [`Delegated<R>`](Delegated) | a token whose actor fulfils the rule `R`: a client that acts for the user (RFC 8693) | 403 `insufficient_scope` |
//! | [`Direct`] | a token without an actor | 403 `insufficient_scope` |
//! | [`MaybeUser`] | a valid token, or no credentials | 401 for an invalid token |
//! | [`Streaming<A>`](streams::Streaming) | what `A` accepts, for as long as the response is streamed | as `A` |
//!
//! They nest: `StepUp<Recently, Scoped<(Read, Write)>>`. While the keys of the issuer are unavailable, the response is 503.
//! Other extractors follow as further arguments; they are resolved after the access type has accepted the caller. A type
//! of your own implements [`Access`].
//!
//! # Guides
//!
//! - [WebSockets and streams](streams)
//! - [Settings for providers](providers), [proxies and replicas](proxies), [performance](performance)
#![cfg_attr(feature = "openapi", doc = "- [An OpenAPI document](openapi)")]
#![cfg_attr(feature = "test-kit", doc = "- [Testing your handlers](testing)")]
//! - Getting started, operations and all settings of the service: the folder `docs` of the repository.
//!
//! # Features
//!
//! | feature | default | content |
//! |---|---|---|
//! | `service` | yes | the deployable service: settings, server, probes, metrics, commands |
//! | `dev-issuer` | yes | an OpenID provider for development |
//! | `openapi` | with `service` | an OpenAPI document from the route tables |
//! | `docs-page` | no | a page at `/docs` that shows the document |
//! | `redis` | yes | a replay store for DPoP proofs that replicas share |
//! | `test-kit` | with `dev-issuer` | tokens, issuers and a clock for tests |

#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]
#![cfg_attr(docsrs, feature(doc_cfg))]

// In the order of their layers: each depends only on those before it.
mod authorization;
mod subprotocol;

mod jose;

mod claims;
pub mod metrics;

mod issuer;

mod keys;

mod introspection;

#[cfg(feature = "redis")]
mod redis_client;

pub mod sender;

mod revocation;

mod verifier;

mod rejection;

mod extract;

mod streaming;

mod routing;

mod trace;

#[cfg(feature = "test-kit")]
pub mod test_kit;

#[cfg(feature = "service")]
mod service;

/// Settings for well-known providers.
#[doc = include_str!("../docs/providers.md")]
pub mod providers {}

/// The cost of a request, its parts, and its growth.
///
#[doc = include_str!("../docs/performance.md")]
pub mod performance {}

/// Proxies and replicas.
#[doc = include_str!("../docs/proxies.md")]
pub mod proxies {}

/// Tests of your handlers.
#[cfg(feature = "test-kit")]
#[doc = include_str!("../docs/testing.md")]
pub mod testing {}

// Compiles the examples of a page that is for the repository alone.
#[cfg(all(doctest, feature = "service"))]
#[doc = include_str!("../docs/migration.md")]
mod migration {}

// Compiles the page for coding agents, which is not part of the documentation.
#[cfg(all(doctest, feature = "dev-issuer"))]
#[doc = include_str!("../docs/SKILL.md")]
mod skill {}

#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;

#[doc(inline)]
pub use claims::actor::Actor;
#[doc(inline)]
pub use claims::authn::{AuthnLevel, AuthnRequirement};
#[doc(inline)]
pub use claims::scope::{AnyOf, Scope, ScopeSet, Scopes};
#[doc(inline)]
pub use claims::scope_claim::ScopeClaim;
#[doc(inline)]
pub use extract::{
    Access, AccessFuture, ActorRequirement, ActorRule, AnyActor, AuthenticatedUser, Authentication,
    Bound, Caller, Claim, ClaimRule, CustomClaims, Delegated, Direct, Identified, KnownUser,
    MaybeUser, NoClaims, Public, Requirement, Scoped, StepUp,
};
#[doc(inline)]
pub use issuer::{
    Introspection, IntrospectionClient, Issuer, IssuerBuilder, RequiredClaim, SecretEncoding,
    SignedResponses, TokenType,
};
#[doc(inline)]
pub use jose::Algorithm;
#[doc(inline)]
pub use rejection::{Cause, ErrorInfo, Rejection};
#[doc(inline)]
pub use revocation::{CutOff, Revocations};
#[doc(inline)]
pub use routing::{
    Api, Endpoint, ProtectedRoute, RouteInfo, delete, get, patch, post, protected, put,
};
#[cfg(feature = "service")]
#[doc(inline)]
pub use service::{Secret, Service};
#[doc(inline)]
pub use trace::{TraceContext, TrustedProxies};
#[cfg(feature = "openapi")]
#[doc(no_inline)]
pub use utoipa;
#[doc(inline)]
pub use verifier::clock::Clock;
#[doc(inline)]
pub use verifier::{Ended, Unready, UnreadyReason, Verified, Verifier, VerifierBuilder};

/// Errors of configuration and verification; those of [`sender`] stand beside their types.
pub mod errors {
    #[doc(inline)]
    pub use crate::claims::scope_claim::NoScopeClaim;
    #[doc(inline)]
    pub use crate::issuer::{IssuerError, UnknownTokenType, UrlRole};
    #[doc(inline)]
    pub use crate::jose::algorithm::UnknownAlgorithm;
    #[doc(inline)]
    pub use crate::jose::{CompactError, JwkError, PrivateKeyError, PublicKeyError};
    #[doc(inline)]
    pub use crate::keys::root_certificates::RootCertificatesError;
    #[cfg(feature = "redis")]
    #[doc(inline)]
    pub use crate::redis_client::RedisError;
    #[doc(inline)]
    pub use crate::revocation::RevokeError;
    #[doc(inline)]
    pub use crate::routing::UnreachableRoutes;
    #[doc(inline)]
    pub use crate::verifier::{
        ClaimsMismatch, EventError, MissingKey, NeededIntrospection, VerifyError,
    };
}

/// An OpenAPI document of the route tables.
#[cfg(feature = "openapi")]
#[doc = include_str!("../docs/openapi.md")]
pub mod openapi {
    #[doc(inline)]
    pub use crate::routing::{Differences, Document};
}

/// Streams that end with the access of their callers.
#[doc = include_str!("../docs/streams.md")]
pub mod streams {
    #[doc(inline)]
    pub use crate::streaming::{RenewError, StreamAccess, StreamEnd, Streaming, StreamingFuture};
}

/// The traits and futures behind [`protected`] and [`Api`], which appear in signatures.
pub mod handler {
    #[doc(inline)]
    pub use crate::routing::{
        HandlerMiddleware, NoVerifier, Protected, ProtectedArgs, ProtectedHandler, ResolveFuture,
        Resolved, ServedBy, WithNonce, WithNonceFuture,
    };
}

/// What the hooks of a [`Service`] get, and the types that appear in their signatures.
#[cfg(feature = "service")]
pub mod hooks {
    #[doc(inline)]
    pub use crate::service::{
        Context, MakeApi, MakeMiddleware, NoSettings, NoState, Unset, WrappedService,
    };
}

/// What the macros of this crate expand to.
#[doc(hidden)]
pub mod __private {
    pub use crate::claims::authn::{age, check};
    pub use crate::claims::implied_scopes::{Implication, depth};
    pub use crate::claims::scope::is_scope_token;
    pub use inventory;
}
