//! Reads parameters: of a query, or of a POST, which is a form, as OAuth has it, or a JSON object,
//! as Auth0 allows.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{Error, HttpMessage, HttpRequest, web::Bytes};
use serde::de::{Error as _, MapAccess};
use serde_json::Value;
use url::form_urlencoded;

use crate::jose::json::{self, Members};

use super::error::Refusal;

/// Names and values that are not empty: an empty one is as good as none (RFC 6749 §3.2).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Reads a body that was received, or says why it was not.
    ///
    /// # Errors
    /// [`Refusal::BodyTooLarge`]; [`Refusal::BodyMalformed`].
    pub(super) fn read(request: &HttpRequest, body: Result<Bytes, Error>) -> Result<Self, Refusal> {
        match body {
            Ok(body) => Self::parse(request.content_type(), &body),
            Err(error) => match error.as_response_error().status_code() {
                StatusCode::PAYLOAD_TOO_LARGE => Err(Refusal::BodyTooLarge),
                _ => Err(Refusal::BodyMalformed),
            },
        }
    }

    /// Reads `body` as its `content_type` says; without one, what begins with `{` is JSON.
    ///
    /// # Errors
    /// [`Refusal::BodyMalformed`] for another type, broken JSON, a value that is neither text nor
    /// number, or a name that comes twice.
    pub(super) fn parse(content_type: &str, body: &[u8]) -> Result<Self, Refusal> {
        match content_type.to_ascii_lowercase().as_str() {
            "application/json" => Self::from_json(body),
            "application/x-www-form-urlencoded" => Self::from_form(body),
            "" if body.trim_ascii_start().starts_with(b"{") => Self::from_json(body),
            "" => Self::from_form(body),
            _ => Err(Refusal::BodyMalformed),
        }
    }

    /// Reads those of a query that are `known`; whatever else is there is ignored, twice or not.
    ///
    /// # Errors
    /// [`Refusal::QueryTooLong`]; [`Refusal::Repeated`] for a known name that comes twice.
    pub(super) fn of_query(query: &str, known: &[&str]) -> Result<Self, Refusal> {
        if query.len() > LONGEST_QUERY {
            return Err(Refusal::QueryTooLong);
        }
        let mut parameters = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if known.contains(&name.as_ref()) {
                let added = parameters.add(name.into_owned(), value.into_owned());
                added.map_err(|_| Refusal::Repeated)?;
            }
        }
        Ok(parameters)
    }

    /// The value of `name`, if it was sent.
    pub(super) fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn from_form(body: &[u8]) -> Result<Self, Refusal> {
        let mut parameters = Self::default();
        for (name, value) in form_urlencoded::parse(body) {
            parameters.add(name.into_owned(), value.into_owned())?;
        }
        Ok(parameters)
    }

    fn from_json(body: &[u8]) -> Result<Self, Refusal> {
        json::read_object(body).map_err(|_| Refusal::BodyMalformed)
    }

    fn add(&mut self, name: String, value: String) -> Result<(), Refusal> {
        if value.is_empty() {
            return Ok(());
        }
        let first = self.0.insert(name, value).is_none();
        first.then_some(()).ok_or(Refusal::BodyMalformed)
    }
}

impl<'de> Members<'de> for Parameters {
    fn read<A: MapAccess<'de>>(&mut self, name: &str, values: &mut A) -> Result<(), A::Error> {
        let value = match values.next_value()? {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Null => return Ok(()),
            Value::Array(_) | Value::Bool(_) | Value::Object(_) => {
                return Err(A::Error::custom("neither text nor a number"));
            }
        };
        self.add(name.to_owned(), value).map_err(A::Error::custom)
    }
}

/// Far more than an authorization request needs, in bytes; parts of it are remembered.
const LONGEST_QUERY: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";
    const JSON: &str = "application/json";

    fn two(name: &str, value: &str) -> Parameters {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Parameters([pair("a", "b c"), pair(name, value)].into())
    }

    #[test]
    fn forms_and_json_say_the_same() {
        let cases = [
            (FORM, "a=b+c&n=7"),
            ("Application/X-WWW-Form-URLEncoded", "a=b%20c&n=7&empty="),
            ("", "a=b+c&n=7"),
            (JSON, r#"{"a":"b c","n":7}"#),
            (
                "APPLICATION/JSON",
                r#"{"a":"b c","n":"7","none":null,"empty":""}"#,
            ),
            ("", " \r\n{\"a\":\"b c\",\"n\":7}"),
        ];
        for (content_type, body) in cases {
            let read = Parameters::parse(content_type, body.as_bytes());
            assert_eq!(read, Ok(two("n", "7")), "{content_type} {body}");
        }
    }

    #[test]
    fn what_is_neither_is_malformed() {
        let cases = [
            (FORM, "a=1&a=2"),
            (JSON, "a=1"),
            (JSON, "[]"),
            (JSON, r#"{"a":"1","a":"2"}"#),
            (JSON, r#"{"a":"#),
            (JSON, r#"{"a":["x"]}"#),
            (JSON, r#"{"a":true}"#),
            (JSON, r#"{"a":{}}"#),
            ("", "{"),
            ("text/plain", "a=1"),
        ];
        for (content_type, body) in cases {
            let read = Parameters::parse(content_type, body.as_bytes());
            assert_eq!(read, Err(Refusal::BodyMalformed), "{content_type} {body}");
        }
    }

    #[test]
    fn a_query_is_read_for_what_is_known() {
        let long = format!("x={}", "a".repeat(LONGEST_QUERY));
        let cases = [
            ("a=b+c&n=7&other=1&other=2", Ok(two("n", "7"))),
            ("n=7&a=b%20c&a=", Ok(two("n", "7"))),
            ("a=b&a=b", Err(Refusal::Repeated)),
            (&long, Err(Refusal::QueryTooLong)),
        ];
        for (query, expected) in cases {
            assert_eq!(Parameters::of_query(query, &["a", "n"]), expected);
        }
    }
}
