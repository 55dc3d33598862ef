//! The server of the issuer: its sockets, its paths, and the rules for all of them.

use std::future::ready;
use std::io;
use std::num::NonZeroUsize;

use actix_cors::Cors;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::guard::fn_guard;
use actix_web::http::header::{
    CACHE_CONTROL, HOST, REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::{DefaultHeaders, Next, from_fn};
use actix_web::{
    App, Error, FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder,
    ResponseError, web,
};

use url::Url;

use crate::Api;
use crate::jose::Algorithm;
use crate::sender::DPOP_NONCE;
use crate::service::config;
use crate::service::issuers::IssuerServers;
use crate::service::server::{Listener, Options, Tls, http};
use crate::verifier::clock::Clock;

use super::accounts::Accounts;
use super::error::OAuthError;
use super::pages::{self, TestedApi};
use super::parameters::{LoopbackUrl, is_loopback_origin};
use super::resource::Resources;
use super::sender::DpopVerifier;
use super::{
    Provider, ProviderKey, authorize, introspection, metadata, registration, sessions, token,
};

/// Far more than any request needs, in bytes.
const MAX_BODY_LENGTH: usize = 64 * 1024;

/// Far more than the browsers and tools of one machine open.
const MAX_CONNECTIONS: usize = 1000;

/// The development issuer with its bound sockets; it serves once it [runs](Self::run).
pub(crate) struct DevIssuer {
    pub(super) listener: Listener,
    tls_listener: Option<Listener>,
    settings: config::DevIssuer,
    provider: Provider,
}

impl DevIssuer {
    /// Binds the port of `127.0.0.1` and, where IPv6 is available, of `::1`; 0 is any free port. Tokens are signed with
    /// `algorithm`.
    ///
    /// Does not wait for the signing key, which is generated in the background.
    ///
    /// # Errors
    /// The port is taken on either address, or the system gives no thread or random numbers.
    pub(crate) fn bind(
        settings: config::DevIssuer,
        audience: String,
        algorithm: Algorithm,
    ) -> io::Result<Self> {
        let listener = Listener::bind_loopback(settings.port)?;
        let port = real_port(&listener, settings.port);
        let clock = Clock::default();
        let dpop = DpopVerifier::new(settings.dpop_nonce, clock.now()).map_err(io::Error::other)?;
        let key = ProviderKey::generate(algorithm)?;
        let mut provider = Provider::new(port, audience, key, clock, dpop);
        provider.has_opaque_tokens = settings.opaque_tokens;
        Ok(Self {
            listener,
            tls_listener: None,
            settings,
            provider,
        })
    }

    /// Binds the port for clients that present a certificate, to which their tokens are bound (RFC 8705).
    ///
    /// # Errors
    /// The port is taken.
    pub(crate) fn with_tls(mut self) -> io::Result<Self> {
        let listener = Listener::bind("localhost", self.settings.tls_port)?;
        let port = real_port(&listener, self.settings.tls_port);
        self.provider.mtls_url = Some(format!("https://localhost:{port}/"));
        self.tls_listener = Some(listener);
        Ok(self)
    }

    /// Grants the scopes of an API's routes and those that imply them, and lets the Test view call the routes; browsers reach
    /// the API at `origin`, such as `http://127.0.0.1:3010`. Its tables are resources that tokens can be requested for.
    #[must_use]
    pub(crate) fn with_api(mut self, origin: String, public: Option<&Url>, apis: &[Api]) -> Self {
        let rows: Vec<_> = apis.iter().flat_map(Api::routes).collect();
        let prefixes = apis.iter().map(Api::full_prefix).collect();
        self.provider.resources = Resources::new(&origin, public, prefixes);
        let scopes = rows.iter().flat_map(|row| row.requirement.scopes.concat());
        let wider = rows
            .iter()
            .flat_map(|row| &row.requirement.implied_by)
            .flat_map(|(_, wider)| *wider);
        let scopes = scopes.chain(wider.copied());
        let config::DevIssuer { users, clients, .. } = &self.settings;
        self.provider.accounts = Accounts::new(scopes, users, clients);
        self.provider.api = Some(TestedApi::new(origin, rows));
        self
    }

    /// The value of `iss`: the base URL, which ends in a slash.
    pub(crate) fn url(&self) -> &str {
        &self.provider.url
    }

    /// The base URL for clients that present certificates, if there is one.
    pub(crate) fn tls_url(&self) -> Option<&str> {
        self.provider.mtls_url.as_deref()
    }

    /// Serves on one worker each for plain HTTP and for TLS.
    ///
    /// # Errors
    /// A socket cannot be listened on, or the system gives no thread or event queue.
    pub(crate) fn run(self, options: &Options, tls: Option<&Tls>) -> io::Result<IssuerServers> {
        let provider = web::Data::new(self.provider);
        let served = provider.clone();
        let http = http(None, move || app(served.clone()));
        let mut options = options.clone();
        options.workers = Some(NonZeroUsize::MIN);
        options.max_connections = options.max_connections.min(MAX_CONNECTIONS);
        let explainer = provider.explainer.clone();
        let encrypted = self.tls_listener.zip(tls);
        let encrypted = encrypted.map(|(listener, tls)| listener.serve(&http, &options, Some(tls)));
        Ok(IssuerServers {
            plain: self.listener.serve(&http, &options, None)?,
            encrypted: encrypted.transpose()?,
            test_view: provider.url.clone(),
            explainer,
        })
    }
}

/// The port that is bound where `port` is 0.
fn real_port(listener: &Listener, port: u16) -> u16 {
    let address = listener.addresses().next();
    address.map_or(port, |address| address.port())
}

/// The application, as each worker makes it.
pub(super) fn app(
    provider: web::Data<Provider>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(provider)
        .app_data(web::PayloadConfig::new(MAX_BODY_LENGTH))
        .configure(routes)
        .default_service(web::to(async || OAuthError::NOT_FOUND.error_response()))
        .wrap(
            DefaultHeaders::new()
                .add((CACHE_CONTROL, "no-store"))
                .add((REFERRER_POLICY, "no-referrer"))
                .add((X_CONTENT_TYPE_OPTIONS, "nosniff")),
        )
        .wrap(cors())
        .wrap(from_fn(check_host))
}

fn routes(config: &mut web::ServiceConfig) {
    const GET: &str = "GET, HEAD";
    const POST: &str = "POST";
    const GET_POST: &str = "GET, HEAD, POST";
    config
        .service(resource("/", GET, pages::test_view))
        .service(resource(pages::TEST_VIEW_DATA, GET, pages::test_view_data))
        .service(resource(pages::EXPLAIN, POST, pages::explain))
        .service(resource(metadata::OPENID, GET, metadata::metadata))
        .service(resource(metadata::OAUTH, GET, metadata::metadata))
        .service(resource(metadata::JWKS, GET, metadata::jwks))
        .service(resource(metadata::USERINFO, GET_POST, metadata::userinfo))
        .service(resource(authorize::PATH, GET, authorize::authorize))
        .service(resource(authorize::SIGN_IN, POST, authorize::sign_in))
        .service(resource(sessions::AUTH0_LOGOUT, GET, sessions::logout))
        .service(resource(sessions::END_SESSION, GET, sessions::logout))
        .service(resource(
            introspection::PATH,
            POST,
            introspection::introspect,
        ))
        .service(resource(registration::PATH, POST, registration::register))
        .service(resource(token::PATH, POST, token::issue))
        .service(resource(token::REVOCATION, POST, token::revoke));
    for (name, content_type, content) in pages::ASSETS {
        let asset = move || HttpResponse::Ok().content_type(content_type).body(content);
        let path = format!("/assets/{name}");
        config.service(resource(&path, GET, move || ready(asset())));
    }
}

/// A path with the methods of `allow`; others are answered with 405.
fn resource<F, Args>(path: &str, allow: &'static str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let is_allowed = fn_guard(move |context| {
        let method = context.head().method.as_str();
        allow.split(", ").any(|allowed| allowed == method)
    });
    let not_allowed = move || ready(OAuthError::method_not_allowed(allow).error_response());
    web::resource(path)
        .route(web::route().guard(is_allowed).to(handler))
        .default_service(web::to(not_allowed))
}

