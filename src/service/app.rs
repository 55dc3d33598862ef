//! Settings → a running server.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use actix_cors::Cors;
use actix_web::http::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::middleware::{Condition, from_fn};
use actix_web::{App, web};

use super::config::{self, Mtls, Settings};
use super::error::Error;
use super::issuers::TrustedIssuers;
use super::probes::Probes;
use super::server::{Http, Listener, Options, Serving, Tls, http};
use super::shutdown::{Draining, Signals};
use super::{MakeApi, probes, reload, request_log, verifier};
use crate::rejection::problem;
use crate::{Api, Verifier};

/// Serves the API, and the development issuer where it is enabled, until a signal to stop.
///
/// # Errors
/// An address cannot be listened on, a file cannot be used, or the system gives no thread.
pub(crate) async fn serve(settings: Settings, make_api: MakeApi) -> Result<(), Error> {
    let server = &settings.server;
    let tls = tls(server)?;
    for note in &settings.notes {
        log::info!("{note}");
    }
    for warning in &settings.warnings {
        log::warn!("{warning}");
    }
    let verifier = Verifier::builder().token_memory(settings.token_memory);
    let verifier = verifier::configure(verifier, &settings)?;
    let (trusted, embedded) = TrustedIssuers::bind(settings.trust, settings.mtls.as_ref())?;
    let cors = CorsRule {
        settings: settings.cors,
        any_loopback_origin: trusted.development,
    };
    let mut signals = Signals::listen()?;
    let listener = bind("server", &server.host, server.port)?;
    let operations = settings.operations.as_ref();
    let operations_listener = operations
        .map(|operations| bind("operations", &operations.host, operations.port))
        .transpose()?;
    let api = make_api();
    let embedded = embedded
        .map(|issuer| issuer.start(&api, &listener, server, tls.as_ref()))
        .transpose()?;
    // The development issuer answers before its keys are fetched.
    let verifier = verifier.start(trusted.issuers)?;
    let draining = Draining::default();
    let probes = Probes::new(verifier.clone(), draining.clone());
    // Probes are answered while the first keys are awaited.
    let operations_serving = operations_listener
        .map(|listener| serve_operations(listener, probes.clone()))
        .transpose()?;
    tokio::select! {
        keys = verifier::await_keys(&verifier, settings.startup) => keys?,
        () = signals.before_serving() => return Ok(()),
    }
    let public_probes = operations_serving.is_none().then_some(probes);
    let app = app(cors, verifier, public_probes, make_api);
    let addresses: Vec<_> = listener.addresses().collect();
    let serving = listener.serve(&app, &server.options(), tls.as_ref());
    let serving = serving.map_err(cannot_listen("server", &server.host, server.port))?;
    announce(&addresses, server, settings.mtls.as_ref());
    announce_routes(&api);
    if operations_serving.is_none() {
        announce_routes(&probes::api());
    }
    signals.drained(draining, server.drain_delay).await;
    end(serving, server.shutdown_timeout).await;
    if let Some(embedded) = embedded {
        embedded.end().await;
    }
    if let Some(operations) = operations_serving {
        operations.end(Duration::ZERO).await;
    }
    log::info!("stopped");
    Ok(())
}

fn bind(section: &'static str, host: &str, port: u16) -> Result<Listener, Error> {
    Listener::bind(host, port).map_err(cannot_listen(section, host, port))
}

/// Serves probes and metrics on a listener of their own.
fn serve_operations(listener: Listener, probes: Probes) -> Result<Serving, Error> {
    for address in listener.addresses() {
        log::info!("probes and metrics are served on http://{address}");
    }
    announce_routes(&probes::api());
    let app = http(move || {
        App::new()
            .configure(|app| probes.configure(app))
            .default_service(web::to(|| std::future::ready(problem::not_found())))
    });
    listener
        .serve(&app, &OPERATIONS, None)
        .map_err(Error::System)
}

/// Enough for orchestrators and scrapers, each of which has a few connections.
const OPERATIONS: Options = Options {
    workers: Some(NonZeroUsize::MIN),
    max_connections: 64,
    max_connections_per_address: None,
    trusted_proxies: Vec::new(),
    client_timeout: Duration::from_secs(5),
    keep_alive: Duration::from_secs(75),
};

