//! A socket's stream → one that is encrypted, by certificates that can be reloaded.

mod any_certificate;
mod files;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::timeouts::{ConnectionTimeouts, DRAIN_IDLE_TIMEOUT};
use crate::sender::ClientCertificate;
use crate::service::config::{self, SettingsError};

pub(crate) use self::any_certificate::AcceptAnyCertificate;

/// How connections are encrypted; clones share what is [reloaded](Self::reload).
#[derive(Clone)]
pub(crate) struct Tls(Arc<ArcSwap<ServerConfig>>);

impl Tls {
    /// Reads the files that the settings name.
    ///
    /// # Errors
    /// A file cannot be read, or its content cannot be used.
    pub(crate) fn load(settings: &config::Tls) -> Result<Self, SettingsError> {
        let config = files::read(settings)?;
        Ok(Self(Arc::new(ArcSwap::from_pointee(config))))
    }

    /// Reads the files again. New connections use their content; open connections stay as they are.
    ///
    /// # Errors
    /// As [`Self::load`]; then nothing changes.
    pub(crate) fn reload(&self, settings: &config::Tls) -> Result<(), SettingsError> {
        self.0.store(Arc::new(files::read(settings)?));
        Ok(())
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
        let acceptor = TlsAcceptor::from(self.0.load_full());
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
