//! Streams that end with the access of their callers.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use actix_resource_server::metrics::EndedStream;
use actix_resource_server::streams::{RenewError, StreamAccess, StreamEnd, Streaming};
use actix_resource_server::test_kit::{ProofBuilder, TestIssuer, TokenBuilder, caller, shared};
use actix_resource_server::{
    Access, Algorithm, Api, AuthenticatedUser, Cause, Clock, CutOff, Identified, MaybeUser,
    Revocations, Scoped, Verifier, get,
};
use actix_web::body::{BodySize, BoxBody, MessageBody, to_bytes};
use actix_web::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HOST, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web::Bytes;
use actix_web::{App, FromRequest, HttpRequest, HttpResponse, rt, web};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::app::{self, ReadMessages, bearer, trusted};

const LIFETIME: Duration = Duration::from_secs(3600);
const TOLERANCE: Duration = Duration::from_secs(1);

/// A table and its issuer, in the time of the paused runtime.
struct Stage {
    issuer: TestIssuer,
    verifier: Verifier,
    begun: SystemTime,
    start: Instant,
}

impl Stage {
    /// The runtime's time stands still from now on, and passes while everything waits.
    async fn new() -> Self {
        let issuer = app::issuer();
        // Claims have whole seconds.
        let (begun, start) = (whole_second(SystemTime::now()), Instant::now());
        let trusted = trusted(&issuer).max_token_age(2 * LIFETIME);
        let verifier = Verifier::builder()
            .clock(Clock::new(move || begun + start.elapsed()))
            .revocations(Revocations::in_memory(10))
            .start([trusted.build().expect("an issuer")])
            .expect("a verifier");
        app::warm(&verifier, &issuer).await;
        tokio::time::pause();
        Self {
            issuer,
            verifier,
            begun,
            start,
        }
    }

    fn token(&self) -> TokenBuilder {
        self.issuer
            .token()
            .issued_at(self.begun)
            .expires_in(LIFETIME)
    }

