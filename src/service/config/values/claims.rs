//! Claims of a token, as a section of any keys and values.

use std::collections::BTreeMap;

use config::{Value, ValueKind};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Number};

use super::super::layers::Table;
use super::{Remedy, trimmed};

/// Claims by name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "Value")]
pub(in super::super) struct Claims(pub(in super::super) Map<String, serde_json::Value>);

impl TryFrom<Value> for Claims {
    type Error = Remedy;

    fn try_from(value: Value) -> Result<Self, Remedy> {
        let ValueKind::Table(claims) = value.kind else {
            return Err("must be a section of claims, such as { roles = [\"admin\"] }".into());
        };
        let mut claims = members(claims).ok_or(NOT_JSON)?;
        claims.sort_keys();
        if RESERVED.iter().any(|name| claims.contains_key(*name)) {
            return Err(format!("must not set {}: the issuer does", RESERVED.join(", ")).into());
        }
        Ok(Self(claims))
    }
}

/// As one line of JSON.
impl Serialize for Claims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(&self.0, serializer)
    }
}

/// The claims that tokens must have, and their values; in a variable as one JSON object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "Value")]
pub(in super::super) struct RequiredClaims(pub(in super::super) Map<String, serde_json::Value>);

impl TryFrom<Value> for RequiredClaims {
    type Error = Remedy;

    fn try_from(value: Value) -> Result<Self, Remedy> {
        let mut claims = match trimmed(value)? {
            ValueKind::String(text) => {
                serde_json::from_str(&text).map_err(|_| Remedy::from(REQUIRED_NEEDED))?
            }
            ValueKind::Table(claims) => members(claims).ok_or(NOT_JSON)?,
            _ => return Err(REQUIRED_NEEDED.into()),
        };
        claims.sort_keys();
        Ok(Self(claims))
    }
}

/// As one line of JSON.
impl Serialize for RequiredClaims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(&self.0, serializer)
    }
}

/// Scopes with those that they imply; in a variable as one JSON object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "Value")]
pub(in super::super) struct Implications(pub(in super::super) BTreeMap<String, Vec<String>>);

impl TryFrom<Value> for Implications {
    type Error = Remedy;

    fn try_from(value: Value) -> Result<Self, Remedy> {
        let implied = match trimmed(value)? {
            ValueKind::String(text) => serde_json::from_str(&text).ok(),
            ValueKind::Table(scopes) => members(scopes),
            _ => None,
        };
        let implied = implied.ok_or(IMPLICATIONS_NEEDED)?.into_iter();
        let implied = implied.map(|(wide, narrow)| Some((wide, names(narrow)?)));
        let implied: Option<_> = implied.collect();
        Ok(Self(implied.ok_or(IMPLICATIONS_NEEDED)?))
    }
}

/// One name, or a list of them.
fn names(value: serde_json::Value) -> Option<Vec<String>> {
    match value {
        serde_json::Value::String(name) => Some(vec![name]),
        serde_json::Value::Array(names) => {
            let names = names.into_iter();
            names.map(|name| Some(name.as_str()?.to_owned())).collect()
        }
        _ => None,
    }
}

/// As one line of JSON.
impl Serialize for Implications {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let scopes = self.0.iter();
        let scopes = scopes.map(|(wide, narrow)| (wide.clone(), narrow.clone().into()));
        serialize(&scopes.collect(), serializer)
    }
}

fn serialize<S: Serializer>(
    claims: &Map<String, serde_json::Value>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if claims.is_empty() {
        serializer.serialize_none()
    } else {
        serializer.collect_str(&serde_json::Value::from(claims.clone()))
    }
}

/// A section as JSON, if JSON has all its values.
fn members(table: Table) -> Option<Map<String, serde_json::Value>> {
    let members = table.into_iter();
    members
        .map(|(name, value)| Some((name, json(value)?)))
        .collect()
}

/// A value as JSON, if JSON has it.
pub(super) fn json(value: Value) -> Option<serde_json::Value> {
    Some(match value.kind {
        ValueKind::Boolean(flag) => flag.into(),
        ValueKind::I64(number) => number.into(),
        ValueKind::Float(number) => Number::from_f64(number)?.into(),
        ValueKind::String(text) => text.into(),
        ValueKind::Array(values) => values
            .into_iter()
            .map(json)
            .collect::<Option<Vec<_>>>()?
            .into(),
        ValueKind::Table(table) => members(table)?.into(),
        ValueKind::Nil | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => {
            return None;
        }
    })
}

/// The claims that each token has already.
const RESERVED: [&str; 6] = ["iss", "sub", "aud", "exp", "iat", "nbf"];

const REQUIRED_NEEDED: &str = "must be a section of claims and their values; as a variable, a JSON object such as \
                               {\"token_use\": \"access\"}";

const IMPLICATIONS_NEEDED: &str = "must be a section of scopes, each with a list of those that it implies; as a \
                                   variable, a JSON object such as {\"docs:write\": [\"docs:read\"]}";

const NOT_JSON: &str = "must contain only what JSON has: neither inf nor nan";
