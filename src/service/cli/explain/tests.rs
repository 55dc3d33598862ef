//! The verdict of `explain` is the server's decision.

use std::time::{Duration, SystemTime};

use actix_web::App;
use actix_web::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use actix_web::test::{TestRequest, call_service, init_service};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::*;
use crate::issuer::{Issuer, IssuerBuilder};
use crate::service::config::Trust;
use crate::service::tables::quickstart;
use crate::test_kit::{Document, Fault, SigningKey, TestIssuer, TokenBuilder};
use crate::{Algorithm, Api, Scoped, StepUp, get};

const PRIVATE: &str = "GET /api/private";
const SCOPED: &str = "GET /api/private-scoped";
const TRANSFER: &str = "GET /bank/transfer";

/// An issuer, and the service that trusts it.
struct Bench {
    issuer: TestIssuer,
    trusted: TrustedIssuers,
    verifier: Verifier,
}

impl Bench {
    fn new() -> Self {
        Self::with(|issuer| issuer)
    }

    fn with(change: impl FnOnce(IssuerBuilder) -> IssuerBuilder) -> Self {
        let issuer = TestIssuer::start_with(Algorithm::Es256);
        let trusted = Issuer::discover(issuer.url()).audience(issuer.audience());
        let trusted = vec![change(trusted).build().unwrap()];
        Self {
            verifier: Verifier::start(trusted.clone()).unwrap(),
            trusted: TrustedIssuers::of(Trust::Issuers(trusted)).unwrap(),
            issuer,
        }
    }

    fn token(&self) -> TokenBuilder {
        self.issuer.token()
    }

    async fn explain(&self, token: &str, route: &str) -> Report {
        let routes = all_routes();
        let route = Route::find(&routes, route).unwrap();
        let input = Input::read(token, None);
        explain(input, Some(route), &routes, &self.trusted, &self.verifier).await
    }

    /// Status and challenge of the service itself.
    async fn ask(&self, token: &str, route: &str) -> (u16, Option<String>) {
        let api = quickstart::api().verified_by(self.verifier.clone());
        let bank = bank().verified_by(self.verifier.clone());
        let app = init_service(App::new().service(bank).service(api)).await;
        let path = route.strip_prefix("GET ").unwrap();
        let request = TestRequest::with_uri(path);
        let request = request.insert_header((AUTHORIZATION, format!("Bearer {token}")));
        let response = call_service(&app, request.to_request()).await;
        let challenge = response.headers().get(WWW_AUTHENTICATE);
        let challenge = challenge.map(|challenge| challenge.to_str().unwrap().to_owned());
        (response.status().as_u16(), challenge)
    }

    /// Explains the token, and compares the verdict with the service's own.
    async fn agreed(&self, token: &str, route: &str) -> Value {
        let answered = self.ask(token, route).await;
        let report = self.explain(token, route).await;
        let explained = match &report.answer {
            None => (200, None),
            Some(answer) => (answer.status, answer.www_authenticate.clone()),
        };
        assert_eq!(explained, answered, "{token}");
        assert_eq!(report.accepted, answered.0 == 200);
        let text = report.text(true);
        if let Some((_, signature)) = token.rsplit_once('.') {
            assert!(signature.len() < 9 || !text.contains(signature), "{text}");
        }
        serde_json::to_value(report).unwrap()
    }

    async fn cause(&self, token: &str, route: &str) -> String {
        let report = self.agreed(token, route).await;
        report["code"].as_str().unwrap_or("accepted").to_owned()
    }

    async fn agrees<const N: usize>(&self, cases: [(TokenBuilder, &str); N], route: &str) {
        for (token, code) in cases {
            let shown = format!("{token:?}");
            assert_eq!(self.cause(&token.build(), route).await, code, "{shown}");
        }
    }

