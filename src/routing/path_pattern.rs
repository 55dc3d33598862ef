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

/// Whether a pattern has no parameters.
pub(crate) fn is_literal(pattern: &str) -> bool {
    parts(pattern).all(|part| matches!(part, Part::Literal(_)))
}

/// Whether two patterns differ only in the names of their parameters.
pub(crate) fn are_equivalent(one: &str, other: &str) -> bool {
    let unnamed = |pattern| parts(pattern).map(without_name);
    unnamed(one).eq(unnamed(other))
}

/// How specific each segment of a pattern is; of two patterns that match a path, the lesser is more specific.
pub(crate) fn specificity(pattern: &str) -> Vec<Segment> {
    marked(pattern).split('/').map(segment).collect()
}

/// Whether some path may match both patterns.
pub(crate) fn may_overlap(one: &str, other: &str) -> bool {
    let (one, other) = (marked(one), marked(other));
    let (mut ones, mut others) = (one.split('/'), other.split('/'));
    loop {
        match (ones.next(), others.next()) {
            (Some(one), Some(other)) => match (segment(one), segment(other)) {
                (Segment::Tail, _) | (_, Segment::Tail) => return true,
                (Segment::Literal, Segment::Literal) if one != other => return false,
                _ => {}
            },
            (one, other) => return one == other,
        }
    }
}

/// Whether the regular expression of a parameter matches further segments.
pub(crate) fn is_tail(pattern: &str) -> bool {
    pattern.contains(".*") || pattern.contains(".+")
}

/// The pattern with a character for each parameter.
fn marked(pattern: &str) -> String {
    parts(pattern)
        .map(|part| match part {
            Part::Literal(text) => text,
            Part::Parameter { pattern, .. } => match pattern {
                None => ANY,
                Some(pattern) if is_tail(pattern) => TAIL,
                Some(_) => RESTRICTED,
            },
        })
        .collect()
}

fn segment(segment: &str) -> Segment {
    match segment {
        ANY => Segment::Parameter,
        _ if segment.contains(TAIL) || segment.ends_with('*') => Segment::Tail,
        _ if segment.contains(ANY) || segment.contains(RESTRICTED) => Segment::Restricted,
        _ => Segment::Literal,
    }
}

/// A segment of a path pattern, the most specific first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    Literal,
    /// A parameter with a regular expression, or beside literal text.
    Restricted,
    Parameter,
    /// A parameter that matches further segments.
    Tail,
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

/// Parameters in the text of a segment, which has no control characters.
const ANY: &str = "\u{1}";
const RESTRICTED: &str = "\u{2}";
const TAIL: &str = "\u{3}";

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

    #[test]
    fn the_more_specific_of_two_patterns_is_less() {
        let ascending = [
            "/a/b",
            "/a/b{c}",
            "/a/{b:[a-z]+}",
            "/a/{b}",
            "/a/{b}/c",
            "/a/{b}/{c}",
            "/a/{b}*",
            "/a/{b:.*}",
            r"/{a:\d{4}}/b",
            "/{a}",
        ];
        let keys = ascending.map(specificity);
        assert!(keys.is_sorted(), "{keys:?}");
    }

    #[test]
    fn patterns_overlap_unless_their_literal_texts_differ() {
        for (one, other, expected) in [
            ("/a", "/a", true),
            ("/a", "/b", false),
            ("/a", "/a/b", false),
            ("/a/{b}", "/a/c", true),
            ("/a/{b}", "/b/c", false),
            ("/a/{b}", "/a/b/c", false),
            ("/a/{b:.*}", "/a/b/c", true),
            ("/{a}/b", "/a/{b}", true),
            ("/v{a}", "/v1", true),
        ] {
            assert_eq!(may_overlap(one, other), expected, "{one} {other}");
            assert_eq!(may_overlap(other, one), expected, "{other} {one}");
        }
    }
}
