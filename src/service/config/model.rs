//! Every key with its type and default; [`crate::service::config`] describes the layers that set them.
//!
//! Settings.toml, docs/settings.md, `check` and the messages about unknown keys follow these structs.

use actix_web::http::header::HeaderName;
use config::{Value, ValueKind};
use ipnet::IpNet;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::deserialize::{keys, read};
use super::error::{KeyOrigin, SettingsError};
use super::layers::Table;
use super::values::{
    Flag, Host, List, Number, One, PemPath, Period, Port, PositivePeriod, ReplayUrl, Secret, Url,
    WebOrigin,
};
use crate::claims::scope::ScopeClaim;
use crate::jose::Algorithm;
use crate::sender::{Dpop as Proofs, Nonces, Replay};
use crate::verifier::DEFAULT_TOKEN_MEMORY;

/// The whole file.
#[derive(Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Model {
    pub(super) server: Server,
    pub(super) operations: Operations,
    pub(super) cors: Cors,
    pub(super) auth: Auth,
    pub(super) dev_issuer: DevIssuer,
    pub(super) log: Log,
}

#[derive(Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Server {
    pub(super) host: One<Host>,
    pub(super) port: Port,
    /// A number above the highest is a slip: each worker is a thread.
    pub(super) workers: Option<Number<u16, 1, 1024>>,
    pub(super) max_connections: Number<u16, 1, 65535>,
    pub(super) max_connections_per_address: Number<u16, 0, 65535>,
    pub(super) client_timeout: PositivePeriod,
    pub(super) keep_alive: PositivePeriod,
    pub(super) drain_delay: Period,
    pub(super) shutdown_timeout: Period,
    pub(super) public_url: Option<One<url::Url>>,
    pub(super) trusted_proxies: List<IpNet>,
    pub(super) tls: Tls,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            host: loopback(),
            port: Number(3010),
            workers: None,
            max_connections: Number(25_000),
            max_connections_per_address: Number(0),
            client_timeout: Period::seconds(30),
            // Longer than load balancers keep idle connections (60 s is usual): the side that sends the
            // next request must be the one that closes.
            keep_alive: Period::seconds(75),
            drain_delay: Period::seconds(0),
            shutdown_timeout: Period::seconds(30),
            public_url: None,
            trusted_proxies: List::default(),
            tls: Tls::default(),
        }
    }
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) certificate: Option<One<PemPath>>,
    pub(super) key: Option<One<PemPath>>,
    pub(super) client_ca: Option<One<PemPath>>,
}

#[derive(Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Operations {
    pub(super) host: One<Host>,
    pub(super) port: Option<Port>,
}

impl Default for Operations {
    fn default() -> Self {
        Self {
            host: loopback(),
            port: None,
        }
    }
}

#[derive(Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Cors {
    pub(super) allowed_origins: List<WebOrigin>,
    pub(super) max_age: Period,
}

impl Default for Cors {
    fn default() -> Self {
        Self {
            allowed_origins: List::default(),
            max_age: Period::seconds(600),
        }
    }
}

/// `[auth]`, whose keys of one issuer are also those of each of `[[auth.issuers]]`.
#[derive(Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Auth {
    /// The keys of [`Issuer`] in `[auth]` itself.
    #[serde(skip)]
    pub(super) issuer: Issuer,
    pub(super) startup: StartupMode,
    pub(super) startup_timeout: PositivePeriod,
    pub(super) token_memory_bytes: Number<usize, 0, { u32::MAX }>,
    /// Read into `entries`.
    #[serde(skip_serializing)]
    issuers: IgnoredAny,
    #[serde(skip)]
    pub(super) entries: Option<Vec<Issuer>>,
    pub(super) dpop: Dpop,
    pub(super) mtls: Mtls,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            issuer: Issuer::default(),
            startup: StartupMode::Background,
            // Two fetches and the pause between them.
            startup_timeout: Period::seconds(15),
            token_memory_bytes: Number(DEFAULT_TOKEN_MEMORY),
            issuers: IgnoredAny,
            entries: None,
            dpop: Dpop::default(),
            mtls: Mtls::default(),
        }
    }
}

/// When the service begins to serve, and what it does while keys have not been fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StartupMode {
    /// Serve at once; be unready until they are fetched.
    Background,
    /// Wait for them; then serve, with or without them.
    Wait,
    /// Wait for them; exit without them.
    Require,
}

#[derive(Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Issuer {
    pub(super) issuer_base_url: Option<One<Url>>,
    pub(super) audience: List<String>,
    pub(super) issuer: Option<One<String>>,
    pub(super) jwks_uri: Option<One<Url>>,
    /// A private key may be set here by mistake.
    pub(super) public_key: Option<Secret>,
    pub(super) secret: Option<Secret>,
    pub(super) token_signing_alg: Option<List<Algorithm>>,
    pub(super) strict: Flag,
    pub(super) clock_tolerance: Period,
    pub(super) max_token_age: Option<PositivePeriod>,
    pub(super) cache_max_age: PositivePeriod,
    pub(super) cooldown_duration: PositivePeriod,
    pub(super) timeout_duration: PositivePeriod,
    pub(super) allow_http_hosts: List<String>,
    pub(super) longest_outage: Period,
    pub(super) scope_claims: List<ScopeClaim>,
}

