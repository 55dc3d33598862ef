//! Refresh tokens, `/userinfo`, and the ways to end it all.

use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::authorize::{Browser, authorize};
use super::{Issuer, Seen, claims};

const OFFLINE: &str = "scope=openid+offline_access+read:messages&nonce=n&max_age=60";

async fn refresh(issuer: &Issuer, token: &Value, more: &str) -> Seen {
    let token = token.as_str().unwrap();
    let form = format!("grant_type=refresh_token&client_id=spa&refresh_token={token}&{more}");
    issuer.post("/oauth/token", &form).await
}

fn assert_refused(seen: &Seen) {
    let refused = json!({
        "error": "invalid_grant",
        "error_description": "unknown or invalid refresh token",
    });
    assert_eq!((seen.status.as_u16(), seen.json()), (400, refused));
}

#[actix_web::test]
async fn a_refresh_token_comes_with_offline_access_alone() {
    let issuer = Issuer::new();
    let answer = Browser::new(&issuer)
        .tokens("manager", "scope=openid")
        .await;
    assert_eq!(answer.get("refresh_token"), None);
    let answer = Browser::new(&issuer).tokens("manager", OFFLINE).await;
    assert!(answer["refresh_token"].is_string());
}

#[actix_web::test]
async fn a_refresh_token_brings_new_tokens_and_its_successor() {
    let issuer = Issuer::new();
    let first = Browser::new(&issuer).tokens("manager", OFFLINE).await;
    let signed_in = issuer.now();
    issuer.pass(1000);
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
    assert_refused(&refresh(&issuer, &first["refresh_token"], "").await);
    assert_refused(&refresh(&issuer, &second["refresh_token"], "").await);
}

#[actix_web::test]
async fn a_refresh_token_that_is_unknown_revoked_or_old_is_refused() {
    let issuer = Issuer::new();
    assert_refused(&refresh(&issuer, &json!("x.y"), "").await);
    assert_refused(&refresh(&issuer, &json!(""), "").await);
    let answer = Browser::new(&issuer).tokens("manager", OFFLINE).await;
    let token = &answer["refresh_token"];
    let form = format!("client_id=spa&token={}", token.as_str().unwrap());
    let revoked = issuer.post("/oauth/revoke", &form).await;
    assert_eq!((revoked.status, revoked.text()), (StatusCode::OK, ""));
    assert_refused(&refresh(&issuer, token, "").await);
    let answer = Browser::new(&issuer).tokens("manager", OFFLINE).await;
    issuer.pass(30 * 24 * 60 * 60);
    assert_refused(&refresh(&issuer, &answer["refresh_token"], "").await);
}

#[actix_web::test]
async fn any_token_can_be_given_back_by_a_client_that_says_its_name() {
    let issuer = Issuer::new();
    let cases = [
        ("client_id=spa&token=unknown", 200),
        ("client_id=spa&token=x.y&token_type_hint=refresh_token", 200),
        ("client_id=spa", 400),
        ("token=unknown", 400),
    ];
    for (form, status) in cases {
        let seen = issuer.post("/oauth/revoke", form).await;
        assert_eq!(seen.status.as_u16(), status, "{form}");
    }
}

async fn userinfo(issuer: &Issuer, token: &str) -> Seen {
    let request = TestRequest::get().uri("/userinfo");
    let header = (AUTHORIZATION, format!("Bearer {token}"));
    issuer.send(request.insert_header(header)).await
}

#[actix_web::test]
async fn an_access_token_says_who_signed_in() {
    let issuer = Issuer::new();
    let asked = "scope=openid+email";
    let answer = Browser::new(&issuer).tokens("administrator", asked).await;
    let token = answer["access_token"].as_str().unwrap();
    let seen = userinfo(&issuer, token).await;
    let expected = json!({
        "sub": "auth0|administrator", "email": "administrator@example.com",
        "email_verified": true,
    });
    assert_eq!((seen.status, seen.json()), (StatusCode::OK, expected));
    issuer.pass(7200 + 5);
    let expired = userinfo(&issuer, token).await;
    assert_eq!(
        expired.header("www-authenticate"),
        Some(
            r#"Bearer realm="api", error="invalid_token", error_description="The token has expired.", DPoP algs="RS256 RS384 RS512 ES256 ES384 ES512 PS256 PS384 PS512 EdDSA""#
        )
    );
}

#[actix_web::test]
async fn only_a_token_with_openid_says_who_signed_in() {
    let issuer = Issuer::new();
    let without = issuer.send(TestRequest::post().uri("/userinfo")).await;
    assert_eq!(without.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        without.header("www-authenticate"),
        Some(
            r#"Bearer realm="api", DPoP algs="RS256 RS384 RS512 ES256 ES384 ES512 PS256 PS384 PS512 EdDSA""#
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
    let seen = userinfo(&issuer, answer["access_token"].as_str().unwrap()).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN);
    assert!(
        seen.header("www-authenticate")
            .unwrap()
            .ends_with("scope=\"openid\"")
    );
}

#[actix_web::test]
async fn signing_out_ends_the_session_and_leads_back_on_loopback() {
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
        let seen = browser.get(path).await;
        assert_eq!(
            (seen.status, seen.header("location")),
            (status, location),
            "{path}"
        );
        let silent = browser.get(&authorize("prompt=none")).await;
        assert_eq!(
            silent.told("error").as_deref(),
            Some("login_required"),
            "{path}"
        );
    }
    let elsewhere = "/v2/logout?returnTo=https://example.com/";
    let seen = Browser::new(&issuer).get(elsewhere).await;
    assert_eq!(
        (seen.status, seen.header("location")),
        (StatusCode::BAD_REQUEST, None)
    );
}
