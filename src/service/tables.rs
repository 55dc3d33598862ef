//! The tables of routes that are served.

use std::sync::Arc;

use super::config::{Resource, ResourceAudience, RouteRow, SettingsError};
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

    /// The identifier of the API as a protected resource, and its setting, where tokens may name it as their audience.
    ///
    /// # Errors
    /// No table takes tokens, or several protected resources do.
    pub(super) fn audience(&self) -> Result<Option<(String, &ResourceAudience)>, SettingsError> {
        let resource = self.resource.as_ref();
        let Some(audience) = resource.and_then(|resource| resource.audience.as_ref()) else {
            return Ok(None);
        };
        let apis = self.all();
        let mut paths: Vec<_> = apis.iter().filter_map(Api::resource_path).collect();
        paths.sort_unstable();
        paths.dedup();
        match paths.as_slice() {
            [path] => Ok(Some((format!("{}{path}", audience.base), audience))),
            [] => Err(audience.reject(NO_RESOURCE)),
            _ => Err(audience.reject(SEVERAL_RESOURCES)),
        }
    }

    pub(super) fn crates(&self) -> &[&'static str] {
        &self.crates
    }
}

const NO_RESOURCE: &str =
    "needs routes that require a token, below a prefix without parameters: remove it";

const SEVERAL_RESOURCES: &str = "needs all routes below one prefix, since a token for one prefix must not be accepted below another: set \
     auth.audience to what the tokens name";

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::config::tests::configured;
    use crate::{AuthenticatedUser, Public, get};

    async fn private(_: AuthenticatedUser) -> &'static str {
        "private"
    }

    async fn public(_: Public) -> &'static str {
        "public"
    }

    fn audience(tables: Tables, more: &str) -> Result<Option<String>, String> {
        let text = format!(
            "[server]\npublic_url = 'https://api.example/v1'\n[resource]\naudience = true\n{more}"
        );
        let resource = configured(&text)?.resource;
        let tables = tables.described_by(&resource);
        let audience = tables.audience();
        let audience = audience.map(|found| found.map(|(audience, _)| audience));
        audience.map_err(|error| error.to_string())
    }

    #[test]
    fn one_protected_resource_is_an_audience_whether_it_has_metadata_or_not() {
        let notes = || Api::new("/notes").route("", get(private));
        let expected = Ok(Some("https://api.example/v1/notes".to_owned()));
        assert_eq!(audience(Tables::of(notes), ""), expected);
        assert_eq!(audience(Tables::of(notes), "metadata = false"), expected);
        let mut tables = Tables::of(notes);
        tables.add(|| Api::new("/notes").route("/more", get(private)));
        tables.add(|| Api::new("/open").route("", get(public)));
        assert_eq!(audience(tables, ""), expected);
    }

    #[test]
    fn several_protected_resources_have_no_common_audience() {
        let mut tables = Tables::of(|| Api::new("/notes").route("", get(private)));
        tables.add(|| Api::new("/admin").route("", get(private)));
        let expected = format!("resource.audience (file Settings.toml): {SEVERAL_RESOURCES}");
        assert_eq!(audience(tables, ""), Err(expected));
    }

    #[test]
    fn routes_that_take_no_token_have_no_audience() {
        let tables = Tables::of(|| Api::new("/open").route("", get(public)));
        let expected = format!("resource.audience (file Settings.toml): {NO_RESOURCE}");
        assert_eq!(audience(tables, ""), Err(expected));
    }
}
