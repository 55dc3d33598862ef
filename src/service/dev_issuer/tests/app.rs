//! Rules for all paths: unknown paths and methods, CORS, and the host of a request.

use std::io::ErrorKind;
use std::net::TcpListener;

use actix_web::http::header::ORIGIN;
use actix_web::http::{Method, StatusCode};
use actix_web::test::TestRequest;
use serde_json::json;

use crate::jose::Algorithm;
use crate::service::config;
use crate::service::dev_issuer::DevIssuer;

use super::{AUDIENCE, Issuer, send};

#[actix_web::test]
async fn unknown_paths_and_methods_are_json_errors() {
    let response = send(TestRequest::get().uri("/elsewhere")).await;
    let expected = json!({"error": "not_found", "error_description": "no such path"});
    assert_eq!(
        (response.status, response.json()),
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
        let response = send(TestRequest::default().method(method).uri(path)).await;
        assert_eq!(response.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(response.header("allow"), Some(allowed), "{path}");
        assert_eq!(response.json()["error"], "method_not_allowed", "{path}");
    }
}

#[actix_web::test]
async fn only_loopback_origins_are_allowed() {
    let paths = ["/", "/.well-known/jwks.json", "/oauth/token", "/elsewhere"];
    for path in paths {
        for (origin, allowed) in [
            ("http://localhost:5173", Some("http://localhost:5173")),
            ("https://example.com", None),
        ] {
            let request = TestRequest::get().uri(path).insert_header((ORIGIN, origin));
            let response = send(request).await;
            assert_eq!(
                response.header("access-control-allow-origin"),
                allowed,
                "{path} {origin}"
            );
            let exposed = response.header("access-control-expose-headers");
            let mut exposed: Vec<_> = exposed.unwrap().split(", ").collect();
            exposed.sort_unstable();
            let expected = ["dpop-nonce", "www-authenticate"];
            assert_eq!(exposed, expected, "{path} {origin}");
        }
    }
}

#[actix_web::test]
async fn a_preflight_from_loopback_is_allowed() {
    let request = TestRequest::default()
        .method(Method::OPTIONS)
        .uri("/oauth/token")
        .insert_header((ORIGIN, "http://127.0.0.1:3000"))
        .insert_header(("Access-Control-Request-Method", "POST"))
        .insert_header((
            "Access-Control-Request-Headers",
            "authorization,content-type,dpop",
        ));
    let response = send(request).await;
    assert_eq!(response.status, StatusCode::OK);
    let origin = response.header("access-control-allow-origin");
    assert_eq!(origin, Some("http://127.0.0.1:3000"));
    let headers = response.header("access-control-allow-headers").unwrap();
    assert!(
        headers.contains("authorization")
            && headers.contains("content-type")
            && headers.contains("dpop"),
        "{headers}"
    );
}

#[actix_web::test]
async fn a_request_for_another_host_is_rejected() {
    let issuer = Issuer::new();
    let paths = ["/", "/authorize", "/oauth/token", "/userinfo", "/elsewhere"];
    for path in paths {
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            let request = TestRequest::default().method(method).uri(path);
            let response = issuer.send_to("rebound.example:3011", request).await;
            assert_eq!(response.status, StatusCode::MISDIRECTED_REQUEST, "{path}");
            assert_eq!(response.json()["error"], "invalid_request", "{path}");
        }
    }
    for host in ["localhost:3011", "127.0.0.1:3011", "[::1]:3011"] {
        let response = issuer.send_to(host, TestRequest::get()).await;
        assert_eq!(response.status, StatusCode::OK, "{host}");
    }
}

#[test]
fn any_free_port_is_the_same_on_every_loopback_address() {
    let issuer = DevIssuer::bind(
        config::DevIssuer::default(),
        AUDIENCE.to_owned(),
        Algorithm::Rs256,
    )
    .unwrap();
    let addresses: Vec<_> = issuer.listener.addresses().collect();
    let port = addresses[0].port();
    assert_eq!(issuer.url(), format!("http://localhost:{port}/"));
    for address in addresses {
        assert!(address.ip().is_loopback(), "{address}");
        assert_eq!(address.port(), port);
    }
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let settings = config::DevIssuer {
        port,
        ..config::DevIssuer::default()
    };
    let error = DevIssuer::bind(settings, AUDIENCE.to_owned(), Algorithm::Rs256)
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}
