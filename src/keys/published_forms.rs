//! Tests of key documents in the forms in which providers publish them, with keys generated here.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};

use super::jwk_set;
use crate::jose::Algorithm;
use crate::test_kit::shared;

/// The public key of `algorithm` with these members instead of its own; `"absent"` removes one.
fn key(algorithm: Algorithm, members: Value) -> Value {
    let mut jwk = shared(algorithm).public_jwk().expect("a public key");
    let own = jwk.as_object_mut().expect("an object");
    let Value::Object(members) = members else {
        panic!("members are an object")
    };
    own.extend(members);
    own.retain(|_, value| *value != "absent");
    jwk
}

fn rsa(members: Value) -> Value {
    key(Algorithm::Rs256, members)
}

fn weak_modulus() -> String {
    let mut modulus = vec![0xA5; 128];
    modulus[0] = 0x80;
    BASE64URL_NOPAD.encode(&modulus)
}

/// The number in the encoding of another alphabet, with padding.
fn standard(name: &str) -> String {
    let jwk = rsa(json!({}));
    let text = jwk[name].as_str().expect("a text");
    BASE64.encode(&BASE64URL_NOPAD.decode(text.as_bytes()).expect("base64url"))
}

/// The number of usable keys, and the reasons of the others.
fn outcome(document: &Value) -> (usize, String) {
    match jwk_set::read("issuer".to_owned(), document.to_string().as_bytes()) {
        Ok((set, skipped)) => (set.len(), skipped.to_string()),
        Err(error) => (0, super::fetch_error::Chain(&error).to_string()),
    }
}

#[test]
fn sets_of_usable_keys_are_read_whole() {
    let certificate = "MIIC".repeat(500);
    let forms = [
        // Auth0, Okta, Ping, Salesforce: certificates and thumbprints beside the key.
        (
            "x5c",
            vec![
                rsa(json!({"kid": "a", "x5c": [certificate], "x5t": "AAAA"})),
                rsa(json!({"kid": "b", "x5t#S256": "AAAA", "x5u": "https://a.example/"})),
            ],
        ),
        // A chain of certificates of almost 32 KiB.
        (
            "a long x5c",
            vec![rsa(json!({"x5c": vec![certificate; 15]}))],
        ),
        // Microsoft Entra ID: no alg, the key's own issuer and cloud.
        (
            "issuer",
            vec![rsa(
                json!({"alg": "absent", "issuer": "https://login.example/{tenantid}/v2.0",
                            "cloud_instance_name": "login.example"}),
            )],
        ),
        // Google, Apple, GitHub Actions, GitLab: alg without or with use.
        ("no use", vec![rsa(json!({"use": "absent"}))]),
        ("no alg", vec![rsa(json!({"alg": "absent"}))]),
        (
            "neither use nor alg",
            vec![rsa(json!({"use": "absent", "alg": "absent"}))],
        ),
        // Kubernetes, Ory Hydra, Supabase, Zitadel: key_ops, several types.
        (
            "several types",
            vec![
                rsa(json!({"kid": "a"})),
                key(
                    Algorithm::Es256,
                    json!({"kid": "b", "key_ops": ["verify"], "ext": true}),
                ),
                key(Algorithm::Es384, json!({"kid": "c"})),
                key(Algorithm::Es512, json!({"kid": "d"})),
                key(Algorithm::EdDsa, json!({"kid": "e"})),
                key(Algorithm::EdDsa, json!({"kid": "f", "alg": "Ed25519"})),
            ],
        ),
        // The same kid for keys of two algorithms, as Keycloak and Duende can have.
        (
            "one kid twice",
            vec![
                rsa(json!({"kid": "a"})),
                key(Algorithm::Es256, json!({"kid": "a"})),
            ],
        ),
        ("no kid", vec![rsa(json!({"kid": "absent"}))]),
        ("an empty kid", vec![rsa(json!({"kid": ""}))]),
        // Serializers of .NET and Java: null members, standard base64.
        (
            "null members",
            vec![rsa(
                json!({"d": null, "p": null, "k": null, "key_ops": null, "x5u": null, "oth": null}),
            )],
        ),
        (
            "standard base64",
            vec![rsa(json!({"n": standard("n"), "e": standard("e")}))],
        ),
        // RFC 9964.
        (
            "ML-DSA",
            vec![
                key(Algorithm::MlDsa44, json!({})),
                key(Algorithm::MlDsa87, json!({})),
            ],
        ),
    ];
    for (form, keys) in forms {
        let expected = (keys.len(), "0 unusable".to_owned());
        assert_eq!(outcome(&json!({ "keys": keys })), expected, "{form}");
    }
}

