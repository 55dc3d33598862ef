//! A wrong setting stops the start with one line: the key, its source and the remedy.

use crate::app::Launch;
use crate::process::Ended;

/// Trusts an issuer that gets no request, since the start fails before.
const TRUST: [(&str, &str); 2] = [
    ("ISSUER_BASE_URL", "https://tenant.test/"),
    ("AUDIENCE", "https://api.test/"),
];

/// Asserts one line on standard error with this beginning and a remedy, and nothing else.
pub(crate) fn assert_rejected(ended: &Ended, beginning: &str) {
    assert_eq!(
        (ended.code, ended.output.as_str()),
        (Some(2), ""),
        "{ended:?}"
    );
    let line = ended.log.strip_suffix('\n').unwrap();
    assert!(!line.contains('\n'), "{ended:?}");
    let beginning = format!("actix-resource-server: {beginning}");
    let remedy = line.strip_prefix(&beginning);
    assert!(
        remedy.is_some_and(|remedy| remedy.len() > 10),
        "{beginning} {ended:?}"
    );
}

const WRONG: [(&str, &str, &str); 43] = [
    ("HOST", "api.test/hush", "server.host"),
    ("HOST", "127.0.0.1:3010", "server.host"),
    ("PORT", "65536", "server.port"),
    ("PORT", "-1", "server.port"),
    ("PORT", "http", "server.port"),
    ("APP__SERVER__WORKERS", "zero", "server.workers"),
    (
        "APP__SERVER__SHUTDOWN_TIMEOUT",
        "soon",
        "server.shutdown_timeout",
    ),
    (
        "APP__SERVER__SHUTDOWN_TIMEOUT",
        "10 parsecs",
        "server.shutdown_timeout",
    ),
    ("APP__SERVER__PUBLIC_URL", "api.test", "server.public_url"),
    (
        "APP__SERVER__TRUSTED_PROXIES",
        "proxy.test",
        "server.trusted_proxies",
    ),
    (
        "APP__CORS__ALLOWED_ORIGINS",
        "app.test",
        "cors.allowed_origins",
    ),
    (
        "APP__CORS__ALLOWED_ORIGINS",
        "https://app.test/path",
        "cors.allowed_origins",
    ),
    (
        "APP__CORS__ALLOWED_ORIGINS",
        "https://*.test",
        "cors.allowed_origins",
    ),
    ("APP__CORS__MAX_AGE", "-1s", "cors.max_age"),
    (
        "ISSUER_BASE_URL",
        "tenant.test/hush",
        "auth.issuer_base_url",
    ),
    (
        "ISSUER_BASE_URL",
        "http://hush.test/",
        "auth.issuer_base_url",
    ),
    (
        "ISSUER_BASE_URL",
        "http://192.168.0.1/",
        "auth.issuer_base_url",
    ),
    (
        "ISSUER_BASE_URL",
        "http://localhost.test/",
        "auth.issuer_base_url",
    ),
    (
        "ISSUER_BASE_URL",
        "ftp://hush.test/",
        "auth.issuer_base_url",
    ),
    (
        "ISSUER_BASE_URL",
        "https://me:hush@tenant.test/",
        "auth.issuer_base_url",
    ),
    (
        "ISSUER_BASE_URL",
        "https://tenant.test/?hush",
        "auth.issuer_base_url",
    ),
    (
        "ISSUER_BASE_URL",
        "https://tenant.test/#hush",
        "auth.issuer_base_url",
    ),
    ("JWKS_URI", "jwks.json", "auth.jwks_uri"),
    ("JWKS_URI", "http://keys.test/", "auth.jwks_uri"),
    ("AUDIENCE", " , ,", "auth.audience"),
    ("TOKEN_SIGNING_ALG", "none", "auth.token_signing_alg"),
    ("TOKEN_SIGNING_ALG", "rs256", "auth.token_signing_alg"),
    ("TOKEN_SIGNING_ALG", "RS256;ES256", "auth.token_signing_alg"),
    ("TOKEN_SIGNING_ALG", "HS256", "auth.token_signing_alg"),
    ("APP__AUTH__STRICT", "yes", "auth.strict"),
    ("APP__AUTH__STRICT", "1", "auth.strict"),
    ("APP__AUTH__CLOCK_TOLERANCE", "five", "auth.clock_tolerance"),
    ("APP__AUTH__CLOCK_TOLERANCE", "-5s", "auth.clock_tolerance"),
    ("APP__AUTH__MAX_TOKEN_AGE", "old", "auth.max_token_age"),
    ("APP__AUTH__CACHE_MAX_AGE", "0s", "auth.cache_max_age"),
    (
        "APP__AUTH__COOLDOWN_DURATION",
        "never",
        "auth.cooldown_duration",
    ),
    ("APP__AUTH__TIMEOUT_DURATION", "0", "auth.timeout_duration"),
    ("APP__AUTH__SCOPE_CLAIMS", "/hush~", "auth.scope_claims"),
    ("APP__AUTH__PUBLIC_KEY", "hush.pem", "auth.public_key"),
    ("APP__AUTH__PUBLIC_KEY", "{\"hush\":1}", "auth.public_key"),
    ("APP__DEV_ISSUER__ENABLED", "perhaps", "dev_issuer.enabled"),
    ("APP__DEV_ISSUER__PORT", "70000", "dev_issuer.port"),
    ("APP__LOG__FORMAT", "xml", "log.format"),
];

#[test]
fn each_wrong_value_is_rejected_without_being_repeated() {
    for (variable, value, key) in WRONG {
        let ended = Launch::new()
            .variables(&TRUST)
            .variable(variable, value)
            .run();
        assert_rejected(&ended, &format!("{key} (variable {variable}): "));
        let repeated = value.len() > 6 && ended.log.contains(value);
        assert!(!repeated && !ended.log.contains("hush"), "{ended:?}");
    }
}
