//! One JSON Web Key → a usable public key, or why not ([RFC 7517 §4], [RFC 7518 §6], [RFC 8037 §2],
//! [RFC 9964 §3]).
//!
//! [RFC 7517 §4]: https://www.rfc-editor.org/rfc/rfc7517#section-4
//! [RFC 7518 §6]: https://www.rfc-editor.org/rfc/rfc7518#section-6
//! [RFC 8037 §2]: https://www.rfc-editor.org/rfc/rfc8037#section-2
//! [RFC 9964 §3]: https://www.rfc-editor.org/rfc/rfc9964#section-3

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD};
use serde_json::{Map, Value};

use super::Algorithm;
use super::algorithm::KeyKind;
use super::digest::sha256;
use super::signature::{Material, VerificationKey};

/// A key that verifies signatures, with its ID and thumbprint.
#[derive(Clone, Debug)]
pub(crate) struct Jwk {
    pub(crate) key_id: Option<String>,
    /// Of a configured key in PEM or DER, the hash of its DER; of a shared secret, empty.
    pub(crate) thumbprint: String,
    /// The only issuer whose tokens it signs, in a key set of several (Microsoft Entra ID); it may be a template.
    pub(crate) issuer: Option<String>,
    pub(crate) key: VerificationKey,
}

impl Jwk {
    /// Reads one member of a JWK set, in the forms that issuers really publish; see [`normalized`].
    ///
    /// # Errors
    /// [`JwkError`] if the key cannot verify tokens.
    pub(crate) fn parse(jwk: &Value) -> Result<Self, JwkError> {
        let unparsed = UnparsedJwk::read(&normalized(jwk))?;
        let key = VerificationKey::new(unparsed.material, &unparsed.algorithms);
        Ok(Self {
            key_id: unparsed.key_id,
            issuer: issuer(jwk),
            thumbprint: unparsed.thumbprint,
            key: key.ok_or(JwkError::Malformed)?,
        })
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.key.verifies(algorithm, message, signature)
    }

    pub(crate) fn allows(&self, algorithm: Algorithm) -> bool {
        self.key.allows(algorithm)
    }

    /// Whether both are one key for the same tokens, be it under another ID.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.thumbprint == other.thumbprint
            && self.issuer == other.issuer
            && self.key.algorithms().eq(other.key.algorithms())
    }
}

/// A well-formed key, not yet parsed for an algorithm, which is the expensive step.
#[derive(Debug)]
pub(crate) struct UnparsedJwk {
    pub(crate) thumbprint: String,
    key_id: Option<String>,
    algorithms: Vec<Algorithm>,
    material: Material,
}

impl UnparsedJwk {
    /// Reads a public key for signatures without parsing it.
    ///
    /// # Errors
    /// [`JwkError`] if the key cannot verify signatures.
    pub(crate) fn read(jwk: &Value) -> Result<Self, JwkError> {
        let members = jwk.as_object().ok_or(JwkError::Malformed)?;
        check_publicness(members)?;
        check_use(members)?;
        let key_id = text(members, "kid")
            .map_err(|_| JwkError::KeyId)?
            .map(str::to_owned);
        let parameters = Parameters::read(members)?;
        Ok(Self {
            thumbprint: BASE64URL_NOPAD.encode(&sha256(parameters.canonical.as_bytes())),
            key_id,
            algorithms: allowed_algorithms(members, parameters.kind)?,
            material: parameters.material,
        })
    }

    /// Parses the key for one algorithm, the one that its signature names.
    ///
    /// # Errors
    /// The key may not be used with the algorithm, or is no key of its kind.
    pub(crate) fn bind(self, algorithm: Algorithm) -> Result<VerificationKey, JwkError> {
        if !self.algorithms.contains(&algorithm) {
            return Err(JwkError::AlgorithmNotAllowed);
        }
        VerificationKey::new(self.material, &[algorithm]).ok_or(JwkError::Malformed)
    }
}

/// The JWK without `null` members, which count as absent, and with its numbers in the one encoding of RFC 7518 §2: some
/// issuers write standard base64 or padding. Each encoding is read strictly, without the alphabet of the other.
fn normalized(jwk: &Value) -> Value {
    let mut jwk = jwk.clone();
    let Some(members) = jwk.as_object_mut() else {
        return jwk;
    };
    members.retain(|_, value| !value.is_null());
    for name in ENCODED_MEMBERS {
        let text = members.get(name).and_then(Value::as_str);
        let bytes = text.and_then(|text| {
            let mut encodings = [BASE64URL_NOPAD, BASE64URL, BASE64_NOPAD, BASE64].into_iter();
            encodings.find_map(|encoding| encoding.decode(text.as_bytes()).ok())
        });
        if let Some(bytes) = bytes {
            members.insert(name.to_owned(), BASE64URL_NOPAD.encode(&bytes).into());
        }
    }
    jwk
}

