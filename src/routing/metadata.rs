//! The metadata of the protected resource that a table is ([RFC 9728]): which authorization servers issue its tokens,
//! which scopes its routes require, and how tokens are sent.
//!
//! [RFC 9728]: https://www.rfc-editor.org/rfc/rfc9728

use std::future::ready;
use std::rc::Rc;

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, HeaderValue,
};
use actix_web::{HttpRequest, HttpResponse, Resource, guard, web};
use serde::Serialize;

use super::api::{About, Row};
use super::path_pattern::is_literal;
use super::siblings::Table;
use crate::authorization::AuthScheme;
use crate::extract::public_url;
use crate::rejection::challenge::PROOF_ALGORITHMS;
use crate::rejection::{ErrorFormat, MetadataPath, WELL_KNOWN, problem};
use crate::sender::PublicUrl;
use crate::verifier::Verifier;

/// A table as a protected resource.
#[derive(Clone, Debug)]
pub(super) struct ProtectedResource {
    /// Empty, or the prefix of the table.
    pub(super) path: String,
    /// The scopes that its routes require.
    pub(super) scopes: Vec<&'static str>,
}

impl ProtectedResource {
    /// `None` where no route takes a token, and where the prefix has parameters, so that it is no one resource.
    pub(super) fn of(prefix: &str, rows: &[Row]) -> Option<Self> {
        let takes_token = |row: &Row| row.endpoint.requirement.takes_token();
        if !rows.iter().any(takes_token) || !is_literal(prefix) {
            return None;
        }
        let scopes = rows.iter().flat_map(|row| &row.endpoint.requirement.scopes);
        Some(Self {
            path: prefix.to_owned(),
            scopes: scopes.flatten().copied().collect(),
        })
    }

    pub(super) fn metadata_path(&self) -> MetadataPath {
        MetadataPath::new(&self.path)
    }
}

/// Serves the metadata of one table.
pub(super) struct Metadata {
    pub(super) path: MetadataPath,
    pub(super) resource: ProtectedResource,
    pub(super) table: Table,
    pub(super) verifier: Verifier,
    pub(super) about: About,
    pub(super) format: Option<ErrorFormat>,
}

impl Metadata {
    /// Registers the path of RFC 9728 §3.1, and the one without a path where the app has one protected resource.
    pub(super) fn register(self, config: &mut AppService) {
        let own = &self.resource.path;
        let public = self.verifier.senders().target_uri.public_paths();
        let public = public.iter().map(|path| format!("{WELL_KNOWN}{path}{own}"));
        let paths: Vec<_> = public.chain([format!("{WELL_KNOWN}{own}")]).collect();
        self.table.declare(self.resource.clone(), &paths);
        let metadata = Rc::new(self);
        for path in paths {
            metadata.clone().resource(&path).register(config);
        }
        let table = metadata.table.clone();
        let is_only = guard::fn_guard(move |_| table.is_only_resource());
        let root = metadata.resource(WELL_KNOWN).guard(is_only);
        root.register(config);
    }

    fn resource(self: Rc<Self>, path: &str) -> Resource {
        web::resource(path).default_service(web::to(move |request: HttpRequest| {
            ready(self.respond(&request))
        }))
    }

    fn respond(&self, request: &HttpRequest) -> HttpResponse {
        let mut response = match *request.method() {
            Method::GET | Method::HEAD => self.document(request),
            Method::OPTIONS => preflight(),
            _ => problem::method_not_allowed(ALLOWED_METHODS, self.format.as_ref()),
        };
        // It is for everyone, and MCP clients in browsers read it.
        let any = HeaderValue::from_static("*");
        response
            .headers_mut()
            .insert(ACCESS_CONTROL_ALLOW_ORIGIN, any);
        response
    }

    /// 404 where the server does not know its own URL; 503 until the name of an authorization server is discovered.
    fn document(&self, request: &HttpRequest) -> HttpResponse {
        let Some(server) = public_url(request, &self.verifier) else {
            return problem::not_found_as(self.format.as_ref());
        };
        let servers = self.verifier.authorization_servers();
        let is_complete = servers.iter().all(|server| !server.is_awaited);
        let names = servers.into_iter().flat_map(|server| server.names);
        let names: Vec<_> = names.filter(|name| is_url(name)).collect();
        if names.is_empty() && !is_complete {
            return problem::not_discovered(self.format.as_ref());
        }
        let caching = if server.is_fixed && is_complete {
            "public, max-age=300"
        } else {
            "no-store"
        };
        HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, caching))
            .json(self.describe(&server, names))
    }

    fn describe(&self, server: &PublicUrl, authorization_servers: Vec<String>) -> Document<'_> {
        let senders = self.verifier.senders();
        let schemes = senders.schemes();
        let accepts_bearer = schemes.accept(AuthScheme::Bearer);
        let algorithms = schemes.accept(AuthScheme::Dpop);
        let algorithms = algorithms.then(|| PROOF_ALGORITHMS.split(' ').collect());
        Document {
            resource: self.path.resource(server),
            authorization_servers,
            scopes_supported: self.table.scopes_of(&self.resource.path),
            bearer_methods_supported: if accepts_bearer { &["header"] } else { &[] },
            dpop_signing_alg_values_supported: algorithms,
            dpop_bound_access_tokens_required: !accepts_bearer,
            tls_client_certificate_bound_access_tokens: senders.certificates.is_some(),
            resource_name: self.about.title.as_deref(),
            resource_documentation: self.about.documentation.as_deref(),
        }
    }
}

/// RFC 9728 §2.
#[derive(Debug, Serialize)]
struct Document<'a> {
    resource: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authorization_servers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<&'static str>,
    /// Empty where every token needs a DPoP proof.
    bearer_methods_supported: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    dpop_signing_alg_values_supported: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "is_false")]
    dpop_bound_access_tokens_required: bool,
    #[serde(skip_serializing_if = "is_false")]
    tls_client_certificate_bound_access_tokens: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_documentation: Option<&'a str>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}

/// Whether the name of an issuer is a URL, as that of an authorization server is (RFC 8414 §2).
fn is_url(name: &str) -> bool {
    name.starts_with("https://") || name.starts_with("http://")
}

fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"))
        .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, "MCP-Protocol-Version, *"))
        .insert_header((ACCESS_CONTROL_MAX_AGE, "600"))
        .finish()
}

const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
