mod documented;
mod effective;
#[cfg(feature = "test-kit")]
mod providers;
mod server;

use std::path::PathBuf;

use super::*;
use crate::issuer::{Issuer, KeySource};

/// The settings of a `Settings.toml` with this text and of these variables.
pub(in crate::service) fn parsed(
    text: &str,
    variables: &[(&str, &str)],
) -> Result<Settings, String> {
    let variables = variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    Settings::parse(Some(("Settings.toml", text)), variables).map_err(|error| error.to_string())
}

/// The merged layers of the same, whose values may contradict each other.
pub(super) fn layers_of(text: &str, variables: &[(&str, &str)]) -> Result<Layers, SettingsError> {
    let variables = variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    Layers::merge(Some(("Settings.toml", text)), variables, None)
}

/// The same with a configured issuer.
pub(in crate::service) fn configured(text: &str) -> Result<Settings, String> {
    parsed(text, &CONFIGURED)
}

pub(super) fn issuers(text: &str, variables: &[(&str, &str)]) -> Result<Vec<Issuer>, String> {
    match parsed(text, variables)?.trust {
        Trust::Issuers(issuers) => Ok(issuers),
        #[cfg(feature = "dev-issuer")]
        Trust::DevIssuer { .. } => Err("the development issuer".to_owned()),
    }
}

const CONFIGURED: [(&str, &str); 2] = [
    ("ISSUER_BASE_URL", "https://a.example/"),
    ("AUDIENCE", "api"),
];

pub(super) const SHIPPED: &str = include_str!("../../../../Settings.toml");

#[test]
fn messages_name_the_key_the_layer_and_the_remedy() {
    let port = "must be a number from 0 to 65535";
    let section = "is a section: set its keys one by one";
    for (variable, key, remedy) in [
        ("PORT", "server.port", port),
        ("APP__SERVER__PORT", "server.port", port),
        ("APP__OPERATIONS__PORT", "operations.port", port),
        ("APP__DEV_ISSUER__PORT", "dev_issuer.port", port),
        ("APP__AUTH__STRICT", "auth.strict", "must be true or false"),
        ("APP__AUTH", "auth", section),
        ("APP__AUTH__DPOP", "auth.dpop", section),
        ("APP__SERVER__TLS", "server.tls", section),
        (
            "APP__AUTH__STARTUP",
            "auth.startup",
            "must be background, wait or require",
        ),
        (
            "APP__AUTH__DPOP__REPLAY_FAILURE",
            "auth.dpop.replay_failure",
            "must be refuse or accept",
        ),
        (
            "APP__AUTH__MTLS__SOURCE",
            "auth.mtls.source",
            "must be tls, client-cert, escaped-pem or xfcc",
        ),
        ("APP__LOG__FORMAT__X", "log.format", "must be text or json"),
        ("APP__LOG__FORMAT", "log.format", "must be text or json"),
        (
            "APP__DEV_ISSUER__PROT",
            "dev_issuer.prot",
            "is not a known key; did you mean port? known here: enabled, port, tls_port, dpop_nonce, opaque_tokens, users, clients",
        ),
        (
            "APP__SEVER__PORT",
            "sever",
            "is not a known key; did you mean server? \
             known here: server, operations, resource, cors, auth, revocation, decision, routes, dev_issuer, openapi, reload, log",
        ),
    ] {
        let variables = [&CONFIGURED[..], &[(variable, "hush")]].concat();
        let message = format!("{key} (variable {variable}): {remedy}");
        assert_eq!(parsed("", &variables).map(drop), Err(message));
    }
}

#[test]
fn an_unknown_key_is_rejected_with_those_that_are_known() {
    let known = "host, port, workers, max_connections, max_connections_per_address, client_timeout, keep_alive, \
                 drain_delay, shutdown_timeout, public_url, trusted_proxies, allowed_hosts, tls";
    for (text, expected) in [
        (
            "[server]\nprot = 1",
            format!("server.prot (file Settings.toml): is not a known key; did you mean port? known here: {known}"),
        ),
        (
            "[server]\n'a.b' = 1",
            format!("server.a.b (file Settings.toml): is not a known key; known here: {known}"),
        ),
        (
            "[sever]",
            "sever (file): is not a known key; did you mean server? \
             known here: server, operations, resource, cors, auth, revocation, decision, routes, dev_issuer, openapi, reload, log"
                .to_owned(),
        ),
        (
            "[server.tls]\ncert = 1",
            "server.tls.cert (file Settings.toml): is not a known key; known here: certificate, key, client_ca"
                .to_owned(),
        ),
    ] {
        assert_eq!(configured(text).map(drop), Err(expected), "{text}");
    }
}

