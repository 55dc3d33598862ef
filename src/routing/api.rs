//! The route table. Log, commands, documents and tests read the table that serves the requests.

use std::fmt;
use std::panic::Location;

use actix_web::HttpResponse;
use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::Method;

use super::endpoint::{Endpoint, Grant, HandlerMiddleware, Layer};
use super::metadata::ProtectedResource;
use super::origin::{AllowedOrigins, is_pattern};
use super::path_pattern::are_equivalent;
use super::resources::{self, Registered};
use super::streams::TICKET_PATH;
use crate::extract::{Caller, Requirement};
use crate::metrics::RouteNumber;
use crate::rejection::{ErrorFormat, ErrorInfo, MetadataPath, Rejection};
use crate::verifier::Verifier;

/// The routes under one prefix, with the access that each declares.
///
/// An app may have several tables, also with the same prefix or one below another, in any order: a request that no row
/// of one table matches is left to the others. Whatever the order, the row with the
/// more specific path serves a request: literal text precedes parameters, and those with a regular expression precede others.
/// A path below the prefix
/// that no table has gets a 404 problem body; in an app that also has routes by
/// [`protected`](crate::protected()), which may stand below the prefix, the app's `default_service` responds instead.
/// Other services of Actix below the prefix must be registered before the table.
/// [`verify_reachable`](Api::verify_reachable) finds rows that another service hides.
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
    pub(super) prefix: String,
    /// The path of the scopes around the table.
    mount: String,
    pub(super) rows: Vec<Row>,
    pub(super) verifier: V,
    layers: Vec<Layer>,
    pub(crate) format: Option<ErrorFormat>,
    /// Whether paths below the prefix that no table has are left to the app.
    pub(super) leaves_unknown_paths: bool,
    pub(super) about: About,
    has_metadata: bool,
    /// Those whose pages may open WebSockets and streams, beside the server's own.
    origins: Option<AllowedOrigins>,
    /// Whether the routes, and the metadata, are served in this app.
    serves_routes: bool,
    serves_metadata: bool,
}

/// What documents for clients say of a table beside its routes.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    pub(super) title: Option<String>,
    /// The URL of a page for developers of clients.
    pub(super) documentation: Option<String>,
}

/// A row of the table.
pub(super) struct Row {
    /// With the prefix, without the scopes around the table.
    pub(super) path: String,
    pub(super) endpoint: Endpoint,
    pub(super) place: &'static Location<'static>,
    /// Under which its requests are counted.
    pub(super) number: RouteNumber,
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
            prefix: rooted(prefix.trim_end_matches('/')),
            mount: String::new(),
            rows: Vec::new(),
            verifier: NoVerifier(()),
            layers: Vec::new(),
            format: None,
            leaves_unknown_paths: false,
            about: About::default(),
            has_metadata: true,
            origins: None,
            serves_routes: true,
            serves_metadata: true,
        }
    }

    /// Adds a route; `path` follows the prefix and may contain actix's `{parameters}`.
    ///
    /// # Panics
    /// If the table already has this method and path; the names of parameters make no difference.
    #[track_caller]
    pub fn route(self, path: &str, endpoint: Endpoint) -> Self {
        let place = Location::caller();
        let path = format!("{}{}", self.prefix, rooted(path));
        let path = if path.is_empty() {
            "/".to_owned()
        } else {
            path
        };
        let tickets = endpoint.ticket_endpoint();
        let ticket_path = format!("{}{TICKET_PATH}", path.trim_end_matches('/'));
        let table = self.with_row(path, endpoint, place);
        match tickets {
            Some(endpoint) => table.with_row(ticket_path, endpoint, place),
            None => table,
        }
    }

    fn with_row(
        mut self,
        path: String,
        endpoint: Endpoint,
        place: &'static Location<'static>,
    ) -> Self {
        let method = &endpoint.method;
        let is_same =
            |row: &&Row| row.endpoint.method == *method && are_equivalent(&row.path, &path);
        if let Some(Row { place: first, .. }) = self.rows.iter().find(is_same) {
            panic!("{method} {path} is declared twice: at {first} and at {place}");
        }
        self.rows.push(Row {
            path,
            endpoint,
            place,
            number: RouteNumber::NONE,
        });
        self
    }

    /// Sets the verifier; the result is a service for an `App`.
    pub fn verified_by(self, verifier: Verifier) -> Api<Verifier> {
        Api {
            prefix: self.prefix,
            mount: self.mount,
            rows: self.rows,
            verifier,
            layers: self.layers,
            format: self.format,
            leaves_unknown_paths: self.leaves_unknown_paths,
            about: self.about,
            has_metadata: self.has_metadata,
            origins: self.origins,
            serves_routes: self.serves_routes,
            serves_metadata: self.serves_metadata,
        }
    }
}