#[test]
fn keys_for_anything_else_are_skipped_with_a_reason() {
    let other_kind = "the key is of another kind";
    let other_use = "the key is for another use";
    let other_algorithm = "the key is for another algorithm";
    let incomplete = "the key lacks a member that its type needs";
    let forms = [
        // Keycloak, Authentik, Duende: a key for encryption.
        (rsa(json!({"use": "enc", "alg": "RSA-OAEP"})), other_use),
        (
            rsa(json!({"use": "absent", "alg": "RSA-OAEP-256"})),
            other_algorithm,
        ),
        (
            json!({"kty": "OKP", "crv": "X25519", "use": "enc", "x": "AAAA"}),
            other_use,
        ),
        (
            json!({"kty": "OKP", "crv": "X25519", "x": "AAAA"}),
            other_kind,
        ),
        (
            json!({"kty": "OKP", "crv": "Ed448", "x": "AAAA"}),
            other_kind,
        ),
        (
            json!({"kty": "EC", "crv": "P-256K", "x": "AAAA", "y": "AAAA"}),
            other_kind,
        ),
        (
            json!({"kty": "EC", "crv": "secp256k1", "x": "AAAA", "y": "AAAA"}),
            other_kind,
        ),
        (
            key(Algorithm::Es256, json!({"alg": "ES256K"})),
            other_algorithm,
        ),
        (
            json!({"kty": "AKP", "alg": "SLH-DSA-SHA2-128s", "pub": "AAAA"}),
            other_algorithm,
        ),
        // SPIFFE: the authorities of X.509 certificates.
        (rsa(json!({"use": "x509-svid", "x5c": ["MIIC"]})), other_use),
        (
            rsa(json!({"key_ops": ["encrypt", "wrapKey"], "use": "absent"})),
            other_use,
        ),
        (
            json!({"kty": "RSA", "kid": "a", "x5c": ["MIIC"]}),
            incomplete,
        ),
        (
            rsa(json!({"n": weak_modulus()})),
            "an RSA key of 1024 bits; 2048 to 8192 are accepted",
        ),
        (rsa(json!({"kid": 1})), "the key's kid is not a string"),
        (rsa(json!({"d": "AQAB"})), "the key is not a public one"),
        (
            json!({"kty": "oct", "k": "AAAA"}),
            "the key is not a public one",
        ),
        (
            rsa(json!({"x5c": ["MIIC".repeat(9000)]})),
            "the key is longer than 32 KiB",
        ),
        (json!("key"), "the key is malformed"),
    ];
    let good = key(Algorithm::Es256, json!({"kid": "good"}));
    for (form, reason) in forms {
        let reason = format!("1 unusable: {reason} (1)");
        let beside = json!({ "keys": [form, good] });
        assert_eq!(outcome(&beside), (1, reason.clone()), "{form:.200}");
        let alone = format!("its key set has no usable key ({reason})");
        assert_eq!(
            outcome(&json!({ "keys": [form] })),
            (0, alone),
            "{form:.200}"
        );
    }
}

#[test]
fn a_bundle_of_spiffe_has_its_keys_for_jwts() {
    let bundle = json!({
        "spiffe_sequence": 1,
        "spiffe_refresh_hint": 300,
        "keys": [
            key(Algorithm::Es256, json!({"use": "x509-svid", "kid": "absent", "x5c": ["MIIC"]})),
            key(Algorithm::Es256, json!({"use": "jwt-svid", "kid": "a", "alg": "absent"})),
        ],
    });
    let reason = "1 unusable: the key is for another use (1)".to_owned();
    assert_eq!(outcome(&bundle), (1, reason));
}

/// A certificate for a new P-256 key, in PEM.
fn certificate() -> String {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(["a.example".to_owned()]).expect("parameters");
    params.self_signed(&key).expect("a certificate").pem()
}

#[test]
fn a_map_from_key_ids_to_certificates_is_a_set() {
    let (one, other) = (certificate(), certificate());
    let document = json!({ "a": one, "b": other, "c": one }).to_string();
    let (set, skipped) = jwk_set::read("issuer".to_owned(), document.as_bytes()).expect("a set");
    assert_eq!((set.len(), skipped.len(), set.named(None).len()), (3, 0, 2));
    for id in ["a", "b", "c"] {
        let [key] = set.named(Some(id)) else {
            panic!("one key is named {id}")
        };
        assert!(key.allows(Algorithm::Es256), "{id}");
    }
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let reason = "1 unusable: the key is malformed (1)".to_owned();
    assert_eq!(outcome(&json!({ "a": one, "b": broken })), (1, reason));
    let no_keys = "its key set is malformed: it has no list of keys".to_owned();
    for other in [json!({"a": one, "error": "x"}), json!({"a": one, "b": 1})] {
        assert_eq!(outcome(&other), (0, no_keys.clone()), "{other}");
    }
}

#[test]
fn a_key_of_a_certificate_verifies_what_it_signed() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let params = rcgen::CertificateParams::new(["a.example".to_owned()]).expect("parameters");
    let pem = params.self_signed(&key).expect("a certificate").pem();
    let document = json!({ "a": pem }).to_string();
    let (set, _) = jwk_set::read("issuer".to_owned(), document.as_bytes()).expect("a set");
    let signature = rcgen::SigningKey::sign(&key, b"input").expect("a signature");
    let found = &set.named(Some("a"))[0];
    assert!(found.verifies(Algorithm::EdDsa, b"input", &signature));
    assert!(!found.verifies(Algorithm::EdDsa, b"other", &signature));
}
