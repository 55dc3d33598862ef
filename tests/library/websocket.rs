//! Access tokens of WebSockets in `Sec-WebSocket-Protocol`, and the origins whose pages may send them.

use std::time::SystemTime;

use actix_resource_server::metrics::RejectionReason;
use actix_resource_server::sender::TargetUriSource;
use actix_resource_server::test_kit::shared;
use actix_resource_server::{
    Algorithm, Api, AuthenticatedUser, Caller, MaybeUser, Scoped, Verifier, get,
};
use actix_web::http::header::{
    CONNECTION, HOST, HeaderMap, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, HttpMessage, HttpRequest, HttpResponse, web};
use data_encoding::BASE64URL_NOPAD;

use crate::app::{self, Answer, ReadMessages, bearer, read, trusted};

async fn socket(_: AuthenticatedUser, request: HttpRequest, body: web::Payload) -> HttpResponse {
    upgrade(&request, body, &[])
}

/// Tells what the handler sees instead of upgrading.
async fn seen(_: MaybeUser, request: HttpRequest) -> String {
    let extensions = request.extensions();
    let subject = extensions
        .get::<Caller>()
        .and_then(|caller| caller.subject());
    let offered = request.headers().get(SEC_WEBSOCKET_PROTOCOL);
    let offered = offered.map(|offered| offered.to_str().expect("text"));
    format!("{subject:?} {offered:?}")
}

async fn own(_: AuthenticatedUser, request: HttpRequest, body: web::Payload) -> HttpResponse {
    upgrade(&request, body, &["own.v1"])
}

/// Repeats everything that it can.
async fn careless(
    user: AuthenticatedUser,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    let mut response = upgrade(&request, body, &[]);
    let token = request.headers().get("authorization").expect("a token");
    let token = token.to_str().expect("text").replace("Bearer ", "");
    let repeated = format!("bearer, {token}").parse().expect("a header value");
    response
        .headers_mut()
        .insert(SEC_WEBSOCKET_PROTOCOL, repeated);
    drop(user);
    response
}

async fn scoped(_: Scoped<ReadMessages>) -> &'static str {
    "scoped"
}

fn upgrade(request: &HttpRequest, body: web::Payload, protocols: &[&str]) -> HttpResponse {
    let handled = actix_ws::handle_with_protocols(request, body, protocols);
    handled.map_or_else(HttpResponse::from_error, |(response, _, _)| response)
}

fn api() -> Api {
    let chat = ["chat.v2", "chat.v1"];
    Api::new("/api")
        .route("/socket", get(socket).websocket_token())
        .route(
            "/chat",
            get(socket).websocket_token().websocket_protocols(&chat),
        )
        .route("/own", get(own).websocket_token())
        .route("/careless", get(careless).websocket_token())
        .route("/seen", get(seen).websocket_token())
        .route("/scoped", get(scoped).websocket_token())
        .route("/plain", get(seen))
        .allowed_origins(["https://app.example", "https://*.apps.example"])
}

