//! `[auth.dpop]` as the service uses it.

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

use super::error::{KeyOrigin, SettingsError};
use super::model::{self, ReplayFailure};
use super::origins::Origins;
use super::server::Server;
use super::values::{Secret, StoreUrl};
use crate::sender::NonceIssuer;

/// `[auth.dpop]`, where it is enabled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dpop {
    /// Where the setting that rejects bearer tokens is set, if it is.
    pub(crate) required: Option<KeyOrigin>,
    pub(crate) iat_offset: Duration,
    pub(crate) iat_leeway: Duration,
    pub(crate) store: ReplayStore,
    /// Whether proofs are accepted while the replay store is unavailable.
    pub(crate) accepts_unchecked: bool,
    pub(crate) nonces: Option<NonceRule>,
}

/// The store that accepts each proof once.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum ReplayStore {
    /// The memory of this process, up to so many bytes.
    Memory(usize),
    /// The Redis at this URL, which may contain a password.
    #[cfg(feature = "redis")]
    Redis(Zeroizing<String>),
}

impl fmt::Debug for ReplayStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(bytes) => write!(f, "Memory({bytes})"),
            #[cfg(feature = "redis")]
            Self::Redis(_) => f.write_str("Redis(redacted)"),
        }
    }
}

/// Proofs must contain a nonce, made from a secret that replicas share, or from one that only this process knows.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct NonceRule {
    pub(crate) secret: Option<Zeroizing<String>>,
    pub(crate) lifetime: Duration,
}

impl fmt::Debug for NonceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NonceRule({:?})", self.lifetime)
    }
}

impl Dpop {
    /// `None` where it is not enabled.
    pub(super) fn resolve(
        model: model::Dpop,
        server: &Server,
        origins: &Origins<'_>,
    ) -> Result<Option<Self>, SettingsError> {
        let enabled = model.enabled.0;
        let required = origins.get("required").filter(|_| model.required.0);
        match &required {
            Some(required) if !enabled => return Err(required.reject(ENABLED_NEEDED)),
            Some(required) if server.trusts_any_host() => return Err(required.reject(URL_UNKNOWN)),
            _ => {}
        }
        let dpop = Self {
            required,
            iat_offset: model.iat_offset.0,
            iat_leeway: model.iat_leeway.0,
            store: store(&model.replay_store.0, model.replay_memory_bytes.0),
            accepts_unchecked: model.replay_failure == ReplayFailure::Accept,
            nonces: nonces(
                model.nonce.0,
                model.nonce_secret,
                model.nonce_lifetime.0,
                origins,
            )?,
        };
        Ok(enabled.then_some(dpop))
    }

    /// What to warn of where the receiver of a proof may choose the URL that the proof must be for.
    pub(super) fn warning(server: &Server) -> Option<String> {
        server.trusts_any_host().then(|| ANY_HOST.to_owned())
    }

    /// What to log where replicas reject each other's nonces.
    pub(super) fn note(&self) -> Option<String> {
        let shares_proofs = !matches!(self.store, ReplayStore::Memory(_));
        let keeps_nonces = matches!(&self.nonces, Some(rule) if rule.secret.is_none());
        (shares_proofs && keeps_nonces).then(|| NONCES_NOT_SHARED.to_owned())
    }
}

fn store(url: &StoreUrl, bytes: usize) -> ReplayStore {
    match url {
        StoreUrl::Memory => ReplayStore::Memory(bytes),
        #[cfg(feature = "redis")]
        StoreUrl::Redis(url) => ReplayStore::Redis(url.clone()),
    }
}

fn nonces(
    are_demanded: bool,
    secret: Option<Secret>,
    lifetime: Duration,
    origins: &Origins<'_>,
) -> Result<Option<NonceRule>, SettingsError> {
    let secret = secret.map(|secret| secret.0);
    match &secret {
        Some(secret) if secret.len() < NonceIssuer::SHORTEST_SECRET => {
            Err(origins.reject("nonce_secret", "must have 32 bytes or more"))
        }
        Some(_) if !are_demanded => Err(origins.reject("nonce_secret", NONCE_NEEDED)),
        _ => Ok(are_demanded.then_some(NonceRule { secret, lifetime })),
    }
}

const ANY_HOST: &str = "DPoP proofs are compared with whatever Host a client names, since the service listens beyond \
                        loopback (server.host): set server.public_url to the URL that clients call, or \
                        server.trusted_proxies";

const ENABLED_NEEDED: &str = "needs auth.dpop.enabled = true";

const NONCE_NEEDED: &str = "only applies when auth.dpop.nonce = true";

const NONCES_NOT_SHARED: &str = "auth.dpop.nonce_secret is not set: replicas that share a Redis would reject each other's nonces";

const URL_UNKNOWN: &str = "needs to know the URL that clients call where the service listens beyond loopback \
                           (server.host), since otherwise proofs are compared with whatever Host a client names: \
                           set server.public_url to it, or server.trusted_proxies";