    /// Looks for words in the text.
    async fn shows<const N: usize>(&self, cases: [(TokenBuilder, &str); N], route: &str) {
        for (token, words) in cases {
            let text = self.explain(&token.build(), route).await.text(true);
            assert!(text.contains(words), "{words}: {text}");
        }
    }
}

crate::step_up!(Strong = acr ["gold", "silver"], amr "mfa", max_age 5 minutes);
crate::step_up!(ByHardware = amr ["hwk", "pin"]);
crate::scope!(Transfer = "transfer");

async fn transfer(_: StepUp<Strong, Scoped<Transfer>>) -> &'static str {
    ""
}

async fn vault(_: StepUp<ByHardware>) -> &'static str {
    ""
}

/// Routes with stricter requirements than the service's own.
fn bank() -> Api {
    let bank = Api::new("/bank").route("/transfer", get(transfer));
    bank.route("/vault", get(vault))
}

fn all_routes() -> Vec<Route> {
    let bank = bank();
    let mut routes = routes::all(&quickstart::tables());
    routes.extend(bank.routes().map(Route::from));
    routes
}

fn in_seconds(seconds: u64) -> SystemTime {
    SystemTime::now() + Duration::from_secs(seconds)
}

fn ago(seconds: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(seconds)
}

fn seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    since.as_secs()
}

fn encrypted() -> String {
    let header = json!({"alg": "dir", "enc": "A256GCM", "iss": "https://tenant.example/"});
    let header = BASE64URL_NOPAD.encode(header.to_string().as_bytes());
    format!("{header}..dmVjdG9y.Y2lwaGVydGV4dA.dGFn")
}

#[actix_web::test]
async fn texts_that_are_not_jwts_get_a_cause_and_the_servers_verdict() {
    let bench = Bench::new();
    let good = bench.token().build();
    let cut = good.split_at(good.len() / 2).0.to_owned();
    let cases = [
        (String::new(), "no_token"),
        (good.replacen('.', " .", 1), "no_token"),
        (format!("\"{good}\""), "no_bearer_token"),
        ("v4opaque-Token".to_owned(), "opaque_token"),
        (encrypted(), "encrypted_token"),
        (good.replacen('.', ".=", 1), "no_bearer_token"),
        (format!("{good}~"), "malformed_token"),
        (format!("{good}.{good}"), "malformed_token"),
        (
            cut.split('.').next().unwrap().repeat(2) + ".a.b",
            "malformed_token",
        ),
        ("a".repeat(17_000), "too_long"),
        (bench.token().raw_payload("[]").build(), "malformed_token"),
        (bench.token().header("kid", 1).build(), "malformed_token"),
        (
            bench.token().header("crit", json!(["b64"])).build(),
            "critical_header",
        ),
    ];
    for (token, code) in cases {
        assert_eq!(bench.cause(&token, PRIVATE).await, code, "{token}");
    }
}

#[actix_web::test]
async fn tokens_of_other_issuers_and_algorithms_get_a_cause_and_the_servers_verdict() {
    let bench = Bench::new();
    let published = bench.issuer.key().public_jwk().unwrap().to_string();
    let forged = SigningKey::from_secret(&published, Algorithm::Hs256);
    let token = || bench.token();
    let forged = || token().signed_by(&forged);
    let unslashed = bench.issuer.url().trim_end_matches('/');
    let cases = [
        (token(), "accepted"),
        (token().claim("iss", unslashed), "issuer_slash"),
        (
            token().claim("iss", "https://other.example/"),
            "other_issuer",
        ),
        (
            token().header("alg", "none").raw_signature([]),
            "wrong_algorithm",
        ),
        (token().header("alg", "ES256K"), "wrong_algorithm"),
        (token().header("alg", "RS256"), "wrong_algorithm"),
        (forged(), "wrong_algorithm"),
        (forged().claim("sid", "x"), "id_token"),
        (forged().claim("typ", "Refresh"), "refresh_token"),
    ];
    bench.agrees(cases, PRIVATE).await;
}

