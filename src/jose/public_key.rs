//! Configured public keys: PEM, one JWK, or a JWK set.

use std::sync::Arc;

use aws_lc_rs::rsa;
use aws_lc_rs::signature::ParsedPublicKey;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;

use super::Algorithm;
use super::algorithm::KeyKind;
use super::jwk::{self, Jwk, JwkError};
use super::signature::{Material, VerificationKey, point_parameters};

/// The keys of a text that can be used, at least one, and why others of a JWK set cannot.
#[derive(Clone, Debug, Default)]
pub(crate) struct PublicKeys {
    pub(crate) usable: Vec<Arc<Jwk>>,
    pub(crate) skipped: Vec<JwkError>,
}

/// Reads the keys in `text`; those of a set that cannot be used are skipped.
///
/// # Errors
/// [`PublicKeyError`] if none can be used; it shows nothing of the text.
pub(crate) fn read(text: &str) -> Result<PublicKeys, PublicKeyError> {
    if text.trim_start().starts_with("-----BEGIN") {
        return Ok(PublicKeys {
            usable: vec![Arc::new(pem(text)?)],
            skipped: Vec::new(),
        });
    }
    let document: Value = serde_json::from_str(text).map_err(|_| PublicKeyError::Unreadable)?;
    let keys = match document.get("keys") {
        Some(Value::Array(keys)) => keys.as_slice(),
        Some(_) => return Err(PublicKeyError::Unreadable),
        None => std::slice::from_ref(&document),
    };
    let (usable, skipped): (Vec<_>, Vec<_>) = keys.iter().map(Jwk::parse).partition(Result::is_ok);
    let usable: Vec<_> = usable.into_iter().flatten().map(Arc::new).collect();
    let skipped: Vec<_> = skipped.into_iter().filter_map(Result::err).collect();
    if usable.is_empty() {
        let first = skipped.first().cloned();
        return Err(first.map_or(PublicKeyError::Unreadable, PublicKeyError::Key));
    }
    Ok(PublicKeys { usable, skipped })
}

/// `-----BEGIN PUBLIC KEY-----`: a `SubjectPublicKeyInfo` (RFC 7468 §13).
fn pem(text: &str) -> Result<Jwk, PublicKeyError> {
    let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes())
        .map_err(|_| PublicKeyError::NotPublicKeyPem)?;
    let (kind, material) = material(&der).ok_or(PublicKeyError::Key(JwkError::OtherKind))??;
    let fits = |algorithm: &Algorithm| algorithm.key_kind() == kind;
    let algorithms: Vec<_> = Algorithm::ALL.iter().copied().filter(fits).collect();
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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// A key in it verifies no access tokens.
    #[error(transparent)]
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

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use super::*;
    use crate::jose::signature::VerificationKey;
    use crate::test_kit::shared;
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair,
    };
    use serde_json::json;

    fn to_pem(label: &str, der: &[u8]) -> String {
        let body = data_encoding::BASE64.encode(der);
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    }

    fn algorithms(key: &VerificationKey) -> Vec<&'static str> {
        key.algorithms().map(Algorithm::name).collect()
    }

    #[test]
    fn pem_of_every_kind_is_read() {
        let rsa = RsaKeyPair::generate(rsa::KeySize::Rsa2048).expect("a key");
        let rsa = rsa.public_key().as_der().expect("der");
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let ec = ec.public_key().as_der().expect("der");
        let ed = Ed25519KeyPair::generate().expect("a key");
        let ed = ed.public_key().as_der().expect("der");
        for (der, first) in [
            (rsa.as_ref(), "RS256"),
            (ec.as_ref(), "ES256"),
            (ed.as_ref(), "EdDSA"),
        ] {
            let keys = read(&to_pem("PUBLIC KEY", der)).expect("a key").usable;
            assert_eq!(keys.len(), 1);
            assert_eq!(algorithms(&keys[0].key)[0], first);
        }
    }

    #[test]
    fn a_jwk_or_a_set_of_them_is_read() {
        let jwk = shared(Algorithm::Es256).public_jwk().expect("a public key");
        let usable = |text: &Value| read(&text.to_string()).map(|keys| keys.usable.len());
        assert_eq!(usable(&jwk), Ok(1));
        assert_eq!(usable(&json!({ "keys": [jwk, jwk] })), Ok(2));
    }

    #[test]
    fn keys_of_a_set_that_cannot_be_used_are_skipped_unless_none_is_left() {
        let jwk = shared(Algorithm::Es256).public_jwk().expect("a public key");
        let secret = json!({"kty": "oct", "k": "c2VjcmV0"});
        let set = |keys| json!({ "keys": keys }).to_string();
        let keys = read(&set(json!([secret, jwk, null]))).expect("one usable key");
        assert_eq!(
            (keys.usable.len(), keys.skipped),
            (1, vec![JwkError::NotPublic, JwkError::Malformed])
        );
        assert_eq!(
            read(&set(json!([secret, null]))).err(),
            Some(PublicKeyError::Key(JwkError::NotPublic))
        );
    }

    #[test]
    fn anything_else_is_rejected() {
        let error = |text: &str| read(text).err();
        for text in [
            "",
            "key",
            "{",
            "[]",
            "null",
            r#"{"keys":{}}"#,
            r#"{"keys":[]}"#,
        ] {
            let unreadable = matches!(
                error(text),
                Some(PublicKeyError::Unreadable | PublicKeyError::Key(_))
            );
            assert!(unreadable, "{text}");
        }
        assert_eq!(
            error(r#"{"kty":"oct","k":"c2VjcmV0"}"#),
            Some(PublicKeyError::Key(JwkError::NotPublic))
        );
        let private = to_pem("PRIVATE KEY", b"secret");
        assert_eq!(error(&private), Some(PublicKeyError::NotPublicKeyPem));
        let garbage = to_pem("PUBLIC KEY", b"garbage");
        assert_eq!(
            error(&garbage),
            Some(PublicKeyError::Key(JwkError::OtherKind))
        );
    }
}
