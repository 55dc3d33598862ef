//! Which pages in browsers may call the API, and what they can read of its responses ([Fetch §3.3]).
//!
//! [Fetch §3.3]: https://fetch.spec.whatwg.org/#http-cors-protocol

use std::fmt::{self, Display};
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE,
    HeaderMap, HeaderName, HeaderValue, ORIGIN, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{Error, HttpRequest, HttpResponse};
use arc_swap::ArcSwap;
use pin_project_lite::pin_project;
use url::Url;

use super::config;
use crate::rejection::{WELL_KNOWN as METADATA, problem};
use crate::routing::{AllowedOrigins, matches};

/// The current rules as a middleware; clones share them. It answers preflight requests, and adds the headers to every other
/// response.
#[derive(Clone, Debug)]
pub(super) struct Cors {
    rules: Arc<ArcSwap<CorsRules>>,
    any_loopback_origin: bool,
    /// The paths that are not for pages.
    excluded: Arc<[String]>,
}

impl Cors {
    pub(super) fn new(settings: config::Cors, any_loopback_origin: bool) -> Self {
        let rules = CorsRules::new(settings, any_loopback_origin);
        Self {
            rules: Arc::new(ArcSwap::from_pointee(rules)),
            any_loopback_origin,
            excluded: Arc::default(),
        }
    }

    /// The same rules for all paths but these, which no page may call.
    pub(super) fn excluding(self, paths: Vec<String>) -> Self {
        Self {
            excluded: paths.into(),
            ..self
        }
    }

    /// Applies other settings to requests from now on.
    pub(super) fn set(&self, settings: config::Cors) {
        let rules = CorsRules::new(settings, self.any_loopback_origin);
        self.rules.store(Arc::new(rules));
    }

    /// The origins that the current rules allow, for WebSockets, which CORS does not concern.
    pub(super) fn allowed_origins(&self) -> AllowedOrigins {
        let rules = Arc::clone(&self.rules);
        AllowedOrigins::by(move |headers| rules.load().allowed_origin(headers).is_some())
    }
}

impl<S, B> Transform<S, ServiceRequest> for Cors
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type InitError = ();
    type Transform = CorsService<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(CorsService {
            rules: Arc::clone(&self.rules),
            excluded: Arc::clone(&self.excluded),
            service,
        }))
    }
}

/// An app whose responses pages in browsers may read.
#[derive(Debug)]
pub(super) struct CorsService<S> {
    rules: Arc<ArcSwap<CorsRules>>,
    excluded: Arc<[String]>,
    service: S,
}

impl<S, B> Service<ServiceRequest> for CorsService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = CorsResponse<S::Future, B>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(context)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let rules = self.rules.load();
        let is_excluded = |path: &str| self.excluded.iter().any(|excluded| excluded == path);
        if !rules.allows_any_origin() || is_excluded(request.path()) {
            return CorsResponse::Called {
                response: self.service.call(request),
                cors: None,
            };
        }
        let allowed = rules.allowed_origin(request.headers());
        let is_preflight = is_preflight(&request);
        // Metadata is for the pages of every origin, and answers preflight requests itself.
        if is_preflight && !request.path().starts_with(METADATA) {
            let response = rules.preflight(request.request(), allowed);
            let response = request.into_response(response).map_into_right_body();
            return CorsResponse::Preflight {
                response: Some(response),
            };
        }
        let cors = Some(Applied {
            rules: Arc::clone(&rules),
            allowed,
            is_preflight,
        });
        let response = self.service.call(request);
        CorsResponse::Called { response, cors }
    }
}

/// The rules for a request, and its origin if that is allowed.
#[derive(Debug)]
pub(super) struct Applied {
    rules: Arc<CorsRules>,
    allowed: Option<HeaderValue>,
    is_preflight: bool,
}

impl Applied {
    /// Answers a preflight request that the app has not, and adds the headers to every other response.
    fn complete<B: MessageBody>(
        self,
        response: Result<ServiceResponse<B>, Error>,
    ) -> Result<ServiceResponse<EitherBody<B>>, Error> {
        let Self { rules, allowed, .. } = self;
        match response {
            Ok(response) if self.is_preflight && response.status() == StatusCode::NOT_FOUND => {
                let answer = rules.preflight(response.request(), allowed);
                Ok(response.into_response(answer).map_into_right_body())
            }
            Ok(mut response) => {
                rules.add_headers(response.headers_mut(), allowed);
                Ok(response.map_into_left_body())
            }
            Err(mut error) => {
                error.add_response_mapper(move |mut response| {
                    rules.add_headers(response.headers_mut(), allowed.clone());
                    response
                });
                Err(error)
            }
        }
    }
}

pin_project! {
    /// The response to a request from any origin.
    #[project = CorsResponseProjection]
    pub(super) enum CorsResponse<F, B> {
        Preflight {
            response: Option<ServiceResponse<EitherBody<B>>>,
        },
        /// Without rules, the response stays as it is.
        Called {
            #[pin]
            response: F,
            cors: Option<Applied>,
        },
    }
}

