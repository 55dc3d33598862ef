//! A thousand open streams over real connections: none outlives its access by more than a second.
//!
//! `cargo test --test many_streams -- --ignored --nocapture`

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, SystemTime};

use actix_resource_server::streams::Streaming;
use actix_resource_server::test_kit::TestIssuer;
use actix_resource_server::{
    Algorithm, Api, AuthenticatedUser, CutOff, Issuer, Revocations, Verifier, get,
};
use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt, web};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

const STREAMS: usize = 1_000;

const TOLERANCE: Duration = Duration::from_secs(1);

/// As long as it takes to open all of them on a slow machine.
const LIFETIME: Duration = Duration::from_secs(15);

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

async fn socket(
    user: Streaming<AuthenticatedUser>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, actix_web::Error> {
    let (response, session, mut messages) = actix_ws::handle(&request, body)?;
    rt::spawn(async move {
        while messages.recv().await.is_some() {}
        drop(session);
    });
    Ok(user.stream_access().websocket(response))
}

/// Serves until the process ends.
fn serve(verifier: &Verifier) -> SocketAddr {
    let verifier = verifier.clone();
    let app = move || {
        let api = Api::new("/api")
            .route("/events", get(events))
            .route("/socket", get(socket));
        App::new().service(api.verified_by(verifier.clone()))
    };
    let (sender, address) = std::sync::mpsc::channel();
    thread::spawn(move || {
        rt::System::new().block_on(async {
            let server = HttpServer::new(app).workers(2).backlog(4096);
            let server = server.bind("127.0.0.1:0").expect("a free port");
            sender.send(server.addrs()[0]).expect("a caller that waits");
            server.run().await
        })
    });
    address.recv().expect("an address")
}

/// Opens a stream and reports when it is open; resolves to what was read, and when its last bytes were.
async fn follow(
    address: SocketAddr,
    request: Arc<str>,
    opened: mpsc::UnboundedSender<()>,
) -> (Vec<u8>, SystemTime) {
    let mut client = TcpStream::connect(address).await.expect("a connection");
    client.write_all(request.as_bytes()).await.expect("sent");
    let mut read = Vec::new();
    while !read.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        let count = client.read_buf(&mut read).await.expect("a head");
        assert!(count > 0, "the connection ended early");
    }
    opened.send(()).expect("a test that waits");
    let mut ended = SystemTime::now();
    while client
        .read_buf(&mut read)
        .await
        .is_ok_and(|count| count > 0)
    {
        ended = SystemTime::now();
    }
    (read, ended)
}

/// Opens all streams, calls `end` once they are open, and returns when each has ended.
async fn ends(
    address: SocketAddr,
    token: &str,
    last: &str,
    end: impl AsyncFnOnce(),
) -> Vec<SystemTime> {
    let head = format!("HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n");
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let requests: [Arc<str>; 2] = [
        format!("GET /api/events {head}Connection: close\r\n\r\n").into(),
        format!("GET /api/socket {head}{upgrade}\r\n").into(),
    ];
    let (sender, mut opened) = mpsc::unbounded_channel();
    let streams = (0..STREAMS).map(|number| {
        let request = Arc::clone(&requests[number % requests.len()]);
        tokio::spawn(follow(address, request, sender.clone()))
    });
    let streams: Vec<_> = streams.collect();
    for _ in 0..STREAMS {
        opened.recv().await.expect("a stream that is open");
    }
    end().await;
    let mut ends = Vec::new();
    for stream in streams {
        let (read, ended) = timeout(4 * LIFETIME, stream)
            .await
            .expect("an end")
            .expect("no panic");
        let read = String::from_utf8_lossy(&read).into_owned();
        assert!(
            read.contains("200 OK") || read.contains("101 Switching"),
            "{read}"
        );
        assert!(read.contains(last), "{read}");
        ends.push(ended);
    }
    ends
}

/// The slowest of the streams.
fn latest(ends: &[SystemTime], end: SystemTime) -> Duration {
    let late = ends
        .iter()
        .map(|ended| ended.duration_since(end).expect("not too early"));
    late.max().expect("streams")
}

#[tokio::test]
#[ignore = "takes half a minute and two thousand open files"]
async fn none_of_a_thousand_streams_outlives_its_access_by_a_second() {
    rlimit::increase_nofile_limit(8_192).expect("enough open files");
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let trusted = Issuer::discover(issuer.url()).audience(issuer.audience());
    let trusted = trusted.max_token_age(Duration::from_secs(3600));
    let verifier = Verifier::builder()
        .revocations(Revocations::in_memory(10))
        .start([trusted.build().expect("an issuer")])
        .expect("a verifier");
    let address = serve(&verifier);

    let expires_at = SystemTime::now() + LIFETIME;
    let token = issuer.token().expires_at(expires_at).build();
    let expires_at = verifier
        .verify_or_fetch(&token)
        .await
        .expect("a token")
        .expires_at();
    let expired = ends(address, &token, "expired", async || {}).await;
    let late = latest(&expired, expires_at);
    println!("{STREAMS} streams ended at most {late:?} after the token has expired");
    assert!(late < TOLERANCE, "{late:?}");

    let token = issuer.token().build();
    let mut revoked_at = SystemTime::now();
    let revoked = ends(address, &token, "revoked", async || {
        revoked_at = SystemTime::now();
        let cut_off = CutOff::subject(issuer.url(), "user-1", revoked_at);
        verifier.revoke(&[cut_off]).await.expect("revoked");
    });
    let revoked = revoked.await;
    let late = latest(&revoked, revoked_at);
    println!("{STREAMS} streams ended at most {late:?} after the user's tokens were revoked");
    assert!(late < TOLERANCE, "{late:?}");
}
