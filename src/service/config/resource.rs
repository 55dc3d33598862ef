//! `[resource]`: what the metadata of the API (RFC 9728) says, and how its identifier is used.

use super::error::{KeyOrigin, SettingsError};
use super::layers::Table;
use super::model;
use super::origins::Origins;
use super::server::Server;

/// `[resource]` as the service uses it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) has_metadata: bool,
    pub(crate) name: Option<String>,
    /// The URL of a page.
    pub(crate) documentation: Option<String>,
    /// Set where tokens may name the identifier of the API as their audience.
    pub(crate) audience: Option<ResourceAudience>,
    /// What to log where the metadata cannot be served.
    pub(super) note: Option<String>,
}

/// The identifier of the API as an audience of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResourceAudience {
    /// What the identifier begins with; the path of the API follows.
    pub(crate) base: String,
    key: KeyOrigin,
}

impl ResourceAudience {
    /// The error of the setting.
    pub(crate) fn reject(&self, remedy: &'static str) -> SettingsError {
        self.key.reject(remedy)
    }
}

impl Resource {
    /// # Errors
    /// The identifier is to be an audience, and is not fixed.
    pub(super) fn resolve(
        model: model::Resource,
        server: &Server,
        root: &Table,
    ) -> Result<Self, SettingsError> {
        let public_url = server.public_url.as_ref();
        let public_url = public_url.map(|url| url.as_str().trim_end_matches('/').to_owned());
        let origins = Origins::of(root, "resource");
        if model.audience.0 && public_url.is_none() {
            return Err(origins.reject("audience", URL_NEEDED));
        }
        let audience = public_url.clone().zip(origins.get("audience"));
        let audience = audience.map(|(base, key)| ResourceAudience { base, key });
        let has_metadata = model.metadata.0;
        let is_unknown = public_url.is_none()
            && server.allowed_hosts.is_empty()
            && !server.is_called_on_loopback();
        Ok(Self {
            has_metadata,
            name: model.name.map(|name| name.0),
            documentation: model.documentation.map(|url| url.0.to_string()),
            audience: audience.filter(|_| model.audience.0),
            note: (has_metadata && is_unknown).then(|| URL_UNKNOWN.to_owned()),
        })
    }
}

const URL_NEEDED: &str =
    "needs server.public_url, of which the audience is made: tokens must not choose it";

const URL_UNKNOWN: &str = "the metadata of the API (RFC 9728) is not served, and challenges do not name it, since the service does not \
     know the URL that clients call: set server.public_url, or server.allowed_hosts, or resource.metadata = false";

#[cfg(test)]
mod tests {
    use super::super::tests::configured;
    use super::*;

    fn resource(text: &str) -> Result<Resource, String> {
        configured(text).map(|settings| settings.resource)
    }

    #[test]
    fn every_key_is_used() {
        let text = "[server]\nhost = '0.0.0.0'\npublic_url = 'https://api.example/v1/'\n\
                    [resource]\nname = 'Notes'\ndocumentation = 'https://docs.example/a'\naudience = true";
        let expected = Resource {
            has_metadata: true,
            name: Some("Notes".to_owned()),
            documentation: Some("https://docs.example/a".to_owned()),
            audience: Some(ResourceAudience {
                base: "https://api.example/v1".to_owned(),
                key: KeyOrigin {
                    key: "resource.audience".to_owned(),
                    layer: "file Settings.toml".to_owned(),
                },
            }),
            note: None,
        };
        assert_eq!(resource(text), Ok(expected));
        let off = resource("[resource]\nmetadata = false").unwrap();
        assert!(!off.has_metadata);
    }

    #[test]
    fn a_service_that_does_not_know_its_url_says_so() {
        let note = |text: &str| resource(text).map(|resource| resource.note);
        let unknown = Ok(Some(URL_UNKNOWN.to_owned()));
        let beyond = "[server]\nhost = '0.0.0.0'\n";
        assert_eq!(note(beyond), unknown);
        let proxies = format!("{beyond}trusted_proxies = '10.0.0.1'");
        assert_eq!(note(&proxies), unknown);
        let proxy_on_loopback = "[server]\ntrusted_proxies = '127.0.0.1'";
        assert_eq!(note(proxy_on_loopback), unknown);
        for known in [
            String::new(),
            "[server]\ntrusted_proxies = '127.0.0.1'\nallowed_hosts = 'api.example'".to_owned(),
            format!("{beyond}public_url = 'https://api.example'"),
            format!("{beyond}allowed_hosts = 'api.example'"),
            format!("{beyond}[resource]\nmetadata = false"),
        ] {
            assert_eq!(note(&known), Ok(None), "{known}");
        }
    }

    #[test]
    fn the_identifier_is_an_audience_only_where_it_is_fixed() {
        let message = format!("resource.audience (file Settings.toml): {URL_NEEDED}");
        for server in ["", "[server]\nallowed_hosts = 'api.example'\n"] {
            let text = format!("{server}[resource]\naudience = true");
            assert_eq!(resource(&text), Err(message.clone()));
        }
    }
}
