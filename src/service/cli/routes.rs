//! Lists the routes and what each requires.

use std::collections::BTreeMap;

use serde::Serialize;

use super::output::{columns, line, print, print_json};
use crate::claims::authn::AuthnRequirement;
use crate::extract::Authentication;
use crate::rejection::MetadataPath;
use crate::routing::{Grant, RouteInfo};
use crate::service::config::Layers;
use crate::service::error::Error;
use crate::service::issuers::TrustedIssuers;
use crate::service::probes;
use crate::service::tables::Tables;
use crate::{ActorRequirement, Api, Requirement};

/// How the routes are listed.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print one JSON array for scripts.
    #[arg(long)]
    json: bool,
}

/// A route as scripts read it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Route {
    pub(super) method: String,
    pub(super) path: String,
    /// The requirement in words.
    pub(super) access: String,
    /// `none`, `optional` or `required`.
    token: &'static str,
    /// The alternatives that satisfy the scope requirement; every scope of one list is needed.
    scopes: Vec<Vec<&'static str>>,
    /// The required scopes that wider ones imply, and those.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    implied_by: BTreeMap<&'static str, &'static [&'static str]>,
    /// The authentication requirements of the token's login.
    logins: Vec<AuthnRequirement>,
    rules: Vec<&'static str>,
    /// Whether the token must be bound to its sender, who proves it.
    proven_sender: bool,
    /// What the actor of the token must be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actors: Vec<ActorRequirement>,
    /// Whether the token must not name an actor.
    direct: bool,
    /// Whether the token may also stand in `Sec-WebSocket-Protocol`.
    #[serde(skip_serializing_if = "is_false")]
    websocket_token: bool,
    /// Whether a ticket may stand for the token.
    #[serde(skip_serializing_if = "is_false")]
    tickets: bool,
    summary: Option<&'static str>,
    handler: &'static str,
    #[serde(skip)]
    pub(super) grant: Grant,
    #[serde(skip)]
    pub(super) requirement: Requirement,
    /// Where the metadata of its protected resource is.
    #[serde(skip)]
    pub(super) resource: Option<MetadataPath>,
}

pub(super) fn run(arguments: &Arguments, tables: &Tables, layers: &Layers) -> Result<(), Error> {
    let routes = all(tables);
    if arguments.json {
        return print_json(&routes);
    }
    let head = ["METHOD", "PATH", "ACCESS", "SUMMARY", "HANDLER"].map(str::to_owned);
    let mut rows = vec![head];
    rows.extend(routes.into_iter().map(|route| {
        let summary = route.summary.unwrap_or_default().to_owned();
        let handler = route.handler.to_owned();
        [route.method, route.path, route.access, summary, handler]
    }));
    print(&(columns(&rows) + &configured_implications(layers)))
}

/// The scopes that imply others by the settings, a line each; none where the settings cannot be used.
fn configured_implications(layers: &Layers) -> String {
    let settings = layers.settings().map_err(Error::from);
    let trusted = settings.and_then(|settings| TrustedIssuers::of(settings.trust));
    let issuers = trusted.map_or_else(|_| Vec::new(), |trusted| trusted.issuers);
    let mut lines = String::new();
    for issuer in &issuers {
        for (wide, narrow) in issuer.rules.scope_implications.iter() {
            let issuer = line(issuer.label());
            let narrow = narrow.join(", ");
            lines.push_str(&format!("{wide} implies {narrow} in tokens of {issuer}\n"));
        }
    }
    lines
}

/// All routes of the service.
pub(super) fn all(tables: &Tables) -> Vec<Route> {
    let of = |api: Api| api.routes().map(Route::from).collect::<Vec<_>>();
    let tables = tables.all().into_iter();
    tables.chain([probes::api()]).flat_map(of).collect()
}

impl Route {
    /// The route of a text such as `GET /api/private`; a path alone is the first route that has it.
    ///
    /// # Errors
    /// [`Error::NoSuchRoute`].
    pub(super) fn find<'a>(routes: &'a [Self], named: &str) -> Result<&'a Self, Error> {
        let mut words = named.split_whitespace();
        let (method, path) = match (words.next(), words.next()) {
            (Some(method), Some(path)) => (Some(method), path),
            (path, _) => (None, path.unwrap_or_default()),
        };
        let found = routes
            .iter()
            .find(|route| route.path == path && method.is_none_or(|method| route.answers(method)));
        found.ok_or_else(|| {
            let known: Vec<_> = routes.iter().map(Self::name).collect();
            Error::NoSuchRoute(known.join(", "))
        })
    }

    /// Such as `GET /api/private`.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Where else than in `Authorization` the route takes credentials.
    pub(super) fn other_credentials(&self) -> Option<&'static str> {
        match (self.websocket_token, self.tickets) {
            (true, true) => Some(TOKEN_AND_TICKET),
            (true, false) => Some("The route also takes the token from Sec-WebSocket-Protocol."),
            (false, true) => Some("The route also takes a ticket in place of the token."),
            (false, false) => None,
        }
    }

    /// HEAD works wherever GET does.
    fn answers(&self, method: &str) -> bool {
        let method = method.to_ascii_uppercase();
        method == self.method || (method == "HEAD" && self.method == "GET")
    }
}

