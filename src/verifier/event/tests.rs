//! What logout tokens and security events revoke, and what does not.

use std::time::{Duration, SystemTime};

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::*;
use crate::jose::Algorithm;
use crate::metrics::EventKind;
use crate::test_kit::{Document, Fault, SigningKey, TestClock, TestIssuer, TokenBuilder, shared};
use crate::verifier::clock::Clock;
use crate::{Issuer, IssuerBuilder, Revocations};

const ISSUER: &str = "https://issuer.example/";
const OTHER: &str = "https://other.example/";
const HOUR: Duration = Duration::from_secs(3600);
const NOON: u64 = 1_800_000_000;

/// A verifier that trusts two issuers, and its clock.
struct Bench {
    clock: TestClock,
    verifier: Verifier,
}

fn other_key() -> SigningKey {
    SigningKey::from_secret(&"o".repeat(32), Algorithm::Hs256)
}

fn issuer() -> IssuerBuilder {
    let jwk = shared(Algorithm::Es256).public_jwk().expect("a public key");
    Issuer::with_public_key(ISSUER, &jwk.to_string())
        .audience("api")
        .max_token_age(HOUR)
}

fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(second)
}

impl Bench {
    fn new() -> Self {
        Self::holding(100)
    }

    /// At most `most` cut-offs.
    fn holding(most: usize) -> Self {
        let issuer = issuer().event_audience("client").event_audience("spa");
        let other = Issuer::with_secret(OTHER, &"o".repeat(32), Algorithm::Hs256);
        let other = other.audience("api").max_token_age(HOUR);
        Self::trusting([issuer, other], Revocations::in_memory(most))
    }

    fn trusting<const N: usize>(issuers: [IssuerBuilder; N], revocations: Revocations) -> Self {
        let clock = TestClock::at(at(NOON));
        let now = clock.clone();
        let builder = Verifier::builder().clock(Clock::new(move || now.now()));
        let issuers = issuers.map(|issuer| issuer.build().expect("an issuer"));
        let verifier = builder.revocations(revocations).start(issuers);
        Self {
            clock,
            verifier: verifier.expect("a verifier"),
        }
    }

    async fn logout(&self, token: TokenBuilder) -> Result<(), EventError> {
        self.verifier.receive_logout_token(&token.build()).await
    }

    async fn push(&self, token: TokenBuilder) -> Result<(), EventError> {
        self.verifier.receive_security_event(&token.build()).await
    }

    /// Whether the token is accepted; if not, because it is revoked.
    fn accepts(&self, token: TokenBuilder) -> bool {
        match self.verifier.verify(&token.build(), self.clock.now()) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error, VerifyError::Revoked);
                false
            }
        }
    }

    fn cut_offs(&self) -> usize {
        self.verifier.revocations().expect("a store").len()
    }

    fn counted(&self, kind: EventKind) -> [u64; 4] {
        let counters = self.verifier.counters();
        let mut counts = EventOutcome::ALL.iter();
        [(); 4].map(|()| counters.security_events(kind, *counts.next().expect("four")))
    }
}

/// An access token, issued at noon.
fn access_token() -> TokenBuilder {
    TokenBuilder::new(ISSUER, "api", &shared(Algorithm::Es256))
        .issued_at(at(NOON))
        .claim("sub", "ada")
        .claim("sid", "s1")
        .claim("jti", "j1")
}

fn logout_token() -> TokenBuilder {
    TokenBuilder::logout_token(ISSUER, "client", &shared(Algorithm::Es256))
        .issued_at(at(NOON))
        .claim("sub", "ada")
}

/// Without events.
fn security_event() -> TokenBuilder {
    TokenBuilder::security_event(ISSUER, "client", &shared(Algorithm::Es256)).claim("iat", NOON)
}

fn session_revoked() -> TokenBuilder {
    security_event()
        .event(TokenBuilder::SESSION_REVOKED, json!({}))
        .claim("sub_id", user("ada"))
}

