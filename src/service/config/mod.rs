//! Settings.toml and the environment → checked settings, or one line that names what is wrong.
//!
//! Lowest first: defaults, the file, the plain variables of Auth0's Express quickstart,
//! `APP__SECTION__KEY`. [`model`] describes every key once; an unknown key is rejected.

mod decision;
mod deserialize;
#[cfg(feature = "dev-issuer")]
mod dev_issuer;
mod dpop;
mod effective;
mod error;
mod file;
mod introspection;
mod issuer;
mod layers;
mod misspelt;
mod model;
mod mtls;
mod origins;
mod own;
mod resource;
mod revocation;
mod secrets;
mod server;
mod source;
mod trust;
mod values;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;

pub(crate) use self::decision::{Decision, DecisionSource, DecisionStatuses, Demand, RouteRow};
#[cfg(feature = "dev-issuer")]
pub(crate) use self::dev_issuer::{DevClient, DevIssuer, DevUser};
pub(crate) use self::dpop::{Dpop, NonceRule, ReplayStore};
pub(crate) use self::effective::Effective;
pub(crate) use self::error::SettingsError;
pub(crate) use self::file::NamedFile;
use self::layers::{NamedText, Table};
use self::model::Model;
pub(crate) use self::model::{LogFormat, StartupMode};
pub(crate) use self::mtls::Mtls;
use self::origins::Origins;
pub(crate) use self::own::OwnSection;
pub(crate) use self::resource::{Resource, ResourceAudience};
pub(crate) use self::revocation::{
    EventEndpoints, EventsListener, OPERATOR_PATH, OperatorToken, Revocation, RevocationStore,
};
pub(crate) use self::server::{Cors, Operations, Server, Tls};
pub(crate) use self::source::{Reading, Source, Values, applies_to_issuers};
#[cfg(feature = "dev-issuer")]
pub(crate) use self::trust::DEV_AUDIENCE;
pub(crate) use self::trust::Trust;
pub(crate) use self::values::LogFilter;
pub use self::values::Secret;
pub(crate) use self::values::debris::of_secret as debris_of_secret;
use crate::sender::CertificateSource;

/// All settings of the service.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) server: Server,
    /// The listener for probes and metrics, if it is not the API's.
    pub(crate) operations: Option<Operations>,
    pub(crate) resource: Resource,
    pub(crate) cors: Cors,
    pub(crate) trust: Trust,
    /// How DPoP proofs are checked, where they are accepted.
    pub(crate) dpop: Option<Dpop>,
    /// How client certificates are used, where they are requested.
    pub(crate) mtls: Option<Mtls>,
    /// How tokens are revoked, where they can be.
    pub(crate) revocation: Option<Revocation>,
    /// How the service decides for proxies, where there are routes for that.
    pub(crate) decision: Option<Decision>,
    pub(crate) startup: Startup,
    /// The certificates of private authorities for requests to issuers.
    pub(crate) ca_file: Option<NamedFile>,
    /// The limit of the token cache in bytes; 0 for no cache.
    pub(crate) token_memory: usize,
    /// The length of the longest token that is verified, in bytes.
    pub(crate) max_token_length: usize,
    pub(crate) log: Log,
    /// Whether the OpenAPI document is served; not set: while the development issuer runs.
    pub(crate) openapi: Option<bool>,
    /// Whether the file is watched for changes.
    pub(crate) watch: bool,
    /// Lines for the log, about settings that have no effect.
    pub(crate) notes: Vec<String>,
    /// Lines for the log, about variables that look misspelt, and about what an attacker could use.
    pub(crate) warnings: Vec<String>,
}

/// `[log]`: which lines are logged, and how.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) level: LogFilter,
    /// Whether the line of a request has its client ID and a keyed hash of its subject.
    pub(crate) subject: bool,
    /// Whether each decision on a caller is logged.
    pub(crate) audit: bool,
}

/// When the service begins to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Startup {
    pub(crate) mode: StartupMode,
    /// How long the service waits for the first keys, where it does.
    pub(crate) limit: Duration,
}

/// The file and the variables, merged and not yet checked.
pub(crate) struct Layers {
    /// The file that has been read, if there is one.
    file: Option<PathBuf>,
    root: Table,
    own: Option<OwnSection>,
    /// Lines about variables that look misspelt.
    misspelt: Vec<String>,
}

impl Layers {
    /// Reads `file`, or `Settings.toml` in the working directory if it exists, and the variables,
    /// which override it.
    pub(crate) fn read(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        own: Option<OwnSection>,
    ) -> Result<Self, SettingsError> {
        let found = read(file)?;
        let layers = Self::merge(named(found.as_ref()), variables, own)?;
        let path = file.unwrap_or_else(|| Path::new(DEFAULT_FILE));
        Ok(Self {
            file: found.map(|_| path.to_owned()),
            ..layers
        })
    }

    fn merge(
        file: Option<NamedText<'_>>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        own: Option<OwnSection>,
    ) -> Result<Self, SettingsError> {
        let variables: Vec<_> = variables.into_iter().collect();
        let misspelt = misspelt::warnings(&variables, own);
        match layers::merge(file, variables, own) {
            Ok(root) => Ok(Self {
                file: None,
                root,
                own,
                misspelt,
            }),
            Err(error) => Err(error.with_warnings(misspelt)),
        }
    }

