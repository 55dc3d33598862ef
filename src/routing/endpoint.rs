//! One method of one path, with its handler.

use std::fmt;
use std::rc::Rc;

use actix_service::Transform;
use actix_service::boxed::BoxService;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{Error, Route};
#[cfg(feature = "service")]
use actix_web::{HttpMessage, HttpRequest, HttpResponse};

#[cfg(feature = "service")]
use super::dpop_nonce::add_nonce;
#[cfg(feature = "openapi")]
use super::openapi::Described;
use super::protected::{Protected, ProtectedArgs, ProtectedHandler, check_access, rejected};
use super::streams::{Stream, issue};
use crate::extract::{Access, Caller, Requirement, rejected_early};
#[cfg(feature = "service")]
use crate::extract::{AccessRule, AuthenticatedUser, NextNonce, Permitted};
use crate::rejection::Rejection;

/// One method of one path, with its handler.
pub struct Endpoint {
    pub(super) method: Method,
    pub(super) requirement: Requirement,
    pub(super) grant: Grant,
    pub(super) handler: &'static str,
    pub(super) summary: Option<&'static str>,
    route: Box<dyn Fn() -> Route>,
    access_check: fn(Route) -> Route,
    layers: Vec<Layer>,
    pub(super) stream: Stream,
    ticket_endpoint: fn() -> Self,
    #[cfg(feature = "openapi")]
    pub(super) described: Described,
}

/// The decision of an access type, or of a rule, on a caller.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Grant {
    Type(fn(Option<Caller>) -> Result<(), Rejection>),
    #[cfg(feature = "service")]
    Rule(&'static AccessRule),
}

impl Grant {
    pub(crate) fn decide(self, caller: Option<Caller>) -> Result<(), Rejection> {
        match self {
            Self::Type(grant) => grant(caller),
            #[cfg(feature = "service")]
            Self::Rule(rule) => rule.grant(caller).map(drop),
        }
    }
}

/// A middleware around a route.
pub(super) type Layer = Rc<dyn Fn(Route) -> Route>;

/// A middleware of Actix that can wrap a handler. Implemented for each one that responds with a body of any type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a middleware of Actix that can wrap a handler",
    label = "expected a middleware such as `from_fn(limit)`"
)]
pub trait HandlerMiddleware {
    /// The middleware, around whatever route it is given.
    #[doc(hidden)]
    fn into_layer(self) -> Rc<dyn Fn(Route) -> Route>;
}

impl<M, B> HandlerMiddleware for M
where
    M: Transform<
            BoxService<ServiceRequest, ServiceResponse, Error>,
            ServiceRequest,
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    fn into_layer(self) -> Layer {
        let middleware = Rc::new(self);
        Rc::new(move |route| route.wrap(Rc::clone(&middleware)))
    }
}

impl Endpoint {
    /// Sets a short summary of the route.
    #[must_use]
    pub fn summary(mut self, summary: &'static str) -> Self {
        self.summary = Some(summary);
        self
    }

    /// Wraps the handler in a middleware of Actix, which runs after the access type has accepted the caller; it finds the
    /// [`Caller`] in the request's extensions. The last one that is added runs first.
    ///
    /// # Examples
    /// ```
    /// use actix_resource_server::{Api, AuthenticatedUser, Caller, get};
    /// use actix_web::HttpMessage;
    /// use actix_web::body::MessageBody;
    /// use actix_web::dev::{ServiceRequest, ServiceResponse};
    /// use actix_web::middleware::{Next, from_fn};
    ///
    /// async fn log_subject(
    ///     request: ServiceRequest,
    ///     next: Next<impl MessageBody>,
    /// ) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    ///     if let Some(caller) = request.extensions().get::<Caller>() {
    ///         println!("called by {:?}", caller.subject());
    ///     }
    ///     next.call(request).await
    /// }
    ///
    /// async fn order(_: AuthenticatedUser) -> &'static str { "an order" }
    ///
    /// let api = Api::new("/api").route("/orders/{id}", get(order).wrap(from_fn(log_subject)));
    /// ```
    #[must_use]
    pub fn wrap(mut self, middleware: impl HandlerMiddleware) -> Self {
        self.layers.push(middleware.into_layer());
        self
    }

