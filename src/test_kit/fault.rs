//! Lists the ways in which an issuer can fail its readers.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

/// What an issuer does in the place of a good answer.
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
    /// Closes the connection without an answer.
    Close,
    /// Sends the head of a good answer, then its body byte by byte with this pause before each.
    Drip(Duration),
    /// Sends a body without an end, as fast as it is read.
    Endless,
    /// Sends nothing until the gate opens; then what is due at that time.
    Hang(Gate),
    /// Sends these bytes and closes: no head is added.
    Raw(Vec<u8>),
    /// Sends another answer than the good one.
    Reply(Reply),
}

impl Fault {
    /// An answer of status `code` with an empty body.
    #[must_use]
    pub fn status(code: u16) -> Self {
        Self::Reply(Reply::new(code))
    }

    /// A 200 with any body; what is no JSON, or JSON of another kind.
    #[must_use]
    pub fn body(content_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let reply = Reply::new(200).header("Content-Type", content_type);
        Self::Reply(reply.body(bytes))
    }

    /// A 200 with another document: a discovery document of somebody else, say.
    #[must_use]
    pub fn json(document: &Value) -> Self {
        Self::Reply(Reply::json(document))
    }

    /// A 302 to `location`.
    #[must_use]
    pub fn redirect(location: &str) -> Self {
        Self::Reply(Reply::new(302).header("Location", location))
    }
}

/// An answer with any status, headers and body; `Content-Length` and `Connection` are added.
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
    /// An answer without headers and body.
    pub const fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A 200 of `application/json`.
    pub fn json(document: &Value) -> Self {
        Self::new(200)
            .header("Content-Type", "application/json")
            .body(document.to_string())
    }

    /// Adds a header, beside any of the same name.
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

/// Holds answers back until a test opens it; clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A gate that is shut.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets everything through that waits, and all that comes after.
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
