//! `token`: requests a token from the development issuer of a running service, and prints only that.

use actix_resource_server::test_kit::TestIssuer;

use crate::app::{Launch, TestApp};
use crate::dev_issuer::address;
use crate::expected::{
    EXPIRED, Expected, OTHER_AUDIENCE, PRIVATE, SCOPED, UNKNOWN_ISSUER, assert_answer,
};
use crate::process::Ended;
use crate::wire::Request;

fn ask(app: &TestApp, arguments: &[&str]) -> Ended {
    let port = address(app).port().to_string();
    Launch::new()
        .variable("APP__DEV_ISSUER__PORT", &port)
        .arguments(arguments)
        .run()
}

/// The printed token, which must be the whole output.
fn printed(ended: &Ended) -> &str {
    assert_eq!((ended.code, ended.log.as_str()), (Some(0), ""), "{ended:?}");
    let token = ended.output.strip_suffix('\n').unwrap();
    assert_eq!(token.split('.').count(), 3, "{ended:?}");
    assert!(!token.contains(char::is_whitespace), "{ended:?}");
    token
}

fn assert_rejected(ended: &Ended, code: i32, part: &str) {
    assert_eq!(
        (ended.code, ended.output.as_str()),
        (Some(code), ""),
        "{ended:?}"
    );
    assert_eq!(ended.log.lines().count(), 1, "{ended:?}");
    assert!(ended.log.contains(part), "{ended:?}");
}

#[test]
fn it_prints_a_token_and_nothing_else() {
    let app = Launch::new().serve();
    let ended = ask(&app, &["token"]);
    assert_answer(&app.private(printed(&ended)), PRIVATE, "no scope");
    assert_answer(
        &app.scoped(printed(&ended)),
        Expected::InsufficientScope,
        "no scope",
    );
    let ended = ask(&app, &["token", "--scope", "read:messages"]);
    assert_answer(&app.scoped(printed(&ended)), SCOPED, "read:messages");
    let two = [
        "token",
        "--scope",
        "write:messages",
        "--scope",
        "read:messages",
    ];
    let ended = ask(&app, &two);
    assert_answer(&app.scoped(printed(&ended)), SCOPED, "two scopes");
    let ended = ask(
        &app,
        &["token", "--subject", "user-1", "--expires-in", "60"],
    );
    assert_answer(&app.private(printed(&ended)), PRIVATE, "another subject");
}

#[test]
fn tokens_that_the_api_rejects_can_be_requested() {
    let app = Launch::new().serve();
    for (arguments, expected) in [
        (&["token", "--expires-in", "1h"][..], PRIVATE),
        (&["token", "--expired"], EXPIRED),
        (&["token", "--expired", "--expires-in", "10m"], EXPIRED),
        (
            &["token", "--audience", "https://other.example/"],
            OTHER_AUDIENCE,
        ),
        (
            &["token", "--issuer", "https://other.example/"],
            UNKNOWN_ISSUER,
        ),
    ] {
        let ended = ask(&app, arguments);
        assert_answer(
            &app.private(printed(&ended)),
            expected,
            &arguments.join(" "),
        );
    }
}

#[test]
fn it_prints_a_command_with_a_bound_token_and_its_proof() {
    for (issuers_nonce, method, path) in [
        ("false", "GET", "/api/private"),
        ("true", "HEAD", "/api/private?a='"),
    ] {
        let variables = [("APP__DEV_ISSUER__DPOP_NONCE", issuers_nonce)];
        let app = Launch::new().variables(&variables).serve();
        let call = format!("{method} http://{}{path}", app.address);
        let ended = ask(&app, &["token", "--dpop", &call]);
        assert_eq!((ended.code, ended.log.as_str()), (Some(0), ""), "{ended:?}");
        let command: Vec<_> = ended.output.trim_end().split('\'').collect();
        let [start, credentials, between, proof, blank, url, ""] = command[..] else {
            panic!("{ended:?}")
        };
        let expected = [
            format!("curl -i -X {method} -H "),
            " -H ".to_owned(),
            " ".to_owned(),
        ];
        assert_eq!(
            [start, between, blank],
            expected.each_ref().map(String::as_str)
        );
        let path = url
            .strip_prefix(&format!("http://{}", app.address))
            .unwrap();
        let (name, value) = credentials.split_once(": ").unwrap();
        let (_, proof) = proof.split_once("DPoP: ").unwrap();
        let request = Request::new(method, path)
            .header(name, value)
            .header("DPoP", proof);
        assert_eq!(app.send(&request).status, 200, "{ended:?}");
        assert_eq!(app.send(&request).status, 401, "a second time");
    }
    for call in [
        "GET",
        "get http://a.example/",
        "GET /api/private",
        "GET ftp://a.example/",
    ] {
        let ended = Launch::new().arguments(&["token", "--dpop", call]).run();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.log.contains("write it as"), "{ended:?}");
    }
}

#[test]
fn an_error_of_the_issuer_is_printed_in_one_line() {
    let app = Launch::new().serve();
    let ended = ask(&app, &["token", "--scope", "delete:everything"]);
    let port = address(&app).port();
    let rejection =
        format!("the development issuer at http://localhost:{port}/ rejects the request: ");
    assert_rejected(&ended, 1, &rejection);
    assert_rejected(&ended, 1, "the client was not granted that scope");
    let ended = ask(&app, &["token", "--expires-in", "0"]);
    assert_rejected(
        &ended,
        1,
        "expires_in must be a number of seconds from 1 to 604800",
    );
}

#[test]
fn without_a_running_service_the_error_explains_how_to_start_it() {
    let launch = Launch::new().variable("APP__DEV_ISSUER__PORT", "1");
    let ended = launch.arguments(&["token"]).run();
    assert_rejected(&ended, 1, "does not answer on port 1 ");
    assert!(ended.log.contains("start the service first"), "{ended:?}");
    assert!(
        ended.log.contains("http://localhost:1/oauth/token"),
        "{ended:?}"
    );
    assert!(ended.log.contains("APP__DEV_ISSUER__PORT"), "{ended:?}");
}

#[test]
fn another_program_on_the_port_is_reported() {
    let issuer = TestIssuer::start();
    let port = issuer
        .url()
        .trim_end_matches('/')
        .rsplit(':')
        .next()
        .unwrap();
    let launch = Launch::new().variable("APP__DEV_ISSUER__PORT", port);
    let ended = launch.arguments(&["token"]).run();
    assert_rejected(&ended, 1, "does not answer like the development issuer");
    let launch = Launch::new().variable("APP__DEV_ISSUER__PORT", "0");
    let ended = launch.arguments(&["token"]).run();
    assert_rejected(&ended, 2, "set it with the variable APP__DEV_ISSUER__PORT");
}

#[test]
fn without_a_development_issuer_there_is_no_token() {
    let issuer = TestIssuer::start();
    let ended = Launch::trusting(&issuer).arguments(&["token"]).run();
    assert_rejected(
        &ended,
        1,
        "tokens come from the development issuer, which is off",
    );
}

#[test]
fn wrong_settings_stop_it_as_they_stop_the_service() {
    let launch = Launch::new().variable("PORT", "x");
    let ended = launch.arguments(&["token"]).run();
    assert_rejected(&ended, 2, "server.port (variable PORT): ");
}
