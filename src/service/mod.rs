//! The deployable service: settings, server, logging, signals and commands around an API.

mod app;
mod audit;
mod cli;
mod config;
mod cors;
mod decision;
#[cfg(feature = "dev-issuer")]
mod dev_issuer;
#[cfg(feature = "docs-page")]
mod docs_page;
mod error;
mod hooks;
#[cfg(any(feature = "dev-issuer", feature = "docs-page"))]
mod html;
mod issuers;
mod metrics;
mod middleware;
mod observer;
mod openapi;
mod probes;
mod reload;
mod request_log;
mod revocation;
mod server;
mod shutdown;
mod tables;
mod telemetry;
mod verifier;

use std::error::Error as StdError;
use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;

use actix_web::rt::System;
use actix_web::web;
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::openapi::OpenApi;

use self::cli::{Invoked, OwnCommands, Program};
use self::config::{Layers, OwnSection, SettingsError, Source};
use self::error::Error;
use self::hooks::{Commands, Hooks};
use self::reload::Baseline;
use self::tables::Tables;

pub use self::config::Secret;
pub use self::hooks::{Context, NoSettings, NoState, Unset};
pub use self::middleware::{MakeMiddleware, WrappedService};
pub use self::tables::MakeApi;

/// A program that serves APIs: settings, server, commands, probes and metrics, and the development issuer, around your
/// own routes.
///
/// It is the whole `main` of a program. `cargo run` serves; `check`, `explain`, `health`, `openapi`, `revoke`, `routes` and `token` are
/// its other commands. Settings come from `Settings.toml` and from variables, as the guide on settings lists them.
///
/// # Examples
/// ```no_run
/// use std::process::ExitCode;
///
/// use actix_resource_server::{Api, AuthenticatedUser, Scoped, Service, get, post, scope};
/// use actix_web::web;
/// use serde::{Deserialize, Serialize};
/// # #[derive(Debug)]
/// # struct Database;
/// # impl Database {
/// #     async fn connect(_: &str) -> Result<Self, std::io::Error> { Ok(Self) }
/// #     async fn close(&self) {}
/// # }
///
/// scope!(WriteTodos = "write:todos");
///
/// async fn list(user: AuthenticatedUser, database: web::Data<Database>) -> String {
///     format!("the list of {}", user.subject().unwrap_or("a client"))
/// }
///
/// async fn add(_: Scoped<WriteTodos>, todo: String) -> String {
///     todo
/// }
///
/// fn api() -> Api {
///     Api::new("/api")
///         .route("/todos", get(list))
///         .route("/todos", post(add))
/// }
///
/// #[derive(Deserialize, Serialize)]
/// struct TodoSettings {
///     database: String,
/// }
///
/// fn main() -> ExitCode {
///     Service::new(api)
///         .settings::<TodoSettings>("todo")
///         .state(async |context| Database::connect(&context.settings().database).await)
///         .on_shutdown(async |database| database.close().await)
///         .run()
/// }
/// ```
#[must_use = "a service does nothing until it is run"]
pub struct Service<C = NoSettings, S = NoState> {
    program: Program,
    read_settings: fn(&Layers) -> Result<C, SettingsError>,
    hooks: Hooks<C, S>,
    commands: Option<Commands<C>>,
}

impl Service {
    /// A service for the routes of `api`: the function that makes the table, which each worker calls.
    pub fn new(api: impl MakeApi) -> Self {
        Self {
            program: Program::new(Tables::of(api)),
            read_settings: |_| Ok(NoSettings::VALUE),
            hooks: Hooks::default(),
            commands: None,
        }
    }
}

