//! A claim that every token of an issuer must have, and the values that it may have.

use std::fmt;

use serde_json::{Number, Value};

use super::IssuerError;
use crate::claims::claim_name::ClaimName;

/// A claim that tokens must have; made by [`IssuerBuilder::require`](super::IssuerBuilder::require).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredClaim {
    name: ClaimName,
    accepted: Accepted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Accepted {
    /// Any value but `false` and `null`.
    Present,
    /// One of these strings, numbers and booleans.
    OneOf(Vec<Value>),
}

impl RequiredClaim {
    /// `true` requires the claim to be present, a string, number or `false` that value, and an array one of its members.
    pub(crate) fn new(name: &str, value: Value) -> Result<Self, IssuerError> {
        let invalid = || IssuerError::RequiredClaim {
            claim: name.to_owned(),
        };
        let accepted = match value {
            Value::Bool(true) => Accepted::Present,
            Value::Array(values) => Accepted::OneOf(values),
            value => Accepted::OneOf(vec![value]),
        };
        let is_valid = match &accepted {
            Accepted::Present => true,
            Accepted::OneOf(values) => !values.is_empty() && values.iter().all(is_scalar),
        };
        let name = name.parse().map_err(|_| invalid())?;
        is_valid
            .then_some(Self { name, accepted })
            .ok_or_else(invalid)
    }

    /// The claim's name or JSON pointer, as it is configured.
    #[must_use]
    pub fn claim(&self) -> &str {
        self.name.as_str()
    }

    pub(crate) fn name(&self) -> &ClaimName {
        &self.name
    }

    /// Whether the token's claim is what is required.
    pub(crate) fn is_met_by(&self, found: Option<&Value>) -> bool {
        let Some(found) = found else { return false };
        match &self.accepted {
            Accepted::Present => !matches!(found, Value::Null | Value::Bool(false)),
            Accepted::OneOf(values) => values.iter().any(|value| is_value(found, value)),
        }
    }

    /// Whether tokens of other clients, tenants and owners do not meet it, so that it can stand for an audience.
    pub(super) fn names_party(&self) -> bool {
        let is_of_party = PARTY_CLAIMS
            .iter()
            .any(|name| without_slash(self.claim()) == without_slash(name));
        let fixes_value = match &self.accepted {
            Accepted::Present => false,
            Accepted::OneOf(values) => !values.iter().any(Value::is_boolean),
        };
        is_of_party && fixes_value
    }
}

/// What the claim must be, such as `token_use must be "access"`.
impl fmt::Display for RequiredClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.accepted {
            Accepted::Present => write!(f, "{} must be present", self.name),
            Accepted::OneOf(values) => {
                let values: Vec<_> = values.iter().map(Value::to_string).collect();
                write!(f, "{} must be {}", self.name, values.join(" or "))
            }
        }
    }
}

/// The pointer `/azp` is the name `azp`.
fn without_slash(name: &str) -> &str {
    name.strip_prefix('/').unwrap_or(name)
}

fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_))
}

/// Whether the claim is the value, or is an array that contains it. A boolean is never looked for in an array: one that
/// contains `true` and `false` says nothing.
fn is_value(found: &Value, required: &Value) -> bool {
    match (found, required) {
        (Value::Array(_), Value::Bool(_)) => false,
        (Value::Array(members), required) => members
            .iter()
            .any(|member| is_scalar_value(member, required)),
        (found, required) => is_scalar_value(found, required),
    }
}

fn is_scalar_value(found: &Value, required: &Value) -> bool {
    match (found, required) {
        (Value::Number(found), Value::Number(required)) => is_number(found, required),
        (found, required) => found == required,
    }
}

/// Whether the numbers are equal, however they are written: `1` and `1.0` are.
fn is_number(found: &Number, required: &Number) -> bool {
    let is_float = found.is_f64() || required.is_f64();
    found == required || (is_float && found.as_f64() == required.as_f64())
}

