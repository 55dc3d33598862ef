//! Tickets, which open a route once in place of a token.

use std::time::{Duration, SystemTime};

use actix_resource_server::metrics::RejectionReason;
use actix_resource_server::sender::Dpop;
use actix_resource_server::test_kit::{ProofBuilder, TestClock, TestIssuer, shared};
use actix_resource_server::{
    Algorithm, Api, AuthenticatedUser, Bound, Clock, MaybeUser, Scoped, Verifier, get,
};
use actix_web::App;
use actix_web::http::header::{HOST, ORIGIN};
use actix_web::test::{TestRequest, call_service, init_service};
use serde_json::Value;

use crate::app::{self, Answer, Body, ReadMessages, bearer, read, trusted};

async fn news(user: AuthenticatedUser) -> String {
    format!("news for {}", user.subject().unwrap_or_default())
}

async fn scoped(_: Scoped<ReadMessages>) -> &'static str {
    "scoped"
}

async fn bound(_: Bound) -> &'static str {
    "bound"
}

async fn maybe(_: MaybeUser) -> &'static str {
    "maybe"
}

fn api() -> Api {
    Api::new("/api")
        .route("/news/{topic}", get(news).tickets())
        .route("/scoped", get(scoped).tickets())
        .route("/bound", get(bound).tickets())
        .route("/maybe", get(maybe).tickets())
        .route("/socket", get(news).websocket_token().tickets())
        .route("/plain", get(news))
        .allowed_origins(["https://app.example"])
}

/// A table and its issuer, at a time of the test.
struct Stage {
    issuer: TestIssuer,
    clock: TestClock,
    verifier: Verifier,
}

impl Stage {
    async fn new() -> Self {
        let (issuer, clock) = (app::issuer(), TestClock::at(SystemTime::now()));
        let now = clock.clone();
        let verifier = Verifier::builder()
            .clock(Clock::new(move || now.now()))
            .dpop(Dpop::default())
            .start([trusted(&issuer).build().expect("an issuer")])
            .expect("a verifier");
        app::warm(&verifier, &issuer).await;
        Self {
            issuer,
            clock,
            verifier,
        }
    }

    async fn send(&self, request: TestRequest) -> Answer {
        let app = App::new().service(api().verified_by(self.verifier.clone()));
        let app = init_service(app).await;
        let request = request.insert_header((HOST, "api.test")).to_request();
        read(call_service(&app, request).await).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(TestRequest::get().uri(path)).await
    }

    /// A ticket for the path, for a token of the issuer.
    async fn ticket(&self, path: &str) -> String {
        let token = self.issuer.token().build();
        let request = TestRequest::post().uri(&format!("{path}/ticket"));
        ticket_in(&self.send(request.insert_header(bearer(&token))).await)
    }
}

fn ticket_in(answer: &Answer) -> String {
    let Body::Json(body) = &answer.body else {
        panic!("not a ticket: {answer:?}");
    };
    assert_eq!(
        (answer.status, &body["expires_in"]),
        (200, &Value::from(10)),
        "{body}"
    );
    body["ticket"].as_str().expect("a ticket").to_owned()
}

fn unusable() -> Answer {
    Answer::invalid_token("The ticket is unknown, used, expired, or for another route or origin.")
}

#[actix_web::test]
async fn a_ticket_opens_its_route_once() {
    let stage = Stage::new().await;
    let ticket = stage.ticket("/api/news/a").await;
    let path = format!("/api/news/a?x=1&ticket={ticket}");
    assert_eq!(stage.get(&path).await, Answer::text("news for user-1"));
    assert_eq!(stage.get(&path).await, unusable());
    let rejected = stage
        .verifier
        .counters()
        .rejected(RejectionReason::InvalidToken);
    assert_eq!(rejected, 1);
}

#[actix_web::test]
async fn a_ticket_expires_after_ten_seconds() {
    let stage = Stage::new().await;
    let (first, second) = (
        stage.ticket("/api/news/a").await,
        stage.ticket("/api/news/a").await,
    );
    stage.clock.advance(Duration::from_millis(9_999));
    assert_eq!(
        stage
            .get(&format!("/api/news/a?ticket={first}"))
            .await
            .status,
        200
    );
    stage.clock.advance(Duration::from_millis(1));
    assert_eq!(
        stage.get(&format!("/api/news/a?ticket={second}")).await,
        unusable()
    );
}

