//! Judges a token as the server would: with its verifier, in its order.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix_web::http::Uri;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use crate::authorization::{Credentials, CredentialsError, Schemes};
use crate::claims::authn::AuthnRequirement;
use crate::extract::Authentication;
use crate::keys::KeyRequest;
use crate::rejection::Cause;
use crate::verifier::VerifyError;
use crate::{Rejection, Requirement, Verified, Verifier};

/// What the server makes of a token.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The token is good, and suffices.
    Granted(Arc<Verified>),
    /// The keys that would be needed cannot be had.
    KeysUnavailable,
    /// The key is not known yet, and the issuer is not asked for it before this time has passed.
    KeyUndetermined(Duration),
    /// The route is open, and looks at no token.
    Open,
    /// The token is refused.
    Refused(VerifyError),
    /// The token is good, but grants none of these ways to fulfil the demand on scopes.
    TooLittleScope(Arc<Verified>, Vec<Vec<&'static str>>),
    /// The token is good, but tells of no login that meets this demand.
    TooWeakLogin(Arc<Verified>, AuthnRequirement),
    /// There is no one token.
    Unusable(CredentialsError),
}

impl Verdict {
    /// Judges `token` for a route that asks for `requirement`, or for any that wants a token.
    pub(super) async fn of(
        token: &str,
        verifier: &Verifier,
        requirement: Option<&Requirement>,
    ) -> Self {
        if requirement.is_some_and(|asked| asked.caller == Authentication::None) {
            return Self::Open;
        }
        let sent = credentials(token);
        let token = match sent
            .as_ref()
            .map_err(Clone::clone)
            .and_then(Credentials::as_str)
        {
            Ok(token) => token,
            Err(error) => return Self::Unusable(error),
        };
        let verified = match verify(verifier, token).await {
            Ok(verified) => verified,
            Err(refused) => return refused,
        };
        match requirement {
            Some(asked) => Self::at(asked, verified, verifier.now()),
            None => Self::Granted(verified),
        }
    }

    /// Judges a good token for a route, its scopes first, as `StepUp<L, Scoped<S>>` does.
    fn at(asked: &Requirement, token: Arc<Verified>, now: SystemTime) -> Self {
        if !is_met(&asked.scopes, &token) {
            return Self::TooLittleScope(token, asked.scopes.clone());
        }
        let unmet = |login: &&AuthnRequirement| !token.login_meets(login, now);
        match asked.logins.iter().find(unmet).copied() {
            Some(login) => Self::TooWeakLogin(token, login),
            None => Self::Granted(token),
        }
    }

    /// Whether a route that asks for `requirement` lets the token in; `None` where the token itself is not good.
    pub(super) fn opens(&self, requirement: &Requirement, now: SystemTime) -> Option<bool> {
        let (Self::Granted(token) | Self::TooLittleScope(token, _) | Self::TooWeakLogin(token, _)) =
            self
        else {
            return None;
        };
        let at = Self::at(requirement, Arc::clone(token), now);
        Some(matches!(at, Self::Granted(_)))
    }

    /// The answer that the server would give, unless the handler gives it.
    pub(super) fn rejection(&self) -> Option<Rejection> {
        self.cause().map(Rejection::from)
    }

    fn cause(&self) -> Option<Cause> {
        match self {
            Self::Granted(_) | Self::Open => None,
            Self::KeysUnavailable => Some(Cause::KeysUnavailable {
                retry_after: Duration::from_secs(1),
            }),
            Self::KeyUndetermined(retry_after) => Some(Cause::KeyUndetermined {
                retry_after: *retry_after,
            }),
            Self::Refused(error) => Some(error.clone().into()),
            Self::TooLittleScope(_, ways) => Some(Cause::InsufficientScope {
                alternatives: ways.clone(),
            }),
            Self::TooWeakLogin(_, demand) => Some(Cause::InsufficientLogin(*demand)),
            Self::Unusable(error) => Some(error.clone().into()),
        }
    }
}

/// Whether the token grants all scopes of one of the `ways`; where there is none, nothing is asked.
fn is_met(ways: &[Vec<&'static str>], token: &Verified) -> bool {
    let granted = |way: &Vec<&str>| way.iter().all(|scope| token.scopes().contains(scope));
    ways.is_empty() || ways.iter().any(granted)
}

/// Sends the token to the reader of the `Authorization` header.
fn credentials(token: &str) -> Result<Credentials, CredentialsError> {
    let header = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes());
    let mut headers = HeaderMap::new();
    headers.insert(
        AUTHORIZATION,
        header.map_err(|_| CredentialsError::NoToken)?,
    );
    let found = Credentials::find(&headers, &Uri::default(), Schemes::BEARER)?;
    found.ok_or(CredentialsError::Unusable)
}

/// Verifies with the keys that are there, and once more when a fetch has brought others.
async fn verify(verifier: &Verifier, token: &str) -> Result<Arc<Verified>, Verdict> {
    let fetch = loop {
        let error = match verifier.verify(token, verifier.now()) {
            Err(error @ (VerifyError::UnknownKey(_) | VerifyError::OutdatedKey(_))) => error,
            judged => return judged.map_err(Verdict::Refused),
        };
        match verifier.request_key(&error) {
            KeyRequest::Arrived => {}
            KeyRequest::Denied => return Err(Verdict::Refused(error)),
            KeyRequest::Failing(_) => return Err(Verdict::KeysUnavailable),
            KeyRequest::Undetermined(wait) => return Err(Verdict::KeyUndetermined(wait)),
            KeyRequest::Fetching(fetch) => break fetch,
        }
    };
    match fetch.brought_keys().await {
        true => verifier
            .verify(token, verifier.now())
            .map_err(Verdict::Refused),
        false => Err(Verdict::KeysUnavailable),
    }
}
