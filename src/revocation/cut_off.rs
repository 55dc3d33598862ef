//! Cut-offs: up to when the tokens of a subject, of a session, or with an identifier are revoked.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::claims::NumericDate;
use crate::jose::digest::sha256;

/// Revokes the tokens of an issuer for one subject, one session or one token identifier that were issued up to a second.
///
/// A token is revoked by a cut-off if its `iss` is the issuer's, the claim `sub`, `sid` or `jti` has the value, and its `iat`
/// is not later than the second, or missing. See [`Verifier::revoke`](crate::Verifier::revoke).
///
/// # Examples
/// ```
/// use std::time::SystemTime;
///
/// use actix_resource_server::CutOff;
///
/// let closed = CutOff::subject("https://tenant.eu.auth0.com/", "auth0|123", SystemTime::now());
/// let logged_out = CutOff::session("https://tenant.eu.auth0.com/", "session", SystemTime::now());
/// assert_ne!(closed, logged_out);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct CutOff {
    issuer: String,
    target: Target,
    value: String,
    /// The last second since the Unix epoch whose tokens are revoked.
    second: u64,
}

/// The claim by which a cut-off finds tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Subject,
    Session,
    TokenId,
}

impl CutOff {
    /// Revokes the tokens with this `sub`.
    #[must_use]
    pub fn subject(issuer: &str, subject: &str, until: SystemTime) -> Self {
        Self::new(issuer, Target::Subject, subject, until)
    }

    /// Revokes the tokens with this `sid`: those of one session of a user at the issuer.
    #[must_use]
    pub fn session(issuer: &str, session: &str, until: SystemTime) -> Self {
        Self::new(issuer, Target::Session, session, until)
    }

    /// Revokes the token with this `jti`.
    #[must_use]
    pub fn token_id(issuer: &str, token_id: &str, until: SystemTime) -> Self {
        Self::new(issuer, Target::TokenId, token_id, until)
    }

    fn new(issuer: &str, target: Target, value: &str, until: SystemTime) -> Self {
        Self {
            issuer: issuer.to_owned(),
            target,
            value: value.to_owned(),
            second: until
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs(),
        }
    }

    /// The exact `iss` of the tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The last second whose tokens are revoked.
    #[must_use]
    pub fn until(&self) -> SystemTime {
        let second = Duration::from_secs(self.second);
        SystemTime::UNIX_EPOCH
            .checked_add(second)
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// What the store keeps of it, for tokens that are valid for at most `lifetime` after they are issued.
    pub(super) fn kept_for(&self, lifetime: Duration) -> Kept {
        // A second more, because parts of seconds do not count.
        let lifetime = lifetime.as_secs().saturating_add(2);
        Kept {
            key: TargetHash::of(self.target, &self.issuer, &self.value),
            second: self.second,
            until: self.second.saturating_add(lifetime),
        }
    }
}

/// Names neither the subject nor the session: both identify a user.
impl fmt::Debug for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CutOff")
            .field("issuer", &self.issuer)
            .field("target", &self.target)
            .field("second", &self.second)
            .finish_non_exhaustive()
    }
}

/// A cut-off as it is stored, without the names of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) key: TargetHash,
    /// The last second since the Unix epoch whose tokens are revoked.
    pub(super) second: u64,
    /// The second since the Unix epoch from which no token that it revokes is valid any more.
    pub(super) until: u64,
}

/// The SHA-256 of an issuer, the name of a claim and its value. Never that of a token: of an ECDSA signature there are two
/// spellings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TargetHash(pub(super) [u8; 32]);

impl TargetHash {
    fn of(target: Target, issuer: &str, value: &str) -> Self {
        let claim = match target {
            Target::Subject => "sub",
            Target::Session => "sid",
            Target::TokenId => "jti",
        };
        let mut text =
            Vec::with_capacity(issuer.len().saturating_add(value.len()).saturating_add(32));
        for part in [claim, issuer, value] {
            // The lengths keep the parts apart.
            text.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            text.extend(part.as_bytes());
        }
        Self(sha256(&text))
    }
}

/// How cut-offs find a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RevocationKeys {
    pub(super) keys: [Option<TargetHash>; 3],
    /// The second in which the token was issued; `None` without `iat`.
    pub(super) issued_at: Option<u64>,
}

/// The claims by which cut-offs find a token.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RevocableClaims<'c> {
    pub(crate) issuer: &'c str,
    pub(crate) subject: Option<&'c str>,
    pub(crate) session_id: Option<&'c str>,
    pub(crate) token_id: Option<&'c str>,
    pub(crate) issued_at: Option<NumericDate>,
}

impl RevocationKeys {
    pub(crate) fn of(claims: RevocableClaims<'_>) -> Self {
        let key = |target, value: Option<&str>| Some(TargetHash::of(target, claims.issuer, value?));
        Self {
            keys: [
                key(Target::Subject, claims.subject),
                key(Target::Session, claims.session_id),
                key(Target::TokenId, claims.token_id),
            ],
            issued_at: claims.issued_at.map(|at| at.since_epoch().as_secs()),
        }
    }

    #[cfg(test)]
    pub(crate) fn of_payload(payload: &str) -> Self {
        let claims = crate::claims::Claims::parse(payload).expect("claims");
        Self::of(RevocableClaims {
            issuer: claims.issuer.valid().map_or("", |text| &**text),
            subject: claims.subject.valid().map(|text| &**text),
            session_id: claims.session_id.valid().map(|text| &**text),
            token_id: claims.token_id.valid().map(|text| &**text),
            issued_at: claims.issued_at.valid().copied(),
        })
    }
}
