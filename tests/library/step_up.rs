//! `StepUp` grants access by the strength and time of the login, and rejects others with the requirement.

use std::time::{Duration, SystemTime};

use actix_resource_server::metrics::RejectionReason;
use actix_resource_server::test_kit::{TestClock, TestIssuer, TokenBuilder};
use actix_resource_server::{
    Api, AuthenticatedUser, AuthnLevel, Claim, Clock, KnownUser, MaybeUser, Scoped, StepUp,
    Verifier, get, step_up,
};
use actix_web::App;
use actix_web::test::{TestRequest, init_service};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::{self, Answer, DPOP, ReadMessages, ask, get_with};

step_up!(Gold = acr ["urn:example:gold", "urn:example:silver"]);
step_up!(Mfa = amr["mfa"]);
step_up!(Recently = max_age 5 minutes);
step_up!(Strong = acr "urn:example:gold", amr ["mfa", "hwk"], max_age 60 seconds);

/// A level without the macro.
struct InSession;

impl AuthnLevel for InSession {
    const MAX_AGE: Option<Duration> = Some(Duration::from_secs(900));
}

#[derive(Deserialize)]
struct Mail {
    email: String,
}

async fn gold(_: StepUp<Gold>) -> &'static str {
    "in"
}

async fn mfa(_: StepUp<Mfa>) -> &'static str {
    "in"
}

async fn recent(_: StepUp<Recently>) -> &'static str {
    "in"
}

async fn strong(_: StepUp<Strong>) -> &'static str {
    "in"
}

async fn session(_: StepUp<InSession>) -> &'static str {
    "in"
}

async fn inside(user: StepUp<Gold, Scoped<ReadMessages, AuthenticatedUser<Mail>>>) -> String {
    user.claims().email.clone()
}

async fn outside(_: Scoped<ReadMessages, Claim<KnownUser, StepUp<Gold>>>) -> &'static str {
    "in"
}

async fn between(_: Claim<KnownUser, StepUp<Recently, Scoped<ReadMessages>>>) -> &'static str {
    "in"
}

async fn maybe(user: MaybeUser<StepUp<Gold>>) -> String {
    user.user().map_or_else(
        || "anonymous".to_owned(),
        |user| user.subject().unwrap_or_default().to_owned(),
    )
}

fn api() -> Api {
    Api::new("/api")
        .route("/gold", get(gold))
        .route("/mfa", get(mfa))
        .route("/recent", get(recent))
        .route("/strong", get(strong))
        .route("/session", get(session))
        .route("/inside", get(inside))
        .route("/outside", get(outside))
        .route("/between", get(between))
        .route("/maybe", get(maybe))
}

/// The 401 that requires `login`: in the description, the challenge's parameters and the body's members.
fn insufficient(login: &str, parameters: &str, members: &Value) -> Answer {
    let detail = format!(
        "The login of the token's user does not suffice; this route requires a login {login}."
    );
    let mut answer = Answer::problem(401, "Unauthorized", &detail);
    answer.challenge = Some(format!(
        r#"Bearer realm="api", error="insufficient_user_authentication", error_description="{detail}"{parameters}, {DPOP}"#
    ));
    if let app::Body::Json(body) = &mut answer.body {
        for (name, value) in members.as_object().expect("members") {
            body[name] = value.clone();
        }
    }
    answer
}

fn not_gold() -> Answer {
    insufficient(
        "with acr urn:example:gold or urn:example:silver",
        r#", acr_values="urn:example:gold urn:example:silver""#,
        &json!({"acr_values": ["urn:example:gold", "urn:example:silver"]}),
    )
}

