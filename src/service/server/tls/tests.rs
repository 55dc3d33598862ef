//! Real handshakes with clients that have a certificate, none, or one of another client.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::{App, HttpRequest, web};
use data_encoding::BASE64URL_NOPAD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs::{self, sign::any_supported_type};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::super::{Listener, Options, Serving, http};
use super::*;
use crate::jose::digest::sha256;
use crate::service::config::Settings;

/// A certificate, and the key that is in it.
struct Identity {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Identity {
    fn self_signed() -> Self {
        Self::signed(None)
    }

    fn signed(authority: Option<&Issuer<'_, KeyPair>>) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = match authority {
            Some(authority) => params.signed_by(&key, authority),
            None => params.self_signed(&key),
        };
        Self {
            certificate: certificate.unwrap(),
            key,
        }
    }

    fn thumbprint(&self) -> String {
        BASE64URL_NOPAD.encode(&sha256(self.certificate.der()))
    }
}

/// An authority for clients, and the PEM of its own certificate.
fn authority() -> (Issuer<'static, KeyPair>, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    (Issuer::new(params, key), pem)
}

/// A directory with `Settings.toml`, and the files that it names.
struct Directory(PathBuf);

impl Directory {
    fn new(more: &str, client_ca: Option<&str>) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("ars-{}-tls-{number}", std::process::id());
        let directory = Self(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&directory.0).unwrap();
        let server = Identity::self_signed();
        let mut tls = format!(
            "[server.tls]\ncertificate = '{}'\nkey = '{}'\n",
            directory.write("certificate.pem", &server.certificate.pem()),
            directory.write("key.pem", &server.key.serialize_pem()),
        );
        if let Some(pem) = client_ca {
            tls += &format!("client_ca = '{}'\n", directory.write("ca.pem", pem));
        }
        let trust = "[auth]\nissuer_base_url = 'https://a.example/'\naudience = 'a'";
        directory.write("Settings.toml", &format!("{tls}{trust}\n{more}"));
        directory
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn settings(&self) -> config::Tls {
        let file = self.0.join("Settings.toml");
        let settings = Settings::load(Some(&file), []).unwrap();
        settings.server.tls.unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// A server whose one answer is the thumbprint of its client, or `none`.
struct Stage {
    _serving: Serving,
    address: SocketAddr,
    tls: Tls,
    directory: Directory,
}

impl Stage {
    fn new(more: &str, client_ca: Option<&str>) -> Self {
        let directory = Directory::new(more, client_ca);
        let settings = directory.settings();
        let tls = Tls::load(&settings).unwrap();
        let app = http(None, || App::new().default_service(web::to(answer)));
        let listener = Listener::bind("127.0.0.1", 0).unwrap();
        let address = listener.addresses().next().unwrap();
        Self {
            _serving: listener
                .serve(&app, &Options::for_tests(), Some(&tls))
                .unwrap(),
            address,
            tls,
            directory,
        }
    }

    /// The server's certificate of a client, and whether the handshake was a full one.
    async fn ask(&self, config: &Arc<ClientConfig>) -> io::Result<(String, HandshakeKind)> {
        let stream = TcpStream::connect(self.address).await?;
        let connector = TlsConnector::from(Arc::clone(config));
        let name = self.address.ip().into();
        let mut stream = connector.connect(name, stream).await?;
        let mut seen = Vec::new();
        // Both of a connection's requests come with the certificate of its handshake.
        for end in ["", "Connection: close\r\n"] {
            let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{end}\r\n");
            stream.write_all(request.as_bytes()).await?;
        }
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        for answer in text.split("HTTP/1.1 200 OK").skip(1) {
            seen.push(answer.split_once("\r\n\r\n").unwrap().1.to_owned());
        }
        assert_eq!(seen.len(), 2, "{text}");
        assert_eq!(seen[0], seen[1]);
        Ok((seen.remove(0), stream.get_ref().1.handshake_kind().unwrap()))
    }

    async fn seen(&self, config: &Arc<ClientConfig>) -> io::Result<String> {
        self.ask(config).await.map(|(seen, _)| seen)
    }
}

async fn answer(request: HttpRequest) -> String {
    let certificate = request.conn_data::<ClientCertificate>();
    certificate.map_or_else(|| "none".to_owned(), |own| own.thumbprint().to_string())
}

const BOTH: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

fn client(
    version: &'static SupportedProtocolVersion,
    identity: Option<(&CertificateDer<'static>, &KeyPair)>,
) -> Arc<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_protocol_versions(&[version]).unwrap();
    let config = config
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAnyCertificate::default()));
    Arc::new(match identity {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
            let key = any_supported_type(&key).unwrap();
            // Unlike rustls's own constructor, this does not check that certificate and key fit.
            let identity = CertifiedKey::new(vec![certificate.clone()], key);
            config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
        }
    })
}

