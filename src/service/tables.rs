//! The tables of routes that are served.

use std::sync::Arc;

use super::config::{Resource, RouteRow};
use super::decision::Rows;
use crate::Api;

/// Makes a table of routes: a `fn() -> Api`, or a closure.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function that makes an `Api`",
    label = "expected a function such as `fn api() -> Api`",
    note = "pass the function itself, `api` and not `api()`: each worker calls it",
    note = "its `Api` has no verifier yet: the service verifies with its own settings"
)]
pub trait MakeApi: Fn() -> Api + Send + Sync + 'static {}

// The compiler's message is about `MakeApi`, not about its parts.
#[diagnostic::do_not_recommend]
impl<F: Fn() -> Api + Send + Sync + 'static> MakeApi for F {}

/// The tables of routes, as functions that make them.
#[derive(Clone)]
pub(super) struct Tables {
    make: Vec<Arc<dyn Fn() -> Api + Send + Sync>>,
    /// The crates that they are from.
    crates: Vec<&'static str>,
    /// What the settings say of them.
    resource: Option<Resource>,
    /// The rows for decisions about requests to other servers.
    decided: Option<&'static Rows>,
}

impl Tables {
    pub(super) fn of<F: MakeApi>(api: F) -> Self {
        let mut tables = Self {
            make: Vec::new(),
            crates: Vec::new(),
            resource: None,
            decided: None,
        };
        tables.add(api);
        tables
    }

    pub(super) fn add<F: MakeApi>(&mut self, api: F) {
        let path = std::any::type_name::<F>();
        self.crates.extend(path.split("::").next());
        self.make.push(Arc::new(api));
    }

    /// Describes all of them as the settings say.
    pub(super) fn described_by(mut self, resource: &Resource) -> Self {
        self.resource = Some(resource.clone());
        self
    }

    /// Adds the rows of the settings; `instead` of the program's own tables, or beside them.
    pub(super) fn deciding(mut self, rows: &[RouteRow], instead: bool) -> Self {
        if !rows.is_empty() {
            self.decided = Some(Rows::leak(rows));
            if instead {
                self.make.clear();
            }
        }
        self
    }

    pub(super) fn rows(&self) -> Option<&'static Rows> {
        self.decided
    }

    /// Makes the table for decisions, if there is one.
    pub(super) fn decided(&self) -> Option<Api> {
        self.decided.map(|rows| self.described(rows.api()))
    }

    /// Makes all of them, and the one for decisions.
    pub(super) fn all(&self) -> Vec<Api> {
        self.make().into_iter().chain(self.decided()).collect()
    }

    /// Makes those that the service itself serves.
    pub(super) fn make(&self) -> Vec<Api> {
        self.make
            .iter()
            .map(|make| self.described(make()))
            .collect()
    }

    fn described(&self, mut api: Api) -> Api {
        let Some(resource) = &self.resource else {
            return api;
        };
        if let Some(name) = &resource.name {
            api = api.title(name);
        }
        if let Some(url) = &resource.documentation {
            api = api.documentation(url);
        }
        if resource.has_metadata {
            api
        } else {
            api.without_metadata()
        }
    }

    /// The identifiers of the APIs as protected resources, where tokens may name them as their audience.
    pub(super) fn audiences(&self) -> Vec<String> {
        let resource = self.resource.as_ref();
        let Some(base) = resource.and_then(|resource| resource.audience_base.as_deref()) else {
            return Vec::new();
        };
        let apis = self.all();
        let paths = apis.iter().filter_map(Api::resource_path);
        paths.map(|path| format!("{base}{path}")).collect()
    }

    pub(super) fn crates(&self) -> &[&'static str] {
        &self.crates
    }
}

/// The quickstart's routes, for tests.
#[cfg(test)]
pub(super) mod quickstart {
    use super::Tables;
    use crate::{Api, AuthenticatedUser, Public, Scoped, get, scope};

    scope!(ReadMessages = "read:messages");

    pub(in crate::service) fn tables() -> Tables {
        Tables::of(api)
    }

    pub(in crate::service) fn api() -> Api {
        Api::new("/api")
            .route("/public", get(public).summary("open to everyone"))
            .route(
                "/private",
                get(private).summary("needs a valid access token"),
            )
            .route(
                "/private-scoped",
                get(private_scoped).summary("needs the scope read:messages"),
            )
    }

    async fn public(_: Public) -> &'static str {
        "public"
    }

    async fn private(_: AuthenticatedUser) -> &'static str {
        "private"
    }

    async fn private_scoped(_: Scoped<ReadMessages>) -> &'static str {
        "private-scoped"
    }
}
