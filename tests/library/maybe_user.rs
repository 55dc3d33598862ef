//! `MaybeUser` accepts a request without a token, but not one with an invalid token.

use actix_resource_server::test_kit::{Document, Fault};
use actix_resource_server::{Api, AuthenticatedUser, MaybeUser, Scoped, get};
use actix_web::App;
use actix_web::http::header::AUTHORIZATION;
use actix_web::test::{TestRequest, init_service};

use crate::app::{self, Answer, DPOP, ReadMessages, ask, bearer, get_with};

async fn greet(caller: MaybeUser) -> String {
    let name = caller
        .user()
        .map(|user| user.subject().unwrap_or_default().to_owned());
    format!("Hello, {}.", name.unwrap_or_else(|| "guest".to_owned()))
}

async fn greet_reader(caller: MaybeUser<Scoped<ReadMessages>>) -> String {
    let reader: Option<Scoped<ReadMessages>> = caller.into_user();
    format!(
        "Hello, {}.",
        reader.map_or_else(
            || "guest".to_owned(),
            |reader| reader.subject().unwrap_or_default().to_owned()
        )
    )
}

fn api() -> Api {
    Api::new("/api")
        .route("/greeting", get(greet))
        .route("/reader", get(greet_reader))
}

#[actix_web::test]
async fn a_request_without_credentials_is_anonymous() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    for path in ["/api/greeting", "/api/reader"] {
        assert_eq!(
            ask!(app, TestRequest::get().uri(path)),
            Answer::text("Hello, guest.")
        );
    }
}

#[actix_web::test]
async fn a_valid_token_identifies_the_caller() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    let token = issuer.token().scope("read:messages").build();
    for path in ["/api/greeting", "/api/reader"] {
        assert_eq!(get_with!(app, path, &token), Answer::text("Hello, user-1."));
    }
}

#[actix_web::test]
async fn an_invalid_token_is_never_anonymous() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    let cases = [
        ("invalidToken".to_owned(), "The token is not a signed JWT."),
        (
            issuer.token().claim("exp", 1).build(),
            "The token has expired.",
        ),
        (
            issuer.token().raw_signature([1; 64]).build(),
            "The token's signature is invalid.",
        ),
        (
            issuer.token().claim("aud", "other").build(),
            "The token is for another audience.",
        ),
        (
            issuer.token().header("kid", "other").build(),
            "The token's key is not known.",
        ),
    ];
    for (token, text) in &cases {
        for path in ["/api/greeting", "/api/reader"] {
            assert_eq!(get_with!(app, path, token), Answer::invalid_token(text));
        }
    }
}

#[actix_web::test]
async fn a_header_without_a_token_is_not_anonymous() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    let plain = format!(r#"Bearer realm="api", {DPOP}"#);
    for header in ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer a b"] {
        let request = TestRequest::get().uri("/api/greeting");
        let answer = ask!(app, request.insert_header((AUTHORIZATION, header)));
        let challenge = answer.challenge.as_deref();
        assert_eq!(
            (answer.status, challenge),
            (401, Some(plain.as_str())),
            "{header:?}"
        );
    }
    let token = issuer.token().build();
    let twice = TestRequest::get().uri("/api/greeting");
    let twice = twice
        .append_header(bearer(&token))
        .append_header(bearer(&token));
    let answer = ask!(app, twice);
    let expected = r#"Bearer realm="api", error="invalid_request", error_description="More than one access token was sent.""#;
    assert_eq!(
        (answer.status, answer.challenge.as_deref()),
        (400, Some(expected))
    );
}

#[actix_web::test]
async fn a_known_caller_must_have_the_scope() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    let answer = get_with!(app, "/api/reader", &issuer.token().build());
    assert_eq!(answer, Answer::insufficient_scope(&[&["read:messages"]]));
}

#[actix_web::test]
async fn a_token_that_cannot_be_verified_is_not_anonymous() {
    let issuer = app::issuer();
    issuer.set_fault(Document::Jwks, Some(Fault::status(500)));
    let app = init_service(App::new().service(api().verified_by(app::verifier(&issuer)))).await;
    let answer = get_with!(app, "/api/greeting", &issuer.token().build());
    assert_eq!(
        (answer.status, answer.retry_after.as_deref()),
        (503, Some("1"))
    );
    assert_eq!(answer.challenge, None);
}

/// Why `MaybeUser` exists: the `Option` extractor of Actix turns an invalid token into `None`.
#[actix_web::test]
async fn an_option_extractor_accepts_an_invalid_token() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let request = app::request(&verifier, &issuer.token().claim("exp", 1).build());
    let option = <Option<AuthenticatedUser> as actix_web::FromRequest>::extract(&request).await;
    assert!(option.expect("an option is never rejected").is_none());
    assert!(
        <MaybeUser as actix_web::FromRequest>::extract(&request)
            .await
            .is_err()
    );
}
