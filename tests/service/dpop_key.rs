//! The proof's header: type, algorithm, key and signature (RFC 9449 §4.3, checks 4 to 7).

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{ProofBuilder, SigningKey, shared};
use serde_json::{Value, json};

use crate::expected::{
    Expected, OTHER_KEY, PRIVATE, PROOF_ALGORITHM, PROOF_CRITICAL, PROOF_FORM, PROOF_KEY,
    PROOF_NO_KEY, PROOF_SIGNATURE, PROOF_TYPE,
};
use crate::sender::Sender;

#[track_caller]
fn check(sender: &Sender, name: &str, cases: &[(Value, Expected)]) {
    for (value, expected) in cases {
        let proof = sender.proof().header(name, value.clone());
        sender.assert_proof(proof, *expected, &format!("{name}: {value}"));
    }
}

/// The sender's public key, with another member.
fn jwk(key: &SigningKey, name: &str, value: Value) -> Value {
    let mut jwk = key.public_jwk().unwrap();
    jwk[name] = value;
    jwk
}

#[test]
fn the_type_is_that_of_a_proof() {
    let sender = Sender::new();
    let others = [
        "JWT",
        "jwt",
        "at+jwt",
        "dpop",
        "dpop+jws",
        "dpop+jwt ",
        " dpop+jwt",
        "dpop+jwt;v=1",
        "application/jwt",
        "application/application/dpop+jwt",
        "text/dpop+jwt",
        "",
    ];
    check(&sender, "typ", &others.map(|typ| (json!(typ), PROOF_TYPE)));
    let wrong = [json!(null), json!(1), json!(["dpop+jwt"]), json!({})];
    check(&sender, "typ", &wrong.map(|typ| (typ, PROOF_TYPE)));
    sender.assert_proof(sender.proof().without_header("typ"), PROOF_TYPE, "no typ");
    // Media types are case-insensitive, and `application/` may be omitted (RFC 7515 §4.1.9).
    let right = ["dpop+jwt", "DPoP+JWT", "DPOP+JWT", "application/dpop+jwt"];
    check(&sender, "typ", &right.map(|typ| (json!(typ), PRIVATE)));
}

#[test]
fn the_algorithm_is_asymmetric_and_supported() {
    let sender = Sender::new();
    let unknown = [
        "none", "None", "nOnE", "HS256", "HS384", "HS512", "es256", "ES256 ", "ES256K", "RS1",
        "RSA-OAEP", "dir", "",
    ];
    check(
        &sender,
        "alg",
        &unknown.map(|alg| (json!(alg), PROOF_ALGORITHM)),
    );
    let wrong = [json!(null), json!(256), json!(["ES256"]), json!({})];
    check(&sender, "alg", &wrong.map(|alg| (alg, PROOF_ALGORITHM)));
    sender.assert_proof(
        sender.proof().without_header("alg"),
        PROOF_ALGORITHM,
        "no alg",
    );
    let unsigned = sender.proof().header("alg", "none").raw_signature([]);
    sender.assert_proof(unsigned, PROOF_ALGORITHM, "unsigned");
    let secret = SigningKey::from_secret(&"s".repeat(32), Algorithm::Hs256);
    let by_secret = sender.proof().signed_by(&secret);
    sender.assert_proof(by_secret, PROOF_ALGORITHM, "by a secret");
}

#[test]
fn a_public_key_is_never_used_as_a_secret() {
    let sender = Sender::new();
    let public = sender.key.public_jwk().unwrap();
    for secret in [public.to_string(), public["x"].as_str().unwrap().to_owned()] {
        for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
            let secret = SigningKey::from_secret(&secret, algorithm);
            let proof = sender.proof().signed_by(&secret);
            sender.assert_proof(proof, PROOF_ALGORITHM, algorithm.name());
        }
    }
}

#[test]
fn the_algorithm_fits_the_key() {
    let sender = Sender::new();
    let others = ["ES384", "ES512", "RS256", "PS256", "EdDSA"];
    check(&sender, "alg", &others.map(|alg| (json!(alg), PROOF_KEY)));
    let rsa = shared(Algorithm::Rs256);
    let by_rsa = sender.proof().signed_by(&rsa);
    sender.assert_proof(by_rsa, PROOF_KEY, "RS256 with an EC key");
}

#[test]
fn required_extensions_are_rejected() {
    let sender = Sender::new();
    for (name, value) in [
        ("crit", json!([])),
        ("crit", json!(["exp"])),
        ("crit", json!(["b64"])),
        ("crit", json!("exp")),
        ("crit", json!(null)),
        ("b64", json!(true)),
        ("b64", json!(false)),
        ("b64", json!(null)),
    ] {
        check(&sender, name, &[(value, PROOF_CRITICAL)]);
    }
}

