//! The program's commands, one a file.

mod check;
mod explain;
mod health;
mod new;
mod openapi;
mod output;
mod revoke;
mod routes;
mod running;
#[cfg(feature = "dev-issuer")]
mod token;

use std::env;
use std::path::{Path, PathBuf};

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

pub(super) use self::new::NewError;
use super::config::{Layers, OwnSection, RouteRow, Settings};
use super::error::Error;
use super::openapi::{Adapt, Documentation};
use super::tables::Tables;

#[cfg(feature = "dev-issuer")]
pub(super) use self::explain::Explainer;

/// A program: its name, its routes, and what it adds to the commands and settings.
pub(super) struct Program {
    /// That of the executable file where it is not set.
    pub(super) name: Option<&'static str>,
    pub(super) version: Option<&'static str>,
    pub(super) about: Option<&'static str>,
    pub(super) tables: Tables,
    pub(super) own: Option<OwnSection>,
    pub(super) own_commands: Option<OwnCommands>,
    pub(super) adapt_openapi: Option<Adapt>,
}

/// Commands that the program adds.
#[derive(Clone, Copy)]
pub(super) struct OwnCommands {
    have: fn(&str) -> bool,
    augment: fn(clap::Command) -> clap::Command,
}

/// A command that is carried out with the program's hooks.
pub(super) enum Invoked {
    Serve,
    Own(ArgMatches),
}

/// Arguments of the program, before its command.
#[derive(Debug, Parser)]
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
    Check(check::Arguments),
    /// Explains what the service makes of an access token: each check, the cause, the remedy.
    Explain(explain::Arguments),
    /// Asks the running service whether it is alive; the exit code is 0 when it is.
    Health,
    /// Prints the OpenAPI document of the routes, as JSON.
    Openapi,
    /// Revokes the tokens of a user or a session, or one token, at the running service.
    Revoke(revoke::Arguments),
    /// Lists the routes and what each requires.
    Routes(routes::Arguments),
    /// Serves the API; the default command.
    Serve,
    /// Requests an access token from the development issuer and prints it.
    #[cfg(feature = "dev-issuer")]
    Token(token::Arguments),
}

/// The commands of the shipped program alone.
#[derive(Debug, Subcommand)]
enum Shipped {
    /// Writes a new project: an API of your own on this service.
    New(new::Arguments),
}

impl Program {
    pub(super) fn new(tables: Tables) -> Self {
        Self {
            name: None,
            version: None,
            about: None,
            tables,
            own: None,
            own_commands: None,
            adapt_openapi: None,
        }
    }

    pub(super) fn name(&self) -> String {
        let file = || {
            let path = PathBuf::from(env::args_os().next()?);
            Some(path.file_stem()?.to_string_lossy().into_owned())
        };
        let name = self.name.map(str::to_owned).or_else(file);
        name.unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned())
    }

    /// The tables, with the rows of the settings. In the shipped program these replace the quickstart's routes, which only
    /// show how a program is made.
    pub(super) fn tables(&self, rows: &[RouteRow]) -> Tables {
        let tables = self.tables.clone();
        tables.deciding(rows, self.is_shipped())
    }

    /// What its OpenAPI document is made from.
    pub(super) fn documentation(&self, tables: Tables) -> Documentation {
        Documentation {
            title: self.name(),
            version: self.version.unwrap_or("1.0.0"),
            tables,
            adapt: self.adapt_openapi.clone(),
        }
    }

    /// Whether this is the program of this package.
    fn is_shipped(&self) -> bool {
        self.name == Some(env!("CARGO_PKG_NAME"))
    }

    /// The file and the variables.
    fn layers(&self, file: Option<&Path>) -> Result<Layers, Error> {
        Ok(Layers::read(file, env::vars_os(), self.own)?)
    }

    fn command(&self) -> clap::Command {
        let name = self.name();
        let command = Arguments::command()
            .mut_subcommand("check", |check| check.after_help(CHECK_HELP))
            .mut_subcommand("explain", |explain| explain.after_help(explain_help(&name)))
            .mut_subcommand("openapi", |openapi| openapi.after_help(OPENAPI_HELP))
            .mut_subcommand("revoke", |revoke| revoke.after_help(revoke_help(&name)))
            .mut_subcommand("routes", |routes| routes.after_help(ROUTES_HELP))
            .bin_name(&name)
            .name(name)
            .version(self.version);
        let command = if self.is_shipped() {
            Shipped::augment_subcommands(command)
        } else {
            command
        };
        let command = match self.own_commands {
            Some(own) => (own.augment)(command),
            None => command,
        };
        // Last: the documentation of an enum of commands becomes the description of the whole program.
        command.about(self.about.unwrap_or(ABOUT)).long_about(None)
    }
}

