//! Request parameters: of a query, or of a body that is a form, as OAuth has it, or a JSON object,
//! as Auth0 accepts it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{Error, HttpMessage, HttpRequest, web::Bytes};
use serde::de::{Error as _, MapAccess};
use serde_json::Value;
use url::form_urlencoded;

use crate::jose::json::{self, Members};

use super::error::OAuthError;

/// Far more than an authorization request needs, in bytes; parts of it are kept with the code.
const MAX_QUERY_LENGTH: usize = 8 * 1024;

/// Parameters by name; one with an empty value counts as absent (RFC 6749 §3.1).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Reads the body of `request`, as actix received it.
    ///
    /// # Errors
    /// [`OAuthError::BODY_TOO_LARGE`], and those of [`parse`](Self::parse).
    pub(super) fn from_body(
        request: &HttpRequest,
        body: Result<Bytes, Error>,
    ) -> Result<Self, OAuthError> {
        match body {
            Ok(body) => Self::parse(request.content_type(), &body),
            Err(error) => match error.as_response_error().status_code() {
                StatusCode::PAYLOAD_TOO_LARGE => Err(OAuthError::BODY_TOO_LARGE),
                _ => Err(OAuthError::BODY),
            },
        }
    }

    /// Reads a body of this content type; without one, a body that begins with `{` is JSON.
    ///
    /// # Errors
    /// [`OAuthError::BODY`] for another type and for malformed JSON;
    /// [`OAuthError::REPEATED_PARAMETER`].
    pub(super) fn parse(content_type: &str, body: &[u8]) -> Result<Self, OAuthError> {
        let is_json = match content_type.to_ascii_lowercase().as_str() {
            "application/json" => true,
            "application/x-www-form-urlencoded" => false,
            "" => body.trim_ascii_start().starts_with(b"{"),
            _ => return Err(OAuthError::BODY),
        };
        if is_json {
            json::read_object(body).map_err(|_| OAuthError::BODY)
        } else {
            Self::from_pairs(form_urlencoded::parse(body))
        }
    }

    /// Reads those parameters of a query that are `known`; others are ignored, repeated or not.
    ///
    /// # Errors
    /// [`OAuthError::QUERY_TOO_LONG`]; [`OAuthError::REPEATED_PARAMETER`].
    pub(super) fn from_query(query: &str, known: &[&str]) -> Result<Self, OAuthError> {
        if query.len() > MAX_QUERY_LENGTH {
            return Err(OAuthError::QUERY_TOO_LONG);
        }
        let pairs = form_urlencoded::parse(query.as_bytes());
        Self::from_pairs(pairs.filter(|(name, _)| known.contains(&name.as_ref())))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn from_pairs<'a>(
        pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
    ) -> Result<Self, OAuthError> {
        let mut parameters = Self::default();
        for (name, value) in pairs {
            parameters.insert(name.into_owned(), value.into_owned())?;
        }
        Ok(parameters)
    }

    fn insert(&mut self, name: String, value: String) -> Result<(), OAuthError> {
        if value.is_empty() || self.0.insert(name, value).is_none() {
            Ok(())
        } else {
            Err(OAuthError::REPEATED_PARAMETER)
        }
    }
}

impl<'de> Members<'de> for Parameters {
    fn read<A: MapAccess<'de>>(&mut self, name: &str, values: &mut A) -> Result<(), A::Error> {
        let value = match values.next_value()? {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Null => return Ok(()),
            Value::Array(_) | Value::Bool(_) | Value::Object(_) => {
                return Err(A::Error::custom("neither a string nor a number"));
            }
        };
        self.insert(name.to_owned(), value)
            .map_err(A::Error::custom)
    }
}

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
    fn forms_and_json_are_equivalent() {
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
    fn anything_else_is_malformed() {
        let cases = [
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
            assert_eq!(read, Err(OAuthError::BODY), "{content_type} {body}");
        }
        let repeated = Parameters::parse(FORM, b"a=1&a=2");
        assert_eq!(repeated, Err(OAuthError::REPEATED_PARAMETER));
    }

    #[test]
    fn only_known_parameters_of_a_query_are_read() {
        let long = format!("x={}", "a".repeat(MAX_QUERY_LENGTH));
        let cases = [
            ("a=b+c&n=7&other=1&other=2", Ok(two("n", "7"))),
            ("n=7&a=b%20c&a=", Ok(two("n", "7"))),
            ("a=b&a=b", Err(OAuthError::REPEATED_PARAMETER)),
            (&long, Err(OAuthError::QUERY_TOO_LONG)),
        ];
        for (query, expected) in cases {
            assert_eq!(Parameters::from_query(query, &["a", "n"]), expected);
        }
    }
}
