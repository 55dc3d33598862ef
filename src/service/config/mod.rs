//! Settings.toml and the environment → values that are checked, or one line about what is wrong.
//!
//! Lowest first: defaults, the file, the plain variables of Auth0's Express quickstart,
//! `APP__SECTION__KEY`. Nothing is ignored silently: an unknown key is refused.

mod auth;
mod cors;
mod dev_issuer;
mod dpop;
mod effective;
mod error;
mod explain;
mod file;
mod layers;
mod log;
mod misspelt;
mod mtls;
mod operations;
mod public_key;
mod section;
mod server;
mod startup;
mod tls;
mod trust;

use std::ffi::OsString;
use std::io;
use std::path::Path;

use ::config::{Map, Value};

use self::auth::Auth;
pub(crate) use self::cors::Cors;
#[cfg(feature = "dev-issuer")]
pub(crate) use self::dev_issuer::DevIssuer;
pub(crate) use self::dpop::{Dpop, NonceRule, ReplayStore};
pub(crate) use self::effective::Effective;
pub(crate) use self::error::SettingsError;
pub(crate) use self::file::NamedFile;
use self::layers::NamedText;
pub(crate) use self::log::{Log, LogFormat};
pub(crate) use self::mtls::Mtls;
pub(crate) use self::operations::Operations;
use self::section::Section;
pub(crate) use self::server::Server;
pub(crate) use self::startup::{Startup, StartupMode};
pub(crate) use self::tls::Tls;
#[cfg(feature = "dev-issuer")]
pub(crate) use self::trust::DEV_AUDIENCE;
pub(crate) use self::trust::Trust;
use crate::sender::CertificateSource;

/// All that the service is told.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) server: Server,
    /// Where probes and metrics are served, if not by the API's listener.
    pub(crate) operations: Option<Operations>,
    pub(crate) cors: Cors,
    pub(crate) trust: Trust,
    /// How DPoP proofs are judged, where they are.
    pub(crate) dpop: Option<Dpop>,
    /// How clients' certificates count, where they do.
    pub(crate) mtls: Option<Mtls>,
    pub(crate) startup: Startup,
    /// How many bytes the memory of verified tokens may take; 0 for no memory.
    pub(crate) token_memory: usize,
    pub(crate) log: Log,
    /// Lines for the log, about settings that have no effect.
    pub(crate) notes: Vec<String>,
    /// Lines for the log, about variables that look like misspelt ones of ours, and about what an attacker could use.
    pub(crate) warnings: Vec<String>,
}

impl Settings {
    /// Reads `file`, or `Settings.toml` in the working directory if that is there, and lays the
    /// variables over it.
    pub(crate) fn load(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingsError> {
        let file = read(file)?;
        Self::parse(named(file.as_ref()), variables)
    }

    /// Every known setting as the same file and variables say it, and the defaults of the others.
    pub(crate) fn effective(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Vec<Effective>, SettingsError> {
        let file = read(file)?;
        layers::merge(named(file.as_ref()), variables).map(|tree| effective::list(&tree))
    }

    fn parse(
        file: Option<NamedText<'_>>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingsError> {
        let variables: Vec<_> = variables.into_iter().collect();
        let warnings = misspelt::warnings(&variables);
        match Self::parse_tree(layers::merge(file, variables)?) {
            Ok(settings) => Ok(Self {
                warnings: [warnings, settings.warnings].concat(),
                ..settings
            }),
            Err(error) => Err(error.beside(warnings)),
        }
    }

    fn parse_tree(tree: Map<String, Value>) -> Result<Self, SettingsError> {
        let host = layers::place_of(&tree, "server", "host");
        let operations_port = layers::place_of(&tree, "operations", "port");
        let (mut server, operations, cors, auth, dev_issuer, log) =
            Section::read_root(tree, |root| {
                let server = root.section("server", Server::read)?;
                let operations = root.section("operations", Operations::read)?;
                let cors = root.section("cors", Cors::read)?;
                let auth = root.section("auth", Auth::read)?;
                let dev_issuer = root.section("dev_issuer", dev_issuer::Said::read)?;
                Ok((
                    server,
                    operations,
                    cors,
                    auth,
                    dev_issuer,
                    root.section("log", Log::read)?,
                ))
            })?;
        if let Some(operations) = &operations {
            operations.check(&server, operations_port.as_ref())?;
        }
        let (startup, token_memory, dpop) = (auth.startup, auth.token_memory, auth.dpop.clone());
        let mtls = auth.mtls.resolve(&server)?;
        if let (Some(tls), Some(mtls)) = (&mut server.tls, &mtls) {
            tls.asks_clients = mtls.source == CertificateSource::Connection;
        }
        let beyond_loopback = host.filter(|_| !server.is_on_loopback());
        let trust = Trust::resolve(auth, &dev_issuer, beyond_loopback.as_ref())?;
        if let Some(dpop) = &dpop {
            dpop.check(&server)?;
        }
        let warnings = dpop.as_ref().and_then(|_| Dpop::warning(&server));
        let notes = dev_issuer.note().into_iter();
        let notes = notes.chain(dpop.as_ref().and_then(Dpop::note));
        let notes = notes.chain(mtls.as_ref().and_then(Mtls::note)).collect();
        Ok(Self {
            server,
            operations,
            cors,
            trust,
            dpop,
            mtls,
            startup,
            token_memory,
            log,
            notes,
            warnings: warnings.into_iter().collect(),
        })
    }
}

/// The file's name and text; `None` where there is none and none was asked for.
fn read(file: Option<&Path>) -> Result<Option<(String, String)>, SettingsError> {
    let path = file.unwrap_or_else(|| Path::new(DEFAULT_FILE));
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some((name, text))),
        Err(error) if file.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SettingsError::FileUnreadable {
            file: name,
            cause: error.to_string(),
        }),
    }
}