#[actix_web::test]
async fn tokens_of_other_keys_get_a_cause_and_the_servers_verdict() {
    let bench = Bench::new();
    let kid = bench.issuer.key().kid().to_owned();
    let other_key = SigningKey::generate(Algorithm::Es256);
    let forged = || bench.token().signed_by(&other_key);
    let cases = [
        (forged(), "unknown_key"),
        (forged().without_header("kid"), "unknown_key"),
        (forged().header("kid", kid), "bad_signature"),
        (bench.token().raw_signature([0; 64]), "bad_signature"),
    ];
    bench.agrees(cases, PRIVATE).await;
}

#[actix_web::test]
async fn tokens_of_other_audiences_and_kinds_get_a_cause_and_the_servers_verdict() {
    let bench = Bench::new();
    let token = || bench.token();
    let cases = [
        (
            token().claim("aud", "https://other.example/"),
            "other_audience",
        ),
        (token().claim("aud", json!([])), "other_audience"),
        (token().claim("aud", "app").claim("nonce", "x"), "id_token"),
        (token().claim("at_hash", "x"), "id_token"),
        (token().claim("nonce", "x"), "id_token"),
        (token().header("typ", "dpop+jwt"), "other_type"),
        (token().header("typ", "id+jwt"), "id_token"),
        (token().claim("events", json!({})), "logout_token"),
        (
            token().claim("cnf", json!({"jkt": "x"})),
            "sender_constrained",
        ),
    ];
    bench.agrees(cases, PRIVATE).await;
}

#[actix_web::test]
async fn missing_and_malformed_claims_get_a_cause_and_the_servers_verdict() {
    let bench = Bench::new();
    let token = || bench.token();
    let soon = seconds(in_seconds(60));
    let cases = [
        (token().expires_at(ago(8)), "expired"),
        (token().claim("nbf", soon), "not_yet_valid"),
        (token().claim("exp", soon * 1000), "malformed_claim"),
        (token().claim("exp", soon.to_string()), "malformed_claim"),
        (token().claim("sub", 7), "malformed_claim"),
        (token().claim("iss", 7), "malformed_claim"),
        (token().without("exp"), "missing_claim"),
        (token().without("aud"), "missing_claim"),
        (token().without("iss"), "missing_claim"),
    ];
    bench.agrees(cases, PRIVATE).await;
}

#[actix_web::test]
async fn a_required_claim_is_named_with_what_is_expected() {
    let bench = Bench::with(|issuer| {
        let issuer = issuer.require("/o/id", ["a", "b"]);
        issuer.require("token_use", "access")
    });
    let token = || bench.token().claim("token_use", "access");
    let cases = [
        (token().claim("o", json!({"id": "b"})), "accepted"),
        (token().claim("o", json!({"id": "c"})), "required_claim"),
        (token(), "required_claim"),
        (token().claim("token_use", "id"), "id_token"),
        (token().claim("token_use", "refresh"), "refresh_token"),
    ];
    bench.agrees(cases, PRIVATE).await;
    let cases = [
        (
            token().claim("o", json!({"id": "c"})),
            "require that the claim /o/id must be \"a\" or \"b\", and it is \"c\".",
        ),
        (token(), "and the token does not have it."),
    ];
    bench.shows(cases, PRIVATE).await;
}

