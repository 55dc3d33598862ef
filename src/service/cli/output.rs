//! Writes the output of commands, lines in columns or one JSON document, to standard output.

use std::io::{self, Write};

use serde::Serialize;

use crate::service::error::Error;

/// Lines whose cells stand in columns, two blanks apart; the last cell of a line is not padded.
pub(super) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let line = |row: &[String; N]| {
        let cells = (0..).zip(row);
        let padded = cells.map(|(column, cell)| format!("{cell:<0$}", width(column)));
        let line = padded.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}

/// One line, with control characters escaped.
pub(super) fn line(text: &str) -> String {
    text.escape_debug()
        .to_string()
        .replace("\\\"", "\"")
        .replace("\\'", "'")
}

/// Writes text of several lines.
///
/// # Errors
/// [`Error::Output`]; a reader that closes the pipe early is not an error.
pub(super) fn print(text: &str) -> Result<(), Error> {
    let mut output = io::stdout().lock();
    let written = output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Output(error)),
        _ => Ok(()),
    }
}

/// Writes a document for scripts.
///
/// # Errors
/// As [`print`].
pub(super) fn print_json(document: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(document).map_err(io::Error::from);
    print(&format!("{}\n", text.map_err(Error::Output)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_is_as_wide_as_its_longest_cell() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let rows = [row(["a", "bb", "c"]), row(["aaa", "b", ""])];
        assert_eq!(columns(&rows), "a    bb  c\naaa  b\n");
    }

    #[test]
    fn a_text_stays_on_its_line_and_keeps_its_quotes() {
        assert_eq!(
            line("a \"b\" 'c'\n\u{1b}[31m ä"),
            r#"a "b" 'c'\n\u{1b}[31m ä"#
        );
    }
}
