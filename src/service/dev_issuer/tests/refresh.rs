//! Refresh tokens, `/userinfo`, revocation and logout.

use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::authorize::{Browser, authorize};
use super::{Issuer, Response, claims};

const OFFLINE: &str = "scope=openid+offline_access+read:messages&nonce=n&max_age=60";

async fn refresh(issuer: &Issuer, token: &Value, more: &str) -> Response {
    let token = token.as_str().unwrap();
    let form = format!("grant_type=refresh_token&client_id=spa&refresh_token={token}&{more}");
    issuer.post("/oauth/token", &form).await
}

fn assert_rejected(response: &Response) {
    let refused = json!({
        "error": "invalid_grant",
        "error_description": "unknown or invalid refresh token",
    });
    assert_eq!((response.status.as_u16(), response.json()), (400, refused));
}

#[actix_web::test]
async fn a_refresh_token_needs_offline_access() {
    let issuer = Issuer::new();
    let answer = Browser::new(&issuer)
        .tokens("manager", "scope=openid")
        .await;
    assert_eq!(answer.get("refresh_token"), None);
    let answer = Browser::new(&issuer).tokens("manager", OFFLINE).await;
    assert!(answer["refresh_token"].is_string());
}

#[actix_web::test]
async fn a_refresh_token_is_exchanged_for_new_tokens_and_its_successor() {
    let issuer = Issuer::new();
    let first = Browser::new(&issuer).tokens("manager", OFFLINE).await;
    let signed_in = issuer.now();
    issuer.advance(1000);
    let second = refresh(&issuer, &first["refresh_token"], "").await.json();
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    assert_eq!(second["scope"], "openid offline_access read:messages");
    let token = claims(second["access_token"].as_str().unwrap(), "at+jwt");
    assert_eq!(token["iat"], issuer.now());
    assert_eq!(token["sub"], "auth0|manager");
    assert_eq!(token["auth_time"], signed_in);
    let id_token = claims(second["id_token"].as_str().unwrap(), "JWT");
    assert_eq!(id_token["auth_time"], signed_in);
    assert_eq!(id_token.get("nonce"), None);
    let third = refresh(&issuer, &second["refresh_token"], "").await;
    assert_eq!(third.status, StatusCode::OK);
}

#[actix_web::test]
async fn a_refresh_narrows_scopes_and_widens_nothing() {
    let issuer = Issuer::new();
    let first = Browser::new(&issuer).tokens("administrator", OFFLINE).await;
    let asked = "scope=read:messages+write:messages";
    let second = refresh(&issuer, &first["refresh_token"], asked)
        .await
        .json();
    assert_eq!(second["scope"], "read:messages");
    let third = refresh(&issuer, &second["refresh_token"], "").await.json();
    assert_eq!(third["scope"], "openid offline_access read:messages");
}

#[actix_web::test]
async fn a_used_refresh_token_ends_its_family() {
    let issuer = Issuer::new();
    let first = Browser::new(&issuer).tokens("manager", OFFLINE).await;
    let second = refresh(&issuer, &first["refresh_token"], "").await.json();
    assert_rejected(&refresh(&issuer, &first["refresh_token"], "").await);
    assert_rejected(&refresh(&issuer, &second["refresh_token"], "").await);
}

#[actix_web::test]
async fn an_unknown_revoked_or_expired_refresh_token_is_rejected() {
    let issuer = Issuer::new();
    assert_rejected(&refresh(&issuer, &json!("x.y"), "").await);
    assert_rejected(&refresh(&issuer, &json!(""), "").await);
    let answer = Browser::new(&issuer).tokens("manager", OFFLINE).await;
    let token = &answer["refresh_token"];
    let form = format!("client_id=spa&token={}", token.as_str().unwrap());
    let revoked = issuer.post("/oauth/revoke", &form).await;
    assert_eq!((revoked.status, revoked.text()), (StatusCode::OK, ""));
    assert_rejected(&refresh(&issuer, token, "").await);
    let answer = Browser::new(&issuer).tokens("manager", OFFLINE).await;
    issuer.advance(30 * 24 * 60 * 60);
    assert_rejected(&refresh(&issuer, &answer["refresh_token"], "").await);
}

