//! `[decision]` and `[[routes]]`: decisions for proxies in front of APIs that are not written in Rust.

use std::time::Duration;

use actix_web::http::Method;
use serde_json::Value;

use super::error::SettingsError;
use super::layers::Table;
use super::model::{self, RouteAccess};
pub(crate) use super::model::{DecisionSource, DecisionStatuses};
use super::origins::Origins;
use super::server::Server;
use crate::issuer::RequiredClaim;
use crate::routing::path_pattern::{are_equivalent, specificity};

/// How the service decides for proxies.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) path: String,
    pub(crate) source: DecisionSource,
    pub(crate) statuses: DecisionStatuses,
    pub(crate) routes: Vec<RouteRow>,
}

/// One of `[[routes]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RouteRow {
    pub(crate) methods: Vec<Method>,
    pub(crate) path: String,
    /// `None` for a public route.
    pub(crate) demand: Option<Demand>,
}

/// What a route requires of a caller, beside a valid token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demand {
    /// All of them.
    pub(crate) scopes: Vec<String>,
    /// One of them, unless there are none.
    pub(crate) any_scope: Vec<String>,
    pub(crate) claims: Vec<RequiredClaim>,
    pub(crate) bound: bool,
    /// Whether the token must not name an actor.
    pub(crate) direct: bool,
    pub(crate) acr: Vec<String>,
    pub(crate) amr: Vec<String>,
    pub(crate) max_age: Option<Duration>,
}

impl Decision {
    /// `None` where there are no routes.
    ///
    /// # Errors
    /// A route is incomplete, contradicts itself or stands twice, or the proxies are not known.
    pub(super) fn resolve(
        model: &model::Decision,
        entries: &[model::Route],
        server: &Server,
        root: &Table,
    ) -> Result<Option<Self>, SettingsError> {
        let origins = Origins::of(root, "decision");
        let routes = routes(entries, root)?;
        if routes.is_empty() {
            let source = origins.get("source");
            return source.map_or(Ok(None), |source| Err(source.reject(WITHOUT_ROUTES)));
        }
        let source = model.source;
        let source = source.ok_or_else(|| origins.reject("source", SOURCE_NEEDED))?;
        if server.trusted_proxies.is_empty() {
            let server = Origins::of(root, "server");
            return Err(server.reject("trusted_proxies", PROXIES_NEEDED));
        }
        Ok(Some(Self {
            path: model.path.0.clone(),
            source,
            statuses: model.statuses,
            routes,
        }))
    }
}

/// The rows of `[[routes]]` alone, whatever the other settings are.
pub(super) fn routes(
    entries: &[model::Route],
    root: &Table,
) -> Result<Vec<RouteRow>, SettingsError> {
    let origins = Origins::list(root, "routes");
    let rows = entries.iter().zip(&origins);
    let rows = rows.map(|(entry, origins)| RouteRow::resolve(entry, origins));
    let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
    for (at, row) in rows.iter().enumerate() {
        let mut former = rows.iter().take(at).zip(&origins);
        let Some((first, place)) = former.find(|(former, _)| former.repeats(row)) else {
            continue;
        };
        let Some(own) = origins.get(at) else { continue };
        let method = row
            .methods
            .iter()
            .find(|method| first.methods.contains(method));
        let method = method.map(Method::as_str).unwrap_or_default();
        let remedy = format!(
            "has the method {method} of {}, which has the same path: keep one of them",
            place.described("path")
        );
        return Err(own.reject("path", remedy));
    }
    Ok(rows)
}

impl RouteRow {
    fn resolve(model: &model::Route, origins: &Origins<'_>) -> Result<Self, SettingsError> {
        let path = model.path.as_ref().map(|path| path.0.clone());
        let path = path.ok_or_else(|| origins.reject("path", PATH_NEEDED))?;
        let mut methods = Vec::new();
        for method in &model.method.0 {
            if methods.contains(method) {
                return Err(origins.reject("method", "has a method twice"));
            }
            methods.push(method.clone());
        }
        if methods.is_empty() {
            return Err(origins.reject("method", METHOD_NEEDED));
        }
        if methods.contains(&Method::GET) && methods.contains(&Method::HEAD) {
            return Err(origins.reject("method", "has HEAD beside GET, which includes it"));
        }
        let demand = Demand::resolve(model, origins)?;
        Ok(Self {
            methods,
            path,
            demand,
        })
    }

