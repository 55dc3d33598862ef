//! Every signature algorithm, with the issuer's key and with another (RFC 7518 §3.1, RFC 8037, RFC 9964).

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{SigningKey, TestIssuer};
use data_encoding::BASE64URL_NOPAD;

use crate::app::{Launch, TestApp};
use crate::expected::{
    OTHER_ALGORITHM, PRIVATE, SCOPED, SIGNATURE, UNKNOWN_ALGORITHM, assert_answer,
};

fn asymmetric() -> impl Iterator<Item = Algorithm> {
    let all = Algorithm::ALL.iter().copied();
    all.filter(|algorithm| !algorithm.is_symmetric())
}

#[test]
fn keys_of_every_type_verify_signatures() {
    for algorithm in asymmetric() {
        let issuer = TestIssuer::start_with(algorithm);
        let launch = Launch::trusting(&issuer);
        let app = TestApp::ready(launch.variable("TOKEN_SIGNING_ALG", algorithm.name()));
        let token = issuer.token().scope("read:messages").build();
        assert_answer(&app.scoped(&token), SCOPED, algorithm.name());
        let (signed, _) = token.rsplit_once('.').unwrap();
        let changed = format!("{signed}x");
        let forged = issuer
            .token()
            .raw_signature(issuer.key().sign(changed.as_bytes()));
        assert_answer(&app.private(&forged.build()), SIGNATURE, algorithm.name());
    }
}

#[test]
fn ml_dsa_is_accepted_only_where_it_is_named() {
    for algorithm in [Algorithm::MlDsa44, Algorithm::MlDsa65, Algorithm::MlDsa87] {
        let issuer = TestIssuer::start_with(algorithm);
        let app = TestApp::trusting(&issuer);
        let token = issuer.token().build();
        assert_answer(&app.private(&token), OTHER_ALGORITHM, algorithm.name());
    }
}

#[test]
fn a_signature_has_the_format_of_its_algorithm() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let app = TestApp::trusting(&issuer);
    let token = issuer.token().build();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    let (r, s) = signature.split_at(32);
    let forms = [
        vec![0; 64],
        [[0; 32], [1; 32]].concat(),
        [s, r].concat(),
        [r, s, &[0]].concat(),
        [&[0], r, s].concat(),
        r.to_vec(),
        der(r, s),
    ];
    for form in forms {
        let forged = format!("{signed}.{}", BASE64URL_NOPAD.encode(&form));
        assert_answer(&app.private(&forged), SIGNATURE, &format!("{form:?}"));
    }
    assert_answer(&app.private(&token), PRIVATE, "as it was");
}

#[test]
fn eddsa_has_two_names() {
    let issuer = TestIssuer::start_with(Algorithm::EdDsa);
    let app = TestApp::trusting(&issuer);
    let token = issuer.token().header("alg", "Ed25519").build();
    assert_answer(&app.private(&token), PRIVATE, "Ed25519");
    let token = issuer.token().header("alg", "Ed448").build();
    assert_answer(&app.private(&token), UNKNOWN_ALGORITHM, "Ed448");
}

#[test]
fn a_secret_of_digits_is_a_text() {
    let secret = "0123456789".repeat(4);
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let launch = Launch::trusting(&issuer)
        .variable("SECRET", &secret)
        .variable("TOKEN_SIGNING_ALG", "HS256");
    let app = TestApp::ready(launch);
    let key = SigningKey::from_secret(&secret, Algorithm::Hs256);
    let token = issuer.token().signed_by(&key).build();
    assert_answer(&app.private(&token), PRIVATE, "digits");
}

#[test]
fn only_the_configured_algorithms_are_accepted() {
    let issuer = TestIssuer::start();
    for (named, expected) in [
        ("RS256", PRIVATE),
        ("ES256,RS256", PRIVATE),
        ("PS256", OTHER_ALGORITHM),
        ("EdDSA", OTHER_ALGORITHM),
    ] {
        let launch = Launch::trusting(&issuer).variable("TOKEN_SIGNING_ALG", named);
        let app = TestApp::ready(launch);
        assert_answer(&app.private(&issuer.token().build()), expected, named);
    }
}

#[test]
fn a_shared_secret_verifies_only_its_own_hash() {
    let hmacs = [
        (Algorithm::Hs256, 32),
        (Algorithm::Hs384, 48),
        (Algorithm::Hs512, 64),
    ];
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    for (algorithm, length) in hmacs {
        let secret = "ß".repeat(length / 2);
        let app = Launch::new()
            .variable("ISSUER", issuer.url())
            .variable("AUDIENCE", issuer.audience())
            .variable("SECRET", &secret)
            .variable("TOKEN_SIGNING_ALG", algorithm.name());
        let app = TestApp::ready(app);
        for (other, _) in hmacs {
            let key = SigningKey::from_secret(&secret, other);
            let token = issuer.token().signed_by(&key);
            let expected = if other == algorithm {
                PRIVATE
            } else {
                OTHER_ALGORITHM
            };
            assert_answer(&app.private(&token.build()), expected, other.name());
        }
        let key = SigningKey::from_secret(&format!("{secret}x"), algorithm);
        let forged = issuer.token().signed_by(&key).build();
        assert_answer(&app.private(&forged), SIGNATURE, "another secret");
        let foreign = issuer.token().build();
        assert_answer(&app.private(&foreign), OTHER_ALGORITHM, "a public key");
    }
    assert_eq!(issuer.requests().discovery, 0);
}

/// A signature as X.509 has it, which JWS does not (RFC 7518 §3.4).
fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| [&[2, 33, 0], number].concat();
    [&[0x30, 70], integer(r).as_slice(), &integer(s)].concat()
}
