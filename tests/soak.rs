//! Soak test: valid, expired, forged and malformed requests in parallel, while keys rotate and the issuer
//! fails now and then. Every response is checked.
//!
//! `SOAK_SECONDS=60 cargo test --test soak -- --ignored --nocapture`

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use actix_resource_server::test_kit::{Document, Fault, SigningKey, TestIssuer, TokenBuilder};
use actix_resource_server::{Algorithm, Api, AuthenticatedUser, Issuer, Verifier, get};
use actix_web::{App, HttpServer};

async fn private(_: AuthenticatedUser) -> &'static str {
    "granted"
}

/// A kind of request, and its allowed responses.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Signed by a key that has been published for a while: 200, even during an outage of the issuer.
    Good,
    /// Signed by a key that has just been published: 200, or a 503 with `Retry-After`.
    Young,
    Expired,
    Forged,
    UnknownKey,
    Malformed,
    Anonymous,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Good,
        Self::Young,
        Self::Expired,
        Self::Forged,
        Self::UnknownKey,
        Self::Malformed,
        Self::Anonymous,
    ];

    fn may_be_answered(self, status: u16) -> bool {
        match self {
            Self::Good => status == 200,
            Self::Young => matches!(status, 200 | 503),
            Self::Expired | Self::Forged | Self::Malformed | Self::Anonymous => status == 401,
            Self::UnknownKey => matches!(status, 401 | 503),
        }
    }
}

/// The issuer, and a key that every worker has fetched by now.
struct World {
    issuer: TestIssuer,
    settled: Mutex<SigningKey>,
    stopping: AtomicBool,
    answered: [AtomicU64; Kind::ALL.len()],
}

impl World {
    fn settled_token(&self) -> TokenBuilder {
        let key = self.settled.lock().expect("not poisoned").clone();
        self.issuer.token().signed_by(&key)
    }

    fn header(&self, kind: Kind, unknown: &SigningKey) -> String {
        let token = match kind {
            Kind::Good => self.settled_token().build(),
            Kind::Young => self.issuer.token().build(),
            Kind::Expired => {
                let long_ago = std::time::SystemTime::now() - Duration::from_secs(60);
                self.settled_token().expires_at(long_ago).build()
            }
            Kind::Forged => {
                let named = self.settled.lock().expect("not poisoned").kid().to_owned();
                self.issuer
                    .token()
                    .signed_by(&unknown.clone().with_kid(&named))
                    .build()
            }
            Kind::UnknownKey => self.issuer.token().signed_by(unknown).build(),
            Kind::Malformed => "a.b".to_owned(),
            Kind::Anonymous => return String::new(),
        };
        format!("Authorization: Bearer {token}\r\n")
    }
}

fn serve(verifier: Verifier) -> SocketAddr {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let api = move || {
                Api::new("/api")
                    .route("/private", get(private))
                    .verified_by(verifier.clone())
            };
            let server = HttpServer::new(move || App::new().service(api()))
                .workers(2)
                .disable_signals();
            let server = server.bind(("127.0.0.1", 0)).expect("a port");
            send.send(server.addrs()[0]).expect("a listener");
            server.run().await
        })
    });
    receive.recv().expect("a server")
}

/// Rotates keys and breaks the issuer, over and over.
fn trouble(world: &World) {
    let faults = [
        Fault::status(500),
        Fault::Close,
        Fault::body("text/html", "<html>"),
        Fault::status(404),
    ];
    for round in 0.. {
        if world.stopping.load(Ordering::Relaxed) {
            return;
        }
        world.issuer.rotate_keeping_old();
        let young = world.issuer.key();
        let document = if round % 2 == 0 {
            Document::Jwks
        } else {
            Document::Discovery
        };
        pause(world, 3);
        *world.settled.lock().expect("not poisoned") = young;
        world
            .issuer
            .set_fault(document, Some(faults[round % faults.len()].clone()));
        pause(world, 2);
        world.issuer.set_fault(document, None);
        pause(world, 2);
    }
}

/// Sleeps, because a soak test runs in real time.
fn pause(world: &World, seconds: u64) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end && !world.stopping.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(50));
    }
}

fn call(world: &World, address: SocketAddr, seed: usize) {
    let unknown = SigningKey::generate(Algorithm::Rs256);
    let mut connection = TcpStream::connect(address).expect("a connection");
    connection
        .set_read_timeout(Some(Duration::from_secs(15)))
        .expect("a deadline");
    for step in seed.. {
        if world.stopping.load(Ordering::Relaxed) {
            return;
        }
        let index = step % Kind::ALL.len();
        let kind = Kind::ALL[index];
        let header = world.header(kind, &unknown);
        write!(
            connection,
            "GET /api/private HTTP/1.1\r\nHost: localhost\r\n{header}\r\n"
        )
        .expect("a request");
        let (status, head) = answer(&mut connection);
        assert!(kind.may_be_answered(status), "{kind:?} was answered {head}");
        assert_eq!(
            status == 401,
            head.to_lowercase().contains("www-authenticate: bearer"),
            "{head}"
        );
        assert_eq!(
            status == 503,
            head.to_lowercase().contains("retry-after"),
            "{head}"
        );
        world.answered[index].fetch_add(1, Ordering::Relaxed);
    }
}

/// Reads one complete response.
fn answer(connection: &mut TcpStream) -> (u16, String) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            });
            if body.len() >= length.unwrap_or(0) {
                return (head[9..12].parse().expect("a status"), head.to_owned());
            }
        }
        let count = connection
            .read(&mut chunk)
            .expect("an answer within its time");
        assert!(count > 0, "the connection ended within an answer: {text}");
        bytes.extend_from_slice(&chunk[..count]);
    }
}

#[test]
#[ignore = "runs for SOAK_SECONDS"]
fn every_response_is_correct_through_rotations_and_outages() {
    let seconds = std::env::var("SOAK_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let issuer = TestIssuer::start();
    let trusted = Issuer::discover(issuer.url())
        .audience(issuer.audience())
        .cache_max_age(Duration::from_secs(1))
        .cooldown_duration(Duration::from_millis(200))
        .timeout_duration(Duration::from_secs(2));
    let verifier = Verifier::start([trusted.build().expect("an issuer")]).expect("a verifier");
    actix_web::rt::System::new().block_on(verifier.ready());
    let world = Arc::new(World {
        settled: Mutex::new(issuer.key()),
        issuer,
        stopping: AtomicBool::new(false),
        answered: Default::default(),
    });
    let address = serve(verifier);
    thread::scope(|scope| {
        scope.spawn(|| trouble(&world));
        let callers: Vec<_> = (0..8)
            .map(|seed| {
                scope.spawn({
                    let world = &world;
                    move || call(world, address, seed)
                })
            })
            .collect();
        let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(10));
        while Instant::now() < end && !callers.iter().any(thread::ScopedJoinHandle::is_finished) {
            thread::sleep(Duration::from_millis(100));
        }
        world.stopping.store(true, Ordering::Relaxed);
    });
    for (kind, answered) in Kind::ALL.iter().zip(&world.answered) {
        println!(
            "{kind:?}: {} answers, all right",
            answered.load(Ordering::Relaxed)
        );
        assert!(answered.load(Ordering::Relaxed) > 0);
    }
}