fn not_recent(seconds: u64) -> Answer {
    insufficient(
        &format!("at most {seconds} s ago"),
        &format!(r#", max_age="{seconds}""#),
        &json!({"max_age": seconds}),
    )
}

/// A verifier and its clock, which stands still.
async fn at_a_moment(issuer: &TestIssuer) -> (Verifier, TestClock) {
    let clock = TestClock::at(SystemTime::now());
    let shown = clock.clone();
    let trusted = app::trusted(issuer).build().expect("an issuer");
    let verifier = Verifier::builder().clock(Clock::new(move || shown.now()));
    let verifier = verifier.start([trusted]).expect("a verifier");
    app::warm(&verifier, issuer).await;
    (verifier, clock)
}

#[actix_web::test]
async fn a_rejection_describes_the_required_login() {
    let issuer = app::issuer();
    let (verifier, clock) = at_a_moment(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier.clone()))).await;
    let now = clock.now();
    let ago = |seconds| now - Duration::from_secs(seconds);
    let token = || issuer.token();
    let gold = || token().acr("urn:example:gold");
    let strong = || gold().amr(["hwk", "mfa"]).auth_time(now);
    let not_mfa = insufficient("with amr mfa", "", &json!({"amr_values": ["mfa"]}));
    let not_strong = insufficient(
        "with acr urn:example:gold, with amr mfa and hwk, at most 60 s ago",
        r#", acr_values="urn:example:gold", max_age="60""#,
        &json!({"acr_values": ["urn:example:gold"], "amr_values": ["mfa", "hwk"], "max_age": 60}),
    );
    let rejected = [
        ("gold", token(), not_gold()),
        ("gold", token().acr("urn:example:bronze"), not_gold()),
        ("mfa", token(), not_mfa.clone()),
        ("mfa", token().claim("amr", "mfa"), not_mfa),
        ("recent", token(), not_recent(300)),
        ("recent", token().auth_time(ago(307)), not_recent(300)),
        ("session", token().auth_time(ago(907)), not_recent(900)),
        ("strong", token(), not_strong.clone()),
        ("strong", strong().without("acr"), not_strong.clone()),
        ("strong", strong().amr(["mfa"]), not_strong.clone()),
        ("strong", strong().auth_time(ago(70)), not_strong),
    ];
    let count = u64::try_from(rejected.len()).expect("a few");
    for (route, token, expected) in rejected {
        let shown = format!("{route} {token:?}");
        let path = format!("/api/{route}");
        assert_eq!(get_with!(app, &path, &token.build()), expected, "{shown}");
    }
    let counted = verifier
        .counters()
        .rejected(RejectionReason::InsufficientLogin);
    assert_eq!(counted, count);
    for (route, token) in [
        ("gold", gold()),
        ("gold", token().acr("urn:example:silver")),
        ("mfa", token().amr(["pwd", "mfa"])),
        ("recent", token().auth_time(ago(300))),
        ("session", token().auth_time(ago(900))),
        ("strong", strong()),
    ] {
        let path = format!("/api/{route}");
        let answer = get_with!(app, &path, &token.build());
        assert_eq!(answer, Answer::text("in"), "{route}");
    }
}

#[actix_web::test]
async fn a_login_becomes_too_old_while_its_token_is_cached() {
    let issuer = app::issuer();
    let (verifier, clock) = at_a_moment(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    let token = issuer.token().auth_time(clock.now()).build();
    for _ in 0..3 {
        assert_eq!(get_with!(app, "/api/recent", &token), Answer::text("in"));
    }
    clock.advance(Duration::from_secs(304));
    assert_eq!(get_with!(app, "/api/recent", &token), Answer::text("in"));
    clock.advance(Duration::from_secs(3));
    assert_eq!(get_with!(app, "/api/recent", &token), not_recent(300));
    assert_eq!(get_with!(app, "/api/session", &token), Answer::text("in"));
}

#[actix_web::test]
async fn the_innermost_requirement_rejects_first() {
    let issuer = app::issuer();
    let (verifier, clock) = at_a_moment(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    let now = clock.now();
    let lacking = Answer::insufficient_scope(&[&["read:messages"]]);
    let unfit = Answer::invalid_token("The token's claims are not what this API expects.");
    let ask = async |path: &str, token: TokenBuilder| get_with!(app, path, &token.build());
    let token = || issuer.token().claim("email", "a@b.test");
    let gold = || token().acr("urn:example:gold");
    let reader = || token().scope("read:messages");
    let both = || gold().scope("read:messages").auth_time(now);
    for (path, token, expected) in [
        ("/api/inside", gold().without("email"), unfit),
        ("/api/inside", gold(), lacking.clone()),
        ("/api/inside", reader(), not_gold()),
        ("/api/inside", both(), Answer::text("a@b.test")),
        ("/api/outside", token(), not_gold()),
        ("/api/outside", reader(), not_gold()),
        ("/api/outside", gold(), lacking.clone()),
        ("/api/outside", both(), Answer::text("in")),
        ("/api/between", token(), lacking.clone()),
        ("/api/between", reader(), not_recent(300)),
        ("/api/between", both(), Answer::text("in")),
    ] {
        let shown = format!("{path} {token:?}");
        assert_eq!(ask(path, token).await, expected, "{shown}");
    }
    let anonymous = both().claim("sub", "anon@1");
    assert_eq!(ask("/api/between", anonymous).await.status, 403);
}

#[actix_web::test]
async fn an_optional_caller_with_a_token_must_meet_the_level() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    let anonymous = ask!(app, TestRequest::get().uri("/api/maybe"));
    assert_eq!(anonymous, Answer::text("anonymous"));
    let weak = issuer.token().build();
    assert_eq!(get_with!(app, "/api/maybe", &weak), not_gold());
    let strong = issuer.token().acr("urn:example:gold").build();
    let known = get_with!(app, "/api/maybe", &strong);
    assert_eq!(known, Answer::text("user-1"));
    let without = ask!(app, TestRequest::get().uri("/api/strong"));
    assert_eq!(without, Answer::no_credentials());
}
