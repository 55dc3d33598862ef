//! Settings that are valid by themselves and contradict each other.

use crate::app::Launch;
use crate::settings::assert_rejected;

const SECRET: &str = "an-hmac-secret-of-thirty-two-bytes";

const CONTRADICTIONS: [(&[(&str, &str)], &str); 14] = [
    (
        &[("ISSUER_BASE_URL", "https://tenant.test/")],
        "auth.audience is missing: ",
    ),
    (
        &[("ISSUER", "a"), ("AUDIENCE", "b")],
        "auth.issuer_base_url is missing: ",
    ),
    (
        &[("JWKS_URI", "https://keys.test/"), ("AUDIENCE", "b")],
        "auth.issuer is missing: ",
    ),
    (
        &[
            ("SECRET", SECRET),
            ("TOKEN_SIGNING_ALG", "HS256"),
            ("AUDIENCE", "b"),
        ],
        "auth.issuer is missing: ",
    ),
    (
        &[("ISSUER", "a"), ("AUDIENCE", "b"), ("SECRET", SECRET)],
        "auth.token_signing_alg is missing: ",
    ),
    (
        &[
            ("ISSUER", "a"),
            ("AUDIENCE", "b"),
            ("SECRET", SECRET),
            ("TOKEN_SIGNING_ALG", "RS256"),
        ],
        "auth.token_signing_alg (variable TOKEN_SIGNING_ALG): ",
    ),
    (
        &[
            ("ISSUER", "a"),
            ("AUDIENCE", "b"),
            ("SECRET", SECRET),
            ("TOKEN_SIGNING_ALG", "HS256,RS256"),
        ],
        "auth.token_signing_alg (variable TOKEN_SIGNING_ALG): ",
    ),
    (
        &[
            ("ISSUER", "a"),
            ("AUDIENCE", "b"),
            ("SECRET", "hush"),
            ("TOKEN_SIGNING_ALG", "HS256"),
        ],
        "auth.secret (variable SECRET): ",
    ),
    (
        &[
            ("ISSUER", "a"),
            ("AUDIENCE", "b"),
            ("SECRET", SECRET),
            ("TOKEN_SIGNING_ALG", "HS384"),
        ],
        "auth.secret (variable SECRET): ",
    ),
    (
        &[
            ("ISSUER", "a"),
            ("AUDIENCE", "b"),
            ("SECRET", SECRET),
            ("TOKEN_SIGNING_ALG", "HS256"),
            ("JWKS_URI", "https://keys.test/"),
        ],
        "auth.secret (variable SECRET): excludes auth.jwks_uri (variable JWKS_URI): ",
    ),
    (
        &[
            ("ISSUER", "a"),
            ("AUDIENCE", "b"),
            ("SECRET", SECRET),
            ("TOKEN_SIGNING_ALG", "HS256"),
            ("APP__AUTH__PUBLIC_KEY", "{}"),
        ],
        "auth.secret (variable SECRET): excludes auth.public_key (variable APP__AUTH__PUBLIC_KEY): ",
    ),
    (
        &[("APP__DEV_ISSUER__ENABLED", "false")],
        "auth.issuer_base_url is missing: ",
    ),
    (
        &[("APP__DEV_ISSUER__ENABLED", "false"), ("AUDIENCE", "b")],
        "auth.issuer_base_url is missing: ",
    ),
    (
        &[("TOKEN_SIGNING_ALG", "HS256")],
        "auth.token_signing_alg (variable TOKEN_SIGNING_ALG): ",
    ),
];

#[test]
fn contradictions_are_rejected() {
    for (variables, beginning) in CONTRADICTIONS {
        let ended = Launch::new().variables(variables).run();
        assert_rejected(&ended, beginning);
        assert!(
            !ended.log.contains(SECRET) && !ended.log.contains("hush"),
            "{ended:?}"
        );
    }
}

#[test]
fn a_secret_must_be_as_long_as_its_hash() {
    for (algorithm, length) in [("HS256", 32), ("HS384", 48), ("HS512", 64)] {
        let launch = |length| {
            Launch::new().variables(&[
                ("ISSUER", "urn:issuer"),
                ("AUDIENCE", "api"),
                ("SECRET", &"s".repeat(length)),
                ("TOKEN_SIGNING_ALG", algorithm),
            ])
        };
        let ended = launch(length - 1).run();
        assert_rejected(&ended, "auth.secret (variable SECRET): ");
        launch(length).serve();
    }
}

const REQUIRED: (&str, &str) = ("APP__AUTH__DPOP__REQUIRED", "true");

#[test]
fn required_proofs_need_a_known_url_beyond_loopback() {
    let trusting = |variables: &[(&str, &str)]| {
        let launch = Launch::new().variables(&[
            ("ISSUER_BASE_URL", "https://tenant.test/"),
            ("AUDIENCE", "api"),
            ("HOST", "0.0.0.0"),
        ]);
        launch.variables(variables)
    };
    for command in ["serve", "check"] {
        let ended = trusting(&[REQUIRED]).arguments(&[command]).run();
        let beginning = "auth.dpop.required (variable APP__AUTH__DPOP__REQUIRED): ";
        assert_rejected(&ended, beginning);
        assert!(ended.log.contains("server.public_url"), "{ended:?}");
    }
    let public_url = ("APP__SERVER__PUBLIC_URL", "https://api.test");
    trusting(&[REQUIRED, public_url]).serve();
    let app = trusting(&[]).serve();
    app.wait_for_log("WARN ");
    app.wait_for_log("DPoP proofs are compared with whatever Host a client names");
}

#[test]
fn check_rejects_what_serve_rejects() {
    for (name, value, key) in [
        (
            "APP__AUTH__DPOP__REPLAY_STORE",
            "rediss://:hush@redis.test/0#insecure",
            "auth.dpop.replay_store",
        ),
        (
            "APP__AUTH__DPOP__REPLAY_STORE",
            "redis://:hush@redis.test/hush",
            "auth.dpop.replay_store",
        ),
        (
            "APP__SERVER__PUBLIC_URL",
            "https://api.test/%zz",
            "server.public_url",
        ),
    ] {
        for command in ["serve", "check"] {
            let launch = Launch::new().variable(name, value);
            let ended = launch.arguments(&[command]).run();
            assert_rejected(&ended, &format!("{key} (variable {name}): "));
            assert!(!ended.log.contains("hush"), "{ended:?}");
        }
    }
}
