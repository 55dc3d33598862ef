//! Cut-offs in Redis, for all replicas that use the same database.
//!
//! One thread with its own runtime keeps one connection (RESP3), over which cut-offs are written, and those of other
//! replicas arrive as messages of a channel. The connection subscribes first and reads all cut-offs then, so that none is
//! missed. Each replica decides by its own table; Redis is never asked about a token.
//!
//! Whether the table is complete is known as long as the server answers: answers follow the messages on the connection, so
//! that an answer confirms that everything has arrived that was published before its request.

use std::collections::HashMap;
use std::fmt;
use std::sync::Weak;
use std::time::{Duration, SystemTime};

use data_encoding::BASE64URL_NOPAD;
use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, ProtocolVersion, PushInfo, PushKind, Value};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio::{runtime, select};

use super::cut_off::{Kept, TargetHash};
use super::{Revocations, RevokeError, Shared};
use crate::redis_client::{self, RedisError, RedisFailure, answered};

/// The channel to the thread with the connection.
#[derive(Clone)]
pub(super) struct Redis(mpsc::Sender<RecordRequest>);

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redis(redacted)")
    }
}

/// Cut-offs that wait for the connection.
struct RecordRequest {
    cut_offs: Vec<Kept>,
    answer: oneshot::Sender<Result<(), RevokeError>>,
}

/// What starts the thread once there is a table.
pub(super) struct NotStarted {
    client: Client,
    keys: Keys,
    most: usize,
    received: mpsc::Receiver<RecordRequest>,
}

impl Redis {
    /// # Errors
    /// The URL is not one of Redis.
    pub(super) fn new(
        url: &str,
        prefix: &str,
        most: usize,
    ) -> Result<(Self, NotStarted), RedisError> {
        let client = redis_client::open(url)?;
        let connection = client.get_connection_info().clone();
        let settings = connection.redis_settings().clone();
        let database = settings.db();
        let settings = settings.set_protocol(ProtocolVersion::RESP3);
        let client = Client::open(connection.set_redis_settings(settings))
            .map_err(|_| RedisError::NotARedisUrl)?;
        let (requests, received) = mpsc::channel(MOST_WAITING);
        let not_started = NotStarted {
            client,
            keys: Keys::new(prefix, database),
            most,
            received,
        };
        Ok((Self(requests), not_started))
    }

    /// Writes cut-offs, all or none.
    ///
    /// # Errors
    /// [`RevokeError::Full`], or [`RevokeError::Unavailable`]; then they may have been written.
    pub(super) async fn record(&self, cut_offs: &[Kept]) -> Result<(), RevokeError> {
        let (answer, answered) = oneshot::channel();
        let kept = |of: &Kept| Kept {
            until: of.until.saturating_add(CLOCK_SKEW),
            ..*of
        };
        let request = RecordRequest {
            cut_offs: cut_offs.iter().map(kept).collect(),
            answer,
        };
        let sent = self.0.try_send(request);
        sent.map_err(|_| RevokeError::Unavailable)?;
        match timeout(RECORD_TIMEOUT, answered).await {
            Ok(Ok(outcome)) => outcome,
            _ => Err(RevokeError::Unavailable),
        }
    }
}

impl NotStarted {
    /// Starts the thread, which ends when `revocations` is dropped.
    pub(super) fn start(self, revocations: &Revocations) -> Result<(), RedisError> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let follower = Follower {
            shared: std::sync::Arc::downgrade(&revocations.0),
            client: self.client,
            keys: self.keys,
            most: self.most,
            confirmed: watch::Sender::new(None),
            has_failed: false,
        };
        let end = FollowerEnd(follower.shared.clone());
        std::thread::Builder::new()
            .name("revocations".to_owned())
            .spawn(move || {
                let _end = end;
                runtime.block_on(follower.run(self.received));
            })?;
        Ok(())
    }
}

/// Marks the table as incomplete when the thread ends before the store, by a panic.
struct FollowerEnd(Weak<Shared>);

