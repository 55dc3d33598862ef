//! The token as a text: three strict segments of unpadded base64url (RFC 7515 §7.1).

use actix_resource_server::test_kit::{TestIssuer, TokenBuilder};
use serde_json::json;

use crate::app::{Launch, TestApp};
use crate::expected::{
    Expected, MALFORMED_PAYLOAD, NO_JWT, PRIVATE, SIGNATURE, TOO_LONG, UNKNOWN_KEY, assert_answer,
};

#[test]
fn a_token_has_exactly_three_segments() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let token = issuer.token().build();
    let [header, payload, signature] = segments(&token);
    let cases = [
        header.to_owned(),
        format!("{header}.{payload}"),
        format!("{token}.{signature}"),
        format!("{token}.{payload}.{signature}"),
        format!(".{token}"),
        format!("{header}..{payload}.{signature}"),
        "..".to_owned(),
        "...".to_owned(),
        ".".to_owned(),
        "....".to_owned(),
    ];
    for case in cases {
        let answer = app.private(&case);
        // Only dots are three empty segments, the first of which is not a header.
        let expected = match case.as_str() {
            ".." => Expected::InvalidToken("The token's header is malformed."),
            _ => NO_JWT,
        };
        assert_answer(&answer, expected, &case);
    }
}

#[test]
fn base64url_is_read_strictly() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let token = issuer.token().build();
    let [header, payload, signature] = segments(&token);
    for spoil in [with_bits_left_over, standard_alphabet, one_character_more] {
        let cases = [
            format!("{}.{payload}.{signature}", spoil(header)),
            format!("{header}.{}.{signature}", spoil(payload)),
            format!("{header}.{payload}.{}", spoil(signature)),
        ];
        for case in cases {
            assert_answer(&app.private(&case), NO_JWT, &case);
        }
    }
    for padding in ["=", "=="] {
        let case = format!("{token}{padding}");
        assert_answer(&app.private(&case), NO_JWT, &case);
    }
}

#[test]
fn a_signature_is_only_valid_for_its_token() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let token = issuer.token().build();
    let other = issuer.token().claim("sub", "user-2").build();
    let [header, payload, signature] = segments(&token);
    let [_, other_payload, other_signature] = segments(&other);
    let zeros = issuer.token().raw_signature([0; 256]).build();
    let cases = [
        format!("{header}.{other_payload}.{signature}"),
        format!("{header}.{payload}.{other_signature}"),
        format!("{header}.{payload}."),
        format!("{header}.{payload}.AAAA"),
        format!("{header}.{payload}.{signature}AAAA"),
        format!("{header}.{payload}.{}", &signature[4..]),
        zeros,
    ];
    for case in cases {
        assert_answer(&app.private(&case), SIGNATURE, &case);
    }
    assert_answer(&app.private(&token), PRIVATE, "unchanged");
    assert_eq!(issuer.requests().jwks, 1, "no signature causes a fetch");
}

#[test]
fn a_signature_by_another_key_is_rejected() {
    let issuer = TestIssuer::start();
    let other = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let kid = issuer.key().kid().to_owned();
    let foreign = |kid| issuer.token().signed_by(&other.key().with_kid(kid));
    assert_answer(&app.private(&foreign(&kid).build()), SIGNATURE, "our kid");
    assert_answer(&app.private(&foreign("x").build()), UNKNOWN_KEY, "x");
    let unnamed = foreign(&kid).without_header("kid").build();
    assert_answer(&app.private(&unnamed), UNKNOWN_KEY, "no kid");
}

#[test]
fn the_payload_is_one_json_object_without_duplicates() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let iss = json!(issuer.url()).to_string();
    let good = format!(r#""iss":{iss},"aud":"https://api.test/","exp":9999999999"#);
    let deep = "[".repeat(1000);
    let payloads: [Vec<u8>; 17] = [
        Vec::new(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"\"text\"".to_vec(),
        b"1".to_vec(),
        format!("{{{good}").into(),
        format!("{{{good}}}{{}}").into(),
        format!("{{{good}}}x").into(),
        format!("{{{good},}}").into(),
        format!("\u{feff}{{{good}}}").into(),
        format!("{{{good},\"iss\":{iss}}}").into(),
        format!("{{{good},\"aud\":\"x\"}}").into(),
        format!("{{{good},\"\\u0065xp\":1}}").into(),
        format!("{{{good},\"x\":1,\"x\":1}}").into(),
        format!("{{{good},\"x\":{{\"y\":1,\"y\":2}}}}").into(),
        [format!("{{{good},\"x\":\"").as_bytes(), b"\xff\"}"].concat(),
        format!("{{{good},\"x\":{deep}}}").into(),
    ];
    for payload in payloads {
        let case = String::from_utf8_lossy(&payload).into_owned();
        let token = issuer.token().raw_payload(payload).build();
        assert_answer(&app.private(&token), MALFORMED_PAYLOAD, &case);
    }
    let token = issuer.token().raw_payload(format!(" {{{good}}}\n")).build();
    assert_answer(&app.private(&token), PRIVATE, "white space around it");
}

#[test]
fn a_token_has_at_most_16_kib() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let padded = |length: usize| issuer.token().claim("jti", "x".repeat(length));
    let empty = padded(0).build().len();
    let fitting = (16 * 1024 - empty) / 4 * 3 - 3;
    let token = TokenBuilder::build(padded(fitting));
    assert!(token.len() > 16 * 1024 - 8 && token.len() <= 16 * 1024);
    assert_answer(&app.private(&token), PRIVATE, "16 KiB");
    let token = padded(fitting + 6).build();
    assert!(token.len() > 16 * 1024);
    assert_answer(&app.private(&token), TOO_LONG, "more than 16 KiB");
}

#[test]
fn the_limit_of_a_tokens_length_can_be_set_up_to_64_kib() {
    let issuer = TestIssuer::start();
    for (limit, length) in [("1024", 1024), ("65536", 64 * 1024)] {
        let launch = Launch::trusting(&issuer).variable("APP__AUTH__MAX_TOKEN_LENGTH", limit);
        let app = TestApp::ready(launch);
        let padded = |length: usize| issuer.token().claim("jti", "x".repeat(length)).build();
        let fitting = (length - padded(0).len()) / 4 * 3 - 3;
        let token = padded(fitting);
        assert!(token.len() > length - 8 && token.len() <= length);
        // A token is cached once it has been sent twice.
        for _ in 0..3 {
            assert_answer(&app.private(&token), PRIVATE, limit);
        }
        assert_answer(&app.private(&padded(fitting + 6)), TOO_LONG, limit);
    }
    for limit in ["1023", "65537"] {
        let launch = Launch::trusting(&issuer).variable("APP__AUTH__MAX_TOKEN_LENGTH", limit);
        let message = "auth.max_token_length (variable APP__AUTH__MAX_TOKEN_LENGTH): must be a number from 1024 to 65536";
        assert!(launch.run().log.contains(message), "{limit}");
    }
}

fn segments(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

/// The last of two characters has four bits that belong to no byte; one of them is set.
fn with_bits_left_over(segment: &str) -> String {
    let whole = segment.len() / 4 * 4;
    format!("{}AB", &segment[..whole])
}

fn standard_alphabet(segment: &str) -> String {
    format!("ab+/{segment}")
}

/// No number of bytes has a length of one more than a multiple of four.
fn one_character_more(segment: &str) -> String {
    let whole = segment.len() / 4 * 4;
    format!("{}A", &segment[..whole])
}
