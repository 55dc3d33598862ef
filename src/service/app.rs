//! Settings → a running server.

use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use actix_http::Request;
use actix_web::body::MessageBody;
use actix_web::dev::{ResourceDef, Service, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::LOCATION;
use actix_web::middleware::Condition;
use actix_web::rt::spawn;
use actix_web::test::init_service;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpRequest, HttpResponse, web};

use super::config::{self, Mtls, Settings, Startup};
use super::cors::Cors;
use super::decision::Decisions;
use super::error::Error;
use super::hooks::{Additions, Start, Started};
use super::issuers::{IssuerServers, TrustedIssuers};
use super::metrics::{Metrics, Reloaded};
use super::observer::Observed;
use super::openapi::{Documentation, ServedDocument};
use super::probes::{Probes, Readiness};
use super::reload::{Baseline, Certificates, Reloadable, Reloader, Reloads};
use super::request_log::SubjectHasher;
use super::revocation::{Endpoints, Listening};
use super::server::{Http, Listener, Options, Serving, Tls, http};
use super::shutdown::{Draining, Signals};
use super::tables::Tables;
use super::{audit, openapi, probes, reload, verifier};
use crate::metrics::{Requests, RouteNumber};
use crate::rejection::problem;
use crate::{Api, RouteInfo, TrustedProxies, Verifier};

/// Serves the APIs, and the development issuer where it is enabled, until a signal to stop.
///
/// # Errors
/// An address cannot be listened on, a file cannot be used, the state cannot be made, or the system gives no thread.
pub(super) async fn serve(
    settings: Settings,
    baseline: Baseline,
    documentation: Documentation,
    start: Start,
) -> Result<(), Error> {
    settings.log_remarks();
    let documentation = documentation.described_by(&settings.resource);
    let tables = documentation.tables.clone();
    let mut signals = Signals::listen()?;
    let starting = Starting::bind(settings, baseline, documentation)?;
    starting.verify_reachable(&tables).await?;
    let hooks = tokio::select! {
        hooks = start(starting.verifier.clone()) => hooks?,
        () = signals.before_serving() => return Ok(()),
    };
    let Started { additions, end } = hooks;
    let served = starting.serve(additions, tables, signals).await;
    end.await;
    if let Some(drained) = served? {
        drained.end().await;
        log::info!("stopped");
    }
    Ok(())
}

/// A server whose sockets are bound; no connection is accepted yet.
struct Starting {
    server: config::Server,
    mtls: Option<Mtls>,
    startup: Startup,
    tls: Option<Tls>,
    cors: Cors,
    decisions: Option<Decisions>,
    listener: Listener,
    operations: Option<Listener>,
    verifier: Verifier,
    issuer: Option<IssuerServers>,
    apis: Vec<Api>,
    draining: Draining,
    probes: Probes,
    revocation: Listening,
    observed: Observed,
    /// `None` where it is not served.
    document: Option<ServedDocument>,
}

/// A server that accepts connections.
struct Running {
    api: Serving,
    verifier: Verifier,
    drained: Drained,
}

/// What answers until the end, when the API's connections are answered.
struct Drained {
    issuer: Option<IssuerServers>,
    operations: Option<Serving>,
}