impl<C, S> Service<C, S>
where
    C: Send + Sync + 'static,
    S: Send + Sync + 'static,
{
    /// Adds the routes of another table; its prefix may be the same, or lie below that of another.
    ///
    /// Paths of no table are answered in the first [error format](crate::Api::error_format) that a table has.
    ///
    /// Two rows with the same method and path end the start with one line that names both places, and exit code 1.
    pub fn api(mut self, api: impl MakeApi) -> Self {
        self.program.tables.add(api);
        self
    }

    /// Sets the name that the program's messages begin with; without it, that of the executable file.
    pub fn name(mut self, name: &'static str) -> Self {
        self.program.name = Some(name);
        self
    }

    /// Sets what `--version` prints, such as `env!("CARGO_PKG_VERSION")`.
    pub fn version(mut self, version: &'static str) -> Self {
        self.program.version = Some(version);
        self
    }

    /// Sets the first line of `--help`.
    pub fn about(mut self, about: &'static str) -> Self {
        self.program.about = Some(about);
        self
    }

    /// Changes the OpenAPI document of the service: its title, its license, descriptions of tags, …
    ///
    /// # Examples
    /// ```no_run
    /// use actix_resource_server::{Api, Service};
    ///
    /// fn main() -> std::process::ExitCode {
    ///     Service::new(|| Api::new("/api"))
    ///         .openapi(|document| document.info.title = "Orders".to_owned())
    ///         .run()
    /// }
    /// ```
    pub fn openapi(mut self, adapt: impl Fn(&mut OpenApi) + Send + Sync + 'static) -> Self {
        self.program.adapt_openapi = Some(Arc::new(adapt));
        self
    }

    /// Declares a section of settings of your own; handlers get it as `web::Data<N>`.
    ///
    /// Its keys come from the file (`[todo]`) and from variables (`APP__TODO__DATABASE`) as all others do. A wrong value, an
    /// unknown key, or a key that is not set and has no default ends the start with one line, which names key, source and
    /// remedy, and exit code 2. `check` lists them: texts and lists are not shown where the name of the key, or of a section
    /// around it, contains a word such as `credentials`, `key`, `password`, `secret` or `token`, where they contain a URL with
    /// a password, or where the type is [`Secret`].
    /// A number or flag may be set as a text, and a list as a text with commas.
    ///
    /// # Panics
    /// If the service itself has a section `name`.
    #[track_caller]
    pub fn settings<N>(mut self, name: &'static str) -> Service<N, S>
    where
        N: DeserializeOwned + Serialize + Send + Sync + 'static,
        C: Unset,
        S: Unset,
    {
        self.program.own = Some(OwnSection::of::<N>(name));
        Service {
            program: self.program,
            read_settings: Layers::own,
            hooks: self.hooks.with_settings(),
            commands: self.commands.map(hooks::without_settings),
        }
    }

    /// Makes the state of the program, such as a connection to a database; handlers get it as `web::Data<N>`.
    ///
    /// `make` is called once, on the main thread, before a connection is accepted; it may spawn tasks there. An error ends
    /// the program with one line and exit code 1. Probes are not answered before the state is made: where that takes long,
    /// give the container a startup probe.
    pub fn state<N, E>(
        self,
        make: impl AsyncFnOnce(Context<C>) -> Result<N, E> + 'static,
    ) -> Service<C, N>
    where
        N: Send + Sync + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
        S: Unset,
    {
        Service {
            program: self.program,
            read_settings: self.read_settings,
            hooks: self.hooks.with_state(make),
            commands: self.commands,
        }
    }

    /// Adds app data and further actix services to the app of each worker.
    ///
    /// They come after the tables' routes, which they cannot hide. What Actix serves without an access type is open to
    /// everyone.
    pub fn configure<F>(mut self, configure: F) -> Self
    where
        F: Fn(&mut web::ServiceConfig, &C, &web::Data<S>) + Send + Sync + 'static,
    {
        self.hooks.configure.push(Box::new(configure));
        self
    }

    /// Wraps the app in a middleware; `make` is called by each worker: `.wrap(Logger::default)`.
    ///
    /// As in actix, the one that is registered last is called first. It sees requests before their access is decided.
    pub fn wrap(mut self, make: impl MakeMiddleware) -> Self {
        self.hooks.middleware.add(make);
        self
    }

    /// Calls `end` once every accepted request is answered, on the main thread, before the program exits; also where the
    /// start fails or is stopped after the state was made.
    ///
    /// A second signal ends the program without waiting for it.
    pub fn on_shutdown(mut self, end: impl AsyncFnOnce(web::Data<S>) + 'static) -> Self {
        self.hooks.on_shutdown(end);
        self
    }

    /// Adds commands of your own beside those of the service; an error is printed in one line, and the exit code is 1.
    ///
    /// # Panics
    /// If the service has a command of the same name, or if it is called twice.
    ///
    /// # Examples
    /// ```no_run
    /// use actix_resource_server::{Api, Service};
    ///
    /// #[derive(clap::Subcommand)]
    /// enum Command {
    ///     /// Creates the tables of the database.
    ///     Migrate,
    /// }
    ///
    /// fn main() -> std::process::ExitCode {
    ///     Service::new(|| Api::new("/api"))
    ///         .commands(async |command: Command, _settings| -> Result<(), std::io::Error> {
    ///             match command {
    ///                 Command::Migrate => std::fs::write("todos.db", ""),
    ///             }
    ///         })
    ///         .run()
    /// }
    /// ```
    #[track_caller]
    pub fn commands<T, E>(
        mut self,
        run: impl AsyncFnOnce(T, web::Data<C>) -> Result<(), E> + 'static,
    ) -> Self
    where
        T: clap::Subcommand + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        assert!(
            self.commands.is_none(),
            "`commands` is called once: put all of them into one enum"
        );
        self.program.own_commands = Some(OwnCommands::of::<T>());
        self.commands = Some(hooks::commands(run));
        self
    }

    /// Carries out the command of the program's arguments; without one, serves until a signal to stop.
    ///
    /// The exit code is 0 on success, 2 for wrong arguments or settings, and 1 for any other error.
    #[must_use = "return it from `main`"]
    pub fn run(self) -> ExitCode {
        let name = self.program.name();
        match self.carry_out() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{name}: {error}");
                error.exit_code()
            }
        }
    }

    fn carry_out(self) -> Result<(), Error> {
        let Some((layers, invoked)) = cli::run(&self.program)? else {
            return Ok(());
        };
        let settings = layers.settings()?;
        let read_own = self.read_settings;
        let own = web::Data::new(read_own(&layers)?);
        let source = Source::of(&layers, move |layers| read_own(layers).map(drop));
        let values = source.values(&layers)?;
        let baseline = Baseline { source, values };
        let tables = self.program.tables(settings.rows());
        telemetry::start(&settings.log, tables.crates());
        match (invoked, self.commands) {
            (Invoked::Own(arguments), Some(run)) => System::new().block_on(run(&arguments, own)?),
            (Invoked::Own(_), None) | (Invoked::Serve, _) => {
                let start = self.hooks.with(own);
                let documentation = self.program.documentation(tables);
                System::new().block_on(app::serve(settings, baseline, documentation, start))
            }
        }
    }
}

impl<C, S> fmt::Debug for Service<C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}
