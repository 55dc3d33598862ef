//! The service's connections: slow clients, many clients, malformed requests, and shutdown.

#![cfg(feature = "dev-issuer")]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_connection_with_an_incomplete_head_is_closed_in_time() {
    let service = Service::start(&[("APP__SERVER__CLIENT_TIMEOUT", "1s")]);
    for requests_before in [0, 1, 3] {
        let mut client = service.client();
        for _ in 0..requests_before {
            assert_eq!(client.get("/api/public").status, 200);
        }
        let begun = Instant::now();
        client.send("GET /api/public HTTP/1.1\r\nHost: a");
        let rest = client.rest();
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        let is_first = requests_before == 0;
        let expected = if is_first {
            "HTTP/1.1 408 Request Timeout"
        } else {
            ""
        };
        assert_eq!(rest.lines().next().unwrap_or_default(), expected);
    }
}

#[test]
fn a_connection_with_a_slow_body_is_closed_in_time() {
    let service = Service::start(&[
        ("APP__SERVER__CLIENT_TIMEOUT", "1s"),
        ("APP__SERVER__KEEP_ALIVE", "1s"),
    ]);
    let head = "POST /api/private HTTP/1.1\r\nHost: a\r\n";
    for (framing, trickles) in [
        ("Content-Length: 100\r\n\r\nhalf", false),
        ("Content-Length: 100\r\n\r\nhalf", true),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", false),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", true),
    ] {
        let mut client = service.client();
        let begun = Instant::now();
        client.send(head);
        client.send(framing);
        assert_eq!(client.answer().unwrap().status, 405, "{framing}");
        if trickles {
            client.trickle("1\r\nx\r\n");
        } else {
            assert_eq!(client.rest(), "", "{framing}");
        }
        assert!(begun.elapsed() < SOON, "{framing} {:?}", begun.elapsed());
    }
}

#[test]
fn an_idle_connection_is_closed_once_keep_alive_has_passed() {
    let service = Service::start(&[("APP__SERVER__KEEP_ALIVE", "1s")]);
    let mut client = service.client();
    let begun = Instant::now();
    assert_eq!(client.get("/api/public").status, 200);
    assert_eq!(client.rest(), "");
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(1) && took < SOON, "{took:?}");
}

#[test]
fn two_thousand_connections_do_not_block_new_clients() {
    let service = Service::start(&[]);
    let count = 1_000.min(files().saturating_sub(100) / 2);
    let idle: Vec<_> = (0..count).map(|_| service.client()).collect();
    let mut busy: Vec<_> = (0..count).map(|_| service.client()).collect();
    for client in &mut busy {
        client.ask("/api/public");
    }
    for client in &mut busy {
        assert_eq!(client.answer().unwrap().status, 200);
    }
    assert_eq!(service.client().get("/api/public").status, 200);
    for mut client in idle {
        assert_eq!(client.get("/api/public").status, 200);
    }
}

#[test]
fn idle_connections_do_not_block_new_clients_under_a_low_limit() {
    let service = Service::start(&[("APP__SERVER__MAX_CONNECTIONS", "2")]);
    let mut idle = [service.client(), service.client()];
    for client in &mut idle {
        assert_eq!(client.get("/api/public").status, 200);
    }
    // They stay open, so that each one takes the place of the connection that is idle longest.
    let mut new: [_; 2] = std::array::from_fn(|_| {
        let mut client = service.client();
        assert_eq!(client.get("/livez").status, 200);
        client
    });
    let [first, second] = &mut idle;
    assert_eq!((first.rest(), second.rest()), Default::default());
    assert_eq!(
        new.each_mut().map(|client| client.get("/livez").status),
        [200, 200]
    );
}

#[test]
fn silent_clients_and_incomplete_heads_do_not_block_new_clients() {
    let service = Service::start(&[("APP__SERVER__MAX_CONNECTIONS", "20")]);
    let mut attackers: Vec<_> = (0..60).map(|_| service.client()).collect();
    for client in attackers.iter_mut().step_by(2) {
        // Connections that were evicted already cannot be written to.
        let half = b"GET /api/public HTTP/1.1\r\nHost: a";
        drop(client.0.get_mut().write_all(half));
    }
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(service.client().get("/livez").status, 200);
    }
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

