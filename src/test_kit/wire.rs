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

/// One request.
pub(super) struct Request {
    pub(super) method: String,
    /// Without the query.
    pub(super) path: String,
    head: String,
    pub(super) body: Vec<u8>,
}

impl Request {
    fn new(head: String, body: Vec<u8>) -> Option<Self> {
        let mut words = head.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?);
        let path = target.split('?').next().unwrap_or(target).to_owned();
        Some(Self {
            method,
            path,
            head,
            body,
        })
    }

    /// The first header with this name, in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

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
    fn answer(&self, request: &Request) -> impl Future<Output = Answer> + Send;
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
    let Some(request) = read(stream).await? else {
        return Ok(());
    };
    match answers.answer(&request).await {
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
            let silent = request.method == "HEAD";
            send(stream, if silent { &[] } else { &reply.body }).await
        }
    }
}

/// Reads the head and as much of the body as it announces; `None` if there is no request line.
async fn read(stream: &TcpStream) -> io::Result<Option<Request>> {
    let mut bytes = Vec::new();
    let end = loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            break end;
        }
        read_more(stream, &mut bytes).await?;
    };
    let mut body = bytes.split_off(end.saturating_add(4));
    let head = String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
    let length = header(&head, "content-length").and_then(|length| length.parse().ok());
    while body.len() < length.unwrap_or(0_usize) {
        read_more(stream, &mut body).await?;
    }
    Ok(Request::new(head, body))
}

async fn read_more(stream: &TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut chunk = [0; 4096];
    stream.readable().await?;
    match stream.try_read(&mut chunk) {
        Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(read) => bytes.extend(chunk.iter().take(read)),
        Err(busy) if busy.kind() == io::ErrorKind::WouldBlock => {}
        Err(error) => return Err(error),
    }
    if bytes.len() > LONGEST_REQUEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(())
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
const LONGEST_REQUEST: usize = 64 * 1024;
