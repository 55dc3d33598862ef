//! Puts values in the place of a path's parameters.

/// `{name}` and `{name:pattern}` become the value of that name, or `1`.
pub(super) fn fill(pattern: &str, values: &[(String, String)]) -> String {
    let mut path = String::new();
    let mut rest = pattern;
    while let Some((before, parameter)) = rest.split_once('{') {
        let (inside, after) = split_at_end(parameter);
        let name = inside.split(':').next().unwrap_or_default();
        let value = values.iter().rfind(|(known, _)| known == name);
        path.push_str(before);
        path.push_str(value.map_or(SAMPLE, |(_, value)| value));
        rest = after;
    }
    path.push_str(rest);
    path
}

/// What stands before the brace that closes the parameter, and after it; a pattern may have braces of its own.
fn split_at_end(text: &str) -> (&str, &str) {
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

/// A text that most parameters accept, numbers among them.
const SAMPLE: &str = "1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_filled_with_their_values_or_a_sample() {
        let values = [("name".to_owned(), "bob".to_owned())];
        for (pattern, path) in [
            ("/a", "/a"),
            ("/{id}", "/1"),
            ("/{name}/x/{id}", "/bob/x/1"),
            (r"/{id:\d{4}}/x", "/1/x"),
            ("/{name:[a-z]{1,3}}.txt", "/bob.txt"),
            ("/{tail:.*}", "/1"),
            ("/{broken", "/1"),
        ] {
            assert_eq!(fill(pattern, &values), path, "{pattern}");
        }
    }
}
