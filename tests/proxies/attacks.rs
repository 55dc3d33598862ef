//! Attacks on decision services: what a client sends changes neither the decision nor the identity.

use crate::kind::Kind;
use crate::site::{HOST, Site, get, request};

/// Headers by which a client names another request.
const OTHER_REQUEST: &[(&str, &str)] = &[
    ("X-Forwarded-Uri", "/public/a"),
    ("X-Forwarded-URL", "/public/a"),
    ("X-Forwarded-Path", "/public/a"),
    ("X-Forwarded-Prefix", "/public"),
    ("X-Original-URI", "/public/a"),
    ("X-Original-URL", "/public/a"),
    ("X-Original-Path", "/public/a"),
    ("X-Rewrite-URL", "/public/a"),
    ("X-Envoy-Original-Path", "/public/a"),
    ("X-Envoy-Auth-Partial-Body", "true"),
    ("X-Replaced-Path", "/public/a"),
    ("X_Forwarded_Uri", "/public/a"),
    ("X_Original_URI", "/public/a"),
    ("X-Forwarded-Method", "GET"),
    ("X-Original-Method", "GET"),
    ("X-HTTP-Method-Override", "GET"),
    ("X-Forwarded-For", "127.0.0.1"),
    ("Forwarded", "for=127.0.0.1;host=public"),
    ("X-Forwarded-Host", "public"),
    (
        "Connection",
        "X-Forwarded-Uri, X-Original-URI, X-Original-Method, X-Forwarded-Method",
    ),
    ("Connection", "Authorization, X-Auth-Subject"),
];

#[test]
#[ignore = "needs what tests/proxies/run installs"]
fn a_client_cannot_name_another_request() {
    for kind in Kind::ALL {
        let site = Site::start(kind);
        let protected = || {
            [
                get("/orders/7"),
                request("POST", "/orders"),
                request("PUT", "/orders"),
            ]
        };
        for header in OTHER_REQUEST {
            for sent in protected() {
                site.reject(&sent.header(header.0, header.1));
            }
        }
        for sent in protected() {
            let all = OTHER_REQUEST.iter();
            site.reject(&all.fold(sent, |sent, (name, value)| sent.header(name, value)));
        }
        // The other way round: an open request stays open, or is rejected, but is not decided as another one.
        let token = site.token("admin").build();
        let named = get("/public/a")
            .header("X-Forwarded-Uri", "/admin/users")
            .header("X-Original-URI", "/admin/users");
        let received = site.reach(&named.bearer(&token));
        assert_eq!(received.all("x-auth-subject").concat(), "", "{kind:?}");
    }
}

#[test]
#[ignore = "needs what tests/proxies/run installs"]
fn an_absolute_url_is_passed_on_as_the_path_that_was_decided_or_not_at_all() {
    for kind in Kind::ALL {
        let site = Site::start(kind);
        for host in [HOST, "other.example"] {
            let (_, received) = site.send(&get(&format!("http://{host}/public/a")));
            for received in received {
                assert_eq!(received.line, "GET /public/a HTTP/1.1", "{kind:?}");
            }
        }
    }
}

#[test]
#[ignore = "needs what tests/proxies/run installs"]
fn a_header_that_replaces_the_method_or_the_path_is_rejected() {
    for kind in Kind::ALL {
        let site = Site::start(kind);
        for (name, value) in [
            ("X-HTTP-Method-Override", "DELETE"),
            ("X-HTTP-Method", "DELETE"),
            ("X-Method-Override", "DELETE"),
            ("X-Original-URL", "/admin/users"),
            ("X-Rewrite-URL", "/admin/users"),
        ] {
            let rejected = site.reject(&get("/public/a").header(name, value));
            assert_eq!(rejected.status, site.status(400), "{kind:?} {name}");
            // A server behind the proxy may read these as the same name.
            let underscored = get("/public/a").header(&name.replace('-', "_"), value);
            let (_, received) = site.send(&underscored);
            for received in received {
                let names = received.names();
                assert!(
                    !names.iter().any(|name| name.contains('_')),
                    "{kind:?}: {names:?}"
                );
            }
        }
    }
}

#[test]
#[ignore = "needs what tests/proxies/run installs"]
fn other_methods_are_not_those_of_a_row() {
    for kind in Kind::ALL {
        let site = Site::start(kind);
        let token = site.token("read:orders").build();
        for method in [
            "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get", "Get", "GETS", "POST", "PUT",
            "CONNECT", "M-SEARCH", "X",
        ] {
            let sent = request(method, "/orders/7")
                .bearer(&token)
                .header("Content-Length", "0");
            let (answer, received) = site.send_bytes(&sent.bytes(site.proxy.address));
            assert!(received.is_empty(), "{kind:?}: {method}: {received:?}");
            let status = answer.map(|answer| answer.status);
            assert_ne!(status, Some(200), "{kind:?}: {method}");
        }
        let preflight = request("OPTIONS", "/orders/7")
            .header("Origin", "https://app.example")
            .header("Access-Control-Request-Method", "GET");
        site.reject(&preflight);
    }
}

