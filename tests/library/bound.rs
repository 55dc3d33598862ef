//! `Bound` and other access types with sender-constrained tokens: a token without its proof is rejected.

use actix_resource_server::sender::Dpop;
use actix_resource_server::test_kit::{ProofBuilder, TestIssuer, shared};
use actix_resource_server::{
    Algorithm, Api, AuthenticatedUser, Bound, Cause, Identified, MaybeUser, ProtectedRoute, Scoped,
    Verifier, get,
};
use actix_web::http::header::HOST;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, FromRequest, web};

use crate::app::{self, Answer, ReadMessages, ask, get_with, trusted};

const UNBOUND: &str = "This route requires a token that is bound to its sender.";
const STOLEN: &str = "The token is bound to its sender and is not a bearer token.";

/// A token bound to the shared key, with the scope `read:messages`.
fn bound_token(issuer: &TestIssuer) -> String {
    let token = issuer.token().scope("read:messages");
    token.bound_to_key(&shared(Algorithm::Es256)).build()
}

fn proof(path: &str, token: &str) -> ProofBuilder {
    let url = format!("http://api.test{path}");
    ProofBuilder::new(&shared(Algorithm::Es256), "GET", &url).token(token)
}

fn request(path: &str, token: &str, proof: ProofBuilder) -> TestRequest {
    TestRequest::get()
        .uri(path)
        .insert_header((HOST, "api.test"))
        .insert_header(("Authorization", format!("DPoP {token}")))
        .insert_header(("DPoP", proof.build()))
}

async fn start(issuer: &TestIssuer, dpop: Dpop) -> Verifier {
    let trusted = trusted(issuer).build().expect("an issuer");
    let verifier = Verifier::builder().dpop(dpop).start([trusted]);
    let verifier = verifier.expect("a thread for the keys");
    verifier.ready().await;
    verifier
}

fn with_nonces() -> Dpop {
    let dpop = Dpop::default().nonces(None, Dpop::NONCE_LIFETIME);
    dpop.expect("random numbers")
}

async fn user(caller: AuthenticatedUser) -> String {
    format!(
        "{} {}",
        caller.subject().unwrap_or_default(),
        caller.caller().is_sender_proven()
    )
}

async fn bound(caller: Bound) -> String {
    format!(
        "{} {}",
        caller.subject().unwrap_or_default(),
        caller.caller().is_sender_proven()
    )
}

async fn reader(caller: Bound<Scoped<ReadMessages>>) -> String {
    format!(
        "{} {}",
        caller.subject().unwrap_or_default(),
        caller.caller().is_sender_proven()
    )
}

async fn bound_reader(caller: Scoped<ReadMessages, Bound>) -> String {
    format!(
        "{} {}",
        caller.subject().unwrap_or_default(),
        caller.caller().is_sender_proven()
    )
}

async fn guest(caller: MaybeUser<Bound>) -> String {
    match caller.user() {
        Some(user) => format!(
            "{} {}",
            user.subject().unwrap_or_default(),
            user.caller().is_sender_proven()
        ),
        None => "anonymous".to_owned(),
    }
}

fn api() -> Api {
    Api::new("/api")
        .route("/user", get(user))
        .route("/bound", get(bound))
        .route("/reader", get(reader))
        .route("/bound-reader", get(bound_reader))
        .route("/guest", get(guest))
}

const PATHS: [&str; 5] = [
    "/api/user",
    "/api/bound",
    "/api/reader",
    "/api/bound-reader",
    "/api/guest",
];

#[actix_web::test]
async fn every_access_type_accepts_a_bound_token_with_its_proof() {
    let issuer = app::issuer();
    let verifier = start(&issuer, Dpop::default()).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    let token = bound_token(&issuer);
    for path in PATHS {
        let answer = ask!(app, request(path, &token, proof(path, &token)));
        assert_eq!(answer, Answer::text("user-1 true"), "{path}");
        let answer = get_with!(app, path, &token);
        assert_eq!(answer, Answer::invalid_token(STOLEN), "{path}");
    }
}

#[actix_web::test]
async fn a_bearer_token_suffices_unless_the_route_requires_a_bound_one() {
    let issuer = app::issuer();
    let verifier = start(&issuer, Dpop::default()).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    let token = issuer.token().scope("read:messages").build();
    for path in PATHS {
        let expected = match path {
            "/api/user" => Answer::text("user-1 false"),
            _ => Answer::invalid_token(UNBOUND),
        };
        assert_eq!(get_with!(app, path, &token), expected, "{path}");
    }
    let anonymous = ask!(app, TestRequest::get().uri("/api/guest"));
    assert_eq!(anonymous, Answer::text("anonymous"));
}

