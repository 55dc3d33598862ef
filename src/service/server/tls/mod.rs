//! A socket's stream → one that is encrypted, by certificates that can be reloaded.

mod any_certificate;
mod files;
#[cfg(test)]
mod tests;
mod validity;

use std::fmt;
use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::timeouts::{ConnectionTimeouts, DRAIN_IDLE_TIMEOUT};
use crate::sender::ClientCertificate;
use crate::service::config::{self, SettingsError};

pub(crate) use self::any_certificate::AcceptAnyCertificate;
pub(crate) use self::files::{Digest, LoadedTls, digest};
pub(crate) use self::validity::REMARKS;
use self::validity::Validity;

/// How connections are encrypted; clones share what is [used](Self::set).
#[derive(Clone)]
pub(crate) struct Tls(Arc<ArcSwap<LoadedTls>>);

impl Tls {
    /// Reads the files that the settings name.
    ///
    /// # Errors
    /// A file cannot be read, or its content cannot be used.
    pub(crate) fn load(settings: &config::Tls) -> Result<Self, SettingsError> {
        let loaded = LoadedTls::read(settings)?;
        Ok(Self(Arc::new(ArcSwap::from_pointee(loaded))))
    }

    /// Uses these files for new connections; open ones stay as they are.
    pub(crate) fn set(&self, loaded: LoadedTls) {
        self.0.store(Arc::new(loaded));
    }

    /// The digest of the files in use.
    pub(crate) fn digest(&self) -> Digest {
        self.0.load().digest
    }

    /// The validity period of the certificate in use; `None` where it cannot be read.
    pub(crate) fn validity(&self) -> Option<Validity> {
        self.0.load().validity
    }

    /// Performs the handshake, within the time that a client has for it.
    ///
    /// # Errors
    /// The client is too slow, does not speak TLS, or rejects the certificate.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        timeouts: &ConnectionTimeouts,
    ) -> io::Result<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.0.load().config));
        let handshake = timeout(timeouts.first_head(), acceptor.accept(stream));
        tokio::pin!(handshake);
        let mut stream = tokio::select! {
            biased;
            shaken = &mut handshake => shaken?,
            () = timeouts.over() => timeout(DRAIN_IDLE_TIMEOUT, handshake).await??,
        }?;
        stream.get_mut().1.set_buffer_limit(Some(RECORD));
        Ok(stream)
    }
}

/// The bytes of responses that wait in a session for a client that reads nothing: one record (RFC 8446 §5.1), not
/// rustls's four.
const RECORD: usize = 16 * 1024;

/// The certificate that the handshake has proven to be the client's, if it has one.
pub(super) fn certificate(stream: &TlsStream<TcpStream>) -> Option<ClientCertificate> {
    let (_, session) = stream.get_ref();
    let first = session.peer_certificates().and_then(<[_]>::first)?;
    // One that is too large counts as none: no token can be bound to it.
    ClientCertificate::from_der(first).ok()
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}