fn user(subject: &str) -> Value {
    json!({"format": "iss_sub", "iss": ISSUER, "sub": subject})
}

#[tokio::test]
async fn a_logout_token_revokes_its_session_or_else_its_user() {
    // The token, and whether it revokes those of the session, and others of the user.
    for (token, session, others) in [
        (logout_token(), true, true),
        (logout_token().claim("sid", "s1"), true, false),
        (
            logout_token().without("sub").claim("sid", "s1"),
            true,
            false,
        ),
        (logout_token().claim("aud", json!(["x", "spa"])), true, true),
        (logout_token().claim("sub", "eva"), false, false),
        (logout_token().without("exp"), true, true),
    ] {
        let bench = Bench::new();
        assert!(bench.accepts(access_token()));
        assert_eq!(bench.logout(token.clone()).await, Ok(()), "{token:?}");
        assert_eq!(bench.accepts(access_token()), !session, "{token:?}");
        let other_session = access_token().claim("sid", "s2");
        assert_eq!(bench.accepts(other_session), !others, "{token:?}");
        bench.clock.advance(Duration::from_secs(1));
        let later = access_token().issued_at(at(NOON + 1));
        assert!(bench.accepts(later), "signed in again");
        assert_eq!(bench.counted(EventKind::Logout), [1, 0, 0, 0]);
    }
}

#[tokio::test]
async fn a_logout_token_may_revoke_its_user_whose_access_tokens_name_no_session() {
    for (revokes_user, token, is_revoked) in [
        (true, logout_token().claim("sid", "s1"), true),
        (false, logout_token().claim("sid", "s1"), false),
        (
            true,
            logout_token().without("sub").claim("sid", "s1"),
            false,
        ),
    ] {
        let issuer = issuer().event_audience("client");
        let issuer = issuer.logout_revokes_user(revokes_user);
        let bench = Bench::trusting([issuer], Revocations::in_memory(10));
        assert_eq!(bench.logout(token).await, Ok(()));
        assert_eq!(bench.accepts(access_token().without("sid")), !is_revoked);
    }
}

#[tokio::test]
async fn each_kind_has_its_types() {
    let bench = Bench::new();
    for (typ, logout, event) in [
        (Some("logout+jwt"), true, false),
        (Some("Logout+JWT"), true, false),
        (Some("application/logout+jwt"), true, false),
        (Some("JWT"), true, false),
        (Some("jwt"), true, false),
        (None, true, false),
        (Some("secevent+jwt"), false, true),
        (Some("application/SecEvent+jwt"), false, true),
        (Some("at+jwt"), false, false),
        (Some("application/jwt"), false, false),
        (Some("text/logout+jwt"), false, false),
        (Some(""), false, false),
    ] {
        let named = |token: TokenBuilder| match typ {
            Some(typ) => token.header("typ", typ),
            None => token.without_header("typ"),
        };
        let expected = |is_accepted: bool| {
            if is_accepted {
                Ok(())
            } else {
                Err(EventError::WrongType)
            }
        };
        let outcome = bench.logout(named(logout_token())).await;
        assert_eq!(outcome, expected(logout), "{typ:?}");
        let outcome = bench.push(named(session_revoked())).await;
        assert_eq!(outcome, expected(event), "{typ:?}");
    }
}

type Make = fn(TokenBuilder) -> TokenBuilder;

