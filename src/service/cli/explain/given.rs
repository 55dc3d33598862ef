//! Takes the token out of what was pasted around it.

/// The token as it was given, without what a clipboard adds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Given {
    /// One word if all is well; several are separated by one blank.
    pub(super) token: String,
    /// What was left out.
    pub(super) notes: Vec<&'static str>,
}

impl Given {
    pub(super) fn read(text: &str) -> Self {
        let mut notes = Vec::new();
        let line = text.strip_suffix('\n').unwrap_or(text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let mut rest = line.trim();
        if rest.len() < line.len() {
            notes.push("Blanks or line breaks around the token were left out.");
        }
        if let Some(value) = without_prefix(rest, "Authorization:") {
            rest = value;
            notes.push("The header's name before the token was left out.");
        }
        let scheme = without_prefix(rest, "Bearer");
        if let Some(value) = scheme.filter(|value| value.len() + "Bearer".len() < rest.len()) {
            rest = value;
            notes.push("The word Bearer before the token was left out.");
        }
        let words: Vec<_> = rest.split_whitespace().collect();
        Self {
            token: words.join(" "),
            notes,
        }
    }
}

/// What follows `prefix`, in any case, without the blanks between them.
fn without_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start
        .eq_ignore_ascii_case(prefix)
        .then(|| rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_a_token_is_left_out_and_noted() {
        let cases = [
            ("a.b.c", "a.b.c", 0),
            ("a.b.c\n", "a.b.c", 0),
            ("a.b.c\r\n", "a.b.c", 0),
            (" a.b.c", "a.b.c", 1),
            ("\n\ta.b.c\n\n", "a.b.c", 1),
            ("Bearer a.b.c", "a.b.c", 1),
            ("bearer   a.b.c\n", "a.b.c", 1),
            ("Authorization: Bearer a.b.c", "a.b.c", 2),
            ("authorization:bearer a.b.c ", "a.b.c", 3),
            ("Bearera.b.c", "Bearera.b.c", 0),
            ("Bearer", "Bearer", 0),
            ("a.b\n.c", "a.b .c", 0),
            ("", "", 0),
            ("ä", "ä", 0),
        ];
        for (text, token, notes) in cases {
            let given = Given::read(text);
            assert_eq!(
                (&*given.token, given.notes.len()),
                (token, notes),
                "{text:?}"
            );
        }
    }
}
