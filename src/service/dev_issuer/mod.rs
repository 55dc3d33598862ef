//! An identity provider for development: on loopback alone, with a key that lasts as long as the
//! process.
//!
//! Its paths and answers are Auth0's, so that what works against it works against a tenant. It
//! gives a token to anybody who asks, which is why nobody may ask from another machine.

mod clients;
mod grant;
mod keys;
mod metadata;
pub(crate) mod origin;
mod page;
mod parameters;
mod refusal;
mod sockets;
#[cfg(test)]
mod tests;
mod token;

use std::io;
use std::net::TcpListener;

use actix_cors::Cors;
use actix_web::body::MessageBody;
use actix_web::dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::CACHE_CONTROL;
use actix_web::middleware::DefaultHeaders;
use actix_web::{App, Error, FromRequest, Handler, HttpServer, Resource, Responder, web};

use self::keys::Keys;
use self::refusal::Refusal;

/// An issuer whose sockets are bound; it answers once it [runs](Self::run).
#[derive(Debug)]
pub(crate) struct DevIssuer {
    listeners: Vec<TcpListener>,
    provider: web::Data<Provider>,
}

/// What every handler knows.
#[derive(Debug)]
struct Provider {
    /// The value of `iss`, which ends in a slash.
    url: String,
    audience: String,
    keys: Keys,
}

impl DevIssuer {
    /// Binds `port` of `127.0.0.1` and, where there is IPv6, of `::1`; port 0 is any free one.
    ///
    /// Returns at once: the key is made on a thread of its own, and whoever needs it waits.
    ///
    /// # Errors
    /// The port is taken on either address, or no thread can be had.
    pub(crate) fn bind(port: u16, audience: String) -> io::Result<Self> {
        let (port, listeners) = sockets::bind(port)?;
        let provider = Provider {
            url: format!("http://localhost:{port}/"),
            audience,
            keys: Keys::generate()?,
        };
        Ok(Self {
            listeners,
            provider: web::Data::new(provider),
        })
    }

    /// The value of `iss`: the base URL, which ends in a slash.
    pub(crate) fn url(&self) -> &str {
        &self.provider.url
    }

    /// The server, on a worker of its own; it ends when its handle stops it, signals are left to
    /// the caller.
    ///
    /// # Errors
    /// A socket cannot be taken over.
    pub(crate) fn run(self) -> io::Result<Server> {
        let provider = self.provider;
        let mut server = HttpServer::new(move || app(provider.clone()))
            .workers(1)
            .disable_signals();
        for listener in self.listeners {
            server = server.listen(listener)?;
        }
        Ok(server.run())
    }
}

fn app(
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
        .app_data(web::PayloadConfig::new(LARGEST_BODY))
        .configure(routes)
        .default_service(web::to(async || Refusal::NotFound))
        .wrap(DefaultHeaders::new().add((CACHE_CONTROL, "no-store")))
        .wrap(cors())
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(readable("/", page::show))
        .service(readable(metadata::OPENID, metadata::show))
        .service(readable(metadata::AUTHORIZATION_SERVER, metadata::show))
        .service(readable(metadata::JWKS, metadata::show_keys))
        .service(postable(token::PATH, token::issue));
}

/// A path that is read; anything else is a 405.
fn readable<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
        .default_service(web::to(async || Refusal::MethodNotAllowed("GET, HEAD")))
}

/// A path that is posted to; anything else is a 405.
fn postable<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path)
        .route(web::post().to(handler))
        .default_service(web::to(async || Refusal::MethodNotAllowed("POST")))
}

fn cors() -> Cors {
    Cors::default()
        .allowed_origin_fn(|origin, _| origin::is_loopback(origin))
        .allowed_methods(["GET", "HEAD", "POST"])
        .allow_any_header()
        .max_age(3600)
}

/// Far more than any request to an issuer needs, in bytes.
const LARGEST_BODY: usize = 64 * 1024;
