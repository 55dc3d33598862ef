//! Remembers proofs in Redis, for all replicas.
//!
//! One thread with a runtime of its own asks for all workers. A connection's driver lives in the
//! runtime that made it, so that one made by a worker would strand the others when that worker
//! stops; here none can, and what has gathered while an answer was awaited goes out together.
//!
//! Whatever is in doubt is refused: a claim whose answer is lost was perhaps the first, and is
//! neither accepted nor called replayed.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, Pipeline, Value};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::{PendingOutcome, ProofId, ReplayCheck, ReplayOutcome};

/// The way to the thread that asks.
#[derive(Clone)]
pub(super) struct Redis {
    prefix: Arc<str>,
    requests: mpsc::Sender<ClaimRequest>,
}

/// A claim that is to be asked for.
struct ClaimRequest {
    key: String,
    seconds: u64,
    answer: oneshot::Sender<ReplayOutcome>,
}

impl Redis {
    pub(super) fn start(url: &str, prefix: &str) -> Result<Self, RedisError> {
        let client = open(url)?;
        let (requests, received) = mpsc::channel(MOST_WAITING);
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name("proofs".to_owned())
            .spawn(move || runtime.block_on(serve(RedisConnection::new(client), received)))?;
        Ok(Self {
            prefix: prefix.into(),
            requests,
        })
    }

    pub(super) fn claim(&self, proof: &ProofId, until: Duration, now: Duration) -> ReplayCheck {
        let (answer, answered) = oneshot::channel();
        let request = ClaimRequest {
            key: format!("{}{}", self.prefix, BASE64URL_NOPAD.encode(&proof.hash)),
            seconds: seconds_to_keep(until, now),
            answer,
        };
        match self.requests.try_send(request) {
            Ok(()) => ReplayCheck::Pending(PendingOutcome(answered)),
            Err(_) => ReplayCheck::Decided(ReplayOutcome::Unavailable),
        }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redis(redacted)")
    }
}

/// Rounded up, and longer by what the clocks of replicas may differ.
fn seconds_to_keep(until: Duration, now: Duration) -> u64 {
    let left = until.saturating_sub(now).saturating_add(CLOCK_SKEW);
    left.as_secs().saturating_add(1)
}

/// Whether Redis could be used by this URL; nothing is connected to.
///
/// # Errors
/// [`RedisError::NotARedisUrl`].
#[cfg(feature = "service")]
pub(super) fn check_url(url: &str) -> Result<(), RedisError> {
    open(url).map(drop)
}

/// Reads the URL; a fragment is refused, since all that it can say is that any certificate will do.
fn open(url: &str) -> Result<Client, RedisError> {
    let is_ours = |scheme: &str| ["redis", "rediss"].contains(&scheme);
    let parsed = url::Url::parse(url).ok();
    let parsed = parsed.filter(|url| is_ours(url.scheme()) && url.fragment().is_none());
    let parsed = parsed.ok_or(RedisError::NotARedisUrl)?;
    if parsed.scheme() == "rediss" && CryptoProvider::get_default().is_none() {
        // Somebody else's choice in the same instant is as good.
        drop(aws_lc_rs::default_provider().install_default());
    }
    Client::open(parsed).map_err(|_| RedisError::NotARedisUrl)
}

/// Answers requests until nobody is left who has any.
async fn serve(mut connection: RedisConnection, mut received: mpsc::Receiver<ClaimRequest>) {
    let mut requests = Vec::new();
    while received.recv_many(&mut requests, MOST_AT_ONCE).await > 0 {
        requests.retain(|request| !request.answer.is_closed());
        let verdicts = connection.ask(&requests).await;
        for (request, verdict) in requests.drain(..).zip(verdicts) {
            // Who has gone away meanwhile needs no answer.
            let _ = request.answer.send(verdict);
        }
    }
}

/// The connection, and how it was lately.
struct RedisConnection {
    client: Client,
    connection: Option<MultiplexedConnection>,
    failed_at: Option<Instant>,
}

impl RedisConnection {
    fn new(client: Client) -> Self {
        Self {
            client,
            connection: None,
            failed_at: None,
        }
    }

    /// A verdict for each request, in their order.
    async fn ask(&mut self, requests: &[ClaimRequest]) -> Vec<ReplayOutcome> {
        if requests.is_empty() {
            return Vec::new();
        }
        let asked = pipeline(requests);
        let mut verdicts = self.exchange(&asked, requests.len()).await;
        if let Err(Failure::Outlived) = &verdicts {
            // What is known now may be known from the first time.
            let again = self.exchange(&asked, requests.len()).await;
            verdicts = again.map(|verdicts| verdicts.into_iter().map(in_doubt).collect());
        }
        self.report(verdicts.as_ref().err());
        verdicts.unwrap_or_else(|_| vec![ReplayOutcome::Unavailable; requests.len()])
    }