impl Starting {
    fn bind(
        settings: Settings,
        baseline: Baseline,
        documentation: Documentation,
    ) -> Result<Self, Error> {
        let hangups = reload::hangups()?;
        let tables = &documentation.tables;
        let tls = settings.server.tls.as_ref().map(Tls::load).transpose()?;
        let at_start = settings.clone();
        let verifier = Verifier::builder().token_memory(settings.token_memory);
        let verifier = verifier::configure(verifier, &settings)?;
        let server = settings.server;
        let (trusted, embedded) = TrustedIssuers::bind(settings.trust, settings.mtls.as_ref())?;
        let trusted = trusted.accepting(tables)?;
        let listener = bind("server", &server.host, server.port)?;
        let operations = settings.operations;
        let operations = operations.map(|own| bind("operations", &own.host, own.port));
        let operations = operations.transpose()?;
        let apis = tables.all();
        let issuer = embedded.map(|issuer| issuer.start(&apis, &listener, &server, tls.as_ref()));
        let issuer = issuer.transpose()?;
        // The development issuer answers before its keys are fetched.
        let verifier = verifier.start(trusted.issuers.iter().cloned())?;
        let any_loopback_origin = trusted.development;
        let issuers = trusted.configured_issuers();
        if let Some(issuer) = &issuer {
            issuer.explain_with(verifier.clone(), trusted, tables);
        }
        let revocation = settings.revocation.as_ref();
        let revocation = Listening::of(revocation, operations.is_some(), &verifier);
        let cors = Cors::new(settings.cors, any_loopback_origin);
        let cors = cors.excluding(revocation.api.paths());
        let files = server.tls.clone();
        let (reloads, readiness) = (Reloads::default(), Readiness::default());
        let reloadable = Reloadable {
            verifier: verifier.clone(),
            issuers,
            tables: tables.clone(),
            cors: cors.clone(),
            readiness: readiness.clone(),
            receives_events: settings
                .revocation
                .as_ref()
                .is_some_and(|of| of.events.is_some()),
            certificates: tls
                .clone()
                .zip(files)
                .map(|(tls, files)| Certificates::new(tls, files)),
            reloads: reloads.clone(),
        };
        let reloaded = Reloaded {
            reloads,
            tls: tls.clone(),
        };
        let reloader = Reloader::new(baseline, &at_start, reloadable);
        spawn(reloader.run(hangups, reload::INTERVAL));
        let draining = Draining::default();
        let is_documented = settings.openapi.unwrap_or(any_loopback_origin);
        let requests = Arc::new(requests(&apis, operations.is_none(), &revocation.api));
        let version = documentation.version;
        let metrics = Metrics::of(verifier.clone(), requests.clone(), version, reloaded);
        let subjects = subjects(&settings.log)?;
        if settings.log.audit {
            audit::enable();
        }
        let observed = Observed {
            requests,
            proxies: TrustedProxies::new(server.trusted_proxies.iter().copied()),
            audit: subjects.clone().filter(|_| settings.log.audit),
            subjects: subjects.filter(|_| settings.log.subject),
        };
        let decisions = settings.decision.as_ref().and_then(|decision| {
            Decisions::new(
                decision,
                &server.trusted_proxies,
                tables,
                &verifier,
                &observed.requests,
            )
        });
        Ok(Self {
            document: is_documented
                .then(|| ServedDocument::new(documentation, &server, verifier.clone())),
            probes: Probes::new(verifier.clone(), draining.clone(), readiness, metrics),
            revocation,
            observed,
            cors,
            decisions,
            mtls: settings.mtls,
            startup: settings.startup,
            server,
            tls,
            listener,
            operations,
            verifier,
            issuer,
            apis,
            draining,
        })
    }

    /// Checks that a request for each row reaches it; what the program adds comes later and hides none.
    async fn verify_reachable(&self, tables: &Tables) -> Result<(), Error> {
        let probes = self.operations.is_none().then_some(&self.probes);
        let app = App::new().configure(|app| {
            let served = Served {
                verifier: &self.verifier,
                cors: &self.cors,
                probes,
                observed: &self.observed,
            };
            served.serve(app, tables.make());
            let number_of = |path: &str| self.observed.requests.number_of(path);
            self.revocation.api.configure(app, number_of);
        });
        let app = init_service(app).await;
        let decisions = self.decisions.as_ref();
        let own = self.revocation.api.apis();
        for api in tables.make().into_iter().chain([probes::api()]).chain(own) {
            if decisions.is_some_and(|decisions| decisions.hides(&api)) {
                return Err(Error::DecisionPath);
            }
        }
        for api in tables.make() {
            api.verify_reachable(&app).await?;
        }
        if probes.is_some() {
            probes::api().verify_reachable(&app).await?;
        }
        self.verify_revocation_reachable(&app, &tables.make()).await
    }

    /// Checks that the endpoints for revocations are reached, and take no request of a row of the tables.
    async fn verify_revocation_reachable(
        &self,
        app: &impl Service<Request>,
        tables: &[Api],
    ) -> Result<(), Error> {
        for api in self.revocation.api.apis() {
            let mut own = api.routes();
            if let Some(taken) = own.find(|route| tables.iter().any(|table| takes(table, route))) {
                return Err(Error::RevocationPath(taken.path));
            }
            if api.verify_reachable(app).await.is_err() {
                let paths: Vec<_> = api.routes().map(|route| route.path).collect();
                return Err(Error::RevocationPath(paths.join(" or ")));
            }
        }
        Ok(())
    }

