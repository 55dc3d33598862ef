//! Requests that no well-behaved client sends.

use actix_resource_server::test_kit::TestIssuer;

use crate::app::TestApp;
use crate::expected::{MALFORMED_HOST, NO_CREDENTIALS, PUBLIC, assert_answer};
use crate::wire::{Request, attempt, exchange};

const ENDPOINTS: [&str; 3] = ["/api/public", "/api/private", "/api/private-scoped"];

#[test]
fn a_malformed_host_is_a_400_whatever_else_is_sent() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let token = issuer.token().build();
    let hosts: [&[u8]; 14] = [
        b"",
        b"a b",
        b"api.test/",
        b"http://api.test",
        b"me@api.test",
        b"api.test:x",
        b"api.test:-1",
        b"api.test:65536",
        b"api.test:1:2",
        b"::1",
        b"[::1",
        b"[x]",
        b"api.test\\",
        b"\xe4pi.test",
    ];
    for host in hosts {
        for path in ENDPOINTS {
            let case = format!("{} {path}", String::from_utf8_lossy(host));
            let request = Request::get(path).header("Host", host);
            assert_answer(&app.send(&request), MALFORMED_HOST, &case);
            let request = request.bearer(&token);
            assert_answer(&app.send(&request), MALFORMED_HOST, &case);
        }
    }
}

#[test]
fn any_valid_host_is_served() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let hosts = [
        "localhost",
        "api.test",
        "API.test:80",
        "api.test:",
        "127.0.0.1:65535",
        "[::1]:3010",
        "[::1]",
        "xn--bcher-kva.example",
        "a_b.test",
    ];
    for host in hosts {
        let send = |path| app.send(&Request::get(path).header("Host", host));
        assert_answer(&send("/api/public"), PUBLIC, host);
        assert_answer(&send("/api/private"), NO_CREDENTIALS, host);
    }
}

#[test]
fn http_1_0_needs_no_host() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let answer = exchange(app.address, b"GET /api/public HTTP/1.0\r\n\r\n");
    assert_answer(&answer, PUBLIC, "HTTP/1.0");
}

#[test]
fn a_connection_does_not_reuse_the_token_of_an_earlier_request() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let token = issuer.token().build();
    let with =
        format!("GET /api/private HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
    let without = "GET /api/private HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answers = exchange(app.address, [&with, &with, without].concat().as_bytes());
    let statuses = answers.text.split("HTTP/1.1 ").skip(1);
    let statuses: Vec<_> = statuses.map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "200", "401"], "{}", answers.text);
}

#[test]
fn a_request_that_is_not_http_gets_an_empty_400_and_the_service_continues() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let requests: [&[u8]; 12] = [
        b"GET /api/private HTTP/1.1\r\n\r\n",
        b"GET /api/private HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /api/private HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer\r\n a.b.c\r\n\r\n",
        b"GET /api/private HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a\0b\r\n\r\n",
        b"GET /api/private HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a\x01b\r\n\r\n",
        b"GET /api/private HTTP/1.1\r\nHost: a\r\nAuthorization : Bearer a\r\n\r\n",
        b"GET /api/private HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        b"GET /api/priv\xffate HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET  /api/private HTTP/1.1\r\nHost: a\r\n\r\n",
        b"G(T /api/private HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /api/private\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ];
    for request in requests {
        let case = String::from_utf8_lossy(request);
        let answer = exchange(app.address, request);
        assert_eq!((answer.status, answer.body.as_str()), (400, ""), "{case}");
        assert_eq!(answer.header("www-authenticate"), None, "{case}");
    }
    assert_answer(&app.get("/api/public"), PUBLIC, "afterwards");
}

#[test]
fn an_oversized_head_is_rejected_and_the_service_continues() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let endless = Request::get("/api/private").bearer(&"a".repeat(1024 * 1024));
    // Unread bytes may cause a reset, which discards the response.
    let answer = attempt(app.address, &endless.bytes(app.address));
    assert!(answer.is_none_or(|answer| answer.status == 431));
    assert_answer(&app.get("/api/public"), PUBLIC, "afterwards");
}