impl Drop for FollowerEnd {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            Revocations(shared).set_complete(false);
            log::error!("revocations: the thread for Redis has ended");
        }
    }
}

/// The names in Redis; the part in braces keeps them together in a cluster. A channel is that of all databases, so that its
/// name contains the number.
struct Keys {
    cut_offs: String,
    ends: String,
    channel: String,
}

impl Keys {
    fn new(prefix: &str, database: i64) -> Self {
        Self {
            cut_offs: format!("{{{prefix}}}cut-offs"),
            ends: format!("{{{prefix}}}ends"),
            channel: format!("{{{prefix}}}changes:{database}"),
        }
    }
}

/// Keeps the table of one process complete.
struct Follower {
    shared: Weak<Shared>,
    client: Client,
    keys: Keys,
    most: usize,
    /// Up to when everything that was published has arrived.
    confirmed: watch::Sender<Option<Instant>>,
    has_failed: bool,
}

impl Follower {
    async fn run(mut self, mut received: mpsc::Receiver<RecordRequest>) {
        let watchdog = watch_confirmations(self.shared.clone(), self.confirmed.subscribe());
        let following = async {
            while let Err(failure) = self.follow(&mut received).await {
                self.report(&failure);
                // Nothing is written while there is no connection.
                while let Ok(request) = received.try_recv() {
                    request.finish(Err(RevokeError::Unavailable));
                }
                if self.shared.strong_count() == 0 {
                    return;
                }
                sleep(PAUSE).await;
            }
        };
        select! {
            () = watchdog => {}
            () = following => {}
        }
    }

