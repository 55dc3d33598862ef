//! Routes that declare their access, kept as a table.
//!
//! Method, path, requirement and handler are known together, so whatever tells of the routes (the
//! start-up log, a test of every refusal) reads the very table that serves them.

use std::fmt;

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::Method;
use actix_web::web;

use super::endpoint::Endpoint;
use super::resources::resources;
use crate::extract::{Caller, Requirement};
use crate::rejection::{Rejection, problem};
use crate::verifier::Verifier;

/// The routes under one prefix.
///
/// # Examples
/// ```no_run
/// use actix_resource_server::{Api, AuthenticatedUser, Issuer, Public, Scoped, Verifier, get, scope};
/// use actix_web::{App, HttpServer};
///
/// scope!(ReadMessages = "read:messages");
///
/// async fn public(_: Public) -> &'static str { "for anybody" }
/// async fn private(_: AuthenticatedUser) -> &'static str { "for callers with a valid token" }
/// async fn messages(_: Scoped<ReadMessages>) -> &'static str { "for readers of messages" }
///
/// fn api() -> Api {
///     Api::new("/api")
///         .route("/public", get(public))
///         .route("/private", get(private))
///         .route("/messages", get(messages).summary("needs read:messages"))
/// }
///
/// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// let issuer = Issuer::discover("https://tenant.eu.auth0.com/").audience("https://my/api").build()?;
/// let verifier = Verifier::start([issuer])?;
/// HttpServer::new(move || App::new().service(api().verified_by(verifier.clone())))
///     .bind("127.0.0.1:3010")?
///     .run()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "an Api serves nothing before it is verified_by a verifier"]
pub struct Api<V = NoVerifier> {
    prefix: String,
    endpoints: Vec<(String, Endpoint)>,
    verifier: V,
}

/// Nobody has said yet by whom an [`Api`]'s tokens are verified.
#[derive(Clone, Copy, Debug)]
pub struct NoVerifier(());

/// What an [`Api`] must have to be served: a [`Verifier`].
#[diagnostic::on_unimplemented(
    message = "this `Api` cannot be served: nothing says by whom its tokens are verified",
    label = "an `Api` with a verifier is needed here",
    note = "call `.verified_by(verifier)` on it, last of all"
)]
pub trait ServedBy: Into<Verifier> {}

impl ServedBy for Verifier {}

impl Api {
    /// An empty table for paths under `prefix`, such as `/api`.
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.trim_end_matches('/').to_owned(),
            endpoints: Vec::new(),
            verifier: NoVerifier(()),
        }
    }

    /// Adds a route; `path` begins behind the prefix and may hold actix's `{parameters}`.
    pub fn route(mut self, path: &str, endpoint: Endpoint) -> Self {
        self.endpoints.push((path.to_owned(), endpoint));
        self
    }

    /// Says by whom tokens are verified; only now it is a service that an `App` takes.
    pub fn verified_by(self, verifier: Verifier) -> Api<Verifier> {
        Api {
            prefix: self.prefix,
            endpoints: self.endpoints,
            verifier,
        }
    }
}

impl<V> Api<V> {
    /// What the table holds, a row a route, in the order in which they were added.
    pub fn routes(&self) -> impl Iterator<Item = RouteInfo<'_>> {
        self.endpoints.iter().map(|(path, endpoint)| RouteInfo {
            method: &endpoint.method,
            path: format!("{}{path}", self.prefix),
            requirement: &endpoint.requirement,
            grant: endpoint.grant,
            handler: endpoint.handler,
            summary: endpoint.summary,
        })
    }
}

impl<V> fmt::Debug for Api<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.routes()).finish()
    }
}

impl<V: ServedBy + 'static> HttpServiceFactory for Api<V> {
    fn register(self, config: &mut AppService) {
        let verifier: Verifier = self.verifier.into();
        let resources = resources(self.endpoints);
        if self.prefix.is_empty() {
            for resource in resources {
                resource.app_data(verifier.clone()).register(config);
            }
            return;
        }
        let mut scope = web::scope(&self.prefix).app_data(verifier);
        for resource in resources {
            scope = scope.service(resource);
        }
        let nothing = web::to(|| std::future::ready(problem::not_found()));
        scope.default_service(nothing).register(config);
    }
}

/// One row of the table.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RouteInfo<'a> {
    /// The method; a `GET` answers `HEAD` too.
    pub method: &'a Method,
    /// The whole path, the prefix included.
    pub path: String,
    /// What is asked of a caller.
    pub requirement: &'a Requirement,
    /// The access type's decision on a caller ([`Access::grant`](crate::Access::grant)).
    pub grant: fn(Option<Caller>) -> Result<(), Rejection>,
    /// The handler's name, as the compiler knows it.
    pub handler: &'static str,
    /// What the route is for, where that was said.
    pub summary: Option<&'static str>,
}