impl<V> Api<V> {
    /// Declares the path of the `web::scope` in which the table is registered, such as `/v1`, so that
    /// [`routes`](Self::routes) and everything that is derived from it has the full paths.
    ///
    /// # Examples
    /// ```
    /// use actix_resource_server::{Api, Public, get};
    ///
    /// async fn public(_: Public) -> &'static str { "open" }
    ///
    /// let api = Api::new("/api").route("/public", get(public)).mounted_at("/v1");
    /// assert_eq!(api.routes().next().unwrap().path, "/v1/api/public");
    /// ```
    pub fn mounted_at(mut self, scope: &str) -> Self {
        self.mount = rooted(scope.trim_end_matches('/'));
        self
    }

    /// Wraps every handler of the table in a middleware of Actix, which runs after the access type has accepted the
    /// caller, outside of the middleware of the [`Endpoint`]; see [`Endpoint::wrap`].
    ///
    /// The middleware runs neither for rejected callers nor for unknown paths and methods; `App::wrap` adds one that does.
    pub fn wrap(mut self, middleware: impl HandlerMiddleware) -> Self {
        self.layers.push(middleware.into_layer());
        self
    }

    /// Renders rejections, and 404 and 405 responses of the table, in a format of the application; without it, they are
    /// problem documents (RFC 9457).
    ///
    /// The status, and the headers `WWW-Authenticate`, `Retry-After`, `DPoP-Nonce` and `Allow` are added to the response.
    ///
    /// # Examples
    /// ```
    /// use actix_resource_server::{Api, AuthenticatedUser, get};
    /// use actix_web::HttpResponse;
    ///
    /// async fn order(_: AuthenticatedUser) -> &'static str { "an order" }
    ///
    /// let api = Api::new("/api")
    ///     .route("/orders/{id}", get(order))
    ///     .error_format(|error| {
    ///         let code = error.code.unwrap_or("error");
    ///         HttpResponse::build(error.status).json(serde_json::json!({"error": code, "text": error.detail}))
    ///     });
    /// ```
    pub fn error_format(
        mut self,
        render: impl Fn(&ErrorInfo<'_>) -> HttpResponse + Send + Sync + 'static,
    ) -> Self {
        self.format = Some(ErrorFormat::new(render));
        self
    }

    /// Sets the human-readable name of the API, for its metadata and other documents.
    pub fn title(mut self, title: &str) -> Self {
        self.about.title = Some(title.to_owned());
        self
    }

    /// Sets the URL of a page for developers who call the API, for its metadata and other documents.
    pub fn documentation(mut self, url: &str) -> Self {
        self.about.documentation = Some(url.to_owned());
        self
    }

    /// Turns the metadata of the protected resource ([RFC 9728]) off, and with it the `resource_metadata` of challenges.
    ///
    /// By default, a table with a route that takes tokens serves it at `/.well-known/oauth-protected-resource` followed by
    /// the prefix, and at that path alone if it is the app's only protected resource. It names the API by its public URL
    /// ([`TargetUriSource`](crate::sender::TargetUriSource)) and the prefix; where the verifier does not know the public URL,
    /// the response is 404. A table within a `web::scope`, or whose prefix has parameters, has no metadata.
    ///
    /// [RFC 9728]: https://www.rfc-editor.org/rfc/rfc9728
    pub fn without_metadata(mut self) -> Self {
        self.has_metadata = false;
        self
    }

    /// The path of the protected resource that the table is, whether it has metadata or not; `None` where no route takes a
    /// token, and where the prefix has parameters.
    #[cfg(feature = "service")]
    pub(crate) fn resource_path(&self) -> Option<String> {
        ProtectedResource::of(&self.full_prefix(), &self.rows).map(|resource| resource.path)
    }

    /// The protected resource that the table is; `None` where it has no metadata.
    fn resource(&self) -> Option<ProtectedResource> {
        let resource = self.has_metadata.then_some(&self.rows);
        resource.and_then(|rows| ProtectedResource::of(&self.prefix, rows))
    }

    /// Lists origins, such as `https://app.example` or `https://*.app.example`, whose pages may open routes with
    /// [`websocket_token`](Endpoint::websocket_token) or [`tickets`](Endpoint::tickets), beside pages of the server's own origin.
    ///
    /// Other pages get 403 there; a request without `Origin`, which is not from a page, is not affected. CORS does not concern
    /// WebSockets, so a middleware for CORS does not do this. In a `Service`, the origins of `cors.allowed_origins` are
    /// allowed, too.
    ///
    /// # Panics
    /// If a text is not an origin as browsers send it: scheme, host in lower case, and the port unless it is the default.
    pub fn allowed_origins<O: AsRef<str>>(mut self, origins: impl IntoIterator<Item = O>) -> Self {
        let origins = origins.into_iter();
        let origins: Vec<_> = origins.map(|origin| origin.as_ref().to_owned()).collect();
        let wrong = origins.iter().find(|origin| !is_pattern(origin));
        assert!(
            wrong.is_none(),
            "an allowed origin must be such as https://app.example"
        );
        self.origins = Some(AllowedOrigins::listed(origins).or(self.origins));
        self
    }

    /// Also allows these origins.
    #[cfg(feature = "service")]
    pub(crate) fn also_allowing(mut self, origins: AllowedOrigins) -> Self {
        self.origins = Some(origins.or(self.origins));
        self
    }

    /// Leaves every path that no table has to the app, whose `default_service` responds with a 404 problem body.
    #[cfg(feature = "service")]
    pub(crate) fn leaving_unknown_paths(mut self) -> Self {
        self.leaves_unknown_paths = true;
        self
    }

    /// Serves the routes without the metadata, which [`metadata_alone`](Self::metadata_alone) serves in another app.
    #[cfg(feature = "service")]
    pub(crate) fn routes_alone(mut self) -> Self {
        self.serves_metadata = false;
        self
    }

    /// Serves the metadata of the table without its routes.
    #[cfg(feature = "service")]
    pub(crate) fn metadata_alone(mut self) -> Self {
        self.serves_routes = false;
        self
    }

    /// Counts the requests of each row under the number that its full path has.
    #[cfg(feature = "service")]
    pub(crate) fn numbered(mut self, number_of: impl Fn(&str) -> RouteNumber) -> Self {
        let numbers: Vec<_> = self
            .rows
            .iter()
            .map(|row| number_of(&self.full_path(row)))
            .collect();
        for (row, number) in self.rows.iter_mut().zip(numbers) {
            row.number = number;
        }
        self
    }

    /// The routes, in the order in which they were added.
    pub fn routes(&self) -> impl Iterator<Item = RouteInfo<'_>> {
        // A table inside a scope has no metadata.
        let resource = self.resource().filter(|_| self.mount.is_empty());
        let resource = resource.map(|resource| resource.metadata_path());
        self.rows.iter().map(move |row| RouteInfo {
            resource: resource.clone(),
            method: &row.endpoint.method,
            path: self.full_path(row),
            requirement: &row.endpoint.requirement,
            grant: row.endpoint.grant,
            handler: row.endpoint.handler,
            summary: row.endpoint.summary,
            takes_websocket_token: row.endpoint.stream.takes_token,
            takes_tickets: row.endpoint.stream.takes_tickets,
        })
    }

