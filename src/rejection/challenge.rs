//! `WWW-Authenticate`: what a caller must bring instead ([RFC 6750 §3], [RFC 9110 §11.6.1]).
//!
//! [RFC 6750 §3]: https://www.rfc-editor.org/rfc/rfc6750#section-3
//! [RFC 9110 §11.6.1]: https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1

use std::borrow::Cow;
use std::fmt;

use actix_web::http::header::{HeaderValue, InvalidHeaderValue, TryIntoHeaderValue};
use actix_web::web::Bytes;
use actix_web_httpauth::extractors::bearer::Error as BearerError;
use actix_web_httpauth::headers::www_authenticate::Challenge;

/// A `Bearer` challenge, its parameters separated by commas.
///
/// ```text
/// Bearer realm="api", error="insufficient_scope", error_description="…", scope="read:messages"
/// ```
///
/// Every text in it is a constant of this crate or of the application's `scope!`.
#[derive(Clone, Debug, Default)]
pub(crate) struct BearerChallenge {
    error: Option<BearerError>,
    description: Option<&'static str>,
    scope: Option<String>,
}

impl BearerChallenge {
    /// What is asked of a caller who brought no credentials: no error code (RFC 6750 §3.1).
    pub(crate) fn plain() -> Self {
        Self::default()
    }

    pub(crate) fn of(error: BearerError, description: &'static str) -> Self {
        Self {
            error: Some(error),
            description: Some(description),
            scope: None,
        }
    }

    /// Names the scopes that would do.
    pub(crate) fn with_scope(mut self, scopes: &[&str]) -> Self {
        self.scope = (!scopes.is_empty()).then(|| scopes.join(" "));
        self
    }
}

impl BearerChallenge {
    /// The value of the header; put together without the machinery of `format!`, since a flood is answered with it.
    fn text(&self) -> String {
        let mut text = String::with_capacity(TYPICAL_LENGTH);
        text.push_str("Bearer realm=\"");
        text.push_str(REALM);
        text.push('"');
        if let Some(error) = &self.error {
            push_parameter(&mut text, "error", name(error));
        }
        if let Some(description) = self.description {
            push_parameter(&mut text, "error_description", &quotable(description));
        }
        if let Some(scope) = &self.scope {
            push_parameter(&mut text, "scope", scope);
        }
        text
    }
}

fn push_parameter(text: &mut String, name: &str, value: &str) {
    for part in [", ", name, "=\"", value, "\""] {
        text.push_str(part);
    }
}

/// The error codes of RFC 6750 §3.1.
fn name(error: &BearerError) -> &'static str {
    match error {
        BearerError::InvalidRequest => "invalid_request",
        BearerError::InvalidToken => "invalid_token",
        BearerError::InsufficientScope => "insufficient_scope",
    }
}

impl fmt::Display for BearerChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// The application may describe its rules in any words; a description has %x20-21 / %x23-5B / %x5D-7E alone.
fn quotable(description: &'static str) -> Cow<'static, str> {
    let is_quotable = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if description.bytes().all(is_quotable) {
        return Cow::Borrowed(description);
    }
    let replaced = description.chars().map(|character| match character {
        '"' => '\'',
        '\\' => '/',
        ' '..='~' => character,
        _ => '?',
    });
    Cow::Owned(replaced.collect())
}

impl TryIntoHeaderValue for BearerChallenge {
    type Error = InvalidHeaderValue;

    fn try_into_value(self) -> Result<HeaderValue, InvalidHeaderValue> {
        HeaderValue::from_maybe_shared(self.to_bytes())
    }
}

impl Challenge for BearerChallenge {
    fn to_bytes(&self) -> Bytes {
        Bytes::from(self.text())
    }
}

const REALM: &str = "api";

/// Room for a challenge with an error and its description.
const TYPICAL_LENGTH: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_challenge_has_no_error_code() {
        assert_eq!(
            BearerChallenge::plain().to_string(),
            r#"Bearer realm="api""#
        );
    }

    #[test]
    fn a_description_never_breaks_the_header() {
        let challenge =
            BearerChallenge::of(BearerError::InsufficientScope, "a \"b\" \\ \u{e4}\r\n");
        let text =
            r#"Bearer realm="api", error="insufficient_scope", error_description="a 'b' / ???""#;
        assert_eq!(challenge.to_string(), text);
        assert!(challenge.try_into_value().is_ok());
    }

    #[test]
    fn parameters_are_separated_by_commas() {
        let challenge = BearerChallenge::of(BearerError::InsufficientScope, "too little")
            .with_scope(&["a", "b"]);
        assert_eq!(
            challenge.to_string(),
            r#"Bearer realm="api", error="insufficient_scope", error_description="too little", scope="a b""#
        );
    }
}
