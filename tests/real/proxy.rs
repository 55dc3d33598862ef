//! nginx and Envoy with the documented configuration.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::Instant;

use crate::certificates::Authority;
use crate::documented::Documented;
use crate::process::{Directory, Process};
use crate::transcript::LIMIT;

/// The proxies that are documented.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Envoy,
    Nginx,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Envoy, Self::Nginx];

    /// The settings that the service needs behind it, on this machine.
    pub(crate) fn settings(self) -> Documented {
        let heading = format!("{self:?}").replace("Nginx", "nginx");
        Documented::block(&heading, "toml").with("10.0.0.2", "127.0.0.1")
    }

    /// A certificate header as a client could forge it.
    pub(crate) fn forgery(self, pem: &str) -> (&'static str, String) {
        let encoded = url::form_urlencoded::byte_serialize(pem.as_bytes());
        let encoded = encoded.collect::<String>().replace('+', "%20");
        match self {
            Self::Envoy => ("X-Forwarded-Client-Cert", format!("Cert=\"{encoded}\"")),
            Self::Nginx => ("X-SSL-Client-Cert", encoded),
        }
    }
}

/// A running proxy with a certificate for `api.example`.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    pub(crate) authority: Authority,
    process: Process,
}

impl Proxy {
    /// Starts a proxy in front of two replicas, used in turn.
    pub(crate) fn start(kind: Kind, replicas: [SocketAddr; 2]) -> Self {
        let port = free_port();
        let authority = Authority::new();
        let signed = authority.sign("api.example");
        let directory = Directory::new();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let certificate = file("certificate.pem", &signed.pem);
        let key = file("key.pem", &signed.key.serialize_pem());
        let configuration = match kind {
            Kind::Envoy => envoy(port, replicas),
            Kind::Nginx => nginx(port, replicas),
        };
        let place = format!("/etc/{}/api.example", format!("{kind:?}").to_lowercase());
        let configuration = configuration
            .with(&format!("{place}.pem"), &certificate)
            .with(&format!("{place}-key.pem"), &key);
        let command = match kind {
            Kind::Envoy => envoy_command(&file("envoy.yaml", configuration.text())),
            Kind::Nginx => nginx_command(&file("site.conf", configuration.text()), &directory),
        };
        let proxy = Self {
            port,
            authority,
            process: Process::spawn(command, directory),
        };
        proxy.wait();
        proxy
    }

    /// Waits until it accepts connections.
    fn wait(&self) {
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(begun.elapsed() < LIMIT, "{}", self.process.log.text());
            thread::yield_now();
        }
    }
}

fn nginx(port: u16, [one, other]: [SocketAddr; 2]) -> Documented {
    Documented::block("nginx", "nginx")
        .with("10.0.0.11:3010", &one.to_string())
        .with("10.0.0.12:3010", &other.to_string())
        .with("listen 443 ", &format!("listen 127.0.0.1:{port} "))
}

/// Only the site is documented; the rest is what a test in one process needs.
pub(crate) fn nginx_command(site: &str, directory: &Directory) -> Command {
    let path = directory.path();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {name};"))
        .concat();
    let main = format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr notice; events {{}}
         http {{ access_log off; {temporary} include {site}; }}"
    );
    fs::write(path.join("nginx.conf"), main).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-p").arg(path).args(["-e", "stderr", "-c"]);
    command.arg(path.join("nginx.conf"));
    command
}

fn envoy(port: u16, [one, other]: [SocketAddr; 2]) -> Documented {
    let replica =
        |address: SocketAddr| format!("address: {}, port_value: {}", address.ip(), address.port());
    Documented::block("Envoy", "yaml")
        .with("address: 10.0.0.11, port_value: 3010", &replica(one))
        .with("address: 10.0.0.12, port_value: 3010", &replica(other))
        .with(
            "address: 0.0.0.0, port_value: 443",
            &format!("address: 127.0.0.1, port_value: {port}"),
        )
}

pub(crate) fn envoy_command(configuration: &str) -> Command {
    let program = std::env::var("ENVOY").unwrap_or_else(|_| "envoy".to_owned());
    let mut command = Command::new(program);
    command.args(["--disable-hot-restart", "--concurrency", "1"]);
    command.args(["--log-level", "warn", "--config-path", configuration]);
    command
}

/// Below the ephemeral ports, one of which an outgoing connection could take before it is used.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 10_000).unwrap();
    loop {
        let port = 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
