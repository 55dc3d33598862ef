//! What the program adds to the service: its state, app data, middleware, commands, and its end.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::web;
use clap::ArgMatches;

use super::error::Error;
use super::middleware::Middleware;
use crate::Verifier;

/// A service without settings of its own.
#[derive(Clone, Copy, Debug)]
pub struct NoSettings(());

/// A service without a state; `state` comes before what uses the state.
#[derive(Clone, Copy, Debug)]
pub struct NoState(());

/// What is set once.
#[diagnostic::on_unimplemented(
    message = "the service has a state or settings already",
    label = "`settings` and `state` are called once, `settings` first",
    note = "several values become the fields of one struct"
)]
pub trait Unset: 'static {
    /// Its only value.
    #[doc(hidden)]
    const VALUE: Self;
}

impl Unset for NoSettings {
    const VALUE: Self = Self(());
}

impl Unset for NoState {
    const VALUE: Self = Self(());
}

/// What the state of a program is made from.
#[derive(Clone)]
#[non_exhaustive]
pub struct Context<C> {
    settings: web::Data<C>,
    verifier: Verifier,
}

impl<C> Context<C> {
    /// The settings of your own section.
    #[must_use]
    pub fn settings(&self) -> &C {
        &self.settings
    }

    /// The verifier of the service, to which issuers can be added while it runs. With `revocation.enabled`, it revokes tokens
    /// ([`Verifier::revoke`]). Handlers have it as `web::Data<Verifier>`.
    ///
    /// # Examples
    /// ```no_run
    /// use std::process::ExitCode;
    /// use std::time::SystemTime;
    ///
    /// use actix_resource_server::{Api, AuthenticatedUser, CutOff, Service, Verifier, delete};
    /// use actix_web::{HttpResponse, web};
    ///
    /// // The user closes the account: none of the tokens that were issued until now is accepted any more.
    /// async fn close_account(user: AuthenticatedUser, verifier: web::Data<Verifier>) -> HttpResponse {
    ///     let Some(subject) = user.subject() else {
    ///         return HttpResponse::BadRequest().finish();
    ///     };
    ///     let now = verifier.latest_cut_off(user.issuer()).unwrap_or_else(SystemTime::now);
    ///     let closed = CutOff::subject(user.issuer(), subject, now);
    ///     match verifier.revoke(&[closed]).await {
    ///         Ok(()) => HttpResponse::NoContent().finish(),
    ///         Err(_) => HttpResponse::ServiceUnavailable().finish(),
    ///     }
    /// }
    ///
    /// fn api() -> Api {
    ///     Api::new("/api").route("/account", delete(close_account))
    /// }
    ///
    /// fn main() -> ExitCode {
    ///     Service::new(api).run()
    /// }
    /// ```
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }
}

impl<C> fmt::Debug for Context<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

pub(super) type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

type MakeState<C, S> = Box<dyn FnOnce(Context<C>) -> LocalFuture<Result<S, Error>>>;

type Configure<C, S> = Box<dyn Fn(&mut web::ServiceConfig, &C, &web::Data<S>) + Send + Sync>;

type End<S> = Box<dyn FnOnce(web::Data<S>) -> LocalFuture<()>>;

/// Carries out a command of the program's own.
pub(super) type Commands<C> =
    Box<dyn FnOnce(&ArgMatches, web::Data<C>) -> Result<LocalFuture<Result<(), Error>>, Error>>;

/// What the program adds to the service.
pub(super) struct Hooks<C, S> {
    make_state: MakeState<C, S>,
    pub(super) configure: Vec<Configure<C, S>>,
    pub(super) middleware: Middleware,
    end: Vec<End<S>>,
}

impl<C, S: Unset> Default for Hooks<C, S> {
    fn default() -> Self {
        Self {
            make_state: Box::new(|_| Box::pin(std::future::ready(Ok(S::VALUE)))),
            configure: Vec::new(),
            middleware: Middleware::default(),
            end: Vec::new(),
        }
    }
}