    /// One round over the connection, which is kept only if all went well.
    async fn exchange(
        &mut self,
        asked: &Pipeline,
        count: usize,
    ) -> Result<Vec<ReplayOutcome>, Failure> {
        let (mut connection, is_new) = match self.connection.take() {
            Some(connection) => (connection, false),
            None => (self.connect().await?, true),
        };
        match round(&mut connection, asked, count).await {
            Ok(verdicts) => {
                self.connection = Some(connection);
                Ok(verdicts)
            }
            Err(Failure::Broken(_) | Failure::Refused(_)) if !is_new => Err(Failure::Outlived),
            Err(failure) => Err(failure),
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, Failure> {
        if self.failed_at.is_some_and(|at| at.elapsed() < PAUSE) {
            return Err(Failure::Resting);
        }
        // The deadlines are those around each await here.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(connected) => connected.map_err(|error| self.unconnected(error)),
            Err(_) => Err(Failure::TooSlow),
        }
    }

    /// What the server itself answers is not repeated.
    fn unconnected(&self, error: redis::RedisError) -> Failure {
        let address = self.client.get_connection_info().addr();
        match (error.kind(), address) {
            (ErrorKind::AuthenticationFailed, _) => Failure::Unauthenticated,
            (ErrorKind::Server(_) | ErrorKind::Extension, _) => Failure::Refused(SOME_ERROR),
            (_, ConnectionAddr::TcpTls { .. }) => Failure::UnreachableByTls(error),
            _ => Failure::Unreachable(error),
        }
    }

    /// Tells of the first failure, and of the answer that ends it.
    fn report(&mut self, failure: Option<&Failure>) {
        match failure {
            Some(Failure::Resting) => {}
            Some(failure) => {
                if self.failed_at.replace(Instant::now()).is_none() {
                    log::error!(
                        "proofs: Redis cannot be asked whether they were used before: {failure}"
                    );
                }
            }
            None => {
                if self.failed_at.take().is_some() {
                    log::info!("proofs: Redis answers again");
                }
            }
        }
    }
}

fn pipeline(requests: &[ClaimRequest]) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(requests.len());
    for request in requests {
        let set = pipeline.cmd("SET").arg(&request.key).arg(1);
        set.arg("NX").arg("EX").arg(request.seconds);
    }
    pipeline
}

async fn round(
    connection: &mut MultiplexedConnection,
    asked: &Pipeline,
    count: usize,
) -> Result<Vec<ReplayOutcome>, Failure> {
    let answers = connection.req_packed_commands(asked, 0, count);
    let answers = timeout(RESPONSE_TIMEOUT, answers).await;
    let answers = answers.map_err(|_| Failure::Silent)?;
    let answers = answers.map_err(Failure::Broken)?;
    let verdicts: Option<Vec<_>> = answers.iter().map(verdict).collect();
    verdicts
        .filter(|verdicts| verdicts.len() == count)
        .ok_or_else(|| refusal(&answers))
}

/// Which of the errors that are known by their codes is among the answers.
fn refusal(answers: &[Value]) -> Failure {
    let code = answers.iter().find_map(|answer| match answer {
        Value::ServerError(error) => Some(error.code()),
        _ => None,
    });
    Failure::Refused(match code {
        Some("NOAUTH" | "NOPERM") => return Failure::Unauthenticated,
        Some("LOADING") => "it is still loading its data",
        Some("MISCONF") => "it cannot write its data to disk",
        Some("OOM") => "it is out of memory",
        Some("READONLY") => "it is a replica that cannot be written to",
        _ => SOME_ERROR,
    })
}

/// What `SET … NX` answers, unless that is an error.
fn verdict(answer: &Value) -> Option<ReplayOutcome> {
    match answer {
        Value::Nil => Some(ReplayOutcome::Replayed),
        Value::Okay => Some(ReplayOutcome::First),
        _ => None,
    }
}

fn in_doubt(verdict: ReplayOutcome) -> ReplayOutcome {
    match verdict {
        ReplayOutcome::Replayed => ReplayOutcome::Unavailable,
        other => other,
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
enum Failure {
    #[error("the connection broke: {0}")]
    Broken(redis::RedisError),
    /// A connection that had served was of no use any more; a new one may be.
    #[error("the connection broke")]
    Outlived,
    #[error("{0}")]
    Refused(&'static str),
    /// It failed a moment ago.
    #[error("it failed a moment ago")]
    Resting,
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

const SOME_ERROR: &str = "it answers with an error";

/// Why Redis cannot be used at all; neither text shows the URL, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// The URL is none that Redis is reached by.
    #[error("not a URL such as redis://:password@redis.example:6379/0 or rediss://redis.example")]
    NotARedisUrl,
    /// The system gave no thread or no event queue.
    #[error("no thread to ask Redis from: {0}")]
    Thread(io::ErrorKind),
}

impl From<io::Error> for RedisError {
    fn from(error: io::Error) -> Self {
        Self::Thread(error.kind())
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

const RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);

/// After a failure nobody waits for the next one, until this has passed.
const PAUSE: Duration = Duration::from_millis(200);

/// What one replica's clock may be behind another's: until then the one would still accept what the other saw.
const CLOCK_SKEW: Duration = Duration::from_secs(30);

/// One round of the connection takes so many claims at most.
const MOST_AT_ONCE: usize = 512;

/// Who comes when so many wait would wait in vain.
const MOST_WAITING: usize = 8192;

#[cfg(test)]
mod tests;
