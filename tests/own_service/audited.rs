//! The audit log of a program whose middleware and handlers do what they like with requests.

use std::future::{Future, pending};
use std::io::Write;
use std::net::TcpStream;
use std::pin::Pin;
use std::process::Command;

use actix_resource_server::test_kit::TestIssuer;
use actix_resource_server::{
    Access, Algorithm, Api, AuthenticatedUser, Caller, Cause, Delegated, Direct, MaybeUser,
    Rejection, Requirement, Scoped, Service, actor, get, scope,
};
use actix_web::body::BoxBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::ErrorNotFound;
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::app::{Launch, TestApp};
use crate::wire::Request;

/// The variable that selects the program.
pub(crate) const AUDITED: &str = "AUDITED";

scope!(Read = "read");
actor!(Assistant = client_id "assistant");

async fn plan(_: Delegated<Assistant>) -> &'static str {
    "planned"
}

async fn close(_: Direct) -> &'static str {
    "closed"
}

async fn greet(_: MaybeUser) -> &'static str {
    "hello"
}

async fn tenant(_: TenantUser) -> &'static str {
    "a tenant"
}

/// Asks for a further scope by itself, and answers in its own way.
async fn tool(_: AuthenticatedUser, request: HttpRequest) -> &'static str {
    match Scoped::<Read>::extract(&request).await {
        Ok(_) => "read",
        Err(_) => "not read",
    }
}

async fn broken(_: AuthenticatedUser) -> &'static str {
    panic!("a defect")
}

async fn endless(_: AuthenticatedUser) -> &'static str {
    log::info!("it has begun");
    pending().await
}

/// An access type of the application, which rejects a caller that another one has granted access.
struct TenantUser;

impl Access for TenantUser {
    fn requirement() -> Requirement {
        <AuthenticatedUser>::requirement()
    }

    fn grant(caller: Option<Caller>) -> Result<Self, Rejection> {
        <AuthenticatedUser>::grant(caller).map(|_| Self)
    }
}

impl FromRequest for TenantUser {
    type Error = Rejection;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Rejection>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let user = <AuthenticatedUser>::extract(&request).await?;
            let tenant = request.match_info().get("tenant");
            if user.claim("tenant").and_then(Value::as_str) == tenant {
                Ok(Self)
            } else {
                Err(Cause::UnfulfilledRule("The token is for another tenant.").into())
            }
        })
    }
}

/// Replaces responses as a header of the request says.
async fn replace(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let replaced = request.headers().get("x-replaced").cloned();
    let response = next.call(request).await?;
    match replaced.as_ref().and_then(|header| header.to_str().ok()) {
        Some("response") => Ok(response.into_response(HttpResponse::NotFound().finish())),
        Some("success") => Ok(response.into_response(HttpResponse::Ok().finish())),
        Some("error") => Err(ErrorNotFound("gone")),
        _ => Ok(response),
    }
}

pub(crate) fn service() -> Service<impl Send + Sync, impl Send + Sync> {
    let api = || {
        Api::new("/api")
            .route("/plan", get(plan))
            .route("/close", get(close))
            .route("/greet", get(greet))
            .route("/tenants/{tenant}", get(tenant))
            .route("/tool", get(tool))
            .route("/broken", get(broken))
            .route("/endless", get(endless))
    };
    Service::new(api).wrap(|| from_fn(replace))
}

fn start(issuer: &TestIssuer) -> TestApp {
    let command = Command::new(std::env::current_exe().unwrap());
    TestApp::ready(Launch::of(command).variables(&[
        (AUDITED, "1"),
        ("ISSUER_BASE_URL", issuer.url()),
        ("AUDIENCE", issuer.audience()),
        ("APP__LOG__AUDIT", "true"),
        ("APP__LOG__FORMAT", "json"),
    ]))
}

