//! Logging: text or JSON lines, at the levels that `RUST_LOG` asks for.

use std::io::{self, Write};

use env_logger::fmt::Formatter;
use env_logger::{Builder, Env};
use log::kv::{self, Key, Value, VisitSource};
use log::{Level, Record};
use serde_json::{Map, json};

use super::config::{Log, LogFormat};

/// Starts the logger; `RUST_LOG` works as everywhere, `info` being the default.
///
/// Lines of `crates`, whose routes are served, may be as detailed as our own.
pub(crate) fn start(settings: &Log, crates: &[&'static str]) {
    let crates = [crates, &[OURSELVES]].concat();
    let mut builder = Builder::from_env(Env::default().default_filter_or(DEFAULT_FILTER));
    let write: fn(&mut Formatter, &Record<'_>) -> io::Result<()> = match settings.format {
        LogFormat::Json => json_line,
        LogFormat::Text => text_line,
    };
    builder.format(move |buffer, record| {
        if record.level() <= Level::Info || is_of(&crates, record.target()) {
            write(buffer, record)
        } else {
            Ok(())
        }
    });
    builder.init();
    if settings.format == LogFormat::Json {
        // The default hook writes lines that are no JSON.
        std::panic::set_hook(Box::new(|panic| log::error!("{panic}")));
    }
}

/// Whether a line is of one of `crates`.
///
/// At their finest, libraries print the headers of requests, tokens among them, so other lines are written up to `info`,
/// whatever filter asks for more.
fn is_of(crates: &[&str], target: &str) -> bool {
    let name = target.split("::").next();
    name.is_some_and(|name| crates.contains(&name))
}

fn text_line(buffer: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let style = buffer.default_level_style(record.level());
    let time = buffer.timestamp_seconds();
    writeln!(
        buffer,
        "[{time} {style}{:<5}{style:#}] {}",
        record.level(),
        record.args()
    )
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
    fields
        .0
        .insert("message".to_owned(), json!(record.args().to_string()));
    // A field that cannot be read is left out of the line.
    drop(record.key_values().visit(&mut fields));
    writeln!(buffer, "{}", serde_json::Value::Object(fields.0))
}

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

/// actix-http logs each malformed request as an error, so it is off.
const DEFAULT_FILTER: &str = "info,actix_http=off,actix_server=warn";

/// The name of this crate, as the targets of its lines begin.
const OURSELVES: &str = "actix_resource_server";