#[test]
#[ignore = "needs what tests/proxies/run installs"]
fn a_client_cannot_choose_its_identity() {
    const FORGED: [&str; 4] = ["Subject", "Scopes", "Client", "Issuer"];
    for kind in Kind::ALL {
        let site = Site::start(kind);
        let with = |sent: crate::wire::Request, separator: &str| {
            FORGED.iter().fold(sent, |sent, name| {
                let name = ["X", "Auth", name].join(separator);
                sent.header(&name, "forged")
                    .header(&name.to_ascii_lowercase(), "forged")
            })
        };
        let token = site.token("read:orders");
        let token = token.without("client_id").without("azp").build();
        for sent in [get("/public/a"), get("/orders/7").bearer(&token)] {
            let received = site.reach(&with(sent.clone(), "-"));
            assert!(
                !format!("{received:?}").contains("forged"),
                "{kind:?}: {received:?}"
            );
            // A proxy may also reject such names.
            let (_, received) = site.send(&with(sent, "_"));
            for received in received {
                assert!(
                    !format!("{received:?}").contains("forged"),
                    "{kind:?}: {received:?}"
                );
                let names = received.names();
                let subjects = names.iter().filter(|name| *name == "x-auth-subject");
                assert!(subjects.count() <= 1, "{kind:?}: {names:?}");
            }
        }
        let received = site.reach(&with(get("/orders/7").bearer(&token), "-"));
        assert_eq!(received.all("x-auth-subject").len(), 1, "{kind:?}");
        assert_eq!(received.all("x-auth-client").concat(), "", "{kind:?}");
    }
}

#[test]
#[ignore = "needs what tests/proxies/run installs"]
fn two_credentials_are_rejected() {
    for kind in Kind::ALL {
        let site = Site::start(kind);
        let [good, other] = ["read:orders", "other"].map(|scopes| site.token(scopes).build());
        for pair in [[&good, &other], [&other, &good], [&good, &good]] {
            let sent = pair
                .iter()
                .fold(get("/orders/7"), |sent, token| sent.bearer(token));
            site.reject(&sent);
        }
    }
}

#[test]
#[ignore = "needs what tests/proxies/run installs"]
fn old_and_malformed_requests_are_decided_like_others() {
    for kind in Kind::ALL {
        let site = Site::start(kind);
        let token = site.token("other").build();
        for head in [
            "GET /orders/7 HTTP/1.0\r\n".to_owned(),
            format!("GET /orders/7 HTTP/1.0\r\nAuthorization: Bearer {token}\r\n"),
            format!("GET /orders/7 HTTP/1.0\r\nHost: {HOST}\r\n"),
            "GET /orders/7 HTTP/1.1\r\n".to_owned(),
            "GET /orders/7\r\n".to_owned(),
            "GET /orders/7 HTTP/0.9\r\n".to_owned(),
            "GET /orders/7 HTTP/1.1\r\nHost:\r\n".to_owned(),
            format!("GET /orders/7 HTTP/1.1\r\nHost: {HOST}\r\nHost: {HOST}\r\n"),
            "GET /orders/7 HTTP/1.1\r\nHost: other.example\r\n".to_owned(),
            format!("GET /orders/7 HTTP/1.1\r\nHost: {HOST}:80@other.example\r\n"),
            format!("GET  /orders/7 HTTP/1.1\r\nHost: {HOST}\r\n"),
            format!("GET\t/orders/7 HTTP/1.1\r\nHost: {HOST}\r\n"),
            format!("GET /public/a HTTP/1.1 GET /orders/7 HTTP/1.1\r\nHost: {HOST}\r\n"),
            format!("\r\nGET /orders/7 HTTP/1.1\r\nHost: {HOST}\r\n"),
        ] {
            let (answer, received) =
                site.send_bytes(format!("{head}Connection: close\r\n\r\n").as_bytes());
            assert!(received.is_empty(), "{kind:?}: {head}: {received:?}");
            // Caddy answers 200 for names that it does not serve, without the API.
            let body = answer.map(|answer| answer.body).unwrap_or_default();
            assert!(!body.contains("reached"), "{kind:?}: {head}");
        }
    }
}

#[test]
#[ignore = "needs what tests/proxies/run installs"]
fn large_headers_let_nothing_pass() {
    for kind in Kind::ALL {
        let site = Site::start(kind);
        for length in [7_000, 16_000, 70_000, 200_000] {
            let long = "a".repeat(length);
            for sent in [
                get("/orders/7").header("X-Long", &long),
                get("/orders/7").bearer(&long),
                get(&format!("/orders/{long}")),
                get(&format!("/orders/7?{long}")),
                get(&format!("/admin/{long}")),
            ] {
                let (_, received) = site.send_bytes(&sent.bytes(site.proxy.address));
                assert!(received.is_empty(), "{kind:?}: {length}");
            }
        }
        for count in [90, 120, 1_000] {
            let many = (0..count).fold(get("/orders/7"), |sent, number| {
                sent.header(&format!("X-Many-{number}"), "a")
            });
            let (_, received) = site.send_bytes(&many.bytes(site.proxy.address));
            assert!(received.is_empty(), "{kind:?}: {count}");
        }
    }
}

#[test]
#[ignore = "needs what tests/proxies/run installs"]
fn a_websocket_is_opened_only_with_a_token() {
    for kind in Kind::ALL {
        let site = Site::start(kind);
        let upgrade = |target: &str| {
            let head = format!(
                "GET {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            );
            head.into_bytes()
        };
        let send = |target: &str, token: Option<&str>| {
            let mut bytes = upgrade(target);
            if let Some(token) = token {
                bytes.extend(format!("Authorization: Bearer {token}\r\n").into_bytes());
            }
            bytes.extend(b"\r\n");
            site.send_bytes(&bytes).1
        };
        let [good, other] = ["read:orders", "other"].map(|scopes| site.token(scopes).build());
        assert!(send("/orders/7", None).is_empty(), "{kind:?}");
        assert!(send("/orders/7", Some(&other)).is_empty(), "{kind:?}");
        let received = send("/orders/7", Some(&good));
        assert_eq!(received.len(), 1, "{kind:?}: {}", site.proxy.log());
        assert_eq!(received[0].all("upgrade"), ["websocket"], "{kind:?}");
    }
}
