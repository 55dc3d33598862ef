//! Reads `[auth.dpop]`: how proofs are judged, and where they are remembered.

use std::fmt;
use std::time::Duration;

use url::Url;
use zeroize::Zeroizing;

use super::error::{Place, SettingsError};
use super::section::{Section, Setting, said};
use super::server::Server;
use crate::sender::{Dpop as Proofs, NonceIssuer, Replay};

/// `[auth.dpop]`, where it is enabled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dpop {
    /// The setting by which bearer tokens are refused, if they are.
    pub(crate) required: Option<Place>,
    pub(crate) iat_offset: Duration,
    pub(crate) iat_leeway: Duration,
    pub(crate) store: ReplayStore,
    /// Whether proofs are taken while the store cannot say whether they were used.
    pub(crate) accepts_unchecked: bool,
    pub(crate) nonces: Option<NonceRule>,
}

/// Where proofs are remembered.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum ReplayStore {
    /// In this process, in at most so many bytes.
    Memory(usize),
    /// In the Redis at this URL, which may hold a password.
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

/// Nonces are demanded: made from a secret that replicas share, or from one of this process alone.
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
    /// `None` where it is switched off.
    pub(super) fn read(dpop: &mut Section) -> Result<Option<Self>, SettingsError> {
        let enabled = said(dpop, "enabled", Setting::flag)?.unwrap_or(true);
        let required = said(dpop, "required", |said| {
            Ok(said.flag()?.then(|| said.place().clone()))
        })?;
        let required = required.flatten();
        let iat_offset = said(dpop, "iat_offset", Setting::duration)?;
        let iat_leeway = said(dpop, "iat_leeway", Setting::duration)?;
        let store = store(dpop)?;
        let accepts_unchecked = said(dpop, "replay_failure", failure)?;
        let nonces = nonces(dpop)?;
        if let (false, Some(place)) = (enabled, &required) {
            return Err(place.refuse("needs auth.dpop.enabled = true"));
        }
        Ok(enabled.then(|| Self {
            required,
            iat_offset: iat_offset.unwrap_or(Proofs::IAT_OFFSET),
            iat_leeway: iat_leeway.unwrap_or(Proofs::IAT_LEEWAY),
            store,
            accepts_unchecked: accepts_unchecked.unwrap_or(false),
            nonces,
        }))
    }

    /// Checks the values with those of `[server]`.
    pub(super) fn check(&self, server: &Server) -> Result<(), SettingsError> {
        match &self.required {
            Some(place) if server.believes_any_host() => Err(place.refuse(URL_UNKNOWN)),
            _ => Ok(()),
        }
    }

    /// What to warn of where the receiver of a proof may choose the URL that it must be for.
    pub(super) fn warning(server: &Server) -> Option<String> {
        server.believes_any_host().then(|| ANY_HOST.to_owned())
    }

    /// What to log where replicas would not take each other's nonces.
    pub(super) fn note(&self) -> Option<String> {
        let shares_proofs = !matches!(self.store, ReplayStore::Memory(_));
        let keeps_nonces = matches!(&self.nonces, Some(rule) if rule.secret.is_none());
        (shares_proofs && keeps_nonces).then(|| NONCES_OF_ITS_OWN.to_owned())
    }
}

fn store(dpop: &mut Section) -> Result<ReplayStore, SettingsError> {
    let bytes = said(dpop, "replay_memory_bytes", |said| {
        said.number(FEWEST_BYTES..=u32::MAX)
    })?;
    let redis = said(dpop, "replay_store", redis)?.flatten();
    let bytes = bytes.and_then(|bytes| usize::try_from(bytes).ok());
    let in_memory = || ReplayStore::Memory(bytes.unwrap_or(Replay::BYTES));
    Ok(redis.unwrap_or_else(in_memory))
}

/// `None` for the memory of this process.
fn redis(said: &Setting) -> Result<Option<ReplayStore>, SettingsError> {
    let text = said.text()?;
    if text == "memory" {
        return Ok(None);
    }
    let url = Url::parse(text).ok();
    let is_redis = |url: &Url| matches!(url.scheme(), "redis" | "rediss") && url.has_host();
    if !url.as_ref().is_some_and(is_redis) {
        return Err(said.place().refuse(STORES));
    }
    redis_at(text, said.place()).map(Some)
}

#[cfg(feature = "redis")]
fn redis_at(url: &str, place: &Place) -> Result<ReplayStore, SettingsError> {
    Replay::check_redis_url(url).map_err(|_| place.refuse(STORES))?;
    Ok(ReplayStore::Redis(Zeroizing::new(url.to_owned())))
}

#[cfg(not(feature = "redis"))]
fn redis_at(_: &str, place: &Place) -> Result<ReplayStore, SettingsError> {
    Err(place.refuse("needs a build with the feature redis; this one has memory alone"))
}

/// Whether proofs are taken unchecked.
fn failure(said: &Setting) -> Result<bool, SettingsError> {
    match said.text() {
        Ok("accept") => Ok(true),
        Ok("refuse") => Ok(false),
        _ => Err(said.place().refuse("must be refuse or accept")),
    }
}

