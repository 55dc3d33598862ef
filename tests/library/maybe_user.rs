//! `MaybeUser` forgives a missing token, never a bad one.

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
    format!("Hello, {}.", name.unwrap_or_else(|| "stranger".to_owned()))
}

async fn greet_reader(caller: MaybeUser<Scoped<ReadMessages>>) -> String {
    let reader: Option<Scoped<ReadMessages>> = caller.into_user();
    format!(
        "Hello, {}.",
        reader.map_or_else(
            || "stranger".to_owned(),
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
async fn without_credentials_the_caller_is_nobody() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    for path in ["/api/greeting", "/api/reader"] {
        assert_eq!(
            ask!(app, TestRequest::get().uri(path)),
            Answer::text("Hello, stranger.")
        );
    }
}

#[actix_web::test]
async fn with_a_good_token_the_caller_is_known() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    let token = issuer.token().scope("read:messages").build();
    for path in ["/api/greeting", "/api/reader"] {
        assert_eq!(get_with!(app, path, &token), Answer::text("Hello, user-1."));
    }
}

#[actix_web::test]
async fn a_bad_token_never_becomes_an_anonymous_caller() {
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
async fn a_header_that_carries_no_token_is_no_absence_of_credentials() {
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
async fn a_caller_who_is_known_must_still_have_the_scope() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    let answer = get_with!(app, "/api/reader", &issuer.token().build());
    assert_eq!(answer, Answer::insufficient_scope(&[&["read:messages"]]));
}

#[actix_web::test]
async fn a_token_that_cannot_be_judged_is_no_absence_of_credentials() {
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

/// What `MaybeUser` is for: the framework's own `Option` takes a bad token for none.
#[actix_web::test]
async fn an_option_does_what_maybe_user_must_not() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let request = app::request(&verifier, &issuer.token().claim("exp", 1).build());
    let option = <Option<AuthenticatedUser> as actix_web::FromRequest>::extract(&request).await;
    assert!(option.expect("an option is never refused").is_none());
    assert!(
        <MaybeUser as actix_web::FromRequest>::extract(&request)
            .await
            .is_err()
    );
}
