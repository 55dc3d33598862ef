//! Layers: `APP__SECTION__KEY` over plain variables over the file, each without unknown keys.

use actix_resource_server::test_kit::TestIssuer;

use crate::app::{Launch, TestApp};
use crate::expected::{OTHER_AUDIENCE, PRIVATE, assert_answer};
use crate::process::Ended;

/// Asserts which of the layers' audiences is accepted.
fn assert_audience(app: &TestApp, issuer: &TestIssuer, accepted: &str) {
    for audience in ["file", "plain", "prefixed"] {
        let token = issuer.token().claim("aud", audience).build();
        let expected = if audience == accepted {
            PRIVATE
        } else {
            OTHER_AUDIENCE
        };
        assert_answer(&app.private(&token), expected, audience);
    }
}

#[test]
fn each_layer_overrides_the_one_before() {
    let issuer = TestIssuer::start();
    let file = format!(
        "[auth]\nissuer_base_url = '{}'\naudience = 'file'\n",
        issuer.url()
    );
    let launch = || Launch::new().file("Settings.toml", &file);
    let (plain, prefixed) = (("AUDIENCE", "plain"), ("APP__AUTH__AUDIENCE", "prefixed"));
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[], "file"),
        (&[plain], "plain"),
        (&[prefixed], "prefixed"),
        (&[plain, prefixed], "prefixed"),
        (&[("AUDIENCE", "")], "file"),
    ];
    for (variables, accepted) in cases {
        let app = TestApp::ready(launch().variables(variables));
        assert_audience(&app, &issuer, accepted);
    }
}

#[test]
fn another_file_can_be_selected() {
    let issuer = TestIssuer::start();
    let wrong = "[auth]\naudience = 1\n";
    let right = format!(
        "[auth]\nissuer_base_url = '{}'\naudience = ['file']\n[log]\nformat = 'json'\n",
        issuer.url()
    );
    let launch = || {
        let launch = Launch::new().file("Settings.toml", wrong);
        launch.file("other.toml", &right)
    };
    for arguments in [
        &["--config", "other.toml"][..],
        &["serve", "--config=other.toml"],
    ] {
        let app = TestApp::ready(launch().arguments(arguments));
        assert_audience(&app, &issuer, "file");
        assert!(app.log().text().starts_with('{'));
    }
}

#[test]
fn settings_of_every_kind_are_read_from_a_file() {
    let issuer = TestIssuer::start();
    let file = format!(
        "[server]\nhost = 'localhost'\nport = 0\nworkers = 1\nshutdown_timeout = 3\n\
         public_url = 'https://api.test'\ntrusted_proxies = ['10.0.0.0/8']\n\
         [cors]\nallowed_origins = ['https://app.test']\nmax_age = '1h'\n\
         [auth]\nissuer_base_url = '{}'\naudience = 'file'\nstrict = true\n\
         token_signing_alg = 'RS256'\nclock_tolerance = '1m'\nmax_token_age = '2h'\n\
         cache_max_age = 300\ncooldown_duration = '500ms'\ntimeout_duration = '2s'\n\
         scope_claims = ['permissions']\ndpop.enabled = true\nmtls.enabled = false\n\
         [dev_issuer]\nenabled = false\nport = 1\n\
         [log]\nformat = 'text'\n",
        issuer.url()
    );
    let app = TestApp::ready(Launch::new().file("Settings.toml", file));
    assert!(app.address.ip().is_loopback());
    assert_audience(&app, &issuer, "file");
}

fn assert_rejected(ended: &Ended, beginning: &str) {
    assert_eq!(
        (ended.code, ended.output.as_str()),
        (Some(2), ""),
        "{ended:?}"
    );
    assert_eq!(ended.log.lines().count(), 1, "{ended:?}");
    let beginning = format!("actix-resource-server: {beginning}");
    assert!(ended.log.starts_with(&beginning), "{beginning} {ended:?}");
    assert!(!ended.log.contains("hush"), "{ended:?}");
}

