//! Middleware behind the access check, and the caller in the extensions of a request.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use actix_resource_server::sender::Dpop;
use actix_resource_server::test_kit::{ProofBuilder, TestClock, caller, shared};
use actix_resource_server::{
    Algorithm, Api, AuthenticatedUser, Bound, Caller, Claim, Clock, Identified, MaybeUser, Public,
    Scoped, StepUp, Verifier, claim, get, post, step_up,
};
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HOST, HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, Error, HttpMessage, HttpRequest, HttpResponse};

use crate::app::{self, Answer, ReadMessages, ask, bearer, get_with, trusted};

thread_local! {
    static CALLED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn called(step: impl Into<String>) {
    CALLED.with_borrow_mut(|steps| steps.push(step.into()));
}

/// A middleware that records the subject of the caller.
macro_rules! recording {
    ($name:literal) => {
        from_fn(async |request: ServiceRequest, next: Next<_>| {
            let subject = {
                let extensions = request.extensions();
                let caller = extensions.get::<Caller>();
                caller.and_then(|caller| caller.subject().map(str::to_owned))
            };
            called(format!(
                "{} {}",
                $name,
                subject.as_deref().unwrap_or("anonymous")
            ));
            next.call(request).await
        })
    };
}

async fn private(user: AuthenticatedUser, body: String) -> String {
    called("handler");
    format!("{} {body}", user.subject().unwrap_or_default())
}

async fn open(_: Public) -> &'static str {
    called("handler");
    "open"
}

async fn limited(
    request: ServiceRequest,
    _: Next<impl MessageBody>,
) -> Result<ServiceResponse, Error> {
    Ok(request.into_response(HttpResponse::TooManyRequests()))
}

#[actix_web::test]
async fn middleware_runs_behind_the_access_check_from_the_outside_in() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let endpoint = post(private).wrap(recording!("inner"));
    let table = Api::new("/api")
        .route("/private", endpoint.wrap(recording!("middle")))
        .route("/open", get(open))
        .wrap(recording!("outer"));
    let app = init_service(App::new().service(table.verified_by(verifier.clone()))).await;
    let token = issuer.token().build();
    let granted = verifier.counters().granted();
    let request = || TestRequest::post().uri("/api/private").set_payload("body");
    let answer = ask!(app, request().insert_header(bearer(&token)));
    assert_eq!(answer, Answer::text("user-1 body"));
    let all = ["outer user-1", "middle user-1", "inner user-1", "handler"];
    assert_eq!(CALLED.take(), all);
    assert_eq!(verifier.counters().granted(), granted + 1);

    assert_eq!(ask!(app, request()), Answer::no_credentials());
    let invalid = ask!(app, request().insert_header(bearer("a.b.c")));
    assert_eq!(invalid.status, 401);
    assert!(CALLED.take().is_empty());
    let refused = ask!(app, TestRequest::get().uri("/api/private"));
    assert_eq!(refused, Answer::method_not_allowed("POST"));
    assert!(CALLED.take().is_empty());

    assert_eq!(
        ask!(app, TestRequest::get().uri("/api/open")),
        Answer::text("open")
    );
    assert_eq!(CALLED.take(), ["outer anonymous", "handler"]);
    let head = TestRequest::default().method(actix_web::http::Method::HEAD);
    assert_eq!(ask!(app, head.uri("/api/open")).status, 200);
    assert_eq!(CALLED.take(), ["outer anonymous", "handler"]);
}

#[actix_web::test]
async fn middleware_behind_the_access_check_may_respond_itself() {
    let issuer = app::issuer();
    let table = Api::new("/api").route("/private", get(private).wrap(from_fn(limited)));
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(table.verified_by(verifier))).await;
    let answer = get_with!(app, "/api/private", &issuer.token().build());
    assert_eq!(answer.status, 429);
    assert!(CALLED.take().is_empty());
}

#[actix_web::test]
async fn the_caller_of_a_wrapped_handler_gets_the_next_nonce() {
    let issuer = app::issuer();
    let dpop = Dpop::default().nonces(None, Dpop::NONCE_LIFETIME);
    let verifier = Verifier::builder().dpop(dpop.expect("random numbers"));
    let verifier = verifier.start([trusted(&issuer).build().expect("an issuer")]);
    let verifier = verifier.expect("a thread for the keys");
    verifier.ready().await;
    async fn bound(_: Bound) -> &'static str {
        "bound"
    }
    let table = Api::new("/api").route("/bound", get(bound).wrap(from_fn(limited)));
    let app = init_service(App::new().service(table.verified_by(verifier))).await;
    let key = shared(Algorithm::Es256);
    let token = issuer.token().bound_to_key(&key).build();
    let nonce = HeaderName::from_static("dpop-nonce");
    let mut issued = String::new();
    for status in [401, 429] {
        let proof = ProofBuilder::new(&key, "GET", "http://api.test/api/bound").token(&token);
        let request = TestRequest::get()
            .uri("/api/bound")
            .insert_header((HOST, "api.test"))
            .insert_header(("Authorization", format!("DPoP {token}")))
            .insert_header(("DPoP", proof.nonce(&issued).build()));
        let response = call_service(&app, request.to_request()).await;
        assert_eq!(response.status(), status);
        let header = response.headers().get(&nonce).map(HeaderValue::to_str);
        issued = header.expect("a nonce").expect("a text").to_owned();
    }
}