impl Default for Issuer {
    fn default() -> Self {
        Self {
            issuer_base_url: None,
            audience: List::default(),
            issuer: None,
            jwks_uri: None,
            public_key: None,
            secret: None,
            token_signing_alg: None,
            strict: Flag(false),
            clock_tolerance: Period::seconds(5),
            max_token_age: None,
            cache_max_age: Period::seconds(600),
            cooldown_duration: Period::seconds(30),
            timeout_duration: Period::seconds(5),
            allow_http_hosts: List::default(),
            longest_outage: Period::seconds(24 * 60 * 60),
            scope_claims: List(ScopeClaim::defaults()),
        }
    }
}

#[derive(Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Dpop {
    pub(super) enabled: Flag,
    pub(super) required: Flag,
    pub(super) iat_offset: Period,
    pub(super) iat_leeway: Period,
    pub(super) replay_store: One<ReplayUrl>,
    /// A store smaller than the lowest has no space for any proof.
    pub(super) replay_memory_bytes: Number<usize, { 64 * 1024 }, { u32::MAX }>,
    pub(super) replay_failure: ReplayFailure,
    pub(super) nonce: Flag,
    pub(super) nonce_secret: Option<Secret>,
    pub(super) nonce_lifetime: PositivePeriod,
}

impl Default for Dpop {
    fn default() -> Self {
        Self {
            enabled: Flag(true),
            required: Flag(false),
            iat_offset: Period(Proofs::IAT_OFFSET),
            iat_leeway: Period(Proofs::IAT_LEEWAY),
            replay_store: One(ReplayUrl::Memory),
            replay_memory_bytes: Number(Replay::BYTES),
            replay_failure: ReplayFailure::Refuse,
            nonce: Flag(false),
            nonce_secret: None,
            nonce_lifetime: Period(Nonces::LIFETIME),
        }
    }
}

/// What is done with a proof while the replay store is unavailable.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ReplayFailure {
    Refuse,
    Accept,
}

#[derive(Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Mtls {
    pub(super) enabled: Flag,
    pub(super) required: Flag,
    pub(super) source: Option<CertificateOrigin>,
    pub(super) header: One<HeaderName>,
}

impl Default for Mtls {
    fn default() -> Self {
        Self {
            enabled: Flag(false),
            required: Flag(false),
            source: None,
            // As in the examples of nginx's documentation and of its ingress controllers.
            header: One(HeaderName::from_static("x-ssl-client-cert")),
        }
    }
}

/// Where client certificates are read from.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum CertificateOrigin {
    Tls,
    ClientCert,
    EscapedPem,
    Xfcc,
}

/// Accepted in every build, so that one file serves them all.
#[derive(Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DevIssuer {
    pub(super) enabled: Flag,
    pub(super) port: Port,
    pub(super) tls_port: Port,
    pub(super) dpop_nonce: Flag,
}

impl Default for DevIssuer {
    fn default() -> Self {
        Self {
            enabled: Flag(true),
            port: Number(3011),
            tls_port: Number(3012),
            dpop_nonce: Flag(false),
        }
    }
}

/// `[log]`: the form of log lines.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
        }
    }
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One object a line, for machines.
    Json,
}

fn loopback() -> One<Host> {
    One(Host("127.0.0.1".to_owned()))
}

impl Model {
    /// Deserialises the merged layers.
    ///
    /// # Errors
    /// A key is unknown, or its value alone cannot be used.
    pub(super) fn read(root: &Table) -> Result<Self, SettingsError> {
        let mut root = root.clone();
        let (own, entries) = match root.get_mut(AUTH).map(|auth| &mut auth.kind) {
            Some(ValueKind::Table(auth)) => split(auth)?,
            _ => (Table::new(), None),
        };
        let mut model: Self = read("", &Value::from(root))?;
        model.auth.issuer = read(AUTH, &Value::from(own.clone()))?;
        model.auth.entries = entries
            .map(|entries| read_entries(entries, &own))
            .transpose()?;
        Ok(model)
    }
}

/// Takes the keys of an issuer, and the entries of `[[auth.issuers]]`, out of `[auth]`.
fn split(auth: &mut Table) -> Result<(Table, Option<Value>), SettingsError> {
    let issuer = keys::<Issuer>();
    let known = [issuer, keys::<Auth>()].concat();
    let unknown = auth
        .iter()
        .filter(|(key, _)| !known.contains(&key.as_str()));
    if let Some((key, value)) = unknown.min_by_key(|(key, _)| *key) {
        let origin = KeyOrigin::of(format!("{AUTH}.{key}"), value);
        return Err(SettingsError::unknown(origin, key, &known));
    }
    let (own, mut others): (Table, Table) = std::mem::take(auth)
        .into_iter()
        .partition(|(key, _)| issuer.contains(&key.as_str()));
    let entries = others.remove("issuers");
    *auth = others;
    Ok((own, entries))
}

/// Each entry, with the values of `[auth]` for the keys that it does not set.
fn read_entries(entries: Value, own: &Table) -> Result<Vec<Issuer>, SettingsError> {
    let origin = KeyOrigin::of(ISSUERS.to_owned(), &entries);
    let ValueKind::Array(entries) = entries.kind else {
        return Err(origin.reject(format!("must be sections, each under [[{ISSUERS}]]")));
    };
    let entries = entries.into_iter().enumerate().map(|(index, mut entry)| {
        if let ValueKind::Table(set) = &mut entry.kind {
            let set = std::mem::take(set);
            entry.kind = own.clone().into_iter().chain(set).collect::<Table>().into();
        }
        read(&format!("{ISSUERS}[{index}]"), &entry)
    });
    entries.collect()
}

const AUTH: &str = "auth";

const ISSUERS: &str = "auth.issuers";
