//! Opaque tokens, introspected at their issuer (RFC 7662, RFC 9701).

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, SystemTime};

use actix_resource_server::errors::VerifyError;
use actix_resource_server::metrics::Introspected;
use actix_resource_server::test_kit::{
    Document, Fault, Gate, ProofBuilder, Reply, TestClock, TestIssuer, shared,
};
use actix_resource_server::{
    Algorithm, Api, Cause, Clock, Introspection, IntrospectionClient, Issuer, IssuerBuilder,
    Scoped, SignedResponses, Verifier, get,
};
use actix_web::App;
use actix_web::http::header::HOST;
use actix_web::test::{TestRequest, init_service};
use serde_json::json;

use crate::app::{self, Answer, ReadMessages, admit, ask, get_with, trusted};

fn introspection() -> Introspection {
    Introspection::new(IntrospectionClient::basic("api", "secret"))
}

fn introspected(issuer: &TestIssuer) -> IssuerBuilder {
    trusted(issuer).introspection(introspection())
}

async fn verifier(issuer: &TestIssuer, introspection: Introspection) -> Verifier {
    let verifier = app::verifier_of(trusted(issuer).introspection(introspection));
    verifier.ready().await;
    verifier
}

async fn started(issuer: &TestIssuer) -> (Verifier, TestClock) {
    let clock = TestClock::at(SystemTime::now());
    let shown = clock.clone();
    let builder = Verifier::builder().clock(Clock::new(move || shown.now()));
    let trusted = introspected(issuer).build().expect("an issuer");
    let verifier = builder.start([trusted]).expect("a thread");
    verifier.ready().await;
    (verifier, clock)
}

async fn cause(verifier: &Verifier, token: &str) -> Cause {
    let admitted = admit(verifier, token).await;
    admitted.map(drop).expect_err("a rejection")
}

fn is_unavailable(cause: &Cause) -> bool {
    matches!(cause, Cause::IntrospectionUnavailable { .. })
}

async fn read(user: Scoped<ReadMessages>) -> String {
    user.subject().unwrap_or_default().to_owned()
}

fn api(verifier: &Verifier) -> Api<Verifier> {
    Api::new("/api")
        .route("/read", get(read))
        .verified_by(verifier.clone())
}

const INACTIVE: &str = "The token is not active.";

#[actix_web::test]
async fn an_opaque_token_is_accepted_with_what_its_issuer_says() {
    let issuer = app::issuer();
    let (verifier, _) = started(&issuer).await;
    let app = init_service(App::new().service(api(&verifier))).await;
    let token = issuer.issue_opaque(issuer.token().scope("read:messages"));
    assert_eq!(get_with!(app, "/api/read", &token), Answer::text("user-1"));
    let token = issuer.issue_opaque(issuer.token().scope("write:messages"));
    assert_eq!(
        get_with!(app, "/api/read", &token),
        Answer::insufficient_scope(&[&["read:messages"]])
    );
    assert_eq!(
        get_with!(app, "/api/read", "unknown"),
        Answer::invalid_token(INACTIVE)
    );
    let token = issuer.issue_opaque(issuer.token().claim("aud", "other"));
    for _ in 0..2 {
        assert_eq!(
            get_with!(app, "/api/read", &token),
            Answer::invalid_token("The token is for another audience.")
        );
    }
    assert_eq!(issuer.requests().introspection, 4);
}