/// The member `issuer`; what is no string is no issuer's name.
fn issuer(jwk: &Value) -> Option<String> {
    let issuer = jwk.get("issuer").filter(|issuer| !issuer.is_null())?;
    Some(issuer.as_str().unwrap_or_default().to_owned())
}

/// A private or shared key in a published set is compromised, and is not used.
fn check_publicness(members: &Map<String, Value>) -> Result<(), JwkError> {
    if PRIVATE_MEMBERS
        .iter()
        .any(|name| members.contains_key(*name))
    {
        return Err(JwkError::NotPublic);
    }
    Ok(())
}

/// `use` is `sig`, or `jwt-svid` in the bundles of SPIFFE, and `key_ops` contains `verify`, if present (RFC 7517 §4.2, §4.3).
fn check_use(members: &Map<String, Value>) -> Result<(), JwkError> {
    if text(members, "use")?.is_some_and(|usage| !SIGNATURE_USES.contains(&usage)) {
        return Err(JwkError::OtherUse);
    }
    match members.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) if operations.iter().any(|name| name == "verify") => Ok(()),
        Some(_) => Err(JwkError::OtherUse),
    }
}

/// The algorithms that the key may be used with: its own `alg`, or all of its kind (RFC 7517 §4.4).
fn allowed_algorithms(
    members: &Map<String, Value>,
    kind: KeyKind,
) -> Result<Vec<Algorithm>, JwkError> {
    let fits = |algorithm: &Algorithm| algorithm.key_kind() == kind;
    let Some(name) = text(members, "alg")? else {
        return Ok(Algorithm::ALL.iter().copied().filter(fits).collect());
    };
    let algorithm: Algorithm = name.parse().map_err(|_| JwkError::AlgorithmNotAllowed)?;
    if !fits(&algorithm) {
        return Err(JwkError::AlgorithmNotAllowed);
    }
    Ok(vec![algorithm])
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, JwkError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(JwkError::Malformed),
    }
}

/// The key itself, without what its JWK declares about its use.
struct Parameters {
    kind: KeyKind,
    material: Material,
    /// The JSON whose hash is the thumbprint (RFC 7638 §3.2).
    canonical: String,
}

impl Parameters {
    fn read(members: &Map<String, Value>) -> Result<Self, JwkError> {
        match text(members, "kty")? {
            Some("AKP") => Self::algorithm_key_pair(members),
            Some("EC") => Self::elliptic_curve(members),
            Some("OKP") => Self::octet_key_pair(members),
            Some("RSA") => Self::rsa(members),
            Some(_) => Err(JwkError::OtherKind),
            None => Err(JwkError::Incomplete),
        }
    }

    /// RFC 9964 §3: the kind of key is that of its `alg`.
    fn algorithm_key_pair(members: &Map<String, Value>) -> Result<Self, JwkError> {
        let name = text(members, "alg")?.ok_or(JwkError::Incomplete)?;
        let algorithm: Option<Algorithm> = name.parse().ok();
        let lengths = |algorithm: Algorithm| Some((algorithm, algorithm.exact_lengths()?.0));
        let (algorithm, length) = algorithm
            .and_then(lengths)
            .ok_or(JwkError::AlgorithmNotAllowed)?;
        let public = bytes(members, "pub")?;
        if public.len() != length {
            return Err(JwkError::Malformed);
        }
        Ok(Self {
            kind: algorithm.key_kind(),
            canonical: format!(
                r#"{{"alg":"{name}","kty":"AKP","pub":"{}"}}"#,
                BASE64URL_NOPAD.encode(&public),
            ),
            material: Material::MlDsa(public),
        })
    }

