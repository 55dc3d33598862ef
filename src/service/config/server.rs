//! Reads `[server]`: where the service listens, and how it is reached.

use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroUsize};
use std::thread::available_parallelism;
use std::time::Duration;

use ipnet::IpNet;
use url::{Host, Url};

use super::error::SettingsError;
use super::section::{Section, Setting, said};
use super::tls::{self, Tls};
use crate::sender::TargetUriSource;
use crate::service::server::Options;

/// `[server]`: where the service listens, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// An IP address, an IPv6 one without brackets, or a host name.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// One for each core unless said.
    pub(crate) workers: Option<NonZeroUsize>,
    /// In all, however many workers there are.
    pub(crate) max_connections: u16,
    /// How many of them one client address may have; trusted proxies are exempt.
    pub(crate) max_connections_per_address: Option<NonZeroU16>,
    /// What a client may take to send a request, head and body, or to take in an answer.
    pub(crate) client_timeout: Duration,
    /// How long a connection may be idle between two requests.
    pub(crate) keep_alive: Duration,
    /// How long the service stays up, but not ready, before it stops accepting.
    pub(crate) drain_delay: Duration,
    pub(crate) shutdown_timeout: Duration,
    /// What clients call this server by, when a proxy stands before it.
    pub(crate) public_url: Option<Url>,
    /// Who is believed in what is said of clients: `Forwarded` and the like, and their certificates.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// How the service itself speaks TLS, where it does.
    pub(crate) tls: Option<Tls>,
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
        Options {
            workers: self.workers.or_else(|| available_parallelism().ok()),
            max_connections: self.max_connections.into(),
            max_connections_per_address: self.max_connections_per_address,
            trusted_proxies: self.trusted_proxies.clone(),
            client_timeout: self.client_timeout,
            keep_alive: self.keep_alive,
        }
    }

    /// Whether only programs on this machine can connect.
    pub(crate) fn is_on_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Whether other machines can connect, and only the `Host` that a client names tells which URL it called.
    pub(super) fn believes_any_host(&self) -> bool {
        self.public_url.is_none() && self.trusted_proxies.is_empty() && !self.is_on_loopback()
    }

    pub(super) fn read(server: &mut Section) -> Result<Self, SettingsError> {
        let workers = said(server, "workers", |said| said.number(1..=MOST_WORKERS))?;
        let max_connections = said(server, "max_connections", |said| said.number(1..=u16::MAX))?;
        let per_address = said(server, "max_connections_per_address", |said| {
            said.number(0..=u16::MAX)
        })?;
        let client_timeout = said(server, "client_timeout", Setting::duration_above_zero)?;
        let keep_alive = said(server, "keep_alive", Setting::duration_above_zero)?;
        let drain_delay = said(server, "drain_delay", Setting::duration)?;
        let shutdown_timeout = said(server, "shutdown_timeout", Setting::duration)?;
        Ok(Self {
            host: said(server, "host", host)?.unwrap_or_else(|| DEFAULT_HOST.to_owned()),
            port: said(server, "port", |said| said.number(0..=u16::MAX))?.unwrap_or(DEFAULT_PORT),
            workers: workers.and_then(|count| NonZeroUsize::new(count.into())),
            max_connections: max_connections.unwrap_or(DEFAULT_MAX_CONNECTIONS),
            max_connections_per_address: per_address.and_then(NonZeroU16::new),
            client_timeout: client_timeout.unwrap_or(DEFAULT_CLIENT_TIMEOUT),
            keep_alive: keep_alive.unwrap_or(DEFAULT_KEEP_ALIVE),
            drain_delay: drain_delay.unwrap_or(DEFAULT_DRAIN_DELAY),
            shutdown_timeout: shutdown_timeout.unwrap_or(DEFAULT_SHUTDOWN_TIMEOUT),
            public_url: said(server, "public_url", public_url)?,
            trusted_proxies: said(server, "trusted_proxies", networks)?.unwrap_or_default(),
            tls: server.section("tls", tls::Said::read)?.resolve()?,
        })
    }
}

