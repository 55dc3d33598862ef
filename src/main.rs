//! The quickstart's three routes, served by [`Service`].

use std::process::ExitCode;

use actix_resource_server::utoipa::openapi::License;
use actix_resource_server::utoipa::{self, ToSchema};
use actix_resource_server::{Api, AuthenticatedUser, Public, Scoped, Service, get, scope};
use actix_web::http::header::{CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use actix_web::{HttpResponse, Responder};
use serde::Serialize;

scope!(ReadMessages = "read:messages");

fn main() -> ExitCode {
    Service::new(api)
        .name(env!("CARGO_PKG_NAME"))
        .version(env!("CARGO_PKG_VERSION"))
        .openapi(|document| {
            let mut license = License::new("MIT or Apache 2.0");
            license.identifier = Some(env!("CARGO_PKG_LICENSE").to_owned());
            document.info.license = Some(license);
        })
        .run()
}

fn api() -> Api {
    Api::new("/api")
        .route(
            "/public",
            get(public)
                .summary("open to everyone")
                .returns::<Message>(200),
        )
        .route(
            "/private",
            get(private)
                .summary("needs a valid access token")
                .returns::<Message>(200),
        )
        .route(
            "/private-scoped",
            get(private_scoped)
                .summary("needs the scope read:messages")
                .returns::<Message>(200),
        )
}

async fn public(_: Public) -> impl Responder {
    message("Anybody may read this: no access token was asked for.")
}

async fn private(_: AuthenticatedUser) -> impl Responder {
    message("Your access token is valid, so you may read this.")
}

async fn private_scoped(_: Scoped<ReadMessages>) -> impl Responder {
    message("Your access token is valid and grants read:messages, so you may read this.")
}

/// What each route returns.
#[derive(Serialize, ToSchema)]
struct Message {
    /// A text for the caller.
    message: &'static str,
}

fn message(message: &'static str) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, JSON));
    response.insert_header((X_CONTENT_TYPE_OPTIONS, NOSNIFF));
    response.json(Message { message })
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use actix_resource_server::Algorithm;
    use actix_resource_server::test_kit::{DenialMatrix, TestIssuer};
    use actix_resource_server::{Issuer, Verifier};
    use actix_web::App;
    use actix_web::test::{TestRequest, call_service, init_service};

    use super::*;

    #[actix_web::test]
    async fn callers_without_the_required_token_are_rejected() {
        let issuer = TestIssuer::start_with(Algorithm::Es256);
        let trusted = Issuer::discover(issuer.url()).audience(issuer.audience());
        let verifier = Verifier::start([trusted.build().unwrap()]).unwrap();
        let app = App::new().service(api().verified_by(verifier.clone()));
        let app = init_service(app).await;
        let call = async |request: TestRequest| call_service(&app, request.to_request()).await;
        let report = DenialMatrix::new(&issuer).try_app(&api(), &call).await;
        report.assert_denied();
        // Twelve ways into the one private route, fourteen into the scoped one.
        assert_eq!(report.tried().len(), 26, "{report}");
        assert_eq!(verifier.counters().granted(), 0);
    }
}
