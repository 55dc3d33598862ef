//! Everything about new settings that can fail, or that waits for a disk, in a thread of its own.

use std::fmt;
use std::io;
use std::thread;

use tokio::sync::oneshot;

use crate::Verifier;
use crate::issuer::Issuer;
use crate::service::config::{self, Reading, SettingsError, Source, Trust, Values};
use crate::service::error::Error;
use crate::service::server::LoadedTls;
use crate::service::verifier;

/// New settings that have passed every check.
pub(super) struct Prepared {
    pub(super) reading: Reading,
    pub(super) tls: Option<LoadedTls>,
}

/// What has been read, and whether it can be used.
pub(super) struct Attempt {
    pub(super) seen: Seen,
    pub(super) prepared: Result<Box<Prepared>, Failure>,
}

/// What tells two readings apart: values, and issuers with the content of the files that they name; or the error.
pub(super) type Seen = Result<(Values, Vec<Issuer>), String>;

/// Why new settings are not applied; one line.
pub(super) enum Failure {
    Certificates(String),
    Settings(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificates(error) => {
                write!(
                    f,
                    "the certificates stay as they are: {error}; so do all settings"
                )
            }
            Self::Settings(error) => write!(f, "the settings stay as they are: {error}"),
        }
    }
}

impl Attempt {
    /// Reads the settings and checks them as `check` does; `former` are the values in effect. `asks_clients`: whether the
    /// running listener requests client certificates, if it uses TLS.
    pub(super) fn make(source: &Source, former: &Values, asks_clients: Option<bool>) -> Self {
        let reading = source.read();
        Self {
            seen: seen(&reading),
            prepared: prepare(reading, former, asks_clients).map(Box::new),
        }
    }
}

fn prepare(
    reading: Result<Reading, SettingsError>,
    former: &Values,
    asks_clients: Option<bool>,
) -> Result<Prepared, Failure> {
    let reading = reading.map_err(|error| Failure::Settings(error.to_string()))?;
    let files = reading.settings.server.tls.clone();
    let files = files.map(|files| config::Tls {
        asks_clients: asks_clients.unwrap_or(files.asks_clients),
        ..files
    });
    let tls = files.as_ref().map(LoadedTls::read).transpose();
    let tls = tls.map_err(|error| Failure::Certificates(error.to_string()))?;
    if reading.values != *former {
        let refused = |error: Error| Failure::Settings(error.to_string());
        drop(verifier::configure(Verifier::builder(), &reading.settings).map_err(refused)?);
    }
    Ok(Prepared { reading, tls })
}

pub(super) fn seen(reading: &Result<Reading, SettingsError>) -> Seen {
    match reading {
        Ok(reading) => Ok((reading.values.clone(), issuers(&reading.settings.trust))),
        Err(error) => Err(error.to_string()),
    }
}

/// The issuers that are configured; none for the development issuer.
pub(super) fn issuers(trust: &Trust) -> Vec<Issuer> {
    configured(trust).unwrap_or_default()
}

/// The issuers that are configured; `None` for the development issuer.
pub(super) fn configured(trust: &Trust) -> Option<Vec<Issuer>> {
    match trust {
        Trust::Issuers(issuers) => Some(issuers.clone()),
        #[cfg(feature = "dev-issuer")]
        Trust::DevIssuer { .. } => None,
    }
}

/// Runs what waits for a disk in a thread, which a shutdown does not wait for.
///
/// # Errors
/// The system gives no thread, or the work panics.
pub(super) async fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (sender, receiver) = oneshot::channel();
    thread::Builder::new()
        .name("settings".to_owned())
        .spawn(move || drop(sender.send(work())))?;
    receiver
        .await
        .map_err(|_| io::Error::other("they could not be read because of a defect"))
}
