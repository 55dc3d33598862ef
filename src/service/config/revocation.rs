//! `[revocation]` as the service uses it.

use std::fmt;

use zeroize::Zeroizing;

use super::error::{KeyOrigin, SettingsError};
use super::layers::Table;
pub(crate) use super::model::EventsListener;
use super::model::{self, Auth};
use super::origins::Origins;
use super::server::{Operations, Server};
use super::values::{Secret, StoreUrl};

/// How tokens are revoked, where they can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Revocation {
    pub(crate) store: RevocationStore,
    /// How many cut-offs are kept at most.
    pub(crate) max_entries: usize,
    /// Whether tokens are accepted while the store is unavailable.
    pub(crate) accepts_unchecked: bool,
    /// Where issuers send logout tokens and events; `None` where no issuer has an audience for them.
    pub(crate) events: Option<EventEndpoints>,
    /// What an operator sends with a revocation; `None` where operators cannot revoke.
    pub(crate) operator_token: Option<OperatorToken>,
}

/// The store of cut-offs.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum RevocationStore {
    /// The memory of this process.
    Memory,
    /// The Redis at this URL, which may contain a password.
    #[cfg(feature = "redis")]
    Redis(Zeroizing<String>),
}

impl fmt::Debug for RevocationStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "Memory",
            #[cfg(feature = "redis")]
            Self::Redis(_) => "Redis(redacted)",
        })
    }
}

/// The paths for what issuers send, and their listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventEndpoints {
    pub(crate) logout_path: String,
    pub(crate) events_path: String,
    pub(crate) listener: EventsListener,
}

/// The token of operators; its `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct OperatorToken(Zeroizing<String>);

impl OperatorToken {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OperatorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorToken(redacted)")
    }
}

impl Revocation {
    /// `None` where it is not enabled.
    ///
    /// # Errors
    /// A key of the section is set that does not apply, or one that is needed is not set.
    pub(super) fn resolve(
        model: model::Revocation,
        auth: &Auth,
        server: &Server,
        operations: Option<&Operations>,
        root: &Table,
    ) -> Result<Option<Self>, SettingsError> {
        let origins = Origins::of(root, "revocation");
        let issuers = Origins::of(root, "auth");
        let Some(enabled) = origins.get("enabled").filter(|_| model.enabled.0) else {
            return reject_disabled(&origins, &issuers).map_or(Ok(None), Err);
        };
        check_ages(auth, &issuers, &enabled)?;
        if !has_event_audience(auth) {
            let keys = ["logout_path", "events_path", "events_listener"].into_iter();
            if let Some(origin) = keys.filter_map(|key| origins.get(key)).next() {
                return Err(origin.reject(AUDIENCE_NEEDED));
            }
        }
        let store = store(&model.store.0);
        if model.accept_unchecked.0 && store == RevocationStore::Memory {
            return Err(origins.reject("accept_unchecked", STORE_NEEDED));
        }
        Ok(Some(Self {
            store,
            max_entries: model.max_entries.0,
            accepts_unchecked: model.accept_unchecked.0,
            operator_token: operator_token(model.operator_token, server, operations, &origins)?,
            events: has_event_audience(auth)
                .then_some(EventEndpoints {
                    logout_path: model.logout_path.0,
                    events_path: model.events_path.0,
                    listener: model.events_listener,
                })
                .map(|events| events.checked(operations, &origins))
                .transpose()?,
        }))
    }
}

impl EventEndpoints {
    fn checked(
        self,
        operations: Option<&Operations>,
        origins: &Origins<'_>,
    ) -> Result<Self, SettingsError> {
        if self.listener == EventsListener::Operations && operations.is_none() {
            return Err(origins.reject("events_listener", LISTENER_NEEDED));
        }
        let paths = [
            ("logout_path", &self.logout_path),
            ("events_path", &self.events_path),
        ];
        for (key, path) in paths {
            if path == OPERATOR_PATH {
                return Err(origins.reject(key, OPERATOR_PATH_TAKEN));
            }
        }
        if self.logout_path == self.events_path {
            let remedy = format!(
                "is {}, too: set another path",
                origins.described("events_path")
            );
            return Err(origins.reject("logout_path", remedy));
        }
        Ok(self)
    }
}

