//! `Api` serves the routes that it lists.

use actix_resource_server::{
    AnyOf, Api, AuthenticatedUser, MaybeUser, Public, RouteInfo, Scoped, delete, get, patch, post,
    put,
};
use actix_web::http::Method;
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, HttpResponse, web};

use crate::app::{self, Admin, Answer, ReadMessages, WriteMessages, ask, bearer};

async fn public(_: Public) -> &'static str {
    "public"
}

async fn greeting(_: MaybeUser) -> &'static str {
    "greeting"
}

async fn list(_: Scoped<ReadMessages>) -> &'static str {
    "list"
}

async fn create(_: Scoped<(ReadMessages, WriteMessages)>) -> HttpResponse {
    HttpResponse::Created().body("create")
}

async fn replace(_: AuthenticatedUser, path: web::Path<u32>) -> String {
    format!("replace {path}")
}

async fn change(_: AuthenticatedUser, path: web::Path<(u32, String)>) -> String {
    let (message, part) = path.into_inner();
    format!("change {part} of {message}")
}

async fn remove(_: Scoped<AnyOf<(Admin, (ReadMessages, WriteMessages))>>) -> &'static str {
    "remove"
}

fn api(prefix: &str) -> Api {
    Api::new(prefix)
        .route("/public", get(public))
        .route("/greeting", get(greeting).summary("a word of welcome"))
        .route("/messages", get(list))
        .route("/messages", post(create))
        .route("/messages/{id}", put(replace))
        .route("/messages", delete(remove))
        .route("/messages/{id}/{part}", patch(change))
}

#[test]
fn each_route_lists_method_path_requirement_and_handler() {
    let table = api("/api");
    let describe = |row: RouteInfo<'_>| {
        let handler = row.handler.strip_prefix("library::table::");
        let handler = handler.expect("the handler's whole name");
        format!(
            "{} {} ({handler}): {}",
            row.method, row.path, row.requirement
        )
    };
    let rows: Vec<_> = table.routes().map(describe).collect();
    let expected = [
        "GET /api/public (public): everyone",
        "GET /api/greeting (greeting): everyone, or a token",
        "GET /api/messages (list): a token with read:messages",
        "POST /api/messages (create): a token with read:messages and write:messages",
        "PUT /api/messages/{id} (replace): a token",
        "DELETE /api/messages (remove): a token with admin, or read:messages and write:messages",
        "PATCH /api/messages/{id}/{part} (change): a token",
    ];
    assert_eq!(rows, expected);
    let summaries: Vec<_> = table.routes().filter_map(|row| row.summary).collect();
    assert_eq!(summaries, ["a word of welcome"]);
}

#[test]
fn a_prefix_may_have_a_trailing_slash() {
    for (prefix, path) in [
        ("", "/public"),
        ("/", "/public"),
        ("/a", "/a/public"),
        ("/a/", "/a/public"),
    ] {
        assert_eq!(
            api(prefix).routes().next().map(|row| row.path).as_deref(),
            Some(path),
            "{prefix}"
        );
    }
}

#[actix_web::test]
async fn every_route_is_served_under_any_prefix() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let token = issuer.token().scope("read:messages write:messages").build();
    for prefix in ["", "/", "/api", "/api/", "/api/v1"] {
        let table = api(prefix).verified_by(verifier.clone());
        let app = init_service(App::new().service(table)).await;
        let mut served = Vec::new();
        for row in api(prefix).routes() {
            let path = row.path.replace("{id}", "7").replace("{part}", "title");
            let request = TestRequest::default().method(row.method.clone()).uri(&path);
            let answer = ask!(app, request.insert_header(bearer(&token)));
            served.push((answer.status, answer.body));
        }
        let text = |text: &str| app::Body::Text(text.to_owned());
        let expected = [
            (200, text("public")),
            (200, text("greeting")),
            (200, text("list")),
            (201, text("create")),
            (200, text("replace 7")),
            (200, text("remove")),
            (200, text("change title of 7")),
        ];
        assert_eq!(served, expected, "{prefix}");
    }
}

#[actix_web::test]
async fn every_route_that_requires_a_token_rejects_requests_without_one() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api("/api").verified_by(verifier))).await;
    for row in api("/api").routes() {
        let path = row.path.replace("{id}", "7").replace("{part}", "title");
        let request = TestRequest::default().method(row.method.clone()).uri(&path);
        let answer = ask!(app, request);
        match row.requirement.to_string().starts_with("a token") {
            true => assert_eq!(answer, Answer::no_credentials(), "{row:?}"),
            false => assert_eq!(answer.status, 200, "{row:?}"),
        }
    }
}

