//! Times are compared with the verifier's clock, exactly at the boundaries.

use std::time::{Duration, SystemTime};

use actix_resource_server::test_kit::{TestClock, TestIssuer, TokenBuilder};
use actix_resource_server::{Api, AuthenticatedUser, Cause, Clock, IssuerBuilder, Verifier, get};
use actix_web::App;
use actix_web::test::init_service;
use serde_json::json;

use crate::app::{self, Answer, get_with};

/// A time without a fraction of a second, like the claims in the tables.
const START: u64 = 1_700_000_000;

const EXPIRED: &str = "The token has expired.";
const NOT_YET: &str = "The token is not valid yet.";
const MALFORMED: &str = "A claim of the token is malformed.";
const MISSING: &str = "A required claim is missing from the token.";
const TOO_OLD: &str = "The token is too old.";
const AHEAD: &str = "The token was issued in the future.";

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(START)
}

/// The start plus this many milliseconds.
fn after(milliseconds: i64) -> SystemTime {
    let distance = Duration::from_millis(milliseconds.unsigned_abs());
    if milliseconds < 0 {
        start() - distance
    } else {
        start() + distance
    }
}

/// A token that is issued at the start and valid for a minute.
fn token(issuer: &TestIssuer) -> TokenBuilder {
    issuer
        .token()
        .issued_at(start())
        .expires_in(Duration::from_secs(60))
}

fn verifier_at(clock: &TestClock, issuer: IssuerBuilder) -> Verifier {
    let clock = clock.clone();
    let verifier = Verifier::builder().clock(Clock::new(move || clock.now()));
    let issuer = issuer.build().expect("an issuer without contradictions");
    verifier.start([issuer]).expect("a thread for the keys")
}

/// Accepted, or rejected with this text.
type Outcome = Result<(), &'static str>;

/// Sends each token at its time, and compares the outcome.
async fn judge(
    issuer: &TestIssuer,
    trusted: IssuerBuilder,
    cases: Vec<(TokenBuilder, i64, Outcome)>,
) {
    let clock = TestClock::at(start());
    let verifier = verifier_at(&clock, trusted);
    let warmed = app::admit(&verifier, &token(issuer).build()).await;
    assert!(warmed.is_ok(), "{warmed:?}");
    for (token, moment, expected) in cases {
        clock.set(after(moment));
        let shown = format!("{token:?} at {moment} ms");
        let judged = app::admit(&verifier, &token.build()).await;
        let expected = expected.map_err(Cause::InvalidToken);
        assert_eq!(judged.map(|_| ()), expected, "{shown}");
    }
}

#[actix_web::test]
async fn a_token_expires_after_exp_and_the_tolerance() {
    let issuer = app::issuer();
    let fraction = || token(&issuer).claim("exp", 1_700_000_060.25);
    let cases = vec![
        (token(&issuer), 0, Ok(())),
        (token(&issuer), 59_999, Ok(())),
        (token(&issuer), 60_000, Ok(())),
        (token(&issuer), 64_999, Ok(())),
        (token(&issuer), 65_000, Err(EXPIRED)),
        (token(&issuer), 65_001, Err(EXPIRED)),
        (token(&issuer), 100_000_000, Err(EXPIRED)),
        (fraction(), 65_249, Ok(())),
        (fraction(), 65_250, Err(EXPIRED)),
        (token(&issuer).claim("exp", 0), 0, Err(EXPIRED)),
        (
            token(&issuer).claim("exp", 253_402_300_799_u64),
            100_000_000,
            Ok(()),
        ),
        (
            token(&issuer).claim("exp", 253_402_300_800_u64),
            0,
            Err(MALFORMED),
        ),
        (token(&issuer).claim("exp", "1700000060"), 0, Err(MALFORMED)),
        (token(&issuer).claim("exp", json!(null)), 0, Err(MALFORMED)),
        (token(&issuer).claim("exp", -1), 0, Err(MALFORMED)),
        (token(&issuer).without("exp"), 0, Err(MISSING)),
    ];
    judge(&issuer, app::trusted(&issuer), cases).await;
}

