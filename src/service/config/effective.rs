//! Lists every setting with its effective value and the layer that sets it; secrets are not shown.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::deserialize::keys;
use super::error::SettingsError;
use super::layers::Table;
use super::model::Model;
use super::origins::Origins;
use super::own::OwnSection;

/// One setting and its effective value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Effective {
    pub(crate) key: String,
    /// `None` where no layer sets it and it has no default.
    pub(crate) value: Option<String>,
    /// Such as `variable PORT`, `file Settings.toml` or `default`.
    pub(crate) layer: String,
}

/// The settings of the merged layers, in the order of Settings.toml.
///
/// # Errors
/// A key is unknown, or its value cannot be used.
pub(super) fn list(root: &Table, own: Option<OwnSection>) -> Result<Vec<Effective>, SettingsError> {
    let Model {
        server,
        operations,
        resource,
        cors,
        auth,
        revocation,
        decision,
        routes: _,
        route_entries,
        dev_issuer,
        openapi,
        reload,
        log,
    } = Model::read(root, own)?;
    let of = |path| Origins::of(root, path);
    let mut all = section(&of("server"), &server);
    all.extend(section(&of("server.tls"), &server.tls));
    all.extend(section(&of("operations"), &operations));
    all.extend(section(&of("resource"), &resource));
    all.extend(section(&of("cors"), &cors));
    all.extend(section(&of("auth"), &auth.issuer));
    all.extend(section(&of("auth"), &auth));
    let introspection = of("auth").section("introspection");
    all.extend(section(&introspection, &auth.issuer.introspection));
    let entries = auth.entries.iter().flatten();
    for (entry, origins) in entries.zip(of("auth").entries("issuers")) {
        all.extend(section(&origins, entry));
        let own = origins.section("introspection");
        if own.is_set() {
            all.extend(section(&own, &entry.introspection));
        }
    }
    all.extend(section(&of("auth.dpop"), &auth.dpop));
    all.extend(section(&of("auth.mtls"), &auth.mtls));
    all.extend(section(&of("revocation"), &revocation));
    all.extend(section(&of("decision"), &decision));
    for (route, origins) in route_entries.iter().zip(Origins::list(root, "routes")) {
        all.extend(section(&origins, route));
    }
    all.extend(section(&of("dev_issuer"), &dev_issuer));
    let users = dev_issuer.user_entries.iter();
    for (user, origins) in users.zip(of("dev_issuer").entries("users")) {
        all.extend(section(&origins, user));
    }
    let clients = dev_issuer.client_entries.iter();
    for (client, origins) in clients.zip(of("dev_issuer").entries("clients")) {
        all.extend(section(&origins, client));
    }
    all.extend(section(&of("openapi"), &openapi));
    all.extend(section(&of("reload"), &reload));
    all.extend(section(&of("log"), &log));
    if let Some(own) = own {
        all.extend(own.list(root)?);
    }
    Ok(all)
}

/// Every known key, such as `server.port`.
pub(super) fn known_keys(own: Option<OwnSection>) -> impl Iterator<Item = String> {
    let all = list(&Table::new(), None).unwrap_or_default();
    let own = own.into_iter().flat_map(OwnSection::paths);
    all.into_iter().map(|setting| setting.key).chain(own)
}

/// The keys of a section itself, without those of sections in it.
fn section<'de, T: Serialize + Deserialize<'de>>(
    origins: &Origins<'_>,
    section: &T,
) -> Vec<Effective> {
    let values = serde_json::to_value(section).unwrap_or_default();
    let settings = keys::<T>().iter().filter_map(|key| {
        let value = values.get(key).filter(|value| !value.is_object())?;
        let layer = origins.get(key).map(|origin| origin.layer);
        Some(Effective {
            key: origins.path_of(key),
            value: text(value),
            layer: layer.unwrap_or_else(|| "default".to_owned()),
        })
    });
    settings.collect()
}

pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Object(_) => None,
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(values) => {
            let texts: Vec<_> = values.iter().filter_map(text).collect();
            Some(texts.join(", ")).filter(|text| !text.is_empty())
        }
    }
}