#[actix_web::test]
async fn a_response_is_used_until_it_is_a_minute_old_or_the_token_expires() {
    let issuer = app::issuer();
    let (verifier, clock) = started(&issuer).await;
    let token = issuer.issue_opaque(issuer.token());
    let brief = issuer.issue_opaque(issuer.token().expires_in(Duration::from_secs(20)));
    for token in [&token, &brief] {
        for _ in 0..10 {
            assert!(admit(&verifier, token).await.is_ok());
        }
    }
    assert_eq!(issuer.requests().introspection, 2);
    issuer.revoke(&token);
    clock.advance(Duration::from_secs(30));
    assert!(admit(&verifier, &token).await.is_ok());
    assert_eq!(
        cause(&verifier, &brief).await.to_string(),
        "The token has expired."
    );
    clock.advance(Duration::from_secs(30));
    for _ in 0..10 {
        assert_eq!(
            cause(&verifier, &token).await,
            Cause::InvalidToken(INACTIVE)
        );
    }
    assert_eq!(issuer.requests().introspection, 4);
    assert_eq!(verifier.counters().introspected(Introspected::Active), 2);
    assert_eq!(verifier.counters().introspected(Introspected::Rejected), 2);
}

#[actix_web::test]
async fn one_call_answers_all_requests_with_a_token() {
    let issuer = app::issuer();
    let (verifier, _) = started(&issuer).await;
    let gate = Gate::new();
    issuer.set_fault(Document::Introspection, Some(Fault::Hang(gate.clone())));
    let token = issuer.issue_opaque(issuer.token());
    let begun = Rc::new(Cell::new(0));
    let request = || {
        let (verifier, token, begun) = (verifier.clone(), token.clone(), begun.clone());
        actix_web::rt::spawn(async move {
            begun.set(begun.get() + 1);
            admit(&verifier, &token).await.is_ok()
        })
    };
    let requests: Vec<_> = (0..200).map(|_| request()).collect();
    while begun.get() < requests.len() {
        tokio::task::yield_now().await;
    }
    assert!(issuer.wait_for(Document::Introspection, 1));
    gate.open();
    for request in requests {
        assert!(request.await.expect("a response"));
    }
    assert_eq!(issuer.requests().introspection, 1);
}

#[actix_web::test]
async fn a_jwt_is_never_introspected_because_its_verification_failed() {
    let issuer = app::issuer();
    let (verifier, _) = started(&issuer).await;
    let other = app::issuer();
    let valid = issuer.token().build();
    let (signed, signature) = valid.rsplit_once('.').expect("a JWT");
    let header = signed.split('.').next().expect("a header");
    for token in [
        issuer.token().signed_by(&other.key()).build(),
        issuer.token().raw_signature([0; 64]).build(),
        issuer
            .token()
            .expires_in(Duration::ZERO)
            .issued_at(SystemTime::UNIX_EPOCH)
            .build(),
        issuer.token().header("alg", "none").build(),
        issuer.token().raw_payload("no JSON").build(),
        other.token().build(),
        format!("{signed}.!{signature}"),
        format!("{header}.."),
        "e30.e30.".to_owned(),
    ] {
        let rejected = cause(&verifier, &token).await;
        assert!(
            matches!(rejected, Cause::InvalidToken(_)),
            "{token} {rejected:?}"
        );
    }
    assert!(admit(&verifier, &valid).await.is_ok());
    assert_eq!(issuer.requests().introspection, 0);
}

#[actix_web::test]
async fn without_introspection_an_opaque_token_is_rejected_and_sent_nowhere() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let token = issuer.issue_opaque(issuer.token());
    assert_eq!(
        cause(&verifier, &token).await,
        Cause::InvalidToken("The token is not a signed JWT.")
    );
    assert_eq!(issuer.requests().introspection, 0);
}

#[actix_web::test]
async fn while_the_endpoint_fails_tokens_are_undetermined_and_it_is_not_flooded() {
    let issuer = app::issuer();
    let (verifier, _) = started(&issuer).await;
    let cached = issuer.issue_opaque(issuer.token());
    assert!(admit(&verifier, &cached).await.is_ok());
    for fault in [Fault::status(503), Fault::Close, Fault::status(401)] {
        let (verifier, _) = started(&issuer).await;
        let before = issuer.requests().introspection;
        issuer.set_fault(Document::Introspection, Some(fault));
        let app = init_service(App::new().service(api(&verifier))).await;
        let token = issuer.issue_opaque(issuer.token());
        let detail = "The token could not be introspected at the moment; it may be valid.";
        for _ in 0..50 {
            let answer = get_with!(app, "/api/read", &token);
            let expected = Answer {
                retry_after: Some("1".to_owned()),
                ..Answer::problem(503, "Service Unavailable", detail)
            };
            assert_eq!(answer, expected);
        }
        let calls = issuer.requests().introspection - before;
        assert!(calls <= 3, "{calls}");
    }
    assert!(admit(&verifier, &cached).await.is_ok());
}

