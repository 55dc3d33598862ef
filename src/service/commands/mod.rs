//! What the program can be told to do, one command a file.

mod serve;
#[cfg(feature = "dev-issuer")]
mod token;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::settings::{Settings, SettingsError};

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
    /// Serves the API; what happens without a command.
    Serve,
    /// Asks the development issuer for an access token and prints it.
    #[cfg(feature = "dev-issuer")]
    Token(token::Arguments),
}

/// Reads the arguments of the program and carries them out.
///
/// # Errors
/// [`Failure`], to be printed in one line.
pub(crate) fn run() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let settings = Settings::load(arguments.config.as_deref(), std::env::vars_os())?;
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(settings),
        #[cfg(feature = "dev-issuer")]
        Command::Token(arguments) => token::run(&arguments, &settings),
    }
}

/// Why the program ends without having done its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(
        "{host}:{port} cannot be listened on (server.host and server.port, variables HOST and PORT): {error}"
    )]
    Bind {
        host: String,
        port: u16,
        error: io::Error,
    },
    #[cfg(feature = "dev-issuer")]
    #[error(
        "port {port} cannot be listened on by the development issuer (dev_issuer.port, variable APP__DEV_ISSUER__PORT): {error}"
    )]
    BindDevIssuer { port: u16, error: io::Error },
    #[cfg(feature = "dev-issuer")]
    #[error(transparent)]
    Issuer(#[from] crate::issuer::IssuerError),
    #[error("keys are required at the start (auth.startup) and did not come: {reasons}")]
    NoKeys { reasons: String },
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("the system gave no thread or event queue: {0}")]
    System(#[from] io::Error),
    #[cfg(feature = "dev-issuer")]
    #[error(transparent)]
    Token(#[from] token::TokenError),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Settings(_) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}