impl<F, B> Future for CorsResponse<F, B>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            CorsResponseProjection::Preflight { response } => {
                let response = response.take().map(Ok);
                response.map_or(Poll::Pending, Poll::Ready)
            }
            CorsResponseProjection::Called { response, cors } => {
                let response = ready!(response.poll(context));
                Poll::Ready(match cors.take() {
                    Some(cors) => cors.complete(response),
                    None => response.map(ServiceResponse::map_into_left_body),
                })
            }
        }
    }
}

/// The settings of CORS, with the values of the headers that they lead to.
#[derive(Debug)]
pub(super) struct CorsRules {
    settings: config::Cors,
    any_loopback_origin: bool,
    allow_methods: Option<HeaderValue>,
    /// `None` where the headers that are requested are allowed.
    allow_headers: Option<HeaderValue>,
    expose_headers: Option<HeaderValue>,
}

impl CorsRules {
    fn new(settings: config::Cors, any_loopback_origin: bool) -> Self {
        let listed = settings.allowed_headers.as_ref();
        let listed = listed.map(|listed| ALWAYS_ALLOWED.iter().chain(listed));
        Self {
            any_loopback_origin,
            allow_methods: joined(&settings.allowed_methods),
            allow_headers: listed.and_then(joined),
            expose_headers: joined(ALWAYS_EXPOSED.iter().chain(&settings.expose_headers)),
            settings,
        }
    }

    fn allows_any_origin(&self) -> bool {
        self.any_loopback_origin || !self.settings.allowed_origins.is_empty()
    }

    /// The value of `Access-Control-Allow-Origin`, if the request's origin is allowed.
    fn allowed_origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut origins = headers.get_all(ORIGIN);
        let origin = origins.next().filter(|_| origins.next().is_none())?;
        let text = origin.to_str().ok()?;
        let allowed = &self.settings.allowed_origins;
        if allowed.iter().any(|allowed| allowed == "*") {
            return Some(HeaderValue::from_static("*"));
        }
        if allowed.iter().any(|allowed| matches(allowed, text)) || self.is_own_loopback(text) {
            return Some(origin.clone());
        }
        log::debug!("{} is not in cors.allowed_origins", ShownOrigin(text));
        None
    }

    #[cfg(feature = "dev-issuer")]
    fn is_own_loopback(&self, origin: &str) -> bool {
        let origin = HeaderValue::from_str(origin);
        self.any_loopback_origin
            && origin.is_ok_and(|origin| super::dev_issuer::is_loopback_origin(&origin))
    }

    #[cfg(not(feature = "dev-issuer"))]
    fn is_own_loopback(&self, _: &str) -> bool {
        self.any_loopback_origin
    }

    fn preflight(&self, request: &HttpRequest, origin: Option<HeaderValue>) -> HttpResponse {
        let checked = match origin {
            None => Err(OTHER_ORIGIN),
            Some(_) => self.check(request.headers()),
        };
        let mut response = match checked {
            Ok(requested) => self.allow(request.headers(), &requested),
            Err(detail) => problem::bad_request(detail),
        };
        self.add_headers(response.headers_mut(), origin);
        let vary = if self.settings.allow_private_network {
            "Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network"
        } else {
            "Access-Control-Request-Method, Access-Control-Request-Headers"
        };
        response
            .headers_mut()
            .append(VARY, HeaderValue::from_static(vary));
        response
    }

    /// Checks the requested method and headers; the headers are returned.
    fn check(&self, headers: &HeaderMap) -> Result<Vec<HeaderName>, &'static str> {
        let method = headers.get(ACCESS_CONTROL_REQUEST_METHOD);
        let method = method.and_then(|method| Method::from_bytes(method.as_bytes()).ok());
        if !method.is_some_and(|method| self.settings.allowed_methods.contains(&method)) {
            log::debug!("a preflight asks for a method that is not in cors.allowed_methods");
            return Err(OTHER_METHOD);
        }
        let requested = requested_headers(headers).ok_or(MALFORMED_HEADERS)?;
        let Some(listed) = &self.settings.allowed_headers else {
            return Ok(requested);
        };
        let is_other =
            |name: &&HeaderName| !ALWAYS_ALLOWED.contains(name) && !listed.contains(name);
        match requested.iter().find(is_other) {
            Some(name) => {
                let shown: String = name.as_str().chars().take(MAX_SHOWN_NAME).collect();
                log::debug!("the header {shown} is not in cors.allowed_headers");
                Err(OTHER_HEADER)
            }
            None => Ok(requested),
        }
    }

    /// Allows the actual request.
    fn allow(&self, request: &HeaderMap, requested: &[HeaderName]) -> HttpResponse {
        let mut response = HttpResponse::Ok().finish();
        let headers = response.headers_mut();
        if let Some(methods) = &self.allow_methods {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods.clone());
        }
        let reflected = || joined(requested).filter(|_| !requested.is_empty());
        if let Some(names) = self.allow_headers.clone().or_else(reflected) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names);
        }
        headers.insert(
            ACCESS_CONTROL_MAX_AGE,
            self.settings.max_age.as_secs().into(),
        );
        let asks_private = request
            .get(REQUEST_PRIVATE_NETWORK)
            .is_some_and(|value| value == "true");
        if asks_private && self.settings.allow_private_network {
            headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
        }
        response
    }

    /// The headers of every response. Another origin gets none that allows anything.
    fn add_headers(&self, headers: &mut HeaderMap, origin: Option<HeaderValue>) {
        // A response that is for the pages of every origin is left as it is.
        if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            return;
        }
        headers.append(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = origin else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.settings.allow_credentials {
            let value = HeaderValue::from_static("true");
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, value);
        }
        if let Some(names) = &self.expose_headers {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, names.clone());
        }
    }
}

