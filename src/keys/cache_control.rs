//! How long a document may be kept, by what its server says ([RFC 9111 §4.2.1]).
//!
//! [RFC 9111 §4.2.1]: https://www.rfc-editor.org/rfc/rfc9111#section-4.2.1

use std::time::Duration;

/// The headers of an answer that tell its lifetime, as they came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Said<'a> {
    pub(crate) age: Option<&'a str>,
    pub(crate) cache_control: Option<&'a str>,
    pub(crate) date: Option<&'a str>,
    pub(crate) expires: Option<&'a str>,
}

/// The time for which the answer is fresh; `None` when nothing usable is said.
pub(crate) fn lifetime(said: Said<'_>) -> Option<Duration> {
    let directed = said.cache_control.and_then(directive);
    let from_start = directed.or_else(|| until_expiry(said))?;
    let age = said.age.and_then(seconds).unwrap_or_default();
    Some(from_start.saturating_sub(age))
}

/// `max-age`, or nothing at all where the answer must not be reused unasked.
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

/// `Expires`, counted from the server's own `Date` so that clocks need not agree; a past or invalid one is zero.
fn until_expiry(said: Said<'_>) -> Option<Duration> {
    let expires = httpdate::parse_http_date(said.expires?);
    let date = said
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
            let said = Said {
                age,
                cache_control,
                date,
                expires,
            };
            assert_eq!(
                lifetime(said),
                expected.map(Duration::from_secs),
                "{said:?}"
            );
        }
    }
}
