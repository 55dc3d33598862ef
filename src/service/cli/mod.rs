//! The program's commands, one a file.

mod check;
mod explain;
mod health;
mod output;
mod routes;
mod serve;
#[cfg(feature = "dev-issuer")]
mod token;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::MakeApi;
use super::config::Settings;
use super::error::Error;

/// An OAuth 2.0 resource server: an API that callers reach with access tokens.
#[derive(Debug, Parser)]
#[command(version, about, long_about = None)]
struct Arguments {
    /// The settings file; without it, Settings.toml in the working directory if there is one.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows the effective settings and their sources, and whether each issuer's keys can be fetched.
    #[command(after_help = CHECK_HELP)]
    Check(check::Arguments),
    /// Explains what the service makes of an access token: each check, the cause, the remedy.
    #[command(after_help = EXPLAIN_HELP)]
    Explain(explain::Arguments),
    /// Asks the running service whether it is alive; the exit code is 0 when it is.
    Health,
    /// Lists the routes and what each requires.
    #[command(after_help = ROUTES_HELP)]
    Routes(routes::Arguments),
    /// Serves the API; the default command.
    Serve,
    /// Requests an access token from the development issuer and prints it.
    #[cfg(feature = "dev-issuer")]
    Token(token::Arguments),
}

/// Parses the program's arguments and runs the command.
///
/// # Errors
/// [`Error`], to be printed in one line.
pub(crate) fn run(make_api: MakeApi) -> Result<(), Error> {
    let Arguments { config, command } = Arguments::parse();
    let file = config.as_deref();
    let settings = || Settings::load(file, variables());
    match command.unwrap_or(Command::Serve) {
        Command::Check(arguments) => check::run(&arguments, file),
        Command::Explain(arguments) => explain::run(&arguments, settings()?, make_api),
        Command::Health => health::run(&settings()?),
        Command::Routes(arguments) => routes::run(&arguments, make_api),
        Command::Serve => serve::run(settings()?, make_api),
        #[cfg(feature = "dev-issuer")]
        Command::Token(arguments) => token::run(&arguments, &settings()?),
    }
}

/// The variables that this process was started with.
fn variables() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}

const CHECK_HELP: &str = "\
Secrets are not shown. Waits for the keys of each issuer up to auth.timeout_duration.

Exit code: 0 for success, 1 if the keys of an issuer cannot be fetched, 2 for wrong settings.";

const EXPLAIN_HELP: &str = "\
Verifies the token as the running service does, with the same settings and keys. The content of the
token is shown, its signature is not. \"Bearer \" before the token is ignored.

  actix-resource-server explain \"$TOKEN\"
  actix-resource-server explain - --route \"GET /api/private-scoped\" < token.txt

Exit code: 0 if the token is accepted, 1 if it is rejected, 2 for wrong settings or arguments.";

const ROUTES_HELP: &str = "\
GET answers HEAD too. No settings are read.";