#[actix_web::test]
async fn a_ticket_is_for_one_path() {
    let stage = Stage::new().await;
    for other in ["/api/news/b", "/api/socket", "/api/news/%61"] {
        let ticket = stage.ticket("/api/news/a").await;
        assert_eq!(
            stage.get(&format!("{other}?ticket={ticket}")).await,
            unusable(),
            "{other}"
        );
        // It was presented, and is used.
        assert_eq!(
            stage.get(&format!("/api/news/a?ticket={ticket}")).await,
            unusable()
        );
    }
    assert_eq!(stage.get("/api/news/a?ticket=").await, unusable());
    // A route without tickets does not read them.
    let ticket = stage.ticket("/api/news/a").await;
    assert_eq!(
        stage.get(&format!("/api/plain?ticket={ticket}")).await,
        Answer::no_credentials()
    );
}

#[actix_web::test]
async fn a_ticket_is_for_the_origin_that_has_asked_for_it() {
    let stage = Stage::new().await;
    let token = stage.issuer.token().build();
    let (app, own) = ("https://app.example", "http://api.test");
    for (issued, redeemed, is_accepted) in [
        (Some(app), Some(app), true),
        (Some(app), None, false),
        (None, Some(app), false),
        // A page of the server's own origin sends Origin with POST alone.
        (Some(own), None, true),
        (Some(own), Some(app), false),
        (None, None, true),
    ] {
        let from = |request: TestRequest, origin: Option<&str>| match origin {
            Some(origin) => request.insert_header((ORIGIN, origin)),
            None => request,
        };
        let request = TestRequest::post()
            .uri("/api/news/a/ticket")
            .insert_header(bearer(&token));
        let ticket = ticket_in(&stage.send(from(request, issued)).await);
        let request = TestRequest::get().uri(&format!("/api/news/a?ticket={ticket}"));
        let answer = stage.send(from(request, redeemed)).await;
        let expected = if is_accepted {
            Answer::text("news for user-1")
        } else {
            unusable()
        };
        assert_eq!(answer, expected, "{issued:?} {redeemed:?}");
    }
}

#[actix_web::test]
async fn a_foreign_origin_gets_no_ticket_and_opens_nothing() {
    let stage = Stage::new().await;
    let foreign = Answer::problem(
        403,
        "Forbidden",
        "Pages of this origin may not open this route.",
    );
    let evil = |request: TestRequest| request.insert_header((ORIGIN, "https://evil.example"));
    let token = stage.issuer.token().build();
    let request = TestRequest::post()
        .uri("/api/news/a/ticket")
        .insert_header(bearer(&token));
    assert_eq!(stage.send(evil(request)).await, foreign);
    let ticket = stage.ticket("/api/news/a").await;
    let path = format!("/api/news/a?ticket={ticket}");
    assert_eq!(
        stage.send(evil(TestRequest::get().uri(&path))).await,
        foreign
    );
}

#[actix_web::test]
async fn a_ticket_is_issued_to_who_may_open_the_route() {
    let stage = Stage::new().await;
    let post = |path: &str| TestRequest::post().uri(path);
    assert_eq!(
        stage.send(post("/api/scoped/ticket")).await,
        Answer::no_credentials()
    );
    // An anonymous caller needs no ticket.
    assert_eq!(
        stage.send(post("/api/maybe/ticket")).await,
        Answer::no_credentials()
    );
    let token = stage.issuer.token().build();
    let answer = stage
        .send(post("/api/scoped/ticket").insert_header(bearer(&token)))
        .await;
    assert_eq!(answer, Answer::insufficient_scope(&[&["read:messages"]]));
    let expired = stage
        .issuer
        .token()
        .expires_at(SystemTime::UNIX_EPOCH)
        .build();
    let answer = stage
        .send(post("/api/scoped/ticket").insert_header(bearer(&expired)))
        .await;
    assert_eq!(answer, Answer::invalid_token("The token has expired."));
    let token = stage.issuer.token().scope("read:messages").build();
    let answer = stage
        .send(post("/api/scoped/ticket").insert_header(bearer(&token)))
        .await;
    let path = format!("/api/scoped?ticket={}", ticket_in(&answer));
    assert_eq!(stage.get(&path).await, Answer::text("scoped"));
}

