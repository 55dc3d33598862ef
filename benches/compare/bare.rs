//! The three endpoints with no authorization at all: what the scripts of `benches` measure the service against.
//!
//! `WORKERS` and `PORT` are numbers; over TLS if `CERTIFICATE` and `KEY` name PEM files.

use std::error::Error;
use std::str::FromStr;
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, Responder, web};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;

async fn answer() -> impl Responder {
    HttpResponse::Ok()
        .json(json!({"message": "Anybody may read this: no access token was asked for."}))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let app = || {
        App::new()
            .route("/api/public", web::get().to(answer))
            .route("/api/private", web::get().to(answer))
            .route("/api/private-scoped", web::get().to(answer))
    };
    let server = HttpServer::new(app)
        .workers(variable("WORKERS").unwrap_or(1))
        .keep_alive(Duration::from_secs(75));
    let address = ("127.0.0.1", variable("PORT").unwrap_or(3012));
    let server = match (variable::<String>("CERTIFICATE"), variable::<String>("KEY")) {
        (Some(certificate), Some(key)) => {
            let certificate = CertificateDer::from_pem_slice(&std::fs::read(certificate)?)?;
            let key = PrivateKeyDer::from_pem_slice(&std::fs::read(key)?)?;
            let config = ServerConfig::builder().with_no_client_auth();
            let config = config.with_single_cert(vec![certificate], key)?;
            server.bind_rustls_0_23(address, config)?
        }
        _ => server.bind(address)?,
    };
    Ok(server.run().await?)
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}
