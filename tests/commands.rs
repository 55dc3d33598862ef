//! The commands: their output and exit codes.

#![cfg(all(feature = "service", feature = "test-kit"))]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::thread;

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{Document, Fault, TestIssuer};
use serde_json::Value;

/// Runs the program with only these variables, and writes `input` to its standard input.
fn run(arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_actix-resource-server"))
        .args(arguments)
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read its input may have exited already.
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    child.wait_with_output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn error(output: &Output) -> &str {
    let text = std::str::from_utf8(&output.stderr).unwrap();
    text.strip_prefix("actix-resource-server: ").unwrap_or(text)
}

fn issuer() -> TestIssuer {
    TestIssuer::start_with(Algorithm::Es256)
}

fn trusting(issuer: &TestIssuer) -> [(&str, &str); 2] {
    [
        ("ISSUER_BASE_URL", issuer.url()),
        ("AUDIENCE", issuer.audience()),
    ]
}

const NOWHERE: [(&str, &str); 3] = [
    ("ISSUER_BASE_URL", "http://127.0.0.1:9/"),
    ("AUDIENCE", "api"),
    ("APP__AUTH__TIMEOUT_DURATION", "100ms"),
];

#[test]
fn routes_are_listed_with_any_settings() {
    let listed = run(&["routes"], &[("PORT", "x")], "");
    let text = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(listed.status.code(), Some(0));
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 7, "{text}");
    assert!(lines[0].starts_with("METHOD  PATH"), "{text}");
    assert!(
        lines[3].starts_with("GET     /api/private-scoped  a token with read:messages"),
        "{text}"
    );
    let listed = run(&["routes", "--json"], &[], "");
    assert_eq!(json(&listed)[1]["path"], "/api/private");
}

#[test]
fn routes_shows_the_scopes_that_imply_others_by_the_settings() {
    let implications = r#"{"admin": ["write:messages"], "write:messages": ["read:messages"]}"#;
    let implications = ("APP__AUTH__SCOPE_IMPLICATIONS", implications);
    let listed = run(&["routes"], &[&NOWHERE[..], &[implications]].concat(), "");
    let text = String::from_utf8(listed.stdout).unwrap();
    let of_issuer = "in tokens of http://127.0.0.1:9/";
    let expected = [
        format!("admin implies write:messages, read:messages {of_issuer}"),
        format!("write:messages implies read:messages {of_issuer}"),
    ];
    assert_eq!(text.lines().skip(7).collect::<Vec<_>>(), expected);
}

#[test]
fn check_shows_the_sources_of_settings_and_that_keys_are_reached() {
    let issuer = issuer();
    let secret = [("PORT", "4000"), ("APP__LOG__FORMAT", "json")];
    let variables = [trusting(&issuer), secret].concat();
    let checked = run(&["check", "--json"], &variables, "");
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let report = json(&checked);
    assert_eq!(report["ok"], true);
    assert_eq!(report["issuers"][0]["keys"], "reached");
    let setting = |key: &str| {
        let settings = report["settings"].as_array().unwrap();
        let found = settings
            .iter()
            .find(|setting| setting["key"] == key)
            .unwrap();
        (found["value"].clone(), found["layer"].clone())
    };
    assert_eq!(
        setting("server.port"),
        ("4000".into(), "variable PORT".into())
    );
    assert_eq!(
        setting("server.host"),
        ("127.0.0.1".into(), "default".into())
    );
    assert_eq!(setting("auth.issuer"), (Value::Null, "default".into()));
    let text = run(&["check"], &variables, "").stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("log.format"), "{text}");
    let reached = format!(
        "  {} (audience {}): its keys are reached\n",
        issuer.url(),
        issuer.audience()
    );
    let details = format!(
        "    issuer of the discovery document: {}\n    usable keys: 1 (ES256)\n    \
         cache: refreshed after 600 s, in use for 86400 s while the issuer is unavailable\n",
        issuer.url()
    );
    assert!(text.contains(&(reached + &details)), "{text}");
}

#[test]
fn check_names_unusable_keys_and_warns_where_none_is_for_an_accepted_algorithm() {
    let issuer = issuer();
    let jwk = issuer.key().public_jwk();
    let encryption = serde_json::json!({"kty": "RSA", "use": "enc"});
    issuer.publish(serde_json::json!({"keys": [encryption, jwk, encryption]}));
    let named = [("TOKEN_SIGNING_ALG", "RS256,PS256")];
    let checked = run(
        &["check", "--json"],
        &[&trusting(&issuer)[..], &named].concat(),
        "",
    );
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let report = json(&checked);
    let of = &report["issuers"][0];
    assert_eq!(of["discovered_issuer"], issuer.url());
    assert_eq!(
        (&of["usable_keys"], &of["algorithms"]),
        (&0.into(), &Value::Array(vec![]))
    );
    let unusable = serde_json::json!([{"reason": "the key is for another use", "keys": 2}]);
    assert_eq!(of["unusable_keys"], unusable);
    assert_eq!(of["cache_seconds"]["refresh"], 600);
    let warning = format!(
        "{}: none of its keys is for an algorithm that is accepted",
        issuer.url()
    );
    assert_eq!(report["warnings"], serde_json::json!([warning]));
}

