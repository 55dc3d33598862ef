//! What an application says of its endpoints: bodies, parameters, texts.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, ToSchema};

use crate::routing::endpoint::Endpoint;

/// What the application says of an endpoint. Types are kept as functions: nothing is computed before a document is made.
#[derive(Clone, Debug, Default)]
pub(in crate::routing) struct Described {
    pub(super) description: Option<&'static str>,
    pub(super) operation_id: Option<&'static str>,
    pub(super) tags: Vec<&'static str>,
    pub(super) responses: Vec<(u16, Body)>,
    pub(super) request: Vec<Body>,
    pub(super) parameters: Vec<fn() -> Vec<Parameter>>,
    has_query: bool,
    has_path: bool,
}

impl Described {
    /// The statuses of Actix's extractors where they cannot read what is described: `web::Json` (400, 413), `web::Query`
    /// (400) and `web::Path` (404).
    pub(super) fn extractor_errors(&self) -> impl Iterator<Item = u16> {
        let statuses = [
            (400, !self.request.is_empty() || self.has_query),
            (404, self.has_path),
            (413, !self.request.is_empty()),
        ];
        let possible = statuses.into_iter().filter(|(_, is_possible)| *is_possible);
        possible.map(|(status, _)| status)
    }
}

/// A body of a media type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    pub(super) media_type: &'static str,
    pub(super) schema: SchemaOf,
}

/// The schema of a type.
#[derive(Clone, Copy, Debug)]
pub(super) struct SchemaOf {
    type_name: &'static str,
    pub(super) name: fn() -> Cow<'static, str>,
    pub(super) schema: fn() -> RefOr<Schema>,
    /// Adds the schemas to which it refers.
    pub(super) add_nested: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl SchemaOf {
    fn new<T: ToSchema>() -> Self {
        Self {
            type_name: std::any::type_name::<T>(),
            name: T::name,
            schema: T::schema,
            add_nested: T::schemas,
        }
    }

    /// Whether there is no body.
    pub(super) fn is_unit(self) -> bool {
        self.type_name == "()"
    }

    /// Whether the type is one of an application, with a name that documents can use. Those of others, such as
    /// `Vec<Order>`, have one name for all their parameters.
    pub(super) fn is_named(self) -> bool {
        let own_crate = self.type_name.split_once("::").map(|(first, _)| first);
        let is_foreign = |first: &str| FOREIGN.contains(&first) || !first.starts_with(is_letter);
        own_crate.is_some_and(|first| !is_foreign(first))
    }

    /// As Actix serves the type itself: text as it is, everything else by `web::Json`.
    fn media_type(self) -> &'static str {
        match self.type_name {
            "alloc::string::String" | "&str" => "text/plain",
            _ => JSON,
        }
    }
}

fn is_letter(character: char) -> bool {
    character.is_alphabetic() || character == '_'
}

impl Endpoint {
    /// Describes the route in the OpenAPI document; Markdown is allowed.
    #[must_use]
    pub fn description(mut self, description: &'static str) -> Self {
        self.described.description = Some(description);
        self
    }

    /// Adds a tag, by which OpenAPI documents group their operations.
    #[must_use]
    pub fn tag(mut self, tag: &'static str) -> Self {
        self.described.tags.push(tag);
        self
    }

    /// Sets the `operationId`, from which generated clients take the names of their functions; without it, it is the name
    /// of the handler, or method and path where several rows have the same handler.
    #[must_use]
    pub fn operation_id(mut self, id: &'static str) -> Self {
        self.described.operation_id = Some(id);
        self
    }