#[actix_web::test]
async fn the_claim_that_names_the_audience_is_named() {
    let bench = Bench::new();
    let audience = bench.issuer.audience();
    let without = || bench.token().without("aud").claim("azp", "spa");
    let cases = [
        (
            without().claim("client_id", audience),
            "APP__AUTH__AUDIENCE_CLAIMS=aud,client_id",
        ),
        (without().claim("cid", audience), "in the claim cid instead"),
        (without(), "send audience"),
    ];
    bench.shows(cases, PRIVATE).await;
    let several = Bench::with(|issuer| issuer.audience_claims(["aud", "client_id", "azp"]));
    let audience = several.issuer.audience();
    let token = |client: Value| several.token().without("aud").claim("client_id", client);
    let cases = [
        (token(json!(audience)), "accepted"),
        (
            token(json!("other")).claim("azp", audience),
            "other_audience",
        ),
        (token(json!(["other", 1])), "malformed_claim"),
        (token(json!(null)), "malformed_claim"),
    ];
    several.agrees(cases, PRIVATE).await;
    let neither = token(json!("")).without("client_id").without("azp");
    let cases = [(
        neither,
        r#"none of the claims that can name its audience (auth.audience_claims): "aud", "client_id", "azp""#,
    )];
    several.shows(cases, PRIVATE).await;
}

#[actix_web::test]
async fn the_tenant_that_is_not_listed_is_named() {
    let (ours, other) = (
        "11111111-2222-3333-4444-555555555555",
        "9188040d-6c67-4c5b-b112-36a304b66dad",
    );
    let mut bench = Bench::new();
    let template = "https://login.example/{tenantid}/v2.0";
    let issuer = Issuer::with_jwks_uri(template, &bench.issuer.jwks_uri());
    let issuer = issuer.tenants([ours]).audience(bench.issuer.audience());
    let trusted = vec![issuer.build().unwrap()];
    bench.verifier = Verifier::start(trusted.clone()).unwrap();
    bench.trusted = TrustedIssuers::of(Trust::Issuers(trusted)).unwrap();
    let token = |tenant: &str, tid: &str| {
        let token = bench.token().claim("tid", tid);
        token.claim("iss", template.replace("{tenantid}", tenant))
    };
    let cases = [
        (token(ours, ours), "accepted"),
        (token(other, other), "unknown_tenant"),
        (token(ours, other), "other_tenant"),
        (token(ours, ours).without("tid"), "missing_claim"),
        (token("common", "common"), "other_issuer"),
    ];
    bench.agrees(cases, PRIVATE).await;
    let cases = [(
        token(other, other),
        "is of the tenant \"9188040d-6c67-4c5b-b112-36a304b66dad\" (tid)",
    )];
    bench.shows(cases, PRIVATE).await;
}

#[actix_web::test]
async fn the_requirement_of_a_route_is_named_with_the_servers_verdict() {
    let bench = Bench::new();
    let token = || bench.token();
    let roles = json!({"roles": ["a", "read:messages"]});
    let cases = [
        (token().scope("openid read:messages"), "accepted"),
        (token().scope("write:messages"), "insufficient_scope"),
        (token(), "insufficient_scope"),
        (
            token().claim("permissions", roles["roles"].clone()),
            "other_scope_claim",
        ),
        (token().claim("realm_access", roles), "other_scope_claim"),
        (token().scope("read:messages,x"), "scope_separator"),
    ];
    bench.agrees(cases, SCOPED).await;
}

#[actix_web::test]
async fn the_claim_that_has_the_scope_is_named() {
    let bench = Bench::new();
    let token = || bench.token();
    let roles = json!({"roles": ["a", "read:messages"]});
    let cases = [
        (
            token(),
            "grants nothing, and the route requires \"read:messages\".",
        ),
        (token().scope("x"), "it grants \"x\", and"),
        (
            token().claim("permissions", "read:messages"),
            "in the claim permissions, which is not read",
        ),
        (
            token().claim("a/b", roles.clone()),
            "in the claim /a~1b/roles, which",
        ),
        (
            token().claim("realm_access", roles),
            "set APP__AUTH__SCOPE_CLAIMS=/realm_access/roles ",
        ),
        (
            token().claim("scp", "x|read:messages"),
            "Its scp does not separate scopes",
        ),
    ];
    bench.shows(cases, SCOPED).await;
}

