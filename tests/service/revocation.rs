//! Revocation by operators: the endpoint, the command, and what becomes of tokens.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{TestIssuer, TokenBuilder};
use serde_json::{Value, json};

use crate::app::{Launch, TestApp};
use crate::certificates::{Authority, Files};
use crate::expected::{Expected, PRIVATE, assert_answer};
use crate::process::Ended;
use crate::wire::{Answer, Request};

const OPERATOR: &str = "an-operator-token-of-32-characters";

const REVOKED: Expected = Expected::InvalidToken("The token has been revoked.");

fn issuer() -> TestIssuer {
    TestIssuer::start_with(Algorithm::Es256)
}

/// A service whose operators revoke at the API's listener, which is on loopback.
fn launch(issuer: &TestIssuer) -> Launch {
    Launch::trusting(issuer).variables(&[
        ("APP__AUTH__MAX_TOKEN_AGE", "1h"),
        ("APP__REVOCATION__ENABLED", "true"),
        ("APP__REVOCATION__OPERATOR_TOKEN", OPERATOR),
    ])
}

fn revocation(body: &Value) -> Request {
    Request::new("POST", "/revocations")
        .bearer(OPERATOR)
        .body("application/json", &body.to_string())
}

fn token(issuer: &TestIssuer, subject: &str) -> String {
    issuer.token().claim("sub", subject).build()
}

/// A token that is issued in a second which the revocation of now does not reach.
fn later(issuer: &TestIssuer) -> String {
    // Within the tolerance of 60 s that `TOLERANT` sets, and beyond a cut-off of now.
    let later = SystemTime::now() + Duration::from_secs(30);
    issuer.token().issued_at(later).claim("sub", "ada").build()
}

const TOLERANT: (&str, &str) = ("APP__AUTH__CLOCK_TOLERANCE", "60s");

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

#[test]
fn a_revoked_user_is_rejected_from_the_next_request_on_and_others_are_not() {
    let issuer = issuer();
    let app = TestApp::ready(launch(&issuer).variables(&[TOLERANT]));
    app.wait_for_log("POST /revocations: ");
    let (ada, eva) = (token(&issuer, "ada-lovelace"), token(&issuer, "eva"));
    for token in [&ada, &eva] {
        assert_answer(&app.private(token), PRIVATE, "before");
    }
    let revoked = app.send(&revocation(
        &json!({"subject": "ada-lovelace", "before": now() + 1}),
    ));
    assert_eq!((revoked.status, &*revoked.body), (204, ""), "{revoked:?}");
    assert_answer(&app.private(&ada), REVOKED, "cached");
    assert_answer(
        &app.private(&token(&issuer, "ada-lovelace")),
        REVOKED,
        "not seen before",
    );
    assert_answer(&app.private(&eva), PRIVATE, "another user");
    assert_answer(&app.private(&later(&issuer)), PRIVATE, "a later login");
    let counted = "ars_http_requests_total{route=\"/revocations\",method=\"POST\",status=\"2xx\"}";
    assert_eq!(app.metric(counted), 1);
    app.wait_for_log("an operator has revoked the tokens of one subject");
    let log = app.log().text();
    for secret in ["lovelace", OPERATOR] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

#[test]
fn without_a_time_tokens_within_the_tolerance_are_revoked_too() {
    let issuer = issuer();
    let app = TestApp::ready(launch(&issuer).variables(&[TOLERANT]));
    let label = issuer.url().trim_end_matches('/');
    for target in [
        json!({"subject": "ada"}),
        json!({"subject": "ada", "issuer": label}),
    ] {
        assert_eq!(app.send(&revocation(&target)).status, 204, "{target}");
        assert_answer(
            &app.private(&later(&issuer)),
            REVOKED,
            "within the tolerance",
        );
    }
}

#[test]
fn only_operators_revoke() {
    let issuer = issuer();
    let app = TestApp::ready(launch(&issuer));
    let ada = token(&issuer, "ada");
    let body = json!({"subject": "ada"}).to_string();
    let post = || Request::new("POST", "/revocations").body("application/json", &body);
    let other = format!("{}x", &OPERATOR[1..]);
    for request in [post(), post().bearer(&other), post().bearer(&ada)] {
        let answer = app.send(&request);
        assert_eq!(answer.status, 401, "{answer:?}");
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge, Some("Bearer realm=\"operator\""));
        let detail = &answer.json()["detail"];
        assert_eq!(detail, "The token of operators is required.");
    }
    assert_answer(&app.private(&ada), PRIVATE, "not revoked");
    // The token of operators is no access token.
    assert_eq!(app.private(OPERATOR).status, 401);
    assert!(!app.log().text().contains(&other));
}

