//! When keys are fetched, how often, and the responses meanwhile.

use std::thread;

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{Document, Fault, Gate, TestIssuer};
use serde_json::json;

use crate::app::{Launch, TestApp};
use crate::expected::{
    Expected, NO_CREDENTIALS, PRIVATE, PUBLIC, SCOPED, UNKNOWN_ISSUER, UNKNOWN_KEY, assert_answer,
};
use crate::wire::Request;

/// An issuer whose keys are generated quickly, for tests that rotate them.
fn quick_issuer() -> TestIssuer {
    TestIssuer::start_with(Algorithm::Es256)
}

const UNDETERMINED: &str = "ars_rejections_total{reason=\"key_undetermined\"}";

const FETCHED: &str = "ars_key_set_fetches_total{outcome=\"ok\"}";

#[test]
fn without_keys_a_token_is_a_503_and_other_requests_are_answered() {
    let issuer = TestIssuer::start();
    issuer.set_fault(Document::Jwks, Some(Fault::status(500)));
    let app = Launch::trusting(&issuer).serve();
    let token = issuer.token().scope("read:messages").build();
    assert_answer(&app.private(&token), Expected::KeysUnavailable, "private");
    assert_answer(&app.scoped(&token), Expected::KeysUnavailable, "scoped");
    assert_answer(&app.get("/api/private"), NO_CREDENTIALS, "no token");
    assert_answer(&app.get("/api/public"), PUBLIC, "public");
    let other_issuer = issuer.token().claim("iss", "https://other.test/").build();
    assert_answer(
        &app.private(&other_issuer),
        UNKNOWN_ISSUER,
        "another issuer",
    );
    let slashless = issuer.url().trim_end_matches('/');
    let slashless = issuer.token().claim("iss", slashless).build();
    assert_answer(
        &app.private(&slashless),
        Expected::KeysUnavailable,
        "no slash",
    );
    assert_eq!(app.get("/livez").status, 200);
    assert_eq!(app.get("/readyz").status, 503);

    issuer.set_fault(Document::Jwks, None);
    app.wait_for(200, &Request::get("/readyz"));
    assert_answer(&app.private(&token), PRIVATE, "recovered");
    assert_answer(&app.private(&slashless), UNKNOWN_ISSUER, "no slash");
}

#[test]
fn fifty_waiting_requests_cost_one_fetch() {
    let issuer = TestIssuer::start();
    let gate = Gate::new();
    issuer.set_fault(Document::Jwks, Some(Fault::Hang(gate.clone())));
    let app = Launch::trusting(&issuer).serve();
    let token = issuer.token().scope("read:messages").build();
    thread::scope(|scope| {
        let callers: Vec<_> = (0..50)
            .map(|_| scope.spawn(|| app.scoped(&token)))
            .collect();
        app.wait_for_metric("ars_key_set_waits_total", 50);
        assert_answer(&app.get("/api/public"), PUBLIC, "meanwhile");
        gate.open();
        for caller in callers {
            assert_answer(&caller.join().unwrap(), SCOPED, "after the fetch");
        }
    });
    let asked = issuer.requests();
    assert_eq!((asked.discovery, asked.jwks), (1, 1));
}

#[test]
fn known_keys_cost_no_fetch() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    for number in 0..20 {
        let token = issuer.token().claim("jti", number.to_string()).build();
        assert_answer(&app.private(&token), PRIVATE, "a new token");
        assert_answer(&app.private(&token), PRIVATE, "the same token");
    }
    let asked = issuer.requests();
    assert_eq!((asked.discovery, asked.jwks), (1, 1));
}

#[test]
fn a_rotated_key_is_accepted_at_once_and_the_old_one_rejected() {
    let issuer = quick_issuer();
    let app = TestApp::trusting(&issuer);
    let first = issuer.token().build();
    assert_answer(&app.private(&first), PRIVATE, "the first key");
    issuer.rotate_keeping_old();
    let second = issuer.token().build();
    assert_answer(&app.private(&second), PRIVATE, "the second key");
    assert_answer(&app.private(&first), PRIVATE, "the first key still");
    issuer.rotate();
    let third = issuer.token().build();
    assert_answer(&app.private(&third), PRIVATE, "the third key");
    assert_answer(&app.private(&second), UNKNOWN_KEY, "the second key");
    assert_answer(&app.private(&first), UNKNOWN_KEY, "the first key");
}