const UNKNOWN_VARIABLES: [(&str, &str, &str); 9] = [
    (
        "APP__AUTH__ISSUERBASEURL",
        "auth.issuerbaseurl",
        "did you mean issuer_base_url?",
    ),
    (
        "APP__AUTH__AUDIANCE",
        "auth.audiance",
        "did you mean audience?",
    ),
    ("APP__SERVER__PROT", "server.prot", "did you mean port?"),
    (
        "APP__AUTH__DPOP__ENABLE",
        "auth.dpop.enable",
        "did you mean enabled?",
    ),
    (
        "APP__NOWHERE__KEY",
        "nowhere",
        "known here: server, operations, resource, cors, auth, revocation, decision, routes, dev_issuer, openapi, reload, log",
    ),
    (
        "APP__PORT",
        "port",
        "known here: server, operations, resource, cors, auth, revocation, decision, routes, dev_issuer, openapi, reload, log",
    ),
    ("APP__AUTH", "auth", "is a section"),
    ("APP__AUTH__DPOP", "auth.dpop", "is a section"),
    ("APP__SERVER__PORT__X", "server.port", "must be a number"),
];

#[test]
fn an_unknown_variable_is_rejected() {
    for (variable, key, hint) in UNKNOWN_VARIABLES {
        let ended = Launch::new().variable(variable, "hush").run();
        assert_rejected(&ended, &format!("{key} (variable {variable}): "));
        assert!(ended.log.contains(hint), "{ended:?}");
    }
    for variable in ["APP__", "APP__SERVER__", "APP____PORT"] {
        let ended = Launch::new().variable(variable, "hush").run();
        assert_rejected(&ended, &format!("variable {variable}: names no key"));
    }
}

#[test]
fn variables_of_other_programs_are_ignored() {
    let issuer = TestIssuer::start();
    let launch = Launch::trusting(&issuer).variables(&[
        ("APP_NAME", "x"),
        ("APPDATA", "x"),
        ("MY_APP__KEY", "x"),
        ("SERVER__PORT", "x"),
        ("SECRETS", "x"),
    ]);
    TestApp::ready(launch);
}

const WRONG_FILES: [(&str, &str); 13] = [
    ("port = 1", "port (file Settings.toml): "),
    ("[sever]\nport = 1", "sever (file Settings.toml): "),
    ("[server]\nprot = 1", "server.prot (file Settings.toml): "),
    (
        "[server]\nport = 'hush'",
        "server.port (file Settings.toml): ",
    ),
    (
        "[auth]\nissuerBaseURL = 'hush'",
        "auth.issuerBaseURL (file Settings.toml): ",
    ),
    (
        "[auth]\nstrict = 'hush'",
        "auth.strict (file Settings.toml): ",
    ),
    ("[auth]\nsecret = 123", "auth.secret (file Settings.toml): "),
    (
        "[auth]\naudience = [1]",
        "auth.audience (file Settings.toml): ",
    ),
    (
        "[[auth.issuers]]\naudence = 'hush'",
        "auth.issuers[0].audence (file Settings.toml): ",
    ),
    (
        "[[auth.issuers]]\nissuer_base_url = 'https://a.test'",
        "auth.issuers[0].audience is missing: ",
    ),
    (
        "[auth]\nissuers = []",
        "auth.issuers (file Settings.toml): ",
    ),
    (
        "[log]\nformat = 'hush'",
        "log.format (file Settings.toml): ",
    ),
    ("auth = 'hush'", "auth (file Settings.toml): "),
];

#[test]
fn an_unknown_or_wrong_key_in_the_file_is_rejected() {
    for (text, beginning) in WRONG_FILES {
        let ended = Launch::new().file("Settings.toml", text).run();
        assert_rejected(&ended, beginning);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_reported_with_the_position() {
    let cases: [(&[u8], &str); 5] = [
        (
            b"[auth\nsecret = 'hush'",
            "file Settings.toml: is not valid TOML at line 1",
        ),
        (
            b"[auth]\nsecret = hush",
            "file Settings.toml: is not valid TOML at line 2",
        ),
        (
            b"[log]\n[log]\n",
            "file Settings.toml: is not valid TOML at line 2",
        ),
        (
            b"\n\nhush",
            "file Settings.toml: is not valid TOML at line 3",
        ),
        (
            b"[auth]\nsecret = '\xffhush'",
            "file Settings.toml: cannot be read: ",
        ),
    ];
    for (text, beginning) in cases {
        let ended = Launch::new().file("Settings.toml", text).run();
        assert_rejected(&ended, beginning);
    }
    for (file, beginning) in [
        ("missing.toml", "file missing.toml: cannot be read: "),
        (".", "file .: cannot be read: "),
    ] {
        let ended = Launch::new().arguments(&["--config", file]).run();
        assert_rejected(&ended, beginning);
    }
}
