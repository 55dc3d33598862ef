use std::net::SocketAddr;

use actix_web::body::to_bytes;
use actix_web::http::header::{HeaderMap, WWW_AUTHENTICATE};
use actix_web::test::TestRequest;

use super::*;
use crate::Issuer;
use crate::jose::Algorithm;
use crate::service::config::Settings;
use crate::test_kit::{DenialMatrix, SigningKey, TestIssuer, TokenBuilder};

const ROUTES: &str = r#"
    [server]
    trusted_proxies = "10.0.0.2"
    public_url = "https://api.example"
    [[routes]]
    method = "GET"
    path = "/files/{tail}*"
    access = "public"
    [[routes]]
    method = ["GET", "PUT"]
    path = "/files/secret"
    scopes = "read:secrets"
    [[routes]]
    method = "GET"
    path = "/orders/{id}"
    any_scope = ["read:orders", "admin"]
    [[routes]]
    method = "POST"
    path = "/orders"
    [[routes]]
    method = "GET"
    path = "/v1/{name}"
    [[routes]]
    method = "GET"
    path = "/v1/items:delete"
    scopes = "delete:items"
    [[routes]]
    method = "GET"
    path = "/closed/"
    scopes = "close"
    [[routes]]
    method = "GET"
    path = "/own/account"
    direct = true
    [[routes]]
    method = "GET"
    path = "/{name}"
    access = "public"
"#;

fn issuer() -> (SigningKey, Verifier) {
    let secret = "s".repeat(32);
    let issuer = Issuer::with_secret("https://issuer.example/", &secret, Algorithm::Hs256);
    let verifier = Verifier::start([issuer.audience("api").build().unwrap()]).unwrap();
    (SigningKey::from_secret(&secret, Algorithm::Hs256), verifier)
}

fn token() -> TokenBuilder {
    TokenBuilder::new("https://issuer.example/", "api", &issuer().0)
}

fn decisions(decision: &str, verifier: &Verifier) -> Decisions {
    decisions_for(ROUTES, decision, verifier)
}

fn decisions_for(routes: &str, decision: &str, verifier: &Verifier) -> Decisions {
    let text = format!("[decision]\n{decision}\n{routes}");
    let variables = [
        ("ISSUER_BASE_URL", "https://a.example/"),
        ("AUDIENCE", "api"),
    ];
    let variables = variables.map(|(name, value)| (name.into(), value.into()));
    let settings = Settings::parse(Some(("Settings.toml", &text)), variables).unwrap();
    let tables = Tables::of(|| Api::new("")).deciding(settings.rows(), true);
    let decision = settings.decision.unwrap();
    let rows = tables.decided().unwrap();
    let requests = Requests::of(rows.routes().map(|row| (row.path, true)));
    Decisions::new(
        &decision,
        &settings.server.trusted_proxies,
        &tables,
        verifier,
        &Arc::new(requests),
    )
    .unwrap()
}

async fn service(decisions: Decisions) -> DecidingService {
    let app = App::new().default_service(web::to(async || "the app itself"));
    let service = decisions.before(app).new_service(AppConfig::default());
    service.await.unwrap()
}

fn asked(method: &str, uri: &str) -> TestRequest {
    TestRequest::with_uri("/decision")
        .peer_addr(PROXY)
        .insert_header(("X-Original-Method", method))
        .insert_header(("X-Original-URI", uri))
}

async fn answer(service: &DecidingService, request: TestRequest) -> (u16, HeaderMap, String) {
    let response = service.call(request.to_request()).await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = to_bytes(response.into_body()).await.unwrap();
    (status, headers, String::from_utf8(body.to_vec()).unwrap())
}

async fn status(service: &DecidingService, request: TestRequest) -> u16 {
    answer(service, request).await.0
}

fn bearer(request: TestRequest, token: TokenBuilder) -> TestRequest {
    request.insert_header(("Authorization", format!("Bearer {}", token.build())))
}

