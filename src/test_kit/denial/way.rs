//! Invalid credentials of every kind, and the expected rejection of each.

use std::fmt;
use std::time::Duration;

use super::answer::Expected;
use super::demand::{
    acting, delegated, logged_in, names_actors, other_actor, scoped, too_little_scope,
    too_weak_login, unbound, unrelated_actor, unrelated_scope,
};
use super::matrix::DenialMatrix;
use crate::extract::{Authentication, Requirement, UNUSABLE_TICKET};
use crate::jose::sign::SigningKey;
use crate::jose::{Algorithm, CompactError};
use crate::metrics::labels;
use crate::rejection::{Cause, Rejection};
use crate::routing::RouteInfo;
use crate::sender::SenderError;
use crate::test_kit::token::seconds;
use crate::test_kit::{TokenBuilder, shared};
use crate::verifier::VerifyError;

labels! {
    /// A kind of invalid credentials.
    Way, "Every kind, in the order in which they are tried.", "The kind in a few words." {
        /// No `Authorization` header; not tried where a route may be called without one.
        NoToken = "no token",
        /// A string that is not a JWT.
        Garbage = "garbage",
        /// `exp` an hour ago.
        Expired = "expired",
        /// `nbf` in an hour.
        NotYetValid = "not yet valid",
        /// `iss` of an untrusted issuer.
        ForeignIssuer = "foreign issuer",
        /// `aud` of another API.
        ForeignAudience = "foreign audience",
        /// Signed by another key under the `kid` of the issuer's key.
        ForeignKey = "foreign key",
        /// Unsigned: `alg` is `none`.
        Unsigned = "alg none",
        /// Signed with HS256 and the issuer's public key as the secret.
        PublicKeyAsSecret = "HS256 with the public key",
        /// An ID token instead of an access token.
        IdToken = "ID token",
        /// `act` that names no actor.
        MalformedActor = "malformed actor",
        /// A valid token of a session that was revoked; tried if [`revoked_by`](crate::test_kit::DenialMatrix::revoked_by) has
        /// revoked one.
        Revoked = "revoked token",
        /// A valid token that is bound to the key of another sender.
        Stolen = "stolen",
        /// A valid token that is not sender-constrained; tried if the route requires one that is.
        Unbound = "not sender-constrained",
        /// A valid token without scopes; tried if the route requires scopes.
        MissingScope = "missing scope",
        /// A valid token with another scope than the required ones and those that imply them; tried if the route requires
        /// scopes.
        OtherScope = "other scope",
        /// A valid token without claims about the login; tried if the route requires them.
        TooWeakLogin = "too weak a login",
        /// A valid token with an actor; tried if the route accepts none.
        Delegated = "delegated",
        /// A valid token without an actor; tried if the route requires one.
        NoActor = "no actor",
        /// A valid token with another actor; tried if the route requires one by name.
        OtherActor = "other actor",
        /// A valid token, from a page of another origin; tried if the route takes tokens of WebSockets, or tickets.
        ForeignOrigin = "foreign origin",
        /// `exp` an hour ago, in the opening handshake of a WebSocket; tried if the route takes tokens in
        /// `Sec-WebSocket-Protocol`.
        ExpiredInSubprotocol = "expired, for a WebSocket",
        /// A ticket that was not issued, which is rejected as one that is used or expired; tried if the route takes tickets.
        UnusableTicket = "unusable ticket",
    }
}

impl Way {
    /// Whether the route takes what is tried.
    pub(super) fn concerns(self, route: &RouteInfo<'_>) -> bool {
        match self {
            Self::ForeignOrigin => route.takes_websocket_token || route.takes_tickets,
            Self::ExpiredInSubprotocol => route.takes_websocket_token,
            Self::UnusableTicket => route.takes_tickets,
            _ => true,
        }
    }

    /// The expected rejection by a route with `requirement`; `None` if the route accepts such a request.
    pub(super) fn expected(self, requirement: &Requirement) -> Option<Expected> {
        let needed = match requirement.caller {
            Authentication::None => return None,
            Authentication::Optional => self != Self::NoToken,
            Authentication::Required => true,
        };
        let rejections = needed.then(|| self.rejections(requirement))??;
        let for_route = |rejection: Rejection| {
            // Where the metadata is depends on the request.
            rejection.for_route(|| requirement.first_scopes(), || None)
        };
        let rejections: Vec<_> = rejections.into_iter().map(for_route).collect();
        Some(Expected::any_of(&rejections))
    }

    /// The path of the request, with the credentials that stand in its query.
    pub(super) fn target(self, path: &str) -> String {
        match self {
            Self::UnusableTicket => format!("{path}?ticket=unknown"),
            _ => path.to_owned(),
        }
    }