#[test]
fn the_first_head_has_five_seconds_whatever_the_limit_of_later_ones() {
    let service = Service::start(&[("APP__SERVER__CLIENT_TIMEOUT", "1h")]);
    let mut client = service.client();
    client.send("GET /api/public HTTP/1.1\r\nHost: a");
    let begun = Instant::now();
    assert!(client.rest().starts_with("HTTP/1.1 408 Request Timeout"));
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(4) && took < SOON, "{took:?}");
}

#[test]
fn the_operations_listener_has_a_separate_connection_limit() {
    let service = Service::start(&[
        ("APP__OPERATIONS__PORT", "0"),
        ("APP__SERVER__MAX_CONNECTIONS", "1"),
        ("APP__SERVER__DRAIN_DELAY", "1h"),
    ]);
    let mut only = service.client();
    only.send("POST /api/public HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n");
    let operations = || Client::connect(service.operations.unwrap()).unwrap();
    for path in ["/livez", "/metrics"] {
        assert_eq!(operations().get(path).status, 200, "{path}");
    }
    let begun = Instant::now();
    while operations().get("/readyz").status != 200 {
        assert!(begun.elapsed() < SOON, "it does not become ready");
    }
    assert_eq!(operations().get("/api/public").status, 404);
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(service.client().get(path).status, 404, "{path}");
    }
    service.signal("TERM");
    let begun = Instant::now();
    while operations().get("/readyz").status == 200 {
        assert!(begun.elapsed() < SOON, "it is still ready");
    }
    service.signal("TERM");
    assert_eq!(service.exit().0, Some(1));
}

/// Requests of a client that does not read responses stay in its socket, and cost the process neither memory nor
/// processor time.
#[cfg(target_os = "linux")]
#[test]
fn a_client_that_reads_nothing_costs_neither_memory_nor_time() {
    let service = Service::start(&[("APP__SERVER__WORKERS", "1")]);
    let tiny: String = ('a'..='z').map(|name| format!("{name}:\r\n")).collect();
    let requests = [
        "GET /api/private HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        format!("GET /livez HTTP/1.1\r\nHost: a\r\n{tiny}{tiny}{tiny}\r\n"),
    ];
    let [private, metrics, tiny] = requests;
    let document = "GET /.well-known/openid-configuration HTTP/1.1\r\nHost: a\r\n\r\n";
    for (address, request) in [
        (service.address, private.as_str()),
        (service.address, &metrics),
        (service.address, &tiny),
        (service.issuer.unwrap(), document),
    ] {
        let before = service.memory();
        let stalled: Vec<_> = (0..STALLED)
            .map(|_| Stalled::send(address, request, 50_000))
            .collect();
        service.wait_until_it_rests();
        let growth = service.memory().saturating_sub(before) / STALLED;
        assert!(
            growth <= 256 * 1024,
            "{growth} bytes a connection: {request}"
        );
        drop(stalled);
    }
}

/// The responses are written in several pieces; none of them waits for the acknowledgement of the one before.
#[test]
fn responses_to_pipelined_requests_are_not_delayed() {
    let service = Service::start(&[]);
    let mut client = service.client();
    let requests = "GET /api/public HTTP/1.1\r\nHost: a\r\n\r\n".repeat(60);
    let mut round = || {
        let begun = Instant::now();
        client.send(&requests);
        for _ in 0..60 {
            assert_eq!(client.answer().unwrap().status, 200);
        }
        begun.elapsed()
    };
    let mut rounds: Vec<_> = (0..21).map(|_| round()).collect();
    rounds.sort_unstable();
    // Linux acknowledges after 40 ms what it does not answer, and each later piece would wait for that.
    assert!(rounds[10] < Duration::from_millis(40), "{rounds:?}");
}

/// How many clients stall at once.
#[cfg(target_os = "linux")]
const STALLED: usize = 20;

/// A client that sends and does not read.
#[cfg(target_os = "linux")]
struct Stalled(
    #[expect(dead_code, reason = "the connection is open until it is dropped")] TcpStream,
);

#[cfg(target_os = "linux")]
impl Stalled {
    /// Sends as much of `length` bytes of `request` as the server takes.
    fn send(address: SocketAddr, request: &str, length: usize) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_write_timeout(Some(MOMENT)).unwrap();
        // It ends early where the sockets between them hold no more.
        drop(stream.write_all(request.repeat(length / request.len()).as_bytes()));
        Self(stream)
    }
}