#[actix_web::test]
async fn the_required_login_of_a_route_is_named_with_the_servers_verdict() {
    let bench = Bench::new();
    let token = || bench.token().scope("transfer");
    let strong = || token().acr("silver").amr(["mfa"]).auth_time(ago(250));
    let cases = [
        (strong(), "accepted"),
        (strong().scope("x"), "insufficient_scope"),
        (strong().acr("bronze"), "insufficient_login"),
        (strong().amr(["pwd"]), "insufficient_login"),
        (strong().auth_time(ago(350)), "insufficient_login"),
        (token(), "insufficient_login"),
    ];
    bench.agrees(cases, TRANSFER).await;
    let report = bench.agreed(&token().build(), TRANSFER).await;
    let checks = report["checks"].as_array().unwrap();
    assert_eq!(
        checks.last().unwrap(),
        &json!({
            "demand": "the token has the scopes, claims, login and actor that the route requires",
            "outcome": "failed",
        })
    );
}

#[actix_web::test]
async fn advice_about_logins_names_requirement_and_claims() {
    let bench = Bench::new();
    let token = || bench.token().scope("transfer");
    let none = "requires a login with acr gold or silver, with amr mfa, at most 300 s ago, and the token has no acr, \
        no amr, no auth_time.";
    let remedy = r#"log in again, with acr_values="gold silver" and max_age=300 in the authorization request, and"#;
    let cases = [
        (token(), none),
        (token(), remedy),
        (
            token().acr("x\n").amr(["pwd", "otp"]),
            r#"has acr "x\n", amr "pwd", "otp", no"#,
        ),
        (token().auth_time(ago(3600)), "(1h "),
        (
            token()
                .claim("acr", 1)
                .claim("amr", "mfa")
                .claim("auth_time", "x"),
            "an acr that is not a string, an amr that is not an array of strings, an auth_time that is not a time.",
        ),
    ];
    bench.shows(cases, TRANSFER).await;
    let vault = [(token(), "Let the user log in again, and use the new token.")];
    bench.shows(vault, "GET /bank/vault").await;
    let opened = bench.token().amr(["pin", "hwk"]);
    let opened = [
        (opened.clone(), "  GET /bank/vault accepts it.\n"),
        (opened, "  GET /bank/transfer rejects it.\n"),
    ];
    bench.shows(opened, PRIVATE).await;
}

#[actix_web::test]
async fn an_open_route_reads_no_token() {
    let bench = Bench::new();
    let report = bench.agreed("opaque", "GET /api/public").await;
    assert!(
        outcomes(&report)
            .iter()
            .all(|outcome| outcome == "not_reached")
    );
}

#[actix_web::test]
async fn checks_before_the_failed_one_pass_and_later_ones_are_not_reached() {
    let bench = Bench::new();
    let strict = Bench::with(|issuer| issuer.strict(true));
    let aged = Bench::with(|issuer| issuer.max_token_age(Duration::from_secs(60)));
    let cases = [
        (&bench, bench.token().header("typ", "x"), "typ is JWT"),
        (&bench, bench.token().claim("aud", "x"), "aud names"),
        (&bench, bench.token(), "the token has the scopes"),
        (&strict, strict.token().header("typ", "JWT"), "typ is one"),
        (&bench, bench.token().header("typ", "JOSE"), "typ is one"),
        (&strict, strict.token().without("iat"), "in strict mode"),
        (&aged, aged.token().without("iat"), "iat is"),
        (&aged, aged.token().issued_at(ago(90)), "iat is"),
        (&aged, aged.token().issued_at(in_seconds(90)), "iat is"),
    ];
    for (bench, token, demand) in cases {
        let report = bench.agreed(&token.build(), SCOPED).await;
        let outcomes = outcomes(&report);
        let failed = outcomes
            .iter()
            .position(|outcome| outcome == "failed")
            .unwrap();
        let found = report["checks"][failed]["demand"].as_str().unwrap();
        assert!(found.starts_with(demand), "{found}");
        assert!(outcomes[..failed].iter().all(|outcome| outcome == "passed"));
        assert!(
            outcomes[failed + 1..]
                .iter()
                .all(|outcome| outcome == "not_reached")
        );
    }
}

