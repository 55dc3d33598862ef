//! Access is checked first: a rejected request gets only the rejection, and its body is not read.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_resource_server::test_kit::TestIssuer;
use actix_resource_server::{Api, AuthenticatedUser, ProtectedRoute, post};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, HttpServer, web};
use futures_core::Stream;

use crate::app::{self, Answer, Body, ask, bearer, poll_once};

async fn create(_: AuthenticatedUser, body: web::Json<Vec<u8>>) -> String {
    format!("{} bytes", body.len())
}

/// Kinds of credentials, and the result with a malformed body: the status, and whether the body was read.
const CREDENTIALS: [(&str, u16, bool); 5] = [
    ("none", 401, false),
    ("no token", 401, false),
    ("two tokens", 400, false),
    ("a bad signature", 401, false),
    ("a valid token", 400, true),
];

fn broken_request(issuer: &TestIssuer, credentials: &str) -> TestRequest {
    let request = TestRequest::post().uri("/api/messages");
    let request = request.insert_header(("content-type", "application/json"));
    let good = || bearer(&issuer.token().build());
    match credentials {
        "none" => request,
        "no token" => request.insert_header(("authorization", "Basic dXNlcjpwYXNz")),
        "two tokens" => request.append_header(good()).append_header(good()),
        "a bad signature" => request.insert_header(bearer(&badly_signed(issuer))),
        _ => request.insert_header(good()),
    }
}

/// Names the issuer's key but is signed by another: its rejection requires the keys.
fn badly_signed(issuer: &TestIssuer) -> String {
    issuer.token().raw_signature([1; 64]).build()
}

/// A malformed body that records whether it was read.
struct BrokenBody {
    rest: Option<web::Bytes>,
    was_read: Rc<Cell<bool>>,
}

impl Stream for BrokenBody {
    type Item = Result<web::Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.was_read.set(true);
        Poll::Ready(self.rest.take().map(Ok))
    }
}

fn broken_body() -> (Payload, Rc<Cell<bool>>) {
    let was_read = Rc::new(Cell::new(false));
    let body = BrokenBody {
        rest: Some(web::Bytes::from_static(b"{[")),
        was_read: Rc::clone(&was_read),
    };
    let payload = Box::pin(body);
    (Payload::Stream { payload }, was_read)
}

/// Sends a malformed body with these credentials; a macro for the same reason as `ask!`.
macro_rules! send_broken_body {
    ($app:expr, $issuer:expr, $credentials:expr) => {{
        let (payload, was_read) = broken_body();
        let request = broken_request($issuer, $credentials).to_request();
        let (request, _) = request.replace_payload(payload);
        (call_service(&$app, request), was_read)
    }};
}

macro_rules! assert_that_access_comes_first {
    ($app:expr, $issuer:expr) => {
        for (credentials, status, reads) in CREDENTIALS {
            let (answering, was_read) = send_broken_body!($app, $issuer, credentials);
            let answer = app::read(answering.await).await;
            assert_eq!(answer.status, status, "{credentials}: {answer:?}");
            assert_eq!(was_read.get(), reads, "{credentials}");
        }
    };
}

#[actix_web::test]
async fn in_an_api_the_body_is_only_read_with_a_valid_token() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let api = Api::new("/api").route("/messages", post(create));
    let app = init_service(App::new().service(api.verified_by(verifier))).await;
    assert_that_access_comes_first!(app, &issuer);
}

#[actix_web::test]
async fn on_a_route_the_body_is_only_read_with_a_valid_token() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = App::new().app_data(verifier);
    let app = init_service(app.route("/api/messages", web::post().protected(create))).await;
    assert_that_access_comes_first!(app, &issuer);
}

#[actix_web::test]
async fn the_body_is_not_read_while_keys_are_fetched() {
    let issuer = app::issuer();
    let gate = app::shut(&issuer);
    let verifier = app::verifier(&issuer);
    let api = Api::new("/api").route("/messages", post(create));
    let app = App::new().service(api.verified_by(verifier.clone()));
    let app = app.app_data(verifier);
    let app = app.route("/plain", web::post().to(create));
    let app = init_service(app.route("/protected", web::post().protected(create))).await;

    let mut waiting = Vec::new();
    for path in ["/api/messages", "/protected"] {
        for (credentials, status, reads) in &CREDENTIALS[3..] {
            let (payload, was_read) = broken_body();
            let request = broken_request(&issuer, credentials).uri(path).to_request();
            let (request, _) = request.replace_payload(payload);
            let mut answering = Box::pin(call_service(&app, request));
            assert!(
                poll_once(answering.as_mut()).is_pending(),
                "{path} {credentials}"
            );
            assert!(!was_read.get(), "{path} {credentials}");
            waiting.push((answering, was_read, *status, *reads));
        }
    }
    gate.open();
    for (answering, was_read, status, reads) in waiting {
        assert_eq!(answering.await.status(), status);
        assert_eq!(was_read.get(), reads);
    }
}

