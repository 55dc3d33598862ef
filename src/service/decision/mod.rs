//! Decisions for proxies: whether the API behind a proxy may get a request.
//!
//! A proxy asks before it passes a request on: nginx by `auth_request`, Caddy and Traefik by their forward authentication,
//! HAProxy from Lua, Envoy by `ext_authz`. It names the method and the URL of that request, and only trusted proxies may.
//! The request is judged by the routes of the settings in an app that serves nothing else, so that no other service can
//! answer it with 200.

mod identity;
mod original;
mod rows;
mod spelling;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use actix_http::Request;
use actix_service::boxed::{self, BoxService};
use actix_service::{IntoServiceFactory, ServiceExt};
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{
    AppConfig, Service, ServiceFactory, ServiceRequest, ServiceResponse, forward_ready,
};
use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, Error, HttpMessage, HttpResponse, web};
use ipnet::IpNet;

use self::original::{Original, Unusable};
pub(super) use self::rows::Rows;
use super::config::{Decision, DecisionSource, DecisionStatuses};
use super::hooks::LocalFuture;
use super::tables::Tables;
use crate::metrics::Requests;
use crate::rejection::problem;
use crate::sender::{NO_STORE, is_trusted};
use crate::{Api, Verifier};

/// What decisions are made from.
#[derive(Clone)]
pub(super) struct Decisions {
    /// The path of requests for decisions.
    path: String,
    source: DecisionSource,
    statuses: DecisionStatuses,
    trusted_proxies: Vec<IpNet>,
    tables: Tables,
    rows: &'static Rows,
    verifier: Verifier,
    /// They count the requests of each row.
    requests: Arc<Requests>,
}

impl Decisions {
    /// `None` where the tables have no rows for decisions.
    pub(super) fn new(
        settings: &Decision,
        trusted_proxies: &[IpNet],
        tables: &Tables,
        verifier: &Verifier,
        requests: &Arc<Requests>,
    ) -> Option<Self> {
        Some(Self {
            path: settings.path.clone(),
            source: settings.source,
            statuses: settings.statuses,
            trusted_proxies: trusted_proxies.to_vec(),
            rows: tables.rows()?,
            tables: tables.clone(),
            verifier: verifier.clone(),
            requests: Arc::clone(requests),
        })
    }

    /// The app, behind one that makes decisions.
    pub(super) fn before<F, S>(self, app: F) -> Deciding<S>
    where
        F: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request>,
    {
        Deciding {
            app: app.into_factory(),
            decisions: self,
        }
    }

    /// Whether a request is one for a decision.
    fn is_asked(&self, path: &str) -> bool {
        let rest = path.strip_prefix(self.path.as_str());
        match self.source {
            DecisionSource::Request => rest.is_some_and(|rest| rest.starts_with('/')),
            DecisionSource::Forwarded | DecisionSource::Original => rest == Some(""),
        }
    }

    /// Whether requests for a row of the service's own are taken for ones for decisions.
    pub(super) fn hides(&self, api: &Api) -> bool {
        api.routes().any(|row| self.is_asked(&row.path))
    }

    /// The request that is to be decided.
    fn original(&self, request: &Request) -> Result<Original, Unusable> {
        let peer = request.peer_addr().map(|peer| peer.ip());
        if !self.trusts(peer) {
            return Err(Unusable::Untrusted);
        }
        let original = Original::of(request.head(), self.source, &self.path)?;
        if self.rows.is_ambiguous(&original) {
            return Err(Unusable::Ambiguous);
        }
        Ok(original)
    }

    fn trusts(&self, peer: Option<IpAddr>) -> bool {
        is_trusted(&self.trusted_proxies, peer)
    }

    /// Turns the request for a decision into the one that is decided; where that is not possible, it is marked, so that
    /// the app rejects it.
    fn rewrite(&self, mut request: Request) -> Request {
        match self.original(&request) {
            Ok(Original { method, uri }) => {
                let head = request.head_mut();
                (head.method, head.uri) = (method, uri);
            }
            Err(unusable) => {
                request.extensions_mut().insert(unusable);
            }
        }
        request
    }

