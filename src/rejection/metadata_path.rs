//! Where the metadata of the protected resource of a route is ([RFC 9728 §3.1]).
//!
//! [RFC 9728 §3.1]: https://www.rfc-editor.org/rfc/rfc9728#section-3.1

use std::sync::Arc;

use crate::sender::PublicUrl;

/// The path of a protected resource, such as `/api`; app data of the routes of a table that has metadata.
#[derive(Clone, Debug)]
pub(crate) struct MetadataPath(Arc<str>);

impl MetadataPath {
    pub(crate) fn new(resource: &str) -> Self {
        Self(resource.into())
    }

    /// The identifier of the protected resource (RFC 9728 §1.2).
    pub(crate) fn resource(&self, server: &PublicUrl) -> String {
        [&server.origin, &server.path, &*self.0].concat()
    }

    /// The URL of its metadata: the well-known path stands between the authority and the path of the resource.
    pub(crate) fn url(&self, server: &PublicUrl) -> String {
        [&server.origin, WELL_KNOWN, &server.path, &*self.0].concat()
    }
}

/// The path of the metadata of a resource without a path (RFC 9728 §8.2).
pub(crate) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
