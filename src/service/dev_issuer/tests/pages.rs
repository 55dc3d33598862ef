//! The pages: their content, and their content security policies.

use actix_web::http::StatusCode;
use actix_web::test::TestRequest;
use serde_json::json;

use crate::extract::{AuthenticatedUser, Public};
use crate::service::dev_issuer::pages::TestedApi;
use crate::service::dev_issuer::sessions::Factors;
use crate::{Api, get};

use super::authorize::{Browser, authorize};
use super::{AUDIENCE, Issuer, URL, provider, send};

async fn open(_: Public) -> &'static str {
    ""
}

async fn closed(_: AuthenticatedUser) -> &'static str {
    ""
}

fn with_api() -> Issuer {
    let api = Api::new("/api")
        .route("/open", get(open))
        .route("/closed", get(closed));
    let mut provider = provider();
    provider.api = Some(TestedApi::new(
        "http://127.0.0.1:3010".to_owned(),
        api.routes(),
    ));
    let provider = actix_web::web::Data::new(provider);
    Issuer {
        provider,
        ..Issuer::new()
    }
}

#[actix_web::test]
async fn the_test_view_gets_users_and_routes() {
    let response = with_api()
        .send(TestRequest::get().uri("/test_view.json"))
        .await;
    let expected = json!({
        "users": [
            {
                "name": "Manager", "role": "reads messages",
                "subject": "auth0|manager", "scopes": ["read:messages"],
            },
            {
                "name": "Administrator", "role": "reads and writes messages",
                "subject": "auth0|administrator", "scopes": ["read:messages", "write:messages"],
            },
        ],
        "token_endpoint": "http://localhost:3011/oauth/token",
        "api": {
            "origin": "http://127.0.0.1:3010",
            "routes": [
                {"method": "GET", "path": "/api/open", "requirement": "everyone"},
                {"method": "GET", "path": "/api/closed", "requirement": "a token"},
            ],
        },
    });
    assert_eq!(
        (response.status, response.json()),
        (StatusCode::OK, expected)
    );
    let response = send(TestRequest::get().uri("/test_view.json")).await;
    assert_eq!(response.json()["api"], json!(null));
}

#[actix_web::test]
async fn the_test_view_runs_only_its_script_and_connects_only_to_its_api() {
    let response = with_api().send(TestRequest::get()).await;
    assert!(response.text().contains(&format!("<code>{URL}</code>")));
    assert!(
        response
            .text()
            .contains(&format!("<code>{AUDIENCE}</code>"))
    );
    assert_eq!(
        response.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(
        response.header("content-security-policy"),
        Some(
            "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; script-src 'self'; \
             style-src 'self'; img-src data:; form-action 'none'; \
             connect-src 'self' http://127.0.0.1:3010"
        )
    );
    assert_eq!(response.header("x-frame-options"), Some("DENY"));
    assert_eq!(response.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
}

#[actix_web::test]
async fn all_assets_of_the_pages_exist() {
    let issuer = Issuer::new();
    let strong = format!("acr_values={}", Factors::Two.acr());
    let second_factor = Browser::new(&issuer).sign_in("manager", &strong).await;
    let mut pages = vec![("the second factor".to_owned(), second_factor)];
    let message = authorize("prompt=none&response_mode=web_message");
    for path in ["/".to_owned(), authorize(""), message] {
        let page = issuer.send(TestRequest::get().uri(&path)).await;
        pages.push((path, page));
    }
    for (path, page) in pages {
        let paths = page
            .text()
            .split('"')
            .filter(|text| text.starts_with("/assets/"));
        let mut loaded = 0;
        for path in paths {
            let response = issuer.send(TestRequest::get().uri(path)).await;
            assert_eq!(response.status, StatusCode::OK, "{path}");
            let expected = if path.ends_with(".css") {
                "text/css"
            } else {
                "text/javascript"
            };
            let content_type = response.header("content-type").unwrap();
            assert_eq!(content_type, format!("{expected}; charset=utf-8"), "{path}");
            loaded += 1;
        }
        assert_ne!(loaded, 0, "{path}");
        assert!(
            !page.text().contains("<style") && !page.text().contains(" style="),
            "{path}"
        );
    }
}

#[actix_web::test]
async fn the_sign_in_page_shows_the_client_escaped() {
    let path =
        authorize("scope=%22%3E%3Cscript%3E").replace("client_id=spa", "client_id=%3Cb%3E%26%22");
    let response = send(TestRequest::get().uri(&path)).await;
    let page = response.text();
    assert!(page.contains("<code>&lt;b&gt;&amp;&quot;</code>"), "{page}");
    assert!(
        page.contains("<code>http://localhost:5173</code>"),
        "{page}"
    );
    assert!(!page.contains("<script"), "{page}");
    for (id, name) in [("manager", "Manager"), ("administrator", "Administrator")] {
        let button = format!("<button name=\"person\" value=\"{id}\"><strong>{name}</strong>");
        assert!(page.contains(&button), "{page}");
    }
    assert_eq!(response.header("x-frame-options"), Some("DENY"));
}
