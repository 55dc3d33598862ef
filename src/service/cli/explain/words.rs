//! Puts what a token says into words, each on one line and none too long.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::service::cli::layout::line;

/// A text from the token, in quotation marks.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("\"{}\"", line(&shown))
}

/// Several texts, in quotation marks.
pub(super) fn listed<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = texts.into_iter().map(quoted).collect();
    match quoted.is_empty() {
        true => "nothing".to_owned(),
        false => quoted.join(", "),
    }
}

/// A length of time in whole seconds, such as `1h 2m 3s`.
pub(super) fn span(length: Duration) -> String {
    let seconds = i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
    format!("{:#}", SignedDuration::from_secs(seconds))
}

/// A moment since 1970, and how far it is from `now`.
pub(super) fn moment(at: Duration, now: Duration) -> String {
    let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    let date =
        Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string());
    match at.checked_sub(now) {
        Some(ahead) => format!("{date} (in {})", span(ahead)),
        None => format!("{date} ({} ago)", span(now.saturating_sub(at))),
    }
}

/// Room for any URL that names an issuer or an API.
const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_a_token_can_do_no_harm() {
        assert_eq!(quoted("a\u{1b}[2J\n"), r#""a\u{1b}[2J\n""#);
        assert_eq!(
            quoted(&"ä".repeat(201)),
            format!("\"{}…\"", "ä".repeat(200))
        );
        assert_eq!(listed(["a", "b"]), r#""a", "b""#);
        assert_eq!(listed([]), "nothing");
    }

    #[test]
    fn times_are_said_as_dates_and_distances() {
        let seconds = Duration::from_secs;
        assert_eq!(span(seconds(3723)), "1h 2m 3s");
        assert_eq!(
            moment(seconds(60), seconds(0)),
            "1970-01-01T00:01:00Z (in 1m)"
        );
        assert_eq!(
            moment(seconds(0), seconds(5)),
            "1970-01-01T00:00:00Z (5s ago)"
        );
        assert_eq!(
            moment(seconds(7), seconds(7)),
            "1970-01-01T00:00:07Z (in 0s)"
        );
    }
}