fn outcomes(report: &Value) -> Vec<String> {
    let checks = report["checks"].as_array().unwrap();
    let outcome = |check: &Value| check["outcome"].as_str().unwrap().to_owned();
    checks.iter().map(outcome).collect()
}

#[actix_web::test]
async fn an_unreachable_issuer_does_not_make_the_token_invalid() {
    let bench = Bench::new();
    bench
        .issuer
        .set_fault(Document::Discovery, Some(Fault::status(500)));
    let dark = Bench {
        verifier: Verifier::start(bench.trusted.issuers.iter().cloned()).unwrap(),
        ..bench
    };
    let token = dark.token().build();
    let report = dark.agreed(&token, PRIVATE).await;
    assert_eq!(report["code"], "keys_unavailable");
    assert_eq!(report["answer"]["status"], 503);
}

#[actix_web::test]
async fn an_undetermined_key_is_not_an_invalid_token() {
    let bench = Bench::new();
    for (code, status) in [
        ("unknown_key", 401),
        ("unknown_key", 401),
        ("unknown_key", 401),
        ("key_undetermined", 503),
    ] {
        let other_key = SigningKey::generate(Algorithm::Es256);
        let token = bench.token().signed_by(&other_key).build();
        let report = bench.agreed(&token, PRIVATE).await;
        assert_eq!(report["code"], code);
        assert_eq!(report["answer"]["status"], status);
    }
}

#[actix_web::test]
async fn advice_about_issuers_and_audiences_names_the_difference() {
    let bench = Bench::new();
    let trusted = format!(
        "its iss is \"x\", and the trusted issuers are \"{}\"",
        bench.issuer.url()
    );
    let issuer = |iss: &str| bench.token().claim("iss", iss);
    let audience = |aud: Value| bench.token().claim("aud", aud);
    let cases = [
        (issuer("x"), trusted.as_str()),
        (
            issuer("https://sts.windows.net/x/"),
            "accessTokenAcceptedVersion",
        ),
        (
            audience(json!(["a", "b"])),
            r#"its aud names "a", "b", and this API is "https://api.test/""#,
        ),
        (
            audience(json!("https://API.test")),
            r#"set AUDIENCE to "https://API.test""#,
        ),
        (audience(json!("account")), "audience mapper"),
        (
            audience(json!("x")).claim("nonce", 1),
            r#"describes to the application "x" who"#,
        ),
    ];
    bench.shows(cases, PRIVATE).await;
}

#[actix_web::test]
async fn an_issuer_configured_with_another_trailing_slash_is_named() {
    for (configured, iss, words) in [
        (
            "https://a.example",
            "https://a.example/",
            "configured without the slash",
        ),
        (
            "https://a.example/",
            "https://a.example",
            "configured with a slash",
        ),
    ] {
        let bench = Bench::with(|issuer| issuer.name(configured));
        let token = bench.token().claim("iss", iss);
        let remedy = format!("Set ISSUER (auth.issuer) to \"{iss}\"");
        bench
            .shows([(token.clone(), words), (token, &remedy)], PRIVATE)
            .await;
    }
}

#[actix_web::test]
async fn advice_about_times_and_keys_names_the_difference() {
    let bench = Bench::new();
    let token = || bench.token();
    let cases = [
        (
            token().expires_at(ago(20)),
            "Get a new token. If this one is new",
        ),
        (token().expires_at(ago(9000)), "Remedy: Get a new token.\n"),
        (
            token().claim("nbf", seconds(in_seconds(60))),
            "Remedy: The clocks of this machine",
        ),
        (
            token().claim("nbf", seconds(in_seconds(9000))),
            "Use the token later",
        ),
        (token().claim("exp", 1_700_000_000_000_u64), "milliseconds"),
        (
            token().header("kid", "lost\u{1b}"),
            r#"names the key "lost\u{1b}""#,
        ),
        (
            token().header("nonce", "x").raw_signature([0; 64]),
            "Microsoft Graph",
        ),
    ];
    bench.shows(cases, PRIVATE).await;
}

