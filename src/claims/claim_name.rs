//! The name of a claim, or a JSON pointer ([RFC 6901]) to a member inside one.
//!
//! [RFC 6901]: https://www.rfc-editor.org/rfc/rfc6901

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// A claim by its name, such as `azp`, or by a JSON pointer, such as `/kubernetes.io/namespace`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClaimName(String);

impl ClaimName {
    /// As it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn find<'a>(&self, payload: &'a Value) -> Option<&'a Value> {
        find_claim(payload, &self.0)
    }
}

impl From<&'static str> for ClaimName {
    fn from(name: &'static str) -> Self {
        Self(name.to_owned())
    }
}

impl fmt::Display for ClaimName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ClaimName {
    type Err = NoClaimName;

    fn from_str(text: &str) -> Result<Self, NoClaimName> {
        if text.is_empty() || text == "/" || (text.starts_with('/') && !is_escaped(text)) {
            return Err(NoClaimName);
        }
        Ok(Self(text.to_owned()))
    }
}

/// The text is neither a claim's name nor a JSON pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoClaimName;

/// Whether each `~` is part of `~0` or `~1` (RFC 6901 §3).
pub(crate) fn is_escaped(pointer: &str) -> bool {
    let mut after_tildes = pointer.split('~').skip(1);
    after_tildes.all(|after| after.starts_with(['0', '1']))
}

/// A claim by its name, or by a JSON pointer to it.
pub(crate) fn find_claim<'a>(payload: &'a Value, claim: &str) -> Option<&'a Value> {
    if claim.starts_with('/') {
        payload.pointer(claim)
    } else {
        payload.get(claim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(text: &str) -> Result<ClaimName, NoClaimName> {
        text.parse()
    }

    #[test]
    fn a_claim_is_found_by_its_name_or_by_a_pointer() {
        let payload = json!({"azp": "a", "https://a/b": "b", "o": {"id": "c", "d/e": "d"}});
        for (name, expected) in [
            ("azp", Some("a")),
            ("/azp", Some("a")),
            ("https://a/b", Some("b")),
            ("/o/id", Some("c")),
            ("/o/d~1e", Some("d")),
            ("o.id", None),
            ("AZP", None),
        ] {
            let name = parse(name).expect("a name");
            let found = name.find(&payload).and_then(Value::as_str);
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn neither_a_name_nor_a_pointer_is_rejected() {
        for text in ["", "/", "/a~2", "/a~"] {
            assert_eq!(parse(text), Err(NoClaimName), "{text}");
        }
    }
}
