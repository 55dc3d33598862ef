//! What correlates the logs of several services: the ID of a request, and its trace ([Trace Context]).
//!
//! [Trace Context]: https://www.w3.org/TR/trace-context/

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use ipnet::IpNet;

use crate::sender::is_trusted;

/// The trace that a request belongs to, and the ID of the request: an extractor that never fails.
///
/// The trace is that of the `traceparent` of a trusted proxy ([Trace Context]), the ID its `X-Request-Id`. Without the one,
/// a trace begins here; without the other, the ID is that of the trace. What another client sends is ignored. In a
/// `Service`, the proxies of `server.trusted_proxies` are trusted, and both IDs stand on the request's line of
/// the log; elsewhere, [`TrustedProxies`] are app data.
///
/// # Examples
/// A call of another service, which belongs to the same trace:
/// ```
/// use actix_resource_server::{AuthenticatedUser, TraceContext};
///
/// async fn order(_: AuthenticatedUser, trace: TraceContext) -> String {
///     let call = reqwest::Client::new()
///         .get("https://stock.example/items/7")
///         .header("traceparent", trace.traceparent())
///         .header("x-request-id", trace.request_id());
///     match call.send().await {
///         Ok(response) => response.status().to_string(),
///         Err(_) => format!("the stock is unavailable, request {}", trace.request_id()),
///     }
/// }
/// ```
///
/// [Trace Context]: https://www.w3.org/TR/trace-context/
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// Version, trace ID, the ID of this service's part, and flags.
    traceparent: Box<str>,
    /// Where it is not the trace ID.
    request_id: Option<Box<str>>,
}

impl TraceContext {
    /// The ID of the request: at most 128 characters, letters, digits and `-_.:+/=~`.
    #[must_use]
    pub fn request_id(&self) -> &str {
        let own = self.request_id.as_deref();
        own.unwrap_or_else(|| self.trace_id())
    }

    /// The ID of the trace: 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        self.traceparent.get(TRACE_ID).unwrap_or_default()
    }

    /// The value of `traceparent` for calls to other services.
    #[must_use]
    pub fn traceparent(&self) -> &str {
        &self.traceparent
    }

    /// Of a request with these headers by this peer.
    pub(crate) fn of(headers: &HeaderMap, peer: Option<IpAddr>, trusted: &[IpNet]) -> Self {
        if trusted.is_empty() || !is_trusted(trusted, peer) {
            return Self::begin(None);
        }
        let request_id = only(headers, &X_REQUEST_ID).filter(|id| is_request_id(id));
        let request_id = request_id.map(Box::from);
        match only(headers, &TRACEPARENT).and_then(parent) {
            Some(parent) => Self {
                traceparent: format!("00-{}-{:016x}-{}", parent.trace_id, random(), parent.flags)
                    .into(),
                request_id,
            },
            None => Self::begin(request_id),
        }
    }

    fn begin(request_id: Option<Box<str>>) -> Self {
        let [high, low, span] = [random(), random(), random()];
        Self {
            traceparent: format!("00-{high:016x}{low:016x}-{span:016x}-00").into(),
            request_id,
        }
    }
}

/// App data: the proxies whose `traceparent` and `X-Request-Id` a [`TraceContext`] takes.
///
/// They must remove or replace what their clients send, as nginx does with `proxy_set_header X-Request-Id $request_id`.
///
/// # Examples
/// ```
/// use actix_resource_server::TrustedProxies;
/// use actix_web::App;
///
/// let proxies = TrustedProxies::new(["10.0.0.0/8".parse()?]);
/// let app = App::new().app_data(proxies);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    /// The proxies in these networks.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().collect())
    }
}

impl std::ops::Deref for TrustedProxies {
    type Target = [IpNet];

    fn deref(&self) -> &[IpNet] {
        &self.0
    }
}

impl FromRequest for TraceContext {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let known = request.extensions().get::<Self>().cloned();
        ready(Ok(known.unwrap_or_else(|| {
            let trusted = request.app_data::<TrustedProxies>();
            let trusted = trusted.map(|proxies| &**proxies).unwrap_or_default();
            let peer = request.peer_addr().map(|peer| peer.ip());
            let made = Self::of(request.headers(), peer, trusted);
            request.extensions_mut().insert(made.clone());
            made
        })))
    }
}

/// The trace of a caller, and whether it is recorded.
struct Parent<'h> {
    trace_id: &'h str,
    flags: &'h str,
}

/// Parses a `traceparent`: `00-<trace>-<span>-<flags>`; later versions may have further parts, `ff` is none.
fn parent(header: &str) -> Option<Parent<'_>> {
    let (parent, rest) = header.split_at_checked(TRACEPARENT_LENGTH)?;
    let mut parts = parent.split('-');
    let [version, trace_id, span, flags] =
        [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let is_whole = match version {
        "00" => rest.is_empty(),
        _ => version != "ff" && (rest.is_empty() || rest.starts_with('-')),
    };
    let has_form = [version, trace_id, span, flags].map(str::len) == [2, 32, 16, 2]
        && [version, trace_id, span, flags].into_iter().all(is_hex)
        && [trace_id, span]
            .into_iter()
            .all(|id| id.bytes().any(|digit| digit != b'0'));
    (is_whole && has_form && parts.next().is_none()).then_some(Parent { trace_id, flags })
}

