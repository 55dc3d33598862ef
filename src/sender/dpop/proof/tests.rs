use std::time::SystemTime;

use actix_web::http::header::HeaderValue;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::jose::JwkError;
use crate::sender::TargetUriError;
use crate::test_kit::{ProofBuilder, SigningKey, shared};

const NOW: u64 = 1_700_000_000;

const TOKEN: &str = "header.payload.signature";

const URL: &str = "https://api.example/messages";

/// The proof of RFC 9449 §7.1, figure 13, and the token that it goes with.
const RFC_PROOF: &str = concat!(
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNo",
    "UklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERW",
    "clUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.",
    "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxl",
    "Lm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0Ji",
    "MHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.",
    "2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA",
);

const RFC_TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";

/// The proof of RFC 9449 §4.1, figure 2, which goes to a token endpoint.
const RFC_TOKEN_REQUEST: &str = concat!(
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNo",
    "UklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERW",
    "clUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.",
    "eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUu",
    "Y29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.",
    "2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg",
);

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn sender() -> SigningKey {
    shared(Algorithm::Es256)
}

fn good() -> ProofBuilder {
    by(&sender())
}

fn by(key: &SigningKey) -> ProofBuilder {
    ProofBuilder::new(key, "GET", URL)
        .token(TOKEN)
        .issued_at(at(NOW))
}

/// The default window at this many seconds since 1970.
fn window(seconds: u64) -> TimeWindow {
    TimeWindow {
        now: Duration::from_secs(seconds),
        iat_offset: Duration::from_secs(300),
        iat_leeway: Duration::from_secs(30),
    }
}

/// The result for a proof for `GET` of [`URL`] with [`TOKEN`], bound to `key`, at [`NOW`].
fn verify(proof: &str, key: &SigningKey) -> Result<VerifiedProof, ProofError> {
    Proof::parse(proof)?.verify(&ResourceRequest {
        method: "GET",
        target: &TargetUri::parse(URL).expect("a URL"),
        token: TOKEN,
        key_thumbprint: &key.thumbprint().unwrap_or_default(),
        window: window(NOW),
    })
}

fn error(proof: ProofBuilder) -> Option<ProofError> {
    verify(&proof.build(), &sender()).err()
}

fn public_jwk(key: &SigningKey, changes: &Value) -> Value {
    let mut jwk = key.public_jwk().expect("a public key");
    for (name, value) in changes.as_object().expect("an object") {
        jwk[name] = value.clone();
    }
    jwk
}

#[test]
fn the_example_of_rfc_9449_is_valid_for_its_request_and_its_time() {
    let thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let target = TargetUri::parse("https://resource.example.org/protectedresource").expect("a URL");
    let made = 1_562_262_618;
    let expected = ResourceRequest {
        method: "GET",
        target: &target,
        token: RFC_TOKEN,
        key_thumbprint: thumbprint,
        window: window(made),
    };
    let proof = Proof::parse(RFC_PROOF).expect("a proof");
    let proven = proof.verify(&expected).expect("it holds");
    let until = Duration::from_secs(made + 301);
    assert_eq!(proven.acceptable_until, until);
    assert_eq!(
        proven.id,
        ProofId::new(thumbprint, &target, "e1j3V_bKic8-LAEB")
    );
    assert_eq!(proof.nonce(), None);
    let at = |now| {
        let window = TimeWindow {
            now,
            ..expected.window
        };
        proof.verify(&ResourceRequest { window, ..expected })
    };
    assert_eq!(at(until), Err(ProofError::TooOld));
    assert_eq!(at(until - Duration::from_nanos(1)), Ok(proven));
}

#[cfg(feature = "dev-issuer")]
#[test]
fn the_example_of_a_token_request_is_verified_and_rejected_for_a_resource() {
    let thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let target = TargetUri::parse("https://server.example.com/token").expect("a URL");
    let made = 1_562_262_616;
    let proof = Proof::parse(RFC_TOKEN_REQUEST).expect("a proof");
    let verified = proof.verify_token_request(&target, &window(made));
    assert_eq!(
        verified,
        Ok(VerifiedProof {
            id: ProofId::new(thumbprint, &target, "-BwC3ESc6acc2lTc"),
            key_thumbprint: thumbprint.to_owned(),
            acceptable_until: Duration::from_secs(made + 301),
        })
    );
    let resource = ResourceRequest {
        method: "POST",
        target: &target,
        token: RFC_TOKEN,
        key_thumbprint: thumbprint,
        window: window(made),
    };
    let missing = ProofError::Missing { claim: "ath" };
    assert_eq!(proof.verify(&resource), Err(missing));
}

