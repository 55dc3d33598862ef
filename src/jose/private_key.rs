//! Private keys from PEM, with which this API authenticates as a client ([RFC 7523 §2.2]).
//!
//! [RFC 7523 §2.2]: https://www.rfc-editor.org/rfc/rfc7523#section-2.2

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RsaEncoding,
};
use data_encoding::BASE64URL_NOPAD;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

use super::Algorithm;
use super::digest::sha256;

/// A private key and the algorithm that it signs with; it has no `Debug` of its own parts, so that it cannot be printed.
#[derive(Clone)]
pub(crate) struct PrivateKey {
    material: Arc<Material>,
    algorithm: Algorithm,
    /// The hash of its DER.
    digest: [u8; 32],
}

impl PartialEq for PrivateKey {
    fn eq(&self, other: &Self) -> bool {
        (self.algorithm, self.digest) == (other.algorithm, other.digest)
    }
}

enum Material {
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(rsa::KeyPair),
}

impl PrivateKey {
    /// Reads an unencrypted key of PKCS#8, PKCS#1 or SEC 1. An RSA key signs with RS256.
    ///
    /// # Errors
    /// [`PrivateKeyError`], which shows nothing of the text.
    pub(crate) fn read(pem: &str) -> Result<Self, PrivateKeyError> {
        if pem.contains("ENCRYPTED") {
            return Err(PrivateKeyError::Encrypted);
        }
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| PrivateKeyError::Unreadable)?;
        let (material, algorithm) = rsa_key(&der)
            .or_else(|| ed25519_key(&der))
            .or_else(|| ec_key(&der))
            .ok_or(PrivateKeyError::OtherKind)?;
        Ok(Self {
            material: Arc::new(material),
            algorithm,
            digest: sha256(der.secret_der()),
        })
    }

    /// The same key, which signs with `algorithm`.
    ///
    /// # Errors
    /// The algorithm needs another kind of key.
    pub(crate) fn with_algorithm(self, algorithm: Algorithm) -> Result<Self, PrivateKeyError> {
        if algorithm.key_kind() == self.algorithm.key_kind() {
            Ok(Self { algorithm, ..self })
        } else {
            Err(PrivateKeyError::OtherAlgorithm)
        }
    }

    pub(crate) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Signs `input` as a JWS (RFC 7515 §5.1); `None` if the system gives no random numbers.
    pub(crate) fn sign(&self, input: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &*self.material {
            Material::Ec(pair) => pair
                .sign(&random, input)
                .ok()
                .map(|signature| signature.as_ref().to_vec()),
            Material::Ed25519(pair) => Some(pair.sign(input).as_ref().to_vec()),
            Material::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding(self.algorithm), &random, input, &mut signature)
                    .ok()?;
                Some(signature)
            }
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, redacted)", self.algorithm)
    }
}

fn rsa_key(der: &PrivateKeyDer<'_>) -> Option<(Material, Algorithm)> {
    let pair = match der {
        PrivateKeyDer::Pkcs1(key) => rsa::KeyPair::from_der(key.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(key) => rsa::KeyPair::from_pkcs8(key.secret_pkcs8_der()),
        _ => return None,
    };
    Some((Material::Rsa(pair.ok()?), Algorithm::Rs256))
}

fn ed25519_key(der: &PrivateKeyDer<'_>) -> Option<(Material, Algorithm)> {
    let PrivateKeyDer::Pkcs8(key) = der else {
        return None;
    };
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.secret_pkcs8_der()).ok()?;
    Some((Material::Ed25519(pair), Algorithm::EdDsa))
}

fn ec_key(der: &PrivateKeyDer<'_>) -> Option<(Material, Algorithm)> {
    CURVES.into_iter().find_map(|(algorithm, curve)| {
        let pair = match der {
            PrivateKeyDer::Pkcs8(key) => EcdsaKeyPair::from_pkcs8(curve, key.secret_pkcs8_der()),
            PrivateKeyDer::Sec1(key) => {
                EcdsaKeyPair::from_private_key_der(curve, key.secret_sec1_der())
            }
            _ => return None,
        };
        Some((Material::Ec(pair.ok()?), algorithm))
    })
}

/// An identifier of 128 random bits, base64url; `None` if the system gives no random numbers.
pub(crate) fn random_id() -> Option<String> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).ok()?;
    Some(BASE64URL_NOPAD.encode(&bytes))
}

