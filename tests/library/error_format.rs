//! Rejections, 404 and 405 in a format of the application, with the headers that clients need.

use actix_resource_server::{
    Api, AuthenticatedUser, Cause, ErrorInfo, Public, Scoped, Verifier, get,
};
use actix_web::body::to_bytes;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::middleware::{Next, from_fn};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, HttpResponse, web};

use crate::app::{self, ReadMessages, bearer};

async fn open(_: Public) -> &'static str {
    "open"
}

async fn private(_: AuthenticatedUser) -> &'static str {
    "private"
}

async fn scoped(_: Scoped<ReadMessages>) -> &'static str {
    "scoped"
}

fn own(error: &ErrorInfo<'_>) -> HttpResponse {
    let scopes = match error.cause {
        Some(Cause::InsufficientScope { alternatives }) => alternatives.concat().join(" "),
        _ => String::new(),
    };
    let code = error.code.unwrap_or("none");
    // The status is that of the error, whatever the format returns.
    HttpResponse::Ok()
        .content_type("text/plain")
        .body(format!("{} {code} {scopes}", error.status.as_u16()))
}

fn api(verifier: Verifier) -> Api<Verifier> {
    let wrapped = get(private).wrap(from_fn(async |request, next: Next<_>| {
        next.call(request).await
    }));
    Api::new("/api")
        .route("/open", get(open))
        .route("/private", get(private))
        .route("/wrapped", wrapped)
        .route("/scoped", get(scoped))
        .error_format(own)
        .verified_by(verifier)
}

async fn text(response: ServiceResponse) -> String {
    let kind = response.headers().get(CONTENT_TYPE).cloned();
    assert_eq!(
        kind.as_ref().and_then(|kind| kind.to_str().ok()),
        Some("text/plain")
    );
    let status = response.status();
    let body = to_bytes(response.into_body()).await.expect("a body");
    let body = String::from_utf8_lossy(&body).into_owned();
    assert!(body.starts_with(status.as_str()), "{status} {body}");
    body
}

#[actix_web::test]
async fn each_error_is_rendered_by_the_application() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api(verifier))).await;
    let valid = issuer.token().build();
    let get = |path: &str| TestRequest::get().uri(path);
    for (request, expected) in [
        (get("/api/private"), "401 none "),
        (
            get("/api/private").insert_header(bearer("a.b.c")),
            "401 invalid_token ",
        ),
        (get("/api/wrapped"), "401 none "),
        (
            get("/api/scoped").insert_header(bearer(&valid)),
            "403 insufficient_scope read:messages",
        ),
        (
            get("/api/open").insert_header(("Host", "a b")),
            "400 invalid_request ",
        ),
    ] {
        let response = call_service(&app, request.to_request()).await;
        assert_eq!(text(response).await, expected);
    }
    let unknown = call_service(&app, get("/api/nothing").to_request()).await;
    assert_eq!(text(unknown).await, "404 none ");
}

#[actix_web::test]
async fn the_headers_are_kept() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let with = |verifier| init_service(App::new().service(api(verifier)));
    let app = with(verifier).await;
    let rejected = TestRequest::get().uri("/api/private").to_request();
    let rejected = call_service(&app, rejected).await;
    let challenge = rejected
        .headers()
        .get(WWW_AUTHENTICATE)
        .expect("a challenge");
    assert!(
        challenge
            .to_str()
            .expect("a text")
            .starts_with("Bearer realm=\"api\"")
    );
    let refused = TestRequest::delete().uri("/api/private").to_request();
    let refused = call_service(&app, refused).await;
    assert_eq!(refused.headers().get(ALLOW).expect("methods"), "GET, HEAD");
    assert_eq!(text(refused).await, "405 none ");

    let unreachable = actix_resource_server::test_kit::TestIssuer::start();
    let (document, fault) = (
        actix_resource_server::test_kit::Document::Discovery,
        actix_resource_server::test_kit::Fault::status(503),
    );
    unreachable.set_fault(document, Some(fault));
    let app = with(app::verifier(&unreachable)).await;
    let request = TestRequest::get().uri("/api/private");
    let request = request.insert_header(bearer(&unreachable.token().build()));
    let unavailable = call_service(&app, request.to_request()).await;
    assert!(unavailable.headers().contains_key(RETRY_AFTER));
    assert_eq!(text(unavailable).await, "503 none ");
}

#[actix_web::test]
async fn other_tables_keep_the_problem_documents() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let other = Api::new("/other").route("/private", get(private));
    let app = App::new().service(api(verifier.clone()));
    let app = app.service(other.verified_by(verifier.clone()));
    let app = app.app_data(web::Data::new(verifier));
    let app = init_service(app).await;
    let request = TestRequest::get().uri("/other/private").to_request();
    let response = call_service(&app, request).await;
    let kind = response.headers().get(CONTENT_TYPE).expect("a type");
    assert_eq!(kind, "application/problem+json");
}