#[actix_web::test]
async fn a_client_that_sends_its_id_can_revoke_any_token() {
    let issuer = Issuer::new();
    let cases = [
        ("client_id=spa&token=unknown", 200),
        ("client_id=spa&token=x.y&token_type_hint=refresh_token", 200),
        ("client_id=spa", 400),
        ("token=unknown", 400),
    ];
    for (form, status) in cases {
        let response = issuer.post("/oauth/revoke", form).await;
        assert_eq!(response.status.as_u16(), status, "{form}");
    }
}

async fn userinfo(issuer: &Issuer, token: &str) -> Response {
    let request = TestRequest::get().uri("/userinfo");
    let header = (AUTHORIZATION, format!("Bearer {token}"));
    issuer.send(request.insert_header(header)).await
}

#[actix_web::test]
async fn userinfo_returns_the_claims_of_the_user() {
    let issuer = Issuer::new();
    let asked = "scope=openid+email";
    let answer = Browser::new(&issuer).tokens("administrator", asked).await;
    let token = answer["access_token"].as_str().unwrap();
    let response = userinfo(&issuer, token).await;
    let expected = json!({
        "sub": "auth0|administrator", "email": "administrator@example.com",
        "email_verified": true,
    });
    assert_eq!(
        (response.status, response.json()),
        (StatusCode::OK, expected)
    );
    issuer.advance(7200 + 5);
    let expired = userinfo(&issuer, token).await;
    assert_eq!(
        expired.header("www-authenticate"),
        Some(
            r#"Bearer realm="api", error="invalid_token", error_description="The token has expired.", scope="openid", DPoP scope="openid", algs="RS256 RS384 RS512 ES256 ES384 ES512 PS256 PS384 PS512 EdDSA""#
        )
    );
}

#[actix_web::test]
async fn userinfo_needs_a_token_with_openid() {
    let issuer = Issuer::new();
    let without = issuer.send(TestRequest::post().uri("/userinfo")).await;
    assert_eq!(without.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        without.header("www-authenticate"),
        Some(
            r#"Bearer realm="api", scope="openid", DPoP scope="openid", algs="RS256 RS384 RS512 ES256 ES384 ES512 PS256 PS384 PS512 EdDSA""#
        )
    );
    let answer = Browser::new(&issuer)
        .tokens("manager", "scope=openid+read:messages")
        .await;
    let id_token = userinfo(&issuer, answer["id_token"].as_str().unwrap()).await;
    assert_eq!(id_token.status, StatusCode::UNAUTHORIZED);
    let answer = Browser::new(&issuer)
        .tokens("manager", "scope=read:messages")
        .await;
    let response = userinfo(&issuer, answer["access_token"].as_str().unwrap()).await;
    assert_eq!(response.status, StatusCode::FORBIDDEN);
    assert!(
        response
            .header("www-authenticate")
            .unwrap()
            .ends_with("scope=\"openid\"")
    );
}

#[actix_web::test]
async fn logout_ends_the_session_and_redirects_on_loopback() {
    let issuer = Issuer::new();
    let cases = [
        ("/v2/logout", StatusCode::OK, None),
        (
            "/v2/logout?client_id=spa&returnTo=http%3A%2F%2Flocalhost%3A5173%2Fbye%3Fa%3Db",
            StatusCode::FOUND,
            Some("http://localhost:5173/bye?a=b"),
        ),
        (
            "/oidc/logout?post_logout_redirect_uri=http://localhost:5173/&state=a%2Bb&id_token_hint=x",
            StatusCode::FOUND,
            Some("http://localhost:5173/?state=a%2Bb"),
        ),
    ];
    for (path, status, location) in cases {
        let mut browser = Browser::new(&issuer);
        browser.sign_in("manager", "").await;
        let response = browser.get(path).await;
        assert_eq!(
            (response.status, response.header("location")),
            (status, location),
            "{path}"
        );
        let silent = browser.get(&authorize("prompt=none")).await;
        assert_eq!(
            silent.redirect_parameter("error").as_deref(),
            Some("login_required"),
            "{path}"
        );
    }
    let elsewhere = "/v2/logout?returnTo=https://example.com/";
    let response = Browser::new(&issuer).get(elsewhere).await;
    assert_eq!(
        (response.status, response.header("location")),
        (StatusCode::BAD_REQUEST, None)
    );
}
