//! Routes → actix resources, and 405 responses for other methods.
//!
//! Actix selects the first resource whose path and guards match. So each route is a resource that is guarded by its method,
//! and each path has a last resource that responds 405.

use actix_web::dev::ResourceDef;
use actix_web::http::Method;
use actix_web::{Resource, guard, web};

use super::endpoint::Endpoint;
use super::path_pattern::{are_equivalent, has_parameters};
use crate::rejection::problem;

/// The resources, in the order of their registration.
pub(super) fn resources(endpoints: Vec<(String, Endpoint)>) -> Vec<Resource> {
    let others = other_methods(&endpoints);
    let routes = endpoints
        .into_iter()
        .map(|(path, endpoint)| resource(&path, endpoint));
    routes.chain(others).collect()
}

fn resource(path: &str, endpoint: Endpoint) -> Resource {
    let (method, answers_head) = (endpoint.method.clone(), endpoint.head.is_some());
    let fits = guard::fn_guard(move |request| {
        let asked = &request.head().method;
        *asked == method || (answers_head && *asked == Method::HEAD)
    });
    let resource = web::resource(path).guard(fits).route(endpoint.route);
    match endpoint.head {
        Some(head) => resource.route(head),
        None => resource,
    }
}

/// The 405 resources, literal paths first: a path with parameters may match them too.
fn other_methods(endpoints: &[(String, Endpoint)]) -> Vec<Resource> {
    let mut paths: Vec<&str> = endpoints.iter().map(|(path, _)| path.as_str()).collect();
    paths.sort_unstable();
    paths.dedup();
    paths.sort_by_key(|path| has_parameters(path));
    paths
        .into_iter()
        .map(|path| refusal(path, allow(path, endpoints)))
        .collect()
}

fn refusal(path: &str, allow: String) -> Resource {
    let refuse = move || std::future::ready(problem::method_not_allowed(&allow));
    web::resource(path).default_service(web::to(refuse))
}

/// The methods of all routes that match the path, each once.
fn allow(path: &str, endpoints: &[(String, Endpoint)]) -> String {
    let mut allowed: Vec<&str> = Vec::new();
    for (_, endpoint) in endpoints.iter().filter(|(other, _)| fits(path, other)) {
        let head = endpoint.head.as_ref().map(|_| "HEAD");
        for method in [endpoint.method.as_str()].into_iter().chain(head) {
            if !allowed.contains(&method) {
                allowed.push(method);
            }
        }
    }
    allowed.join(", ")
}

/// Whether a request for `path` may match `pattern`: equal except for parameter names, or an instance of it.
fn fits(path: &str, pattern: &str) -> bool {
    are_equivalent(path, pattern)
        || (!has_parameters(path) && ResourceDef::new(pattern).is_match(path))
}
