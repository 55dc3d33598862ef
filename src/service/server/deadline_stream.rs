//! A connection's stream, with a deadline for its client and no more bytes than can be served.
//!
//! **Deadlines.** actix's own limits are for the first head of a connection and for the pause between
//! requests; a later head and any body may take forever. Here, a client that is too late appears to
//! have closed its side: actix drops an incomplete request, but still answers complete ones. While
//! a request is in progress and its body complete, the client has nothing to do and no deadline
//! runs. A request reads the clock twice. The one timer of a connection is not set for each
//! of them: it fires before or at every deadline, and is then set to the next one.
//!
//! **Back-pressure.** actix reads up to 128 KiB and decodes all requests in them before it serves
//! the first, each to a hundred times its size. So the stream hands over [`READ_SIZE`] bytes
//! at most each time its task runs, and none while a request is in progress, except those that its
//! handler [waits for](Connection::wants_bytes). It never looks at what it hands over: where a request ends is
//! for actix to decide, or the two could disagree.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use memchr::memchr_iter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::connection::{Activity, Connection};
use super::timeouts::ConnectionTimeouts;

/// The bytes that are handed over at once: a usual request with its token fits. With [`MOST_HEADS`] and the responses, they stay
/// below the 256 KiB that a connection may take.
const READ_SIZE: usize = 2048;

/// The same for TLS, whose session buffers as much again. A longer head takes several polls.
pub(super) const TLS_READ_SIZE: usize = 1024;

/// The heads that are handed over at once: each takes 13 KiB in actix-http's queue, however short it is.
const MOST_HEADS: usize = 8;

/// What actix-http writes before it calls the service.
const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// `Io`, with a deadline for whatever its client has to do.
#[derive(Debug)]
pub(super) struct DeadlineStream<Io> {
    io: Io,
    timeouts: Rc<ConnectionTimeouts>,
    connection: Rc<Connection>,
    client: Client,
    /// When the client began to have nothing to do.
    paused: Option<Instant>,
    /// Since when the client takes no byte of what is to be written.
    stalled: Option<Instant>,
    /// Fires before or at every deadline.
    alarm: Pin<Box<Sleep>>,
    /// What was read and is not wanted yet.
    held: Vec<u8>,
    /// Whether bytes were handed over since the task last ran.
    has_handed_over: bool,
    read_size: usize,
}

/// What the client does, and since when.
#[derive(Clone, Copy, Debug)]
enum Client {
    /// It has not sent a request yet, or was answered, possibly before its request was complete.
    Idle(Instant),
    /// It has begun to send, and nothing has been written since.
    Sending(Instant),
}

impl<Io> DeadlineStream<Io> {
    pub(super) fn new(io: Io, timeouts: Rc<ConnectionTimeouts>, activity: Arc<Activity>) -> Self {
        let now = Instant::now();
        let alarm = sleep_until(now + timeouts.shortest());
        Self {
            io,
            timeouts,
            connection: Rc::new(Connection::new(activity)),
            client: Client::Idle(now),
            paused: None,
            stalled: None,
            alarm: Box::pin(alarm),
            held: Vec::new(),
            has_handed_over: false,
            read_size: READ_SIZE,
        }
    }

    /// Sets the bytes that are handed over at once, at most [`READ_SIZE`].
    pub(super) fn reading(self, read_size: usize) -> Self {
        Self { read_size, ..self }
    }

    pub(super) fn io(&self) -> &Io {
        &self.io
    }

    pub(super) fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    /// Hands `bytes` over; none of them if they came too late, as after the end of the client's data.
    fn receive(&mut self, bytes: &[u8], buffer: &mut ReadBuf<'_>) {
        let now = Instant::now();
        self.resume(now);
        let in_time = match self.client {
            _ if self.connection.is_upgraded() => true,
            Client::Idle(_) => {
                self.client = Client::Sending(now);
                true
            }
            Client::Sending(since) => now < since + self.timeouts.request,
        };
        if in_time {
            buffer.put_slice(bytes);
            self.connection.received(bytes.len(), now);
            self.has_handed_over = true;
        }
    }

    /// Extends the deadline by the time in which the server was busy.
    fn resume(&mut self, now: Instant) {
        let Some(paused) = self.paused.take() else {
            return;
        };
        let pause = now.saturating_duration_since(paused);
        match &mut self.client {
            Client::Idle(since) | Client::Sending(since) => *since += pause,
        }
    }