    /// Also takes the access token of a WebSocket from `Sec-WebSocket-Protocol`, for browsers, which cannot set other headers:
    /// after the subprotocol `bearer`, or as `base64url.bearer.authorization.k8s.io.` and the base64url of the token, as in
    /// Kubernetes. Elsewhere, subprotocols are not read.
    ///
    /// ```js
    /// new WebSocket("wss://api.example/api/chat", ["bearer", accessToken]);
    /// ```
    ///
    /// The same rules hold as for a token in `Authorization`, and a rejection is the response to the opening handshake. A
    /// second token is rejected with 400, and a malformed one with 401. The handler sees the token in `Authorization`, and the
    /// other subprotocols in `Sec-WebSocket-Protocol`. A response with status 101 that selects no subprotocol selects one of
    /// [`websocket_protocols`](Self::websocket_protocols), or else `bearer` where that is offered. Browsers close a connection
    /// whose response selects none of the offered subprotocols, so the encoded form needs another subprotocol beside it.
    ///
    /// Pages of other origins than the server's own and those of [`Api::allowed_origins`](crate::Api::allowed_origins) get 403,
    /// whatever they send.
    ///
    /// # Examples
    /// ```
    /// use actix_resource_server::{Api, AuthenticatedUser, get};
    /// use actix_web::{Error, HttpRequest, HttpResponse, web};
    ///
    /// async fn chat(_: AuthenticatedUser, request: HttpRequest, body: web::Payload) -> Result<HttpResponse, Error> {
    ///     let (response, mut session, mut messages) = actix_ws::handle(&request, body)?;
    ///     actix_web::rt::spawn(async move {
    ///         while let Some(Ok(message)) = messages.recv().await {
    ///             if let actix_ws::Message::Text(text) = message
    ///                 && session.text(text).await.is_err()
    ///             {
    ///                 break;
    ///             }
    ///         }
    ///     });
    ///     Ok(response)
    /// }
    ///
    /// let api = Api::new("/api")
    ///     .route("/chat", get(chat).websocket_token().websocket_protocols(&["chat.v1"]))
    ///     .allowed_origins(["https://app.example"]);
    /// ```
    #[must_use]
    pub fn websocket_token(mut self) -> Self {
        self.stream.takes_token = true;
        self
    }

    /// Also takes a ticket instead of a token, for clients that can set neither headers nor subprotocols, such as `EventSource`.
    ///
    /// The table then serves `POST <path>/ticket` behind the same access type. Its response is `{"ticket": "…",
    /// "expires_in": 10}`; a `GET` of the route with the query parameter `ticket` opens it once within that time, as the
    /// caller to whom the ticket was issued, if the token is still valid then. An access token must not stand in a URL, which
    /// logs and the browser's history keep; a ticket is useless by then.
    ///
    /// ```js
    /// const response = await fetch("/api/news/ticket", {method: "POST", headers: {Authorization: `Bearer ${accessToken}`}});
    /// const {ticket} = await response.json();
    /// const events = new EventSource(`/api/news?ticket=${ticket}`);
    /// ```
    ///
    /// A ticket is for the path that was called, and for the origin of the page. Any other use gets 401, and uses it up; a
    /// ticket beside a token gets 400. As with [`websocket_token`](Self::websocket_token), pages of other origins get 403. The
    /// request for the ticket proves possession of a sender-constrained token, and the ticket stands for that proof.
    ///
    /// Tickets are kept in the memory of the [`Verifier`](crate::Verifier), 10,000 of them at most and 100 for one caller,
    /// beyond which the response is 503: behind a load balancer, both requests must reach the same replica.
    ///
    /// # Examples
    /// ```
    /// use actix_resource_server::{Api, AuthenticatedUser, get};
    ///
    /// async fn news(_: AuthenticatedUser) -> &'static str { "a stream" }
    ///
    /// let api = Api::new("/api").route("/news", get(news).tickets());
    /// let routes: Vec<_> = api.routes().map(|route| format!("{} {}", route.method, route.path)).collect();
    /// assert_eq!(routes, ["GET /api/news", "POST /api/news/ticket"]);
    /// ```
    #[must_use]
    pub fn tickets(mut self) -> Self {
        self.stream.takes_tickets = true;
        self
    }

