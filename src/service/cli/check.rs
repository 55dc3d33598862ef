//! Shows the effective settings and their sources, and whether each issuer's keys can be fetched.

use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;

use super::output::{columns, line, print, print_json};
use crate::Verifier;
use crate::issuer::{Issuer, KeySource};
use crate::service::config::{Effective, Layers};
use crate::service::error::Error;
use crate::service::issuers::TrustedIssuers;
use crate::service::server::Tls;
use crate::service::verifier;
use crate::verifier::VerifierBuilder;

/// How the check is reported.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print one JSON object for scripts.
    #[arg(long)]
    json: bool,
}

/// The result; its JSON is for scripts.
#[derive(Debug, Serialize)]
struct Report {
    /// Whether all keys that the service needs are available.
    ok: bool,
    /// Whether the issuer is the development issuer, which starts and ends with the service.
    development_issuer: bool,
    issuers: Vec<Reached>,
    notes: Vec<String>,
    warnings: Vec<String>,
    settings: Vec<Effective>,
}

/// One issuer, and whether its keys are available.
#[derive(Debug, Serialize)]
struct Reached {
    issuer: String,
    audience: Vec<String>,
    keys: Keys,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Keys {
    Configured,
    NotReached,
    Reached,
}

pub(super) fn run(arguments: &Arguments, layers: &Layers) -> Result<(), Error> {
    let settings = layers.settings()?;
    if let Some(files) = &settings.server.tls {
        Tls::load(files)?;
    }
    // The service judges the same settings by making the same.
    drop(verifier::configure(Verifier::builder(), &settings)?);
    let verifier = verifier::schemes_only(&settings)?;
    let effective = layers.effective()?;
    let trusted = TrustedIssuers::of(settings.trust)?;
    let issuers = actix_web::rt::System::new().block_on(reach(verifier, &trusted))?;
    let warnings: Vec<_> = trusted.issuers.iter().filter_map(Issuer::warning).collect();
    let reached = issuers.iter().all(|issuer| issuer.keys != Keys::NotReached);
    let report = Report {
        ok: reached || trusted.development,
        development_issuer: trusted.development,
        issuers,
        notes: [settings.notes, warnings].concat(),
        warnings: settings.warnings,
        settings: effective,
    };
    if arguments.json {
        print_json(&report)?;
    } else {
        print(&report.text())?;
    }
    report.ok.then_some(()).ok_or(Error::KeysNotReached)
}

/// Fetches every issuer's keys, as the service does at its start.
async fn reach(verifier: VerifierBuilder, trusted: &TrustedIssuers) -> Result<Vec<Reached>, Error> {
    let verifier = verifier.start(trusted.issuers.iter().cloned())?;
    let longest = trusted.issuers.iter().map(|issuer| issuer.fetching.timeout);
    let limit = if trusted.development {
        LOCAL
    } else {
        longest.max().unwrap_or_default().saturating_add(LOCAL)
    };
    // The report lists the issuers that are not ready by then.
    timeout(limit, verifier.ready()).await.ok();
    let issuers = trusted.issuers.iter().zip(verifier.readiness());
    let reached = issuers
        .map(|(issuer, unready)| Reached::new(issuer, unready.map(|unready| unready.details)));
    Ok(reached.collect())
}

impl Reached {
    fn new(issuer: &Issuer, reason: Option<String>) -> Self {
        let configured =
            issuer.base_url().is_none() && !matches!(issuer.keys(), Some(KeySource::JwksUri(_)));
        Self {
            issuer: issuer.label().to_owned(),
            audience: issuer.rules.audience.clone(),
            keys: match reason {
                Some(_) => Keys::NotReached,
                None if configured => Keys::Configured,
                None => Keys::Reached,
            },
            reason,
        }
    }

    fn text(&self) -> String {
        let keys = match (self.keys, &self.reason) {
            (Keys::Configured, _) => "its keys are configured; nothing is fetched".to_owned(),
            (Keys::Reached, _) => "its keys are reached".to_owned(),
            (Keys::NotReached, None) => "its keys are not reached".to_owned(),
            (Keys::NotReached, Some(reason)) => format!("its keys are not reached: {reason}"),
        };
        let audience = self.audience.join(", ");
        format!(
            "  {} (audience {}): {keys}\n",
            line(&self.issuer),
            line(&audience)
        )
    }
}

impl Report {
    fn text(&self) -> String {
        let mut rows = vec![["SETTING", "VALUE", "FROM"].map(str::to_owned)];
        rows.extend(self.settings.iter().map(|setting| {
            let value = setting.value.as_deref().unwrap_or("-");
            [setting.key.as_str(), value, setting.layer.as_str()].map(line)
        }));
        let mut text = columns(&rows);
        text.push_str("\nISSUERS\n");
        text.extend(self.issuers.iter().map(Reached::text));
        if self.development_issuer {
            text.push_str(DEVELOPMENT);
        }
        text.extend(self.notes.iter().map(|note| format!("note: {note}\n")));
        let warnings = self.warnings.iter();
        text.extend(warnings.map(|warning| format!("warning: {warning}\n")));
        text
    }
}

/// How long a fetch on this machine may take.
const LOCAL: Duration = Duration::from_secs(1);

const DEVELOPMENT: &str = "  This is the development issuer: no other is configured. It starts and ends with the service, \
so its keys are reached only while that runs.\n";
