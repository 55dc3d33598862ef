//! Explains what the server makes of a token: each check in order, the cause, and the remedy.
//!
//! The verdict comes of the verifier that serves requests, with the same settings. What the token
//! says is shown to the person who has it; its signature never is.

mod case;
mod checks;
mod contents;
mod given;
mod remedies;
mod report;
#[cfg(all(test, feature = "test-kit"))]
mod tests;
mod verdict;
mod words;

use std::io::{self, Read};

use self::case::Case;
use self::contents::Contents;
use self::given::Given;
use self::report::Report;
use self::verdict::Verdict;
use super::layout::{print, print_json};
use super::routes::{self, Route};
use super::trusted::Trusted;
use crate::Verifier;
use crate::service::config::Settings;
use crate::service::failure::Failure;
use crate::service::senders;
use crate::verifier::clock::since_epoch;

/// Which token is explained, and for which route.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The access token; - reads it from standard input, where no other user of this machine sees it.
    #[arg(value_name = "TOKEN")]
    token: String,

    /// Judge the token for this route, such as "GET /api/private-scoped".
    #[arg(long, value_name = "ROUTE")]
    route: Option<String>,

    /// Print one JSON object for scripts.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, settings: Settings) -> Result<(), Failure> {
    let given = Given::read(&token(&arguments.token)?);
    let routes = routes::all();
    let named = arguments.route.as_deref();
    let route = named.map(|named| Route::find(&routes, named)).transpose()?;
    let verifier = senders::offered(&settings);
    let trusted = Trusted::of(settings.trust)?;
    if trusted.issuers.is_empty() {
        return Err(Failure::NoPort);
    }
    let verifier = verifier.start(trusted.issuers.iter().cloned())?;
    let report = explain(given, route, &routes, &trusted, &verifier);
    let report = actix_web::rt::System::new().block_on(report);
    match arguments.json {
        true => print_json(&report)?,
        false => print(&report.text())?,
    }
    report.accepted.then_some(()).ok_or(Failure::TokenRefused)
}

/// The token itself, or what standard input has.
fn token(argument: &str) -> Result<String, Failure> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut text = String::new();
    let read = io::stdin().take(LARGEST_INPUT).read_to_string(&mut text);
    read.map(|_| text).map_err(Failure::Input)
}

async fn explain(
    given: Given,
    route: Option<&Route>,
    routes: &[Route],
    trusted: &Trusted,
    verifier: &Verifier,
) -> Report {
    let requirement = route.map(|route| &route.requirement);
    let verdict = Verdict::of(&given.token, verifier, requirement).await;
    let case = Case {
        contents: Contents::read(&given.token),
        issuers: &trusted.issuers,
        development: trusted.development,
        unready: verifier.unready(),
        now: since_epoch(verifier.now()),
    };
    let schemes = verifier.senders().schemes();
    Report::new(&verdict, schemes, case, given, route, routes)
}

/// Far more than any token that a server reads, in bytes.
const LARGEST_INPUT: u64 = 1024 * 1024;