#[actix_web::test]
async fn a_valid_token_is_shown_with_the_routes_that_accept_it() {
    let bench = Bench::new();
    let routes = routes::all(&quickstart::tables());
    let input = Input::read(&format!("Bearer {}\n", bench.token().build()), None);
    let report = explain(input, None, &routes, &bench.trusted, &bench.verifier).await;
    let text = report.text(true);
    for words in [
        "Note: The authentication scheme before",
        "ACCEPTED\n",
        "  GET /api/private accepts it.\n",
        "  GET /api/private-scoped rejects it.\n",
        "  aud        \"https://api.test/\"\n",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains("not reached"), "{text}");
}

#[test]
fn text_copied_around_a_token_is_removed_and_noted() {
    let cases = [
        ("a.b.c", "a.b.c", 0),
        ("a.b.c\n", "a.b.c", 0),
        ("a.b.c\r\n", "a.b.c", 0),
        (" a.b.c", "a.b.c", 1),
        ("\n\ta.b.c\n\n", "a.b.c", 1),
        ("Bearer a.b.c", "a.b.c", 1),
        ("DPoP a.b.c", "a.b.c", 1),
        ("bearer   a.b.c\n", "a.b.c", 1),
        ("Authorization: Bearer a.b.c", "a.b.c", 2),
        ("authorization:bearer a.b.c ", "a.b.c", 3),
        ("Bearera.b.c", "Bearera.b.c", 0),
        ("Bearer", "Bearer", 0),
        ("a.b\n.c", "a.b .c", 0),
        ("", "", 0),
        ("ä", "ä", 0),
    ];
    for (text, token, notes) in cases {
        let input = Input::read(text, None);
        assert_eq!(
            (&*input.token, input.notes.len()),
            (token, notes),
            "{text:?}"
        );
    }
}

#[actix_web::test]
async fn a_secret_with_debris_is_named_where_a_signature_fails() {
    let secret = "s".repeat(32);
    let key = SigningKey::from_secret(&secret, Algorithm::Hs256);
    for (debris, why) in [
        ("\n", "the configured secret ends in a line break"),
        ("", "The signature is invalid: the token was changed"),
    ] {
        let other = if debris.is_empty() { "other" } else { "" };
        let configured = format!("{other}{secret}{debris}");
        let bench = Bench::with(|issuer| issuer.secret(&configured).algorithms([Algorithm::Hs256]));
        let token = bench.token().signed_by(&key).build();
        let report = bench.explain(&token, PRIVATE).await;
        let found = report.explanation.expect("an explanation");
        assert_eq!(found.code, "bad_signature");
        assert!(found.why.contains(why), "{}", found.why);
        assert!(!found.why.contains(&secret) && !found.remedy.contains(&secret));
    }
}

crate::claim!(Staff = "/roles" includes "staff");

async fn staff(_: crate::Claim<Staff>) -> &'static str {
    ""
}

async fn bound(_: crate::Bound) -> &'static str {
    ""
}

#[actix_web::test]
async fn rules_on_claims_and_on_the_sender_are_those_of_the_route() {
    let bench = Bench::new();
    let api = Api::new("").route("/staff", get(staff));
    let api = api.route("/bound", get(bound));
    let routes: Vec<_> = api.routes().map(Route::from).collect();
    let token = |token: TokenBuilder| Input::read(&token.build(), None);
    let staff = bench.token().claim("roles", json!(["staff"]));
    for (input, route, code) in [
        (token(bench.token()), 0, Some("insufficient_claims")),
        (token(staff), 0, None),
        (token(bench.token()), 1, Some("rejected_by_route")),
    ] {
        let route = Some(&routes[route]);
        let report = explain(input, route, &routes, &bench.trusted, &bench.verifier).await;
        let found = report.explanation.as_ref();
        assert_eq!(found.map(|explanation| explanation.code), code);
    }
}

