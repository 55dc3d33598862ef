//! The `Authorization` header: which values contain a token (RFC 6750 §2.1).

use actix_resource_server::test_kit::TestIssuer;

use crate::app::TestApp;
use crate::expected::{
    Expected, NO_BEARER_TOKEN, NO_CREDENTIALS, NO_JWT, PRIVATE, SEVERAL, SIGNATURE, TOO_LONG,
    UNUSABLE, assert_answer,
};
use crate::wire::Request;

const PROTECTED: [&str; 2] = ["/api/private", "/api/private-scoped"];

#[test]
fn a_header_without_a_bearer_token_counts_as_none() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let token = issuer.token().scope("read:messages").build();
    let headers = [
        String::new(),
        " ".to_owned(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "bearer   ".to_owned(),
        "Bearer invalidToken abc".to_owned(),
        "Bearer a b c".to_owned(),
        format!("Bearer {token} abc"),
        format!("Bearer {token} {token}"),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer Bearer {token}"),
        format!("Bearer\t{token}"),
        format!("Bearer{token}"),
        format!("Bearer:{token}"),
        format!("Bearer={token}"),
        format!("Bearers {token}"),
        format!("Basic {token}"),
        format!("Token {token}"),
        format!("JWT {token}"),
        token.clone(),
        "Basic ZGVtbzp4".to_owned(),
        "Digest username=\"demo\"".to_owned(),
        "Negotiate".to_owned(),
    ];
    for header in headers {
        for path in PROTECTED {
            let request = Request::get(path).header("Authorization", &header);
            assert_answer(&app.send(&request), UNUSABLE, &format!("{header:?}"));
        }
    }
}

#[test]
fn a_word_that_is_not_a_jwt_is_an_invalid_token() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let token = issuer.token().scope("read:messages").build();
    let too_long = "a".repeat(16 * 1024 + 1);
    let cases: [(Vec<u8>, Expected); 20] = [
        (b"invalidToken".to_vec(), NO_JWT),
        (b"null".to_vec(), NO_JWT),
        (b"undefined".to_vec(), NO_JWT),
        (b"-._~+/".to_vec(), NO_JWT),
        (b"a.b.c==".to_vec(), NO_JWT),
        (format!("{token}abc").into_bytes(), NO_JWT),
        (format!("{token}AA").into_bytes(), SIGNATURE),
        (format!("abc{token}").into_bytes(), NO_JWT),
        (format!("{token}.").into_bytes(), NO_JWT),
        (format!("{token}=").into_bytes(), NO_JWT),
        (format!("{token},").into_bytes(), NO_BEARER_TOKEN),
        (format!("\"{token}\"").into_bytes(), NO_BEARER_TOKEN),
        (format!("<{token}>").into_bytes(), NO_BEARER_TOKEN),
        (b"=".to_vec(), NO_BEARER_TOKEN),
        (b"a=b".to_vec(), NO_BEARER_TOKEN),
        (b"{}".to_vec(), NO_BEARER_TOKEN),
        (b"%00".to_vec(), NO_BEARER_TOKEN),
        ("tökén".into(), NO_BEARER_TOKEN),
        (b"\xff\xfe".to_vec(), NO_BEARER_TOKEN),
        (too_long.into_bytes(), TOO_LONG),
    ];
    for (word, expected) in cases {
        let header = [b"Bearer ".as_slice(), &word].concat();
        for path in PROTECTED {
            let request = Request::get(path).header("Authorization", &header);
            let case = String::from_utf8_lossy(&header);
            assert_answer(&app.send(&request), expected, &case);
        }
    }
}

#[test]
fn the_scheme_is_case_insensitive_and_followed_by_any_number_of_spaces() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let token = issuer.token().build();
    let headers = [
        format!("bearer {token}"),
        format!("BEARER {token}"),
        format!("bEaReR {token}"),
        format!("Bearer    {token}"),
        format!("   Bearer {token}"),
        format!("Bearer {token}   "),
        format!("\tBearer {token}\t"),
    ];
    for header in headers {
        let request = Request::get("/api/private").header("Authorization", &header);
        assert_answer(&app.send(&request), PRIVATE, &header);
    }
    for name in ["authorization", "AUTHORIZATION"] {
        let request = Request::get("/api/private").header(name, format!("Bearer {token}"));
        assert_answer(&app.send(&request), PRIVATE, name);
    }
}

#[test]
fn two_credentials_are_rejected() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let token = issuer.token().scope("read:messages").build();
    for path in PROTECTED {
        let request = |query: &str| Request::get(&format!("{path}{query}")).bearer(&token);
        let cases = [
            request("").bearer(&token),
            request("").bearer("invalidToken"),
            request("").header("Authorization", ""),
            request("").header("Authorization", "Basic ZGVtbzp4"),
            request("").header("authorization", "DPoP a"),
            request(&format!("?access_token={token}")),
            request("?access_token=other"),
            request("?access_token="),
            request("?access_token"),
            request("?a=b&access_token=c&d"),
            request("?access%5Ftoken=c"),
        ];
        for request in cases {
            assert_answer(&app.send(&request), SEVERAL, &format!("{request:?}"));
        }
    }
}

#[test]
fn a_query_that_only_looks_like_a_token_is_ignored() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let token = issuer.token().build();
    for query in [
        "ACCESS_TOKEN=a",
        "token=a",
        "x=access_token",
        "my_access_token=a",
    ] {
        let target = format!("/api/private?{query}");
        let answer = app.send(&Request::get(&target).bearer(&token));
        assert_answer(&answer, PRIVATE, query);
    }
}

#[test]
fn a_token_outside_the_header_is_not_used() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let token = issuer.token().scope("read:messages").build();
    let form = format!("access_token={token}");
    for path in PROTECTED {
        let request = || Request::get(path);
        let cases = [
            Request::get(&format!("{path}?access_token={token}")),
            request().body("application/x-www-form-urlencoded", &form),
            request().header("Cookie", &form),
            request().header("Proxy-Authorization", format!("Bearer {token}")),
            request().header("X-Forwarded-Authorization", format!("Bearer {token}")),
            request().header("X-Access-Token", &token),
        ];
        for request in cases {
            assert_answer(&app.send(&request), NO_CREDENTIALS, &format!("{request:?}"));
        }
    }
}