impl OwnCommands {
    /// # Panics
    /// If one of them has the name of a command of the service.
    #[track_caller]
    pub(super) fn of<T: Subcommand>() -> Self {
        for command in Arguments::command().get_subcommands() {
            let name = command.get_name();
            assert!(
                !T::has_subcommand(name),
                "the service has a command {name} already: choose another name"
            );
        }
        Self {
            have: T::has_subcommand,
            augment: T::augment_subcommands,
        }
    }
}

/// Parses the program's arguments and carries out the command; what needs the program's hooks is returned.
///
/// # Errors
/// [`Error`], to be printed in one line.
pub(super) fn run(program: &Program) -> Result<Option<(Layers, Invoked)>, Error> {
    let matches = program.command().get_matches();
    let config: Option<&PathBuf> = matches.get_one("config");
    let file = config.map(PathBuf::as_path);
    let layers = || program.layers(file);
    let is_own = |name| program.own_commands.is_some_and(|own| (own.have)(name));
    if matches.subcommand_name().is_some_and(is_own) {
        return Ok(Some((layers()?, Invoked::Own(matches.clone()))));
    }
    if program.is_shipped()
        && let Ok(Shipped::New(arguments)) = Shipped::from_arg_matches(&matches)
    {
        return new::run(&arguments).map(|()| None);
    }
    let command = Command::from_arg_matches(&matches).unwrap_or(Command::Serve);
    match command {
        Command::Check(arguments) => {
            let layers = layers()?;
            check::run(&arguments, &layers, program.tables(&layers.routes()?))
        }
        Command::Explain(arguments) => {
            let settings = layers()?.settings()?;
            let tables = program.tables(settings.rows());
            explain::run(&arguments, settings, tables)
        }
        Command::Health => health::run(&layers()?.settings()?),
        Command::Openapi => {
            let settings = layers().and_then(|layers| Ok(layers.settings()?));
            let rows = settings.as_ref().map(Settings::rows).unwrap_or_default();
            openapi::run(program.documentation(program.tables(rows)), settings)
        }
        Command::Revoke(arguments) => revoke::run(&arguments, &layers()?.settings()?),
        Command::Routes(arguments) => {
            let layers = layers()?;
            let tables = program.tables(&layers.routes()?);
            routes::run(&arguments, &tables, &layers)
        }
        Command::Serve => return Ok(Some((layers()?, Invoked::Serve))),
        #[cfg(feature = "dev-issuer")]
        Command::Token(arguments) => token::run(&arguments, &layers()?.settings()?),
    }
    .map(|()| None)
}

const ABOUT: &str = "An OAuth 2.0 resource server: an API that callers reach with access tokens";

const CHECK_HELP: &str = "\
Secrets are not shown. Waits for the keys of each issuer up to auth.timeout_duration.

Exit code: 0 for success, 1 if the keys of an issuer cannot be fetched, 2 for wrong settings.";

const OPENAPI_HELP: &str = "\
Waits for the discovery documents of the issuers up to auth.timeout_duration. Where one cannot be fetched, or the
settings are wrong, a line on standard error says so, and the document is printed with what is known.";

const ROUTES_HELP: &str = "\
GET answers HEAD too. No settings are read.";

fn revoke_help(program: &str) -> String {
    format!(
        "\
Reads the settings of the running service, which must have revocation.enabled and revocation.operator_token,
and sends the revocation to its listener on this machine. It applies to all services with the same Redis.

  {program} revoke --sub \"auth0|123\"

Exit code: 0 if the tokens are revoked, 1 if the service cannot be reached or cannot revoke now, 2 for wrong
settings or arguments."
    )
}

fn explain_help(program: &str) -> String {
    format!(
        "\
Verifies the token as the running service does, with the same settings and keys. The content of the
token is shown, its signature is not. \"Bearer \" before the token is ignored.

  {program} explain \"$TOKEN\"
  {program} explain - --route \"GET /api/private\" < token.txt

Exit code: 0 if the token is accepted, 1 if it is rejected, 2 for wrong settings or arguments."
    )
}
