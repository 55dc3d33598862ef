//! Tests of the denial matrix.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, web};
use serde::Deserialize;

use super::matrix::DenialMatrix;
use super::*;
use crate::Api;
use crate::errors::RevokeError;
use crate::jose::Algorithm;
use crate::test_kit::{TestClock, TestIssuer};
use crate::verifier::clock::Clock;
use crate::{
    Access, Actor, ActorRule, AnyActor, AnyOf, AuthenticatedUser, Bound, Claim, Delegated, Direct,
    Issuer, MaybeUser, Public, Revocations, Scoped, StepUp, Verified, Verifier, actor, claim,
    scope, step_up,
};
use crate::{get, post};

scope!(Read = "read");
scope!(Write = "write");
scope!(Unrelated = "unrelated");
scope!(UnrelatedX = "unrelatedx", implies Unrelated);
claim!(Staff = "staff" equals true);
actor!(Agent = client_id ["planner", "assistant"]);
actor!(Assistant = client_id ["assistant", "unrelated"], subject "bot", issuer "https://agents.test/");
step_up!(Gold = acr ["platinum", "gold"]);
step_up!(Strong = acr ["silver", "gold"], amr ["mfa", "hwk"], max_age 1 minute);

#[derive(Deserialize)]
struct Own {
    #[expect(dead_code, reason = "only its being there is asked for")]
    org: String,
}

type Runs = web::Data<AtomicUsize>;

async fn public(_: Public) -> &'static str {
    "granted"
}
async fn user(_: AuthenticatedUser, runs: Runs) -> &'static str {
    ran(&runs)
}
async fn own(_: AuthenticatedUser<Own>, runs: Runs) -> &'static str {
    ran(&runs)
}
async fn maybe(_: MaybeUser<Scoped<Read>>, runs: Runs) -> &'static str {
    ran(&runs)
}
async fn read(_: Scoped<Read>, runs: Runs) -> &'static str {
    ran(&runs)
}
async fn unrelated(_: Scoped<Unrelated>, runs: Runs) -> &'static str {
    ran(&runs)
}
async fn both(_: Scoped<(Read, Write)>, runs: Runs) -> &'static str {
    ran(&runs)
}
async fn nested(_: Scoped<Write, Scoped<Read>>, runs: Runs) -> &'static str {
    ran(&runs)
}
async fn bound_strong(_: Scoped<Read, StepUp<Strong, Bound>>, runs: Runs) -> &'static str {
    ran(&runs)
}
async fn strong(_: StepUp<Strong>, runs: Runs) -> &'static str {
    ran(&runs)
}
async fn stronger(_: Scoped<Read, StepUp<Gold, StepUp<Strong>>>, runs: Runs) -> &'static str {
    ran(&runs)
}
async fn maybe_strong(
    _: MaybeUser<StepUp<Gold, Scoped<(Read, Write)>>>,
    runs: Runs,
) -> &'static str {
    ran(&runs)
}
async fn either(_: Claim<Staff, Scoped<AnyOf<(Read, Write)>>>, runs: Runs) -> &'static str {
    ran(&runs)
}

async fn bound(_: Bound<Scoped<Read>>, runs: Runs) -> &'static str {
    ran(&runs)
}

/// Requires more than its lists name.
struct OfTeam;

impl ActorRule for OfTeam {
    const DESCRIPTION: &'static str = "The actor must be of the team.";

    fn holds(actor: &Actor, _: &Verified) -> bool {
        actor
            .subject()
            .is_some_and(|name| name.starts_with("team-"))
    }
}

async fn direct(_: Direct<Scoped<Read, StepUp<Gold>>>, runs: Runs) -> &'static str {
    ran(&runs)
}

async fn any_actor(_: MaybeUser<Scoped<Read, Delegated<AnyActor>>>, runs: Runs) -> &'static str {
    ran(&runs)
}

async fn delegated(
    _: Delegated<Agent, Scoped<Read, StepUp<Gold, Delegated<Assistant>>>>,
    runs: Runs,
) -> &'static str {
    ran(&runs)
}

async fn bound_delegated(_: Delegated<Agent, Bound>, runs: Runs) -> &'static str {
    ran(&runs)
}