    /// Describes a response by the type of its body: JSON, or plain text for `String`; `()` for none.
    ///
    /// The rejections of the access type (401, 403, 503, …) are described without it. A route without a successful
    /// response has 200 without a schema.
    ///
    /// # Panics
    /// If `status` is no HTTP status code.
    ///
    /// # Examples
    /// ```
    /// use actix_resource_server::utoipa::{self, ToSchema};
    /// use actix_resource_server::{Api, AuthenticatedUser, get, post};
    /// use actix_web::{HttpResponse, web};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Deserialize, Serialize, ToSchema)]
    /// struct Order {
    ///     number: u64,
    /// }
    ///
    /// async fn order(_: AuthenticatedUser, number: web::Path<u64>) -> web::Json<Order> {
    ///     web::Json(Order { number: number.into_inner() })
    /// }
    ///
    /// async fn create(_: AuthenticatedUser, order: web::Json<Order>) -> HttpResponse {
    ///     HttpResponse::Created().json(order)
    /// }
    ///
    /// let api = Api::new("/api")
    ///     .route("/orders/{number}", get(order).returns::<Order>(200))
    ///     .route("/orders", post(create).accepts::<Order>().returns::<Order>(201));
    /// let document = api.openapi();
    /// assert!(document.paths.paths["/api/orders"].post.is_some());
    /// ```
    #[must_use]
    #[track_caller]
    pub fn returns<T: ToSchema>(self, status: u16) -> Self {
        let media_type = SchemaOf::new::<T>().media_type();
        self.returns_as::<T>(status, media_type)
    }

    /// As [`returns`](Self::returns), with a body of this media type, such as `text/csv`.
    ///
    /// # Panics
    /// If `status` is no HTTP status code.
    #[must_use]
    #[track_caller]
    pub fn returns_as<T: ToSchema>(mut self, status: u16, media_type: &'static str) -> Self {
        let is_status = StatusCode::from_u16(status).is_ok_and(|it| it.as_u16() < 600);
        assert!(is_status, "{status} is no HTTP status code");
        let schema = SchemaOf::new::<T>();
        self.described
            .responses
            .push((status, Body { media_type, schema }));
        self
    }

    /// Describes the request body by its type: JSON, or plain text for `String`.
    ///
    /// With it, the responses of Actix's extractors to a body that they cannot read (400, 413) are described, as those
    /// to [`query`](Self::query) (400) and [`path`](Self::path) (404) are. [`returns`](Self::returns) replaces them.
    #[must_use]
    pub fn accepts<T: ToSchema>(self) -> Self {
        let media_type = SchemaOf::new::<T>().media_type();
        self.accepts_as::<T>(media_type)
    }

    /// As [`accepts`](Self::accepts), with a body of this media type, such as `application/x-www-form-urlencoded`; several
    /// calls describe alternatives.
    #[must_use]
    pub fn accepts_as<T: ToSchema>(mut self, media_type: &'static str) -> Self {
        let schema = SchemaOf::new::<T>();
        self.described.request.push(Body { media_type, schema });
        self
    }

    /// Describes the parameters of the query by the type that `web::Query` has.
    ///
    /// # Examples
    /// ```
    /// use actix_resource_server::utoipa::{self, IntoParams};
    /// use actix_resource_server::{Api, AuthenticatedUser, get};
    /// use actix_web::web;
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize, IntoParams)]
    /// struct Page {
    ///     /// The number of orders on a page.
    ///     limit: Option<u32>,
    /// }
    ///
    /// async fn orders(_: AuthenticatedUser, page: web::Query<Page>) -> String {
    ///     format!("at most {} orders", page.limit.unwrap_or(20))
    /// }
    ///
    /// let api = Api::new("/api").route("/orders", get(orders).query::<Page>().returns::<String>(200));
    /// # assert!(api.openapi().to_json()?.contains("The number of orders on a page."));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn query<T: IntoParams>(mut self) -> Self {
        let parameters = || T::into_params(|| Some(ParameterIn::Query));
        self.described.has_query = true;
        self.described.parameters.push(parameters);
        self
    }

    /// Describes the parameters of the path by the type that `web::Path` has, a struct; without it, each is a string.
    #[must_use]
    pub fn path<T: IntoParams>(mut self) -> Self {
        let parameters = || T::into_params(|| Some(ParameterIn::Path));
        self.described.has_path = true;
        self.described.parameters.push(parameters);
        self
    }
}

const JSON: &str = "application/json";

/// The crates whose types have names that say nothing of their parameters.
const FOREIGN: [&str; 6] = ["alloc", "core", "indexmap", "serde_json", "std", "utoipa"];
