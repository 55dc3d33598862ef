//! Real sockets, and an app with slow handlers.

use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::{App, HttpResponse, web};
use futures_core::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::*;

/// An app that answers `/slow` once for each permit of `go`, and `/body` once it has read one.
fn serve(go: &Arc<Semaphore>) -> (Serving, SocketAddr) {
    let go = Arc::clone(go);
    let app = http(None, move || {
        let go = Arc::clone(&go);
        let slow = move || {
            let go = Arc::clone(&go);
            async move {
                go.acquire().await.unwrap().forget();
                "done"
            }
        };
        App::new()
            .route("/slow", web::to(slow))
            .route("/body", web::to(|_: web::Bytes| async { "read" }))
    });
    let listener = Listener::bind("127.0.0.1", 0).unwrap();
    let address = listener.addresses().next().unwrap();
    let options = Options {
        workers: NonZeroUsize::new(2),
        client_timeout: Duration::from_millis(200),
        ..Options::for_tests()
    };
    (listener.serve(&app, &options, None).unwrap(), address)
}

async fn ask(address: SocketAddr, request: &str) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    client
}

/// The first line of everything until the connection is closed, in order or by a reset.
async fn answer(mut client: TcpStream) -> String {
    let mut answer = String::new();
    if let Err(error) = client.read_to_string(&mut answer).await {
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
    answer.lines().next().unwrap_or_default().to_owned()
}

const SLOW: &str = "GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const HALF_HEAD: &str = "GET /slow HTTP/1.1\r\n";
const HALF_BODY: &str = "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf";

#[actix_web::test]
async fn a_handler_may_take_longer_than_its_client() {
    let go = Arc::new(Semaphore::new(0));
    let (serving, address) = serve(&go);
    let client = ask(address, SLOW).await;
    // It began later, so once it has timed out, the first client has timed out, too.
    let late = answer(ask(address, HALF_HEAD).await).await;
    assert_eq!(late, "HTTP/1.1 408 Request Timeout");
    go.add_permits(1);
    assert_eq!(answer(client).await, "HTTP/1.1 200 OK");
    assert_eq!(serving.end(HANG).await, 0);
}

#[actix_web::test]
async fn a_handler_that_waits_for_a_body_gets_an_error_if_it_ends_early() {
    let (serving, address) = serve(&Arc::new(Semaphore::new(0)));
    let client = ask(address, HALF_BODY).await;
    assert_eq!(answer(client).await, "HTTP/1.1 400 Bad Request");
    assert_eq!(serving.end(HANG).await, 0);
}

#[actix_web::test]
async fn accepted_and_waiting_connections_are_answered_before_the_end() {
    let go = Arc::new(Semaphore::new(0));
    let (serving, address) = serve(&go);
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(ask(address, SLOW).await);
    }
    let answers = async {
        // None of them is answered before the socket is closed.
        while TcpStream::connect(address).await.is_ok() {}
        go.add_permits(clients.len());
        for client in clients {
            assert_eq!(answer(client).await, "HTTP/1.1 200 OK");
        }
    };
    let (cut, ()) = tokio::join!(serving.end(HANG), answers);
    assert_eq!(cut, 0);
}

#[actix_web::test]
async fn requests_not_answered_in_time_are_counted_and_their_connections_closed() {
    let (serving, address) = serve(&Arc::new(Semaphore::new(0)));
    let first = ask(address, SLOW).await;
    let second = ask(address, SLOW).await;
    assert_eq!(serving.end(Duration::from_millis(50)).await, 2);
    for client in [first, second] {
        assert_eq!(answer(client).await, "");
    }
}

#[actix_web::test]
async fn an_address_that_is_taken_cannot_be_bound_again() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = Listener::bind("127.0.0.1", port).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}

/// Serves `app` with `options`, on a port of loopback.
fn serve_with(app: &Http, options: &Options) -> (Serving, SocketAddr) {
    let listener = Listener::bind("127.0.0.1", 0).unwrap();
    let address = listener.addresses().next().unwrap();
    (listener.serve(app, options, None).unwrap(), address)
}

/// An app that echoes bodies, counts the requests to `/slow`, and answers each of
/// them and `/later`, once it has read the body, for a permit of `go`.
fn echo(go: &Arc<Semaphore>, called: &Arc<AtomicUsize>) -> Http {
    let (go, called) = (Arc::clone(go), Arc::clone(called));
    http(None, move || {
        let (go, called) = (Arc::clone(&go), Arc::clone(&called));
        let later_go = Arc::clone(&go);
        let slow = move || {
            called.fetch_add(1, Ordering::Relaxed);
            let go = Arc::clone(&go);
            async move {
                go.acquire().await.unwrap().forget();
                "done"
            }
        };
        let later = move |mut payload: web::Payload| {
            let go = Arc::clone(&later_go);
            async move {
                go.acquire().await.unwrap().forget();
                let mut length = 0;
                while let Some(chunk) = poll_fn(|cx| Pin::new(&mut payload).poll_next(cx)).await {
                    length += chunk.unwrap().len();
                }
                length.to_string()
            }
        };
        App::new()
            .route("/quick", web::to(|| async { "quick" }))
            .route("/slow", web::to(slow))
            .route("/later", web::to(later))
            .route(
                "/none",
                web::to(|| async { HttpResponse::NotFound().finish() }),
            )
            .route(
                "/echo",
                web::to(|body: web::Payload| async { HttpResponse::Ok().streaming(body) }),
            )
    })
}