#[actix_web::test]
async fn a_token_that_the_endpoint_fails_on_does_not_suspend_the_calls_for_others() {
    let issuer = app::issuer();
    let (verifier, _) = started(&issuer).await;
    for fault in [
        Fault::status(400),
        Fault::status(403),
        Fault::status(500),
        Fault::json(&json!({"active": "yes"})),
        Fault::json(&json!([])),
        Fault::body("text/html", "<html>"),
        Fault::redirect("http://localhost:1/introspect"),
    ] {
        issuer.set_fault(Document::Introspection, Some(fault));
        assert!(is_unavailable(&cause(&verifier, "strange").await));
        issuer.set_fault(Document::Introspection, None);
        let token = issuer.issue_opaque(issuer.token());
        assert!(admit(&verifier, &token).await.is_ok());
    }
}

#[actix_web::test]
async fn a_token_that_breaks_the_connection_does_not_suspend_the_calls_for_others() {
    let issuer = app::issuer();
    let strange = "strange".repeat(10);
    let endpoint = proxy(&issuer, &strange);
    let verifier = verifier(&issuer, introspection().endpoint(&endpoint)).await;
    for number in 0..5 {
        let broken = format!("{strange}{number}");
        assert!(is_unavailable(&cause(&verifier, &broken).await));
        let token = issuer.issue_opaque(issuer.token());
        assert!(admit(&verifier, &token).await.is_ok(), "{number}");
    }
}

/// Passes requests to the issuer's endpoint on, except those that contain `forbidden`: their connections are closed.
fn proxy(issuer: &TestIssuer, forbidden: &str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let upstream = issuer.url().replace("http://", "");
    let upstream = upstream.trim_end_matches('/').to_owned();
    let forbidden = forbidden.to_owned();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (upstream, forbidden) = (upstream.clone(), forbidden.clone());
            thread::spawn(move || pass(client, &upstream, &forbidden));
        }
    });
    format!("http://localhost:{port}/oauth/introspect")
}

fn pass(mut client: TcpStream, upstream: &str, forbidden: &str) -> Option<()> {
    let mut request = Vec::new();
    let mut part = [0; 4096];
    while !String::from_utf8_lossy(&request).contains("token_type_hint=access_token") {
        let length = client.read(&mut part).ok().filter(|length| *length > 0)?;
        request.extend_from_slice(&part[..length]);
    }
    let text = String::from_utf8_lossy(&request);
    if text.contains(forbidden) {
        return None;
    }
    // One request for each connection.
    let request = text.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let mut server = TcpStream::connect(upstream).ok()?;
    server.write_all(request.as_bytes()).ok()?;
    std::io::copy(&mut server, &mut client).ok().map(drop)
}

#[actix_web::test]
async fn a_flood_of_random_strings_costs_a_bounded_number_of_calls_and_no_known_token() {
    let issuer = app::issuer();
    let verifier = verifier(&issuer, introspection().calls_per_second(20)).await;
    let known = issuer.issue_opaque(issuer.token());
    assert!(admit(&verifier, &known).await.is_ok());
    let started = std::time::Instant::now();
    let mut undetermined = 0;
    for number in 0..2_000 {
        let rejected = cause(&verifier, &format!("random-{number}")).await;
        if is_unavailable(&rejected) {
            undetermined += 1;
        } else {
            assert_eq!(rejected, Cause::InvalidToken(INACTIVE));
        }
    }
    let allowed = 21 + 20 * usize::try_from(started.elapsed().as_secs() + 1).expect("seconds");
    assert!(issuer.requests().introspection <= allowed + 1);
    assert_eq!(verifier.counters().introspections_denied(), undetermined);
    assert!(undetermined >= 1_000, "{undetermined}");
    assert!(admit(&verifier, &known).await.is_ok());
}