    /// Completes the response to the proxy, which overwrites the identity headers of its request with these.
    fn complete(&self, mut response: ServiceResponse) -> ServiceResponse {
        let status = match (self.statuses, response.status()) {
            (
                DecisionStatuses::Nginx,
                StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED,
            ) => StatusCode::FORBIDDEN,
            (_, status) => status,
        };
        *response.response_mut().status_mut() = status;
        let headers = response.headers_mut();
        identity::complete(headers);
        headers.insert(CACHE_CONTROL, NO_STORE);
        response
    }

    /// Decides on requests, and serves nothing else.
    async fn service(&self, config: AppConfig) -> Result<HttpService, ()> {
        let api = self.tables.decided();
        let app = App::new()
            .configure(|app| {
                if let Some(api) = api {
                    let api = api.numbered(|path| self.requests.number_of(path));
                    app.service(api.routes_alone().verified_by(self.verifier.clone()));
                }
            })
            .default_service(web::to(|| std::future::ready(problem::not_found())))
            .wrap(from_fn(reject_unusable));
        let service = app.into_factory().new_service(config).await?;
        Ok(boxed::service(
            service.map(ServiceResponse::map_into_boxed_body),
        ))
    }
}

/// Rejects a request of which it is unknown what is to be decided.
async fn reject_unusable<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let unusable = request.extensions_mut().remove::<Unusable>();
    match unusable {
        None => Ok(next.call(request).await?.map_into_left_body()),
        Some(unusable) => {
            log::debug!("a request for a decision is rejected: {unusable}");
            let response = HttpResponse::from(unusable);
            Ok(request.into_response(response).map_into_right_body())
        }
    }
}

type HttpService = BoxService<Request, ServiceResponse, Error>;

/// An app, and before it what makes decisions.
pub(super) struct Deciding<S> {
    app: S,
    decisions: Decisions,
}

impl<S, B> ServiceFactory<Request> for Deciding<S>
where
    S: ServiceFactory<
            Request,
            Config = AppConfig,
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        >,
    S::Service: 'static,
    S::Future: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Config = AppConfig;
    type Service = DecidingService;
    type InitError = ();
    type Future = LocalFuture<Result<DecidingService, ()>>;

    fn new_service(&self, config: AppConfig) -> Self::Future {
        let app = self.app.new_service(config.clone());
        let decisions = self.decisions.clone();
        Box::pin(async move {
            Ok(DecidingService {
                app: boxed::service(app.await?.map(ServiceResponse::map_into_boxed_body)),
                decided: decisions.service(config).await?,
                decisions,
            })
        })
    }
}

/// Serves requests for decisions, and passes all others on.
pub(super) struct DecidingService {
    app: HttpService,
    decided: HttpService,
    decisions: Decisions,
}

impl Service<Request> for DecidingService {
    type Response = ServiceResponse;
    type Error = Error;
    type Future = LocalFuture<Result<ServiceResponse, Error>>;

    forward_ready!(app);

    fn call(&self, request: Request) -> Self::Future {
        if !self.decisions.is_asked(request.path()) {
            return self.app.call(request);
        }
        let decided = self.decided.call(self.decisions.rewrite(request));
        let decisions = self.decisions.clone();
        Box::pin(async move { Ok(decisions.complete(decided.await?)) })
    }
}

impl fmt::Display for Decisions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, .. } = self;
        match self.source {
            DecisionSource::Forwarded => {
                write!(f, "at {path}, for X-Forwarded-Method and X-Forwarded-Uri")
            }
            DecisionSource::Original => {
                write!(f, "at {path}, for X-Original-Method and X-Original-URI")
            }
            DecisionSource::Request => write!(f, "below {path}, for method and path there"),
        }
    }
}

#[cfg(all(test, feature = "test-kit"))]
mod tests;
