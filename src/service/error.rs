//! Why the program fails, and its exit code.

use std::error::Error as StdError;
use std::io;
use std::process::ExitCode;

use super::cli::NewError;
use super::config::SettingsError;
use crate::keys::fetch_error::Chain;
#[cfg(feature = "dev-issuer")]
use crate::keys::fetch_error::FetchError;
use crate::routing::UnreachableRoutes;

/// Why the program fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "{host}:{port} cannot be listened on ({section}.host and {section}.port, variables {variables}): {error}",
        variables = if *section == "server" { "HOST and PORT" } else { "APP__OPERATIONS__HOST and APP__OPERATIONS__PORT" }
    )]
    Bind {
        section: &'static str,
        host: String,
        port: u16,
        error: io::Error,
    },
    #[cfg(feature = "dev-issuer")]
    #[error(
        "port {port} cannot be listened on by the development issuer (dev_issuer.{key}, variable APP__DEV_ISSUER__{name}): {error}",
        name = key.to_uppercase()
    )]
    BindDevIssuer {
        key: &'static str,
        port: u16,
        error: io::Error,
    },
    /// The error of a command of the program's own.
    #[error("{0}")]
    Command(String),
    #[error("decision.path is that of a route of the service, too: set another one")]
    DecisionPath,
    #[error("the token cannot be read from standard input: {0}")]
    Input(io::Error),
    #[cfg(feature = "dev-issuer")]
    #[error(transparent)]
    Issuer(#[from] crate::issuer::IssuerError),
    #[error("not every issuer's keys are reached")]
    KeysNotReached,
    #[error("not every issuer can be asked about its tokens")]
    NotIntrospected,
    #[error(transparent)]
    New(#[from] NewError),
    #[error("keys are required at the start (auth.startup) and did not come: {reasons}")]
    NoKeys { reasons: String },
    #[error(
        "the development issuer's port is chosen at every start (dev_issuer.port is 0), so it is not known here: set it with the variable APP__DEV_ISSUER__PORT"
    )]
    NoPort,
    #[error(transparent)]
    Nonces(#[from] crate::sender::NonceError),
    #[error("the running service has not revoked anything, but answered {status}{detail}")]
    NotRevoked { status: u16, detail: String },
    #[error("there is no such route; the routes are {0}")]
    NoSuchRoute(String),
    #[error("the output cannot be written: {0}")]
    Output(io::Error),
    #[error("server.public_url is none that clients could call: {0}")]
    PublicUrl(crate::sender::TargetUriError),
    #[cfg(feature = "redis")]
    #[error("auth.dpop.replay_store: {0}")]
    Redis(crate::redis_client::RedisError),
    #[error(
        "{0} is the path of a route of the service, and of one for revocations: set revocation.logout_path, \
         revocation.events_path or operations.port, or name the route otherwise"
    )]
    RevocationPath(String),
    #[cfg(feature = "redis")]
    #[error("revocation.store: {0}")]
    RevocationStore(crate::redis_client::RedisError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("the state of the program cannot be made: {0}")]
    State(String),
    #[error("no thread or event queue could be created: {0}")]
    System(io::Error),
    #[error("{}", .0.to_string().replace('\n', "; "))]
    UnreachableRoutes(#[from] UnreachableRoutes),
    #[cfg(feature = "dev-issuer")]
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the token is rejected")]
    TokenRejected,
    #[error("the service does not answer at {url} ({key}, {variable} changes the port): {reason}")]
    Unhealthy {
        url: String,
        key: &'static str,
        variable: &'static str,
        reason: String,
    },
}

impl Error {
    pub(super) fn command(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Command(one_line(&*error.into()))
    }

    pub(super) fn state(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::State(one_line(&*error.into()))
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::New(NewError::Io(_)) => ExitCode::FAILURE,
            Self::NotRevoked { status: 400, .. } => ExitCode::from(2),
            Self::Nonces(crate::sender::NonceError::SecretTooShort { .. }) | Self::PublicUrl(_) => {
                ExitCode::from(2)
            }
            #[cfg(feature = "dev-issuer")]
            Self::Issuer(_) => ExitCode::from(2),
            Self::DecisionPath
            | Self::Input(_)
            | Self::New(_)
            | Self::NoPort
            | Self::NoSuchRoute(_)
            | Self::RevocationPath(_)
            | Self::Settings(_) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}

/// A program's own error and its sources.
fn one_line(error: &(dyn StdError + 'static)) -> String {
    let text = Chain(error).to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

// By hand: `#[from]` would also return the error as the source, which the message contains already.
impl From<crate::sender::TargetUriError> for Error {
    fn from(error: crate::sender::TargetUriError) -> Self {
        Self::PublicUrl(error)
    }
}

#[cfg(feature = "redis")]
impl From<crate::redis_client::RedisError> for Error {
    fn from(error: crate::redis_client::RedisError) -> Self {
        Self::Redis(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Why there is no token.
#[cfg(feature = "dev-issuer")]
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error(
        "tokens come from the development issuer, which is off: the settings name another issuer or disable it"
    )]
    NoDevIssuer,
    #[error("the development issuer at http://localhost:{port}/ rejects the request: {reason}")]
    Rejected { port: u16, reason: String },
    #[error(
        "the development issuer does not answer on port {port} (http://localhost:{port}/oauth/token: {}); start the service first, with `cargo run`, or set its port with the variable APP__DEV_ISSUER__PORT",
        Chain(error)
    )]
    Unreachable { port: u16, error: FetchError },
    #[error(
        "http://localhost:{port}/oauth/token does not answer like the development issuer: another program may listen on port {port}; set the issuer's port with the variable APP__DEV_ISSUER__PORT"
    )]
    Unreadable { port: u16 },
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn an_error_in_the_text_is_not_the_source() {
        let error = Error::from(io::Error::other("no more threads"));
        assert_eq!(
            error.to_string(),
            "no thread or event queue could be created: no more threads"
        );
        assert!(error.source().is_none());
        let target = crate::sender::TargetUriError::Authority;
        let error = Error::from(target.clone());
        assert!(error.to_string().ends_with(&target.to_string()));
        assert!(error.source().is_none());
    }
}
