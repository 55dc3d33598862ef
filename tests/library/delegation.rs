//! `Delegated` and `Direct` decide by the current actor of a token (RFC 8693 §4.1); a malformed one is never accepted.

use actix_resource_server::test_kit::TokenBuilder;
use actix_resource_server::{
    Actor, Api, AuthenticatedUser, Delegated, Direct, MaybeUser, Scoped, actor, get,
};
use actix_web::App;
use actix_web::test::{TestRequest, init_service};
use serde_json::{Value, json};

use crate::app::{self, Answer, ReadMessages, ask, get_with};

actor!(Assistant = client_id "assistant");

async fn user(user: AuthenticatedUser) -> String {
    let actors = user.actor().into_iter();
    let actors = actors.flat_map(|actor| std::iter::once(actor).chain(actor.prior()));
    let names: Vec<_> = actors.map(|actor| actor.subject().unwrap_or("-")).collect();
    names.join(" for ")
}

async fn plan(caller: Delegated<Assistant, Scoped<ReadMessages>>) -> String {
    let actor: &Actor = caller.actor();
    format!(
        "{} for {}",
        actor.client_id().unwrap_or_default(),
        caller.subject().unwrap_or_default()
    )
}

async fn close(_: Direct) -> &'static str {
    "closed"
}

async fn greet(caller: MaybeUser<Direct>) -> &'static str {
    caller.user().map_or("a guest", |_| "a user")
}

fn api() -> Api {
    Api::new("/api")
        .route("/user", get(user))
        .route("/plan", get(plan))
        .route("/close", get(close))
        .route("/greet", get(greet))
}

/// The 403 of a rule on the actor.
fn unfulfilled(description: &str, scope: &str) -> Answer {
    Answer {
        challenge: Some(format!(
            r#"Bearer realm="api", error="insufficient_scope", error_description="{description}"{scope}"#
        )),
        ..Answer::problem(403, "Forbidden", description)
    }
}

const NOT_ASSISTANT: &str = "The token's actor must have the client_id assistant.";
const NOT_DIRECT: &str =
    "This route is for the user directly, not for a client that acts on the user's behalf.";
const MALFORMED: &str = "The token's actor is malformed.";

#[actix_web::test]
async fn the_current_actor_decides() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    let reader = || issuer.token().scope("read:messages");
    let by = |actor: Value| reader().claim("act", actor).build();
    let assistant = json!({"client_id": "assistant", "act": {"sub": "other"}});
    let other = json!({"sub": "other", "act": {"client_id": "assistant"}});
    let answer = get_with!(app, "/api/plan", &by(assistant.clone()));
    assert_eq!(answer, Answer::text("assistant for user-1"));
    let scope = r#", scope="read:messages""#;
    for token in [by(other.clone()), reader().build()] {
        let answer = get_with!(app, "/api/plan", &token);
        assert_eq!(answer, unfulfilled(NOT_ASSISTANT, scope));
    }
    let answer = get_with!(app, "/api/close", &reader().build());
    assert_eq!(answer, Answer::text("closed"));
    for path in ["/api/close", "/api/greet"] {
        for token in [by(assistant.clone()), by(other.clone())] {
            let answer = get_with!(app, path, &token);
            assert_eq!(answer, unfulfilled(NOT_DIRECT, ""), "{path}");
        }
    }
    let answer = ask!(app, TestRequest::with_uri("/api/greet"));
    assert_eq!(answer, Answer::text("a guest"));
    let chain = json!({"sub": "c", "act": {"sub": "b", "act": {"client_id": "a"}}});
    let answer = get_with!(app, "/api/user", &by(chain));
    assert_eq!(answer, Answer::text("c for b for -"));
}

#[actix_web::test]
async fn a_malformed_actor_is_rejected_on_every_route_that_reads_the_token() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    let deep = (0..8).fold(
        json!({"sub": "a"}),
        |prior, _| json!({"sub": "a", "act": prior}),
    );
    let by = |actor: Value| -> TokenBuilder {
        let token = issuer.token().scope("read:messages");
        token.claim("act", actor)
    };
    for actor in [json!("agent"), json!({}), json!({"sub": 1}), deep] {
        for path in ["/api/user", "/api/plan", "/api/close", "/api/greet"] {
            let answer = get_with!(app, path, &by(actor.clone()).build());
            assert_eq!(answer, Answer::invalid_token(MALFORMED), "{path} {actor}");
        }
    }
}
