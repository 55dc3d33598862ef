//! The token's header: which algorithms, types and extensions are accepted (RFC 7515 §4, RFC 8725 §3).

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{SigningKey, TestIssuer};
use serde_json::{Value, json};

use crate::app::{Launch, TestApp};
use crate::expected::{
    CRITICAL, MALFORMED_HEADER, MALFORMED_KEY_ID, OTHER_ALGORITHM, OTHER_TYPE, PRIVATE,
    UNKNOWN_ALGORITHM, assert_answer,
};

#[test]
fn the_header_is_one_json_object_without_duplicates() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let kid = issuer.key().kid().to_owned();
    let good = format!(r#""alg":"RS256","kid":"{kid}""#);
    let headers: [Vec<u8>; 15] = [
        Vec::new(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"\"RS256\"".to_vec(),
        b"1".to_vec(),
        b"{".to_vec(),
        format!("{{{good}}}{{}}").into(),
        format!("{{{good},}}").into(),
        format!("\u{feff}{{{good}}}").into(),
        format!("{{{good},\"alg\":\"none\"}}").into(),
        format!("{{{good},\"\\u0061lg\":\"RS256\"}}").into(),
        format!("{{{good},\"kid\":\"{kid}\"}}").into(),
        format!("{{{good},\"x\":1,\"x\":2}}").into(),
        format!("{{{good},\"x\":{{\"y\":1,\"y\":1}}}}").into(),
        [format!("{{{good},\"x\":\"").as_bytes(), b"\xff\"}"].concat(),
    ];
    for header in headers {
        let case = String::from_utf8_lossy(&header).into_owned();
        let token = issuer.token().raw_header(header).build();
        assert_answer(&app.private(&token), MALFORMED_HEADER, &case);
    }
    let token = issuer.token().raw_header(format!("\n{{ {good} }}")).build();
    assert_answer(&app.private(&token), PRIVATE, "white space in it");
}

#[test]
fn an_unknown_algorithm_is_rejected_before_any_key_is_requested() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let algorithms = [
        json!("none"),
        json!("None"),
        json!("NONE"),
        json!("nOnE"),
        json!(""),
        json!("rs256"),
        json!("RS256 "),
        json!("RS257"),
        json!("HS1"),
        json!("ES256K"),
        json!("RSA-OAEP"),
        json!(null),
        json!(256),
        json!(["RS256"]),
        json!({"alg": "RS256"}),
    ];
    for algorithm in algorithms {
        let token = || issuer.token().header("alg", algorithm.clone());
        let case = algorithm.to_string();
        let signed = token().header("kid", "unheard-of").build();
        assert_answer(&app.private(&signed), UNKNOWN_ALGORITHM, &case);
        let unsigned = token().raw_signature([]).build();
        assert_answer(&app.private(&unsigned), UNKNOWN_ALGORITHM, &case);
    }
    let token = issuer.token().without_header("alg").build();
    assert_answer(&app.private(&token), UNKNOWN_ALGORITHM, "no alg");
    assert_eq!(issuer.requests().jwks, 1);
}

#[test]
fn a_public_key_is_never_used_as_a_secret() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let jwk = issuer.key().public_jwk().unwrap();
    let modulus = jwk["n"].as_str().unwrap().to_owned();
    let set = json!({"keys": [jwk.clone()]}).to_string();
    for secret in [modulus, jwk.to_string(), set, String::new()] {
        for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
            let key = SigningKey::from_secret(&secret, algorithm);
            let key = key.with_kid(issuer.key().kid());
            let token = issuer.token().signed_by(&key).build();
            assert_answer(&app.private(&token), OTHER_ALGORITHM, &secret);
        }
    }
}

#[test]
fn the_algorithm_is_determined_by_the_key() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let others = [
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
    ];
    for algorithm in others {
        let key = issuer.key().with_algorithm(algorithm);
        let token = issuer.token().signed_by(&key).build();
        assert_answer(&app.private(&token), OTHER_ALGORITHM, algorithm.name());
    }
    for name in ["ES256", "ES384", "ES512", "EdDSA", "Ed25519"] {
        let token = issuer.token().header("alg", name).build();
        assert_answer(&app.private(&token), OTHER_ALGORITHM, name);
    }
}

#[test]
fn required_extensions_are_rejected() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let demands = [
        ("crit", json!([])),
        ("crit", json!(["exp"])),
        ("crit", json!(["b64"])),
        ("crit", json!(["alg", "kid"])),
        ("crit", json!(["urn:unheard-of"])),
        ("crit", json!("exp")),
        ("crit", json!(null)),
        ("b64", json!(true)),
        ("b64", json!(false)),
        ("b64", json!(null)),
    ];
    for (name, value) in demands {
        let case = format!("{name}: {value}");
        let token = issuer.token().header(name, value).build();
        assert_answer(&app.private(&token), CRITICAL, &case);
    }
}

#[test]
fn the_types_of_access_tokens_are_case_insensitive() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let types = [
        "JWT",
        "jwt",
        "Jwt",
        "at+jwt",
        "AT+JWT",
        "At+Jwt",
        "application/at+jwt",
        "Application/AT+JWT",
    ];
    for name in types {
        let token = issuer.token().header("typ", name).build();
        assert_answer(&app.private(&token), PRIVATE, name);
    }
    let token = issuer.token().without_header("typ").build();
    assert_answer(&app.private(&token), PRIVATE, "no typ");
}

const OTHER_TYPES: [&str; 15] = [
    "id+jwt",
    "logout+jwt",
    "dpop+jwt",
    "secevent+jwt",
    "rt+jwt",
    "token-introspection+jwt",
    "JWS",
    "JOSE",
    "at+jwt ",
    " at+jwt",
    "at+jwt;v=1",
    "application/at+jwt;charset=utf-8",
    "application/application/at+jwt",
    "at-jwt",
    "",
];

#[test]
fn any_other_type_is_rejected() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let types = OTHER_TYPES.map(Value::from).into_iter();
    for name in types.chain([json!(null), json!(1), json!(true), json!(["at+jwt"])]) {
        let case = name.to_string();
        let token = issuer.token().header("typ", name).build();
        assert_answer(&app.private(&token), OTHER_TYPE, &case);
    }
}

#[test]
fn strict_mode_requires_the_type_of_rfc_9068() {
    let issuer = TestIssuer::start();
    let app = TestApp::ready(Launch::trusting(&issuer).variable("APP__AUTH__STRICT", "true"));
    for name in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        let token = issuer.token().header("typ", name).build();
        assert_answer(&app.private(&token), PRIVATE, name);
    }
    for name in ["JWT", "jwt"] {
        let token = issuer.token().header("typ", name).build();
        assert_answer(&app.private(&token), OTHER_TYPE, name);
    }
    let token = issuer.token().without_header("typ").build();
    assert_answer(&app.private(&token), OTHER_TYPE, "no typ");
}

#[test]
fn a_key_identifier_is_a_string() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    for kid in [json!(null), json!(1), json!(true), json!([]), json!({})] {
        let case = kid.to_string();
        let token = issuer.token().header("kid", kid).build();
        assert_answer(&app.private(&token), MALFORMED_KEY_ID, &case);
    }
    assert_eq!(issuer.requests().jwks, 1);
}
