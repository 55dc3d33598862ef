//! `/metrics`: requests by route, and nothing of a request but its route, its method and its outcome.

use std::collections::BTreeSet;

use actix_resource_server::test_kit::TestIssuer;

use crate::app::{Launch, TestApp};
use crate::wire::Request;

/// The number of requests with these labels.
fn requests(app: &TestApp, route: &str, method: &str, status: &str) -> u64 {
    let labels = format!("route=\"{route}\",method=\"{method}\",status=\"{status}\"");
    app.metric(&format!("ars_http_requests_total{{{labels}}}"))
}

#[test]
fn requests_are_counted_by_route_method_and_status() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let token = issuer.token().build();
    for _ in 0..3 {
        app.private(&token);
    }
    app.get("/api/private");
    app.scoped(&token);
    app.send(&Request::new("HEAD", "/api/public"));
    app.send(&Request::new("POST", "/api/public"));
    app.send(&Request::new("BREW", "/api/public"));
    app.get("/api/public?a=b");
    for path in ["/nowhere", "/api/nowhere", "/api/public/"] {
        app.get(path);
    }
    for (route, method, status, count) in [
        ("/api/private", "GET", "2xx", 3),
        ("/api/private", "GET", "4xx", 1),
        ("/api/private-scoped", "GET", "4xx", 1),
        ("/api/public", "HEAD", "2xx", 1),
        ("/api/public", "POST", "4xx", 1),
        ("/api/public", "other", "4xx", 1),
        ("/api/public", "GET", "2xx", 1),
        ("none", "GET", "4xx", 3),
    ] {
        assert_eq!(
            requests(&app, route, method, status),
            count,
            "{route} {method}"
        );
    }
    let duration = |route| {
        app.metric(&format!(
            "ars_http_request_duration_seconds_count{{route=\"{route}\"}}"
        ))
    };
    assert_eq!(duration("/api/private"), 4);
    assert_eq!(duration("none"), 3);
    let bucket = "ars_http_request_duration_seconds_bucket{route=\"/api/private\",le=\"+Inf\"}";
    assert_eq!(app.metric(bucket), 4);
}

#[test]
fn rejections_are_counted_by_route_and_reason() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let token = issuer.token().build();
    let rejections = |route, reason| {
        app.metric(&format!(
            "ars_rejections_total{{route=\"{route}\",reason=\"{reason}\"}}"
        ))
    };
    assert_eq!(rejections("/api/private-scoped", "insufficient_scope"), 0);
    app.scoped(&token);
    app.private("invalidToken");
    app.private("invalidToken");
    app.send(&Request::get("/api/public").header("Host", "a/b"));
    assert_eq!(rejections("/api/private-scoped", "insufficient_scope"), 1);
    assert_eq!(rejections("/api/private-scoped", "invalid_token"), 0);
    assert_eq!(rejections("/api/private", "invalid_token"), 2);
    assert_eq!(rejections("/api/public", "invalid_request"), 1);
}

#[test]
fn requests_of_all_workers_are_added_up() {
    let issuer = TestIssuer::start();
    let app = TestApp::ready(Launch::trusting(&issuer).variable("APP__SERVER__WORKERS", "3"));
    for _ in 0..12 {
        app.get("/api/public");
    }
    assert_eq!(requests(&app, "/api/public", "GET", "2xx"), 12);
}

#[test]
fn a_route_is_known_behind_middleware_that_calls_it_later() {
    let issuer = TestIssuer::start();
    let origin = "https://app.example";
    let launch = Launch::trusting(&issuer).variable("APP__CORS__ALLOWED_ORIGINS", origin);
    let app = TestApp::ready(launch);
    app.send(&Request::get("/api/public").header("Origin", origin));
    app.send(&Request::preflight("/api/public", origin, "GET"));
    assert_eq!(requests(&app, "/api/public", "GET", "2xx"), 1);
    assert_eq!(requests(&app, "none", "OPTIONS", "2xx"), 1);
}