#[cfg(feature = "dev-issuer")]
#[test]
fn a_proof_for_a_token_request_is_verified_like_any_other() {
    let verify = |proof: ProofBuilder| {
        Proof::parse(&proof.build())?
            .verify_token_request(&TargetUri::parse(URL).expect("a URL"), &window(NOW))
    };
    let good = || ProofBuilder::new(&sender(), "POST", URL).issued_at(at(NOW));
    let other = shared(Algorithm::EdDsa);
    assert!(verify(good()).is_ok());
    for (proof, expected) in [
        (good().claim("htm", "GET"), ProofError::OtherMethod),
        (
            good().claim("htu", "https://api.example/"),
            ProofError::OtherTarget,
        ),
        (good().issued_at(at(NOW - 301)), ProofError::TooOld),
        (good().issued_at(at(NOW + 31)), ProofError::IssuedAhead),
        (good().raw_signature([0; 64]), ProofError::Signature),
        (
            good().raw_jwk(public_jwk(&other, &json!({}))),
            ProofError::Key(JwkError::AlgorithmNotAllowed),
        ),
        (
            good().claim("ath", json!(1)),
            ProofError::Malformed { claim: "ath" },
        ),
    ] {
        assert_eq!(verify(proof).err(), Some(expected));
    }
}

#[test]
fn a_proof_of_every_asymmetric_algorithm_is_valid() {
    for algorithm in Algorithm::ALL.iter().copied() {
        let key = shared(algorithm);
        let verdict = verify(&by(&key).build(), &key);
        if !algorithm.is_default() {
            assert_eq!(verdict, Err(ProofError::UnknownAlgorithm), "{algorithm}");
        } else {
            assert!(verdict.is_ok(), "{algorithm}: {verdict:?}");
        }
    }
}

#[test]
fn optional_parts_of_a_proof_are_accepted() {
    let key = sender();
    for proof in [
        good().header("typ", "DPOP+JWT"),
        good().header("typ", "application/dpop+jwt"),
        good()
            .header("kid", 1)
            .header("jku", "https://elsewhere.example/"),
        good().raw_jwk(public_jwk(
            &key,
            &json!({"key_ops": ["verify"], "ext": true}),
        )),
        good().claim("htu", "HTTPS://API.EXAMPLE:443/m%65ssages?page=2#top"),
        good().claim("exp", NOW + 1).claim("nbf", NOW),
        good().claim("iat", 1_700_000_000.5),
        good().claim("jti", "x".repeat(512)),
        good()
            .claim("iss", json!([]))
            .claim("other", json!({"a": 1})),
        good().nonce("n"),
    ] {
        assert_eq!(
            verify(&proof.clone().build(), &key).err(),
            None,
            "{proof:?}"
        );
    }
}

// RFC 9449 §4.3, check 1.
#[test]
fn one_header_has_one_proof() {
    let proof = good().build();
    let find = |values: &[&[u8]]| {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_bytes(value).expect("a header value");
            headers.append(DPOP, value);
        }
        Proof::find(&headers).map(|found| found.is_some())
    };
    let listed = format!("{proof}, {proof}");
    assert_eq!(find(&[]), Ok(false));
    assert_eq!(find(&[proof.as_bytes()]), Ok(true));
    assert_eq!(
        find(&[proof.as_bytes(), proof.as_bytes()]),
        Err(ProofError::Several)
    );
    assert_eq!(find(&[proof.as_bytes(), b""]), Err(ProofError::Several));
    for (value, form) in [
        (&b""[..], CompactError::Segments),
        (b"a.b.c\xff", CompactError::Base64Url),
        (listed.as_bytes(), CompactError::Segments),
    ] {
        assert_eq!(find(&[value]), Err(ProofError::Form(form)));
    }
}