#[cfg(test)]
mod tests {
    use super::super::tests::configured;
    use super::*;
    use crate::sender::Replay;

    fn dpop(text: &str) -> Result<Option<Dpop>, String> {
        configured(&format!("[auth.dpop]\n{text}")).map(|settings| settings.dpop)
    }

    #[test]
    fn proofs_are_accepted_beside_bearer_tokens_by_default() {
        let default = dpop("").unwrap().unwrap();
        assert!(
            default.required.is_none() && default.nonces.is_none() && !default.accepts_unchecked
        );
        assert_eq!(default.iat_offset, Duration::from_secs(300));
        assert_eq!(default.iat_leeway, Duration::from_secs(30));
        assert_eq!(default.store, ReplayStore::Memory(Replay::BYTES));
        assert_eq!(dpop("enabled = false"), Ok(None));
        assert!(dpop("required = true").unwrap().unwrap().required.is_some());
    }

    #[test]
    fn every_key_is_used() {
        let secret = "s".repeat(32);
        let text = format!(
            "iat_offset = '1m'\niat_leeway = 5\nreplay_memory_bytes = 65536\nreplay_failure = 'accept'\n\
             nonce = true\nnonce_secret = '{secret}'\nnonce_lifetime = '10s'"
        );
        let expected = Dpop {
            required: None,
            iat_offset: Duration::from_secs(60),
            iat_leeway: Duration::from_secs(5),
            store: ReplayStore::Memory(65536),
            accepts_unchecked: true,
            nonces: Some(NonceRule {
                secret: Some(Zeroizing::new(secret.clone())),
                lifetime: Duration::from_secs(10),
            }),
        };
        let read = dpop(&text).unwrap().unwrap();
        assert!(!format!("{read:?}").contains(&secret));
        assert_eq!(read, expected);
    }

    #[cfg(feature = "redis")]
    #[test]
    fn replicas_may_share_a_redis_whose_password_is_not_shown() {
        for url in ["redis://:password@127.0.0.1:6379/1", "rediss://a.example"] {
            let store = dpop(&format!("replay_store = '{url}'")).unwrap().unwrap();
            assert_eq!(
                store.store,
                ReplayStore::Redis(Zeroizing::new(url.to_owned()))
            );
            assert!(!format!("{store:?}").contains("password"));
        }
        let memory = dpop("replay_store = 'memory'").unwrap().unwrap();
        assert_eq!(memory.store, ReplayStore::Memory(Replay::BYTES));
    }

    #[cfg(feature = "redis")]
    #[test]
    fn replicas_that_do_not_share_nonces_are_noted() {
        let note = |text: &str| dpop(text).map(|dpop| dpop.unwrap().note());
        let redis = "replay_store = 'redis://a.example'\nnonce";
        let secret = "nonce_secret = '0123456789abcdef0123456789abcdef'";
        let not_shared = Some(NONCES_NOT_SHARED.to_owned());
        assert_eq!(note(&format!("{redis} = true")), Ok(not_shared));
        assert_eq!(note(&format!("{redis} = true\n{secret}")), Ok(None));
        assert_eq!(note(&format!("{redis} = false")), Ok(None));
        assert_eq!(note("nonce = true"), Ok(None));
    }

    #[test]
    fn beyond_loopback_the_url_must_be_known_where_proofs_are_required() {
        let settings = |server: &str, required: bool| {
            configured(&format!(
                "[server]\n{server}\n[auth.dpop]\nrequired = {required}"
            ))
        };
        let open = "host = '0.0.0.0'";
        let message = format!("auth.dpop.required (file Settings.toml): {URL_UNKNOWN}");
        assert_eq!(settings(open, true).map(drop), Err(message));
        let warnings =
            |server: &str, required: bool| settings(server, required).map(|all| all.warnings);
        assert_eq!(warnings(open, false), Ok(vec![ANY_HOST.to_owned()]));
        for server in [
            "host = '127.0.0.1'".to_owned(),
            format!("{open}\npublic_url = 'https://api.example'"),
            format!("{open}\ntrusted_proxies = '10.0.0.1'"),
        ] {
            assert_eq!(warnings(&server, true), Ok(Vec::new()), "{server}");
        }
        let off = configured(&format!("[server]\n{open}\n[auth.dpop]\nenabled = false"));
        let off = off.map(|all| all.warnings);
        assert_eq!(off, Ok(Vec::new()));
    }

    #[test]
    fn contradictions_are_rejected() {
        let cases = [
            (
                "enabled = false\nrequired = true",
                "required",
                ENABLED_NEEDED,
            ),
            (
                "nonce = true\nnonce_secret = 'short'",
                "nonce_secret",
                "must have 32 bytes or more",
            ),
            (
                "nonce_secret = '0123456789abcdef0123456789abcdef'",
                "nonce_secret",
                NONCE_NEEDED,
            ),
        ];
        for (text, key, message) in cases {
            let message = format!("auth.dpop.{key} (file Settings.toml): {message}");
            assert_eq!(dpop(text), Err(message), "{text}");
        }
    }
}
