//! A row of a table, with what the document says of it.

use std::collections::BTreeMap;

use actix_web::http::Method;
use utoipa::openapi::path::{HttpMethod, Operation, PathItem};

use super::described::Described;
use super::template::Template;
use crate::extract::Requirement;
use crate::routing::api::Api;

#[derive(Clone)]
pub(super) struct Row {
    pub(super) method: Method,
    /// As Actix has it.
    pub(super) path: String,
    pub(super) template: Template,
    pub(super) requirement: Requirement,
    pub(super) handler: &'static str,
    pub(super) summary: Option<&'static str>,
    pub(super) described: Described,
    /// Whether pages of other origins are rejected.
    pub(super) looks_at_origin: bool,
    /// Whether rejections are problem documents.
    pub(super) has_problems: bool,
}

impl Row {
    pub(super) fn all<V>(api: &Api<V>) -> impl Iterator<Item = Self> {
        api.rows.iter().map(|row| {
            let path = api.full_path(row);
            let endpoint = &row.endpoint;
            Self {
                method: endpoint.method.clone(),
                template: Template::of(&path),
                path,
                requirement: endpoint.requirement.clone(),
                handler: endpoint.handler,
                summary: endpoint.summary,
                described: endpoint.described.clone(),
                looks_at_origin: endpoint.stream.is_on(),
                has_problems: api.format.is_none(),
            }
        })
    }

    /// Such as `GET /api/orders/{id}`.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// Adds to the text of a scope that it implies `narrow`.
pub(super) fn add_implied(text: &mut String, narrow: &str) {
    let implies = format!("Implies {narrow}.");
    if !text.contains(&implies) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&implies);
    }
}

/// The scopes that rows require, each with a text that names the rows, and those that imply them.
pub(super) fn scopes(rows: &[Row]) -> BTreeMap<&'static str, String> {
    let mut requiring: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for row in rows {
        for scope in row.requirement.scopes.concat() {
            let names = requiring.entry(scope).or_default();
            if !names.contains(&row.name()) {
                names.push(row.name());
            }
        }
    }
    let text = |names: Vec<String>| match names.get(..MOST_NAMES) {
        Some(first) if names.len() > MOST_NAMES => format!("For {}, and others.", first.join(", ")),
        _ => format!("For {}.", names.join(", ")),
    };
    let texts = requiring.into_iter();
    let mut texts: BTreeMap<_, _> = texts.map(|(scope, names)| (scope, text(names))).collect();
    for (narrow, wider) in rows.iter().flat_map(|row| &row.requirement.implied_by) {
        for wide in *wider {
            add_implied(texts.entry(wide).or_default(), narrow);
        }
    }
    texts
}

/// `None` for a method that OpenAPI 3.1 does not have.
pub(super) fn http_method(method: &Method) -> Option<HttpMethod> {
    METHODS
        .into_iter()
        .find(|(_, name)| method.as_str() == *name)
        .map(|(known, _)| known)
}

/// The operation of a method.
pub(super) fn operation_mut<'i>(
    item: &'i mut PathItem,
    method: &HttpMethod,
) -> &'i mut Option<Operation> {
    match method {
        HttpMethod::Get => &mut item.get,
        HttpMethod::Put => &mut item.put,
        HttpMethod::Post => &mut item.post,
        HttpMethod::Delete => &mut item.delete,
        HttpMethod::Options => &mut item.options,
        HttpMethod::Head => &mut item.head,
        HttpMethod::Patch => &mut item.patch,
        HttpMethod::Trace => &mut item.trace,
    }
}

/// The methods of OpenAPI 3.1.
pub(super) const METHODS: [(HttpMethod, &str); 8] = [
    (HttpMethod::Get, "GET"),
    (HttpMethod::Put, "PUT"),
    (HttpMethod::Post, "POST"),
    (HttpMethod::Delete, "DELETE"),
    (HttpMethod::Options, "OPTIONS"),
    (HttpMethod::Head, "HEAD"),
    (HttpMethod::Patch, "PATCH"),
    (HttpMethod::Trace, "TRACE"),
];

/// A text that lists more rows would be hard to read.
const MOST_NAMES: usize = 5;
