//! What an issuer may publish beside a usable key, and which keys are usable (RFC 7517 §4, §5).

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{Document, Fault, SigningKey, TestIssuer};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::expected::{Expected, OTHER_ALGORITHM, PRIVATE, UNKNOWN_KEY, assert_answer};

/// The issuer's key with these `members`; `null` removes one.
fn changed(issuer: &TestIssuer, members: &Value) -> Value {
    let mut jwk = issuer.key().public_jwk().unwrap();
    let own = jwk.as_object_mut().unwrap();
    for (name, value) in members.as_object().unwrap() {
        own.remove(name);
        if !value.is_null() {
            own.insert(name.clone(), value.clone());
        }
    }
    jwk
}

/// Publishes `jwk` beside a key with another ID, so that the set has a usable key in any case.
fn publish_beside_another(issuer: &TestIssuer, jwk: &Value) -> TestApp {
    let other = SigningKey::generate(Algorithm::Es256).with_kid("other");
    issuer.publish(json!({"keys": [jwk, other.public_jwk()]}));
    TestApp::trusting(issuer)
}

#[test]
fn a_key_for_verification_is_used() {
    let issuer = TestIssuer::start();
    let changes = [
        json!({}),
        json!({"alg": null}),
        json!({"use": null}),
        json!({"alg": null, "use": null}),
        json!({"key_ops": ["verify"]}),
        json!({"key_ops": ["verify", "encrypt"], "use": null}),
        json!({"x5c": ["MIIB"], "x5t": "AAAA", "x5u": "https://tenant.test/", "more": {"a": 1}}),
    ];
    for change in changes {
        let case = change.to_string();
        let app = publish_beside_another(&issuer, &changed(&issuer, &change));
        assert_answer(&app.private(&issuer.token().build()), PRIVATE, &case);
    }
}

#[test]
fn a_key_for_other_uses_is_skipped() {
    let issuer = TestIssuer::start();
    let changes = [
        json!({"use": "enc"}),
        json!({"use": 1}),
        json!({"key_ops": ["sign"]}),
        json!({"key_ops": []}),
        json!({"key_ops": "verify"}),
        json!({"alg": "RSA-OAEP"}),
        json!({"alg": "ES256"}),
        json!({"alg": "HS256"}),
        json!({"alg": "none"}),
        json!({"alg": 1}),
        json!({"kid": 1}),
        json!({"kty": "EC"}),
        json!({"kty": null}),
        json!({"d": "AAAA"}),
        json!({"p": "AAAA", "q": "AAAA"}),
        json!({"k": "AAAA"}),
        json!({"e": "AQ"}),
        json!({"e": "Ag"}),
        json!({"e": "AA"}),
        json!({"e": null}),
        json!({"n": null}),
        json!({"n": 1}),
        json!({"n": "!"}),
    ];
    for change in changes {
        let case = change.to_string();
        let app = publish_beside_another(&issuer, &changed(&issuer, &change));
        assert_answer(&app.private(&issuer.token().build()), UNKNOWN_KEY, &case);
        assert!(app.metric("ars_unusable_keys_total") > 0, "{case}");
    }
}

#[test]
fn rsa_keys_have_2048_to_8192_bits() {
    let issuer = TestIssuer::start();
    for (first, bytes, unusable) in [
        (0xff, 64, 1),
        (0xff, 128, 1),
        (0x7f, 256, 1),
        (0x80, 256, 0),
        (0xff, 512, 0),
        (0xff, 1024, 0),
        (0x01, 1025, 1),
        (0xff, 2048, 1),
    ] {
        let mut modulus = vec![0xff; bytes];
        modulus[0] = first;
        let modulus = BASE64URL_NOPAD.encode(&modulus);
        let jwk = changed(&issuer, &json!({ "n": modulus }));
        let app = publish_beside_another(&issuer, &jwk);
        let case = format!("{first} and {bytes} bytes");
        assert_eq!(app.metric("ars_unusable_keys_total"), unusable, "{case}");
        assert_eq!(app.private(&issuer.token().build()).status, 401, "{case}");
    }
}

#[test]
fn leading_zeros_do_not_change_a_key() {
    let issuer = TestIssuer::start();
    let jwk = issuer.key().public_jwk().unwrap();
    let padded = |name: &str| {
        let number = jwk[name].as_str().unwrap().as_bytes();
        let number = BASE64URL_NOPAD.decode(number).unwrap();
        BASE64URL_NOPAD.encode(&[&[0], number.as_slice()].concat())
    };
    let jwk = changed(&issuer, &json!({"n": padded("n"), "e": padded("e")}));
    let app = publish_beside_another(&issuer, &jwk);
    assert_answer(&app.private(&issuer.token().build()), PRIVATE, "padded");
}

#[test]
fn a_key_is_only_used_with_its_algorithm() {
    let issuer = TestIssuer::start();
    let cases: [(Value, Algorithm, Expected); 5] = [
        (json!({"alg": null}), Algorithm::Rs512, PRIVATE),
        (json!({"alg": null}), Algorithm::Ps256, PRIVATE),
        (json!({"alg": "PS384"}), Algorithm::Ps384, PRIVATE),
        (json!({"alg": "PS384"}), Algorithm::Rs256, OTHER_ALGORITHM),
        (json!({"alg": "RS256"}), Algorithm::Rs512, OTHER_ALGORITHM),
    ];
    for (change, algorithm, expected) in cases {
        let case = format!("{change} {algorithm}");
        let app = publish_beside_another(&issuer, &changed(&issuer, &change));
        let key = issuer.key().with_algorithm(algorithm);
        let token = issuer.token().signed_by(&key).build();
        assert_answer(&app.private(&token), expected, &case);
    }
}

#[test]
fn a_published_secret_verifies_nothing() {
    let issuer = TestIssuer::start();
    let secret = "0123456789".repeat(4);
    let encoded = BASE64URL_NOPAD.encode(secret.as_bytes());
    let jwk = json!({"kty": "oct", "k": encoded, "kid": "secret", "alg": "HS256"});
    let good = issuer.key().public_jwk();
    issuer.publish(json!({"keys": [jwk, good]}));
    let app = TestApp::trusting(&issuer);
    let key = SigningKey::from_secret(&secret, Algorithm::Hs256).with_kid("secret");
    let token = issuer.token().signed_by(&key).build();
    assert_answer(&app.private(&token), OTHER_ALGORITHM, "HS256");
    assert_answer(&app.private(&issuer.token().build()), PRIVATE, "RS256");
}

#[test]
fn the_media_type_does_not_matter() {
    let issuer = TestIssuer::start();
    let set = json!({"keys": [issuer.key().public_jwk()]}).to_string();
    let types = [
        "application/jwk-set+json",
        "application/json; charset=utf-8",
        "text/plain",
        "application/octet-stream",
    ];
    for media_type in types {
        let fault = Fault::body(media_type, set.as_str());
        issuer.set_fault(Document::Jwks, Some(fault));
        let app = TestApp::trusting(&issuer);
        assert_answer(&app.private(&issuer.token().build()), PRIVATE, media_type);
    }
}
