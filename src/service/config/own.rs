//! A section of the user's own, read, checked and listed as the service's are.

use config::Value;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use url::Url;

use super::deserialize::{keys, read};
use super::effective::{Effective, text};
use super::error::SettingsError;
use super::layers::{FILE, Table};
use super::origins::Origins;
use super::values::NOT_SHOWN;

/// The name of a section and what is known of its keys.
#[derive(Clone, Copy)]
pub(crate) struct OwnSection {
    pub(super) name: &'static str,
    keys: &'static [&'static str],
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
            keys: keys::<C>(),
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
        let values = (self.list)(self, root)?;
        Ok(list(root, self.name, &values))
    }

    /// The paths of its keys, such as `todo.database`.
    pub(super) fn paths(self) -> impl Iterator<Item = String> {
        let path = move |key| format!("{}.{key}", self.name);
        self.keys.iter().map(path)
    }

    /// Whether a variable may name a file that contains the value of `path`: its key is one of this section, and no other
    /// key has the variable's name.
    pub(super) fn reads_file(self, path: &str) -> bool {
        let key = path
            .strip_prefix(self.name)
            .and_then(|key| key.strip_prefix('.'));
        key.is_some_and(|key| {
            self.keys.contains(&key) && !self.keys.contains(&format!("{key}{FILE}").as_str())
        })
    }
}

fn list(root: &Table, path: &str, values: &Json) -> Vec<Effective> {
    let origins = Origins::of(root, path);
    let members = values.as_object().into_iter().flatten();
    let settings = members.flat_map(|(key, value)| {
        if value.is_object() {
            return list(root, &origins.path_of(key), value);
        }
        let layer = origins.get(key).map(|origin| origin.layer);
        vec![Effective {
            key: origins.path_of(key),
            value: shown(key, value),
            layer: layer.unwrap_or_else(|| "default".to_owned()),
        }]
    });
    settings.collect()
}

/// The value, unless its name or its form shows that it is a secret.
fn shown(key: &str, value: &Json) -> Option<String> {
    let is_secret = |text: &str| {
        key.split('_').any(|word| SECRETS.contains(&word))
            || Url::parse(text).is_ok_and(|url| url.password().is_some())
    };
    if value.as_str().is_some_and(is_secret) {
        return Some(NOT_SHOWN.to_owned());
    }
    text(value)
}

/// Words in the names of keys whose values are not shown.
const SECRETS: [&str; 5] = ["credentials", "key", "password", "secret", "token"];
