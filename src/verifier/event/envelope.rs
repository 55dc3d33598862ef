//! The claims that logout tokens and security events have in common ([RFC 8417 §2.2]).
//!
//! [RFC 8417 §2.2]: https://www.rfc-editor.org/rfc/rfc8417#section-2.2

use std::time::Duration;

use serde_json::{Map, Value};

use super::super::unverified::{HeaderType, Unverified};
use super::super::validate::{optional, required};
use super::EventError;
use crate::claims::Claims;
use crate::issuer::Issuer;
use crate::metrics::EventKind;
use crate::revocation::CutOff;

/// A kind of token that revokes others.
pub(super) trait Event: HeaderType {
    /// The kind under which it is counted.
    const KIND: EventKind;

    /// What the token revokes.
    ///
    /// # Errors
    /// The rules of this kind that it violates.
    fn cut_offs(envelope: &Envelope<'_>) -> Result<Vec<CutOff>, EventError>;
}

/// The claims of a token; nothing in it is trusted until the signature has been verified.
#[derive(Debug)]
pub(super) struct Envelope<'t> {
    pub(super) issuer: &'t str,
    pub(super) token_id: &'t str,
    /// Times since the Unix epoch.
    pub(super) issued_at: Duration,
    /// The latest time that an event may have.
    pub(super) latest: Duration,
    /// The time after which the token is too old.
    pub(super) until: Duration,
    /// At least one event.
    pub(super) events: &'t Map<String, Value>,
    pub(super) claims: &'t Claims<'t>,
    /// Whether the issuer's logout tokens revoke the tokens of all sessions.
    pub(super) logout_revokes_user: bool,
    /// All claims.
    pub(super) document: &'t Value,
}

impl<'t> Envelope<'t> {
    /// Reads the claims of a token at the time `now` since the Unix epoch.
    ///
    /// # Errors
    /// A claim is missing or malformed, or the token is too old or ahead of the clock.
    pub(super) fn open<T: HeaderType>(
        issuer: &Issuer,
        token: &'t Unverified<'_, T>,
        now: Duration,
    ) -> Result<Self, EventError> {
        let (claims, document) = (token.claims(), token.payload().document());
        let tolerance = issuer.rules.clock_tolerance;
        let latest = now.saturating_add(tolerance);
        let token_id = required(&claims.token_id, "jti")?;
        if token_id.is_empty() {
            return Err(EventError::Malformed { claim: "jti" });
        }
        let issued_at = required(&claims.issued_at, "iat")?.since_epoch();
        // A cut-off that is older revokes no token that is still valid.
        let max_age = issuer.rules.max_token_age.unwrap_or_default();
        let until = issued_at.saturating_add(max_age).saturating_add(tolerance);
        if now > until {
            return Err(EventError::TooOld);
        }
        let not_before = optional(&claims.not_before, "nbf")?.map(|at| at.since_epoch());
        if issued_at.max(not_before.unwrap_or_default()) > latest {
            return Err(EventError::Ahead);
        }
        let expires_at = optional(&claims.expires_at, "exp")?.map(|at| at.since_epoch());
        if expires_at.is_some_and(|at| now >= at.saturating_add(tolerance)) {
            return Err(EventError::Expired);
        }
        let events = document.get(EVENTS);
        let events = events.ok_or(EventError::Missing { claim: EVENTS })?;
        let events = events.as_object().filter(|events| !events.is_empty());
        Ok(Self {
            issuer: token.issuer()?,
            token_id,
            issued_at,
            latest,
            until,
            events: events.ok_or(EventError::Malformed { claim: EVENTS })?,
            claims,
            logout_revokes_user: issuer.rules.logout_revokes_user,
            document,
        })
    }
}

/// Whether `typ` is this media type, with or without `application/`, in any case (RFC 7515 §4.1.9).
pub(super) fn is_type(typ: &str, name: &str) -> bool {
    let short = match typ.split_at_checked(APPLICATION.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(APPLICATION) => rest,
        _ => typ,
    };
    short.eq_ignore_ascii_case(name)
}

const APPLICATION: &str = "application/";

pub(super) const EVENTS: &str = "events";