fn of(version: &'static SupportedProtocolVersion, identity: &Identity) -> Arc<ClientConfig> {
    client(version, Some((identity.certificate.der(), &identity.key)))
}

const ENABLED: &str = "[auth.mtls]\nenabled = true";

#[actix_web::test]
async fn without_mtls_no_certificate_is_requested() {
    let stage = Stage::new("", None);
    for version in BOTH {
        let seen = stage.seen(&of(version, &Identity::self_signed())).await;
        assert_eq!(seen.unwrap(), "none");
    }
}

#[actix_web::test]
async fn with_a_header_source_no_certificate_is_requested() {
    let proxy = "[auth.mtls]\nenabled = true\nsource = 'xfcc'";
    let directory = Directory::new(proxy, None);
    let file = directory.0.join("Settings.toml");
    let trusted = ("APP__SERVER__TRUSTED_PROXIES".into(), "127.0.0.1".into());
    let settings = Settings::load(Some(&file), [trusted]).unwrap();
    assert!(!settings.server.tls.unwrap().asks_clients);
}

#[actix_web::test]
async fn a_client_that_proves_its_key_is_identified_by_its_certificate() {
    let stage = Stage::new(ENABLED, None);
    for version in BOTH {
        let identity = Identity::self_signed();
        let seen = stage.seen(&of(version, &identity)).await.unwrap();
        assert_eq!(seen, identity.thumbprint());
        let seen = stage.seen(&client(version, None)).await.unwrap();
        assert_eq!(seen, "none");
    }
}

#[actix_web::test]
async fn the_certificate_of_another_client_is_rejected() {
    let (authority, pem) = authority();
    let victim = Identity::signed(Some(&authority));
    let thief = KeyPair::generate().unwrap();
    for client_ca in [None, Some(&*pem)] {
        let stage = Stage::new(ENABLED, client_ca);
        for version in BOTH {
            let stolen = client(version, Some((victim.certificate.der(), &thief)));
            let seen = stage.seen(&stolen).await;
            assert!(seen.is_err(), "{seen:?}");
        }
    }
}

#[actix_web::test]
async fn certificates_of_another_authority_are_rejected() {
    let (authority, pem) = authority();
    let stage = Stage::new(ENABLED, Some(&pem));
    for version in BOTH {
        let ours = Identity::signed(Some(&authority));
        let seen = stage.seen(&of(version, &ours)).await.unwrap();
        assert_eq!(seen, ours.thumbprint());
        let rejected = stage.seen(&of(version, &Identity::self_signed())).await;
        assert!(rejected.is_err(), "{rejected:?}");
        let seen = stage.seen(&client(version, None)).await.unwrap();
        assert_eq!(seen, "none");
    }
}

#[actix_web::test]
async fn a_resumed_session_has_the_certificate_of_the_first() {
    let stage = Stage::new(ENABLED, None);
    for version in BOTH {
        let identity = Identity::self_signed();
        let config = of(version, &identity);
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let seen = stage.ask(&config).await.unwrap();
            assert_eq!(seen, (identity.thumbprint(), kind));
        }
    }
}

#[actix_web::test]
async fn a_replaced_authority_applies_to_resumed_sessions_too() {
    let (former, pem) = authority();
    let stage = Stage::new(ENABLED, Some(&pem));
    let config = of(&TLS13, &Identity::signed(Some(&former)));
    stage.seen(&config).await.unwrap();
    stage.directory.write("ca.pem", &authority().1);
    stage.tls.reload(&stage.directory.settings()).unwrap();
    let rejected = stage.seen(&config).await;
    assert!(rejected.is_err(), "{rejected:?}");
}

#[actix_web::test]
async fn an_unreadable_authority_is_reported_by_its_key() {
    for pem in [
        "",
        "nonsense",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let directory = Directory::new(ENABLED, Some(pem));
        let rejected = Tls::load(&directory.settings()).unwrap_err().to_string();
        assert!(
            rejected.starts_with("server.tls.client_ca (file ")
                && rejected.ends_with("with X.509 certificates"),
            "{rejected}"
        );
    }
}
