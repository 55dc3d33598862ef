//! What only the deployable service needs: settings, logging, signals, commands.

mod app;
mod cli;
mod companion;
mod config;
#[cfg(feature = "dev-issuer")]
mod dev_issuer;
mod failure;
mod metrics;
mod probes;
mod reload;
mod request_log;
mod routes;
mod senders;
mod server;
mod shutdown;
mod startup;
mod telemetry;

use std::process::ExitCode;

/// Runs the program: reads its arguments and does what they say.
///
/// The exit code is 0 when all went well, 2 for wrong arguments or settings, and 1 for whatever else failed.
#[must_use]
pub fn run() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}: {failure}", env!("CARGO_PKG_NAME"));
            failure.exit_code()
        }
    }
}
