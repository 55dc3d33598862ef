//! Where the settings come from, to read them again while the service runs, and which of them have changed.

use std::collections::BTreeMap;
use std::env;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;

use config::Value;

use super::deserialize::keys;
use super::error::SettingsError;
use super::layers::{Table, member};
use super::model;
use super::values::NOT_SHOWN;
use super::{Layers, OwnSection, Settings, effective};

/// The file and the variables, which are read as at the start.
#[derive(Clone)]
pub(crate) struct Source {
    /// Once there was one, it is needed.
    file: Option<PathBuf>,
    own: Option<OwnSection>,
    check_own: Arc<CheckOwn>,
    /// Keyed at random, so that nothing can be learned from a hash of a secret.
    hasher: RandomState,
}

/// Checks the user's own section.
type CheckOwn = dyn Fn(&Layers) -> Result<(), SettingsError> + Send + Sync;

/// The settings at one time.
pub(crate) struct Reading {
    pub(crate) settings: Settings,
    pub(crate) values: Values,
    file: Option<PathBuf>,
}

/// The hash of each setting's effective value, secrets included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Values(BTreeMap<String, u64>);

impl Source {
    /// The source of `layers`; `check_own` checks the user's own section.
    pub(crate) fn of(
        layers: &Layers,
        check_own: impl Fn(&Layers) -> Result<(), SettingsError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            file: layers.file.clone(),
            own: layers.own,
            check_own: Arc::new(check_own),
            hasher: RandomState::new(),
        }
    }

    /// Reads the file, the files that settings name, and the variables.
    ///
    /// # Errors
    /// Those of the start.
    pub(crate) fn read(&self) -> Result<Reading, SettingsError> {
        let layers = Layers::read(self.file.as_deref(), env::vars_os(), self.own)?;
        let settings = layers.settings()?;
        (self.check_own)(&layers)?;
        Ok(Reading {
            settings,
            values: self.values(&layers)?,
            file: layers.file,
        })
    }

    /// The values of `layers`.
    ///
    /// # Errors
    /// Those of the start.
    pub(crate) fn values(&self, layers: &Layers) -> Result<Values, SettingsError> {
        let all = effective::list(&layers.root, self.own)?.into_iter();
        let hashed = all.map(|setting| {
            let shown = setting.value.as_deref().unwrap_or_default();
            let hidden = shown
                .contains(NOT_SHOWN)
                .then(|| raw(&layers.root, &setting.key));
            let hidden = hidden.flatten().map(|value| value.kind.to_string());
            let hash = self.hasher.hash_one((&setting.value, hidden));
            (setting.key, hash)
        });
        Ok(Values(hashed.collect()))
    }

    /// From now on, the file that was read is needed.
    pub(crate) fn requires_file_of(&mut self, reading: &Reading) {
        self.file.clone_from(&reading.file);
    }
}

impl Values {
    /// The keys whose values differ.
    pub(crate) fn changed(&self, former: &Self) -> Vec<String> {
        let others = former.0.keys().filter(|key| !self.0.contains_key(*key));
        let changed = self
            .0
            .iter()
            .filter(|(key, value)| former.0.get(*key) != Some(value));
        let mut keys: Vec<_> = changed.map(|(key, _)| key).chain(others).cloned().collect();
        keys.sort_unstable();
        keys
    }

    /// Takes the values of these keys from `other`.
    pub(crate) fn take(&mut self, other: &Self, keys: &[String]) {
        for key in keys {
            match other.0.get(key) {
                Some(value) => self.0.insert(key.clone(), *value),
                None => self.0.remove(key),
            };
        }
    }
}

/// Whether a key, such as `auth.issuers[0].audience`, is one of the issuers'.
pub(crate) fn applies_to_issuers(key: &str) -> bool {
    let Some(key) = key.strip_prefix("auth.") else {
        return false;
    };
    key.starts_with("issuers[")
        || key.starts_with("introspection.")
        || keys::<model::Issuer>().contains(&key)
}