#[actix_web::test]
async fn an_opaque_token_that_is_bound_to_a_key_needs_its_proof() {
    let issuer = app::issuer();
    let (verifier, _) = started(&issuer).await;
    let app = init_service(App::new().service(api(&verifier))).await;
    let key = shared(Algorithm::Es256);
    let token = issuer.token().scope("read:messages").bound_to_key(&key);
    let token = issuer.issue_opaque(token);
    assert_eq!(
        get_with!(app, "/api/read", &token),
        Answer::invalid_token("The token is bound to its sender and is not a bearer token.")
    );
    let request = |proof: ProofBuilder| {
        TestRequest::get()
            .uri("/api/read")
            .insert_header((HOST, "api.test"))
            .insert_header(("Authorization", format!("DPoP {token}")))
            .insert_header(("DPoP", proof.build()))
    };
    let proof = |key| ProofBuilder::new(key, "GET", "http://api.test/api/read").token(&token);
    let other = shared(Algorithm::Es384);
    assert_eq!(ask!(app, request(proof(&other))).status, 401);
    assert_eq!(ask!(app, request(proof(&key))), Answer::text("user-1"));
    assert_eq!(issuer.requests().introspection, 1);
}

#[actix_web::test]
async fn signed_responses_are_requested_where_the_issuer_offers_them() {
    let issuer = app::issuer();
    issuer.sign_introspection();
    let (verifier, _) = started(&issuer).await;
    let token = issuer.issue_opaque(issuer.token());
    assert!(admit(&verifier, &token).await.is_ok());
    // The key of a response may be newer than the keys that are known.
    issuer.rotate();
    let token = issuer.issue_opaque(issuer.token());
    assert!(admit(&verifier, &token).await.is_ok());
    assert_eq!(
        cause(&verifier, "unknown").await,
        Cause::InvalidToken(INACTIVE)
    );
}

#[actix_web::test]
async fn a_discovered_issuer_without_keys_introspects() {
    let no_keys = || Fault::json(&json!({"keys": []}));
    let no_key_set = |issuer: &TestIssuer| {
        let endpoint = format!("{}oauth/introspect", issuer.url());
        Fault::json(&json!({"issuer": issuer.url(), "introspection_endpoint": endpoint}))
    };
    for case in ["no keys", "no key set", "no response"] {
        let issuer = app::issuer();
        let (document, fault) = match case {
            "no keys" => (Document::Jwks, no_keys()),
            "no key set" => (Document::Discovery, no_key_set(&issuer)),
            _ => (Document::Jwks, Fault::status(500)),
        };
        issuer.set_fault(document, Some(fault));
        let verifier = app::verifier_of(introspected(&issuer));
        let token = issuer.issue_opaque(issuer.token());
        assert!(admit(&verifier, &token).await.is_ok(), "{case}");
        assert_eq!(
            verifier.unready().is_empty(),
            case != "no response",
            "{case}"
        );
        assert!(admit(&verifier, &issuer.token().build()).await.is_err());
    }
    // An issuer whose JWTs are verified here is not ready without keys.
    let issuer = app::issuer();
    issuer.set_fault(Document::Jwks, Some(no_keys()));
    let verifier = app::verifier_of(trusted(&issuer));
    assert!(admit(&verifier, &issuer.token().build()).await.is_err());
    assert!(!verifier.unready().is_empty());
}

