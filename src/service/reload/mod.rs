//! `SIGHUP`, or a changed file → the settings, read again and applied where that is safe.

mod certificates;
mod changes;
mod poll;
mod prepared;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

pub(crate) use self::certificates::Certificates;
use self::changes::{Scope, report_issuers};
use self::poll::Poll;
use self::prepared::{Attempt, Failure, Prepared, Seen, in_thread};
use super::config::{Settings, SettingsError, Source, Trust, Values};
use super::cors::Cors;
use super::issuers::TrustedIssuers;
use super::probes::Readiness;
use super::tables::Tables;
use super::telemetry;
use crate::Verifier;
use crate::issuer::Issuer;

/// The signal, which ends the process no longer.
///
/// # Errors
/// The operating system does not deliver it to this process.
pub(crate) fn hangups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// The settings of the start, and where they come from.
pub(crate) struct Baseline {
    pub(crate) source: Source,
    pub(crate) values: Values,
}

/// What the settings change in the running service.
pub(crate) struct Reloadable {
    pub(crate) verifier: Verifier,
    /// `None` while the development issuer is trusted, which stays as it is.
    pub(crate) issuers: Option<Vec<Issuer>>,
    /// The issuers may accept the identifier of their API as an audience.
    pub(crate) tables: Tables,
    pub(crate) cors: Cors,
    pub(crate) readiness: Readiness,
    /// Whether there are endpoints for logout tokens and events.
    pub(crate) receives_events: bool,
    pub(crate) certificates: Option<Certificates>,
    pub(crate) reloads: Reloads,
}

/// Reads the settings again, one time after the other.
pub(crate) struct Reloader {
    source: Source,
    /// The values in effect.
    values: Values,
    reloadable: Reloadable,
    is_watching: bool,
    /// The lines about the settings that have been logged.
    remarks: Vec<String>,
    seen: Poll<Seen>,
}

/// How often the settings were read again; clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reloads(Arc<[AtomicU64; 2]>);

impl Reloads {
    fn count(&self, is_applied: bool) {
        let [applied, rejected] = &*self.0;
        let outcome = if is_applied { applied } else { rejected };
        outcome.fetch_add(1, Ordering::Relaxed);
    }

    /// The number for each outcome.
    pub(crate) fn counts(&self) -> [(&'static str, u64); 2] {
        let [applied, rejected] = &*self.0;
        [
            ("applied", applied.load(Ordering::Relaxed)),
            ("rejected", rejected.load(Ordering::Relaxed)),
        ]
    }
}

impl Reloader {
    /// `settings` are those of the start.
    pub(crate) fn new(baseline: Baseline, settings: &Settings, reloadable: Reloadable) -> Self {
        let seen = (baseline.values.clone(), prepared::issuers(&settings.trust));
        Self {
            source: baseline.source,
            values: baseline.values,
            reloadable,
            is_watching: settings.watch,
            remarks: settings.remarks().cloned().collect(),
            seen: Poll::new(Ok(seen)),
        }
    }

    /// Reads them at each signal, and where they are watched, when they change; `interval` passes between two looks. Signals
    /// that come while the settings are read lead to one more reading.
    pub(crate) async fn run(mut self, mut hangups: Signal, interval: Duration) {
        if let Some(certificates) = &mut self.reloadable.certificates {
            certificates.remark_expiry();
        }
        loop {
            let polls = self.is_watching || self.reloadable.certificates.is_some();
            tokio::select! {
                signal = hangups.recv() => match signal {
                    Some(()) => self.reload("SIGHUP", None).await,
                    None => return,
                },
                () = sleep(interval), if polls => self.look().await,
            }
        }
    }

    /// Looks for changes of what is watched.
    async fn look(&mut self) {
        if self.is_watching {
            let source = self.source.clone();
            let read = in_thread(move || prepared::seen(&source.read())).await;
            if let Ok(seen) = read
                && let Some(seen) = self.seen.news(seen)
            {
                self.reload("reload.watch", Some(seen)).await;
            }
        }
        if let Some(certificates) = &mut self.reloadable.certificates {
            certificates.look().await;
        }
    }

