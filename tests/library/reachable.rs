//! Every row of every table is served, in any order of registration, or is found by `verify_reachable`.

use actix_resource_server::{
    Api, AuthenticatedUser, ProtectedRoute, Public, delete, get, post, put,
};
use actix_web::dev::Service;
use actix_web::http::Method;
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, HttpRequest, HttpResponse, web};

use crate::app::{self, Answer, ask};

async fn one(_: Public) -> &'static str {
    "one"
}

async fn other(_: Public) -> &'static str {
    "other"
}

async fn by_id(_: Public, path: web::Path<String>) -> String {
    format!("id {path}")
}

async fn pattern(_: Public, request: HttpRequest) -> String {
    request.match_pattern().unwrap_or_default()
}

async fn never(_: Public) -> &'static str {
    panic!("a probe runs no handler");
}

/// The texts of the responses to these requests, or the status of errors.
macro_rules! answers {
    ($app:expr, $($method:ident $path:expr),+ $(,)?) => {
        [$({
            let request = TestRequest::default().method(Method::$method).uri($path);
            let answer = ask!($app, request);
            match answer.body {
                app::Body::Text(text) if answer.status == 200 => text,
                _ => answer.status.to_string(),
            }
        }),+]
    };
}

#[actix_web::test]
async fn tables_with_one_prefix_are_served_in_any_order() {
    let verifier = app::verifier(&app::issuer());
    let first = || {
        Api::new("/api")
            .route("/one", get(one))
            .verified_by(verifier.clone())
    };
    let second = || {
        let table = Api::new("/api").route("/other", get(other));
        table
            .route("/one", post(other))
            .verified_by(verifier.clone())
    };
    let expected = ["one", "other", "other", "405", "404"];
    let app = init_service(App::new().service(first()).service(second())).await;
    let requests = answers!(app, GET "/api/one", GET "/api/other", POST "/api/one", PUT "/api/one", GET "/api/no");
    assert_eq!(requests, expected);
    let app = init_service(App::new().service(second()).service(first())).await;
    let requests = answers!(app, GET "/api/one", GET "/api/other", POST "/api/one", PUT "/api/one", GET "/api/no");
    assert_eq!(requests, expected);
    let refused = ask!(app, TestRequest::put().uri("/api/one"));
    assert_eq!(refused, Answer::method_not_allowed("POST, GET, HEAD"));
    let unknown = ask!(app, TestRequest::get().uri("/api/no"));
    assert_eq!(unknown, Answer::not_found());
}

#[actix_web::test]
async fn tables_with_nested_prefixes_are_served_in_any_order() {
    let verifier = app::verifier(&app::issuer());
    let tables = [
        ("/item", ""),
        ("/item/{id}", ""),
        ("/item/{id}/parts", "/{part}"),
        ("/item", "/new"),
        ("", "/item/{id}/parts/all"),
    ];
    for order in [
        [0, 1, 2, 3, 4],
        [4, 3, 2, 1, 0],
        [1, 0, 3, 2, 4],
        [2, 4, 1, 3, 0],
    ] {
        let mut app = App::new();
        for (prefix, path) in order.map(|number| tables[number]) {
            let table = Api::new(prefix).route(path, get(pattern));
            app = app.service(table.verified_by(verifier.clone()));
        }
        let app = init_service(app).await;
        let served = answers!(app, GET "/item", GET "/item/7", GET "/item/7/parts/8",
            GET "/item/new", GET "/item/7/parts/all", DELETE "/item/7", GET "/item/7/no");
        let expected = [
            "/item",
            "/item/{id}",
            "/item/{id}/parts/{part}",
            "/item/new",
            "/item/{id}/parts/all",
            "405",
            "404",
        ];
        assert_eq!(served, expected, "{order:?}");
    }
}