fn is_hex(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_request_id(id: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:+/=~".contains(&byte);
    (1..=LONGEST_REQUEST_ID).contains(&id.len()) && id.bytes().all(is_allowed)
}

/// The value of a header that stands in a request once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name);
    let value = values.next().filter(|_| values.next().is_none())?;
    value.to_str().ok()
}

/// A number that cannot be predicted without the key of this thread; never 0.
fn random() -> u64 {
    KEY.with(|key| {
        let next = NEXT.get();
        NEXT.set(next.wrapping_add(1));
        key.hash_one(next).max(1)
    })
}

thread_local! {
    /// The standard library makes its keys from random numbers of the system.
    static KEY: RandomState = RandomState::new();
    static NEXT: Cell<u64> = const { Cell::new(0) };
}

/// Names the request, in both directions.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

const TRACEPARENT_LENGTH: usize = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01".len();

/// Where the trace ID stands in a `traceparent`.
const TRACE_ID: std::ops::Range<usize> = 3..35;

const LONGEST_REQUEST_ID: usize = 128;

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn traceparent() -> String {
        format!("00-{TRACE}-00f067aa0ba902b7-01")
    }

    /// The context of a request by a trusted proxy.
    fn of(headers: &[(&str, &str)]) -> TraceContext {
        let request = headers
            .iter()
            .fold(TestRequest::default(), |request, header| {
                request.append_header(*header)
            });
        let request = request.to_http_request();
        let proxy = "10.0.0.1".parse().ok();
        TraceContext::of(request.headers(), proxy, &["10.0.0.0/8".parse().unwrap()])
    }

    #[test]
    fn a_trace_is_continued_with_an_id_of_its_own() {
        let continued = of(&[("traceparent", &traceparent())]);
        assert_eq!(continued.trace_id(), TRACE);
        assert_eq!(continued.request_id(), TRACE);
        let parsed = parent(continued.traceparent()).unwrap();
        assert_eq!((parsed.trace_id, parsed.flags), (TRACE, "01"));
        assert_ne!(continued.traceparent(), traceparent());
        let again = of(&[("traceparent", &traceparent())]);
        assert_ne!(continued.traceparent(), again.traceparent());
    }

    #[test]
    fn later_versions_may_have_further_parts() {
        let later = traceparent().replacen("00", "cc", 1);
        for header in [later.clone(), format!("{later}-what")] {
            assert_eq!(
                of(&[("traceparent", &header)]).trace_id(),
                TRACE,
                "{header}"
            );
        }
    }

    #[test]
    fn a_malformed_traceparent_begins_a_new_trace() {
        let good = traceparent();
        let zero = |part: &str| good.replace(part, &"0".repeat(part.len()));
        for header in [
            String::new(),
            good.to_uppercase(),
            format!("{good}-"),
            format!("{good}0"),
            good.replacen("00", "ff", 1),
            good.replacen("00", "cc", 1) + "0",
            zero(TRACE),
            zero("00f067aa0ba902b7"),
            good.replace('f', "g"),
            good.replace('-', "_"),
            format!("00-{TRACE}-00f067aa-ba902b7-01"),
        ] {
            let made = of(&[("traceparent", &header)]);
            assert!(parent(made.traceparent()).is_some(), "{header}");
            assert_ne!(made.trace_id(), TRACE, "{header}");
        }
        let twice = of(&[("traceparent", &good), ("traceparent", &good)]);
        assert_ne!(twice.trace_id(), TRACE);
    }

    #[test]
    fn only_a_request_id_of_a_few_harmless_characters_is_used() {
        let longest = "a".repeat(128);
        for id in ["7", "req-1.2:3+/=~_", &longest] {
            let used = of(&[("x-request-id", id)]);
            assert_eq!(used.request_id(), id);
            assert_ne!(used.trace_id(), id);
        }
        let too_long = "a".repeat(129);
        for id in ["", "a b", "a\"", "a\\", "a\t", "{}", "a,b", &too_long] {
            let made = of(&[("x-request-id", id)]);
            assert_eq!(made.request_id(), made.trace_id(), "{id}");
        }
        let twice = of(&[("x-request-id", "a"), ("x-request-id", "b")]);
        assert_eq!(twice.request_id(), twice.trace_id());
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let request = TestRequest::default()
            .insert_header(("traceparent", traceparent()))
            .insert_header(("x-request-id", "mine"))
            .to_http_request();
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        for (peer, trusted) in [
            ("10.0.0.1".parse().ok(), &[][..]),
            ("11.0.0.1".parse().ok(), &trusted[..]),
            (None, &trusted[..]),
        ] {
            let made = TraceContext::of(request.headers(), peer, trusted);
            assert_eq!(made.request_id(), made.trace_id());
            assert_ne!(made.trace_id(), TRACE);
        }
    }

    #[actix_web::test]
    async fn all_arguments_of_a_handler_get_the_same() {
        let request = TestRequest::default()
            .peer_addr("10.0.0.1:9".parse().unwrap())
            .app_data(TrustedProxies::new(["10.0.0.0/8".parse().unwrap()]))
            .insert_header(("traceparent", traceparent()))
            .to_http_request();
        let first = TraceContext::extract(&request).await.unwrap();
        let second = TraceContext::extract(&request).await.unwrap();
        assert_eq!(first.trace_id(), TRACE);
        assert_eq!(first, second);
    }
}
