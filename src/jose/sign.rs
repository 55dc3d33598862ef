//! Makes signing keys at run time and signs with them, for the test kit and the development
//! issuer.
//!
//! Asymmetric signatures are aws-lc-rs's: biscuit signs with key pairs that only *ring* makes. HMAC
//! is biscuit's, so that tests compare the verdicts of aws-lc-rs with another implementation.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, PqdsaKeyPair, PqdsaSigningAlgorithm,
};
use biscuit::jwa::SignatureAlgorithm;
use biscuit::jws::Secret;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::jose::algorithm::{Algorithm, KeyKind};
use crate::jose::jwk::UnparsedJwk;
use crate::jose::private_key::{self, padding};

/// A key that signs tokens, with its `kid` and the algorithm it signs for.
///
/// The key exists only while the process runs: it is neither read from nor written to anything.
/// Clones share the key material.
///
/// # Examples
/// ```
/// use actix_resource_server::Algorithm;
/// use actix_resource_server::test_kit::SigningKey;
///
/// let key = SigningKey::generate(Algorithm::Es256).with_kid("first");
/// assert_eq!(key.kid(), "first");
/// assert_eq!(key.sign(b"header.payload").len(), 64);
/// ```
#[derive(Clone)]
pub struct SigningKey {
    material: Arc<Material>,
    algorithm: Algorithm,
    kid: String,
}

/// The private half; it has no `Debug`, so that it cannot be printed.
enum Material {
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Hmac(Secret),
    MlDsa(PqdsaKeyPair),
    Rsa(rsa::KeyPair),
}

impl SigningKey {
    /// Makes a key for `algorithm` with a random `kid`.
    ///
    /// RSA keys have 2048 bits, EC keys the algorithm's curve, HMAC secrets the length of the
    /// hash. An RSA key takes a few tenths of a second in a debug build.
    #[must_use]
    pub fn generate(algorithm: Algorithm) -> Self {
        Self::of(Material::generate(algorithm), algorithm)
    }

    /// Takes the UTF-8 bytes of `secret` as the key of an HMAC, however short they are.
    ///
    /// An `algorithm` that uses no secret is taken to be HS256.
    #[must_use]
    pub fn from_secret(secret: &str, algorithm: Algorithm) -> Self {
        let symmetric = algorithm.is_symmetric();
        let algorithm = if symmetric {
            algorithm
        } else {
            Algorithm::Hs256
        };
        Self::of(Material::Hmac(Secret::bytes_from_str(secret)), algorithm)
    }

    fn of(material: Material, algorithm: Algorithm) -> Self {
        Self {
            material: Arc::new(material),
            algorithm,
            kid: random_id(),
        }
    }

    /// The same key under another `kid`.
    #[must_use]
    pub fn with_kid(self, kid: &str) -> Self {
        Self {
            kid: kid.to_owned(),
            ..self
        }
    }

    /// The same key signing for another algorithm: for example PS256 with a key made for RS256.
    ///
    /// Where `algorithm` needs another kind of key, one is made and the `kid` kept.
    #[must_use]
    pub fn with_algorithm(self, algorithm: Algorithm) -> Self {
        if algorithm.key_kind() == self.algorithm.key_kind() {
            return Self { algorithm, ..self };
        }
        Self::generate(algorithm).with_kid(&self.kid)
    }

    /// The name under which the key is published.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The algorithm of the signatures.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public half as a JSON Web Key with `use` and `alg` ([RFC 7517 §4]); `None` for an HMAC
    /// secret, which has no public half.
    ///
    /// [RFC 7517 §4]: https://www.rfc-editor.org/rfc/rfc7517#section-4
    #[must_use]
    pub fn public_jwk(&self) -> Option<Value> {
        let mut jwk = self.public_members()?;
        if let Value::Object(members) = &mut jwk {
            members.insert("kid".to_owned(), self.kid.as_str().into());
            members.insert("use".to_owned(), "sig".into());
            members.insert("alg".to_owned(), self.algorithm.name().into());
        }
        Some(jwk)
    }

    /// The SHA-256 thumbprint of the public half ([RFC 7638]), as `cnf.jkt` carries it; `None` for an HMAC secret.
    ///
    /// [RFC 7638]: https://www.rfc-editor.org/rfc/rfc7638
    #[must_use]
    pub fn thumbprint(&self) -> Option<String> {
        let key = UnparsedJwk::read(&self.public_members()?).ok()?;
        Some(key.thumbprint)
    }

