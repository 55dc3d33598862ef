//! A call to another API on behalf of the caller: with the caller's own token, and why that is rarely right.
//!
//! The token was issued for this API. Another API accepts it only if it has the same audience, and then that API can call this
//! one as the user. Forward it only within one trust domain, such as between parts of one system that
//! share an audience. Everywhere else, exchange it for a token of the other API (RFC 8693), or call with a token of this
//! service's own (`client_credentials`). A token that is bound to its sender (DPoP, mTLS) cannot be forwarded at all: this
//! service cannot prove possession of the client's key.

use std::process::ExitCode;
use std::time::Duration;

use actix_resource_server::{Api, Bound, Identified, Scoped, Secret, Service, get, scope};
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

scope!(pub ReadOrders = "read:orders");

/// The section `[orders]`: where the other API is.
#[derive(Deserialize, Serialize)]
struct OrderSettings {
    url: String,
    /// This service's own token for it, where it has one.
    token: Option<Secret>,
}

struct Client(reqwest::Client);

async fn orders(
    user: Scoped<ReadOrders>,
    settings: web::Data<OrderSettings>,
    client: web::Data<Client>,
) -> HttpResponse {
    let caller = user.caller();
    // Without its proof, a bound token is rejected by the other API; with this service's own token, the user is not known
    // there. Neither is decided silently.
    let own = settings.token.as_ref().map(Secret::expose);
    let callers = || (!caller.is_sender_constrained()).then(|| caller.token());
    let Some(token) = own.or_else(callers) else {
        return HttpResponse::NotImplemented().finish();
    };
    let request = client.0.get(&settings.url).bearer_auth(token);
    match request.send().await {
        Ok(response) if response.status().is_success() => match response.text().await {
            Ok(text) => HttpResponse::Ok().body(text),
            Err(_) => HttpResponse::BadGateway().finish(),
        },
        // Its 401 is not an answer to this caller, whose token is valid here.
        Ok(_) | Err(_) => HttpResponse::BadGateway().finish(),
    }
}

/// What must not be forwarded: only its own client can use this token.
async fn account(_: Bound) -> &'static str {
    "the account"
}

fn api() -> Api {
    Api::new("/api")
        .route("/orders", get(orders))
        .route("/account", get(account))
}

fn main() -> ExitCode {
    Service::new(api)
        .settings::<OrderSettings>("orders")
        .state(async |_| {
            let client = reqwest::Client::builder().timeout(Duration::from_secs(5));
            client.build().map(Client)
        })
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

    async fn listed(user: AuthenticatedUser) -> String {
        format!("the orders of {}", user.subject().unwrap_or_default())
    }

    #[actix_web::test]
    async fn the_other_api_knows_the_caller() {
        let issuer = TestIssuer::start_with(Algorithm::Es256);
        let trusted = Issuer::discover(issuer.url()).audience(issuer.audience());
        let verifier = Verifier::start([trusted.build().unwrap()]).unwrap();
        let other = verifier.clone();
        let server = HttpServer::new(move || {
            App::new().service(
                Api::new("")
                    .route("/orders", get(listed))
                    .verified_by(other.clone()),
            )
        });
        let server = server.workers(1).bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/orders", server.addrs()[0]);
        actix_web::rt::spawn(server.run());

        let settings = OrderSettings { url, token: None };
        let app = App::new()
            .app_data(web::Data::new(settings))
            .app_data(web::Data::new(Client(reqwest::Client::new())))
            .service(api().verified_by(verifier));
        let app = init_service(app).await;
        let call = async |token: String| {
            let request = TestRequest::get()
                .uri("/api/orders")
                .insert_header((AUTHORIZATION, format!("Bearer {token}")));
            let response = call_service(&app, request.to_request()).await;
            (response.status().as_u16(), read_body(response).await)
        };
        let token = issuer.token().scope("read:orders").claim("sub", "ann");
        let (status, body) = call(token.build()).await;
        assert_eq!((status, &body[..]), (200, &b"the orders of ann"[..]));
    }
}
