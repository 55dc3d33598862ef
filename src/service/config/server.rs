//! `[server]`, `[server.tls]`, `[operations]` and `[cors]` as the service uses them.

use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroUsize};
use std::thread::available_parallelism;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::HeaderName;
use ipnet::IpNet;
use url::Url;

use super::error::SettingsError;
use super::file::NamedFile;
use super::layers::Table;
use super::model;
use super::origins::Origins;
use crate::service::server::Options;

/// `[server]`: where the service listens, and how clients reach it.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// An IP address, an IPv6 one without brackets, or a host name.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// How long the service stays up, but not ready, before it stops accepting connections.
    pub(crate) drain_delay: Duration,
    pub(crate) shutdown_timeout: Duration,
    /// The URL by which clients call this server behind a proxy.
    pub(crate) public_url: Option<Url>,
    /// The proxies whose headers about clients are trusted: `Forwarded` and the like, and certificates.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// The hosts, each with a path or without, by which the service may name itself where a request names one.
    pub(crate) allowed_hosts: Vec<String>,
    /// The files for TLS; `None` for plain HTTP.
    pub(crate) tls: Option<Tls>,
    options: Options,
}

/// `[server.tls]`: the files by which the service authenticates itself.
///
/// The listener opens them, at its start and at each reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tls {
    /// The certificate, and those between it and its root.
    pub(crate) certificate: NamedFile,
    /// The private key of the certificate.
    pub(crate) key: NamedFile,
    /// The authorities that issue client certificates; `None` for any.
    pub(crate) client_ca: Option<NamedFile>,
    /// Whether client certificates are requested; clients without one are served, too.
    pub(crate) asks_clients: bool,
}

/// `[operations]`: a listener for probes and metrics, with connections of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operations {
    /// An IP address, an IPv6 one without brackets, or a host name.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// `[cors]`: which pages may call the API, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cors {
    /// Origins as browsers send them, with `*` as the leftmost label for any, or `*` for every one.
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) allowed_methods: Vec<Method>,
    /// Beside those that are always allowed; `None` for all.
    pub(crate) allowed_headers: Option<Vec<HeaderName>>,
    /// Beside those that are always exposed.
    pub(crate) expose_headers: Vec<HeaderName>,
    /// Whether pages may send cookies and client certificates.
    pub(crate) allow_credentials: bool,
    /// Whether public pages may call the API in a private network.
    pub(crate) allow_private_network: bool,
    /// How long a browser may cache the response to a preflight request.
    pub(crate) max_age: Duration,
}

impl Server {
    /// What URLs of the service begin with.
    pub(crate) fn scheme(&self) -> &'static str {
        match self.tls {
            Some(_) => "https",
            None => "http",
        }
    }

    /// How the API's connections are served.
    pub(crate) fn options(&self) -> Options {
        self.options.clone()
    }

    /// Whether only programs on this machine can connect.
    pub(crate) fn is_on_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Whether clients are programs on this machine: no proxy is in front of the service.
    pub(crate) fn is_called_on_loopback(&self) -> bool {
        self.is_on_loopback() && self.trusted_proxies.is_empty()
    }

    /// Whether other machines can connect, and only the `Host` that a client sends determines the URL of a request.
    pub(super) fn trusts_any_host(&self) -> bool {
        self.public_url.is_none() && self.trusted_proxies.is_empty() && !self.is_on_loopback()
    }

    pub(super) fn resolve(model: model::Server, root: &Table) -> Result<Self, SettingsError> {
        let trusted_proxies = model.trusted_proxies.0;
        let workers = model.workers.map(|workers| workers.0.into());
        Ok(Self {
            host: model.host.0,
            port: model.port.0,
            drain_delay: model.drain_delay.0,
            shutdown_timeout: model.shutdown_timeout.0,
            public_url: model.public_url.map(|url| url.0),
            allowed_hosts: model.allowed_hosts.0,
            tls: Tls::resolve(model.tls, &Origins::of(root, "server.tls"))?,
            options: Options {
                workers: workers
                    .and_then(NonZeroUsize::new)
                    .or_else(|| available_parallelism().ok()),
                max_connections: model.max_connections.0.into(),
                max_connections_per_address: NonZeroU16::new(model.max_connections_per_address.0),
                trusted_proxies: trusted_proxies.clone(),
                client_timeout: model.client_timeout.0,
                keep_alive: model.keep_alive.0,
            },
            trusted_proxies,
        })
    }
}

