//! Lists every known setting: the value that holds, and the layer that says it.
//!
//! What may be a secret is never among the values.

use config::{Map, Value, ValueKind};
use serde::Serialize;

use super::layers::layer_of;

/// One setting as it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Effective {
    pub(crate) key: String,
    /// `None` where nothing is said and there is no default.
    pub(crate) value: Option<String>,
    /// Such as `variable PORT`, `file Settings.toml` or `default`.
    pub(crate) layer: String,
}

/// A setting's key and its default.
type Known = (&'static str, Option<&'static str>);

/// The settings that the merged layers make, in the order of `Settings.toml`.
pub(super) fn list(tree: &Map<String, Value>) -> Vec<Effective> {
    let section = |section: &str, known: &[Known]| -> Vec<Effective> {
        let mut path = section.split('.');
        let said = path.try_fold(tree, |tree, name| table(tree.get(name)?));
        let effective = known
            .iter()
            .map(|known| Effective::of(section, known, &[said]));
        effective.collect()
    };
    let mut all = section("server", &SERVER);
    all.extend(section("server.tls", &TLS));
    all.extend(section("operations", &OPERATIONS));
    all.extend(section("cors", &CORS));
    all.extend(section("auth", &ISSUER));
    all.extend(section("auth", &AUTH));
    all.extend(entries(tree.get("auth").and_then(table)));
    all.extend(section("auth.dpop", &DPOP));
    all.extend(section("auth.mtls", &MTLS));
    all.extend(section("dev_issuer", &DEV_ISSUER));
    all.extend(section("log", &LOG));
    all
}

/// The keys of every known setting, such as `server.port`.
pub(super) fn keys() -> impl Iterator<Item = String> {
    list(&Map::new()).into_iter().map(|setting| setting.key)
}

/// What each of `[[auth.issuers]]` says, over what `[auth]` says for all of them.
fn entries(auth: Option<&Map<String, Value>>) -> Vec<Effective> {
    let issuers = auth.and_then(|auth| auth.get("issuers"));
    let Some(ValueKind::Array(entries)) = issuers.map(|issuers| &issuers.kind) else {
        return Vec::new();
    };
    let paths = (0..).map(|index: usize| format!("auth.issuers[{index}]"));
    let entries = paths.zip(entries).flat_map(|(path, entry)| {
        let layers = [table(entry), auth];
        ISSUER.map(|known| Effective::of(&path, &known, &layers))
    });
    entries.collect()
}

impl Effective {
    /// The first of `layers` that says the key has it.
    fn of(section: &str, known: &Known, layers: &[Option<&Map<String, Value>>]) -> Self {
        let (name, default) = *known;
        let said = layers.iter().find_map(|layer| (*layer)?.get(name));
        let (value, layer) = match said {
            Some(said) => (shown(name, said), layer_of(said).unwrap_or("file")),
            None => (default.map(str::to_owned), "default"),
        };
        Self {
            key: format!("{section}.{name}"),
            value,
            layer: layer.to_owned(),
        }
    }
}

fn table(value: &Value) -> Option<&Map<String, Value>> {
    match &value.kind {
        ValueKind::Table(values) => Some(values),
        _ => None,
    }
}

/// The value as it was said, unless it may be a secret.
fn shown(name: &str, value: &Value) -> Option<String> {
    if SECRET.contains(&name) {
        return Some(NOT_SHOWN.to_owned());
    }
    let text = text(value)?;
    if name == "replay_store" && text.contains('@') {
        return Some(NOT_SHOWN.to_owned());
    }
    match text.split_once('?') {
        Some((url, _)) if URLS.contains(&name) => Some(format!("{url}?{NOT_SHOWN}")),
        _ => Some(text),
    }
}

fn text(value: &Value) -> Option<String> {
    let text = match &value.kind {
        ValueKind::String(text) => text.clone(),
        ValueKind::Array(values) => {
            let texts: Vec<_> = values.iter().filter_map(text).collect();
            texts.join(", ")
        }
        ValueKind::Nil | ValueKind::Table(_) => return None,
        ValueKind::Boolean(_)
        | ValueKind::Float(_)
        | ValueKind::I64(_)
        | ValueKind::I128(_)
        | ValueKind::U64(_)
        | ValueKind::U128(_) => value.kind.to_string(),
    };
    Some(text).filter(|text| !text.is_empty())
}