const CURVES: [(Algorithm, &EcdsaSigningAlgorithm); 3] = [
    (
        Algorithm::Es256,
        &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
    ),
    (
        Algorithm::Es384,
        &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
    ),
    (
        Algorithm::Es512,
        &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
    ),
];

/// The padding of an RSA algorithm.
pub(super) fn padding(algorithm: Algorithm) -> &'static dyn RsaEncoding {
    match algorithm {
        Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_SHA512,
        _ => &signature::RSA_PKCS1_SHA256,
    }
}

/// Why a private key cannot be used; shows nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// The PEM text is encrypted.
    #[error(
        "the private key is encrypted: remove its passphrase (openssl pkey -in FILE -out FILE)"
    )]
    Encrypted,
    /// The algorithm needs another kind of key.
    #[error("the private key does not fit the algorithm")]
    OtherAlgorithm,
    /// The key is of a kind or size that is not supported.
    #[error("the private key must be RSA of 2048 to 8192 bits, P-256, P-384, P-521 or Ed25519")]
    OtherKind,
    /// The text is not the PEM of a private key.
    #[error(
        "the text is not the PEM of a private key (PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY)"
    )]
    Unreadable,
}

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use super::*;
    use crate::jose::jwk::Jwk;
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::signature::KeyPair;
    use serde_json::json;

    fn pem(label: &str, der: &[u8]) -> String {
        let body = data_encoding::BASE64.encode(der);
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    }

    fn rsa_pem() -> (String, rsa::KeyPair) {
        let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).expect("a key");
        let der = pair.as_der().expect("der");
        (pem("PRIVATE KEY", der.as_ref()), pair)
    }

    #[test]
    fn a_key_signs_what_its_public_half_verifies() {
        let (text, pair) = rsa_pem();
        let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let public = pair.public_key();
        let jwk = json!({
            "kty": "RSA",
            "n": encode(public.modulus().big_endian_without_leading_zero()),
            "e": encode(public.exponent().big_endian_without_leading_zero()),
        });
        let jwk = Jwk::parse(&jwk).expect("a JWK");
        for algorithm in [
            Algorithm::Rs256,
            Algorithm::Rs512,
            Algorithm::Ps256,
            Algorithm::Ps384,
        ] {
            let key = PrivateKey::read(&text).expect("a key");
            let key = key.with_algorithm(algorithm).expect("an RSA algorithm");
            let signature = key.sign(b"input").expect("a signature");
            assert!(jwk.verifies(algorithm, b"input", &signature), "{algorithm}");
        }
    }

    #[test]
    fn keys_of_every_kind_are_read() {
        for (algorithm, curve) in CURVES {
            let pair = EcdsaKeyPair::generate(curve).expect("a key");
            let pkcs8 = pair.to_pkcs8v1().expect("der");
            let key = PrivateKey::read(&pem("PRIVATE KEY", pkcs8.as_ref())).expect("a key");
            assert_eq!(key.algorithm(), algorithm);
            let sec1 = pair.private_key().as_der().expect("der");
            let key = PrivateKey::read(&pem("EC PRIVATE KEY", sec1.as_ref())).expect("a key");
            assert_eq!(key.algorithm(), algorithm);
            assert!(key.sign(b"input").is_some());
        }
        let ed25519 = Ed25519KeyPair::generate().expect("a key");
        let pkcs8 = ed25519.to_pkcs8().expect("der");
        let key = PrivateKey::read(&pem("PRIVATE KEY", pkcs8.as_ref())).expect("a key");
        assert_eq!(key.algorithm(), Algorithm::EdDsa);
        assert_eq!(
            PrivateKey::read(&rsa_pem().0).expect("a key").algorithm(),
            Algorithm::Rs256
        );
    }

    #[test]
    fn what_is_no_private_key_is_named() {
        let error = |text: &str| PrivateKey::read(text).err();
        assert_eq!(error(""), Some(PrivateKeyError::Unreadable));
        assert_eq!(
            error(&pem("PUBLIC KEY", b"x")),
            Some(PrivateKeyError::Unreadable)
        );
        assert_eq!(
            error(&pem("PRIVATE KEY", b"x")),
            Some(PrivateKeyError::OtherKind)
        );
        let encrypted = pem("ENCRYPTED PRIVATE KEY", b"x");
        assert_eq!(error(&encrypted), Some(PrivateKeyError::Encrypted));
        let key = PrivateKey::read(&rsa_pem().0).expect("a key");
        let other = key.with_algorithm(Algorithm::Es256).err();
        assert_eq!(other, Some(PrivateKeyError::OtherAlgorithm));
    }
}