fn cors() -> Cors {
    Cors::default()
        .allowed_origin_fn(|origin, _| is_loopback_origin(origin))
        .allowed_methods(["GET", "HEAD", "POST"])
        .allow_any_header()
        .expose_headers([DPOP_NONCE, WWW_AUTHENTICATE])
        .max_age(3600)
}

/// Rejects requests that name another host: a foreign page that was made to lead here (DNS rebinding).
async fn check_host<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    if names_loopback(request.request()) {
        next.call(request).await
    } else {
        Err(OAuthError::HOST.into())
    }
}

/// Whether a request names a loopback host, once, in `Host` and in an absolute URL.
fn names_loopback(request: &HttpRequest) -> bool {
    let is_loopback = |host: &str| LoopbackUrl::parse(&format!("http://{host}")).is_some();
    let mut hosts = request.headers().get_all(HOST);
    let host = hosts.next().and_then(|host| host.to_str().ok());
    let authority = request.uri().authority();
    host.is_some_and(is_loopback)
        && hosts.next().is_none()
        && authority.is_none_or(|authority| is_loopback(authority.as_str()))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_request_must_name_a_loopback_host() {
        let cases = [
            (&["localhost:3011"][..], "/", true),
            (&["LOCALHOST"], "/", true),
            (&["127.0.0.1:3011"], "/", true),
            (&["[::1]:3011"], "/", true),
            (&["issuer.localhost:3011"], "/", true),
            (&["localhost"], "http://localhost/", true),
            (&["localhost"], "http://example.com/", false),
            (&["example.com:3011"], "/", false),
            (&["localhost.example.com"], "/", false),
            (&["localhost", "localhost"], "/", false),
            (&["\"localhost\""], "/", false),
            (&[""], "/", false),
            (&[], "/", false),
        ];
        for (hosts, uri, expected) in cases {
            let mut request = TestRequest::default().uri(uri);
            for host in hosts {
                request = request.append_header((HOST, *host));
            }
            assert_eq!(
                names_loopback(&request.to_http_request()),
                expected,
                "{hosts:?} {uri}"
            );
        }
    }
}