async fn bound_direct(_: Bound<Direct>, runs: Runs) -> &'static str {
    ran(&runs)
}

async fn team(_: Delegated<OfTeam, Scoped<Read>>, runs: Runs) -> &'static str {
    ran(&runs)
}

fn ran(runs: &Runs) -> &'static str {
    runs.fetch_add(1, Ordering::Relaxed);
    "granted"
}

fn api() -> Api {
    Api::new("/api")
        .route("/public", get(public))
        .route("/user", get(user))
        .route("/user", post(own))
        .route("/maybe", get(maybe))
        .route("/items/{id}", get(read))
        .route(r"/pages/{year:\d{4}}", get(both))
        .route("/nested", get(nested))
        .route("/unrelated", get(unrelated))
        .route("/either", get(either))
        .route("/bound", get(bound))
        .route("/bound-strong", get(bound_strong))
        .route("/strong", get(strong))
        .route("/stronger", get(stronger))
        .route("/maybe-strong", get(maybe_strong))
}

fn verifier(issuer: &TestIssuer, clock: Clock) -> Verifier {
    let trusted = Issuer::discover(issuer.url()).audience(issuer.audience());
    let builder = Verifier::builder().clock(clock);
    builder.start([trusted.build().unwrap()]).unwrap()
}

/// Routes that decide by the actor.
fn delegation() -> Api {
    Api::new("/api")
        .route("/direct", get(direct))
        .route("/any-actor", get(any_actor))
        .route("/delegated", get(delegated))
        .route("/bound-delegated", get(bound_delegated))
        .route("/bound-direct", get(bound_direct))
        .route("/team", get(team))
}

/// The report on `api`, and how often a handler of it ran.
async fn tried(matrix: &DenialMatrix, served: Api, verifier: Verifier) -> (DenialReport, usize) {
    tried_as(&api(), matrix, served, verifier).await
}

/// The report on `declared`, where `served` is what the app has.
async fn tried_as(
    declared: &Api,
    matrix: &DenialMatrix,
    served: Api,
    verifier: Verifier,
) -> (DenialReport, usize) {
    let runs = Runs::new(AtomicUsize::new(0));
    let app = App::new().app_data(runs.clone());
    let app = init_service(app.service(served.verified_by(verifier))).await;
    let call = async |request: TestRequest| call_service(&app, request.to_request()).await;
    let report = matrix.try_app(declared, call).await;
    (report, runs.load(Ordering::Relaxed))
}

#[actix_web::test]
async fn protected_routes_reject_all_invalid_credentials() {
    for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
        let issuer = TestIssuer::start_with(algorithm);
        let token = issuer.token().claim("org", "x").claim("staff", true);
        let matrix = DenialMatrix::new(&issuer)
            .token(token)
            .parameter("year", "2024");
        let verifier = verifier(&issuer, Clock::default());
        let (report, runs) = tried(&matrix, api(), verifier).await;
        report.assert_denied();
        assert_eq!(runs, 0);
        // Twelve ways on each of thirteen routes, eleven on the two that need no token; two for scopes on ten, levels on
        // four, a sender on two.
        let expected = 12 * 13 - 2 + 2 * 10 + 4 + 2;
        assert_eq!(report.tried().len(), expected, "{report}");
    }
}