fn nonces(dpop: &mut Section) -> Result<Option<NonceRule>, SettingsError> {
    let demanded = said(dpop, "nonce", Setting::flag)?.unwrap_or(false);
    let lifetime = said(dpop, "nonce_lifetime", Setting::duration_above_zero)?;
    let secret = said(dpop, "nonce_secret", |said| {
        let secret = Zeroizing::new(said.text()?.to_owned());
        match secret.len() < NonceIssuer::SHORTEST_SECRET {
            true => Err(said.place().refuse("must have 32 bytes or more")),
            false => Ok((secret, said.place().clone())),
        }
    })?;
    if let (false, Some((_, place))) = (demanded, &secret) {
        return Err(place.refuse("has a meaning with auth.dpop.nonce = true alone"));
    }
    Ok(demanded.then(|| NonceRule {
        secret: secret.map(|(secret, _)| secret),
        lifetime: lifetime.unwrap_or(NonceIssuer::LIFETIME),
    }))
}

const ANY_HOST: &str = "DPoP proofs are compared with whatever Host a client names, since the service listens beyond \
                        loopback (server.host): set server.public_url to the URL that clients call, or \
                        server.trusted_proxies";

const URL_UNKNOWN: &str = "needs to know the URL that clients call where the service listens beyond loopback \
                           (server.host), since otherwise proofs are compared with whatever Host a client names: \
                           set server.public_url to it, or server.trusted_proxies";

const NONCES_OF_ITS_OWN: &str = "auth.dpop.nonce_secret is not set: replicas that share a \
                                 Redis would refuse each other's nonces";

const STORES: &str = "must be memory, or a URL such as redis://127.0.0.1:6379/0 or rediss://redis.example, \
                      without a fragment";

/// Below that, no proof would find room.
const FEWEST_BYTES: u32 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::super::tests::parsed;
    use super::*;

    fn dpop(text: &str) -> Result<Option<Dpop>, String> {
        let issuer = "issuer_base_url = 'https://a.example/'\naudience = 'a'";
        parsed(&format!("[auth]\n{issuer}\n[auth.dpop]\n{text}"), &[]).map(|settings| settings.dpop)
    }

    #[test]
    fn proofs_are_taken_beside_bearer_tokens_unless_said_otherwise() {
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
    fn every_key_is_heeded() {
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
    fn it_is_said_where_replicas_do_not_share_nonces() {
        let note = |text: &str| dpop(text).map(|dpop| dpop.unwrap().note());
        let redis = "replay_store = 'redis://a.example'\nnonce";
        let secret = "nonce_secret = '0123456789abcdef0123456789abcdef'";
        let said = Some(NONCES_OF_ITS_OWN.to_owned());
        assert_eq!(note(&format!("{redis} = true")), Ok(said));
        assert_eq!(note(&format!("{redis} = true\n{secret}")), Ok(None));
        assert_eq!(note(&format!("{redis} = false")), Ok(None));
        assert_eq!(note("nonce = true"), Ok(None));
    }

    #[cfg(feature = "redis")]
    #[test]
    fn a_redis_that_could_not_be_used_is_refused() {
        let message = format!("auth.dpop.replay_store (file Settings.toml): {STORES}");
        for url in [
            "rediss://:hush@a.example/#insecure",
            "redis://:hush@a.example/#",
            "redis://:hush@a.example/database",
            "redis://:hush@a.example/0?protocol=x",
        ] {
            let refused = dpop(&format!("replay_store = '{url}'"));
            assert_eq!(refused, Err(message.clone()), "{url}");
        }
    }

    #[test]
    fn beyond_loopback_the_url_must_be_known_where_proofs_are_required() {
        let issuer = "issuer_base_url = 'https://a.example/'\naudience = 'a'";
        let settings = |server: &str, required: bool| {
            let dpop = format!("[auth.dpop]\nrequired = {required}");
            parsed(
                &format!("[server]\n{server}\n[auth]\n{issuer}\n{dpop}"),
                &[],
            )
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
        let off = format!("[server]\n{open}\n[auth]\n{issuer}\n[auth.dpop]\nenabled = false");
        let off = parsed(&off, &[]).map(|all| all.warnings);
        assert_eq!(off, Ok(Vec::new()));
    }

    #[test]
    fn what_cannot_work_is_refused_with_what_would_be_right() {
        let duration = "must be a duration such as 500ms, 60s, 5m or 1h";
        let cases = [
            ("enabled = 'on'", "enabled", "must be true or false"),
            (
                "enabled = false\nrequired = true",
                "required",
                "needs auth.dpop.enabled = true",
            ),
            ("iat_offset = 'x'", "iat_offset", duration),
            ("iat_leeway = -1", "iat_leeway", duration),
            ("replay_store = 'http://a.example'", "replay_store", STORES),
            ("replay_store = 'redis:'", "replay_store", STORES),
            (
                "replay_failure = 'ignore'",
                "replay_failure",
                "must be refuse or accept",
            ),
            ("nonce = 1", "nonce", "must be true or false"),
            (
                "nonce_lifetime = 0",
                "nonce_lifetime",
                "must be longer than 0s",
            ),
            (
                "nonce = true\nnonce_secret = 'short'",
                "nonce_secret",
                "must have 32 bytes or more",
            ),
            (
                "nonce_secret = '0123456789abcdef0123456789abcdef'",
                "nonce_secret",
                "has a meaning with auth.dpop.nonce = true alone",
            ),
        ];
        for (text, key, message) in cases {
            let message = format!("auth.dpop.{key} (file Settings.toml): {message}");
            assert_eq!(dpop(text), Err(message), "{text}");
        }
    }
}
