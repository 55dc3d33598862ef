//! Rows → actix resources, 405 responses for other methods, and 404 responses below the prefix.
//!
//! Actix selects the first resource whose path and guards match. So each row is a resource that is guarded by its method,
//! each path has a resource that responds 405, and the last service of a table responds 404. Each of them leaves a
//! request to the other tables of the app that serve it ([`Table`]).

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Once;

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::Method;
use actix_web::http::header::HeaderValue;
use actix_web::{HttpRequest, Resource, Scope, guard, web};

use super::api::{About, Row};
use super::endpoint::Layer;
use super::metadata::{Metadata, ProtectedResource};
use super::origin::AllowedOrigins;
use super::path_pattern::{is_literal, specificity};
use super::protected::is_used_outside_of_tables;
use super::reachable;
use super::siblings::Table;
use crate::metrics::{RouteNumber, reach};
use crate::rejection::{ErrorFormat, problem};
use crate::verifier::Verifier;

/// A table that is to be registered.
pub(super) struct Registered {
    pub(super) rows: Vec<Row>,
    pub(super) layers: Vec<Layer>,
    pub(super) verifier: Verifier,
    pub(super) format: Option<ErrorFormat>,
    pub(super) origins: Option<AllowedOrigins>,
    /// The prefix below which other paths get a 404 response, unless it is empty.
    pub(super) not_found_below: Option<String>,
    /// With what its metadata says of it.
    pub(super) resource: Option<(ProtectedResource, About)>,
    /// Whether the metadata is served in this app.
    pub(super) serves_metadata: bool,
}

/// Registers the rows, the metadata, and a 404 response below the prefix.
pub(super) fn register(table: Registered, config: &mut AppService) {
    let Registered {
        mut rows,
        layers,
        verifier,
        format,
        origins,
        not_found_below,
        resource,
        serves_metadata,
    } = table;
    let table = Table::join(&rows, config);
    if resource.is_some() && !config.is_root() {
        warn_of_missing_metadata();
    }
    // The paths of metadata are those of the whole app.
    let resource = resource.filter(|_| config.is_root());
    let metadata = resource.map(|(resource, about)| Metadata {
        path: resource.metadata_path(),
        resource,
        table: table.clone(),
        verifier: verifier.clone(),
        about,
        format: format.clone(),
    });
    let metadata_path = metadata.as_ref().map(|metadata| metadata.path.clone());
    // First, since a row may match every path.
    if let Some(metadata) = metadata.filter(|_| serves_metadata) {
        metadata.register(config);
    }
    rows.sort_by_key(|row| specificity(&row.path));
    let paths: BTreeMap<_, _> = rows
        .iter()
        .map(|row| (row.path.clone(), row.number))
        .collect();
    for row in rows {
        let origins = origins.clone().filter(|_| row.endpoint.stream.is_on());
        let mut served = resource_of(row, &layers, table.clone()).app_data(verifier.clone());
        if let Some(format) = &format {
            served = served.app_data(format.clone());
        }
        if let Some(origins) = origins {
            served = served.app_data(origins);
        }
        if let Some(path) = &metadata_path {
            served = served.app_data(path.clone());
        }
        served.register(config);
    }
    for (path, number) in paths {
        method_not_allowed(path, number, table.clone(), format.clone()).register(config);
    }
    if let Some(prefix) = not_found_below.filter(|prefix| !prefix.is_empty()) {
        not_found_below_prefix(&prefix, table, format).register(config);
    }
}

fn not_found_below_prefix(prefix: &str, table: Table, format: Option<ErrorFormat>) -> Scope {
    let is_unknown = guard::fn_guard(move |request| {
        !is_used_outside_of_tables() && !table.others_have(&request.head().uri)
    });
    let not_found = move || ready(problem::not_found_as(format.as_ref()));
    web::scope(prefix)
        .guard(is_unknown)
        .default_service(web::to(not_found))
}

/// Once for all workers and tables.
fn warn_of_missing_metadata() {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        log::warn!(
            "the routes of a table inside a web::scope have no protected resource metadata (RFC 9728): register the table \
             at the root of the app, or call without_metadata()"
        );
    });
}

fn resource_of(row: Row, layers: &[Layer], table: Table) -> Resource {
    let Row {
        path,
        endpoint,
        place,
        number,
    } = row;
    let (route, answers_head) = (endpoint.route(layers), endpoint.serves_head());
    let method = endpoint.method;
    // The other tables are known when the first request comes.
    let (name, preceding) = (path.clone(), OnceCell::new());
    let may_match_metadata = !is_literal(&path);
    let fits = guard::fn_guard(move |request| {
        let head = request.head();
        let fits = head.method == method || (answers_head && head.method == Method::HEAD);
        if !fits || (may_match_metadata && table.is_metadata(head.uri.path())) {
            return false;
        }
        let preceding = preceding.get_or_init(|| table.preceding(&name));
        let fits = !table.is_served_by(preceding, &head.method, &head.uri)
            && !reachable::is_probe(request, &method, &name, place);
        if fits {
            reach(number);
        }
        fits
    });
    web::resource(path).guard(fits).route(route)
}

fn method_not_allowed(
    path: String,
    number: RouteNumber,
    table: Table,
    format: Option<ErrorFormat>,
) -> Resource {
    let others = table.clone();
    let is_ours = guard::fn_guard(move |request| {
        let head = request.head();
        let is_ours =
            !others.others_serve(&head.method, &head.uri) && !others.is_metadata(head.uri.path());
        if is_ours {
            reach(number);
        }
        is_ours
    });
    let own_path = path.clone();
    let refuse = move |request: HttpRequest| {
        let pattern = request.match_pattern().unwrap_or_default();
        let mount = pattern.strip_suffix(&own_path).unwrap_or_default();
        let allow = table.methods_at(request.match_info().as_str(), mount);
        // The names of methods are tokens, which a header value may contain.
        let allow = HeaderValue::from_str(&allow).unwrap_or(HeaderValue::from_static(""));
        ready(problem::method_not_allowed(allow, format.as_ref()))
    };
    web::resource(path)
        .guard(is_ours)
        .default_service(web::to(refuse))
}