    fn repeats(&self, other: &Self) -> bool {
        let shares_method = || {
            self.methods
                .iter()
                .any(|method| other.methods.contains(method))
        };
        are_equivalent(&self.path, &other.path) && shares_method()
    }
}

impl Demand {
    fn resolve(model: &model::Route, origins: &Origins<'_>) -> Result<Option<Self>, SettingsError> {
        if model.access == Some(RouteAccess::Public) {
            let access = origins.described("access");
            let demand = DEMANDS.iter().find_map(|key| origins.get(key));
            return match demand {
                Some(key) => Err(key.reject(format!(
                    "contradicts {access} = \"public\": keep one of them"
                ))),
                None => Ok(None),
            };
        }
        let claims = model
            .claims
            .0
            .iter()
            .map(|(name, value)| claim(name, value, origins));
        let max_age = model.max_age.map(|age| age.0);
        if max_age.is_some_and(|age| age.subsec_nanos() > 0) {
            return Err(origins.reject("max_age", "must be whole seconds"));
        }
        Ok(Some(Self {
            scopes: model.scopes.0.clone(),
            any_scope: model.any_scope.0.clone(),
            claims: claims.collect::<Result<_, _>>()?,
            bound: model.bound.0,
            direct: model.direct.0,
            acr: model.acr.0.clone(),
            amr: model.amr.0.clone(),
            max_age,
        }))
    }
}

fn claim(name: &str, value: &Value, origins: &Origins<'_>) -> Result<RequiredClaim, SettingsError> {
    let claim = RequiredClaim::new(name, value.clone());
    claim.map_err(|_| origins.reject("claims", CLAIM_FORM))
}

/// Why a path of a route cannot be used; `None` if it can.
pub(super) fn is_usable_pattern(path: &str) -> bool {
    use crate::routing::path_pattern::{Part, parts};

    let (path, has_tail) = match path.strip_suffix("}*") {
        Some(head) => (format!("{head}}}"), true),
        None => (path.to_owned(), false),
    };
    let mut names = Vec::new();
    let mut ends_in_parameter = false;
    let is_usable = path.starts_with('/')
        && is_balanced(&path)
        && parts(&path).all(|part| match part {
            Part::Literal(text) => {
                ends_in_parameter = false;
                is_plain_literal(text)
            }
            Part::Parameter { name, pattern } => {
                ends_in_parameter = true;
                let is_new = !names.contains(&name);
                names.push(name);
                is_new && is_name(name) && pattern.is_none_or(|own| !has_tail && is_regex(own))
            }
        });
    // Both are limits of actix.
    is_usable
        && names.len() <= 16
        && !specificity(&path).is_empty()
        && (!has_tail || ends_in_parameter)
}

/// Whether every brace has its counterpart.
fn is_balanced(path: &str) -> bool {
    let depth = path.bytes().try_fold(0_usize, |depth, byte| match byte {
        b'{' => depth.checked_add(1),
        b'}' => depth.checked_sub(1),
        _ => Some(depth),
    });
    depth == Some(0)
}

/// Segments that no server reads in another way: a request with any other is rejected.
fn is_plain_literal(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()+,=:@/".contains(&byte);
    let is_dots = |segment: &str| !segment.is_empty() && segment.bytes().all(|byte| byte == b'.');
    text.bytes().all(allowed) && !text.contains("//") && !text.split('/').any(is_dots)
}

fn is_name(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(is_word)
}

/// Whether actix accepts the regular expression of a parameter: with its own crate for them.
fn is_regex(pattern: &str) -> bool {
    let is_own_group = regex_lite::Regex::new(&format!("^(?i:{pattern})$")).is_ok();
    is_own_group
        && regex_lite::Regex::new(pattern)
            .is_ok_and(|own| own.capture_names().flatten().next().is_none())
}

/// The keys of a route that require something of a token.
const DEMANDS: [&str; 8] = [
    "scopes",
    "any_scope",
    "claims",
    "bound",
    "direct",
    "acr",
    "amr",
    "max_age",
];

const WITHOUT_ROUTES: &str = "only applies when there are [[routes]]";

const SOURCE_NEEDED: &str = "[[routes]] require it: how the proxy names the method and URL of a request: \"forwarded\", \"original\" \
     or \"request\"";

