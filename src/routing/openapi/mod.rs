//! An OpenAPI document ([OpenAPI 3.1]) from route tables: what the rows declare, and what applications say of their bodies.
//!
//! [OpenAPI 3.1]: https://spec.openapis.org/oas/v3.1.1.html

mod described;
mod operation;
mod rejections;
mod row;
mod schemas;
mod secure;
mod security;
mod template;

use std::any::Any;
use std::fmt;

use utoipa::openapi::external_docs::ExternalDocsBuilder;
use utoipa::openapi::{Components, Info, OpenApi, OpenApiBuilder, Paths, Server};

pub(super) use self::described::Described;
use self::row::Row;
use self::schemas::Schemas;
pub use self::secure::Differences;
use super::api::Api;
use crate::verifier::{AcceptedTokens, Verifier};

/// An OpenAPI 3.1 document of one or several tables; [`Api::openapi`] makes one of a single table.
///
/// Each row is an operation, with the security requirement that its handler declares and the rejections that follow from
/// it. A `GET` row serves `HEAD` too, which is not listed. Rows that differ only in the regular expressions of their
/// parameters are one path in OpenAPI: the first one is described, the description names the others.
///
/// # Examples
/// ```
/// use actix_resource_server::openapi::Document;
/// use actix_resource_server::{Api, AuthenticatedUser, Public, get};
///
/// async fn prices(_: Public) -> &'static str { "[]" }
/// async fn orders(_: AuthenticatedUser) -> &'static str { "[]" }
///
/// let shop = Api::new("/shop").route("/prices", get(prices));
/// let orders = Api::new("/orders").route("/", get(orders));
/// let document = Document::new("Shop", "1.2.0")
///     .server("https://shop.example")
///     .api(&shop)
///     .api(&orders)
///     .build();
/// assert_eq!(document.paths.paths.len(), 2);
/// # assert!(document.to_json()?.starts_with(r#"{"openapi":"3.1.0""#));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "a document is made by `build`"]
pub struct Document {
    title: String,
    version: String,
    servers: Vec<String>,
    tokens: Option<AcceptedTokens>,
    rows: Vec<Row>,
    /// The URL of a page for developers.
    page: Option<String>,
}

impl Document {
    /// A document without operations; `version` is that of the API.
    pub fn new(title: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            version: version.into(),
            servers: Vec::new(),
            tokens: None,
            rows: Vec::new(),
            page: None,
        }
    }

    /// Adds a URL under which the API is reached; without one, it is that of the document.
    pub fn server(mut self, url: &str) -> Self {
        self.servers.push(url.trim_end_matches('/').to_owned());
        self
    }

    /// Adds the rows of a table.
    pub fn api<V: 'static>(mut self, api: &Api<V>) -> Self {
        self.page = self.page.or_else(|| api.about.documentation.clone());
        let verifier: &dyn Any = &api.verifier;
        if let (None, Some(verifier)) = (&self.tokens, verifier.downcast_ref()) {
            self = self.verified_by(verifier);
        }
        self.rows.extend(Row::all(api));
        self
    }

    /// Describes the tokens that `verifier` accepts, as far as the discovery documents of its issuers have been fetched;
    /// without it, those of the first table that has a verifier.
    pub fn verified_by(mut self, verifier: &Verifier) -> Self {
        self.tokens = Some(verifier.accepted_tokens());
        self
    }

    /// As [`verified_by`](Self::verified_by), where the tokens are known.
    #[cfg(feature = "service")]
    pub(crate) fn accepting(self, tokens: Option<AcceptedTokens>) -> Self {
        Self { tokens, ..self }
    }

    /// Makes the document.
    #[must_use]
    pub fn build(&self) -> OpenApi {
        let mut schemas = Schemas::default();
        let mut document = OpenApiBuilder::new()
            .info(Info::new(&self.title, &self.version))
            .build();
        let mut servers: Vec<_> = self.servers.iter().map(Server::new).collect();
        if servers.is_empty() {
            servers.push(Server::new("/"));
        }
        document.servers = Some(servers);
        document.external_docs = self.page.as_ref().map(|url| {
            // Without a description, utoipa writes one that is null.
            let page = ExternalDocsBuilder::new().url(url);
            page.description(Some("For developers of clients.")).build()
        });
        document.paths = Paths::new();
        document.paths.paths = operation::path_items(&self.rows, &mut schemas);
        let mut components = Components::new();
        components.schemas = schemas.0;
        document.components = Some(components);
        // Every row is there.
        let _ = self.secure(&mut document);
        document
    }

    /// Adds to a document of your own what the rows declare: the security requirement of each operation, found by method and
    /// path, the security schemes, and the responses to callers that are rejected. A response that an operation has already
    /// gets their headers and media type.
    ///
    /// # Examples
    /// ```
    /// use actix_resource_server::utoipa::{self, OpenApi};
    /// use actix_resource_server::{Api, AuthenticatedUser, get};
    ///
    /// #[utoipa::path(get, path = "/api/orders", responses((status = 200, description = "All orders.")))]
    /// async fn orders(_: AuthenticatedUser) -> &'static str { "[]" }
    ///
    /// #[derive(OpenApi)]
    /// #[openapi(paths(orders))]
    /// struct Documentation;
    ///
    /// let api = Api::new("/api").route("/orders", get(orders));
    /// let mut document = Documentation::openapi();
    /// let differences = api.secure(&mut document);
    /// assert!(differences.is_empty(), "{differences}");
    /// let orders = document.paths.paths["/api/orders"].get.as_ref().unwrap();
    /// assert_eq!(orders.security.as_ref().unwrap().len(), 1);
    /// ```
    pub fn secure(&self, document: &mut OpenApi) -> Differences {
        secure::secure(
            &self.rows,
            &self.tokens.clone().unwrap_or_default(),
            document,
        )
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("title", &self.title)
            .finish_non_exhaustive()
    }
}

impl<V: 'static> Api<V> {
    /// An OpenAPI 3.1 document of the table, with its [`title`](Self::title) and [`documentation`](Self::documentation);
    /// [`Document`] makes one of several tables.
    ///
    /// With a verifier, the security schemes describe its issuers; without one, any bearer token.
    #[must_use]
    pub fn openapi(&self) -> OpenApi {
        let title = self.own_title().unwrap_or("API");
        Document::new(title, "1.0.0").api(self).build()
    }

    pub(crate) fn own_title(&self) -> Option<&str> {
        self.about.title.as_deref()
    }

    /// Adds what the table declares to a document of your own; see [`Document::secure`].
    pub fn secure(&self, document: &mut OpenApi) -> Differences {
        Document::new("", "").api(self).secure(document)
    }
}

/// The name, with a number behind it where it is used already.
fn unused(name: &str, is_used: impl Fn(&str) -> bool) -> String {
    let numbered = (2_u32..).map(|number| format!("{name}_{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names.find(|name| !is_used(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
