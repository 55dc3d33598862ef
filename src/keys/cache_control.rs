//! The freshness lifetime of an HTTP response ([RFC 9111 §4.2.1]).
//!
//! [RFC 9111 §4.2.1]: https://www.rfc-editor.org/rfc/rfc9111#section-4.2.1

use std::time::Duration;

/// The header values of a response that determine its lifetime, unparsed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CacheHeaders<'a> {
    pub(crate) age: Option<&'a str>,
    pub(crate) cache_control: Option<&'a str>,
    pub(crate) date: Option<&'a str>,
    pub(crate) expires: Option<&'a str>,
}

/// The time for which the response is fresh; `None` if no header determines it.
pub(crate) fn lifetime(headers: CacheHeaders<'_>) -> Option<Duration> {
    let directed = headers.cache_control.and_then(directive);
    let from_start = directed.or_else(|| until_expiry(headers))?;
    let age = headers.age.and_then(seconds).unwrap_or_default();
    Some(from_start.saturating_sub(age))
}

/// `max-age`, or zero if the response must not be reused without revalidation.
fn directive(cache_control: &str) -> Option<Duration> {
    let mut max_age = None;
    for directive in cache_control.split(',').map(str::trim) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return Some(Duration::ZERO);
        }
        if name.eq_ignore_ascii_case("max-age") && max_age.is_none() {
            max_age = seconds(value.trim_matches('"'));
        }
    }
    max_age
}

fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_secs)
}

/// The time from `Date` to `Expires`, so that the server's clock and ours need not agree; zero if `Expires` has
/// passed or is invalid.
fn until_expiry(headers: CacheHeaders<'_>) -> Option<Duration> {
    let expires = httpdate::parse_http_date(headers.expires?);
    let date = headers
        .date
        .and_then(|date| httpdate::parse_http_date(date).ok())?;
    Some(expires.map_or(Duration::ZERO, |expires| {
        expires.duration_since(date).unwrap_or_default()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_control_is_read_before_expires() {
        let date = Some("Mon, 23 Nov 2026 10:00:00 GMT");
        let later = Some("Mon, 23 Nov 2026 10:01:00 GMT");
        for (cache_control, expires, age, expected) in [
            (None, None, None, None),
            (
                Some("max-age=15, stale-while-revalidate=15"),
                later,
                None,
                Some(15),
            ),
            (Some("public, MAX-AGE=3600"), None, Some("600"), Some(3000)),
            (Some("max-age=\"20\""), None, None, Some(20)),
            (Some("max-age=20"), None, Some("99"), Some(0)),
            (Some("no-store, max-age=20"), None, None, Some(0)),
            (Some("max-age=20, no-cache"), None, None, Some(0)),
            (Some("max-age=-1"), None, None, None),
            (Some("max-age=99999999999999999999999"), None, None, None),
            (Some("private"), later, None, Some(60)),
            (None, later, None, Some(60)),
            (None, date, None, Some(0)),
            (None, Some("0"), None, Some(0)),
        ] {
            let headers = CacheHeaders {
                age,
                cache_control,
                date,
                expires,
            };
            assert_eq!(
                lifetime(headers),
                expected.map(Duration::from_secs),
                "{headers:?}"
            );
        }
    }
}
