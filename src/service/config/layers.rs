//! Merges the file, the plain variables and the `APP__` variables.
//!
//! Every value keeps the layer that sets it as its origin, so that a message can name it;
//! config's own `Environment` would call them all "the environment".

use std::ffi::OsString;
use std::fmt;

use config::{Config, ConfigError, FileFormat, Format, Map, Source, Value, ValueKind};

use super::error::{KeyOrigin, SettingsError, layer_of};
use super::own::OwnSection;
use super::secrets::{self, FILE};

/// A section: keys and values, each with the layer that sets it as its origin.
pub(super) type Table = Map<String, Value>;

/// A file's name, as messages show it, and its text.
pub(super) type NamedText<'a> = (&'a str, &'a str);

/// The merged tree: `RUST_LOG` over `APP__` variables over plain ones over the file.
pub(super) fn merge(
    file: Option<NamedText<'_>>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    own: Option<OwnSection>,
) -> Result<Table, SettingsError> {
    let [plain, prefixed, overriding] = read_variables(variables, own)?;
    let (name, text) = file.unwrap_or_default();
    let layer = format!("file {name}");
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let syntax_error = |error: &dyn fmt::Display| SettingsError::FileSyntax {
        file: name.to_owned(),
        position: position(error),
    };
    let mut file = FileFormat::Toml
        .parse(Some(&layer), text)
        .map_err(|error| syntax_error(&error))?;
    secrets::read_files(&mut file, "")?;
    let layers = Config::builder()
        .add_source(Layer(file))
        .add_source(plain)
        .add_source(prefixed)
        .add_source(overriding);
    let merged = layers.build().and_then(|config| config.get_table(ROOT));
    merged.map_err(|error| syntax_error(&error))
}

/// The value of `key`, where `value` is a section.
pub(super) fn member<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match &value.kind {
        ValueKind::Table(values) => values.get(key),
        _ => None,
    }
}

#[derive(Clone, Default)]
struct Layer(Table);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    /// Puts the layer under one key: config reads a layer's topmost keys as path expressions:
    /// `a[9]` would make a list of ten. Keys below them are literal.
    fn collect(&self) -> Result<Table, ConfigError> {
        let values = ValueKind::Table(self.0.clone());
        Ok(Map::from([(ROOT.to_owned(), Value::new(None, values))]))
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Layer")
    }
}

/// Where parsing the file failed: the first line of the parser's message; the others show its text.
fn position(error: &dyn fmt::Display) -> String {
    let message = error.to_string();
    let first = message.lines().next().unwrap_or_default();
    first
        .strip_prefix("TOML parse error")
        .map_or_else(String::new, str::to_owned)
}

fn read_variables(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    own: Option<OwnSection>,
) -> Result<[Layer; 3], SettingsError> {
    let mut variables: Vec<_> = variables.into_iter().collect();
    variables.sort_unstable();
    let [mut plain, mut prefixed, mut overriding] = <[Layer; 3]>::default();
    for (name, value) in variables {
        let name = name.to_string_lossy();
        if value.is_empty() {
            continue;
        }
        if let Some((_, key)) = PLAIN.iter().find(|(known, _)| *known == name) {
            plain.add(key, &name, value, own)?;
        } else if name == OVERRIDING.0 {
            overriding.add(OVERRIDING.1, &name, value, own)?;
        } else if let Some(key) = key_of(&name) {
            prefixed.add(&key, &name, value, own)?;
        }
    }
    Ok([plain, prefixed, overriding])
}

/// `APP__SERVER__PORT` is `server.port`, in any case.
pub(super) fn key_of(name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    lower
        .strip_prefix(PREFIX)
        .map(|key| key.replace(SEPARATOR, "."))
}

/// The plain variable that sets `key`, if there is one.
#[cfg(test)]
pub(super) fn plain_name(key: &str) -> Option<&'static str> {
    let known = PLAIN.iter().find(|(_, known)| *known == key)?;
    Some(known.0)
}

/// The variables that are read beside those that begin with `APP__`.
pub(super) fn plain_names() -> impl Iterator<Item = &'static str> {
    PLAIN.iter().map(|(name, _)| *name)
}