#[test]
fn a_malformed_request_is_answered_in_order_and_gets_nothing_protected() {
    let service = Service::start(&[]);
    let bearer = format!("Authorization: Bearer {}\r\n", service.token());
    let twice = format!("Host: a\r\n{bearer}{bearer}");
    let fold = format!("Host: a\r\n {bearer}");
    let once = format!("Host: a\r\n{bearer}");
    let cases = [
        ("GET /api/private HTTP/1.1", "Host: a\r\nHost: b\r\n", 400),
        ("GET /api/private HTTP/1.1", twice.as_str(), 400),
        ("GET /api/private HTTP/1.1", "Host: a\r\nX: \0\r\n", 400),
        ("GET /api/private HTTP/1.1", fold.as_str(), 400),
        ("GET /api/private HTTP/9.9", once.as_str(), 400),
        ("GET /api/private", once.as_str(), 400),
        ("\u{16}\u{3}\u{1}", "", 400),
        ("TRACE /api/private HTTP/1.1", once.as_str(), 405),
        ("TRACE /api/public HTTP/1.1", "Host: a\r\n", 405),
        ("CONNECT a:443 HTTP/1.1", once.as_str(), 404),
        ("GET http://a/api/private HTTP/1.1", "Host: a\r\n", 401),
        ("GET //api/private HTTP/1.1", once.as_str(), 404),
        ("GET /api//private HTTP/1.1", once.as_str(), 404),
        ("GET /api%2Fprivate HTTP/1.1", once.as_str(), 404),
        ("GET /api/public/../private HTTP/1.1", once.as_str(), 404),
        ("GET /api/public;/private HTTP/1.1", once.as_str(), 404),
    ];
    for (line, headers, status) in cases {
        let mut client = service.client();
        client.send(&format!("{line}\r\n{headers}Connection: close\r\n\r\n"));
        let answer = client.answer().unwrap();
        assert_eq!(answer.status, status, "{line} {headers:?}");
        assert!(!answer.body.contains("valid"), "{line}: {}", answer.body);
        assert_eq!(client.rest(), "", "{line}");
    }
    assert_eq!(service.client().get("/api/public").status, 200);
}

#[test]
fn sigterm_under_load_loses_no_response() {
    let service = Service::start(&[]);
    let (ready, readied) = channel();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (address, ready) = (service.address, ready.clone());
            thread::spawn(move || load(address, 8, || ready.send(()).unwrap()))
        })
        .collect();
    for _ in &threads {
        readied.recv().unwrap();
    }
    service.signal("TERM");
    let answered: usize = threads
        .into_iter()
        .map(|thread| thread.join().unwrap().unwrap())
        .sum();
    assert!(answered > 4 * 8 * 100, "{answered}");
    assert_eq!(service.exit().0, Some(0));
}

#[test]
fn a_request_in_progress_is_answered_after_the_port_is_closed() {
    let service = Service::start(&[]);
    let mut client = service.client();
    client.send("GET /api/public HTTP/1.1\r\n");
    assert!(client.is_silent());
    service.signal("INT");
    service.wait_until_closed();
    client.send("Host: a\r\n\r\n");
    let answer = client.answer().unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(client.rest(), "");
    assert_eq!(service.exit().0, Some(0));
}

