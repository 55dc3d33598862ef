//! Parses `X-Forwarded-Client-Cert` with one element into the thumbprint of its certificate.
//!
//! ```text
//! XFCC    = element
//! element = pair *( ";" pair )
//! pair    = 1*ALPHA "=" ( plain / DQUOTE quoted DQUOTE )   ; such as Hash=468ed33b…;Subject="CN=a"
//! ```
//!
//! Envoy parts elements by commas, and writes names of a certificate without escaping them: a name
//! with a comma in it begins what looks like another element. So there must be one alone, as
//! Envoy writes with `SANITIZE_SET`; and a quote within a value, which could swallow what follows
//! it, is rejected too.

use data_encoding::HEXLOWER_PERMISSIVE;

use super::headers::escaped_pem;
use super::{CertificateError, Thumbprint};

/// The thumbprint by `Hash` or by `Cert`; if both are there, they must agree.
pub(super) fn only_element(value: &[u8]) -> Result<Thumbprint, CertificateError> {
    let mut element = Element::default();
    let mut rest = value;
    loop {
        let pair = Pair::parse(rest).ok_or(CertificateError::Malformed)?;
        element.add(&pair)?;
        rest = pair.rest;
        match pair.delimiter {
            Some(b',') => return Err(CertificateError::Several),
            Some(_) => {}
            None => return element.thumbprint(),
        }
    }
}

/// The keys of an element that identify the certificate; others are ignored.
#[derive(Default)]
struct Element<'a> {
    certificate: Option<&'a [u8]>,
    hash: Option<&'a [u8]>,
}

impl<'a> Element<'a> {
    fn add(&mut self, pair: &Pair<'a>) -> Result<(), CertificateError> {
        let slot = if pair.key.eq_ignore_ascii_case(b"cert") {
            &mut self.certificate
        } else if pair.key.eq_ignore_ascii_case(b"hash") {
            &mut self.hash
        } else {
            return Ok(());
        };
        match slot.replace(pair.value) {
            Some(_) => Err(CertificateError::Contradictory),
            None => Ok(()),
        }
    }

    fn thumbprint(self) -> Result<Thumbprint, CertificateError> {
        let certificate = self.certificate.map(escaped_pem).transpose()?;
        let of_certificate = certificate.map(|certificate| certificate.thumbprint);
        let of_hash = self.hash.map(hash).transpose()?;
        match (of_certificate, of_hash) {
            (Some(one), Some(other)) if one != other => Err(CertificateError::Contradictory),
            (Some(thumbprint), _) | (None, Some(thumbprint)) => Ok(thumbprint),
            (None, None) => Err(CertificateError::NoCertificate),
        }
    }
}

fn hash(hex: &[u8]) -> Result<Thumbprint, CertificateError> {
    let bytes = HEXLOWER_PERMISSIVE.decode(hex).ok();
    let hash: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
    let hash = hash.ok_or(CertificateError::Malformed)?;
    Ok(Thumbprint::of_hash(&hash))
}

/// The first pair of a text, the delimiter that ends it, and what follows that.
struct Pair<'a> {
    key: &'a [u8],
    /// Without the quotes around it; what is escaped within stays so.
    value: &'a [u8],
    delimiter: Option<u8>,
    rest: &'a [u8],
}

impl<'a> Pair<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        let (key, text) = split_at(text, |byte| byte == b'=');
        let key = key.trim_ascii();
        if key.is_empty() || !key.iter().all(u8::is_ascii_alphabetic) {
            return None;
        }
        let (value, text) = value(text.strip_prefix(b"=")?)?;
        let (between, text) = split_at(text, is_delimiter);
        if !between.trim_ascii().is_empty() {
            return None;
        }
        let (delimiter, rest) = text
            .split_first()
            .map_or((None, text), |(byte, rest)| (Some(*byte), rest));
        Some(Self {
            key,
            value,
            delimiter,
            rest,
        })
    }
}

/// A value, and what follows it; a quote begins it, or it has none.
fn value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let Some(text) = text.strip_prefix(b"\"") else {
        let (value, rest) = split_at(text, is_delimiter);
        return (!value.contains(&b'"')).then_some((value.trim_ascii(), rest));
    };
    let mut is_escaped = false;
    let (value, rest) = split_at(text, |byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    Some((value, rest.strip_prefix(b"\"")?))
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b',' | b';')
}

/// Before the first byte that `ends`; all of the text where none does.
fn split_at(text: &[u8], mut ends: impl FnMut(u8) -> bool) -> (&[u8], &[u8]) {
    let end = text.iter().position(|&byte| ends(byte));
    text.split_at(end.unwrap_or(text.len()))
}