pub(super) fn host(said: &Setting) -> Result<String, SettingsError> {
    let text = said.text()?;
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let is_name = || !bare.contains(['%', '*']) && Host::parse(bare).is_ok();
    if bare.parse::<IpAddr>().is_ok() || is_name() {
        return Ok(bare.to_owned());
    }
    Err(said.place().refuse(
        "must be an IP address or a host name without a port, such as 127.0.0.1 or 0.0.0.0",
    ))
}

fn public_url(said: &Setting) -> Result<Url, SettingsError> {
    let url = Url::parse(said.text()?).ok();
    let url = url.filter(|url| {
        matches!(url.scheme(), "https" | "http")
            && is_plain(url)
            && TargetUriSource::public_url(url.as_str()).is_ok()
    });
    url.ok_or_else(|| {
        let remedy =
            "must be an absolute URL such as https://api.example, without more than a path";
        said.place().refuse(remedy)
    })
}

fn networks(said: &Setting) -> Result<Vec<IpNet>, SettingsError> {
    let networks: Option<_> = said.list()?.into_iter().map(network).collect();
    networks.ok_or_else(|| {
        said.place()
            .refuse("must be IP addresses or networks, such as 10.0.0.1 or 10.0.0.0/8")
    })
}

fn network(text: &str) -> Option<IpNet> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address
        .or_else(|_| text.parse())
        .ok()
        .map(|network| network.trunc())
}

/// Whether it has no user information, query or fragment.
pub(super) fn is_plain(url: &Url) -> bool {
    url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
}

const DEFAULT_CLIENT_TIMEOUT: Duration = Duration::from_secs(30);

const DEFAULT_DRAIN_DELAY: Duration = Duration::ZERO;

const DEFAULT_HOST: &str = "127.0.0.1";

/// Above what load balancers keep connections for (60 s is usual), as who closes first must not
/// be the one who answers.
const DEFAULT_KEEP_ALIVE: Duration = Duration::from_secs(75);

const DEFAULT_MAX_CONNECTIONS: u16 = 25_000;

const DEFAULT_PORT: u16 = 3010;

const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

/// More is a slip of the finger: each one is a thread.
const MOST_WORKERS: u16 = 1024;

#[cfg(test)]
mod tests {
    use super::super::tests::read_section as read;
    use super::*;

    #[test]
    fn what_is_not_said_has_a_default() {
        let server = Server {
            host: "127.0.0.1".to_owned(),
            port: 3010,
            workers: None,
            max_connections: 25_000,
            max_connections_per_address: None,
            client_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(75),
            drain_delay: Duration::ZERO,
            shutdown_timeout: Duration::from_secs(30),
            public_url: None,
            trusted_proxies: Vec::new(),
            tls: None,
        };
        assert_eq!(read("", Server::read), Ok(server));
    }

    #[test]
    fn every_key_is_read() {
        let text = "host = '0.0.0.0'\nport = 0\nworkers = 4\nmax_connections = 9\n\
                    max_connections_per_address = 3\nclient_timeout = '1s'\nkeep_alive = '2s'\ndrain_delay = '3s'\n\
                    shutdown_timeout = '5s'\n\
                    public_url = 'https://api.example/v1'\ntrusted_proxies = '10.0.0.0/8'";
        let server = Server {
            host: "0.0.0.0".to_owned(),
            port: 0,
            workers: NonZeroUsize::new(4),
            max_connections: 9,
            max_connections_per_address: NonZeroU16::new(3),
            client_timeout: Duration::from_secs(1),
            keep_alive: Duration::from_secs(2),
            drain_delay: Duration::from_secs(3),
            shutdown_timeout: Duration::from_secs(5),
            public_url: Url::parse("https://api.example/v1").ok(),
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            tls: None,
        };
        assert_eq!(read(text, Server::read), Ok(server));
    }

