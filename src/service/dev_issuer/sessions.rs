//! What the issuer remembers between requests: who signed in, and what they allowed.
//!
//! All of it is gone when the process ends, and bounded while it runs.

use std::time::{Duration, SystemTime};

use crate::jose::sign::random_id;

use super::consent::Consent;
use super::login::Strength;
use super::pkce::Challenge;
use super::sender::Sender;
use super::ttl_store::Remembered;
use super::users::Person;

/// The issuer's whole state.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) sessions: Remembered<Session>,
    pub(super) codes: Remembered<Code>,
    refresh_tokens: Remembered<Family>,
}

/// Somebody who signed in with a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) person: &'static Person,
    pub(super) since: SystemTime,
    pub(super) strength: Strength,
}

/// What an authorization code stands for, and what must be shown with it.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) consent: Consent,
    pub(super) nonce: Option<String>,
    pub(super) challenge: Challenge,
    pub(super) redirect_uri: String,
    /// Who alone can trade it (RFC 9449 §10).
    pub(super) sender: Sender,
}

/// The refresh tokens that follow from one sign-in; the latest alone is good.
#[derive(Debug)]
struct Family {
    consent: Consent,
    /// Who alone can trade it (RFC 9449 §5, RFC 8705 §7.1).
    sender: Sender,
    latest: String,
}

impl Memory {
    pub(super) const fn new() -> Self {
        Self {
            sessions: Remembered::new(MOST, SESSION_LIFETIME),
            codes: Remembered::new(MOST, CODE_LIFETIME),
            refresh_tokens: Remembered::new(MOST, REFRESH_LIFETIME),
        }
    }

    /// Begins a family and gives its first refresh token.
    pub(super) fn begin_refreshing(
        &mut self,
        consent: Consent,
        sender: &Sender,
        now: SystemTime,
    ) -> String {
        self.refresh_as(random_id(), consent, sender, now)
    }

    /// Trades a refresh token of `client` for the next, which is bound to all that `sender` has shown.
    ///
    /// One that was used before ends its family: somebody else may have it (RFC 9700 §4.14.2). One
    /// that is bound to what `sender` has not shown is of no use to whoever has it, and stays.
    pub(super) fn refresh(
        &mut self,
        token: &str,
        client: &str,
        sender: &Sender,
        now: SystemTime,
    ) -> Option<(Consent, String)> {
        let (name, secret) = token.split_once('.')?;
        let bound = &self.refresh_tokens.find(name, now)?.sender;
        if !sender.is(bound) {
            return None;
        }
        let family = self.refresh_tokens.take(name, now)?;
        if family.latest != secret || family.consent.client != client {
            return None;
        }
        let next = self.refresh_as(name.to_owned(), family.consent.clone(), sender, now);
        Some((family.consent, next))
    }

    /// Ends the family of a refresh token of `client`; any other token is none of ours.
    pub(super) fn revoke(&mut self, token: &str, client: &str, now: SystemTime) {
        let Some((name, _)) = token.split_once('.') else {
            return;
        };
        let family = self.refresh_tokens.find(name, now);
        if family.is_some_and(|family| family.consent.client == client) {
            self.refresh_tokens.take(name, now);
        }
    }

    fn refresh_as(
        &mut self,
        name: String,
        consent: Consent,
        sender: &Sender,
        now: SystemTime,
    ) -> String {
        let latest = random_id();
        let token = format!("{name}.{latest}");
        let family = Family {
            consent,
            sender: sender.clone(),
            latest,
        };
        self.refresh_tokens.keep_as(name, family, now);
        token
    }
}

/// Of each kind; more than a developer's machine needs.
const MOST: usize = 1000;
/// Enough for one redirect and one request.
const CODE_LIFETIME: Duration = Duration::from_secs(60);
const REFRESH_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const SESSION_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::super::login::Login;
    use super::*;

    fn consent(client: &str) -> Consent {
        Consent {
            client: client.to_owned(),
            person: Person::find("manager").unwrap(),
            scopes: vec!["openid"],
            login: Login {
                since: at(0),
                strength: Strength::OneFactor,
                class: Strength::OneFactor.class(),
            },
        }
    }

    /// Has shown nothing.
    const NOBODY: Sender = Sender {
        key: None,
        certificate: None,
    };

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_refresh_token_is_traded_once_for_the_next() {
        let mut memory = Memory::new();
        let first = memory.begin_refreshing(consent("spa"), &NOBODY, at(0));
        let (traded, second) = memory.refresh(&first, "spa", &NOBODY, at(1)).unwrap();
        assert_eq!(traded, consent("spa"));
        assert_ne!(first, second);
        let (_, third) = memory.refresh(&second, "spa", &NOBODY, at(2)).unwrap();
        assert_eq!(memory.refresh(&first, "spa", &NOBODY, at(3)), None);
        assert_eq!(memory.refresh(&third, "spa", &NOBODY, at(3)), None);
    }

    #[test]
    fn a_refresh_token_is_its_clients_alone_and_expires() {
        let mut memory = Memory::new();
        let stolen = memory.begin_refreshing(consent("spa"), &NOBODY, at(0));
        assert_eq!(memory.refresh(&stolen, "other", &NOBODY, at(1)), None);
        let token = memory.begin_refreshing(consent("spa"), &NOBODY, at(0));
        let end = at(REFRESH_LIFETIME.as_secs());
        assert_eq!(memory.refresh(&token, "spa", &NOBODY, end), None);
        for token in ["", ".", "no token", &token.replace('.', "")] {
            assert_eq!(
                memory.refresh(token, "spa", &NOBODY, at(1)),
                None,
                "{token}"
            );
        }
    }

    #[test]
    fn a_refresh_token_is_traded_with_the_key_that_it_is_bound_to() {
        let mut memory = Memory::new();
        let with = |key: &str| Sender {
            key: Some(key.to_owned()),
            ..NOBODY
        };
        let bound = memory.begin_refreshing(consent("spa"), &with("a"), at(0));
        for other in [&NOBODY, &with("b")] {
            assert_eq!(memory.refresh(&bound, "spa", other, at(1)), None);
        }
        let (_, next) = memory.refresh(&bound, "spa", &with("a"), at(1)).unwrap();
        assert_eq!(memory.refresh(&next, "spa", &NOBODY, at(1)), None);

        let unbound = memory.begin_refreshing(consent("spa"), &NOBODY, at(0));
        let (_, next) = memory.refresh(&unbound, "spa", &with("a"), at(1)).unwrap();
        assert_eq!(memory.refresh(&next, "spa", &NOBODY, at(2)), None);
        assert!(memory.refresh(&next, "spa", &with("a"), at(2)).is_some());
    }

    #[test]
    fn a_client_revokes_its_own_refresh_tokens() {
        let mut memory = Memory::new();
        let token = memory.begin_refreshing(consent("spa"), &NOBODY, at(0));
        memory.revoke(&token, "other", at(1));
        memory.revoke("no token", "spa", at(1));
        let (_, next) = memory.refresh(&token, "spa", &NOBODY, at(1)).unwrap();
        memory.revoke(&next, "spa", at(2));
        assert_eq!(memory.refresh(&next, "spa", &NOBODY, at(2)), None);
    }
}