    async fn open(&self, path: &str, token: &str) -> HttpResponse {
        let api = Api::new("/api")
            .route("/events", get(events))
            .route("/half", get(half_an_event))
            .route("/inner", get(inner))
            .route("/optional", get(optional))
            .route("/socket", get(socket).websocket_token())
            .route("/body", get(body))
            .route("/short", get(short))
            .route("/renewed", get(renewed))
            .route("/scoped", get(scoped));
        let app = init_service(App::new().service(api.verified_by(self.verifier.clone()))).await;
        let request = TestRequest::get()
            .uri(path)
            .insert_header(bearer(token))
            .insert_header((HOST, "api.test"))
            .insert_header((CONNECTION, "Upgrade"))
            .insert_header((UPGRADE, "websocket"))
            .insert_header((SEC_WEBSOCKET_VERSION, "13"))
            .insert_header((SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="));
        call_service(&app, request.to_request())
            .await
            .into_parts()
            .1
            .map_into_boxed_body()
    }
}

/// These chunks, and then nothing more.
struct Chunks(Vec<&'static str>);

impl MessageBody for Chunks {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.0
            .pop()
            .map_or(Poll::Pending, |chunk| Poll::Ready(Some(Ok(chunk.into()))))
    }
}

async fn events(user: Streaming<AuthenticatedUser>) -> HttpResponse {
    user.stream_access()
        .sse(Chunks(vec!["data: 2\n\n", "data: 1\n\n"]))
}

async fn half_an_event(user: Streaming<AuthenticatedUser>) -> HttpResponse {
    user.stream_access().sse(Chunks(vec!["data: 1\n"]))
}

async fn body(user: Streaming<AuthenticatedUser>) -> HttpResponse {
    let body = user.stream_access().body(Chunks(vec!["a part"]));
    HttpResponse::Ok().body(body)
}

async fn short(user: Streaming<AuthenticatedUser>) -> HttpResponse {
    user.stream_access().sse("data: all\n\n")
}

thread_local! {
    static OPENED: RefCell<Option<StreamAccess>> = const { RefCell::new(None) };
    static CLOSED: RefCell<Option<oneshot::Receiver<()>>> = const { RefCell::new(None) };
}

async fn renewed(user: Streaming<AuthenticatedUser>) -> HttpResponse {
    OPENED.set(Some(user.stream_access()));
    user.stream_access().sse(Chunks(Vec::new()))
}

async fn inner(user: Scoped<ReadMessages, Streaming<AuthenticatedUser>>) -> HttpResponse {
    OPENED.set(Some(user.stream_access()));
    user.stream_access().sse(Chunks(Vec::new()))
}

async fn optional(user: MaybeUser<Streaming<AuthenticatedUser>>) -> HttpResponse {
    let user = user.user().expect("a token");
    OPENED.set(Some(user.stream_access()));
    user.stream_access().sse(Chunks(Vec::new()))
}

async fn scoped(user: Streaming<Scoped<ReadMessages>>) -> HttpResponse {
    OPENED.set(Some(user.stream_access()));
    HttpResponse::Ok().finish()
}

/// Sends without end, and notes when that fails.
async fn socket(
    user: Streaming<AuthenticatedUser>,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    let handled = actix_ws::handle(&request, body).expect("a handshake");
    let (response, mut session, _messages) = handled;
    let (closed, receiver) = oneshot::channel();
    CLOSED.set(Some(receiver));
    rt::spawn(async move {
        while session.text("x").await.is_ok() {}
        closed.send(()).expect("a test that waits");
    });
    user.stream_access().websocket(response)
}

async fn text(response: HttpResponse) -> String {
    let bytes = to_bytes(response.into_body()).await.expect("a whole body");
    String::from_utf8(bytes.to_vec()).expect("text")
}

async fn next(body: &mut BoxBody) -> Option<Result<Bytes, String>> {
    let next = poll_fn(|context| Pin::new(&mut *body).poll_next(context)).await;
    next.map(|chunk| chunk.map_err(|error| error.to_string()))
}

/// Asserts that this much time has passed since `start`, and less than a second more.
fn assert_passed(start: Instant, expected: Duration) {
    let passed = start.elapsed();
    assert!(
        passed >= expected && passed < expected + TOLERANCE,
        "{passed:?}"
    );
}

#[actix_web::test]
async fn events_end_with_the_token() {
    let stage = Stage::new().await;
    let response = stage.open("/api/events", &stage.token().build()).await;
    assert_eq!(response.status(), 200);
    let header = |name| {
        response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    assert_eq!(header(CONTENT_TYPE), Some("text/event-stream"));
    assert_eq!(header(CACHE_CONTROL), Some("no-store"));
    let last = "event: expired\ndata: {\"reason\":\"expired\"}\n\n";
    assert_eq!(
        text(response).await,
        format!("data: 1\n\ndata: 2\n\n{last}")
    );
    assert_passed(stage.start, LIFETIME);
}

#[actix_web::test]
async fn the_last_event_is_one_of_its_own() {
    let stage = Stage::new().await;
    let response = stage.open("/api/half", &stage.token().build()).await;
    let last = "event: expired\ndata: {\"reason\":\"expired\"}\n\n";
    assert_eq!(text(response).await, format!("data: 1\n\n\n{last}"));
}

#[actix_web::test]
async fn a_stream_that_ends_by_itself_has_no_last_event() {
    let stage = Stage::new().await;
    let response = stage.open("/api/short", &stage.token().build()).await;
    let counters = stage.verifier.counters();
    assert_eq!(counters.open_streams(), 1);
    assert_eq!(text(response).await, "data: all\n\n");
    assert_eq!(counters.open_streams(), 0);
}

/// What the body is once `end` has happened, and how long after.
async fn after(stage: &Stage, path: &str, end: impl AsyncFnOnce()) -> Bytes {
    let response = stage.open(path, &stage.token().build()).await;
    let mut body = pin!(to_bytes(response.into_body()));
    let early = timeout(LIFETIME / 2, &mut body).await;
    assert!(early.is_err(), "the stream ended early");
    end().await;
    let ended = Instant::now();
    let body = body.await.expect("a whole body");
    assert_passed(ended, Duration::ZERO);
    body
}

#[actix_web::test]
async fn streams_end_when_the_token_is_revoked() {
    let stage = Stage::new().await;
    let revoke = async || {
        let now = stage.begun + LIFETIME / 2;
        let cut_off = CutOff::subject(stage.issuer.url(), "user-1", now);
        stage.verifier.revoke(&[cut_off]).await.expect("revoked");
    };
    let body = after(&stage, "/api/events", revoke).await;
    assert!(body.ends_with(b"event: expired\ndata: {\"reason\":\"revoked\"}\n\n"));
    let counters = stage.verifier.counters();
    assert_eq!(counters.ended_streams(EndedStream::Revoked), 1);
    assert_eq!(counters.ended_streams(EndedStream::Expired), 0);
}

#[actix_web::test]
async fn streams_end_when_the_issuer_is_no_longer_trusted() {
    let stage = Stage::new().await;
    let remove = async || assert!(stage.verifier.remove_issuer(stage.issuer.url()));
    let body = after(&stage, "/api/events", remove).await;
    assert!(body.ends_with(b"event: expired\ndata: {\"reason\":\"key_withdrawn\"}\n\n"));
}

#[actix_web::test]
async fn streams_end_at_a_shutdown_and_clients_may_connect_again() {
    let stage = Stage::new().await;
    let body = after(&stage, "/api/events", async || stage.verifier.end_streams()).await;
    assert_eq!(body, "data: 1\n\ndata: 2\n\n");
    // Those that begin later end at once.
    let response = stage.open("/api/socket", &stage.token().build()).await;
    let bytes = to_bytes(response.into_body()).await.expect("a whole body");
    assert!(
        bytes.ends_with(b"\x88\x1d\x03\xe9the server is shutting down"),
        "{bytes:?}"
    );
}

#[actix_web::test]
async fn access_inside_of_another_type_is_counted_renewed_and_ended_too() {
    let stage = Stage::new().await;
    for path in ["/api/inner", "/api/optional"] {
        let token = || stage.token().scope("read:messages");
        let response = stage.open(path, &token().build()).await;
        let access = OPENED.take().expect("a stream");
        assert_eq!(stage.verifier.counters().open_streams(), 1, "{path}");
        let longer = token().expires_in(2 * LIFETIME).build();
        assert_eq!(access.renew(&longer).await, Ok(()), "{path}");
        drop(response);
    }
    let response = stage.open("/api/optional", &stage.token().build()).await;
    stage.verifier.end_streams();
    let access = OPENED.take().expect("a stream");
    assert_eq!(access.ended().await, StreamEnd::Shutdown);
    assert_eq!(text(response).await, "");
}

#[actix_web::test]
async fn a_websocket_is_closed_with_1008_also_while_its_client_does_not_read() {
    let stage = Stage::new().await;
    let response = stage.open("/api/socket", &stage.token().build()).await;
    assert_eq!(response.status(), 101);
    // Nothing is read, so the application hangs in a send until the end.
    let closed = CLOSED.take().expect("a socket");
    closed.await.expect("the application has noticed");
    assert_passed(stage.start, LIFETIME);
    let mut body = response.into_body();
    let frame = b"\x88\x16\x03\xf0access token expired".as_slice();
    assert_eq!(next(&mut body).await, Some(Ok(Bytes::from_static(frame))));
    assert_eq!(next(&mut body).await, None);
}

#[actix_web::test]
async fn the_frames_before_the_end_are_whole() {
    let stage = Stage::new().await;
    let response = stage.open("/api/socket", &stage.token().build()).await;
    let mut body = response.into_body();
    let first = next(&mut body).await.expect("frames").expect("frames");
    assert!(
        first.chunks(3).all(|frame| frame == b"\x81\x01x"),
        "{first:?}"
    );
}

#[actix_web::test]
async fn another_body_is_cut_off() {
    let stage = Stage::new().await;
    let response = stage.open("/api/body", &stage.token().build()).await;
    let mut body = response.into_body();
    assert_eq!(next(&mut body).await, Some(Ok("a part".into())));
    let cut = "the response is cut off: access token expired".to_owned();
    assert_eq!(next(&mut body).await, Some(Err(cut)));
    assert_eq!(next(&mut body).await, None);
}

async fn opened(stage: &Stage, path: &str, token: &str) -> (StreamAccess, HttpResponse) {
    let response = stage.open(path, token).await;
    (OPENED.take().expect("a stream"), response)
}

#[actix_web::test]
async fn a_stream_goes_on_with_another_token_of_its_caller() {
    let stage = Stage::new().await;
    let start = Instant::now();
    let (access, response) = opened(&stage, "/api/renewed", &stage.token().build()).await;
    let mut body = pin!(to_bytes(response.into_body()));
    assert!(timeout(LIFETIME / 2, &mut body).await.is_err());
    let next = stage.token().expires_in(LIFETIME * 3 / 2).build();
    assert_eq!(access.renew(&next).await, Ok(()));
    assert_eq!(
        access.expires_at(),
        whole_second(stage.begun + LIFETIME * 3 / 2)
    );
    assert!(timeout(LIFETIME * 3 / 4, &mut body).await.is_err());
    body.await.expect("a whole body");
    assert!(start.elapsed() > LIFETIME && start.elapsed() <= LIFETIME * 3 / 2);
    let ended = access.renew(&next).await;
    assert_eq!(ended, Err(RenewError::Ended(StreamEnd::Expired)));
    assert_eq!(access.ended().await, StreamEnd::Expired);
}

fn whole_second(time: SystemTime) -> SystemTime {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("after 1970");
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

#[actix_web::test]
async fn a_token_that_is_not_the_callers_renews_nothing() {
    let stage = Stage::new().await;
    let key = shared(Algorithm::Es256);
    let (access, _response) = opened(&stage, "/api/renewed", &stage.token().build()).await;
    let rejected = |text| Err(RenewError::Rejected(Cause::InvalidToken(text).into()));
    let other = || Err(RenewError::OtherCaller);
    for (token, expected) in [
        (stage.token().claim("sub", "user-2"), other()),
        (stage.token().without("sub"), other()),
        (stage.token().claim("client_id", "other"), other()),
        (stage.token().actor("agent"), other()),
        (
            stage.token().bound_to_key(&key),
            Err(RenewError::OtherSender),
        ),
    ] {
        assert_eq!(access.renew(&token.build()).await, expected);
    }
    let expired = stage.token().expires_at(SystemTime::UNIX_EPOCH).build();
    for (token, text) in [
        (expired.as_str(), "The token has expired."),
        ("abc", "The token is not a signed JWT."),
        ("a b", "The credentials are not an access token."),
        ("", "The credentials are not an access token."),
    ] {
        let renewed = access.renew(token).await.map_err(without_context);
        assert_eq!(renewed, rejected(text), "{token}");
    }
    // The token before stays in force.
    assert_eq!(access.expires_at(), whole_second(stage.begun + LIFETIME));
    assert!(timeout(LIFETIME / 2, access.ended()).await.is_err());
}

#[actix_web::test]
async fn the_current_actor_stays_the_same() {
    let stage = Stage::new().await;
    let by = |actors: &[&str]| {
        let token = stage.token();
        let token = actors.iter().fold(token, |token, actor| token.actor(actor));
        token.build()
    };
    let (access, _response) = opened(&stage, "/api/renewed", &by(&["agent"])).await;
    for actors in [&[][..], &["other"], &["agent", "other"]] {
        let renewed = access.renew(&by(actors)).await;
        assert_eq!(renewed, Err(RenewError::OtherCaller), "{actors:?}");
    }
    // Those before it are informational only.
    assert_eq!(access.renew(&by(&["scheduler", "agent"])).await, Ok(()));
}

/// The error alone: the scheme of the request makes no difference here.
fn without_context(error: RenewError) -> RenewError {
    match error {
        RenewError::Rejected(rejection) => RenewError::Rejected(rejection.into_cause().into()),
        error => error,
    }
}

#[actix_web::test]
async fn the_access_type_of_the_route_decides_again() {
    let stage = Stage::new().await;
    let token = stage.token().scope("read:messages").build();
    let (access, _response) = opened(&stage, "/api/scoped", &token).await;
    let renewed = access.renew(&stage.token().without("scope").build()).await;
    let lacking = Cause::InsufficientScope {
        alternatives: vec![vec!["read:messages"]],
    };
    assert_eq!(renewed, Err(RenewError::Rejected(lacking.into())));
    assert_eq!(access.renew(&token).await, Ok(()));
}

#[actix_web::test]
async fn a_bound_token_is_renewed_by_one_that_is_bound_to_the_same_key() {
    let issuer = app::issuer();
    let dpop = actix_resource_server::sender::Dpop::default();
    let trusted = trusted(&issuer).build().expect("an issuer");
    let verifier = Verifier::builder()
        .dpop(dpop)
        .start([trusted])
        .expect("a verifier");
    app::warm(&verifier, &issuer).await;
    let (key, other) = (shared(Algorithm::Es256), shared(Algorithm::Rs256));
    let token = issuer.token().bound_to_key(&key).build();
    let proof = ProofBuilder::new(&key, "GET", "http://api.test/")
        .token(&token)
        .build();
    let request = TestRequest::get()
        .app_data(verifier.clone())
        .insert_header((HOST, "api.test"))
        .insert_header(("authorization", format!("DPoP {token}")))
        .insert_header(("dpop", proof))
        .to_http_request();
    let user = Streaming::<AuthenticatedUser>::extract(&request)
        .await
        .expect("a caller");
    let access = user.stream_access();
    let bound_to = |key| issuer.token().bound_to_key(key).build();
    assert_eq!(access.renew(&bound_to(&key)).await, Ok(()));
    assert_eq!(
        access.renew(&bound_to(&other)).await,
        Err(RenewError::OtherSender)
    );
    let unbound = issuer.token().build();
    assert_eq!(access.renew(&unbound).await, Err(RenewError::OtherSender));
}

#[actix_web::test]
async fn a_caller_of_a_test_has_the_rules_of_its_access_type() {
    let user: Streaming<AuthenticatedUser> = caller().build();
    let renewed = user.stream_access().renew("a.b.c").await;
    assert!(
        matches!(renewed, Err(RenewError::Rejected(_))),
        "{renewed:?}"
    );
    assert_eq!(user.caller().subject(), user.subject());
    assert!(
        caller()
            .try_build::<Streaming<Scoped<ReadMessages>>>()
            .is_err()
    );
    let requirement = Streaming::<Scoped<ReadMessages>>::requirement();
    assert_eq!(requirement, Scoped::<ReadMessages>::requirement());
}

#[actix_web::test]
async fn the_texts_of_errors_are_constants() {
    let rejected = RenewError::Rejected(Cause::InvalidToken("The token has expired.").into());
    assert_eq!(
        rejected.to_string(),
        "the token is rejected: The token has expired."
    );
    let ended = RenewError::Ended(StreamEnd::Revoked);
    assert_eq!(ended.to_string(), "the access has ended: access revoked");
}
