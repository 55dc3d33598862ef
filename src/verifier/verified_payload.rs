//! The payload of a verified token, with the claims that are asked for most.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;

use super::VerifyError;
use super::payload::Payload;
use crate::claims::actor::Actor;
use crate::claims::footprint::allocated;
use crate::claims::{Claims, Confirmation, NumericDate};
use crate::jose::json::Member;
use crate::revocation::RevocationKeys;

/// The payload of a verified token, and where its claims stand in it: a cached token keeps no text twice.
pub(super) struct VerifiedPayload {
    /// The payload, and after it the claims that do not stand in it as they are, such as those with escapes.
    bytes: Box<[u8]>,
    /// The length of the payload.
    length: u32,
    issuer: Option<Place>,
    subject: Option<Place>,
    client_id: Option<Place>,
    token_id: Option<Place>,
    session_id: Option<Place>,
    has_malformed_session_id: bool,
    expires_at: Option<NumericDate>,
    issued_at: Option<NumericDate>,
    actor: Option<Box<Actor>>,
    /// `None` for a token that is not sender-constrained.
    confirmation: Option<Box<Confirmation>>,
}

/// Shows no claims.
impl fmt::Debug for VerifiedPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifiedPayload(redacted)")
    }
}

/// Where a text stands; never at the beginning, because the payload is an object.
#[derive(Clone, Copy)]
struct Place {
    start: NonZeroU32,
    end: u32,
}

impl VerifiedPayload {
    /// # Errors
    /// [`VerifyError::MalformedPayload`] for 4 GiB and more.
    pub(super) fn new(payload: Payload<'_>) -> Result<Self, VerifyError> {
        let Payload { bytes, claims, .. } = payload;
        Self::of(bytes, claims).ok_or(VerifyError::MalformedPayload)
    }

    fn of(bytes: &[u8], claims: Claims<'_>) -> Option<Self> {
        let mut texts = Texts(Cow::Borrowed(bytes));
        let mut add = |claim: &Member<Cow<'_, str>>| match claim {
            Member::Valid(text) => texts.add(bytes, text).map(Some),
            Member::Absent | Member::Malformed => Some(None),
        };
        Some(Self {
            length: u32::try_from(bytes.len()).ok()?,
            issuer: add(&claims.issuer)?,
            subject: add(&claims.subject)?,
            client_id: add(&claims.client_id)?,
            token_id: add(&claims.token_id)?,
            session_id: add(&claims.session_id)?,
            has_malformed_session_id: claims.session_id == Member::Malformed,
            expires_at: claims.expires_at.valid().copied(),
            issued_at: claims.issued_at.valid().copied(),
            actor: match claims.actor {
                Member::Valid(actor) => Some(actor),
                Member::Absent | Member::Malformed => None,
            },
            confirmation: claims
                .confirmation
                .binds()
                .then(|| Box::new(claims.confirmation)),
            bytes: texts.0.into(),
        })
    }

    /// The payload, a JSON object.
    pub(super) fn as_bytes(&self) -> &[u8] {
        let length = usize::try_from(self.length).ok();
        length
            .and_then(|length| self.bytes.get(..length))
            .unwrap_or_default()
    }

    fn text(&self, place: Option<Place>) -> Option<&str> {
        let Place { start, end } = place?;
        let start = usize::try_from(start.get()).ok()?;
        let end = usize::try_from(end).ok()?;
        std::str::from_utf8(self.bytes.get(start..end)?).ok()
    }

    pub(super) fn issuer(&self) -> &str {
        self.text(self.issuer).unwrap_or_default()
    }

    pub(super) fn subject(&self) -> Option<&str> {
        self.text(self.subject)
    }

    pub(super) fn client_id(&self) -> Option<&str> {
        self.text(self.client_id)
    }

    pub(super) fn token_id(&self) -> Option<&str> {
        self.text(self.token_id)
    }

    /// Whether `sid` is present and not a string.
    pub(super) fn has_malformed_session_id(&self) -> bool {
        self.has_malformed_session_id
    }

    pub(super) fn expires_at(&self) -> Option<NumericDate> {
        self.expires_at
    }

    pub(super) fn issued_at(&self) -> Option<NumericDate> {
        self.issued_at
    }

    pub(super) fn actor(&self) -> Option<&Actor> {
        self.actor.as_deref()
    }

    /// What the sender of the token must prove (`cnf`).
    pub(super) fn confirmation(&self) -> &Confirmation {
        self.confirmation.as_deref().unwrap_or(&Confirmation::NONE)
    }

    /// How cut-offs find the token.
    pub(super) fn revocation_keys(&self) -> RevocationKeys {
        let claims = [self.subject, self.session_id, self.token_id];
        let claims = claims.map(|place| self.text(place));
        RevocationKeys::of(self.issuer(), claims, self.issued_at)
    }

    /// The bytes allocated for the payload and its claims.
    pub(super) fn allocated(&self) -> usize {
        let confirmation = self.confirmation.as_deref();
        let parts = [
            allocated(self.bytes.len()),
            self.actor.as_deref().map_or(0, Actor::allocated),
            confirmation.map_or(0, Confirmation::allocated),
        ];
        parts.into_iter().fold(0, usize::saturating_add)
    }
}

