//! Decisions for proxies by the running program: its routes, its commands, and who may ask.

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::TestIssuer;
use serde_json::{Value, json};

use crate::app::{Launch, TestApp};
use crate::wire::{Answer, Request};

const ROUTES: &str = r#"
    [server]
    trusted_proxies = "127.0.0.1"
    public_url = "https://api.example"
    [decision]
    source = "forwarded"
    [[routes]]
    method = "GET"
    path = "/open"
    access = "public"
    [[routes]]
    method = ["GET", "POST"]
    path = "/orders/{id}"
    scopes = "read:orders"
    claims = { tenant = "acme" }
"#;

fn launch(issuer: &TestIssuer) -> Launch {
    Launch::trusting(issuer).file("Settings.toml", ROUTES)
}

fn ask(method: &str, uri: &str) -> Request {
    let request = Request::get("/decision");
    let request = request.header("X-Forwarded-Method", method);
    request.header("X-Forwarded-Uri", uri)
}

fn decision(app: &TestApp, request: &Request) -> (u16, String) {
    let answer: Answer = app.send(request);
    let subject = answer.header("x-auth-subject");
    (answer.status, subject.expect("a subject").to_owned())
}

#[test]
fn the_routes_of_the_settings_replace_those_of_the_quickstart() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let app = TestApp::ready(launch(&issuer));
    app.wait_for_log(
        "decisions for proxies are made at /decision, for X-Forwarded-Method and X-Forwarded-Uri",
    );
    app.wait_for_log(
        "GET /orders/{id}: a token with read:orders; The token's claim tenant must be acme.",
    );
    for path in ["/api/public", "/open", "/orders/7"] {
        assert_eq!(app.get(path).status, 404, "{path}");
    }
    for path in [
        "/livez",
        "/readyz",
        "/metrics",
        "/.well-known/oauth-protected-resource",
    ] {
        assert_eq!(app.get(path).status, 200, "{path}");
        assert_eq!(decision(&app, &ask("GET", path)).0, 404, "{path}");
    }
    let metadata = app.get("/.well-known/oauth-protected-resource").json();
    assert_eq!(metadata["resource"], "https://api.example");
    assert_eq!(metadata["scopes_supported"], json!(["read:orders"]));
}

#[test]
fn a_trusted_proxy_gets_decisions_and_a_token_is_verified_as_elsewhere() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let app = TestApp::ready(launch(&issuer));
    let token = || issuer.token().scope("read:orders").claim("sub", "user-ada");
    let acme = token().claim("tenant", "acme").build();
    let none = String::new();
    assert_eq!(decision(&app, &ask("GET", "/open")), (200, none.clone()));
    assert_eq!(
        decision(&app, &ask("GET", "/orders/7")),
        (401, none.clone())
    );
    let other = token().claim("tenant", "other").build();
    assert_eq!(
        decision(&app, &ask("GET", "/orders/7").bearer(&other)),
        (403, none)
    );
    assert_eq!(
        decision(&app, &ask("POST", "/orders/7").bearer(&acme)),
        (200, "user-ada".to_owned())
    );
    // Each is counted under its row, with its own method, not that of the request for the decision.
    let counted = "ars_http_requests_total{route=\"/orders/{id}\",method=\"POST\",status=\"2xx\"}";
    assert_eq!(app.metric(counted), 1);
    let rejected = "ars_rejections_total{route=\"/orders/{id}\",reason=\"insufficient_scope\"}";
    assert_eq!(app.metric(rejected), 1);
    let log = app.log().text();
    for secret in ["user-ada", "/orders/7", &acme] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

#[test]
fn another_peer_gets_no_decision() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let launch = launch(&issuer).variable("APP__SERVER__TRUSTED_PROXIES", "127.0.0.2");
    let app = TestApp::ready(launch);
    let answer = app.send(&ask("GET", "/open"));
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(
        answer.json()["detail"],
        "Decisions are made for trusted proxies alone."
    );
}

#[test]
fn preflight_requests_are_decided_like_others() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let launch = launch(&issuer).variable("APP__CORS__ALLOWED_ORIGINS", "https://app.example");
    let app = TestApp::ready(launch);
    let asked = |method: &str| {
        let request = ask(method, "/orders/7").header("Origin", "https://app.example");
        request.header("Access-Control-Request-Method", "GET")
    };
    assert_eq!(app.send(&asked("OPTIONS")).status, 405);
    assert_eq!(app.send(&asked("GET")).status, 401);
}

#[test]
fn the_commands_know_the_routes() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let listed = launch(&issuer).arguments(&["routes", "--json"]).run();
    assert_eq!(listed.code, Some(0), "{listed:?}");
    let routes: Value = serde_json::from_str(&listed.output).unwrap();
    let names = routes.as_array().unwrap().iter();
    let names: Vec<_> = names
        .map(|row| format!("{} {}", row["method"], row["path"]).replace('"', ""))
        .collect();
    let expected = [
        "GET /open",
        "GET /orders/{id}",
        "POST /orders/{id}",
        "GET /livez",
        "GET /readyz",
        "GET /metrics",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        routes[1]["rules"],
        json!(["The token's claim tenant must be acme."])
    );
    let token = issuer
        .token()
        .scope("read:orders")
        .claim("tenant", "other")
        .build();
    let explain = ["explain", "--json", "--route", "POST /orders/{id}", &token];
    let explained = launch(&issuer).arguments(&explain).run();
    assert_eq!(explained.code, Some(1), "{explained:?}");
    let report: Value = serde_json::from_str(&explained.output).unwrap();
    assert_eq!(report["answer"]["status"], 403);
    let checked = launch(&issuer).arguments(&["check"]).run();
    assert_eq!(checked.code, Some(0), "{checked:?}");
    for part in ["decision.source", "routes[1].scopes"] {
        assert!(checked.output.contains(part), "{}", checked.output);
    }
    let printed = launch(&issuer).arguments(&["openapi"]).run();
    let document: Value = serde_json::from_str(&printed.output).unwrap();
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/open", "/orders/{id}"]);
}

#[test]
fn a_wrong_route_ends_the_start_with_one_line() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let text = format!("{ROUTES}\n[[routes]]\nmethod = 'POST'\npath = '/orders/{{other}}'\n");
    for command in [&[][..], &["check"], &["routes"]] {
        let launch = Launch::trusting(&issuer).file("Settings.toml", &text);
        let ended = launch.arguments(command).run();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let expected = "actix-resource-server: routes[2].path (file Settings.toml): has the method POST of routes[1].path (file \
                        Settings.toml), which has the same path: keep one of them\n";
        assert_eq!(ended.log, expected);
    }
    let path = Launch::trusting(&issuer)
        .file("Settings.toml", ROUTES)
        .variable("APP__DECISION__PATH", "/readyz");
    let ended = path.run();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(
        ended
            .log
            .ends_with("decision.path is that of a route of the service, too: set another one\n"),
        "{ended:?}"
    );
}
