//! What one connection is doing, as its stream, its requests and the acceptor see it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use actix_http::error::PayloadError;
use actix_http::{Payload, Request, Response};
use actix_web::web::Bytes;
use futures_core::Stream;
use tokio::task::AbortHandle;
use tokio::time::Instant;

const FIRST_HEAD: u8 = 0;
const IDLE: u8 = 1;
const BUSY: u8 = 2;

/// How many bytes of a request's body are handed over each time the handler waits for more of it.
const BODY_CREDIT: usize = 16 * 1024;

/// What the acceptor knows of a connection, so that it can close one in favour of a new client.
///
/// Written on the worker's thread alone; the orderings are relaxed, since the worker itself decides.
#[derive(Debug)]
pub(super) struct Activity {
    started: Instant,
    stage: AtomicU8,
    /// When it was accepted, or last wrote, in nanoseconds since the server started.
    since: AtomicU64,
    is_unflushed: AtomicBool,
    task: OnceLock<AbortHandle>,
}

/// What a connection waits for, in the order in which connections are closed for new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// For the TLS handshake, or the head of the first request.
    FirstHead,
    /// For a further request.
    Idle,
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
            task: OnceLock::new(),
        };
        activity.touch(Instant::now());
        activity
    }

    pub(super) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Relaxed) {
            FIRST_HEAD => Stage::FirstHead,
            IDLE if !self.is_unflushed.load(Ordering::Relaxed) => Stage::Idle,
            _ => Stage::Busy,
        }
    }

    /// When it was last active; the smaller, the longer ago.
    pub(super) fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }

    /// Keeps the task that serves the connection, which [`Self::close`] ends.
    pub(super) fn serve_by(&self, task: AbortHandle) {
        // It is set once, right after the task was spawned.
        drop(self.task.set(task));
    }

    /// Closes the connection, unless a request is in progress. To be called on its worker's thread,
    /// where no request can begin meanwhile.
    pub(super) fn close(&self) -> bool {
        if self.stage() == Stage::Busy {
            return false;
        }
        self.task.get().map(AbortHandle::abort).is_some()
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
    /// Set while the handler waits for more of the request's body: how many bytes may come.
    body: Cell<Option<usize>>,
    /// The task of a stream that holds bytes back.
    held: RefCell<Option<Waker>>,
    interim: RefCell<Interim>,
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
    /// A rejection follows at once, so it is left out: the client need not send the body.
    Omitted,
}

impl Connection {
    pub(super) fn new(activity: Arc<Activity>) -> Self {
        Self {
            activity,
            is_busy: Cell::new(false),
            body: Cell::new(None),
            held: RefCell::new(None),
            interim: RefCell::default(),
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
        !self.is_busy.get() || self.body.get().is_some()
    }

    /// Counts bytes that were handed over.
    pub(super) fn received(&self, count: usize) {
        let body = self.body.get();
        self.body
            .set(body.map(|credit| credit.saturating_sub(count)));
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
    /// the write buffer.
    pub(super) async fn before_interim(&self) {
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
        let mut interim = self.interim.borrow_mut();
        let is_omitted = matches!(*interim, Interim::Omitted);
        if is_omitted {
            *interim = Interim::None;
        }
        is_omitted
    }

    /// Notes whether the request was rejected when the handler was first polled.
    fn first_polled(&self, is_rejected: bool) {
        let mut interim = self.interim.borrow_mut();
        if matches!(*interim, Interim::Buffered) {
            *interim = if is_rejected {
                Interim::Omitted
            } else {
                Interim::None
            };
        }
    }

    fn await_body(&self) {
        if self.is_busy.get() {
            self.body.set(Some(BODY_CREDIT));
            self.release();
        }
    }
}

/// A request in progress: from the call of its handler until the last byte of its response's body.
#[derive(Debug)]
pub(super) struct InProgress(Rc<Connection>);

impl InProgress {
    /// Notes that `request` begins, and has the connection know when its body is waited for.
    pub(super) fn begin(connection: &Rc<Connection>, request: &mut Request) -> Self {
        connection.is_busy.set(true);
        connection.activity.set_stage(BUSY);
        if !matches!(request.payload(), Payload::None) {
            let body = RequestBody {
                payload: request.take_payload(),
                is_complete: false,
                connection: Rc::clone(connection),
            };
            *request.payload() = Payload::Stream {
                payload: Box::pin(body),
            };
        }
        Self(Rc::clone(connection))
    }

    /// Awaits the response. If the request is rejected at once, no `100 Continue` is sent before.
    pub(super) async fn respond<B, E>(
        &self,
        response: impl Future<Output = Result<Response<B>, E>>,
    ) -> Result<Response<B>, E> {
        let mut response = pin!(response);
        let mut is_first = true;
        poll_fn(|cx| {
            let polled = response.as_mut().poll(cx);
            if is_first {
                is_first = false;
                self.0
                    .first_polled(matches!(&polled, Poll::Ready(ready) if is_rejection(ready)));
            }
            polled
        })
        .await
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
        self.0.is_busy.set(false);
        self.0.body.set(None);
        self.0.activity.set_stage(IDLE);
        self.0.release();
    }
}

/// A request's body, which tells its connection when the handler waits for more of it.
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
            self.connection.body.set(None);
            self.is_complete = matches!(polled, Poll::Ready(None));
        }
        polled
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        // A body that is complete may be kept beyond its request, and says nothing of the next one's.
        if !self.is_complete {
            self.connection.body.set(None);
        }
    }
}
