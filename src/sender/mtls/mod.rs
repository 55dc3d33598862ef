//! The client's certificate: of the TLS connection, or of a trusted proxy's header ([RFC 8705]).
//!
//! Any client can send such a header. It is read only if the peer of the connection is a proxy that is
//! trusted to verify the client's certificate and to remove the header that the client itself sent
//! ([RFC 9440 §4]).
//!
//! [RFC 8705]: https://www.rfc-editor.org/rfc/rfc8705
//! [RFC 9440 §4]: https://www.rfc-editor.org/rfc/rfc9440#section-4

mod headers;
mod xfcc;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::http::header::HeaderMap;
use data_encoding::BASE64URL_NOPAD;
use ipnet::IpNet;
use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

pub use self::headers::CertificateHeader;
use super::trusted_proxies::is_trusted;
use crate::jose::digest::sha256;

/// The SHA-256 of a certificate's DER in base64url without padding, as `cnf` names it in
/// `x5t#S256` ([RFC 8705 §3.1]).
///
/// [RFC 8705 §3.1]: https://www.rfc-editor.org/rfc/rfc8705#section-3.1
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbprint(Arc<str>);

impl Thumbprint {
    /// Its 43 characters, such as `A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(der: &[u8]) -> Self {
        Self::of_hash(&sha256(der))
    }

    fn of_hash(hash: &[u8; 32]) -> Self {
        Self(BASE64URL_NOPAD.encode(hash).into())
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A client certificate whose private key the client has proven to hold.
///
/// The service's own TLS puts it into the data of each connection, where
/// [`HttpRequest::conn_data`](actix_web::HttpRequest::conn_data) finds it. In an app with a server
/// of its own, [`HttpServer::on_connect`](actix_web::HttpServer::on_connect) does the same: its
/// first argument is the connection, with rustls an `actix_tls::accept::rustls_0_23::TlsStream`,
/// and the client's certificate is the first of the `peer_certificates()` of its session.
///
/// # Examples
/// ```
/// use actix_resource_server::sender::ClientCertificate;
/// use actix_web::dev::Extensions;
///
/// fn store(first_of_chain: &[u8], connection: &mut Extensions) {
///     if let Ok(certificate) = ClientCertificate::from_der(first_of_chain) {
///         connection.insert(certificate);
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    thumbprint: Thumbprint,
}

impl ClientCertificate {
    /// Parses a certificate in DER. The caller must have verified that the client holds its private key, as
    /// a TLS handshake does.
    ///
    /// # Errors
    /// [`CertificateError::NoCertificate`] for bytes that are not an X.509 certificate, and
    /// [`CertificateError::TooLarge`] above 16 KiB.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > LARGEST {
            return Err(CertificateError::TooLarge);
        }
        let parsed = CertificateDer::from(der);
        EndEntityCert::try_from(&parsed).map_err(|_| CertificateError::NoCertificate)?;
        Ok(Self {
            thumbprint: Thumbprint::of(der),
        })
    }

    /// The thumbprint, as `cnf` contains it.
    #[must_use]
    pub fn thumbprint(&self) -> &Thumbprint {
        &self.thumbprint
    }
}

/// Marks a connection, in its data, as encrypted: requests over it are for `https` URLs.
///
/// Actix's own server needs no mark where it was bound with TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OverTls;

/// Where the client's certificate is found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateSource {
    /// The TLS connection itself.
    Connection,
    /// A header that a proxy sets after the TLS handshake with the client.
    Header {
        /// The header, and the form of its value.
        form: CertificateHeader,
        /// The proxies whose header is used; from other peers it is ignored.
        trusted_proxies: Vec<IpNet>,
    },
}

impl CertificateSource {
    /// The thumbprint of the client's certificate, if there is one.
    ///
    /// `peer` is the other end of the TCP connection, and `connection` the certificate of that connection's
    /// own TLS handshake.
    ///
    /// # Errors
    /// Only for headers of a trusted proxy: [`CertificateError::Several`] for more than one,
    /// otherwise what is wrong with the one that there is.
    pub(crate) fn find(
        &self,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
        connection: Option<&ClientCertificate>,
    ) -> Result<Option<Thumbprint>, CertificateError> {
        match self {
            Self::Connection => Ok(connection.map(|found| found.thumbprint.clone())),
            Self::Header {
                form,
                trusted_proxies,
            } if is_trusted(trusted_proxies, peer) => form.find(headers),
            Self::Header { .. } => Ok(None),
        }
    }
}

/// For the log: such as `the header client-cert of trusted proxies`.
impl fmt::Display for CertificateSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection => f.write_str("the TLS connection"),
            Self::Header { form, .. } => {
                write!(f, "the header {} of trusted proxies", form.name())
            }
        }
    }
}

/// Why a client certificate cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The header's parts name different certificates.
    #[error("the header of the client certificate contradicts itself")]
    Contradictory,
    /// The header is malformed.
    #[error("the header of the client certificate is malformed")]
    Malformed,
    /// The bytes are not one X.509 certificate (RFC 5280 §4.1).
    #[error("not one X.509 certificate")]
    NoCertificate,
    /// There is more than one such header, and one of them may be the client's.
    #[error("more than one header carries a client certificate")]
    Several,
    /// The certificate, or its header, has more than 16 KiB.
    #[error("the client certificate is too large")]
    TooLarge,
}

/// Ten times the size of a usual certificate, in bytes.
const LARGEST: usize = 16 * 1024;

#[cfg(test)]
mod tests;
