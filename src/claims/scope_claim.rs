//! Where the scopes of a token are read from.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use super::claim_name::is_escaped;

/// Where a token's scopes are read from: the name of a claim, a JSON pointer ([RFC 6901]) to one, or a dotted path.
///
/// | written | read |
/// |---|---|
/// | `permissions` | The claim of that name: a string of scopes separated by spaces, or an array of strings. |
/// | `/realm_access/roles` | The member to which the JSON pointer leads. |
/// | `o.per` | The member `per` of the claim `o`, unless the token has a claim named `o.per`. |
/// | `/urn:zitadel:iam:org:project:roles/*~` | The names of the members of that object, except those that are `false` or `null`. |
/// | `/groups/*/name` | The member `name` of each object in that array; each is one scope. |
///
/// # Examples
/// ```
/// use actix_resource_server::ScopeClaim;
///
/// let auth0: ScopeClaim = "permissions".parse()?;
/// let keycloak: ScopeClaim = "/realm_access/roles".parse()?;
/// let clerk = "o.per".parse::<ScopeClaim>()?.separated_by(",");
/// # Ok::<(), actix_resource_server::errors::NoScopeClaim>(())
/// ```
///
/// [RFC 6901]: https://www.rfc-editor.org/rfc/rfc6901
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeClaim {
    text: String,
    path: Path,
    /// What separates the scopes of a string; without it, U+0020.
    separator: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Path {
    /// The claim of that name, or else the dotted path.
    Name,
    Pointer {
        steps: Vec<Step>,
        /// Whether the names of the members that it leads to are the scopes.
        of_names: bool,
    },
}

/// One step of a pointer into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// Into each element of an array; into the member named `*` of an object.
    Each,
    Into(String),
}

impl ScopeClaim {
    pub(crate) fn defaults() -> Vec<Self> {
        let named = |name: &str| Self {
            text: name.to_owned(),
            path: Path::Name,
            separator: None,
        };
        ["scope", "scp"].map(named).to_vec()
    }

    /// Separates the scopes of a string at `separator` instead of spaces; spaces around each are removed.
    ///
    /// An empty separator changes nothing.
    #[must_use]
    pub fn separated_by(mut self, separator: &str) -> Self {
        self.separator = Some(separator.to_owned()).filter(|separator| !separator.is_empty());
        self
    }

    /// The claim as it was written, without the separator.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What separates the scopes of a string, unless it is a space.
    #[must_use]
    pub fn separator(&self) -> Option<&str> {
        self.separator.as_deref()
    }

    /// Whether it is the claim of this name, in the form of RFC 6749.
    pub(crate) fn is_plain(&self, name: &str) -> bool {
        self.separator.is_none() && self.text == name
    }

    /// The scopes in a payload; `None` where there are none, or a part of them is not a string.
    pub(crate) fn scopes<'a>(&self, payload: &'a Value) -> Option<Vec<&'a str>> {
        match &self.path {
            Path::Name => self.read(named(payload, &self.text)?),
            Path::Pointer { steps, of_names } => {
                let found = follow(payload, steps);
                if *of_names {
                    let members = found.into_iter().filter_map(Value::as_object).flatten();
                    // `{"write": false}` says that it is not granted.
                    let granted = members
                        .filter(|(_, value)| !matches!(value, Value::Null | Value::Bool(false)));
                    Some(granted.map(|(name, _)| name.as_str()).collect())
                } else if steps.contains(&Step::Each) {
                    found.into_iter().map(Value::as_str).collect()
                } else {
                    self.read(found.first().copied()?)
                }
            }
        }
    }

    fn read<'a>(&self, value: &'a Value) -> Option<Vec<&'a str>> {
        match value {
            Value::Array(scopes) => scopes.iter().map(Value::as_str).collect(),
            Value::String(scopes) => {
                let scopes = scopes.split(self.separator().unwrap_or(" "));
                Some(scopes.map(|scope| scope.trim_matches(' ')).collect())
            }
            _ => None,
        }
    }
}

/// The claim of this name, or else the member to which its parts between dots lead.
fn named<'a>(payload: &'a Value, name: &str) -> Option<&'a Value> {
    let member = |value: &'a Value, part: &str| value.as_object()?.get(part);
    payload
        .get(name)
        .or_else(|| name.split('.').try_fold(payload, member))
}

/// The values to which the steps lead.
fn follow<'a>(payload: &'a Value, steps: &[Step]) -> Vec<&'a Value> {
    steps.iter().fold(vec![payload], |values, step| {
        let next = |value: &'a Value| -> Vec<&'a Value> {
            match (step, value) {
                (Step::Each, Value::Array(elements)) => elements.iter().collect(),
                (Step::Each, other) => other.get("*").into_iter().collect(),
                // An index as in RFC 6901 §4, without leading zeros.
                (Step::Into(name), Value::Array(elements)) => {
                    let index = name.parse::<usize>().ok();
                    let index = index.filter(|index| index.to_string() == *name);
                    index
                        .and_then(|index| elements.get(index))
                        .into_iter()
                        .collect()
                }
                (Step::Into(name), other) => other.get(name).into_iter().collect(),
            }
        };
        values.into_iter().flat_map(next).collect()
    })
}

impl fmt::Display for ScopeClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for ScopeClaim {
    type Err = NoScopeClaim;

    fn from_str(text: &str) -> Result<Self, NoScopeClaim> {
        if text.is_empty() {
            return Err(NoScopeClaim);
        }
        let path = match text.strip_prefix('/') {
            Some(pointer) => steps(pointer)?,
            None => Path::Name,
        };
        Ok(Self {
            text: text.to_owned(),
            path,
            separator: None,
        })
    }
}

