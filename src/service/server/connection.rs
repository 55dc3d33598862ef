//! What one connection is doing, as its stream, its requests and the acceptor see it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix_http::error::PayloadError;
use actix_http::{ConnectionType, Payload, Request, Response};
use actix_web::body::BodySize;
use actix_web::web::Bytes;
use futures_core::Stream;
use tokio::task::AbortHandle;
use tokio::time::Instant;

const FIRST_HEAD: u8 = 0;
const IDLE: u8 = 1;
const BUSY: u8 = 2;

/// How many bytes of a request's body are handed over each time the handler waits for more of it.
const BODY_CREDIT: usize = 16 * 1024;

/// How many bytes of responses may wait to be written until the next one is held back: pipelined requests are answered in
/// one go, and actix-http would buffer 128 KiB, and allocate twice as much.
const RESPONSES_AHEAD: u64 = 32 * 1024;

/// How long a client may take nothing of a response, or send nothing of a body, until its connection may be closed for
/// another client: a slow network moves a few bytes in that time.
const STALLED: Duration = Duration::from_secs(5);

/// The acceptor's view of a connection, so that it can close one in favour of a new client.
///
/// Written on the worker's thread only. The orderings are relaxed: what the acceptor reads may be out of date, so it
/// only proposes, and the worker checks again on its own thread before it closes a connection.
#[derive(Debug)]
pub(super) struct Activity {
    started: Instant,
    stage: AtomicU8,
    /// When it was accepted, or last wrote, in nanoseconds since the server started.
    since: AtomicU64,
    is_unflushed: AtomicBool,
    /// Whether the handler waits for more of the request's body.
    awaits_body: AtomicBool,
    task: OnceLock<AbortHandle>,
}

/// What a connection waits for, in the order in which connections are closed for new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// For the TLS handshake, or the head of the first request.
    FirstHead,
    /// For a further request.
    Idle,
    /// For the client to take a response or to send a body, which it has not done for [`STALLED`].
    Stalled,
    /// For the service: a request is in progress.
    Busy,
}

impl Activity {
    /// Of a connection that is accepted now, by a server that `started` before.
    pub(super) fn new(started: Instant) -> Self {
        let activity = Self {
            started,
            stage: AtomicU8::new(FIRST_HEAD),
            since: AtomicU64::new(0),
            is_unflushed: AtomicBool::new(false),
            awaits_body: AtomicBool::new(false),
            task: OnceLock::new(),
        };
        activity.touch(Instant::now());
        activity
    }

    pub(super) fn stage(&self, now: Instant) -> Stage {
        let is_unflushed = self.is_unflushed.load(Ordering::Relaxed);
        let awaits_client = is_unflushed || self.awaits_body.load(Ordering::Relaxed);
        match self.stage.load(Ordering::Relaxed) {
            FIRST_HEAD => Stage::FirstHead,
            IDLE if !is_unflushed => Stage::Idle,
            _ if awaits_client && self.is_quiet(now) => Stage::Stalled,
            _ => Stage::Busy,
        }
    }

    /// When it was last active; the smaller, the longer ago.
    pub(super) fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }

    fn is_quiet(&self, now: Instant) -> bool {
        let since = self.started + Duration::from_nanos(self.since());
        now.saturating_duration_since(since) >= STALLED
    }

    /// Keeps the task that serves the connection, which [`Self::close`] ends.
    pub(super) fn serve_by(&self, task: AbortHandle) {
        // It is set once, right after the task was spawned.
        drop(self.task.set(task));
    }

    /// Closes the connection, unless a request is in progress or it is closed already. To be called on its
    /// worker's thread, where no request can begin meanwhile.
    pub(super) fn close(&self) -> bool {
        let task = self.task.get().filter(|task| !task.is_finished());
        match task {
            Some(task) if self.stage(Instant::now()) != Stage::Busy => {
                task.abort();
                true
            }
            _ => false,
        }
    }

    fn set_stage(&self, stage: u8) {
        self.stage.store(stage, Ordering::Relaxed);
    }

    fn touch(&self, now: Instant) {
        let since = now.saturating_duration_since(self.started);
        let nanoseconds = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        self.since.store(nanoseconds, Ordering::Relaxed);
    }
}

