//! Configured public keys: PEM, DER in base64, a certificate, one JWK, or a JWK set.

mod der;
mod form;

use std::sync::Arc;

use aws_lc_rs::rsa;
use aws_lc_rs::signature::ParsedPublicKey;
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

use self::der::PublicKeyDer;
#[cfg(feature = "service")]
pub(crate) use self::der::validity;
use self::form::Form;
use super::Algorithm;
use super::algorithm::KeyKind;
use super::digest::sha256;
use super::jwk::{self, Jwk, JwkError};
use super::signature::{Material, VerificationKey, point_parameters};

/// The keys of a text that can be used, at least one, and why others of a JWK set cannot.
#[derive(Clone, Debug, Default)]
pub(crate) struct PublicKeys {
    pub(crate) usable: Vec<Arc<Jwk>>,
    pub(crate) skipped: Vec<JwkError>,
}

impl PartialEq for PublicKeys {
    fn eq(&self, other: &Self) -> bool {
        let is_same =
            |(one, other): (&Arc<Jwk>, &Arc<Jwk>)| one.key_id == other.key_id && one.is_same(other);
        self.usable.len() == other.usable.len()
            && self.usable.iter().zip(&other.usable).all(is_same)
            && self.skipped == other.skipped
    }
}

/// Whether the text is a key, or a form of one that cannot be read; others may be the path of a file.
#[cfg(feature = "service")]
pub(crate) fn is_key(text: &str) -> bool {
    Form::of(text).is_some()
}

/// Reads the keys in `text`; those of a set that cannot be used are skipped.
///
/// # Errors
/// [`PublicKeyError`] if none can be used; it shows nothing of the text.
pub(crate) fn read(text: &str) -> Result<PublicKeys, PublicKeyError> {
    let keys = match Form::of(text).ok_or(PublicKeyError::Unreadable)? {
        Form::Json(text) => return json(&text),
        Form::Pem(text) => form::pem(&text)?,
        Form::Der(der) => vec![der],
        Form::Other(error) => return Err(error),
    };
    let keys = keys.iter().map(|der| of_der(der).map(Arc::new));
    Ok(PublicKeys {
        usable: keys.collect::<Result<_, _>>()?,
        skipped: Vec::new(),
    })
}

