//! The ways not to be let in, and the answer to each.

use std::fmt;
use std::time::Duration;

use super::DenialMatrix;
use super::answer::Expected;
use super::demand::{logged_in, scoped, too_little_scope, too_weak_login, unbound};
use crate::extract::{Authentication, Requirement};
use crate::jose::sign::SigningKey;
use crate::jose::{Algorithm, CompactError};
use crate::rejection::Rejection;
use crate::sender::SenderError;
use crate::test_kit::shared;
use crate::verifier::VerifyError;

/// One way not to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Way {
    /// No `Authorization` header; not tried where a route may be called without one.
    NoToken,
    /// A word that is no JWT.
    Garbage,
    /// `exp` an hour ago.
    Expired,
    /// `nbf` in an hour.
    NotYetValid,
    /// `iss` of an issuer that nobody trusts.
    ForeignIssuer,
    /// `aud` of another API.
    ForeignAudience,
    /// Signed by another key under the name of the issuer's.
    ForeignKey,
    /// Not signed at all: `alg` is `none`.
    Unsigned,
    /// Signed HS256 with the issuer's public key for a secret.
    PublicKeyAsSecret,
    /// An ID token instead of an access token.
    IdToken,
    /// A good token that is bound to somebody's key, sent by somebody else.
    Stolen,
    /// A good token that is bound to nobody; tried where the route asks for one that is.
    Unbound,
    /// A good token without any scope; tried where the route asks for scopes.
    MissingScope,
    /// A good token that tells of no login; tried where the route asks for one.
    TooWeakLogin,
}

impl Way {
    /// Every way, in the order in which they are tried.
    pub const ALL: &'static [Self] = &[
        Self::NoToken,
        Self::Garbage,
        Self::Expired,
        Self::NotYetValid,
        Self::ForeignIssuer,
        Self::ForeignAudience,
        Self::ForeignKey,
        Self::Unsigned,
        Self::PublicKeyAsSecret,
        Self::IdToken,
        Self::Stolen,
        Self::Unbound,
        Self::MissingScope,
        Self::TooWeakLogin,
    ];

    /// The answer of a route that asks for `requirement`; `None` where the way is open.
    pub(super) fn expected(self, requirement: &Requirement) -> Option<Expected> {
        let needed = match requirement.caller {
            Authentication::None => return None,
            Authentication::Optional => self != Self::NoToken,
            Authentication::Required => true,
        };
        let rejections = needed.then(|| self.rejections(requirement))??;
        Some(Expected::any_of(&rejections))
    }

    /// The refusals that would do; `None` where the route does not ask for what is missing.
    fn rejections(self, requirement: &Requirement) -> Option<Vec<Rejection>> {
        let error = match self {
            Self::NoToken => return Some(vec![Rejection::no_credentials()]),
            Self::Garbage => VerifyError::Form(CompactError::Segments),
            Self::Expired => VerifyError::Expired {
                ago: Duration::ZERO,
            },
            Self::NotYetValid => VerifyError::NotYetValid,
            Self::ForeignIssuer => VerifyError::UnknownIssuer,
            Self::ForeignAudience => VerifyError::WrongAudience,
            Self::ForeignKey => VerifyError::Signature,
            Self::Unsigned => VerifyError::UnknownAlgorithm,
            Self::PublicKeyAsSecret => VerifyError::AlgorithmNotAllowed,
            Self::IdToken => VerifyError::IdToken,
            Self::Stolen => return Some(vec![SenderError::Unproven.into()]),
            Self::Unbound => {
                let refusal = unbound(requirement)?;
                let others = too_little_scope(requirement).unwrap_or_default();
                return Some([vec![refusal], others].concat());
            }
            Self::MissingScope => return too_little_scope(requirement),
            Self::TooWeakLogin => return too_weak_login(requirement),
        };
        Some(vec![error.into()])
    }

    /// The `Authorization` header for a route that asks for `requirement`; `None` where the issuer's key does
    /// not allow the way.
    pub(super) fn authorization(
        self,
        matrix: &DenialMatrix,
        requirement: &Requirement,
    ) -> Option<Option<String>> {
        let (good, key) = (matrix.good(), &matrix.key);
        let token = match self {
            Self::NoToken => return Some(None),
            Self::Garbage => "not-a-token".to_owned(),
            Self::Expired => good.expires_at(matrix.issued_at.checked_sub(HOUR)?).build(),
            Self::NotYetValid => {
                let later = matrix.issued_at.checked_add(HOUR)?;
                let since_1970 = later.duration_since(std::time::UNIX_EPOCH).ok()?;
                good.claim("nbf", since_1970.as_secs()).build()
            }
            Self::ForeignIssuer => good.claim("iss", "https://stranger.test/").build(),
            Self::ForeignAudience => good.claim("aud", "https://stranger.test/").build(),
            Self::ForeignKey => {
                let foreign = shared(key.algorithm()).with_kid(key.kid());
                good.signed_by(&foreign).build()
            }
            Self::Unsigned => good.header("alg", "none").raw_signature([]).build(),
            Self::PublicKeyAsSecret => {
                let public = key.public_jwk()?.to_string();
                let forged = SigningKey::from_secret(&public, Algorithm::Hs256);
                good.signed_by(&forged.with_kid(key.kid())).build()
            }
            Self::IdToken => {
                let marked = good.claim("nonce", "n").claim("at_hash", "h");
                marked.header("typ", "JWT").without("scope").build()
            }
            Self::Stolen => good.bound_to_key(&shared(Algorithm::Es256)).build(),
            Self::Unbound => logged_in(good, requirement, matrix.issued_at).build(),
            Self::MissingScope => {
                let strong = logged_in(good, requirement, matrix.issued_at);
                strong.without("scope").without("scp").build()
            }
            Self::TooWeakLogin => {
                let weak = scoped(good, requirement).without("acr");
                weak.without("amr").without("auth_time").build()
            }
        };
        Some(Some(format!("Bearer {token}")))
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NoToken => "no token",
            Self::Garbage => "garbage",
            Self::Expired => "expired",
            Self::NotYetValid => "not yet valid",
            Self::ForeignIssuer => "foreign issuer",
            Self::ForeignAudience => "foreign audience",
            Self::ForeignKey => "foreign key",
            Self::Unsigned => "alg none",
            Self::PublicKeyAsSecret => "HS256 with the public key",
            Self::IdToken => "ID token",
            Self::Stolen => "stolen",
            Self::Unbound => "bound to nobody",
            Self::MissingScope => "missing scope",
            Self::TooWeakLogin => "too weak a login",
        })
    }
}

const HOUR: Duration = Duration::from_secs(3600);