/// The state that a connection's stream and its requests share.
///
/// `actix-http` decodes all that it reads into requests that queue, whether or not it can serve
/// them. So the stream asks here whether bytes are wanted: none are while a request is in progress,
/// except those of its own body while the handler waits for them.
#[derive(Debug)]
pub(super) struct Connection {
    activity: Arc<Activity>,
    is_busy: Cell<bool>,
    /// Whether it has become a WebSocket or another protocol, in which the client may be silent for as long as it likes.
    is_upgraded: Cell<bool>,
    /// Set while the handler waits for more of the request's body: how many bytes may come.
    body: Cell<Option<usize>>,
    /// The task of a stream that holds bytes back.
    held: RefCell<Option<Waker>>,
    interim: RefCell<Interim>,
    /// Whether the interim response that begins the write buffer is to be left out: a rejection follows at once, so
    /// the client need not send the body.
    omits_interim: Cell<bool>,
    /// When bytes of a request were last handed over, or a response was last ready: no later than the next request begins.
    last_event: Cell<Instant>,
    /// How many bytes of responses were handed to actix-http since all was written.
    unwritten: Cell<u64>,
    /// The task of a response that is held back until all before it is written.
    held_response: RefCell<Option<Waker>>,
}

/// What becomes of the `100 Continue` of a request with `Expect: 100-continue`.
#[derive(Debug, Default)]
enum Interim {
    /// No request expects one.
    #[default]
    None,
    /// It must be the first in the write buffer, so the expect service waits until all before it is written.
    AwaitsFlush(Waker),
    Flushed,
    /// It is in the buffer, and the handler has not been polled since.
    Buffered,
}

impl Connection {
    pub(super) fn new(activity: Arc<Activity>) -> Self {
        Self {
            activity,
            is_busy: Cell::new(false),
            is_upgraded: Cell::new(false),
            body: Cell::new(None),
            held: RefCell::new(None),
            interim: RefCell::default(),
            omits_interim: Cell::new(false),
            last_event: Cell::new(Instant::now()),
            unwritten: Cell::new(0),
            held_response: RefCell::new(None),
        }
    }

    /// Whether the stream may hand over what it has read.
    pub(super) fn wants_bytes(&self) -> bool {
        if self.activity.is_unflushed.load(Ordering::Relaxed) && !self.is_busy.get() {
            return false;
        }
        !self.is_busy.get() || self.body.get().is_some_and(|credit| credit > 0)
    }

    /// Whether it is the client that has to do something next.
    pub(super) fn waits_for_client(&self) -> bool {
        !self.is_upgraded.get() && (!self.is_busy.get() || self.awaits_body())
    }

    /// Whether the handler waits for more of the request's body.
    pub(super) fn awaits_body(&self) -> bool {
        self.body.get().is_some()
    }

    /// Whether HTTP has ended, and with it the deadlines for requests.
    pub(super) fn is_upgraded(&self) -> bool {
        self.is_upgraded.get()
    }

    /// Notes that HTTP ends here: until the connection is closed, its request is in progress.
    fn upgrade(&self) {
        self.is_upgraded.set(true);
        self.set_body(self.body.get());
    }

    /// Counts bytes that were handed over.
    pub(super) fn received(&self, count: usize, now: Instant) {
        self.last_event.set(now);
        if let Some(credit) = self.body.get() {
            self.body.set(Some(credit.saturating_sub(count)));
            self.activity.touch(now);
        }
    }

    /// Keeps the task of a stream that holds bytes back, to be woken when they are wanted.
    pub(super) fn hold(&self, cx: &Context<'_>) {
        self.held.replace(Some(cx.waker().clone()));
    }

    fn release(&self) {
        if let Some(waker) = self.held.take() {
            waker.wake();
        }
    }

    /// Notes that the client took bytes of a response.
    pub(super) fn written(&self, now: Instant) {
        self.activity.touch(now);
    }

    /// Notes that the client does not take what is to be written.
    pub(super) fn blocked(&self) {
        self.activity.is_unflushed.store(true, Ordering::Relaxed);
    }

