//! Strict mode requires the profile of RFC 9068; otherwise the plain JWTs of most issuers are accepted.

use actix_resource_server::Cause;
use actix_resource_server::test_kit::{TestIssuer, TokenBuilder};
use serde_json::json;

use crate::app;

const OTHER_TYPE: &str = "The token is of a type that is not accepted here.";
const MISSING: &str = "A required claim is missing from the token.";
const MALFORMED: &str = "A claim of the token is malformed.";

/// Accepted, or rejected with this text.
type Outcome = Result<(), &'static str>;

/// Each token with its outcome without and with strict mode.
async fn judge(cases: Vec<(TokenBuilder, Outcome, Outcome)>, issuer: &TestIssuer) {
    let lenient = app::warm_verifier(issuer).await;
    let strict = app::verifier_of(app::trusted(issuer).strict(true));
    for (token, leniently, strictly) in cases {
        let shown = format!("{token:?}");
        let token = token.build();
        for (verifier, expected) in [(&lenient, leniently), (&strict, strictly)] {
            let judged = app::admit(verifier, &token).await.map(|_| ());
            assert_eq!(judged, expected.map_err(Cause::InvalidToken), "{shown}");
        }
    }
}

#[actix_web::test]
async fn the_type_must_be_that_of_an_access_token() {
    let issuer = app::issuer();
    let typed = |name: &str| issuer.token().header("typ", name);
    let cases = vec![
        (typed("at+jwt"), Ok(()), Ok(())),
        (typed("AT+JWT"), Ok(()), Ok(())),
        (typed("application/at+jwt"), Ok(()), Ok(())),
        (typed("Application/At+Jwt"), Ok(()), Ok(())),
        (typed("JWT"), Ok(()), Err(OTHER_TYPE)),
        (typed("jwt"), Ok(()), Err(OTHER_TYPE)),
        (
            issuer.token().without_header("typ"),
            Ok(()),
            Err(OTHER_TYPE),
        ),
        (typed("application/jwt"), Err(OTHER_TYPE), Err(OTHER_TYPE)),
        (typed("id+jwt"), Err(OTHER_TYPE), Err(OTHER_TYPE)),
        (typed("logout+jwt"), Err(OTHER_TYPE), Err(OTHER_TYPE)),
        (typed("dpop+jwt"), Err(OTHER_TYPE), Err(OTHER_TYPE)),
        (typed(" at+jwt"), Err(OTHER_TYPE), Err(OTHER_TYPE)),
        (typed(""), Err(OTHER_TYPE), Err(OTHER_TYPE)),
        (
            issuer.token().header("typ", 1),
            Err(OTHER_TYPE),
            Err(OTHER_TYPE),
        ),
        (
            issuer.token().header("typ", json!(null)),
            Err(OTHER_TYPE),
            Err(OTHER_TYPE),
        ),
    ];
    judge(cases, &issuer).await;
}

#[actix_web::test]
async fn the_claims_of_the_profile_are_required() {
    let issuer = app::issuer();
    let without = |name: &str| issuer.token().without(name);
    let mut cases = vec![
        (issuer.token(), Ok(()), Ok(())),
        (without("azp"), Ok(()), Ok(())),
    ];
    for claim in ["iat", "sub", "client_id", "jti"] {
        cases.push((without(claim), Ok(()), Err(MISSING)));
        cases.push((
            issuer.token().claim(claim, true),
            Err(MALFORMED),
            Err(MALFORMED),
        ));
        cases.push((
            issuer.token().claim(claim, json!(null)),
            Err(MALFORMED),
            Err(MALFORMED),
        ));
    }
    for claim in ["iss", "aud", "exp"] {
        cases.push((without(claim), Err(MISSING), Err(MISSING)));
    }
    judge(cases, &issuer).await;
}

#[actix_web::test]
async fn tokens_of_other_kinds_are_rejected_in_both_modes() {
    let issuer = app::issuer();
    let id = Err("The token is an ID token; an access token is needed.");
    let logout = Err("The token is a logout token; an access token is needed.");
    let bound = Err("The token is bound to its sender and is not a bearer token.");
    let token = || issuer.token();
    let cases = vec![
        (token().claim("at_hash", "x"), id, id),
        (token().claim("nonce", "x"), id, id),
        (token().claim("nonce", "x").scope("openid"), Ok(()), Ok(())),
        (
            token()
                .claim("nonce", "x")
                .scope("openid")
                .claim("at_hash", "x"),
            id,
            id,
        ),
        (token().claim("events", json!({})), logout, logout),
        (token().claim("cnf", json!({"jkt": "x"})), bound, bound),
        (token().claim("cnf", json!({"x5t#S256": "x"})), bound, bound),
    ];
    judge(cases, &issuer).await;
}
