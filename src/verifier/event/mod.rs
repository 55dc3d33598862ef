//! Logout tokens and security events: signed by an issuer, they revoke its tokens.
//!
//! A token is judged by its claims before its key is looked for, so that a forged one costs a fetch of keys only where
//! nothing but its signature is wrong. Nothing is changed before the signature has been verified.

mod envelope;
mod error;
mod logout_token;
mod security_event;
mod seen;
mod subject;
#[cfg(all(test, feature = "test-kit"))]
mod tests;

use std::sync::Arc;

use self::envelope::{Envelope, Event};
pub use self::error::EventError;
use self::logout_token::LogoutToken;
use self::security_event::SecurityEvent;
use self::seen::EventId;
pub(super) use self::seen::SeenEvents;
use super::clock::since_epoch;
use super::missing_key::{PendingKey, Waited};
use super::trust::Trust;
use super::unverified::{Decoded, HeaderType, Unverified};
use super::validate::required;
use super::{Verifier, VerifyError, find_key};
use crate::jose::CompactError;
use crate::keys::{IssuerKeys, KeyRequest, Purpose};
use crate::metrics::EventOutcome;
use crate::revocation::CutOff;

impl Verifier {
    /// Revokes what a logout token says ([OpenID Connect Back-Channel Logout §2.4, §2.6]): the tokens of the session `sid`,
    /// or, in a logout token without `sid`, those of the user `sub`, that were issued up to its `iat`.
    ///
    /// It is verified as access tokens are, with the issuer's keys and algorithms: `typ` is `logout+jwt`, `JWT` or absent,
    /// `iss` is exactly that of a trusted issuer, `aud` contains one of its
    /// [event audiences](crate::IssuerBuilder::event_audience), and it is no older than the issuer's maximum age of tokens.
    /// A logout token that was accepted before changes nothing and is a success.
    ///
    /// # Errors
    /// [`EventError`]; nothing is revoked then. After [`EventError::Full`] and [`EventError::Unavailable`] the sender should
    /// try again.
    ///
    /// # Examples
    /// ```
    /// # use actix_resource_server::Verifier;
    /// # use actix_resource_server::errors::EventError;
    /// use actix_web::{HttpResponse, web};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Form {
    ///     logout_token: String,
    /// }
    ///
    /// async fn logout(form: web::Form<Form>, verifier: web::Data<Verifier>) -> HttpResponse {
    ///     match verifier.receive_logout_token(&form.logout_token).await {
    ///         Ok(()) => HttpResponse::Ok().finish(),
    ///         Err(EventError::Full | EventError::Unavailable { .. }) => HttpResponse::ServiceUnavailable().finish(),
    ///         Err(error) => HttpResponse::BadRequest().body(error.to_string()),
    ///     }
    /// }
    /// ```
    ///
    /// [OpenID Connect Back-Channel Logout §2.4, §2.6]: https://openid.net/specs/openid-connect-backchannel-1_0.html#LogoutToken
    pub async fn receive_logout_token(&self, token: &str) -> Result<(), EventError> {
        self.receive::<LogoutToken>(token).await
    }

    /// Revokes what a security event token says ([RFC 8417], [CAEP 1.0]): the events `session-revoked`,
    /// `token-claims-change` and `credential-change` revoke the tokens of their subject that were issued up to the time of
    /// the event. Events of other types change nothing and are a success.
    ///
    /// It is verified as a [logout token](Self::receive_logout_token) is, with the `typ` `secevent+jwt`. The subject is
    /// `sub_id`, the event's own `subject` or `sub`: a user (`iss_sub`, `opaque`), a token (`jwt_id`), or a `complex` one with a
    /// session or a user. The time is `event_timestamp`, else `toe`, else `iat`.
    ///
    /// # Errors
    /// [`EventError`]; nothing is revoked then. After [`EventError::Full`] and [`EventError::Unavailable`] the sender should
    /// try again.
    ///
    /// [RFC 8417]: https://www.rfc-editor.org/rfc/rfc8417
    /// [CAEP 1.0]: https://openid.net/specs/openid-caep-1_0-final.html
    pub async fn receive_security_event(&self, token: &str) -> Result<(), EventError> {
        self.receive::<SecurityEvent>(token).await
    }

    async fn receive<E: Event>(&self, token: &str) -> Result<(), EventError> {
        let received = self.accept::<E>(token).await;
        let outcome = match &received {
            Ok(outcome) => *outcome,
            Err(error) if error.retry_after().is_some() => EventOutcome::Unavailable,
            Err(_) => EventOutcome::Rejected,
        };
        self.0.counters.count_event(E::KIND, outcome);
        received.map(drop)
    }