fn named(file: Option<&(String, String)>) -> Option<NamedText<'_>> {
    file.map(|(name, text)| (name.as_str(), text.as_str()))
}

const DEFAULT_FILE: &str = "Settings.toml";

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::issuer::{Issuer, KeySource};

    /// The settings of a `Settings.toml` with this text and of these variables.
    pub(super) fn parsed(text: &str, variables: &[(&str, &str)]) -> Result<Settings, String> {
        let variables = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        Settings::parse(Some(("Settings.toml", text)), variables).map_err(|error| error.to_string())
    }

    pub(super) fn issuers(text: &str, variables: &[(&str, &str)]) -> Result<Vec<Issuer>, String> {
        match parsed(text, variables)?.trust {
            Trust::Issuers(issuers) => Ok(issuers),
            #[cfg(feature = "dev-issuer")]
            Trust::DevIssuer { .. } => Err("the development issuer".to_owned()),
        }
    }

    /// What `read` makes of the section `x` with this text.
    pub(super) fn read_section<T>(
        text: &str,
        read: fn(&mut Section) -> Result<T, SettingsError>,
    ) -> Result<T, String> {
        let tree = layers::merge(Some(("f", &format!("[x]\n{text}"))), []).unwrap();
        Section::read_root(tree, |root| root.section("x", read)).map_err(|error| error.to_string())
    }

    const SOMEBODY: [(&str, &str); 2] = [
        ("ISSUER_BASE_URL", "https://a.example/"),
        ("AUDIENCE", "api"),
    ];

    #[test]
    fn each_section_is_read() {
        let text = "[server]\nport = 1\n[cors]\nmax_age = 2\n[log]\nformat = 'json'";
        let settings = parsed(text, &SOMEBODY).unwrap();
        assert_eq!(settings.server.port, 1);
        assert_eq!(settings.cors.max_age.as_secs(), 2);
        assert_eq!(settings.log.format, LogFormat::Json);
        assert!(matches!(settings.trust, Trust::Issuers(issuers) if issuers.len() == 1));
    }

    #[test]
    fn messages_name_the_key_the_layer_and_the_remedy() {
        let cases = [
            ("PORT", "server.port", "must be a number from 0 to 65535"),
            (
                "APP__SERVER__PORT",
                "server.port",
                "must be a number from 0 to 65535",
            ),
            ("APP__AUTH__STRICT", "auth.strict", "must be true or false"),
            (
                "APP__AUTH__DPOP",
                "auth.dpop",
                "is a section: say its keys one by one",
            ),
            ("APP__LOG__FORMAT__X", "log.format", "must be text or json"),
            (
                "APP__DEV_ISSUER__PROT",
                "dev_issuer.prot",
                "is not a known key; did you mean port? known here: enabled, port, tls_port, dpop_nonce",
            ),
            (
                "APP__SEVER__PORT",
                "sever",
                "is not a known key; did you mean server? \
                 known here: server, operations, cors, auth, dev_issuer, log",
            ),
        ];
        for (variable, key, remedy) in cases {
            let variables = [&SOMEBODY[..], &[(variable, "hush")]].concat();
            let message = format!("{key} (variable {variable}): {remedy}");
            assert_eq!(parsed("", &variables).map(drop), Err(message));
        }
    }

    #[test]
    fn the_shipped_file_says_the_defaults() {
        let shipped = include_str!("../../../Settings.toml");
        let (shipped, bare) = (
            parsed(shipped, &SOMEBODY).unwrap(),
            parsed("", &SOMEBODY).unwrap(),
        );
        assert_eq!(format!("{:?}", shipped.trust), format!("{:?}", bare.trust));
        assert_eq!(
            (shipped.server, shipped.cors, shipped.log),
            (bare.server, bare.cors, bare.log)
        );
    }

    #[test]
    fn the_shipped_file_names_no_issuer() {
        let shipped = parsed(include_str!("../../../Settings.toml"), &[]);
        if cfg!(feature = "dev-issuer") {
            assert!(!matches!(shipped.unwrap().trust, Trust::Issuers(_)));
        } else {
            assert!(
                shipped
                    .unwrap_err()
                    .starts_with("auth.issuer_base_url is missing")
            );
        }
    }

    #[test]
    fn the_examples_of_the_shipped_file_are_accepted() {
        let shipped = include_str!("../../../Settings.toml");
        let uncommented = |line: &str| match line.strip_prefix("# ") {
            Some(example) if example.starts_with('[') || example.contains(" = ") => {
                example.to_owned()
            }
            _ => line.to_owned(),
        };
        let alone = [
            "issuer_base_url",
            "issuer =",
            "jwks_uri",
            "public_key",
            "secret",
        ];
        let text: String = shipped
            .split_inclusive('\n')
            .map(uncommented)
            .scan(false, |entries, line| {
                *entries |= line.starts_with("[[");
                Some((*entries, line))
            })
            .filter(|(entries, line)| *entries || !alone.iter().any(|key| line.starts_with(key)))
            .map(|(_, line)| line)
            .collect();
        let issuers = issuers(&text, &[]).unwrap();
        assert_eq!(issuers.len(), 2);
        assert_eq!(issuers[0].audience, ["https://quickstarts/api"]);
    }

    #[test]
    fn a_secret_stays_the_text_that_it_is_and_is_never_shown() {
        let secret = "0123".repeat(8);
        let variables = [
            &SOMEBODY[..],
            &[("SECRET", &*secret), ("TOKEN_SIGNING_ALG", "HS256")],
        ]
        .concat();
        let settings = parsed("", &variables).unwrap();
        assert!(!format!("{settings:?}").contains("0123"));
        let issuers = issuers("", &variables).unwrap();
        assert!(
            matches!(issuers[0].keys(), Some(KeySource::Secret(kept)) if kept.as_bytes() == secret.as_bytes())
        );
    }

    #[test]
    fn a_secret_in_the_wrong_place_is_not_shown() {
        for name in PLACES {
            let variables = [&SOMEBODY[..], &[(name, "0123hush")]].concat();
            if let Err(message) = parsed("", &variables) {
                assert!(
                    !message.contains("hush") && !message.contains('\n'),
                    "{message}"
                );
                continue;
            }
            assert!(
                ["AUDIENCE", "HOST", "ISSUER", "APP__AUTH__SCOPE_CLAIMS"].contains(&name),
                "{name}"
            );
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
    fn a_file_that_is_asked_for_must_be_there() {
        let missing = PathBuf::from("nowhere/Settings.toml");
        let message = Settings::load(Some(&missing), []).unwrap_err().to_string();
        assert!(
            message.starts_with("file nowhere/Settings.toml: cannot be read: "),
            "{message}"
        );
    }

    #[test]
    fn a_file_that_is_asked_for_is_read_and_named() {
        let path = std::env::temp_dir().join(format!("ars-{}-settings", std::process::id()));
        std::fs::write(&path, "[server]\nport = 'x'").unwrap();
        let message = Settings::load(Some(&path), []).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(
            message,
            format!(
                "server.port (file {}): must be a number from 0 to 65535",
                path.display()
            )
        );
    }

    #[test]
    fn without_a_file_the_defaults_hold() {
        let variables = SOMEBODY.map(|(name, value)| (name.into(), value.into()));
        let settings = Settings::parse(None, variables).unwrap();
        assert_eq!(
            (&*settings.server.host, settings.server.port),
            ("127.0.0.1", 3010)
        );
    }
}