#[actix_web::test]
async fn a_request_is_verified_once_however_many_arguments_ask() {
    async fn thrice(
        one: AuthenticatedUser,
        two: Scoped<ReadMessages>,
        three: MaybeUser,
        request: HttpRequest,
    ) -> String {
        let three = three.into_user().expect("a user");
        let callers = [one.caller(), two.caller(), three.caller()];
        let extensions = request.extensions();
        let known = extensions.get::<Caller>().expect("the caller");
        // Verified without a cache: only a shared token has one address.
        let same = callers
            .iter()
            .all(|caller| std::ptr::eq(&raw const ***caller, &raw const **known));
        format!("{same} {}", known.token())
    }
    let issuer = app::issuer();
    let verifier = Verifier::builder().token_memory(0);
    let verifier = verifier.start([trusted(&issuer).build().expect("an issuer")]);
    let verifier = verifier.expect("a thread for the keys");
    verifier.ready().await;
    let table = Api::new("/api").route("/thrice", get(thrice));
    let app = init_service(App::new().service(table.verified_by(verifier))).await;
    let token = issuer.token().scope("read:messages").build();
    let answer = get_with!(app, "/api/thrice", &token);
    assert_eq!(answer, Answer::text(&format!("true {token}")));
}

#[actix_web::test]
async fn another_verifier_or_other_credentials_are_verified_anew() {
    use actix_resource_server::Access;

    async fn extracted<A: Access + Identified>(request: &HttpRequest) -> Option<String> {
        let access = A::extract(request).await.ok()?;
        Some(access.caller().subject()?.to_owned())
    }
    let (issuer, foreign) = (app::issuer(), app::issuer());
    let verifier = app::warm_verifier(&issuer).await;
    let request = |token: &str| TestRequest::get().insert_header(bearer(token));
    let token = issuer.token().build();
    let first = request(&token).app_data(verifier.clone()).to_http_request();
    assert!(extracted::<AuthenticatedUser>(&first).await.is_some());
    let known = first
        .extensions()
        .get::<Caller>()
        .cloned()
        .expect("the caller");

    let distrusting = app::warm_verifier(&foreign).await;
    let other = request(&token).app_data(distrusting).to_http_request();
    other.extensions_mut().insert(known.clone());
    assert!(extracted::<AuthenticatedUser>(&other).await.is_none());

    let forged = request("a.b.c").app_data(verifier).to_http_request();
    forged.extensions_mut().insert(known);
    assert!(extracted::<AuthenticatedUser>(&forged).await.is_none());
}

#[actix_web::test]
async fn the_token_is_in_no_debug_output() {
    let user: AuthenticatedUser = caller().claim("email", "a@b.test").build();
    let token = user.caller().token();
    assert_eq!(token.split('.').count(), 3);
    let shown = format!("{:?} {user:?}", user.caller());
    for part in token.split('.') {
        assert!(!shown.contains(part), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn until_expiry_completes_when_the_token_expires_by_the_verifiers_clock() {
    let issuer = app::issuer();
    let clock = TestClock::at(SystemTime::now());
    let shown = clock.clone();
    let verifier = Verifier::builder().clock(Clock::new(move || shown.now()));
    let verifier = verifier.start([trusted(&issuer).build().expect("an issuer")]);
    let verifier = verifier.expect("a thread for the keys");
    verifier.ready().await;
    let token = issuer.token().expires_in(Duration::from_secs(3600)).build();
    let verified = verifier.verify(&token, clock.now()).expect("a valid token");
    let expiry = verified.until_expiry();
    tokio::pin!(expiry);
    let hour = Duration::from_secs(3600);
    // Time passes for tokio alone.
    let waited = tokio::time::timeout(hour * 2, expiry.as_mut()).await;
    assert!(waited.is_err());
    // The token was issued a little later than the clock was set.
    clock.advance(hour * 2);
    let waited = tokio::time::timeout(Duration::from_secs(61), expiry.as_mut()).await;
    assert!(waited.is_ok());
    verified.until_expiry().await;
}

#[actix_web::test]
async fn the_test_kit_builds_the_arguments_of_handlers() {
    claim!(Staff = "staff" equals true);
    step_up!(Recently = max_age 5 minutes);

    #[derive(Debug, serde::Deserialize)]
    struct Own {
        org: String,
    }
    let user: AuthenticatedUser = caller().subject("ada").build();
    assert_eq!(user.subject(), Some("ada"));
    let own: AuthenticatedUser<Own> = caller().claim("org", "o1").build();
    assert_eq!(own.claims().org, "o1");
    assert!(caller().try_build::<AuthenticatedUser<Own>>().is_err());
    let read: Scoped<ReadMessages> = caller().scope("read:messages").build();
    assert!(read.scopes().contains("read:messages"));
    assert!(caller().try_build::<Scoped<ReadMessages>>().is_err());
    drop::<Claim<Staff>>(caller().claim("staff", true).build());
    assert!(caller().try_build::<Claim<Staff>>().is_err());
    drop::<Bound>(caller().proven_sender().build());
    assert!(caller().try_build::<Bound>().is_err());
    assert!(caller().try_build::<StepUp<Recently>>().is_err());
    let maybe: MaybeUser = caller().without("sub").build();
    assert_eq!(maybe.user().expect("a user").subject(), None);
}

#[test]
#[should_panic(expected = "the caller is rejected: The token does not grant the scope")]
fn a_rejected_caller_panics() {
    drop::<Scoped<ReadMessages>>(caller().build());
}
