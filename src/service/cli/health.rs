//! Asks the running service whether it is alive, for container runtimes that have no other means.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::service::config::Settings;
use crate::service::error::Error;
use crate::service::server::AcceptAnyCertificate;

pub(super) fn run(settings: &Settings) -> Result<(), Error> {
    let probed = match &settings.operations {
        Some(operations) => Probed {
            host: &operations.host,
            port: operations.port,
            has_tls: false,
            key: "operations.port",
            variable: "APP__OPERATIONS__PORT",
        },
        None => Probed {
            host: &settings.server.host,
            port: settings.server.port,
            has_tls: settings.server.tls.is_some(),
            key: "server.port",
            variable: "PORT",
        },
    };
    match probed.is_alive() {
        Ok(true) => Ok(()),
        Ok(false) => Err(probed.error("its response is not 200")),
        Err(error) => Err(probed.error(&error.kind().to_string())),
    }
}

/// The listener that is asked.
struct Probed<'a> {
    host: &'a str,
    port: u16,
    has_tls: bool,
    /// The setting of its port.
    key: &'static str,
    variable: &'static str,
}

impl Probed<'_> {
    fn is_alive(&self) -> io::Result<bool> {
        let address = self.address()?;
        let connection = TcpStream::connect_timeout(&address, LIMIT)?;
        connection.set_read_timeout(Some(LIMIT))?;
        connection.set_write_timeout(Some(LIMIT))?;
        let answer = if self.has_tls {
            ask(encrypted(connection, address)?)
        } else {
            ask(connection)
        };
        Ok(answer?.starts_with(ALIVE))
    }

    /// Loopback instead of an unspecified address, which stands for all of this machine.
    fn host(&self) -> &str {
        match self.host {
            "0.0.0.0" => "127.0.0.1",
            "::" => "::1",
            host => host,
        }
    }

    fn address(&self) -> io::Result<SocketAddr> {
        let mut addresses = (self.host(), self.port).to_socket_addrs()?;
        addresses
            .next()
            .ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }

    fn error(&self, reason: &str) -> Error {
        let scheme = if self.has_tls { "https" } else { "http" };
        let host = self.host();
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        Error::Unhealthy {
            url: format!("{scheme}://{host}:{}/livez", self.port),
            key: self.key,
            variable: self.variable,
            reason: reason.to_owned(),
        }
    }
}

/// Reads the status line, which shows whether the service is alive.
fn ask(mut connection: impl Read + Write) -> io::Result<[u8; ALIVE.len()]> {
    connection.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; ALIVE.len()];
    connection.read_exact(&mut answer)?;
    Ok(answer)
}

/// The server's certificate is not verified: it is for the names that clients use, not for this address, and
/// no secret is sent.
fn encrypted(
    connection: TcpStream,
    address: SocketAddr,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAnyCertificate::default()))
        .with_no_client_auth();
    let session = ClientConnection::new(Arc::new(config), address.ip().into());
    let session = session.map_err(io::Error::other)?;
    Ok(StreamOwned::new(session, connection))
}

/// Shorter than the timeout of a container runtime's health check.
const LIMIT: Duration = Duration::from_secs(2);

const ALIVE: &[u8] = b"HTTP/1.1 200 ";