    #[test]
    fn a_host_is_an_address_or_a_name() {
        let cases = [
            ("localhost", "localhost"),
            ("::1", "::1"),
            ("[::]", "::"),
            ("api.example", "api.example"),
        ];
        for (host, bare) in cases {
            let server = read(&format!("host = '{host}'"), Server::read);
            assert_eq!(server.map(|server| server.host), Ok(bare.to_owned()));
        }
        for host in [
            "",
            "localhost:3010",
            "http://localhost",
            "a b",
            "256.1.1.1",
            "*",
            "127.0.0.1:80",
            "[::1]:80",
        ] {
            let message = "x.host (file f): must be an IP address or a host name without a port, \
                           such as 127.0.0.1 or 0.0.0.0";
            assert_eq!(
                read(&format!("host = '{host}'"), Server::read),
                Err(message.to_owned()),
                "{host}"
            );
        }
    }

    #[test]
    fn wrong_values_are_refused_with_what_would_be_right() {
        let url = "must be an absolute URL such as https://api.example, without more than a path";
        let proxies = "must be IP addresses or networks, such as 10.0.0.1 or 10.0.0.0/8";
        let workers = "must be a number from 1 to 1024";
        let duration = "must be a duration such as 500ms, 60s, 5m or 1h";
        let cases = [
            ("port", "65536", "must be a number from 0 to 65535"),
            ("workers", "0", workers),
            ("workers", "1025", workers),
            ("max_connections", "0", "must be a number from 1 to 65535"),
            (
                "max_connections_per_address",
                "-1",
                "must be a number from 0 to 65535",
            ),
            ("client_timeout", "0", "must be longer than 0s"),
            ("keep_alive", "'0s'", "must be longer than 0s"),
            ("drain_delay", "-1", duration),
            ("shutdown_timeout", "'x'", duration),
            ("public_url", "'api.example'", url),
            ("public_url", "'ftp://api.example'", url),
            ("public_url", "'https://me:hush@api.example'", url),
            ("public_url", "'https://api.example?q'", url),
            ("public_url", "'https://api{1}.example'", url),
            ("public_url", "'https://api.example/%zz'", url),
            ("trusted_proxies", "['proxy']", proxies),
            ("trusted_proxies", "'10.0.0.0/33'", proxies),
        ];
        for (key, value, message) in cases {
            let message = format!("x.{key} (file f): {message}");
            let said = format!("{key} = {value}");
            assert_eq!(read(&said, Server::read), Err(message), "{said}");
        }
    }

    #[test]
    fn any_host_is_believed_where_other_machines_connect_and_nothing_tells_the_url() {
        let believes = |text: &str| read(text, Server::read).map(|said| said.believes_any_host());
        for host in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
            "LocalHost",
        ] {
            assert_eq!(believes(&format!("host = '{host}'")), Ok(false), "{host}");
        }
        for host in [
            "0.0.0.0",
            "::",
            "192.0.2.1",
            "api.example",
            "localhost.example",
        ] {
            let host = format!("host = '{host}'");
            assert_eq!(believes(&host), Ok(true), "{host}");
            for told in [
                "public_url = 'https://a.example'",
                "trusted_proxies = '10.0.0.1'",
            ] {
                assert_eq!(believes(&format!("{host}\n{told}")), Ok(false));
            }
        }
    }

    #[test]
    fn a_proxy_is_an_address_or_a_network() {
        let server = read(
            "trusted_proxies = ['10.1.2.3', '10.1.2.3/8', '::1', 'fd00::/8']",
            Server::read,
        )
        .unwrap();
        let networks: Vec<_> = server
            .trusted_proxies
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            networks,
            ["10.1.2.3/32", "10.0.0.0/8", "::1/128", "fd00::/8"]
        );
    }
}
