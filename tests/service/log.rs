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
    app.get("/api/private");
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
    assert!(brewed["duration_us"].is_u64());
    assert_eq!(brewed["request_id"], brewed["trace_id"]);
    for field in ["reason", "client_id", "subject_hash"] {
        assert_eq!(brewed[field], Value::Null, "{brewed}");
    }
    assert_eq!(of_status(404)["route"], "(no route)");
    let rejected = of_status(401);
    assert_eq!(rejected["reason"], "unauthenticated");
}

/// The whole first line of the log of a request that has this beginning.
fn line(app: &TestApp, beginning: &str) -> String {
    app.wait_for_log(beginning);
    let log = app.log().text();
    let line = log.lines().find(|line| line.contains(beginning));
    line.unwrap().to_owned()
}

#[test]
fn a_text_line_names_the_request_and_the_reason_at_its_end() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let answer = app.get("/api/private");
    let id = answer.header("x-request-id").unwrap();
    let line = line(&app, "GET /api/private 401");
    let (_, end) = line.split_once(" ms ").unwrap();
    assert_eq!(end, format!("request_id={id} reason=unauthenticated"));
    assert_eq!(id.len(), 32);
}

#[test]
fn every_response_names_its_request_with_another_id() {
    let issuer = TestIssuer::start();
    let origin = "https://app.example";
    let launch = Launch::trusting(&issuer).variable("APP__CORS__ALLOWED_ORIGINS", origin);
    let app = TestApp::ready(launch);
    let requests = [
        Request::get("/api/public"),
        Request::get("/api/private"),
        Request::get("/nowhere"),
        Request::new("POST", "/api/public"),
        Request::get("/livez"),
        Request::preflight("/api/private", origin, "GET"),
        Request::preflight("/api/private", origin, "BREW"),
    ];
    let mut ids: Vec<_> = requests
        .iter()
        .map(|request| app.send(request).header("x-request-id").unwrap().to_owned())
        .collect();
    for id in &ids {
        app.wait_for_log(&format!(" ms request_id={id}"));
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), requests.len());
}

#[test]
fn without_a_log_of_requests_no_response_names_its_request() {
    let issuer = TestIssuer::start();
    for variable in ["RUST_LOG", "APP__LOG__LEVEL"] {
        let launch = Launch::trusting(&issuer).variable(variable, "info,request=off");
        let app = TestApp::ready(launch);
        assert_eq!(app.get("/api/public").header("x-request-id"), None);
    }
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[test]
fn a_trusted_proxy_names_the_request_and_its_trace() {
    let issuer = TestIssuer::start();
    let launch = Launch::trusting(&issuer).variables(&[
        ("APP__SERVER__TRUSTED_PROXIES", "127.0.0.1"),
        ("APP__LOG__FORMAT", "json"),
    ]);
    let app = TestApp::ready(launch);
    let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let traced = Request::get("/api/public").header("traceparent", &traceparent);
    let named = traced.header("X-Request-Id", "proxy-7");
    let named = app.send(&named);
    assert_eq!(named.header("x-request-id"), Some("proxy-7"));
    let line = line(&app, "\"request_id\":\"proxy-7\"");
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["trace_id"], TRACE);
    assert_eq!(line["route"], "/api/public");
    let traced = Request::get("/api/private").header("traceparent", &traceparent);
    assert_eq!(app.send(&traced).header("x-request-id"), Some(TRACE));
}

