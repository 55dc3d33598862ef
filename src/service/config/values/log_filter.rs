//! `log.level`: which lines are logged, in the syntax of `RUST_LOG`.
//!
//! What that syntax accepts silently is rejected here: a bare word that looks like a misspelt level would be the name of a
//! module, and turn off the lines of all others.

use std::fmt::{self, Display};

use env_filter::{Builder, Filter};
use log::{LevelFilter, Metadata, Record};
use strsim::osa_distance;

use super::text::Kind;

/// Levels of all lines, or of those whose target begins with a name: `info,actix_http=off`.
#[derive(Clone, Debug)]
pub(crate) struct LogFilter {
    text: String,
    filter: Filter,
}

impl LogFilter {
    /// `None` if the text is no filter.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let levels = text.split('/').next().unwrap_or_default();
        let mut directives = levels.split(',').map(str::trim);
        if text.is_empty() || !directives.all(is_meant) {
            return None;
        }
        let filter = Builder::new().try_parse(text).ok()?.build();
        Some(Self {
            text: text.to_owned(),
            filter,
        })
    }

    pub(crate) fn is_enabled(&self, line: &Metadata<'_>) -> bool {
        self.filter.enabled(line)
    }

    pub(crate) fn accepts(&self, line: &Record<'_>) -> bool {
        self.filter.matches(line)
    }

    /// The highest level that it accepts for any line.
    pub(crate) fn highest(&self) -> LevelFilter {
        self.filter.filter()
    }
}

/// Whether the name of a module, with a level or without, can be meant.
fn is_meant(directive: &str) -> bool {
    let (name, is_bare) = match directive.split_once('=') {
        Some((name, _)) => (name, false),
        None => (directive, directive.parse::<LevelFilter>().is_err()),
    };
    let is_name = name.bytes().all(|byte| byte.is_ascii_graphic());
    is_name && !(is_bare && looks_like_a_level(&name.to_ascii_lowercase()))
}

fn looks_like_a_level(word: &str) -> bool {
    let is_near = |level: &&str| osa_distance(word, level) <= 1;
    let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    is_number || LEVELS.iter().any(is_near) || OTHER_LEVELS.contains(&word)
}

impl Default for LogFilter {
    fn default() -> Self {
        Self {
            text: DEFAULT.to_owned(),
            filter: Builder::new().parse(DEFAULT).build(),
        }
    }
}

impl Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Kind for LogFilter {
    type Parsed = Self;

    const REMEDY: &'static str = "must be a level (off, error, warn, info, debug, trace), or levels by module such as info,actix_http=off";

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

/// actix-http logs each malformed request as an error, so it is off.
const DEFAULT: &str = "info,actix_http=off,actix_server=warn";

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What other programs call levels.
const OTHER_LEVELS: [&str; 8] = [
    "all", "critical", "fatal", "none", "notice", "silent", "verbose", "warning",
];

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    fn level_of(filter: &str, target: &str) -> Option<LevelFilter> {
        let filter = LogFilter::parse(filter)?;
        let line = |level: &Level| Metadata::builder().level(*level).target(target).build();
        let highest = Level::iter().filter(|level| filter.is_enabled(&line(level)));
        Some(
            highest
                .max()
                .map_or(LevelFilter::Off, |level| level.to_level_filter()),
        )
    }

    #[test]
    fn levels_are_those_of_rust_log() {
        for (filter, level) in [
            ("info", LevelFilter::Info),
            ("TRACE", LevelFilter::Trace),
            ("off", LevelFilter::Off),
            ("info,actix_http=off", LevelFilter::Off),
            ("warn, actix_http::h1=debug", LevelFilter::Warn),
            ("actix_http", LevelFilter::Trace),
            ("error,", LevelFilter::Error),
            (DEFAULT, LevelFilter::Off),
        ] {
            assert_eq!(level_of(filter, "actix_http"), Some(level), "{filter}");
        }
    }

    #[test]
    fn a_filter_that_would_not_do_what_it_says_is_rejected() {
        let typos = [
            "inof",
            "wran",
            "warning",
            "Debug2",
            "verbose",
            "3",
            "info,debg",
        ];
        let malformed = ["", "info,a=loud", "a=b=c", "info,actix_http = off", "a/b/c"];
        for filter in typos.into_iter().chain(malformed) {
            assert!(LogFilter::parse(filter).is_none(), "{filter}");
        }
    }

    #[test]
    fn the_default_is_shown_as_it_is_parsed() {
        let parsed = LogFilter::parse(DEFAULT).map(|filter| filter.to_string());
        assert_eq!(parsed, Some(LogFilter::default().to_string()));
    }
}
