//! Issuer → where its keys are ([RFC 8414 §3], OpenID Connect Discovery §4).
//!
//! [RFC 8414 §3]: https://www.rfc-editor.org/rfc/rfc8414#section-3

use serde::Deserialize;
use url::Url;

use super::fetch::Client;
use super::fetch_error::FetchError;
use crate::issuer::is_loopback;

/// What the issuer's own document says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// The exact value of `iss`.
    pub(crate) issuer: String,
    /// Where its keys are, as it says; not judged yet.
    pub(crate) jwks_uri: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: Option<String>,
}

/// Fetches the issuer's document from the first of its well-known places that has one.
///
/// # Errors
/// What was wrong at the first place, where none has a document.
pub(crate) async fn discover(client: &Client, base: &Url) -> Result<Metadata, DiscoveryError> {
    let mut absent = None;
    for place in places(base) {
        match client.get(&place, None).await {
            Ok(answer) => return read(&answer.body.unwrap_or_default(), base),
            Err(error @ FetchError::Status(_)) => absent.get_or_insert(error),
            Err(error) => return Err(error.into()),
        };
    }
    Err(absent.unwrap_or(FetchError::NotHttps).into())
}

pub(crate) fn read(body: &[u8], base: &Url) -> Result<Metadata, DiscoveryError> {
    let document: Document = serde_json::from_slice(body).map_err(|_| DiscoveryError::Malformed)?;
    if !names(&document.issuer, base) {
        return Err(DiscoveryError::OtherIssuer);
    }
    Ok(Metadata {
        issuer: document.issuer,
        jwks_uri: document.jwks_uri,
    })
}

/// Whether the document's `issuer` is the one asked for (RFC 8414 §3.3), up to a trailing slash, which Auth0 adds.
pub(crate) fn names(issuer: &str, base: &Url) -> bool {
    let expected = issuer_of(base);
    let same = |named: &str| named.strip_suffix('/').unwrap_or(named) == expected;
    // A URL parser passes over blanks; an issuer's name has none.
    let plain = issuer.bytes().all(|byte| byte.is_ascii_graphic());
    same(issuer) || (plain && Url::parse(issuer).is_ok_and(|url| same(url.as_str())))
}

/// The issuer that a base URL stands for, without its trailing slash: the URL itself, or what
/// precedes `/.well-known/` in it.
fn issuer_of(base: &Url) -> String {
    let mut issuer = base.clone();
    let path = base.path();
    if let Some((before, after)) = path.split_once(WELL_KNOWN) {
        let behind = after
            .split_once('/')
            .map(|(_, rest)| rest)
            .unwrap_or_default();
        issuer.set_path(&format!("{before}/{behind}"));
    }
    let text = issuer.to_string();
    text.strip_suffix('/').map(str::to_owned).unwrap_or(text)
}

/// Where a document may be: behind the issuer's path (OpenID Connect Discovery §4), or before it (RFC 8414 §3.1).
fn places(base: &Url) -> Vec<Url> {
    if base.path().contains(WELL_KNOWN) {
        return vec![base.clone()];
    }
    let path = base.path().trim_end_matches('/');
    let at = |path: String| {
        let mut place = base.clone();
        place.set_path(&path);
        place
    };
    let mut places = vec![
        at(format!("{path}{WELL_KNOWN}openid-configuration")),
        at(format!("{WELL_KNOWN}oauth-authorization-server{path}")),
    ];
    if !path.is_empty() {
        places.push(at(format!("{WELL_KNOWN}openid-configuration{path}")));
    }
    places
}

/// The URL of a key set, if it can be trusted.
pub(crate) fn key_set_url(text: &str) -> Result<Url, DiscoveryError> {
    let url = Url::parse(text).map_err(|_| DiscoveryError::Malformed)?;
    let trustworthy = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    trustworthy.then_some(url).ok_or(DiscoveryError::PlainHttp)
}

