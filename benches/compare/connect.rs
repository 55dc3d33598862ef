//! Sends requests over new connections, or over TLS, from eight threads, and prints the number of answers and the seconds that
//! they took.
//!
//! - `connect certificate DIRECTORY` writes `certificate.pem` and `key.pem` for localhost.
//! - `connect PORT PATH COUNT KIND [CERTIFICATE] < TOKEN` sends so many requests. The kinds are `tcp` (a new connection for each
//!   request), `tls` (eight connections), `tls-full` and `tls-resumed` (a new connection and handshake for each request).

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use std::{fs, thread};

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        ["certificate", directory] => certificate(Path::new(directory)),
        [port, path, count, kind, ref certificate @ ..] => {
            let load = Load {
                port: port.parse()?,
                request: request(path)?,
                kind: Kind::named(kind, certificate.first().copied())?,
            };
            let each = count.parse::<usize>()? / THREADS;
            let start = Instant::now();
            thread::scope(|scope| {
                let threads = [(); THREADS].map(|()| scope.spawn(|| load.send(each)));
                threads
                    .into_iter()
                    .try_for_each(|thread| thread.join().expect("no panic"))
            })?;
            println!("{} {}", each * THREADS, start.elapsed().as_secs_f64());
            Ok(())
        }
        _ => Err("connect PORT PATH COUNT KIND [CERTIFICATE]".into()),
    }
}

fn certificate(directory: &Path) -> Result<(), Failure> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    fs::write(directory.join("certificate.pem"), made.cert.pem())?;
    fs::write(directory.join("key.pem"), made.signing_key.serialize_pem())?;
    Ok(())
}

fn request(path: &str) -> Result<Vec<u8>, Failure> {
    let token = io::read_to_string(io::stdin())?;
    let credentials = match token.trim() {
        "" => String::new(),
        token => format!("Authorization: Bearer {token}\r\n"),
    };
    Ok(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{credentials}\r\n").into_bytes())
}

struct Load {
    port: u16,
    request: Vec<u8>,
    kind: Kind,
}

enum Kind {
    Tcp,
    Tls(Arc<ClientConfig>),
    /// A handshake for each request, of the kind that is expected after the first one.
    Handshakes(Arc<ClientConfig>, HandshakeKind),
}

impl Kind {
    fn named(kind: &str, certificate: Option<&str>) -> Result<Self, Failure> {
        if kind == "tcp" {
            return Ok(Self::Tcp);
        }
        let pem = fs::read(certificate.ok_or("no certificate")?)?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem)?)?;
        // One group alone, so that every server does the same work.
        let mut provider = aws_lc_rs::default_provider();
        provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
        let config = ClientConfig::builder_with_provider(Arc::new(provider));
        let config = config.with_safe_default_protocol_versions()?;
        let config = config.with_root_certificates(roots);
        let mut config = config.with_no_client_auth();
        if kind == "tls-full" {
            config.resumption = Resumption::disabled();
        }
        let config = Arc::new(config);
        match kind {
            "tls" => Ok(Self::Tls(config)),
            "tls-full" => Ok(Self::Handshakes(config, HandshakeKind::Full)),
            "tls-resumed" => Ok(Self::Handshakes(config, HandshakeKind::Resumed)),
            _ => Err("no such kind".into()),
        }
    }
}

impl Load {
    fn send(&self, count: usize) -> Result<(), Failure> {
        match &self.kind {
            Kind::Tcp => (0..count).try_for_each(|_| self.exchange(&mut self.connect()?)),
            Kind::Tls(config) => {
                let mut stream = self.handshake(config)?;
                (0..count).try_for_each(|_| self.exchange(&mut stream))
            }
            Kind::Handshakes(config, expected) => (0..count).try_for_each(|number| {
                let mut stream = self.handshake(config)?;
                self.exchange(&mut stream)?;
                let is_expected = number == 0 || stream.conn.handshake_kind() == Some(*expected);
                is_expected
                    .then_some(())
                    .ok_or_else(|| "another handshake".into())
            }),
        }
    }

    fn connect(&self) -> Result<TcpStream, Failure> {
        let stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn handshake(
        &self,
        config: &Arc<ClientConfig>,
    ) -> Result<StreamOwned<ClientConnection, TcpStream>, Failure> {
        let name = ServerName::try_from("localhost")?;
        let client = ClientConnection::new(Arc::clone(config), name)?;
        Ok(StreamOwned::new(client, self.connect()?))
    }

    /// Sends the request and reads its response, which must be 200.
    fn exchange(&self, stream: &mut (impl Read + Write)) -> Result<(), Failure> {
        stream.write_all(&self.request)?;
        let mut received = Vec::new();
        let mut part = [0; 4096];
        while !is_complete(&received) {
            match stream.read(&mut part)? {
                0 => return Err("the server has closed the connection".into()),
                count => received.extend_from_slice(&part[..count]),
            }
        }
        let is_ok = received.starts_with(b"HTTP/1.1 200 ");
        is_ok.then_some(()).ok_or_else(|| "another status".into())
    }
}

fn is_complete(received: &[u8]) -> bool {
    let text = String::from_utf8_lossy(received).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length.and_then(|length| length.parse().ok()) == Some(body.len())
}

const THREADS: usize = 8;