/// What both kinds have in common: how a valid token is made invalid, and the error.
fn common_faults() -> Vec<(Make, EventError)> {
    use EventError::{
        Ahead, Algorithm as WrongAlgorithm, Expired, Form, Malformed, Missing, Signature, TooOld,
        UnknownIssuer, UnknownKey, WrongAudience, WrongType,
    };
    let missing = |claim| Missing { claim };
    let malformed = |claim| Malformed { claim };
    vec![
        (|token| token.raw_header("{"), Form),
        (|token| token.raw_payload("[]"), Form),
        (|token| token.raw_payload(r#"{"iss":"a","iss":"a"}"#), Form),
        (|token| token.header("crit", json!(["exp"])), Form),
        (|token| token.header("kid", 1), Form),
        (|token| token.header("typ", 1), WrongType),
        (|token| token.header("alg", "none"), WrongAlgorithm),
        (|token| token.header("alg", "RS256"), WrongAlgorithm),
        (|token| token.header("alg", "HS256"), WrongAlgorithm),
        (|token| token.header("kid", "other"), UnknownKey),
        (|token| token.raw_signature([]), Signature),
        (|token| token.raw_signature([0; 64]), Signature),
        (
            |token| {
                let forged = SigningKey::generate(Algorithm::Es256);
                token.signed_by(&forged.with_kid(shared(Algorithm::Es256).kid()))
            },
            Signature,
        ),
        (
            |token| token.signed_by(&other_key().with_kid(shared(Algorithm::Es256).kid())),
            WrongAlgorithm,
        ),
        (|token| token.without("iss"), missing("iss")),
        (|token| token.claim("iss", 1), malformed("iss")),
        (
            |token| token.claim("iss", "https://issuer.example"),
            UnknownIssuer,
        ),
        (
            |token| token.claim("iss", "https://foreign.example/"),
            UnknownIssuer,
        ),
        // Nothing is to be sent by this one.
        (
            |token| token.claim("iss", OTHER).signed_by(&other_key()),
            WrongAudience,
        ),
        (|token| token.without("aud"), missing("aud")),
        (|token| token.claim("aud", 1), malformed("aud")),
        (|token| token.claim("aud", json!([])), WrongAudience),
        (|token| token.claim("aud", "api"), WrongAudience),
        (|token| token.claim("aud", "CLIENT"), WrongAudience),
        (|token| token.without("jti"), missing("jti")),
        (|token| token.claim("jti", ""), malformed("jti")),
        (|token| token.claim("jti", 1), malformed("jti")),
        (|token| token.without("iat"), missing("iat")),
        (|token| token.claim("iat", "now"), malformed("iat")),
        (|token| token.claim("iat", NOON - 3606), TooOld),
        (|token| token.claim("iat", NOON + 6), Ahead),
        (|token| token.claim("nbf", NOON + 6), Ahead),
        (|token| token.claim("nbf", "now"), malformed("nbf")),
        (|token| token.claim("exp", NOON - 5), Expired),
        (|token| token.claim("exp", "now"), malformed("exp")),
        (|token| token.without("events"), missing("events")),
        (
            |token| token.claim("events", json!({})),
            malformed("events"),
        ),
        (
            |token| token.claim("events", json!(["a"])),
            malformed("events"),
        ),
        (
            |token| token.claim("events", Value::Null),
            malformed("events"),
        ),
    ]
}

#[tokio::test]
async fn what_violates_a_common_rule_changes_nothing() {
    let bench = Bench::new();
    for (number, (make, error)) in (1..).zip(common_faults()) {
        let outcome = bench.logout(make(logout_token())).await;
        assert_eq!(outcome, Err(error.clone()), "{number}");
        let outcome = bench.push(make(session_revoked())).await;
        assert_eq!(outcome, Err(error), "{number}");
        for kind in [EventKind::Logout, EventKind::SecurityEvent] {
            assert_eq!(bench.counted(kind), [0, 0, number, 0]);
        }
    }
    assert_eq!(bench.cut_offs(), 0);
    assert!(bench.accepts(access_token()));
}

#[tokio::test]
async fn the_clock_of_the_issuer_may_be_off_and_events_may_be_late() {
    for make in [
        |token: TokenBuilder| token.claim("iat", NOON + 5),
        |token: TokenBuilder| token.claim("iat", NOON - 3605),
        |token: TokenBuilder| token.claim("nbf", NOON + 5),
        |token: TokenBuilder| token.claim("exp", NOON - 4),
    ] {
        let bench = Bench::new();
        assert_eq!(bench.logout(make(logout_token())).await, Ok(()));
        assert_eq!(bench.push(make(session_revoked())).await, Ok(()));
    }
}

#[tokio::test]
async fn only_well_formed_logout_tokens_change_anything() {
    use EventError::{Malformed, NoSubject, Nonce};
    let bench = Bench::new();
    let malformed = |claim| Malformed { claim };
    let logout = "http://schemas.openid.net/event/backchannel-logout";
    for (token, error) in [
        (logout_token().claim("nonce", "n"), Nonce),
        (logout_token().claim("nonce", Value::Null), Nonce),
        (logout_token().without("sub"), NoSubject),
        (logout_token().claim("sub", 1), malformed("sub")),
        (logout_token().claim("sub", ""), malformed("sub")),
        (logout_token().claim("sid", 1), malformed("sid")),
        (logout_token().claim("sid", ""), malformed("sid")),
        (
            logout_token().claim("sid", "s1").claim("sub", 1),
            malformed("sub"),
        ),
        (logout_token().event(logout, true), malformed("events")),
        (
            logout_token().event(logout, Value::Null),
            malformed("events"),
        ),
        (
            logout_token().event("other", json!({})),
            malformed("events"),
        ),
        (
            logout_token().claim("events", json!({"other": {}})),
            malformed("events"),
        ),
    ] {
        assert_eq!(bench.logout(token.clone()).await, Err(error), "{token:?}");
    }
    assert_eq!(bench.cut_offs(), 0);
}

#[tokio::test]
async fn each_event_of_the_profile_revokes_and_others_change_nothing() {
    let of = |name: &str| {
        security_event()
            .event(name, json!({}))
            .claim("sub_id", user("ada"))
    };
    for (name, revokes) in [
        (TokenBuilder::SESSION_REVOKED, true),
        (TokenBuilder::TOKEN_CLAIMS_CHANGE, true),
        (TokenBuilder::CREDENTIAL_CHANGE, true),
        (
            "https://schemas.openid.net/secevent/caep/event-type/device-compliance-change",
            false,
        ),
        (
            "https://schemas.openid.net/secevent/ssf/event-type/verification",
            false,
        ),
        ("session-revoked", false),
    ] {
        let bench = Bench::new();
        assert_eq!(bench.push(of(name)).await, Ok(()), "{name}");
        assert_eq!(bench.accepts(access_token()), !revokes, "{name}");
        let both = of(name).event("unknown", json!(1));
        assert_eq!(bench.push(both).await, Ok(()), "{name}");
        let malformed = of(name).event(name, json!(1)).claim("sub_id", 1);
        let outcome = bench.push(malformed).await;
        let expected = EventError::Malformed { claim: "events" };
        assert_eq!(
            outcome,
            if revokes { Err(expected) } else { Ok(()) },
            "{name}"
        );
    }
    let bench = Bench::new();
    let several = session_revoked().event(TokenBuilder::CREDENTIAL_CHANGE, json!({}));
    assert_eq!(bench.push(several).await, Ok(()));
    assert_eq!(
        bench.verifier.counters().revocations(),
        1,
        "they are the same"
    );
}

#[tokio::test]
async fn the_subject_of_an_event_stands_in_one_of_three_places() {
    let session = json!({"format": "complex", "session": {"format": "opaque", "id": "s1"}});
    let token_id = json!({"format": "jwt_id", "iss": ISSUER, "jti": "j1"});
    let event = |event: Value| security_event().event(TokenBuilder::SESSION_REVOKED, event);
    let none = || event(json!({}));
    let in_event = |subject: &Value| event(json!({"subject": subject}));
    // Which are still accepted: that token, another of the session, another of the user.
    for (token, accepted) in [
        (none().claim("sub_id", user("ada")), [false; 3]),
        (
            none().claim("sub_id", session.clone()),
            [false, false, true],
        ),
        (
            none().claim("sub_id", token_id.clone()),
            [false, true, true],
        ),
        (in_event(&user("ada")), [false; 3]),
        (in_event(&session), [false, false, true]),
        (none().claim("sub", "ada"), [false; 3]),
        (in_event(&user("ada")).claim("sub", "eva"), [false; 3]),
        (
            in_event(&user("ada")).claim("sub_id", user("eva")),
            [true; 3],
        ),
    ] {
        let bench = Bench::new();
        assert_eq!(bench.push(token.clone()).await, Ok(()), "{token:?}");
        let of_session = access_token().claim("jti", "j2");
        let of_user = access_token().claim("jti", "j3").claim("sid", "s2");
        let tokens = [access_token(), of_session, of_user];
        assert_eq!(
            tokens.map(|token| bench.accepts(token)),
            accepted,
            "{token:?}"
        );
    }
}

#[tokio::test]
async fn an_event_whose_subject_is_not_one_of_the_issuer_changes_nothing() {
    use EventError::{ForeignSubject, Malformed, NoSubject, UnsupportedSubject};
    let event = || security_event().event(TokenBuilder::SESSION_REVOKED, json!({}));
    let email = json!({"format": "email", "email": "ada@example.com"});
    let foreign = json!({"format": "iss_sub", "iss": OTHER, "sub": "ada"});
    let bench = Bench::new();
    for (token, error) in [
        (event(), NoSubject),
        (event().claim("sub", 1), Malformed { claim: "sub" }),
        (event().claim("sub", ""), Malformed { claim: "sub" }),
        (
            event().claim("sub_id", "ada"),
            Malformed { claim: "sub_id" },
        ),
        (
            event().claim("sub_id", Value::Null).claim("sub", "ada"),
            Malformed { claim: "sub_id" },
        ),
        (event().claim("sub_id", email), UnsupportedSubject),
        (event().claim("sub_id", foreign), ForeignSubject),
    ] {
        assert_eq!(bench.push(token.clone()).await, Err(error), "{token:?}");
    }
    assert_eq!(bench.cut_offs(), 0);
    let of_other = TokenBuilder::new(OTHER, "api", &other_key()).issued_at(at(NOON));
    assert_eq!(bench.push(session_revoked()).await, Ok(()));
    assert!(
        bench.accepts(of_other.claim("sub", "ada")),
        "of another issuer"
    );
}

#[tokio::test]
async fn an_event_revokes_up_to_its_own_time() {
    let timed = |time: Value| {
        let event = json!({"event_timestamp": time});
        session_revoked().event(TokenBuilder::SESSION_REVOKED, event)
    };
    // The last second whose tokens are revoked, relative to noon.
    for (token, last) in [
        (session_revoked(), 0),
        (session_revoked().claim("toe", NOON - 10), -10),
        (timed(json!(NOON - 20)), -20),
        (timed(json!(NOON - 20)).claim("toe", NOON - 10), -20),
        (timed(json!((NOON - 20) * 1000 + 999)), -20),
        (timed(json!(1_799_999_980.5)), -20),
        (timed(json!(NOON + 5)), 5),
    ] {
        let bench = Bench::new();
        assert_eq!(bench.push(token.clone()).await, Ok(()), "{token:?}");
        for (second, is_accepted) in [(last - 1, false), (last, false), (last + 1, true)] {
            let second = NOON.checked_add_signed(second).expect("a second");
            bench.clock.set(at(second.max(NOON)));
            let token = access_token().issued_at(at(second));
            assert_eq!(bench.accepts(token), is_accepted, "{second}");
        }
    }
    let bench = Bench::new();
    let malformed = |claim| EventError::Malformed { claim };
    for (token, error) in [
        (timed(json!(NOON + 6)), EventError::Ahead),
        (timed(json!((NOON + 6) * 1000)), EventError::Ahead),
        (session_revoked().claim("toe", NOON + 6), EventError::Ahead),
        (session_revoked().claim("toe", "now"), malformed("toe")),
        (timed(json!("now")), malformed("event_timestamp")),
        (timed(json!(-1)), malformed("event_timestamp")),
        (timed(json!(1e300)), malformed("event_timestamp")),
        (timed(Value::Null), malformed("event_timestamp")),
    ] {
        assert_eq!(bench.push(token.clone()).await, Err(error), "{token:?}");
    }
    assert_eq!(bench.cut_offs(), 0);
}

#[tokio::test]
async fn a_repeated_event_changes_nothing() {
    let bench = Bench::new();
    let logout = logout_token().claim("jti", "one");
    let event = session_revoked().claim("jti", "one");
    for _ in 0..3 {
        assert_eq!(bench.logout(logout.clone()).await, Ok(()));
        assert_eq!(bench.push(event.clone()).await, Ok(()));
    }
    // Not even with other contents.
    assert_eq!(bench.logout(logout.claim("sub", "eva")).await, Ok(()));
    assert_eq!(bench.cut_offs(), 1);
    assert_eq!(bench.counted(EventKind::Logout), [1, 3, 0, 0]);
    assert_eq!(bench.counted(EventKind::SecurityEvent), [1, 2, 0, 0]);
    assert_eq!(bench.verifier.counters().revocations(), 2);
}

#[tokio::test]
async fn an_event_that_could_not_be_kept_is_accepted_once_it_can_be() {
    let bench = Bench::holding(1);
    let eva = logout_token().claim("sub", "eva");
    assert_eq!(bench.logout(logout_token()).await, Ok(()));
    assert_eq!(bench.logout(eva.clone()).await, Err(EventError::Full));
    let later = HOUR + Duration::from_secs(5);
    bench.clock.advance(later);
    assert_eq!(
        bench.logout(eva.without("exp")).await,
        Err(EventError::Full)
    );
    bench.clock.advance(Duration::from_secs(2));
    let eva = logout_token().claim("sub", "eva");
    let again = eva.issued_at(bench.clock.now());
    assert_eq!(bench.logout(again).await, Ok(()));
    assert_eq!(bench.counted(EventKind::Logout), [2, 0, 0, 2]);
}

#[tokio::test]
async fn without_a_store_no_event_is_accepted() {
    let issuer = issuer().event_audience("client").build();
    let verifier = Verifier::start([issuer.expect("an issuer")]).expect("a verifier");
    let token = logout_token().build();
    let outcome = verifier.receive_logout_token(&token).await;
    assert_eq!(outcome, Err(EventError::NotConfigured));
}

#[tokio::test]
async fn no_access_token_is_an_event_and_no_event_an_access_token() {
    let bench = Bench::new();
    for typ in ["at+jwt", "JWT"] {
        let token = || access_token().header("typ", typ);
        let for_client = || token().claim("aud", json!(["api", "client"]));
        for token in [token(), for_client()] {
            assert!(bench.logout(token.clone()).await.is_err());
            assert!(bench.push(token).await.is_err());
        }
    }
    for token in [logout_token(), session_revoked()] {
        for typ in ["logout+jwt", "secevent+jwt", "JWT", "at+jwt"] {
            let token = token.clone().header("typ", typ).claim("aud", "api");
            let token = token.claim("exp", NOON + 60).claim("scope", "read");
            let outcome = bench.verifier.verify(&token.build(), bench.clock.now());
            let error = outcome.map(drop).expect_err("no access token");
            let expected = [VerifyError::WrongType, VerifyError::LogoutToken];
            assert!(expected.contains(&error), "{typ}: {error:?}");
        }
    }
    assert_eq!(bench.cut_offs(), 0);
}

/// `s` → `n − s`, which is as valid (SEC 1 §4.1.4).
fn other_spelling(token: &str) -> String {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63,
        0x25, 0x51,
    ];
    let (signed, signature) = token.rsplit_once('.').expect("three segments");
    let mut signature = BASE64URL_NOPAD
        .decode(signature.as_bytes())
        .expect("base64url");
    let mut borrow = 0;
    for (digit, order) in signature[32..].iter_mut().zip(ORDER).rev() {
        let difference = i16::from(order) - i16::from(*digit) - borrow;
        borrow = i16::from(difference < 0);
        *digit = u8::try_from(difference.rem_euclid(256)).expect("a digit");
    }
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
}

#[tokio::test]
async fn a_revoked_token_is_rejected_in_the_other_spelling_of_its_signature() {
    let bench = Bench::new();
    let token = access_token().build();
    let other = other_spelling(&token);
    assert_ne!(token, other);
    let verify = |token: &str| bench.verifier.verify(token, bench.clock.now()).map(drop);
    assert_eq!([verify(&token), verify(&other)], [Ok(()), Ok(())]);
    let token_id = json!({"format": "jwt_id", "iss": ISSUER, "jti": "j1"});
    let event = session_revoked().claim("sub_id", token_id);
    assert_eq!(bench.push(event).await, Ok(()));
    let revoked = || Err(VerifyError::Revoked);
    assert_eq!([verify(&token), verify(&other)], [revoked(), revoked()]);
}

#[tokio::test]
async fn tenants_send_events_of_their_own_users() {
    const ONE: &str = "11111111-2222-3333-4444-555555555555";
    const TWO: &str = "66666666-2222-3333-4444-555555555555";
    let name = |tenant: &str| format!("https://login.example/{tenant}/v2.0");
    let jwk = shared(Algorithm::Es256).public_jwk().expect("a public key");
    let issuer = Issuer::with_public_key(&name("{tenantid}"), &jwk.to_string())
        .tenants([ONE])
        .audience("api")
        .event_audience("client")
        .max_token_age(HOUR);
    let bench = Bench::trusting([issuer], Revocations::in_memory(10));
    let foreign = logout_token().claim("iss", name(TWO));
    assert_eq!(bench.logout(foreign).await, Err(EventError::UnknownIssuer));
    let token = access_token().claim("iss", name(ONE)).claim("tid", ONE);
    assert!(bench.accepts(token.clone()));
    let own = logout_token().claim("iss", name(ONE));
    assert_eq!(bench.logout(own).await, Ok(()));
    assert!(!bench.accepts(token));
}

#[tokio::test]
async fn an_event_is_for_the_entry_of_its_issuer_that_expects_it() {
    let entry = |audience: &str, client: &str| {
        let jwk = shared(Algorithm::Es256).public_jwk().expect("a public key");
        Issuer::with_public_key(ISSUER, &jwk.to_string())
            .audience(audience)
            .event_audience(client)
            .max_token_age(HOUR)
    };
    let entries = [entry("api", "client"), entry("other", "spa")];
    let bench = Bench::trusting(entries, Revocations::in_memory(10));
    let foreign = logout_token().claim("aud", "api");
    assert_eq!(bench.logout(foreign).await, Err(EventError::WrongAudience));
    let second = logout_token().claim("aud", "spa");
    assert_eq!(bench.logout(second).await, Ok(()));
    assert!(
        !bench.accepts(access_token()),
        "a user is one of the issuer"
    );
}

/// A verifier whose keys have been fetched from `issuer`.
async fn fetched(issuer: &TestIssuer) -> Verifier {
    let trusted = Issuer::discover(issuer.url())
        .audience(issuer.audience())
        .event_audience("client")
        .max_token_age(HOUR);
    let builder = Verifier::builder().revocations(Revocations::in_memory(10));
    let verifier = builder.start([trusted.build().expect("an issuer")]);
    let verifier = verifier.expect("a verifier");
    verifier.ready().await;
    verifier
}

#[tokio::test]
async fn an_event_with_a_new_key_draws_a_fetch_of_its_own_budget() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let verifier = fetched(&issuer).await;
    issuer.rotate_keeping_old();
    let token = issuer.logout_token("client").build();
    assert_eq!(verifier.receive_logout_token(&token).await, Ok(()));
    assert_eq!(issuer.requests().jwks, 2);
    // The budget of events is spent, that of access tokens is not.
    for number in 0..100 {
        let forged = issuer
            .logout_token("client")
            .header("kid", number.to_string());
        let outcome = verifier.receive_logout_token(&forged.build()).await;
        assert!(
            matches!(outcome, Err(EventError::Unavailable { .. })),
            "{outcome:?}"
        );
    }
    assert_eq!(issuer.requests().jwks, 2);
    issuer.rotate_keeping_old();
    let access = issuer.token().claim("sub", "eva").build();
    assert!(verifier.verify_or_fetch(&access).await.is_ok());
    assert_eq!(issuer.requests().jwks, 3);
}

