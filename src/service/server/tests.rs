//! Real sockets before an app whose handlers take their time.

use std::num::NonZeroUsize;

use actix_web::{App, web};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::*;

/// An app that answers `/slow` once for each permit of `go`, and `/body` once it has read one.
fn serve(go: &Arc<Semaphore>) -> (Serving, SocketAddr) {
    let go = Arc::clone(go);
    let app = http(move || {
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

/// The first line of all that comes until the connection is closed, be it in order or not.
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
    // Asked later, so when it is given up, the first client's time has passed, too.
    let late = answer(ask(address, HALF_HEAD).await).await;
    assert_eq!(late, "HTTP/1.1 408 Request Timeout");
    go.add_permits(1);
    assert_eq!(answer(client).await, "HTTP/1.1 200 OK");
    assert_eq!(serving.end(HANG).await, 0);
}

#[actix_web::test]
async fn a_handler_that_waits_for_the_rest_of_a_body_is_told_that_it_does_not_come() {
    let (serving, address) = serve(&Arc::new(Semaphore::new(0)));
    let client = ask(address, HALF_BODY).await;
    assert_eq!(answer(client).await, "HTTP/1.1 400 Bad Request");
    assert_eq!(serving.end(HANG).await, 0);
}

#[actix_web::test]
async fn what_was_let_in_or_waits_before_the_end_is_answered() {
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
async fn what_is_not_answered_in_time_is_counted_and_cut() {
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

/// A test that waits this long will wait for ever.
const HANG: Duration = Duration::from_secs(20);
