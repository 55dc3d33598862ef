//! Connections to Redis: URLs, timeouts, and why one fails. The replay store and the store of revocations share them.

#[cfg(test)]
pub(crate) mod test_server;

use std::io;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, Value};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio::time::timeout;

/// Checks the form of the URL, without connecting.
///
/// # Errors
/// [`RedisError::NotARedisUrl`].
#[cfg(feature = "service")]
pub(crate) fn check_url(url: &str) -> Result<(), RedisError> {
    open(url).map(drop)
}

/// Parses the URL; a fragment is rejected, since its only meaning is to disable the check of certificates.
pub(crate) fn open(url: &str) -> Result<Client, RedisError> {
    let is_ours = |scheme: &str| ["redis", "rediss"].contains(&scheme);
    let parsed = url::Url::parse(url).ok();
    let parsed = parsed.filter(|url| is_ours(url.scheme()) && url.fragment().is_none());
    let parsed = parsed.ok_or(RedisError::NotARedisUrl)?;
    if parsed.scheme() == "rediss" && CryptoProvider::get_default().is_none() {
        // A provider that another thread installs at the same time serves as well.
        drop(aws_lc_rs::default_provider().install_default());
    }
    Client::open(parsed).map_err(|_| RedisError::NotARedisUrl)
}

/// For [`connect`] and [`answered`], which have timeouts of their own.
pub(crate) fn without_timeouts() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
}

pub(crate) async fn connect(
    client: &Client,
    config: &AsyncConnectionConfig,
) -> Result<MultiplexedConnection, RedisFailure> {
    let connecting = client.get_multiplexed_async_connection_with_config(config);
    match timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(connected) => connected.map_err(|error| unconnected(client, error)),
        Err(_) => Err(RedisFailure::TooSlow),
    }
}

/// The server's own error text is not logged.
fn unconnected(client: &Client, error: redis::RedisError) -> RedisFailure {
    match (error.kind(), client.get_connection_info().addr()) {
        (ErrorKind::AuthenticationFailed, _) => RedisFailure::Unauthenticated,
        (ErrorKind::Server(_) | ErrorKind::Extension, _) => RedisFailure::Rejected(SOME_ERROR),
        (_, ConnectionAddr::TcpTls { .. }) => RedisFailure::UnreachableByTls(error),
        _ => RedisFailure::Unreachable(error),
    }
}

/// The answer to a request, in time.
pub(crate) async fn answered<T>(
    answer: impl Future<Output = Result<T, redis::RedisError>>,
) -> Result<T, RedisFailure> {
    let answer = timeout(RESPONSE_TIMEOUT, answer).await;
    let answer = answer.map_err(|_| RedisFailure::Silent)?;
    answer.map_err(RedisFailure::Broken)
}

/// The failure that the code of an error among the answers stands for.
pub(crate) fn rejection(answers: &[Value]) -> RedisFailure {
    let code = answers.iter().find_map(|answer| match answer {
        Value::ServerError(error) => Some(error.code()),
        _ => None,
    });
    rejected_with(code)
}

/// The failure that the code of an error stands for.
pub(crate) fn rejected_with(code: Option<&str>) -> RedisFailure {
    RedisFailure::Rejected(match code {
        Some("NOAUTH" | "NOPERM") => return RedisFailure::Unauthenticated,
        Some("READONLY") => return RedisFailure::ReadOnly,
        Some("LOADING") => "it is still loading its data",
        Some("MISCONF") => "it cannot write its data to disk",
        Some("OOM") => "it is out of memory",
        _ => SOME_ERROR,
    })
}

/// Why Redis did not answer as it should.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum RedisFailure {
    #[error("the connection broke: {0}")]
    Broken(redis::RedisError),
    /// Another server may be the primary by now.
    #[error("it is a replica that cannot be written to")]
    ReadOnly,
    #[error("{0}")]
    Rejected(&'static str),
    #[error("it did not answer within {RESPONSE_TIMEOUT:?}")]
    Silent,
    #[error("no connection was made within {CONNECT_TIMEOUT:?}")]
    TooSlow,
    #[error("it does not accept the user name or password")]
    Unauthenticated,
    /// The text of the error is that of its cause: a failed look-up of the host, or of the system.
    #[error("no connection could be made: {0}")]
    Unreachable(redis::RedisError),
    #[error("no connection could be made over TLS: {0}")]
    UnreachableByTls(redis::RedisError),
}

pub(crate) const SOME_ERROR: &str = "it answers with an error";

/// Why Redis cannot be used at all; the texts do not show the URL, which may contain a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// Not a Redis URL.
    #[error("not a URL such as redis://:password@redis.example:6379/0 or rediss://redis.example")]
    NotARedisUrl,
    /// The thread or its event queue cannot be created.
    #[error("the thread for Redis cannot be started: {0}")]
    Thread(io::ErrorKind),
}

impl From<io::Error> for RedisError {
    fn from(error: io::Error) -> Self {
        Self::Thread(error.kind())
    }
}

pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) const RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);