#[test]
fn the_header_is_one_json_object_without_duplicates() {
    let sender = Sender::new();
    let jwk = sender.key.public_jwk().unwrap();
    let good = format!(r#""typ":"dpop+jwt","alg":"ES256","jwk":{jwk}"#);
    for header in [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "{".to_owned(),
        format!("{{{good},}}"),
        format!("{{{good}}}{{}}"),
        format!("\u{feff}{{{good}}}"),
        format!(r#"{{{good},"alg":"ES256"}}"#),
        format!(r#"{{{good},"jwk":{jwk}}}"#),
        format!(r#"{{{good},"\u0074yp":"dpop+jwt"}}"#),
        format!(r#"{{{good},"x":{{"y":1,"y":2}}}}"#),
        r#"{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","kty":"EC"}}"#.to_owned(),
    ] {
        let proof = sender.proof().raw_header(header.clone());
        sender.assert_proof(proof, PROOF_FORM, &header);
    }
    let proof = sender.proof().raw_header(format!("\n{{ {good} }} "));
    sender.assert_proof(proof, PRIVATE, "white space in it");
}

// Check 7: the key is not a secret and has no private members.
#[test]
fn the_key_is_public() {
    let sender = Sender::new();
    sender.assert_proof(sender.proof().without_header("jwk"), PROOF_NO_KEY, "none");
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        for value in [json!("AQAB"), json!(""), json!(null)] {
            let case = format!("{name}: {value}");
            let jwk = jwk(&sender.key, name, value);
            sender.assert_proof(sender.proof().raw_jwk(jwk), PROOF_KEY, &case);
        }
    }
    let rsa = shared(Algorithm::Rs256);
    let token = sender.issuer.token().bound_to_key(&rsa).build();
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
        let proof = ProofBuilder::new(&rsa, "GET", &sender.url("/api/private"));
        let proof = proof.token(&token).raw_jwk(jwk(&rsa, name, json!("AQAB")));
        let request = crate::wire::Request::get("/api/private").dpop(&token, &proof.build());
        let answer = sender.app.send(&request);
        crate::expected::assert_offer(&answer, PROOF_KEY, crate::expected::Offer::ByDpop, name);
    }
}

#[test]
fn the_key_can_be_used_for_signatures() {
    let sender = Sender::new();
    let with = |name: &str, value: Value| jwk(&sender.key, name, value);
    let small = json!({"kty": "RSA", "e": "AQAB", "n": format!("{}A", "n".repeat(170))});
    let unfit = [
        json!(null),
        json!(""),
        json!([]),
        json!([sender.key.public_jwk()]),
        json!({}),
        json!({"kty": "oct", "k": "c2VjcmV0"}),
        json!({"kty": "oct"}),
        json!({"kty": "AKP", "pub": "AA"}),
        small,
        with("kty", json!("RSA")),
        with("kty", json!("OKP")),
        with("kty", json!("ec")),
        with("crv", json!("P-384")),
        with("crv", json!("secp256k1")),
        with("x", json!("AA")),
        with("x", json!(null)),
        with("y", json!("")),
        with("use", json!("enc")),
        with("key_ops", json!(["sign"])),
        with("key_ops", json!([])),
        with("alg", json!("ES384")),
        with("alg", json!("RS256")),
        with("kid", json!(1)),
    ];
    for jwk in unfit {
        let case = jwk.to_string();
        sender.assert_proof(sender.proof().raw_jwk(jwk), PROOF_KEY, &case);
    }
    let fit = [
        with("use", json!("sig")),
        with("key_ops", json!(["verify"])),
        with("alg", json!("ES256")),
        with("kid", json!("any")),
        with("ext", json!(true)),
    ];
    for jwk in fit {
        let case = jwk.to_string();
        sender.assert_proof(sender.proof().raw_jwk(jwk), PRIVATE, &case);
    }
}

#[test]
fn only_the_jwk_member_provides_the_key() {
    let sender = Sender::new();
    let url = json!("https://keys.example/");
    for (name, value) in [
        ("kid", json!(sender.key.kid())),
        ("jku", url.clone()),
        ("x5u", url),
        ("x5c", json!(["AA"])),
    ] {
        let proof = sender.proof().header(name, value.clone());
        sender.assert_proof(proof, PRIVATE, name);
        let proof = sender.proof().header(name, value).without_header("jwk");
        sender.assert_proof(proof, PROOF_NO_KEY, name);
    }
}

// Check 6, and the binding of §6.1.
#[test]
fn the_signature_is_by_the_key_in_the_tokens_confirmation() {
    let sender = Sender::new();
    let other = SigningKey::generate(Algorithm::Es256);
    let url = sender.url("/api/private");
    let by_other = ProofBuilder::new(&other, "GET", &url).token(&sender.token);
    sender.assert_proof(by_other.clone(), OTHER_KEY, "another key");
    let claimed = by_other.raw_jwk(sender.key.public_jwk().unwrap());
    sender.assert_proof(claimed, PROOF_SIGNATURE, "by another key");
    let shown = sender.proof().raw_jwk(other.public_jwk().unwrap());
    sender.assert_proof(shown, OTHER_KEY, "another key in the header");
    for signature in [
        vec![],
        vec![0; 64],
        vec![1; 63],
        vec![0xff; 64],
        vec![1; 72],
    ] {
        let case = format!("{signature:?}");
        let proof = sender.proof().raw_signature(signature);
        sender.assert_proof(proof, PROOF_SIGNATURE, &case);
    }
}

#[test]
fn no_part_of_a_signed_proof_can_be_replaced() {
    let sender = Sender::new();
    let (one, two) = (sender.proof().build(), sender.proof().build());
    let parts = |proof: &str| proof.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (one, two) = (parts(&one), parts(&two));
    let mixed = format!("{}.{}.{}", one[0], two[1], one[2]);
    let request = crate::wire::Request::get("/api/private").dpop(&sender.token, &mixed);
    let answer = sender.app.send(&request);
    crate::expected::assert_offer(
        &answer,
        PROOF_SIGNATURE,
        crate::expected::Offer::ByDpop,
        "mixed",
    );
}
