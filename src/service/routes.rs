//! The three endpoints, as a table.

use actix_web::http::header::X_CONTENT_TYPE_OPTIONS;
use actix_web::{HttpResponse, Responder};
use serde::Serialize;

use crate::{Api, AuthenticatedUser, Public, Scoped, get, scope};

scope!(pub(crate) ReadMessages = "read:messages");

/// The API that this service is for.
pub(crate) fn api() -> Api {
    Api::new("/api")
        .route("/public", get(public).summary("open to anybody"))
        .route(
            "/private",
            get(private).summary("needs a valid access token"),
        )
        .route(
            "/private-scoped",
            get(private_scoped).summary("needs the scope read:messages"),
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

#[derive(Serialize)]
struct Message {
    message: &'static str,
}

fn message(message: &'static str) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
    response.json(Message { message })
}
