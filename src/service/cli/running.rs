//! The listener of the running service that commands ask, and the connection to it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::service::config::{NamedFile, Settings, SettingsError};
use crate::service::error::Error;
use crate::service::server::AcceptAnyCertificate;

/// The listener that is asked: that of operations where there is one.
pub(super) struct Running<'a> {
    host: &'a str,
    port: u16,
    /// The server's certificate, where the listener uses TLS.
    certificate: Option<&'a NamedFile>,
    /// The setting of its port.
    key: &'static str,
    variable: &'static str,
}

impl<'a> Running<'a> {
    pub(super) fn of(settings: &'a Settings) -> Self {
        match &settings.operations {
            Some(operations) => Self {
                host: &operations.host,
                port: operations.port,
                certificate: None,
                key: "operations.port",
                variable: "APP__OPERATIONS__PORT",
            },
            None => Self {
                host: &settings.server.host,
                port: settings.server.port,
                certificate: settings.server.tls.as_ref().map(|tls| &tls.certificate),
                key: "server.port",
                variable: "PORT",
            },
        }
    }

    /// The server's certificate is not verified: it is for the names that clients use, not for this address, and no
    /// secret is sent.
    ///
    /// # Errors
    /// The service cannot be reached.
    pub(super) fn connect(&self) -> io::Result<Connection> {
        let address = self.address()?;
        let connection = TcpStream::connect_timeout(&address, LIMIT)?;
        connection.set_read_timeout(Some(LIMIT))?;
        connection.set_write_timeout(Some(LIMIT))?;
        Ok(match self.certificate {
            Some(_) => Connection::Encrypted(Box::new(encrypted(connection, address)?)),
            None => Connection::Plain(connection),
        })
    }

    /// Connects to send a secret: where the listener uses TLS, only to a server with the certificate of the settings.
    ///
    /// # Errors
    /// The service cannot be reached, or its certificate cannot be read or is another one.
    pub(super) fn connect_for_secret(&self) -> Result<Connection, NotConnected> {
        let mut connection = self.connect()?;
        if let (Some(file), Connection::Encrypted(session)) = (self.certificate, &mut connection) {
            let StreamOwned { conn, sock } = &mut **session;
            conn.complete_io(sock)?;
            let own = CertificateDer::from_pem_slice(&file.bytes()?).ok();
            let presented = conn.peer_certificates().and_then(<[_]>::first);
            if own.is_none() || own.as_ref() != presented {
                return Err(NotConnected::OtherCertificate);
            }
        }
        Ok(connection)
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

    /// The error that the service does not answer at this path as it should.
    pub(super) fn silent(&self, path: &str, reason: &str) -> Error {
        let scheme = if self.certificate.is_some() {
            "https"
        } else {
            "http"
        };
        let host = self.host();
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        Error::Unhealthy {
            url: format!("{scheme}://{host}:{}{path}", self.port),
            key: self.key,
            variable: self.variable,
            reason: reason.to_owned(),
        }
    }
}

/// Why there is no connection for a secret.
pub(super) enum NotConnected {
    Io(io::Error),
    Certificate(SettingsError),
    OtherCertificate,
}

impl From<io::Error> for NotConnected {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<SettingsError> for NotConnected {
    fn from(error: SettingsError) -> Self {
        Self::Certificate(error)
    }
}

/// A connection to the service.
pub(super) enum Connection {
    Plain(TcpStream),
    Encrypted(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Encrypted(stream) => stream.read(buffer),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Encrypted(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Encrypted(stream) => stream.flush(),
        }
    }
}

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
