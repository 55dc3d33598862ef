//! Substitution of path parameters.

use crate::routing::path_pattern::{Part, parts};

/// `{name}` and `{name:pattern}` become the value of that name, or `1`.
pub(super) fn fill(pattern: &str, values: &[(String, String)]) -> String {
    let text = |part| match part {
        Part::Literal(literal) => literal,
        Part::Parameter { name, .. } => {
            let value = values.iter().rfind(|(known, _)| known == name);
            value.map_or(SAMPLE, |(_, value)| value)
        }
    };
    parts(pattern).map(text).collect()
}

/// A value that most parameters accept, including numbers.
const SAMPLE: &str = "1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_replaced_by_their_values_or_a_default() {
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
