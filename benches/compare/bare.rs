//! The three endpoints with no authorization at all: what `benches/compare` measures the service against.

use std::str::FromStr;

use actix_web::{App, HttpResponse, HttpServer, Responder, web};
use serde_json::json;

async fn answer() -> impl Responder {
    HttpResponse::Ok()
        .json(json!({"message": "Anybody may read this: no access token was asked for."}))
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let app = || {
        App::new()
            .route("/api/public", web::get().to(answer))
            .route("/api/private", web::get().to(answer))
            .route("/api/private-scoped", web::get().to(answer))
    };
    let server = HttpServer::new(app).workers(variable("WORKERS").unwrap_or(1));
    let port = variable("PORT").unwrap_or(3012);
    server.bind(("127.0.0.1", port))?.run().await
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}
