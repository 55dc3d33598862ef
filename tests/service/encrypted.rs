//! A TLS client, with or without a certificate.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use crate::certificates::{Authority, Signed};
use crate::wire::{Answer, Request, connect};

/// Which authorities a client trusts, and what it offers.
pub(crate) struct Client {
    roots: RootCertStore,
    certificate: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    versions: Vec<&'static SupportedProtocolVersion>,
    protocols: Vec<Vec<u8>>,
}

impl Client {
    pub(crate) fn trusting(authority: &Authority) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der.clone()).unwrap();
        Self {
            roots,
            certificate: None,
            versions: vec![&TLS12, &TLS13],
            protocols: Vec::new(),
        }
    }

    /// Sends this certificate when one is requested.
    pub(crate) fn certificate(mut self, signed: &Signed) -> Self {
        let key = PrivateKeyDer::try_from(signed.key.serialize_der()).unwrap();
        self.certificate = Some((signed.der.clone(), key));
        self
    }

    pub(crate) fn version(mut self, version: &'static SupportedProtocolVersion) -> Self {
        self.versions = vec![version];
        self
    }

    pub(crate) fn protocols(mut self, protocols: &[&str]) -> Self {
        let protocols = protocols.iter().map(|name| name.as_bytes().to_vec());
        self.protocols = protocols.collect();
        self
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider);
        let config = config.with_protocol_versions(&self.versions).unwrap();
        let config = config.with_root_certificates(self.roots.clone());
        let mut config = match &self.certificate {
            Some((certificate, key)) => config
                .with_client_auth_cert(vec![certificate.clone()], key.clone_key())
                .unwrap(),
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols.clone_from(&self.protocols);
        Arc::new(config)
    }

    /// Performs the handshake with the service.
    pub(crate) fn connect(&self, address: SocketAddr) -> io::Result<Connection> {
        Connection::open(self.config(), address)
    }
}

/// A connection after its handshake.
pub(crate) struct Connection(StreamOwned<ClientConnection, TcpStream>);

impl Connection {
    pub(crate) fn open(config: Arc<ClientConfig>, address: SocketAddr) -> io::Result<Self> {
        let session = ClientConnection::new(config, address.ip().into());
        let mut stream = StreamOwned::new(session.map_err(io::Error::other)?, connect(address)?);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self(stream))
    }

    pub(crate) fn session(&self) -> &ClientConnection {
        &self.0.conn
    }

    /// The certificate of the service.
    pub(crate) fn shown(&self) -> &CertificateDer<'static> {
        &self.session().peer_certificates().unwrap()[0]
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Sends a request and reads one response; the connection stays open.
    pub(crate) fn ask(&mut self, target: &str) -> String {
        self.write(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        let mut head = Vec::new();
        while !head.ends_with(b"}") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap()
    }

    /// Sends the one request of this connection.
    pub(crate) fn send(mut self, request: &Request, address: SocketAddr) -> Answer {
        self.write(&request.bytes(address));
        Answer::parse(&self.rest().unwrap())
    }

    /// Everything until the service closes the TLS session.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest)?;
        Ok(rest)
    }
}