    /// The key's own members, without those about its use (RFC 7518 §6, RFC 8037 §2).
    pub(crate) fn public_members(&self) -> Option<Value> {
        match &*self.material {
            Material::Ec(pair) => {
                let (x, y) = coordinates(pair.public_key().as_ref())?;
                let crv = curve_name(self.algorithm)?;
                Some(json!({"kty": "EC", "crv": crv, "x": encode(x), "y": encode(y)}))
            }
            Material::Ed25519(pair) => {
                let x = encode(pair.public_key().as_ref());
                Some(json!({"kty": "OKP", "crv": "Ed25519", "x": x}))
            }
            Material::Hmac(_) => None,
            Material::MlDsa(pair) => {
                let public = encode(pair.public_key().as_ref());
                Some(json!({"kty": "AKP", "alg": self.algorithm.name(), "pub": public}))
            }
            Material::Rsa(pair) => {
                let n = encode(
                    pair.public_key()
                        .modulus()
                        .big_endian_without_leading_zero(),
                );
                let e = encode(
                    pair.public_key()
                        .exponent()
                        .big_endian_without_leading_zero(),
                );
                Some(json!({"kty": "RSA", "n": n, "e": e}))
            }
        }
    }

    /// Signs `signing_input` as a JWS ([RFC 7515 §5.1]): ECDSA signatures are the two numbers side by
    /// side, and PSS uses a salt as long as the hash.
    ///
    /// [RFC 7515 §5.1]: https://www.rfc-editor.org/rfc/rfc7515#section-5.1
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "key and algorithm are of one kind, so only an exhausted machine fails here"
    )]
    pub fn sign(&self, signing_input: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &*self.material {
            Material::Ec(pair) => {
                let signature = pair.sign(&random, signing_input).expect("ECDSA signs");
                signature.as_ref().to_vec()
            }
            Material::Ed25519(pair) => pair.sign(signing_input).as_ref().to_vec(),
            Material::Hmac(secret) => hmac_algorithm(self.algorithm)
                .sign(signing_input, secret)
                .expect("HMAC signs"),
            Material::MlDsa(pair) => {
                let mut signature = vec![0; pair.algorithm().signature_len()];
                pair.sign(signing_input, &mut signature)
                    .expect("ML-DSA signs");
                signature
            }
            Material::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    padding(self.algorithm),
                    &random,
                    signing_input,
                    &mut signature,
                )
                .expect("RSA signs");
                signature
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl Material {
    #[expect(
        clippy::expect_used,
        reason = "nothing is read: only an exhausted machine fails to make a key"
    )]
    fn generate(algorithm: Algorithm) -> Self {
        let curve = match algorithm.key_kind() {
            KeyKind::Ed25519 => {
                return Self::Ed25519(Ed25519KeyPair::generate().expect("an Ed25519 key is made"));
            }
            KeyKind::Rsa => {
                let size = rsa::KeySize::Rsa2048;
                return Self::Rsa(rsa::KeyPair::generate(size).expect("an RSA key is made"));
            }
            KeyKind::Symmetric => {
                let mut secret = vec![0; algorithm.shortest_secret()];
                rand::fill(&mut secret).expect("the system is random");
                return Self::Hmac(Secret::Bytes(secret));
            }
            KeyKind::MlDsa44 => return Self::ml_dsa(&signature::ML_DSA_44_SIGNING),
            KeyKind::MlDsa65 => return Self::ml_dsa(&signature::ML_DSA_65_SIGNING),
            KeyKind::MlDsa87 => return Self::ml_dsa(&signature::ML_DSA_87_SIGNING),
            KeyKind::P256 => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            KeyKind::P384 => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
            KeyKind::P521 => &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
        };
        Self::Ec(EcdsaKeyPair::generate(curve).expect("an EC key is made"))
    }

    #[expect(
        clippy::expect_used,
        reason = "nothing is read: only an exhausted machine fails to make a key"
    )]
    fn ml_dsa(algorithm: &'static PqdsaSigningAlgorithm) -> Self {
        Self::MlDsa(PqdsaKeyPair::generate(algorithm).expect("an ML-DSA key is made"))
    }
}

/// A name that no other has: 128 random bits, base64url.
#[expect(
    clippy::expect_used,
    reason = "nothing is read: only an exhausted machine fails to be random"
)]
pub(crate) fn random_id() -> String {
    private_key::random_id().expect("the system is random")
}

fn encode(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// The two halves of an uncompressed point, `0x04 || x || y` (SEC 1 §2.3.3).
fn coordinates(point: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, both) = point.split_first()?;
    both.split_at_checked(both.len() / 2)
}

