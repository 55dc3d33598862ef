//! Calls of introspection endpoints ([RFC 7662]), and their limits; independent of what a response means.
//!
//! [RFC 7662]: https://www.rfc-editor.org/rfc/rfc7662

mod assertion;
pub(crate) mod call;
pub(crate) mod limits;
