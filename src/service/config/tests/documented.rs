//! Settings.toml and docs/settings.md have every key of the structs, with its default, and no other.

use std::collections::BTreeMap;

use super::super::deserialize::keys;
use super::super::{Effective, effective, model};
use super::{SHIPPED, layers};

/// Lists of sections, which are empty by default.
const ENTRIES: [&str; 4] = [
    "auth.issuers",
    "routes",
    "dev_issuer.users",
    "dev_issuer.clients",
];

const DOCS: &str = include_str!("../../../../docs/settings.md");

/// Every key and its default.
fn defaults() -> BTreeMap<String, Option<String>> {
    let all = effective::list(&layers::Table::new(), None).unwrap();
    all.into_iter()
        .map(|Effective { key, value, .. }| (key, value))
        .collect()
}

/// The keys of the file up to `[[auth.issuers]]` and after it, with their values: `true` where the key is set.
fn shipped() -> BTreeMap<String, (bool, String)> {
    let (mut section, mut found) = (String::new(), BTreeMap::new());
    for line in SHIPPED.lines() {
        let (is_set, line) = match line.strip_prefix("# ") {
            Some(example) => (false, example),
            None => (true, line),
        };
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
            continue;
        }
        let Some((key, value)) = line.split_once(" = ") else {
            continue;
        };
        let is_key = key
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if is_key && !ENTRIES.contains(&section.as_str()) {
            let value = value.split(" # ").next().unwrap_or_default().to_owned();
            let former = found.insert(format!("{section}.{key}"), (is_set, value));
            assert!(former.is_none(), "{section}.{key} stands twice");
        }
    }
    found
}

#[test]
fn the_shipped_file_has_every_key_with_its_default() {
    let (defaults, shipped) = (defaults(), shipped());
    let keys: Vec<_> = shipped.keys().collect();
    assert_eq!(keys, defaults.keys().collect::<Vec<_>>());
    for (key, default) in defaults {
        let (is_set, value) = &shipped[&key];
        let value = value.trim_matches(['[', ']']).replace('"', "");
        match default {
            Some(default) => assert_eq!(value, default, "{key}"),
            None => assert!(
                !is_set || value.is_empty(),
                "{key} is set, but has no default"
            ),
        }
    }
}

/// The rows of the tables: the key, its variables and its default.
fn documented() -> BTreeMap<String, (String, String)> {
    let (mut section, mut found) = ("", BTreeMap::new());
    for line in DOCS.lines() {
        if line.starts_with('#') {
            section = line
                .split_once("`[")
                .map_or("", |(_, rest)| rest.trim_end_matches("]`"));
        }
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let ["", key, variables, default, _, ""] = cells[..] else {
            continue;
        };
        if let Some(key) = key.strip_prefix('`') {
            let key = format!("{section}.{}", key.trim_end_matches('`'));
            let former = found.insert(key, (variables.to_owned(), default.to_owned()));
            assert!(former.is_none(), "{line}");
        }
    }
    found
}

#[test]
fn the_documentation_has_every_key_with_its_variables_and_default() {
    let (defaults, documented) = (defaults(), documented());
    let keys: Vec<_> = documented.keys().collect();
    assert_eq!(keys, defaults.keys().collect::<Vec<_>>());
    for (key, default) in defaults {
        let (variables, text) = &documented[&key];
        let prefixed = format!("`APP__{}`", key.to_uppercase().replace('.', "__"));
        let plain = layers::plain_name(&key).map(|name| format!("`{name}`, {prefixed}"));
        assert_eq!(*variables, plain.unwrap_or(prefixed), "{key}");
        match default {
            Some(default) => assert_eq!(text.replace('`', ""), default, "{key}"),
            None => assert!(
                !text.starts_with('`') || text.contains(' '),
                "{key}: {text}"
            ),
        }
    }
}

#[test]
fn the_keys_of_entries_are_documented() {
    let lists = [
        ("routes", keys::<model::Route>()),
        ("dev_issuer.users", keys::<model::DevUser>()),
        ("dev_issuer.clients", keys::<model::DevClient>()),
    ];
    for (list, keys) in lists {
        let after = |text: &'static str, heading: &str| {
            let start = text.find(heading).unwrap_or_else(|| panic!("{heading}"));
            let rest = &text[start + heading.len()..];
            rest.split("\n[")
                .next()
                .unwrap()
                .split("\n#")
                .next()
                .unwrap()
                .to_owned()
        };
        let documented = after(DOCS, &format!("`[[{list}]]`\n"));
        let (_, shipped) = SHIPPED.split_once(&format!("# [[{list}]]\n")).unwrap();
        let shipped: Vec<_> = shipped
            .lines()
            .map_while(|line| line.strip_prefix("# "))
            .collect();
        let shipped: Vec<_> = shipped
            .iter()
            .filter_map(|line| line.split_once(" = "))
            .collect();
        assert_eq!(
            shipped.iter().map(|(key, _)| *key).collect::<Vec<_>>(),
            keys,
            "{list}"
        );
        let rows = documented
            .lines()
            .filter_map(|line| line.strip_prefix("| `"));
        let rows: Vec<_> = rows.filter_map(|row| row.split('`').next()).collect();
        assert_eq!(rows, keys, "{list}");
    }
}

#[test]
fn the_examples_of_the_shipped_file_are_accepted() {
    let uncommented = |line: &str| match line.strip_prefix("# ") {
        Some(example) if example.starts_with('[') || example.contains(" = ") => example.to_owned(),
        _ => line.to_owned(),
    };
    // Keys that exclude each other or [[auth.issuers]].
    let alone = [
        "issuer_base_url",
        "issuer =",
        "jwks_uri",
        "public_key",
        "secret",
        "client_ca",
        "private_key",
        "endpoint",
        "client_id",
        "client_secret",
        "client_auth",
        "token_prefix",
    ];
    let mut is_entry = false;
    let text: String = SHIPPED
        .split_inclusive('\n')
        .map(uncommented)
        .filter(|line| {
            is_entry |= line.starts_with("[[");
            let is_alone = alone.iter().any(|key| line.starts_with(key));
            let is_secret = line.starts_with("nonce_secret") || line.starts_with("operator_token");
            !is_secret && (is_entry || !is_alone)
        })
        .collect();
    let (before, revocation) = text.split_once("[revocation]\n").unwrap();
    let enabled = revocation.replacen("enabled = false", "enabled = true", 1);
    let text = format!("{before}[revocation]\n{enabled}");
    // Routes need the proxies for which decisions are made.
    let text = text.replace("trusted_proxies = []", "trusted_proxies = [\"10.0.0.2\"]");
    let issuers = super::issuers(&text, &[]).unwrap();
    assert_eq!(issuers.len(), 2);
    assert_eq!(issuers[0].rules.audience, ["https://quickstarts/api"]);
}