#[actix_web::test]
async fn actors_are_tried_where_the_route_decides_by_them() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let matrix = DenialMatrix::new(&issuer).token(issuer.token().actor("team-1"));
    let start = || verifier(&issuer, Clock::default());
    let (report, runs) = tried_as(&delegation(), &matrix, delegation(), start()).await;
    report.assert_denied();
    assert_eq!(runs, 0);
    let ways = |route: &str| {
        let ways = report.tried().iter().filter(|tried| tried.route == route);
        let ways = ways.map(|tried| tried.way).filter(|way| {
            matches!(
                way,
                Way::Delegated | Way::NoActor | Way::OtherActor | Way::MalformedActor
            )
        });
        ways.collect::<Vec<_>>()
    };
    let [malformed, delegated, none, other] = [
        Way::MalformedActor,
        Way::Delegated,
        Way::NoActor,
        Way::OtherActor,
    ];
    for (route, expected) in [
        ("GET /api/direct", &[malformed, delegated][..]),
        ("GET /api/any-actor", &[malformed, none]),
        ("GET /api/delegated", &[malformed, none, other]),
        ("GET /api/bound-delegated", &[malformed, none, other]),
        ("GET /api/bound-direct", &[malformed, delegated]),
        ("GET /api/team", &[malformed, none]),
    ] {
        assert_eq!(ways(route), expected, "{route}");
    }
    // The same routes without their demands on actors let in what they would reject.
    let open = Api::new("/api")
        .route("/direct", get(strong_reader))
        .route("/delegated", get(strong_reader));
    let (report, _) = tried_as(&delegation(), &matrix, open, start()).await;
    let let_in: Vec<_> = report
        .tried()
        .iter()
        .filter(|tried| tried.outcome == Outcome::LetIn)
        .map(|tried| (tried.route.as_str(), tried.way))
        .collect();
    let expected = [
        ("GET /api/direct", delegated),
        ("GET /api/delegated", none),
        ("GET /api/delegated", other),
    ];
    assert_eq!(let_in, expected, "{report}");
}

async fn strong_reader(_: Scoped<Read, StepUp<Gold>>) -> &'static str {
    "granted"
}

#[actix_web::test]
async fn a_token_that_no_rule_lets_in_is_no_proof_that_scopes_are_asked_for() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let matrix = DenialMatrix::new(&issuer).parameter("year", "24");
    let (report, _) = tried(&matrix, api(), verifier(&issuer, Clock::default())).await;
    let other: Vec<_> = report
        .tried()
        .iter()
        .filter(|tried| tried.outcome != Outcome::Denied)
        .map(|tried| (tried.route.as_str(), tried.outcome))
        .collect();
    assert!(
        other
            .iter()
            .all(|tried| *tried == ("GET /api/pages/24", Outcome::Other)),
        "{report}"
    );
    assert_eq!(other.len(), 14);
}

#[test]
fn the_other_scope_is_neither_required_nor_a_wider_one() {
    let other = |requirement| demand::unrelated_scope(&requirement);
    assert_eq!(other(Scoped::<Read>::requirement()), "unrelated");
    assert_eq!(other(Scoped::<Unrelated>::requirement()), "unrelatedxx");
    assert_eq!(
        other(<Scoped<(Read, UnrelatedX)>>::requirement()),
        "unrelated"
    );
}

#[actix_web::test]
async fn the_time_is_the_one_of_the_verifiers_clock() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let clock = TestClock::at(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000));
    let shared = clock.clone();
    let verifier = verifier(&issuer, Clock::new(move || shared.now()));
    let matrix = DenialMatrix::new(&issuer)
        .at(clock.now())
        .parameter("year", "2024");
    let (report, _) = tried(&matrix, api(), verifier).await;
    report.assert_denied();
}

#[actix_web::test]
async fn an_issuer_without_a_public_key_is_tried_without_it() {
    let issuer = TestIssuer::start_with(Algorithm::Hs256);
    let tries = DenialMatrix::new(&issuer).tries(&api());
    assert!(tries.iter().any(|tried| tried.way() == Way::ForeignKey));
    assert!(
        tries
            .iter()
            .all(|tried| tried.way() != Way::PublicKeyAsSecret)
    );
}

#[actix_web::test]
async fn a_hole_is_found_and_shown() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let open = Api::new("/api").route("/user", get(public));
    let (report, _) = tried(
        &DenialMatrix::new(&issuer),
        open,
        verifier(&issuer, Clock::default()),
    )
    .await;
    let outcome = |route: &str| {
        let of_route = report.tried().iter().filter(|tried| tried.route == route);
        of_route.map(|tried| tried.outcome).collect::<Vec<_>>()
    };
    assert_eq!(outcome("GET /api/user"), [Outcome::LetIn; 12]);
    assert_eq!(outcome("GET /api/maybe"), [Outcome::Other; 13]);
    assert!(!report.all_denied());
    let table = report.to_string();
    let shown =
        "GET /api/user\n  LET IN  no token                  200, not 401 Bearer realm=\"api\"\n";
    assert!(table.contains(shown), "{table}");
    let panic = std::panic::catch_unwind(|| report.assert_denied()).unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().ends_with(&table));
}

