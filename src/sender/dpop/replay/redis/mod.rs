//! A replay store in Redis, for all replicas.
//!
//! One thread with its own runtime serves all workers. A connection's driver runs in the runtime that
//! created it, so a connection of one worker would fail for the others when that worker stops. The
//! requests that arrive while an answer is awaited are sent together.
//!
//! A claim whose answer is lost may have been the first: it is neither accepted nor called replayed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Client, Pipeline, Value};
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::{ProofId, ReplayAnswer, ReplayOutcome};
use crate::redis_client::{self, RedisError, RedisFailure};

/// The channel to the thread with the connection.
#[derive(Clone)]
pub(super) struct Redis {
    prefix: Arc<str>,
    requests: mpsc::Sender<ClaimRequest>,
}

/// A claim that waits for the connection.
struct ClaimRequest {
    key: String,
    seconds: u64,
    answer: oneshot::Sender<ReplayOutcome>,
}

impl Redis {
    pub(super) fn start(url: &str, prefix: &str) -> Result<Self, RedisError> {
        let client = redis_client::open(url)?;
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

    pub(super) fn claim(&self, proof: &ProofId, until: Duration, now: Duration) -> ReplayAnswer {
        let (answer, answered) = oneshot::channel();
        let request = ClaimRequest {
            key: format!("{}{}", self.prefix, BASE64URL_NOPAD.encode(&proof.hash)),
            seconds: seconds_to_keep(until, now),
            answer,
        };
        match self.requests.try_send(request) {
            Ok(()) => ReplayAnswer::Pending(answered.into()),
            Err(_) => ReplayAnswer::Decided(ReplayOutcome::Unavailable),
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

/// Answers requests until all senders are dropped.
async fn serve(mut connection: RedisConnection, mut received: mpsc::Receiver<ClaimRequest>) {
    let mut requests = Vec::new();
    while received.recv_many(&mut requests, MOST_AT_ONCE).await > 0 {
        requests.retain(|request| !request.answer.is_closed());
        let outcomes = connection.ask(&requests).await;
        for (request, outcome) in requests.drain(..).zip(outcomes) {
            // The request may have been cancelled meanwhile.
            let _ = request.answer.send(outcome);
        }
    }
}

/// The connection, and when it last failed.
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

    /// A outcome for each request, in their order.
    async fn ask(&mut self, requests: &[ClaimRequest]) -> Vec<ReplayOutcome> {
        if requests.is_empty() {
            return Vec::new();
        }
        let commands = pipeline(requests);
        let mut outcomes = self.exchange(&commands, requests.len()).await;
        if let Err(ExchangeError::Outlived) = &outcomes {
            // A key that exists now may have been set by the first attempt.
            let again = self.exchange(&commands, requests.len()).await;
            outcomes = again.map(|outcomes| outcomes.into_iter().map(in_doubt).collect());
        }
        self.report(outcomes.as_ref().err());
        outcomes.unwrap_or_else(|_| vec![ReplayOutcome::Unavailable; requests.len()])
    }

    /// One exchange over the connection, which is kept only if it succeeds.
    async fn exchange(
        &mut self,
        commands: &Pipeline,
        count: usize,
    ) -> Result<Vec<ReplayOutcome>, ExchangeError> {
        let (mut connection, is_new) = match self.connection.take() {
            Some(connection) => (connection, false),
            None => (self.connect().await?, true),
        };
        match round(&mut connection, commands, count).await {
            Ok(outcomes) => {
                self.connection = Some(connection);
                Ok(outcomes)
            }
            Err(ExchangeError::Failed(
                RedisFailure::Broken(_) | RedisFailure::ReadOnly | RedisFailure::Rejected(_),
            )) if !is_new => Err(ExchangeError::Outlived),
            Err(error) => Err(error),
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, ExchangeError> {
        if self.failed_at.is_some_and(|at| at.elapsed() < PAUSE) {
            return Err(ExchangeError::Resting);
        }
        let config = redis_client::without_timeouts();
        Ok(redis_client::connect(&self.client, &config).await?)
    }

    /// Logs the first error of an outage, and its end.
    fn report(&mut self, error: Option<&ExchangeError>) {
        match error {
            Some(ExchangeError::Resting) => {}
            Some(error) => {
                if self.failed_at.replace(Instant::now()).is_none() {
                    log::error!(
                        "proofs: Redis cannot be asked whether they were used before: {error}"
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
    commands: &Pipeline,
    count: usize,
) -> Result<Vec<ReplayOutcome>, ExchangeError> {
    let answers = connection.req_packed_commands(commands, 0, count);
    let answers = redis_client::answered(answers).await?;
    let outcomes: Option<Vec<_>> = answers.iter().map(outcome).collect();
    outcomes
        .filter(|outcomes| outcomes.len() == count)
        .ok_or_else(|| redis_client::rejection(&answers).into())
}

/// The meaning of the answer to `SET … NX`; `None` for an error.
fn outcome(answer: &Value) -> Option<ReplayOutcome> {
    match answer {
        Value::Nil => Some(ReplayOutcome::Replayed),
        Value::Okay => Some(ReplayOutcome::First),
        _ => None,
    }
}

fn in_doubt(outcome: ReplayOutcome) -> ReplayOutcome {
    match outcome {
        ReplayOutcome::Replayed => ReplayOutcome::Unavailable,
        other => other,
    }
}

/// Why an exchange failed.
#[derive(Clone, Debug, thiserror::Error)]
enum ExchangeError {
    #[error(transparent)]
    Failed(#[from] RedisFailure),
    /// A connection that worked before is broken; a new one may work.
    #[error("the connection broke")]
    Outlived,
    #[error("it failed a moment ago")]
    Resting,
}

/// After an error, requests fail at once for this long, instead of waiting for another timeout.
const PAUSE: Duration = Duration::from_millis(200);

/// How far the clocks of replicas may differ; a proof is kept for as long as the slowest one accepts it.
const CLOCK_SKEW: Duration = Duration::from_secs(30);

/// The maximum number of claims in one exchange.
const MOST_AT_ONCE: usize = 512;

/// With more waiting requests than this, a new one would exceed its time.
const MOST_WAITING: usize = 8192;

#[cfg(test)]
mod tests;
