//! Tells what was found: in plain words, or as JSON.

use std::time::SystemTime;

use actix_web::ResponseError;
use actix_web::http::header::WWW_AUTHENTICATE;
use serde::Serialize;
use serde_json::{Map, Value};

use super::case::Case;
use super::checks::Check;
use super::given::Given;
use super::remedies::Explanation;
use super::verdict::Verdict;
use super::words::{listed, moment, quoted};
use crate::authorization::{AuthScheme, Schemes};
use crate::service::cli::layout::{columns, line};
use crate::service::cli::routes::Route;

/// All that is known of one token before one server.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether the server would let the token in.
    pub(super) accepted: bool,
    /// The one that was asked about.
    route: Option<String>,
    /// What the server answers instead of the handler.
    pub(super) answer: Option<Answer>,
    #[serde(flatten)]
    pub(super) explanation: Option<Explanation>,
    checks: Vec<Checked>,
    /// Whether each route would let the token in, where the token is good.
    routes: Vec<Opened>,
    header: Option<Map<String, Value>>,
    claims: Option<Map<String, Value>>,
    notes: Vec<&'static str>,
    /// What the token says, in words.
    #[serde(skip)]
    says: String,
}

/// The head of a refusal.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) www_authenticate: Option<String>,
}

#[derive(Debug, Serialize)]
struct Checked {
    demand: &'static str,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Failed,
    NotReached,
    Passed,
}

#[derive(Debug, Serialize)]
struct Opened {
    route: String,
    open: bool,
}

impl Report {
    pub(super) fn new(
        verdict: &Verdict,
        schemes: Schemes,
        case: Case<'_>,
        given: Given,
        route: Option<&Route>,
        routes: &[Route],
    ) -> Self {
        let answer = verdict.rejection().map(|rejection| {
            let response = rejection
                .offering(schemes)
                .after(Some(AuthScheme::Bearer))
                .error_response();
            let challenge = response.headers().get(WWW_AUTHENTICATE);
            Answer {
                status: response.status().as_u16(),
                www_authenticate: challenge
                    .and_then(|challenge| challenge.to_str().ok())
                    .map(str::to_owned),
            }
        });
        Self {
            accepted: answer.is_none(),
            route: route.map(Route::name),
            answer,
            explanation: Explanation::of(verdict, &case),
            checks: checks(verdict, &case, route),
            routes: opened(verdict, routes, &case),
            says: says(&case),
            header: case.contents.header,
            claims: case.contents.claims,
            notes: given.notes,
        }
    }

    pub(super) fn text(&self) -> String {
        let notes = self.notes.iter().map(|note| format!("Note: {note}\n\n"));
        let mut text: String = notes.collect();
        text.push_str(&self.says);
        let checks: Vec<_> = self.checks.iter().map(Checked::row).collect();
        text.push_str("THE CHECKS, in the server's order\n");
        text.push_str(&columns(&checks));
        text.push_str(&self.verdict());
        let opened = self.routes.iter().map(|opened| {
            let open = if opened.open {
                "opens"
            } else {
                "does not open"
            };
            format!("  It {open} {}.\n", opened.route)
        });
        text.extend(opened);
        if let Some(Explanation { why, remedy, .. }) = &self.explanation {
            text.push_str(&format!("Why:    {why}\nRemedy: {remedy}\n"));
        }
        text
    }

    fn verdict(&self) -> String {
        let at = self.route.as_ref().map(|route| format!(" at {route}"));
        let at = at.unwrap_or_default();
        match &self.answer {
            None => format!("\nACCEPTED{at}\n"),
            Some(Answer {
                status,
                www_authenticate: None,
            }) => format!("\nREFUSED{at}: {status}\n"),
            Some(Answer {
                status,
                www_authenticate: Some(challenge),
            }) => format!("\nREFUSED{at}: {status}, WWW-Authenticate: {challenge}\n"),
        }
    }
}

impl Checked {
    fn row(&self) -> [String; 2] {
        let outcome = match self.outcome {
            Outcome::Failed => "  FAILED",
            Outcome::NotReached => "  not reached",
            Outcome::Passed => "  passed",
        };
        [outcome, self.demand].map(str::to_owned)
    }
}

fn checks(verdict: &Verdict, case: &Case<'_>, route: Option<&Route>) -> Vec<Checked> {
    let failed = Check::failed(verdict, case);
    let mut outcome = match verdict {
        Verdict::Open => Outcome::NotReached,
        _ => Outcome::Passed,
    };
    let made = Check::ALL.into_iter().filter(|check| match check {
        Check::Login => route.is_some_and(|route| !route.requirement.logins.is_empty()),
        Check::Scope => route.is_some(),
        _ => true,
    });
    made.map(|check| {
        let is_it = failed == Some(check);
        let checked = Checked {
            demand: check.demand(),
            outcome: if is_it { Outcome::Failed } else { outcome },
        };
        if is_it {
            outcome = Outcome::NotReached;
        }
        checked
    })
    .collect()
}

/// Which of the routes a good token opens.
fn opened(verdict: &Verdict, routes: &[Route], case: &Case<'_>) -> Vec<Opened> {
    let now = SystemTime::UNIX_EPOCH.checked_add(case.now);
    let now = now.unwrap_or(SystemTime::UNIX_EPOCH);
    let asked = routes.iter().filter(|route| route.takes_token());
    let opened = asked.filter_map(|route| {
        Some(Opened {
            route: route.name(),
            open: verdict.opens(&route.requirement, now)?,
        })
    });
    opened.collect()
}

/// The token's own words, without its signature.
fn says(case: &Case<'_>) -> String {
    let contents = &case.contents;
    let mut rows = Vec::new();
    let mut say = |name: &str, words: String| rows.push([format!("  {name}"), words]);
    for name in ["alg", "kid", "typ"] {
        if let Some(value) = contents.parameter(name) {
            say(name, plain(value));
        }
    }
    for (name, value) in contents.claims.iter().flatten() {
        let time = matches!(name.as_str(), "exp" | "nbf" | "iat" | "auth_time");
        let words = match contents.time(name) {
            Some(at) if time => moment(at, case.now),
            _ => plain(value),
        };
        say(&line(name), words);
    }
    match rows.is_empty() {
        true => String::new(),
        false => format!("THE TOKEN SAYS\n{}\n", columns(&rows)),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(list) if list.iter().all(Value::is_string) => {
            listed(list.iter().filter_map(Value::as_str))
        }
        other => {
            let text = quoted(&other.to_string());
            text.trim_matches('"').to_owned()
        }
    }
}
