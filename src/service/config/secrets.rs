//! Secrets and keys: files that contain them, and what is wrong with their ends.

use config::{Value, ValueKind};
use serde_json::Value as Json;

use super::error::{KeyOrigin, SettingsError};
use super::file;
use super::layers::Table;
use super::own::OwnSection;
use super::values::{NOT_SHOWN, debris, unquoted};

/// What the name of a variable or key ends with that names a file with the value.
pub(super) const FILE: &str = "_file";

/// Whether `key`, such as `auth.secret`, holds a secret or a key, whose value a file may contain.
pub(super) fn may_be_a_file(key: &str) -> bool {
    let is_of_the_service = SECTIONS.iter().any(|section| key.starts_with(section));
    let name = key.rsplit('.').next().unwrap_or(key);
    let is_store = name == "replay_store" || key == "revocation.store";
    is_of_the_service && (is_secret(name) || name.ends_with("_key") || is_store)
}

/// The content of the file that a setting names.
pub(super) fn read(path: &str, origin: &KeyOrigin) -> Result<String, SettingsError> {
    let path = unquoted(path).map_err(|problem| origin.reject(problem))?;
    file::read_line(path).map_err(|problem| origin.reject(problem))
}

/// Replaces keys of the file's tables such as `secret_file` by what the named files contain.
///
/// # Errors
/// A file cannot be used, or the value is set beside it.
pub(super) fn read_files(table: &mut Table, path: &str) -> Result<(), SettingsError> {
    for (name, value) in std::mem::take(table) {
        let key = format!("{path}{name}");
        let (name, value) = match (name.strip_suffix(FILE), &value.kind) {
            (Some(secret), ValueKind::String(file))
                if may_be_a_file(&format!("{path}{secret}")) =>
            {
                let origin = KeyOrigin::of(key, &value);
                let content = read(file, &origin)?;
                let content = Value::new(Some(&origin.layer), content);
                (secret.to_owned(), content)
            }
            _ => (name, read_files_of(value, &key)?),
        };
        if let Some(former) = table.insert(name.clone(), value) {
            let origin = KeyOrigin::of(format!("{path}{name}{FILE}"), &former);
            return Err(origin.reject(format!("contradicts {path}{name}: keep one of them")));
        }
    }
    Ok(())
}

fn read_files_of(mut value: Value, path: &str) -> Result<Value, SettingsError> {
    match &mut value.kind {
        ValueKind::Table(table) => read_files(table, &format!("{path}."))?,
        ValueKind::Array(entries) => {
            for (index, entry) in entries.iter_mut().enumerate() {
                if let ValueKind::Table(table) = &mut entry.kind {
                    read_files(table, &format!("{path}[{index}]."))?;
                }
            }
        }
        _ => {}
    }
    Ok(value)
}

/// One line for each secret whose ends look unintended: they are part of the secret.
pub(super) fn warnings(root: &Table, own: Option<OwnSection>) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, value) in root {
        if SECTIONS.contains(&format!("{name}.").as_str()) {
            warn_of_members(value, name, &mut warnings);
        }
    }
    if let Some(own) = own {
        let value = root.get(own.name);
        let read = own.values(root).ok();
        if let (Some(value), Some(read)) = (value, read) {
            warn_of_own(value, &read, own.name, &mut warnings);
        }
    }
    warnings.sort_unstable();
    warnings
}

/// Warns of the secrets in `value`, which their names show.
fn warn_of_members(value: &Value, path: &str, warnings: &mut Vec<String>) {
    match &value.kind {
        ValueKind::Table(members) => {
            for (name, value) in members {
                let path = format!("{path}.{name}");
                if is_secret(name) {
                    warnings.extend(warning(value, &path));
                } else if name != CLAIMS {
                    warn_of_members(value, &path, warnings);
                }
            }
        }
        ValueKind::Array(entries) => {
            for (index, entry) in entries.iter().enumerate() {
                warn_of_members(entry, &format!("{path}[{index}]"), warnings);
            }
        }
        _ => {}
    }
}

/// Warns of the secrets in `value`, which are read as [`Secret`](super::Secret), and therefore listed as not shown.
fn warn_of_own(value: &Value, read: &Json, path: &str, warnings: &mut Vec<String>) {
    match (&value.kind, read) {
        (ValueKind::Table(members), Json::Object(read)) => {
            let pairs = members
                .iter()
                .filter_map(|(name, value)| Some((name, value, read.get(name)?)));
            for (name, value, read) in pairs {
                warn_of_own(value, read, &format!("{path}.{name}"), warnings);
            }
        }
        (ValueKind::Array(entries), Json::Array(read)) => {
            for (index, (value, read)) in entries.iter().zip(read).enumerate() {
                warn_of_own(value, read, &format!("{path}[{index}]"), warnings);
            }
        }
        (_, Json::String(text)) if text == NOT_SHOWN => warnings.extend(warning(value, path)),
        _ => {}
    }
}