/// A payload, and after it the texts that are not in it.
struct Texts<'p>(Cow<'p, [u8]>);

impl Texts<'_> {
    /// Where `text` stands, which is added unless it is a part of `payload`.
    fn add(&mut self, payload: &[u8], text: &str) -> Option<Place> {
        let start = match offset_in(payload, text) {
            Some(offset) => offset,
            None => {
                let end = self.0.len();
                self.0.to_mut().extend_from_slice(text.as_bytes());
                end
            }
        };
        Some(Place {
            start: NonZeroU32::new(u32::try_from(start).ok()?)?,
            end: u32::try_from(start.checked_add(text.len())?).ok()?,
        })
    }
}

/// Where `text` begins in `bytes`, if it was borrowed from there.
fn offset_in(bytes: &[u8], text: &str) -> Option<usize> {
    let start = text.as_ptr().addr().checked_sub(bytes.as_ptr().addr())?;
    let end = start.checked_add(text.len())?;
    (bytes.get(start..end)? == text.as_bytes()).then_some(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verified(payload: &str) -> VerifiedPayload {
        let payload = Payload::parse(payload.as_bytes()).expect("an object");
        VerifiedPayload::new(payload).expect("not so long")
    }

    #[test]
    fn claims_are_read_from_the_payload_and_with_escapes_from_behind_it() {
        let plain = r#"{"iss":"i","sub":"s\u00e4","client_id":"","jti":"\"","aud":"x"}"#;
        let read = verified(plain);
        assert_eq!(read.as_bytes(), plain.as_bytes());
        assert_eq!(read.issuer(), "i");
        assert_eq!(read.subject(), Some("s\u{e4}"));
        assert_eq!(read.client_id(), Some(""));
        assert_eq!(read.token_id(), Some("\""));
        assert_eq!(read.bytes.len(), plain.len() + "s\u{e4}\"".len());
        let none = verified("{}");
        assert_eq!((none.issuer(), none.subject()), ("", None));
        assert_eq!(none.bytes.len(), 2);
    }

    #[test]
    fn a_malformed_session_is_known() {
        assert!(verified(r#"{"sid":1}"#).has_malformed_session_id());
        assert!(!verified(r#"{"sid":"1"}"#).has_malformed_session_id());
    }

    #[test]
    fn only_a_text_of_the_payload_has_an_offset_in_it() {
        let payload = "a b a".to_owned();
        assert_eq!(offset_in(payload.as_bytes(), &payload[4..]), Some(4));
        assert_eq!(offset_in(payload.as_bytes(), "a"), None);
        assert_eq!(offset_in(b"a", &payload), None);
    }
}
