//! Reads `[cors]`: which pages in browsers may call the API.

use std::time::Duration;

use url::Url;

use super::error::SettingsError;
use super::section::{Section, Setting, said};
use super::server::is_plain;

/// `[cors]`: which pages may call the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cors {
    /// Origins as browsers send them, or `*` for every one.
    pub(crate) allowed_origins: Vec<String>,
    /// How long a browser may remember the answer to a preflight.
    pub(crate) max_age: Duration,
}

impl Cors {
    pub(super) fn read(cors: &mut Section) -> Result<Self, SettingsError> {
        let allowed_origins = said(cors, "allowed_origins", origins)?;
        let max_age = said(cors, "max_age", Setting::duration)?;
        Ok(Self {
            allowed_origins: allowed_origins.unwrap_or_default(),
            max_age: max_age.unwrap_or(DEFAULT_PREFLIGHT_AGE),
        })
    }
}

fn origins(said: &Setting) -> Result<Vec<String>, SettingsError> {
    let origins: Option<_> = said.list()?.into_iter().map(origin).collect();
    origins.ok_or_else(|| {
        let remedy = "must be origins such as http://localhost:5173, without a path, or * for all";
        said.place().refuse(remedy)
    })
}

/// The origin in the form in which browsers send it: lower case, no default port (RFC 6454 §6.2).
fn origin(text: &str) -> Option<String> {
    if text == ANY_ORIGIN {
        return Some(text.to_owned());
    }
    let url = Url::parse(text).ok()?;
    let host = url
        .host_str()
        .filter(|host| !host.contains('*') && !host.is_empty())?;
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let is_bare = matches!(url.path(), "" | "/") && is_plain(&url);
    is_bare.then(|| format!("{}://{host}{port}", url.scheme()))
}

const ANY_ORIGIN: &str = "*";

const DEFAULT_PREFLIGHT_AGE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::super::tests::read_section as read;
    use super::*;

    #[test]
    fn what_is_not_said_has_a_default() {
        let cors = Cors {
            allowed_origins: Vec::new(),
            max_age: Duration::from_secs(600),
        };
        assert_eq!(read("", Cors::read), Ok(cors));
    }

    #[test]
    fn every_key_is_read() {
        let cors = Cors {
            allowed_origins: vec!["*".to_owned()],
            max_age: Duration::ZERO,
        };
        assert_eq!(
            read("allowed_origins = ['*']\nmax_age = 0", Cors::read),
            Ok(cors)
        );
    }

    #[test]
    fn an_age_is_a_duration() {
        let age = "x.max_age (file f): must be a duration such as 500ms, 60s, 5m or 1h".to_owned();
        assert_eq!(read("max_age = -1", Cors::read), Err(age));
    }

    #[test]
    fn an_origin_takes_the_form_that_browsers_send() {
        let read_one = |text| read(&format!("allowed_origins = ['{text}']"), Cors::read);
        let cases = [
            ("http://localhost:5173", "http://localhost:5173"),
            ("https://App.Example/", "https://app.example"),
            ("https://app.example:443", "https://app.example"),
            ("http://[::1]:80/", "http://[::1]"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("*", "*"),
        ];
        for (text, origin) in cases {
            assert_eq!(
                read_one(text).map(|cors| cors.allowed_origins),
                Ok(vec![origin.to_owned()]),
                "{text}"
            );
        }
        let refused = [
            "null",
            "app.example",
            "https://app.example/path",
            "https://app.example?q",
            "https://app.example#f",
            "https://me@app.example",
            "https://*.example",
            "file:///",
            "localhost:5173",
            "https://",
        ];
        for text in refused {
            let message = "x.allowed_origins (file f): must be origins such as \
                           http://localhost:5173, without a path, or * for all";
            assert_eq!(read_one(text), Err(message.to_owned()), "{text}");
        }
    }
}