#[test]
fn check_names_the_issuer_of_a_document_that_is_not_accepted() {
    let issuer = issuer();
    let other = [
        ("ISSUER_BASE_URL", &*format!("{}tenant", issuer.url())),
        ("AUDIENCE", "api"),
    ];
    let checked = run(&["check"], &other, "");
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    let text = String::from_utf8(checked.stdout).unwrap();
    let reason = format!(
        "its keys are not reached: its discovery document is another issuer's\n    \
         issuer of the discovery document: {}\n",
        issuer.url()
    );
    assert!(text.contains(&reason), "{text}");
}

#[test]
fn check_shows_no_secret() {
    let secret = "hush".repeat(8);
    let variables = [
        ("ISSUER", "a"),
        ("AUDIENCE", "b"),
        ("SECRET", &*secret),
        ("TOKEN_SIGNING_ALG", "HS256"),
    ];
    for arguments in [&["check"][..], &["check", "--json"]] {
        let checked = run(arguments, &variables, "");
        assert_eq!(checked.status.code(), Some(0), "{checked:?}");
        let text = String::from_utf8(checked.stdout).unwrap();
        assert!(
            !text.contains("hush") && text.contains("(not shown)"),
            "{text}"
        );
        assert!(text.contains("configured"), "{text}");
    }
}

#[test]
fn missing_keys_and_wrong_settings_have_different_exit_codes() {
    let unreached = run(&["check", "--json"], &NOWHERE, "");
    assert_eq!(unreached.status.code(), Some(1));
    assert_eq!(error(&unreached), "not every issuer's keys are reached\n");
    let issuer = json(&unreached)["issuers"][0].clone();
    assert_eq!(issuer["keys"], "not_reached");
    assert!(
        issuer["reason"]
            .as_str()
            .unwrap()
            .contains("could not be fetched"),
        "{issuer}"
    );
    let wrong = run(&["check"], &[("PORT", "x")], "");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        error(&wrong).starts_with("server.port (variable PORT): "),
        "{wrong:?}"
    );
}

#[cfg(feature = "dev-issuer")]
#[test]
fn check_names_the_development_issuer() {
    let checked = run(&["check"], &[("APP__DEV_ISSUER__PORT", "0")], "");
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let text = String::from_utf8(checked.stdout).unwrap();
    assert!(text.contains("This is the development issuer"), "{text}");
    let unknown = run(&["explain", "x"], &[("APP__DEV_ISSUER__PORT", "0")], "");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        error(&unknown).starts_with("the development issuer's port is chosen"),
        "{unknown:?}"
    );
}

#[test]
fn a_token_is_explained_from_an_argument_or_from_standard_input() {
    let issuer = issuer();
    let token = issuer.token().build();
    let scoped = issuer.token().scope("read:messages").build();
    let route = "GET /api/private-scoped";
    let bearer = format!("Bearer {token}");
    let cases: [(&[&str], &str, i32, Option<&str>); 6] = [
        (&["--json", &token], "", 0, None),
        (&["--json", &bearer], "", 0, None),
        (&["--json", "-"], &format!("{token}\n"), 0, None),
        (&["--json", "-", "--route", route], &scoped, 0, None),
        (
            &["--json", "-", "--route", route],
            &token,
            1,
            Some("insufficient_scope"),
        ),
        (&["--json", "-"], "", 1, Some("no_token")),
    ];
    for (arguments, input, code, cause) in cases {
        let explained = run(
            &[&["explain"], arguments].concat(),
            &trusting(&issuer),
            input,
        );
        assert_eq!(explained.status.code(), Some(code), "{explained:?}");
        let report = json(&explained);
        assert_eq!(report["accepted"], code == 0);
        assert_eq!(report["code"].as_str(), cause);
        assert_eq!(
            error(&explained),
            ["", "the token is rejected\n"][usize::from(code == 1)]
        );
    }
}

#[test]
fn unusable_arguments_and_rejected_tokens_have_different_exit_codes() {
    let issuer = issuer();
    let variables = trusting(&issuer);
    for arguments in [
        &["explain"][..],
        &["explain", "a", "--route", "GET /nowhere"],
        &["explain", "a", "b"],
    ] {
        let rejected = run(arguments, &variables, "");
        assert_eq!(rejected.status.code(), Some(2), "{rejected:?}");
        assert!(rejected.stdout.is_empty() && !rejected.stderr.is_empty());
    }
}

