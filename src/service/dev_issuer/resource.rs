//! The `resource` parameter (RFC 8707): what a client wants to call with its token.

use url::Url;

use crate::issuer::is_loopback;

use super::Provider;
use super::error::OAuthError;
use super::parameters::Parameters;

/// The resources of the API that runs beside the issuer.
#[derive(Debug, Default)]
pub(super) struct Resources {
    /// Where browsers reach the API.
    origin: Option<Url>,
    /// The prefixes of its tables, without a trailing slash.
    prefixes: Vec<String>,
}

impl Resources {
    pub(super) fn new(origin: &str, prefixes: Vec<String>) -> Self {
        let origin = Url::parse(origin).ok();
        Self { origin, prefixes }
    }

    /// Whether `resource` is the URL of a table, or one below it: on any loopback host, with the scheme and port of the API.
    fn contain(&self, resource: &str) -> bool {
        let resource = Url::parse(resource).ok().filter(|url| {
            let has_user = !url.username().is_empty() || url.password().is_some();
            is_loopback(url) && url.fragment().is_none() && !has_user
        });
        self.origin
            .as_ref()
            .zip(resource)
            .is_some_and(|(own, url)| {
                own.scheme() == url.scheme()
                    && own.port_or_known_default() == url.port_or_known_default()
                    && self
                        .prefixes
                        .iter()
                        .any(|prefix| is_below(url.path(), prefix))
            })
    }
}

/// Whether a path is `prefix`, with or without a slash after it, or begins with it and a slash.
fn is_below(path: &str, prefix: &str) -> bool {
    let rest = path.strip_prefix(prefix);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Provider {
    /// Accepts the `resource` of a client that knows the API by its URL, as MCP clients do, or by its audience.
    ///
    /// It changes no token: the claim `aud` is the audience that the API is configured to accept, whichever of its URLs
    /// the client uses.
    ///
    /// # Errors
    /// [`OAuthError::INVALID_TARGET`].
    pub(super) fn check_resource(&self, parameters: &Parameters) -> Result<(), OAuthError> {
        let requested = parameters.get("resource");
        if requested.is_none_or(|url| url == self.audience || self.resources.contain(url)) {
            Ok(())
        } else {
            Err(OAuthError::INVALID_TARGET)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_a_table_of_the_api_or_below_one() {
        let api = Resources::new(
            "http://127.0.0.1:3010",
            vec!["/mcp".to_owned(), "/v1/api".to_owned()],
        );
        let cases = [
            ("http://127.0.0.1:3010/mcp", true),
            ("http://127.0.0.1:3010/mcp/", true),
            ("http://localhost:3010/mcp", true),
            ("http://[::1]:3010/mcp", true),
            ("HTTP://LOCALHOST:3010/mcp", true),
            ("http://localhost:3010/v1/api/notes?a=b", true),
            ("http://localhost:3010/", false),
            ("http://localhost:3010", false),
            ("http://localhost:3010/mcpx", false),
            ("http://localhost:3010/MCP", false),
            ("http://localhost:3010/mcp/../other", false),
            ("http://localhost:3010/mcp/%2e%2e/other", false),
            ("http://localhost:3010/v1", false),
            ("http://localhost:3011/mcp", false),
            ("http://localhost/mcp", false),
            ("https://localhost:3010/mcp", false),
            ("http://localhost:3010/mcp#", false),
            ("http://user@localhost:3010/mcp", false),
            ("http://localhost:3010@example.com/mcp", false),
            ("http://api.example:3010/mcp", false),
            ("http://localhost.example:3010/mcp", false),
            ("/mcp", false),
            ("localhost:3010/mcp", false),
            ("", false),
        ];
        for (resource, expected) in cases {
            assert_eq!(api.contain(resource), expected, "{resource}");
        }
        let everything = Resources::new("http://127.0.0.1:3010", vec![String::new()]);
        assert!(everything.contain("http://127.0.0.1:3010"));
        assert!(everything.contain("http://127.0.0.1:3010/any/thing"));
        assert!(!Resources::default().contain("http://127.0.0.1:3010/mcp"));
    }
}