#[actix_web::test]
async fn the_token_is_verified_again_when_the_ticket_is_redeemed() {
    let stage = Stage::new().await;
    let expires_at = stage.clock.now() + Duration::from_secs(2);
    let token = stage.issuer.token().expires_at(expires_at).build();
    let request = TestRequest::post()
        .uri("/api/news/a/ticket")
        .insert_header(bearer(&token));
    let ticket = ticket_in(&stage.send(request).await);
    // The clock tolerance of the issuer is 5 s.
    stage.clock.advance(Duration::from_secs(8));
    let answer = stage.get(&format!("/api/news/a?ticket={ticket}")).await;
    assert_eq!(answer, Answer::invalid_token("The token has expired."));
}

#[actix_web::test]
async fn a_ticket_beside_another_credential_is_rejected_and_not_used() {
    let stage = Stage::new().await;
    let token = stage.issuer.token().build();
    let ticket = stage.ticket("/api/news/a").await;
    let path = format!("/api/news/a?ticket={ticket}");
    let beside = TestRequest::get().uri(&path).insert_header(bearer(&token));
    let twice = TestRequest::get().uri(&format!("{path}&ticket={ticket}"));
    let in_query = TestRequest::get().uri(&format!("{path}&access_token={token}"));
    for request in [beside, twice, in_query] {
        let answer = stage.send(request).await;
        let detail = "More than one access token was sent.";
        assert_eq!(answer.status, 400);
        assert_eq!(
            answer.body,
            Answer::problem(400, "Bad Request", detail).body
        );
    }
    let with_proof = TestRequest::get()
        .uri(&path)
        .insert_header(("dpop", "a.b.c"));
    let answer = stage.send(with_proof).await;
    let detail = "A DPoP proof was sent without an access token.";
    let expected = Answer::problem(400, "Bad Request", detail);
    assert_eq!((answer.status, answer.body), (400, expected.body));
    assert_eq!(stage.get(&path).await.status, 200);
}

#[actix_web::test]
async fn a_ticket_stands_for_the_proof_of_its_sender() {
    let stage = Stage::new().await;
    let key = shared(Algorithm::Es256);
    let token = stage.issuer.token().bound_to_key(&key).build();
    let url = "http://api.test/api/bound/ticket";
    let proof = ProofBuilder::new(&key, "POST", url).token(&token).build();
    let post = || TestRequest::post().uri("/api/bound/ticket");
    let request = post().insert_header(("authorization", format!("DPoP {token}")));
    let first = stage.send(request.insert_header(("dpop", proof))).await;
    let answer = stage
        .get(&format!("/api/bound?ticket={}", ticket_in(&first)))
        .await;
    assert_eq!(answer, Answer::text("bound"));
    let unproven = stage.send(post().insert_header(bearer(&token))).await;
    assert_eq!(unproven.status, 401);
}

#[actix_web::test]
async fn a_caller_with_a_hundred_tickets_has_to_wait() {
    let stage = Stage::new().await;
    for _ in 0..100 {
        stage.ticket("/api/news/a").await;
    }
    let token = stage.issuer.token().build();
    let request = || {
        TestRequest::post()
            .uri("/api/news/a/ticket")
            .insert_header(bearer(&token))
    };
    let answer = stage.send(request()).await;
    let detail = "Too many tickets are neither used nor expired.";
    let expected = Answer {
        retry_after: Some("1".to_owned()),
        ..Answer::problem(503, "Service Unavailable", detail)
    };
    assert_eq!(answer, expected);
    stage.clock.advance(Duration::from_secs(10));
    assert_eq!(stage.send(request()).await.status, 200);
}

#[test]
fn the_table_lists_the_routes_of_tickets() {
    let api = Api::new("/api")
        .route("/", get(news).tickets())
        .route("/b/", get(scoped).tickets());
    let listed = api.routes().map(|route| {
        format!(
            "{} {} {} {}",
            route.method, route.path, route.takes_tickets, route.requirement
        )
    });
    assert_eq!(
        listed.collect::<Vec<_>>(),
        [
            "GET /api/ true a token",
            "POST /api/ticket false a token",
            "GET /api/b/ true a token with read:messages",
            "POST /api/b/ticket false a token with read:messages",
        ]
    );
}