#[actix_web::test]
async fn a_handler_that_imitates_a_rejection_is_found_by_its_body() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let api = Api::new("").route("/", get(user));
    let answer =
        |challenge: &'static str, body: &'static str| Answer::new(401, Some(challenge), body);
    let right =
        r#"{"status":401,"detail":"An access token is needed in the Authorization header."}"#;
    let cases = [
        (answer(r#"Bearer realm="api""#, right), Outcome::Denied),
        (answer(r#"Bearer realm="api""#, ""), Outcome::Other),
        (
            answer(r#"Bearer realm="api""#, r#"{"status":401}"#),
            Outcome::Other,
        ),
        (answer("Bearer", right), Outcome::Other),
    ];
    for (answer, outcome) in cases {
        let send = async |tried: &Try| match tried.authorization() {
            None => answer.clone(),
            Some(_) => Answer::new(200, None, ""),
        };
        let report = DenialMatrix::new(&issuer).try_server(&api, send).await;
        assert_eq!(report.tried()[0].outcome, outcome, "{report}");
    }
}

#[actix_web::test]
async fn a_revoked_token_is_tried_where_a_session_was_revoked() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let trusted = || {
        let issuer = Issuer::discover(issuer.url()).audience(issuer.audience());
        let issuer = issuer.max_token_age(std::time::Duration::from_secs(3600));
        issuer.build().unwrap()
    };
    let revoking = || Verifier::builder().revocations(Revocations::in_memory(10));
    let verifier = revoking().start([trusted()]).unwrap();
    let matrix = || {
        let matrix = DenialMatrix::new(&issuer).parameter("year", "2026");
        matrix.token(issuer.token().claim("org", "acme"))
    };
    let plain = matrix().tries(&api());
    assert!(plain.iter().all(|tried| tried.way() != Way::Revoked));

    let revoked = matrix().revoked_by(&verifier).await.unwrap();
    let (report, runs) = tried(&revoked, api(), verifier).await;
    report.assert_denied();
    assert_eq!(runs, 0);
    let protected = api().routes().count() - 1;
    let tried_ways = report.tried().iter().map(|tried| tried.way);
    let revoked_tries = tried_ways.filter(|way| *way == Way::Revoked).count();
    assert_eq!(revoked_tries, protected);

    // Where the routes use other revocations, the token is accepted.
    let other = revoking().start([trusted()]).unwrap();
    let (report, _) = tried(&revoked, api(), other).await;
    assert!(!report.all_denied());
    let unable = Verifier::start([trusted()]).unwrap();
    let error = matrix().revoked_by(&unable).await.err();
    assert_eq!(error, Some(RevokeError::NotConfigured));
}

#[actix_web::test]
async fn routes_for_streams_are_tried_from_a_foreign_origin_and_with_a_ticket() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let api = || {
        Api::new("/api")
            .route("/socket", get(user).websocket_token())
            .route("/events", get(user).tickets())
            .route("/plain", get(user))
    };
    let runs = Runs::new(AtomicUsize::new(0));
    let verifier = verifier(&issuer, Clock::default());
    let app = App::new().app_data(runs.clone());
    let app = init_service(app.service(api().verified_by(verifier))).await;
    let call = async |request: TestRequest| call_service(&app, request.to_request()).await;
    let report = DenialMatrix::new(&issuer).try_app(&api(), call).await;
    report.assert_denied();
    assert_eq!(runs.load(Ordering::Relaxed), 0);
    let tried = |way| {
        let tried = report.tried().iter().filter(move |tried| tried.way == way);
        tried.map(|tried| tried.route.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        tried(Way::ForeignOrigin),
        ["GET /api/socket", "GET /api/events"]
    );
    assert_eq!(tried(Way::UnusableTicket), ["GET /api/events"]);
    assert_eq!(tried(Way::ExpiredInSubprotocol), ["GET /api/socket"]);
}
