//! `Public` accepts every request, and ignores credentials.

use actix_resource_server::metrics::RejectionReason;
use actix_resource_server::{Api, ProtectedRoute, Public, get};
use actix_web::http::header::{AUTHORIZATION, HOST};
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, web};

use crate::app::{self, Answer, ask, bearer, get_with};

async fn public(_: Public) -> &'static str {
    "public"
}

#[actix_web::test]
async fn every_request_is_accepted_with_any_credentials() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let api = Api::new("/api").route("/public", get(public));
    let app = init_service(App::new().service(api.verified_by(verifier.clone()))).await;
    let request = || TestRequest::get().uri("/api/public");
    for header in [
        "",
        "Bearer",
        "Bearer invalidToken",
        "Basic dXNlcjpwYXNz",
        "a b c",
    ] {
        let answer = ask!(app, request().insert_header((AUTHORIZATION, header)));
        assert_eq!(answer, Answer::text("public"), "{header:?}");
    }
    let twice = request()
        .append_header(bearer("a"))
        .append_header(bearer("b"));
    assert_eq!(ask!(app, twice), Answer::text("public"));
    let expired = issuer.token().claim("exp", 1).build();
    assert_eq!(
        get_with!(app, "/api/public", &expired),
        Answer::text("public")
    );
    for &reason in RejectionReason::ALL {
        assert_eq!(verifier.counters().rejected(reason), 0, "{reason:?}");
    }
}

#[actix_web::test]
async fn neither_keys_nor_a_verifier_are_needed() {
    let issuer = app::issuer();
    let _gate = app::shut(&issuer);
    let api = Api::new("/api").route("/public", get(public));
    let app = App::new().service(api.verified_by(app::verifier(&issuer)));
    let app = init_service(app.route("/bare", web::get().protected(public))).await;
    let token = issuer.token().build();
    assert_eq!(
        get_with!(app, "/api/public", &token),
        Answer::text("public")
    );
    assert_eq!(get_with!(app, "/bare", &token), Answer::text("public"));
}

#[actix_web::test]
async fn a_malformed_host_is_rejected() {
    let issuer = app::issuer();
    let api = Api::new("/api").route("/public", get(public));
    let app = init_service(App::new().service(api.verified_by(app::verifier(&issuer)))).await;
    let request = TestRequest::get().uri("/api/public");
    let answer = ask!(app, request.insert_header((HOST, "a/b")));
    assert_eq!(answer.status, 400);
}
