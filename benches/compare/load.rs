//! Loads a server on loopback from 64 connections, and prints the number of answers, the seconds that they took, and the
//! microseconds within which half of the requests, 99 % and 99.9 % were answered.
//!
//! `load PORT PATH SECONDS STATUS [once] < CREDENTIALS` sends the credentials, one a line, in turn, or once each; without any it
//! sends none. A line is the value of `Authorization`; further headers may follow, each after a tab. Each answer must have that
//! status. It polls without sleeping: a client that sleeps makes the server pay
//! for waking it, slow servers more often than fast ones.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [port, path, seconds, status, once @ ..] = arguments.as_slice() else {
        return Err("load PORT PATH SECONDS STATUS [once] < TOKENS".into());
    };
    let port = port.parse()?;
    let duration = Duration::from_secs_f64(seconds.parse()?);
    let requests = requests(port, path)?;
    let mut requests: Box<dyn Iterator<Item = &Vec<u8>>> = match once {
        [] => Box::new(requests.iter().cycle()),
        _ => Box::new(requests.iter()),
    };
    let start = Instant::now();
    let mut times = load(port, status.as_bytes(), || {
        requests.next().filter(|_| start.elapsed() < duration)
    })?;
    print!("{} {}", times.len(), start.elapsed().as_secs_f64());
    times.sort_unstable();
    for thousandths in [500, 990, 999] {
        let time = times.get(times.len() * thousandths / 1000);
        print!(" {:.0}", time.map_or(0.0, Duration::as_secs_f64) * 1e6);
    }
    println!();
    Ok(())
}

/// What is sent: a request for each line of the input, or one without a token.
fn requests(port: u16, path: &str) -> io::Result<Vec<Vec<u8>>> {
    let head = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n");
    let request = |credentials: io::Result<String>| {
        let headers = credentials?.replace('\t', "\r\n");
        let request = format!("{head}Authorization: {headers}\r\n\r\n");
        Ok(request.into_bytes())
    };
    let requests: Vec<_> = io::stdin()
        .lines()
        .map(request)
        .collect::<io::Result<_>>()?;
    match requests.is_empty() {
        true => Ok(vec![format!("{head}\r\n").into_bytes()]),
        false => Ok(requests),
    }
}

/// Sends requests until there is no further one; returns how long each took.
fn load<'r>(
    port: u16,
    status: &[u8],
    mut next: impl FnMut() -> Option<&'r Vec<u8>>,
) -> Result<Vec<Duration>, Box<dyn Error>> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(CONNECTIONS);
    let mut connections = connect(port, &poll)?;
    let (mut times, mut under_way) = (Vec::new(), 0);
    for connection in &mut connections {
        under_way += connection.send(next())?;
    }
    while under_way > 0 {
        poll.poll(&mut events, Some(Duration::ZERO))?;
        for event in &events {
            let connection = &mut connections[usize::from(event.token())];
            if event.is_readable() && connection.receive(status)? {
                times.push(connection.sent.elapsed());
                under_way = under_way - 1 + connection.send(next())?;
            }
        }
    }
    Ok(times)
}

fn connect(port: u16, poll: &Poll) -> io::Result<Vec<Connection>> {
    let connect = |number| {
        let stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        let registry = poll.registry();
        registry.register(&mut stream, Token(number), Interest::READABLE)?;
        Ok(Connection {
            stream,
            received: Vec::new(),
            sent: Instant::now(),
        })
    };
    (0..CONNECTIONS).map(connect).collect()
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    sent: Instant,
}

impl Connection {
    /// Sends the request, if there is one, and returns how many were sent.
    fn send(&mut self, request: Option<&Vec<u8>>) -> io::Result<usize> {
        let Some(mut rest) = request.map(Vec::as_slice) else {
            return Ok(0);
        };
        self.sent = Instant::now();
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(1)
    }

    /// Reads what has arrived, and returns whether it completes a response.
    fn receive(&mut self, status: &[u8]) -> Result<bool, Box<dyn Error>> {
        let mut part = [0; 16 * 1024];
        match self.stream.read(&mut part) {
            Ok(0) => return Err("the server hung up".into()),
            Ok(count) => self.received.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        let Some(length) = length(&self.received) else {
            return Ok(false);
        };
        if self.received.len() < length {
            return Ok(false);
        }
        if self.received.get(9..12) != Some(status) {
            return Err(String::from_utf8_lossy(&self.received).into());
        }
        self.received.clear();
        Ok(true)
    }
}

/// The length of an answer whose head is there.
fn length(received: &[u8]) -> Option<usize> {
    let end = received.windows(4).position(|end| end == b"\r\n\r\n")?;
    let head = str::from_utf8(received.get(..end)?).ok()?;
    let body = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().ok())?
    });
    Some(end + 4 + body.unwrap_or(0))
}

const CONNECTIONS: usize = 64;
