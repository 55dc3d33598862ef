//! Which pages in browsers may call the API, and what they can read of its responses.

use actix_resource_server::test_kit::{Document, Fault, TestIssuer};

use crate::app::{Launch, TestApp};
use crate::expected::{Expected, NO_CREDENTIALS, PUBLIC, assert_answer};
use crate::wire::{Answer, Request};

const ORIGIN: &str = "https://app.example";

const EXPOSED: [&str; 3] = ["dpop-nonce", "retry-after", "www-authenticate"];

fn for_two_origins(issuer: &TestIssuer) -> Launch {
    let origins = "https://app.example,http://localhost:5173";
    Launch::trusting(issuer).variable("APP__CORS__ALLOWED_ORIGINS", origins)
}

fn cors_headers(answer: &Answer) -> Vec<&str> {
    let names = answer.headers.iter().map(|(name, _)| name.as_str());
    names
        .filter(|name| name.starts_with("access-control-"))
        .collect()
}

/// Requests for every kind of response while the issuer is unavailable.
fn requests(token: &str) -> [(u16, Request); 12] {
    [
        (200, Request::get("/api/public")),
        (400, Request::get("/api/private").bearer("a").bearer("b")),
        (400, Request::get("/api/public").header("Host", "a b")),
        (401, Request::get("/api/private")),
        (401, Request::get("/api/private").bearer("invalidToken")),
        (404, Request::get("/nowhere")),
        (404, Request::get("/api/nowhere")),
        (405, Request::new("POST", "/api/private")),
        (405, Request::new("OPTIONS", "/api/private")),
        (503, Request::get("/api/private").bearer(token)),
        (503, Request::get("/readyz")),
        (200, Request::get("/livez")),
    ]
}

#[test]
fn an_allowed_origin_can_read_every_response_errors_included() {
    let issuer = TestIssuer::start();
    issuer.set_fault(Document::Jwks, Some(Fault::status(500)));
    let app = for_two_origins(&issuer).serve();
    let token = issuer.token().build();
    for (origin, allowed) in [
        (ORIGIN, Some(ORIGIN)),
        ("http://localhost:5173", Some("http://localhost:5173")),
        ("http://localhost:5174", None),
        ("https://app.example.com", None),
        ("http://app.example", None),
        ("null", None),
    ] {
        for (status, request) in requests(&token) {
            let answer = app.send(&request.header("Origin", origin));
            assert_eq!(answer.status, status, "{answer:?}");
            let allow = answer.header("access-control-allow-origin");
            assert_eq!(allow, allowed, "{origin} {answer:?}");
            let varies = answer.words("vary").contains(&"origin".to_owned());
            assert!(varies, "{origin} {answer:?}");
            if allowed.is_some() {
                let exposed = answer.words("access-control-expose-headers");
                assert_eq!(exposed, EXPOSED, "{answer:?}");
            }
        }
    }
}

#[test]
fn a_rejected_scope_is_reported() {
    let issuer = TestIssuer::start();
    let app = TestApp::ready(for_two_origins(&issuer));
    let request = Request::get("/api/private-scoped").header("Origin", ORIGIN);
    let answer = app.send(&request.bearer(&issuer.token().build()));
    assert_answer(&answer, Expected::InsufficientScope, "403");
    let allow = answer.header("access-control-allow-origin");
    assert_eq!(allow, Some(ORIGIN));
    assert_eq!(answer.words("access-control-expose-headers"), EXPOSED);
}

