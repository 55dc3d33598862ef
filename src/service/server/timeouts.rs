//! How long a connection waits for its client, and that it waits less during shutdown.

use std::cell::Cell;
use std::time::Duration;

use tokio::sync::Notify;

/// The timeouts of one worker's connections.
#[derive(Debug)]
pub(super) struct ConnectionTimeouts {
    /// To send a request, and to take an answer.
    pub(super) request: Duration,
    /// Between an answer and the next request, while the service is not to end.
    idle: Duration,
    is_over: Cell<bool>,
    over: Notify,
}

impl ConnectionTimeouts {
    pub(super) fn new(request: Duration, idle: Duration) -> Self {
        Self {
            request,
            idle,
            is_over: Cell::new(false),
            over: Notify::new(),
        }
    }

    /// For the TLS handshake, and for the head of a connection's first request: a client that opens
    /// a connection has something to send.
    pub(super) fn first_head(&self) -> Duration {
        self.request.min(FIRST_HEAD_TIMEOUT)
    }

    /// How long a client may send nothing at all.
    pub(super) fn idle(&self) -> Duration {
        if self.is_over() {
            self.idle.min(DRAIN_IDLE_TIMEOUT)
        } else {
            self.idle
        }
    }

    /// The longest sleep after which no deadline of a later request can have passed.
    pub(super) fn shortest(&self) -> Duration {
        self.request.min(self.idle)
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// From now on connections are closed after their current request.
    pub(super) fn end(&self) {
        self.is_over.set(true);
        self.over.notify_waiters();
    }

    /// Resolves once connections are to be closed.
    pub(super) async fn over(&self) {
        let over = self.over.notified();
        if !self.is_over() {
            over.await;
        }
    }
}

/// No client of a working network needs longer.
const FIRST_HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Longer than a request is on its way: one that is sent just then is answered, and its connection closed.
pub(super) const DRAIN_IDLE_TIMEOUT: Duration = Duration::from_secs(1);