    /// RFC 7518 §6.2.1.
    fn elliptic_curve(members: &Map<String, Value>) -> Result<Self, JwkError> {
        let curve = curve(members)?;
        let (kind, coordinate_bytes) = match curve {
            "P-256" => (KeyKind::P256, 32),
            "P-384" => (KeyKind::P384, 48),
            "P-521" => (KeyKind::P521, 66),
            _ => return Err(JwkError::OtherKind),
        };
        let (x, y) = (bytes(members, "x")?, bytes(members, "y")?);
        if x.len() != coordinate_bytes || y.len() != coordinate_bytes {
            return Err(JwkError::Malformed);
        }
        Ok(Self {
            kind,
            material: Material::Point([&[UNCOMPRESSED_POINT], x.as_slice(), &y].concat()),
            canonical: format!(
                r#"{{"crv":"{curve}","kty":"EC","x":"{}","y":"{}"}}"#,
                BASE64URL_NOPAD.encode(&x),
                BASE64URL_NOPAD.encode(&y),
            ),
        })
    }

    /// RFC 8037 §2.
    fn octet_key_pair(members: &Map<String, Value>) -> Result<Self, JwkError> {
        let curve = curve(members)?;
        if curve != "Ed25519" {
            return Err(JwkError::OtherKind);
        }
        let x = bytes(members, "x")?;
        if x.len() != 32 {
            return Err(JwkError::Malformed);
        }
        Ok(Self {
            kind: KeyKind::Ed25519,
            canonical: format!(
                r#"{{"crv":"{curve}","kty":"OKP","x":"{}"}}"#,
                BASE64URL_NOPAD.encode(&x),
            ),
            material: Material::Point(x),
        })
    }

    /// RFC 7518 §6.3.1; some issuers write leading zeros, which are no part of the numbers.
    fn rsa(members: &Map<String, Value>) -> Result<Self, JwkError> {
        let (n, e) = (number(members, "n")?, number(members, "e")?);
        let canonical = format!(
            r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#,
            BASE64URL_NOPAD.encode(&e),
            BASE64URL_NOPAD.encode(&n),
        );
        let (kind, material) = rsa_material(n, e)?;
        Ok(Self {
            kind,
            material,
            canonical,
        })
    }
}

fn curve(members: &Map<String, Value>) -> Result<&str, JwkError> {
    text(members, "crv")?.ok_or(JwkError::Incomplete)
}

