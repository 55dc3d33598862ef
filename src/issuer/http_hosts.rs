//! Where plain `http` is accepted: on loopback, and on hosts that are listed.

use std::net::IpAddr;

use url::{Host, Url};

/// The hosts beyond loopback from which documents are fetched over `http` too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HttpHosts(Vec<Host>);

impl HttpHosts {
    /// Reads host names or addresses; `None` where one of them is none, such as a URL or a name with a port.
    pub(crate) fn parse<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Option<Self> {
        let hosts = names.into_iter().map(|name| host(name.as_ref()));
        hosts.collect::<Option<_>>().map(Self)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the URL is on this machine or on a listed host.
    pub(crate) fn trust(&self, url: &Url) -> bool {
        is_loopback(url) || self.0.iter().any(|host| url.host() == Some(borrowed(host)))
    }
}

fn host(name: &str) -> Option<Host> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    let host = Host::parse(name).ok()?;
    name.bytes().all(is_allowed).then_some(host)
}

fn borrowed(host: &Host) -> Host<&str> {
    match host {
        Host::Domain(name) => Host::Domain(name),
        Host::Ipv4(address) => Host::Ipv4(*address),
        Host::Ipv6(address) => Host::Ipv6(*address),
    }
}

/// Whether the URL stays on this machine, the one place where `http` is as safe as `https`.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether the URL leads to this machine in any spelling: unlike [`is_loopback`], which permits, this forbids.
pub(crate) fn leads_to_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => is_local(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => is_local(address.to_canonical()),
        None => false,
    }
}

fn is_local(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect("a URL")
    }

    #[test]
    fn hosts_are_names_or_addresses_and_nothing_more() {
        let hosts = HttpHosts::parse(["Keycloak", "10.0.0.1", "[fd00::1]"]).expect("hosts");
        for trusted in [
            "http://keycloak:8080/",
            "http://10.0.0.1/",
            "http://[fd00::1]:1/",
            "http://localhost/",
        ] {
            assert!(hosts.trust(&url(trusted)), "{trusted}");
        }
        for other in [
            "http://keycloak.example/",
            "http://a.keycloak/",
            "http://10.0.0.2/",
        ] {
            assert!(!hosts.trust(&url(other)), "{other}");
        }
        for wrong in [
            "",
            "*",
            "*.example",
            "http://keycloak",
            "keycloak:8080",
            "keycloak/",
            "a b",
            "fd00::1",
        ] {
            assert_eq!(HttpHosts::parse([wrong]), None, "{wrong}");
        }
    }

    #[test]
    fn this_machine_is_known_in_every_spelling() {
        for local in [
            "https://localhost/",
            "https://LOCALHOST./",
            "https://a.localhost/",
            "https://127.1/",
            "https://0.0.0.0/",
            "https://2130706433/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
        ] {
            assert!(leads_to_this_machine(&url(local)), "{local}");
        }
        for other in [
            "https://localhost.example/",
            "https://10.0.0.1/",
            "https://[::2]/",
        ] {
            assert!(!leads_to_this_machine(&url(other)), "{other}");
        }
    }
}