// RFC 9449 §4.3, check 2.
#[test]
fn a_proof_is_one_well_formed_jws() {
    let good = good().build();
    let form = |form| Some(ProofError::Form(form));
    for (proof, expected) in [
        ("", form(CompactError::Segments)),
        ("abc", form(CompactError::Segments)),
        ("a.b", form(CompactError::Segments)),
        ("a.b.c.d.e", form(CompactError::Segments)),
        (&format!("{good}.e30"), form(CompactError::Segments)),
        (&format!("{good}="), form(CompactError::Base64Url)),
        (&format!("{good} "), form(CompactError::Base64Url)),
        (&format!(" {good}"), form(CompactError::Base64Url)),
        ("..", form(CompactError::Header)),
        ("W10.e30.", form(CompactError::Header)),
        (&"A".repeat(16 * 1024 + 1), form(CompactError::TooLong)),
    ] {
        assert_eq!(verify(proof, &sender()).err(), expected, "{proof}");
    }
    for payload in [
        "",
        "null",
        "[]",
        "{",
        r#"{"jti":"a","jti":"a"}"#,
        r#"{"a":{"b":1,"b":1}}"#,
    ] {
        let proof = self::good().raw_payload(payload);
        assert_eq!(
            error(proof),
            Some(ProofError::MalformedPayload),
            "{payload}"
        );
    }
    let doubled = r#"{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","kty":"EC"}}"#;
    assert_eq!(
        error(self::good().raw_header(doubled)),
        form(CompactError::Header)
    );
}

// RFC 9449 §4.3, check 3.
#[test]
fn each_claim_is_present_and_of_its_type() {
    for claim in ["jti", "htm", "htu", "iat", "ath"] {
        let missing = Some(ProofError::Missing { claim });
        assert_eq!(error(good().without_claim(claim)), missing);
    }
    for claim in ["jti", "htm", "htu", "iat", "ath", "nonce", "exp", "nbf"] {
        for wrong in [json!(null), json!(true), json!([]), json!({}), json!(["a"])] {
            let malformed = Some(ProofError::Malformed { claim });
            assert_eq!(
                error(good().claim(claim, wrong.clone())),
                malformed,
                "{wrong}"
            );
        }
    }
    for (claim, wrong) in [
        ("jti", json!("")),
        ("jti", json!("x".repeat(513))),
        ("jti", json!(1)),
        ("htm", json!(1)),
        ("ath", json!(1)),
        ("nonce", json!(1)),
        ("iat", json!(NOW.to_string())),
        ("iat", json!(-1)),
        ("iat", json!(1e300)),
        ("exp", json!(NOW.to_string())),
        ("nbf", json!(-0.5)),
    ] {
        let malformed = Some(ProofError::Malformed { claim });
        assert_eq!(
            error(good().claim(claim, wrong.clone())),
            malformed,
            "{wrong}"
        );
    }
}

// RFC 9449 §4.3, checks 4 and 5.
#[test]
fn type_and_algorithm_are_those_of_a_proof() {
    for typ in [
        "JWT",
        "at+jwt",
        "dpop",
        "dpop+jwt ",
        "dpop+jwt;a=b",
        "application/jwt",
        "",
    ] {
        assert_eq!(
            error(good().header("typ", typ)),
            Some(ProofError::WrongType),
            "{typ}"
        );
    }
    for typ in [json!(null), json!(["dpop+jwt"])] {
        assert_eq!(
            error(good().header("typ", typ)),
            Some(ProofError::WrongType)
        );
    }
    assert_eq!(
        error(good().without_header("typ")),
        Some(ProofError::WrongType)
    );

    let unknown = Some(ProofError::UnknownAlgorithm);
    for alg in [
        "none", "None", "HS256", "HS512", "es256", "ES256K", "RSA-OAEP", "",
    ] {
        assert_eq!(error(good().header("alg", alg)), unknown, "{alg}");
    }
    assert_eq!(error(good().header("alg", json!(["ES256"]))), unknown);
    assert_eq!(error(good().without_header("alg")), unknown);
    let unsigned = good().header("alg", "none").raw_signature([]);
    assert_eq!(error(unsigned), unknown);

    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!(null)),
        ("b64", json!(true)),
    ] {
        let critical = Some(ProofError::CriticalHeader);
        assert_eq!(error(good().header(name, value)), critical, "{name}");
    }
}

// RFC 9449 §4.3, check 6.
#[test]
fn the_signature_is_that_of_the_key_in_the_header() {
    let other = SigningKey::generate(Algorithm::Es256);
    let broken = Some(ProofError::Signature);
    assert_eq!(error(good().signed_by(&other)), broken);
    assert_eq!(error(good().raw_signature([])), broken);
    assert_eq!(error(good().raw_signature([0; 64])), broken);
    let proof = good().build();
    let (signed, signature) = proof.rsplit_once('.').expect("three segments");
    let (header, _) = signed.split_once('.').expect("three segments");
    let payload = good().build();
    let payload = payload.split('.').nth(1).expect("three segments");
    let mixed = format!("{header}.{payload}.{signature}");
    assert_eq!(verify(&mixed, &sender()).err(), broken);
    // A key of one kind, an algorithm of another.
    let unfit = Some(ProofError::Key(JwkError::AlgorithmNotAllowed));
    for alg in ["ES384", "RS256", "EdDSA"] {
        assert_eq!(error(good().header("alg", alg)), unfit, "{alg}");
    }
}