/// A number in unpadded base64url, big-endian (RFC 7518 §2).
fn number(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, JwkError> {
    let bytes = bytes(members, name)?;
    Ok(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

/// Bytes in unpadded base64url (RFC 7518 §6.2.1.2).
fn bytes(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, JwkError> {
    let encoded = text(members, name)?.ok_or(JwkError::Incomplete)?;
    let decoded = BASE64URL_NOPAD.decode(encoded.as_bytes());
    decoded.map_err(|_| JwkError::Malformed)
}

/// Checks modulus and exponent, big-endian without leading zeros, since parsing alone accepts too many.
pub(crate) fn rsa_material(n: Vec<u8>, e: Vec<u8>) -> Result<(KeyKind, Material), JwkError> {
    let bits = bit_length(&n);
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(JwkError::RsaSize { bits });
    }
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    if !is_odd(&n) || !is_odd(&e) || bit_length(&e) < 2 {
        return Err(JwkError::Malformed);
    }
    Ok((KeyKind::Rsa, Material::Rsa { n, e }))
}

fn bit_length(number: &[u8]) -> usize {
    let leading = number.first().map_or(0, |byte| byte.leading_zeros());
    let leading = usize::try_from(leading).unwrap_or_default();
    number.len().saturating_mul(8).saturating_sub(leading)
}

/// Why a JWK cannot verify access tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwkError {
    /// A member that the key's type needs is absent, such as `n` where only `x5c` is published (RFC 7518 §6).
    #[error("the key lacks a member that its type needs")]
    Incomplete,
    /// `kid` is not a string (RFC 7517 §4.5).
    #[error("the key's kid is not a string")]
    KeyId,
    /// A member has the wrong type or form, or the key is not valid for its type.
    #[error("the key is malformed")]
    Malformed,
    /// A symmetric key, or one with its private part (RFC 7517 §9.2).
    #[error("the key is not a public one")]
    NotPublic,
    /// `alg` is not known here, or does not fit the kind of key (RFC 7517 §4.4).
    #[error("the key is for another algorithm")]
    AlgorithmNotAllowed,
    /// The kind of key or its curve is not known here.
    #[error("the key is of another kind")]
    OtherKind,
    /// `use` or `key_ops` do not allow signatures to be verified (RFC 7517 §4.2, §4.3).
    #[error("the key is for another use")]
    OtherUse,
    /// An RSA modulus below 2048 bits is weak (RFC 7518 §3.3), one above 8192 a burden.
    #[error("an RSA key of {bits} bits; 2048 to 8192 are accepted")]
    RsaSize {
        /// The length of the modulus.
        bits: usize,
    },
    /// The key's JSON is longer than 32 KiB.
    #[error("the key is longer than 32 KiB")]
    TooLong,
    /// The set has a thousand keys before this one.
    #[error("its set has 1,000 keys before it")]
    TooMany,
}

/// RFC 7518 §6.2.2, §6.3.2, §6.4.1, RFC 8037 §2 and RFC 9964 §3.
const PRIVATE_MEMBERS: [&str; 9] = ["d", "dp", "dq", "k", "oth", "p", "priv", "q", "qi"];

/// RFC 7518 §6.2.1, §6.3.1, RFC 8037 §2 and RFC 9964 §3.
const ENCODED_MEMBERS: [&str; 5] = ["e", "n", "pub", "x", "y"];

/// RFC 7517 §4.2, and SPIFFE Trust Domain and Bundle §4.2.2.
const SIGNATURE_USES: [&str; 2] = ["sig", "jwt-svid"];

/// SEC 1 §2.3.3.
const UNCOMPRESSED_POINT: u8 = 4;

/// RFC 7518 §3.3.
const MIN_RSA_BITS: usize = 2048;

/// The largest key that aws-lc-rs verifies with.
const MAX_RSA_BITS: usize = 8192;

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use super::*;
    use crate::test_kit::shared;
    use serde_json::json;

    fn public(algorithm: Algorithm) -> Value {
        shared(algorithm).public_jwk().expect("a public key")
    }

    fn error(jwk: &Value) -> Option<JwkError> {
        Jwk::parse(jwk).err()
    }

    /// The key of `algorithm` with the members of `changes` put over it; `"absent"` takes one away.
    fn changed(algorithm: Algorithm, changes: &Value) -> Value {
        let mut jwk = public(algorithm);
        for (name, value) in changes.as_object().expect("an object") {
            jwk[name] = value.clone();
        }
        jwk.as_object_mut()
            .expect("an object")
            .retain(|_, value| *value != "absent");
        jwk
    }

    fn modulus(bits: usize) -> String {
        let mut bytes = vec![0xA5_u8; bits / 8];
        bytes[0] = 0x80;
        BASE64URL_NOPAD.encode(&bytes)
    }

    #[test]
    fn a_key_without_alg_serves_every_algorithm_of_its_kind() {
        let served = |algorithm| {
            let jwk = Jwk::parse(&changed(
                algorithm,
                &json!({"alg": "absent", "use": "absent"}),
            ))
            .expect("a key");
            jwk.key
                .algorithms()
                .map(Algorithm::name)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            served(Algorithm::Rs256),
            ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
        );
        assert_eq!(served(Algorithm::Es256), ["ES256"]);
        assert_eq!(served(Algorithm::Es384), ["ES384"]);
        assert_eq!(served(Algorithm::Es512), ["ES512"]);
        assert_eq!(served(Algorithm::EdDsa), ["EdDSA"]);
    }

    #[test]
    fn a_key_of_ml_dsa_has_its_algorithm_and_exact_length() {
        let algorithms = [Algorithm::MlDsa44, Algorithm::MlDsa65, Algorithm::MlDsa87];
        for algorithm in algorithms {
            let (length, _) = algorithm.exact_lengths().expect("exact lengths");
            let jwk = |bytes: usize| {
                let public = BASE64URL_NOPAD.encode(&vec![1; bytes]);
                changed(algorithm, &json!({ "pub": public }))
            };
            assert_eq!(error(&jwk(length)), None, "{algorithm}");
            // 22 bytes more are those of a `SubjectPublicKeyInfo`.
            for other in [0, length - 1, length + 1, length + 22] {
                assert_eq!(error(&jwk(other)), Some(JwkError::Malformed), "{algorithm}");
            }
            for (changes, expected) in [
                (json!({"alg": "absent"}), JwkError::Incomplete),
                (json!({"pub": "absent"}), JwkError::Incomplete),
                (json!({"alg": "ES256"}), JwkError::AlgorithmNotAllowed),
                (
                    json!({"alg": "SLH-DSA-SHA2-128s"}),
                    JwkError::AlgorithmNotAllowed,
                ),
                (json!({"priv": "AA"}), JwkError::NotPublic),
                (json!({"use": "enc"}), JwkError::OtherUse),
            ] {
                assert_eq!(
                    error(&changed(algorithm, &changes)),
                    Some(expected),
                    "{changes}"
                );
            }
        }
        let other = json!({"alg": "ML-DSA-65"});
        let other = changed(Algorithm::MlDsa44, &other);
        assert_eq!(error(&other), Some(JwkError::Malformed));
    }

    #[test]
    fn alg_must_be_known_and_fit_the_key() {
        for alg in ["ES256", "HS256", "RSA-OAEP", "none", "rs256", ""] {
            let jwk = changed(Algorithm::Rs256, &json!({ "alg": alg }));
            assert_eq!(error(&jwk), Some(JwkError::AlgorithmNotAllowed), "{alg}");
        }
        assert_eq!(
            error(&changed(Algorithm::Es256, &json!({"alg": "ES384"}))),
            Some(JwkError::AlgorithmNotAllowed)
        );
        assert_eq!(
            error(&changed(Algorithm::Rs256, &json!({"alg": 1}))),
            Some(JwkError::Malformed)
        );
    }

    #[test]
    fn use_and_key_ops_must_allow_verification() {
        for changes in [
            json!({"use": "enc"}),
            json!({"use": ""}),
            json!({"key_ops": []}),
            json!({"key_ops": ["sign"]}),
            json!({"key_ops": "verify"}),
            json!({"use": "x509-svid"}),
            json!({"use": "sig", "key_ops": ["encrypt"]}),
        ] {
            assert_eq!(
                error(&changed(Algorithm::Rs256, &changes)),
                Some(JwkError::OtherUse),
                "{changes}"
            );
        }
        for changes in [
            json!({"key_ops": ["sign", "verify"]}),
            json!({"use": "jwt-svid"}),
        ] {
            assert_eq!(error(&changed(Algorithm::Rs256, &changes)), None);
        }
    }

    #[test]
    fn private_and_shared_keys_are_rejected() {
        for name in PRIVATE_MEMBERS {
            let jwk = changed(Algorithm::Rs256, &json!({ name: "AQAB" }));
            assert_eq!(error(&jwk), Some(JwkError::NotPublic), "{name}");
        }
        assert_eq!(
            error(&json!({"kty": "oct", "k": "c2VjcmV0"})),
            Some(JwkError::NotPublic)
        );
    }

    #[test]
    fn rsa_keys_have_2048_to_8192_bits_and_odd_numbers() {
        let sized = |bits: usize| error(&changed(Algorithm::Rs256, &json!({ "n": modulus(bits) })));
        for bits in [512, 1024, 2040, 8200, 16384] {
            assert_eq!(sized(bits), Some(JwkError::RsaSize { bits }), "{bits}");
        }
        for bits in [2048, 3072, 4096, 8192] {
            assert_eq!(sized(bits), None, "{bits}");
        }
        for e in ["", "AA", "AQ", "Ag", "BA", "AQAA"] {
            assert_eq!(
                error(&changed(Algorithm::Rs256, &json!({ "e": e }))),
                Some(JwkError::Malformed),
                "{e}"
            );
        }
        assert_eq!(error(&changed(Algorithm::Rs256, &json!({"e": "Aw"}))), None);
        assert_eq!(
            error(&changed(Algorithm::Rs256, &json!({"n": ""}))),
            Some(JwkError::RsaSize { bits: 0 })
        );
    }

    #[test]
    fn a_modulus_with_leading_zeros_is_the_same_key() {
        let plain = public(Algorithm::Rs256);
        let n = BASE64URL_NOPAD
            .decode(plain["n"].as_str().expect("n").as_bytes())
            .expect("base64url");
        let padded = BASE64URL_NOPAD.encode(&[&[0, 0], n.as_slice()].concat());
        let padded =
            Jwk::parse(&changed(Algorithm::Rs256, &json!({ "n": padded }))).expect("a key");
        assert_eq!(
            padded.thumbprint,
            Jwk::parse(&plain).expect("a key").thumbprint
        );
    }

    #[test]
    fn numbers_may_be_in_standard_or_padded_base64() {
        for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
            let plain = public(algorithm);
            let thumbprint = Jwk::parse(&plain).expect("a key").thumbprint;
            for encoding in [BASE64URL, BASE64_NOPAD, BASE64] {
                let mut jwk = plain.clone();
                for name in ENCODED_MEMBERS {
                    let Some(text) = plain[name].as_str() else {
                        continue;
                    };
                    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).expect("base64url");
                    jwk[name] = encoding.encode(&bytes).into();
                }
                let read = Jwk::parse(&jwk).expect("a key");
                assert_eq!(read.thumbprint, thumbprint, "{algorithm}");
            }
        }
        // 31 bytes of ones and a zero need both "-" or "+" and "_" or "/".
        for x in ["-_", "+/", "-/", "+_", " -_", "-_\n", "-_=", "-_==="] {
            let rest = "_".repeat(41);
            let jwk = changed(Algorithm::EdDsa, &json!({"x": format!("{x}{rest}")}));
            let is_strict = error(&jwk) == Some(JwkError::Malformed);
            assert!(is_strict || x == "-_", "{x}");
        }
    }

    #[test]
    fn a_null_member_counts_as_absent() {
        let nulls =
            json!({"use": null, "key_ops": null, "alg": null, "d": null, "x5c": null, "kid": null});
        let jwk = Jwk::parse(&changed(Algorithm::Rs256, &nulls)).expect("a key");
        assert_eq!((jwk.key_id, jwk.key.algorithms().count()), (None, 6));
        for name in ["n", "e", "kty"] {
            let jwk = changed(Algorithm::Rs256, &json!({ name: null }));
            assert_eq!(error(&jwk), Some(JwkError::Incomplete), "{name}");
        }
    }

    #[test]
    fn points_have_full_length_and_lie_on_their_curve() {
        let zero = BASE64URL_NOPAD.encode(&[0; 32]);
        let short = BASE64URL_NOPAD.encode(&[1; 31]);
        for changes in [
            json!({"x": zero}),
            json!({"y": short}),
            json!({"crv": "P-384", "alg": "absent"}),
            json!({"crv": 1, "alg": "absent"}),
        ] {
            let jwk = changed(Algorithm::Es256, &changes);
            assert_eq!(error(&jwk), Some(JwkError::Malformed), "{changes}");
        }
        assert_eq!(
            error(&changed(Algorithm::EdDsa, &json!({ "x": short }))),
            Some(JwkError::Malformed)
        );
        for (algorithm, crv) in [
            (Algorithm::Es256, "P-256K"),
            (Algorithm::Es256, "secp256k1"),
            (Algorithm::Es256, "Ed25519"),
            (Algorithm::EdDsa, "Ed448"),
            (Algorithm::EdDsa, "X25519"),
            (Algorithm::EdDsa, "P-256"),
        ] {
            let jwk = changed(algorithm, &json!({"crv": crv, "alg": "absent"}));
            assert_eq!(error(&jwk), Some(JwkError::OtherKind), "{crv}");
        }
        for name in ["crv", "x", "y"] {
            let jwk = changed(Algorithm::Es256, &json!({ name: "absent" }));
            assert_eq!(error(&jwk), Some(JwkError::Incomplete), "{name}");
        }
    }

    #[test]
    fn what_is_no_key_at_all_is_malformed_or_of_another_kind() {
        for (jwk, expected) in [
            (json!(null), JwkError::Malformed),
            (json!([]), JwkError::Malformed),
            (json!("key"), JwkError::Malformed),
            (json!({}), JwkError::Incomplete),
            (json!({"kty": "RSA"}), JwkError::Incomplete),
            (json!({"kty": 1}), JwkError::Malformed),
            (json!({"kty": "AKP"}), JwkError::Incomplete),
            (
                changed(Algorithm::Rs256, &json!({"kid": 1})),
                JwkError::KeyId,
            ),
            (
                changed(Algorithm::Rs256, &json!({"n": "+/=="})),
                JwkError::Malformed,
            ),
        ] {
            assert_eq!(error(&jwk), Some(expected), "{jwk}");
        }
    }

    fn thumbprint(jwk: &Value) -> Result<String, JwkError> {
        UnparsedJwk::read(jwk).map(|key| key.thumbprint)
    }

    #[test]
    fn the_example_of_rfc_7638_has_its_thumbprint() {
        let key = json!({
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "e": "AQAB"
        });
        assert_eq!(
            thumbprint(&key).as_deref(),
            Ok("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")
        );
    }

    #[test]
    fn the_examples_of_rfc_8037_and_rfc_9449_have_their_thumbprints() {
        let ed25519 = json!({
            "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
        });
        assert_eq!(
            thumbprint(&ed25519).as_deref(),
            Ok("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")
        );
        let p256 = json!({
            "kty": "EC", "crv": "P-256",
            "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
            "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"
        });
        assert_eq!(
            thumbprint(&p256).as_deref(),
            Ok("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I")
        );
    }
}
