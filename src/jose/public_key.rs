//! Public keys as a person configures them: PEM, one JWK, or a JWK set.

use aws_lc_rs::rsa;
use aws_lc_rs::signature::ParsedPublicKey;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;

use super::Algorithm;
use super::algorithm::KeyKind;
use super::jwk::{self, Jwk, JwkError};
use super::signature::{Material, VerificationKey, point_parameters};

/// Reads every key in `text`, all of which must be usable.
///
/// # Errors
/// [`PublicKeyError`] says what cannot be used, without showing it.
pub(crate) fn read(text: &str) -> Result<Vec<Jwk>, PublicKeyError> {
    if text.trim_start().starts_with("-----BEGIN") {
        return Ok(vec![pem(text)?]);
    }
    let document: Value = serde_json::from_str(text).map_err(|_| PublicKeyError::Unreadable)?;
    let keys = match document.get("keys") {
        Some(Value::Array(keys)) => keys.as_slice(),
        Some(_) => return Err(PublicKeyError::Unreadable),
        None => std::slice::from_ref(&document),
    };
    if keys.is_empty() {
        return Err(PublicKeyError::Unreadable);
    }
    Ok(keys.iter().map(Jwk::parse).collect::<Result<_, _>>()?)
}

/// `-----BEGIN PUBLIC KEY-----`: a `SubjectPublicKeyInfo` (RFC 7468 §13).
fn pem(text: &str) -> Result<Jwk, PublicKeyError> {
    let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes())
        .map_err(|_| PublicKeyError::NotPublicKeyPem)?;
    let (kind, material) = material(&der).ok_or(PublicKeyError::Key(JwkError::OtherKind))??;
    let fits = |algorithm: &Algorithm| algorithm.key_kind() == kind;
    let algorithms: Vec<_> = Algorithm::ALL.into_iter().filter(fits).collect();
    let key = VerificationKey::new(material, &algorithms)
        .ok_or(PublicKeyError::Key(JwkError::Malformed))?;
    Ok(Jwk {
        key_id: None,
        thumbprint: String::new(),
        key,
    })
}

fn material(der: &[u8]) -> Option<Result<(KeyKind, Material), JwkError>> {
    if let Ok(key) = rsa::PublicKey::from_der(der) {
        let n = key.modulus().big_endian_without_leading_zero();
        let e = key.exponent().big_endian_without_leading_zero();
        return Some(jwk::rsa_material(n.to_vec(), e.to_vec()));
    }
    let points = [
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::Es512,
        Algorithm::EdDsa,
    ];
    let is_of = |algorithm: &Algorithm| {
        point_parameters(*algorithm)
            .is_some_and(|parameters| ParsedPublicKey::new(parameters, der).is_ok())
    };
    let algorithm = points.into_iter().find(is_of)?;
    Some(Ok((algorithm.key_kind(), Material::Point(der.to_vec()))))
}

/// Why a configured public key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// A key in it verifies no access tokens.
    #[error("{0}")]
    Key(#[from] JwkError),
    /// A PEM text, but no public key.
    #[error(
        "the PEM text holds no PUBLIC KEY (openssl pkey -pubout or openssl x509 -pubkey makes one)"
    )]
    NotPublicKeyPem,
    /// Neither PEM nor a JWK nor a JWK set.
    #[error("neither PEM nor a JWK nor a JWK set")]
    Unreadable,
}
