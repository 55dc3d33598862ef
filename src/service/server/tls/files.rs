//! PEM files → what a handshake needs.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::{Error, RootCertStore, ServerConfig};
use zeroize::Zeroize;

use super::any_certificate::AcceptAnyCertificate;
use super::validity::Validity;
use crate::jose::digest::sha256;
use crate::service::config::{NamedFile, SettingsError, Tls};

/// The content of the files.
pub(crate) struct LoadedTls {
    pub(super) config: Arc<ServerConfig>,
    pub(super) validity: Option<Validity>,
    pub(super) digest: Digest,
}

/// The hash of the content of the files.
pub(crate) type Digest = [u8; 32];

impl LoadedTls {
    /// Reads the files that the settings name, and checks that they fit.
    ///
    /// # Errors
    /// A file cannot be read, or its content cannot be used.
    pub(crate) fn read(settings: &Tls) -> Result<Self, SettingsError> {
        // First: files that are replaced meanwhile have another one.
        let digest = digest(settings)?;
        let identity = identity(settings)?;
        let validity = identity.end_entity_cert().ok();
        Ok(Self {
            validity: validity.and_then(|certificate| Validity::of(certificate)),
            config: Arc::new(config(settings, identity)?),
            digest,
        })
    }
}

/// The hash of what the files contain now.
///
/// # Errors
/// A file cannot be read.
pub(crate) fn digest(settings: &Tls) -> Result<Digest, SettingsError> {
    let files = [
        Some(&settings.certificate),
        Some(&settings.key),
        settings.client_ca.as_ref(),
    ];
    let digests = files.into_iter().flatten();
    let digests = digests.map(|file| Ok(sha256(&file.bytes()?)));
    let digests: Vec<Digest> = digests.collect::<Result<_, SettingsError>>()?;
    Ok(sha256(&digests.concat()))
}

fn config(settings: &Tls, identity: CertifiedKey) -> Result<ServerConfig, SettingsError> {
    let unfit = |error: Error| {
        settings
            .certificate
            .reject(format!("cannot be used: {error}"))
    };
    let config = builder().map_err(unfit)?;
    let config = if settings.asks_clients {
        config.with_client_cert_verifier(clients(settings)?)
    } else {
        config.with_no_client_auth()
    };
    let mut config = config.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(config)
}

type Builder = rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>;

/// TLS 1.2 and 1.3, by the one provider that is linked.
fn builder() -> Result<Builder, Error> {
    ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Accepts the client certificates of the configured authority, or any where none is configured: a token
/// is bound to one certificate, independent of its issuer ([RFC 8705 §2.2]).
///
/// [RFC 8705 §2.2]: https://www.rfc-editor.org/rfc/rfc8705#section-2.2
fn clients(settings: &Tls) -> Result<Arc<dyn ClientCertVerifier>, SettingsError> {
    let Some(file) = &settings.client_ca else {
        return Ok(Arc::new(AcceptAnyCertificate::default()));
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        let added = roots.add(certificate);
        added.map_err(|_| file.reject(NO_CERTIFICATES))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .allow_unauthenticated()
        .build()
        .map(|verifier| -> Arc<dyn ClientCertVerifier> { verifier })
        .map_err(|_| file.reject(NO_CERTIFICATES))
}

/// The certificate, those above it, and its key.
fn identity(settings: &Tls) -> Result<CertifiedKey, SettingsError> {
    let Tls {
        certificate, key, ..
    } = settings;
    let identity = CertifiedKey::new(certificates(certificate)?, private_key(key)?);
    match identity.keys_match() {
        Ok(()) => Ok(identity),
        Err(Error::InconsistentKeys(_)) => Err(key.reject(OTHER_KEY)),
        Err(_) => Err(certificate.reject(NO_CERTIFICATES)),
    }
}

fn certificates(file: &NamedFile) -> Result<Vec<CertificateDer<'static>>, SettingsError> {
    let pem = file.bytes()?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.ok().filter(|found| !found.is_empty());
    found.ok_or_else(|| file.reject(NO_CERTIFICATES))
}

fn private_key(file: &NamedFile) -> Result<Arc<dyn SigningKey>, SettingsError> {
    let pem = file.bytes()?;
    let unusable = |_| file.reject(NO_KEY);
    let mut der = PrivateKeyDer::from_pem_slice(&pem).map_err(unusable)?;
    let key = aws_lc_rs::sign::any_supported_type(&der);
    der.zeroize();
    key.map_err(|_| file.reject(NO_KEY))
}

/// The one protocol that is offered (RFC 7301 §6).
const HTTP_1_1: &[u8] = b"http/1.1";

const NO_CERTIFICATES: &str = "must name a PEM file with X.509 certificates";

const NO_KEY: &str =
    "must name a PEM file with a private key, RSA, ECDSA or Ed25519, that is not encrypted";

const OTHER_KEY: &str = "is not the key of the first certificate in server.tls.certificate";