struct Stage {
    serving: Serving,
    address: SocketAddr,
    go: Arc<Semaphore>,
    called: Arc<AtomicUsize>,
}

impl Stage {
    fn new(options: &Options) -> Self {
        let (go, called) = (Arc::new(Semaphore::new(0)), Arc::default());
        let (serving, address) = serve_with(&echo(&go, &called), options);
        Self {
            serving,
            address,
            go,
            called,
        }
    }
}

const QUICK: &str = "GET /quick HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST: &str = "GET /quick HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Everything until the connection is closed.
async fn all(mut client: TcpStream) -> String {
    let mut text = String::new();
    timeout(HANG, client.read_to_string(&mut text))
        .await
        .unwrap()
        .unwrap();
    text
}

#[actix_web::test]
async fn pipelined_requests_are_all_answered_in_order() {
    let stage = Stage::new(&Options::for_tests());
    let client = ask(stage.address, &format!("{}{LAST}", QUICK.repeat(5_000))).await;
    assert_eq!(all(client).await.matches("quick").count(), 5_001);
    assert_eq!(stage.serving.end(HANG).await, 0);
}

#[actix_web::test]
async fn while_a_request_is_in_progress_the_next_ones_stay_in_the_socket() {
    let stage = Stage::new(&Options::for_tests());
    let slow = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";
    let client = ask(stage.address, &format!("{}{LAST}", slow.repeat(200))).await;
    // A second client is answered while the first one's request is in progress.
    assert!(all(ask(stage.address, LAST).await).await.ends_with("quick"));
    assert_eq!(stage.called.load(Ordering::Relaxed), 1);
    stage.go.add_permits(200);
    let answers = all(client).await;
    assert_eq!(answers.matches("done").count(), 200);
    assert!(answers.ends_with("quick"));
    assert_eq!(stage.serving.end(HANG).await, 0);
}

#[actix_web::test]
async fn a_body_goes_both_ways_at_once_however_large_it_is() {
    let stage = Stage::new(&Options::for_tests());
    let client = TcpStream::connect(stage.address).await.unwrap();
    let (mut incoming, mut outgoing) = client.into_split();
    let chunk = "~".repeat(100_000);
    let send = async {
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        outgoing.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..20 {
            outgoing
                .write_all(format!("{:x}\r\n{chunk}\r\n", chunk.len()).as_bytes())
                .await
                .unwrap();
        }
        outgoing
            .write_all(format!("0\r\n\r\n{LAST}").as_bytes())
            .await
            .unwrap();
    };
    let receive = async {
        let mut text = String::new();
        incoming.read_to_string(&mut text).await.unwrap();
        text
    };
    let ((), text) = timeout(HANG, async { tokio::join!(send, receive) })
        .await
        .unwrap();
    assert_eq!(text.matches('~').count(), 2_000_000);
    assert!(text.ends_with("quick"));
    assert_eq!(stage.serving.end(HANG).await, 0);
}

#[actix_web::test]
async fn a_body_that_is_read_late_is_complete_with_everything_after_it() {
    let stage = Stage::new(&Options {
        client_timeout: Duration::from_secs(1),
        ..Options::for_tests()
    });
    let body = "y".repeat(50_000);
    let mut clients = Vec::new();
    for (framing, body) in [
        ("Content-Length: 50000", body.clone()),
        (
            "Transfer-Encoding: chunked",
            format!("c350\r\n{body}\r\n0\r\n\r\n"),
        ),
    ] {
        let request = format!("POST /later HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{body}{LAST}");
        clients.push(ask(stage.address, &request).await);
    }
    // Longer than the clients' timeout, which does not run while a handler is busy.
    let late = answer(ask(stage.address, HALF_HEAD).await).await;
    assert_eq!(late, "HTTP/1.1 408 Request Timeout");
    stage.go.add_permits(clients.len());
    for client in clients {
        let answers = all(client).await;
        assert!(answers.contains("\r\n\r\n50000"), "{answers}");
        assert!(answers.ends_with("quick"), "{answers}");
    }
    assert_eq!(stage.serving.end(HANG).await, 0);
}