/// The first setting that has no effect while tokens cannot be revoked.
fn reject_disabled(origins: &Origins<'_>, issuers: &Origins<'_>) -> Option<SettingsError> {
    let keys = ["store", "max_entries", "accept_unchecked"];
    let paths = ["logout_path", "events_path", "events_listener"];
    let own = keys.iter().chain(&paths).chain(&["operator_token"]);
    let own = own.filter_map(|key| origins.get(key)).next();
    let entries = issuers.entries("issuers");
    let mut audiences = [issuers].into_iter().chain(&entries);
    let useless = own.or_else(|| audiences.find_map(|issuer| issuer.get("event_audience")));
    useless.map(|origin| origin.reject(ENABLED_NEEDED))
}

/// Each issuer needs a limit for the age of its tokens; the development issuer has one by default.
fn check_ages(
    auth: &Auth,
    origins: &Origins<'_>,
    enabled: &KeyOrigin,
) -> Result<(), SettingsError> {
    let reject = |issuer: &Origins<'_>| {
        let remedy = format!("{AGE_NEEDED}; {enabled} requires it");
        Err(issuer.reject("max_token_age", remedy))
    };
    if let Some(entries) = &auth.entries {
        let entries = entries.iter().zip(origins.entries("issuers"));
        let mut without = entries.filter(|(entry, _)| entry.max_token_age.is_none());
        return without.next().map_or(Ok(()), |(_, issuer)| reject(&issuer));
    }
    let is_configured = super::issuer::configured_by(origins).is_some();
    if is_configured && auth.issuer.max_token_age.is_none() {
        return reject(origins);
    }
    Ok(())
}

fn has_event_audience(auth: &Auth) -> bool {
    let entries = auth.entries.as_deref();
    let issuers = entries.unwrap_or_else(|| std::slice::from_ref(&auth.issuer));
    let mut audiences = issuers.iter().map(|issuer| &issuer.event_audience.0);
    audiences.any(|audience| !audience.is_empty())
}

fn store(url: &StoreUrl) -> RevocationStore {
    match url {
        StoreUrl::Memory => RevocationStore::Memory,
        #[cfg(feature = "redis")]
        StoreUrl::Redis(url) => RevocationStore::Redis(url.clone()),
    }
}

fn operator_token(
    secret: Option<Secret>,
    server: &Server,
    operations: Option<&Operations>,
    origins: &Origins<'_>,
) -> Result<Option<OperatorToken>, SettingsError> {
    let Some(Secret(secret)) = secret else {
        return Ok(None);
    };
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if secret.len() < SHORTEST_TOKEN || !secret.bytes().all(is_allowed) {
        return Err(origins.reject("operator_token", TOKEN_FORM));
    }
    // Who can call the API is not to reach the endpoint of operators.
    if operations.is_none() && !server.is_called_on_loopback() {
        return Err(origins.reject("operator_token", OPERATIONS_NEEDED));
    }
    Ok(Some(OperatorToken(secret)))
}

/// The path of the endpoint for operators.
pub(crate) const OPERATOR_PATH: &str = "/revocations";

const OPERATOR_PATH_TAKEN: &str = "is the path at which operators revoke tokens: set another path";

const SHORTEST_TOKEN: usize = 32;

const AGE_NEEDED: &str = "set the greatest age of a token that is accepted, such as 1h: revocations are kept for as long";

const AUDIENCE_NEEDED: &str = "only applies when auth.event_audience is set";

const ENABLED_NEEDED: &str = "only applies when revocation.enabled = true";

const LISTENER_NEEDED: &str =
    "needs the listener of operations: set operations.port, or remove this key";

const OPERATIONS_NEEDED: &str = "needs a listener that those who call the API cannot reach, since the API listens beyond \
                                 loopback (server.host) or behind a proxy (server.trusted_proxies): set operations.port";

const STORE_NEEDED: &str = "only applies when revocation.store is the URL of a Redis";

const TOKEN_FORM: &str = "must have 32 characters or more, which are letters, digits or -._~+/=, such as those that \
                          openssl rand -hex 32 prints";

#[cfg(test)]
mod tests {
    use super::super::tests::{Scratch, configured, parsed};
    use super::*;

    const AGE: &str = "[auth]\nmax_token_age = '1h'\n";

    const ON: &str = "[revocation]\nenabled = true\n";

    fn token() -> String {
        "0123456789abcdef-._~+/=".repeat(2)
    }

    fn revocation(text: &str) -> Result<Revocation, String> {
        configured(&format!("{AGE}{ON}{text}")).map(|settings| settings.revocation.unwrap())
    }

