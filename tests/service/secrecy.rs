//! Nothing that a caller sends, and no secret, is in a response, metric or log line.

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{SigningKey, TestIssuer, TokenBuilder};
use serde_json::json;

use crate::app::{Launch, TestApp};
use crate::wire::{Answer, Request, exchange};

/// Is put into every part of a request that a caller determines, also encoded as in a token.
const MARK: &str = "Sesame01";

/// `MARK` in lower case.
fn holds_mark(text: &str) -> bool {
    text.to_ascii_lowercase()
        .contains(&MARK.to_ascii_lowercase())
}

fn requests(issuer: &TestIssuer) -> Vec<Request> {
    let private = || Request::get("/api/private");
    let mut requests: Vec<_> = tokens(issuer)
        .into_iter()
        .flat_map(|token| ["/api/private", "/api/private-scoped"].map(|path| (path, token.clone())))
        .map(|(path, token)| Request::get(path).bearer(&token))
        .collect();
    requests.extend([
        private().bearer(MARK),
        private().header("Authorization", format!("Bearer {MARK} {MARK}")),
        private().header("Authorization", format!("{MARK} {MARK}")),
        private().bearer(MARK).bearer(MARK),
        Request::get(&format!("/api/private?access_token={MARK}")).bearer(MARK),
        Request::get(&format!("/api/private?{MARK}={MARK}")),
        Request::get(&format!("/{MARK}")),
        Request::get(&format!("/api/{MARK}")),
        Request::get(&format!("http://{MARK}/api/{MARK}")),
        Request::new(MARK, "/api/private"),
        Request::new(MARK, &format!("/{MARK}")),
        private().header("Host", format!("{MARK} ")).bearer("a"),
        private().header("Host", format!("{MARK}/")),
        private().header("Cookie", MARK).header(MARK, MARK),
        private().header("Accept", MARK).header("User-Agent", MARK),
        private().header("X-Request-Id", MARK),
        private()
            .header("traceparent", MARK)
            .header("tracestate", MARK),
        private().header("Origin", format!("https://{MARK}.example")),
        Request::preflight("/api/private", &format!("https://{MARK}.example"), MARK),
        Request::new("POST", "/api/private").body(MARK, MARK),
        Request::new("POST", "/metrics").body("application/json", MARK),
    ]);
    requests
}

/// Requests that end in the HTTP parser.
fn malformed() -> [String; 7] {
    let with_headers =
        |headers: &str| format!("POST /api/private HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n");
    [
        with_headers(&format!("Authorization: Bearer\r\n {MARK}")),
        with_headers(&format!("Authorization: {MARK}\0")),
        with_headers(&format!("Content-Length: {MARK}")),
        with_headers(&format!("Content-Length: 1\r\nTransfer-Encoding: {MARK}")),
        with_headers(&format!("Transfer-Encoding: {MARK}")),
        format!("GET /{MARK}\u{7f} HTTP/9.9\r\n{MARK}: {MARK}\r\n\r\n"),
        format!("{MARK}\r\n\r\n"),
    ]
}

/// Tokens with the mark, encoded, in their header, payload and signature.
fn tokens(issuer: &TestIssuer) -> Vec<String> {
    let good = || issuer.token().claim("sub", MARK).claim("jti", MARK);
    let other_key = SigningKey::generate(Algorithm::Es256).with_kid(MARK);
    let tokens = [
        good(),
        good().scope(MARK),
        good().claim("iss", MARK),
        good().claim("aud", MARK),
        good().claim("exp", MARK),
        good().claim("exp", 1),
        good().claim("cnf", json!({"jkt": MARK})),
        good().claim(MARK, MARK),
        good().header("alg", MARK),
        good().header("typ", MARK),
        good().header("kid", MARK),
        good().header(MARK, MARK),
        good().raw_header(MARK),
        good().raw_payload(MARK),
        good().raw_signature(MARK),
        good().signed_by(&other_key),
    ];
    tokens.into_iter().map(TokenBuilder::build).collect()
}