#[test]
fn a_request_on_the_operations_listener_is_none_of_the_api() {
    let issuer = TestIssuer::start();
    let launch = Launch::trusting(&issuer).variable("APP__OPERATIONS__PORT", "0");
    let app = launch.serve();
    assert_eq!(app.get("/livez").status, 404);
    let address = app.log().find(|log| {
        let (_, rest) = log.split_once("probes and metrics are served on http://")?;
        rest.split_once('\n')?.0.parse().ok()
    });
    let metrics = Request::get("/metrics").send(address.unwrap()).body;
    let requests: Vec<_> = metrics
        .lines()
        .filter(|line| line.starts_with("ars_http_requests_total"))
        .collect();
    assert_eq!(
        requests,
        ["ars_http_requests_total{route=\"none\",method=\"GET\",status=\"4xx\"} 1"]
    );
    assert!(!metrics.contains("/livez"), "{metrics}");
}

#[test]
fn the_token_cache_is_measured() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let empty = app.metric("ars_token_cache_bytes");
    let token = issuer.token().build();
    for _ in 0..6 {
        app.private(&token);
    }
    app.private("invalidToken");
    // The second verification of a token stores it.
    assert_eq!(app.metric("ars_token_cache_hits_total"), 4);
    assert_eq!(app.metric("ars_token_cache_misses_total"), 3);
    assert_eq!(app.metric("ars_token_cache_entries"), 1);
    assert!(app.metric("ars_token_cache_bytes") > empty);
}

#[test]
fn keys_are_measured_by_issuer() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let labels = format!("issuer=\"{}\"", issuer.url());
    assert_eq!(app.metric(&format!("ars_usable_keys{{{labels}}}")), 1);
    let fetches = format!("ars_key_set_fetches_total{{{labels},outcome=\"ok\"}}");
    assert_eq!(app.metric(&fetches), 1);
}

#[test]
fn connections_process_and_build_are_measured() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let _idle = crate::wire::connect(app.address).unwrap();
    app.wait_for_metric("ars_connections", 2);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        app.metric(&format!("ars_build_info{{version=\"{version}\"}}")),
        1
    );
    let metrics = app.get("/metrics").body;
    let value = |name: &str| -> Option<f64> {
        let values = metrics.lines().filter_map(|line| line.split_once(' '));
        values
            .into_iter()
            .find(|(known, _)| *known == name)?
            .1
            .parse()
            .ok()
    };
    assert!(value("ars_process_start_time_seconds") > Some(1.7e9));
    if cfg!(target_os = "linux") {
        assert!(value("ars_process_cpu_seconds_total") >= Some(0.0));
        assert!(value("ars_process_resident_memory_bytes") > Some(1e6));
        assert!(value("ars_process_open_fds") > Some(3.0));
    }
}

/// The values of all labels but the bounds of buckets.
fn label_values(metrics: &str) -> BTreeSet<String> {
    let samples = metrics.lines().filter(|line| !line.starts_with('#'));
    let labels = samples.filter_map(|line| Some(line.split_once('{')?.1.rsplit_once('}')?.0));
    let labels = labels.flat_map(|labels| labels.split(','));
    let labels = labels.filter(|label| !label.starts_with("le="));
    labels.map(str::to_owned).collect()
}

#[test]
fn the_labels_stay_the_same_whatever_clients_send() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    for method in ["GET", "BREW"] {
        for path in ["/api/public", "/api/private", "/nowhere"] {
            app.send(&Request::new(method, path));
        }
    }
    app.get("/metrics");
    let before = label_values(&app.get("/metrics").body);
    for method in ["GET", "XYZZY", "get", "P\"UT"] {
        for path in [
            "/api/private/Sesame",
            "/Sesame",
            "/api/%2e%2e/Sesame",
            "/api/private?Sesame",
            "//Sesame\"}",
        ] {
            let request = Request::new(method, path).header("Sesame", "Sesame");
            app.send(&request.header("X-Request-Id", "Sesame").bearer("Sesame"));
        }
    }
    let after = label_values(&app.get("/metrics").body);
    assert_eq!(before, after);
}
