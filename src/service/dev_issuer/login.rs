//! How strongly somebody signed in, as clients ask for it and tokens tell of it (OIDC Core §2, RFC 9470 §5, §6).

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use crate::verify::clock::since_epoch;

/// What a person did to sign in; the more, the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    /// Was chosen, which proves nothing but that somebody is there.
    OneFactor,
    /// Confirmed a second factor too.
    TwoFactors,
}

impl Strength {
    pub(super) const ALL: [Self; 2] = [Self::OneFactor, Self::TwoFactors];

    /// The value of `acr`, of the Provider Authentication Policy Extension; Auth0 has the second one.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::OneFactor => "http://schemas.openid.net/pape/policies/2007/06/none",
            Self::TwoFactors => "http://schemas.openid.net/pape/policies/2007/06/multi-factor",
        }
    }

    /// The values of `amr` (RFC 8176 §2).
    const fn methods(self) -> &'static [&'static str] {
        match self {
            Self::OneFactor => &["user"],
            Self::TwoFactors => &["user", "mfa"],
        }
    }

    /// The first of `acr_values` that is known: they stand in the order of the client's preference.
    pub(super) fn preferred(acr_values: &str) -> Option<Self> {
        let known = |class| Self::ALL.into_iter().find(|known| known.class() == class);
        acr_values.split(' ').find_map(known)
    }
}

/// A sign-in as tokens tell of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) since: SystemTime,
    pub(super) strength: Strength,
    /// The class by which it is named: a stronger sign-in is of the weaker class too.
    pub(super) class: &'static str,
}

impl Login {
    /// The claims `acr`, `amr` and `auth_time`.
    pub(super) fn claims(&self) -> Map<String, Value> {
        let claims = [
            ("acr", json!(self.class)),
            ("amr", json!(self.strength.methods())),
            ("auth_time", json!(since_epoch(self.since).as_secs())),
        ];
        claims
            .map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_class_that_is_known_is_preferred() {
        let [none, multi] = Strength::ALL.map(Strength::class);
        let cases = [
            (String::new(), None),
            ("urn:other".to_owned(), None),
            (multi.to_uppercase(), None),
            (multi.to_owned(), Some(Strength::TwoFactors)),
            (none.to_owned(), Some(Strength::OneFactor)),
            (
                format!("urn:other {multi} {none}"),
                Some(Strength::TwoFactors),
            ),
            (format!(" {none}  {multi}"), Some(Strength::OneFactor)),
        ];
        for (asked, expected) in cases {
            assert_eq!(Strength::preferred(&asked), expected, "{asked}");
        }
    }
}