#[test]
fn malformed_revocations_change_nothing() {
    let issuer = issuer();
    let app = TestApp::ready(launch(&issuer));
    let post = |media: &str, body: &str| {
        app.send(
            &Request::new("POST", "/revocations")
                .bearer(OPERATOR)
                .body(media, body),
        )
    };
    let json = "application/json";
    let long = format!("{{\"subject\": \"{}\"}}", "a".repeat(5000));
    for (media, body, status) in [
        (json, "", 400),
        (json, "{\"subject\": \"ada\", \"more\": 1}", 400),
        (
            json,
            "{\"subject\": \"ada\", \"issuer\": \"https://other.example/\"}",
            400,
        ),
        (
            json,
            "{\"subject\": \"ada\", \"before\": \"2999-01-01T00:00:00Z\"}",
            400,
        ),
        (json, &long, 413),
        ("text/plain", "{\"subject\": \"ada\"}", 415),
    ] {
        let answer = post(media, body);
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    assert_eq!(app.get("/revocations").status, 405);
    assert_answer(&app.private(&token(&issuer, "ada")), PRIVATE, "not revoked");
}

#[test]
fn a_full_store_rejects_further_revocations_and_keeps_those_that_it_has() {
    let issuer = issuer();
    let app = TestApp::ready(launch(&issuer).variable("APP__REVOCATION__MAX_ENTRIES", "1"));
    let revoke = |subject: &str| app.send(&revocation(&json!({"subject": subject})));
    assert_eq!(revoke("ada").status, 204);
    let full = revoke("eva");
    assert_eq!(full.status, 503);
    assert_eq!(full.header("retry-after"), Some("5"));
    assert_eq!(full.json()["detail"], "The store of revocations is full.");
    assert_answer(&app.private(&token(&issuer, "ada")), REVOKED, "kept");
    assert_answer(&app.private(&token(&issuer, "eva")), PRIVATE, "not revoked");
}

#[test]
fn the_store_in_memory_is_empty_after_a_restart() {
    let issuer = issuer();
    let ada = token(&issuer, "ada");
    let app = TestApp::ready(launch(&issuer));
    assert_eq!(
        app.send(&revocation(&json!({"subject": "ada"}))).status,
        204
    );
    assert_answer(&app.private(&ada), REVOKED, "before the restart");
    app.signal("TERM");
    assert_eq!(app.wait().code, Some(0));
    let app = TestApp::ready(launch(&issuer));
    assert_answer(&app.private(&ada), PRIVATE, "after the restart");
}

/// Where the service listens for operators.
fn operations(app: &TestApp) -> SocketAddr {
    let address = app.log().find(|log| {
        let (_, rest) = log.split_once("are served on http://")?;
        rest.lines().next()?.split(['"', ' ']).next()?.parse().ok()
    });
    address.expect("an address")
}

#[test]
fn with_a_listener_of_operations_operators_revoke_there_alone() {
    let issuer = issuer();
    let launch = launch(&issuer).variables(&[
        ("APP__OPERATIONS__PORT", "0"),
        // Other machines may call the API then.
        ("HOST", "0.0.0.0"),
        ("APP__SERVER__TRUSTED_PROXIES", "127.0.0.9"),
    ]);
    let app = launch.serve();
    let operations = operations(&app);
    let ready = || Request::get("/readyz").send(operations).status == 200;
    while !ready() {
        std::thread::yield_now();
    }
    let loopback = |request: &Request| -> Answer {
        request.send(SocketAddr::from(([127, 0, 0, 1], app.address.port())))
    };
    let body = json!({"subject": "ada"});
    assert_eq!(loopback(&revocation(&body)).status, 404);
    let private = Request::get("/api/private").bearer(&token(&issuer, "ada"));
    assert_answer(&loopback(&private), PRIVATE, "not revoked");
    assert_eq!(revocation(&body).send(operations).status, 204);
    assert_answer(&loopback(&private), REVOKED, "revoked");
    let port = operations.port().to_string();
    let ended = command(&issuer, "1", &["--sub", "eva"], |launch| {
        launch.variable("APP__OPERATIONS__PORT", &port)
    });
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let eva = Request::get("/api/private").bearer(&token(&issuer, "eva"));
    assert_answer(&loopback(&eva), REVOKED, "revoked by the command");
}

#[test]
fn pages_of_allowed_origins_cannot_call_the_endpoint_of_operators() {
    let issuer = issuer();
    let launch = launch(&issuer).variable("APP__CORS__ALLOWED_ORIGINS", "https://app.example");
    let app = TestApp::ready(launch);
    let origin = |request: Request| app.send(&request.header("Origin", "https://app.example"));
    let cors = |answer: &Answer| {
        let mut names = answer.headers.iter().map(|(name, _)| name);
        names.any(|name| name.starts_with("access-control-"))
    };
    assert!(cors(&origin(Request::get("/api/public"))));
    assert!(!cors(&origin(revocation(&json!({"subject": "ada"})))));
    let preflight = Request::preflight("/revocations", "https://app.example", "POST");
    let answer = app.send(&preflight);
    assert_eq!((answer.status, cors(&answer)), (405, false), "{answer:?}");
}

/// Runs `revoke` with the settings of [`launch`].
fn command(
    issuer: &TestIssuer,
    port: &str,
    arguments: &[&str],
    more: impl Fn(Launch) -> Launch,
) -> Ended {
    let launch = launch(issuer).variable("PORT", port);
    more(launch)
        .arguments(&[&["revoke"], arguments].concat())
        .run()
}

#[test]
fn the_command_revokes_at_the_running_service() {
    let issuer = issuer();
    let app = TestApp::ready(launch(&issuer));
    let port = app.address.port().to_string();
    let tokens = |name: &str, value: &str| {
        let token = issuer.token().claim("sub", "eva").claim(name, value);
        token.build()
    };
    let until = now().to_string();
    for (arguments, name, line) in [
        (
            vec!["--sub", "ada"],
            "sub",
            "the tokens of this user are revoked\n",
        ),
        (
            vec!["--sid", "ada", "--issuer", issuer.url()],
            "sid",
            "the tokens of this session are revoked\n",
        ),
        (
            vec!["--jti", "ada", "--before", &until],
            "jti",
            "this token is revoked\n",
        ),
    ] {
        let ended = command(&issuer, &port, &arguments, |launch| launch);
        assert_eq!((ended.code, &*ended.output), (Some(0), line), "{ended:?}");
        let past = SystemTime::now() - Duration::from_secs(60);
        let token = issuer
            .token()
            .issued_at(past)
            .claim("sub", "eva")
            .claim(name, "ada");
        assert_answer(&app.private(&token.build()), REVOKED, name);
        assert_answer(&app.private(&tokens(name, "eva")), PRIVATE, name);
    }
}

#[test]
fn the_command_tells_why_nothing_is_revoked() {
    let issuer = issuer();
    let app = TestApp::ready(launch(&issuer).variable("APP__REVOCATION__MAX_ENTRIES", "1"));
    let port = app.address.port().to_string();
    let ended = |arguments: &[&str], variables: &[(&str, &str)]| {
        let ended = command(&issuer, &port, arguments, |launch| {
            launch.variables(variables)
        });
        let line = ended.log.trim_end().to_owned();
        let line = line
            .strip_prefix("actix-resource-server: ")
            .map(str::to_owned);
        (ended.code, line.unwrap_or(ended.log))
    };
    let ada = ["--sub", "ada"];
    let answered = "the running service has not revoked anything, but answered";
    let other = [(
        "APP__REVOCATION__OPERATOR_TOKEN",
        &*OPERATOR.replace('a', "b"),
    )];
    let unauthorized = format!("{answered} 401: The token of operators is required.");
    assert_eq!(ended(&ada, &other), (Some(1), unauthorized));
    let unknown = ["--sub", "ada", "--issuer", "https://other.example/"];
    let expected = format!("{answered} 400: The issuer is not trusted.");
    assert_eq!(ended(&unknown, &[]), (Some(2), expected));
    assert_eq!(ended(&ada, &[]).0, Some(0));
    let full = format!("{answered} 503: The store of revocations is full.");
    assert_eq!(ended(&["--sub", "eva"], &[]), (Some(1), full));
    let (code, line) = ended(&ada, &[("PORT", "1")]);
    assert_eq!(code, Some(1));
    let silent = "the service does not answer at http://127.0.0.1:1/revocations (server.port, PORT changes the port): ";
    assert!(line.starts_with(silent), "{line}");
    let (code, line) = ended(&ada, &[("APP__REVOCATION__OPERATOR_TOKEN", "")]);
    assert_eq!(code, Some(2));
    assert!(
        line.starts_with("revocation.operator_token is missing: "),
        "{line}"
    );
    let off = [
        ("APP__REVOCATION__OPERATOR_TOKEN", ""),
        ("APP__REVOCATION__ENABLED", "false"),
    ];
    let (code, line) = ended(&ada, &off);
    assert_eq!(code, Some(2));
    assert!(
        line.starts_with("revocation.enabled is missing: "),
        "{line}"
    );
    assert_eq!(ended(&[], &[]).0, Some(2));
}

#[test]
fn the_command_sends_the_token_only_to_a_server_with_the_own_certificate() {
    let issuer = issuer();
    let files = Files::of(&Authority::new().sign("127.0.0.1"));
    let app = files.launch(launch(&issuer)).serve();
    app.wait_for_log("POST /revocations: ");
    let port = app.address.port().to_string();
    let run = |files: &Files| {
        let launch = files.launch(launch(&issuer).variable("PORT", &port));
        launch
            .arguments(&["revoke", "--sub", "ada", "--issuer", issuer.url()])
            .run()
    };
    let other = Files::of(&Authority::new().sign("127.0.0.1"));
    let ended = run(&other);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended
            .log
            .contains("its certificate is not that of server.tls.certificate"),
        "{ended:?}"
    );
    let log = app.log().text();
    assert!(!log.contains("a revocation is rejected"), "{log}");
    let mut code = run(&files).code;
    // Until the issuer's name is known, the service answers 503.
    for _ in 0..100 {
        if code == Some(0) {
            break;
        }
        code = run(&files).code;
    }
    assert_eq!(code, Some(0));
}

