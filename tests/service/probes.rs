//! Probes and metrics: `/livez`, `/readyz` and `/metrics`.

use actix_resource_server::test_kit::{Document, Fault, TestIssuer};
use serde_json::json;

use crate::app::{Launch, TestApp};
use crate::wire::Request;

#[test]
fn the_service_is_alive_and_unready_until_keys_have_been_fetched_once() {
    let issuer = TestIssuer::start();
    issuer.set_fault(Document::Jwks, Some(Fault::status(500)));
    let app = Launch::trusting(&issuer).serve();
    assert_eq!(app.private(&issuer.token().build()).status, 503);
    let livez = app.get("/livez");
    assert_eq!(
        (livez.status, livez.json()),
        (200, json!({"status": "alive"}))
    );
    let readyz = app.get("/readyz");
    let expected = json!({"status": "unready", "reasons": [{
        "issuer": issuer.url(),
        "reason": "not reached",
    }]});
    assert_eq!((readyz.status, readyz.json()), (503, expected));

    issuer.set_fault(Document::Jwks, None);
    let readyz = app.wait_for(200, &Request::get("/readyz"));
    assert_eq!(readyz.json(), json!({"status": "ready"}));
    for answer in [livez, readyz] {
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[test]
fn a_service_that_was_ready_stays_so() {
    let issuer = TestIssuer::start();
    let launch = Launch::trusting(&issuer).variable("APP__AUTH__CACHE_MAX_AGE", "250ms");
    let app = TestApp::ready(launch);
    issuer.set_fault(Document::Discovery, Some(Fault::Close));
    let asked = issuer.requests().discovery;
    assert!(issuer.wait_for(Document::Discovery, asked + 3));
    assert_eq!(app.get("/readyz").json(), json!({"status": "ready"}));
    assert!(app.metric("ars_key_set_fetches_total{outcome=\"failed\"}") > 0);
}

#[test]
fn a_configured_secret_is_ready_at_once() {
    let app = Launch::new()
        .variable("ISSUER", "urn:issuer")
        .variable("AUDIENCE", "api")
        .variable("SECRET", &"s".repeat(32))
        .variable("TOKEN_SIGNING_ALG", "HS256")
        .serve();
    assert_eq!(app.get("/readyz").status, 200);
}

#[test]
fn metrics_are_open_metrics() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let answer = app.get("/metrics");
    assert_eq!(answer.status, 200);
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.header("content-type"), Some(content_type));
    let text = answer.body.strip_suffix("# EOF\n").unwrap();
    let mut family = "";
    for line in text.lines() {
        let words: Vec<_> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "HELP", name, _] => family = name,
            ["#", "TYPE", name, kind] => {
                assert_eq!(name, family, "{line}");
                let kinds = ["counter", "gauge", "histogram", "info"];
                assert!(kinds.contains(&kind), "{line}");
                assert!(name.starts_with("ars_"), "{line}");
            }
            ["#", "UNIT", name, unit] => {
                assert!(name == family && name.ends_with(unit), "{line}");
            }
            [sample, value] => {
                assert!(sample.starts_with(family) && !family.is_empty(), "{line}");
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
            _ => panic!("{line}"),
        }
    }
}

#[test]
fn metrics_count_responses() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let token = issuer.token().build();
    let request = |path| Request::get(path).bearer(&token);
    for _ in 0..2 {
        assert_eq!(app.private(&token).status, 200);
    }
    assert_eq!(app.scoped(&token).status, 403);
    for _ in 0..3 {
        assert_eq!(app.get("/api/private").status, 401);
    }
    assert_eq!(app.private("invalidToken").status, 401);
    let twice = request("/api/private").bearer(&token);
    assert_eq!(app.send(&twice).status, 400);
    let refused = |reason| app.metric(&format!("ars_rejections_total{{reason=\"{reason}\"}}"));
    assert_eq!(app.metric("ars_access_granted_total"), 2);
    assert_eq!(refused("unauthenticated"), 3);
    assert_eq!(refused("invalid_token"), 1);
    assert_eq!(refused("invalid_request"), 1);
    assert_eq!(refused("insufficient_scope"), 1);
    assert_eq!(refused("insufficient_user_authentication"), 0);
    assert_eq!(refused("keys_unavailable"), 0);
    assert_eq!(app.metric("ars_key_set_fetches_total{outcome=\"ok\"}"), 1);
    assert_eq!(app.metric("ars_issuers_unready"), 0);
}

#[test]
fn probes_need_no_token_and_answer_head() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    for path in ["/livez", "/readyz", "/metrics"] {
        let head = app.send(&Request::new("HEAD", path));
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        let strange = Request::get(path).header("Authorization", "Bearer a b");
        assert_eq!(app.send(&strange).status, 200, "{path}");
    }
}
