//! The two people who can sign in, and what their profiles say.

use serde_json::{Map, Value, json};

use super::clients::{READ, SCOPES};

/// Somebody who signs in by being chosen; there are no passwords.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    /// In words, the most that the person may do.
    pub(super) role: &'static str,
    /// The value of `sub`, in the form that Auth0 gives it.
    pub(super) subject: &'static str,
    email: &'static str,
    /// The most that an access token grants in the person's name.
    pub(super) scopes: &'static [&'static str],
}

pub(super) const PEOPLE: [Person; 2] = [
    Person {
        id: "manager",
        name: "Manager",
        role: "reads messages",
        subject: "auth0|manager",
        email: "manager@example.com",
        scopes: &[READ],
    },
    Person {
        id: "administrator",
        name: "Administrator",
        role: "reads and writes messages",
        subject: "auth0|administrator",
        email: "administrator@example.com",
        scopes: &SCOPES,
    },
];

/// What a client may ask for beside the API's scopes (OIDC Core §5.4, §11).
pub(super) const IDENTITY_SCOPES: [&str; 4] = [OPENID, PROFILE, EMAIL, OFFLINE_ACCESS];

pub(super) const OFFLINE_ACCESS: &str = "offline_access";
pub(super) const OPENID: &str = "openid";
const EMAIL: &str = "email";
const PROFILE: &str = "profile";

impl Person {
    pub(super) fn find(id: &str) -> Option<&'static Self> {
        const { &PEOPLE }.iter().find(|person| person.id == id)
    }

    pub(super) fn with_subject(subject: &str) -> Option<&'static Self> {
        const { &PEOPLE }
            .iter()
            .find(|person| person.subject == subject)
    }

    /// What is granted of the scopes that were asked for: those of the identity and the person's.
    pub(super) fn grants(&self, asked: &str) -> Vec<&'static str> {
        let asked: Vec<_> = asked.split(' ').collect();
        let known = const { &IDENTITY_SCOPES }.iter().chain(self.scopes);
        known
            .copied()
            .filter(|scope| asked.contains(scope))
            .collect()
    }

    /// The claims about the person that these scopes release (OIDC Core §5.4).
    pub(super) fn claims<'a>(
        &self,
        scopes: impl IntoIterator<Item = &'a str>,
    ) -> Map<String, Value> {
        let mut claims = Map::new();
        claims.insert("sub".to_owned(), json!(self.subject));
        for scope in scopes {
            if scope == PROFILE {
                claims.insert("name".to_owned(), json!(self.name));
                claims.insert("nickname".to_owned(), json!(self.id));
            }
            if scope == EMAIL {
                claims.insert("email".to_owned(), json!(self.email));
                claims.insert("email_verified".to_owned(), json!(true));
            }
        }
        claims
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_granted_what_is_asked_for_and_theirs() {
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
        for (id, asked, granted) in cases {
            let person = Person::find(id).unwrap();
            assert_eq!(person.grants(asked).join(" "), granted, "{id} {asked}");
        }
        assert_eq!(Person::find("stranger"), None);
    }

    #[test]
    fn a_profile_says_what_the_scopes_release() {
        let person = Person::with_subject("auth0|manager").unwrap();
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
            let claims = person.claims(scopes.iter().copied());
            assert_eq!(Value::Object(claims), expected, "{scopes:?}");
        }
        assert_eq!(Person::with_subject("manager"), None);
    }
}
