//! A body that ends with the access of its stream.
//!
//! A task of its own waits for the end, since a body is not polled while its client does not read. It drops the body of
//! the application at once, so that whatever feeds that stops, too; the last bytes follow when the client reads.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::rt;
use actix_web::web::Bytes;
use tokio::task::AbortHandle;

use super::{StreamAccess, StreamEnd};

/// How a client is informed of the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// By a close frame. Each chunk of the body is a whole number of frames.
    WebSocket,
    /// By an event.
    Events,
    /// By an incomplete body.
    Other,
}

/// The body of a stream, until its access ends.
pub(super) struct Ending {
    stream: Rc<RefCell<Stream>>,
    access: StreamAccess,
    kind: Kind,
    size: BodySize,
    /// Waits for the end of the access.
    task: AbortHandle,
}

struct Stream {
    /// `None` once it, or the access, has ended.
    body: Option<BoxBody>,
    /// Until the client is informed.
    end: Option<StreamEnd>,
    /// Whether the last event is complete.
    is_between_events: bool,
    waker: Option<Waker>,
}

impl Ending {
    pub(super) fn new(access: &StreamAccess, body: BoxBody, kind: Kind) -> Self {
        let size = body.size();
        let stream = Rc::new(RefCell::new(Stream {
            body: Some(body),
            end: None,
            is_between_events: true,
            waker: None,
        }));
        if let Some(counters) = access.counters() {
            counters.count_opened_stream();
        }
        let (access, ending) = (access.clone(), Rc::clone(&stream));
        let ended = access.ended();
        let task = rt::spawn(async move { Stream::end(&ending, ended.await) });
        Self {
            stream,
            access,
            kind,
            size,
            task: task.abort_handle(),
        }
    }
}

impl Stream {
    fn end(stream: &RefCell<Self>, end: StreamEnd) {
        let (body, waker) = {
            let mut stream = stream.borrow_mut();
            let body = stream.body.take();
            stream.end = body.is_some().then_some(end);
            (body, stream.waker.take())
        };
        // The application's code runs here.
        drop(body);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Option<Chunk>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_next(context);
        match &polled {
            Poll::Pending => self.waker = Some(context.waker().clone()),
            Poll::Ready(Some(Ok(chunk))) => self.is_between_events = chunk.ends_with(b"\n\n"),
            // A body is not polled again after its end.
            Poll::Ready(_) => self.body = None,
        }
        polled
    }

    /// What is sent last.
    fn last(&self, kind: Kind, end: StreamEnd) -> Option<Chunk> {
        match kind {
            Kind::WebSocket => Some(Ok(end.close_frame())),
            Kind::Events => {
                let before = if self.is_between_events { "" } else { "\n\n" };
                let event = end.event()?;
                Some(Ok(Bytes::from(format!("{before}{event}"))))
            }
            Kind::Other => Some(Err(Box::new(CutOff(end)))),
        }
    }
}

type Chunk = Result<Bytes, Box<dyn Error>>;

impl MessageBody for Ending {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Chunk>> {
        let mut stream = self.stream.borrow_mut();
        if stream.end.is_none() {
            let had_body = stream.body.is_some();
            let polled = stream.poll_body(context);
            if had_body && matches!(polled, Poll::Ready(None)) {
                // The application may have ended it because of the end of the access, before the task has.
                stream.end = self.access.has_ended();
            }
            if stream.end.is_none() {
                return polled;
            }
        }
        let Some(end) = stream.end.take() else {
            return Poll::Ready(None);
        };
        if let Some(counters) = self.access.counters() {
            counters.count_ended_stream(end.counted());
        }
        Poll::Ready(stream.last(self.kind, end))
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(counters) = self.access.counters() {
            counters.count_closed_stream();
        }
    }
}

/// The body is not complete.
#[derive(Debug)]
struct CutOff(StreamEnd);

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the response is cut off: {}", self.0)
    }
}

impl Error for CutOff {}
