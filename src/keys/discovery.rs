//! Issuer discovery: from the issuer's URL to its `jwks_uri` ([RFC 8414 §3], OpenID Connect Discovery §4).
//!
//! [RFC 8414 §3]: https://www.rfc-editor.org/rfc/rfc8414#section-3

use serde::Deserialize;
use url::Url;

use super::content::{self, Content};
use super::fetch::Client;
use super::fetch_error::FetchError;
use crate::issuer::{HttpHosts, WELL_KNOWN, issuer_of, leads_to_this_machine};

/// The members of the discovery document that are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// The exact value of `iss`.
    pub(crate) issuer: String,
    /// The URL of its key set, not validated yet; see [`endpoint_url`].
    pub(crate) jwks_uri: Option<String>,
    /// The URL of its introspection endpoint, not validated yet; see [`endpoint_url`].
    pub(crate) introspection_endpoint: Option<String>,
    pub(crate) offers_signed_introspection: bool,
    /// Not validated either, as the next one.
    pub(crate) authorization_endpoint: Option<String>,
    pub(crate) token_endpoint: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    issuer: Option<String>,
    jwks_uri: Option<String>,
    introspection_endpoint: Option<String>,
    introspection_signing_alg_values_supported: Option<Vec<String>>,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
}

/// The issuer whose document is requested.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) base_url: &'a Url,
    /// The configured value of `iss`.
    pub(crate) name: Option<&'a str>,
}

/// Fetches the discovery document from the first of the well-known URLs that has it. A URL that answers with anything
/// else, such as a page in HTML, is passed over; a connection that fails ends the search, as all URLs have one origin.
///
/// # Errors
/// The error that is closest to the document, if no URL has it.
pub(crate) async fn discover(
    client: &Client,
    expected: Expected<'_>,
) -> Result<Metadata, DiscoveryError> {
    let (first, others) = well_known_urls(expected.base_url);
    let mut closest = match request(client, &first, expected).await {
        Err(error) if error.proximity().is_some() => error,
        outcome => return outcome,
    };
    for url in others {
        match request(client, &url, expected).await {
            Err(error) if error.proximity().is_some() => {
                if error.proximity() > closest.proximity() {
                    closest = error;
                }
            }
            outcome => return outcome,
        }
    }
    Err(closest)
}

async fn request(
    client: &Client,
    url: &Url,
    expected: Expected<'_>,
) -> Result<Metadata, DiscoveryError> {
    let answer = client.get(url, None).await?;
    read(&answer.body.unwrap_or_default(), expected)
}

/// Reads the document, which must be that of the base URL or of the configured issuer: the URL may be an internal
/// address, and at some providers the issuer has another path.
pub(crate) fn read(body: &[u8], expected: Expected<'_>) -> Result<Metadata, DiscoveryError> {
    let document: Document = content::parse(body).map_err(DiscoveryError::Malformed)?;
    let no_issuer = DiscoveryError::Malformed(Content::NoIssuer);
    let issuer = document.issuer.ok_or(no_issuer)?;
    if expected.name != Some(issuer.as_str()) && !names(&issuer, expected.base_url) {
        return Err(DiscoveryError::OtherIssuer { found: issuer });
    }
    Ok(Metadata {
        issuer,
        jwks_uri: document.jwks_uri,
        introspection_endpoint: document.introspection_endpoint,
        offers_signed_introspection: document
            .introspection_signing_alg_values_supported
            .is_some_and(|algorithms| !algorithms.is_empty()),
        authorization_endpoint: document.authorization_endpoint,
        token_endpoint: document.token_endpoint,
    })
}

/// Whether the document's `issuer` is the requested one (RFC 8414 §3.3), up to a trailing slash, which Auth0 adds.
pub(crate) fn names(issuer: &str, base: &Url) -> bool {
    let expected = issuer_of(base);
    let same = |named: &str| named.strip_suffix('/').unwrap_or(named) == expected;
    // The URL parser removes tabs, newlines and surrounding spaces; an issuer identifier must not have any.
    let plain = issuer.bytes().all(|byte| byte.is_ascii_graphic());
    same(issuer) || (plain && Url::parse(issuer).is_ok_and(|url| same(url.as_str())))
}