    /// Serves until a signal to stop, then answers everything that was accepted; `None` if the signal came before.
    async fn serve(
        mut self,
        additions: Additions,
        tables: Tables,
        mut signals: Signals,
    ) -> Result<Option<Drained>, Error> {
        let operations = tokio::select! {
            operations = self.prepare() => operations?,
            () = signals.before_serving() => return Ok(None),
        };
        let draining = self.draining.clone();
        let config::Server {
            drain_delay,
            shutdown_timeout,
            ..
        } = self.server;
        let running = self.listen(additions, operations, tables)?;
        signals.drained(draining, drain_delay).await;
        Ok(Some(running.drain(shutdown_timeout).await))
    }

    /// Answers probes on a listener of their own, if there is one, while the first keys are awaited.
    async fn prepare(&mut self) -> Result<Option<Serving>, Error> {
        let operations = self.operations.take();
        let revocation = self.revocation.operations.clone();
        let operations =
            operations.map(|own| serve_operations(own, self.probes.clone(), revocation));
        let operations = operations.transpose()?;
        verifier::await_keys(&self.verifier, self.startup).await?;
        Ok(operations)
    }

    /// Accepts connections from now on.
    fn listen(
        self,
        additions: Additions,
        operations: Option<Serving>,
        tables: Tables,
    ) -> Result<Running, Error> {
        let server = &self.server;
        let is_documented = self.document.is_some();
        if let Some(decisions) = &self.decisions {
            log::info!("decisions for proxies are made {decisions}");
        }
        let probes = self.probes;
        let verifier = self.verifier.clone();
        let app = Application {
            cors: self.cors,
            decisions: self.decisions,
            verifier: self.verifier,
            observed: self.observed,
            probes: operations.is_none().then(|| probes.clone()),
            revocation: self.revocation.api.clone(),
            tables,
            document: self.document,
            test_view: self.issuer.as_ref().map(|issuer| issuer.test_view.clone()),
            additions,
        };
        let addresses: Vec<_> = self.listener.addresses().collect();
        let serving = self
            .listener
            .serve(&app.http(), &server.options(), self.tls.as_ref());
        let api = serving.map_err(cannot_listen("server", &server.host, server.port))?;
        probes.metrics().watch(api.connections());
        announce(&addresses, server, self.mtls.as_ref());
        self.apis.iter().for_each(announce_routes);
        if is_documented {
            log::info!("the OpenAPI document is served at {}", openapi::PATH);
        }
        if operations.is_none() {
            announce_routes(&probes::api());
        }
        self.revocation.api.apis().iter().for_each(announce_routes);
        Ok(Running {
            api,
            verifier,
            drained: Drained {
                issuer: self.issuer,
                operations,
            },
        })
    }
}

impl Running {
    /// Answers everything that was accepted.
    async fn drain(self, timeout: Duration) -> Drained {
        self.verifier.end_streams();
        let cut = self.api.end(timeout).await;
        if cut > 0 {
            log::warn!("{cut} connections were not done within {timeout:?} and are cut");
        }
        self.drained
    }
}

impl Drained {
    async fn end(self) {
        if let Some(issuer) = self.issuer {
            issuer.end().await;
        }
        if let Some(operations) = self.operations {
            operations.end(Duration::ZERO).await;
        }
    }
}

fn bind(section: &'static str, host: &str, port: u16) -> Result<Listener, Error> {
    Listener::bind(host, port).map_err(cannot_listen(section, host, port))
}