const fn curve_name(algorithm: Algorithm) -> Option<&'static str> {
    match algorithm.key_kind() {
        KeyKind::P256 => Some("P-256"),
        KeyKind::P384 => Some("P-384"),
        KeyKind::P521 => Some("P-521"),
        KeyKind::Ed25519
        | KeyKind::MlDsa44
        | KeyKind::MlDsa65
        | KeyKind::MlDsa87
        | KeyKind::Rsa
        | KeyKind::Symmetric => None,
    }
}

const fn hmac_algorithm(algorithm: Algorithm) -> SignatureAlgorithm {
    match algorithm {
        Algorithm::Hs384 => SignatureAlgorithm::HS384,
        Algorithm::Hs512 => SignatureAlgorithm::HS512,
        _ => SignatureAlgorithm::HS256,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use aws_lc_rs::hmac;
    use aws_lc_rs::signature::{UnparsedPublicKey, VerificationAlgorithm};
    use biscuit::jwk::AlgorithmParameters;

    use super::*;

    const INPUT: &[u8] = b"header.payload";

    fn key_for(algorithm: Algorithm) -> SigningKey {
        static RSA: OnceLock<SigningKey> = OnceLock::new();
        if algorithm.key_kind() != KeyKind::Rsa {
            return SigningKey::generate(algorithm);
        }
        let rsa = RSA.get_or_init(|| SigningKey::generate(Algorithm::Rs256));
        rsa.clone().with_algorithm(algorithm)
    }

    /// The verdict of aws-lc-rs, from the published members alone.
    fn holds(key: &SigningKey, input: &[u8], signature: &[u8]) -> bool {
        let jwk = key.public_jwk().unwrap();
        let member = |name: &str| {
            let text = jwk[name].as_str().unwrap();
            BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()
        };
        if jwk["kty"] == "AKP" {
            let parameters = match key.algorithm() {
                Algorithm::MlDsa44 => &signature::ML_DSA_44,
                Algorithm::MlDsa65 => &signature::ML_DSA_65,
                Algorithm::MlDsa87 => &signature::ML_DSA_87,
                other => panic!("{other} is not ML-DSA"),
            };
            let public = UnparsedPublicKey::new(parameters, member("pub"));
            return public.verify(input, signature).is_ok();
        }
        if jwk["kty"] == "RSA" {
            let parameters = match key.algorithm() {
                Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
                Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
                Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
                Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
                Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
                Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
                other => panic!("{other} is not for RSA"),
            };
            let public = signature::RsaPublicKeyComponents {
                n: member("n"),
                e: member("e"),
            };
            return public.verify(parameters, input, signature).is_ok();
        }
        let (verifier, point): (&'static dyn VerificationAlgorithm, _) = match key.algorithm() {
            Algorithm::EdDsa => (&signature::ED25519, member("x")),
            Algorithm::Es256 => (&signature::ECDSA_P256_SHA256_FIXED, point(&member)),
            Algorithm::Es384 => (&signature::ECDSA_P384_SHA384_FIXED, point(&member)),
            Algorithm::Es512 => (&signature::ECDSA_P521_SHA512_FIXED, point(&member)),
            other => panic!("{other} is not for EC"),
        };
        UnparsedPublicKey::new(verifier, point)
            .verify(input, signature)
            .is_ok()
    }

    fn point(member: &dyn Fn(&str) -> Vec<u8>) -> Vec<u8> {
        [vec![4], member("x"), member("y")].concat()
    }

    fn names(jwk: &Value) -> Vec<&String> {
        let mut names: Vec<_> = jwk.as_object().unwrap().keys().collect();
        names.sort();
        names
    }

    #[test]
    fn every_signature_holds_under_the_published_key() {
        for algorithm in Algorithm::ALL
            .iter()
            .copied()
            .filter(|one| !one.is_symmetric())
        {
            let key = key_for(algorithm);
            let signature = key.sign(INPUT);
            assert!(holds(&key, INPUT, &signature), "{algorithm}");
            assert!(!holds(&key, b"header.other", &signature), "{algorithm}");
        }
    }

    #[test]
    fn an_hmac_agrees_with_aws_lc_rs() {
        let hashes = [
            (Algorithm::Hs256, hmac::HMAC_SHA256),
            (Algorithm::Hs384, hmac::HMAC_SHA384),
            (Algorithm::Hs512, hmac::HMAC_SHA512),
        ];
        for (algorithm, hash) in hashes {
            let key = SigningKey::from_secret("passphrase", algorithm);
            let other = hmac::Key::new(hash, b"passphrase");
            assert_eq!(key.algorithm(), algorithm);
            assert!(
                hmac::verify(&other, INPUT, &key.sign(INPUT)).is_ok(),
                "{algorithm}"
            );
        }
    }

    #[test]
    fn biscuit_reads_the_published_keys_and_agrees() {
        let known = [
            (Algorithm::Rs256, SignatureAlgorithm::RS256),
            (Algorithm::Ps384, SignatureAlgorithm::PS384),
            (Algorithm::Es256, SignatureAlgorithm::ES256),
            (Algorithm::Es384, SignatureAlgorithm::ES384),
        ];
        for (algorithm, biscuits) in known {
            let key = key_for(algorithm);
            let secret = match serde_json::from_value(key.public_jwk().unwrap()).unwrap() {
                AlgorithmParameters::EllipticCurve(ec) => ec.jws_public_key_secret(),
                AlgorithmParameters::RSA(rsa) => rsa.jws_public_key_secret(),
                _ => panic!("{algorithm} has an asymmetric key"),
            };
            assert!(
                biscuits.verify(&key.sign(INPUT), INPUT, &secret).is_ok(),
                "{algorithm}"
            );
        }
    }

    #[test]
    fn the_published_key_has_its_use_and_nothing_private() {
        let ec = SigningKey::generate(Algorithm::Es512).with_kid("first");
        let jwk = ec.public_jwk().unwrap();
        assert_eq!(names(&jwk), ["alg", "crv", "kid", "kty", "use", "x", "y"]);
        assert_eq!((&jwk["kid"], &jwk["use"]), (&json!("first"), &json!("sig")));
        assert_eq!(
            (&jwk["alg"], &jwk["crv"]),
            (&json!("ES512"), &json!("P-521"))
        );

        let rsa = key_for(Algorithm::Ps256).public_jwk().unwrap();
        assert_eq!(names(&rsa), ["alg", "e", "kid", "kty", "n", "use"]);
        assert_eq!((&rsa["alg"], &rsa["e"]), (&json!("PS256"), &json!("AQAB")));
    }

    #[test]
    fn the_thumbprint_is_that_of_the_published_key() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Ps256] {
            let key = key_for(algorithm);
            let read = crate::jose::jwk::Jwk::parse(&key.public_jwk().unwrap()).unwrap();
            assert_eq!(key.thumbprint(), Some(read.thumbprint));
        }
        assert_eq!(SigningKey::generate(Algorithm::Hs256).thumbprint(), None);
    }

    #[test]
    fn a_secret_is_never_published() {
        assert_eq!(SigningKey::generate(Algorithm::Hs256).public_jwk(), None);
    }

    #[test]
    fn a_generated_secret_is_as_long_as_its_hash_and_never_the_same() {
        for (algorithm, length) in [
            (Algorithm::Hs256, 32),
            (Algorithm::Hs384, 48),
            (Algorithm::Hs512, 64),
        ] {
            let Material::Hmac(Secret::Bytes(secret)) = Material::generate(algorithm) else {
                panic!("{algorithm} uses a secret");
            };
            assert_eq!(secret.len(), length);
            let other = SigningKey::generate(algorithm);
            assert_ne!(
                other.sign(INPUT),
                SigningKey::generate(algorithm).sign(INPUT)
            );
        }
    }

    #[test]
    fn another_algorithm_keeps_the_key_where_it_can() {
        let key = SigningKey::from_secret("passphrase", Algorithm::Hs256).with_kid("one");
        let longer = key.clone().with_algorithm(Algorithm::Hs512);
        assert_eq!(
            longer.sign(INPUT),
            SigningKey::from_secret("passphrase", Algorithm::Hs512).sign(INPUT)
        );

        let other = key.with_algorithm(Algorithm::Es256);
        assert_eq!((other.kid(), other.algorithm()), ("one", Algorithm::Es256));
        assert!(holds(&other, INPUT, &other.sign(INPUT)));
    }

    #[test]
    fn a_secret_for_an_asymmetric_algorithm_signs_hs256() {
        let key = SigningKey::from_secret("passphrase", Algorithm::Rs256);
        assert_eq!(key.algorithm(), Algorithm::Hs256);
    }

    #[test]
    fn every_key_has_its_own_kid_and_none_prints_itself() {
        let key = SigningKey::from_secret("passphrase", Algorithm::Hs256);
        assert_ne!(
            key.kid(),
            SigningKey::from_secret("passphrase", Algorithm::Hs256).kid()
        );
        assert_eq!(
            format!("{:?}", key.with_kid("one")),
            r#"SigningKey { algorithm: Hs256, kid: "one", .. }"#
        );
    }
}