// RFC 9449 §4.3, check 7, and the use that a key declares (RFC 7517 §4).
#[test]
fn the_key_is_public_usable_and_for_signatures() {
    assert_eq!(
        error(good().without_header("jwk")),
        Some(ProofError::MissingKey)
    );
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        for value in [json!("AQAB"), json!(""), json!(null)] {
            let jwk = public_jwk(&sender(), &json!({ name: value }));
            let private = Some(ProofError::Key(JwkError::NotPublic));
            assert_eq!(error(good().raw_jwk(jwk)), private, "{name}");
        }
    }
    for (jwk, expected) in [
        (json!(null), JwkError::Malformed),
        (json!("key"), JwkError::Malformed),
        (json!({}), JwkError::Incomplete),
        (json!({"kty": "oct", "k": "c2VjcmV0"}), JwkError::NotPublic),
        (json!({"kty": "AKP"}), JwkError::Incomplete),
        (
            public_jwk(&sender(), &json!({"x": "AA"})),
            JwkError::Malformed,
        ),
        (
            public_jwk(&sender(), &json!({"use": "enc"})),
            JwkError::OtherUse,
        ),
        (
            public_jwk(&sender(), &json!({"key_ops": ["sign"]})),
            JwkError::OtherUse,
        ),
        (
            public_jwk(&sender(), &json!({"alg": "ES384"})),
            JwkError::AlgorithmNotAllowed,
        ),
        (public_jwk(&sender(), &json!({"kid": 1})), JwkError::KeyId),
        (
            json!({"kty": "RSA", "n": format!("{}A", "n".repeat(170)), "e": "AQAB"}),
            JwkError::RsaSize { bits: 1024 },
        ),
    ] {
        let expected = Some(ProofError::Key(expected));
        assert_eq!(error(good().raw_jwk(jwk.clone())), expected, "{jwk}");
    }
    let rsa = shared(Algorithm::Rs256);
    let bound = by(&rsa).raw_jwk(public_jwk(&rsa, &json!({"alg": "PS256"})));
    assert_eq!(
        verify(&bound.build(), &rsa).err(),
        Some(ProofError::Key(JwkError::AlgorithmNotAllowed))
    );
}

// RFC 9449 §4.3, checks 8 and 9.
#[test]
fn the_proof_is_for_this_method_and_url() {
    for method in ["get", "Get", "POST", "HEAD", "", " GET"] {
        assert_eq!(
            error(good().claim("htm", method)),
            Some(ProofError::OtherMethod),
            "{method}"
        );
    }
    for url in [
        "http://api.example/messages",
        "https://api.example:8443/messages",
        "https://other.example/messages",
        "https://api.example/messages/",
        "https://api.example/Messages",
        "https://api.example/",
        "https://api.example",
    ] {
        assert_eq!(
            error(good().claim("htu", url)),
            Some(ProofError::OtherTarget),
            "{url}"
        );
    }
    for (url, cause) in [
        ("", TargetUriError::Scheme),
        ("/messages", TargetUriError::Scheme),
        ("//api.example/messages", TargetUriError::Scheme),
        ("wss://api.example/messages", TargetUriError::Scheme),
        ("https:///messages", TargetUriError::Authority),
        (
            "https://user@api.example/messages",
            TargetUriError::Authority,
        ),
        ("https://api.example/mess ages", TargetUriError::Characters),
        ("https://api.example/%6", TargetUriError::Escape),
    ] {
        let malformed = Some(ProofError::MalformedTarget(cause));
        assert_eq!(error(good().claim("htu", url)), malformed, "{url}");
    }
}

// RFC 9449 §4.3, check 11.
#[test]
fn the_proof_is_neither_too_old_nor_ahead_nor_out_of_its_own_times() {
    let error = |builder: ProofBuilder| error(builder);
    for (claim, seconds, expected) in [
        ("iat", NOW - 300, None),
        ("iat", NOW - 301, Some(ProofError::TooOld)),
        ("iat", 0, Some(ProofError::TooOld)),
        ("iat", NOW + 30, None),
        ("iat", NOW + 31, Some(ProofError::IssuedAhead)),
        ("iat", 253_402_300_799, Some(ProofError::IssuedAhead)),
        ("nbf", NOW + 30, None),
        ("nbf", NOW + 31, Some(ProofError::NotYetValid)),
        ("exp", NOW - 29, None),
        (
            "exp",
            NOW - 30,
            Some(ProofError::Expired {
                ago: Duration::ZERO,
            }),
        ),
        (
            "exp",
            NOW - 90,
            Some(ProofError::Expired {
                ago: Duration::from_secs(60),
            }),
        ),
    ] {
        assert_eq!(
            error(good().claim(claim, seconds)),
            expected,
            "{claim} {seconds}"
        );
    }
    let proven = verify(&good().issued_at(at(NOW - 100)).build(), &sender());
    assert_eq!(
        proven.map(|proven| proven.acceptable_until),
        Ok(Duration::from_secs(NOW + 201))
    );
}