#[test]
fn a_failing_issuer_is_not_reported_as_an_invalid_token() {
    let issuer = issuer();
    issuer.set_fault(Document::Jwks, Some(Fault::status(500)));
    let token = issuer.token().build();
    let explained = run(&["explain", "-", "--json"], &trusting(&issuer), &token);
    assert_eq!(explained.status.code(), Some(1));
    let report = json(&explained);
    assert_eq!(report["code"], "keys_unavailable");
    assert_eq!(report["answer"]["status"], 503);
}

#[test]
fn every_command_has_help() {
    for (command, words) in [
        ("routes", "--json"),
        ("check", "Exit code"),
        ("explain", "Exit code"),
    ] {
        let help = run(&[command, "--help"], &[("PORT", "x")], "");
        assert_eq!(help.status.code(), Some(0));
        let text = String::from_utf8(help.stdout).unwrap();
        assert!(text.contains(words), "{text}");
    }
    let help = run(&["--help"], &[], "").stdout;
    let text = String::from_utf8(help).unwrap();
    assert!(text.starts_with("An OAuth 2.0 resource server"), "{text}");
}

#[test]
fn check_and_the_service_report_the_same_errors() {
    let trust = [
        ("ISSUER_BASE_URL", "https://tenant.test/"),
        ("AUDIENCE", "api"),
    ];
    let with = |more: &[(&'static str, &'static str)]| [&trust[..], more].concat();
    let tls = [
        ("APP__SERVER__TLS__CERTIFICATE", "nowhere.pem"),
        ("APP__SERVER__TLS__KEY", "nowhere.pem"),
    ];
    for variables in [
        vec![("HOST", "0.0.0.0")],
        vec![
            ("HOST", "0.0.0.0"),
            ("ISSUER_BASEURL", "https://tenant.test/"),
        ],
        vec![
            ("ISSUER_BASE_URL", "https://tenant.test/"),
            ("AUDIENCES", "api"),
        ],
        with(&[("PORT", "x")]),
        with(&[("APP__SERVER__PUBLIC_URL", "https://api.test/#a")]),
        with(&[
            ("APP__AUTH__DPOP__NONCE", "true"),
            ("APP__AUTH__DPOP__NONCE_SECRET", "short"),
        ]),
        with(&tls),
        with(&tls[..1]),
    ] {
        let [served, checked] = ["serve", "check"].map(|command| run(&[command], &variables, ""));
        assert_eq!(served.status.code(), Some(2), "{served:?}");
        assert_eq!(checked.status.code(), Some(2), "{checked:?}");
        assert_eq!(error(&checked), error(&served));
    }
}

#[test]
fn a_misspelt_variable_is_reported() {
    let issuer = issuer();
    let warning = "variable JWKS_URL: is not read; did you mean JWKS_URI?";
    let variables = [&trusting(&issuer)[..], &[("JWKS_URL", "hush")]].concat();
    let checked = run(&["check"], &variables, "");
    let text = String::from_utf8(checked.stdout).unwrap();
    assert!(text.ends_with(&format!("warning: {warning}\n")), "{text}");
    assert!(!text.contains("hush"), "{text}");
    assert_eq!(
        json(&run(&["check", "--json"], &variables, ""))["warnings"][0],
        warning
    );
}

#[test]
fn check_shows_why_keys_could_not_be_fetched() {
    let issuer = issuer();
    issuer.set_fault(Document::Discovery, Some(Fault::status(418)));
    let plain = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let plain_url = format!("https://{}/", plain.local_addr().unwrap());
    thread::spawn(move || {
        for stream in plain.incoming() {
            let mut stream = stream.unwrap();
            drop(stream.read(&mut [0; 4096]));
            stream.write_all(b"HTTP/1.1 400 Secret\r\n\r\n").ok();
        }
    });
    // A label that is too long for DNS, so that no query is sent.
    let unresolvable = format!("{}.invalid", "a".repeat(64));
    let unresolved = format!("http://{unresolvable}/");
    let cases = [
        (
            "https://127.0.0.1:1/",
            "no connection could be made: connection refused",
        ),
        (&*unresolved, "its host name could not be resolved: "),
        (
            &*plain_url,
            "no TLS connection could be made: the server does not speak TLS",
        ),
        (issuer.url(), "the response status is 418"),
    ];
    for (url, cause) in cases {
        let variables = [
            ("ISSUER_BASE_URL", url),
            ("AUDIENCE", "api"),
            ("APP__AUTH__ALLOW_HTTP_HOSTS", &unresolvable),
        ];
        let checked = run(&["check"], &variables, "");
        let text = String::from_utf8(checked.stdout).unwrap();
        let expected = format!("its discovery document could not be fetched: {cause}");
        assert!(text.contains(&expected), "{url}: {text}");
        assert_eq!(text.matches(cause).count(), 1, "{text}");
    }
}
