//! HTTP/1.1 byte for byte, so that malformed requests can be sent and whole responses compared.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::transcript::LIMIT;

/// A request as it is written to the wire.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    line: String,
    head: Vec<u8>,
    body: Vec<u8>,
    has_host: bool,
}

impl Request {
    /// A request without a body; `target` is written into the request line unchanged.
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            line: format!("{method} {target} HTTP/1.1\r\n"),
            head: b"Connection: close\r\n".to_vec(),
            body: Vec::new(),
            has_host: false,
        }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A CORS preflight request of `origin` for `target`.
    pub(crate) fn preflight(target: &str, origin: &str, method: &str) -> Self {
        Self::new("OPTIONS", target)
            .header("Origin", origin)
            .header("Access-Control-Request-Method", method)
    }

    /// Adds a header line; `value` may be any bytes.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.has_host |= name == "Host";
        self.head.extend_from_slice(name.as_bytes());
        self.head.extend_from_slice(b": ");
        self.head.extend_from_slice(value.as_ref());
        self.head.extend_from_slice(b"\r\n");
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    /// Adds a bound token and a proof.
    pub(crate) fn dpop(self, token: &str, proof: &str) -> Self {
        self.header("Authorization", format!("DPoP {token}"))
            .header("DPoP", proof)
    }

    /// Adds a body and its length.
    pub(crate) fn body(self, content_type: &str, body: &str) -> Self {
        let mut request = self
            .header("Content-Type", content_type)
            .header("Content-Length", body.len().to_string());
        request.body = body.as_bytes().to_vec();
        request
    }

    /// Sends it to `address`, with a valid `Host` unless it has one.
    pub(crate) fn send(&self, address: SocketAddr) -> Answer {
        exchange(address, &self.bytes(address))
    }

    pub(crate) fn bytes(&self, address: SocketAddr) -> Vec<u8> {
        let mut bytes = self.line.clone().into_bytes();
        if !self.has_host {
            bytes.extend_from_slice(format!("Host: {address}\r\n").as_bytes());
        }
        bytes.extend_from_slice(&self.head);
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// A whole response.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The names in lower case, the lines in their order.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// Every byte received, to search for what must not be there.
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let header = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_ascii_lowercase(), value.to_owned()))
        };
        Self {
            status: status.and_then(|status| status.parse().ok()).unwrap(),
            headers: lines.map(|line| header(line).unwrap()).collect(),
            body: body.to_owned(),
            text: text.clone(),
        }
    }

    /// Every value of the header, in order; the name in lower case.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(known, _)| known == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The only value of the header, if it is present.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(values.len() < 2, "{name} comes twice: {values:?}");
        values.first().copied()
    }

    /// The words of a list header, sorted and in lower case.
    pub(crate) fn words(&self, name: &str) -> Vec<String> {
        let lines = self.all(name).join(",").to_ascii_lowercase();
        let words = lines.split(',').map(|word| word.trim().to_owned());
        let mut words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
        words.sort_unstable();
        words
    }

    pub(crate) fn json(&self) -> Value {
        let parsed = serde_json::from_str(&self.body);
        parsed.unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends several requests over one connection without waiting in between; the statuses, in their order.
pub(crate) fn pipeline(address: SocketAddr, requests: &[Request]) -> Vec<u16> {
    let mut bytes = Vec::new();
    for request in requests {
        bytes.extend(request.bytes(address));
    }
    let text = String::from_utf8(bytes).unwrap();
    let last = requests.len() - 1;
    let text = text.replacen("Connection: close", "Connection: keep-alive", last);
    let mut stream = connect(address).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).unwrap();
    let answers = String::from_utf8(answers).unwrap();
    let statuses = answers.split("HTTP/1.1 ").skip(1);
    statuses
        .map(|answer| answer[..3].parse().unwrap())
        .collect()
}

/// Writes `bytes` and reads the response.
pub(crate) fn exchange(address: SocketAddr, bytes: &[u8]) -> Answer {
    attempt(address, bytes).expect("no answer")
}

/// The same, where the server may also close the connection.
pub(crate) fn attempt(address: SocketAddr, bytes: &[u8]) -> Option<Answer> {
    let mut stream = connect(address).unwrap();
    // A server that has read enough may close before everything is written; its response still counts.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    (!answer.is_empty()).then(|| Answer::parse(&answer))
}

pub(crate) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    Ok(stream)
}
