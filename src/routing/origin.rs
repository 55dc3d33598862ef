//! The origins whose pages may open WebSockets and streams ([RFC 6455 §10.2]).
//!
//! Browsers let the pages of every origin open a WebSocket to every server, whatever CORS allows: the server itself must
//! look at `Origin`.
//!
//! [RFC 6455 §10.2]: https://www.rfc-editor.org/rfc/rfc6455#section-10.2

use std::fmt;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderValue, ORIGIN};
use url::Url;

use crate::extract::is_own_origin;
use crate::rejection::Cause;

/// Decides whether pages of an origin other than the server's own may open a route; clones share the decision.
#[derive(Clone)]
pub(crate) struct AllowedOrigins(Arc<dyn Fn(&HeaderMap) -> bool + Send + Sync>);

impl AllowedOrigins {
    /// `allows` is called with the headers of a request that has one `Origin`.
    pub(crate) fn by(allows: impl Fn(&HeaderMap) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(allows))
    }

    /// These, of which `*` may be the leftmost label of the host.
    pub(super) fn listed(origins: Vec<String>) -> Self {
        Self::by(move |headers| {
            let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
            let is_sent = |allowed: &String| origin.is_some_and(|sent| matches(allowed, sent));
            origins.iter().any(is_sent)
        })
    }

    /// These, and those that `other` allows.
    pub(super) fn or(self, other: Option<Self>) -> Self {
        match other {
            Some(other) => Self::by(move |headers| (self.0)(headers) || (other.0)(headers)),
            None => self,
        }
    }
}

impl fmt::Debug for AllowedOrigins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AllowedOrigins")
    }
}

/// The foreign origin of a request that is allowed; `None` for the server's own, and for a client that is not a browser.
///
/// # Errors
/// [`Cause::ForeignOrigin`] for every other origin, also for `null`, and for several.
pub(super) fn foreign_origin(request: &HttpRequest) -> Result<Option<HeaderValue>, Cause> {
    let mut origins = request.headers().get_all(ORIGIN);
    let Some(origin) = origins.next() else {
        return Ok(None);
    };
    if origins.next().is_some() {
        return Err(Cause::ForeignOrigin);
    }
    if is_own_origin(request, origin) {
        return Ok(None);
    }
    let allowed = request.app_data::<AllowedOrigins>();
    if allowed.is_some_and(|allowed| (allowed.0)(request.headers())) {
        Ok(Some(origin.clone()))
    } else {
        log::debug!("a page of an origin that is not allowed calls a route for streams");
        Err(Cause::ForeignOrigin)
    }
}

/// Whether a text is an origin as browsers send it, or one with `*` as its leftmost label.
pub(super) fn is_pattern(text: &str) -> bool {
    let example = text.replacen("://*.", "://any.", 1);
    let url = Url::parse(&example);
    let is_origin = url.is_ok_and(|url| url.origin().ascii_serialization() == example);
    is_origin && !example.contains('*')
}

/// Whether `allowed`, an origin or one with `*` as its leftmost label, matches an origin as browsers send it.
pub(crate) fn matches(allowed: &str, origin: &str) -> bool {
    let Some((scheme, domain)) = allowed.split_once("*.") else {
        return allowed == origin;
    };
    let rest = origin.strip_prefix(scheme);
    let labels = rest.and_then(|rest| rest.split_once('.'));
    labels.is_some_and(|(label, parent)| parent == domain && is_label(label))
}

fn is_label(label: &str) -> bool {
    let is_allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
    };
    !label.is_empty() && label.len() <= 63 && label.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_origins_as_browsers_send_them_are_listed() {
        for text in [
            "https://app.example",
            "http://localhost:5173",
            "https://*.app.example",
        ] {
            assert!(is_pattern(text), "{text}");
        }
        for text in [
            "",
            "*",
            "null",
            "app.example",
            "https://app.example/",
            "https://APP.example",
            "https://app.example:443",
            "https://*.*.example",
            "ftp//x",
        ] {
            assert!(!is_pattern(text), "{text}");
        }
    }
}
