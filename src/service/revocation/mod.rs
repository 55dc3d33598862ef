//! Revocation over HTTP.

mod events;

pub(crate) use self::events::{api, events};
