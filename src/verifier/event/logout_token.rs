//! Logout tokens ([OpenID Connect Back-Channel Logout §2.4]).
//!
//! [OpenID Connect Back-Channel Logout §2.4]: https://openid.net/specs/openid-connect-backchannel-1_0.html#LogoutToken

use std::time::SystemTime;

use super::super::unverified::HeaderType;
use super::super::validate::optional;
use super::EventError;
use super::envelope::{EVENTS, Envelope, Event, is_type};
use crate::metrics::EventKind;
use crate::revocation::CutOff;

/// `logout+jwt`; also `JWT` or no type, as older providers have it: `events` then tells the kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogoutToken;

impl HeaderType for LogoutToken {
    fn read(typ: Option<&str>) -> Option<Self> {
        let is_logout = |typ: &str| is_type(typ, "logout+jwt") || typ.eq_ignore_ascii_case("JWT");
        typ.is_none_or(is_logout).then_some(Self)
    }
}

impl Event for LogoutToken {
    const KIND: EventKind = EventKind::Logout;

    fn cut_offs(envelope: &Envelope<'_>) -> Result<Vec<CutOff>, EventError> {
        let claims = envelope.claims;
        let is_logout = envelope.events.len() == 1
            && envelope.events.get(LOGOUT).is_some_and(|of| of.is_object());
        if !is_logout {
            return Err(EventError::Malformed { claim: EVENTS });
        }
        if claims.has_nonce {
            return Err(EventError::Nonce);
        }
        let subject = optional(&claims.subject, "sub")?;
        let session = optional(&claims.session_id, "sid")?;
        for (claim, value) in [("sub", subject), ("sid", session)] {
            if value.is_some_and(|value| value.is_empty()) {
                return Err(EventError::Malformed { claim });
            }
        }
        let until = SystemTime::UNIX_EPOCH.checked_add(envelope.issued_at);
        let until = until.ok_or(EventError::Malformed { claim: "iat" })?;
        let issuer = envelope.issuer;
        let revokes_user = session.is_none() || envelope.logout_revokes_user;
        let session = session.map(|session| CutOff::session(issuer, session, until));
        let subject = subject.filter(|_| revokes_user);
        let subject = subject.map(|subject| CutOff::subject(issuer, subject, until));
        let cut_offs: Vec<_> = session.into_iter().chain(subject).collect();
        if cut_offs.is_empty() {
            return Err(EventError::NoSubject);
        }
        Ok(cut_offs)
    }
}

const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";