    /// The prefix, with the path of the scopes around the table.
    #[cfg(feature = "service")]
    pub(crate) fn full_prefix(&self) -> String {
        format!("{}{}", self.mount, self.prefix)
    }

    pub(super) fn full_path(&self, row: &Row) -> String {
        format!("{}{}", self.mount, row.path)
    }
}

/// The path with a slash before it, unless it is empty.
fn rooted(path: &str) -> String {
    if path.is_empty() || path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    }
}

impl<V> fmt::Debug for Api<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.routes()).finish()
    }
}

impl<V: ServedBy + 'static> HttpServiceFactory for Api<V> {
    fn register(self, config: &mut AppService) {
        let resource = self.resource();
        let table = Registered {
            resource: resource.map(|resource| (resource, self.about)),
            serves_metadata: self.serves_metadata,
            rows: if self.serves_routes {
                self.rows
            } else {
                Vec::new()
            },
            layers: self.layers,
            verifier: self.verifier.into(),
            format: self.format,
            origins: self.origins,
            not_found_below: (!self.leaves_unknown_paths).then_some(self.prefix),
        };
        resources::register(table, config);
    }
}

/// One route of the table.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RouteInfo<'a> {
    /// The method; a `GET` route serves `HEAD` too.
    pub method: &'a Method,
    /// The full path, with the prefix and the scope that is declared by [`Api::mounted_at`].
    pub path: String,
    /// What the route requires of its callers.
    pub requirement: &'a Requirement,
    /// The protected resource that the table is, where it has metadata.
    #[cfg_attr(
        not(feature = "service"),
        expect(dead_code, reason = "for the command `explain`")
    )]
    pub(crate) resource: Option<MetadataPath>,
    pub(crate) grant: Grant,
    /// The handler's name ([`std::any::type_name`]).
    pub handler: &'static str,
    /// The summary, if one is set.
    pub summary: Option<&'static str>,
    /// Whether the token may also stand in `Sec-WebSocket-Protocol` ([`Endpoint::websocket_token`]).
    pub takes_websocket_token: bool,
    /// Whether a ticket may stand for the token ([`Endpoint::tickets`]).
    pub takes_tickets: bool,
}

impl RouteInfo<'_> {
    /// The decision of the route's access type on a caller ([`Access::grant`](crate::Access::grant)); `None` is a request
    /// without credentials.
    ///
    /// # Errors
    /// The rejection, which is the response to the client.
    pub fn grant(&self, caller: Option<Caller>) -> Result<(), Rejection> {
        self.grant.decide(caller)
    }
}
