//! Reads `[operations]`: where probes and metrics are served, apart from the API.

use super::error::{Place, SettingsError};
use super::section::{Section, said};
use super::server::{self, Server};

const DEFAULT_HOST: &str = "127.0.0.1";

const WITHOUT_PORT: &str = "only applies when operations.port is set, such as 9000";

const SAME_PORT: &str = "must be another port than server.port";

/// `[operations]`: a listener for probes and metrics, with connections of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operations {
    /// An IP address, an IPv6 one without brackets, or a host name.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Operations {
    /// Refuses the port that the API listens on.
    pub(super) fn check(&self, server: &Server, port: Option<&Place>) -> Result<(), SettingsError> {
        let is_any = |host: &str| matches!(host, "0.0.0.0" | "::");
        let is_same_host = self.host == server.host || is_any(&self.host) || is_any(&server.host);
        match port {
            Some(port) if self.port != 0 && self.port == server.port && is_same_host => {
                Err(port.refuse(SAME_PORT))
            }
            _ => Ok(()),
        }
    }

    /// `None` where no port is set: then the API's listener serves them.
    pub(super) fn read(operations: &mut Section) -> Result<Option<Self>, SettingsError> {
        let host = operations.take("host");
        let port = said(operations, "port", |port| port.number(0..=u16::MAX))?;
        match (host, port) {
            (host, Some(port)) => Ok(Some(Self {
                host: host.as_ref().map_or_else(default_host, server::host)?,
                port,
            })),
            (Some(host), None) => Err(host.place().refuse(WITHOUT_PORT)),
            (None, None) => Ok(None),
        }
    }
}

fn default_host() -> Result<String, SettingsError> {
    Ok(DEFAULT_HOST.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{parsed, read_section as read};
    use super::*;

    #[test]
    fn without_a_port_there_is_no_listener_for_operations() {
        assert_eq!(read("", Operations::read), Ok(None));
        let host = "x.host (file f): only applies when operations.port is set, such as 9000";
        let read = read("host = '0.0.0.0'", Operations::read);
        assert_eq!(read, Err(host.to_owned()));
    }

    #[test]
    fn a_port_is_listened_on_at_loopback_unless_a_host_is_set() {
        let at = |host: &str| {
            Ok(Some(Operations {
                host: host.to_owned(),
                port: 9000,
            }))
        };
        assert_eq!(read("port = 9000", Operations::read), at("127.0.0.1"));
        let text = "port = 9000\nhost = '[::]'";
        assert_eq!(read(text, Operations::read), at("::"));
    }

    #[test]
    fn the_port_is_not_that_of_the_api() {
        let load = |host: &str, port: u16| {
            let text = format!(
                "[operations]\nhost = '{host}'\nport = {port}\n[auth]\nissuer_base_url = 'https://a.example/'\n\
                 audience = 'a'"
            );
            parsed(&text, &[]).map(drop)
        };
        let same = "operations.port (file Settings.toml): must be another port than server.port"
            .to_owned();
        assert_eq!(load("127.0.0.1", 3010), Err(same.clone()));
        assert_eq!(load("0.0.0.0", 3010), Err(same));
        assert_eq!(load("127.0.0.2", 3010), Ok(()));
        assert_eq!(load("127.0.0.1", 3009), Ok(()));
    }

    #[test]
    fn a_port_is_a_number_and_a_host_an_address_or_a_name() {
        let port = "x.port (file f): must be a number from 0 to 65535".to_owned();
        assert_eq!(read("port = 'x'", Operations::read), Err(port));
        let host = "x.host (file f): must be an IP address or a host name without a port, \
                    such as 127.0.0.1 or 0.0.0.0";
        let read = read("port = 1\nhost = 'a:1'", Operations::read);
        assert_eq!(read, Err(host.to_owned()));
    }
}