#[test]
fn a_flood_of_invented_key_ids_costs_three_fetches() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    for number in 0..40 {
        let token = issuer.token().header("kid", format!("made-up-{number}"));
        let expected = match number {
            0..3 => UNKNOWN_KEY,
            _ => Expected::KeyUndetermined,
        };
        assert_answer(&app.private(&token.build()), expected, "invented");
    }
    assert_eq!(issuer.requests().jwks, 4, "one at the start and three more");
    assert_eq!(app.metric(UNDETERMINED), 37);
    let log = app.log().text();
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
    let good = issuer.token().build();
    assert_answer(&app.private(&good), PRIVATE, "a good token meanwhile");
}

#[test]
fn the_budget_is_refilled_after_the_cooldown() {
    let issuer = quick_issuer();
    let launch = Launch::trusting(&issuer).variable("APP__AUTH__COOLDOWN_DURATION", "1ms");
    let app = TestApp::ready(launch);
    for _ in 0..8 {
        issuer.rotate();
        let token = issuer.token().build();
        let again = Request::get("/api/private").bearer(&token);
        assert_answer(&app.wait_for(200, &again), PRIVATE, "rotated");
    }
    assert!(issuer.requests().jwks > 4);
}

#[test]
fn an_unknown_key_while_the_issuer_is_down_is_a_503() {
    let issuer = quick_issuer();
    let app = TestApp::trusting(&issuer);
    let known = issuer.token().build();
    issuer.set_fault(Document::Jwks, Some(Fault::Close));
    issuer.rotate_keeping_old();
    let unknown = issuer.token().build();
    assert_answer(&app.private(&unknown), Expected::KeysUnavailable, "unknown");
    assert_answer(&app.private(&known), PRIVATE, "known");
    assert_eq!(app.get("/readyz").status, 200);
    issuer.set_fault(Document::Jwks, None);
    let request = Request::get("/api/private").bearer(&unknown);
    assert_answer(&app.wait_for(200, &request), PRIVATE, "recovered");
}

#[test]
fn old_keys_are_refreshed_in_the_background_and_survive_an_outage() {
    let issuer = TestIssuer::start();
    let launch = Launch::trusting(&issuer).variable("APP__AUTH__CACHE_MAX_AGE", "250ms");
    let app = TestApp::ready(launch);
    let token = issuer.token().build();
    let other_document = json!({"issuer": "https://other.test/", "jwks_uri": issuer.jwks_uri()});
    let faults = [
        (Document::Jwks, Fault::status(500)),
        (Document::Jwks, Fault::json(&json!({"keys": []}))),
        (Document::Discovery, Fault::json(&other_document)),
        (Document::Discovery, Fault::Close),
    ];
    for (document, fault) in faults {
        issuer.set_fault(document, Some(fault));
        let asked = issuer.requests().discovery;
        // A second request means that the first one got the fault.
        assert!(issuer.wait_for(Document::Discovery, asked + 2));
        assert_answer(&app.private(&token), PRIVATE, "through the outage");
        assert_eq!(app.get("/readyz").status, 200);
        issuer.set_fault(document, None);
        let fetched = app.metric(FETCHED);
        app.wait_for_metric(FETCHED, fetched + 1);
    }
}

#[test]
fn a_withdrawn_key_is_removed_in_the_background() {
    let issuer = quick_issuer();
    let launch = Launch::trusting(&issuer).variable("APP__AUTH__CACHE_MAX_AGE", "250ms");
    let app = TestApp::ready(launch);
    let token = issuer.token().build();
    assert_answer(&app.private(&token), PRIVATE, "while it is published");
    issuer.rotate();
    let request = Request::get("/api/private").bearer(&token);
    let answer = app.wait_for(401, &request);
    assert_answer(&answer, UNKNOWN_KEY, "once it is withdrawn");
}

#[test]
fn a_changed_jwks_uri_is_followed() {
    let issuer = quick_issuer();
    let app = TestApp::trusting(&issuer);
    let moved = format!("{}moved/jwks.json", issuer.url());
    let document = json!({"issuer": issuer.url(), "jwks_uri": moved});
    issuer.set_fault(Document::Discovery, Some(Fault::json(&document)));
    issuer.rotate();
    assert_answer(&app.private(&issuer.token().build()), PRIVATE, "moved");
    assert_eq!(issuer.requests().discovery, 2);
}
