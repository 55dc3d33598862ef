//! SIGHUP → the certificates, read anew.

use std::io;

use actix_web::rt::{spawn, task::spawn_blocking};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::config;
use super::server::Tls;

/// From now on `SIGHUP` has the files of `[server.tls]` read again; what they hold serves those
/// who connect afterwards, and what cannot be used changes nothing.
///
/// # Errors
/// The operating system does not deliver the signal to this process.
pub(crate) fn on_hangup(tls: Option<(Tls, config::Tls)>) -> io::Result<()> {
    let hangups = signal(SignalKind::hangup())?;
    match tls {
        Some((tls, settings)) => spawn(reload_at(hangups, tls, settings)),
        None => spawn(stay(hangups)),
    };
    Ok(())
}

/// A signal that is meant for services with certificates must not end one without.
async fn stay(mut hangups: Signal) {
    while hangups.recv().await.is_some() {
        log::info!("SIGHUP: there are no files to read anew");
    }
}

async fn reload_at(mut hangups: Signal, tls: Tls, settings: config::Tls) {
    while hangups.recv().await.is_some() {
        let (tls, settings) = (tls.clone(), settings.clone());
        // Files may lie on a disk that is slow.
        match spawn_blocking(move || tls.reload(&settings)).await {
            Ok(Ok(())) => log::info!("SIGHUP: the files of server.tls are read anew"),
            Ok(Err(error)) => log::error!("SIGHUP: the certificates stay as they are: {error}"),
            Err(error) => log::error!("SIGHUP: a defect kept the files from being read: {error}"),
        }
    }
}
