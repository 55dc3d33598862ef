//! The audit log: one line for each decision on a caller, with nothing that is not verified.

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{SigningKey, TestIssuer};
use serde_json::{Value, json};

use crate::app::{Launch, TestApp};
use crate::wire::Request;

fn issuer() -> TestIssuer {
    TestIssuer::start_with(Algorithm::Es256)
}

fn launch(issuer: &TestIssuer) -> Launch {
    Launch::trusting(issuer).variables(&[("APP__LOG__AUDIT", "true"), ("APP__LOG__FORMAT", "json")])
}

/// The lines of the audit log, once there are this many; without what differs each time.
fn lines(app: &TestApp, number: usize) -> Vec<Value> {
    let found = app.log().find(|log| {
        let whole = log
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        let lines = whole.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let lines: Vec<_> = lines.filter(|line| line["event"] == "access").collect();
        (lines.len() >= number).then_some(lines)
    });
    let mut lines = found.unwrap_or_else(|| panic!("{}", app.log().text()));
    assert_eq!(lines.len(), number, "{lines:?}");
    for line in &mut lines {
        let members = line.as_object_mut().unwrap();
        let time = members.remove("time").unwrap();
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
        let id = members.remove("request_id").unwrap();
        assert_eq!(id.as_str().unwrap().len(), 32, "{id}");
        assert_eq!(members.remove("level").unwrap(), "INFO");
    }
    lines
}

/// The line of a rejected caller whose token was not verified.
fn unknown(route: &str, status: u16, reason: &str) -> Value {
    json!({
        "event": "access", "decision": "rejected", "reason": reason, "status": status, "method": "GET", "route": route,
        "issuer": null, "client_id": null, "subject": null, "actors": [],
    })
}

#[test]
fn each_decision_is_one_line_with_the_caller_whose_token_was_verified() {
    let issuer = issuer();
    let app = TestApp::ready(launch(&issuer));
    let forged = issuer
        .token()
        .signed_by(&SigningKey::generate(Algorithm::Es256));
    for (path, token, status) in [
        ("/api/public", Some(issuer.token()), 200),
        ("/nowhere", Some(issuer.token()), 404),
        ("/api/private", None, 401),
        ("/api/private", Some(forged), 401),
        ("/api/private", Some(issuer.token().claim("act", 1)), 401),
        ("/api/private", Some(issuer.token()), 200),
        ("/api/private-scoped", Some(issuer.token()), 403),
    ] {
        let request = Request::get(path);
        let request = match token {
            Some(token) => request.bearer(&token.build()),
            None => request,
        };
        assert_eq!(app.send(&request).status, status, "{path}");
    }
    app.send(&Request::new("POST", "/api/private"));
    let lines = lines(&app, 5);
    let private = "/api/private";
    assert_eq!(lines[0], unknown(private, 401, "unauthenticated"));
    assert_eq!(lines[1], unknown(private, 401, "invalid_token"));
    assert_eq!(lines[2], unknown(private, 401, "invalid_token"));
    let subject = &lines[3]["subject"];
    let hash = subject.as_str().unwrap();
    assert!(hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let granted = json!({
        "event": "access", "decision": "granted", "reason": null, "status": 200, "method": "GET", "route": private,
        "issuer": issuer.url(), "client_id": "client-1", "subject": subject, "actors": [],
    });
    assert_eq!(lines[3], granted);
    let mut rejected = granted;
    for (member, value) in [
        ("decision", json!("rejected")),
        ("reason", json!("insufficient_scope")),
        ("status", json!(403)),
        ("route", json!("/api/private-scoped")),
    ] {
        rejected[member] = value;
    }
    assert_eq!(lines[4], rejected);
    assert!(!app.log().text().contains("user-1"));
}

#[test]
fn the_actors_of_a_caller_are_named_with_hashed_subjects() {
    let issuer = issuer();
    let launch = launch(&issuer).variable("APP__LOG__SUBJECT", "true");
    let app = TestApp::ready(launch);
    let names =
        json!({"client_id": "scheduler", "iss": "https://other.example/", "sub": "Sesame01"});
    let token = issuer.token().claim("sub", "Sesame01").claim("act", names);
    assert_eq!(app.private(&token.actor("Sesame01").build()).status, 200);
    let lines = lines(&app, 1);
    let (subject, actors) = (&lines[0]["subject"], &lines[0]["actors"]);
    let prior = &actors[1]["subject"];
    let expected = json!([
        {"issuer": null, "client_id": null, "subject": subject},
        {"issuer": "https://other.example/", "client_id": "scheduler", "subject": prior},
    ]);
    assert_eq!(*actors, expected);
    assert!(prior.is_string() && prior != subject);
    // The hash is that of the request's own line.
    app.wait_for_log(&format!("\"subject_hash\":{subject}"));
    assert!(!app.log().text().contains("Sesame01"));
}

#[test]
fn the_lines_are_there_at_every_level_and_as_text() {
    let issuer = issuer();
    for level in ["warn", "off", "error,audit=off"] {
        // The test needs the line with the address.
        let level = format!("actix_resource_server=info,{level}");
        let launch = launch(&issuer).variable("RUST_LOG", &level);
        let app = TestApp::ready(launch.variable("APP__LOG__FORMAT", "text"));
        let answer = app.get("/api/private");
        app.wait_for_log("\"event\":\"access\"");
        let log = app.log().text();
        let line = log.lines().find(|line| line.contains("access")).unwrap();
        let (head, line) = line.split_once("] ").unwrap();
        assert!(head.starts_with('[') && head.ends_with("INFO "), "{head}");
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["reason"], "unauthenticated");
        let id = answer.header("x-request-id").unwrap();
        assert_eq!(line["request_id"], id);
        assert!(!log.contains("GET /api/private 401"), "{log}");
    }
}