/// The claims by which providers name the client, the tenant or the owner of a token.
pub(crate) const PARTY_CLAIMS: [&str; 19] = [
    "client_id",
    "azp",
    "cid",
    "appid",
    "tid",
    "tenant",
    "tenant_id",
    "dct",
    "org_id",
    "organization_id",
    "/o/id",
    "hd",
    "repository_owner",
    "repository_owner_id",
    "namespace_id",
    "namespace_path",
    "project_id",
    "owner",
    "sub",
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn required(value: Value) -> RequiredClaim {
        RequiredClaim::new("claim", value).expect("a required claim")
    }

    #[test]
    fn a_claim_has_the_required_value_exactly() {
        for (value, met, unmet) in [
            (
                json!("access"),
                vec![json!("access"), json!(["x", "access"])],
                vec![
                    json!("Access"),
                    json!("access x"),
                    json!(["access x"]),
                    json!([["access"]]),
                    json!({"access": true}),
                    json!(true),
                    json!(null),
                    json!([]),
                ],
            ),
            (
                json!(7),
                vec![json!(7), json!(7.0), json!([1, 7])],
                vec![json!("7"), json!(8), json!(true)],
            ),
            (
                json!(9_007_199_254_740_993_u64),
                vec![json!(9_007_199_254_740_993_u64)],
                vec![json!(9_007_199_254_740_992_u64)],
            ),
            (
                json!(false),
                vec![json!(false)],
                vec![
                    json!(true),
                    json!([false]),
                    json!("false"),
                    json!(0),
                    json!(null),
                ],
            ),
            (
                json!(["a", 1, true]),
                vec![json!("a"), json!(1), json!(true), json!(["a"])],
                vec![json!("b"), json!([true]), json!(false)],
            ),
            (
                json!(true),
                vec![json!(true), json!("x"), json!(0), json!([]), json!({})],
                vec![json!(false), json!(null)],
            ),
        ] {
            let required = required(value.clone());
            assert!(!required.is_met_by(None), "{value}");
            for found in met {
                assert!(required.is_met_by(Some(&found)), "{value}: {found}");
            }
            for found in unmet {
                assert!(!required.is_met_by(Some(&found)), "{value}: {found}");
            }
        }
    }

    #[test]
    fn a_value_that_no_claim_can_have_is_rejected() {
        for (claim, value) in [
            ("a", json!(null)),
            ("a", json!([])),
            ("a", json!({})),
            ("a", json!([["x"]])),
            ("a", json!(["x", null])),
            ("", json!("x")),
            ("/a~", json!("x")),
        ] {
            let expected = IssuerError::RequiredClaim {
                claim: claim.to_owned(),
            };
            let rejected = RequiredClaim::new(claim, value.clone());
            assert_eq!(rejected, Err(expected), "{claim} {value}");
        }
    }

    #[test]
    fn the_requirement_is_shown_as_it_is_configured() {
        for (value, expected) in [
            (json!(true), "claim must be present"),
            (json!("a"), r#"claim must be "a""#),
            (json!(["a", 7, false]), r#"claim must be "a" or 7 or false"#),
        ] {
            assert_eq!(required(value).to_string(), expected);
        }
    }

    #[test]
    fn a_value_of_a_client_tenant_or_owner_claim_names_a_party() {
        let names = |claim, value| {
            let required = RequiredClaim::new(claim, value).expect("a required claim");
            required.names_party()
        };
        for claim in [
            "azp",
            "/azp",
            "client_id",
            "tid",
            "repository_owner",
            "/o/id",
        ] {
            assert!(names(claim, json!("a")), "{claim}");
            assert!(names(claim, json!(["a", 7])), "{claim}");
            assert!(!names(claim, json!(true)), "{claim}");
            assert!(!names(claim, json!(["a", true])), "{claim}");
        }
        for claim in ["token_use", "AZP", "/a/azp", "email_verified"] {
            assert!(!names(claim, json!("a")), "{claim}");
        }
    }
}