#[actix_web::test]
async fn a_signed_response_must_be_the_issuers_for_this_client_and_fresh() {
    let issuer = app::issuer();
    let other = app::issuer();
    let (verifier, _) = started(&issuer).await;
    let response = || {
        let answer = json!({"active": true, "aud": issuer.audience(), "sub": "user-1"});
        issuer
            .token()
            .header("typ", "token-introspection+jwt")
            .claim("aud", "api")
            .claim("token_introspection", answer)
    };
    let served = |body: String| {
        let reply = Reply::new(200).header("Content-Type", "application/token-introspection+jwt");
        issuer.set_fault(
            Document::Introspection,
            Some(Fault::Reply(reply.body(body))),
        );
    };
    served(response().build());
    assert!(admit(&verifier, "good").await.is_ok());
    let long_ago = SystemTime::now() - Duration::from_secs(300);
    for (name, body) in [
        ("type", response().header("typ", "at+jwt").build()),
        ("no-type", response().without_header("typ").build()),
        ("client", response().claim("aud", "other").build()),
        ("issuer", response().claim("iss", other.url()).build()),
        ("old", response().issued_at(long_ago).build()),
        ("no-time", response().without("iat").build()),
        (
            "key",
            response()
                .signed_by(&other.key())
                .header("kid", issuer.key().kid())
                .build(),
        ),
        ("signature", response().raw_signature([1; 64]).build()),
        (
            "no-answer",
            response().without("token_introspection").build(),
        ),
        ("unsigned", "e30.e30.".to_owned()),
        ("access-token", issuer.token().build()),
    ] {
        served(body);
        assert!(is_unavailable(&cause(&verifier, name).await), "{name}");
    }
}

#[actix_web::test]
async fn where_signed_responses_are_required_others_are_not_used() {
    let issuer = app::issuer();
    let required = introspection().signed_responses(SignedResponses::Required);
    let verifier = verifier(&issuer, required).await;
    let token = issuer.issue_opaque(issuer.token());
    assert!(is_unavailable(&cause(&verifier, &token).await));
    issuer.sign_introspection();
    assert!(admit(&verifier, &token).await.is_ok());
}

#[actix_web::test]
async fn jwts_are_introspected_too_where_all_tokens_are() {
    let issuer = app::issuer();
    let verifier = verifier(&issuer, introspection().all_tokens()).await;
    let (good, revoked) = (issuer.token().build(), issuer.token().build());
    issuer.revoke(&revoked);
    assert!(admit(&verifier, &good).await.is_ok());
    assert_eq!(
        cause(&verifier, &revoked).await,
        Cause::InvalidToken(INACTIVE)
    );
    let other = app::issuer().token().build();
    assert!(matches!(
        cause(&verifier, &other).await,
        Cause::InvalidToken(_)
    ));
    assert_eq!(issuer.requests().introspection, 2);
}

#[actix_web::test]
async fn a_jwt_that_is_no_access_token_is_rejected_before_it_is_introspected() {
    let issuer = app::issuer();
    let verifier = verifier(&issuer, introspection().all_tokens()).await;
    let answer = json!({"active": true, "aud": issuer.audience(), "scope": "read:messages"});
    issuer.set_fault(Document::Introspection, Some(Fault::json(&answer)));
    assert!(admit(&verifier, &issuer.token().build()).await.is_ok());
    for (token, detail) in [
        (
            issuer.token().claim("at_hash", "x"),
            "The token is an ID token; an access token is needed.",
        ),
        (
            issuer.token().claim("typ", "Refresh"),
            "The token is a refresh token; an access token is needed.",
        ),
        (
            issuer.token().header("typ", "JOSE"),
            "The token is of a type that is not accepted here.",
        ),
    ] {
        let rejected = cause(&verifier, &token.build()).await;
        assert_eq!(rejected, Cause::InvalidToken(detail));
    }
    assert_eq!(issuer.requests().introspection, 1);
}

