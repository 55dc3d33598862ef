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
use super::values::{BRACKETS, unquoted};

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
        let key = key.join(".");
        match error.inner() {
            Problem::Remedy(remedy) => {
                let layer = wrong.and_then(layer_of).unwrap_or("file").to_owned();
                KeyOrigin { key, layer }.reject(remedy.clone())
            }
            Problem::Missing(name) => missing(&format!("{key}.{name}")),
            Problem::UnknownKey(name, known) => {
                let value = wrong.and_then(|section| member(section, name));
                let layer = value.and_then(layer_of).unwrap_or("file").to_owned();
                let section = Some(key).filter(|key| !key.is_empty());
                let key = section.into_iter().chain([name.clone()]);
                let key = key.collect::<Vec<_>>().join(".");
                SettingsError::unknown(KeyOrigin { key, layer }, name, known.to_vec())
            }
        }
    })
}

/// The keys of a section, in the order of its fields.
pub(super) fn keys<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    keys_at::<T>(&[])
}

/// The keys of the section at `path` in a section.
pub(super) fn keys_at<'de, T: Deserialize<'de>>(path: &[&str]) -> &'static [&'static str] {
    let member = |value, name: &&str| Value::from(Map::from([((*name).to_owned(), value)]));
    let unknown = path.iter().rfold(member(Value::from(false), &""), member);
    // By the same deserialiser as `read`, so that the code for a section is in the program once.
    let read = serde_path_to_error::deserialize::<_, T>(Node(&unknown));
    match read.map_err(serde_path_to_error::Error::into_inner) {
        Err(Problem::UnknownKey(_, keys)) => keys,
        Ok(_) | Err(Problem::Remedy(_) | Problem::Missing(_)) => &[],
    }
}

fn missing(key: &str) -> SettingsError {
    let variable = format!("APP__{}", key.to_uppercase().replace('.', "__"));
    SettingsError::Missing {
        key: key.to_owned(),
        remedy: format!("set it in the file, or as the variable {variable}").into(),
    }
}

/// A value of the merged layers.
#[derive(Clone, Copy)]
struct Node<'a>(&'a Value);

/// Numbers and flags may be texts, as variables are.
macro_rules! parsed {
    ($($type:ident $deserialize:ident $visit:ident,)*) => {
        $(fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            match self.text()?.map(|text| text.to_ascii_lowercase().parse::<$type>()) {
                Some(Ok(value)) => visitor.$visit(value),
                _ => self.deserialize_any(visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.0.kind {
            // TOML has no integers of these sizes.
            ValueKind::Nil | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => {
                visitor.visit_unit()
            }
            ValueKind::Float(number) => visitor.visit_f64(*number),
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
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let ValueKind::Table(values) = &self.0.kind else {
            return Err(Problem::Remedy(SECTION_NEEDED.to_owned()));
        };
        let unknown = values.keys().filter(|key| !known.contains(&key.as_str()));
        match unknown.min() {
            Some(key) => Err(Problem::UnknownKey(key.clone(), known)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match self.text()? {
            Some(text) => visitor.visit_enum(text.into_deserializer()),
            None => Err(de::Error::unknown_variant("", variants)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.text()? {
            Some(text) => visitor.visit_str(text),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_str(visitor)
    }

    /// A text is a list that commas separate, as variables write it.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let Some(text) = self.text()? else {
            return self.deserialize_any(visitor);
        };
        if text.starts_with('[') && text.ends_with(']') {
            return Err(Problem::Remedy(BRACKETS.to_owned()));
        }
        let parts = text.split(',').map(str::trim);
        let parts = parts.filter(|part| !part.is_empty()).map(Value::from);
        let parts: Vec<_> = parts.collect();
        visitor.visit_seq(SeqDeserializer::new(parts.iter().map(Node)))
    }

    parsed! {
        bool deserialize_bool visit_bool,
        i64 deserialize_i8 visit_i64,
        i64 deserialize_i16 visit_i64,
        i64 deserialize_i32 visit_i64,
        i64 deserialize_i64 visit_i64,
        u64 deserialize_u8 visit_u64,
        u64 deserialize_u16 visit_u64,
        u64 deserialize_u32 visit_u64,
        u64 deserialize_u64 visit_u64,
        f64 deserialize_f32 visit_f64,
        f64 deserialize_f64 visit_f64,
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct map identifier ignored_any
    }
}

impl<'a> Node<'a> {
    /// The text without white space around it.
    ///
    /// # Errors
    /// It is in quotation marks, which a shell or an env file left there.
    fn text(self) -> Result<Option<&'a str>, Problem> {
        match &self.0.kind {
            ValueKind::String(text) => unquoted(text).map(Some).map_err(de::Error::custom),
            _ => Ok(None),
        }
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
    /// A key without a default is not set.
    Missing(&'static str),
    /// There is no such key; these are known.
    UnknownKey(String, &'static [&'static str]),
}

impl Problem {
    /// serde names types of Rust, which those who set a value need not know.
    fn must_be(expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        let range = match expected.as_str() {
            "u8" => Some((0, u8::MAX.into())),
            "u16" => Some((0, u16::MAX.into())),
            "u32" => Some((0, u32::MAX.into())),
            "i8" => Some((i32::from(i8::MIN), i8::MAX.into())),
            "i16" => Some((i16::MIN.into(), i16::MAX.into())),
            "i32" => Some((i32::MIN, i64::from(i32::MAX))),
            _ => None,
        };
        Self::Remedy(match (range, expected.as_str()) {
            (Some((lowest, highest)), _) => {
                format!("must be a whole number from {lowest} to {highest}")
            }
            (None, "u64" | "usize") => "must be a whole number from 0".to_owned(),
            (None, "i64" | "isize") => "must be a whole number".to_owned(),
            (None, "f32" | "f64") => "must be a number".to_owned(),
            (None, "a boolean") => "must be true or false".to_owned(),
            (None, other) => format!("must be {other}"),
        })
    }
}

impl de::Error for Problem {
    fn custom<T: Display>(remedy: T) -> Self {
        // A type of the user's own may write several lines.
        Self::Remedy(remedy.to_string().replace(char::is_control, " "))
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::must_be(expected)
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::must_be(expected)
    }

    fn unknown_variant(_: &str, variants: &'static [&'static str]) -> Self {
        Self::Remedy(match variants {
            [others @ .., last] if !others.is_empty() => {
                format!("must be {} or {last}", others.join(", "))
            }
            _ => format!("must be {}", variants.concat()),
        })
    }

    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        Self::UnknownKey(name.to_owned(), known)
    }

    fn missing_field(name: &'static str) -> Self {
        Self::Missing(name)
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remedy(remedy) => f.write_str(remedy),
            Self::Missing(_) => f.write_str("is missing"),
            Self::UnknownKey(..) => f.write_str("is not a known key"),
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
            assert_eq!(message, "x (file): must be a whole number from 0 to 65535");
            let message = read::<()>("x", &value).unwrap_err().to_string();
            assert_eq!(message, "x (file): must be unit");
        }
    }
}