#[test]
fn ids_that_a_client_chose_are_replaced() {
    let issuer = TestIssuer::start();
    let hostile = [
        ("X-Request-Id", "Sesame01"),
        ("X-Request-Id", "Sesame01\" Sesame01"),
        (
            "traceparent",
            "00-5e5a3e015e5a3e015e5a3e015e5a3e01-5e5a3e015e5a3e01-01",
        ),
    ];
    let by_proxy = [
        ("X-Request-Id", "Sesame01 GET /api/private 200"),
        ("X-Request-Id", "Sesame01\t\"}"),
        ("X-Request-Id", &"Sesame01".repeat(17)),
        (
            "traceparent",
            "00-5e5a3e015e5a3e015e5a3e015e5a3e0-5e5a3e015e5a3e01-01",
        ),
        (
            "traceparent",
            "ff-5e5a3e015e5a3e015e5a3e015e5a3e01-5e5a3e015e5a3e01-01",
        ),
    ];
    for (proxies, headers) in [("192.0.2.1", &hostile[..]), ("127.0.0.1", &by_proxy[..])] {
        for format in ["text", "json"] {
            let launch = Launch::trusting(&issuer).variables(&[
                ("APP__SERVER__TRUSTED_PROXIES", proxies),
                ("APP__LOG__FORMAT", format),
                ("RUST_LOG", "trace"),
            ]);
            let app = TestApp::ready(launch);
            for (name, value) in headers {
                let answer = app.send(&Request::get("/api/private").header(name, value));
                let id = answer.header("x-request-id").unwrap();
                assert!(
                    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
                    "{id}"
                );
                app.wait_for_log(id);
                let metrics = app.get("/metrics").text;
                for text in [&answer.text, &app.log().text(), &metrics] {
                    let text = text.to_lowercase();
                    assert!(
                        !text.contains("sesame") && !text.contains("5e5a3e01"),
                        "{text}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_level_is_a_setting_which_rust_log_covers() {
    let issuer = TestIssuer::start();
    let launch = || Launch::trusting(&issuer).variable("APP__LOG__LEVEL", "info,request=off");
    for (launch, is_logged) in [
        (launch(), false),
        (launch().variable("RUST_LOG", "info"), true),
    ] {
        let app = TestApp::ready(launch);
        app.get("/api/public");
        let stopped = {
            app.signal("TERM");
            app.wait()
        };
        assert_eq!(
            stopped.log.contains("GET /api/public 200"),
            is_logged,
            "{stopped:?}"
        );
    }
}

#[test]
fn a_wrong_level_stops_the_start() {
    for variable in ["RUST_LOG", "APP__LOG__LEVEL"] {
        for level in [
            "inof",
            "warning",
            "info,actix_http=loud",
            "info,hush hush=off",
            "a=b=c",
        ] {
            let ended = Launch::new().variable(variable, level).run();
            crate::settings::assert_rejected(
                &ended,
                &format!("log.level (variable {variable}): must be a level"),
            );
            assert!(!ended.log.contains("hush"), "{ended:?}");
        }
    }
}

#[test]
fn the_caller_is_logged_as_a_client_and_a_hash_if_wanted() {
    let issuer = TestIssuer::start();
    let launch = Launch::trusting(&issuer).variables(&[
        ("APP__LOG__SUBJECT", "true"),
        ("APP__LOG__FORMAT", "json"),
        ("RUST_LOG", "trace"),
    ]);
    let app = TestApp::ready(launch);
    let token = |subject: &str| {
        issuer
            .token()
            .claim("sub", subject)
            .claim("client_id", "shop \"7\"\n")
    };
    for subject in ["Sesame01", "Sesame01", "Sesame02"] {
        assert_eq!(app.private(&token(subject).build()).status, 200);
    }
    assert_eq!(app.scoped(&token("Sesame01").build()).status, 403);
    let log = app.log().find(|log| {
        let lines = log
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        let lines: Vec<Value> = lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let of_callers = lines
            .into_iter()
            .filter(|line| line["subject_hash"].is_string());
        let of_callers: Vec<_> = of_callers.collect();
        (of_callers.len() == 4).then_some(of_callers)
    });
    let lines = log.unwrap();
    assert!(lines.iter().all(|line| line["client_id"] == "shop \"7\"\n"));
    let hashes: Vec<_> = lines
        .iter()
        .map(|line| line["subject_hash"].as_str().unwrap())
        .collect();
    assert_eq!((hashes[0], hashes[0]), (hashes[1], hashes[3]));
    assert_ne!(hashes[0], hashes[2]);
    assert_eq!(lines[3]["reason"], "insufficient_scope");
    assert!(!app.log().text().contains("Sesame0"));
}

#[test]
fn a_client_id_cannot_end_a_line_of_text() {
    let issuer = TestIssuer::start();
    let launch = Launch::trusting(&issuer).variable("APP__LOG__SUBJECT", "true");
    let app = TestApp::ready(launch);
    let client_id = format!("a\r\n[2026] \u{1b}[31m\u{2028}é{}", "x".repeat(200));
    let token = issuer.token().claim("client_id", client_id).build();
    assert_eq!(app.private(&token).status, 200);
    let line = line(&app, "GET /api/private 200");
    let (_, shown) = line.split_once(" client_id=").unwrap();
    let (shown, hash) = shown.split_once(" subject_hash=").unwrap();
    assert!(shown.starts_with("a??[2026]??[31m??x"), "{line}");
    assert_eq!((shown.len(), hash.len()), (128, 32));
}

#[test]
fn an_issuer_that_cannot_be_reached_is_named_with_the_reason() {
    let unreachable = ("ISSUER_BASE_URL", "http://127.0.0.1:1/");
    let app = Launch::new()
        .variables(&[unreachable, ("AUDIENCE", "api")])
        .serve();
    app.wait_for_log("keys: http://127.0.0.1:1/: its discovery document could not be fetched: no connection could be made");
}
