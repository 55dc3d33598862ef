//! How long clients are waited for, and that it is less once the service is to end.

use std::cell::Cell;
use std::time::Duration;

use tokio::sync::Notify;

/// What the clients of one worker may take.
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

    /// From now on clients are asked to leave.
    pub(super) fn end(&self) {
        self.is_over.set(true);
        self.over.notify_waiters();
    }

    /// Resolves once clients are asked to leave.
    pub(super) async fn over(&self) {
        let over = self.over.notified();
        if !self.is_over() {
            over.await;
        }
    }
}

/// Longer than a request is on its way: who sends one just then is answered, and told to close.
pub(super) const DRAIN_IDLE_TIMEOUT: Duration = Duration::from_secs(1);
