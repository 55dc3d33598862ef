//! Asks the running service whether it is alive, for container runtimes that have no other means.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::service::failure::Failure;
use crate::service::settings::{Server, Settings};

pub(super) fn run(settings: &Settings) -> Result<(), Failure> {
    match is_alive(&settings.server) {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(Failure::Unhealthy),
    }
}

fn is_alive(server: &Server) -> io::Result<bool> {
    let mut connection = TcpStream::connect_timeout(&address(server)?, LIMIT)?;
    connection.set_read_timeout(Some(LIMIT))?;
    connection.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    connection.take(MOST_BYTES).read_to_end(&mut answer)?;
    Ok(answer.starts_with(b"HTTP/1.1 200 "))
}

/// Where the service answers on this machine: an address that stands for all of them is asked on loopback.
fn address(server: &Server) -> io::Result<SocketAddr> {
    let host = match server.host.as_str() {
        "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        host => host,
    };
    let mut addresses = (host, server.port).to_socket_addrs()?;
    addresses
        .next()
        .ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

/// Less than any runtime waits for a health check.
const LIMIT: Duration = Duration::from_secs(2);

/// More than the answer has.
const MOST_BYTES: u64 = 4096;