#[test]
fn the_shipped_file_sets_the_defaults() {
    let shipped = format!("{:?}", configured(SHIPPED).unwrap());
    assert_eq!(shipped, format!("{:?}", configured("").unwrap()));
}

#[test]
fn the_shipped_file_configures_no_issuer() {
    let shipped = parsed(SHIPPED, &[]);
    if cfg!(feature = "dev-issuer") {
        assert!(!matches!(shipped.unwrap().trust, Trust::Issuers(_)));
    } else {
        let message = shipped.unwrap_err();
        assert!(message.starts_with("auth.issuer_base_url is missing"));
    }
}

#[test]
fn a_secret_in_the_wrong_place_is_not_shown() {
    for name in PLACES {
        let variables = [&CONFIGURED[..], &[(name, "0123hush")]].concat();
        if let Err(message) = parsed("", &variables) {
            assert!(
                !message.contains("hush") && !message.contains('\n'),
                "{message}"
            );
            continue;
        }
        let texts = ["AUDIENCE", "HOST", "ISSUER", "APP__AUTH__SCOPE_CLAIMS"];
        assert!(texts.contains(&name), "{name}");
    }
}

const PLACES: [&str; 20] = [
    "AUDIENCE",
    "HOST",
    "ISSUER",
    "JWKS_URI",
    "PORT",
    "SECRET",
    "TOKEN_SIGNING_ALG",
    "APP__AUTH__CACHE_MAX_AGE",
    "APP__AUTH__DPOP__ENABLED",
    "APP__AUTH__ISSUER_BASE_URL",
    "APP__AUTH__PUBLIC_KEY",
    "APP__AUTH__SCOPE_CLAIMS",
    "APP__AUTH__STRICT",
    "APP__CORS__ALLOWED_ORIGINS",
    "APP__CORS__MAX_AGE",
    "APP__DEV_ISSUER__PORT",
    "APP__LOG__FORMAT",
    "APP__SERVER__PUBLIC_URL",
    "APP__SERVER__TRUSTED_PROXIES",
    "APP__SERVER__WORKERS",
];

#[test]
fn a_secret_is_kept_exactly_and_never_shown() {
    let secret = "0123".repeat(8);
    let hmac = [("SECRET", &*secret), ("TOKEN_SIGNING_ALG", "HS256")];
    let variables = [&CONFIGURED[..], &hmac].concat();
    let settings = parsed("", &variables).unwrap();
    assert!(!format!("{settings:?}").contains("0123"));
    let issuers = issuers("", &variables).unwrap();
    let Some(KeySource::Secret(kept)) = issuers[0].keys() else {
        panic!("{issuers:?}")
    };
    assert_eq!(kept.as_bytes(), secret.as_bytes());
}

#[test]
fn a_secret_that_ends_in_a_line_break_causes_a_warning() {
    let secret = "s".repeat(32) + "\n";
    let warnings = |name| {
        let hmac = [(name, &*secret), ("TOKEN_SIGNING_ALG", "HS256")];
        parsed("", &[&CONFIGURED[..], &hmac].concat()).map(|settings| settings.warnings)
    };
    let ending = "ends in a line break, which counts as a part of the secret";
    let expected = format!("auth.secret (variable SECRET): {ending}");
    assert_eq!(warnings("SECRET"), Ok(vec![expected]));
    let file = Scratch::new("line-break", secret.as_bytes());
    let hmac = [("SECRET_FILE", file.path()), ("TOKEN_SIGNING_ALG", "HS256")];
    let settings = parsed("", &[&CONFIGURED[..], &hmac].concat()).unwrap();
    assert!(
        settings.warnings.is_empty(),
        "the last line break is not part of a file's secret"
    );
    let nonce = format!("[auth.dpop]\nnonce = true\nnonce_secret = '''{secret}'''");
    let expected = format!("auth.dpop.nonce_secret (file Settings.toml): {ending}");
    assert_eq!(configured(&nonce).unwrap().warnings, [expected]);
    let entry = format!(
        "[[auth.issuers]]\nissuer = 'a'\ntoken_signing_alg = 'HS256'\nsecret = '''{secret}'''"
    );
    let expected = format!("auth.issuers[0].secret (file Settings.toml): {ending}");
    assert_eq!(
        parsed(&entry, &CONFIGURED[1..]).unwrap().warnings,
        [expected]
    );
}

