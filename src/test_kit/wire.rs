//! A minimal HTTP/1.1 server that can misbehave; one request for each connection.
//!
//! An HTTP library cannot close without a response, send byte by byte or stop halfway, so this uses
//! the socket directly.

use std::fmt::Write;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time;

use super::fault::Reply;

/// The response to one request.
pub(super) enum Answer {
    Close,
    Drip(Reply, Duration),
    Endless,
    Raw(Vec<u8>),
    Reply(Reply),
}

/// Chooses the response to each request.
pub(super) trait Answers: Send + Sync + 'static {
    fn answer(&self, method: &str, path: &str) -> impl Future<Output = Answer> + Send;
}

/// Serves connections until the runtime is dropped.
pub(super) async fn serve<A: Answers>(listener: TcpListener, answers: Arc<A>) {
    while let Ok((stream, _)) = listener.accept().await {
        let answers = Arc::clone(&answers);
        // A client may disconnect early.
        tokio::spawn(async move { converse(&stream, &*answers).await.ok() });
    }
}

async fn converse<A: Answers>(stream: &TcpStream, answers: &A) -> io::Result<()> {
    let request = read_head(stream).await?;
    let mut words = request.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Ok(());
    };
    let path = target.split('?').next().unwrap_or(target);
    match answers.answer(method, path).await {
        Answer::Close => Ok(()),
        Answer::Drip(reply, pause) => {
            send(stream, &head(&reply)).await?;
            for byte in reply.body {
                time::sleep(pause).await;
                send(stream, &[byte]).await?;
            }
            Ok(())
        }
        Answer::Endless => {
            send(stream, ENDLESS_HEAD).await?;
            loop {
                send(stream, &[b' '; 16 * 1024]).await?;
            }
        }
        Answer::Raw(bytes) => send(stream, &bytes).await,
        Answer::Reply(reply) => {
            send(stream, &head(&reply)).await?;
            let silent = method == "HEAD";
            send(stream, if silent { &[] } else { &reply.body }).await
        }
    }
}

/// Reads up to the empty line; the body is ignored.
async fn read_head(stream: &TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut chunk = [0; 4096];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        stream.readable().await?;
        match stream.try_read(&mut chunk) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => head.extend(chunk.iter().take(read)),
            Err(busy) if busy.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if head.len() > LONGEST_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    String::from_utf8(head).map_err(|_| io::ErrorKind::InvalidData.into())
}

async fn send(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
            Err(busy) if busy.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn head(reply: &Reply) -> Vec<u8> {
    let Reply { status, body, .. } = reply;
    let length = body.len();
    let mut head = format!("HTTP/1.1 {status} Test\r\nContent-Length: {length}\r\n");
    for (name, value) in &reply.headers {
        // Writing to a `String` does not fail.
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("Connection: close\r\n\r\n");
    head.into_bytes()
}

const ENDLESS_HEAD: &[u8] =
    b"HTTP/1.1 200 Test\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";

/// Far more than any client of the issuer sends.
const LONGEST_HEAD: usize = 64 * 1024;
