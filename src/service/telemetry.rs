//! Logging: text or JSON lines, at the levels of `log.level`, which can change while the program runs.

use std::io::{self, Write};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use env_logger::fmt::Formatter;
use env_logger::{Builder, Logger};
use log::kv::{self, Key, Value, VisitSource};
use log::{Level, LevelFilter, Log, Metadata, Record};
use serde_json::{Map, json};

use super::audit;
use super::config::{self, LogFilter, LogFormat};
use super::request_log;

/// Starts the logger, unless the program has one of its own already.
///
/// Lines of `crates`, whose routes are served, may be as detailed as our own.
pub(crate) fn start(settings: &config::Log, crates: &[&'static str]) {
    let write: fn(&mut Formatter, &Record<'_>) -> io::Result<()> = match settings.format {
        LogFormat::Json => json_line,
        LogFormat::Text => text_line,
    };
    let mut lines = Builder::new();
    lines.filter_level(LevelFilter::Trace).format(write);
    if let Ok(style) = std::env::var("RUST_LOG_STYLE") {
        lines.parse_write_style(&style);
    }
    let logger = Leveled {
        crates: [crates, &[OURSELVES]].concat(),
        lines: lines.build(),
    };
    if log::set_boxed_logger(Box::new(logger)).is_err() {
        request_log::level_changed();
        return;
    }
    IS_OURS.store(true, Ordering::Relaxed);
    set_level(&settings.level);
    if settings.format == LogFormat::Json {
        // The default hook writes lines that are no JSON.
        std::panic::set_hook(Box::new(|panic| log::error!("{panic}")));
    }
}

/// Changes which lines are logged, from now on and in all threads; returns `false` for a logger of the program's own, which
/// stays as it is.
pub(crate) fn change_level(level: &LogFilter) -> bool {
    let is_ours = IS_OURS.load(Ordering::Relaxed);
    if is_ours {
        set_level(level);
    }
    is_ours
}

fn set_level(level: &LogFilter) {
    FILTER.store(level.clone().into());
    log::set_max_level(level.highest());
    request_log::level_changed();
}

/// Whether the logger is the one that is started here.
static IS_OURS: AtomicBool = AtomicBool::new(false);

static FILTER: LazyLock<ArcSwap<LogFilter>> = LazyLock::new(ArcSwap::default);

/// Writes the lines that the current filter accepts.
struct Leveled {
    crates: Vec<&'static str>,
    lines: Logger,
}

impl Leveled {
    /// Whether a line may be written whatever the filter asks for.
    ///
    /// At their finest, libraries print the headers of requests, tokens among them, so that lines below `info` are only
    /// written of `crates`.
    fn may_write(&self, line: &Metadata<'_>) -> bool {
        let name = line.target().split("::").next();
        line.level() <= Level::Info || name.is_some_and(|name| self.crates.contains(&name))
    }
}

impl Log for Leveled {
    fn enabled(&self, line: &Metadata<'_>) -> bool {
        audit::is_line(line) || (self.may_write(line) && FILTER.load().is_enabled(line))
    }

    fn log(&self, line: &Record<'_>) {
        let metadata = line.metadata();
        if audit::is_line(metadata) || (self.may_write(metadata) && FILTER.load().accepts(line)) {
            self.lines.log(line);
        }
    }

    fn flush(&self) {
        self.lines.flush();
    }
}

fn text_line(buffer: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let style = buffer.default_level_style(record.level());
    let time = buffer.timestamp_seconds();
    write!(
        buffer,
        "[{time} {style}{:<5}{style:#}] {}",
        record.level(),
        record.args()
    )?;
    // A field that cannot be read is left out of the line.
    drop(
        record
            .key_values()
            .visit(&mut TextFields { buffer, last: None }),
    );
    writeln!(buffer)
}

/// Writes the fields that the text of a line lacks.
struct TextFields<'b, 'kvs> {
    buffer: &'b mut Formatter,
    last: Option<&'kvs str>,
}

impl<'kvs> VisitSource<'kvs> for TextFields<'_, 'kvs> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let text = value.to_borrowed_str();
        // The request ID is often the trace ID, too.
        let is_repeated = text.is_some() && text == self.last;
        if !is_repeated && !request_log::IN_TEXT.contains(&key.as_str()) {
            write!(self.buffer, " {key}=")?;
            match text {
                Some(text) => write_word(self.buffer, text)?,
                None => write!(self.buffer, "{value}")?,
            }
        }
        self.last = text;
        Ok(())
    }
}

/// Writes a text without what could end the word or the line.
fn write_word(buffer: &mut Formatter, text: &str) -> io::Result<()> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return buffer.write_all(text.as_bytes());
    }
    let visible = |character: char| {
        if character.is_ascii_graphic() {
            character
        } else {
            '?'
        }
    };
    let text: String = text.chars().map(visible).collect();
    buffer.write_all(text.as_bytes())
}

fn json_line(buffer: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let mut fields = Fields(Map::new());
    fields.0.insert(
        "time".to_owned(),
        json!(buffer.timestamp_millis().to_string()),
    );
    fields
        .0
        .insert("level".to_owned(), json!(record.level().as_str()));
    let message = record.args().to_string();
    let members = audit::is_line(record.metadata())
        .then(|| serde_json::from_str(&message).ok())
        .flatten();
    match members {
        Some(Fields(members)) => fields.0.extend(members),
        None => drop(fields.0.insert("message".to_owned(), json!(message))),
    }
    // A field that cannot be read is left out of the line.
    drop(record.key_values().visit(&mut fields));
    writeln!(buffer, "{}", serde_json::Value::Object(fields.0))
}

#[derive(serde::Deserialize)]
struct Fields(Map<String, serde_json::Value>);

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let value = match (value.to_u64(), value.to_f64()) {
            (Some(number), _) => json!(number),
            (None, Some(number)) => json!(number),
            (None, None) => json!(value.to_string()),
        };
        self.0.insert(key.as_str().to_owned(), value);
        Ok(())
    }
}

/// The name of this crate, as the targets of its lines begin.
const OURSELVES: &str = "actix_resource_server";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_changes_while_the_program_runs() {
        let logger = Leveled {
            crates: vec!["todos", OURSELVES],
            lines: Builder::new().build(),
        };
        let is_enabled = |level, target| {
            let line = Metadata::builder().level(level).target(target).build();
            logger.enabled(&line)
        };
        for (filter, own, foreign) in [
            ("warn", [true, false, false], [true, false, false]),
            ("trace", [true, true, true], [true, true, false]),
            (
                "info,actix_http=off",
                [true, true, false],
                [false, false, false],
            ),
        ] {
            let filter = LogFilter::parse(filter).unwrap();
            set_level(&filter);
            assert_eq!(log::max_level(), filter.highest(), "{filter}");
            let levels = [Level::Warn, Level::Info, Level::Debug];
            let target = "todos::lists";
            assert_eq!(
                levels.map(|level| is_enabled(level, target)),
                own,
                "{filter}"
            );
            let target = "actix_http::h1";
            assert_eq!(
                levels.map(|level| is_enabled(level, target)),
                foreign,
                "{filter}"
            );
        }
    }
}
