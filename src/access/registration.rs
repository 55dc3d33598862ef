//! The routes of a table → actix resources, and 405 for what they leave.
//!
//! Actix asks the first resource whose path fits, and no other. So each route is a resource that
//! is passed over unless its method fits too, and behind them all each path has one that answers 405.

use std::rc::Rc;

use actix_web::dev::ResourceDef;
use actix_web::http::Method;
use actix_web::{HttpRequest, Resource, guard, web};

use super::table::Endpoint;
use crate::rejection::problem;

/// The resources of these routes, whose paths begin behind `prefix`, in the order in which they are to be asked.
pub(super) fn resources(prefix: &str, endpoints: Vec<(String, Endpoint)>) -> Vec<Resource> {
    let methods = Rc::new(Methods::of(prefix, &endpoints));
    let mut paths: Vec<String> = endpoints.iter().map(|(path, _)| path.clone()).collect();
    paths.dedup();
    let routes = endpoints
        .into_iter()
        .map(|(path, endpoint)| resource(&path, endpoint));
    let others = paths
        .iter()
        .map(|path| other_methods(path, Rc::clone(&methods)));
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

fn other_methods(path: &str, methods: Rc<Methods>) -> Resource {
    let refuse = move |request: HttpRequest| {
        let allow = methods
            .allowed_at(request.match_info().get_ref().path())
            .join(", ");
        std::future::ready(problem::method_not_allowed(&allow))
    };
    web::resource(path).default_service(web::to(refuse))
}

/// Which methods each path has.
struct Methods(Vec<(ResourceDef, Vec<String>)>);

impl Methods {
    fn of(prefix: &str, endpoints: &[(String, Endpoint)]) -> Self {
        let methods = |(path, endpoint): &(String, Endpoint)| {
            let head = endpoint.head.as_ref().map(|_| Method::HEAD.to_string());
            let methods = [endpoint.method.to_string()].into_iter().chain(head);
            (
                ResourceDef::new(format!("{prefix}{path}")),
                methods.collect(),
            )
        };
        Self(endpoints.iter().map(methods).collect())
    }

    /// The methods of every route whose path fits, each once.
    fn allowed_at(&self, path: &str) -> Vec<&str> {
        let mut allowed = Vec::new();
        for (_, methods) in self.0.iter().filter(|(pattern, _)| pattern.is_match(path)) {
            for method in methods {
                if !allowed.contains(&method.as_str()) {
                    allowed.push(method);
                }
            }
        }
        allowed
    }
}