/// A JWK or a JWK set.
fn json(text: &str) -> Result<PublicKeys, PublicKeyError> {
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

/// The key in a DER text, for every algorithm of its kind.
fn of_der(der: &[u8]) -> Result<Jwk, PublicKeyError> {
    let (der, is_pss) = match der::public_key(der)? {
        PublicKeyDer::Key(der) => (der, false),
        PublicKeyDer::Pss(der) => (der, true),
    };
    let (kind, material) = material(der).ok_or(PublicKeyError::Key(JwkError::OtherKind))??;
    let fits = |algorithm: &Algorithm| {
        algorithm.key_kind() == kind && (!is_pss || algorithm.name().starts_with("PS"))
    };
    let algorithms: Vec<_> = Algorithm::ALL.iter().copied().filter(fits).collect();
    let key = VerificationKey::new(material, &algorithms)
        .ok_or(PublicKeyError::Key(JwkError::Malformed))?;
    Ok(Jwk {
        key_id: None,
        issuer: None,
        thumbprint: BASE64URL_NOPAD.encode(&sha256(der)),
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
    /// A request for a certificate (RFC 2986).
    #[error(
        "it is a certificate request: set the certificate or the public key (openssl req -pubkey)"
    )]
    CertificateRequest,
    /// A key for DSA, which no JWT is signed with.
    #[error("it is a DSA key, which verifies no JWT: an RSA, EC or Ed25519 key is needed")]
    Dsa,
    /// A private key, encrypted.
    #[error(
        "it is an encrypted private key, which the issuer alone may have: set its public key (openssl pkey -pubout)"
    )]
    EncryptedKey,
    /// A PEM text without its end, or with other characters than base64.
    #[error("the PEM text is incomplete: copy it whole, from BEGIN to END")]
    IncompletePem,
    /// A key in it verifies no access tokens.
    #[error(transparent)]
    Key(#[from] JwkError),
    /// A PEM text, but no public key.
    #[error(
        "the PEM text holds no PUBLIC KEY (openssl pkey -pubout or openssl x509 -pubkey makes one)"
    )]
    NotPublicKeyPem,
    /// A key in the form of OpenSSH.
    #[error("it is an OpenSSH key: convert it (ssh-keygen -e -m PKCS8 -f key.pub)")]
    OpenSsh,
    /// A private key.
    #[error(
        "it is a private key, which the issuer alone may have: set its public key (openssl pkey -pubout)"
    )]
    PrivateKey,
    /// Neither PEM, DER nor a JWK nor a JWK set.
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

    fn rsa_pair() -> RsaKeyPair {
        RsaKeyPair::generate(rsa::KeySize::Rsa2048).expect("a key")
    }

    /// A self-signed certificate, and its key as SPKI.
    fn certificate() -> (Vec<u8>, Vec<u8>) {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec!["a.example".into()]).expect("a name");
        let certificate = params.self_signed(&key).expect("a certificate");
        let spki = rcgen::PublicKeyData::subject_public_key_info(&key);
        (certificate.der().to_vec(), spki)
    }

    #[test]
    fn a_key_is_read_in_every_form_in_which_it_is_delivered() {
        let pair = rsa_pair();
        let der = pair.public_key().as_der().expect("der");
        let der = der.as_ref();
        let body = data_encoding::BASE64.encode(der);
        let lines: Vec<_> = body
            .as_bytes()
            .chunks(64)
            .map(String::from_utf8_lossy)
            .collect();
        let block = |separator: &str| {
            let body = lines.join(separator);
            format!(
                "-----BEGIN PUBLIC KEY-----{separator}{body}{separator}-----END PUBLIC KEY-----"
            )
        };
        let pem = block("\n");
        let jwk = shared(Algorithm::Rs256)
            .public_jwk()
            .expect("a key")
            .to_string();
        let (certificate, spki) = certificate();
        let url_safe = BASE64URL_NOPAD.encode(der);
        for text in [
            pem.clone(),
            block("\r\n"),
            block("\\n"),
            block("\\r\\n"),
            block(" "),
            block(""),
            block("\n   \t"),
            format!("\u{feff} {pem}\n\n"),
            format!("Bag Attributes\n{pem}"),
            to_pem("RSA PUBLIC KEY", pair.public_key().as_ref()),
            to_pem("CERTIFICATE", &certificate),
            to_pem("PUBLIC KEY", &spki),
            lines.join("\n"),
            body.clone(),
            url_safe,
            data_encoding::BASE64.encode(pair.public_key().as_ref()),
            data_encoding::BASE64.encode(&certificate),
            data_encoding::BASE64.encode(pem.as_bytes()),
            data_encoding::BASE64.encode(jwk.as_bytes()),
            format!("\u{feff}{jwk}\n"),
        ] {
            assert_eq!(read(&text).map(|keys| keys.usable.len()), Ok(1), "{text}");
        }
        assert_eq!(
            read(&(pem.clone() + &pem)).map(|keys| keys.usable.len()),
            Ok(2)
        );
        let chain = to_pem("CERTIFICATE", &certificate).repeat(2) + &pem;
        assert_eq!(read(&chain).map(|keys| keys.usable.len()), Ok(1));
    }

    /// The DER element of these members.
    fn element(tag: u8, members: &[&[u8]]) -> Vec<u8> {
        let content = members.concat();
        let [high, low] = u16::try_from(content.len())
            .expect("a length")
            .to_be_bytes();
        [&[tag, 0x82, high, low], &content[..]].concat()
    }

    #[test]
    fn a_certificate_of_version_1_and_a_key_for_rsassa_pss_are_read() {
        let pair = rsa_pair();
        let spki = pair.public_key().as_der().expect("der");
        let (empty, serial) = (element(0x30, &[]), element(0x02, &[&[1, 2]]));
        let signature = element(0x03, &[&[0, 1]]);
        let certified = [&serial[..], &empty, &empty, &empty, &empty, spki.as_ref()];
        let of =
            |certified: &[&[u8]]| element(0x30, &[&element(0x30, certified), &empty, &signature]);
        let keys = read(&to_pem("CERTIFICATE", &of(&certified)))
            .expect("a key")
            .usable;
        assert_eq!(algorithms(&keys[0].key)[0], "RS256");
        let request = to_pem("CERTIFICATE", &of(&certified[..4]));
        assert_eq!(
            read(&request).err(),
            Some(PublicKeyError::CertificateRequest)
        );
        let identifier = |bytes: &[u8]| element(0x30, &[&element(0x06, &[bytes])]);
        let key = element(0x03, &[&[0], pair.public_key().as_ref()]);
        let pss = identifier(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0a]);
        let pss = element(0x30, &[&pss, &key]);
        let keys = read(&to_pem("PUBLIC KEY", &pss)).expect("a key").usable;
        assert_eq!(algorithms(&keys[0].key), ["PS256", "PS384", "PS512"]);
        let dsa = identifier(&[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01]);
        let dsa = to_pem("PUBLIC KEY", &element(0x30, &[&dsa, &key]));
        assert_eq!(read(&dsa).err(), Some(PublicKeyError::Dsa));
    }

    #[test]
    fn what_is_no_public_key_is_named() {
        let private = element(
            0x30,
            &[
                &[0x02, 1, 0],
                &element(0x30, &[]),
                &element(0x04, &[b"hush"]),
            ],
        );
        let encrypted = element(0x30, &[&element(0x30, &[]), &element(0x04, &[b"hush"])]);
        let public = to_pem(
            "PUBLIC KEY",
            rsa_pair().public_key().as_der().expect("der").as_ref(),
        );
        for (text, expected) in [
            (to_pem("PRIVATE KEY", &private), PublicKeyError::PrivateKey),
            (to_pem("RSA PRIVATE KEY", &private), PublicKeyError::PrivateKey),
            (to_pem("OPENSSH PRIVATE KEY", b"hush"), PublicKeyError::PrivateKey),
            (to_pem("PUBLIC KEY", &private), PublicKeyError::PrivateKey),
            (data_encoding::BASE64.encode(&private), PublicKeyError::PrivateKey),
            (public.clone() + &to_pem("EC PRIVATE KEY", &private), PublicKeyError::PrivateKey),
            (to_pem("ENCRYPTED PRIVATE KEY", &encrypted), PublicKeyError::EncryptedKey),
            (data_encoding::BASE64.encode(&encrypted), PublicKeyError::EncryptedKey),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----".into(),
                PublicKeyError::EncryptedKey,
            ),
            ("ssh-rsa AAAAB3NzaC1yc2E user".into(), PublicKeyError::OpenSsh),
            ("---- BEGIN SSH2 PUBLIC KEY ----".into(), PublicKeyError::OpenSsh),
            (to_pem("CERTIFICATE REQUEST", b"x"), PublicKeyError::CertificateRequest),
            (to_pem("DSA PUBLIC KEY", b"x"), PublicKeyError::Dsa),
            (to_pem("PGP PUBLIC KEY BLOCK", b"x"), PublicKeyError::NotPublicKeyPem),
            (public[..200].into(), PublicKeyError::IncompletePem),
            (public.replacen('A', "!", 1), PublicKeyError::IncompletePem),
        ] {
            let error = read(&text).expect_err("an error");
            assert!(!error.to_string().contains("hush"));
            assert_eq!(error, expected, "{text}");
        }
    }

    #[test]
    fn cut_der_is_rejected() {
        let (certificate, _) = certificate();
        for length in 0..certificate.len() {
            assert!(of_der(&certificate[..length]).is_err(), "{length}");
        }
        for input in [
            &[0x30, 0x80][..],
            &[0x30, 0x89],
            &[0x30, 0x84, 255, 255, 255, 255],
            &[0x30],
        ] {
            assert!(of_der(input).is_err(), "{input:?}");
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
        assert_eq!(error(&private), Some(PublicKeyError::PrivateKey));
        let garbage = to_pem("PUBLIC KEY", b"garbage");
        assert_eq!(error(&garbage), Some(PublicKeyError::Unreadable));
    }
}