const PROXIES_NEEDED: &str =
    "[[routes]] require it: the addresses of the proxies for which the service decides";

const PATH_NEEDED: &str = "each route needs one, such as /orders/{id}";

const METHOD_NEEDED: &str = "each route needs one or more, such as GET";

const CLAIM_FORM: &str = "must be names or JSON pointers of claims, each with a text, a number, true, false or a list of these";

#[cfg(test)]
mod tests {
    use super::super::tests::configured;
    use super::*;

    const DECIDING: &str =
        "[server]\ntrusted_proxies = '10.0.0.2'\n[decision]\nsource = 'forwarded'\n";

    fn decision(routes: &str) -> Result<Decision, String> {
        let settings = configured(&format!("{DECIDING}{routes}"));
        settings.map(|settings| settings.decision.expect("routes"))
    }

    fn rejected(routes: &str) -> String {
        decision(routes).map(drop).unwrap_err()
    }

    #[test]
    fn every_key_is_used() {
        let text = r#"
            [[routes]]
            method = "GET"
            path = "/health"
            access = "public"
            [[routes]]
            method = ["POST", "put"]
            path = "/orders/{id}"
            scopes = ["read:orders", "write:orders"]
            any_scope = "admin, staff"
            claims = { tenant = true, "/plan/name" = ["pro", "max"] }
            bound = true
            direct = true
            acr = "gold"
            amr = ["mfa"]
            max_age = "5m""#;
        let rows = decision(text).unwrap().routes;
        assert_eq!(rows[0].methods, [Method::GET]);
        assert_eq!(rows[0].demand, None);
        assert_eq!(rows[1].methods, [Method::POST, Method::PUT]);
        assert_eq!(rows[1].path, "/orders/{id}");
        let demand = rows[1].demand.as_ref().unwrap();
        assert_eq!(demand.scopes, ["read:orders", "write:orders"]);
        assert_eq!(demand.any_scope, ["admin", "staff"]);
        let claims: Vec<_> = demand.claims.iter().map(ToString::to_string).collect();
        assert_eq!(
            claims,
            [
                "/plan/name must be \"pro\" or \"max\"",
                "tenant must be present"
            ]
        );
        assert!(demand.bound && demand.direct);
        assert_eq!(
            (&demand.acr[..], &demand.amr[..]),
            (&["gold".to_owned()][..], &["mfa".to_owned()][..])
        );
        assert_eq!(demand.max_age, Some(Duration::from_secs(300)));
    }

    #[test]
    fn without_access_a_token_is_required() {
        let row = |access| format!("[[routes]]\nmethod = 'GET'\npath = '/a'\n{access}");
        for access in ["", "access = 'authenticated'"] {
            let rows = decision(&row(access)).unwrap().routes;
            assert_eq!(rows[0].demand, Some(Demand::default()));
        }
        let other = rejected(&row("access = 'open'"));
        assert_eq!(
            other,
            "routes[0].access (file Settings.toml): must be public or authenticated"
        );
    }

    #[test]
    fn there_are_no_decisions_without_routes() {
        assert!(configured("").unwrap().decision.is_none());
        let message = configured("[decision]\nsource = 'original'").map(drop);
        let expected = format!("decision.source (file Settings.toml): {WITHOUT_ROUTES}");
        assert_eq!(message, Err(expected));
    }

    #[test]
    fn source_and_proxies_are_needed() {
        let row = "[[routes]]\nmethod = 'GET'\npath = '/a'";
        let message = |text: &str| configured(&format!("{text}\n{row}")).map(drop).unwrap_err();
        assert_eq!(
            message("[server]\ntrusted_proxies = '10.0.0.2'"),
            format!("decision.source is missing: {SOURCE_NEEDED}")
        );
        assert_eq!(
            message("[decision]\nsource = 'request'"),
            format!("server.trusted_proxies is missing: {PROXIES_NEEDED}")
        );
        let guess = message("[decision]\nsource = 'any'");
        assert_eq!(
            guess,
            "decision.source (file Settings.toml): must be forwarded, original or request"
        );
        let path = message("[decision]\nsource = 'original'\npath = '/'");
        assert_eq!(
            path,
            "decision.path (file Settings.toml): must be a path such as /decision, without parameters and a slash at its end"
        );
    }