crate::actor!(Assistant = client_id "assistant");

async fn plan(_: crate::Delegated<Assistant, Scoped<Transfer>>) -> &'static str {
    ""
}

async fn close(_: crate::Direct) -> &'static str {
    ""
}

#[actix_web::test]
async fn the_required_actor_is_named_beside_that_of_the_token() {
    let bench = Bench::new();
    let api = Api::new("")
        .route("/plan", get(plan))
        .route("/close", get(close));
    let routes: Vec<_> = api.routes().map(Route::from).collect();
    let token = || bench.token().scope("transfer");
    let by = |actor: Value| token().claim("act", actor);
    let assistant = || by(json!({"client_id": "assistant", "act": {"sub": "x"}}));
    let rule = "The token's actor must have the client_id assistant.";
    let decides = format!("and the route decides by the current actor: {rule}");
    let (none, other) = (
        format!("it names no actor (act), {decides}"),
        format!("its actor is sub \"bot\\n\", iss \"i\", {decides}"),
    );
    let named = "its actor is client_id \"assistant\" (act), and the route is for users directly.";
    let malformed = "The claim act does not name an actor";
    for (token, route, code, why) in [
        (token(), 0, "other_actor", none.as_str()),
        (
            by(json!({"sub": "bot\n", "iss": "i"})),
            0,
            "other_actor",
            &other,
        ),
        (assistant(), 0, "", ""),
        (assistant(), 1, "delegated", named),
        (token(), 1, "", ""),
        (by(json!({})), 0, "malformed_actor", malformed),
        (by(json!([])), 1, "malformed_actor", malformed),
    ] {
        let input = Input::read(&token.build(), None);
        let route = Some(&routes[route]);
        let report = explain(input, route, &routes, &bench.trusted, &bench.verifier).await;
        let found = report.explanation.as_ref();
        assert_eq!(found.map_or("", |found| found.code), code);
        assert!(
            found.is_none_or(|found| found.why.contains(why)),
            "{found:?}"
        );
        if code == "malformed_actor" {
            let text = report.text(true);
            let line = text.lines().find(|line| line.contains("act names actors"));
            assert!(line.is_some_and(|line| line.contains("FAILED")), "{text}");
        }
    }
}

#[actix_web::test]
async fn a_bound_token_is_accepted_with_its_proof_and_rejected_without() {
    let mut bench = Bench::new();
    let verifier =
        Verifier::builder().target_uri(TargetUriSource::public_url("https://api.example").unwrap());
    bench.verifier = verifier.start(bench.trusted.issuers.clone()).unwrap();
    let key = crate::test_kit::shared(Algorithm::Es256);
    let token = bench.token().bound_to_key(&key).build();
    let routes = all_routes();
    let route = Some(Route::find(&routes, PRIVATE).unwrap());
    let proof = |method| {
        let url = "https://api.example/api/private";
        let proof = crate::test_kit::ProofBuilder::new(&key, method, url);
        proof.token(&token).build()
    };
    for (proof, code) in [
        (None, Some("sender_constrained")),
        (Some(proof("POST")), Some("invalid_proof")),
        (Some(proof("GET")), None),
    ] {
        let input = Input::read(&token, proof.as_deref());
        let report = explain(input, route, &routes, &bench.trusted, &bench.verifier).await;
        let found = report.explanation.as_ref();
        assert_eq!(
            found.map(|explanation| explanation.code),
            code,
            "{}",
            report.text(false)
        );
    }
}