#[actix_web::test]
async fn a_protected_resource_below_the_prefix_of_a_table_is_served_in_any_order() {
    let issuer = app::issuer();
    let verifier = app::verifier(&issuer);
    let table = || {
        Api::new("/api")
            .route("/one", get(one))
            .verified_by(verifier.clone())
    };
    let before = App::new().route("/api/own", web::get().protected(other));
    let app = init_service(before.service(table())).await;
    assert_eq!(
        answers!(app, GET "/api/own", GET "/api/one"),
        ["other", "one"]
    );
    let after = App::new().service(table());
    let app = init_service(after.route("/api/own", web::get().protected(other))).await;
    let served = answers!(app, GET "/api/own", GET "/api/one", PUT "/api/one", GET "/api/no");
    assert_eq!(served, ["other", "one", "405", "404"]);
}

#[actix_web::test]
async fn tables_in_a_scope_are_served_in_any_order() {
    let verifier = app::verifier(&app::issuer());
    let first = || {
        Api::new("/api")
            .route("/one", get(one))
            .verified_by(verifier.clone())
    };
    let second = || {
        let table = Api::new("/api")
            .route("/{id}", get(by_id))
            .route("/one", put(other));
        table.verified_by(verifier.clone())
    };
    let scopes = [
        web::scope("/v1").service(first()).service(second()),
        web::scope("/v1").service(second()).service(first()),
    ];
    for scope in scopes {
        let app = init_service(App::new().service(scope)).await;
        let served = answers!(app, GET "/v1/api/one", GET "/v1/api/7", PUT "/v1/api/one",
            DELETE "/v1/api/7", GET "/v1/api/7/8", GET "/api/one");
        assert_eq!(served, ["one", "id 7", "other", "405", "404", "404"]);
        let refused = ask!(app, TestRequest::delete().uri("/v1/api/7"));
        assert_eq!(refused, Answer::method_not_allowed("GET, HEAD"));
    }
}

#[actix_web::test]
async fn allow_lists_the_methods_of_the_path_that_matched() {
    let verifier = app::verifier(&app::issuer());
    let table = Api::new("/api")
        .route(r"/{year:\d{4}}", get(by_id))
        .route("/{id}", put(by_id))
        .route("/new", post(one));
    let more = Api::new("/api").route("/{name}", delete(by_id));
    let app = App::new().service(table.verified_by(verifier.clone()));
    let app = init_service(app.service(more.verified_by(verifier))).await;
    for (path, allow) in [
        ("/api/2024", "GET, HEAD, PUT, DELETE"),
        ("/api/x", "PUT, DELETE"),
        ("/api/new", "PUT, POST, DELETE"),
    ] {
        let answer = ask!(app, TestRequest::patch().uri(path));
        assert_eq!(answer, Answer::method_not_allowed(allow), "{path}");
    }
}

#[actix_web::test]
async fn a_path_without_parameters_precedes_those_with_them() {
    let verifier = app::verifier(&app::issuer());
    let table = Api::new("/item")
        .route("/{id}", get(by_id))
        .route("/new", get(one));
    let app = init_service(App::new().service(table.verified_by(verifier))).await;
    assert_eq!(
        answers!(app, GET "/item/7", GET "/item/new"),
        ["id 7", "one"]
    );
}

#[test]
fn paths_are_absolute() {
    let table = Api::new("api").route("one", get(one)).route("", post(one));
    let paths: Vec<_> = table.routes().map(|row| row.path).collect();
    assert_eq!(paths, ["/api/one", "/api"]);
    let mounted = Api::new("").route("", get(one)).mounted_at("v1/");
    let paths: Vec<_> = mounted.routes().map(|row| row.path).collect();
    assert_eq!(paths, ["/v1/"]);
}

#[test]
#[should_panic(expected = "GET /api/{name} is declared twice: at tests/library/reachable.rs:")]
fn a_method_and_path_cannot_be_declared_twice() {
    drop(
        Api::new("/api")
            .route("/{id}", get(by_id))
            .route("/{name}", get(by_id)),
    );
}

/// The rows of the table that the app hides.
async fn hidden<S: Service<actix_http::Request>>(table: Api, app: &S) -> Vec<String> {
    match table.verify_reachable(app).await {
        Ok(()) => Vec::new(),
        Err(error) => error.routes().map(str::to_owned).collect(),
    }
}