    #[test]
    fn wrong_routes_are_named_with_the_remedy() {
        for (row, message) in [
            ("path = '/a'", format!("routes[1].method is missing: {METHOD_NEEDED}")),
            ("method = 'GET'", format!("routes[1].path is missing: {PATH_NEEDED}")),
            (
                "method = ['PUT', 'PUT']\npath = '/a'",
                "routes[1].method (file Settings.toml): has a method twice".to_owned(),
            ),
            (
                "method = ['GET', 'HEAD']\npath = '/a'",
                "routes[1].method (file Settings.toml): has HEAD beside GET, which includes it".to_owned(),
            ),
            (
                "method = 'G T'\npath = '/a'",
                "routes[1].method (file Settings.toml): must be methods such as GET, POST".to_owned(),
            ),
            (
                "method = 'GET'\npath = '/a'\naccess = 'public'\nany_scope = 'a'",
                "routes[1].any_scope (file Settings.toml): contradicts routes[1].access (file Settings.toml) = \"public\": keep one of them"
                    .to_owned(),
            ),
            (
                "method = 'GET'\npath = '/a'\nscope = 'a'",
                "routes[1].scope (file Settings.toml): is not a known key; did you mean scopes? known here: method, path, access, \
                 scopes, any_scope, claims, bound, direct, acr, amr, max_age"
                    .to_owned(),
            ),
            (
                "method = ['PUT', 'GET']\npath = '/first/{name}'",
                "routes[1].path (file Settings.toml): has the method GET of routes[0].path (file Settings.toml), which has the same \
                 path: keep one of them"
                    .to_owned(),
            ),
            (
                "method = 'GET'\npath = '/a'\nmax_age = '1500ms'",
                "routes[1].max_age (file Settings.toml): must be whole seconds".to_owned(),
            ),
            (
                "method = 'GET'\npath = '/a'\nclaims = { a = [] }",
                format!("routes[1].claims (file Settings.toml): {CLAIM_FORM}"),
            ),
            (
                "method = 'GET'\npath = '/a'\nacr = 'x y'",
                "routes[1].acr (file Settings.toml): must be scopes such as read:messages, without spaces, quotation marks and backslashes"
                    .to_owned(),
            ),
        ] {
            let first = "[[routes]]\nmethod = 'GET'\npath = '/first/{id}'\n[[routes]]\n";
            assert_eq!(rejected(&format!("{first}{row}")), message, "{row}");
        }
    }

    #[test]
    fn routes_are_sections_of_the_file() {
        let message = configured("routes = 1").map(drop);
        let expected = "routes (file Settings.toml): must be sections, each under [[routes]]";
        assert_eq!(message, Err(expected.to_owned()));
        let variable = super::super::tests::parsed("", &[("APP__ROUTES__0__PATH", "/a")]).map(drop);
        let expected = "routes.0.path (variable APP__ROUTES__0__PATH): can be set in the file only: write routes there as [[routes]]";
        assert_eq!(variable, Err(expected.to_owned()));
    }

    #[test]
    fn patterns_are_those_of_actix() {
        for path in [
            "/",
            "/a",
            "/a/",
            "/a.b/~c/v1:batch",
            "/{id}",
            "/{id}.json",
            "/{a}-{b}/{_c1}",
            "/{tail}*",
            "/{tail:.*}",
            r"/{year:\d{4}}/x",
            "/{lang:en|de}",
            "/.well-known/a",
        ] {
            assert!(is_usable_pattern(path), "{path}");
            drop(actix_web::dev::ResourceDef::new(path));
        }
        for path in [
            "",
            "a",
            "//",
            "/a//b",
            "/a/../b",
            "/./a",
            "/...",
            "/a b",
            "/a%20b",
            "/a;b",
            "/ä",
            "/a?b",
            "/a#b",
            "/*",
            "/a*",
            "/{a}*b",
            "/{",
            "/}",
            "/{a",
            "/a}",
            "/{}",
            "/{1a}",
            "/{a-b}",
            "/{a}/{a}",
            "/{a:[}",
            "/{a:(?P<b>x)}",
            "/{a:x)|(y}",
            "/{tail:.*}*",
            "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p}/{q}",
        ] {
            assert!(!is_usable_pattern(path), "{path}");
        }
    }
}
