//! The `resource` parameter (RFC 8707): what a client wants to call with its token.

use url::Url;

use crate::issuer::is_loopback;

use super::Provider;
use super::error::OAuthError;
use super::parameters::Parameters;

/// The resources of the API that runs beside the issuer.
#[derive(Debug, Default)]
pub(super) struct Resources {
    /// Where browsers on this machine reach the API.
    origin: Option<Url>,
    /// The configured URL that clients call, with a path that precedes the prefixes.
    public: Option<Url>,
    /// The prefixes of its tables, without a trailing slash.
    prefixes: Vec<String>,
}

impl Resources {
    pub(super) fn new(origin: &str, public: Option<&Url>, prefixes: Vec<String>) -> Self {
        Self {
            origin: Url::parse(origin).ok(),
            public: public.cloned(),
            prefixes,
        }
    }

    /// Whether `resource` is the URL of a table, or one below it: on any loopback host, with the scheme and port of the API,
    /// or at the public URL.
    fn contain(&self, resource: &str) -> bool {
        let resource = Url::parse(resource).ok().filter(|url| {
            let has_user = !url.username().is_empty() || url.password().is_some();
            url.fragment().is_none() && !has_user
        });
        resource.is_some_and(|url| self.contain_local(&url) || self.contain_public(&url))
    }

    fn contain_local(&self, url: &Url) -> bool {
        let origin = self.origin.as_ref();
        is_loopback(url)
            && origin.is_some_and(|own| {
                own.scheme() == url.scheme()
                    && own.port_or_known_default() == url.port_or_known_default()
            })
            && self.have_prefix_of(url.path())
    }

    fn contain_public(&self, url: &Url) -> bool {
        self.public.as_ref().is_some_and(|public| {
            let base = public.path().trim_end_matches('/');
            let path = url.path().strip_prefix(base);
            public.origin() == url.origin() && path.is_some_and(|path| self.have_prefix_of(path))
        })
    }

    fn have_prefix_of(&self, path: &str) -> bool {
        self.prefixes.iter().any(|prefix| is_below(path, prefix))
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
            None,
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
        let everything = Resources::new("http://127.0.0.1:3010", None, vec![String::new()]);
        assert!(everything.contain("http://127.0.0.1:3010"));
        assert!(everything.contain("http://127.0.0.1:3010/any/thing"));
        assert!(!Resources::default().contain("http://127.0.0.1:3010/mcp"));
    }

    #[test]
    fn a_resource_may_be_below_the_public_url() {
        let public = Url::parse("https://api.example/v1/").unwrap();
        let own = "http://127.0.0.1:3010";
        let api = Resources::new(own, Some(&public), vec!["/mcp".to_owned()]);
        for (resource, expected) in [
            ("https://api.example/v1/mcp", true),
            ("https://api.example:443/v1/mcp/notes", true),
            ("http://localhost:3010/mcp", true),
            ("https://api.example/mcp", false),
            ("https://api.example/v1mcp", false),
            ("https://api.example/v1/mcpx", false),
            ("https://api.example:8443/v1/mcp", false),
            ("http://api.example/v1/mcp", false),
            ("https://user@api.example/v1/mcp", false),
            ("https://api.example.org/v1/mcp", false),
        ] {
            assert_eq!(api.contain(resource), expected, "{resource}");
        }
    }
}
