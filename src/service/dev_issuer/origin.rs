//! Tells a developer's own machine from all others: origins, URLs and the names in `Host`.

use actix_web::HttpRequest;
use actix_web::http::header::{HOST, HeaderValue};
use url::Url;

use crate::issuer;

/// An absolute URL on loopback, which a browser may be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LoopbackUrl {
    /// As it was sent, since it is compared as text (RFC 9700 §4.1.3).
    text: String,
    url: Url,
}

impl LoopbackUrl {
    /// Reads an `http` or `https` URL without fragment or user information.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let plain =
            url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
        (plain && is_on_loopback(&url)).then(|| Self {
            text: text.to_owned(),
            url,
        })
    }

    pub(super) fn as_sent(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port, as a browser writes them.
    pub(super) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The URL with more parameters, already encoded, behind those that it has.
    pub(super) fn with_query(&self, more: &str) -> Url {
        let mut url = self.url.clone();
        let both = [self.url.query().unwrap_or_default(), more];
        let said: Vec<_> = both.into_iter().filter(|part| !part.is_empty()).collect();
        url.set_query((!said.is_empty()).then(|| said.join("&")).as_deref());
        url
    }
}

/// Whether an `Origin` is on loopback: `localhost` and names below it, `127.0.0.0/8`, `[::1]`.
pub(crate) fn is_loopback(origin: &HeaderValue) -> bool {
    let url = origin.to_str().ok().and_then(|text| Url::parse(text).ok());
    url.as_ref().is_some_and(is_on_loopback)
}

/// Whether a request names this machine, rather than a name of somebody else's that was made to
/// lead here (DNS rebinding).
pub(super) fn is_asked_for(request: &HttpRequest) -> bool {
    let mut hosts = request.headers().get_all(HOST);
    let host = hosts.next().and_then(|host| host.to_str().ok());
    let names_loopback = |host: &str| LoopbackUrl::parse(&format!("http://{host}")).is_some();
    let authority = request.uri().authority();
    host.is_some_and(names_loopback)
        && hosts.next().is_none()
        && authority.is_none_or(|authority| names_loopback(authority.as_str()))
}

fn is_on_loopback(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && issuer::is_loopback(url)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_origins_of_this_machine_are_on_loopback() {
        let cases = [
            ("http://localhost:5173", true),
            ("https://localhost", true),
            ("http://app.localhost:3000", true),
            ("http://127.0.0.1:8080", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:3000", true),
            ("http://localhost.example.com", false),
            ("http://notlocalhost", false),
            ("https://example.com", false),
            ("http://10.0.0.1", false),
            ("http://[2001:db8::1]", false),
            ("file://localhost", false),
            ("null", false),
            ("", false),
        ];
        for (origin, expected) in cases {
            let header = HeaderValue::from_static(origin);
            assert_eq!(is_loopback(&header), expected, "{origin}");
        }
    }

    #[test]
    fn a_browser_is_sent_to_plain_urls_on_loopback_alone() {
        let good = [
            "http://localhost:5173",
            "http://localhost:5173/callback?a=1",
            "https://127.0.0.1/",
            "http://[::1]:3000/x",
            "HTTP://LOCALHOST:1",
        ];
        for text in good {
            let url = LoopbackUrl::parse(text);
            assert_eq!(url.as_ref().map(LoopbackUrl::as_sent), Some(text));
        }
        let bad = [
            "",
            "/callback",
            "localhost:5173",
            "//localhost:5173",
            "http://localhost:5173/#fragment",
            "http://localhost:5173/#",
            "http://localhost@example.com/",
            "http://user@localhost/",
            "http://:password@localhost/",
            "http://localhost.example.com/",
            r"http://example.com\@localhost/",
            "http://0.0.0.0/",
            "http://192.168.0.1/",
            "javascript:alert(1)",
            "data:text/html,localhost",
            "app://localhost/",
        ];
        for text in bad {
            assert_eq!(LoopbackUrl::parse(text), None, "{text}");
        }
    }

    #[test]
    fn parameters_are_added_behind_those_that_are_there() {
        let cases = [
            ("http://localhost:1", "a=1", "http://localhost:1/?a=1"),
            ("http://localhost:1/x?", "a=1", "http://localhost:1/x?a=1"),
            (
                "http://localhost:1/?b=%20+",
                "a=+%3D",
                "http://localhost:1/?b=%20+&a=+%3D",
            ),
            ("http://localhost:1/?b", "", "http://localhost:1/?b"),
            ("http://localhost:1/x", "", "http://localhost:1/x"),
        ];
        for (text, more, expected) in cases {
            let url = LoopbackUrl::parse(text).unwrap();
            assert_eq!(url.with_query(more).as_str(), expected);
        }
    }

    #[test]
    fn requests_must_name_this_machine() {
        let cases = [
            (&["localhost:3011"][..], "/", true),
            (&["LOCALHOST"], "/", true),
            (&["127.0.0.1:3011"], "/", true),
            (&["[::1]:3011"], "/", true),
            (&["issuer.localhost:3011"], "/", true),
            (&["localhost"], "http://localhost/", true),
            (&["localhost"], "http://example.com/", false),
            (&["example.com:3011"], "/", false),
            (&["localhost.example.com"], "/", false),
            (&["localhost", "localhost"], "/", false),
            (&["\"localhost\""], "/", false),
            (&[""], "/", false),
            (&[], "/", false),
        ];
        for (hosts, uri, expected) in cases {
            let mut request = TestRequest::default().uri(uri);
            for host in hosts {
                request = request.append_header((HOST, *host));
            }
            assert_eq!(
                is_asked_for(&request.to_http_request()),
                expected,
                "{hosts:?} {uri}"
            );
        }
    }
}