    /// Connects, reads everything, and serves until the connection fails; `Ok` when the store is dropped.
    async fn follow(
        &mut self,
        received: &mut mpsc::Receiver<RecordRequest>,
    ) -> Result<(), RedisFailure> {
        let table = self.shared.clone();
        let config = redis_client::without_timeouts()
            .set_push_sender(move |push: PushInfo| apply_message(&table, &push));
        let mut connection = redis_client::connect(&self.client, &config).await?;
        let begun = Instant::now();
        let mut subscribe = redis::cmd("SUBSCRIBE");
        ask(&mut connection, subscribe.arg(&self.keys.channel)).await?;
        let stored = self.read_all(&mut connection).await?;
        self.write_missing(&mut connection, &stored).await?;
        drop(stored);
        self.confirm(begun);
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            select! {
                request = received.recv() => match request {
                    Some(request) => self.record(&mut connection, request).await?,
                    None => return Ok(()),
                },
                _ = heartbeat.tick() => {
                    let begun = Instant::now();
                    ask(&mut connection, &redis::cmd("PING")).await?;
                    self.confirm(begun);
                }
            }
        }
    }

    /// Everything that was published before `begun` has arrived.
    fn confirm(&mut self, begun: Instant) {
        if let Some(shared) = self.shared.upgrade() {
            Revocations(shared).set_complete(true);
        }
        self.confirmed.send_replace(Some(begun));
        if std::mem::take(&mut self.has_failed) {
            log::info!("revocations: Redis answers again");
        }
    }

    /// Reads all cut-offs into the table, and returns them.
    async fn read_all(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> Result<HashMap<TargetHash, Kept>, RedisFailure> {
        let (mut cursor, mut stored, mut malformed) = (0_u64, HashMap::new(), 0_usize);
        loop {
            let mut scan = redis::cmd("HSCAN");
            scan.arg(&self.keys.cut_offs).arg(cursor);
            scan.arg("COUNT").arg(SCANNED_AT_ONCE);
            let answer = ask(connection, &scan).await?;
            let (next, fields): (u64, Vec<(String, String)>) =
                redis::from_redis_value(answer).map_err(|_| SOME_VALUE)?;
            let cut_offs = fields.iter().filter_map(|(key, times)| parse(key, times));
            let cut_offs: Vec<_> = cut_offs.collect();
            malformed = malformed.saturating_add(fields.len().saturating_sub(cut_offs.len()));
            self.insert(&cut_offs);
            stored.extend(cut_offs.into_iter().map(|kept| (kept.key, kept)));
            if next == 0 {
                break;
            }
            cursor = next;
        }
        if malformed > 0 {
            log::warn!("revocations: {malformed} entries in Redis are malformed and do not count");
        }
        Ok(stored)
    }

    fn insert(&self, cut_offs: &[Kept]) {
        if let Some(shared) = self.shared.upgrade() {
            Revocations(shared).insert(cut_offs, seconds_now());
        }
    }

    /// Writes what Redis may have lost, by a restart without persistence or a failover.
    async fn write_missing(
        &self,
        connection: &mut MultiplexedConnection,
        stored: &HashMap<TargetHash, Kept>,
    ) -> Result<(), RedisFailure> {
        let Some(shared) = self.shared.upgrade() else {
            return Ok(());
        };
        let is_stored = |kept: &Kept| {
            let stored = stored.get(&kept.key);
            stored.is_some_and(|stored| stored.second >= kept.second && stored.until >= kept.until)
        };
        let mut missing = Revocations(shared).all(seconds_now());
        missing.retain(|kept| !is_stored(kept));
        for cut_offs in missing.chunks(WRITTEN_AT_ONCE) {
            if !self.write(connection, cut_offs).await? {
                log::error!("revocations: what Redis has lost does not fit any more");
            }
        }
        Ok(())
    }

    /// Answers a request; its own answer confirms as much as that to a heartbeat does.
    async fn record(
        &mut self,
        connection: &mut MultiplexedConnection,
        request: RecordRequest,
    ) -> Result<(), RedisFailure> {
        if request.answer.is_closed() {
            return Ok(());
        }
        let begun = Instant::now();
        match self.write(connection, &request.cut_offs).await {
            Ok(is_written) => {
                if is_written {
                    self.insert(&request.cut_offs);
                }
                self.confirm(begun);
                request.finish(if is_written {
                    Ok(())
                } else {
                    Err(RevokeError::Full)
                });
                Ok(())
            }
            // It answers, and goes on publishing.
            Err(failure @ RedisFailure::Rejected(_)) => {
                log::error!("revocations: Redis records none: {failure}");
                request.finish(Err(RevokeError::Unavailable));
                Ok(())
            }
            Err(failure) => {
                request.finish(Err(RevokeError::Unavailable));
                Err(failure)
            }
        }
    }

    /// Writes and publishes cut-offs; `false` if they do not fit.
    async fn write(
        &self,
        connection: &mut MultiplexedConnection,
        cut_offs: &[Kept],
    ) -> Result<bool, RedisFailure> {
        let mut write = redis::cmd("EVAL");
        write.arg(WRITE).arg(2);
        write.arg(&self.keys.cut_offs).arg(&self.keys.ends);
        write
            .arg(self.most)
            .arg(seconds_now())
            .arg(&self.keys.channel);
        for kept in cut_offs {
            let key = BASE64URL_NOPAD.encode(&kept.key.0);
            write.arg(key).arg(kept.second).arg(kept.until);
        }
        let answer = ask(connection, &write).await?;
        redis::from_redis_value(answer).map_err(|_| SOME_VALUE)
    }

    /// Logs the first failure of an outage.
    fn report(&mut self, failure: &RedisFailure) {
        if !std::mem::replace(&mut self.has_failed, true) {
            log::error!("revocations: Redis cannot be used: {failure}");
        }
    }
}

impl RecordRequest {
    fn finish(self, outcome: Result<(), RevokeError>) {
        // The request may have been cancelled meanwhile.
        let _ = self.answer.send(outcome);
    }
}

