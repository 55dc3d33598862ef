//! Streams that end with the access of their callers: WebSockets, server-sent events, and other bodies.

mod access;
mod body;
mod end;
mod extractor;
mod incoming;
mod renewal;

pub use access::StreamAccess;
pub use end::StreamEnd;
pub use extractor::{Streaming, StreamingFuture};
pub use renewal::RenewError;