#[tokio::test]
async fn access_tokens_take_no_fetch_from_events() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let verifier = fetched(&issuer).await;
    for number in 0..10 {
        let forged = issuer.token().header("kid", number.to_string()).build();
        assert!(verifier.verify_or_fetch(&forged).await.is_err());
    }
    let before = issuer.requests().jwks;
    issuer.rotate_keeping_old();
    let event = issuer
        .security_event("client")
        .event(TokenBuilder::SESSION_REVOKED, json!({}))
        .claim("sub", "ada");
    let outcome = verifier.receive_security_event(&event.build()).await;
    assert_eq!(outcome, Ok(()));
    assert_eq!(issuer.requests().jwks, before + 1);
}

#[tokio::test]
async fn an_event_that_no_key_would_make_valid_costs_no_fetch() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let verifier = fetched(&issuer).await;
    let forged = || issuer.logout_token("client").header("kid", "other");
    for token in [
        forged().claim("iss", "https://foreign.example/"),
        forged().claim("aud", "other"),
        forged().header("typ", "secevent+jwt"),
        forged().claim("iat", 1),
        forged().claim("exp", 1),
        forged().without("sub"),
        forged().without("jti"),
        forged().claim("events", json!({})),
    ] {
        let outcome = verifier.receive_logout_token(&token.build()).await;
        let outcome = outcome.expect_err("a forged token");
        assert_eq!(outcome.retry_after(), None, "{outcome}");
    }
    let far = json!({"event_timestamp": NOON * 2});
    let ahead = issuer
        .security_event("client")
        .header("kid", "other")
        .claim("sub", "ada")
        .event(TokenBuilder::SESSION_REVOKED, far);
    let outcome = verifier.receive_security_event(&ahead.build()).await;
    assert_eq!(outcome, Err(EventError::Ahead));
    assert_eq!(issuer.requests().jwks, 1);
}

#[tokio::test]
async fn an_event_is_undetermined_while_keys_cannot_be_fetched() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    issuer.set_fault(Document::Jwks, Some(Fault::status(500)));
    let trusted = Issuer::discover(issuer.url()).audience("api");
    let trusted = trusted.event_audience("client").max_token_age(HOUR);
    let builder = Verifier::builder().revocations(Revocations::in_memory(10));
    let verifier = builder.start([trusted.build().expect("an issuer")]);
    let verifier = verifier.expect("a verifier");
    let token = issuer.logout_token("client").build();
    let outcome = verifier.receive_logout_token(&token).await;
    let error = outcome.expect_err("no keys");
    assert!(matches!(error, EventError::Unavailable { .. }), "{error}");
    let counters = verifier.counters();
    let unavailable = counters.security_events(EventKind::Logout, EventOutcome::Unavailable);
    assert_eq!(unavailable, 1);
}

#[tokio::test]
async fn a_token_that_is_too_long_is_not_read() {
    let bench = Bench::new();
    let long = logout_token().claim("x", "x".repeat(MOST_EVENT_BYTES));
    assert_eq!(bench.logout(long).await, Err(EventError::Form));
}
