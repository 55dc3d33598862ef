//! The users who can sign in, and their claims (OIDC Core §2, §5).

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::clients::{READ, SCOPES};

pub(super) const OFFLINE_ACCESS: &str = "offline_access";
pub(super) const OPENID: &str = "openid";
const EMAIL: &str = "email";
const PROFILE: &str = "profile";

/// The scopes of OpenID Connect, beside those of the API (OIDC Core §5.4, §11).
pub(super) const OPENID_SCOPES: [&str; 4] = [OPENID, PROFILE, EMAIL, OFFLINE_ACCESS];

pub(super) const USERS: [User; 2] = [
    User {
        id: "manager",
        name: "Manager",
        role: "reads messages",
        subject: "auth0|manager",
        email: "manager@example.com",
        scopes: &[READ],
    },
    User {
        id: "administrator",
        name: "Administrator",
        role: "reads and writes messages",
        subject: "auth0|administrator",
        email: "administrator@example.com",
        scopes: &SCOPES,
    },
];

/// A user, who signs in without a password; serialized as the Test view shows it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct User {
    #[serde(skip)]
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    /// What the user may do with the API, in words.
    pub(super) role: &'static str,
    /// The value of `sub`, in Auth0's form.
    pub(super) subject: &'static str,
    #[serde(skip)]
    email: &'static str,
    /// The scopes of the API that the user's tokens can grant.
    pub(super) scopes: &'static [&'static str],
}

impl User {
    pub(super) fn find(id: &str) -> Option<&'static Self> {
        const { &USERS }.iter().find(|user| user.id == id)
    }

    pub(super) fn with_subject(subject: &str) -> Option<&'static Self> {
        const { &USERS }.iter().find(|user| user.subject == subject)
    }

    /// Those of the `requested` scopes that the user's tokens can grant.
    pub(super) fn granted_scopes(&self, requested: &str) -> Vec<&'static str> {
        let requested: Vec<_> = requested.split(' ').collect();
        let known = const { &OPENID_SCOPES }.iter().chain(self.scopes).copied();
        known.filter(|scope| requested.contains(scope)).collect()
    }

    /// The claims about the user that `scopes` request (OIDC Core §5.4).
    pub(super) fn claims<'a>(
        &self,
        scopes: impl IntoIterator<Item = &'a str>,
    ) -> Map<String, Value> {
        let mut claims = Map::from_iter([("sub".to_owned(), json!(self.subject))]);
        for scope in scopes {
            if scope == PROFILE {
                claims.insert("name".to_owned(), json!(self.name));
                claims.insert("nickname".to_owned(), json!(self.id));
            } else if scope == EMAIL {
                claims.insert("email".to_owned(), json!(self.email));
                claims.insert("email_verified".to_owned(), json!(true));
            }
        }
        claims
    }
}

/// The authentication factors of a sign-in; more are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Factors {
    /// The user was chosen, which proves nothing.
    One,
    /// A second factor was confirmed as well.
    Two,
}

impl Factors {
    pub(super) const ALL: [Self; 2] = [Self::One, Self::Two];

    /// The value of `acr` (OpenID Provider Authentication Policy Extension); Auth0 uses the second one.
    pub(super) const fn acr(self) -> &'static str {
        match self {
            Self::One => "http://schemas.openid.net/pape/policies/2007/06/none",
            Self::Two => "http://schemas.openid.net/pape/policies/2007/06/multi-factor",
        }
    }

    /// The values of `amr` (RFC 8176 §2).
    pub(super) const fn amr(self) -> &'static [&'static str] {
        match self {
            Self::One => &["user"],
            Self::Two => &["user", "mfa"],
        }
    }

    /// The first known one of `acr_values`, which stand in order of preference (OIDC Core §3.1.2.1).
    pub(super) fn preferred(acr_values: &str) -> Option<Self> {
        let known = |acr| Self::ALL.into_iter().find(|factors| factors.acr() == acr);
        acr_values.split(' ').find_map(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requested_scopes_of_the_user_are_granted() {
        let cases = [
            ("manager", "", ""),
            ("manager", "read:messages write:messages", "read:messages"),
            (
                "administrator",
                "write:messages read:messages",
                "read:messages write:messages",
            ),
            (
                "manager",
                "email  openid openid address offline_access profile OPENID",
                "openid profile email offline_access",
            ),
        ];
        for (id, requested, granted) in cases {
            let user = User::find(id).unwrap();
            assert_eq!(
                user.granted_scopes(requested).join(" "),
                granted,
                "{id} {requested}"
            );
        }
        assert_eq!(User::find("unknown"), None);
    }

    #[test]
    fn scopes_request_claims() {
        let user = User::with_subject("auth0|manager").unwrap();
        let cases = [
            (&["openid"][..], json!({"sub": "auth0|manager"})),
            (
                &["openid", "profile"],
                json!({"sub": "auth0|manager", "name": "Manager", "nickname": "manager"}),
            ),
            (
                &["email", "read:messages"],
                json!({"sub": "auth0|manager", "email": "manager@example.com", "email_verified": true}),
            ),
        ];
        for (scopes, expected) in cases {
            let claims = user.claims(scopes.iter().copied());
            assert_eq!(Value::Object(claims), expected, "{scopes:?}");
        }
        assert_eq!(User::with_subject("manager"), None);
    }

    #[test]
    fn the_first_known_acr_value_is_preferred() {
        let [none, multi] = Factors::ALL.map(Factors::acr);
        let cases = [
            (String::new(), None),
            ("urn:other".to_owned(), None),
            (multi.to_uppercase(), None),
            (multi.to_owned(), Some(Factors::Two)),
            (none.to_owned(), Some(Factors::One)),
            (format!("urn:other {multi} {none}"), Some(Factors::Two)),
            (format!(" {none}  {multi}"), Some(Factors::One)),
        ];
        for (asked, expected) in cases {
            assert_eq!(Factors::preferred(&asked), expected, "{asked}");
        }
    }
}
