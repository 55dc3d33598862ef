//! Claims of a token, as a section of any keys and values.

use config::{Value, ValueKind};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Number};

use super::Remedy;

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
        let claims = claims
            .into_iter()
            .map(|(name, value)| Some((name, json(value)?)));
        let mut claims: Map<_, _> = claims.collect::<Option<_>>().ok_or(NOT_JSON)?;
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
        if self.0.is_empty() {
            serializer.serialize_none()
        } else {
            serializer.collect_str(&serde_json::Value::from(self.0.clone()))
        }
    }
}

/// A value as JSON, if JSON has it.
fn json(value: Value) -> Option<serde_json::Value> {
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
        ValueKind::Table(members) => {
            let members = members
                .into_iter()
                .map(|(name, value)| Some((name, json(value)?)));
            members.collect::<Option<Map<_, _>>>()?.into()
        }
        ValueKind::Nil | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => {
            return None;
        }
    })
}

/// The claims that each token has already.
const RESERVED: [&str; 6] = ["iss", "sub", "aud", "exp", "iat", "nbf"];

const NOT_JSON: &str = "must contain only what JSON has: neither inf nor nan";
