//! The client certificate in a header of a trusted proxy.

use std::borrow::Cow;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use data_encoding::BASE64_NOPAD;
use rustls_pki_types::pem::{PemObject, SectionKind};

use super::{CertificateError, ClientCertificate, LARGEST, Thumbprint, xfcc};

/// How a proxy writes the client's certificate into a header.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateHeader {
    /// `Client-Cert` ([RFC 9440 §2.2]), such as `:MIIBqDCC…:`.
    ///
    /// [RFC 9440 §2.2]: https://www.rfc-editor.org/rfc/rfc9440#section-2.2
    ClientCert,
    /// A header of this name with a URL-encoded PEM, as nginx's `$ssl_client_escaped_cert` has it.
    EscapedPem(HeaderName),
    /// Envoy's `X-Forwarded-Client-Cert`, with one element alone: `SANITIZE_SET` makes it so.
    ForwardedClientCert,
}

impl CertificateHeader {
    pub(super) fn name(&self) -> &HeaderName {
        match self {
            Self::ClientCert => &CLIENT_CERT,
            Self::EscapedPem(name) => name,
            Self::ForwardedClientCert => &FORWARDED_CLIENT_CERT,
        }
    }

    pub(super) fn find(&self, headers: &HeaderMap) -> Result<Option<Thumbprint>, CertificateError> {
        let mut values = headers.get_all(self.name());
        let Some(value) = values.next().map(HeaderValue::as_bytes) else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(CertificateError::Several);
        }
        if value.len() > LARGEST {
            return Err(CertificateError::TooLarge);
        }
        // Proxies that cannot omit a header send it empty.
        if value.is_empty() {
            return Ok(None);
        }
        self.read(value).map(Some)
    }

    fn read(&self, value: &[u8]) -> Result<Thumbprint, CertificateError> {
        let certificate = match self {
            Self::ClientCert => byte_sequence(value),
            Self::EscapedPem(_) => escaped_pem(value),
            Self::ForwardedClientCert => return xfcc::only_element(value),
        }?;
        Ok(certificate.thumbprint)
    }
}

/// Reads a byte sequence of a structured field ([RFC 8941 §3.3.5]).
///
/// ```text
/// sf-binary = ":" *(base64) ":"      ; such as :MIIBqDCC…:
/// ```
///
/// [RFC 8941 §3.3.5]: https://www.rfc-editor.org/rfc/rfc8941#section-3.3.5
fn byte_sequence(value: &[u8]) -> Result<ClientCertificate, CertificateError> {
    let [b':', base64 @ .., b':'] = value.trim_ascii() else {
        return Err(CertificateError::Malformed);
    };
    // Parsers should accept missing padding (RFC 8941 §4.2.7).
    let unpadded = base64.strip_suffix(b"=").unwrap_or(base64);
    let unpadded = unpadded.strip_suffix(b"=").unwrap_or(unpadded);
    let der = BASE64_NOPAD.decode(unpadded);
    ClientCertificate::from_der(&der.map_err(|_| CertificateError::Malformed)?)
}

/// Reads a URL-encoded PEM that holds one certificate and nothing else.
pub(super) fn escaped_pem(value: &[u8]) -> Result<ClientCertificate, CertificateError> {
    let pem = unescaped(value).ok_or(CertificateError::Malformed)?;
    let mut sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(&pem);
    match (sections.next(), sections.next()) {
        (Some(Ok((SectionKind::Certificate, der))), None) => ClientCertificate::from_der(&der),
        _ => Err(CertificateError::NoCertificate),
    }
}

/// Decodes percent-encoding; `None` if an escape is malformed. A plus sign is not a space.
fn unescaped(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut pieces = value.split(|&byte| byte == b'%');
    let mut text = pieces.next()?.to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        // `from_str_radix` would accept a sign.
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        text.push(u8::from_str_radix(digits, 16).ok()?);
        text.extend_from_slice(rest);
    }
    Some(text.into())
}

/// RFC 9440 §2.2.
static CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");

/// As Envoy documents it.
static FORWARDED_CLIENT_CERT: HeaderName = HeaderName::from_static("x-forwarded-client-cert");