impl<C: Unset, S: Unset> Hooks<C, S> {
    /// The same for settings of another type; what was added before goes without them.
    pub(super) fn with_settings<N: 'static>(self) -> Hooks<N, S> {
        let configure = self.configure.into_iter().map(|configure| {
            let configure: Configure<N, S> =
                Box::new(move |app, _, state| configure(app, &C::VALUE, state));
            configure
        });
        Hooks {
            configure: configure.collect(),
            middleware: self.middleware,
            end: self.end,
            ..Hooks::default()
        }
    }
}

impl<C: 'static, S: Unset> Hooks<C, S> {
    /// The same with a state; what was added before goes without it.
    pub(super) fn with_state<N: 'static, E>(
        self,
        make: impl AsyncFnOnce(Context<C>) -> Result<N, E> + 'static,
    ) -> Hooks<C, N>
    where
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let configure = self.configure.into_iter().map(|configure| {
            let configure: Configure<C, N> = Box::new(move |app, settings, _| {
                configure(app, settings, &web::Data::new(S::VALUE));
            });
            configure
        });
        let end = self.end.into_iter().map(|end| {
            let end: End<N> = Box::new(|_| end(web::Data::new(S::VALUE)));
            end
        });
        Hooks {
            make_state: Box::new(|context| {
                Box::pin(async { make(context).await.map_err(Error::state) })
            }),
            configure: configure.collect(),
            middleware: self.middleware,
            end: end.collect(),
        }
    }
}

impl<C: Send + Sync + 'static, S: Send + Sync + 'static> Hooks<C, S> {
    pub(super) fn on_shutdown(&mut self, end: impl AsyncFnOnce(web::Data<S>) + 'static) {
        self.end
            .push(Box::new(|state| Box::pin(async { end(state).await })));
    }

    /// The hooks with their settings, for a server that knows nothing of their types.
    pub(super) fn with(self, settings: web::Data<C>) -> Start {
        Box::new(|verifier| Box::pin(self.start(settings, verifier)))
    }

    async fn start(self, settings: web::Data<C>, verifier: Verifier) -> Result<Started, Error> {
        let context = Context {
            settings: settings.clone(),
            verifier,
        };
        let state = web::Data::new((self.make_state)(context).await?);
        let (configure, at_end) = (self.configure, state.clone());
        Ok(Started {
            additions: Additions {
                configure: Arc::new(move |app| {
                    app.app_data(settings.clone()).app_data(state.clone());
                    for configure in &configure {
                        configure(app, &settings, &state);
                    }
                }),
                middleware: self.middleware,
            },
            end: Box::pin(async move {
                for end in self.end {
                    end(at_end.clone()).await;
                }
            }),
        })
    }
}

/// Makes the state.
pub(super) type Start = Box<dyn FnOnce(Verifier) -> LocalFuture<Result<Started, Error>>>;

/// The hooks of a service whose state is made.
pub(super) struct Started {
    pub(super) additions: Additions,
    /// What is done at the end, after the drain.
    pub(super) end: LocalFuture<()>,
}

/// What the program adds to the app of each worker.
#[derive(Clone)]
pub(super) struct Additions {
    pub(super) configure: Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>,
    pub(super) middleware: Middleware,
}

/// The commands `T`, as `run` carries them out.
pub(super) fn commands<C: 'static, T, E>(
    run: impl AsyncFnOnce(T, web::Data<C>) -> Result<(), E> + 'static,
) -> Commands<C>
where
    T: clap::Subcommand + 'static,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    Box::new(|arguments, settings| {
        let command = T::from_arg_matches(arguments).map_err(Error::command)?;
        Ok(Box::pin(async {
            run(command, settings).await.map_err(Error::command)
        }))
    })
}

/// The same commands for settings of another type, without which they were added.
pub(super) fn without_settings<C: Unset, N: 'static>(run: Commands<C>) -> Commands<N> {
    Box::new(|arguments, _| run(arguments, web::Data::new(C::VALUE)))
}