#[actix_web::test]
async fn a_direct_row_accepts_no_actor() {
    let (_, verifier) = issuer();
    let service = service(decisions("source = 'original'", &verifier)).await;
    let delegated = token().claim("act", serde_json::json!({"client_id": "assistant"}));
    for (token, expected) in [(token(), 200), (delegated, 403)] {
        let request = bearer(asked("GET", "/own/account"), token);
        assert_eq!(status(&service, request).await, expected);
    }
}

#[actix_web::test]
async fn a_request_is_decided_by_its_row() {
    let (_, verifier) = issuer();
    let service = service(decisions("source = 'original'", &verifier)).await;
    for (method, uri, scope, expected) in [
        ("GET", "/files/a/b.txt", None, 200),
        ("HEAD", "/files/a?b=c", None, 200),
        ("POST", "/files/a", None, 405),
        ("get", "/files/a", None, 405),
        ("GET", "/files/secret", None, 401),
        ("HEAD", "/files/secret", None, 401),
        ("GET", "/files/secret", Some(""), 403),
        ("PUT", "/files/secret", Some("read:secrets"), 200),
        ("GET", "/orders/7", Some("read:orders"), 200),
        ("GET", "/orders/7", Some("admin"), 200),
        ("GET", "/orders/7", Some("other"), 403),
        ("GET", "/orders/7/x", Some("admin"), 404),
        ("POST", "/orders", Some(""), 200),
        ("GET", "/orders/7?access_token=a", Some("admin"), 400),
        ("OPTIONS", "/orders/7", Some("admin"), 405),
    ] {
        let request = asked(method, uri);
        let request = match scope {
            Some(scope) => bearer(request, token().scope(scope)),
            None => request,
        };
        assert_eq!(status(&service, request).await, expected, "{method} {uri}");
    }
    assert_eq!(verifier.counters().granted(), 4);
}

#[actix_web::test]
async fn only_trusted_proxies_get_decisions() {
    let (_, verifier) = issuer();
    let service = service(decisions("source = 'original'", &verifier)).await;
    let peer: SocketAddr = "10.0.0.3:5000".parse().unwrap();
    for request in [
        asked("GET", "/files/a").peer_addr(peer),
        asked("GET", "/files/a"),
    ] {
        let request = request.to_request();
        let is_trusted = request.peer_addr() != Some(peer);
        let response = service.call(request).await.unwrap();
        assert_eq!(response.status() == 200, is_trusted);
    }
    let rejected = asked("GET", "/files/a").peer_addr(peer);
    let (status, headers, body) = answer(&service, rejected).await;
    assert_eq!(status, 403);
    assert_eq!(headers.get(CACHE_CONTROL).unwrap(), "no-store");
    assert!(
        body.contains("Decisions are made for trusted proxies alone."),
        "{body}"
    );
}

#[actix_web::test]
async fn other_paths_are_those_of_the_app() {
    let (_, verifier) = issuer();
    let service = service(decisions("source = 'original'", &verifier)).await;
    for path in [
        "/",
        "/files/a",
        "/decision/",
        "/decision/files/a",
        "/Decision",
        "/decisions",
    ] {
        let request = asked("GET", "/files/a").uri(path);
        assert_eq!(
            answer(&service, request).await.2,
            "the app itself",
            "{path}"
        );
    }
}

#[actix_web::test]
async fn the_method_and_the_path_can_be_the_requests_own() {
    let (_, verifier) = issuer();
    let decisions = decisions("source = 'request'\npath = '/ask/me'", &verifier);
    let service = service(decisions).await;
    let asked = |method: &str, path: &str| {
        let method = method.parse().unwrap();
        asked("GET", "/files/a").method(method).uri(path)
    };
    for (method, path, expected) in [
        ("GET", "/ask/me/files/a", 200),
        ("GET", "/ask/me/files/secret?a", 401),
        ("POST", "/ask/me/orders", 401),
        ("DELETE", "/ask/me/orders", 405),
        ("GET", "/ask/me/", 404),
        ("GET", "/ask/me//files/a", 400),
        ("GET", "/ask/me/ask/me/files/a", 404),
    ] {
        assert_eq!(
            status(&service, asked(method, path)).await,
            expected,
            "{method} {path}"
        );
    }
    for path in ["/ask/me", "/ask/meme/files/a"] {
        assert_eq!(
            answer(&service, asked("GET", path)).await.2,
            "the app itself"
        );
    }
}

