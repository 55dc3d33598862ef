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
use crate::revocation::{RevocableClaims, RevocationKeys};

/// The payload of a verified token, and the positions of its claims in it: a cached token keeps no text twice.
pub(super) struct VerifiedPayload {
    /// The payload, and after it the claims that are not part of it as they are, such as those with escapes.
    text: Box<str>,
    /// The length of the payload.
    length: u32,
    issuer: Option<Span>,
    subject: Option<Span>,
    client_id: Option<Span>,
    token_id: Option<Span>,
    session_id: Option<Span>,
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

/// Where a claim begins and ends in the text; never at the beginning, because the payload is an object.
#[derive(Clone, Copy)]
struct Span {
    start: NonZeroU32,
    end: u32,
}

impl VerifiedPayload {
    /// # Errors
    /// [`VerifyError::MalformedPayload`] for 4 GiB and more.
    pub(super) fn new(payload: Payload<'_>) -> Result<Self, VerifyError> {
        let Payload { text, claims, .. } = payload;
        Self::of(text, claims).ok_or(VerifyError::MalformedPayload)
    }

    fn of(payload: &str, claims: Claims<'_>) -> Option<Self> {
        let mut text = Cow::Borrowed(payload);
        let mut add = |claim: &Member<Cow<'_, str>>| match claim {
            Member::Valid(claim) => span(payload, &mut text, claim).map(Some),
            Member::Absent | Member::Malformed => Some(None),
        };
        Some(Self {
            length: u32::try_from(payload.len()).ok()?,
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
            text: text.into(),
        })
    }

    /// The payload, a JSON object.
    pub(super) fn as_bytes(&self) -> &[u8] {
        let length = usize::try_from(self.length).ok();
        let payload = length.and_then(|length| self.text.as_bytes().get(..length));
        payload.unwrap_or_default()
    }

    fn claim(&self, span: Option<Span>) -> Option<&str> {
        let Span { start, end } = span?;
        let start = usize::try_from(start.get()).ok()?;
        self.text.get(start..usize::try_from(end).ok()?)
    }

    pub(super) fn issuer(&self) -> &str {
        self.claim(self.issuer).unwrap_or_default()
    }

    pub(super) fn subject(&self) -> Option<&str> {
        self.claim(self.subject)
    }

    pub(super) fn client_id(&self) -> Option<&str> {
        self.claim(self.client_id)
    }

    pub(super) fn token_id(&self) -> Option<&str> {
        self.claim(self.token_id)
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
        RevocationKeys::of(RevocableClaims {
            issuer: self.issuer(),
            subject: self.subject(),
            session_id: self.claim(self.session_id),
            token_id: self.token_id(),
            issued_at: self.issued_at,
        })
    }

    /// The bytes allocated for the payload and its claims.
    pub(super) fn allocated(&self) -> usize {
        let confirmation = self.confirmation.as_deref();
        let parts = [
            allocated(self.text.len()),
            self.actor.as_deref().map_or(0, Actor::allocated),
            confirmation.map_or(0, Confirmation::allocated),
        ];
        parts.into_iter().fold(0, usize::saturating_add)
    }
}

/// Where `claim` is in `text`, which begins with `payload`; it is added at the end unless it is a part of that.
fn span(payload: &str, text: &mut Cow<'_, str>, claim: &str) -> Option<Span> {
    let start = offset_in(payload, claim).unwrap_or_else(|| {
        let end = text.len();
        text.to_mut().push_str(claim);
        end
    });
    Some(Span {
        start: NonZeroU32::new(u32::try_from(start).ok()?)?,
        end: u32::try_from(start.checked_add(claim.len())?).ok()?,
    })
}

/// Where `part` begins in `text`, if it was borrowed from there.
fn offset_in(text: &str, part: &str) -> Option<usize> {
    let start = part.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (text.get(start..end)? == part).then_some(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verified(payload: &str) -> VerifiedPayload {
        let payload = Payload::parse(payload.as_bytes()).expect("an object");
        VerifiedPayload::new(payload).expect("not so long")
    }

    #[test]
    fn claims_are_parts_of_the_payload_and_with_escapes_come_after_it() {
        let plain = r#"{"iss":"i","sub":"s\u00e4","client_id":"","jti":"\"","aud":"x"}"#;
        let read = verified(plain);
        assert_eq!(read.as_bytes(), plain.as_bytes());
        assert_eq!(read.issuer(), "i");
        assert_eq!(read.subject(), Some("s\u{e4}"));
        assert_eq!(read.client_id(), Some(""));
        assert_eq!(read.token_id(), Some("\""));
        assert_eq!(read.text.len(), plain.len() + "s\u{e4}\"".len());
        let none = verified("{}");
        assert_eq!((none.issuer(), none.subject()), ("", None));
        assert_eq!(none.text.len(), 2);
    }

    #[test]
    fn cut_offs_find_a_token_by_the_same_claims_as_before_its_verification() {
        for payload in [
            r#"{"iss":"i","sub":"s","sid":"t","jti":"u","iat":7}"#,
            r#"{"iss":"\u0069","sub":"\u0073"}"#,
            r#"{"sid":"t"}"#,
            "{}",
        ] {
            let expected = RevocationKeys::of_payload(payload);
            assert_eq!(verified(payload).revocation_keys(), expected, "{payload}");
        }
    }

    #[test]
    fn a_malformed_session_is_known() {
        assert!(verified(r#"{"sid":1}"#).has_malformed_session_id());
        assert!(!verified(r#"{"sid":"1"}"#).has_malformed_session_id());
    }

    #[test]
    fn only_a_text_of_the_payload_has_an_offset_in_it() {
        let payload = "a b a".to_owned();
        assert_eq!(offset_in(&payload, &payload[4..]), Some(4));
        assert_eq!(offset_in(&payload, "a"), None);
        assert_eq!(offset_in("a", &payload), None);
    }
}
