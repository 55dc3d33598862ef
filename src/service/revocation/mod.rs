//! Revocation over HTTP: what operators and issuers send.

mod endpoints;
mod events;
mod operator;

pub(crate) use self::endpoints::{Endpoints, Listening};