/// Route, decision, reason, status, client and number of actors of each line of the audit log, once there are so many.
fn lines(app: &TestApp, number: usize) -> Vec<Value> {
    let lines = app.log().find(|log| {
        let whole = log
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        let lines = whole.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let lines = lines.filter(|line| line["event"] == "access").map(|line| {
            let actors = line["actors"].as_array().unwrap().len();
            let members = ["route", "decision", "reason", "status", "client_id"];
            json!((members.map(|member| line[member].clone()), actors))
        });
        let lines: Vec<_> = lines.collect();
        (lines.len() >= number).then_some(lines)
    });
    lines.unwrap_or_else(|| panic!("{}", app.log().text()))
}

pub(crate) fn every_decision_has_its_reason_and_its_caller() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let mut app = start(&issuer);
    app.process.may_panic = true;
    let token = || issuer.token();
    let assistant = || {
        token().claim(
            "act",
            json!({"client_id": "assistant", "act": {"sub": "a"}}),
        )
    };
    let insufficient = Some("insufficient_scope");
    let mut expected = Vec::new();
    for (path, replaced, token, status, reason, actors) in [
        ("/plan", "", assistant(), 200, None, 2),
        ("/plan", "", token().actor("b"), 403, insufficient, 1),
        ("/plan", "", token(), 403, insufficient, 0),
        ("/close", "", token(), 200, None, 0),
        ("/close", "", assistant(), 403, insufficient, 2),
        ("/close", "response", assistant(), 404, insufficient, 2),
        ("/close", "success", assistant(), 200, insufficient, 2),
        ("/close", "error", assistant(), 404, insufficient, 2),
        ("/close", "error", token(), 404, None, 0),
        ("/tenants/a", "error", token(), 404, insufficient, 0),
        ("/tool", "", token(), 200, insufficient, 0),
        ("/broken", "", token(), 500, None, 0),
    ] {
        let request = Request::get(&format!("/api{path}")).header("x-replaced", replaced);
        let answer = app.send(&request.bearer(&token.build()));
        assert_eq!(answer.status, status, "{path} {replaced}");
        let route = format!("/api{}", path.replace("/tenants/a", "/tenants/{tenant}"));
        let decision = reason.map_or("granted", |_| "rejected");
        let members = json!([route, decision, reason, status, "client-1"]);
        expected.push(json!((members, actors)));
    }
    app.get("/api/greet");
    app.send(
        &Request::get("/api/greet")
            .bearer("x")
            .header("x-replaced", "error"),
    );
    for members in [
        json!(["/api/greet", "granted", null, 200, null]),
        json!(["/api/greet", "rejected", "invalid_token", 404, null]),
    ] {
        expected.push(json!((members, 0)));
    }
    assert_eq!(lines(&app, expected.len()), expected);
    // A middleware that makes another response hides the reason from the client, not from the metrics.
    let counted = r#"ars_rejections_total{route="/api/close",reason="insufficient_scope"} 2"#;
    let metrics = app.get("/metrics").body;
    assert!(metrics.contains(counted), "{metrics}");
}

pub(crate) fn a_decision_is_logged_however_the_request_ends() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let app = start(&issuer);
    let request = |path| {
        let request = Request::get(path).bearer(&issuer.token().build());
        let bytes = request.bytes(app.address);
        String::from_utf8(bytes)
            .unwrap()
            .replace("Connection: close\r\n", "")
    };
    let mut client = TcpStream::connect(app.address).unwrap();
    client.write_all(request("/livez").as_bytes()).unwrap();
    client
        .write_all(request("/api/endless").as_bytes())
        .unwrap();
    app.wait_for_log("it has begun");
    // With a response that it has received and not read, it resets the connection.
    assert_eq!(client.peek(&mut [0]).unwrap(), 1);
    drop(client);
    let granted = json!(["/api/endless", "granted", null, null, "client-1"]);
    assert_eq!(lines(&app, 1), [json!((granted, 0))]);
}
