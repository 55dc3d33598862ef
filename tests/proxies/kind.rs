//! The proxies, with the blocks of `docs/proxies.md`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Instant;

use crate::documented::Documented;
use crate::process::{Directory, Process};
use crate::proxy::{envoy_command, free_port, nginx_command};
use crate::transcript::LIMIT;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Caddy,
    Envoy,
    Haproxy,
    Nginx,
}

/// What a proxy passes requests on to.
#[derive(Clone, Copy)]
pub(crate) struct Upstreams {
    pub(crate) service: SocketAddr,
    pub(crate) api: SocketAddr,
    /// Whether the script of the proxy, if it has one, fails.
    pub(crate) script_fails: bool,
}

/// A running proxy.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    process: Process,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Caddy, Self::Envoy, Self::Haproxy, Self::Nginx];

    fn heading(self) -> &'static str {
        match self {
            Self::Caddy => "Decisions for Caddy",
            Self::Envoy => "Decisions for Envoy",
            Self::Haproxy => "Decisions for HAProxy",
            Self::Nginx => "Decisions for nginx",
        }
    }

    /// The settings of the service behind it, with the routes of the page.
    pub(crate) fn settings(self) -> String {
        let of = match self {
            Self::Haproxy => Self::Caddy,
            other => other,
        };
        let settings = Documented::block(of.heading(), "toml").with("10.0.0.2", "127.0.0.1");
        let routes = Documented::block("Decisions for APIs in other languages", "toml");
        format!("{}\n{}", settings.text(), routes.text())
    }

    fn block(self, language: &str) -> Documented {
        Documented::block(self.heading(), language)
    }

    fn configuration(self, port: u16, upstreams: Upstreams) -> Documented {
        let service = upstreams.service.to_string();
        let api = upstreams.api.to_string();
        let listen = format!("127.0.0.1:{port}");
        match self {
            Self::Caddy => self
                .block("text")
                .with(
                    "api.example {",
                    &format!("{CADDY}\nhttp://api.example:{port} {{"),
                )
                .with("10.0.0.21:3010", &service)
                .with("10.0.0.31:8080", &api),
            Self::Haproxy => self
                .block("text")
                .with("bind :80", &format!("bind {listen}"))
                .with("10.0.0.31:8080", &api),
            Self::Nginx => self
                .block("nginx")
                .with("listen 80", &format!("listen {listen}"))
                .with("10.0.0.21:3010", &service)
                .with("10.0.0.31:8080", &api),
            Self::Envoy => {
                let port_of = |address: SocketAddr| {
                    format!("address: 127.0.0.1, port_value: {}", address.port())
                };
                self.block("yaml")
                    .with(
                        "address: 0.0.0.0, port_value: 80}",
                        &format!("address: 127.0.0.1, port_value: {port}}}"),
                    )
                    .with(
                        "address: 10.0.0.21, port_value: 3010",
                        &port_of(upstreams.service),
                    )
                    .with(
                        "address: 10.0.0.31, port_value: 8080",
                        &port_of(upstreams.api),
                    )
            }
        }
    }

    fn command(
        self,
        configuration: &Documented,
        upstreams: Upstreams,
        directory: &Directory,
    ) -> Command {
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        match self {
            Self::Nginx => nginx_command(&file("site.conf", configuration.text()), directory),
            Self::Envoy => envoy_command(&file("envoy.yaml", configuration.text())),
            Self::Caddy => {
                let mut command = Command::new("caddy");
                command.args(["run", "--adapter", "caddyfile", "--config"]);
                command.arg(file("Caddyfile", configuration.text()));
                command.env("XDG_DATA_HOME", directory.path());
                command.env("XDG_CONFIG_HOME", directory.path());
                command
            }
            Self::Haproxy => {
                let script = self.block("lua");
                let script = script.with("10.0.0.21:3010", &upstreams.service.to_string());
                let call = "core.httpclient()";
                assert!(script.text().contains(call));
                let script = if upstreams.script_fails {
                    script.text().replace(call, "(nil)")
                } else {
                    script.text().to_owned()
                };
                let script = file("decision.lua", &script);
                let text = configuration
                    .text()
                    .replace("/etc/haproxy/decision.lua", &script);
                let mut command = Command::new("haproxy");
                command.args(["-db", "-f", &file("haproxy.cfg", &text)]);
                command
            }
        }
    }
}

impl Proxy {
    pub(crate) fn start(kind: Kind, upstreams: Upstreams) -> Self {
        let port = free_port();
        let directory = Directory::new();
        let configuration = kind.configuration(port, upstreams);
        let command = kind.command(&configuration, upstreams, &directory);
        let proxy = Self {
            address: (Ipv4Addr::LOCALHOST, port).into(),
            process: Process::spawn(command, directory),
        };
        let begun = Instant::now();
        while TcpStream::connect(proxy.address).is_err() {
            assert!(begun.elapsed() < LIMIT, "{kind:?}: {}", proxy.log());
            thread::yield_now();
        }
        proxy
    }

    pub(crate) fn log(&self) -> String {
        self.process.log.text() + &self.process.output.text()
    }
}

/// Only the site is documented.
const CADDY: &str = "{
    admin off
    auto_https off
    default_bind 127.0.0.1
}";
