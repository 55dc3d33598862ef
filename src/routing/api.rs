//! The route table. Log, commands, documents and tests read the table that serves the requests.

use std::fmt;

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::Method;
use actix_web::web;

use super::endpoint::Endpoint;
use super::resources::resources;
use crate::extract::{Caller, Requirement};
use crate::rejection::{Rejection, problem};
use crate::verifier::Verifier;

/// The routes under one prefix, with the access that each declares.
///
/// # Examples
/// ```no_run
/// use actix_resource_server::{Api, AuthenticatedUser, Issuer, Public, Scoped, Verifier, get, scope};
/// use actix_web::{App, HttpServer};
///
/// scope!(ReadMessages = "read:messages");
///
/// async fn public(_: Public) -> &'static str { "open to everyone" }
/// async fn private(_: AuthenticatedUser) -> &'static str { "requires a valid token" }
/// async fn messages(_: Scoped<ReadMessages>) -> &'static str { "requires read:messages" }
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

/// An [`Api`] without a verifier cannot be served yet.
#[derive(Clone, Copy, Debug)]
pub struct NoVerifier(());

/// The verifier that an [`Api`] needs to be served.
#[diagnostic::on_unimplemented(
    message = "this `Api` has no verifier, so it cannot be served",
    label = "expected an `Api` with a verifier",
    note = "call `.verified_by(verifier)` after its routes"
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

    /// Adds a route; `path` follows the prefix and may contain actix's `{parameters}`.
    pub fn route(mut self, path: &str, endpoint: Endpoint) -> Self {
        self.endpoints.push((path.to_owned(), endpoint));
        self
    }

    /// Sets the verifier; the result is a service for an `App`.
    pub fn verified_by(self, verifier: Verifier) -> Api<Verifier> {
        Api {
            prefix: self.prefix,
            endpoints: self.endpoints,
            verifier,
        }
    }
}

impl<V> Api<V> {
    /// The routes, in the order in which they were added.
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

/// One route of the table.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RouteInfo<'a> {
    /// The method; a `GET` route serves `HEAD` too.
    pub method: &'a Method,
    /// The full path, with the prefix.
    pub path: String,
    /// What the route requires of its callers.
    pub requirement: &'a Requirement,
    /// The access type's decision on a caller ([`Access::grant`](crate::Access::grant)).
    pub grant: fn(Option<Caller>) -> Result<(), Rejection>,
    /// The handler's name ([`std::any::type_name`]).
    pub handler: &'static str,
    /// The summary, if one is set.
    pub summary: Option<&'static str>,
}
