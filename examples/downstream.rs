//! A call to another API on behalf of the caller, with the caller's own access token.
//!
//! `APP__STOCK__URL=http://127.0.0.1:3020/api/stock cargo run --example downstream`
//!
//! Do this only between parts of one system that share an audience:
//!
//! - The token is issued for this API. An API with an audience of its own must reject it, and should.
//! - Everyone who receives a bearer token can use it. The other API gets all that the caller may do here.
//! - A token that is bound to its sender (DPoP, mutual TLS) is useless to this program, which has no proof for it.
//!
//! Otherwise request a token for the other API: by token exchange (RFC 8693), which keeps the user, or as a client of its own
//! (client credentials), where the other API need not know the user.

use std::process::ExitCode;

use actix_resource_server::{Api, Identified, Scoped, Service, get, scope};
use actix_web::error::ErrorBadGateway;
use actix_web::{HttpResponse, web};
use reqwest::Client;
use serde::{Deserialize, Serialize};

scope!(ReadOrders = "read:orders");

/// The section `[stock]`: the API that is called.
#[derive(Deserialize, Serialize)]
struct StockSettings {
    url: String,
}

async fn orders(
    user: Scoped<ReadOrders>,
    client: web::Data<Client>,
    stock: web::Data<StockSettings>,
) -> actix_web::Result<HttpResponse> {
    let caller = user.caller();
    if caller.is_sender_proven() {
        return Err(ErrorBadGateway("a bound token cannot be forwarded"));
    }
    let request = client.get(&stock.url).bearer_auth(caller.token());
    let response = request.send().await;
    // Neither the other API's errors nor its challenge are this API's.
    let response = response.and_then(reqwest::Response::error_for_status);
    let response = response.map_err(|_| ErrorBadGateway("the stock is unavailable"))?;
    let stock = response.text().await;
    let stock = stock.map_err(|_| ErrorBadGateway("the stock is unavailable"))?;
    Ok(HttpResponse::Ok().body(format!("orders, with the stock: {stock}")))
}

fn api() -> Api {
    Api::new("/api").route("/orders", get(orders).summary("with what is in stock"))
}

fn main() -> ExitCode {
    Service::new(api)
        .settings::<StockSettings>("stock")
        .state(async |_| Client::builder().build())
        .run()
}

#[cfg(test)]
mod tests {
    use actix_resource_server::test_kit::TestIssuer;
    use actix_resource_server::{Algorithm, AuthenticatedUser, Issuer, Verifier};
    use actix_web::http::header::AUTHORIZATION;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, HttpServer};

    use super::*;

    async fn stock(user: AuthenticatedUser) -> String {
        format!("seven for {}", user.subject().unwrap_or("a client"))
    }

    fn trusting(issuer: &TestIssuer, audience: &str) -> Verifier {
        let trusted = Issuer::discover(issuer.url()).audience(audience);
        Verifier::start([trusted.build().unwrap()]).unwrap()
    }

    /// Starts the other API for this audience; returns the URL of its route.
    fn start_stock(issuer: &TestIssuer, audience: &str) -> String {
        let verifier = trusting(issuer, audience);
        let api = || Api::new("/api").route("/stock", get(stock));
        let server =
            HttpServer::new(move || App::new().service(api().verified_by(verifier.clone())));
        let server = server.workers(1).bind(("127.0.0.1", 0)).unwrap();
        let address = server.addrs()[0];
        actix_web::rt::spawn(server.run());
        format!("http://{address}/api/stock")
    }

    #[actix_web::test]
    async fn the_other_api_accepts_the_token_if_it_has_the_same_audience() {
        let issuer = TestIssuer::start_with(Algorithm::Es256);
        let token = issuer.token().claim("sub", "ann").scope("read:orders");
        let credentials = format!("Bearer {}", token.build());
        for (audience, status, body) in [
            (
                issuer.audience(),
                200,
                "orders, with the stock: seven for ann",
            ),
            ("https://stock.example/", 502, "the stock is unavailable"),
        ] {
            let url = start_stock(&issuer, audience);
            let client = Client::builder().no_proxy().build().unwrap();
            let app = App::new()
                .app_data(web::Data::new(StockSettings { url }))
                .app_data(web::Data::new(client))
                .service(api().verified_by(trusting(&issuer, issuer.audience())));
            let app = init_service(app).await;
            let request = TestRequest::get()
                .uri("/api/orders")
                .insert_header((AUTHORIZATION, credentials.clone()));
            let response = call_service(&app, request.to_request()).await;
            assert_eq!(response.status(), status);
            assert_eq!(read_body(response).await, body);
        }
    }
}
