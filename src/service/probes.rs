//! `/livez`, `/readyz` and `/metrics`, for operators and orchestrators.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, Responder, web};
use serde::Serialize;

use super::metrics::Metrics;
use super::shutdown::Draining;
use crate::metrics::RouteNumber;
use crate::{Api, Public, Verifier, get};

/// What probes and metrics are answered from.
#[derive(Clone, Debug)]
pub(crate) struct Probes {
    verifier: Verifier,
    metrics: web::Data<Metrics>,
    draining: web::Data<Draining>,
}

impl Probes {
    pub(crate) fn new(verifier: Verifier, draining: Draining, metrics: Metrics) -> Self {
        Self {
            metrics: web::Data::new(metrics),
            draining: web::Data::new(draining),
            verifier,
        }
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Adds the routes to an app, whose requests are counted under the numbers of their paths.
    pub(crate) fn configure(
        &self,
        app: &mut web::ServiceConfig,
        number_of: impl Fn(&str) -> RouteNumber,
    ) {
        app.app_data(web::Data::new(self.verifier.clone()))
            .app_data(self.metrics.clone())
            .app_data(self.draining.clone())
            .service(api().numbered(number_of).verified_by(self.verifier.clone()));
    }
}

/// The routes for orchestrators and scrapers.
pub(crate) fn api() -> Api {
    Api::new("")
        .route("/livez", get(livez).summary("200 while the process serves"))
        .route(
            "/readyz",
            get(readyz)
                .summary("200 once keys have been fetched from every issuer, until shutdown"),
        )
        .route("/metrics", get(metrics).summary("counters, as OpenMetrics"))
}

#[derive(Serialize)]
struct Status {
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<Reason>,
}

#[derive(Serialize)]
struct Reason {
    issuer: String,
    reason: &'static str,
}

async fn livez(_: Public) -> impl Responder {
    answer(HttpResponse::Ok(), "alive", Vec::new())
}

async fn readyz(
    _: Public,
    verifier: web::Data<Verifier>,
    draining: web::Data<Draining>,
) -> impl Responder {
    if draining.is_on() {
        return answer(HttpResponse::ServiceUnavailable(), "draining", Vec::new());
    }
    let unready = verifier.unready().into_iter();
    let reasons: Vec<_> = unready
        .map(|of| Reason {
            issuer: of.issuer,
            reason: of.reason.label(),
        })
        .collect();
    if reasons.is_empty() {
        answer(HttpResponse::Ok(), "ready", reasons)
    } else {
        answer(HttpResponse::ServiceUnavailable(), "unready", reasons)
    }
}

fn answer(
    mut response: actix_web::HttpResponseBuilder,
    status: &'static str,
    reasons: Vec<Reason>,
) -> HttpResponse {
    response.insert_header((CACHE_CONTROL, "no-store"));
    response.json(Status { status, reasons })
}

async fn metrics(_: Public, metrics: web::Data<Metrics>) -> impl Responder {
    match metrics.encode() {
        Ok(text) => HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, OPEN_METRICS))
            .body(text),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
