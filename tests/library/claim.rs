//! `Claim` grants access by a rule on the token's claims, and rejects other tokens with its description.

use actix_resource_server::test_kit::TokenBuilder;
use actix_resource_server::{
    Api, AuthenticatedUser, Claim, ClaimRule, KnownUser, MaybeUser, Scoped, Verified, claim, get,
};
use actix_web::App;
use actix_web::test::{TestRequest, init_service};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::{self, Answer, ReadMessages, ask, get_with};

claim!(EmailVerified = "email_verified" equals true);
claim!(Gold = "https://api.test/plan" equals "gold");
claim!(Staff = "/realm_access/roles" includes "staff");

struct Adult;

impl ClaimRule for Adult {
    const DESCRIPTION: &'static str = "This is for \"adults\".";

    fn holds(token: &Verified) -> bool {
        let age = token.claim("age").and_then(Value::as_u64);
        age.is_some_and(|age| age >= 18)
    }
}

#[derive(Deserialize)]
struct Mail {
    email: String,
}

async fn verified(_: Claim<EmailVerified>) -> &'static str {
    "in"
}

async fn gold(_: Claim<Gold>) -> &'static str {
    "in"
}

async fn staff(_: Claim<Staff>) -> &'static str {
    "in"
}

async fn adult(_: Claim<Adult>) -> &'static str {
    "in"
}

async fn known(_: Claim<KnownUser>) -> &'static str {
    "in"
}

async fn inbox(
    user: Claim<EmailVerified, Scoped<ReadMessages, AuthenticatedUser<Mail>>>,
) -> String {
    user.claims().email.clone()
}

async fn office(_: Scoped<ReadMessages, Claim<Staff, Claim<EmailVerified>>>) -> &'static str {
    "in"
}

async fn lounge(user: MaybeUser<Claim<Gold>>) -> String {
    user.user().map_or_else(
        || "anonymous".to_owned(),
        |user| user.subject().unwrap_or_default().to_owned(),
    )
}

fn api() -> Api {
    Api::new("/api")
        .route("/verified", get(verified))
        .route("/gold", get(gold))
        .route("/staff", get(staff))
        .route("/adult", get(adult))
        .route("/known", get(known))
        .route("/inbox", get(inbox))
        .route("/office", get(office))
        .route("/lounge", get(lounge))
}

/// The 403 of a rule: the challenge quotes the description, the body contains it exactly.
fn unfulfilled(description: &str) -> Answer {
    let quoted = description.replace('"', "'");
    Answer {
        challenge: Some(format!(
            r#"Bearer realm="api", error="insufficient_scope", error_description="{quoted}""#
        )),
        ..Answer::problem(403, "Forbidden", description)
    }
}

/// The same where the route requires a scope, too.
fn of_scoped_route(description: &str) -> Answer {
    let answer = unfulfilled(description);
    let scoped = |challenge| format!(r#"{challenge}, scope="read:messages""#);
    Answer {
        challenge: answer.challenge.map(scoped),
        ..answer
    }
}

const NOT_VERIFIED: &str = "The token's claim email_verified must be true.";
const NOT_GOLD: &str = "The token's claim https://api.test/plan must be gold.";
const NOT_STAFF: &str = "The token's claim /realm_access/roles must include staff.";
const NOT_ADULT: &str = "This is for \"adults\".";
const ANONYMOUS: &str = "Anonymous sessions are not accepted here.";

#[actix_web::test]
async fn a_rule_accepts_only_the_values_it_names() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    let plan = "https://api.test/plan";
    let roles = |roles: Value| json!({"roles": roles});
    let in_with = [
        ("/api/verified", "email_verified", json!(true)),
        ("/api/gold", plan, json!("gold")),
        ("/api/staff", "realm_access", roles(json!(["a", "staff"]))),
        ("/api/staff", "realm_access", roles(json!("a staff"))),
        ("/api/adult", "age", json!(18)),
        ("/api/known", "sub", json!("auth0|1")),
    ];
    for (path, claim, value) in in_with {
        let token = issuer.token().claim(claim, value).build();
        assert_eq!(get_with!(app, path, &token), Answer::text("in"), "{path}");
    }
    let out_with = [
        (
            "/api/verified",
            NOT_VERIFIED,
            "email_verified",
            json!(false),
        ),
        (
            "/api/verified",
            NOT_VERIFIED,
            "email_verified",
            json!("true"),
        ),
        ("/api/verified", NOT_VERIFIED, "verified", json!(true)),
        ("/api/gold", NOT_GOLD, plan, json!("Gold")),
        ("/api/gold", NOT_GOLD, plan, json!(["gold"])),
        (
            "/api/staff",
            NOT_STAFF,
            "realm_access",
            roles(json!("staffers")),
        ),
        ("/api/staff", NOT_STAFF, "roles", json!(["staff"])),
        ("/api/adult", NOT_ADULT, "age", json!(17)),
        ("/api/adult", NOT_ADULT, "age", json!("18")),
        ("/api/known", ANONYMOUS, "sub", json!("anon@1")),
    ];
    for (path, text, claim, value) in out_with {
        let token = issuer.token().claim(claim, value).build();
        assert_eq!(get_with!(app, path, &token), unfulfilled(text), "{path}");
    }
}

#[actix_web::test]
async fn of_several_requirements_the_innermost_rejects_first() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    let mut token = issuer.token();
    let inbox = async |token: TokenBuilder| get_with!(app, "/api/inbox", &token.build());
    let unfit = Answer::invalid_token("The token's claims are not what this API expects.");
    assert_eq!(inbox(token.clone()).await, unfit);
    token = token.claim("email", "a@b.test");
    let lacking = Answer::insufficient_scope(&[&["read:messages"]]);
    assert_eq!(inbox(token.clone()).await, lacking);
    token = token.scope("read:messages");
    assert_eq!(inbox(token.clone()).await, of_scoped_route(NOT_VERIFIED));
    let token = token.claim("email_verified", true);
    assert_eq!(inbox(token.clone()).await, Answer::text("a@b.test"));
    let outside = get_with!(app, "/api/office", &token.clone().build());
    assert_eq!(outside, of_scoped_route(NOT_STAFF));
    let inside = token
        .claim("realm_access", json!({"roles": ["staff"]}))
        .build();
    assert_eq!(get_with!(app, "/api/office", &inside), Answer::text("in"));
}

#[actix_web::test]
async fn a_request_without_a_token_learns_no_rule() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    let ask = async |path| ask!(app, TestRequest::get().uri(path));
    assert_eq!(ask("/api/verified").await, Answer::no_credentials());
    assert_eq!(ask("/api/lounge").await, Answer::text("anonymous"));
    let plain = get_with!(app, "/api/lounge", &issuer.token().build());
    assert_eq!(plain, unfulfilled(NOT_GOLD));
    let gold = issuer
        .token()
        .claim("https://api.test/plan", "gold")
        .build();
    assert_eq!(get_with!(app, "/api/lounge", &gold), Answer::text("user-1"));
}

#[test]
fn the_routes_list_their_rules() {
    let table = api();
    let requirement = |path: &str| {
        let mut rows = table.routes();
        rows.find(|row| row.path == path)
            .map(|row| row.requirement.to_string())
    };
    let verified = format!("a token; {NOT_VERIFIED}");
    assert_eq!(requirement("/api/verified"), Some(verified));
    let office = format!("a token with read:messages; {NOT_VERIFIED}; {NOT_STAFF}");
    assert_eq!(requirement("/api/office"), Some(office));
    let lounge = format!("everyone, or a token; {NOT_GOLD}");
    assert_eq!(requirement("/api/lounge"), Some(lounge));
}