    /// Sets the application's own subprotocols. The first one that a client offers is selected, unless the response of the
    /// handler selects one itself.
    #[must_use]
    pub fn websocket_protocols(mut self, protocols: &[&'static str]) -> Self {
        self.stream.protocols = protocols.into();
        self
    }

    /// Whether the endpoint serves `HEAD` too.
    pub(super) fn serves_head(&self) -> bool {
        self.method == Method::GET
    }

    /// The route, within its own middleware, that of its table, and behind the access check.
    pub(super) fn route(&self, of_table: &[Layer]) -> Route {
        let route = (self.route)();
        let layers = self.layers.iter().chain(of_table);
        let (route, is_wrapped) =
            layers.fold((route, false), |(route, _), layer| (layer(route), true));
        let route = if is_wrapped {
            (self.access_check)(route)
        } else {
            route
        };
        self.stream.before(route)
    }

    fn new<F, T>(method: Method, handler: F) -> Self
    where
        F: ProtectedHandler<T>,
        T: ProtectedArgs,
    {
        Self {
            method,
            requirement: T::First::requirement(),
            grant: Grant::Type(|caller| T::First::grant(caller).map(drop)),
            handler: std::any::type_name::<F>(),
            summary: None,
            // The resource is guarded by the method.
            route: Box::new(move || Route::new().to(Protected::new(handler.clone()))),
            access_check: |route| route.wrap(from_fn(check_access::<T::First, _>)),
            layers: Vec::new(),
            stream: Stream::new(|rejection, request| {
                let rejection = rejected_early::<T::First>(rejection, request);
                rejected::<T::First>(rejection, request)
            }),
            ticket_endpoint: || Self::for_tickets::<T::First>(),
            #[cfg(feature = "openapi")]
            described: Described::default(),
        }
    }

    /// The endpoint whose response is a ticket for a route with the access type `A`.
    fn for_tickets<A: Access>() -> Self {
        let mut endpoint = Self::new(Method::POST, issue::<A>);
        endpoint.stream.issues_tickets = true;
        endpoint.summary("issues a ticket, which opens the route once within 10 s")
    }

    /// The endpoint that issues tickets for this one, if it takes them.
    pub(super) fn ticket_endpoint(&self) -> Option<Self> {
        self.stream.takes_tickets.then(self.ticket_endpoint)
    }
}

#[cfg(feature = "service")]
impl Endpoint {
    /// An endpoint whose access is declared by a rule. `name` stands for the handler, and `respond` is called with
    /// permitted requests alone.
    pub(crate) fn by_rule(
        method: Method,
        rule: &'static AccessRule,
        name: &'static str,
        respond: fn(&Permitted) -> HttpResponse,
    ) -> Self {
        let handle = move |request: HttpRequest| async move {
            match rule.permit(&request).await {
                Ok(permitted) => with_next_nonce(respond(&permitted), &request),
                Err(rejection) => HttpResponse::from_error(rejection),
            }
        };
        Self {
            method,
            requirement: rule.requirement().clone(),
            grant: Grant::Rule(rule),
            handler: name,
            summary: None,
            route: Box::new(move || Route::new().to(handle)),
            // The handler itself checks it.
            access_check: |route| route,
            layers: Vec::new(),
            stream: Stream::new(|rejection, _| rejection),
            ticket_endpoint: || Self::for_tickets::<AuthenticatedUser>(),
            described: Described::default(),
        }
    }
}

/// The response with the nonce for the client's next proof, if it is to get one.
#[cfg(feature = "service")]
fn with_next_nonce(mut response: HttpResponse, request: &HttpRequest) -> HttpResponse {
    if let Some(NextNonce(nonce)) = request.extensions_mut().remove() {
        add_nonce(response.headers_mut(), nonce);
    }
    response
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.method, self.handler, self.requirement)
    }
}

/// `GET`, and with it `HEAD`.
///
/// The first argument of the handler must be an [`Access`] type, as with `post`, `put`, `patch` and `delete`.
pub fn get<F, T>(handler: F) -> Endpoint
where
    F: ProtectedHandler<T>,
    T: ProtectedArgs,
{
    Endpoint::new(Method::GET, handler)
}

/// `POST`.
pub fn post<F, T>(handler: F) -> Endpoint
where
    F: ProtectedHandler<T>,
    T: ProtectedArgs,
{
    Endpoint::new(Method::POST, handler)
}

/// `PUT`.
pub fn put<F, T>(handler: F) -> Endpoint
where
    F: ProtectedHandler<T>,
    T: ProtectedArgs,
{
    Endpoint::new(Method::PUT, handler)
}

/// `PATCH`.
pub fn patch<F, T>(handler: F) -> Endpoint
where
    F: ProtectedHandler<T>,
    T: ProtectedArgs,
{
    Endpoint::new(Method::PATCH, handler)
}

/// `DELETE`.
pub fn delete<F, T>(handler: F) -> Endpoint
where
    F: ProtectedHandler<T>,
    T: ProtectedArgs,
{
    Endpoint::new(Method::DELETE, handler)
}
