//! Actix's path patterns → path templates of OpenAPI, which have no regular expressions.

use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, Type};

use crate::routing::path_pattern::{self, Part, parts};

/// A path with `{parameters}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) path: String,
    parameters: Vec<PathParameter>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct PathParameter {
    name: String,
    /// The regular expression.
    pattern: Option<String>,
    /// Whether it matches further segments.
    is_tail: bool,
}

impl Template {
    pub(super) fn of(pattern: &str) -> Self {
        let mut template = Self {
            path: String::new(),
            parameters: Vec::new(),
        };
        let mut parts = parts(pattern).peekable();
        while let Some(part) = parts.next() {
            match part {
                Part::Literal(text) => template.path.push_str(text),
                Part::Parameter { name, pattern } => {
                    // The older notation of a tail.
                    let is_tail = parts.peek() == Some(&Part::Literal("*"));
                    if is_tail {
                        parts.next();
                    }
                    template.push(name, pattern, is_tail);
                }
            }
        }
        template
    }

    fn push(&mut self, name: &str, pattern: Option<&str>, is_tail: bool) {
        let name = self.unused(name);
        self.path.push('{');
        self.path.push_str(&name);
        self.path.push('}');
        self.parameters.push(PathParameter {
            is_tail: is_tail || pattern.is_some_and(path_pattern::is_tail),
            pattern: pattern.map(str::to_owned),
            name,
        });
    }

    /// The name, with a number where the path has a parameter of this name already.
    fn unused(&self, name: &str) -> String {
        let is_used = |name: &str| self.parameters.iter().any(|known| known.name == name);
        super::unused(name, is_used)
    }

    /// Whether both match the same paths as far as OpenAPI is concerned: they differ in the names of parameters alone.
    pub(super) fn has_shape_of(&self, other: &Self) -> bool {
        shape(&self.path).eq(shape(&other.path))
    }

    /// The same template with the names of parameters that `other` has, which is of the same shape.
    pub(super) fn renamed_as(mut self, other: &Self) -> Self {
        for (parameter, named) in self.parameters.iter_mut().zip(&other.parameters) {
            parameter.name.clone_from(&named.name);
        }
        self.path.clone_from(&other.path);
        self
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = Parameter> {
        self.parameters.iter().map(PathParameter::described)
    }
}

impl PathParameter {
    fn described(&self) -> Parameter {
        let schema = ObjectBuilder::new().schema_type(Type::String);
        let pattern = self.pattern.as_deref();
        let portable = pattern.filter(|pattern| is_portable(pattern));
        let schema = schema.pattern(portable.map(|pattern| format!("^(?:{pattern})$")));
        let other = pattern.filter(|pattern| !is_portable(pattern));
        let other = other.map(|pattern| format!("Matches the regular expression `{pattern}`."));
        let tail = self.is_tail.then(|| TAIL.to_owned());
        let sentences: Vec<_> = other.into_iter().chain(tail).collect();
        let description = (!sentences.is_empty()).then(|| sentences.join(" "));
        ParameterBuilder::new()
            .name(&self.name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(description)
            .schema(Some(schema))
            .build()
    }
}

/// The parts of a path, with parameters that have no names.
fn shape(path: &str) -> impl Iterator<Item = Option<&str>> {
    parts(path).map(|part| match part {
        Part::Literal(text) => Some(text),
        Part::Parameter { .. } => None,
    })
}

/// Whether a regular expression of the crate `regex` means the same in JSON Schema, which has those of ECMA-262.
fn is_portable(pattern: &str) -> bool {
    const ESCAPED: &str = "dDwWsSbBtnr.*+?()[]{}^$|\\/-";
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        let rest = characters.as_str();
        let is_portable = match character {
            '\\' => characters.next().is_some_and(|it| ESCAPED.contains(it)),
            '(' => !rest.starts_with('?') || rest.starts_with("?:"),
            // Classes within classes, and their operators.
            '[' => !rest.starts_with('['),
            '&' | '~' => !rest.starts_with(character),
            _ => true,
        };
        if !is_portable {
            return false;
        }
    }
    true
}

const TAIL: &str = "It may contain slashes.";

#[cfg(test)]
mod tests {
    use super::*;

    fn described(pattern: &str) -> (String, serde_json::Value) {
        let template = Template::of(pattern);
        let parameters: Vec<_> = template.parameters().collect();
        (
            template.path,
            serde_json::to_value(parameters).expect("JSON"),
        )
    }

    fn parameter(
        name: &str,
        pattern: Option<&str>,
        description: Option<&str>,
    ) -> serde_json::Value {
        let mut parameter = serde_json::json!({
            "name": name, "in": "path", "required": true, "schema": {"type": "string"},
        });
        if let Some(pattern) = pattern {
            parameter["schema"]["pattern"] = pattern.into();
        }
        if let Some(description) = description {
            parameter["description"] = description.into();
        }
        parameter
    }

    #[test]
    fn regular_expressions_move_from_the_path_into_schemas() {
        for (pattern, path, parameters) in [
            ("/a", "/a", vec![]),
            ("/{id}", "/{id}", vec![parameter("id", None, None)]),
            (
                r"/{id:\d{4}}/x",
                "/{id}/x",
                vec![parameter("id", Some(r"^(?:\d{4})$"), None)],
            ),
            (
                "/{a:x|y}-{b}.json",
                "/{a}-{b}.json",
                vec![
                    parameter("a", Some("^(?:x|y)$"), None),
                    parameter("b", None, None),
                ],
            ),
            (
                "/files/{tail:.*}",
                "/files/{tail}",
                vec![parameter("tail", Some("^(?:.*)$"), Some(TAIL))],
            ),
            (
                "/files/{tail}*",
                "/files/{tail}",
                vec![parameter("tail", None, Some(TAIL))],
            ),
            (
                "/{id}/{id}",
                "/{id}/{id_2}",
                vec![parameter("id", None, None), parameter("id_2", None, None)],
            ),
            (
                r"/{name:\p{L}+}",
                "/{name}",
                vec![parameter(
                    "name",
                    None,
                    Some(r"Matches the regular expression `\p{L}+`."),
                )],
            ),
        ] {
            assert_eq!(
                described(pattern),
                (path.to_owned(), serde_json::Value::Array(parameters)),
                "{pattern}"
            );
        }
    }

    #[test]
    fn a_regular_expression_that_ecma_262_lacks_is_no_pattern() {
        for (pattern, expected) in [
            (r"\d+", true),
            (r"[a-z]{1,3}", true),
            (r"(?:a|b)\.", true),
            (r"[^/]+", true),
            (r"(?i)a", false),
            (r"(?P<y>\d)", false),
            (r"(?<y>\d)", false),
            (r"\pL", false),
            (r"\x{41}", false),
            (r"\A\d\z", false),
            (r"[[:alpha:]]", false),
            (r"[a-z&&[^b]]", false),
            (r"a\", false),
        ] {
            assert_eq!(is_portable(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn the_names_of_parameters_make_no_shape() {
        let same = |one, other| Template::of(one).has_shape_of(&Template::of(other));
        assert!(same("/{id}/x", r"/{name:\d+}/x"));
        assert!(!same("/{id}/x", "/{id}/y"));
        assert!(!same("/{id}", "/id"));
        let renamed = Template::of(r"/{name:\d}/x").renamed_as(&Template::of("/{id}/x"));
        assert_eq!(renamed, Template::of(r"/{id:\d}/x"));
    }
}
