//! The access of a stream, which may be renewed and ends once.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use tokio::sync::Notify;

use super::StreamEnd;
use super::body::{Ending, Kind};
use super::renewal::Renewal;
use crate::extract::Caller;
use crate::metrics::Counters;
use crate::sender::NO_STORE;
use crate::verifier::Verified;

/// The access of a caller to a stream, beyond the request that has opened it; clones share it.
///
/// It ends when the token expires or is revoked, when its issuer withdraws its key, and when the server shuts down
/// ([`Verifier::end_streams`](crate::Verifier::end_streams)). What [`websocket`](Self::websocket), [`sse`](Self::sse) and
/// [`body`](Self::body) return ends then, within a second, whatever the handler does.
///
/// [`Streaming::stream_access`](super::Streaming::stream_access) returns it; see there for an example.
#[derive(Clone)]
pub struct StreamAccess(pub(super) Arc<Shared>);

pub(super) struct Shared {
    state: Mutex<State>,
    /// Notified when the token is replaced.
    renewed: Notify,
    /// `None` once the verifier has been dropped.
    pub(super) renewal: Option<Renewal>,
}

pub(super) struct State {
    pub(super) verified: Arc<Verified>,
    pub(super) end: Option<StreamEnd>,
}

impl StreamAccess {
    pub(super) fn new(caller: &Caller, renewal: Option<Renewal>) -> Self {
        let state = State {
            verified: Arc::clone(caller.verified()),
            end: None,
        };
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            renewed: Notify::new(),
            renewal,
        }))
    }

    /// Completes when the access ends, with the reason.
    ///
    /// It needs a runtime of tokio with timers, as Actix has.
    pub fn ended(&self) -> impl Future<Output = StreamEnd> + use<> {
        let shared = Arc::clone(&self.0);
        async move { shared.ended().await }
    }

    /// When the token expires, with which the access was renewed last.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        self.0.state().verified.expires_at()
    }

    /// Makes a WebSocket end with the access: with a close frame of the code 1008 (1001 at a shutdown) and a constant reason,
    /// after which the connection is closed.
    ///
    /// `response` is the one of `actix_ws::handle`, with status 101; others are returned unchanged. Sending in its
    /// session then fails. The messages end, too, whether or not the client reads: no byte of the client is received after the
    /// end, and `recv` returns `None` after the messages that were complete by then. That holds where the handler's first
    /// argument is a [`Streaming`](super::Streaming).
    ///
    /// # Panics
    /// If it is not called in a handler, or on another thread of Actix.
    #[must_use]
    pub fn websocket(&self, response: HttpResponse) -> HttpResponse {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            response.map_body(|_, body| Ending::new(self, body, Kind::WebSocket).boxed())
        } else {
            response
        }
    }

    /// A response of server-sent events, which ends with the access. Each chunk of `body` is one event or several.
    ///
    /// The last event is `expired`, with the data `{"reason":"expired"}`, `{"reason":"revoked"}` or
    /// `{"reason":"key_withdrawn"}`. An `EventSource` would then connect again: the page closes it at that event. At a
    /// shutdown there is no such event; a page whose `EventSource` was opened by a ticket then needs another ticket.
    ///
    /// # Panics
    /// If it is not called in a handler, or on another thread of Actix.
    pub fn sse(&self, body: impl MessageBody + 'static) -> HttpResponse {
        let body = Ending::new(self, body.boxed(), Kind::Events);
        HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, EVENT_STREAM))
            .insert_header((CACHE_CONTROL, NO_STORE))
            .insert_header((BUFFERING, HeaderValue::from_static("no")))
            .body(body)
    }

    /// A body that is cut off when the access ends: the client sees that it is not complete.
    ///
    /// # Panics
    /// If it is not called in a handler, or on another thread of Actix.
    pub fn body(&self, body: impl MessageBody + 'static) -> BoxBody {
        Ending::new(self, body.boxed(), Kind::Other).boxed()
    }
}

impl StreamAccess {
    /// Why the access has ended, if something has waited for its end.
    pub(super) fn has_ended(&self) -> Option<StreamEnd> {
        self.0.state().end
    }

    /// Those of the verifier, unless it has been dropped.
    pub(super) fn counters(&self) -> Option<&Counters> {
        let renewal = self.0.renewal.as_ref();
        renewal.map(|renewal| renewal.verifier.counters())
    }
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the token, unless the access has ended.
    pub(super) fn replace(&self, verified: Arc<Verified>) -> Result<(), StreamEnd> {
        let mut state = self.state();
        if let Some(end) = state.end {
            return Err(end);
        }
        state.verified = verified;
        drop(state);
        self.renewed.notify_waiters();
        Ok(())
    }

    async fn ended(&self) -> StreamEnd {
        loop {
            // Before the token is read, so that no renewal is missed.
            let renewed = self.renewed.notified();
            let (verified, end) = {
                let state = self.state();
                (Arc::clone(&state.verified), state.end)
            };
            if let Some(end) = end {
                return end;
            }
            let ended = verified.until_ended();
            let end = tokio::select! {
                biased;
                () = renewed => continue,
                ended = ended => StreamEnd::from(ended),
                () = self.shutdown() => StreamEnd::Shutdown,
            };
            if let Some(end) = self.end(&verified, end) {
                return end;
            }
        }
    }

    /// Lets those that wait for the end look at the state again.
    #[cfg(test)]
    pub(super) fn wake(&self) {
        self.renewed.notify_waiters();
    }

    /// Ends the access that the token gives, unless that was replaced meanwhile.
    fn end(&self, verified: &Arc<Verified>, end: StreamEnd) -> Option<StreamEnd> {
        let mut state = self.state();
        if end != StreamEnd::Shutdown && !Arc::ptr_eq(&state.verified, verified) {
            return None;
        }
        Some(*state.end.get_or_insert(end))
    }

    async fn shutdown(&self) {
        match &self.renewal {
            Some(renewal) => renewal.verifier.until_shutdown().await,
            None => std::future::pending().await,
        }
    }
}

impl fmt::Debug for StreamAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamAccess").finish_non_exhaustive()
    }
}

const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// nginx passes each event on at once.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
