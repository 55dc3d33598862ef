//! A section of the user's own, read, checked and listed as the service's are.

use config::Value;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use url::Url;

use super::deserialize::{keys, keys_at, read};
use super::effective::{Effective, text};
use super::error::SettingsError;
use super::layers::Table;
use super::origins::Origins;
use super::secrets::FILE;
use super::values::NOT_SHOWN;

/// The name of a section and what is known of its keys.
#[derive(Clone, Copy)]
pub(crate) struct OwnSection {
    pub(super) name: &'static str,
    /// The keys of the section, or of one in it.
    keys: fn(&[&str]) -> &'static [&'static str],
    list: fn(Self, &Table) -> Result<Json, SettingsError>,
}

impl OwnSection {
    /// The section `name`, deserialised as `C`.
    ///
    /// # Panics
    /// If the service has a section of this name.
    #[track_caller]
    pub(crate) fn of<C: DeserializeOwned + Serialize>(name: &'static str) -> Self {
        let is_key = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        assert!(
            !name.is_empty() && name.bytes().all(is_key) && !name.contains("__"),
            "the name of a section consists of the letters a to z and single underscores"
        );
        assert!(
            !keys::<super::model::Model>().contains(&name),
            "the service has a section [{name}] already: choose another name"
        );
        Self {
            name,
            keys: keys_at::<C>,
            list: |own, root| {
                let section: C = Self::read(Some(own), root)?;
                Ok(serde_json::to_value(section).unwrap_or_default())
            },
        }
    }

    pub(super) fn read<C: DeserializeOwned>(
        own: Option<Self>,
        root: &Table,
    ) -> Result<C, SettingsError> {
        let name = own.map_or("", |own| own.name);
        let empty = Value::from(Table::new());
        read(name, root.get(name).unwrap_or(&empty))
    }

    /// Its settings with their effective values.
    pub(super) fn list(self, root: &Table) -> Result<Vec<Effective>, SettingsError> {
        let values = self.values(root)?;
        Ok(list(root, self.name, &values, false))
    }

    /// Its values as they are serialised; secrets are not shown.
    pub(super) fn values(self, root: &Table) -> Result<Json, SettingsError> {
        (self.list)(self, root)
    }

    /// The paths of its keys, such as `todo.database`.
    pub(super) fn paths(self) -> impl Iterator<Item = String> {
        let path = move |key| format!("{}.{key}", self.name);
        (self.keys)(&[]).iter().map(path)
    }

    /// Whether a variable may name a file that contains the value of `path`: its key is one of this section, and no other
    /// key has the variable's name.
    pub(super) fn reads_file(self, path: &str) -> bool {
        let key = path
            .strip_prefix(self.name)
            .and_then(|key| key.strip_prefix('.'));
        key.is_some_and(|key| {
            let (sections, name) = key.rsplit_once('.').unwrap_or(("", key));
            let sections: Vec<_> = sections.split_terminator('.').collect();
            let known = (self.keys)(&sections);
            known.contains(&name) && !known.contains(&format!("{name}{FILE}").as_str())
        })
    }
}

/// `is_secret`: whether the name of a section around them shows that they are secrets.
fn list(root: &Table, path: &str, values: &Json, is_secret: bool) -> Vec<Effective> {
    let origins = Origins::of(root, path);
    let members = values.as_object().into_iter().flatten();
    let settings = members.flat_map(|(key, value)| {
        let is_secret = is_secret || names_a_secret(key);
        if value.is_object() {
            return list(root, &origins.path_of(key), value, is_secret);
        }
        let layer = origins.get(key).map(|origin| origin.layer);
        vec![Effective {
            key: origins.path_of(key),
            value: shown(value, is_secret),
            layer: layer.unwrap_or_else(|| "default".to_owned()),
        }]
    });
    settings.collect()
}

/// The value, unless it is a text or a list of a secret, or contains a URL with a password.
fn shown(value: &Json, is_secret: bool) -> Option<String> {
    if contains_text(value, &|text| is_secret || has_password(text)) {
        return Some(NOT_SHOWN.to_owned());
    }
    text(value)
}

fn contains_text(value: &Json, is_hidden: &impl Fn(&str) -> bool) -> bool {
    match value {
        Json::String(text) => is_hidden(text),
        Json::Array(values) => values.iter().any(|value| contains_text(value, is_hidden)),
        Json::Object(members) => members
            .values()
            .any(|value| contains_text(value, is_hidden)),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}

fn has_password(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| url.password().is_some())
}

/// Whether a word of the key, in the singular or the plural, is one of [`SECRETS`].
fn names_a_secret(key: &str) -> bool {
    let mut words = key.split(['_', '-']).map(str::to_ascii_lowercase);
    words.any(|word| {
        let singular = word.strip_suffix('s').unwrap_or(&word);
        SECRETS.contains(&singular) || SECRETS.contains(&word.as_str())
    })
}

/// Words in the names of keys whose values are not shown.
const SECRETS: [&str; 9] = [
    "apikey",
    "credential",
    "key",
    "pass",
    "passphrase",
    "password",
    "pin",
    "secret",
    "token",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_not_shown_whatever_its_form() {
        let values = json!({
            "api_keys": ["hush", "hush"],
            "credentials": { "user": "hush", "attempts": 3 },
            "replicas": ["redis://a.example", "redis://:hush@b.example"],
            "tokens": { "ann": "hush" },
            "passphrase": "hush",
            "token_lifetime": 300,
            "monkeys": ["a", "b"],
            "url": "https://a.example/",
        });
        let listed = list(&Table::new(), "own", &values, false);
        let mut shown: Vec<_> = listed
            .iter()
            .map(|setting| {
                (
                    setting.key.as_str(),
                    setting.value.as_deref().unwrap_or("-"),
                )
            })
            .collect();
        shown.sort_unstable();
        let expected = [
            ("own.api_keys", NOT_SHOWN),
            ("own.credentials.attempts", "3"),
            ("own.credentials.user", NOT_SHOWN),
            ("own.monkeys", "a, b"),
            ("own.passphrase", NOT_SHOWN),
            ("own.replicas", NOT_SHOWN),
            ("own.token_lifetime", "300"),
            ("own.tokens.ann", NOT_SHOWN),
            ("own.url", "https://a.example/"),
        ];
        assert_eq!(shown, expected);
    }
}