const NOT_SHOWN: &str = "(not shown)";

/// A private key may have been put where a public one, or the path of its file, belongs.
const SECRET: [&str; 4] = ["key", "nonce_secret", "public_key", "secret"];

/// A query may hold a key to an API.
const URLS: [&str; 3] = ["issuer_base_url", "jwks_uri", "public_url"];

const SERVER: [Known; 11] = [
    ("host", Some("127.0.0.1")),
    ("port", Some("3010")),
    ("workers", None),
    ("max_connections", Some("25000")),
    ("max_connections_per_address", Some("0")),
    ("client_timeout", Some("30s")),
    ("keep_alive", Some("75s")),
    ("drain_delay", Some("0s")),
    ("shutdown_timeout", Some("30s")),
    ("public_url", None),
    ("trusted_proxies", None),
];

const TLS: [Known; 3] = [("certificate", None), ("key", None), ("client_ca", None)];

/// The host has a default where a port is set.
const OPERATIONS: [Known; 2] = [("host", None), ("port", None)];

const CORS: [Known; 2] = [("allowed_origins", None), ("max_age", Some("10m"))];

const ISSUER: [Known; 16] = [
    ("issuer_base_url", None),
    ("audience", None),
    ("issuer", None),
    ("jwks_uri", None),
    ("public_key", None),
    ("secret", None),
    ("token_signing_alg", None),
    ("strict", Some("false")),
    ("clock_tolerance", Some("5s")),
    ("max_token_age", None),
    ("cache_max_age", Some("10m")),
    ("cooldown_duration", Some("30s")),
    ("timeout_duration", Some("5s")),
    ("allow_http_hosts", None),
    ("longest_outage", Some("24h")),
    ("scope_claims", Some("scope, scp")),
];

const AUTH: [Known; 3] = [
    ("startup", Some("background")),
    ("startup_timeout", Some("15s")),
    ("token_memory_bytes", Some("33554432")),
];

const DPOP: [Known; 10] = [
    ("enabled", Some("true")),
    ("required", Some("false")),
    ("iat_offset", Some("5m")),
    ("iat_leeway", Some("30s")),
    ("replay_store", Some("memory")),
    ("replay_memory_bytes", Some("67108864")),
    ("replay_failure", Some("refuse")),
    ("nonce", Some("false")),
    ("nonce_secret", None),
    ("nonce_lifetime", Some("5m")),
];

const MTLS: [Known; 4] = [
    ("enabled", Some("false")),
    ("required", Some("false")),
    ("source", None),
    ("header", Some("x-ssl-client-cert")),
];

const DEV_ISSUER: [Known; 4] = [
    ("enabled", Some("true")),
    ("port", Some("3011")),
    ("tls_port", Some("3012")),
    ("dpop_nonce", Some("false")),
];

