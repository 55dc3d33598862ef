//! A header's value → the certificate in it: a byte sequence, or an escaped PEM.

use std::borrow::Cow;

use data_encoding::BASE64_NOPAD;
use rustls_pki_types::pem::{PemObject, SectionKind};

use super::{CertificateError, ClientCertificate};

/// Reads a byte sequence of a structured field ([RFC 8941 §3.3.5]).
///
/// ```text
/// sf-binary = ":" *(base64) ":"      ; such as :MIIBqDCC…:
/// ```
///
/// [RFC 8941 §3.3.5]: https://www.rfc-editor.org/rfc/rfc8941#section-3.3.5
pub(super) fn byte_sequence(value: &[u8]) -> Result<ClientCertificate, CertificateError> {
    let [b':', base64 @ .., b':'] = value.trim_ascii() else {
        return Err(CertificateError::Malformed);
    };
    // Its parsers are asked to do without padding, too (RFC 8941 §4.2.7).
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

/// Without its percent-encoding; `None` where a percent sign begins none. A plus sign stays one.
fn unescaped(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut pieces = value.split(|&byte| byte == b'%');
    let mut text = pieces.next()?.to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        // A sign would be taken, too.
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        text.push(u8::from_str_radix(digits, 16).ok()?);
        text.extend_from_slice(rest);
    }
    Some(text.into())
}
