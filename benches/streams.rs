//! What an idle stream costs: memory of the process, and processor time, as Markdown.
//!
//! `cargo bench --bench streams` takes a minute. The clients are sockets of the same process, whose buffers are the kernel's.

use std::convert::Infallible;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use actix_resource_server::streams::Streaming;
use actix_resource_server::test_kit::TestIssuer;
use actix_resource_server::{Algorithm, Api, AuthenticatedUser, Issuer, Verifier, get};
use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt, web};
use cpu_time::ProcessTime;

const STREAMS: u32 = 1_500;

const IDLE: Duration = Duration::from_secs(10);

/// No event at all.
struct Quiet;

impl MessageBody for Quiet {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Pending
    }
}

async fn events(user: Streaming<AuthenticatedUser>) -> HttpResponse {
    user.stream_access().sse(Quiet)
}

/// The same without an end.
async fn endless_events(_: AuthenticatedUser) -> HttpResponse {
    HttpResponse::Ok().body(Quiet)
}

fn upgrade(request: &HttpRequest, body: web::Payload) -> HttpResponse {
    let handled = actix_ws::handle(request, body);
    let (response, session, mut messages) = handled.expect("a handshake");
    rt::spawn(async move {
        while messages.recv().await.is_some() {}
        drop(session);
    });
    response
}

async fn socket(
    user: Streaming<AuthenticatedUser>,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    user.stream_access().websocket(upgrade(&request, body))
}

/// The same without an end.
async fn endless_socket(
    _: AuthenticatedUser,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    upgrade(&request, body)
}

fn serve(verifier: &Verifier) -> SocketAddr {
    let verifier = verifier.clone();
    let app = move || {
        let api = Api::new("/api")
            .route("/events", get(events))
            .route("/endless-events", get(endless_events))
            .route("/socket", get(socket))
            .route("/endless-socket", get(endless_socket));
        App::new().service(api.verified_by(verifier.clone()))
    };
    let (sender, address) = std::sync::mpsc::channel();
    thread::spawn(move || {
        rt::System::new().block_on(async {
            let server = HttpServer::new(app).workers(1).backlog(4096);
            let server = server.bind("127.0.0.1:0").expect("a free port");
            sender.send(server.addrs()[0]).expect("a caller that waits");
            server.run().await
        })
    });
    address.recv().expect("an address")
}

fn open(address: SocketAddr, path: &str, token: &str) -> TcpStream {
    let mut client = TcpStream::connect(address).expect("a connection");
    let request = format!(
        "GET /api/{path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    client.write_all(request.as_bytes()).expect("sent");
    let mut byte = [0];
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).expect("a head");
        head.extend(byte);
    }
    client
}

/// The memory of the process in KiB.
fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .expect("a number")
}

fn main() {
    rlimit::increase_nofile_limit(16_384).expect("enough open files");
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let trusted = Issuer::discover(issuer.url()).audience(issuer.audience());
    let verifier = Verifier::start([trusted.build().expect("an issuer")]).expect("a verifier");
    let address = serve(&verifier);
    let token = |number| {
        issuer
            .token()
            .claim("sub", format!("user-{number}"))
            .build()
    };
    let tokens: Vec<_> = (0..STREAMS).map(token).collect();
    println!("<!-- streams -->");
    println!(
        "| stream | KiB each | µs of processor time each in {} s |",
        IDLE.as_secs()
    );
    println!("|---|---:|---:|");
    // All of them stay open: what the allocator gets back, it would use again.
    let mut clients: Vec<_> = tokens
        .iter()
        .map(|token| open(address, "endless-events", token))
        .collect();
    for path in ["endless-events", "events", "endless-socket", "socket"] {
        let before = resident();
        clients.extend(tokens.iter().map(|token| open(address, path, token)));
        let each = (resident() - before) / f64::from(STREAMS);
        let start = ProcessTime::now();
        thread::sleep(IDLE);
        let spent = start.elapsed().as_secs_f64() * 1e6 / f64::from(STREAMS);
        println!("| {path} | {each:.1} | {spent:.1} |");
    }
    println!();
}