/// Marks the table as incomplete while nothing confirms the contrary; ends with the follower.
async fn watch_confirmations(
    shared: Weak<Shared>,
    mut confirmed: watch::Receiver<Option<Instant>>,
) {
    loop {
        let last = *confirmed.borrow_and_update();
        let until = last.map(|at| at + LONGEST_UNCONFIRMED);
        let overdue = async {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        select! {
            changed = confirmed.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = overdue => {
                match shared.upgrade() {
                    Some(shared) => Revocations(shared).set_complete(false),
                    None => return,
                }
                if confirmed.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Applies what another replica, or this one, has published.
fn apply_message(table: &Weak<Shared>, push: &PushInfo) -> Result<(), Dropped> {
    let shared = table.upgrade().ok_or(Dropped)?;
    if push.kind != PushKind::Message {
        return Ok(());
    }
    let Some(Value::BulkString(message)) = push.data.get(1) else {
        return Ok(());
    };
    let message = std::str::from_utf8(message).ok();
    let parts = message.and_then(|message| message.split_once(':'));
    match parts.and_then(|(key, times)| parse(key, times)) {
        Some(kept) => Revocations(shared).insert(&[kept], seconds_now()),
        None => log::warn!("revocations: a message in Redis is malformed"),
    }
    Ok(())
}

/// The store is no longer used.
struct Dropped;

async fn ask(connection: &mut MultiplexedConnection, command: &Cmd) -> Result<Value, RedisFailure> {
    let answer = async {
        match command.query_async::<Value>(connection).await {
            Ok(answer) => Ok(Ok(answer)),
            Err(error) if error.is_unrecoverable_error() || error.is_io_error() => Err(error),
            Err(error) => Ok(Err(redis_client::rejected_with(error.code()))),
        }
    };
    answered(answer).await?
}

/// A cut-off from its field and value.
fn parse(key: &str, times: &str) -> Option<Kept> {
    let key = BASE64URL_NOPAD.decode(key.as_bytes()).ok()?;
    let (second, until) = times.split_once(':')?;
    Some(Kept {
        key: TargetHash(key.try_into().ok()?),
        second: second.parse().ok()?,
        until: until.parse().ok()?,
    })
}

fn seconds_now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

/// Removes what has ended, and adds cut-offs, all or none; the later time of two counts. Each is published.
const WRITE: &str = r"
local most, now, channel = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local ended = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 1000)
if #ended > 0 then
  redis.call('HDEL', KEYS[1], unpack(ended))
  redis.call('ZREM', KEYS[2], unpack(ended))
end
local new = 0
for i = 4, #ARGV, 3 do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 0 then new = new + 1 end
end
if redis.call('HLEN', KEYS[1]) + new > most then return 0 end
for i = 4, #ARGV, 3 do
  local second, ends = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local known = redis.call('HGET', KEYS[1], ARGV[i])
  if known then
    local known_second, known_ends = string.match(known, '^(%d+):(%d+)$')
    second = math.max(second, tonumber(known_second) or 0)
    ends = math.max(ends, tonumber(known_ends) or 0)
  end
  local times = string.format('%.0f:%.0f', second, ends)
  redis.call('HSET', KEYS[1], ARGV[i], times)
  redis.call('ZADD', KEYS[2], ends, ARGV[i])
  redis.call('PUBLISH', channel, ARGV[i] .. ':' .. times)
end
return 1
";

const SOME_VALUE: RedisFailure = RedisFailure::Rejected("it answers with another value");

/// How far the clocks of replicas may differ, in seconds.
const CLOCK_SKEW: u64 = 30;

/// Between requests that confirm that everything has arrived.
const HEARTBEAT: Duration = Duration::from_millis(200);

/// Without a confirmation for so long, cut-offs may be missing: revocations apply within a second.
const LONGEST_UNCONFIRMED: Duration = Duration::from_millis(800);

const PAUSE: Duration = Duration::from_millis(100);

/// Longer than a connection and an answer take at most.
const RECORD_TIMEOUT: Duration = Duration::from_secs(2);

const MOST_WAITING: usize = 1024;

const SCANNED_AT_ONCE: usize = 1000;

const WRITTEN_AT_ONCE: usize = 300;

#[cfg(test)]
mod tests;
