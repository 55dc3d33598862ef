//! What the client of a token request has proven to have, and how its tokens say so (RFC 9449 §6.1,
//! RFC 8705 §3.1).

use actix_web::HttpRequest;
use serde_json::{Map, Value};

use crate::proof::ClientCertificate;

/// Thumbprints of what is the client's, as far as it has shown it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) key: Option<String>,
    pub(super) certificate: Option<String>,
}

impl Sender {
    /// Whether it has all that `wanted` names.
    pub(super) fn is(&self, wanted: &Self) -> bool {
        let is = |wanted: &Option<String>, own| wanted.is_none() || wanted == own;
        is(&wanted.key, &self.key) && is(&wanted.certificate, &self.certificate)
    }

    /// Who has this key, if any, and the certificate with which `request` came.
    pub(super) fn of(request: &HttpRequest, key: Option<String>) -> Self {
        let certificate = request.conn_data::<ClientCertificate>();
        Self {
            key,
            certificate: certificate.map(|shown| shown.thumbprint().to_string()),
        }
    }

    /// The value of `cnf`, which binds a token to it; `None` for a token of whoever bears it.
    pub(super) fn confirmation(&self) -> Option<Value> {
        let mut methods = Map::new();
        if let Some(key) = &self.key {
            methods.insert("jkt".to_owned(), key.as_str().into());
        }
        if let Some(certificate) = &self.certificate {
            methods.insert("x5t#S256".to_owned(), certificate.as_str().into());
        }
        (!methods.is_empty()).then_some(Value::Object(methods))
    }

    /// The `token_type` of an answer, and the scheme by which its token is sent (RFC 9449 §5).
    pub(super) fn token_type(&self) -> &'static str {
        match self.key {
            Some(_) => "DPoP",
            None => "Bearer",
        }
    }
}
