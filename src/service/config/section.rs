//! Reads typed values out of the merged tree; what nobody asked for is refused.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use config::{Map, Value, ValueKind};
use jiff::SignedDuration;

use super::error::{Place, SettingsError};
use super::layers::layer_of;

/// One level of the tree, and the keys that were asked of it.
pub(super) struct Section {
    path: String,
    values: BTreeMap<String, Value>,
    known: Vec<&'static str>,
}

impl Section {
    /// Reads the whole tree with `read`, then refuses what is left of it.
    pub(super) fn read_root<T>(
        values: Map<String, Value>,
        read: impl FnOnce(&mut Self) -> Result<T, SettingsError>,
    ) -> Result<T, SettingsError> {
        Self::read(String::new(), values, read)
    }

    /// Reads the section `key` with `read`, empty if no layer says it; refuses what is left of it.
    pub(super) fn section<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, SettingsError>,
    ) -> Result<T, SettingsError> {
        match self.take(key) {
            Some(setting) => setting.section(read),
            None => Self::read(self.path_of(key), Map::new(), read),
        }
    }

    /// What the layers say of `key`.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Setting> {
        self.known.push(key);
        let value = self.values.remove(key)?;
        Some(Setting::new(self.path_of(key), value))
    }

    /// Where this section is, as messages name it.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    fn read<T>(
        path: String,
        values: Map<String, Value>,
        read: impl FnOnce(&mut Self) -> Result<T, SettingsError>,
    ) -> Result<T, SettingsError> {
        let mut section = Self {
            path,
            values: values.into_iter().collect(),
            known: Vec::new(),
        };
        let read = read(&mut section)?;
        match section.values.pop_first() {
            Some((name, value)) => {
                let unknown = Setting::new(section.path_of(&name), value);
                Err(SettingsError::unknown(unknown.place, &name, &section.known))
            }
            None => Ok(read),
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

/// One value and the place that said it.
#[derive(Clone)]
pub(super) struct Setting {
    place: Place,
    kind: ValueKind,
}

impl Setting {
    fn new(key: String, value: Value) -> Self {
        let layer = layer_of(&value).unwrap_or("file").to_owned();
        Self {
            place: Place { key, layer },
            kind: value.kind,
        }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn text(&self) -> Result<&str, SettingsError> {
        match &self.kind {
            ValueKind::String(text) => Ok(text),
            _ => Err(self.place.refuse("must be a text, in quotes")),
        }
    }

    pub(super) fn flag(&self) -> Result<bool, SettingsError> {
        match &self.kind {
            ValueKind::Boolean(flag) => Ok(*flag),
            ValueKind::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            ValueKind::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(self.place.refuse("must be true or false")),
        }
    }

    pub(super) fn number<N>(&self, allowed: RangeInclusive<N>) -> Result<N, SettingsError>
    where
        N: Copy + fmt::Display + PartialOrd + TryFrom<u64>,
    {
        let number = self.digits().and_then(|number| N::try_from(number).ok());
        number
            .filter(|number| allowed.contains(number))
            .ok_or_else(|| {
                let (lowest, highest) = (allowed.start(), allowed.end());
                self.place
                    .refuse(format!("must be a number from {lowest} to {highest}"))
            })
    }

    /// A text with a unit; bare digits are seconds.
    pub(super) fn duration(&self) -> Result<Duration, SettingsError> {
        let seconds = self.digits().map(Duration::from_secs);
        let duration = seconds.or_else(|| match &self.kind {
            ValueKind::String(text) => text.parse::<SignedDuration>().ok()?.try_into().ok(),
            _ => None,
        });
        let duration = duration.ok_or_else(|| {
            self.place
                .refuse("must be a duration such as 500ms, 60s, 5m or 1h")
        })?;
        if duration > LONGEST {
            return Err(self.place.refuse("must be at most 87600h (ten years)"));
        }
        Ok(duration)
    }

    pub(super) fn duration_above_zero(&self) -> Result<Duration, SettingsError> {
        let duration = self.duration()?;
        if duration.is_zero() {
            return Err(self.place.refuse("must be longer than 0s"));
        }
        Ok(duration)
    }

    /// A list, or one text with commas: each part trimmed, empty ones dropped.
    pub(super) fn list(&self) -> Result<Vec<&str>, SettingsError> {
        let parts: Option<Vec<&str>> = match &self.kind {
            ValueKind::String(text) => Some(text.split(',').collect()),
            ValueKind::Array(values) => values.iter().map(as_text).collect(),
            _ => None,
        };
        let parts = parts.ok_or_else(|| {
            self.place
                .refuse("must be a list of texts, or one text with commas")
        })?;
        Ok(parts
            .into_iter()
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .collect())
    }

    /// The tables of a `[[list]]`, each read by `read` and named by its index.
    pub(super) fn sections<T>(
        self,
        mut read: impl FnMut(&mut Section) -> Result<T, SettingsError>,
    ) -> Result<Vec<T>, SettingsError> {
        let ValueKind::Array(values) = self.kind else {
            return Err(self.place.refuse(format!(
                "must be sections, each under [[{}]]",
                self.place.key
            )));
        };
        let paths = (0..).map(|index: usize| format!("{}[{index}]", self.place.key));
        let entries = paths
            .zip(values)
            .map(|(path, value)| Self::new(path, value));
        entries.map(|entry| entry.section(&mut read)).collect()
    }

    fn section<T>(
        self,
        read: impl FnOnce(&mut Section) -> Result<T, SettingsError>,
    ) -> Result<T, SettingsError> {
        match self.kind {
            ValueKind::Table(values) => Section::read(self.place.key, values, read),
            _ => Err(self.place.refuse("is a section: say its keys one by one")),
        }
    }

    fn digits(&self) -> Option<u64> {
        match &self.kind {
            ValueKind::I64(number) => u64::try_from(*number).ok(),
            ValueKind::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().ok()
            }
            _ => None,
        }
    }
}

/// What `read` makes of the key, where a layer says it.
pub(super) fn said<T>(
    section: &mut Section,
    key: &'static str,
    read: impl FnOnce(&Setting) -> Result<T, SettingsError>,
) -> Result<Option<T>, SettingsError> {
    section.take(key).as_ref().map(read).transpose()
}

fn as_text(value: &Value) -> Option<&str> {
    match &value.kind {
        ValueKind::String(text) => Some(text),
        _ => None,
    }
}

/// Far from where adding to a point in time could overflow.
const LONGEST: Duration = Duration::from_secs(87_600 * 3600);

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::super::layers::merge;
    use super::*;

    /// Reads the one value of `x = …` with `read`.
    fn read<T: fmt::Debug>(
        value: &str,
        read: impl FnOnce(&Setting) -> Result<T, SettingsError>,
    ) -> Result<T, String> {
        let text = format!("x = {value}");
        let tree = merge(Some(("f", &text)), []).unwrap();
        let value = Section::read_root(tree, |root| read(&root.take("x").unwrap()));
        value.map_err(|error| error.to_string())
    }

    #[test]
    fn texts_stay_as_they_are() {
        assert_eq!(
            read("' 0123 '", |x| x.text().map(str::to_owned)),
            Ok(" 0123 ".to_owned())
        );
        for other in ["123", "true", "[]", "{ y = 1 }", "1.5"] {
            let message = "x (file f): must be a text, in quotes";
            assert_eq!(
                read(other, |x| x.text().map(str::to_owned)),
                Err(message.to_owned()),
                "{other}"
            );
        }
    }

    #[test]
    fn flags_are_true_or_false() {
        for (value, flag) in [
            ("true", true),
            ("'true'", true),
            ("'False'", false),
            ("false", false),
        ] {
            assert_eq!(read(value, Setting::flag), Ok(flag), "{value}");
        }
        for other in ["1", "'yes'", "''", "' true'", "[]"] {
            assert_eq!(
                read(other, Setting::flag),
                Err("x (file f): must be true or false".to_owned()),
                "{other}"
            );
        }
    }

    #[test]
    fn numbers_stay_within_their_bounds() {
        for (value, number) in [
            ("3010", 3010),
            ("'3010'", 3010),
            ("1", 1),
            ("65535", 65535),
            ("0x10", 16),
        ] {
            assert_eq!(read(value, |x| x.number(1..=65535)), Ok(number), "{value}");
        }
        for other in [
            "0",
            "65536",
            "-1",
            "'-1'",
            "'+1'",
            "''",
            "' 1'",
            "1.0",
            "true",
            "'99999999999999999999'",
        ] {
            let message = "x (file f): must be a number from 1 to 65535";
            assert_eq!(
                read(other, |x| x.number(1..=65535)),
                Err(message.to_owned()),
                "{other}"
            );
        }
    }

    #[test]
    fn durations_have_a_unit_or_are_seconds() {
        let cases = [
            ("60", 60_000),
            ("'60'", 60_000),
            ("'60s'", 60_000),
            ("'500ms'", 500),
            ("'5m'", 300_000),
            ("'1h'", 3_600_000),
            ("'1h 30m'", 5_400_000),
            ("'1.5s'", 1_500),
            ("'0s'", 0),
            ("0", 0),
        ];
        for (value, milliseconds) in cases {
            assert_eq!(
                read(value, Setting::duration),
                Ok(Duration::from_millis(milliseconds)),
                "{value}"
            );
        }
    }

    #[test]
    fn durations_of_another_form_are_refused() {
        let form = "must be a duration such as 500ms, 60s, 5m or 1h";
        let cases = [
            ("-1", form),
            ("'-1s'", form),
            ("'1s ago'", form),
            ("''", form),
            ("'soon'", form),
            ("'1 fortnight'", form),
            ("'9999999999999999999999s'", form),
            ("1.5", form),
            ("true", form),
            ("[]", form),
            ("'87601h'", "must be at most 87600h (ten years)"),
            ("9223372036854775807", "must be at most 87600h (ten years)"),
        ];
        for (value, message) in cases {
            assert_eq!(
                read(value, Setting::duration),
                Err(format!("x (file f): {message}")),
                "{value}"
            );
        }
        let zero = read("'0ms'", Setting::duration_above_zero);
        assert_eq!(zero, Err("x (file f): must be longer than 0s".to_owned()));
    }

    #[test]
    fn lists_are_arrays_or_texts_with_commas() {
        let listed = |value| read(value, |x| x.list().map(|list| list.join("|")));
        let cases = [
            ("'a'", "a"),
            ("'a, b ,,c,'", "a|b|c"),
            ("['a', ' b ', '', 'c,d']", "a|b|c,d"),
            ("''", ""),
            ("' , '", ""),
            ("[]", ""),
        ];
        for (value, list) in cases {
            assert_eq!(listed(value), Ok(list.to_owned()), "{value}");
        }
        for other in ["1", "true", "['a', 1]", "{ y = 1 }"] {
            let message = "x (file f): must be a list of texts, or one text with commas";
            assert_eq!(listed(other), Err(message.to_owned()), "{other}");
        }
    }

    #[test]
    fn what_was_not_asked_for_is_refused_with_what_could_be() {
        let tree = |text| merge(Some(("f", text)), []).unwrap();
        let read = |text| {
            let read = Section::read_root(tree(text), |root| {
                root.section("server", |server| Ok(server.take("port").is_some()))
            });
            read.map_err(|error| error.to_string())
        };
        assert_eq!(read(""), Ok(false));
        assert_eq!(read("[server]\nport = 1"), Ok(true));
        let cases = [
            (
                "[server]\nprot = 1",
                "server.prot (file f): is not a known key; did you mean port? known here: port",
            ),
            (
                "[server]\n'a.b' = 1",
                "server.a.b (file f): is not a known key; known here: port",
            ),
            (
                "[sever]\nport = 1",
                "sever (file f): is not a known key; did you mean server? known here: server",
            ),
            (
                "[sever]",
                "sever (file): is not a known key; did you mean server? known here: server",
            ),
            (
                "server = 1",
                "server (file f): is a section: say its keys one by one",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(read(text), Err(message.to_owned()), "{text}");
        }
    }
}
