//! Reads `[log]`: what log lines look like.

use super::error::SettingsError;
use super::section::Section;

/// `[log]`: what log lines look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// One object a line, for machines.
    Json,
    /// For people.
    Text,
}

impl Log {
    pub(super) fn read(log: &mut Section) -> Result<Self, SettingsError> {
        let format = log.take("format").map(|said| match said.text() {
            Ok("json") => Ok(LogFormat::Json),
            Ok("text") => Ok(LogFormat::Text),
            _ => Err(said.place().refuse("must be text or json")),
        });
        Ok(Self {
            format: format.transpose()?.unwrap_or(LogFormat::Text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::read_section as read;
    use super::*;

    #[test]
    fn a_log_is_text_unless_json_is_said() {
        assert_eq!(
            read("", Log::read),
            Ok(Log {
                format: LogFormat::Text
            })
        );
        assert_eq!(
            read("format = 'json'", Log::read),
            Ok(Log {
                format: LogFormat::Json
            })
        );
    }

    #[test]
    fn a_log_is_text_or_json() {
        for format in ["'xml'", "'JSON'", "1"] {
            let message = "x.format (file f): must be text or json".to_owned();
            let said = format!("format = {format}");
            assert_eq!(read(&said, Log::read), Err(message), "{said}");
        }
    }
}