#[actix_web::test]
async fn without_dpop_bound_tokens_are_rejected() {
    let issuer = app::issuer();
    let trusted = trusted(&issuer).build().expect("an issuer");
    let verifier = Verifier::builder().without_dpop().start([trusted]);
    let verifier = verifier.expect("a thread for the keys");
    verifier.ready().await;
    for (token, expected) in [
        (bound_token(&issuer), STOLEN),
        (issuer.token().build(), UNBOUND),
    ] {
        let request = app::request(&verifier, &token);
        let rejected = Bound::<AuthenticatedUser>::extract(&request).await.err();
        let cause = rejected.map(|rejection| rejection.into_cause());
        assert_eq!(cause, Some(Cause::InvalidToken(expected)));
    }
}

/// The status of a response, and whether it carries a nonce.
macro_rules! nonce_in {
    ($app:expr, $request:expr) => {{
        let response = call_service(&$app, $request.to_request()).await;
        let nonce = response.headers().get("DPoP-Nonce");
        let nonce = nonce.and_then(|nonce| nonce.to_str().ok());
        (response.status().as_u16(), nonce.map(str::to_owned))
    }};
}

#[actix_web::test]
async fn protected_handlers_renew_nonces_and_plain_ones_demand_them() {
    let issuer = app::issuer();
    let verifier = start(&issuer, with_nonces()).await;
    let app = App::new()
        .app_data(verifier)
        .route("/protected", web::get().protected(bound))
        .route("/plain", web::get().to(bound))
        .route("/error", web::get().protected(fails));
    let app = init_service(app).await;
    let token = bound_token(&issuer);
    let (status, nonce) = nonce_in!(app, request("/plain", &token, proof("/plain", &token)));
    assert_eq!(status, 401);
    let nonce = nonce.expect("a nonce to use");
    for (path, expected, renews) in [
        ("/plain", 200, false),
        ("/protected", 200, true),
        ("/error", 500, true),
    ] {
        let proof = proof(path, &token).nonce(&nonce);
        let (status, renewed) = nonce_in!(app, request(path, &token, proof));
        assert_eq!((status, renewed.is_some()), (expected, renews), "{path}");
    }
}

async fn fails(_: Bound) -> Result<&'static str, actix_web::Error> {
    Err(actix_web::error::ErrorInternalServerError("no"))
}

#[cfg(feature = "redis")]
mod shared_memory {
    use std::collections::HashSet;
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};

    use actix_resource_server::sender::Replay;

    use super::*;

    /// Starts a minimal Redis, in which each key can be set once; returns its URL.
    fn redis() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            let mut known = HashSet::new();
            for stream in listener.incoming() {
                drop(stream.map(|stream| answer(&stream, &mut known)));
            }
        });
        format!("redis://{address}")
    }

    fn answer(stream: &TcpStream, known: &mut HashSet<String>) -> Option<()> {
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        loop {
            let count: usize = lines.next()?.strip_prefix('*')?.parse().ok()?;
            let words = (0..count).map(|_| lines.by_ref().nth(1));
            let words: Vec<String> = words.collect::<Option<_>>()?;
            let is_new = words.first()? != "SET" || known.insert(words.get(1)?.clone());
            let reply: &[u8] = if is_new { b"+OK\r\n" } else { b"$-1\r\n" };
            let mut stream = stream;
            stream.write_all(reply).ok()?;
        }
    }

    async fn thrice(_: AuthenticatedUser, _: Bound, _: MaybeUser) -> &'static str {
        "known"
    }

    #[actix_web::test]
    async fn a_proof_is_claimed_once_for_all_arguments_that_await_it_together() {
        let issuer = app::issuer();
        let replay = Replay::in_redis(&redis(), "test:").expect("a thread");
        let verifier = start(&issuer, Dpop::default().replay(replay)).await;
        let app = App::new()
            .app_data(verifier)
            .route("/plain", web::get().to(thrice))
            .route("/protected", web::get().protected(thrice));
        let app = init_service(app).await;
        let token = bound_token(&issuer);
        for path in ["/plain", "/protected"] {
            let proof = proof(path, &token);
            let answer = ask!(app, request(path, &token, proof.clone()));
            assert_eq!(answer, Answer::text("known"), "{path}");
            let answer = ask!(app, request(path, &token, proof));
            assert_eq!(answer.status, 401, "{path}: {answer:?}");
        }
    }
}