impl From<RouteInfo<'_>> for Route {
    fn from(row: RouteInfo<'_>) -> Self {
        let requirement = row.requirement.clone();
        Self {
            method: row.method.to_string(),
            access: access(&row),
            path: row.path,
            token: match requirement.caller {
                Authentication::None => "none",
                Authentication::Optional => "optional",
                Authentication::Required => "required",
            },
            scopes: requirement.scopes.clone(),
            implied_by: requirement.implied_by.iter().copied().collect(),
            logins: requirement.logins.clone(),
            rules: requirement.rules.clone(),
            proven_sender: requirement.proven_sender,
            actors: requirement.actors.clone(),
            direct: requirement.direct,
            websocket_token: row.takes_websocket_token,
            tickets: row.takes_tickets,
            summary: row.summary,
            handler: row.handler,
            grant: row.grant,
            requirement,
            resource: row.resource,
        }
    }
}

const TOKEN_AND_TICKET: &str =
    "The route also takes the token from Sec-WebSocket-Protocol, or a ticket in its place.";

/// The requirement in words, with where the token may stand.
fn access(row: &RouteInfo<'_>) -> String {
    let mut access = row.requirement.to_string();
    if row.takes_websocket_token {
        access.push_str("; also in Sec-WebSocket-Protocol");
    }
    if row.takes_tickets {
        access.push_str("; also by ticket");
    }
    access
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::tables::quickstart;
    use crate::{Delegated, Direct, StepUp, get};

    #[test]
    fn every_route_is_listed_with_what_it_asks() {
        let listed: Vec<_> = all(&quickstart::tables())
            .into_iter()
            .map(|route| {
                format!(
                    "{} {}: {} ({})",
                    route.method, route.path, route.access, route.token
                )
            })
            .collect();
        assert_eq!(
            listed,
            [
                "GET /api/public: everyone (none)",
                "GET /api/private: a token (required)",
                "GET /api/private-scoped: a token with read:messages (required)",
                "GET /livez: everyone (none)",
                "GET /readyz: everyone (none)",
                "GET /metrics: everyone (none)",
            ]
        );
    }

    #[test]
    fn a_route_is_found_by_its_method_and_path() {
        let routes = all(&quickstart::tables());
        let found = |named| Route::find(&routes, named).map(Route::name).ok();
        for named in [
            "GET /api/private",
            "get  /api/private ",
            "HEAD /api/private",
            "/api/private",
        ] {
            assert_eq!(found(named).as_deref(), Some("GET /api/private"), "{named}");
        }
        for named in ["", "GET", "POST /api/private", "GET /api", "/api/private/"] {
            assert_eq!(found(named), None, "{named}");
        }
        let rejected = Route::find(&routes, "x").unwrap_err().to_string();
        assert!(
            rejected.ends_with(", GET /livez, GET /readyz, GET /metrics"),
            "{rejected}"
        );
    }

    #[test]
    fn scripts_read_scopes_and_handlers() {
        let routes = serde_json::to_value(all(&quickstart::tables())).unwrap();
        let scoped = &routes[2];
        assert_eq!(scoped["scopes"], serde_json::json!([["read:messages"]]));
        assert_eq!(scoped["summary"], "needs the scope read:messages");
        let handler = scoped["handler"].as_str().unwrap();
        assert!(handler.ends_with("quickstart::private_scoped"), "{handler}");
        assert!(scoped.get("requirement").is_none());
    }

    #[test]
    fn the_requirement_on_an_actor_is_shown_as_text_and_as_json() {
        crate::actor!(Assistant = client_id "assistant");
        async fn plan(_: Delegated<Assistant>) -> &'static str {
            ""
        }
        async fn close(_: Direct) -> &'static str {
            ""
        }
        let api = Api::new("")
            .route("/plan", get(plan))
            .route("/close", get(close));
        let mut routes = api.routes().map(Route::from);
        let [plan, close] = [routes.next(), routes.next()].map(Option::unwrap);
        let described = "The token's actor must have the client_id assistant.";
        assert_eq!(plan.access, format!("a token; {described}"));
        assert_eq!(
            close.access,
            "a token; This route is for the user directly, not for a client that acts on the user's behalf."
        );
        let [plan, close] = [plan, close].map(|route| serde_json::to_value(route).unwrap());
        let expected = serde_json::json!([{"description": described, "client_ids": ["assistant"]}]);
        assert_eq!(
            (&plan["actors"], &plan["direct"]),
            (&expected, &false.into())
        );
        assert_eq!(
            (close.get("actors"), &close["direct"]),
            (None, &true.into())
        );
    }

    #[test]
    fn a_route_that_takes_tokens_of_websockets_says_so() {
        async fn chat(_: StepUp<Weak>) -> &'static str {
            ""
        }
        crate::step_up!(Weak = amr "pwd");
        let api = Api::new("").route("/chat", get(chat).websocket_token().tickets());
        let route = api.routes().map(Route::from).next().unwrap();
        assert_eq!(
            route.access,
            "a token; a login with amr pwd; also in Sec-WebSocket-Protocol; also by ticket"
        );
        assert_eq!(route.other_credentials(), Some(TOKEN_AND_TICKET));
        let json = serde_json::to_value(route).unwrap();
        assert_eq!(json["websocket_token"], true);
        assert_eq!(json["tickets"], true);
    }

    #[test]
    fn the_requirement_on_a_login_is_shown_as_text_and_as_json() {
        crate::step_up!(Strong = acr ["gold", "silver"], max_age 5 minutes);
        async fn strong(_: StepUp<Strong>) -> &'static str {
            ""
        }
        let api = Api::new("").route("/strong", get(strong));
        let route = api.routes().map(Route::from).next().unwrap();
        assert_eq!(
            route.access,
            "a token; a login with acr gold or silver, at most 300 s ago"
        );
        let expected = serde_json::json!([{"acr_values": ["gold", "silver"], "max_age": 300}]);
        assert_eq!(serde_json::to_value(route).unwrap()["logins"], expected);
    }
}