#[test]
fn a_preflight_needs_no_token() {
    let issuer = TestIssuer::start();
    let app = TestApp::ready(for_two_origins(&issuer));
    for path in ["/api/public", "/api/private", "/api/private-scoped"] {
        for method in ["GET", "HEAD"] {
            let request = Request::preflight(path, ORIGIN, method);
            let requested = "authorization, DPoP, content-type";
            let answer = app.send(&request.header("Access-Control-Request-Headers", requested));
            assert_eq!(
                (answer.status, answer.body.as_str()),
                (200, ""),
                "{answer:?}"
            );
            let allow = answer.header("access-control-allow-origin");
            assert_eq!(allow, Some(ORIGIN), "{path}");
            let headers = answer.words("access-control-allow-headers");
            assert_eq!(headers, ["authorization", "content-type", "dpop"], "{path}");
            let methods = answer.words("access-control-allow-methods");
            assert!(methods.contains(&method.to_ascii_lowercase()), "{answer:?}");
            assert_eq!(
                answer.header("access-control-max-age"),
                Some("600"),
                "{path}"
            );
            assert_eq!(answer.header("access-control-allow-credentials"), None);
            assert_eq!(answer.header("www-authenticate"), None, "{path}");
            assert!(answer.words("vary").contains(&"origin".to_owned()));
        }
    }
}

#[test]
fn a_preflight_from_another_origin_allows_nothing() {
    let issuer = TestIssuer::start();
    let app = TestApp::ready(for_two_origins(&issuer));
    let path = "/api/private";
    let requests = [
        Request::preflight(path, "https://evil.example", "GET"),
        Request::preflight(path, "https://evil.example", "BREW"),
        Request::preflight(path, "null", "GET"),
        Request::preflight(path, "https://APP.example", "GET"),
        Request::preflight(path, "not an origin", "GET"),
        Request::preflight(path, ORIGIN, "GET").header("Origin", "https://evil.example"),
    ];
    for request in requests {
        let answer = app.send(&request);
        assert!(!(200..300).contains(&answer.status), "{answer:?}");
        assert_eq!(cors_headers(&answer), [""; 0], "{request:?}");
        assert!(answer.words("vary").contains(&"origin".to_owned()));
    }
}