/// Why the issuer's document did not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DiscoveryError {
    #[error("its discovery document could not be fetched")]
    Fetch(#[from] FetchError),
    #[error("its discovery document is malformed")]
    Malformed,
    #[error("its discovery document is another issuer's")]
    OtherIssuer,
    #[error("its discovery document names a jwks_uri that is not https")]
    PlainHttp,
}

const WELL_KNOWN: &str = "/.well-known/";

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect("a URL")
    }

    #[test]
    fn documents_are_looked_for_where_the_two_standards_put_them() {
        let found = |base: &str| {
            places(&url(base))
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            found("https://a.example/"),
            [
                "https://a.example/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server",
            ]
        );
        assert_eq!(
            found("https://a.example/realms/x/"),
            [
                "https://a.example/realms/x/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server/realms/x",
                "https://a.example/.well-known/openid-configuration/realms/x",
            ]
        );
        let full = "https://a.example/x/.well-known/openid-configuration";
        assert_eq!(found(full), [full]);
    }

    #[test]
    fn the_document_must_be_the_issuers_own() {
        for (issuer, base) in [
            ("https://a.example/", "https://a.example"),
            ("https://a.example", "https://a.example/"),
            ("https://a.example/x", "https://a.example/x/"),
            ("https://a.example:443/", "https://a.example/"),
            (
                "https://a.example/",
                "https://a.example/.well-known/openid-configuration",
            ),
            (
                "https://a.example/x",
                "https://a.example/x/.well-known/openid-configuration",
            ),
            (
                "https://a.example/x",
                "https://a.example/.well-known/oauth-authorization-server/x",
            ),
        ] {
            assert!(names(issuer, &url(base)), "{issuer} {base}");
        }
        for (issuer, base) in [
            ("https://b.example/", "https://a.example/"),
            ("http://a.example/", "https://a.example/"),
            ("https://a.example//", "https://a.example/"),
            ("https://a.example/x", "https://a.example/"),
            ("https://a.example/", "https://a.example/x"),
            ("https://a.example/?", "https://a.example/"),
            (" https://a.example/", "https://a.example/"),
            ("https://a.ex\tample/", "https://a.example/"),
            ("", "https://a.example/"),
        ] {
            assert!(!names(issuer, &url(base)), "{issuer} {base}");
        }
    }

    #[test]
    fn a_document_is_read_or_refused() {
        let base = url("https://a.example/");
        let read = |document: &str| read(document.as_bytes(), &base);
        assert_eq!(
            read(r#"{"issuer":"https://a.example/","jwks_uri":"https://keys.example/k","more":1}"#),
            Ok(Metadata {
                issuer: "https://a.example/".to_owned(),
                jwks_uri: Some("https://keys.example/k".to_owned())
            })
        );
        for (document, error) in [
            ("", DiscoveryError::Malformed),
            ("<html>", DiscoveryError::Malformed),
            ("null", DiscoveryError::Malformed),
            (r#"{"issuer":1}"#, DiscoveryError::Malformed),
            (
                r#"{"jwks_uri":"https://a.example/"}"#,
                DiscoveryError::Malformed,
            ),
            (
                r#"{"issuer":"https://b.example/"}"#,
                DiscoveryError::OtherIssuer,
            ),
        ] {
            assert_eq!(read(document), Err(error), "{document}");
        }
    }

    #[test]
    fn a_key_set_is_fetched_over_https_alone() {
        assert_eq!(
            key_set_url("https://a.example/k"),
            Ok(url("https://a.example/k"))
        );
        assert!(key_set_url("http://localhost:1/k").is_ok());
        for (text, error) in [
            ("nowhere", DiscoveryError::Malformed),
            ("http://a.example/", DiscoveryError::PlainHttp),
            ("file:///k", DiscoveryError::PlainHttp),
        ] {
            assert_eq!(key_set_url(text), Err(error), "{text}");
        }
    }
}