/// A file that is removed when the test ends.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new(name: &str, content: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("ars-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

#[test]
fn a_variable_may_name_the_file_of_a_secret() {
    let secret = "s".repeat(32);
    for ending in ["", "\n", "\r\n"] {
        let file = Scratch::new("secret", format!("{secret}{ending}").as_bytes());
        for name in ["SECRET_FILE", "APP__AUTH__SECRET_FILE"] {
            let hmac = [(name, file.path()), ("TOKEN_SIGNING_ALG", "HS256")];
            let issuers = issuers("", &[&CONFIGURED[..], &hmac].concat()).unwrap();
            let Some(KeySource::Secret(kept)) = issuers[0].keys() else {
                panic!("{issuers:?}")
            };
            assert_eq!(kept.as_bytes(), secret.as_bytes());
        }
        let nonces = [
            ("APP__AUTH__DPOP__NONCE", "true"),
            ("APP__AUTH__DPOP__NONCE_SECRET_FILE", file.path()),
        ];
        let settings = parsed("", &[&CONFIGURED[..], &nonces].concat()).unwrap();
        let kept = settings.dpop.unwrap().nonces.unwrap().secret.unwrap();
        assert_eq!(*kept, secret);
    }
}

#[test]
fn a_file_of_a_secret_must_be_readable_and_the_only_source() {
    let file = Scratch::new("twice", b"hush");
    let both = [("SECRET", "hush"), ("SECRET_FILE", file.path())];
    let contradiction =
        "auth.secret (variable SECRET_FILE): contradicts variable SECRET: keep one of them";
    assert_eq!(parsed("", &both).map(drop), Err(contradiction.to_owned()));
    let missing = parsed("", &[("SECRET_FILE", "/nowhere/hush")]).unwrap_err();
    let expected = "auth.secret (variable SECRET_FILE): names a file that cannot be read: ";
    assert!(
        missing.starts_with(expected) && !missing.contains("hush"),
        "{missing}"
    );
    let other = parsed("", &[("APP__SERVER__PORT_FILE", file.path())]).unwrap_err();
    assert!(
        other.starts_with("server.port_file (variable APP__SERVER__PORT_FILE): is not a known key")
    );
}

#[test]
fn empty_variables_are_not_set() {
    let empty = [
        ("PORT", ""),
        ("APP__SERVER__PORT", ""),
        ("APP__AUTH__ISSUER", ""),
        ("APP__AUTH__DPOP__NONCE_SECRET_FILE", ""),
        ("SECRET_FILE", ""),
    ];
    let settings = parsed("[server]\nport = 1", &[&CONFIGURED[..], &empty].concat());
    assert_eq!(settings.map(|settings| settings.server.port), Ok(1));
}

#[test]
fn a_file_that_is_named_must_exist() {
    let missing = PathBuf::from("nowhere/Settings.toml");
    let message = Settings::load(Some(&missing), []).unwrap_err().to_string();
    let expected = "file nowhere/Settings.toml: cannot be read: ";
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn messages_name_the_file_that_is_read() {
    let file = Scratch::new("settings", b"[server]\nport = 'x'");
    let message = Settings::load(Some(&file.0), []).unwrap_err().to_string();
    let expected = format!(
        "server.port (file {}): must be a number from 0 to 65535",
        file.path()
    );
    assert_eq!(message, expected);
}

#[test]
fn without_a_file_the_defaults_are_used() {
    let variables = CONFIGURED.map(|(name, value)| (name.into(), value.into()));
    let server = Settings::parse(None, variables).unwrap().server;
    assert_eq!((&*server.host, server.port), ("127.0.0.1", 3010));
}
