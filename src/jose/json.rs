//! Reads JSON objects strictly: a duplicate member, at any depth, is an error.
//!
//! Parsers differ in which of two duplicates they keep (RFC 8259 §4), so two readers could see
//! different contents in one document.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// A type that is read from an object member by member.
pub(crate) trait Members<'de>: Default {
    /// Reads the value of the member `name`.
    fn read<A: MapAccess<'de>>(&mut self, name: &str, values: &mut A) -> Result<(), A::Error>;
}

/// Reads one object, and nothing after it.
///
/// # Errors
/// The bytes are not one JSON object, or it has duplicate members.
pub(crate) fn read_object<'de, M: Members<'de>>(bytes: &'de [u8]) -> Result<M, serde_json::Error> {
    // Checked once for the whole text, rather than for each string in it.
    read_object_in(std::str::from_utf8(bytes).map_err(Error::custom)?)
}

/// As [`read_object`].
pub(crate) fn read_object_in<'de, M: Members<'de>>(text: &'de str) -> Result<M, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let members = deserializer.deserialize_map(ObjectVisitor(PhantomData))?;
    deserializer.end()?;
    Ok(members)
}

/// A member of a JSON object: absent, malformed or valid.
///
/// `null` is malformed: an absent claim is left out (RFC 7519 §4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Member<T> {
    #[default]
    Absent,
    Malformed,
    Valid(T),
}

impl<T> Member<T> {
    pub(crate) fn valid(&self) -> Option<&T> {
        match self {
            Self::Valid(value) => Some(value),
            Self::Absent | Self::Malformed => None,
        }
    }
}

/// Converts a JSON value; `None` for one of another type.
pub(crate) trait FromJson: Sized {
    fn from_json(value: Value) -> Option<Self>;
}

impl FromJson for String {
    fn from_json(value: Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
}

impl<'de, T: FromJson> Deserialize<'de> for Member<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Ok(T::from_json(value).map_or(Self::Malformed, Self::Valid))
    }
}

/// A string, or an array of strings; borrowed from the document except where it has escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OneOrMany<'de> {
    One(Cow<'de, str>),
    Many(Vec<Cow<'de, str>>),
}

impl<'de> OneOrMany<'de> {
    /// `None` for any other value.
    pub(crate) fn of(value: &'de Value) -> Option<Self> {
        let text = |value: &'de Value| value.as_str().map(Cow::Borrowed);
        match value {
            Value::Array(many) => many.iter().map(text).collect::<Option<_>>().map(Self::Many),
            one => text(one).map(Self::One),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.as_slice().iter().map(|text| &**text)
    }

    pub(crate) fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether one of the strings is exactly one of `accepted`.
    pub(crate) fn contains_one_of(&self, accepted: &[String]) -> bool {
        self.iter()
            .any(|text| accepted.iter().any(|accepted| accepted == text))
    }

    fn as_slice(&self) -> &[Cow<'de, str>] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

impl<'de> Deserialize<'de> for Member<Cow<'de, str>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match deserializer.deserialize_any(TextVisitor)? {
            Some(OneOrMany::One(text)) => Self::Valid(text),
            Some(OneOrMany::Many(_)) | None => Self::Malformed,
        })
    }
}

impl<'de> Deserialize<'de> for Member<OneOrMany<'de>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = deserializer.deserialize_any(TextVisitor)?;
        Ok(texts.map_or(Self::Malformed, Self::Valid))
    }
}

/// Reads a string or an array of strings, and any other value as `None`; no object in it may have duplicate members.
struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Option<OneOrMany<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(OneOrMany::One(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(OneOrMany::One(Cow::Owned(text.to_owned()))))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut texts = Some(Vec::new());
        while let Some(element) = list.next_element::<Member<Cow<'de, str>>>()? {
            texts = match (texts, element) {
                (Some(mut texts), Member::Valid(text)) => {
                    texts.push(text);
                    Some(texts)
                }
                _ => None,
            };
        }
        Ok(texts.map(OneOrMany::Many))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        ContentVisitor::<()>(PhantomData).visit_map(map)?;
        Ok(None)
    }
}

/// An object inside another, read with the same rules.
pub(crate) struct Strict<M>(pub(crate) M);

impl<'de, M: Members<'de>> Deserialize<'de> for Strict<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_map(ObjectVisitor(PhantomData))
            .map(Self)
    }
}

struct ObjectVisitor<M>(PhantomData<M>);

impl<'de, M: Members<'de>> Visitor<'de> for ObjectVisitor<M> {
    type Value = M;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<M, A::Error> {
        let mut members = M::default();
        let mut names = Vec::with_capacity(USUAL_MEMBERS);
        while let Some(Name(name)) = map.next_key()? {
            members.read(&name, &mut map)?;
            names.push(name);
        }
        check_names(&mut names, |name| name)?;
        Ok(members)
    }
}

/// Any JSON value without duplicate members at any depth: kept as a [`Value`], or only checked.
#[derive(Debug)]
pub(crate) struct Unique<T = ()>(pub(crate) T);

impl<'de, T: Content> Deserialize<'de> for Unique<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let content = deserializer.deserialize_any(ContentVisitor(PhantomData));
        content.map(Self)
    }
}