/// The URLs where a document may be: `/.well-known/…` after the issuer's path (OpenID Connect Discovery §4) or
/// before it (RFC 8414 §3.1). Each keeps the query of the base URL, by which some providers select a policy.
fn well_known_urls(base: &Url) -> (Url, Vec<Url>) {
    if base.path().contains(WELL_KNOWN) {
        return (base.clone(), Vec::new());
    }
    let path = base.path().trim_end_matches('/');
    let at = |path: String| {
        let mut url = base.clone();
        url.set_path(&path);
        url
    };
    let first = at(format!("{path}{WELL_KNOWN}openid-configuration"));
    let mut others = vec![at(format!("{WELL_KNOWN}oauth-authorization-server{path}"))];
    if !path.is_empty() {
        others.push(at(format!("{WELL_KNOWN}openid-configuration{path}")));
    }
    (first, others)
}

/// Validates a URL, such as `jwks_uri`, in the document found under `base`. The document of a remote issuer must not refer to
/// loopback, where services may trust local callers, nor to a URL that is not https.
pub(crate) fn endpoint_url(
    text: &str,
    base: &Url,
    http_hosts: &HttpHosts,
) -> Result<Url, DiscoveryError> {
    let url = Url::parse(text).map_err(|_| DiscoveryError::Malformed(Content::Url))?;
    let is_base_near = http_hosts.trust(base);
    match url.scheme() {
        "https" if is_base_near || !leads_to_this_machine(&url) => Ok(url),
        "http" if is_base_near && http_hosts.trust(&url) => Ok(url),
        "https" => Err(DiscoveryError::Loopback),
        _ => Err(DiscoveryError::PlainHttp),
    }
}