/// Whether a browser asks if it may send another request (Fetch §3.3.2).
fn is_preflight(request: &ServiceRequest) -> bool {
    let headers = request.headers();
    request.method() == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The names that `Access-Control-Request-Headers` lists, if all are well-formed.
fn requested_headers(headers: &HeaderMap) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    for line in headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS) {
        let parts = line.to_str().ok()?.split(',').map(str::trim);
        for part in parts.filter(|part| !part.is_empty()) {
            names.push(HeaderName::from_bytes(part.as_bytes()).ok()?);
        }
    }
    Some(names)
}

/// As the value of one header.
fn joined<T: Display>(parts: impl IntoIterator<Item = T>) -> Option<HeaderValue> {
    let parts: Vec<_> = parts.into_iter().map(|part| part.to_string()).collect();
    HeaderValue::from_str(&parts.join(", ")).ok()
}

/// A rejected origin in the log: only what is an origin, and short.
struct ShownOrigin<'a>(&'a str);

impl Display for ShownOrigin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_origin = |text: &str| {
            let url = Url::parse(text);
            url.is_ok_and(|url| url.origin().ascii_serialization() == text)
        };
        match self.0 {
            "null" => f.write_str("the origin null"),
            text if text.len() <= MAX_SHOWN_ORIGIN && is_origin(text) => {
                write!(f, "the origin {text}")
            }
            _ => f.write_str("a malformed origin"),
        }
    }
}

const DPOP: HeaderName = HeaderName::from_static("dpop");

/// What clients of an API that is protected by tokens have to send.
static ALWAYS_ALLOWED: [HeaderName; 3] = [AUTHORIZATION, CONTENT_TYPE, DPOP];

/// What clients need to react to a rejection.
static ALWAYS_EXPOSED: [HeaderName; 3] = [
    WWW_AUTHENTICATE,
    RETRY_AFTER,
    HeaderName::from_static("dpop-nonce"),
];

const REQUEST_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");

const ALLOW_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");

const OTHER_ORIGIN: &str = "Pages of this origin may not call this API.";

const OTHER_METHOD: &str = "Pages may not call this API with this method.";

const OTHER_HEADER: &str = "Pages may not send one of these headers to this API.";

const MALFORMED_HEADERS: &str = "Access-Control-Request-Headers is malformed.";

/// In bytes; a token could be sent as an origin or as the name of a header.
const MAX_SHOWN_ORIGIN: usize = 128;

const MAX_SHOWN_NAME: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_exactly_one_label() {
        let matching = |origin| matches("https://*.app.example:8443", origin);
        for origin in [
            "https://a.app.example:8443",
            "https://pr-7.app.example:8443",
            "https://a_b.app.example:8443",
        ] {
            assert!(matching(origin), "{origin}");
        }
        for origin in [
            "https://app.example:8443",
            "https://.app.example:8443",
            "https://a.b.app.example:8443",
            "https://a.app.example",
            "https://a.app.example:84430",
            "http://a.app.example:8443",
            "https://A.app.example:8443",
            "https://a.app.example.evil.example:8443",
            "https://evil-app.example:8443",
            "https://evil.example/a.app.example:8443",
            "https://me@a.app.example:8443",
            "https://*.app.example:8443",
            "null",
        ] {
            assert!(!matching(origin), "{origin}");
        }
        assert!(!matches("https://app.example", "https://a.app.example"));
    }

    #[test]
    fn only_an_origin_is_shown() {
        let shown = |text: &str| ShownOrigin(text).to_string();
        assert_eq!(shown("https://a.example"), "the origin https://a.example");
        assert_eq!(shown("null"), "the origin null");
        let long = format!("https://{}.example", "a.".repeat(99));
        for text in [
            "https://a.example/hush",
            "hush",
            "https://me:hush@a.example",
            &long,
        ] {
            assert_eq!(shown(text), "a malformed origin");
        }
    }
}