fn opening(path: &str) -> TestRequest {
    TestRequest::get()
        .uri(path)
        .insert_header((HOST, "api.test"))
        .insert_header((CONNECTION, "Upgrade"))
        .insert_header((UPGRADE, "websocket"))
        .insert_header((SEC_WEBSOCKET_VERSION, "13"))
        .insert_header((SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="))
}

fn offering(path: &str, protocols: &str) -> TestRequest {
    opening(path).append_header((SEC_WEBSOCKET_PROTOCOL, protocols))
}

fn encoded(token: &str) -> String {
    let token = BASE64URL_NOPAD.encode(token.as_bytes());
    format!("base64url.bearer.authorization.k8s.io.{token}")
}

fn selected(headers: &HeaderMap) -> Option<&str> {
    let mut selected = headers.get_all(SEC_WEBSOCKET_PROTOCOL);
    let first = selected.next();
    assert!(selected.next().is_none());
    first.map(|protocol| protocol.to_str().expect("text"))
}

/// An app with the table.
macro_rules! serve {
    ($verifier:expr) => {
        init_service(App::new().service(api().verified_by($verifier.clone()))).await
    };
}

macro_rules! send {
    ($app:expr, $request:expr) => {
        call_service(&$app, $request.to_request()).await
    };
}

#[actix_web::test]
async fn the_token_may_follow_bearer_or_be_encoded() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = serve!(verifier);
    let token = issuer.token().build();
    let k8s = encoded(&token);
    for (path, protocols, expected) in [
        ("/api/socket", format!("bearer, {token}"), Some("bearer")),
        (
            "/api/socket",
            format!("x, bearer, {token}, y"),
            Some("bearer"),
        ),
        ("/api/socket", format!("{k8s}, bearer"), Some("bearer")),
        ("/api/socket", k8s.clone(), None),
        (
            "/api/chat",
            format!("chat.v1, bearer, {token}"),
            Some("chat.v1"),
        ),
        (
            "/api/chat",
            format!("{k8s}, chat.v1, chat.v2"),
            Some("chat.v1"),
        ),
        (
            "/api/chat",
            format!("other, bearer, {token}"),
            Some("bearer"),
        ),
        (
            "/api/own",
            format!("bearer, {token}, own.v1"),
            Some("own.v1"),
        ),
        ("/api/own", format!("bearer, {token}"), Some("bearer")),
        ("/api/careless", format!("bearer, {token}"), Some("bearer")),
        ("/api/careless", format!("{k8s}, x"), None),
    ] {
        let response = send!(app, offering(path, &protocols));
        assert_eq!(response.status(), 101, "{path} {protocols}");
        assert_eq!(selected(response.headers()), expected, "{path} {protocols}");
    }
    // The lines of a header are one list.
    let lines = offering("/api/socket", "x, bearer").append_header((SEC_WEBSOCKET_PROTOCOL, token));
    assert_eq!(send!(app, lines).status(), 101);
}

#[actix_web::test]
async fn a_token_in_authorization_selects_what_the_application_has() {
    let issuer = app::issuer();
    let app = serve!(app::warm_verifier(&issuer).await);
    let token = issuer.token().build();
    for (protocols, expected) in [
        (None, None),
        (Some("chat.v1"), Some("chat.v1")),
        (Some("x"), None),
    ] {
        let mut request = opening("/api/chat").insert_header(bearer(&token));
        if let Some(protocols) = protocols {
            request = request.insert_header((SEC_WEBSOCKET_PROTOCOL, protocols));
        }
        let response = send!(app, request);
        assert_eq!(response.status(), 101);
        assert_eq!(selected(response.headers()), expected, "{protocols:?}");
    }
}

#[actix_web::test]
async fn the_handler_sees_the_other_subprotocols_alone() {
    let issuer = app::issuer();
    let app = serve!(app::warm_verifier(&issuer).await);
    let protocols = format!("x, bearer, {}, y", issuer.token().build());
    let answer = read(send!(app, offering("/api/seen", &protocols))).await;
    assert_eq!(answer, Answer::text(r#"Some("user-1") Some("x, y")"#));
    let protocols = format!("bearer, {}", issuer.token().build());
    let answer = read(send!(app, offering("/api/seen", &protocols))).await;
    assert_eq!(answer, Answer::text(r#"Some("user-1") None"#));
}

#[actix_web::test]
async fn it_is_read_only_where_it_is_declared_and_for_a_websocket() {
    let issuer = app::issuer();
    let app = serve!(app::warm_verifier(&issuer).await);
    let protocols = format!("bearer, {}", issuer.token().build());
    let ignored = Answer::text(&format!("None Some({protocols:?})"));
    let requests = [
        offering("/api/plain", &protocols),
        offering("/api/seen", &protocols).insert_header((UPGRADE, "h2c")),
        offering("/api/seen", &protocols).insert_header((CONNECTION, "keep-alive")),
    ];
    for request in requests {
        assert_eq!(read(send!(app, request)).await, ignored);
    }
}

#[actix_web::test]
async fn rejections_come_before_the_upgrade() {
    let issuer = app::issuer();
    let app = serve!(app::warm_verifier(&issuer).await);
    let token = issuer.token().build();
    let expired = issuer.token().expires_at(SystemTime::UNIX_EPOCH).build();
    let bound = issuer
        .token()
        .bound_to_key(&shared(Algorithm::Es256))
        .build();
    let unusable = "In Sec-WebSocket-Protocol, bearer must be followed by one access token.";
    let unusable = || Answer {
        challenge: Answer::no_credentials().challenge,
        ..Answer::problem(401, "Unauthorized", unusable)
    };
    let several = || {
        let detail = "More than one access token was sent.";
        let challenge =
            format!(r#"Bearer realm="api", error="invalid_request", error_description="{detail}""#);
        Answer {
            challenge: Some(challenge),
            ..Answer::problem(400, "Bad Request", detail)
        }
    };
    let with = |protocols: &str| offering("/api/socket", protocols);
    for (request, expected) in [
        (opening("/api/socket"), Answer::no_credentials()),
        (with("chat.v1"), Answer::no_credentials()),
        (with("bearer"), unusable()),
        (with("bearer, a;b"), unusable()),
        (with("base64url.bearer.authorization.k8s.io.x"), unusable()),
        (
            with(&format!("bearer, {token}, bearer, {token}")),
            several(),
        ),
        (
            with(&format!("bearer, {token}, {}", encoded(&token))),
            several(),
        ),
        (
            with(&format!("bearer, {token}")).insert_header(bearer(&token)),
            several(),
        ),
        (
            offering("/api/socket?access_token=a", &format!("bearer, {token}")),
            several(),
        ),
        (
            with(&format!("bearer, {expired}")),
            Answer::invalid_token("The token has expired."),
        ),
        (
            with("bearer, abc"),
            Answer::invalid_token("The token is not a signed JWT."),
        ),
        (
            with(&format!("bearer, {bound}")),
            Answer::invalid_token("The token is bound to its sender and is not a bearer token."),
        ),
        (
            offering("/api/scoped", &format!("bearer, {token}")),
            Answer::insufficient_scope(&[&["read:messages"]]),
        ),
    ] {
        let response = send!(app, request);
        assert_eq!(selected(response.headers()), None);
        assert_eq!(read(response).await, expected);
    }
}

const OTHER_ORIGIN: &str = "Pages of this origin may not open this route.";

async fn from_origin(verifier: &Verifier, token: &str, host: &str, origin: &str) -> Answer {
    let app = serve!(verifier);
    let request = offering("/api/seen", &format!("bearer, {token}"));
    let request = request
        .insert_header((HOST, host))
        .insert_header((ORIGIN, origin));
    read(send!(app, request)).await
}

#[actix_web::test]
async fn only_pages_of_allowed_origins_open_a_websocket() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let token = issuer.token().build();
    let foreign = Answer::problem(403, "Forbidden", OTHER_ORIGIN);
    let seen = Answer::text(r#"Some("user-1") None"#);
    for (origin, is_allowed) in [
        ("https://app.example", true),
        ("https://a.apps.example", true),
        // The server's own; a proxy may have taken TLS off.
        ("http://api.test", true),
        ("https://api.test", true),
        ("https://evil.example", false),
        ("http://app.example", false),
        ("https://app.example:444", false),
        ("https://app.example.evil.example", false),
        ("https://a.b.apps.example", false),
        ("http://api.test:81", false),
        ("http://api.test.evil.example", false),
        ("null", false),
        ("", false),
    ] {
        let answer = from_origin(&verifier, &token, "api.test", origin).await;
        let expected = if is_allowed { &seen } else { &foreign };
        assert_eq!(answer, *expected, "{origin}");
    }
    let counted = verifier.counters().rejected(RejectionReason::ForeignOrigin);
    assert_eq!(counted, 9);
}

#[actix_web::test]
async fn a_foreign_origin_is_rejected_whatever_it_sends() {
    let issuer = app::issuer();
    let app = serve!(app::warm_verifier(&issuer).await);
    let token = issuer.token().build();
    let foreign = Answer::problem(403, "Forbidden", OTHER_ORIGIN);
    let evil = (ORIGIN, "https://evil.example");
    let requests = [
        opening("/api/socket").insert_header(evil.clone()),
        opening("/api/socket")
            .insert_header(bearer(&token))
            .insert_header(evil.clone()),
        TestRequest::get()
            .uri("/api/socket")
            .insert_header(bearer(&token))
            .insert_header(evil.clone()),
        opening("/api/socket")
            .insert_header(bearer(&token))
            .insert_header((ORIGIN, "https://app.example"))
            .append_header(evil.clone()),
    ];
    for request in requests {
        assert_eq!(read(send!(app, request)).await, foreign);
    }
    let plain = TestRequest::get()
        .uri("/api/plain")
        .insert_header(evil.clone());
    assert_eq!(read(send!(app, plain)).await.status, 200);
}

#[actix_web::test]
async fn a_configured_public_url_is_the_servers_own_origin() {
    let issuer = app::issuer();
    let source = TargetUriSource::public_url("https://api.example/v1").expect("a URL");
    let trusted = trusted(&issuer).build().expect("an issuer");
    let verifier = Verifier::builder()
        .target_uri(source)
        .start([trusted])
        .expect("a verifier");
    app::warm(&verifier, &issuer).await;
    let token = issuer.token().build();
    for (origin, status) in [
        ("https://api.example", 200),
        ("http://api.example", 403),
        // What the client calls the server does not count.
        ("http://api.test", 403),
    ] {
        let answer = from_origin(&verifier, &token, "api.test", origin).await;
        assert_eq!(answer.status, status, "{origin}");
    }
}

#[actix_web::test]
async fn the_table_says_which_routes_take_it() {
    let api = api();
    let takes = api
        .routes()
        .map(|route| (route.path.clone(), route.takes_websocket_token));
    let takes: Vec<_> = takes
        .filter(|(path, _)| path.ends_with("/seen") || path.ends_with("/plain"))
        .collect();
    assert_eq!(
        takes,
        [
            ("/api/seen".to_owned(), true),
            ("/api/plain".to_owned(), false)
        ]
    );
}

#[test]
#[should_panic(expected = "an allowed origin must be such as https://app.example")]
fn a_text_that_is_no_origin_is_not_allowed() {
    drop(Api::new("/api").allowed_origins(["app.example"]));
}
