//! Faults of a test issuer.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

/// What an issuer does instead of responding correctly.
///
/// # Examples
/// ```
/// use actix_resource_server::test_kit::{Fault, Gate};
///
/// let broken = Fault::body("application/json", "{\"keys\":");
/// let gate = Gate::new();
/// let stuck = Fault::Hang(gate.clone());
/// # drop((broken, stuck));
/// gate.open();
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// Closes the connection without a response.
    Close,
    /// Sends the correct head, then the body byte by byte with this pause before each.
    Drip(Duration),
    /// Sends a body without an end, as fast as it is read.
    Endless,
    /// Sends nothing until the gate opens; then responds as configured at that time.
    Hang(Gate),
    /// Sends these bytes, without a head, and closes the connection.
    Raw(Vec<u8>),
    /// Sends this response instead of the correct one.
    Reply(Reply),
}

impl Fault {
    /// A response with status `code` and an empty body.
    #[must_use]
    pub fn status(code: u16) -> Self {
        Self::Reply(Reply::new(code))
    }

    /// A 200 response with any body, for example malformed JSON.
    #[must_use]
    pub fn body(content_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let reply = Reply::new(200).header("Content-Type", content_type);
        Self::Reply(reply.body(bytes))
    }

    /// A 200 response with another document, for example the discovery document of another issuer.
    #[must_use]
    pub fn json(document: &Value) -> Self {
        Self::Reply(Reply::json(document))
    }

    /// A 302 response that redirects to `location`.
    #[must_use]
    pub fn redirect(location: &str) -> Self {
        Self::Reply(Reply::new(302).header("Location", location))
    }
}

/// A response with any status, headers and body; `Content-Length` and `Connection` are added.
///
/// # Examples
/// ```
/// use actix_resource_server::test_kit::{Fault, Reply};
///
/// let bomb = Reply::new(200).header("Content-Encoding", "gzip").body(*b"\x1f\x8b");
/// let fault = Fault::Reply(bomb);
/// # drop(fault);
/// ```
#[derive(Clone, Debug)]
#[must_use = "an answer is sent as `Fault::Reply`"]
pub struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// A response without headers and body.
    pub const fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A 200 response of type `application/json`.
    pub fn json(document: &Value) -> Self {
        Self::new(200)
            .header("Content-Type", "application/json")
            .body(document.to_string())
    }

    /// Adds a header; others of the same name are kept.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = bytes.into();
        self
    }
}

/// Holds responses back until a test opens it; clones share the state.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Opens the gate for all waiting and later responses.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub(super) fn is_open(&self) -> bool {
        *self.0.borrow()
    }

    pub(super) async fn opened(&self) {
        let mut open = self.0.subscribe();
        // The sender is `self`, so waiting ends only when the gate opens.
        let _ = open.wait_for(|open| *open).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}
