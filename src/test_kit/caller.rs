//! Arguments of handlers for unit tests, without issuer, key and request.

use std::sync::OnceLock;
use std::time::SystemTime;

use serde_json::Value;

use super::TokenBuilder;
use crate::authorization::Credentials;
use crate::extract::{Access, Caller};
use crate::jose::Algorithm;
use crate::jose::sign::SigningKey;
use crate::rejection::Rejection;
use crate::sender::SenderProof;
use crate::{Issuer, Verifier};

/// Builds the access argument of a handler, for a unit test that calls the handler itself.
///
/// The caller has the claims of a [`TokenBuilder`]'s token: the subject `user-1` and no scope, unless they are set.
///
/// # Examples
/// ```
/// use actix_resource_server::test_kit::caller;
/// use actix_resource_server::{AuthenticatedUser, Scoped, scope};
///
/// scope!(ReadMessages = "read:messages");
///
/// async fn hello(user: AuthenticatedUser) -> String {
///     format!("Hello, {}.", user.subject().unwrap_or("client"))
/// }
///
/// async fn messages(_: Scoped<ReadMessages>) -> &'static str {
///     "no messages"
/// }
///
/// # #[actix_web::main]
/// # async fn main() {
/// assert_eq!(hello(caller().subject("ada").build()).await, "Hello, ada.");
/// assert_eq!(messages(caller().scope("read:messages").build()).await, "no messages");
/// assert!(caller().try_build::<Scoped<ReadMessages>>().is_err());
/// # }
/// ```
pub fn caller() -> CallerBuilder {
    CallerBuilder {
        token: TokenBuilder::new(ISSUER, AUDIENCE, &key()),
        sender: SenderProof::default(),
    }
}

/// Builds the access argument of a handler; made by [`caller`].
#[derive(Clone, Debug)]
#[must_use = "an argument is made by `build`"]
pub struct CallerBuilder {
    token: TokenBuilder,
    sender: SenderProof,
}

impl CallerBuilder {
    /// Sets `sub`.
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", subject)
    }

    /// Sets `scope`: one or several scopes, separated by spaces.
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// Sets `act`: the party with this subject acts on behalf of the user, as [`Delegated`](crate::Delegated) requires and
    /// [`Direct`](crate::Direct) rejects.
    pub fn actor(mut self, subject: &str) -> Self {
        self.token = self.token.actor(subject);
        self
    }

    /// Sets the claim `name` to `value`.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.token = self.token.claim(name, value);
        self
    }

    /// Removes the claim `name`.
    pub fn without(mut self, name: &str) -> Self {
        self.token = self.token.without(name);
        self
    }

    /// Makes a caller that has proven possession of the key of its token, as [`Bound`](crate::Bound) requires.
    pub fn proven_sender(mut self) -> Self {
        self.sender.by_key = true;
        self
    }

    /// The argument of the access type `A`, of which only [`Access::grant`] is asked.
    ///
    /// # Panics
    /// If `A` rejects the caller.
    #[must_use]
    #[track_caller]
    pub fn build<A: Access>(self) -> A {
        match self.try_build() {
            Ok(access) => access,
            Err(rejection) => panic!("the caller is rejected: {rejection}"),
        }
    }

    /// As [`build`](Self::build), for tests of an access type.
    ///
    /// # Errors
    /// The rejection by `A`, or by the rules for all tokens.
    pub fn try_build<A: Access>(self) -> Result<A, Rejection> {
        let (token, now) = (self.token.build(), SystemTime::now());
        let verified = verifier().verify(&token, now)?;
        let credentials = Credentials::bearer(&token);
        A::grant(Some(Caller::new(verified, credentials, self.sender, now)))
    }
}

#[expect(
    clippy::expect_used,
    reason = "the configuration is constant: only an exhausted machine fails"
)]
fn verifier() -> &'static Verifier {
    static VERIFIER: OnceLock<Verifier> = OnceLock::new();
    VERIFIER.get_or_init(|| {
        let issuer = Issuer::with_secret(ISSUER, SECRET, Algorithm::Hs256).audience(AUDIENCE);
        let verifier = Verifier::start([issuer.build().expect("the issuer is complete")]);
        verifier.expect("no thread is needed")
    })
}

fn key() -> SigningKey {
    SigningKey::from_secret(SECRET, Algorithm::Hs256)
}

const ISSUER: &str = "https://issuer.test/";

const AUDIENCE: &str = "https://api.test/";

/// Known to everyone, as no server trusts it.
const SECRET: &str = "test-kit-test-kit-test-kit-test-kit";