    #[test]
    fn every_key_is_used() {
        let default = Revocation {
            store: RevocationStore::Memory,
            max_entries: 100_000,
            accepts_unchecked: false,
            events: None,
            operator_token: None,
        };
        assert_eq!(revocation(""), Ok(default.clone()));
        let text = format!(
            "max_entries = 7\nlogout_path = '/a'\nevents_path = '/b'\nevents_listener = 'operations'\n\
             operator_token = '{}'\n[operations]\nport = 9000",
            token()
        );
        let text = format!("[auth]\nmax_token_age = '1h'\nevent_audience = 'client'\n{ON}{text}");
        let read = configured(&text).unwrap().revocation.unwrap();
        assert!(!format!("{read:?}").contains("0123"));
        let expected = Revocation {
            max_entries: 7,
            events: Some(EventEndpoints {
                logout_path: "/a".to_owned(),
                events_path: "/b".to_owned(),
                listener: EventsListener::Operations,
            }),
            operator_token: Some(OperatorToken(Zeroizing::new(token()))),
            ..default
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn it_is_off_by_default_and_the_other_keys_do_not_apply_then() {
        assert_eq!(configured("").unwrap().revocation, None);
        assert_eq!(
            configured("[revocation]\nenabled = false")
                .unwrap()
                .revocation,
            None
        );
        let token = token();
        for key in [
            "store = 'memory'",
            "max_entries = 100000",
            "accept_unchecked = false",
            "logout_path = '/a'",
            "events_path = '/a'",
            "events_listener = 'api'",
            &format!("operator_token = '{token}'"),
        ] {
            let (name, _) = key.split_once(' ').unwrap();
            let expected = format!("revocation.{name} (file Settings.toml): {ENABLED_NEEDED}");
            let off = configured(&format!("[revocation]\nenabled = false\n{key}"));
            assert_eq!(off.map(drop), Err(expected));
        }
        let audience = configured("[auth]\nevent_audience = 'client'").map(drop);
        let expected = format!("auth.event_audience (file Settings.toml): {ENABLED_NEEDED}");
        assert_eq!(audience, Err(expected));
        let useless = configured("[auth]\nlogout_revokes_user = true").map(drop);
        let expected = "auth.logout_revokes_user (file Settings.toml): only applies when event_audience is set";
        assert_eq!(useless, Err(expected.to_owned()));
        let entry = "[[auth.issuers]]\nissuer_base_url = 'https://a.example/'\naudience = 'a'\nevent_audience = 'c'";
        let expected =
            format!("auth.issuers[0].event_audience (file Settings.toml): {ENABLED_NEEDED}");
        assert_eq!(parsed(entry, &[]).map(drop), Err(expected));
    }

    #[test]
    fn endpoints_for_events_need_an_event_audience() {
        for key in [
            "logout_path = '/a'",
            "events_path = '/a'",
            "events_listener = 'api'",
        ] {
            let text = format!("[auth]\nmax_token_age = '1h'\n{ON}{key}");
            let (name, _) = key.split_once(' ').unwrap();
            let expected = format!("revocation.{name} (file Settings.toml): {AUDIENCE_NEEDED}");
            assert_eq!(configured(&text).map(drop), Err(expected));
        }
    }

    #[test]
    fn every_issuer_needs_a_maximum_age_of_tokens() {
        let missing = |key: &str, source: &str| {
            Err(format!(
                "{key} is missing: {AGE_NEEDED}; revocation.enabled ({source}) requires it"
            ))
        };
        let file = "file Settings.toml";
        assert_eq!(
            configured(ON).map(drop),
            missing("auth.max_token_age", file)
        );
        let entries = |first: &str| {
            format!(
                "[[auth.issuers]]\nissuer_base_url = 'https://a.example/'\naudience = 'a'\n{first}\n\
                 [[auth.issuers]]\nissuer_base_url = 'https://b.example/'\naudience = 'b'\n"
            )
        };
        let on = [("APP__REVOCATION__ENABLED", "true")];
        let variable = "variable APP__REVOCATION__ENABLED";
        let second = parsed(&entries("max_token_age = '1h'"), &on).map(drop);
        assert_eq!(second, missing("auth.issuers[1].max_token_age", variable));
        let first = parsed(&entries(""), &on).map(drop);
        assert_eq!(first, missing("auth.issuers[0].max_token_age", variable));
        let inherited = parsed(&format!("{AGE}{}", entries("")), &on);
        assert!(inherited.unwrap().revocation.is_some());
    }

    #[cfg(feature = "dev-issuer")]
    #[test]
    fn the_development_issuer_has_a_maximum_age_by_default() {
        use super::super::Trust;
        use std::time::Duration;

        let age = |text: &str| match parsed(text, &[]).unwrap().trust {
            Trust::DevIssuer { issuer, .. } => {
                let issuer = issuer.base_url("http://localhost:1/").audience("api");
                issuer.build().unwrap().rules.max_token_age
            }
            Trust::Issuers(_) => panic!("no development issuer"),
        };
        assert_eq!(age(""), None);
        assert_eq!(age(ON), Some(Duration::from_secs(7 * 24 * 60 * 60)));
        assert_eq!(
            age(&format!("{AGE}{ON}")),
            Some(Duration::from_secs(60 * 60))
        );
    }

    #[cfg(feature = "redis")]
    #[test]
    fn replicas_may_share_a_redis_whose_password_is_not_shown() {
        let url = "redis://:password@127.0.0.1:6379/1";
        let expected = RevocationStore::Redis(Zeroizing::new(url.to_owned()));
        let read = revocation(&format!("store = '{url}'\naccept_unchecked = true")).unwrap();
        assert!(read.accepts_unchecked && !format!("{read:?}").contains("password"));
        assert_eq!(read.store, expected);
        let file = Scratch::new("store", format!("{url}\n").as_bytes());
        let read = revocation(&format!("store_file = '{}'", file.path())).unwrap();
        assert_eq!(read.store, expected);
        let wrong = revocation("store = 'mongodb://hush'").unwrap_err();
        assert!(
            wrong.starts_with("revocation.store (file Settings.toml): must be memory, or a URL")
        );
        assert!(!wrong.contains("hush"));
    }

    #[test]
    fn the_operator_token_is_long_and_may_be_in_a_file() {
        let file = Scratch::new("operator", format!("{}\n", token()).as_bytes());
        let read = revocation(&format!("operator_token_file = '{}'", file.path())).unwrap();
        assert_eq!(read.operator_token.unwrap().expose(), token());
        let expected = format!("revocation.operator_token (file Settings.toml): {TOKEN_FORM}");
        for unfit in [
            "x".repeat(31),
            format!("{} ", token()),
            format!("{}ä", token()),
        ] {
            let rejected = revocation(&format!("operator_token = '{unfit}'")).map(drop);
            assert_eq!(rejected, Err(expected.clone()), "{unfit}");
        }
    }

    #[test]
    fn operators_do_not_revoke_on_a_listener_that_others_reach() {
        let with = |server: &str| {
            let text = format!("operator_token = '{}'\n[server]\n{server}", token());
            revocation(&text).map(drop)
        };
        let expected =
            format!("revocation.operator_token (file Settings.toml): {OPERATIONS_NEEDED}");
        for open in ["host = '0.0.0.0'", "trusted_proxies = '127.0.0.1'"] {
            assert_eq!(with(open), Err(expected.clone()), "{open}");
            assert_eq!(with(&format!("{open}\n[operations]\nport = 9000")), Ok(()));
        }
        assert_eq!(with("host = '127.0.0.1'"), Ok(()));
    }

    #[test]
    fn contradictions_are_rejected() {
        let rejected = |text: &str| {
            let auth = "[auth]\nmax_token_age = '1h'\nevent_audience = 'client'\n";
            configured(&format!("{auth}{ON}{text}"))
                .map(drop)
                .unwrap_err()
        };
        for (text, key, remedy) in [
            ("accept_unchecked = true", "accept_unchecked", STORE_NEEDED),
            (
                "events_listener = 'operations'",
                "events_listener",
                LISTENER_NEEDED,
            ),
            (
                "events_listener = 'both'",
                "events_listener",
                "must be api or operations",
            ),
            (
                "logout_path = '/events/security'",
                "logout_path",
                "is revocation.events_path, too: set another path",
            ),
            (
                "events_path = '/a'\nlogout_path = '/a'",
                "logout_path",
                "is revocation.events_path (file Settings.toml), too: set another path",
            ),
            (
                "logout_path = '/a/'",
                "logout_path",
                "must be a path such as /decision, without parameters and a slash at its end",
            ),
            (
                "logout_path = '/revocations'",
                "logout_path",
                OPERATOR_PATH_TAKEN,
            ),
            (
                "events_path = '/revocations'",
                "events_path",
                OPERATOR_PATH_TAKEN,
            ),
            (
                "max_entries = 0",
                "max_entries",
                "must be a number from 1 to 10000000",
            ),
        ] {
            let expected = format!("revocation.{key} (file Settings.toml): {remedy}");
            assert_eq!(rejected(text), expected, "{text}");
        }
    }
}
