//! Names the key that is wrong, its source and the remedy, in one line.
//!
//! No value of any setting is ever printed: it may be a secret that was set at the wrong key.

use std::borrow::Cow;
use std::fmt;

use config::{Value, ValueKind};
use strsim::levenshtein;

/// A setting's key and the layer that sets it, such as `server.port (variable PORT)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyOrigin {
    pub(super) key: String,
    pub(super) layer: String,
}

impl KeyOrigin {
    pub(super) fn of(key: String, value: &Value) -> Self {
        let layer = layer_of(value).unwrap_or("file").to_owned();
        Self { key, layer }
    }

    pub(super) fn reject(&self, remedy: impl Into<Cow<'static, str>>) -> SettingsError {
        SettingsError::Rejected {
            origin: self.clone(),
            remedy: remedy.into(),
        }
    }
}

impl fmt::Display for KeyOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({})",
            self.key.escape_debug(),
            self.layer.escape_debug()
        )
    }
}

/// Why the settings cannot be used; every message is one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SettingsError {
    /// The file is not TOML; its text is not shown.
    #[error("file {}: is not valid TOML{position}", file.escape_debug())]
    FileSyntax {
        file: String,
        /// Such as ` at line 3, column 5`; empty where the parser does not know it.
        position: String,
    },
    /// The file cannot be read, or is not there.
    #[error("file {}: cannot be read: {}", file.escape_debug(), cause.escape_debug())]
    FileUnreadable { file: String, cause: String },
    /// Another error, and variables that are not read: one of them may be what is missing.
    #[error("{error} ({})", warnings.join("; "))]
    Misspelt {
        error: Box<Self>,
        warnings: Vec<String>,
    },
    /// A setting is needed that no layer sets.
    #[error("{key} is missing: {remedy}")]
    Missing {
        key: String,
        remedy: Cow<'static, str>,
    },
    /// A variable's name begins with `APP__`, but names no key.
    #[error("variable {}: {NO_KEY}", variable.escape_debug())]
    NoKey { variable: String },
    /// The value cannot be used, by itself or together with another.
    #[error("{origin}: {remedy}")]
    Rejected {
        origin: KeyOrigin,
        remedy: Cow<'static, str>,
    },
    /// There is no such key.
    #[error("{origin}: is not a known key; {}known here: {}", hint(*nearest), known.join(", "))]
    Unknown {
        origin: KeyOrigin,
        nearest: Option<&'static str>,
        known: Vec<&'static str>,
    },
}

impl SettingsError {
    pub(super) fn unknown(origin: KeyOrigin, name: &str, known: Vec<&'static str>) -> Self {
        Self::Unknown {
            origin,
            nearest: nearest(name, &known),
            known,
        }
    }

    /// The same error, with warnings about what may have led to it.
    pub(super) fn with_warnings(self, warnings: Vec<String>) -> Self {
        if warnings.is_empty() {
            return self;
        }
        let error = Box::new(self);
        Self::Misspelt { error, warnings }
    }
}

/// The layer that sets this value, or a part of it.
pub(super) fn layer_of(value: &Value) -> Option<&str> {
    value.origin().or_else(|| match &value.kind {
        ValueKind::Table(values) => {
            let mut values: Vec<_> = values.iter().collect();
            values.sort_unstable_by_key(|(key, _)| *key);
            values.into_iter().find_map(|(_, value)| layer_of(value))
        }
        _ => None,
    })
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("did you mean {name}? "))
}

/// The known name that `name` is most likely a misspelling of, such as `port` for `prot`.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let name = squeezed(name);
    let distances = known
        .iter()
        .map(|&candidate| (levenshtein(&name, &squeezed(candidate)), candidate));
    let (typos, candidate) = distances.min_by_key(|&(typos, _)| typos)?;
    (typos <= MAX_TYPOS && typos < candidate.len()).then_some(candidate)
}

/// The letters of a name, without the marks between its words.
pub(super) fn squeezed(name: &str) -> String {
    let letters = name.chars().filter(|letter| !matches!(letter, '_' | '-'));
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

const NO_KEY: &str = "names no key; the form is APP__SECTION__KEY, such as APP__SERVER__PORT";

/// Two letters swapped count as two.
const MAX_TYPOS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_offered_only_when_it_is_close() {
        let known = ["issuer_base_url", "port", "host"];
        let cases = [
            ("issuerBaseURL", Some("issuer_base_url")),
            ("issuer-base-uri", Some("issuer_base_url")),
            ("prot", Some("port")),
            ("PORT", Some("port")),
            ("audience", None),
            ("", None),
        ];
        for (name, expected) in cases {
            assert_eq!(nearest(name, &known), expected, "{name}");
        }
    }

    #[test]
    fn a_message_stays_on_one_line_whatever_the_key_is() {
        let origin = KeyOrigin {
            key: "server.a\nb".to_owned(),
            layer: "file x\r.toml".to_owned(),
        };
        let error = SettingsError::unknown(origin, "a\nb", vec!["host"]);
        assert_eq!(
            error.to_string(),
            r"server.a\nb (file x\r.toml): is not a known key; known here: host"
        );
    }
}
