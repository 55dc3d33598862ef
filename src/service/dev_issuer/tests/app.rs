//! What holds for every path: who may ask, and from which pages.

use actix_web::http::header::ORIGIN;
use actix_web::http::{Method, StatusCode};
use actix_web::test::TestRequest;
use serde_json::json;

use super::{Issuer, send};

#[actix_web::test]
async fn unknown_paths_and_methods_are_json_errors() {
    let seen = send(TestRequest::get().uri("/elsewhere")).await;
    let expected = json!({"error": "not_found", "error_description": "there is nothing here"});
    assert_eq!(
        (seen.status, seen.json()),
        (StatusCode::NOT_FOUND, expected)
    );

    let cases = [
        (Method::GET, "/oauth/token", "POST"),
        (Method::POST, "/", "GET, HEAD"),
        (Method::POST, "/authorize", "GET, HEAD"),
        (Method::GET, "/login", "POST"),
        (Method::DELETE, "/userinfo", "GET, HEAD, POST"),
        (Method::DELETE, "/.well-known/jwks.json", "GET, HEAD"),
    ];
    for (method, path, allowed) in cases {
        let seen = send(TestRequest::default().method(method).uri(path)).await;
        assert_eq!(seen.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(seen.header("allow"), Some(allowed), "{path}");
        assert_eq!(seen.json()["error"], "method_not_allowed", "{path}");
    }
}

#[actix_web::test]
async fn every_answer_is_for_loopback_origins_alone() {
    let paths = ["/", "/.well-known/jwks.json", "/oauth/token", "/elsewhere"];
    for path in paths {
        for (origin, allowed) in [
            ("http://localhost:5173", Some("http://localhost:5173")),
            ("https://example.com", None),
        ] {
            let request = TestRequest::get().uri(path).insert_header((ORIGIN, origin));
            let seen = send(request).await;
            assert_eq!(
                seen.header("access-control-allow-origin"),
                allowed,
                "{path} {origin}"
            );
            let exposed = seen.header("access-control-expose-headers");
            let mut exposed: Vec<_> = exposed.unwrap().split(", ").collect();
            exposed.sort_unstable();
            let expected = ["dpop-nonce", "www-authenticate"];
            assert_eq!(exposed, expected, "{path} {origin}");
        }
    }
}

#[actix_web::test]
async fn a_preflight_is_answered() {
    let request = TestRequest::default()
        .method(Method::OPTIONS)
        .uri("/oauth/token")
        .insert_header((ORIGIN, "http://127.0.0.1:3000"))
        .insert_header(("Access-Control-Request-Method", "POST"))
        .insert_header((
            "Access-Control-Request-Headers",
            "authorization,content-type,dpop",
        ));
    let seen = send(request).await;
    assert_eq!(seen.status, StatusCode::OK);
    let origin = seen.header("access-control-allow-origin");
    assert_eq!(origin, Some("http://127.0.0.1:3000"));
    let headers = seen.header("access-control-allow-headers").unwrap();
    assert!(
        headers.contains("authorization")
            && headers.contains("content-type")
            && headers.contains("dpop"),
        "{headers}"
    );
}

#[actix_web::test]
async fn a_foreign_name_is_never_answered() {
    let issuer = Issuer::new();
    let paths = ["/", "/authorize", "/oauth/token", "/userinfo", "/elsewhere"];
    for path in paths {
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            let request = TestRequest::default().method(method).uri(path);
            let seen = issuer.send_to("rebound.example:3011", request).await;
            assert_eq!(seen.status, StatusCode::MISDIRECTED_REQUEST, "{path}");
            assert_eq!(seen.json()["error"], "invalid_request", "{path}");
        }
    }
    for host in ["localhost:3011", "127.0.0.1:3011", "[::1]:3011"] {
        let seen = issuer.send_to(host, TestRequest::get()).await;
        assert_eq!(seen.status, StatusCode::OK, "{host}");
    }
}
