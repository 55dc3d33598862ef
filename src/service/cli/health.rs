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
    let alive = match &settings.operations {
        Some(operations) => is_alive(&operations.host, operations.port, false),
        None => {
            let server = &settings.server;
            is_alive(&server.host, server.port, server.tls.is_some())
        }
    };
    match alive {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(Error::Unhealthy),
    }
}

fn is_alive(host: &str, port: u16, has_tls: bool) -> io::Result<bool> {
    let address = address(host, port)?;
    let connection = TcpStream::connect_timeout(&address, LIMIT)?;
    connection.set_read_timeout(Some(LIMIT))?;
    connection.set_write_timeout(Some(LIMIT))?;
    let answer = if has_tls {
        ask(encrypted(connection, address)?)
    } else {
        ask(connection)
    };
    Ok(answer?.starts_with(ALIVE))
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

/// The address of the service on this machine: loopback for an unspecified address such as `0.0.0.0`.
fn address(host: &str, port: u16) -> io::Result<SocketAddr> {
    let host = match host {
        "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        host => host,
    };
    let mut addresses = (host, port).to_socket_addrs()?;
    addresses
        .next()
        .ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

/// Shorter than the timeout of a container runtime's health check.
const LIMIT: Duration = Duration::from_secs(2);

const ALIVE: &[u8] = b"HTTP/1.1 200 ";
