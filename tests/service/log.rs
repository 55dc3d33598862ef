//! The log: one line a request, the routes at the start, text or JSON.

use actix_resource_server::test_kit::TestIssuer;
use serde_json::Value;

use crate::app::{Launch, TestApp};
use crate::wire::Request;

#[test]
fn the_start_logs_the_address_and_the_routes() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let lines = [
        format!("listening on http://{}", app.address),
        "GET /api/public: everyone".to_owned(),
        "GET /api/private: a token".to_owned(),
        "GET /api/private-scoped: a token with read:messages".to_owned(),
    ];
    for line in lines {
        app.wait_for_log(&line);
    }
    assert!(!app.log().text().contains("FOR DEVELOPMENT"));
    assert_eq!(app.output().text(), "", "the log goes to standard error");
}

#[test]
fn json_lines_have_typed_fields() {
    let issuer = TestIssuer::start();
    let launch = Launch::trusting(&issuer).variable("APP__LOG__FORMAT", "json");
    let app = TestApp::ready(launch);
    app.send(&Request::new("BREW", "/api/private?a=b"));
    app.send(&Request::get("/nowhere"));
    app.wait_for_log("\"status\":404");
    let log = app.log().text();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for line in &lines {
        assert!(
            line["time"].is_string() && line["level"].is_string(),
            "{line}"
        );
        assert!(line["message"].is_string(), "{line}");
    }
    let of_status = |status: u16| lines.iter().find(|line| line["status"] == status).unwrap();
    let brewed = of_status(405);
    assert_eq!(brewed["method"], "(other method)");
    assert_eq!(brewed["route"], "/api/private");
    assert!(brewed["milliseconds"].is_number());
    assert_eq!(of_status(404)["route"], "(no route)");
}

#[test]
fn an_issuer_that_cannot_be_reached_is_named_with_the_reason() {
    let unreachable = ("ISSUER_BASE_URL", "http://127.0.0.1:1/");
    let app = Launch::new()
        .variables(&[unreachable, ("AUDIENCE", "api")])
        .serve();
    app.wait_for_log("keys: http://127.0.0.1:1/: its discovery document could not be fetched: no connection could be made");
}
