//! Shows the effective settings and their sources, and whether each issuer's keys can be fetched.

use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;

use super::output::{columns, line, print, print_json};
use crate::Verifier;
use crate::issuer::{Issuer, KeySource};
use crate::jose::{Algorithm, JwkError};
use crate::keys::{Findings, NONE_FITS};
use crate::service::config::{Effective, Layers};
use crate::service::error::Error;
use crate::service::issuers::TrustedIssuers;
use crate::service::server::Tls;
use crate::service::tables::Tables;
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
    /// The `issuer` of the discovery document, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    discovered_issuer: Option<String>,
    /// The number of keys for algorithms that are accepted.
    usable_keys: usize,
    unusable_keys: Vec<Unusable>,
    /// Those that the settings accept and a key can verify.
    algorithms: Vec<&'static str>,
    /// How long fetched keys are fresh, and how long they stay in use during an outage.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_seconds: Option<CacheSeconds>,
    /// Whether the introspection endpoint answers, where tokens are introspected.
    #[serde(skip_serializing_if = "Option::is_none")]
    introspection: Option<Introspection>,
}

/// Whether tokens can be introspected, with this API's client credentials.
#[derive(Debug, Serialize)]
struct Introspection {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<Result<(), String>> for Introspection {
    fn from(probed: Result<(), String>) -> Self {
        Self {
            ok: probed.is_ok(),
            reason: probed.err(),
        }
    }
}

/// Keys that cannot be used for one reason.
#[derive(Debug, Serialize)]
struct Unusable {
    reason: String,
    keys: usize,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct CacheSeconds {
    refresh: u64,
    longest_outage: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Keys {
    Configured,
    NotReached,
    Reached,
}

pub(super) fn run(arguments: &Arguments, layers: &Layers, tables: Tables) -> Result<(), Error> {
    let settings = layers.settings()?;
    if let Some(files) = &settings.server.tls {
        Tls::load(files)?;
    }
    // The service judges the same settings by making the same.
    drop(verifier::configure(Verifier::builder(), &settings)?);
    let verifier = verifier::schemes_only(&settings)?;
    let effective = layers.effective()?;
    let trusted = TrustedIssuers::of(settings.trust)?;
    let tables = tables.described_by(&settings.resource);
    let trusted = trusted.accepting(&tables)?;
    let issuers = actix_web::rt::System::new().block_on(reach(verifier, &trusted))?;
    let notes: Vec<_> = trusted.issuers.iter().filter_map(Issuer::warning).collect();
    let warnings: Vec<_> = trusted
        .issuers
        .iter()
        .zip(&issuers)
        .filter_map(|(issuer, reached)| reached.warning(issuer))
        .collect();
    let reached = issuers.iter().all(Reached::is_well);
    let report = Report {
        ok: reached || trusted.development,
        development_issuer: trusted.development,
        issuers,
        notes: [settings.notes, notes].concat(),
        warnings: [settings.warnings, warnings].concat(),
        settings: effective,
    };
    if arguments.json {
        print_json(&report)?;
    } else {
        print(&report.text())?;
    }
    if report.ok {
        return Ok(());
    }
    let lacks_keys = report.issuers.iter().any(Reached::lacks_keys);
    Err(if lacks_keys {
        Error::KeysNotReached
    } else {
        Error::NotIntrospected
    })
}

/// Fetches every issuer's keys, as the service does at its start.
async fn reach(verifier: VerifierBuilder, trusted: &TrustedIssuers) -> Result<Vec<Reached>, Error> {
    let verifier = verifier.start(trusted.issuers.iter().cloned())?;
    // The report lists the issuers that are not ready by then.
    timeout(trusted.longest_fetch(), verifier.ready())
        .await
        .ok();
    let introspection = verifier.probe_introspection().await;
    let found = verifier.readiness().into_iter().zip(verifier.findings());
    let issuers = trusted.issuers.iter().zip(found).zip(introspection);
    let reached = issuers.map(|((issuer, (unready, findings)), probed)| Reached {
        introspection: probed.map(Introspection::from),
        ..Reached::new(issuer, unready.map(|unready| unready.details), findings)
    });
    Ok(reached.collect())
}

impl Reached {
    fn new(issuer: &Issuer, reason: Option<String>, findings: Findings) -> Self {
        let configured =
            issuer.base_url().is_none() && !matches!(issuer.keys(), Some(KeySource::JwksUri(_)));
        let unusable = |(reason, keys): &(JwkError, usize)| Unusable {
            reason: reason.to_string(),
            keys: *keys,
        };
        let cache = |fresh_for: Duration| CacheSeconds {
            refresh: fresh_for.as_secs(),
            longest_outage: issuer.fetching.longest_outage.as_secs(),
        };
        Self {
            issuer: issuer.label().to_owned(),
            audience: issuer.rules.audience.clone(),
            keys: match reason {
                Some(_) => Keys::NotReached,
                None if configured => Keys::Configured,
                None => Keys::Reached,
            },
            reason,
            discovered_issuer: findings.document_issuer,
            usable_keys: findings.usable.unwrap_or_default(),
            unusable_keys: findings.skipped.reasons().map(unusable).collect(),
            algorithms: findings
                .algorithms
                .into_iter()
                .map(Algorithm::name)
                .collect(),
            cache_seconds: findings.fresh_for.map(cache),
            introspection: None,
        }
    }

    fn lacks_keys(&self) -> bool {
        self.keys == Keys::NotReached
    }

    fn is_well(&self) -> bool {
        !self.lacks_keys() && self.introspection.as_ref().is_none_or(|probed| probed.ok)
    }

    /// What an operator must know although the keys are available.
    fn warning(&self, issuer: &Issuer) -> Option<String> {
        if self.lacks_keys() {
            return None;
        }
        let label = line(&self.issuer);
        if self.usable_keys == 0 && issuer.introspection.is_none() {
            return Some(format!("{label}: {NONE_FITS}"));
        }
        let configured = issuer.name()?;
        let found = self.discovered_issuer.as_deref()?;
        (found != configured).then(|| format!("{label}: {OTHER_NAME}"))
    }

    fn text(&self) -> String {
        let keys = match (self.keys, &self.reason) {
            (Keys::Configured, _) => "its keys are configured; nothing is fetched".to_owned(),
            (Keys::Reached, _) => "its keys are reached".to_owned(),
            (Keys::NotReached, None) => "its keys are not reached".to_owned(),
            (Keys::NotReached, Some(reason)) => format!("its keys are not reached: {reason}"),
        };
        let audience = self.audience.join(", ");
        let first = format!(
            "  {} (audience {}): {keys}",
            line(&self.issuer),
            line(&audience)
        );
        let lines: Vec<_> = [vec![first], self.details()].concat();
        lines.join("\n    ") + "\n"
    }

    /// One line for each fact about the issuer's documents and keys.
    fn details(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(found) = &self.discovered_issuer {
            lines.push(format!("issuer of the discovery document: {}", line(found)));
        }
        if !self.lacks_keys() {
            let algorithms = self.algorithms.join(", ");
            lines.push(format!("usable keys: {} ({algorithms})", self.usable_keys));
        }
        let unusable = self.unusable_keys.iter();
        lines.extend(unusable.map(|of| format!("unusable keys: {} ({})", of.keys, of.reason)));
        if let Some(cache) = self.cache_seconds {
            lines.push(format!(
                "cache: refreshed after {} s, in use for {} s while the issuer is unavailable",
                cache.refresh, cache.longest_outage
            ));
        }
        match &self.introspection {
            Some(Introspection {
                reason: Some(reason),
                ..
            }) => lines.push(format!("tokens cannot be introspected: {reason}")),
            Some(_) => lines.push("its introspection endpoint answers".to_owned()),
            None => {}
        }
        lines
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

const OTHER_NAME: &str = "the setting issuer differs from the issuer of the discovery document: \
tokens are accepted only where iss is the value of the setting";

const DEVELOPMENT: &str = "  This is the development issuer: no other is configured. It starts and ends with the service, \
so its keys are reached only while that runs.\n";