fn warning(value: &Value, path: &str) -> Option<String> {
    let ValueKind::String(secret) = &value.kind else {
        return None;
    };
    let origin = KeyOrigin::of(path.to_owned(), value);
    debris::of_secret(secret).map(|debris| format!("{origin}: {debris}"))
}

/// Whether the key's value is a secret, which is kept exactly; others are trimmed.
fn is_secret(name: &str) -> bool {
    name == "secret" || name.ends_with("_secret") || name == "operator_token"
}

/// The sections of the service that contain secrets.
const SECTIONS: [&str; 3] = ["auth.", "dev_issuer.", "revocation."];

/// A section of any keys.
const CLAIMS: &str = "claims";

#[cfg(test)]
mod tests {
    use super::super::tests::{Scratch, configured, parsed};

    #[test]
    fn each_kind_of_debris_around_a_secret_causes_a_warning() {
        let warnings = |secret: &str| {
            let text = format!(
                "[auth.dpop]\nnonce = true\nnonce_secret = {}",
                serde_json::Value::from(secret)
            );
            configured(&text).unwrap().warnings
        };
        let rest = "s".repeat(32);
        for (secret, debris) in [
            (format!("{rest}\n"), "ends in a line break"),
            (format!("{rest}\r\n"), "ends in a line break"),
            (format!("{rest} "), "begins or ends with white space"),
            (format!("\t{rest}"), "begins or ends with white space"),
            (
                format!("\"{rest}\""),
                "has quotation marks around its value",
            ),
            (format!("'{rest}'"), "has quotation marks around its value"),
            (format!("“{rest}”"), "has quotation marks around its value"),
            (format!("\u{feff}{rest}"), "begins with a byte order mark"),
            (format!("{rest}${{SALT}}"), "contains a placeholder"),
        ] {
            let [warning] = &warnings(&secret)[..] else {
                panic!("{secret:?}")
            };
            let expected = format!("auth.dpop.nonce_secret (file Settings.toml): {debris}");
            assert!(warning.starts_with(&expected), "{warning}");
            assert!(!warning.contains(&rest), "{warning}");
        }
        for secret in [rest.clone(), format!("{rest} x"), format!("'{rest}")] {
            assert!(warnings(&secret).is_empty(), "{secret:?}");
        }
    }

    #[test]
    fn the_secrets_of_entries_are_examined_too() {
        let text = "[[dev_issuer.clients]]\nid = 'a'\nsecret = 'b '";
        let expected = "dev_issuer.clients[0].secret (file Settings.toml): begins or ends with white space, which \
                        counts as a part of the secret";
        assert_eq!(parsed(text, &[]).unwrap().warnings, [expected]);
    }

    #[test]
    fn the_file_may_name_files_of_secrets() {
        let secret = "s".repeat(32);
        let file = Scratch::new("entry", format!("{secret}\r\n").as_bytes());
        let entry = |key: &str| {
            format!(
                "[[auth.issuers]]\nissuer = 'a'\naudience = 'b'\ntoken_signing_alg = 'HS256'\n{key} = '{}'\n",
                file.path()
            )
        };
        assert!(
            parsed(&entry("secret_file"), &[])
                .unwrap()
                .warnings
                .is_empty()
        );
        let both = entry("secret_file") + "secret = 'hush'";
        let message = "auth.issuers[0].secret_file (file Settings.toml): contradicts auth.issuers[0].secret: keep one of them";
        assert_eq!(parsed(&both, &[]).map(drop), Err(message.to_owned()));
        let missing = "[[dev_issuer.clients]]\nid = 'a'\nsecret_file = '/nowhere/hush'";
        let message = parsed(missing, &[]).unwrap_err();
        let expected = "dev_issuer.clients[0].secret_file (file Settings.toml): names a file that cannot be read: ";
        assert!(
            message.starts_with(expected) && !message.contains("hush"),
            "{message}"
        );
        let empty = Scratch::new("empty", b"\n");
        let message = parsed("", &[("SECRET_FILE", empty.path())]).map(drop);
        let expected = "auth.secret (variable SECRET_FILE): names a file that is empty";
        assert_eq!(message, Err(expected.to_owned()));
    }
}
