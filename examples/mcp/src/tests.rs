//! The server with real tokens, over HTTP: challenges, the scopes of tools, and messages that are not what they seem.

use actix_resource_server::test_kit::{DenialMatrix, TestIssuer};
use actix_resource_server::{Algorithm, Issuer, Verifier};
use actix_web::body::to_bytes;
use actix_web::dev::Service;
use actix_web::http::header::HeaderMap;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, web};
use serde_json::{Value, json};

use super::*;

/// The app as the service configures it, for tokens of `issuer`.
fn served(issuer: &TestIssuer) -> impl FnOnce(&mut web::ServiceConfig) {
    let trusted = Issuer::discover(issuer.url()).audience(issuer.audience());
    let verifier = Verifier::start([trusted.build().unwrap()]).unwrap();
    let server = McpServer::new(&McpSettings::default());
    move |app| {
        app.app_data(web::Data::new(server))
            .service(api().verified_by(verifier));
    }
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn challenge(&self) -> &str {
        self.headers
            .get("www-authenticate")
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The text that the tool responded with.
    fn text(&self) -> &str {
        self.body["result"]["content"][0]["text"]
            .as_str()
            .unwrap_or_default()
    }
}

fn message(body: &str) -> TestRequest {
    TestRequest::post()
        .uri("/mcp")
        .insert_header(("Host", "localhost:3010"))
        .insert_header(("Accept", "application/json, text/event-stream"))
        .insert_header(("Content-Type", "application/json"))
        .set_payload(body.to_owned())
}

fn call(tool: &str, arguments: &Value) -> String {
    let params = json!({ "name": tool, "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string()
}

fn add() -> String {
    call("add_note", &json!({ "text": "water" }))
}

/// Sends requests to one server; a token of `ann`, or another one, has the scopes.
macro_rules! with_server {
    ($issuer:ident, $send:ident) => {
        let $issuer = TestIssuer::start_with(Algorithm::Es256);
        let app = init_service(App::new().configure(served(&$issuer))).await;
        let $send = async |request: TestRequest| {
            let (status, headers, body) = match app.call(request.to_request()).await {
                Ok(response) => {
                    let (_, response) = response.into_parts();
                    let (head, body) = response.into_parts();
                    (
                        head.status(),
                        head.headers().clone(),
                        to_bytes(body).await.unwrap_or_default(),
                    )
                }
                Err(error) => {
                    let response = error.error_response();
                    let (head, body) = response.into_parts();
                    (
                        head.status(),
                        head.headers().clone(),
                        to_bytes(body).await.unwrap_or_default(),
                    )
                }
            };
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            Answer {
                status: status.as_u16(),
                headers,
                body,
            }
        };
    };
}

fn bearer(issuer: &TestIssuer, subject: &str, scopes: &str) -> (&'static str, String) {
    let token = issuer.token().claim("sub", subject).scope(scopes).build();
    ("Authorization", format!("Bearer {token}"))
}

#[actix_web::test]
async fn a_request_without_a_token_is_challenged_before_its_body_is_read() {
    with_server!(issuer, send);
    for body in [add(), "[".repeat(100_000), String::new()] {
        let answer = send(message(&body)).await;
        assert_eq!(answer.status, 401);
        assert!(
            answer.challenge().contains(r#"scope="notes:read""#),
            "{}",
            answer.challenge()
        );
    }
    drop(issuer);
}

#[actix_web::test]
async fn a_tool_that_requires_more_is_rejected_with_its_scopes_before_it_runs() {
    with_server!(issuer, send);
    let read = || bearer(&issuer, "ann", "notes:read");
    let answer = send(message(&add()).insert_header(read())).await;
    assert_eq!(answer.status, 403, "{}", answer.body);
    assert!(
        answer.challenge().contains(r#"error="insufficient_scope""#)
            && answer
                .challenge()
                .contains(r#"scope="notes:read notes:write""#),
        "{}",
        answer.challenge()
    );
    let list = call("list_notes", &json!({}));
    let answer = send(message(&list).insert_header(read())).await;
    assert_eq!((answer.status, answer.text()), (200, ""), "{}", answer.body);

    let both = || bearer(&issuer, "ann", "notes:read notes:write");
    assert_eq!(
        send(message(&add()).insert_header(both())).await.text(),
        "added"
    );
    assert_eq!(
        send(message(&list).insert_header(read())).await.text(),
        "water"
    );
    let ben = bearer(&issuer, "ben", "notes:read");
    assert_eq!(send(message(&list).insert_header(ben)).await.text(), "");
    let whoami = call("whoami", &json!({}));
    assert_eq!(
        send(message(&whoami).insert_header(read())).await.text(),
        "ann"
    );

    let write = bearer(&issuer, "ann", "notes:write");
    assert_eq!(send(message(&list).insert_header(write)).await.status, 403);
    let none = bearer(&issuer, "ann", "other");
    assert_eq!(send(message(&whoami).insert_header(none)).await.status, 403);
}

#[actix_web::test]
async fn no_message_reaches_a_tool_that_its_check_did_not_see() {
    with_server!(issuer, send);
    let token = || bearer(&issuer, "ann", "notes:read");
    let list = call("list_notes", &json!({}));
    let add = add();
    let hostile = [
        (format!("[{add}]"), 400),
        (format!("[{list},{add}]"), 400),
        (
            list.replace(r#""name":"#, r#""name":"add_note","name":"#),
            400,
        ),
        (
            add.replace(r#""name":"#, r#""name":"list_notes","name":"#),
            400,
        ),
        (
            add.replace(r#""method":"#, r#""method":"tools/list","method":"#),
            400,
        ),
        (
            add.replace(r#""method":"#, r#""\u006dethod":"tools/list","method":"#),
            400,
        ),
        (add.replace("add_note", r"\u0061dd_note"), 403),
        (add.replace(r#""method""#, r#""m\u0065thod""#), 403),
        (add.replace(r#""id":1,"#, ""), 400),
        (add.replace("tools/call", "TOOLS/CALL"), 200),
        (add.replace("add_note", "ADD_NOTE"), 200),
        (add.replace("add_note", "add_note "), 200),
        (add.replace("add_note", r"add_note\u0000"), 200),
        (add.replace(r#""name""#, r#""Name""#), 400),
        (format!("{list}\n{add}"), 400),
        (format!("\u{feff}{add}"), 400),
    ];
    for (body, status) in hostile {
        let answer = send(message(&body).insert_header(token())).await;
        assert_eq!(answer.status, status, "{body}");
        assert!(
            answer.body.get("result").is_none(),
            "{body}: {}",
            answer.body
        );
    }
    // A header that names another tool than the body decides nothing.
    for name in ["list_notes", "whoami"] {
        let request = message(&add)
            .insert_header(token())
            .insert_header(("Mcp-Method", "tools/call"))
            .insert_header(("Mcp-Name", name));
        assert_eq!(send(request).await.status, 403);
    }
    assert_eq!(send(message(&list).insert_header(token())).await.text(), "");
}

#[actix_web::test]
async fn a_message_is_bounded() {
    with_server!(issuer, send);
    let token = || bearer(&issuer, "ann", "notes:read notes:write");
    let text = |length: usize| call("add_note", &json!({ "text": "x".repeat(length) }));
    for (body, status) in [
        (text(500_000), 200),
        (text(2_000_000), 413),
        (
            format!(r#"{{"a":{}1{}}}"#, "[".repeat(1000), "]".repeat(1000)),
            400,
        ),
    ] {
        assert_eq!(
            send(message(&body).insert_header(token())).await.status,
            status
        );
    }
    for (header, value, status) in [
        ("Content-Type", "text/plain", 415),
        ("Accept", "text/html", 406),
        ("Origin", "https://evil.example", 403),
        ("Origin", "null", 403),
        ("Origin", "http://localhost:6274", 200),
        ("Host", "evil.example", 403),
    ] {
        let request = message(&add())
            .insert_header(token())
            .insert_header((header, value));
        assert_eq!(send(request).await.status, status, "{header}: {value}");
    }
}

#[actix_web::test]
async fn there_are_no_sessions_to_take_over() {
    with_server!(issuer, send);
    let initialize = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        },
    });
    let initialize = initialize.to_string();
    let ann = bearer(&issuer, "ann", "notes:read notes:write");
    let answer = send(message(&initialize).insert_header(ann.clone())).await;
    assert_eq!(answer.status, 200);
    assert!(answer.headers.get("mcp-session-id").is_none());
    assert_eq!(
        send(message(&add()).insert_header(ann)).await.text(),
        "added"
    );

    let ben = bearer(&issuer, "ben", "notes:read");
    let list = call("list_notes", &json!({}));
    let request = message(&list)
        .insert_header(ben)
        .insert_header(("Mcp-Session-Id", "ann"));
    assert_eq!(send(request).await.text(), "");
    for method in [
        actix_web::http::Method::GET,
        actix_web::http::Method::DELETE,
    ] {
        let request = TestRequest::default().method(method).uri("/mcp");
        assert_eq!(send(request).await.status, 405);
    }
}

#[actix_web::test]
async fn arguments_that_do_not_fit_are_an_error_of_the_call() {
    with_server!(issuer, send);
    let token = || bearer(&issuer, "ann", "notes:read notes:write");
    for arguments in [json!({}), json!({ "text": 1 }), json!({ "text": null })] {
        let answer = send(message(&call("add_note", &arguments)).insert_header(token())).await;
        assert_eq!(
            answer.body["error"]["code"], -32602,
            "{arguments}: {}",
            answer.body
        );
    }
}

#[actix_web::test]
async fn the_endpoint_rejects_what_it_must_reject() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let app = init_service(App::new().configure(served(&issuer))).await;
    let report = DenialMatrix::new(&issuer)
        .try_app(&api(), async |request| {
            call_service(&app, request.to_request()).await
        })
        .await;
    report.assert_denied();
}