impl Layer {
    fn add(
        &mut self,
        key: &str,
        name: &str,
        value: OsString,
        own: Option<OwnSection>,
    ) -> Result<(), SettingsError> {
        let may_be_a_file =
            |key: &&str| secrets::may_be_a_file(key) || own.is_some_and(|own| own.reads_file(key));
        let (key, is_file) = match key.strip_suffix(FILE).filter(may_be_a_file) {
            Some(key) => (key, true),
            None => (key, false),
        };
        let origin = KeyOrigin {
            key: key.to_owned(),
            layer: format!("variable {name}"),
        };
        if key.split('.').any(str::is_empty) {
            return Err(SettingsError::NoKey {
                variable: name.to_owned(),
            });
        }
        if format!("{key}.").starts_with(ISSUERS) {
            return Err(origin.reject(IN_THE_FILE));
        }
        if format!("{key}.").starts_with(ROUTES) {
            return Err(origin.reject(ROUTES_IN_THE_FILE));
        }
        if let Some((_, remedy)) = AS_JSON.iter().find(|(section, _)| key.starts_with(section)) {
            return Err(origin.reject(*remedy));
        }
        let text = value
            .into_string()
            .map_err(|_| origin.reject("must be Unicode text"))?;
        let text = if is_file {
            secrets::read(&text, &origin)?
        } else {
            text
        };
        let value = Value::new(Some(&origin.layer), text);
        insert(&mut self.0, key, value)
            .map_err(|other| origin.reject(format!("contradicts {other}: keep one of them")))
    }
}

/// Sets the value of the key.
///
/// # Errors
/// The layer that sets the key already, or a part of its path.
fn insert(values: &mut Table, key: &str, value: Value) -> Result<(), String> {
    let Some((section, rest)) = key.split_once('.') else {
        let former = values.insert(key.to_owned(), value);
        let other = former.as_ref().and_then(layer_of).map(str::to_owned);
        return other.map_or(Ok(()), Err);
    };
    let section = values.entry(section.to_owned());
    let section = section.or_insert_with(|| Value::new(None, ValueKind::Table(Map::new())));
    let other = layer_of(section).map(str::to_owned);
    match &mut section.kind {
        ValueKind::Table(values) => insert(values, rest, value),
        _ => Err(other.unwrap_or_default()),
    }
}

const ROOT: &str = "settings";

const PREFIX: &str = "app__";

const SEPARATOR: &str = "__";

const ISSUERS: &str = "auth.issuers.";

const ROUTES: &str = "routes.";

/// Sections whose keys have a case, which variables have not.
const AS_JSON: [(&str, &str); 2] = [
    (
        "auth.required_claims.",
        "names of claims have a case of their own: set APP__AUTH__REQUIRED_CLAIMS to a JSON object",
    ),
    (
        "auth.scope_implications.",
        "names of scopes have a case of their own: set APP__AUTH__SCOPE_IMPLICATIONS to a JSON object",
    ),
];

const IN_THE_FILE: &str =
    "several issuers can be set in the file only: write them there as [[auth.issuers]]";

const ROUTES_IN_THE_FILE: &str = "can be set in the file only: write routes there as [[routes]]";

/// The names that Auth0's Express quickstart uses, and the key that each one sets.
const PLAIN: [(&str, &str); 9] = [
    ("AUDIENCE", "auth.audience"),
    ("HOST", "server.host"),
    ("ISSUER", "auth.issuer"),
    ("ISSUER_BASE_URL", "auth.issuer_base_url"),
    ("JWKS_URI", "auth.jwks_uri"),
    ("PORT", "server.port"),
    ("SECRET", "auth.secret"),
    ("SECRET_FILE", "auth.secret_file"),
    ("TOKEN_SIGNING_ALG", "auth.token_signing_alg"),
];

/// The variable that every program with `env_logger` reads: what is set for one run covers all other layers.
const OVERRIDING: (&str, &str) = ("RUST_LOG", "log.level");

#[cfg(test)]
mod tests {
    use super::*;

    type Variables<'a> = &'a [(&'a str, &'a str)];

    fn merged(file: &str, variables: Variables<'_>) -> Result<Table, String> {
        let variables = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        merge(Some(("Settings.toml", file)), variables, None).map_err(|error| error.to_string())
    }

    fn found(tree: &Table, section: &str, key: &str) -> (String, String) {
        let ValueKind::Table(section) = &tree[section].kind else {
            panic!("{section}")
        };
        (
            section[key].kind.to_string(),
            section[key].origin().unwrap_or_default().to_owned(),
        )
    }

