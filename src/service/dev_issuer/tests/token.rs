//! Metadata, and the client credentials grant.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::test::TestRequest;
use actix_web::web::block;
use serde_json::{Value, json};

use crate::jose::Algorithm;
use crate::service::config;
use crate::service::dev_issuer::{DevIssuer, metadata};
use crate::service::server::Options;
use crate::test_kit::shared;

use super::{AUDIENCE, Issuer, Response, URL, claims, send};

async fn ask(form: &str) -> Response {
    Issuer::new().post("/oauth/token", form).await
}

#[actix_web::test]
async fn both_metadata_paths_return_the_same_document() {
    let openid = send(TestRequest::get().uri("/.well-known/openid-configuration")).await;
    let expected = json!({
        "issuer": URL,
        "authorization_endpoint": "http://localhost:3011/authorize",
        "token_endpoint": "http://localhost:3011/oauth/token",
        "userinfo_endpoint": "http://localhost:3011/userinfo",
        "registration_endpoint": "http://localhost:3011/oidc/register",
        "revocation_endpoint": "http://localhost:3011/oauth/revoke",
        "end_session_endpoint": "http://localhost:3011/oidc/logout",
        "jwks_uri": "http://localhost:3011/.well-known/jwks.json",
        "scopes_supported": [
            "openid", "profile", "email", "offline_access", "read:messages", "write:messages",
        ],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "web_message"],
        "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "acr_values_supported": [
            "http://schemas.openid.net/pape/policies/2007/06/none",
            "http://schemas.openid.net/pape/policies/2007/06/multi-factor",
        ],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "token_endpoint_auth_methods_supported":
            ["none", "client_secret_basic", "client_secret_post"],
        "revocation_endpoint_auth_methods_supported":
            ["none", "client_secret_basic", "client_secret_post"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "dpop_signing_alg_values_supported": [
            "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512",
            "EdDSA",
        ],
        "claims_supported": [
            "acr", "amr", "aud", "auth_time", "email", "email_verified", "exp", "iat", "iss", "name",
            "nickname", "nonce", "sub",
        ],
        "authorization_response_iss_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    });
    assert_eq!((openid.status, openid.json()), (StatusCode::OK, expected));
    let oauth = send(TestRequest::get().uri("/.well-known/oauth-authorization-server")).await;
    assert_eq!(oauth.json(), openid.json());
}

#[actix_web::test]
async fn the_key_set_holds_the_public_key() {
    let response = send(TestRequest::get().uri("/.well-known/jwks.json")).await;
    let jwk = shared(Algorithm::Rs256).public_jwk();
    assert_eq!(
        (response.status, response.json()),
        (StatusCode::OK, json!({"keys": [jwk]}))
    );
}

#[actix_web::test]
async fn each_client_is_granted_its_scopes() {
    let cases = [
        ("demo", None),
        ("demo-read", Some("read:messages")),
        ("demo-write", Some("write:messages")),
        ("demo-read-write", Some("read:messages write:messages")),
    ];
    for (client, scope) in cases {
        let form = format!("grant_type=client_credentials&client_id={client}&client_secret=x");
        let response = ask(&form).await;
        assert_eq!(response.status, StatusCode::OK, "{client}");
        assert_eq!(response.header("cache-control"), Some("no-store"));
        let answer = response.json();
        let token = answer["access_token"].as_str().unwrap();
        let mut expected = json!({
            "access_token": token, "token_type": "Bearer", "expires_in": 86_400,
        });
        let claims = claims(token, "at+jwt");
        let mut expected_claims = json!({
            "iss": URL, "sub": format!("{client}@clients"), "aud": AUDIENCE,
            "iat": claims["iat"], "exp": claims["iat"].as_u64().unwrap() + 86_400,
            "azp": client, "client_id": client, "jti": claims["jti"],
            "gty": "client-credentials",
        });
        if let Some(scope) = scope {
            expected["scope"] = scope.into();
            expected_claims["scope"] = scope.into();
        }
        assert_eq!(answer, expected);
        assert_eq!(claims, expected_claims);
        assert!(claims["jti"].is_string());
    }
}

#[actix_web::test]
async fn json_and_basic_are_accepted_with_the_parameters_for_development() {
    let request = TestRequest::post().uri("/oauth/token").insert_header((
        AUTHORIZATION,
        format!(
            "Basic {}",
            data_encoding::BASE64.encode(b"demo-read-write:x")
        ),
    ));
    let body = json!({
        "grant_type": "client_credentials", "audience": AUDIENCE,
        "scope": "write:messages", "expires_in": 60, "sub": "user-7",
    });
    let answer = send(request.set_json(body)).await.json();
    assert_eq!(
        (&answer["scope"], &answer["expires_in"]),
        (&json!("write:messages"), &json!(60))
    );
    let claims = claims(answer["access_token"].as_str().unwrap(), "at+jwt");
    assert_eq!(claims["sub"], "user-7");
    assert_eq!(claims["scope"], "write:messages");
    assert_eq!(
        claims["exp"].as_u64(),
        claims["iat"].as_u64().map(|iat| iat + 60)
    );
}

#[actix_web::test]
async fn each_error_has_its_code_and_repeats_nothing() {
    let good = "grant_type=client_credentials&client_id=demo-read&client_secret=x";
    let cases = [
        ("", 400, "invalid_request", "grant_type is missing"),
        (
            "grant_type=password",
            400,
            "unsupported_grant_type",
            "unknown grant_type",
        ),
        (
            "grant_type=client_credentials&client_id=secretive&client_secret=x",
            401,
            "invalid_client",
            "unknown client, or no client_secret",
        ),
        (
            &format!("{good}&audience=secretive"),
            403,
            "access_denied",
            "no API has that audience",
        ),
        (
            &format!("{good}&scope=write:messages"),
            403,
            "access_denied",
            "the client was not granted that scope",
        ),
        (
            &format!("{good}&expires_in=0"),
            400,
            "invalid_request",
            "expires_in must be a number of seconds from 1 to 604800",
        ),
        (
            &format!("{good}&scope=a&scope=b"),
            400,
            "invalid_request",
            "a parameter was sent more than once",
        ),
        (
            &"x".repeat(64 * 1024 + 1),
            413,
            "invalid_request",
            "the body is larger than 64 KiB",
        ),
    ];
    for (form, status, code, description) in cases {
        let response = ask(form).await;
        let expected = json!({"error": code, "error_description": description});
        assert_eq!(
            (response.status.as_u16(), response.json()),
            (status, expected)
        );
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert_eq!(response.header("www-authenticate"), None);
    }
}

#[actix_web::test]
async fn a_client_that_sent_a_header_is_challenged() {
    let request = TestRequest::post()
        .uri("/oauth/token")
        .insert_header((AUTHORIZATION, "Basic !"))
        .set_payload("grant_type=client_credentials");
    let response = send(request).await;
    assert_eq!(response.status, StatusCode::UNAUTHORIZED);
    let challenge = Some(r#"Basic realm="development issuer""#);
    assert_eq!(response.header("www-authenticate"), challenge);
}

/// The body of a response over a real connection.
fn fetch(address: SocketAddr, path: &str) -> Value {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

#[actix_web::test]
async fn it_serves_on_every_loopback_address_until_its_handle_stops_it() {
    let issuer = DevIssuer::bind(
        config::DevIssuer::default(),
        AUDIENCE.to_owned(),
        Algorithm::Rs256,
    )
    .unwrap();
    let url = issuer.url().to_owned();
    let addresses: Vec<_> = issuer.listener.addresses().collect();
    let running = issuer.run(&Options::for_tests(), None).unwrap();
    for address in addresses {
        let (document, jwks) = (metadata::OPENID, metadata::JWKS);
        let document = block(move || fetch(address, document)).await.unwrap();
        assert_eq!(document["issuer"], url);
        let jwks = block(move || fetch(address, jwks)).await.unwrap();
        assert_eq!(jwks["keys"][0]["alg"], "RS256");
    }
    running.end().await;
}