#[actix_web::test]
async fn an_interim_response_is_only_sent_when_the_body_is_awaited() {
    let stage = Stage::new(&Options::for_tests());
    stage.go.add_permits(1);
    let head = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
    };
    // Behind another response, and behind one whose body looks like an interim one.
    let likeness = "HTTP/1.1 100 Continue\r\n\r\n";
    let before = format!(
        "{QUICK}POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{likeness}",
        likeness.len()
    );
    for (path, before, interims) in [
        ("/none", "", 0),
        ("/none", before.as_str(), 1),
        ("/echo", "", 1),
        ("/echo", before.as_str(), 2),
    ] {
        let mut client = ask(stage.address, &format!("{before}{}", head(path))).await;
        let mut answers = String::new();
        if path == "/echo" {
            while answers.matches(likeness).count() < interims {
                let mut bytes = [0; 1024];
                let length = timeout(HANG, client.read(&mut bytes))
                    .await
                    .unwrap()
                    .unwrap();
                assert_ne!(length, 0, "{answers}");
                answers.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
            }
            client
                .write_all(format!("ok{LAST}").as_bytes())
                .await
                .unwrap();
        }
        answers.push_str(&all(client).await);
        assert_eq!(
            answers.matches(likeness).count(),
            interims,
            "{path} {answers}"
        );
        assert_eq!(
            answers.contains("\r\n2\r\nok"),
            path == "/echo",
            "{answers}"
        );
    }
    assert_eq!(stage.serving.end(HANG).await, 0);
}

#[actix_web::test]
async fn a_full_server_closes_silent_connections_before_idle_ones_and_never_requests() {
    let stage = Stage::new(&Options {
        max_connections: 3,
        ..Options::for_tests()
    });
    let busy = ask(stage.address, SLOW).await;
    let mut idle = ask(stage.address, QUICK).await;
    idle.read_exact(&mut [0; 20]).await.unwrap();
    let silent = ask(stage.address, HALF_HEAD).await;
    while stage.called.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    // The first takes the place of the silent one and the second, once it has been answered, that of the idle one.
    let mut first = ask(stage.address, QUICK).await;
    timeout(HANG, first.read_exact(&mut [0; 20]))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer(silent).await, "");
    let second = ask(stage.address, LAST).await;
    assert!(all(second).await.ends_with("quick"));
    let mut rest = String::new();
    idle.read_to_string(&mut rest).await.ok();
    assert!(rest.ends_with("quick"), "{rest}");
    stage.go.add_permits(1);
    assert_eq!(answer(busy).await, "HTTP/1.1 200 OK");
    first.write_all(LAST.as_bytes()).await.unwrap();
    assert!(all(first).await.ends_with("quick"));
    assert_eq!(stage.serving.end(HANG).await, 0);
}