    /// When the client will have sent nothing, or not all, for too long.
    fn deadline(&self) -> Instant {
        match self.client {
            Client::Idle(since) => since + self.timeouts.idle(),
            Client::Sending(since) => since + self.timeouts.request,
        }
    }

    /// Ready once the client has sent nothing for too long; never while it has nothing to do.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.has_handed_over = false;
        if !self.connection.waits_for_client() {
            self.paused.get_or_insert_with(Instant::now);
            return Poll::Pending;
        }
        if self.paused.is_some() {
            self.resume(Instant::now());
        }
        let deadline = self.deadline();
        self.poll_overdue(cx, deadline)
    }

    /// Ready once the client has taken nothing for too long.
    fn poll_stalled(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<io::Error> {
        self.connection.blocked();
        let since = *self.stalled.get_or_insert(now);
        let deadline = since + self.timeouts.request;
        self.poll_overdue(cx, deadline)
            .map(|()| io::ErrorKind::TimedOut.into())
    }

    /// Ready once `deadline` has passed; until then the alarm is set.
    fn poll_overdue(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        // An alarm that is too early is set on when it fires; only one that is too late is set back.
        if deadline < self.alarm.deadline() {
            self.alarm.as_mut().reset(deadline);
        }
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            let now = Instant::now();
            if now >= deadline {
                return Poll::Ready(());
            }
            let next = deadline.min(now + self.timeouts.shortest());
            self.alarm.as_mut().reset(next);
        }
    }
}

thread_local! {
    /// Where each worker reads what its connections hand over.
    static SCRATCH: RefCell<[u8; READ_SIZE]> = const { RefCell::new([0; READ_SIZE]) };
}

impl<Io: AsyncRead + Unpin> DeadlineStream<Io> {
    /// Reads once and hands over what is wanted at once; the rest is held.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let size = buffer.remaining().min(self.read_size);
            let mut bytes = ReadBuf::new(scratch.get_mut(..size).unwrap_or_default());
            let read = Pin::new(&mut self.io).poll_read(cx, &mut bytes);
            if read.is_ready() && !bytes.filled().is_empty() {
                if self.has_handed_over || !self.connection.wants_bytes() {
                    self.held.extend_from_slice(bytes.filled());
                } else {
                    let (now, later) = bytes.filled().split_at(self.wanted(bytes.filled()));
                    self.held.extend_from_slice(later);
                    self.receive(now, buffer);
                }
            }
            read
        })
    }

    /// Hands over what was held, if it is wanted by now.
    fn poll_held(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.has_handed_over {
            // First what was handed over is to be served.
            self.has_handed_over = false;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if !self.connection.wants_bytes() {
            self.connection.hold(cx);
            return self.poll_late(cx).map(Ok);
        }
        let held = std::mem::take(&mut self.held);
        let wanted = self.wanted(&held).min(buffer.remaining());
        let (now, later) = held.split_at(wanted);
        self.held.extend_from_slice(later);
        self.receive(now, buffer);
        Poll::Ready(Ok(()))
    }
}

impl<Io> DeadlineStream<Io> {
    /// How many of these bytes are handed over at once: actix-http decodes all heads among them into a queue. The bytes of a
    /// body have a limit of their own.
    fn wanted(&self, bytes: &[u8]) -> usize {
        if self.connection.awaits_body() {
            bytes.len()
        } else {
            until_most_heads(bytes)
        }
    }
}

/// The length of the part with at most [`MOST_HEADS`] ends of heads, which are empty lines. Whatever they are, the bytes stay the
/// same: this decides when they are handed over, not what they mean.
fn until_most_heads(bytes: &[u8]) -> usize {
    if memchr_iter(b'\n', bytes).count() < 2 * MOST_HEADS {
        return bytes.len();
    }
    let mut ends = memchr_iter(b'\n', bytes).filter(|at| {
        let line = bytes.get(..*at).unwrap_or_default();
        line.ends_with(b"\n") || line.ends_with(b"\n\r")
    });
    let last = ends.nth(MOST_HEADS - 1);
    last.map_or(bytes.len(), |at| at.saturating_add(1))
}