/// The steps of a pointer without its first slash.
fn steps(pointer: &str) -> Result<Path, NoScopeClaim> {
    let (pointer, of_names) = match pointer.strip_suffix(NAMES) {
        Some(object) => (object, true),
        None => (pointer, false),
    };
    if pointer.is_empty() || !is_escaped(pointer) {
        return Err(NoScopeClaim);
    }
    let step = |part: &str| match part {
        "*" => Step::Each,
        name => Step::Into(name.replace("~1", "/").replace("~0", "~")),
    };
    let steps: Vec<_> = pointer.split('/').map(step).collect();
    if steps.len() > MOST_STEPS {
        return Err(NoScopeClaim);
    }
    Ok(Path::Pointer { steps, of_names })
}

/// At the end of a pointer: the names of an object's members. No JSON pointer ends so.
const NAMES: &str = "/*~";

const MOST_STEPS: usize = 16;

/// The text names no claim.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "neither a claim's name such as permissions nor a JSON pointer such as /realm_access/roles"
)]
pub struct NoScopeClaim;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn granted(claim: &ScopeClaim, payload: &Value) -> Vec<String> {
        let scopes = claim.scopes(payload).into_iter().flatten();
        let scopes = scopes.filter(|scope| !scope.is_empty());
        scopes.map(str::to_owned).collect()
    }

    fn claim(text: &str) -> ScopeClaim {
        text.parse().expect("a claim")
    }

    #[test]
    fn a_claim_is_a_name_a_pointer_or_a_dotted_path() {
        let payload = json!({
            "scope": "a b", "list": ["c", "d e"], "https://api/x.y": "f", "o": {"per": "g h", "x.y": "i"},
            "realm_access": {"roles": ["j"]}, "a/b": "k", "~": "l", "p.q": "m", "p": {"q": "n"}, "odd": [1],
            "*": {"s": "o"},
        });
        for (text, expected) in [
            ("scope", vec!["a", "b"]),
            ("list", vec!["c", "d e"]),
            ("https://api/x.y", vec!["f"]),
            ("o.per", vec!["g", "h"]),
            ("p.q", vec!["m"]),
            ("/realm_access/roles", vec!["j"]),
            ("realm_access.roles", vec!["j"]),
            ("/o/per", vec!["g", "h"]),
            ("/list/1", vec!["d", "e"]),
            ("/a~1b", vec!["k"]),
            ("/~0", vec!["l"]),
            ("/*/s", vec!["o"]),
            ("o.x.y", vec![]),
            ("/o.per", vec![]),
            ("/list/01", vec![]),
            ("/list/2", vec![]),
            ("list.1", vec![]),
            ("o", vec![]),
            ("odd", vec![]),
            ("none", vec![]),
        ] {
            assert_eq!(granted(&claim(text), &payload), expected, "{text}");
        }
    }

    #[test]
    fn the_names_of_an_objects_members_are_scopes() {
        let payload = json!({
            "urn:zitadel:iam:org:project:roles": {"reader": {"1": "a.example"}, "writer": {}},
            "list": [{"a": 1}, {"b": 1}], "text": "x",
            "may": {"read": true, "write": false, "delete": null, "list": 0, "edit": ""},
        });
        for (text, expected) in [
            (
                "/urn:zitadel:iam:org:project:roles/*~",
                vec!["reader", "writer"],
            ),
            ("/list/*/*~", vec!["a", "b"]),
            ("/may/*~", vec!["read", "list", "edit"]),
            ("/list/*~", vec![]),
            ("/text/*~", vec![]),
            ("/none/*~", vec![]),
        ] {
            assert_eq!(granted(&claim(text), &payload), expected, "{text}");
        }
    }

    #[test]
    fn a_member_of_each_object_in_an_array_is_a_scope() {
        let payload = json!({
            "groups": [{"name": "a b"}, {"name": "c"}, {"id": 1}], "odd": [{"name": "a"}, {"name": 1}],
            "deep": [{"in": [{"name": "d"}]}, {"in": [{"name": "e"}]}], "plain": ["f", "g"],
        });
        for (text, expected) in [
            ("/groups/*/name", vec!["a b", "c"]),
            ("/deep/*/in/*/name", vec!["d", "e"]),
            ("/plain/*", vec!["f", "g"]),
            ("/odd/*/name", vec![]),
            ("/groups/*", vec![]),
            ("/none/*/name", vec![]),
        ] {
            assert_eq!(granted(&claim(text), &payload), expected, "{text}");
        }
    }

    #[test]
    fn a_string_is_split_at_its_separator_alone() {
        let payload = json!({"o": {"per": "read,write all, x"}, "list": ["a,b"], "scope": "a,b c"});
        let separated = |text: &str| granted(&claim(text).separated_by(","), &payload);
        assert_eq!(separated("o.per"), ["read", "write all", "x"]);
        assert_eq!(separated("list"), ["a,b"]);
        assert_eq!(separated("scope"), ["a", "b c"]);
        assert!(!claim("scope").separated_by(",").is_plain("scope"));
        assert_eq!(claim("scope").separated_by(""), claim("scope"));
    }

    #[test]
    fn what_names_no_claim_is_rejected() {
        let deep = "/a".repeat(MOST_STEPS + 1);
        for text in ["", "/", "/a~2", "/a~", "/*~", "/a/*~/b", "/a/b~", &deep] {
            assert_eq!(text.parse::<ScopeClaim>(), Err(NoScopeClaim), "{text}");
        }
        assert!("/a".repeat(MOST_STEPS).parse::<ScopeClaim>().is_ok());
    }
}