#[actix_web::test]
async fn an_opaque_token_is_only_sent_to_the_issuer_of_its_prefix() {
    let (first, second) = (app::issuer(), app::issuer());
    let prefixed = trusted(&first).introspection(introspection().token_prefix("first_"));
    let issuers =
        [prefixed, introspected(&second)].map(|issuer| issuer.build().expect("an issuer"));
    let verifier = Verifier::start(issuers).expect("a thread");
    verifier.ready().await;
    let counts = || {
        [
            first.requests().introspection,
            second.requests().introspection,
        ]
    };
    assert_eq!(
        cause(&verifier, "first_1").await,
        Cause::InvalidToken(INACTIVE)
    );
    assert_eq!(counts(), [1, 0]);
    assert_eq!(
        cause(&verifier, "second_1").await,
        Cause::InvalidToken(INACTIVE)
    );
    assert_eq!(counts(), [1, 1]);
    let longer = trusted(&second).introspection(introspection().token_prefix("first_2"));
    let shorter = trusted(&first).introspection(introspection().token_prefix("first_"));
    let issuers = [shorter, longer].map(|issuer| issuer.build().expect("an issuer"));
    let verifier = Verifier::start(issuers).expect("a thread");
    verifier.ready().await;
    assert_eq!(
        cause(&verifier, "first_2").await,
        Cause::InvalidToken(INACTIVE)
    );
    assert_eq!(counts(), [1, 2]);
    let both = [&first, &second].map(|issuer| introspected(issuer).build().expect("an issuer"));
    let error = Verifier::start(both).expect_err("two issuers of any opaque token");
    assert!(error.to_string().contains("a prefix of its own"), "{error}");
}

#[actix_web::test]
async fn tokens_of_a_removed_issuer_end_at_once() {
    let issuer = app::issuer();
    let (verifier, _) = started(&issuer).await;
    let token = issuer.issue_opaque(issuer.token());
    assert!(admit(&verifier, &token).await.is_ok());
    assert!(verifier.remove_issuer(issuer.url()));
    assert!(matches!(
        cause(&verifier, &token).await,
        Cause::InvalidToken(_)
    ));
    let trusted = introspected(&issuer).build().expect("an issuer");
    verifier.add_issuer(trusted).expect("a thread");
    assert!(admit(&verifier, &token).await.is_ok());
    assert_eq!(issuer.requests().introspection, 2);
}

#[actix_web::test]
async fn an_issuer_without_keys_only_introspects() {
    let issuer = app::issuer();
    let endpoint = format!("{}oauth/introspect", issuer.url());
    let opaque_only = Issuer::introspected(issuer.url(), introspection().endpoint(&endpoint));
    let verifier = app::verifier_of(opaque_only.audience(issuer.audience()));
    assert!(verifier.unready().is_empty());
    let token = issuer.issue_opaque(issuer.token());
    assert!(admit(&verifier, &token).await.is_ok());
    let jwt = issuer.token().build();
    assert!(matches!(
        cause(&verifier, &jwt).await,
        Cause::InvalidToken(_)
    ));
    assert_eq!(issuer.requests().jwks, 0);
}

#[actix_web::test]
async fn without_keys_unsigned_responses_can_be_used() {
    let issuer = app::issuer();
    issuer.set_fault(Document::Jwks, Some(Fault::status(503)));
    let verifier = app::verifier_of(introspected(&issuer));
    let token = issuer.issue_opaque(issuer.token());
    assert!(admit(&verifier, &token).await.is_ok());
}

#[actix_web::test]
async fn verification_without_waiting_tells_that_introspection_is_needed() {
    let issuer = app::issuer();
    let (verifier, _) = started(&issuer).await;
    let token = issuer.issue_opaque(issuer.token());
    let error = verifier.verify(&token, SystemTime::now()).err();
    assert!(
        matches!(error, Some(VerifyError::IntrospectionNeeded(_))),
        "{error:?}"
    );
    assert!(verifier.verify_or_fetch(&token).await.is_ok());
    assert!(verifier.verify(&token, SystemTime::now()).is_ok());
}