#[test]
fn without_the_setting_no_decision_is_logged() {
    let issuer = issuer();
    let app = TestApp::trusting(&issuer);
    assert_eq!(app.private(&issuer.token().build()).status, 200);
    app.wait_for_log("GET /api/private 200");
    assert!(!app.log().text().contains("\"event\""));
}

#[test]
fn a_decision_for_a_proxy_is_logged_with_the_request_that_it_is_about() {
    let issuer = issuer();
    let routes = r#"
        [server]
        trusted_proxies = "127.0.0.1"
        [decision]
        source = "forwarded"
        [[routes]]
        method = "DELETE"
        path = "/accounts/{id}"
        direct = true
        [[routes]]
        method = "GET"
        path = "/open"
        access = "public"
    "#;
    let app = TestApp::ready(launch(&issuer).file("Settings.toml", routes));
    let ask = |method: &str, uri: &str, token: String| {
        let request = Request::get("/decision").bearer(&token);
        let request = request.header("X-Forwarded-Method", method);
        app.send(&request.header("X-Forwarded-Uri", uri)).status
    };
    let delegated = issuer.token().actor("agent").build();
    let direct = issuer.token().build();
    assert_eq!(ask("GET", "/open", direct.clone()), 200);
    assert_eq!(ask("DELETE", "/accounts/7", delegated), 403);
    assert_eq!(ask("DELETE", "/accounts/7", direct), 200);
    let lines = lines(&app, 2);
    for (line, decision, reason, actors) in [
        (&lines[0], "rejected", json!("insufficient_scope"), 1),
        (&lines[1], "granted", Value::Null, 0),
    ] {
        assert_eq!(line["decision"], decision);
        assert_eq!(line["reason"], reason);
        assert_eq!(line["method"], "DELETE");
        assert_eq!(line["route"], "/accounts/{id}");
        assert_eq!(line["actors"].as_array().unwrap().len(), actors);
    }
}
