//! Invalid credentials of every kind, and the expected rejection of each.

use std::fmt;
use std::time::Duration;

use super::answer::Expected;
use super::demand::{logged_in, scoped, too_little_scope, too_weak_login, unbound};
use super::matrix::DenialMatrix;
use crate::extract::{Authentication, Requirement};
use crate::jose::sign::SigningKey;
use crate::jose::{Algorithm, CompactError};
use crate::rejection::Rejection;
use crate::sender::SenderError;
use crate::test_kit::token::seconds;
use crate::test_kit::{TokenBuilder, shared};
use crate::verifier::VerifyError;

/// A kind of invalid credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Way {
    /// No `Authorization` header; not tried where a route may be called without one.
    NoToken,
    /// A string that is not a JWT.
    Garbage,
    /// `exp` an hour ago.
    Expired,
    /// `nbf` in an hour.
    NotYetValid,
    /// `iss` of an untrusted issuer.
    ForeignIssuer,
    /// `aud` of another API.
    ForeignAudience,
    /// Signed by another key under the `kid` of the issuer's key.
    ForeignKey,
    /// Unsigned: `alg` is `none`.
    Unsigned,
    /// Signed with HS256 and the issuer's public key as the secret.
    PublicKeyAsSecret,
    /// An ID token instead of an access token.
    IdToken,
    /// A valid token that is bound to the key of another sender.
    Stolen,
    /// A valid token that is not sender-constrained; tried if the route requires one that is.
    Unbound,
    /// A valid token without scopes; tried if the route requires scopes.
    MissingScope,
    /// A valid token without claims about the login; tried if the route requires them.
    TooWeakLogin,
}

impl Way {
    /// Every kind, in the order in which they are tried.
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

    /// The expected rejection by a route with `requirement`; `None` if the route accepts such a request.
    pub(super) fn expected(self, requirement: &Requirement) -> Option<Expected> {
        let needed = match requirement.caller {
            Authentication::None => return None,
            Authentication::Optional => self != Self::NoToken,
            Authentication::Required => true,
        };
        let rejections = needed.then(|| self.rejections(requirement))??;
        Some(Expected::any_of(&rejections))
    }

    /// The acceptable rejections; `None` if the route does not require what is missing.
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
                let rejection = unbound(requirement)?;
                let others = too_little_scope(requirement).unwrap_or_default();
                return Some([vec![rejection], others].concat());
            }
            Self::MissingScope => return too_little_scope(requirement),
            Self::TooWeakLogin => return too_weak_login(requirement),
        };
        Some(vec![error.into()])
    }

    /// The `Authorization` header for a route with `requirement`; `None` if the issuer's key does not allow such a
    /// token.
    pub(super) fn authorization(
        self,
        matrix: &DenialMatrix,
        requirement: &Requirement,
    ) -> Option<Option<String>> {
        let token = match self {
            Self::NoToken => return Some(None),
            Self::Garbage => "not-a-token".to_owned(),
            _ => self.token(matrix, requirement)?.build(),
        };
        Some(Some(format!("Bearer {token}")))
    }

    /// The valid token, made invalid in one place.
    fn token(self, matrix: &DenialMatrix, requirement: &Requirement) -> Option<TokenBuilder> {
        let (valid, key) = (matrix.valid(), &matrix.key);
        Some(match self {
            Self::NoToken | Self::Garbage => valid,
            Self::Expired => valid.expires_at(matrix.issued_at.checked_sub(HOUR)?),
            Self::NotYetValid => valid.claim("nbf", seconds(matrix.issued_at.checked_add(HOUR)?)),
            Self::ForeignIssuer => valid.claim("iss", "https://foreign.test/"),
            Self::ForeignAudience => valid.claim("aud", "https://foreign.test/"),
            Self::ForeignKey => valid.signed_by(&shared(key.algorithm()).with_kid(key.kid())),
            Self::Unsigned => valid.header("alg", "none").raw_signature([]),
            Self::PublicKeyAsSecret => {
                let public = key.public_jwk()?.to_string();
                let forged = SigningKey::from_secret(&public, Algorithm::Hs256);
                valid.signed_by(&forged.with_kid(key.kid()))
            }
            Self::IdToken => {
                let marked = valid.claim("nonce", "n").claim("at_hash", "h");
                marked.header("typ", "JWT").without("scope")
            }
            Self::Stolen => valid.bound_to_key(&shared(Algorithm::Es256)),
            Self::Unbound => logged_in(valid, requirement, matrix.issued_at),
            Self::MissingScope => {
                let strong = logged_in(valid, requirement, matrix.issued_at);
                strong.without("scope").without("scp")
            }
            Self::TooWeakLogin => {
                let weak = scoped(valid, requirement).without("acr");
                weak.without("amr").without("auth_time")
            }
        })
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
            Self::Unbound => "not sender-constrained",
            Self::MissingScope => "missing scope",
            Self::TooWeakLogin => "too weak a login",
        })
    }
}

const HOUR: Duration = Duration::from_secs(3600);
