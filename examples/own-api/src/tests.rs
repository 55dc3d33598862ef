//! The API with real tokens: owners, pages, and every route without the token that it requires.

use actix_resource_server::test_kit::{DenialMatrix, TestIssuer};
use actix_resource_server::{Algorithm, Issuer, Verifier};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, web};
use serde_json::{Value, json};

use super::*;

/// The app as the service configures it, for tokens of `issuer`.
fn served(issuer: &TestIssuer) -> impl FnOnce(&mut web::ServiceConfig) {
    let trusted = Issuer::discover(issuer.url()).audience(issuer.audience());
    let verifier = Verifier::start([trusted.build().unwrap()]).unwrap();
    let settings = TodoSettings {
        page_size: 2,
        ..TodoSettings::default()
    };
    let database = Database::open(&settings.database).unwrap();
    move |app| {
        app.app_data(web::Data::new(database))
            .app_data(web::Data::new(settings))
            .service(api().verified_by(verifier));
    }
}

#[actix_web::test]
async fn a_todo_is_its_owners() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let app = init_service(App::new().configure(served(&issuer))).await;
    let call = async |subject: &str, request: TestRequest| {
        let token = issuer.token().claim("sub", subject);
        let token = token.scope("read:todos write:todos").build();
        let request = request.insert_header(("Authorization", format!("Bearer {token}")));
        let response = call_service(&app, request.to_request()).await;
        let status = response.status().as_u16();
        let body = read_body(response).await;
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    };
    let add = |text: &str| {
        let todo = json!({ "text": text });
        TestRequest::post().uri("/api/todos").set_json(todo)
    };
    let weed = json!({ "id": 1, "text": "weed", "done": false });
    assert_eq!(call("ann", add("weed")).await, (201, weed.clone()));
    assert_eq!(call("ann", add("water")).await.0, 201);
    assert_eq!(call("ann", add("harvest")).await.0, 201);

    let get = |uri: &str| TestRequest::get().uri(uri);
    let (_, page) = call("ann", get("/api/todos")).await;
    assert_eq!(page.as_array().map(Vec::len), Some(2));
    let (_, page) = call("ann", get("/api/todos?after=2")).await;
    assert_eq!(page, json!([{ "id": 3, "text": "harvest", "done": false }]));
    assert_eq!(call("ben", get("/api/todos")).await, (200, json!([])));

    assert_eq!(call("ann", get("/api/todos/1")).await, (200, weed));
    assert_eq!(call("ben", get("/api/todos/1")).await.0, 404);

    let done = || {
        let todo = json!({ "text": "weed", "done": true });
        TestRequest::put().uri("/api/todos/1").set_json(todo)
    };
    assert_eq!(call("ben", done()).await.0, 404);
    assert_eq!(call("ann", done()).await.0, 204);
    assert_eq!(call("ann", get("/api/todos/1")).await.1["done"], true);

    let remove = || TestRequest::delete().uri("/api/todos/1");
    assert_eq!(call("ben", remove()).await.0, 404);
    assert_eq!(call("ann", remove()).await.0, 204);
    assert_eq!(call("ann", get("/api/todos/1")).await.0, 404);
    let (_, status) = call("ann", get("/api/status")).await;
    assert_eq!(status, json!({ "todos": 2 }));
}

#[actix_web::test]
async fn a_token_without_a_subject_owns_nothing() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let app = init_service(App::new().configure(served(&issuer))).await;
    let token = issuer.token().without("sub").scope("read:todos").build();
    let request = TestRequest::get()
        .uri("/api/todos")
        .insert_header(("Authorization", format!("Bearer {token}")));
    assert_eq!(call_service(&app, request.to_request()).await.status(), 401);
}

#[actix_web::test]
async fn each_route_rejects_what_it_must_reject() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let app = init_service(App::new().configure(served(&issuer))).await;
    let report = DenialMatrix::new(&issuer)
        .try_app(&api(), async |request| {
            call_service(&app, request.to_request()).await
        })
        .await;
    report.assert_denied();
}