const LOG: [Known; 1] = [("format", Some("text"))];

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::layers::merge;
    use super::super::{Settings, SettingsError};
    use super::*;

    type Variables<'a> = &'a [(&'a str, &'a str)];

    fn listed(text: &str, variables: Variables<'_>) -> Vec<Effective> {
        let variables = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        list(&merge(Some(("Settings.toml", text)), variables).unwrap())
    }

    /// Value and layer of one key.
    fn found(text: &str, variables: Variables<'_>, key: &str) -> (Option<String>, String) {
        let all = listed(text, variables);
        let found: Vec<_> = all.into_iter().filter(|one| one.key == key).collect();
        let [one] = &found[..] else {
            panic!("{key}: {found:?}")
        };
        (one.value.clone(), one.layer.clone())
    }

    #[test]
    fn the_highest_layer_that_says_a_key_has_it() {
        let file = "[server]\nport = 1";
        let cases: [(&str, Variables<'_>, &str, &str); 4] = [
            ("", &[], "3010", "default"),
            (file, &[], "1", "file Settings.toml"),
            (file, &[("PORT", "2")], "2", "variable PORT"),
            (
                file,
                &[("PORT", "2"), ("APP__SERVER__PORT", "3")],
                "3",
                "variable APP__SERVER__PORT",
            ),
        ];
        for (text, variables, value, layer) in cases {
            let expected = (Some(value.to_owned()), layer.to_owned());
            assert_eq!(found(text, variables, "server.port"), expected);
        }
    }

    #[test]
    fn lists_and_flags_are_texts_and_what_is_empty_is_none() {
        let text = "
            [auth]
            audience = ['a', 'b']
            strict = true
            [cors]
            allowed_origins = []";
        let value = |key| found(text, &[], key).0;
        assert_eq!(value("auth.audience").as_deref(), Some("a, b"));
        assert_eq!(value("auth.strict").as_deref(), Some("true"));
        assert_eq!(value("cors.allowed_origins"), None);
        assert_eq!(value("auth.issuer"), None);
    }

    #[test]
    fn what_may_be_a_secret_is_not_shown() {
        let variables = [
            ("SECRET", "hush"),
            ("JWKS_URI", "https://a.example/keys?key=hush"),
            ("APP__AUTH__PUBLIC_KEY", "hush"),
            ("APP__AUTH__NEW_SECRET", "hush"),
            ("APP__HUSH", "hush"),
        ];
        let all = listed("[[auth.issuers]]\nsecret = 'hush'", &variables);
        assert!(!format!("{all:?}").contains("hush"), "{all:?}");
        let url = found("", &variables, "auth.jwks_uri").0;
        assert_eq!(url.as_deref(), Some("https://a.example/keys?(not shown)"));
    }

    #[test]
    fn each_of_several_issuers_has_what_it_says_or_what_is_said_for_all() {
        let text = "
            [auth]
            audience = 'all'
            [[auth.issuers]]
            issuer_base_url = 'https://a.example/'
            [[auth.issuers]]
            audience = 'b'";
        let variables = [("APP__AUTH__STRICT", "true")];
        let found = |key| found(text, &variables, key);
        let file = |value: &str| (Some(value.to_owned()), "file Settings.toml".to_owned());
        assert_eq!(found("auth.issuers[0].audience"), file("all"));
        assert_eq!(found("auth.issuers[1].audience"), file("b"));
        assert_eq!(
            found("auth.issuers[0].issuer_base_url"),
            file("https://a.example/")
        );
        let strict = (Some("true".to_owned()), variables[0].0);
        let said = found("auth.issuers[1].strict");
        assert_eq!(said, (strict.0, format!("variable {}", strict.1)));
    }

    #[test]
    fn the_defaults_are_those_that_hold() {
        let bare = Settings::parse(None, []).map(|settings| format!("{settings:?}"));
        let said = listed("", &[]).into_iter().filter_map(|default| {
            let name = format!("APP__{}", default.key.replace('.', "__"));
            Some((OsString::from(name), OsString::from(default.value?)))
        });
        let said = Settings::parse(None, said).map(|settings| format!("{settings:?}"));
        assert_eq!(said, bare);
    }

    #[test]
    fn every_key_that_is_known_is_listed() {
        let listed = listed("", &[]);
        for section in [
            "server",
            "server.tls",
            "cors",
            "auth",
            "auth.dpop",
            "auth.mtls",
            "dev_issuer",
            "log",
        ] {
            let text = format!("[{section}]\nunheard_of = 1");
            let refused = Settings::parse(Some(("f", &text)), []);
            let Err(SettingsError::Unknown { known, .. }) = refused else {
                panic!("{section}: {refused:?}")
            };
            let mut known: Vec<_> = known
                .iter()
                .filter(|key| !["issuers", "dpop", "mtls", "tls"].contains(key))
                .map(|key| format!("{section}.{key}"))
                .collect();
            let in_section = |key: &&str| key.rsplit_once('.').is_some_and(|at| at.0 == section);
            let keys = listed.iter().map(|one| one.key.as_str());
            let mut keys: Vec<_> = keys.filter(in_section).collect();
            known.sort_unstable();
            keys.sort_unstable();
            assert_eq!(keys, known);
        }
    }
}