    /// The settings of the service.
    pub(crate) fn settings(&self) -> Result<Settings, SettingsError> {
        let settings =
            Settings::resolve(&self.root, self.own).map_err(|error| self.explain(error))?;
        Ok(Settings {
            warnings: [self.misspelt.clone(), settings.warnings].concat(),
            ..settings
        })
    }

    /// The rows of `[[routes]]`, whatever the other settings are.
    pub(crate) fn routes(&self) -> Result<Vec<RouteRow>, SettingsError> {
        let routes = model::read_routes(&self.root)
            .and_then(|entries| decision::routes(&entries, &self.root));
        routes.map_err(|error| self.explain(error))
    }

    /// The user's own section; an empty one where the service has none.
    pub(crate) fn own<C: DeserializeOwned>(&self) -> Result<C, SettingsError> {
        OwnSection::read(self.own, &self.root).map_err(|error| self.explain(error))
    }

    /// Every known setting with its effective value.
    pub(crate) fn effective(&self) -> Result<Vec<Effective>, SettingsError> {
        effective::list(&self.root, self.own)
    }

    fn explain(&self, error: SettingsError) -> SettingsError {
        error.with_warnings(self.misspelt.clone())
    }
}

#[cfg(test)]
impl Settings {
    /// The settings of `file` and `variables`, without the process's environment.
    pub(crate) fn load(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingsError> {
        Layers::read(file, variables, None)?.settings()
    }

    pub(crate) fn parse(
        file: Option<NamedText<'_>>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingsError> {
        Layers::merge(file, variables, None)?.settings()
    }
}

impl Settings {
    /// The rows of `[[routes]]`.
    pub(crate) fn rows(&self) -> &[RouteRow] {
        let decision = self.decision.as_ref();
        decision
            .map(|decision| decision.routes.as_slice())
            .unwrap_or_default()
    }

    /// Logs the notes and warnings about them.
    pub(crate) fn log_remarks(&self) {
        self.log_remarks_beside(&[]);
    }

    /// The same without those that are `known`.
    pub(crate) fn log_remarks_beside(&self, known: &[String]) {
        for note in self.notes.iter().filter(|note| !known.contains(note)) {
            log::info!("{note}");
        }
        for warning in self
            .warnings
            .iter()
            .filter(|warning| !known.contains(warning))
        {
            log::warn!("{warning}");
        }
    }

    /// The notes and warnings.
    pub(crate) fn remarks(&self) -> impl Iterator<Item = &String> {
        self.notes.iter().chain(&self.warnings)
    }

    /// Deserialises the merged layers, and checks the values together.
    fn resolve(root: &Table, own: Option<OwnSection>) -> Result<Self, SettingsError> {
        let model = Model::read(root, own)?;
        let auth = model.auth;
        let mut server = Server::resolve(model.server, root)?;
        let operations = Operations::resolve(model.operations, &server, root)?;
        let resource = Resource::resolve(model.resource, &server, root)?;
        let mtls = Mtls::resolve(&auth.mtls, &server, root)?;
        if let (Some(tls), Some(mtls)) = (&mut server.tls, &mtls) {
            tls.asks_clients = mtls.source == CertificateSource::Connection;
        }
        let decision = Decision::resolve(&model.decision, &model.route_entries, &server, root)?;
        let trust = Trust::resolve(&auth, &model.dev_issuer, root, &server)?;
        let operations_listener = operations.as_ref();
        let revocation =
            Revocation::resolve(model.revocation, &auth, &server, operations_listener, root)?;
        let trust = match revocation {
            Some(_) => trust.with_default_age(),
            None => trust,
        };
        let dpop = Dpop::resolve(auth.dpop, &server, &Origins::of(root, "auth.dpop"))?;
        let notes = [
            dev_issuer_ignored(root),
            resource.note.clone(),
            dpop.as_ref().and_then(Dpop::note),
            mtls.as_ref().and_then(Mtls::note),
        ];
        let mut warnings = secrets::warnings(root, own);
        warnings.extend(dpop.as_ref().and_then(|_| Dpop::warning(&server)));
        Ok(Self {
            server,
            operations,
            resource,
            cors: Cors::resolve(model.cors, root)?,
            trust,
            dpop,
            mtls,
            revocation,
            decision,
            startup: Startup {
                mode: auth.startup,
                limit: auth.startup_timeout.0,
            },
            ca_file: NamedFile::at(
                auth.ca_file.map(|path| path.0),
                "ca_file",
                &Origins::of(root, "auth"),
            ),
            token_memory: auth.token_memory_bytes.0,
            max_token_length: auth.max_token_length.0,
            log: Log {
                format: model.log.format,
                level: model.log.level.0,
                subject: model.log.subject.0,
                audit: model.log.audit.0,
            },
            openapi: model.openapi.enabled.map(|flag| flag.0),
            watch: model.reload.watch.0,
            notes: notes.into_iter().flatten().collect(),
            warnings,
        })
    }
}

/// What to log where this build has no development issuer and its section is set.
fn dev_issuer_ignored(root: &Table) -> Option<String> {
    let is_ignored = cfg!(not(feature = "dev-issuer")) && root.contains_key("dev_issuer");
    is_ignored.then(|| "[dev_issuer] is ignored: this build has no development issuer".to_owned())
}

/// The file's name and text; `None` where no file is named and the default one does not exist.
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
pub(super) mod tests;