    #[test]
    fn each_layer_covers_the_ones_below() {
        let file = "[server]\nport = 1";
        let cases: [(Variables<'_>, &str, &str); 7] = [
            (&[], "1", "file Settings.toml"),
            (&[("PORT", "2")], "2", "variable PORT"),
            (&[("PORT", "")], "1", "file Settings.toml"),
            (
                &[("PORT", "2"), ("APP__SERVER__PORT", "3")],
                "3",
                "variable APP__SERVER__PORT",
            ),
            (
                &[("APP__SERVER__PORT", "3"), ("PORT", "2")],
                "3",
                "variable APP__SERVER__PORT",
            ),
            (
                &[("app__Server__port", "4")],
                "4",
                "variable app__Server__port",
            ),
            (&[("APP__SERVER__PORT", "")], "1", "file Settings.toml"),
        ];
        for (variables, value, origin) in cases {
            let tree = merged(file, variables).unwrap();
            assert_eq!(
                found(&tree, "server", "port"),
                (value.to_owned(), origin.to_owned()),
                "{variables:?}"
            );
        }
    }

    #[test]
    fn rust_log_covers_every_other_layer() {
        let own = ("APP__LOG__LEVEL", "warn");
        for (rust_log, value, origin) in [
            ("debug", "debug", "variable RUST_LOG"),
            ("", "warn", "variable APP__LOG__LEVEL"),
        ] {
            let tree = merged("[log]\nlevel = 'off'", &[own, ("RUST_LOG", rust_log)]).unwrap();
            let expected = (value.to_owned(), origin.to_owned());
            assert_eq!(found(&tree, "log", "level"), expected, "{rust_log}");
        }
    }

    #[test]
    fn layers_mix_within_a_section() {
        let tree = merged("[server]\nport = 1\nhost = 'a'", &[("HOST", "b")]).unwrap();
        assert_eq!(found(&tree, "server", "port").1, "file Settings.toml");
        assert_eq!(found(&tree, "server", "host").1, "variable HOST");
    }

    #[test]
    fn other_variables_are_ignored() {
        let others = [
            ("APP", "x"),
            ("APP_SERVER_PORT", "x"),
            ("port", "x"),
            ("MYAPP__SERVER__PORT", "x"),
        ];
        assert_eq!(merged("", &others), Ok(Map::new()));
    }

    #[test]
    fn variables_that_name_no_key_are_rejected() {
        for name in ["APP__", "APP____PORT", "APP__SERVER__"] {
            let form = "names no key; the form is APP__SECTION__KEY, such as APP__SERVER__PORT";
            let message = format!("variable {name}: {form}");
            assert_eq!(merged("", &[(name, "x")]), Err(message));
        }
    }

    #[test]
    fn variables_that_name_one_key_twice_are_rejected() {
        let cases = [
            ("APP__SERVER", "APP__SERVER__PORT"),
            ("APP__SERVER__PORT", "app__server__port"),
        ];
        for (one, other) in cases {
            let message = format!(
                "server.port (variable {other}): contradicts variable {one}: keep one of them"
            );
            assert_eq!(merged("", &[(one, "x"), (other, "x")]), Err(message));
        }
    }

    #[test]
    fn several_issuers_are_rejected_as_variables() {
        for (name, key) in [
            ("APP__AUTH__ISSUERS", "auth.issuers"),
            ("APP__AUTH__ISSUERS__0__AUDIENCE", "auth.issuers.0.audience"),
        ] {
            let message = format!("{key} (variable {name}): {IN_THE_FILE}");
            assert_eq!(merged("", &[(name, "x")]), Err(message));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_unicode_is_rejected() {
        use std::os::unix::ffi::OsStringExt;
        for (name, key) in [
            ("SECRET", "auth.secret"),
            ("APP__LOG__FORMAT", "log.format"),
        ] {
            let variables = [(name.into(), OsString::from_vec(vec![b's', 0xff]))];
            let message = merge(None, variables, None).unwrap_err().to_string();
            assert_eq!(
                message,
                format!("{key} (variable {name}): must be Unicode text")
            );
        }
    }

    #[test]
    fn broken_toml_is_located_and_not_shown() {
        let cases = [
            ("[auth]\nsecret = hush", " at line 2, column 10"),
            ("[auth", " at line 1, column 6"),
            (
                "[auth]\nsecret = 'hush'\nsecret = 'hush'",
                " at line 3, column 1",
            ),
            ("[server]\nport = 99999999999999999999", ""),
        ];
        for (text, position) in cases {
            let message = format!("file Settings.toml: is not valid TOML{position}");
            assert_eq!(merged(text, &[]), Err(message), "{text}");
        }
    }

    #[test]
    fn a_file_may_begin_with_a_byte_order_mark() {
        assert!(merged("\u{feff}[server]\nport = 1", &[]).is_ok());
    }

    #[test]
    fn a_key_in_the_file_is_no_path() {
        let tree = merged("'a[999999999]' = 1\n'server.port' = 1", &[]).unwrap();
        let mut keys: Vec<_> = tree.keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["a[999999999]", "server.port"]);
    }

    #[test]
    fn the_debug_form_of_a_layer_shows_no_value() {
        let [plain, ..] = read_variables([("SECRET".into(), "hush".into())], None).unwrap();
        assert_eq!(format!("{plain:?}"), "Layer");
    }
}