#[test]
fn an_issuer_without_a_maximum_age_is_not_trusted_at_a_reload() {
    let issuer = issuer();
    let settings = |age: &str| {
        format!(
            "[[auth.issuers]]\nissuer_base_url = '{}'\naudience = '{}'\n{age}\n[revocation]\nenabled = true\n",
            issuer.url(),
            issuer.audience()
        )
    };
    let directory = crate::process::Directory::new();
    let file = directory.path().join("own.toml");
    std::fs::write(&file, settings("max_token_age = '1h'")).unwrap();
    let path = file.display().to_string();
    let app = TestApp::ready(Launch::new().arguments(&["--config", &path]));
    std::fs::write(&file, settings("")).unwrap();
    app.signal("HUP");
    app.wait_for_log("the settings stay as they are: auth.issuers[0].max_token_age is missing: ");
    let text = settings("max_token_age = '2h'") + "max_entries = 7\n";
    std::fs::write(&file, text).unwrap();
    app.signal("HUP");
    app.wait_for_log(
        "changed: auth.issuers[0].max_token_age; needs a restart: revocation.max_entries",
    );
}

#[test]
fn the_development_issuer_needs_no_maximum_age() {
    let app = TestApp::ready(Launch::new().variables(&[
        ("APP__REVOCATION__ENABLED", "true"),
        ("APP__REVOCATION__OPERATOR_TOKEN", OPERATOR),
    ]));
    assert_eq!(
        app.send(&revocation(&json!({"subject": "ada"}))).status,
        204
    );
}

