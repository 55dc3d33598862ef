//! Signals → drain → exit.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Waits for the signal to stop: `SIGTERM`, as orchestrators send it, or `SIGINT`, as a keyboard does.
///
/// # Errors
/// The operating system does not deliver signals to this process.
pub(crate) async fn told_to_stop() -> io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
    }
}
