//! Deserialises sections; an error names the key and its source, and never contains a value.
//!
//! serde's own messages repeat the value that does not fit, so [`Problem`] keeps only what was expected.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use config::{Map, Value, ValueKind};
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserialize, Deserializer, Expected, IntoDeserializer, Unexpected, Visitor};
use serde_path_to_error::Segment;

use super::error::{KeyOrigin, SettingsError, layer_of};
use super::layers::member;

/// Deserialises the value of the key `path`, which is empty for the root.
pub(super) fn read<'de, T: Deserialize<'de>>(
    path: &str,
    value: &Value,
) -> Result<T, SettingsError> {
    serde_path_to_error::deserialize(Node(value)).map_err(|error| {
        let names = error.path().iter().filter_map(|segment| match segment {
            Segment::Map { key } => Some(key.as_str()),
            Segment::Seq { .. } | Segment::Enum { .. } | Segment::Unknown => None,
        });
        let names: Vec<_> = names.collect();
        let wrong = names
            .iter()
            .try_fold(value, |value, name| member(value, name));
        let path = Some(path).filter(|path| !path.is_empty());
        let key: Vec<_> = path.into_iter().chain(names.iter().copied()).collect();
        let origin = KeyOrigin {
            key: key.join("."),
            layer: wrong.and_then(layer_of).unwrap_or("file").to_owned(),
        };
        let name = names.last().copied().unwrap_or_default();
        match error.inner() {
            Problem::Remedy(remedy) => origin.reject(remedy.clone()),
            Problem::UnknownKey(known) => SettingsError::unknown(origin, name, known),
        }
    })
}

/// The keys of a section, in the order of its fields.
pub(super) fn keys<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let unknown = Map::from([(String::new(), Value::from(false))]);
    match T::deserialize(Node(&Value::from(unknown))) {
        Err(Problem::UnknownKey(keys)) => keys,
        Ok(_) | Err(Problem::Remedy(_)) => &[],
    }
}

/// A value of the merged layers.
#[derive(Clone, Copy)]
struct Node<'a>(&'a Value);

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.0.kind {
            // No key takes one of these.
            ValueKind::Nil
            | ValueKind::I128(_)
            | ValueKind::U64(_)
            | ValueKind::U128(_)
            | ValueKind::Float(_) => visitor.visit_unit(),
            ValueKind::Boolean(flag) => visitor.visit_bool(*flag),
            ValueKind::I64(number) => visitor.visit_i64(*number),
            ValueKind::String(text) => visitor.visit_str(text),
            ValueKind::Array(values) => {
                visitor.visit_seq(SeqDeserializer::new(values.iter().map(Node)))
            }
            ValueKind::Table(values) => {
                let sorted: BTreeMap<_, _> = values.iter().collect();
                let members = sorted
                    .into_iter()
                    .map(|(key, value)| (key.as_str(), Node(value)));
                visitor.visit_map(MapDeserializer::new(members))
            }
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match self.0.kind {
            ValueKind::Table(_) => self.deserialize_any(visitor),
            _ => Err(Problem::Remedy(SECTION_NEEDED.to_owned())),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match &self.0.kind {
            ValueKind::String(text) => visitor.visit_enum(text.trim().into_deserializer()),
            _ => Err(de::Error::unknown_variant("", variants)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_some(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Problem> for Node<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// What is wrong with a value or a key; the value itself is not kept.
#[derive(Debug)]
enum Problem {
    /// What the value must be.
    Remedy(String),
    /// There is no such key; these are known.
    UnknownKey(&'static [&'static str]),
}

impl de::Error for Problem {
    fn custom<T: Display>(remedy: T) -> Self {
        Self::Remedy(remedy.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Remedy(format!("must be {expected}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Remedy(format!("must be {expected}"))
    }

    fn unknown_variant(_: &str, variants: &'static [&'static str]) -> Self {
        Self::Remedy(match variants {
            [others @ .., last] if !others.is_empty() => {
                format!("must be {} or {last}", others.join(", "))
            }
            _ => format!("must be {}", variants.concat()),
        })
    }

    fn unknown_field(_: &str, known: &'static [&'static str]) -> Self {
        Self::UnknownKey(known)
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remedy(remedy) => f.write_str(remedy),
            Self::UnknownKey(_) => f.write_str("is not a known key"),
        }
    }
}

impl std::error::Error for Problem {}

const SECTION_NEEDED: &str = "is a section: set its keys one by one";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_serde_itself_contain_no_value() {
        for value in [
            Value::from("hush"),
            Value::from(70_777),
            Value::from(-70_777),
        ] {
            let message = read::<u16>("x", &value).unwrap_err().to_string();
            assert_eq!(message, "x (file): must be u16");
            let message = read::<()>("x", &value).unwrap_err().to_string();
            assert_eq!(message, "x (file): must be unit");
        }
    }
}