/// Logs where the API listens.
fn announce(addresses: &[SocketAddr], server: &config::Server, mtls: Option<&Mtls>) {
    for address in addresses {
        log::info!(
            "listening on {scheme}://{address}",
            scheme = server.scheme()
        );
    }
    if let Some(mtls) = mtls {
        log::info!("client certificates are taken from {}", mtls.source);
    }
}

fn announce_routes(api: &Api) {
    for row in api.routes() {
        log::info!("{} {}: {}", row.method, row.path, row.requirement);
    }
}

/// The TLS of the service where it has its own, its files read now and at every `SIGHUP`.
fn tls(server: &config::Server) -> Result<Option<Tls>, Error> {
    let tls = server.tls.as_ref().map(Tls::load).transpose()?;
    reload::on_hangup(tls.clone().zip(server.tls.clone()))?;
    Ok(tls)
}

/// Why a socket cannot be bound or listened on.
fn cannot_listen(section: &'static str, host: &str, port: u16) -> impl Fn(io::Error) -> Error {
    let host = host.to_owned();
    move |error| match error.kind() {
        io::ErrorKind::OutOfMemory | io::ErrorKind::WouldBlock => Error::System(error),
        _ => Error::Bind {
            section,
            host: host.clone(),
            port,
            error,
        },
    }
}

/// The API, with the probes unless they have a listener of their own.
fn app(cors: CorsRule, verifier: Verifier, probes: Option<Probes>, make_api: MakeApi) -> Http {
    let bare = move || {
        let api = App::new()
            .app_data(web::Data::new(verifier.clone()))
            .service(make_api().verified_by(verifier.clone()))
            .default_service(web::to(|| std::future::ready(problem::not_found())));
        match &probes {
            Some(probes) => api.configure(|app| probes.configure(app)),
            None => api,
        }
    };
    // Middleware costs time in each request even where it is turned off.
    if !cors.allows_any_origin() && !request_log::is_on() {
        return http(bare);
    }
    http(move || {
        bare()
            .wrap(Condition::new(cors.allows_any_origin(), cors.middleware()))
            .wrap(Condition::new(
                request_log::is_on(),
                from_fn(request_log::log_request),
            ))
    })
}

/// Answers everything that was accepted.
async fn end(serving: Serving, shutdown_timeout: Duration) {
    let cut = serving.end(shutdown_timeout).await;
    if cut > 0 {
        log::warn!("{cut} connections were not done within {shutdown_timeout:?} and are cut");
    }
}

/// Which pages in browsers may call the API.
struct CorsRule {
    settings: config::Cors,
    any_loopback_origin: bool,
}

impl CorsRule {
    fn allows_any_origin(&self) -> bool {
        self.any_loopback_origin || !self.settings.allowed_origins.is_empty()
    }

    fn middleware(&self) -> Cors {
        let seconds = usize::try_from(self.settings.max_age.as_secs()).unwrap_or(usize::MAX);
        let mut cors = Cors::default()
            .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
            .allowed_headers([AUTHORIZATION, CONTENT_TYPE, HeaderName::from_static("dpop")])
            .expose_headers([
                WWW_AUTHENTICATE,
                RETRY_AFTER,
                HeaderName::from_static("dpop-nonce"),
            ])
            .max_age(seconds);
        for origin in &self.settings.allowed_origins {
            cors = match origin.as_str() {
                "*" => cors.allow_any_origin().send_wildcard(),
                origin => cors.allowed_origin(origin),
            };
        }
        self.with_loopback(cors)
    }

    #[cfg(feature = "dev-issuer")]
    fn with_loopback(&self, cors: Cors) -> Cors {
        if self.any_loopback_origin {
            return cors
                .allowed_origin_fn(|origin, _| super::dev_issuer::is_loopback_origin(origin));
        }
        cors
    }

    #[cfg(not(feature = "dev-issuer"))]
    fn with_loopback(&self, cors: Cors) -> Cors {
        cors
    }
}