fn assert_bad_request(answer: &Answer) {
    assert_eq!(answer.status, 400, "{answer:?}");
    let content_type = answer.header("content-type");
    assert_eq!(content_type, Some("application/problem+json"), "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(answer.header("access-control-allow-methods"), None);
    assert_eq!(answer.header("access-control-allow-headers"), None);
    let vary = answer.words("vary");
    for name in ["origin", "access-control-request-headers"] {
        assert!(vary.contains(&name.to_owned()), "{answer:?}");
    }
}

#[test]
fn a_rejected_preflight_can_be_read_by_an_allowed_origin() {
    let issuer = TestIssuer::start();
    let launch = for_two_origins(&issuer)
        .variable("RUST_LOG", "info,actix_resource_server=debug")
        .variable("APP__CORS__ALLOWED_HEADERS", "X-Request-Id")
        .variable("APP__CORS__ALLOWED_METHODS", "GET, HEAD");
    let app = TestApp::ready(launch);
    let path = "/api/private";
    let get = || Request::preflight(path, ORIGIN, "GET");
    assert_bad_request(&app.send(&Request::preflight(path, ORIGIN, "PUT")));
    assert_bad_request(&app.send(&Request::preflight(path, ORIGIN, "BREW")));
    let requested = "Access-Control-Request-Headers";
    let answer = app.send(&get().header(requested, "authorization, x-other"));
    assert_bad_request(&answer);
    assert!(!answer.body.contains("x-other"), "{answer:?}");
    assert_bad_request(&app.send(&get().header(requested, "a b")));
    app.wait_for_log("the header x-other is not in cors.allowed_headers");
    let answer = app.send(&get().header(requested, "dpop, x-request-id"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let headers = answer.words("access-control-allow-headers");
    assert_eq!(
        headers,
        ["authorization", "content-type", "dpop", "x-request-id"]
    );
    assert_eq!(
        answer.words("access-control-allow-methods"),
        ["get", "head"]
    );
    app.send(&Request::preflight(path, "https://evil.example", "GET"));
    app.wait_for_log("the origin https://evil.example is not in cors.allowed_origins");
}

#[test]
fn every_header_is_allowed_unless_they_are_listed() {
    let issuer = TestIssuer::start();
    let app = TestApp::ready(for_two_origins(&issuer));
    let request = Request::preflight("/api/private", ORIGIN, "GET");
    let answer =
        app.send(&request.header("Access-Control-Request-Headers", "X-Other,authorization"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let headers = answer.words("access-control-allow-headers");
    assert_eq!(headers, ["authorization", "x-other"]);
}

#[test]
fn a_wildcard_label_credentials_and_private_networks_are_opted_into() {
    let issuer = TestIssuer::start();
    let launch = Launch::trusting(&issuer).variables(&[
        ("APP__CORS__ALLOWED_ORIGINS", "https://*.app.example"),
        ("APP__CORS__ALLOW_CREDENTIALS", "true"),
        ("APP__CORS__ALLOW_CREDENTIALS_FOR_WILDCARDS", "true"),
        ("APP__CORS__ALLOW_PRIVATE_NETWORK", "true"),
        ("APP__CORS__EXPOSE_HEADERS", "ETag"),
    ]);
    let app = TestApp::ready(launch);
    let origin = "https://pr-7.app.example";
    let private = "Access-Control-Request-Private-Network";
    let request = Request::preflight("/api/private", origin, "GET").header(private, "true");
    let answer = app.send(&request);
    assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    let expected = Some("true");
    assert_eq!(answer.header("access-control-allow-credentials"), expected);
    assert_eq!(
        answer.header("access-control-allow-private-network"),
        expected
    );
    let answer = app.send(&Request::get("/api/private").header("Origin", origin));
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("access-control-allow-credentials"), expected);
    let exposed = answer.words("access-control-expose-headers");
    assert_eq!(
        exposed,
        ["dpop-nonce", "etag", "retry-after", "www-authenticate"]
    );
    for origin in [
        "https://app.example",
        "https://a.b.app.example",
        "http://a.app.example",
        "null",
    ] {
        let answer = app.send(&Request::get("/api/private").header("Origin", origin));
        assert_eq!(cors_headers(&answer), [""; 0], "{origin}");
    }
}

#[test]
fn without_a_configured_origin_there_is_no_cors() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    for origin in [ORIGIN, "http://localhost:5173", "null"] {
        let answer = app.send(&Request::get("/api/public").header("Origin", origin));
        assert_answer(&answer, PUBLIC, origin);
        assert_eq!(cors_headers(&answer), [""; 0], "{origin}");
        let answer = app.send(&Request::preflight("/api/private", origin, "GET"));
        assert_answer(&answer, Expected::MethodNotAllowed, origin);
        assert_eq!(cors_headers(&answer), [""; 0], "{origin}");
    }
}

#[test]
fn a_wildcard_allows_every_origin_but_no_credentials() {
    let issuer = TestIssuer::start();
    let launch = Launch::trusting(&issuer).variable("APP__CORS__ALLOWED_ORIGINS", "*");
    let app = TestApp::ready(launch.variable("APP__CORS__MAX_AGE", "1h"));
    for origin in [ORIGIN, "http://anything.test:1"] {
        let answer = app.send(&Request::get("/api/private").header("Origin", origin));
        assert_answer(&answer, NO_CREDENTIALS, origin);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        let answer = app.send(&Request::preflight("/api/private", origin, "GET"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-max-age"), Some("3600"));
    }
}

#[test]
fn while_the_development_issuer_is_on_every_loopback_origin_is_allowed() {
    let app = Launch::new().serve();
    let own = [
        "http://localhost:5173",
        "http://localhost",
        "https://localhost:3000",
        "http://127.0.0.1:3000",
        "http://127.9.9.9",
        "http://[::1]:8080",
        "http://app.localhost:1234",
    ];
    for origin in own {
        let answer = app.send(&Request::get("/api/private").header("Origin", origin));
        assert_answer(&answer, NO_CREDENTIALS, origin);
        let allow = answer.header("access-control-allow-origin");
        assert_eq!(allow, Some(origin));
    }
    let others = [
        "https://app.example",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "http://notlocalhost",
        "http://10.0.0.1",
        "http://[::2]",
        "null",
    ];
    for origin in others {
        let answer = app.send(&Request::get("/api/private").header("Origin", origin));
        assert_eq!(
            answer.header("access-control-allow-origin"),
            None,
            "{origin}"
        );
    }
}