#[actix_web::test]
async fn readings_that_lead_to_other_access_are_rejected() {
    let (_, verifier) = issuer();
    let service = service(decisions("source = 'original'", &verifier)).await;
    let all = || token().scope("read:secrets read:orders delete:items close");
    for (path, expected) in [
        ("/files/SECRET", 400),
        ("/files/%C5%BFecret", 400),
        ("/files/secret/", 400),
        ("/files/Secret/", 400),
        ("/files/secret", 200),
        ("/files/secrets", 200),
        ("/files/", 200),
        ("/v1/items%3Adelete", 400),
        ("/v1/items:delete", 200),
        ("/v1/items:Delete", 400),
        ("/v1/a%3Ab", 200),
        ("/closed", 400),
        ("/closed/", 200),
        ("/closer", 200),
        ("/Orders/7", 404),
        ("/orders/7/", 404),
    ] {
        let request = bearer(asked("GET", path), all());
        assert_eq!(status(&service, request).await, expected, "{path}");
    }
}

#[actix_web::test]
async fn a_slash_that_a_server_may_add_leads_to_no_other_access() {
    const ROUTES: &str = r#"
        [server]
        trusted_proxies = "10.0.0.2"
        [[routes]]
        method = "GET"
        path = "/{tail}*"
        access = "public"
        [[routes]]
        method = "GET"
        path = "/admin/{tail}*"
        scopes = ["admin"]
        [[routes]]
        method = "GET"
        path = "/orders"
        access = "public"
        [[routes]]
        method = "GET"
        path = "/orders/{id}"
        scopes = ["read:orders"]
    "#;
    let (_, verifier) = issuer();
    let service = service(decisions_for(ROUTES, "source = 'original'", &verifier)).await;
    for (path, expected) in [
        ("/admin", 400),
        ("/ADMIN", 400),
        ("/Admin/", 400),
        ("/admin/", 401),
        ("/admin/users", 401),
        ("/administrators", 200),
        ("/orders", 200),
        ("/orders/7", 401),
        ("/", 200),
        ("/page", 200),
        ("/page/", 200),
    ] {
        let status = status(&service, asked("GET", path)).await;
        assert_eq!(status, expected, "{path}");
    }
}

#[actix_web::test]
async fn a_parameter_that_replaces_the_method_is_rejected() {
    let (_, verifier) = issuer();
    let service = service(decisions("source = 'original'", &verifier)).await;
    for query in ["_method=DELETE", "a=b&_method=x", "%5Fmethod=x", "_METHOD"] {
        let uri = format!("/files/secret?{query}");
        let request = bearer(asked("GET", &uri), token().scope("read:secrets"));
        assert_eq!(status(&service, request).await, 400, "{query}");
    }
    for query in ["method=DELETE", "a=_method", "x_method=1"] {
        let uri = format!("/files/secret?{query}");
        let request = bearer(asked("GET", &uri), token().scope("read:secrets"));
        assert_eq!(status(&service, request).await, 200, "{query}");
    }
}