/// Searches for everything that could be used: the tokens and each of their parts.
fn assert_silent(app: &TestApp, issuer: &TestIssuer, answers: &[Answer], sent: &[String]) {
    // The log is in order: once this line is present, all earlier ones are.
    app.send(&Request::new("DELETE", "/livez"));
    app.wait_for_log("DELETE /livez 405");
    let metrics = app.get("/metrics").text;
    let (log, output) = (app.log().text(), app.output().text());
    assert_eq!(output, "");
    let answers = answers.iter().map(|answer| answer.text.as_str());
    for text in answers.chain([metrics.as_str(), log.as_str()]) {
        assert!(!holds_mark(text), "{text}");
        let known_kid = issuer.key().kid().to_owned();
        assert!(!text.contains(&known_kid), "{text}");
        for token in sent {
            let mut parts = token.split('.').filter(|part| part.len() > 8);
            assert!(parts.all(|part| !text.contains(part)), "{text}");
        }
    }
}

#[test]
fn no_part_of_a_request_is_returned_or_logged_even_at_trace() {
    for filter in ["trace", "TRACE", "debug", "info,actix_http=trace"] {
        assert_nothing_is_revealed(filter, &[]);
    }
}

#[test]
fn no_form_of_the_log_reveals_a_token_or_a_subject() {
    for format in ["text", "json"] {
        let variables = [("APP__LOG__FORMAT", format), ("APP__LOG__SUBJECT", "true")];
        assert_nothing_is_revealed("trace", &variables);
    }
}

#[test]
fn a_filter_for_one_module_of_a_library_reveals_nothing() {
    let filter = "trace,actix_http::h1=trace,actix_web::middleware=trace";
    assert_nothing_is_revealed(filter, &[]);
}

fn assert_nothing_is_revealed(filter: &str, variables: &[(&str, &str)]) {
    let issuer = TestIssuer::start();
    let launch = Launch::trusting(&issuer).variables(variables).variables(&[
        ("RUST_LOG", filter),
        ("APP__CORS__ALLOWED_ORIGINS", "https://app.example"),
    ]);
    let app = TestApp::ready(launch);
    let sent = tokens(&issuer);
    let requests = requests(&issuer);
    let mut answers: Vec<_> = requests.iter().map(|request| app.send(request)).collect();
    let malformed = malformed();
    let bytes = malformed.iter().map(String::as_bytes);
    answers.extend(bytes.map(|bytes| exchange(app.address, bytes)));
    let good = issuer.token().scope("read:messages").build();
    answers.push(app.scoped(&good));
    assert_silent(&app, &issuer, &answers, &[sent, vec![good]].concat());
}

#[test]
fn a_secret_is_never_logged() {
    let issuer = TestIssuer::start();
    let secret = "Sesame0123456789".repeat(2);
    let app = Launch::trusting(&issuer).variables(&[
        ("SECRET", &secret),
        ("TOKEN_SIGNING_ALG", "HS256"),
        ("RUST_LOG", "trace"),
    ]);
    let app = TestApp::ready(app);
    let key = SigningKey::from_secret(&secret, Algorithm::Hs256);
    let token = issuer.token().signed_by(&key).build();
    let answer = app.private(&token);
    assert_eq!(answer.status, 200);
    for text in [app.log().text(), app.get("/metrics").text, answer.text] {
        assert!(!text.contains("Sesame"), "{text}");
        assert!(!text.contains(&token), "{text}");
    }
}

#[test]
fn tokens_of_the_development_issuer_are_never_logged() {
    let app = Launch::new().variable("RUST_LOG", "trace").serve();
    let address = crate::dev_issuer::address(&app);
    let form = format!("grant_type=client_credentials&client_id=demo&client_secret={MARK}");
    let request = Request::new("POST", "/oauth/token");
    let answer = request
        .body("application/x-www-form-urlencoded", &form)
        .send(address);
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(app.private(&token).status, 200);
    let log = app.log().text();
    assert!(!holds_mark(&log), "{log}");
    for part in token.split('.') {
        assert!(!log.contains(part), "{log}");
    }
}
