//! Signals → drain → exit.

use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::rt::{spawn, time::sleep};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Whether the service is draining; clones share the state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draining(Arc<AtomicBool>);

impl Draining {
    pub(crate) fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The signals to stop: `SIGTERM`, as orchestrators send it, and `SIGINT`, as a keyboard does.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on the signals end the service in order, not the process at once.
    ///
    /// # Errors
    /// The operating system does not deliver signals to this process.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Resolves at the first signal, if the service is not up by then; nothing is to be answered.
    pub(crate) async fn before_serving(&mut self) {
        let signal = self.next().await;
        log::info!("{signal}: stopped before anything was served");
    }

    /// Resolves when the service is to close its sockets: `drain_delay` after the first signal.
    ///
    /// Until then it still accepts and answers requests, but `/readyz` answers `draining`, for a load
    /// balancer to see. A second signal ends the process at once, at any time, with exit code 1.
    pub(crate) async fn drained(mut self, draining: Draining, drain_delay: Duration) {
        let signal = self.next().await;
        draining.0.store(true, Ordering::Relaxed);
        log::info!("{signal}: no longer ready; the sockets close in {drain_delay:?}");
        spawn(async move {
            let signal = self.next().await;
            log::warn!("{signal} again: ending at once, whatever is not answered yet");
            process::exit(1);
        });
        sleep(drain_delay).await;
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
