//! The public key in a DER text (X.690 §10): a `SubjectPublicKeyInfo`, an `RSAPublicKey` or a certificate.

use super::PublicKeyError;

/// One element: its tag, its content, and both together with the length.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
}

/// Where a public key is in its DER text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PublicKeyDer<'a> {
    /// A `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7) or an `RSAPublicKey` (RFC 8017 §A.1.1).
    Key(&'a [u8]),
    /// The `RSAPublicKey` of a key that is restricted to RSASSA-PSS (RFC 4055 §1.2).
    Pss(&'a [u8]),
}

/// Whether the bytes are one DER sequence and nothing else.
pub(super) fn is_sequence(der: &[u8]) -> bool {
    matches!(Element::read(der), Some((element, [])) if element.tag == SEQUENCE)
}

/// Finds the public key by the structure of the text.
///
/// # Errors
/// It is the text of something else, which the error names.
pub(super) fn public_key(der: &[u8]) -> Result<PublicKeyDer<'_>, PublicKeyError> {
    let members = members(der).ok_or(PublicKeyError::Unreadable)?;
    match &members[..] {
        // The version with which private keys begin (RFC 5208 §5, RFC 8017 §A.1.2, RFC 5915 §3).
        [
            Element {
                tag: INTEGER,
                content: [_],
                ..
            },
            ..,
        ] => Err(PublicKeyError::PrivateKey),
        [Element { tag: INTEGER, .. }, Element { tag: INTEGER, .. }] => Ok(PublicKeyDer::Key(der)),
        [
            Element { tag: SEQUENCE, .. },
            Element {
                tag: OCTET_STRING, ..
            },
        ] => Err(PublicKeyError::EncryptedKey),
        [
            algorithm,
            key @ Element {
                tag: BIT_STRING, ..
            },
        ] => of_algorithm(der, algorithm, key),
        [
            certified,
            Element { tag: SEQUENCE, .. },
            Element {
                tag: BIT_STRING, ..
            },
        ] => public_key_of_certificate(certified),
        _ => Err(PublicKeyError::Unreadable),
    }
}

/// The key of a `SubjectPublicKeyInfo`, unless its algorithm is named here.
fn of_algorithm<'a>(
    der: &'a [u8],
    algorithm: &Element<'a>,
    key: &Element<'a>,
) -> Result<PublicKeyDer<'a>, PublicKeyError> {
    match Element::read(algorithm.content).map(|(identifier, _)| identifier.content) {
        Some(DSA) => Err(PublicKeyError::Dsa),
        Some(RSASSA_PSS) => match key.content.split_first() {
            Some((0, key)) => Ok(PublicKeyDer::Pss(key)),
            _ => Err(PublicKeyError::Unreadable),
        },
        _ => Ok(PublicKeyDer::Key(der)),
    }
}

/// The `SubjectPublicKeyInfo` of a `TBSCertificate`, of version 1 too: after serial number, signature, issuer, validity
/// and subject (RFC 5280 §4.1).
fn public_key_of_certificate<'a>(
    certified: &Element<'a>,
) -> Result<PublicKeyDer<'a>, PublicKeyError> {
    let members = members(certified.whole).ok_or(PublicKeyError::Unreadable)?;
    let mut members = members
        .into_iter()
        .skip_while(|member| member.tag == EXPLICIT_VERSION);
    let info = members.nth(5).ok_or(PublicKeyError::CertificateRequest)?;
    match public_key(info.whole)? {
        key @ (PublicKeyDer::Key(_) | PublicKeyDer::Pss(_)) if info.tag == SEQUENCE => Ok(key),
        _ => Err(PublicKeyError::Unreadable),
    }
}

/// The validity period in a certificate (RFC 5280 §4.1.2.5): its two times, each with its tag and text.
#[cfg(feature = "service")]
pub(crate) fn validity(certificate: &[u8]) -> Option<[(u8, &[u8]); 2]> {
    let certified = members(certificate)?.into_iter().next()?;
    let mut members_of_certified = members(certified.whole)?
        .into_iter()
        .skip_while(|member| member.tag == EXPLICIT_VERSION);
    // After serial number, signature and issuer.
    let validity = members(members_of_certified.nth(3)?.whole)?;
    let times: [Element<'_>; 2] = validity.try_into().ok()?;
    Some(times.map(|time| (time.tag, time.content)))
}

/// The members of the one sequence that the bytes are.
fn members(der: &[u8]) -> Option<Vec<Element<'_>>> {
    let (sequence, rest) = Element::read(der)?;
    if sequence.tag != SEQUENCE || !rest.is_empty() {
        return None;
    }
    let mut members = Vec::new();
    let mut rest = sequence.content;
    while !rest.is_empty() {
        let (member, after) = Element::read(rest)?;
        members.push(member);
        rest = after;
    }
    Some(members)
}

impl<'a> Element<'a> {
    /// The first element, and what follows it.
    fn read(input: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&tag, rest) = input.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match usize::from(first) {
            short @ ..0x80 => (short, rest),
            long => {
                let (length, rest) = rest.split_at_checked(long - 0x80)?;
                (big_endian(length)?, rest)
            }
        };
        let (content, rest) = rest.split_at_checked(length)?;
        let whole = input.get(..input.len().checked_sub(rest.len())?)?;
        Some((
            Self {
                tag,
                content,
                whole,
            },
            rest,
        ))
    }
}

fn big_endian(bytes: &[u8]) -> Option<usize> {
    if !(1..=MAX_LENGTH_BYTES).contains(&bytes.len()) {
        return None;
    }
    let number = bytes
        .iter()
        .fold(0, |number, byte| (number << 8) | u32::from(*byte));
    usize::try_from(number).ok()
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
const EXPLICIT_VERSION: u8 = 0xa0;

/// 1.2.840.10040.4.1
const DSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01];

/// 1.2.840.113549.1.1.10
const RSASSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];

/// Far more than a text of 1 MiB needs.
const MAX_LENGTH_BYTES: usize = 4;
