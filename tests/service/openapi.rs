//! The OpenAPI document: where it is served, and that the command prints the same one.

use actix_resource_server::test_kit::TestIssuer;
use serde_json::{Value, json};

use crate::app::{Launch, TestApp};
use crate::wire::{Answer, Request};

const PATH: &str = "/openapi.json";

/// The paths of the document.
fn paths(document: &Value) -> Vec<&str> {
    let paths = document["paths"].as_object().unwrap();
    paths.keys().map(String::as_str).collect()
}

fn assert_document(answer: &Answer) {
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    let document = answer.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(
        paths(&document),
        ["/api/private", "/api/private-scoped", "/api/public"]
    );
}

#[test]
fn it_is_served_while_the_development_issuer_runs() {
    let app = Launch::new().serve();
    app.wait_for(200, &Request::get("/readyz"));
    assert_document(&app.get(PATH));
    let document = app.get(PATH).json();
    let scheme = &document["components"]["securitySchemes"]["accessToken"];
    let url = app.dev_issuer();
    assert_eq!(
        scheme["flows"]["authorizationCode"],
        json!({
            "authorizationUrl": format!("{url}authorize"),
            "tokenUrl": format!("{url}oauth/token"),
            "refreshUrl": format!("{url}oauth/token"),
            "scopes": {"read:messages": "For GET /api/private-scoped."},
        })
    );
    let head = app.send(&Request::new("HEAD", PATH));
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let other = app.send(&Request::new("POST", PATH));
    assert_eq!(other.status, 405);
    assert_eq!(other.header("allow"), Some("GET, HEAD"));
    let page = app.send(&Request::get(PATH).header("Origin", "http://localhost:9000"));
    assert_eq!(
        page.header("access-control-allow-origin"),
        Some("http://localhost:9000")
    );
}

#[test]
fn elsewhere_it_is_served_if_that_is_enabled() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    assert_eq!(app.get(PATH).status, 404);
    let enabled = Launch::trusting(&issuer).variable("APP__OPENAPI__ENABLED", "true");
    assert_document(&TestApp::ready(enabled).get(PATH));
    let disabled = Launch::new().variable("APP__OPENAPI__ENABLED", "false");
    assert_eq!(disabled.serve().get(PATH).status, 404);
}

#[test]
fn nothing_of_a_request_is_repeated_in_it() {
    let issuer = TestIssuer::start();
    let launch = || Launch::trusting(&issuer).variable("APP__OPENAPI__ENABLED", "true");
    let app = TestApp::ready(launch());
    let request = Request::get(PATH).header("Host", "foreign.example");
    let request = request.header("X-Forwarded-Host", "foreign.example");
    let answer = app.send(&request);
    assert_document(&answer);
    assert!(!answer.body.contains("foreign.example"), "{}", answer.body);
    assert_eq!(answer.json()["servers"], json!([{"url": "/"}]));
    let public = launch().variable("APP__SERVER__PUBLIC_URL", "https://api.example/v1/");
    let public = TestApp::ready(public).get(PATH).json();
    assert_eq!(
        public["servers"],
        json!([{"url": "https://api.example/v1"}])
    );
}

#[test]
fn the_command_prints_the_document_that_is_served() {
    let issuer = TestIssuer::start();
    let launch = || {
        let launch = Launch::trusting(&issuer).variable("APP__OPENAPI__ENABLED", "true");
        launch.variable("APP__SERVER__PUBLIC_URL", "https://api.example")
    };
    let served = TestApp::ready(launch()).get(PATH).json();
    let printed = launch().arguments(&["openapi"]).run();
    assert_eq!((printed.code, printed.log.as_str()), (Some(0), ""));
    let printed: Value = serde_json::from_str(&printed.output).unwrap();
    assert_eq!(printed, served);
}

#[test]
fn the_command_prints_what_is_known_without_an_issuer_or_settings() {
    let unreachable = [
        ("ISSUER_BASE_URL", "http://127.0.0.1:9/"),
        ("AUDIENCE", "api"),
        ("APP__AUTH__TIMEOUT_DURATION", "100ms"),
    ];
    let printed = |launch: Launch| {
        let printed = launch.arguments(&["openapi"]).run();
        assert_eq!(printed.code, Some(0), "{printed:?}");
        assert_eq!(printed.log.lines().count(), 1, "{printed:?}");
        let document: Value = serde_json::from_str(&printed.output).unwrap();
        let scheme = document["components"]["securitySchemes"]["accessToken"].clone();
        (scheme, printed.log)
    };
    let (scheme, log) = printed(Launch::new().variables(&unreachable));
    assert_eq!(
        scheme["openIdConnectUrl"],
        "http://127.0.0.1:9/.well-known/openid-configuration"
    );
    assert!(log.contains("without its discovery document"), "{log}");
    let (scheme, log) = printed(Launch::new().variable("APP__SERVER__KEEP_ALIVE", "x"));
    assert_eq!(
        (&scheme["type"], &scheme["scheme"]),
        (&json!("http"), &json!("bearer"))
    );
    assert!(log.contains("server.keep_alive"), "{log}");
}