#[actix_web::test]
async fn a_client_waits_while_every_connection_has_a_request_in_progress() {
    let stage = Stage::new(&Options {
        max_connections: 1,
        ..Options::for_tests()
    });
    let busy = ask(stage.address, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    while stage.called.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    let mut waiting = ask(stage.address, LAST).await;
    let silence = timeout(Duration::from_millis(200), waiting.read(&mut [0; 1])).await;
    assert!(silence.is_err());
    stage.go.add_permits(1);
    // It stays open and idle, and so it is the one that is closed.
    assert!(all(waiting).await.ends_with("quick"));
    assert_eq!(answer(busy).await, "HTTP/1.1 200 OK");
    assert_eq!(stage.serving.end(HANG).await, 0);
}

#[actix_web::test]
async fn connections_of_one_address_are_limited_unless_it_is_a_trusted_proxy() {
    for (exempt, third) in [
        (Vec::new(), false),
        (vec!["127.0.0.0/8".parse().unwrap()], true),
    ] {
        let stage = Stage::new(&Options {
            max_connections_per_address: NonZeroU16::new(2),
            trusted_proxies: exempt,
            ..Options::for_tests()
        });
        let mut clients = Vec::new();
        for _ in 0..2 {
            let mut client = ask(stage.address, QUICK).await;
            client.read_exact(&mut [0; 20]).await.unwrap();
            clients.push(client);
        }
        assert_eq!(
            answer(ask(stage.address, LAST).await).await,
            if third { "HTTP/1.1 200 OK" } else { "" }
        );
        // A permit that is returned can be used again.
        let mut gone = clients.pop().unwrap();
        gone.write_all(LAST.as_bytes()).await.unwrap();
        all(gone).await;
        let again = async { while answer(ask(stage.address, LAST).await).await.is_empty() {} };
        timeout(HANG, again).await.unwrap();
        drop(clients);
        assert_eq!(stage.serving.end(HANG).await, 0);
    }
}

#[actix_web::test]
async fn connections_that_end_by_themselves_do_not_delay_new_clients() {
    let stage = Stage::new(&Options {
        max_connections: 300,
        ..Options::for_tests()
    });
    let idle = async || {
        let mut client = ask(stage.address, QUICK).await;
        client.read_exact(&mut [0; 20]).await.unwrap();
        client
    };
    let mut clients = std::collections::VecDeque::new();
    for _ in 0..300 {
        clients.push_back(idle().await);
    }
    // The first candidate is closed; the next two end by themselves.
    assert!(all(ask(stage.address, LAST).await).await.ends_with("quick"));
    drop(clients.drain(..3));
    for _ in 0..3 {
        clients.push_back(idle().await);
    }
    let begun = std::time::Instant::now();
    assert!(all(ask(stage.address, LAST).await).await.ends_with("quick"));
    assert!(
        begun.elapsed() < Duration::from_millis(900),
        "{:?}",
        begun.elapsed()
    );
    drop(clients);
    assert_eq!(stage.serving.end(HANG).await, 0);
}

#[actix_web::test]
async fn rejections_of_pipelined_requests_have_no_interim_responses() {
    let stage = Stage::new(&Options::for_tests());
    let request = "GET /none HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n";
    let client = ask(stage.address, &format!("{}{LAST}", request.repeat(3))).await;
    let answers = all(client).await;
    assert_eq!(answers.matches("HTTP/1.1 404").count(), 3, "{answers}");
    assert!(!answers.contains("100 Continue"), "{answers}");
    assert_eq!(stage.serving.end(HANG).await, 0);
}

#[actix_web::test]
async fn a_rejection_instead_of_an_interim_response_ends_the_connection() {
    let stage = Stage::new(&Options::for_tests());
    for framing in ["Content-Length: 2", "Transfer-Encoding: chunked"] {
        let head =
            format!("POST /none HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{framing}\r\n\r\n");
        let mut client = ask(stage.address, &head).await;
        let mut answer = [0; 200];
        let length = client.read(&mut answer).await.unwrap();
        let answer = std::str::from_utf8(&answer[..length]).unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    assert_eq!(stage.serving.end(HANG).await, 0);
}

#[actix_web::test]
async fn a_client_beyond_the_limit_of_its_address_takes_no_permit() {
    let stage = Stage::new(&Options {
        max_connections: 2,
        max_connections_per_address: NonZeroU16::new(2),
        ..Options::for_tests()
    });
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = ask(stage.address, QUICK).await;
        client.read_exact(&mut [0; 20]).await.unwrap();
        clients.push(client);
    }
    for _ in 0..5 {
        assert_eq!(answer(ask(stage.address, LAST).await).await, "");
    }
    for mut client in clients {
        client.write_all(LAST.as_bytes()).await.unwrap();
        assert!(all(client).await.ends_with("quick"));
    }
    assert_eq!(stage.serving.end(HANG).await, 0);
}

/// Longer than any passing test waits.
const HANG: Duration = Duration::from_secs(20);

/// Answers a WebSocket's message `last` alone.
async fn socket(request: actix_web::HttpRequest, body: web::Payload) -> HttpResponse {
    let (response, mut session, mut messages) = actix_ws::handle(&request, body).unwrap();
    actix_web::rt::spawn(async move {
        while let Some(Ok(message)) = messages.recv().await {
            if let actix_ws::Message::Text(text) = message
                && text == "last"
            {
                session.text(text).await.unwrap();
            }
        }
    });
    response
}

/// A client's frame with this text, which is masked with zeros.
fn frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
}

const UPGRADE: &str = "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[actix_web::test]
async fn a_websocket_may_be_quiet_and_send_without_being_answered() {
    let app = http(None, || App::new().route("/socket", web::get().to(socket)));
    let options = Options {
        // actix-http measures with a clock that is up to half a second late.
        client_timeout: Duration::from_millis(600),
        keep_alive: Duration::from_millis(700),
        ..Options::for_tests()
    };
    let (serving, address) = serve_with(&app, &options);
    let mut client = ask(address, UPGRADE).await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{head:?}");
    client.write_all(&frame("more")).await.unwrap();
    // Once another client is late, and one has been idle for too long, this one has been quiet for longer than either.
    let late = answer(ask(address, HALF_HEAD).await).await;
    assert_eq!(late, "HTTP/1.1 408 Request Timeout");
    let idle = answer(ask(address, QUICK).await).await;
    assert_eq!(idle, "HTTP/1.1 404 Not Found");
    client.write_all(&frame("last")).await.unwrap();
    let mut echoed = [0; 6];
    client.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"\x81\x04last");
    // It counts as a connection with a request in progress.
    assert_eq!(serving.connections().count(), 1);
    drop(client);
    assert_eq!(serving.end(HANG).await, 0);
}