    /// Notes that all was written.
    pub(super) fn flushed(&self) {
        if self.unwritten.replace(0) > RESPONSES_AHEAD
            && let Some(waker) = self.held_response.take()
        {
            waker.wake();
        }
        if self.activity.is_unflushed.load(Ordering::Relaxed) {
            self.activity.is_unflushed.store(false, Ordering::Relaxed);
            self.release();
        }
        let mut interim = self.interim.borrow_mut();
        if let Interim::AwaitsFlush(waker) = &*interim {
            waker.wake_by_ref();
            *interim = Interim::Flushed;
        }
    }

    /// Ready once all responses before are written, so that the `100 Continue` which follows begins
    /// the write buffer. The request is in progress from now on.
    pub(super) async fn before_interim(&self) {
        self.activity.set_stage(BUSY);
        poll_fn(|cx| {
            let mut interim = self.interim.borrow_mut();
            if matches!(*interim, Interim::Flushed) {
                *interim = Interim::Buffered;
                return Poll::Ready(());
            }
            *interim = Interim::AwaitsFlush(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Whether the interim response that begins the write buffer is to be left out.
    pub(super) fn omits_interim(&self) -> bool {
        self.omits_interim.take()
    }

    /// Takes back the interim response, which is still in the write buffer, and returns whether there was one.
    fn omit_interim(&self) -> bool {
        let is_buffered = matches!(*self.interim.borrow(), Interim::Buffered);
        self.omits_interim.set(is_buffered);
        is_buffered
    }

    fn await_body(&self) {
        if self.is_busy.get() {
            self.set_body(Some(BODY_CREDIT));
            self.release();
        }
    }

    fn set_body(&self, credit: Option<usize>) {
        self.body.set(credit);
        let awaits_body = credit.is_some() && !self.is_upgraded.get();
        self.activity
            .awaits_body
            .store(awaits_body, Ordering::Relaxed);
    }
}

/// A request in progress: from the call of its handler until the last byte of its response's body.
#[derive(Debug)]
pub(super) struct InProgress {
    connection: Rc<Connection>,
    has_body: bool,
    started: Instant,
}

impl InProgress {
    /// Notes that `request` begins, and wraps its body so that the connection is notified when the handler waits for it.
    pub(super) fn begin(connection: &Rc<Connection>, request: &mut Request) -> Self {
        connection.is_busy.set(true);
        connection.activity.set_stage(BUSY);
        let has_body = !matches!(request.payload(), Payload::None);
        if has_body {
            let body = RequestBody {
                payload: request.take_payload(),
                is_complete: false,
                connection: Rc::clone(connection),
            };
            *request.payload() = Payload::Stream {
                payload: Box::pin(body),
            };
        }
        Self {
            connection: Rc::clone(connection),
            has_body,
            started: connection.last_event.get(),
        }
    }

    /// The time since the request began, which ends with this call: the clock was read when its last bytes arrived.
    pub(super) fn elapsed(&self) -> Duration {
        let now = Instant::now();
        self.connection.last_event.set(now);
        now.saturating_duration_since(self.started)
    }

    /// Awaits the response. If the request is rejected at once, no `100 Continue` is sent before, and the connection
    /// ends with the response: whether the client sends the body after all cannot be known.
    pub(super) async fn respond<B, E>(
        &self,
        response: impl Future<Output = Result<Response<B>, E>>,
    ) -> Result<Response<B>, E> {
        let mut response = pin!(response);
        let mut is_first = true;
        poll_fn(|cx| {
            let mut polled = response.as_mut().poll(cx);
            if is_first {
                is_first = false;
                self.first_polled(&mut polled);
            }
            polled
        })
        .await
    }

    /// Notes that the response switches to another protocol.
    pub(super) fn upgrade(&self) {
        self.connection.upgrade();
    }

    /// Ready once a response with a body of this size may be written: not before most of those before it are.
    pub(super) async fn await_turn(&self, size: BodySize) {
        let connection = &self.connection;
        poll_fn(|cx| {
            if connection.unwritten.get() > RESPONSES_AHEAD {
                connection.held_response.replace(Some(cx.waker().clone()));
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
        if let BodySize::Sized(bytes) = size {
            let unwritten = connection.unwritten.get().saturating_add(bytes);
            connection.unwritten.set(unwritten);
        }
    }

    fn first_polled<B, E>(&self, polled: &mut Poll<Result<Response<B>, E>>) {
        let connection = &self.connection;
        if let Poll::Ready(ready) = polled
            && is_rejection(ready)
            && connection.omit_interim()
            && self.has_body
            && let Ok(response) = ready
        {
            let head = response.head_mut();
            head.set_connection_type(ConnectionType::Close);
        }
        connection.interim.replace(Interim::None);
    }
}

/// Any other response may still have the body read, even while it is sent.
fn is_rejection<B, E>(response: &Result<Response<B>, E>) -> bool {
    response.as_ref().map_or(true, |response| {
        response.status().is_client_error() || response.status().is_server_error()
    })
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.connection.is_busy.set(false);
        self.connection.set_body(None);
        self.connection.activity.set_stage(IDLE);
        self.connection.release();
    }
}

/// A request's body, which notifies its connection when the handler waits for more of it.
struct RequestBody {
    payload: Payload,
    is_complete: bool,
    connection: Rc<Connection>,
}

impl Stream for RequestBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.payload).poll_next(cx);
        if polled.is_pending() {
            self.connection.await_body();
        } else {
            self.connection.set_body(None);
            self.is_complete = matches!(polled, Poll::Ready(None));
        }
        polled
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        // A body that is complete may be kept beyond its request, and is not the next request's.
        if !self.is_complete {
            self.connection.set_body(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_neither_takes_its_response_nor_sends_its_body_stalls_after_five_seconds() {
        let started = Instant::now();
        let activity = Arc::new(Activity::new(started));
        let connection = Rc::new(Connection::new(Arc::clone(&activity)));
        let (soon, later) = (started, started + Duration::from_secs(6));
        assert_eq!(activity.stage(later), Stage::FirstHead);
        let request = InProgress::begin(&connection, &mut Request::new());
        assert_eq!(activity.stage(later), Stage::Busy);
        connection.await_body();
        assert_eq!(activity.stage(soon), Stage::Busy);
        assert_eq!(activity.stage(later), Stage::Stalled);
        connection.received(1, later);
        assert_eq!(activity.stage(later), Stage::Busy);
        connection.set_body(None);
        connection.blocked();
        assert_eq!(activity.stage(later), Stage::Busy);
        assert_eq!(activity.stage(later + STALLED), Stage::Stalled);
        drop(request);
        assert_eq!(activity.stage(later), Stage::Busy);
        connection.flushed();
        assert_eq!(activity.stage(later), Stage::Idle);
    }

    #[test]
    fn a_quiet_websocket_neither_waits_for_its_client_nor_stalls() {
        let started = Instant::now();
        let activity = Arc::new(Activity::new(started));
        let connection = Rc::new(Connection::new(Arc::clone(&activity)));
        let request = InProgress::begin(&connection, &mut Request::new());
        connection.await_body();
        assert!(connection.waits_for_client());
        request.upgrade();
        connection.await_body();
        assert!(!connection.waits_for_client());
        assert!(connection.wants_bytes());
        let later = started + Duration::from_secs(3600);
        assert_eq!(activity.stage(later), Stage::Busy);
        // One that does not take what is sent to it may still be closed.
        connection.blocked();
        assert_eq!(activity.stage(later), Stage::Stalled);
    }

    #[test]
    fn a_request_begins_with_its_last_bytes_or_after_the_response_before_it() {
        let connection = Rc::new(Connection::new(Arc::new(Activity::new(Instant::now()))));
        let arrived = Instant::now() - Duration::from_secs(9);
        connection.received(1, arrived);
        let first = InProgress::begin(&connection, &mut Request::new());
        let took = first.elapsed();
        assert!(took >= Duration::from_secs(9), "{took:?}");
        // It came with the same bytes, and waited for its turn.
        let second = InProgress::begin(&connection, &mut Request::new());
        assert_eq!(second.started, arrived + took);
    }

    #[test]
    fn a_response_waits_until_most_of_those_before_it_are_written() {
        let connection = Rc::new(Connection::new(Arc::new(Activity::new(Instant::now()))));
        let request = InProgress::begin(&connection, &mut Request::new());
        let mut context = Context::from_waker(Waker::noop());
        let mut is_held = |bytes| {
            let turn = pin!(request.await_turn(BodySize::Sized(bytes)));
            turn.poll(&mut context).is_pending()
        };
        assert!(!is_held(RESPONSES_AHEAD));
        assert!(!is_held(1));
        assert!(is_held(1));
        connection.flushed();
        assert!(!is_held(1));
    }
}
