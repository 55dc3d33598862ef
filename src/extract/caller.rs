//! The caller of a request: its verified token, and what the request proves about its sender.

use std::sync::Arc;
use std::time::SystemTime;

use actix_web::{HttpMessage, HttpRequest};

use crate::authorization::{AuthScheme, Credentials};
use crate::sender::SenderProof;
use crate::verifier::{Verified, Verifier};

/// The caller of one request.
///
/// It dereferences to the [`Verified`] token. Only this crate constructs it, from a token that it has verified.
///
/// It stands in the extensions of a request as soon as the request is authenticated, for middleware and for handlers that
/// take the request. Its `Debug` output shows neither the token nor its claims.
///
/// # Examples
/// ```
/// use actix_resource_server::{Caller, Scoped, scope};
/// use actix_web::{HttpMessage, HttpRequest};
///
/// scope!(ReadMessages = "read:messages");
///
/// async fn messages(_: Scoped<ReadMessages>, request: HttpRequest) -> String {
///     let extensions = request.extensions();
///     let caller = extensions.get::<Caller>().and_then(|caller| caller.subject());
///     caller.unwrap_or("a client").to_owned()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Caller {
    verified: Arc<Verified>,
    credentials: Credentials,
    sender: SenderProof,
    now: SystemTime,
}

impl Caller {
    pub(crate) fn new(
        verified: Arc<Verified>,
        credentials: Credentials,
        sender: SenderProof,
        now: SystemTime,
    ) -> Self {
        Self {
            verified,
            credentials,
            sender,
            now,
        }
    }

    /// The caller of a request that was authenticated before by this verifier, with these credentials.
    pub(super) fn find(
        request: &HttpRequest,
        verifier: &Verifier,
        credentials: &Credentials,
    ) -> Option<Self> {
        let extensions = request.extensions();
        let caller = extensions.get::<Self>()?;
        let is_same = caller.verified.is_from(verifier.id()) && caller.credentials == *credentials;
        is_same.then(|| caller.clone())
    }

    /// The access token as it was sent, for calls to other services on behalf of the caller.
    ///
    /// Only send it to services that the user trusts with it: every holder of a bearer token can use it. It must not be logged.
    #[must_use]
    pub fn token(&self) -> &str {
        self.credentials.as_word().unwrap_or_default()
    }

    /// The time of the decision, by the verifier's clock.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.now
    }

    /// Whether the request proves possession of the key or certificate of its token ([RFC 9449 §7], [RFC 8705 §3]).
    /// Always `false` for a bearer token.
    ///
    /// [RFC 9449 §7]: https://www.rfc-editor.org/rfc/rfc9449#section-7
    /// [RFC 8705 §3]: https://www.rfc-editor.org/rfc/rfc8705#section-3
    #[must_use]
    pub fn is_sender_proven(&self) -> bool {
        self.sender.is_proven()
    }

    pub(crate) fn verified(&self) -> &Arc<Verified> {
        &self.verified
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// What the request has proven of the sender of the token.
    pub(crate) fn sender(&self) -> SenderProof {
        self.sender
    }

    /// The authentication scheme of the request.
    pub(crate) fn scheme(&self) -> AuthScheme {
        self.credentials.scheme()
    }
}

impl std::ops::Deref for Caller {
    type Target = Verified;

    fn deref(&self) -> &Verified {
        &self.verified
    }
}

#[cfg(all(test, feature = "test-kit"))]
pub(super) mod tests {
    use serde_json::Value;

    use super::*;
    use crate::jose::Algorithm;
    use crate::test_kit::{SigningKey, TokenBuilder};
    use crate::{Issuer, Verifier};

    const ISSUER: &str = "https://issuer.example/";

    /// A caller whose token carries these claims beside those of every good one.
    pub(in crate::extract) fn caller_with(claims: &[(&str, Value)]) -> Caller {
        caller_at(SystemTime::now(), claims)
    }

    /// As [`caller_with`], at this moment.
    pub(in crate::extract) fn caller_at(now: SystemTime, claims: &[(&str, Value)]) -> Caller {
        let secret = "s".repeat(32);
        let key = SigningKey::from_secret(&secret, Algorithm::Hs256);
        let issuer = Issuer::with_secret(ISSUER, &secret, Algorithm::Hs256).audience("api");
        let verifier = Verifier::start([issuer.build().expect("an issuer")]).expect("a verifier");
        let token = TokenBuilder::new(ISSUER, "api", &key).issued_at(now);
        let token = claims.iter().fold(token, |token, (name, value)| {
            token.claim(name, value.clone())
        });
        let token = token.build();
        let verified = verifier.verify(&token, now);
        let verified = verified.expect("a good token");
        let credentials = Credentials::bearer(&token);
        Caller::new(verified, credentials, SenderProof::default(), now)
    }

    /// The same caller, who has proven this.
    pub(in crate::extract) fn proven(caller: Caller, sender: SenderProof) -> Caller {
        Caller { sender, ..caller }
    }

    #[test]
    fn a_caller_is_who_the_token_says() {
        let caller = caller_with(&[("sub", "user-7".into())]);
        assert_eq!(caller.subject(), Some("user-7"));
        assert_eq!(caller.issuer(), ISSUER);
        assert!(!format!("{caller:?}").contains("user-7"));
    }
}