#[actix_web::test]
async fn head_has_the_requirement_of_get() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api("/api").verified_by(verifier))).await;
    let head = |path: &str| TestRequest::default().method(Method::HEAD).uri(path);
    assert_eq!(ask!(app, head("/api/public")).status, 200);
    assert_eq!(ask!(app, head("/api/messages")), Answer::no_credentials());
    let token = issuer.token();
    let without = head("/api/messages").insert_header(bearer(&token.clone().build()));
    assert_eq!(
        ask!(app, without),
        Answer::insufficient_scope(&[&["read:messages"]])
    );
    let with = bearer(&token.scope("read:messages").build());
    assert_eq!(
        ask!(app, head("/api/messages").insert_header(with)).status,
        200
    );
    assert_eq!(
        ask!(app, head("/api/messages/7")),
        Answer::method_not_allowed("PUT")
    );
}

#[actix_web::test]
async fn another_method_is_405_with_the_methods_of_the_path() {
    let issuer = app::issuer();
    for prefix in ["/api", ""] {
        let table = api(prefix).verified_by(app::verifier(&issuer));
        let app = init_service(App::new().service(table)).await;
        let made_up = Method::from_bytes(b"BREW").expect("a method's grammar");
        let cases = [
            (Method::POST, "/public", "GET, HEAD"),
            (Method::TRACE, "/public", "GET, HEAD"),
            (Method::OPTIONS, "/public", "GET, HEAD"),
            (made_up, "/public", "GET, HEAD"),
            (Method::POST, "/%70ublic", "GET, HEAD"),
            (Method::PUT, "/messages", "GET, HEAD, POST, DELETE"),
            (Method::PATCH, "/messages", "GET, HEAD, POST, DELETE"),
            (Method::GET, "/messages/7", "PUT"),
            (Method::DELETE, "/messages/7/title", "PATCH"),
        ];
        for (method, path, allow) in cases {
            let path = format!("{prefix}{path}");
            let answer = ask!(
                app,
                TestRequest::default().method(method.clone()).uri(&path)
            );
            assert_eq!(answer, Answer::method_not_allowed(allow), "{method} {path}");
        }
    }
}

#[actix_web::test]
async fn no_method_is_listed_twice() {
    let issuer = app::issuer();
    let table = Api::new("/api")
        .route("/public", get(public))
        .route("/public", post(public));
    let table = table
        .route("/{name}", get(greeting))
        .verified_by(app::verifier(&issuer));
    let app = init_service(App::new().service(table)).await;
    let answer = ask!(app, TestRequest::delete().uri("/api/public"));
    assert_eq!(answer, Answer::method_not_allowed("GET, HEAD, POST"));
}

#[actix_web::test]
async fn methods_of_a_path_with_another_expression_are_not_allowed() {
    let issuer = app::issuer();
    let table = Api::new("/api")
        .route(r"/{year:\d{4}}", get(public))
        .route(r"/{day:\d{2}}", post(public))
        .route(r"/{number:\d{4}}", delete(public))
        .verified_by(app::verifier(&issuer));
    let app = init_service(App::new().service(table)).await;
    for (path, allow) in [("/api/2024", "GET, HEAD, DELETE"), ("/api/24", "POST")] {
        let answer = ask!(app, TestRequest::put().uri(path));
        assert_eq!(answer, Answer::method_not_allowed(allow), "{path}");
    }
}

#[actix_web::test]
async fn an_unknown_path_under_the_prefix_is_404() {
    let issuer = app::issuer();
    let table = api("/api").verified_by(app::verifier(&issuer));
    let app = init_service(App::new().service(table)).await;
    for path in [
        "/api",
        "/api/",
        "/api/nothing",
        "/api/public/",
        "/api/messages/7/a/b",
        "/api/Public",
    ] {
        assert_eq!(
            ask!(app, TestRequest::get().uri(path)),
            Answer::not_found(),
            "{path}"
        );
        assert_eq!(
            ask!(app, TestRequest::post().uri(path)),
            Answer::not_found(),
            "{path}"
        );
    }
    for path in ["/", "/apis", "/apipublic", "/public"] {
        assert_eq!(
            ask!(app, TestRequest::get().uri(path)).status,
            404,
            "{path}"
        );
    }
}