impl Tls {
    /// `None` where no file is set.
    fn resolve(model: model::Tls, origins: &Origins<'_>) -> Result<Option<Self>, SettingsError> {
        let certificate =
            NamedFile::at(model.certificate.map(|path| path.0), "certificate", origins);
        let key = NamedFile::at(model.key.map(|path| path.0), "key", origins);
        let client_ca = NamedFile::at(model.client_ca.map(|path| path.0), "client_ca", origins);
        let missing = |key: &str, other: &NamedFile| {
            origins.reject(key, format!("{} requires it", other.origin))
        };
        match (certificate, key, client_ca) {
            (Some(certificate), Some(key), client_ca) => Ok(Some(Self {
                certificate,
                key,
                client_ca,
                asks_clients: false,
            })),
            (Some(other), None, _) => Err(missing("key", &other)),
            (None, Some(other), _) | (None, None, Some(other)) => {
                Err(missing("certificate", &other))
            }
            (None, None, None) => Ok(None),
        }
    }
}

impl Operations {
    /// `None` where no port is set: then the API's listener serves them.
    pub(super) fn resolve(
        model: model::Operations,
        server: &Server,
        root: &Table,
    ) -> Result<Option<Self>, SettingsError> {
        let origins = Origins::of(root, "operations");
        let host = model.host.0;
        let Some(port) = model.port.map(|port| port.0) else {
            return match origins.get("host") {
                Some(host) => Err(host.reject(WITHOUT_PORT)),
                None => Ok(None),
            };
        };
        let is_any = |host: &str| matches!(host, "0.0.0.0" | "::");
        let is_same_host = host == server.host || is_any(&host) || is_any(&server.host);
        if port != 0 && port == server.port && is_same_host {
            return Err(origins.reject("port", SAME_PORT));
        }
        Ok(Some(Self { host, port }))
    }
}

impl Cors {
    /// # Errors
    /// Credentials are allowed for origins that are not listed one by one.
    pub(super) fn resolve(model: model::Cors, root: &Table) -> Result<Self, SettingsError> {
        let origins = Origins::of(root, "cors");
        let allowed_origins = model.allowed_origins.0;
        let allow_credentials = model.allow_credentials.0;
        let allows_wildcards = model.allow_credentials_for_wildcards.0;
        let listed = origins.described("allowed_origins");
        if allow_credentials && allowed_origins.iter().any(|origin| origin == "*") {
            let remedy = format!("excludes * in {listed}: list the origins");
            return Err(origins.reject("allow_credentials", remedy));
        }
        let has_wildcard = allowed_origins.iter().any(|origin| origin.contains('*'));
        if allow_credentials && has_wildcard && !allows_wildcards {
            let remedy = format!("{WILDCARDS_NEEDED} {listed}: list the origins, or set it");
            return Err(origins.reject("allow_credentials", remedy));
        }
        if allows_wildcards && !allow_credentials {
            return Err(origins.reject("allow_credentials_for_wildcards", CREDENTIALS_NEEDED));
        }
        let is_any = |names: &Vec<HeaderName>| names.iter().any(|name| name == "*");
        let allowed_headers = model.allowed_headers.map(|names| names.0);
        Ok(Self {
            allowed_origins,
            allowed_methods: model.allowed_methods.0,
            allowed_headers: allowed_headers.filter(|names| !is_any(names)),
            expose_headers: model.expose_headers.0,
            allow_credentials,
            allow_private_network: model.allow_private_network.0,
            max_age: model.max_age.0,
        })
    }
}

const CREDENTIALS_NEEDED: &str = "only applies when cors.allow_credentials = true";

const WILDCARDS_NEEDED: &str =
    "needs cors.allow_credentials_for_wildcards = true for the wildcard in";

const WITHOUT_PORT: &str = "only applies when operations.port is set, such as 9000";

const SAME_PORT: &str = "must be another port than server.port";