/// What is kept of a value.
pub(crate) trait Content: Sized {
    fn scalar(value: impl Into<Value>) -> Self;
    fn list(items: Vec<Self>) -> Self;
    fn object(members: Vec<(Cow<'_, str>, Self)>) -> Self;
}

impl Content for () {
    fn scalar(_: impl Into<Value>) {}
    fn list(_: Vec<()>) {}
    fn object(_: Vec<(Cow<'_, str>, ())>) {}
}

impl Content for Value {
    fn scalar(value: impl Into<Self>) -> Self {
        value.into()
    }

    fn list(items: Vec<Self>) -> Self {
        Self::Array(items)
    }

    fn object(members: Vec<(Cow<'_, str>, Self)>) -> Self {
        members.into_iter().collect()
    }
}

struct ContentVisitor<T>(PhantomData<T>);

impl<'de, T: Content> Visitor<'de> for ContentVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<T, E> {
        Ok(T::scalar(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<T, E> {
        Ok(T::scalar(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<T, E> {
        Ok(T::scalar(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<T, E> {
        Ok(T::scalar(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<T, E> {
        Ok(T::scalar(value))
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::scalar(()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<T, A::Error> {
        let mut items = Vec::new();
        while let Some(Unique(item)) = list.next_element()? {
            items.push(item);
        }
        Ok(T::list(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut members = Vec::new();
        while let Some((Name(name), Unique(value))) = map.next_entry()? {
            members.push((name, value));
        }
        check_names(&mut members, |(name, _)| name)?;
        Ok(T::object(members))
    }
}

/// Fails if two members of an object have the same name; may sort the members.
fn check_names<M, E: Error>(members: &mut [M], name: impl Fn(&M) -> &str) -> Result<(), E> {
    let is_unique = if members.len() <= USUAL_MEMBERS {
        members.iter().enumerate().all(|(at, member)| {
            let mut before = members.iter().take(at);
            before.all(|earlier| name(earlier) != name(member))
        })
    } else {
        members.sort_unstable_by(|one, other| name(one).cmp(name(other)));
        members.is_sorted_by(|one, other| name(one) < name(other))
    };
    if is_unique {
        return Ok(());
    }
    Err(E::custom("an object has a duplicate member"))
}

/// Most payloads have no more members. So many are compared with each other faster than they are sorted.
const USUAL_MEMBERS: usize = 16;

/// A member's name, borrowed from the document unless it has escapes.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Borrowed(name)))
    }

    fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(name.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Anything;

    impl<'de> Members<'de> for Anything {
        fn read<A: MapAccess<'de>>(&mut self, _: &str, values: &mut A) -> Result<(), A::Error> {
            values.next_value::<Unique>()?;
            Ok(())
        }
    }

    #[test]
    fn a_duplicate_is_found_wherever_it_stands() {
        let is_read = |names: &[usize]| {
            let members: Vec<_> = names.iter().map(|name| format!(r#""{name}":1"#)).collect();
            let object = format!("{{{}}}", members.join(","));
            let nested = format!(r#"{{"x":[{object}]}}"#);
            let [outer, inner] =
                [object, nested].map(|text| read_object::<Anything>(text.as_bytes()).is_ok());
            assert_eq!(outer, inner, "{names:?}");
            outer
        };
        for count in [0, 1, 2, USUAL_MEMBERS, USUAL_MEMBERS + 1, 40] {
            let names: Vec<_> = (0..count).collect();
            assert!(is_read(&names), "{count}");
            for one in 0..count {
                for other in one + 1..count {
                    let mut names = names.clone();
                    names[other] = names[one];
                    assert!(!is_read(&names), "{names:?}");
                }
            }
        }
    }

    #[test]
    fn a_text_is_borrowed_unless_it_has_escapes() {
        let read = |text| serde_json::from_str::<Member<Cow<'_, str>>>(text).expect("JSON");
        assert!(matches!(read(r#""a""#), Member::Valid(Cow::Borrowed("a"))));
        assert_eq!(
            read(r#""\u0061""#),
            Member::Valid(Cow::Owned("a".to_owned()))
        );
        for other in ["null", "true", "-1", "1", "1.5", r#"["a"]"#, r#"{"a":1}"#] {
            assert_eq!(read(other), Member::Malformed, "{other}");
        }
    }

    #[test]
    fn one_or_many_are_a_string_or_an_array_of_strings() {
        for (text, expected) in [
            (r#""a""#, Some(vec!["a"])),
            ("[]", Some(vec![])),
            (r#"["a","\u0062"]"#, Some(vec!["a", "b"])),
            (r#"["a",1]"#, None),
            (r#"[1,"a"]"#, None),
            (r#"[["a"]]"#, None),
            ("null", None),
            (r#"{"a":"b"}"#, None),
        ] {
            let read: Member<OneOrMany<'_>> = serde_json::from_str(text).expect("JSON");
            let read = read.valid().map(|read| read.iter().collect::<Vec<_>>());
            assert_eq!(read, expected, "{text}");
            let value: Value = serde_json::from_str(text).expect("JSON");
            let of = OneOrMany::of(&value);
            assert_eq!(
                of.as_ref().map(|of| of.iter().collect()),
                expected,
                "{text}"
            );
        }
        for twice in [r#"{"a":1,"a":1}"#, r#"[{"a":1,"a":1}]"#] {
            assert!(serde_json::from_str::<Member<OneOrMany<'_>>>(twice).is_err());
        }
    }
}
