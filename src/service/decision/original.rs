//! The request that a proxy asks about: its method and its URL.
//!
//! Where they are is a setting, and nothing else is read: a client may send any other header itself.

use actix_http::RequestHead;
use actix_web::HttpResponse;
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::http::{Method, Uri};
use url::form_urlencoded;

use super::spelling;
use crate::rejection::{Cause, Rejection, problem};
use crate::service::config::DecisionSource;

/// The method and the target of the request that is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Original {
    pub(super) method: Method,
    pub(super) uri: Uri,
}

/// Why there is no decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("its sender is not in server.trusted_proxies")]
    Untrusted,
    #[error("the headers with the method and the URL are not there exactly once")]
    Unnamed,
    #[error("its method is none")]
    Method,
    #[error("its URL can be read in several ways")]
    Spelling,
    #[error("its path can be read as that of routes with different access")]
    Ambiguous,
    #[error("a header replaces its method or its path")]
    Overridden,
}

impl From<Unusable> for HttpResponse {
    fn from(unusable: Unusable) -> Self {
        // It may reach the client.
        let detail = match unusable {
            Unusable::Untrusted => return problem::forbidden(UNTRUSTED),
            Unusable::Unnamed => "The proxy must name one method and one URL.",
            Unusable::Method => "The method of the request is malformed.",
            Unusable::Spelling | Unusable::Ambiguous => {
                "The URL of the request can be read in several ways."
            }
            Unusable::Overridden => "The request replaces its method or its path in a header.",
        };
        Self::from_error(Rejection::from(Cause::InvalidRequest(detail)))
    }
}

impl Original {
    /// Reads it from the head of a request for a decision, which was sent to `path`.
    pub(super) fn of(
        head: &RequestHead,
        source: DecisionSource,
        path: &str,
    ) -> Result<Self, Unusable> {
        if head.headers.keys().any(is_override) {
            return Err(Unusable::Overridden);
        }
        let (method, target) = match source {
            DecisionSource::Forwarded => named(&head.headers, &FORWARDED)?,
            DecisionSource::Original => named(&head.headers, &ORIGINAL)?,
            DecisionSource::Request => {
                let target = head.uri.path_and_query().map(|target| target.as_str());
                let target = target.and_then(|target| target.strip_prefix(path));
                (head.method.clone(), target.ok_or(Unusable::Spelling)?)
            }
        };
        spelling::check(target).map_err(|_| Unusable::Spelling)?;
        let uri = Uri::try_from(target).map_err(|_| Unusable::Spelling)?;
        if names_method(uri.query().unwrap_or_default()) {
            return Err(Unusable::Overridden);
        }
        Ok(Self { method, uri })
    }
}

/// Method and URL as two headers name them.
fn named<'r>(
    headers: &'r HeaderMap,
    [method, uri]: &[HeaderName; 2],
) -> Result<(Method, &'r str), Unusable> {
    let method = single(headers, method)?;
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| Unusable::Method)?;
    let uri = single(headers, uri)?;
    // Proxies that append to a header join the values so.
    if uri.contains(",/") {
        return Err(Unusable::Unnamed);
    }
    Ok((method, uri))
}

/// The only value of the header.
fn single<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Result<&'r str, Unusable> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| Unusable::Unnamed),
        _ => Err(Unusable::Unnamed),
    }
}

const UNTRUSTED: &str = "Decisions are made for trusted proxies alone.";

const FORWARDED: [HeaderName; 2] = [
    HeaderName::from_static("x-forwarded-method"),
    HeaderName::from_static("x-forwarded-uri"),
];

const ORIGINAL: [HeaderName; 2] = [
    HeaderName::from_static("x-original-method"),
    HeaderName::from_static("x-original-uri"),
];

/// Whether some frameworks let a client replace the method or the path of its request by a header of this name. Some
/// servers read other characters as hyphens.
fn is_override(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with('x') && {
        let name = name.replace(|char: char| !char.is_ascii_alphanumeric(), "-");
        OVERRIDES.contains(&name.as_str())
    }
}

/// Whether a parameter of the query is one by which some frameworks let a client replace the method.
fn names_method(query: &str) -> bool {
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    parameters.any(|(name, _)| name.eq_ignore_ascii_case("_method"))
}

const OVERRIDES: [&str; 5] = [
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
];

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    type Headers<'a> = &'a [(&'a str, &'a str)];

    fn read(source: DecisionSource, uri: &str, headers: Headers<'_>) -> Result<String, Unusable> {
        let request = TestRequest::with_uri(uri).method(Method::PUT);
        let request = headers
            .iter()
            .fold(request, |request, header| request.append_header(*header));
        let request = request.to_request();
        let original = Original::of(request.head(), source, "/decision")?;
        Ok(format!("{} {}", original.method, original.uri))
    }

    #[test]
    fn method_and_url_come_from_the_configured_place_alone() {
        let all: Headers<'_> = &[
            ("X-Forwarded-Method", "POST"),
            ("X-Forwarded-Uri", "/forwarded?a=b"),
            ("X-Original-Method", "DELETE"),
            ("X-Original-URI", "/original"),
        ];
        let read = |source| read(source, "/decision/own?c", all);
        assert_eq!(
            read(DecisionSource::Forwarded),
            Ok("POST /forwarded?a=b".to_owned())
        );
        assert_eq!(
            read(DecisionSource::Original),
            Ok("DELETE /original".to_owned())
        );
        assert_eq!(read(DecisionSource::Request), Ok("PUT /own?c".to_owned()));
    }

    #[test]
    fn each_header_is_there_exactly_once() {
        let method = ("X-Forwarded-Method", "GET");
        let uri = ("X-Forwarded-Uri", "/a");
        let other: Headers<'_> = &[("X-Original-Method", "GET"), ("X-Original-URI", "/a")];
        for headers in [
            &[][..],
            other,
            &[method],
            &[uri],
            &[method, uri, uri],
            &[method, method, uri],
            &[method, ("X-Forwarded-Uri", "/a,/b")],
            &[method, ("X-Forwarded-Uri", "/a\u{e4}")],
        ] {
            let read = read(DecisionSource::Forwarded, "/decision", headers);
            assert_eq!(read, Err(Unusable::Unnamed), "{headers:?}");
        }
        for (name, uri) in [("GET, POST", "/a"), ("", "/a"), ("G T", "/a")] {
            let headers = [("X-Forwarded-Method", name), ("X-Forwarded-Uri", uri)];
            let read = read(DecisionSource::Forwarded, "/decision", &headers);
            assert_eq!(read, Err(Unusable::Method), "{name}");
        }
    }

    #[test]
    fn a_url_of_several_meanings_is_rejected() {
        for uri in ["", "a", "http://api.example/a", "*", "/a/../b", "/a#b"] {
            let headers = [("X-Original-Method", "GET"), ("X-Original-URI", uri)];
            let read = read(DecisionSource::Original, "/decision", &headers);
            assert_eq!(read, Err(Unusable::Spelling), "{uri}");
        }
        assert_eq!(
            read(DecisionSource::Request, "/decision//a", &[]),
            Err(Unusable::Spelling)
        );
    }

    #[test]
    fn a_header_that_replaces_the_method_or_the_path_is_rejected() {
        let spelled = |separator: &str| OVERRIDES.map(|name| name.replace('-', separator));
        for name in ["-", "_", "."].into_iter().flat_map(spelled) {
            let headers = [(name.as_str(), "x")];
            let read = read(DecisionSource::Request, "/decision/a", &headers);
            assert_eq!(read, Err(Unusable::Overridden), "{name}");
        }
    }
}
