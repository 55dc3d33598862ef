//! The deployable service: settings, server, logging, signals and commands around an API.

mod app;
mod cli;
mod config;
#[cfg(feature = "dev-issuer")]
mod dev_issuer;
mod error;
mod issuers;
mod metrics;
mod probes;
mod reload;
mod request_log;
mod routes;
mod server;
mod shutdown;
mod telemetry;
mod verifier;

use std::process::ExitCode;

/// Builds the table of routes that is served; called once for each worker.
type MakeApi = fn() -> crate::Api;

/// Runs the program: carries out the command of its arguments.
///
/// The exit code is 0 on success, 2 for wrong arguments or settings, and 1 for any other error.
#[must_use]
pub fn run() -> ExitCode {
    match cli::run(routes::api) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", env!("CARGO_PKG_NAME"));
            error.exit_code()
        }
    }
}
