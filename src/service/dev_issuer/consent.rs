//! What a person lets a client do: codes and refresh tokens stand for it.

use std::time::Duration;

use crate::jose::sign::SigningKey;
use crate::test_kit::TokenBuilder;

use super::Provider;
use super::grant::Grant;
use super::login::Login;
use super::users::{OPENID, Person};

/// A decision that can be turned into tokens, by its client alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Consent {
    pub(super) client: String,
    pub(super) person: &'static Person,
    pub(super) scopes: Vec<&'static str>,
    pub(super) login: Login,
}

impl Consent {
    pub(super) fn grants(&self, scope: &str) -> bool {
        self.scopes.contains(&scope)
    }

    /// The access token that it stands for, with `asked` of its scopes, or all of them.
    pub(super) fn grant(&self, asked: Option<&str>) -> Grant {
        let asked: Option<Vec<_>> = asked.map(|asked| asked.split(' ').collect());
        let wanted = |scope: &&str| asked.as_ref().is_none_or(|asked| asked.contains(scope));
        Grant {
            client: self.client.clone(),
            subject: self.person.subject.to_owned(),
            scopes: self.scopes.iter().copied().filter(wanted).collect(),
            lifetime: BROWSER_LIFETIME,
            kind: None,
            claims: self.login.claims(),
        }
    }

    /// Says to the client who signed in (OIDC Core §2), if it asked for that by `openid`.
    pub(super) fn id_token(
        &self,
        nonce: Option<&str>,
        provider: &Provider,
        key: &SigningKey,
    ) -> Option<String> {
        self.grants(OPENID).then(|| {
            let mut token = TokenBuilder::new(&provider.url, &self.client, key)
                .header("typ", "JWT")
                .without("azp")
                .without("client_id")
                .without("jti")
                .issued_at(provider.clock.now())
                .expires_in(ID_TOKEN_LIFETIME);
            let person = self.person.claims(self.scopes.iter().copied());
            for (name, value) in person.into_iter().chain(self.login.claims()) {
                token = token.claim(&name, value);
            }
            match nonce {
                Some(nonce) => token.claim("nonce", nonce).build(),
                None => token.build(),
            }
        })
    }
}

/// As Auth0's for browsers.
const BROWSER_LIFETIME: Duration = Duration::from_secs(2 * 60 * 60);
/// As Auth0's.
const ID_TOKEN_LIFETIME: Duration = Duration::from_secs(10 * 60 * 60);