/// Why no usable discovery document was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DiscoveryError {
    #[error("its discovery document could not be fetched")]
    Fetch(#[from] FetchError),
    #[error("its discovery document names a jwks_uri on loopback")]
    Loopback,
    #[error("its discovery document is malformed")]
    Malformed(#[source] Content),
    #[error("its discovery document is another issuer's")]
    OtherIssuer {
        /// The document's, which is the network's text and not shown.
        found: String,
    },
    #[error("its discovery document names a jwks_uri that is not https")]
    PlainHttp,
}

impl DiscoveryError {
    /// How close the answer of a URL is to the document; `None` where no other URL can have it.
    fn proximity(&self) -> Option<u8> {
        match self {
            Self::OtherIssuer { .. } => Some(2),
            Self::Malformed(_) => Some(1),
            Self::Fetch(error) if error.is_answer() => Some(0),
            Self::Fetch(_) | Self::Loopback | Self::PlainHttp => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect("a URL")
    }

    #[test]
    fn documents_are_fetched_from_the_urls_of_both_standards() {
        let found = |base: &str| {
            let (first, others) = well_known_urls(&url(base));
            let well_known_urls = std::iter::once(first).chain(others);
            well_known_urls.map(String::from).collect::<Vec<_>>()
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
        for full in [
            "https://a.example/x/.well-known/openid-configuration",
            "https://a.example/x/.well-known/openid-configuration?appid=1",
            "https://a.example/.well-known/oauth-authorization-server/x?p=B2C_1_signin",
        ] {
            assert_eq!(found(full), [full]);
        }
        assert_eq!(
            found("https://a.example/x/?p=B2C_1_signin"),
            [
                "https://a.example/x/.well-known/openid-configuration?p=B2C_1_signin",
                "https://a.example/.well-known/oauth-authorization-server/x?p=B2C_1_signin",
                "https://a.example/.well-known/openid-configuration/x?p=B2C_1_signin",
            ]
        );
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
            (
                "https://a.example/x",
                "https://a.example/x/.well-known/openid-configuration?appid=1",
            ),
            ("https://a.example/x", "https://a.example/x/?p=B2C_1_signin"),
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
    fn a_malformed_document_or_that_of_another_issuer_is_rejected() {
        let base = url("https://a.example/");
        let expected = Expected {
            base_url: &base,
            name: None,
        };
        let read = |document: &str| read(document.as_bytes(), expected);
        let found = Metadata {
            issuer: "https://a.example/".to_owned(),
            jwks_uri: Some("https://keys.example/k".to_owned()),
            introspection_endpoint: None,
            offers_signed_introspection: false,
            authorization_endpoint: None,
            token_endpoint: Some("https://a.example/token".to_owned()),
        };
        let document = r#"{"issuer":"https://a.example/","jwks_uri":"https://keys.example/k","token_endpoint":"https://a.example/token","more":1}"#;
        assert_eq!(read(document), Ok(found.clone()));
        assert_eq!(read(&format!("\u{feff}{document}")), Ok(found));
        let malformed = DiscoveryError::Malformed;
        for (document, error) in [
            ("", malformed(Content::Empty)),
            ("<html>", malformed(Content::Markup)),
            ("null", malformed(Content::Structure)),
            (r#"{"issuer":1}"#, malformed(Content::Structure)),
            (
                r#"{"jwks_uri":"https://a.example/"}"#,
                malformed(Content::NoIssuer),
            ),
            (r#"{"issuer":null}"#, malformed(Content::NoIssuer)),
            (
                r#"{"issuer":"https://b.example/"}"#,
                DiscoveryError::OtherIssuer {
                    found: "https://b.example/".to_owned(),
                },
            ),
        ] {
            assert_eq!(read(document), Err(error), "{document}");
        }
    }

    #[test]
    fn the_document_may_be_that_of_the_configured_issuer() {
        let base = url("https://tenant.b2clogin.com/tenant.onmicrosoft.com/v2.0/?p=B2C_1_signin");
        let expected = Expected {
            base_url: &base,
            name: Some("https://tenant.b2clogin.com/0f0c/v2.0/"),
        };
        let read = |issuer: &str| {
            let document = serde_json::json!({ "issuer": issuer }).to_string();
            read(document.as_bytes(), expected).map(drop)
        };
        for accepted in [
            "https://tenant.b2clogin.com/0f0c/v2.0/",
            "https://tenant.b2clogin.com/tenant.onmicrosoft.com/v2.0",
        ] {
            assert_eq!(read(accepted), Ok(()), "{accepted}");
        }
        for other in [
            "https://tenant.b2clogin.com/0f0c/v2.0",
            "https://tenant.b2clogin.com/other/v2.0/",
        ] {
            let found = other.to_owned();
            assert_eq!(read(other), Err(DiscoveryError::OtherIssuer { found }));
        }
    }

    #[test]
    fn a_key_set_is_only_fetched_over_https() {
        let hosts = HttpHosts::parse(["keycloak"]).expect("hosts");
        let near = [
            "http://localhost:1/",
            "https://127.0.0.1/",
            "http://keycloak:8080/",
        ];
        let far = ["https://a.example/"];
        let accepted = |text, base| endpoint_url(text, &url(base), &hosts);
        for base in near.into_iter().chain(far) {
            let plain = "https://keys.example/k";
            assert_eq!(accepted(plain, base), Ok(url(plain)), "{base}");
            for (text, error) in [
                ("nowhere", DiscoveryError::Malformed(Content::Url)),
                ("http://a.example/", DiscoveryError::PlainHttp),
                ("file:///k", DiscoveryError::PlainHttp),
            ] {
                assert_eq!(accepted(text, base), Err(error), "{text} {base}");
            }
        }
        for (text, error) in [
            ("http://localhost:1/k", DiscoveryError::PlainHttp),
            ("http://keycloak/k", DiscoveryError::PlainHttp),
            ("https://localhost/k", DiscoveryError::Loopback),
            ("https://127.1/k", DiscoveryError::Loopback),
        ] {
            for base in near {
                assert_eq!(accepted(text, base), Ok(url(text)), "{text} {base}");
            }
            for base in far {
                assert_eq!(accepted(text, base), Err(error.clone()), "{text} {base}");
            }
        }
    }
}
