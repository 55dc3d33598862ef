//! The rows of the settings: as a table, which decides, and as patterns, which compare readings of a path.
//!
//! Servers differ in more than the spellings that are rejected at once: some ignore the case of a path, or a slash at its
//! end, or decode what others compare as it was sent. A request passes only if all these readings of its path lead to rows
//! with the same access.

use actix_web::dev::{ResourceDef, Url};
use actix_web::http::Method;

use super::identity;
use super::original::Original;
use crate::Api;
use crate::claims::authn::AuthnRequirement;
use crate::extract::AccessRule;
use crate::routing::Endpoint;
use crate::routing::path_pattern::{Part, parts, specificity};
use crate::service::config::{Demand, RouteRow};

/// The rows of `[[routes]]`, the more specific paths first, as the table serves them.
#[derive(Debug)]
pub(in crate::service) struct Rows(Vec<Row>);

#[derive(Debug)]
struct Row {
    /// In the order of the settings.
    at: usize,
    methods: Vec<Method>,
    path: String,
    access: &'static AccessRule,
    /// The path in each reading.
    patterns: [ResourceDef; READINGS.len()],
}

/// How a server may compare paths.
#[derive(Clone, Copy, Debug)]
struct Reading {
    ignores_case: bool,
    ignores_last_slash: bool,
}

/// The first is that of the table.
const READINGS: [Reading; 4] = [
    Reading::new(false, false),
    Reading::new(true, false),
    Reading::new(false, true),
    Reading::new(true, true),
];

impl Rows {
    /// Rows that last as long as the program: a table's names are `'static`, and are made once.
    pub(in crate::service) fn leak(rows: &[RouteRow]) -> &'static Self {
        let rows = rows.iter().enumerate();
        let mut rows: Vec<_> = rows.map(|(at, row)| Row::new(at, row)).collect();
        rows.sort_by_key(|row| specificity(&row.path));
        Box::leak(Box::new(Self(rows)))
    }

    /// The table, in the order of the settings.
    pub(in crate::service) fn api(&'static self) -> Api {
        let mut rows: Vec<_> = self.0.iter().collect();
        rows.sort_by_key(|row| row.at);
        let routes = rows.into_iter().flat_map(|row| {
            let methods = row.methods.iter();
            methods.map(|method| (row.path.as_str(), method.clone(), row.access))
        });
        routes.fold(Api::new(""), |api, (path, method, access)| {
            api.route(
                path,
                Endpoint::by_rule(method, access, "decision", identity::permit),
            )
        })
    }

    /// Whether another reading of the path leads to a row with other access.
    pub(super) fn is_ambiguous(&self, original: &Original) -> bool {
        let url = Url::new(original.uri.clone());
        // What a server compares: the path decoded, as actix has it, or as it was sent.
        let texts = [url.path(), original.uri.path()];
        let access = |reading, text: &str| self.access(reading, &original.method, text);
        let Some(own) = access(0, url.path()) else {
            return false;
        };
        (0..READINGS.len()).any(|reading| {
            let others = texts.iter().filter_map(|text| access(reading, text));
            others.into_iter().any(|other| other != own)
        })
    }

    /// The access of the row that serves the method at the path, in a reading.
    fn access(&self, reading: usize, method: &Method, path: &str) -> Option<&'static AccessRule> {
        let known = READINGS.get(reading)?;
        let path = known.path(path);
        // A server that ignores the slash may add it, too.
        let with_slash = known.ignores_last_slash.then(|| format!("{path}/"));
        let mut rows = self.0.iter();
        let row = rows.find(|row| {
            let keeps_slash = with_slash.as_deref();
            row.serves(method)
                && (row.matches(reading, &path)
                    || keeps_slash.is_some_and(|path| row.matches(known.with_slash(), path)))
        });
        row.map(|row| row.access)
    }
}

impl Row {
    fn new(at: usize, row: &RouteRow) -> Self {
        Self {
            at,
            methods: row.methods.clone(),
            patterns: READINGS.map(|reading| ResourceDef::new(reading.pattern(&row.path))),
            path: row.path.clone(),
            access: Box::leak(Box::new(access(row.demand.as_ref()))),
        }
    }

    fn matches(&self, reading: usize, path: &str) -> bool {
        let pattern = self.patterns.get(reading);
        pattern.is_some_and(|pattern| pattern.is_match(path))
    }

    fn serves(&self, method: &Method) -> bool {
        let serves_head = *method == Method::HEAD && self.methods.contains(&Method::GET);
        serves_head || self.methods.contains(method)
    }
}

impl Reading {
    const fn new(ignores_case: bool, ignores_last_slash: bool) -> Self {
        Self {
            ignores_case,
            ignores_last_slash,
        }
    }

    /// The place of the reading that differs in keeping the slash.
    fn with_slash(self) -> usize {
        usize::from(self.ignores_case)
    }

    fn path(self, path: &str) -> String {
        let path = if self.ignores_last_slash {
            without_last_slash(path)
        } else {
            path
        };
        if self.ignores_case {
            folded(path)
        } else {
            path.to_owned()
        }
    }

    fn pattern(self, pattern: &str) -> String {
        let pattern = if self.ignores_last_slash {
            without_last_slash(pattern)
        } else {
            pattern
        };
        if !self.ignores_case {
            return pattern.to_owned();
        }
        let parts = parts(pattern).map(|part| match part {
            Part::Literal(text) => folded(text),
            Part::Parameter {
                name,
                pattern: None,
            } => format!("{{{name}}}"),
            Part::Parameter {
                name,
                pattern: Some(pattern),
            } => format!("{{{name}:(?i:{pattern})}}"),
        });
        parts.collect()
    }
}

fn without_last_slash(path: &str) -> &str {
    let shorter = path.strip_suffix('/').filter(|shorter| !shorter.is_empty());
    shorter.unwrap_or(path)
}

/// The same text for all that differ in case alone: `ſ` is a lower case of `S`, too.
fn folded(text: &str) -> String {
    text.to_uppercase().to_lowercase()
}

fn access(demand: Option<&Demand>) -> AccessRule {
    let Some(demand) = demand else {
        return AccessRule::public();
    };
    let mut rule = AccessRule::authenticated();
    if demand.bound {
        rule = rule.bound();
    }
    if demand.direct {
        rule = rule.direct();
    }
    if !demand.scopes.is_empty() {
        rule = rule.scopes(&[leaked(&demand.scopes).to_vec()]);
    }
    if !demand.any_scope.is_empty() {
        let alternatives: Vec<_> = leaked(&demand.any_scope)
            .iter()
            .map(|scope| vec![*scope])
            .collect();
        rule = rule.scopes(&alternatives);
    }
    if !(demand.acr.is_empty() && demand.amr.is_empty() && demand.max_age.is_none()) {
        rule = rule.login(AuthnRequirement {
            acr_values: leaked(&demand.acr),
            amr_values: leaked(&demand.amr),
            max_age: demand.max_age,
        });
    }
    demand.claims.iter().fold(rule, |rule, claim| {
        let description = format!("The token's claim {claim}.").replace('"', "");
        rule.claim(claim.clone(), description.leak())
    })
}

fn leaked(texts: &[String]) -> &'static [&'static str] {
    let texts: Vec<&'static str> = texts.iter().map(|text| &*text.clone().leak()).collect();
    texts.leak()
}
