//! Routes that declare their access: the table, its endpoints and protected handlers.

mod api;
mod dpop_nonce;
mod endpoint;
mod metadata;
#[cfg(feature = "openapi")]
mod openapi;
mod origin;
pub(crate) mod path_pattern;
mod protected;
mod reachable;
mod resources;
mod siblings;
mod streams;

pub use api::{Api, NoVerifier, RouteInfo, ServedBy};
pub use dpop_nonce::{WithNonce, WithNonceFuture};
#[cfg(feature = "service")]
pub(crate) use endpoint::Grant;
pub use endpoint::{Endpoint, HandlerMiddleware, delete, get, patch, post, put};
#[cfg(feature = "openapi")]
pub use openapi::{Differences, Document};
#[cfg(feature = "service")]
pub(crate) use origin::{AllowedOrigins, matches};
pub use protected::{
    Protected, ProtectedArgs, ProtectedHandler, ProtectedRoute, ResolveFuture, Resolved, protected,
};
pub use reachable::UnreachableRoutes;