#[actix_web::test]
async fn rows_that_another_service_hides_are_found() {
    let verifier = app::verifier(&app::issuer());
    let table = || {
        Api::new("/api")
            .route("/one", get(never))
            .route("/{id}", post(never))
            .route(r"/{year:\d{4}}/{lang:[a-z]{2}}", get(never))
    };
    let served = || table().verified_by(verifier.clone());
    let app = init_service(App::new().service(served())).await;
    assert!(hidden(table(), &app).await.is_empty());
    // The handler runs for other requests than those of the check.
    let refused = ask!(app, TestRequest::put().uri("/api/one"));
    assert_eq!(refused, Answer::method_not_allowed("GET, HEAD, POST"));

    let all = [
        "GET /api/one",
        "POST /api/{id}",
        r"GET /api/{year:\d{4}}/{lang:[a-z]{2}}",
    ];
    let scope = App::new().service(web::scope("/api"));
    let app = init_service(scope.service(served())).await;
    assert_eq!(hidden(table(), &app).await, all);
    let error = table()
        .verify_reachable(&app)
        .await
        .unwrap_err()
        .to_string();
    let lines: Vec<_> = error.lines().collect();
    assert!(lines[0].starts_with("GET /api/one, declared at tests/library/reachable.rs:"));
    assert!(lines[0].ends_with("a service that is registered before its table has this path"));

    let resource = App::new().route("/api/one", web::get().to(HttpResponse::Ok));
    let app = init_service(resource.service(served())).await;
    assert_eq!(hidden(table(), &app).await, ["GET /api/one"]);

    let without = init_service(App::new()).await;
    assert_eq!(hidden(table(), &without).await, all);
}

#[actix_web::test]
async fn a_duplicate_in_another_table_is_found_with_both_places() {
    let verifier = app::verifier(&app::issuer());
    let first = || Api::new("/api").route("/{id}", get(never));
    let second = || Api::new("").route("/api/{name}", get(never));
    let app = App::new().service(first().verified_by(verifier.clone()));
    let app = init_service(app.service(second().verified_by(verifier))).await;
    assert!(hidden(first(), &app).await.is_empty());
    let error = second()
        .verify_reachable(&app)
        .await
        .unwrap_err()
        .to_string();
    let (declared, instead) = error.split_once(" is not reached: ").expect("two places");
    assert!(declared.starts_with("GET /api/{name}, declared at tests/library/reachable.rs:"));
    assert!(instead.starts_with("the route declared at tests/library/reachable.rs:"));
}

#[actix_web::test]
async fn a_table_in_a_scope_is_found_where_it_is_mounted() {
    let verifier = app::verifier(&app::issuer());
    let table = || Api::new("/api").route("/one", get(one));
    let scope = web::scope("/v1").service(table().verified_by(verifier));
    let app = init_service(App::new().service(scope)).await;
    assert!(hidden(table().mounted_at("/v1"), &app).await.is_empty());
    assert_eq!(hidden(table(), &app).await, ["GET /api/one"]);
}

#[actix_web::test]
async fn the_verifier_of_each_table_verifies_its_own_rows() {
    async fn subject(user: AuthenticatedUser) -> String {
        user.subject().unwrap_or_default().to_owned()
    }
    let (trusted, foreign) = (app::issuer(), app::issuer());
    let own = Api::new("/api").route("/own", get(subject));
    let other = Api::new("/api").route("/other", get(subject));
    let app = App::new().service(own.verified_by(app::warm_verifier(&trusted).await));
    let app = app.service(other.verified_by(app::warm_verifier(&foreign).await));
    let app = init_service(app).await;
    let token = trusted.token().build();
    for (path, status) in [("/api/own", 200), ("/api/other", 401)] {
        let request = TestRequest::get()
            .uri(path)
            .insert_header(app::bearer(&token));
        assert_eq!(ask!(app, request).status, status, "{path}");
    }
}
