//! The files of `[server.tls]`: replaced while they are used, and watched.

use std::time::{Instant, SystemTime};

use super::poll::Poll;
use super::prepared::in_thread;
use crate::service::config::{self, SettingsError};
use crate::service::server::{self, Digest, LoadedTls, REMARKS, Tls};

/// The certificate of the service, and the files that it is read from.
pub(crate) struct Certificates {
    tls: Tls,
    files: config::Tls,
    seen: Poll<Result<Digest, String>>,
    remarked_at: Option<Instant>,
}

impl Certificates {
    pub(crate) fn new(tls: Tls, files: config::Tls) -> Self {
        Self {
            seen: Poll::new(Ok(tls.digest())),
            tls,
            files,
            remarked_at: None,
        }
    }

    /// Whether client certificates are requested, which needs a restart to change.
    pub(super) fn ask_clients(&self) -> bool {
        self.files.asks_clients
    }

    /// Uses what has been read from `files`.
    pub(super) fn set(&mut self, loaded: LoadedTls, files: config::Tls) {
        self.tls.set(loaded);
        self.seen.handle(Ok(self.tls.digest()));
        self.files = config::Tls {
            asks_clients: self.files.asks_clients,
            ..files
        };
        self.remarked_at = None;
        self.remark_expiry();
    }

    /// Uses the files if they have been replaced.
    pub(super) async fn look(&mut self) {
        let files = self.files.clone();
        let read = move || server::digest(&files).map_err(|error: SettingsError| error.to_string());
        if let Ok(digest) = in_thread(read).await
            && let Some(digest) = self.seen.news(digest)
        {
            self.seen.handle(digest);
            let files = self.files.clone();
            let loaded = in_thread(move || LoadedTls::read(&files)).await;
            match loaded {
                Ok(Ok(loaded)) => {
                    self.set(loaded, self.files.clone());
                    log::info!("the files of server.tls have changed and are read anew");
                }
                Ok(Err(error)) => log::error!("the certificates stay as they are: {error}"),
                Err(error) => log::error!("the certificates stay as they are: {error}"),
            }
        }
        self.remark_expiry();
    }

    /// Logs once a day that the certificate expires soon.
    pub(super) fn remark_expiry(&mut self) {
        let now = Instant::now();
        let is_due = self
            .remarked_at
            .is_none_or(|at| now.saturating_duration_since(at) >= REMARKS);
        if !is_due {
            return;
        }
        self.remarked_at = Some(now);
        let remark = self
            .tls
            .validity()
            .and_then(|validity| validity.remark(SystemTime::now()));
        if let Some(remark) = remark {
            log::warn!("{}: the certificate {remark}", self.files.certificate);
        }
    }
}
