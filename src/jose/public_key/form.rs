//! How a public key is written, as files, variables and secret stores deliver it.

use std::borrow::Cow;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};

use super::{PublicKeyError, der};

/// A text of a key, decoded as far as its form can be recognised.
#[derive(Debug)]
pub(super) enum Form<'a> {
    /// One or several PEM blocks (RFC 7468), with or without their line breaks.
    Pem(Cow<'a, str>),
    /// A JWK or a JWK set.
    Json(Cow<'a, str>),
    /// The content of a PEM block.
    Der(Vec<u8>),
    /// A form that cannot be read.
    Other(PublicKeyError),
}

impl<'a> Form<'a> {
    /// `None` if the text is in no form of a key.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let text = text.trim_matches(is_blank);
        Self::of_text(text.into()).or_else(|| Self::of_bytes(base64(text)?))
    }

    /// What base64 is decoded to: the bytes of a key, or its text.
    fn of_bytes(bytes: Vec<u8>) -> Option<Self> {
        if der::is_sequence(&bytes) {
            return Some(Self::Der(bytes));
        }
        let text = String::from_utf8(bytes).ok()?;
        Self::of_text(text.trim_matches(is_blank).to_owned().into())
    }

    fn of_text(text: Cow<'a, str>) -> Option<Self> {
        if text.contains(BEGIN) {
            Some(Self::Pem(text))
        } else if text.starts_with(['{', '[']) {
            Some(Self::Json(text))
        } else if OPENSSH.iter().any(|start| text.starts_with(start)) {
            Some(Self::Other(PublicKeyError::OpenSsh))
        } else {
            None
        }
    }
}

/// The DER texts of the public keys in a PEM text: of the first certificate, or of all keys.
///
/// # Errors
/// The text contains a private key, or no public key.
pub(super) fn pem(text: &str) -> Result<Vec<Vec<u8>>, PublicKeyError> {
    let text = text.replace("\\r", "\n").replace("\\n", "\n");
    let mut keys = Vec::new();
    let mut is_chain = false;
    let mut other = PublicKeyError::NotPublicKeyPem;
    let mut rest = text.as_str();
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let block = Block::read(after).ok_or(PublicKeyError::IncompletePem)?;
        match Content::of(block.label) {
            Content::Certificate if keys.is_empty() => {
                is_chain = true;
                keys.push(block.der()?);
            }
            Content::PublicKey if !is_chain => keys.push(block.der()?),
            Content::Certificate | Content::PublicKey => {}
            Content::Private => return Err(block.private()),
            Content::Other(error) => other = error,
        }
        rest = block.rest;
    }
    if keys.is_empty() {
        return Err(other);
    }
    Ok(keys)
}

/// What follows `-----BEGIN `.
struct Block<'a> {
    label: &'a str,
    body: &'a str,
    rest: &'a str,
}

impl<'a> Block<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (label, text) = text.split_once("-----")?;
        let (body, text) = text.split_once("-----END ")?;
        let (_, rest) = text.split_once("-----")?;
        Some(Self { label, body, rest })
    }

    fn der(&self) -> Result<Vec<u8>, PublicKeyError> {
        base64(self.body).ok_or(PublicKeyError::IncompletePem)
    }

    /// Which private key it is (RFC 5958 §3, RFC 1421 §4.6.1.1).
    fn private(&self) -> PublicKeyError {
        if self.label.contains("ENCRYPTED") || self.body.contains("ENCRYPTED") {
            PublicKeyError::EncryptedKey
        } else {
            PublicKeyError::PrivateKey
        }
    }
}

/// What the label of a PEM block announces.
enum Content {
    Certificate,
    Other(PublicKeyError),
    Private,
    PublicKey,
}

impl Content {
    fn of(label: &str) -> Self {
        match label {
            "CERTIFICATE" | "TRUSTED CERTIFICATE" | "X509 CERTIFICATE" => Self::Certificate,
            "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => {
                Self::Other(PublicKeyError::CertificateRequest)
            }
            "DSA PUBLIC KEY" => Self::Other(PublicKeyError::Dsa),
            "EC PUBLIC KEY" | "PUBLIC KEY" | "RSA PUBLIC KEY" => Self::PublicKey,
            label if label.contains("PRIVATE KEY") => Self::Private,
            label if label.starts_with("SSH") => Self::Other(PublicKeyError::OpenSsh),
            _ => Self::Other(PublicKeyError::NotPublicKeyPem),
        }
    }
}

/// The bytes of a text in base64: standard or URL-safe, padded or not, with line breaks anywhere.
fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.replace("\\r", "").replace("\\n", "");
    let digits = text.chars().filter(|digit| !digit.is_whitespace());
    let digits: String = digits.collect();
    let digits = digits.trim_end_matches('=').as_bytes();
    BASE64_NOPAD
        .decode(digits)
        .or_else(|_| BASE64URL_NOPAD.decode(digits))
        .ok()
}

/// White space, or a byte order mark.
fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || letter == '\u{feff}'
}

const BEGIN: &str = "-----BEGIN ";

/// How OpenSSH keys begin (RFC 4253 §6.6, RFC 5656 §3.1, RFC 4716 §3).
const OPENSSH: [&str; 4] = ["ssh-", "ecdsa-sha2-", "sk-", "---- BEGIN SSH2"];
