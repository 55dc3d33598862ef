//! Several issuers: employees of one provider, customers of another, each with an audience and scopes of its own.
//!
//! A service lists them as `[[auth.issuers]]` in Settings.toml; this is an app with a server of its own.

use std::error::Error;

use actix_resource_server::{Api, Identified, Issuer, Scoped, Verifier, get, scope};
use actix_web::{App, HttpServer};

scope!(pub ReadOrders = "orders.read");

async fn orders(user: Scoped<ReadOrders>) -> String {
    format!("the orders that {} sees", user.caller().issuer())
}

fn api() -> Api {
    Api::new("/api").route("/orders", get(orders))
}

/// The `iss` of a token selects the issuer; a token of any other issuer is rejected without a fetch.
fn issuers(employees: &str, customers: &str) -> Result<[Issuer; 2], Box<dyn Error>> {
    let employees = Issuer::discover(employees)
        .audience("api://orders")
        // Scopes of this issuer stand in a claim of another name.
        .scope_claims(["roles".parse()?])
        .build()?;
    let customers = Issuer::discover(customers)
        .audience("https://orders.example/")
        .build()?;
    Ok([employees, customers])
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let employees = "https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/v2.0";
    let verifier = Verifier::start(issuers(employees, "https://tenant.eu.auth0.com/")?)?;
    HttpServer::new(move || App::new().service(api().verified_by(verifier.clone())))
        .bind("127.0.0.1:3010")?
        .run()
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use actix_resource_server::Algorithm;
    use actix_resource_server::test_kit::TestIssuer;
    use actix_web::http::header::AUTHORIZATION;
    use actix_web::test::{TestRequest, call_service, init_service};

    use super::*;

    #[actix_web::test]
    async fn each_issuer_has_its_audience_and_its_scope_claim() {
        let employees = TestIssuer::start_with(Algorithm::Es256);
        let customers = TestIssuer::start_with(Algorithm::Es256);
        let trusted = issuers(employees.url(), customers.url()).unwrap();
        let verifier = Verifier::start(trusted).unwrap();
        let app = init_service(App::new().service(api().verified_by(verifier))).await;
        let employee = employees.token().claim("aud", "api://orders");
        let customer = customers.token().claim("aud", "https://orders.example/");
        for (token, status) in [
            (employee.clone().claim("roles", "orders.read"), 200),
            (employee.clone().scope("orders.read"), 403),
            (employee.claim("aud", "https://orders.example/"), 401),
            (customer.clone().scope("orders.read"), 200),
            (customer.claim("aud", "api://orders"), 401),
        ] {
            let request = TestRequest::get()
                .uri("/api/orders")
                .insert_header((AUTHORIZATION, format!("Bearer {}", token.build())));
            let response = call_service(&app, request.to_request()).await;
            assert_eq!(response.status(), status);
        }
    }
}