/// Serves probes and metrics on a listener of their own.
fn serve_operations(
    listener: Listener,
    probes: Probes,
    revocation: Endpoints,
) -> Result<Serving, Error> {
    for address in listener.addresses() {
        log::info!("probes and metrics are served on http://{address}");
    }
    announce_routes(&probes::api());
    revocation.apis().iter().for_each(announce_routes);
    let app = http(None, move || {
        App::new()
            .configure(|app| revocation.configure(app, |_| RouteNumber::NONE))
            .configure(|app| probes.configure(app, |_| RouteNumber::NONE))
            .default_service(web::to(|| ready(problem::not_found())))
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

/// The app that each worker makes.
#[derive(Clone)]
struct Application {
    cors: Cors,
    decisions: Option<Decisions>,
    verifier: Verifier,
    observed: Observed,
    /// `None` where they have a listener of their own.
    probes: Option<Probes>,
    revocation: Endpoints,
    tables: Tables,
    document: Option<ServedDocument>,
    /// Where the path / leads while the development issuer runs.
    test_view: Option<String>,
    additions: Additions,
}

impl Application {
    fn http(self) -> Http {
        let observed = Some(self.observed.clone());
        // Middleware costs time in each request even where it is turned off.
        match self.decisions.clone() {
            None if self.additions.middleware.is_empty() => http(observed, move || {
                App::new()
                    .configure(|app| self.configure(app))
                    .wrap(self.cors.clone())
            }),
            None => http(observed, move || self.wrapped()),
            Some(decisions) => http(observed, move || decisions.clone().before(self.wrapped())),
        }
    }

    fn wrapped(
        &self,
    ) -> App<
        impl ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<impl MessageBody + use<>>,
            Error = actix_web::Error,
            InitError = (),
            Service: 'static,
            Future: 'static,
        > + use<>,
    > {
        App::new()
            .configure(|app| self.configure(app))
            .wrap(Condition::new(
                !self.additions.middleware.is_empty(),
                self.additions.middleware.clone(),
            ))
            .wrap(self.cors.clone())
    }

    /// The tables come first: what the program adds cannot shadow them. The document comes last, and leaves its path to
    /// both.
    fn configure(&self, app: &mut ServiceConfig) {
        app.app_data(web::Data::new(self.verifier.clone()))
            .app_data(self.observed.proxies.clone());
        let apis = self.tables.make();
        let format = apis.iter().find_map(|api| api.format.clone());
        let test_view = self.test_view.clone();
        app.default_service(web::to(move |request: HttpRequest| {
            let response = to_test_view(&request, test_view.as_deref());
            ready(response.unwrap_or_else(|| problem::not_found_as(format.as_ref())))
        }));
        let probes = self.probes.as_ref();
        let served = Served {
            verifier: &self.verifier,
            cors: &self.cors,
            probes,
            observed: &self.observed,
        };
        served.serve(app, apis);
        let number_of = |path: &str| self.observed.requests.number_of(path);
        self.revocation.configure(app, number_of);
        if let Some(api) = self.tables.decided() {
            let api = api.metadata_alone().leaving_unknown_paths();
            app.service(api.verified_by(self.verifier.clone()));
        }
        (self.additions.configure)(app);
        if let Some(document) = &self.document {
            document.configure(app);
        }
    }
}

/// Whether a row of the table is for requests to this route, whose path has no parameters.
fn takes(table: &Api, route: &RouteInfo<'_>) -> bool {
    table.routes().any(|row| {
        row.method == route.method && ResourceDef::new(row.path.as_str()).is_match(&route.path)
    })
}

/// What the tables are served with.
struct Served<'a> {
    verifier: &'a Verifier,
    cors: &'a Cors,
    probes: Option<&'a Probes>,
    observed: &'a Observed,
}

impl Served<'_> {
    fn serve(self, app: &mut ServiceConfig, apis: Vec<Api>) {
        let number_of = |path: &str| self.observed.requests.number_of(path);
        for api in apis {
            let api = api.leaving_unknown_paths().numbered(number_of);
            let api = api.also_allowing(self.cors.allowed_origins());
            app.service(api.verified_by(self.verifier.clone()));
        }
        if let Some(probes) = self.probes {
            probes.configure(app, number_of);
        }
    }
}

/// Counters for the routes that the API's listener serves.
fn requests(apis: &[Api], with_probes: bool, revocation: &Endpoints) -> Requests {
    let probes = with_probes.then(probes::api);
    let revocation = revocation.apis();
    let apis = apis.iter().chain(&probes).chain(&revocation);
    let rows = apis.flat_map(Api::routes);
    Requests::of(rows.map(|row| (row.path, row.requirement.takes_token())))
}

/// What hashes the subjects of callers, where the log tells them.
fn subjects(log: &config::Log) -> Result<Option<Arc<SubjectHasher>>, Error> {
    if !(log.subject || log.audit) {
        return Ok(None);
    }
    let hasher = SubjectHasher::random();
    let hasher = hasher.ok_or_else(|| Error::System(io::Error::other(NO_RANDOM_NUMBERS)))?;
    Ok(Some(Arc::new(hasher)))
}

const NO_RANDOM_NUMBERS: &str = "the system provides no random numbers";

/// The redirection of `GET /` to the Test view of the development issuer, if it runs.
fn to_test_view(request: &HttpRequest, test_view: Option<&str>) -> Option<HttpResponse> {
    let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
    let url = test_view.filter(|_| is_get && request.path() == "/")?;
    let mut response = HttpResponse::Found();
    Some(response.insert_header((LOCATION, url)).finish())
}