// RFC 9449 §4.3, check 12.
#[test]
fn the_proof_is_for_this_token_and_by_its_key() {
    let hash = BASE64URL_NOPAD.encode(&sha256(TOKEN.as_bytes()));
    for ath in [
        String::new(),
        format!("{hash}="),
        hash.to_lowercase(),
        TOKEN.to_owned(),
    ] {
        assert_eq!(
            error(good().claim("ath", ath.clone())),
            Some(ProofError::OtherToken),
            "{ath}"
        );
    }
    assert_eq!(error(good().token("other")), Some(ProofError::OtherToken));
    for other in [
        SigningKey::generate(Algorithm::Es256),
        shared(Algorithm::EdDsa),
    ] {
        assert_eq!(
            verify(&by(&other).build(), &sender()).err(),
            Some(ProofError::OtherKey)
        );
    }
    let symmetric = SigningKey::from_secret("secret", Algorithm::Hs256);
    assert_eq!(
        verify(&good().build(), &symmetric).err(),
        Some(ProofError::OtherKey)
    );
}

#[test]
fn cheap_checks_come_before_the_key_and_the_signature() {
    let forged = good().raw_jwk(json!({"kty": "RSA"})).raw_signature([]);
    for (proof, expected) in [
        (forged.clone().claim("htm", "POST"), ProofError::OtherMethod),
        (forged.clone().claim("iat", 0), ProofError::TooOld),
        (
            forged.clone().claim("htu", "https://a.example/"),
            ProofError::OtherTarget,
        ),
        (forged.clone().token("other"), ProofError::OtherToken),
        (forged, ProofError::Key(JwkError::Incomplete)),
        (
            by(&shared(Algorithm::EdDsa)).raw_signature([]),
            ProofError::OtherKey,
        ),
    ] {
        assert_eq!(error(proof), Some(expected));
    }
}

#[test]
fn the_nonce_is_returned_unchanged() {
    let proof = good().nonce("a nonce").build();
    let proof = Proof::parse(&proof).expect("a proof");
    assert_eq!(proof.nonce(), Some("a nonce"));
}

#[test]
fn one_key_url_and_jti_are_one_proof_whatever_else_differs() {
    let id = |proof: ProofBuilder| verify(&proof.build(), &sender()).map(|proven| proven.id);
    let named = |jti: &str| good().claim("jti", jti);
    assert_eq!(
        id(named("a")),
        id(named("a").issued_at(at(NOW - 1)).nonce("n"))
    );
    assert_eq!(
        id(named("a")),
        id(named("a").claim("htu", "https://API.example/messages?x"))
    );
    assert_ne!(id(named("a")), id(named("b")));
    assert_ne!(id(good()), id(good()));
}

#[test]
fn debug_shows_nothing_of_the_proof() {
    let text = good().nonce("secret").build();
    let proof = Proof::parse(&text).expect("a proof");
    assert_eq!(format!("{proof:?}"), "Proof { algorithm: Es256, .. }");
}

proptest! {
    #[test]
    fn no_input_makes_it_panic(
        header in "\\PC{0,64}",
        jwk in "[\\PC]{0,64}",
        payload in proptest::collection::vec(any::<u8>(), 0..64),
        text in "\\PC{0,128}",
    ) {
        prop_assert!(verify(&text, &sender()).is_err());
        let proof = good().raw_header(header).build();
        prop_assert!(verify(&proof, &sender()).is_err());
        let proof = good().raw_payload(payload).build();
        prop_assert!(verify(&proof, &sender()).is_err());
        for kty in ["RSA", "EC", "OKP"] {
            let jwk = json!({"kty": kty, "crv": "P-256", "x": jwk, "y": jwk, "n": jwk, "e": jwk});
            prop_assert!(verify(&good().raw_jwk(jwk).build(), &sender()).is_err());
        }
    }
}
