//! The service as a program.

use std::process::ExitCode;

fn main() -> ExitCode {
    actix_resource_server::service::run()
}