#[actix_web::test]
async fn a_request_without_a_token_does_not_wait_for_keys() {
    let issuer = app::issuer();
    let _gate = app::shut(&issuer);
    let verifier = app::verifier(&issuer);
    let api = Api::new("/api").route("/messages", post(create));
    let app = init_service(App::new().service(api.verified_by(verifier))).await;
    for (credentials, status, _) in &CREDENTIALS[..3] {
        let (answering, was_read) = send_broken_body!(app, &issuer, credentials);
        match poll_once(pin!(answering)) {
            Poll::Ready(response) => assert_eq!(response.status(), *status, "{credentials}"),
            Poll::Pending => panic!("{credentials}: waits for a key"),
        }
        assert!(!was_read.get(), "{credentials}");
    }
}

/// The control: without `protected`, the body is read first.
#[actix_web::test]
async fn an_unprotected_handler_rejects_the_body_before_the_token() {
    let issuer = app::issuer();
    let _gate = app::shut(&issuer);
    let app = App::new().app_data(app::verifier(&issuer));
    let app = init_service(app.route("/api/messages", web::post().to(create))).await;
    let (answering, was_read) = send_broken_body!(app, &issuer, "a bad signature");
    match poll_once(pin!(answering)) {
        Poll::Ready(response) => assert_eq!(response.status(), 400),
        Poll::Pending => panic!("the control no longer shows the trap"),
    }
    assert!(was_read.get());
}

#[actix_web::test]
async fn a_valid_token_and_a_valid_body_reach_the_handler() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let api = Api::new("/api").route("/messages", post(create));
    let app = init_service(App::new().service(api.verified_by(verifier))).await;
    let request = TestRequest::post().uri("/api/messages").set_json([1, 2, 3]);
    let answer = ask!(app, request.insert_header(bearer(&issuer.token().build())));
    assert_eq!(answer, Answer::text("3 bytes"));
}

/// Only one extractor can take the body; the access argument does not.
#[actix_web::test]
async fn the_first_of_the_other_arguments_gets_the_whole_body() {
    async fn echo(_: AuthenticatedUser, body: String, rest: web::Bytes) -> String {
        format!("{body}, then {} bytes", rest.len())
    }
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let api = Api::new("/api").route("/messages", post(echo));
    let app = init_service(App::new().service(api.verified_by(verifier))).await;
    let request = TestRequest::post()
        .uri("/api/messages")
        .set_payload("hello");
    let answer = ask!(app, request.insert_header(bearer(&issuer.token().build())));
    assert_eq!(answer.body, Body::Text("hello, then 0 bytes".to_owned()));
}

#[actix_web::test]
async fn a_rejection_over_a_socket_does_not_wait_for_the_body() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = move || {
        let api = Api::new("/api").route("/messages", post(create));
        App::new().service(api.verified_by(verifier.clone()))
    };
    let server = HttpServer::new(app).workers(1).disable_signals();
    let server = server.bind(("127.0.0.1", 0)).expect("a free port");
    let address = server.addrs()[0];
    let running = server.run();
    let handle = running.handle();
    actix_web::rt::spawn(running);
    let token = badly_signed(&issuer);
    let answer = web::block(move || status_line_before_the_body(address, &token)).await;
    assert_eq!(
        answer.expect("a thread that blocks"),
        "HTTP/1.1 401 Unauthorized"
    );
    handle.stop(false).await;
}

/// Announces a body, sends none of it, and returns the status line.
fn status_line_before_the_body(address: SocketAddr, token: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a server that listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a socket");
    let head = format!(
        "POST /api/messages HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    );
    stream
        .write_all(head.as_bytes())
        .expect("a request is sent");
    let mut answer = Vec::new();
    while !answer.windows(2).any(|two| two == b"\r\n") {
        let mut chunk = [0; 512];
        let read = stream.read(&mut chunk).expect("an answer without a body");
        assert_ne!(read, 0, "an answer is sent before the connection closes");
        answer.extend_from_slice(&chunk[..read]);
    }
    let text = String::from_utf8(answer).expect("an answer in ASCII");
    text.lines().next().unwrap_or_default().to_owned()
}
