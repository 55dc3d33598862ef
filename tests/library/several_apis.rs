//! Several APIs and overlapping paths in one app do not interfere.

use actix_resource_server::{Api, AuthenticatedUser, Public, get, post};
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, web};

use crate::app::{self, Answer, ask, get_with};

async fn public(_: Public) -> &'static str {
    "public"
}

fn api(prefix: &str) -> Api {
    Api::new(prefix).route("/public", get(public))
}

#[actix_web::test]
async fn an_api_without_a_prefix_leaves_other_paths_to_the_app() {
    let issuer = app::issuer();
    let table = api("").verified_by(app::verifier(&issuer));
    let app = App::new()
        .service(table)
        .route("/other", web::get().to(async || "other"));
    let app = init_service(app).await;
    assert_eq!(
        ask!(app, TestRequest::get().uri("/other")),
        Answer::text("other")
    );
    assert_eq!(ask!(app, TestRequest::get().uri("/nothing")).status, 404);
}

#[actix_web::test]
async fn a_path_parameter_may_be_named_differently_by_each_method() {
    async fn read(_: Public, path: web::Path<String>) -> String {
        format!("read {path}")
    }
    async fn write(_: Public, path: web::Path<String>) -> String {
        format!("write {path}")
    }
    let issuer = app::issuer();
    let table = Api::new("/api")
        .route("/{id}", get(read))
        .route("/{name}", post(write));
    let app = init_service(App::new().service(table.verified_by(app::verifier(&issuer)))).await;
    assert_eq!(
        ask!(app, TestRequest::get().uri("/api/7")),
        Answer::text("read 7")
    );
    assert_eq!(
        ask!(app, TestRequest::post().uri("/api/7")),
        Answer::text("write 7")
    );
    let answer = ask!(app, TestRequest::put().uri("/api/7"));
    assert_eq!(answer, Answer::method_not_allowed("GET, HEAD, POST"));
}

/// A path with a parameter must not hide the methods of a literal path beside it.
#[actix_web::test]
async fn overlapping_paths_do_not_hide_each_others_methods() {
    async fn read(_: Public, path: web::Path<String>) -> String {
        format!("read {path}")
    }
    async fn search(_: Public) -> &'static str {
        "search"
    }
    let issuer = app::issuer();
    let table = Api::new("/api")
        .route("/{id}", get(read))
        .route("/search", post(search));
    let app = init_service(App::new().service(table.verified_by(app::verifier(&issuer)))).await;
    assert_eq!(
        ask!(app, TestRequest::get().uri("/api/7")),
        Answer::text("read 7")
    );
    assert_eq!(
        ask!(app, TestRequest::post().uri("/api/search")),
        Answer::text("search")
    );
}

#[actix_web::test]
async fn two_apis_have_separate_verifiers() {
    async fn subject(user: AuthenticatedUser) -> String {
        user.subject().unwrap_or_default().to_owned()
    }
    let (one, other) = (app::issuer(), app::issuer());
    let table = |prefix| Api::new(prefix).route("/subject", get(subject));
    for (first, second) in [("/one", "/other"), ("/one", "")] {
        let first_table = table(first).verified_by(app::warm_verifier(&one).await);
        let second_table = table(second).verified_by(app::warm_verifier(&other).await);
        let app = init_service(App::new().service(first_table).service(second_table)).await;
        let (first, second) = (format!("{first}/subject"), format!("{second}/subject"));
        assert_eq!(
            get_with!(app, &first, &one.token().build()),
            Answer::text("user-1")
        );
        assert_eq!(
            get_with!(app, &second, &other.token().build()),
            Answer::text("user-1")
        );
        let untrusted =
            Answer::invalid_token("The token is from an issuer that is not trusted here.");
        assert_eq!(get_with!(app, &first, &other.token().build()), untrusted);
        assert_eq!(get_with!(app, &second, &one.token().build()), untrusted);
    }
}

#[actix_web::test]
async fn an_api_may_be_inside_a_scope_of_the_app() {
    let issuer = app::issuer();
    let table = api("/api").verified_by(app::verifier(&issuer));
    let app = init_service(App::new().service(web::scope("/v1").service(table))).await;
    assert_eq!(
        ask!(app, TestRequest::get().uri("/v1/api/public")),
        Answer::text("public")
    );
    assert_eq!(
        ask!(app, TestRequest::get().uri("/v1/api/nothing")),
        Answer::not_found()
    );
    let other = ask!(app, TestRequest::delete().uri("/v1/api/public"));
    assert_eq!(other, Answer::method_not_allowed("GET, HEAD"));
}