/// The form of a logout token.
fn logout(token: &str) -> Request {
    Request::new("POST", "/events/logout").body(
        "application/x-www-form-urlencoded",
        &format!("logout_token={token}"),
    )
}

fn event(token: &str) -> Request {
    Request::new("POST", "/events/security").body("application/secevent+jwt", token)
}

#[test]
fn logout_tokens_and_events_of_the_issuer_revoke_on_the_listener_of_the_api() {
    let issuer = issuer();
    let launch = launch(&issuer).variables(&[
        ("APP__AUTH__EVENT_AUDIENCE", "client"),
        ("APP__CORS__ALLOWED_ORIGINS", "https://app.example"),
    ]);
    let app = TestApp::ready(launch);
    app.wait_for_log("POST /events/logout: ");
    app.wait_for_log("POST /events/security: ");
    let (ada, eva) = (token(&issuer, "ada"), token(&issuer, "eva"));
    let foreign = issuer.logout_token("another").claim("sub", "ada").build();
    assert_eq!(app.send(&logout(&foreign)).status, 400);
    assert_answer(&app.private(&ada), PRIVATE, "for another client");
    let own = issuer.logout_token("client").claim("sub", "ada").build();
    let origin = ("Origin", "https://app.example");
    let answer = app.send(&logout(&own).header(origin.0, origin.1));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_answer(&app.private(&ada), REVOKED, "after the logout token");
    assert_answer(&app.private(&eva), PRIVATE, "another user");
    let subject = json!({"format": "opaque", "id": "eva"});
    let own = issuer.security_event("client").claim("sub_id", subject);
    let own = own.event(TokenBuilder::SESSION_REVOKED, json!({})).build();
    assert_eq!(app.send(&event(&own)).status, 202);
    assert_answer(&app.private(&eva), REVOKED, "after the event");
    for route in ["/events/logout", "/events/security"] {
        let counted =
            format!("ars_http_requests_total{{route=\"{route}\",method=\"POST\",status=\"2xx\"}}");
        assert_eq!(app.metric(&counted), 1);
    }
}

