//! What shells, env files and templates leave around or inside values.

use super::Remedy;

/// Rejects a trimmed text with debris that no setting of the service has.
pub(super) fn reject(text: &str) -> Result<(), Remedy> {
    if is_quoted(text) {
        Err(QUOTED.into())
    } else if is_enclosed(text, "<", ">") {
        Err(ANGLED.into())
    } else if text.contains("${") || is_enclosed(text, "$(", ")") {
        Err(PLACEHOLDER.into())
    } else {
        Ok(())
    }
}

/// Whether the text is in quotation marks, typographic and escaped ones included.
pub(in super::super) fn is_quoted(text: &str) -> bool {
    QUOTATION_MARKS
        .iter()
        .any(|(open, close)| is_enclosed(text, open, close))
}

/// What is wrong with the ends of a secret, which is used exactly as it is set.
pub(crate) fn of_secret(secret: &str) -> Option<&'static str> {
    if secret.ends_with(['\n', '\r']) {
        Some("ends in a line break, which counts as a part of the secret")
    } else if secret.trim() != secret {
        Some("begins or ends with white space, which counts as a part of the secret")
    } else if is_quoted(secret) {
        Some("has quotation marks around its value, which count as a part of the secret")
    } else if secret.starts_with('\u{feff}') {
        Some("begins with a byte order mark, which counts as a part of the secret")
    } else if secret.contains("${") {
        Some("contains a placeholder such as ${NAME}, which counts as a part of the secret")
    } else {
        None
    }
}

fn is_enclosed(text: &str, open: &str, close: &str) -> bool {
    text.strip_prefix(open)
        .is_some_and(|rest| rest.ends_with(close))
}

pub(in super::super) const QUOTED: &str = "has quotation marks around its value: remove them";

const ANGLED: &str = "has angle brackets around its value: remove them";

const PLACEHOLDER: &str =
    "contains a placeholder such as ${NAME} that nothing replaced: set the value itself";

/// Opening and closing marks, as keyboards, word processors and double encoding make them.
const QUOTATION_MARKS: [(&str, &str); 14] = [
    ("\"", "\""),
    ("'", "'"),
    ("`", "`"),
    ("\\\"", "\\\""),
    ("\\'", "\\'"),
    ("\u{201c}", "\u{201d}"),
    ("\u{201d}", "\u{201d}"),
    ("\u{201e}", "\u{201c}"),
    ("\u{201e}", "\u{201d}"),
    ("\u{2018}", "\u{2019}"),
    ("\u{2019}", "\u{2019}"),
    ("\u{201a}", "\u{2018}"),
    ("\u{ab}", "\u{bb}"),
    ("\u{bb}", "\u{ab}"),
];
