//! Security event tokens ([RFC 8417]) with events of the Continuous Access Evaluation Profile ([CAEP 1.0]).
//!
//! [RFC 8417]: https://www.rfc-editor.org/rfc/rfc8417
//! [CAEP 1.0]: https://openid.net/specs/openid-caep-1_0-final.html

use serde_json::{Map, Value};

use super::super::unverified::HeaderType;
use super::super::validate::optional;
use super::EventError;
use super::envelope::{EVENTS, Envelope, Event, is_type};
use super::subject::Subject;
use crate::claims::NumericDate;
use crate::jose::json::FromJson;
use crate::metrics::EventKind;
use crate::revocation::CutOff;

/// `secevent+jwt` (RFC 8417 §2.3).
#[derive(Clone, Copy, Debug)]
pub(super) struct SecurityEvent;

impl HeaderType for SecurityEvent {
    fn read(typ: Option<&str>) -> Option<Self> {
        typ.is_some_and(|typ| is_type(typ, "secevent+jwt"))
            .then_some(Self)
    }
}

impl Event for SecurityEvent {
    const KIND: EventKind = EventKind::SecurityEvent;

    /// Events of other types are not understood, and ignored (RFC 8417 §2).
    fn cut_offs(envelope: &Envelope<'_>) -> Result<Vec<CutOff>, EventError> {
        let mut cut_offs = Vec::new();
        let known = envelope.events.iter();
        for (_, event) in known.filter(|(name, _)| REVOKING.contains(&name.as_str())) {
            let event = event
                .as_object()
                .ok_or(EventError::Malformed { claim: EVENTS })?;
            let cut_off = cut_off(envelope, event)?;
            if !cut_offs.contains(&cut_off) {
                cut_offs.push(cut_off);
            }
        }
        Ok(cut_offs)
    }
}

fn cut_off(envelope: &Envelope<'_>, event: &Map<String, Value>) -> Result<CutOff, EventError> {
    let issuer = envelope.issuer;
    let subject = subject(envelope, event)?;
    let time = time(envelope, event)?;
    if time.since_epoch() > envelope.latest {
        return Err(EventError::Ahead);
    }
    let until = time.to_system_time();
    Ok(match subject {
        Subject::User(user) => CutOff::subject(issuer, user, until),
        Subject::Session(session) => CutOff::session(issuer, session, until),
        Subject::Token(id) => CutOff::token_id(issuer, id, until),
    })
}

/// Whom the event is about: the token's `sub_id` (RFC 9493 §4.1), as the final profile has it, the event's `subject`, as
/// its drafts have it, or the claim `sub`.
fn subject<'e>(
    envelope: &Envelope<'e>,
    event: &'e Map<String, Value>,
) -> Result<Subject<'e>, EventError> {
    let issuer = envelope.issuer;
    if let Some(identifier) = envelope.document.get("sub_id") {
        return Subject::read(identifier, "sub_id", issuer);
    }
    if let Some(identifier) = event.get("subject") {
        return Subject::read(identifier, "subject", issuer);
    }
    match optional(&envelope.claims.subject, "sub")? {
        Some(subject) if subject.is_empty() => Err(EventError::Malformed { claim: "sub" }),
        Some(subject) => Ok(Subject::User(subject)),
        None => Err(EventError::NoSubject),
    }
}

/// When the event occurred (CAEP §2, RFC 8417 §2.2).
fn time(envelope: &Envelope<'_>, event: &Map<String, Value>) -> Result<NumericDate, EventError> {
    if let Some(time) = event.get("event_timestamp") {
        let seconds = time.as_f64().map(in_seconds);
        let time = seconds.and_then(NumericDate::from_seconds);
        return time.ok_or(EventError::Malformed {
            claim: "event_timestamp",
        });
    }
    match envelope.document.get("toe") {
        Some(time) => {
            NumericDate::from_json(time.clone()).ok_or(EventError::Malformed { claim: "toe" })
        }
        None => Ok(NumericDate::at(envelope.issued_at)),
    }
}

/// Early drafts of the profile count milliseconds.
fn in_seconds(timestamp: f64) -> f64 {
    if timestamp > LATEST_SECOND {
        timestamp / 1000.0
    } else {
        timestamp
    }
}

/// In the year 5138; as milliseconds, it is in 1973.
const LATEST_SECOND: f64 = 1e11;

/// After these, what a token says, or that its holder is the user, is no longer certain.
const REVOKING: [&str; 3] = [
    "https://schemas.openid.net/secevent/caep/event-type/session-revoked",
    "https://schemas.openid.net/secevent/caep/event-type/token-claims-change",
    "https://schemas.openid.net/secevent/caep/event-type/credential-change",
];