    /// Reads the settings, and applies them unless they are wrong, or are not those that are expected: then they have been
    /// written again meanwhile, and the next looks find that.
    async fn reload(&mut self, cause: &str, expected: Option<Seen>) {
        let (source, values) = (self.source.clone(), self.values.clone());
        let certificates = self.reloadable.certificates.as_ref();
        let asks_clients = certificates.map(Certificates::ask_clients);
        let attempt = in_thread(move || Attempt::make(&source, &values, asks_clients)).await;
        let applied = match attempt {
            Ok(Attempt { seen, .. })
                if expected.as_ref().is_some_and(|expected| *expected != seen) =>
            {
                return;
            }
            Ok(Attempt { seen, prepared }) => {
                self.seen.handle(seen);
                prepared.and_then(|prepared| self.apply(*prepared, cause))
            }
            Err(error) => Err(Failure::Settings(error.to_string())),
        };
        self.reloadable.reloads.count(applied.is_ok());
        if let Err(failure) = applied {
            log::error!("{cause}: {failure}");
        }
    }

    /// Applies what can change while the service runs, and logs it.
    fn apply(&mut self, prepared: Prepared, cause: &str) -> Result<(), Failure> {
        let Prepared { reading, tls } = prepared;
        let scope = Scope {
            issuers: self.replace_issuers(&reading.settings.trust, cause)?,
            tls: self.reloadable.certificates.is_some() && tls.is_some(),
            events: self.reloadable.receives_events,
            level: telemetry::change_level(&reading.settings.log.level),
        };
        self.source.requires_file_of(&reading);
        let settings = reading.settings;
        self.reloadable.cors.set(settings.cors.clone());
        self.is_watching = settings.watch;
        self.remark(&settings);
        let files = tls.zip(settings.server.tls);
        if let (Some(own), Some((loaded, files))) = (&mut self.reloadable.certificates, files) {
            own.set(loaded, files);
            log::info!("{cause}: the files of server.tls are read anew");
        }
        let changed = reading.values.changed(&self.values);
        let (applied, restart): (Vec<_>, Vec<_>) = changed
            .into_iter()
            .partition(|key| scope.applies_at_once(key));
        self.values.take(&reading.values, &applied);
        log::info!("{cause}: {}", changes::report(&applied, &restart));
        Ok(())
    }

    /// Trusts the issuers of the settings; returns whether they can change at all.
    fn replace_issuers(&mut self, trust: &Trust, cause: &str) -> Result<bool, Failure> {
        let Reloadable {
            issuers: Some(former),
            tables,
            ..
        } = &self.reloadable
        else {
            return Ok(false);
        };
        let Some(issuers) = prepared::configured(trust) else {
            return Ok(false);
        };
        let rejected = |error: SettingsError| Failure::Settings(error.to_string());
        let trusted = TrustedIssuers::configured(issuers).accepting(tables);
        let issuers = trusted.map_err(rejected)?.issuers;
        self.reloadable.readiness.keep(&self.reloadable.verifier);
        let replaced = self
            .reloadable
            .verifier
            .replace_issuers(former, issuers.clone());
        replaced.map_err(|error| Failure::Settings(format!("auth: {error}")))?;
        report_issuers(former, &issuers, cause);
        self.reloadable.issuers = Some(issuers);
        Ok(true)
    }

    /// Logs what is new of the notes and warnings about the settings.
    fn remark(&mut self, settings: &Settings) {
        settings.log_remarks_beside(&self.remarks);
        self.remarks = settings.remarks().cloned().collect();
    }
}

/// The time between two looks at what is watched; a change is noticed by the second look that finds it.
pub(crate) const INTERVAL: Duration = Duration::from_secs(2);