#[actix_web::test]
async fn every_decision_has_every_identity_header_once() {
    let (_, verifier) = issuer();
    let service = service(decisions("source = 'original'", &verifier)).await;
    let values = |headers: &HeaderMap| {
        let names = ["subject", "scopes", "client", "issuer"];
        names.map(|name| {
            let values: Vec<_> = headers.get_all(format!("x-auth-{name}")).collect();
            assert_eq!(values.len(), 1, "{name}");
            values[0].to_str().unwrap().to_owned()
        })
    };
    let none = ["", "", "", ""].map(str::to_owned);
    let forged = |request: TestRequest| request.insert_header(("X-Auth-Subject", "root"));
    for request in [
        asked("GET", "/files/a"),
        bearer(asked("GET", "/files/a"), token().claim("sub", "ada")),
        asked("GET", "/orders/7"),
        bearer(asked("GET", "/files/secret"), token()),
        asked("GET", "/none/a"),
        asked("GET", "//"),
        asked("GET", "/files/a").peer_addr("10.0.0.3:5000".parse().unwrap()),
    ] {
        let (_, headers, _) = answer(&service, forged(request)).await;
        assert_eq!(values(&headers), none);
    }
    let full = token()
        .claim("sub", "auth0|ädä")
        .claim("client_id", "my app")
        .claim("scope", ["admin", "a b"]);
    let (status, headers, body) = answer(&service, bearer(asked("GET", "/orders/7"), full)).await;
    assert_eq!((status, body.as_str()), (200, ""));
    assert_eq!(
        values(&headers),
        [
            "auth0|%C3%A4d%C3%A4",
            "admin a%20b",
            "my%20app",
            "https://issuer.example/"
        ]
    );
    let by_azp = token().without("client_id").claim("azp", "spa");
    let (_, headers, _) = answer(&service, bearer(asked("POST", "/orders"), by_azp)).await;
    assert_eq!(values(&headers)[2], "spa");
}

#[actix_web::test]
async fn nginx_gets_403_for_statuses_that_it_does_not_pass_on() {
    let (_, verifier) = issuer();
    let exact = service(decisions("source = 'original'", &verifier)).await;
    let nginx = service(decisions(
        "source = 'original'\nstatuses = 'nginx'",
        &verifier,
    ))
    .await;
    for (method, uri, expected) in [
        ("GET", "/none/a", 404),
        ("POST", "/files/a", 405),
        ("GET", "/a//b", 400),
        ("GET", "/orders/7", 401),
        ("GET", "/files/a", 200),
    ] {
        assert_eq!(status(&exact, asked(method, uri)).await, expected, "{uri}");
        let mapped = if [400, 404, 405].contains(&expected) {
            403
        } else {
            expected
        };
        assert_eq!(status(&nginx, asked(method, uri)).await, mapped, "{uri}");
    }
}

#[actix_web::test]
async fn challenges_name_the_scopes_and_the_metadata_of_the_table() {
    let (_, verifier) = issuer();
    let verifier_with_url = {
        let secret = "s".repeat(32);
        let issuer = Issuer::with_secret("https://issuer.example/", &secret, Algorithm::Hs256);
        let source = crate::sender::TargetUriSource::public_url("https://api.example").unwrap();
        let builder = Verifier::builder().target_uri(source);
        builder
            .start([issuer.audience("api").build().unwrap()])
            .unwrap()
    };
    drop(verifier);
    let service = service(decisions("source = 'original'", &verifier_with_url)).await;
    let (_, headers, _) = answer(&service, asked("GET", "/orders/7")).await;
    let challenge = headers.get(WWW_AUTHENTICATE).unwrap().to_str().unwrap();
    assert!(challenge.contains("scope=\"read:orders\""), "{challenge}");
    let metadata = "resource_metadata=\"https://api.example/.well-known/oauth-protected-resource\"";
    assert!(challenge.contains(metadata), "{challenge}");
    // The metadata itself is no route of the API behind the proxy.
    let well_known = asked("GET", "/.well-known/oauth-protected-resource");
    assert_eq!(status(&service, well_known).await, 404);
}

#[actix_web::test]
async fn the_denial_matrix_knows_the_rows() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let trusted = Issuer::discover(issuer.url()).audience(issuer.audience());
    let verifier = Verifier::start([trusted.build().unwrap()]).unwrap();
    verifier.ready().await;
    let decisions = decisions("source = 'original'", &verifier);
    let api = decisions.tables.decided().unwrap();
    let app = App::new().service(api.routes_alone().verified_by(verifier.clone()));
    let app = actix_web::test::init_service(app).await;
    let call = async |request: TestRequest| {
        actix_web::test::call_service(&app, request.to_request()).await
    };
    let api = decisions.tables.decided().unwrap();
    let report = DenialMatrix::new(&issuer).try_app(&api, &call).await;
    report.assert_denied();
    assert_eq!(report.tried().len(), 8 * 12 + 5 * 2 + 1, "{report}");
    assert_eq!(verifier.counters().granted(), 0);
}

const PROXY: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)), 4000);
