//! Actix's path patterns: literal text and `{parameters}`.

/// A part of a path pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Literal text.
    Literal(&'a str),
    /// `{name}` or `{name:pattern}`.
    Parameter {
        name: &'a str,
        pattern: Option<&'a str>,
    },
}

/// The parts of a path pattern, in their order; an unclosed parameter extends to the end.
pub(crate) fn parts(pattern: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = pattern;
    std::iter::from_fn(move || {
        let (part, after) = first_part(rest)?;
        rest = after;
        Some(part)
    })
}

/// Whether the pattern has a parameter.
pub(crate) fn has_parameters(pattern: &str) -> bool {
    pattern.contains('{')
}

/// Whether two patterns differ only in the names of their parameters.
pub(crate) fn are_equivalent(one: &str, other: &str) -> bool {
    let unnamed = |pattern| parts(pattern).map(without_name);
    unnamed(one).eq(unnamed(other))
}

fn without_name(part: Part<'_>) -> Part<'_> {
    match part {
        Part::Parameter { pattern, .. } => Part::Parameter { name: "", pattern },
        Part::Literal(_) => part,
    }
}

fn first_part(text: &str) -> Option<(Part<'_>, &str)> {
    if text.is_empty() {
        return None;
    }
    let Some(parameter) = text.strip_prefix('{') else {
        let (literal, rest) = text.split_at(text.find('{').unwrap_or(text.len()));
        return Some((Part::Literal(literal), rest));
    };
    let (inside, rest) = split_at_closing_brace(parameter);
    let (name, pattern) = match inside.split_once(':') {
        Some((name, pattern)) => (name, Some(pattern)),
        None => (inside, None),
    };
    Some((Part::Parameter { name, pattern }, rest))
}

/// The text before the brace that closes the parameter, and after it; a regular expression may contain braces.
fn split_at_closing_brace(text: &str) -> (&str, &str) {
    let mut open = 1_usize;
    for (at, character) in text.char_indices() {
        match character {
            '{' => open = open.saturating_add(1),
            '}' => open = open.saturating_sub(1),
            _ => {}
        }
        if open == 0 {
            let (inside, after) = text.split_at(at);
            return (inside, after.strip_prefix('}').unwrap_or(after));
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_read_as_literals_and_parameters() {
        let parameter = |name, pattern| Part::Parameter { name, pattern };
        for (pattern, expected) in [
            ("", vec![]),
            ("/a", vec![Part::Literal("/a")]),
            ("/{id}", vec![Part::Literal("/"), parameter("id", None)]),
            (
                r"/{id:\d{4}}/x",
                vec![
                    Part::Literal("/"),
                    parameter("id", Some(r"\d{4}")),
                    Part::Literal("/x"),
                ],
            ),
            (
                "/{a:[a-z]{1,3}}{b:x:y}*",
                vec![
                    Part::Literal("/"),
                    parameter("a", Some("[a-z]{1,3}")),
                    parameter("b", Some("x:y")),
                    Part::Literal("*"),
                ],
            ),
            ("/{open", vec![Part::Literal("/"), parameter("open", None)]),
        ] {
            assert_eq!(parts(pattern).collect::<Vec<_>>(), expected, "{pattern}");
        }
    }

    #[test]
    fn equivalent_patterns_differ_in_names_alone() {
        for (one, other, expected) in [
            ("/a", "/a", true),
            ("/a", "/b", false),
            ("/{id}", "/{name}", true),
            ("/{id}/x", "/{name}/y", false),
            (r"/{y:\d{4}}", r"/{year:\d{4}}", true),
            (r"/{y:\d{4}}", r"/{y:\d{2}}", false),
            (r"/{y:\d+}", "/{y}", false),
            ("/{tail}*", "/{tail}", false),
            ("/{a}", "/a", false),
        ] {
            assert_eq!(are_equivalent(one, other), expected, "{one} {other}");
        }
    }
}