#[test]
fn events_have_the_listener_and_the_paths_of_the_settings() {
    let issuer = issuer();
    let with = |variables: &[(&str, &str)]| {
        let launch = launch(&issuer).variable("APP__AUTH__EVENT_AUDIENCE", "client");
        launch.variables(variables).serve()
    };
    let token = issuer.logout_token("client").build();
    let app = with(&[
        ("APP__OPERATIONS__PORT", "0"),
        ("APP__REVOCATION__EVENTS_LISTENER", "operations"),
    ]);
    assert_eq!(app.send(&logout(&token)).status, 404);
    // The keys may not have been fetched yet.
    let answer = logout(&token).send(operations(&app));
    assert!(matches!(answer.status, 200 | 503), "{answer:?}");
    let app = with(&[("APP__REVOCATION__LOGOUT_PATH", "/logged/out")]);
    assert_eq!(app.send(&logout(&token)).status, 404);
    assert_eq!(app.get("/logged/out").status, 405);
    let app = launch(&issuer).serve();
    assert_eq!(app.send(&logout(&token)).status, 404, "without an audience");
}

#[test]
fn the_paths_of_decisions_are_not_those_of_events() {
    let issuer = issuer();
    let routes = "
        [server]
        trusted_proxies = '10.0.0.2'
        [decision]
        source = 'request'
        path = '/events'
        [[routes]]
        method = 'GET'
        path = '/open'
        [operations]
        port = 0
        ";
    let launch = launch(&issuer).variable("APP__AUTH__EVENT_AUDIENCE", "client");
    let ended = launch
        .file("Settings.toml", routes)
        .variable("PORT", "0")
        .run();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(
        ended
            .log
            .contains("decision.path is that of a route of the service, too"),
        "{ended:?}"
    );
}
