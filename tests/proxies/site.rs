//! An API behind a proxy that asks the service, and its clients.

use std::io::{Read, Write};
use std::net::SocketAddr;

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{TestIssuer, TokenBuilder};

use crate::api::{Received, RecordingApi};
use crate::app::{Launch, TestApp};
use crate::kind::{Kind, Proxy, Upstreams};
use crate::wire::{Answer, Request, connect};

pub(crate) const HOST: &str = "api.example";

pub(crate) struct Site {
    pub(crate) kind: Kind,
    pub(crate) issuer: TestIssuer,
    pub(crate) service: TestApp,
    pub(crate) api: RecordingApi,
    pub(crate) proxy: Proxy,
}

impl Site {
    pub(crate) fn start(kind: Kind) -> Self {
        let issuer = TestIssuer::start_with(Algorithm::Es256);
        let launch = Launch::trusting(&issuer).file("Settings.toml", kind.settings());
        let service = TestApp::ready(launch);
        Self::of(kind, issuer, service)
    }

    pub(crate) fn of(kind: Kind, issuer: TestIssuer, service: TestApp) -> Self {
        let api = RecordingApi::start();
        let upstreams = Upstreams {
            service: service.address,
            api: api.address,
            script_fails: false,
        };
        Self {
            kind,
            issuer,
            service,
            proxy: Proxy::start(kind, upstreams),
            api,
        }
    }

    /// A token with these scopes, which meets the other rules of the routes.
    pub(crate) fn token(&self, scopes: &str) -> TokenBuilder {
        let token = self.issuer.token().scope(scopes);
        token.claim("email_verified", true)
    }

    /// Sends a request to the proxy; returns its response, and what the API received.
    pub(crate) fn send(&self, request: &Request) -> (Answer, Vec<Received>) {
        let (answer, received) = self.send_bytes(&request.bytes(self.proxy.address));
        let answer =
            answer.unwrap_or_else(|| panic!("{:?}: no response: {}", self.kind, self.proxy.log()));
        (answer, received)
    }

    pub(crate) fn send_bytes(&self, bytes: &[u8]) -> (Option<Answer>, Vec<Received>) {
        let answer = exchange(self.proxy.address, bytes);
        (answer, self.api.take())
    }

    /// Sends a request that must be answered by the API.
    #[track_caller]
    pub(crate) fn reach(&self, request: &Request) -> Received {
        let (answer, mut received) = self.send(request);
        assert_eq!(
            answer.status,
            200,
            "{:?}: {request:?}: {answer:?}\n{}",
            self.kind,
            self.proxy.log()
        );
        assert_eq!(received.len(), 1, "{:?}: {request:?}", self.kind);
        received.remove(0)
    }

    /// Sends a request that must not reach the API.
    #[track_caller]
    pub(crate) fn reject(&self, request: &Request) -> Answer {
        let (answer, received) = self.send(request);
        assert!(
            received.is_empty(),
            "{:?}: {request:?}: {received:?}",
            self.kind
        );
        assert_ne!(
            answer.status, 200,
            "{:?}: {request:?}: {answer:?}",
            self.kind
        );
        answer
    }

    /// What this proxy makes of the status of a rejection.
    pub(crate) fn status(&self, status: u16) -> u16 {
        match status {
            400 | 404 | 405 if self.kind == Kind::Nginx => 403,
            status => status,
        }
    }
}

pub(crate) fn request(method: &str, target: &str) -> Request {
    Request::new(method, target).header("Host", HOST)
}

pub(crate) fn get(target: &str) -> Request {
    request("GET", target)
}

/// Sends bytes and reads one response; `None` where there is none of HTTP/1. A proxy may close the connection later.
fn exchange(address: SocketAddr, bytes: &[u8]) -> Option<Answer> {
    let mut stream = connect(address).unwrap();
    // The proxy may respond before it has read everything.
    let _ = stream.write_all(bytes);
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    while !is_complete(&answer) {
        match stream.read(&mut buffer) {
            Ok(read) if read > 0 => answer.extend_from_slice(&buffer[..read]),
            _ => break,
        }
    }
    answer
        .starts_with(b"HTTP/1.")
        .then(|| Answer::parse(&answer))
}

/// Whether the head is there, and as much of the body as it says.
fn is_complete(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.split_once("content-length: ");
    let length = length.and_then(|(_, rest)| rest.lines().next()?.parse::<usize>().ok());
    length.is_some_and(|length| body.len() >= length)
}
