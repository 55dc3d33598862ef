//! The development issuer: on loopback, with its own key, discovered like any issuer.

use std::net::{Ipv6Addr, SocketAddr, TcpListener};

use actix_resource_server::test_kit::TestIssuer;
use serde_json::{Value, json};

use crate::app::{Launch, TestApp};
use crate::wire::Request;

/// Where the development issuer of `app` listens.
pub(crate) fn address(app: &TestApp) -> SocketAddr {
    let url = app.dev_issuer();
    let port = url.trim_end_matches('/').rsplit(':').next().unwrap();
    SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()))
}

#[test]
fn without_configuration_the_development_issuer_is_started() {
    let app = Launch::new().serve();
    let log = app.log().text();
    assert!(log.contains("FOR DEVELOPMENT ONLY"), "{log}");
    assert!(log.contains("https://quickstarts/api"), "{log}");
    let ready = app.wait_for(200, &Request::get("/readyz"));
    assert_eq!(ready.json(), json!({"status": "ready"}));
}

#[test]
fn the_shipped_settings_start_it_too() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/Settings.toml");
    let app = Launch::new().arguments(&["--config", shipped]).serve();
    assert!(app.dev_issuer().starts_with("http://localhost:"));
    app.wait_for(200, &Request::get("/readyz"));
}

#[test]
fn its_discovery_document_lists_every_endpoint() {
    let app = Launch::new().serve();
    let url = app.dev_issuer();
    assert!(url.starts_with("http://localhost:") && url.ends_with('/'));
    let ask = |path| Request::get(path).send(address(&app));
    let document = ask("/.well-known/openid-configuration");
    assert_eq!(document.status, 200);
    assert_eq!(document.header("content-type"), Some("application/json"));
    let json = document.json();
    assert_eq!(json["issuer"], url);
    assert_eq!(json["jwks_uri"], format!("{url}.well-known/jwks.json"));
    assert_eq!(json["token_endpoint"], format!("{url}oauth/token"));
    assert_eq!(json["authorization_endpoint"], format!("{url}authorize"));
    let scopes = json!([
        "openid",
        "profile",
        "email",
        "offline_access",
        "read:messages",
        "write:messages"
    ]);
    assert_eq!(json["scopes_supported"], scopes);
    let other = ask("/.well-known/oauth-authorization-server");
    assert_eq!(other.json(), json);
}

#[test]
fn it_publishes_one_public_key_that_is_generated_at_every_start() {
    let key = || {
        let app = Launch::new().serve();
        let answer = Request::get("/.well-known/jwks.json").send(address(&app));
        assert_eq!(answer.status, 200);
        let keys = answer.json()["keys"].as_array().unwrap().clone();
        assert_eq!(keys.len(), 1);
        keys[0].clone()
    };
    let (one, other) = (key(), key());
    for name in ["n", "kid"] {
        assert!(one[name].is_string());
        assert_ne!(one[name], other[name]);
    }
    let members = |key: &Value| {
        let mut names: Vec<_> = key.as_object().unwrap().keys().cloned().collect();
        names.sort_unstable();
        names
    };
    assert_eq!(members(&one), ["alg", "e", "kid", "kty", "n", "use"]);
    assert_eq!((&one["kty"], &one["alg"]), (&json!("RSA"), &json!("RS256")));
}

#[test]
fn both_loopback_addresses_answer() {
    let app = Launch::new().serve();
    let v4 = address(&app);
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, v4.port()));
    let has_v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let addresses = [Some(v4), has_v6.then_some(v6)];
    for address in addresses.into_iter().flatten() {
        let request = Request::get("/.well-known/openid-configuration");
        assert_eq!(request.send(address).status, 200, "{address}");
    }
}

#[test]
fn only_pages_on_loopback_may_call_it() {
    let app = Launch::new().serve();
    let answer = Request::preflight("/oauth/token", "http://localhost:5173", "POST")
        .header(
            "Access-Control-Request-Headers",
            "authorization,content-type",
        )
        .send(address(&app));
    assert_eq!(answer.status, 200);
    let allow = answer.header("access-control-allow-origin");
    assert_eq!(allow, Some("http://localhost:5173"));
    let answer = Request::get("/.well-known/jwks.json")
        .header("Origin", "https://evil.example")
        .send(address(&app));
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[test]
fn its_page_calls_the_routes_of_the_api() {
    let app = Launch::new().serve();
    let page = Request::get("/").send(address(&app));
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(page.header("content-security-policy").is_some());
    assert!(page.body.contains("development only"), "{}", page.body);
    assert!(page.body.contains(&app.dev_issuer()), "{}", page.body);
    let api = format!("http://{}", app.address);
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.ends_with(&format!("connect-src 'self' {api}")),
        "{policy}"
    );
    let data = Request::get("/test_view.json").send(address(&app)).json();
    assert_eq!(data["api"]["origin"], api);
    let routes = data["api"]["routes"].as_array().unwrap();
    let paths: Vec<_> = routes.iter().map(|route| &route["path"]).collect();
    assert_eq!(
        paths,
        ["/api/public", "/api/private", "/api/private-scoped"]
    );
}

#[test]
fn unknown_paths_and_methods_are_errors_in_json() {
    let app = Launch::new().serve();
    let cases = [
        ("GET", "/nowhere", 404, None),
        ("GET", "/oauth/token", 405, Some("POST")),
        ("DELETE", "/.well-known/jwks.json", 405, Some("GET, HEAD")),
        (
            "POST",
            "/.well-known/openid-configuration",
            405,
            Some("GET, HEAD"),
        ),
    ];
    for (method, path, status, allow) in cases {
        let answer = Request::new(method, path).send(address(&app));
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
        assert!(answer.json()["error"].is_string(), "{method} {path}");
    }
}

#[test]
fn a_configured_issuer_switches_it_off() {
    let issuer = TestIssuer::start();
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let app = TestApp::ready(Launch::trusting(&issuer).variables(&[
        ("APP__DEV_ISSUER__ENABLED", "true"),
        ("APP__DEV_ISSUER__PORT", &port),
    ]));
    assert!(!app.log().text().contains("FOR DEVELOPMENT"));
}