    /// The acceptable rejections; `None` if the route does not require what is missing.
    fn rejections(self, requirement: &Requirement) -> Option<Vec<Rejection>> {
        let error = match self {
            Self::NoToken => return Some(vec![Rejection::no_credentials()]),
            Self::Garbage => VerifyError::Form(CompactError::Segments),
            Self::Expired | Self::ExpiredInSubprotocol => VerifyError::Expired {
                ago: Duration::ZERO,
            },
            Self::NotYetValid => VerifyError::NotYetValid,
            Self::ForeignIssuer => VerifyError::UnknownIssuer,
            Self::ForeignAudience => VerifyError::WrongAudience,
            Self::ForeignKey => VerifyError::Signature,
            Self::Unsigned => VerifyError::UnknownAlgorithm,
            Self::PublicKeyAsSecret => VerifyError::AlgorithmNotAllowed,
            Self::IdToken => VerifyError::IdToken,
            Self::MalformedActor => VerifyError::MalformedActor,
            Self::Revoked => VerifyError::Revoked,
            Self::Stolen => return Some(vec![SenderError::Unproven.into()]),
            Self::Unbound => {
                let rejection = unbound(requirement)?;
                let others = too_little_scope(requirement).unwrap_or_default();
                return Some([vec![rejection], others].concat());
            }
            Self::MissingScope | Self::OtherScope => return too_little_scope(requirement),
            Self::TooWeakLogin => return too_weak_login(requirement),
            Self::Delegated => return delegated(requirement),
            Self::NoActor => return other_actor(requirement),
            Self::OtherActor if !names_actors(requirement) => return None,
            Self::OtherActor => return other_actor(requirement),
            Self::ForeignOrigin => return Some(vec![Cause::ForeignOrigin.into()]),
            Self::UnusableTicket => {
                return Some(vec![Cause::InvalidToken(UNUSABLE_TICKET).into()]);
            }
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
            Self::NoToken | Self::UnusableTicket | Self::ExpiredInSubprotocol => return Some(None),
            Self::Garbage => "not-a-token".to_owned(),
            _ => self.token(matrix, requirement)?.build(),
        };
        Some(Some(format!("Bearer {token}")))
    }

    /// The `Sec-WebSocket-Protocol` header, where the token stands there.
    pub(super) fn subprotocols(
        self,
        matrix: &DenialMatrix,
        requirement: &Requirement,
    ) -> Option<String> {
        let is_handshake = self == Self::ExpiredInSubprotocol;
        let token = is_handshake.then(|| self.token(matrix, requirement))??;
        Some(format!("bearer, {}", token.build()))
    }

    /// The valid token, made invalid in one place.
    fn token(self, matrix: &DenialMatrix, requirement: &Requirement) -> Option<TokenBuilder> {
        let (valid, key) = (acting(matrix.valid(), requirement), &matrix.key);
        Some(match self {
            Self::NoToken | Self::Garbage | Self::UnusableTicket => valid,
            Self::Expired | Self::ExpiredInSubprotocol => {
                valid.expires_at(matrix.issued_at.checked_sub(HOUR)?)
            }
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
            Self::MalformedActor => valid.claim("act", "actor-1"),
            Self::Revoked => valid.claim("sid", matrix.revoked_session.as_deref()?),
            Self::Stolen => valid.bound_to_key(&shared(Algorithm::Es256)),
            Self::Unbound => logged_in(valid, requirement, matrix.issued_at),
            Self::MissingScope => {
                let strong = logged_in(valid, requirement, matrix.issued_at);
                strong.without("scope").without("scp")
            }
            Self::OtherScope => {
                let strong = logged_in(valid, requirement, matrix.issued_at);
                strong.without("scp").scope(&unrelated_scope(requirement))
            }
            Self::ForeignOrigin => {
                let strong = logged_in(valid, requirement, matrix.issued_at);
                scoped(strong, requirement)
            }
            Self::TooWeakLogin => {
                let weak = scoped(valid, requirement).without("acr");
                weak.without("amr").without("auth_time")
            }
            Self::Delegated | Self::NoActor | Self::OtherActor => {
                let strong = logged_in(valid, requirement, matrix.issued_at);
                self.with_its_actor(scoped(strong, requirement), requirement)
            }
        })
    }

    /// The token with another actor, or without one.
    fn with_its_actor(self, token: TokenBuilder, requirement: &Requirement) -> TokenBuilder {
        match self {
            Self::NoActor => token.without("act"),
            Self::OtherActor => token.claim("act", unrelated_actor(requirement)),
            _ => token.actor("actor-1"),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

const HOUR: Duration = Duration::from_secs(3600);