    async fn accept<E: Event>(&self, token: &str) -> Result<EventOutcome, EventError> {
        if self.revocations().is_none() {
            return Err(EventError::NotConfigured);
        }
        let event = self.authenticate::<E>(token).await?;
        if event.cut_offs.is_empty() {
            return Ok(EventOutcome::Accepted);
        }
        let seen = &self.0.events;
        if seen.contains(event.id) {
            return Ok(EventOutcome::Repeated);
        }
        self.revoke(&event.cut_offs).await?;
        // Not before: a sender that gets an error sends the event again.
        seen.remember(event.id, event.until, since_epoch(self.now()).as_secs());
        Ok(EventOutcome::Accepted)
    }

    /// Verifies a token, and waits for the fetch of its key if the issuer may have it.
    async fn authenticate<E: Event>(&self, token: &str) -> Result<Authentic, EventError> {
        let mut may_be_late = true;
        let mut is_last = false;
        loop {
            let error = match self.check_event::<E>(token)? {
                Checked::Authentic(event) => return Ok(event),
                Checked::KeyMissing(error) if is_last => return Err(error.into()),
                Checked::KeyMissing(error) => error,
            };
            let fetch = match self.request_key(&error) {
                KeyRequest::Arrived => continue,
                KeyRequest::Fetching(fetch) => fetch,
                KeyRequest::Denied => return Err(error.into()),
                KeyRequest::Failing(retry_after) | KeyRequest::Undetermined(retry_after) => {
                    return Err(EventError::Unavailable { retry_after });
                }
            };
            match (PendingKey { error, fetch }).wait().await? {
                Waited::InVain => {}
                Waited::Late if may_be_late => may_be_late = false,
                Waited::Late | Waited::InTime => is_last = true,
            }
        }
    }

    /// The checks in order: form, issuer, audience, the other claims, key and signature.
    fn check_event<E: Event>(&self, token: &str) -> Result<Checked, EventError> {
        if token.len() > MOST_EVENT_BYTES {
            return Err(VerifyError::Form(CompactError::TooLong).into());
        }
        let decoded = Decoded::<E>::parse(token)?;
        let unverified = decoded.read()?;
        let trust = self.0.trust.load();
        let keys = entry_for(&trust, &unverified)?;
        let envelope = Envelope::open(&keys.issuer, &unverified, since_epoch(self.now()))?;
        let cut_offs = E::cut_offs(&envelope)?;
        // What was read applies only if the signature is valid.
        match find_key(keys, &unverified, Purpose::Events, || true) {
            Ok(_) => Ok(Checked::Authentic(Authentic {
                cut_offs,
                id: EventId::of(E::KIND, envelope.issuer, envelope.token_id),
                until: envelope.until.as_secs().saturating_add(1),
            })),
            Err(error @ (VerifyError::UnknownKey(_) | VerifyError::OutdatedKey(_))) => {
                Ok(Checked::KeyMissing(error))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// What has been found out about a token.
enum Checked {
    Authentic(Authentic),
    /// Only its key is missing, or may be outdated.
    KeyMissing(VerifyError),
}

/// What an issuer has signed.
struct Authentic {
    cut_offs: Vec<CutOff>,
    id: EventId,
    /// The second since the Unix epoch from which the token is too old.
    until: u64,
}

/// The entry of the issuer that has sent a token, for one of its event audiences.
fn entry_for<'t, T: HeaderType>(
    trust: &'t Trust,
    token: &Unverified<'_, T>,
) -> Result<&'t Arc<IssuerKeys>, EventError> {
    let iss = token.issuer()?;
    let accepts_tenant = |keys: &IssuerKeys| {
        let tenants = keys.issuer.tenants.as_ref();
        tenants.is_some_and(|of| of.tenant_of(iss).is_some_and(|tenant| of.accept(tenant)))
    };
    let entries = trust.issuers.iter();
    let entries: Vec<_> = entries
        .filter(|keys| keys.is_named(iss) || accepts_tenant(keys))
        .collect();
    if entries.is_empty() {
        return Err(EventError::UnknownIssuer);
    }
    let audience = required(&token.claims().audience, "aud")?;
    let mut entries = entries.into_iter();
    let for_us = entries.find(|keys| audience.contains_one_of(&keys.issuer.rules.event_audience));
    for_us.ok_or(EventError::WrongAudience)
}

/// The length of the longest token that is read, in bytes.
pub(crate) const MOST_EVENT_BYTES: usize = 64 * 1024;
