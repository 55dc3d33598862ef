//! Documents that are broken in some way: 503, never a 500 or a hang, and recovery by itself.

use std::thread;
use std::time::Duration;

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{Document, Fault, Gate, Reply, TestIssuer};
use serde_json::{Value, json};

use crate::app::Launch;
use crate::expected::{Expected, PRIVATE, assert_answer};
use crate::wire::Request;

fn check(document: Document, faults: Vec<(&str, Fault)>) {
    thread::scope(|scope| {
        for (case, fault) in faults {
            scope.spawn(move || check_one(document, case, fault));
        }
    });
}

fn check_one(document: Document, case: &str, fault: Fault) {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    issuer.set_fault(document, Some(fault));
    let launch = Launch::trusting(&issuer).variable("APP__AUTH__TIMEOUT_DURATION", "500ms");
    let app = launch.serve();
    let token = issuer.token().build();
    assert_answer(&app.private(&token), Expected::KeysUnavailable, case);
    let unready = app.get("/readyz");
    let reason = &unready.json()["reasons"][0];
    assert_eq!(unready.status, 503, "{case}");
    assert_eq!(reason["issuer"], issuer.url(), "{case}");
    assert!(reason["reason"].is_string(), "{case}");
    issuer.set_fault(document, None);
    let request = Request::get("/api/private").bearer(&token);
    assert_answer(&app.wait_for(200, &request), PRIVATE, case);
}

fn text(text: &str) -> Fault {
    Fault::body("application/json", text)
}

fn bytes(bytes: &[u8]) -> Fault {
    Fault::Raw(bytes.to_vec())
}

/// Failures of the transport.
fn broken_responses() -> Vec<(&'static str, Fault)> {
    let later = Reply::new(429).header("Retry-After", "3600");
    vec![
        ("closes", Fault::Close),
        ("hangs", Fault::Hang(Gate::new())),
        ("drips", Fault::Drip(Duration::from_millis(100))),
        ("never ends", Fault::Endless),
        ("is too large", text(&" ".repeat(1024 * 1024 + 1))),
        ("sends half a head", bytes(b"HTTP/1.1 200\r\nConte")),
        ("does not send HTTP", bytes(b"\x15\x03\x01\0\x02\x02\x46")),
        ("breaks off", bytes(BROKEN_OFF)),
        ("204", Fault::status(204)),
        ("401", Fault::status(401)),
        ("404", Fault::status(404)),
        ("429", Fault::Reply(later)),
        ("500", Fault::status(500)),
        ("redirects in a circle", Fault::redirect("jwks.json")),
        ("redirects away", Fault::redirect("http://127.0.0.1:1/")),
        ("redirects to a file", Fault::redirect("file:///etc/passwd")),
    ]
}

/// Documents that are not key sets.
fn broken_documents() -> Vec<(&'static str, Fault)> {
    let no_utf8 = *b"{\"keys\":\"\xff\"}";
    vec![
        ("nothing", text("")),
        ("HTML", Fault::body("text/html", "<html></html>")),
        ("half a document", text(r#"{"keys":[{"#)),
        ("two documents", text("{}{}")),
        ("null", text("null")),
        ("a list", text("[]")),
        ("an empty object", text("{}")),
        ("no UTF-8", Fault::body("application/json", no_utf8)),
        ("too deep", text(&"[".repeat(100_000))),
    ]
}

const BROKEN_OFF: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{";

#[test]
fn a_broken_key_set_is_a_503_until_it_is_repaired() {
    check(Document::Jwks, broken_responses());
    check(Document::Jwks, broken_documents());
}

#[test]
fn a_broken_discovery_document_is_a_503_until_it_is_repaired() {
    check(Document::Discovery, broken_responses());
    check(Document::Discovery, broken_documents());
}

#[test]
fn a_key_set_without_a_usable_key_is_a_503() {
    let sets = [
        ("no keys", json!({"keys": []})),
        ("null", json!({"keys": null})),
        ("an object", json!({"keys": {}})),
        ("not even objects", json!({"keys": [null, 1, "RS256", []]})),
        (
            "a secret",
            json!({"keys": [{"kty": "oct", "k": "AAAA", "alg": "HS256"}]}),
        ),
        (
            "an unknown kind",
            json!({"keys": [{"kty": "PQC", "x": "AAAA"}]}),
        ),
        (
            "a bare key",
            json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
        ),
    ];
    let faults = sets.iter().map(|(case, set)| (*case, Fault::json(set)));
    check(Document::Jwks, faults.collect());
}

/// Serves each document instead of the issuer's own, and asserts that no keys are fetched.
fn assert_unusable(issuer: &TestIssuer, documents: &[Value]) {
    for document in documents {
        issuer.set_fault(Document::Discovery, Some(Fault::json(document)));
        let app = Launch::trusting(issuer).serve();
        let answer = app.private(&issuer.token().build());
        assert_answer(&answer, Expected::KeysUnavailable, &document.to_string());
    }
    assert_eq!(issuer.requests().jwks, 0);
}

#[test]
fn a_discovery_document_of_another_issuer_is_rejected() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let keys = issuer.jwks_uri();
    let url = issuer.url();
    let names = [
        json!("https://tenant.test/"),
        json!("http://127.0.0.1:1/"),
        json!(url.replace("127.0.0.1", "localhost")),
        json!(format!("{url}tenant/")),
        json!(format!("{url}/")),
        json!(""),
        json!(null),
        json!(1),
        json!([url]),
    ];
    let mut documents = names
        .map(|name| json!({"issuer": name, "jwks_uri": keys}))
        .to_vec();
    documents.push(json!({ "jwks_uri": keys }));
    assert_unusable(&issuer, &documents);
}

#[test]
fn a_discovery_document_must_contain_a_permitted_jwks_uri() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let places = [
        json!(null),
        json!(1),
        json!("jwks.json"),
        json!(""),
        json!("http://keys.test/jwks.json"),
        json!("file:///etc/passwd"),
        json!("ftp://127.0.0.1/jwks.json"),
    ];
    let document = |place| json!({"issuer": issuer.url(), "jwks_uri": place});
    let mut documents = places.map(document).to_vec();
    documents.push(json!({"issuer": issuer.url()}));
    assert_unusable(&issuer, &documents);
}
