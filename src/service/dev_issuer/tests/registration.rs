//! Dynamic client registration, and the resources that tokens are requested for.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ORIGIN};
use actix_web::test::TestRequest;
use actix_web::web::Data;
use serde_json::{Value, json};

use crate::service::dev_issuer::accounts::MAX_REGISTERED;
use crate::service::dev_issuer::resource::Resources;

use super::authorize::{Browser, CALLBACK, VERIFIER, authorize};
use super::{AUDIENCE, Issuer, Response, claims, provider};

/// The sign-in of the client `spa`, whose ID a test replaces.
const SPA: &str = "client_id=spa";

fn request(metadata: &Value) -> TestRequest {
    TestRequest::post().uri("/oidc/register").set_json(metadata)
}

async fn register(issuer: &Issuer, metadata: Value) -> Response {
    issuer.send(request(&metadata)).await
}

/// The ID of a new public client.
async fn registered(issuer: &Issuer, redirect_uris: &[&str]) -> String {
    let metadata = json!({"redirect_uris": redirect_uris, "token_endpoint_auth_method": "none"});
    let response = register(issuer, metadata).await;
    assert_eq!(response.status, StatusCode::CREATED, "{}", response.text());
    response.json()["client_id"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn a_public_client_is_registered_with_what_is_supported() {
    let issuer = Issuer::new();
    let metadata = json!({
        "client_name": "An <agent>",
        "redirect_uris": [CALLBACK, "http://127.0.0.1/"],
        "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
        "scope": "read:messages",
        "logo_uri": "https://example.com/",
        "jwks": {"keys": []},
    });
    let response = register(&issuer, metadata).await;
    let registered = response.json();
    let expected = json!({
        "client_id": registered["client_id"],
        "client_id_issued_at": issuer.now(),
        "client_name": "An <agent>",
        "redirect_uris": [CALLBACK, "http://127.0.0.1/"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    assert_eq!(
        (response.status, &registered),
        (StatusCode::CREATED, &expected)
    );
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let id = registered["client_id"].as_str().unwrap();
    assert_eq!(id.len(), 22, "{id}");

    let sign_in = authorize("").replace(SPA, &format!("client_id={id}"));
    let page = Browser::new(&issuer).get(&sign_in).await;
    assert!(
        page.text().contains("<code>An &lt;agent&gt;</code>"),
        "{}",
        page.text()
    );
}

#[actix_web::test]
async fn a_confidential_client_needs_the_secret_that_it_is_issued() {
    let issuer = Issuer::new();
    let response = register(&issuer, json!({"redirect_uris": [CALLBACK]})).await;
    let client = response.json();
    assert_eq!(client["token_endpoint_auth_method"], "client_secret_basic");
    assert_eq!(client["client_secret_expires_at"], 0);
    let [id, secret] = ["client_id", "client_secret"].map(|name| client[name].as_str().unwrap());
    assert_ne!(id, secret);

    for (sent, expected) in [
        (secret, StatusCode::OK),
        ("wrong", StatusCode::UNAUTHORIZED),
    ] {
        let sign_in = authorize("").replace(SPA, &format!("client_id={id}"));
        let mut browser = Browser::new(&issuer);
        let code = browser
            .sign_in_at(&sign_in, "manager")
            .await
            .redirect_parameter("code")
            .unwrap();
        let form = format!(
            "grant_type=authorization_code&client_id={id}&client_secret={sent}&code={code}\
             &redirect_uri={CALLBACK}&code_verifier={VERIFIER}"
        );
        let response = issuer.post("/oauth/token", &form).await;
        assert_eq!(response.status, expected, "{sent}");
    }
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let response = issuer.post("/oauth/token", &form).await;
    let expected = json!({
        "error": "unauthorized_client",
        "error_description": "clients that registered themselves only act for users",
    });
    assert_eq!(
        (response.status, response.json()),
        (StatusCode::BAD_REQUEST, expected)
    );

    let public = registered(&issuer, &[CALLBACK]).await;
    let form = format!("grant_type=client_credentials&client_id={public}&client_secret=any");
    let response = issuer.post("/oauth/token", &form).await;
    assert_eq!(response.json()["error"], "invalid_client");
}

#[actix_web::test]
async fn a_registered_client_is_held_to_its_redirect_uris() {
    let issuer = Issuer::new();
    let id = registered(&issuer, &["http://localhost:1/cb", "http://127.0.0.1/cb"]).await;
    let cases = [
        ("http://localhost:1/cb", StatusCode::OK),
        ("http://127.0.0.1:4242/cb", StatusCode::OK),
        ("http://localhost:2/cb", StatusCode::BAD_REQUEST),
        ("http://localhost:1/", StatusCode::BAD_REQUEST),
        ("http://127.0.0.1:4242/other", StatusCode::BAD_REQUEST),
        (CALLBACK, StatusCode::BAD_REQUEST),
        ("https://example.com/", StatusCode::BAD_REQUEST),
    ];
    for (uri, expected) in cases {
        let sign_in = authorize("")
            .replace(SPA, &format!("client_id={id}"))
            .replace(CALLBACK, uri);
        let response = Browser::new(&issuer).get(&sign_in).await;
        assert_eq!(
            (response.status, response.header("location")),
            (expected, None),
            "{uri}"
        );
    }
}

#[actix_web::test]
async fn wrong_metadata_is_rejected_and_not_repeated() {
    let issuer = Issuer::new();
    let redirect = "invalid_redirect_uri";
    let metadata = "invalid_client_metadata";
    let uris = |uris: Value| json!({"redirect_uris": uris});
    let with = |name: &str, value: Value| {
        let mut metadata = uris(json!([CALLBACK]));
        metadata[name] = value;
        metadata
    };
    let cases = [
        (json!({}), redirect),
        (uris(json!(null)), redirect),
        (uris(json!([])), redirect),
        (uris(json!([CALLBACK, "https://evil.example/"])), redirect),
        (uris(json!(["http://localhost/#evil"])), redirect),
        (uris(json!(["http://localhost.evil.example/"])), redirect),
        (uris(json!(["http://evil@localhost/"])), redirect),
        (uris(json!(["evil:/callback"])), redirect),
        (uris(json!(["javascript:evil()"])), redirect),
        (
            uris(json!([format!("{CALLBACK}?evil={}", "e".repeat(500))])),
            redirect,
        ),
        (uris(json!(vec![CALLBACK; 11])), redirect),
        (uris(json!("evil")), metadata),
        (uris(json!([1])), metadata),
        (json!(["evil"]), metadata),
        (with("client_name", json!("evil\u{7}")), metadata),
        (with("client_name", json!("evil".repeat(51))), metadata),
        (with("client_name", json!({"evil": 1})), metadata),
        (with("grant_types", json!(["client_credentials"])), metadata),
        (with("grant_types", json!([])), metadata),
        (with("response_types", json!(["token"])), metadata),
        (
            with("token_endpoint_auth_method", json!("private_key_jwt")),
            metadata,
        ),
    ];
    for (body, error) in cases {
        let response = register(&issuer, body.clone()).await;
        let answer = response.json();
        assert_eq!(
            (response.status.as_u16(), &answer["error"]),
            (400, &json!(error)),
            "{body}"
        );
        assert!(
            !response.text().contains("evil"),
            "{body}: {}",
            response.text()
        );
    }
}

#[actix_web::test]
async fn a_registration_is_one_json_object() {
    let issuer = Issuer::new();
    let good = format!(r#"{{"redirect_uris":["{CALLBACK}"]}}"#);
    let twice = format!(r#"{{"redirect_uris":["{CALLBACK}"],"redirect_uris":[]}}"#);
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
    let large = format!(r#"{{"a":"{}"}}"#, "a".repeat(64 * 1024));
    let cases = [
        ("application/json", good.as_str(), 201),
        ("application/json; charset=utf-8", &good, 201),
        ("text/plain", &good, 400),
        ("application/x-www-form-urlencoded", &good, 400),
        ("application/json", &twice, 400),
        ("application/json", &deep, 400),
        ("application/json", &format!("{good}{good}"), 400),
        ("application/json", "", 400),
        ("application/json", &large, 413),
    ];
    for (content_type, body, expected) in cases {
        let request = TestRequest::post()
            .uri("/oidc/register")
            .insert_header((CONTENT_TYPE, content_type))
            .set_payload(body.to_owned());
        let response = issuer.send(request).await;
        assert_eq!(
            response.status.as_u16(),
            expected,
            "{content_type} {body:.60}"
        );
    }
}

#[actix_web::test]
async fn pages_on_loopback_may_register_clients_and_those_of_other_sites_may_not() {
    let issuer = Issuer::new();
    for (origin, is_allowed) in [
        ("http://localhost:6274", true),
        ("https://evil.example", false),
    ] {
        let preflight = TestRequest::default()
            .method(actix_web::http::Method::OPTIONS)
            .uri("/oidc/register")
            .insert_header((ORIGIN, origin))
            .insert_header(("Access-Control-Request-Method", "POST"))
            .insert_header((
                "Access-Control-Request-Headers",
                "content-type,mcp-protocol-version",
            ));
        let response = issuer.send(preflight).await;
        let allowed = response.header("access-control-allow-origin");
        assert_eq!(allowed, is_allowed.then_some(origin));
    }
}

#[actix_web::test]
async fn the_oldest_client_is_evicted_and_is_then_one_that_is_not_listed() {
    let issuer = Issuer::new();
    let first = registered(&issuer, &["http://localhost:1/cb"]).await;
    let sign_in = authorize("").replace(SPA, &format!("client_id={first}"));
    for _ in 1..MAX_REGISTERED {
        registered(&issuer, &[CALLBACK]).await;
    }
    let status = async || Browser::new(&issuer).get(&sign_in).await.status;
    assert_eq!(status().await, StatusCode::BAD_REQUEST);
    registered(&issuer, &[CALLBACK]).await;
    assert_eq!(status().await, StatusCode::OK);
}

#[actix_web::test]
async fn a_token_for_a_resource_of_the_api_has_the_audience_of_the_api() {
    let mut provider = provider();
    provider.resources = Resources::new("http://127.0.0.1:3010", None, vec!["/mcp".to_owned()]);
    provider.key = crate::test_kit::shared(crate::jose::Algorithm::Rs256).into();
    let issuer = Issuer {
        provider: Data::new(provider),
        ..Issuer::new()
    };
    for resource in ["http://localhost:3010/mcp", AUDIENCE] {
        let mut browser = Browser::new(&issuer);
        let redirect = browser
            .sign_in("manager", &format!("resource={resource}"))
            .await;
        let code = redirect.redirect_parameter("code").unwrap();
        let trade =
            |resource: &str| format!("{}&resource={resource}", super::authorize::trade(&code));
        // A wrong resource does not use the code up: nothing about it was looked at.
        let response = issuer
            .post("/oauth/token", &trade("http://localhost:3010/other"))
            .await;
        assert_eq!(response.json()["error"], "invalid_target");
        let response = issuer.post("/oauth/token", &trade(resource)).await;
        let token = response.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(claims(&token, "at+jwt")["aud"], AUDIENCE);
    }
    let both = [
        ("", "code"),
        ("&audience=https://api.test/", "code"),
        ("&audience=other", "error"),
    ];
    for (audience, expected) in both {
        let request = format!("resource=http://localhost:3010/mcp{audience}");
        let redirect = if expected == "code" {
            Browser::new(&issuer).sign_in("manager", &request).await
        } else {
            Browser::new(&issuer).get(&authorize(&request)).await
        };
        assert!(
            redirect.redirect_parameter(expected).is_some(),
            "{audience}"
        );
    }
    let request = authorize("audience=https://api.test/&resource=http://localhost:3010/");
    let redirect = Browser::new(&issuer).get(&request).await;
    assert_eq!(
        redirect.redirect_parameter("error").as_deref(),
        Some("invalid_target")
    );
    let form = "grant_type=client_credentials&client_id=demo&client_secret=x&resource=https://other.example/";
    let response = issuer.post("/oauth/token", form).await;
    assert_eq!(
        (response.status.as_u16(), &response.json()["error"]),
        (400, &json!("invalid_target"))
    );
}
