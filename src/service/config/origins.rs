//! Finds where a key is set.

use std::borrow::Cow;

use config::{Value, ValueKind};

use super::error::{KeyOrigin, SettingsError};
use super::layers::Table;

/// Where the keys of one section are set.
#[derive(Clone, Debug)]
pub(super) struct Origins<'a> {
    path: String,
    values: Option<&'a Table>,
    /// The section whose values apply to keys that are not set in this one.
    inherited: Option<Box<Self>>,
}

impl<'a> Origins<'a> {
    /// Those of the section `path`, such as `auth.dpop`.
    pub(super) fn of(root: &'a Table, path: &str) -> Self {
        let values = path
            .split('.')
            .try_fold(root, |section, name| table(section.get(name)?));
        Self {
            path: path.to_owned(),
            values,
            inherited: None,
        }
    }

    /// Those of each entry of the list of sections `name` of the file.
    pub(super) fn list(root: &'a Table, name: &str) -> Vec<Self> {
        let Some(ValueKind::Array(entries)) = root.get(name).map(|list| &list.kind) else {
            return Vec::new();
        };
        let entries = entries.iter().enumerate().map(|(index, entry)| Self {
            path: format!("{name}[{index}]"),
            values: table(entry),
            inherited: None,
        });
        entries.collect()
    }

    /// Those of each entry of the list of sections `name`, which inherits from this section.
    pub(super) fn entries(&self, name: &str) -> Vec<Self> {
        let list = self.values.and_then(|values| values.get(name));
        let Some(ValueKind::Array(entries)) = list.map(|list| &list.kind) else {
            return Vec::new();
        };
        let entries = entries.iter().enumerate().map(|(index, entry)| Self {
            path: format!("{}[{index}]", self.path_of(name)),
            values: table(entry),
            inherited: Some(Box::new(self.clone())),
        });
        entries.collect()
    }

    /// Those of the section `name` in this one.
    pub(super) fn section(&self, name: &str) -> Self {
        let values = self.values.and_then(|values| table(values.get(name)?));
        let inherited = self.inherited.as_ref();
        Self {
            path: self.path_of(name),
            // A section that is set replaces the inherited one as a whole.
            inherited: inherited
                .filter(|_| values.is_none())
                .map(|inherited| Box::new(inherited.section(name))),
            values,
        }
    }

    /// Whether any key is set in this section.
    pub(super) fn is_set(&self) -> bool {
        self.values.is_some_and(|values| !values.is_empty())
            || self
                .inherited
                .as_ref()
                .is_some_and(|inherited| inherited.is_set())
    }

    pub(super) fn get(&self, key: &str) -> Option<KeyOrigin> {
        match self.values.and_then(|values| values.get(key)) {
            Some(value) => Some(KeyOrigin::of(self.path_of(key), value)),
            None => self.inherited.as_ref()?.get(key),
        }
    }

    /// The value of the key in this section itself, where it is a text.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match &self.values?.get(key)?.kind {
            ValueKind::String(text) => Some(text),
            _ => None,
        }
    }

    /// The key as messages name it.
    pub(super) fn path_of(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// The key with its source, if it is set.
    pub(super) fn described(&self, key: &str) -> String {
        let origin = self.get(key);
        origin.map_or_else(|| self.path_of(key), |origin| origin.to_string())
    }

    /// An error about `key`, which is needed because of the first of `others` that is set.
    pub(super) fn reject_required(
        &self,
        key: &str,
        remedy: &str,
        others: &[&str],
    ) -> SettingsError {
        match others.iter().find_map(|other| self.get(other)) {
            Some(other) => self.reject(key, format!("{remedy}; {other} requires it")),
            None => self.reject(key, remedy.to_owned()),
        }
    }

    /// An error about the value of `key`, or about its absence.
    pub(super) fn reject(&self, key: &str, remedy: impl Into<Cow<'static, str>>) -> SettingsError {
        match self.get(key) {
            Some(origin) => origin.reject(remedy),
            None => SettingsError::Missing {
                key: self.path_of(key),
                remedy: remedy.into(),
            },
        }
    }
}

fn table(value: &Value) -> Option<&Table> {
    match &value.kind {
        ValueKind::Table(values) => Some(values),
        _ => None,
    }
}
