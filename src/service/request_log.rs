//! One log line for each request: method, route, status, time and IDs, and nothing else that the client chose.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use data_encoding::HEXLOWER;
use log::kv::{Error, Key, Source, Value, VisitSource};
use log::{Level, Record};

use crate::jose::mac::MacKey;
use crate::metrics::RejectionReason;
use crate::{Caller, TraceContext};

/// Whether the lines are written at all.
pub(crate) fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// To be called after the level of the log has changed.
pub(crate) fn level_changed() {
    let is_on = log::log_enabled!(target: TARGET, Level::Info);
    IS_ON.store(is_on, Ordering::Relaxed);
}

/// Asking the logger takes longer than the rest of what a request costs here.
static IS_ON: AtomicBool = AtomicBool::new(false);

/// The line of one request.
#[derive(Debug)]
pub(crate) struct Line<'r> {
    pub(crate) method: &'static str,
    /// The pattern, never the path.
    pub(crate) route: &'r str,
    pub(crate) status: u16,
    pub(crate) duration: Duration,
    pub(crate) trace: &'r TraceContext,
    pub(crate) reason: Option<RejectionReason>,
    pub(crate) user: Option<User>,
}

impl Line<'_> {
    pub(crate) fn write(&self) {
        let Self {
            method,
            route,
            status,
            ..
        } = self;
        let microseconds = self.duration.as_micros();
        let (whole, rest) = (microseconds / 1000, microseconds % 1000);
        log::logger().log(
            &Record::builder()
                .target(TARGET)
                .level(Level::Info)
                .key_values(self)
                .args(format_args!(
                    "{method} {route} {status} in {whole}.{rest:03} ms"
                ))
                .build(),
        );
    }
}

/// The fields of a line; those that its text has, too, come first.
impl Source for Line<'_> {
    fn visit<'kvs>(&'kvs self, fields: &mut dyn VisitSource<'kvs>) -> Result<(), Error> {
        let microseconds = u64::try_from(self.duration.as_micros()).unwrap_or(u64::MAX);
        let mut field = |name, value: Value<'kvs>| fields.visit_pair(Key::from_str(name), value);
        field("method", self.method.into())?;
        field("route", self.route.into())?;
        field("status", self.status.into())?;
        field("duration_us", microseconds.into())?;
        field("request_id", self.trace.request_id().into())?;
        field("trace_id", self.trace.trace_id().into())?;
        if let Some(reason) = self.reason {
            field("reason", reason.label().into())?;
        }
        if let Some(user) = &self.user {
            if let Some(client_id) = &user.client_id {
                field("client_id", client_id.as_str().into())?;
            }
            if let Some(subject_hash) = &user.subject_hash {
                field("subject_hash", subject_hash.as_str().into())?;
            }
        }
        Ok(())
    }
}

/// The fields that the text of a line has already.
pub(crate) const IN_TEXT: [&str; 4] = ["method", "route", "status", "duration_us"];

/// Who called, as far as the log may tell.
#[derive(Debug)]
pub(crate) struct User {
    client_id: Option<String>,
    subject_hash: Option<String>,
}

/// Hashes subjects, so that lines of one user can be found without naming the user.
///
/// The key is random and ends with the process: with it, subjects could be guessed.
#[derive(Debug)]
pub(crate) struct SubjectHasher(MacKey);

impl SubjectHasher {
    /// `None` if the system provides no random numbers.
    pub(crate) fn random() -> Option<Self> {
        MacKey::random().map(Self)
    }

    pub(crate) fn user(&self, caller: &Caller) -> User {
        let client_id = caller.client_id();
        User {
            client_id: client_id.map(|id| id.chars().take(LONGEST_CLIENT_ID).collect()),
            subject_hash: self.subject(caller),
        }
    }

    /// The hash of the token's subject.
    pub(crate) fn subject(&self, caller: &Caller) -> Option<String> {
        let subject = caller.subject()?;
        Some(self.hash(caller.issuer(), subject))
    }

    /// Subjects are unique for each issuer alone (RFC 7519 §4.1.2).
    pub(crate) fn hash(&self, issuer: &str, subject: &str) -> String {
        let length = u64::try_from(issuer.len()).unwrap_or(u64::MAX);
        let message = [
            &length.to_be_bytes()[..],
            issuer.as_bytes(),
            subject.as_bytes(),
        ]
        .concat();
        let tag = self.0.tag(&message);
        HEXLOWER.encode(tag.get(..HASH_BYTES).unwrap_or_default())
    }
}

const TARGET: &str = "request";

/// In characters: the issuer chose the text.
const LONGEST_CLIENT_ID: usize = 128;

const HASH_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_has_one_hash_for_each_issuer_and_key() {
        let hasher = SubjectHasher(MacKey::of_secret(b"key"));
        let hash = hasher.hash("https://a.example/", "user-7");
        assert_eq!(hash.len(), 32);
        assert_eq!(hash, hasher.hash("https://a.example/", "user-7"));
        assert_ne!(hash, hasher.hash("https://a.example/u", "ser-7"));
        let other = SubjectHasher::random().unwrap();
        assert_ne!(hash, other.hash("https://a.example/", "user-7"));
    }
}
