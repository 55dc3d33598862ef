//! The API with real tokens, and every route without the token that it requires.

use actix_resource_server::test_kit::{DenialMatrix, TestIssuer};
use actix_resource_server::{Algorithm, Issuer, Verifier};
use actix_web::App;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use serde_json::json;

use super::*;

/// The app as the service configures it, for tokens of `issuer`.
fn served(issuer: &TestIssuer) -> impl FnOnce(&mut web::ServiceConfig) {
    let trusted = Issuer::discover(issuer.url()).audience(issuer.audience());
    let verifier = Verifier::start([trusted.build().unwrap()]).unwrap();
    move |app| {
        app.app_data(web::Data::new(GreetingSettings::default()))
            .service(api().verified_by(verifier));
    }
}

#[actix_web::test]
async fn a_token_with_the_scope_reaches_the_handlers() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let app = init_service(App::new().configure(served(&issuer))).await;
    let token = issuer.token().claim("sub", "ann").scope("read:messages");
    let credentials = format!("Bearer {}", token.build());
    let get = async |path: &str| {
        let request = TestRequest::get().uri(path);
        let request = request.insert_header(("Authorization", credentials.clone()));
        let response = call_service(&app, request.to_request()).await;
        (response.status().as_u16(), read_body(response).await)
    };
    assert_eq!(get("/api/greeting").await, (200, "Hello, ann.".into()));
    let (status, body) = get("/api/messages").await;
    let expected = json!([{ "text": "Your token grants read:messages." }]);
    assert_eq!((status, body), (200, expected.to_string().into()));
}

#[actix_web::test]
async fn each_route_rejects_other_tokens() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let app = init_service(App::new().configure(served(&issuer))).await;
    let report = DenialMatrix::new(&issuer)
        .try_app(&api(), async |request| {
            call_service(&app, request.to_request()).await
        })
        .await;
    report.assert_denied();
}