/// The value that is set at `key`, such as `auth.issuers[0].secret`.
fn raw<'a>(root: &'a Table, key: &str) -> Option<&'a Value> {
    let mut parts = key.split('.');
    let first = root.get(parts.next()?)?;
    parts.try_fold(first, |section, part| match part.split_once('[') {
        None => member(section, part),
        Some((name, index)) => {
            let index: usize = index.strip_suffix(']')?.parse().ok()?;
            match &member(section, name)?.kind {
                config::ValueKind::Array(entries) => entries.get(index),
                _ => None,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::layers_of;
    use super::*;

    fn source() -> Source {
        Source::of(&layers_of("", &[]).unwrap(), |_| Ok(()))
    }

    /// The keys that differ between two files.
    fn changed(former: &str, text: &str) -> Vec<String> {
        let source = source();
        let values = |text| source.values(&layers_of(text, &[]).unwrap()).unwrap();
        values(text).changed(&values(former))
    }

    #[test]
    fn keys_are_named_whose_effective_values_differ() {
        let cases: [(&str, &str, &[&str]); 8] = [
            ("", "", &[]),
            ("[server]\nport = 3010", "", &[]),
            (
                "[server]\nkeep_alive = '60s'",
                "[server]\nkeep_alive = 60",
                &[],
            ),
            ("[server]\nport = 1", "[server]\nport = 2", &["server.port"]),
            (
                "",
                "[cors]\nallowed_origins = ['https://a.example']",
                &["cors.allowed_origins"],
            ),
            (
                "[auth]\nrequired_claims = { a = 'x' }",
                "[auth]\nrequired_claims = { a = 'y' }",
                &["auth.required_claims"],
            ),
            (
                "[[auth.issuers]]\nissuer_base_url = 'https://a.example/'\naudience = 'a'",
                "[[auth.issuers]]\nissuer_base_url = 'https://a.example/'\naudience = 'b'",
                &["auth.issuers[0].audience"],
            ),
            (
                "[reload]\nwatch = true\n[server]\nport = 1",
                "",
                &["reload.watch", "server.port"],
            ),
        ];
        for (former, text, expected) in cases {
            assert_eq!(changed(former, text), expected, "{former:?} {text:?}");
        }
    }

    #[test]
    fn secrets_that_change_are_noticed() {
        let cases = [
            ("[auth]\nsecret = 'HUSH'", "auth.secret"),
            ("[auth]\npublic_key = 'HUSH'", "auth.public_key"),
            (
                "[auth]\njwks_uri = 'https://a.example/keys?key=HUSH'",
                "auth.jwks_uri",
            ),
            (
                "[auth.dpop]\nnonce_secret = 'HUSH'",
                "auth.dpop.nonce_secret",
            ),
            ("[server.tls]\nkey = 'HUSH'", "server.tls.key"),
            (
                "[[auth.issuers]]\nsecret = 'HUSH'",
                "auth.issuers[0].secret",
            ),
            (
                "[[auth.issuers]]\n[auth.issuers.introspection]\nclient_secret = 'HUSH'",
                "auth.issuers[0].introspection.client_secret",
            ),
            (
                "[[dev_issuer.clients]]\nid = 'a'\nsecret = 'HUSH'",
                "dev_issuer.clients[0].secret",
            ),
        ];
        for (text, key) in cases {
            let other = text.replace("HUSH", "hush");
            assert_eq!(changed(text, &other), [key], "{text}");
            assert_eq!(changed(text, text), [""; 0], "{text}");
        }
    }

    #[test]
    fn keys_of_issuers_are_told_from_others() {
        for key in [
            "auth.audience",
            "auth.issuer_base_url",
            "auth.introspection.client_id",
            "auth.issuers[12].secret",
        ] {
            assert!(applies_to_issuers(key), "{key}");
        }
        for key in [
            "auth.startup",
            "auth.dpop.nonce",
            "auth.mtls.enabled",
            "server.port",
            "audience",
        ] {
            assert!(!applies_to_issuers(key), "{key}");
        }
    }

    #[test]
    fn a_file_that_was_there_is_needed() {
        let mut source = source();
        source.file = Some("/nowhere/Settings.toml".into());
        let error = source
            .read()
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        let expected = "file /nowhere/Settings.toml: cannot be read: ";
        assert!(error.starts_with(expected), "{error}");
    }
}