#[test]
fn idle_connections_do_not_delay_the_exit() {
    let service = Service::start(&[("APP__SERVER__SHUTDOWN_TIMEOUT", "1h")]);
    let mut clients: Vec<_> = (0..50).map(|_| service.client()).collect();
    for client in clients.iter_mut().step_by(2) {
        assert_eq!(client.get("/api/public").status, 200);
    }
    let begun = Instant::now();
    service.signal("TERM");
    for mut client in clients {
        assert_eq!(client.rest(), "");
    }
    assert_eq!(service.exit().0, Some(0));
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

#[test]
fn the_shutdown_timeout_bounds_the_wait_for_clients() {
    let service = Service::start(&[
        ("APP__SERVER__CLIENT_TIMEOUT", "1h"),
        ("APP__SERVER__SHUTDOWN_TIMEOUT", "1s"),
    ]);
    let mut client = service.client();
    client.send("GET /api/public HTTP/1.1\r\n");
    assert!(client.is_silent());
    service.signal("TERM");
    assert_eq!(client.rest(), "");
    let (code, log) = service.exit();
    assert_eq!(code, Some(0));
    assert!(
        log.contains("1 connections were not done within 1s and are cut"),
        "{log}"
    );
}

#[test]
fn a_draining_service_serves_but_is_not_ready_and_ends_on_a_second_signal() {
    let service = Service::start(&[("APP__SERVER__DRAIN_DELAY", "1h")]);
    let mut kept = service.client();
    assert_eq!(kept.get("/api/public").status, 200);
    service.signal("TERM");
    let begun = Instant::now();
    let draining = loop {
        let answer = service.client().get("/readyz");
        if answer.body.contains("draining") {
            break answer;
        }
        assert!(begun.elapsed() < SOON, "{}", answer.body);
    };
    assert_eq!(
        (draining.status, draining.body.as_str()),
        (503, r#"{"status":"draining"}"#)
    );
    assert_eq!(service.client().get("/livez").status, 200);
    for client in [&mut kept, &mut service.client()] {
        let answer = client.get("/api/public");
        assert_eq!(answer.status, 200);
        assert!(!answer.closes());
    }
    service.signal("INT");
    assert_eq!(service.exit().0, Some(1));
}

#[test]
fn a_second_signal_does_not_wait_for_requests() {
    let service = Service::start(&[("APP__SERVER__CLIENT_TIMEOUT", "1h")]);
    let mut client = service.client();
    client.send("GET /api/public HTTP/1.1\r\n");
    assert!(client.is_silent());
    service.signal("TERM");
    service.wait_until_closed();
    service.signal("TERM");
    assert_eq!(service.exit().0, Some(1));
}

#[test]
fn a_signal_before_the_first_keys_shuts_down_in_order() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_actix-resource-server"))
        .env_clear()
        .env("PORT", "0")
        .env("ISSUER_BASE_URL", "http://127.0.0.1:1/")
        .env("AUDIENCE", "a")
        .env("APP__AUTH__STARTUP", "wait")
        .env("APP__AUTH__STARTUP_TIMEOUT", "1h")
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = log.next().unwrap().unwrap();
    assert!(line.contains("keys: http://127.0.0.1:1/"), "{line}");
    let begun = Instant::now();
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let rest: Vec<_> = log.map_while(Result::ok).collect();
    let stopped = rest
        .iter()
        .any(|line| line.contains("SIGTERM: stopped before anything was served"));
    assert!(stopped, "{rest:?}");
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

/// Sends requests over `count` connections in turn until they are refused; calls `warm` after a while.
fn load(address: SocketAddr, count: usize, warm: impl Fn()) -> io::Result<usize> {
    let mut clients: Vec<_> = (0..count)
        .map(|_| Client::connect(address))
        .collect::<io::Result<_>>()?;
    let mut answered = 0;
    while !clients.is_empty() {
        for client in &mut clients {
            client.ask("/api/public");
        }
        let mut staying = Vec::new();
        for mut client in clients {
            let answer = client.answer()?;
            assert_eq!(answer.status, 200);
            answered += 1;
            if answered == count * 100 {
                warm();
            }
            if !answer.closes() {
                staying.push(client);
            } else if let Ok(another) = Client::connect(address) {
                staying.push(another);
            }
        }
        clients = staying;
    }
    Ok(answered)
}

/// The limit of open files of this process.
fn files() -> usize {
    let limit = Command::new("sh").args(["-c", "ulimit -n"]).output();
    let limit = String::from_utf8(limit.unwrap().stdout).unwrap();
    limit.trim().parse().unwrap_or(usize::MAX)
}

/// A running service, with a development issuer unless the settings name another; killed when it
/// is no longer needed.
struct Service {
    child: Child,
    address: SocketAddr,
    issuer: Option<SocketAddr>,
    operations: Option<SocketAddr>,
    log: Receiver<String>,
}

impl Service {
    fn start(settings: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_actix-resource-server"))
            .env_clear()
            .env("PORT", "0")
            .env("APP__DEV_ISSUER__PORT", "0")
            .envs(settings.iter().copied())
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut start = Vec::new();
        while !start.iter().any(|line: &String| line.contains(LISTENING)) {
            start.push(lines.next().unwrap().unwrap());
        }
        let (sender, log) = channel();
        thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Self {
            child,
            address: local_address(&start, LISTENING).unwrap(),
            issuer: local_address(&start, ISSUING),
            operations: local_address(&start, OPERATIONS),
            log,
        }
    }

    fn client(&self) -> Client {
        Client::connect(self.address).unwrap()
    }

    fn token(&self) -> String {
        let form = "grant_type=client_credentials&client_id=demo&client_secret=any";
        let mut client = Client::connect(self.issuer.unwrap()).unwrap();
        client.send(&format!(
            "POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}",
            form.len()
        ));
        let body = client.answer().unwrap().body;
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        body["access_token"].as_str().unwrap().to_owned()
    }

    fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &command]).status();
        assert!(status.unwrap().success());
    }

    /// Waits until no client can connect.
    fn wait_until_closed(&self) {
        let begun = Instant::now();
        while Client::connect(self.address).is_ok() {
            assert!(begun.elapsed() < SOON, "it still accepts");
        }
    }

    /// The resident memory of the process in bytes, without the pages of its file: those are read when first used.
    #[cfg(target_os = "linux")]
    fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("RssAnon:"))
            .unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<usize>()
            .unwrap()
            * 1024
    }

    /// The processor time of the process in ticks of 10 ms.
    #[cfg(target_os = "linux")]
    fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<_> = stat
            .rsplit_once(')')
            .unwrap()
            .1
            .split_whitespace()
            .collect();
        fields[11..13]
            .iter()
            .map(|field| field.parse::<u64>().unwrap())
            .sum()
    }

    /// Waits until the process uses less than 2 % of a core for a second.
    #[cfg(target_os = "linux")]
    fn wait_until_it_rests(&self) {
        let begun = Instant::now();
        loop {
            let before = self.ticks();
            thread::sleep(Duration::from_secs(1));
            if self.ticks() - before <= 2 {
                return;
            }
            assert!(begun.elapsed() < HANG, "it does not come to rest");
        }
    }

    /// The exit code, and what was logged since the start.
    fn exit(mut self) -> (Option<i32>, String) {
        let log: Vec<_> = self.log.iter().collect();
        (self.child.wait().unwrap().code(), log.join("\n"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has ended already where a test waited for that.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// One connection.
struct Client(BufReader<TcpStream>);

/// One complete response.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Client {
    fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(HANG))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn ask(&mut self, path: &str) {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }

    fn get(&mut self, path: &str) -> Answer {
        self.ask(path);
        self.answer().unwrap()
    }

    /// Reads the next response; an error if it is missing or incomplete.
    fn answer(&mut self) -> io::Result<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let head = head.to_ascii_lowercase();
        let length = head.split_once("content-length: ").unwrap().1;
        let length = length.lines().next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head,
            body: String::from_utf8(body).unwrap(),
        })
    }

    /// Reads everything until the connection is closed, in order or by a reset.
    fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => panic!("{error}"),
            _ => String::from_utf8(rest).unwrap(),
        }
    }

    /// Whether nothing arrives for a short time.
    fn is_silent(&mut self) -> bool {
        self.0.get_ref().set_read_timeout(Some(MOMENT)).unwrap();
        let silence = self.0.fill_buf().map(<[u8]>::len);
        self.0.get_ref().set_read_timeout(Some(HANG)).unwrap();
        silence.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends `piece` every moment until the connection is closed.
    fn trickle(&mut self, piece: &str) {
        while self.is_silent() {
            if self.0.get_mut().write_all(piece.as_bytes()).is_err() {
                return;
            }
        }
    }
}

impl Answer {
    fn closes(&self) -> bool {
        self.head.contains("\r\nconnection: close\r\n")
    }
}

/// The address after `mark`, which ends in a port of this machine.
fn local_address(log: &[String], mark: &str) -> Option<SocketAddr> {
    let rest = log.iter().find_map(|line| line.split_once(mark))?.1;
    let port = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?)))
}

const ISSUING: &str = "anybody at http://localhost:";

const OPERATIONS: &str = "probes and metrics are served on http://127.0.0.1:";

const LISTENING: &str = "listening on http://127.0.0.1:";

/// Well below every default that would hide a broken limit of a second.
const SOON: Duration = Duration::from_secs(10);

/// Longer than any passing test waits.
const HANG: Duration = Duration::from_secs(25);

const MOMENT: Duration = Duration::from_millis(100);