#[actix_web::test]
async fn the_tolerance_is_configurable() {
    let issuer = app::issuer();
    let exact = app::trusted(&issuer).clock_tolerance(Duration::ZERO);
    let cases = vec![
        (token(&issuer), 59_999, Ok(())),
        (token(&issuer), 60_000, Err(EXPIRED)),
        (token(&issuer).claim("nbf", START), 0, Ok(())),
        (token(&issuer).claim("nbf", START), -1, Err(NOT_YET)),
    ];
    judge(&issuer, exact, cases).await;
    let generous = app::trusted(&issuer).clock_tolerance(Duration::from_secs(60));
    let cases = vec![
        (token(&issuer), 119_999, Ok(())),
        (token(&issuer), 120_000, Err(EXPIRED)),
        (token(&issuer).claim("nbf", START + 60), 0, Ok(())),
        (token(&issuer).claim("nbf", START + 61), 0, Err(NOT_YET)),
    ];
    judge(&issuer, generous, cases).await;
}

#[actix_web::test]
async fn a_token_is_valid_from_nbf_less_the_tolerance() {
    let issuer = app::issuer();
    let from = || token(&issuer).claim("nbf", START + 10);
    let cases = vec![
        (from(), 10_000, Ok(())),
        (from(), 5_000, Ok(())),
        (from(), 4_999, Err(NOT_YET)),
        (from(), 0, Err(NOT_YET)),
        (token(&issuer).claim("nbf", 0), 0, Ok(())),
        (
            token(&issuer).claim("nbf", 1_700_000_005.5),
            0,
            Err(NOT_YET),
        ),
        (token(&issuer).claim("nbf", 1_700_000_005.5), 500, Ok(())),
        (token(&issuer).claim("nbf", "0"), 0, Err(MALFORMED)),
        (token(&issuer).claim("nbf", json!(null)), 0, Err(MALFORMED)),
        (token(&issuer).claim("nbf", -1), 0, Err(MALFORMED)),
    ];
    judge(&issuer, app::trusted(&issuer), cases).await;
}

#[actix_web::test]
async fn without_a_maximum_age_iat_only_has_to_be_well_formed() {
    let issuer = app::issuer();
    let cases = vec![
        (token(&issuer).without("iat"), 0, Ok(())),
        (token(&issuer).claim("iat", 0), 0, Ok(())),
        (token(&issuer).claim("iat", START + 3600), 0, Ok(())),
        (token(&issuer).claim("iat", "1700000000"), 0, Err(MALFORMED)),
        (token(&issuer).claim("iat", json!(null)), 0, Err(MALFORMED)),
        (
            token(&issuer).claim("iat", json!([START])),
            0,
            Err(MALFORMED),
        ),
    ];
    judge(&issuer, app::trusted(&issuer), cases).await;
}

#[actix_web::test]
async fn a_maximum_age_is_exact() {
    let issuer = app::issuer();
    let trusted = app::trusted(&issuer).max_token_age(Duration::from_secs(30));
    let cases = vec![
        (token(&issuer), 30_000, Ok(())),
        (token(&issuer), 35_000, Ok(())),
        (token(&issuer), 35_001, Err(TOO_OLD)),
        (token(&issuer), -5_000, Ok(())),
        (token(&issuer), -5_001, Err(AHEAD)),
        (token(&issuer).claim("iat", 0), 0, Err(TOO_OLD)),
        (token(&issuer).without("iat"), 0, Err(MISSING)),
        (token(&issuer).claim("iat", json!(null)), 0, Err(MALFORMED)),
        (token(&issuer), 65_000, Err(EXPIRED)),
    ];
    judge(&issuer, trusted, cases).await;
}

#[actix_web::test]
async fn every_request_reads_the_clock() {
    async fn private(user: AuthenticatedUser) -> String {
        user.subject().unwrap_or_default().to_owned()
    }
    let issuer = app::issuer();
    let clock = TestClock::at(start());
    let verifier = verifier_at(&clock, app::trusted(&issuer));
    let table = Api::new("/api").route("/private", get(private));
    let app = init_service(App::new().service(table.verified_by(verifier))).await;
    let token = token(&issuer).build();
    for (step, expected) in [
        (0, Answer::text("user-1")),
        (64, Answer::text("user-1")),
        (1, Answer::invalid_token(EXPIRED)),
        (1, Answer::invalid_token(EXPIRED)),
    ] {
        clock.advance(Duration::from_secs(step));
        assert_eq!(get_with!(app, "/api/private", &token), expected);
    }
    clock.set(start());
    assert_eq!(
        get_with!(app, "/api/private", &token),
        Answer::text("user-1")
    );
}