impl<Io: AsyncRead + Unpin> AsyncRead for DeadlineStream<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.held.is_empty() {
            let before = buffer.filled().len();
            let read = self.poll_receive(cx, buffer);
            if read.is_pending() {
                return self.poll_late(cx).map(Ok);
            }
            if self.held.is_empty() || buffer.filled().len() > before {
                return read;
            }
        }
        self.poll_held(cx, buffer)
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for DeadlineStream<Io> {
    /// An error of the kind `TimedOut` once the client has taken nothing for too long.
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.connection.omits_interim() && bytes.starts_with(INTERIM) {
            return Poll::Ready(Ok(INTERIM.len()));
        }
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        let now = Instant::now();
        if written.is_pending() {
            return self.poll_stalled(cx, now).map(Err);
        }
        self.stalled = None;
        self.paused = None;
        self.client = Client::Idle(now);
        self.connection.written(now);
        written
    }

    /// As [`Self::poll_write`]: a stream that encrypts still holds what it has accepted.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        if flushed.is_pending() {
            return self.poll_stalled(cx, Instant::now()).map(Err);
        }
        self.stalled = None;
        self.connection.flushed();
        flushed
    }

    /// As [`Self::poll_write`]: the end of a TLS session is written, too.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut_down = Pin::new(&mut self.io).poll_shutdown(cx);
        if shut_down.is_pending() {
            return self.poll_stalled(cx, Instant::now()).map(Err);
        }
        shut_down
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter, DuplexStream, duplex};
    use tokio::time::{advance, timeout};

    use super::*;

    const REQUEST: Duration = Duration::from_secs(30);
    const IDLE: Duration = Duration::from_secs(75);
    const MOMENT: Duration = Duration::from_millis(10);

    fn activity() -> Arc<Activity> {
        Arc::new(Activity::new(Instant::now()))
    }

    /// A client, and the server's end of its connection.
    struct Pair {
        client: DuplexStream,
        server: DeadlineStream<DuplexStream>,
        timeouts: Rc<ConnectionTimeouts>,
        opened: Instant,
    }

    impl Pair {
        fn new(request: Duration, idle: Duration) -> Self {
            let (client, server) = duplex(64);
            let timeouts = Rc::new(ConnectionTimeouts::new(request, idle));
            Self {
                client,
                server: DeadlineStream::new(server, Rc::clone(&timeouts), activity()),
                timeouts,
                opened: Instant::now(),
            }
        }

        /// What the server reads, waiting as long as it takes.
        async fn read(&mut self) -> String {
            let mut bytes = [0; 64];
            let length = self.server.read(&mut bytes).await.unwrap();
            String::from_utf8_lossy(&bytes[..length]).into_owned()
        }

        async fn exchange(&mut self) {
            self.client.write_all(b"request").await.unwrap();
            assert_eq!(self.read().await, "request");
            self.server.write_all(b"answer").await.unwrap();
            let mut answer = [0; 6];
            self.client.read_exact(&mut answer).await.unwrap();
        }

        /// Asserts that the client is seen to hang up `expected` after the connection was opened.
        async fn assert_ends_at(&mut self, expected: Duration) {
            assert_eq!(self.read().await, "");
            let took = self.opened.elapsed();
            assert!(took >= expected && took < expected + MOMENT, "{took:?}");
        }
    }

    #[test]
    fn eight_heads_are_handed_over_at_once() {
        for head in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\n\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            for count in 0..20 {
                let bytes = head.repeat(count);
                let expected = head.len() * count.min(MOST_HEADS);
                assert_eq!(
                    until_most_heads(bytes.as_bytes()),
                    expected,
                    "{head} {count}"
                );
            }
        }
        let long = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(100));
        assert_eq!(until_most_heads(long.as_bytes()), long.len());
        assert_eq!(
            until_most_heads("\n".repeat(100).as_bytes()),
            MOST_HEADS + 1
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_waited_for_as_long_as_an_idle_one() {
        let mut pair = Pair::new(REQUEST, IDLE);
        pair.assert_ends_at(IDLE).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_half_request_is_given_up_however_many_requests_came_before() {
        for requests_before in [0, 1, 50] {
            let mut pair = Pair::new(REQUEST, IDLE);
            for _ in 0..requests_before {
                pair.exchange().await;
                advance(Duration::from_secs(1)).await;
            }
            pair.client.write_all(b"hal").await.unwrap();
            assert_eq!(pair.read().await, "hal");
            let before = Duration::from_secs(requests_before);
            pair.assert_ends_at(before + REQUEST).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_steady_trickle_gains_no_time() {
        let mut pair = Pair::new(REQUEST, IDLE);
        for _ in 0..30 {
            pair.client.write_all(b"x").await.unwrap();
            assert_eq!(pair.read().await, "x");
            advance(Duration::from_secs(1)).await;
        }
        pair.client.write_all(b"x").await.unwrap();
        pair.assert_ends_at(REQUEST).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_starts_the_clock_anew() {
        let mut pair = Pair::new(REQUEST, IDLE);
        advance(Duration::from_secs(70)).await;
        pair.exchange().await;
        advance(Duration::from_secs(70)).await;
        pair.exchange().await;
        pair.assert_ends_at(Duration::from_secs(140) + IDLE).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_time_below_the_request_time_holds() {
        let mut pair = Pair::new(REQUEST, Duration::from_secs(5));
        pair.exchange().await;
        pair.assert_ends_at(Duration::from_secs(5)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_can_still_be_written() {
        let mut pair = Pair::new(REQUEST, IDLE);
        pair.client.write_all(b"request").await.unwrap();
        assert_eq!(pair.read().await, "request");
        pair.assert_ends_at(REQUEST).await;
        advance(Duration::from_secs(600)).await;
        pair.server.write_all(b"answer").await.unwrap();
        let mut answer = [0; 6];
        pair.client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"answer");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_no_byte_of_its_answer_is_given_up() {
        let mut pair = Pair::new(REQUEST, IDLE);
        let error = pair.server.write_all(&[b'x'; 65]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let took = pair.opened.elapsed();
        assert!(took >= REQUEST && took < REQUEST + MOMENT, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn nor_is_it_waited_for_where_the_answer_lies_in_a_buffer() {
        let (_client, server) = duplex(64);
        let timeouts = Rc::new(ConnectionTimeouts::new(REQUEST, IDLE));
        let mut server = DeadlineStream::new(BufWriter::new(server), timeouts, activity());
        let opened = Instant::now();
        server.write_all(&[b'x'; 65]).await.unwrap();
        let flushed = timeout(2 * REQUEST, server.flush()).await.unwrap();
        let error = flushed.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let took = opened.elapsed();
        assert!(took >= REQUEST && took < REQUEST + MOMENT, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_its_answer_slowly_gets_it_all() {
        let mut pair = Pair::new(REQUEST, IDLE);
        let client = &mut pair.client;
        let taking = async {
            for _ in 0..10 {
                advance(Duration::from_secs(20)).await;
                client.read_exact(&mut [0; 64]).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(pair.server.write_all(&[b'x'; 640]), taking);
        written.unwrap();
        assert!(pair.opened.elapsed() >= Duration::from_secs(200));
    }

    #[tokio::test(start_paused = true)]
    async fn during_shutdown_an_idle_client_has_a_second_since_it_last_wrote() {
        let mut pair = Pair::new(REQUEST, IDLE);
        pair.exchange().await;
        assert!(timeout(MOMENT, pair.read()).await.is_err());
        pair.timeouts.end();
        pair.assert_ends_at(Duration::from_secs(1)).await;
        assert_eq!(pair.read().await, "", "and it is not written later");
    }

    #[tokio::test(start_paused = true)]
    async fn during_shutdown_a_request_on_its_way_is_read_and_has_its_time() {
        let mut pair = Pair::new(REQUEST, IDLE);
        pair.exchange().await;
        advance(Duration::from_secs(10)).await;
        pair.timeouts.end();
        pair.client.write_all(b"req").await.unwrap();
        assert_eq!(pair.read().await, "req");
        pair.assert_ends_at(Duration::from_secs(10) + REQUEST).await;
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_shutdown_ends_at_its_begin_and_later_at_once() {
        let timeouts = ConnectionTimeouts::new(REQUEST, IDLE);
        assert!(timeout(MOMENT, timeouts.over()).await.is_err());
        let waiting = timeouts.over();
        tokio::pin!(waiting);
        assert!(timeout(MOMENT, &mut waiting).await.is_err());
        timeouts.end();
        assert_eq!(timeout(MOMENT, waiting).await, Ok(()));
        assert_eq!(timeout(MOMENT, timeouts.over()).await, Ok(()));
    }
}
