//! Subject identifiers ([RFC 9493 §3], [SSF 1.0 §3]), as far as they identify tokens of an issuer.
//!
//! [RFC 9493 §3]: https://www.rfc-editor.org/rfc/rfc9493#section-3
//! [SSF 1.0 §3]: https://openid.net/specs/openid-sharedsignals-framework-1_0-final.html

use serde_json::{Map, Value};

use super::EventError;

/// Whose tokens are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject<'v> {
    /// Those with this `sub`.
    User(&'v str),
    /// Those with this `sid`.
    Session(&'v str),
    /// The one with this `jti`.
    Token(&'v str),
}

impl<'v> Subject<'v> {
    /// Reads the identifier in `claim` of an event of `issuer`.
    ///
    /// # Errors
    /// It is malformed, describes a subject of another issuer, or no tokens.
    pub(super) fn read(
        identifier: &'v Value,
        claim: &'static str,
        issuer: &str,
    ) -> Result<Self, EventError> {
        let reader = Reader { claim, issuer };
        let members = reader.object(identifier)?;
        match reader.format(members)? {
            Format::IssuerAndSubject | Format::Opaque => Ok(Self::User(reader.user(members)?)),
            Format::TokenId => {
                reader.check_issuer(members)?;
                Ok(Self::Token(reader.text(members, "jti")?))
            }
            Format::Complex => reader.complex(members),
            Format::Other => Err(EventError::UnsupportedSubject),
        }
    }
}

/// How a subject is described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    IssuerAndSubject,
    Opaque,
    TokenId,
    Complex,
    Other,
}

/// Reads the identifiers in a claim of an event.
#[derive(Clone, Copy)]
struct Reader<'i> {
    claim: &'static str,
    issuer: &'i str,
}

impl Reader<'_> {
    fn malformed(self) -> EventError {
        EventError::Malformed { claim: self.claim }
    }

    fn object(self, identifier: &Value) -> Result<&Map<String, Value>, EventError> {
        identifier.as_object().ok_or_else(|| self.malformed())
    }

    /// Drafts name the format `subject_type`, and name none for a complex subject.
    fn format(self, members: &Map<String, Value>) -> Result<Format, EventError> {
        let named = members
            .get("format")
            .or_else(|| members.get("subject_type"));
        let Some(named) = named else {
            let is_complex = ["user", "session"]
                .iter()
                .any(|part| members.contains_key(*part));
            return is_complex
                .then_some(Format::Complex)
                .ok_or_else(|| self.malformed());
        };
        Ok(match named.as_str().ok_or_else(|| self.malformed())? {
            "iss_sub" | "iss-sub" => Format::IssuerAndSubject,
            "opaque" => Format::Opaque,
            "jwt_id" | "jwt-id" => Format::TokenId,
            "complex" => Format::Complex,
            _ => Format::Other,
        })
    }

    /// The session of a complex subject, or else its user; other members only narrow it down.
    fn complex(self, members: &Map<String, Value>) -> Result<Subject<'_>, EventError> {
        if let Some(session) = members.get("session") {
            let session = self.object(session)?;
            return match self.format(session)? {
                Format::Opaque => Ok(Subject::Session(self.text(session, "id")?)),
                _ => Err(EventError::UnsupportedSubject),
            };
        }
        let user = members.get("user").ok_or(EventError::UnsupportedSubject)?;
        Ok(Subject::User(self.user(self.object(user)?)?))
    }

    fn user(self, members: &Map<String, Value>) -> Result<&str, EventError> {
        match self.format(members)? {
            Format::IssuerAndSubject => {
                self.check_issuer(members)?;
                self.text(members, "sub")
            }
            Format::Opaque => self.text(members, "id"),
            _ => Err(EventError::UnsupportedSubject),
        }
    }

    /// An issuer must not revoke the tokens of another one.
    fn check_issuer(self, members: &Map<String, Value>) -> Result<(), EventError> {
        if self.text(members, "iss")? == self.issuer {
            Ok(())
        } else {
            Err(EventError::ForeignSubject)
        }
    }

    fn text<'v>(self, members: &'v Map<String, Value>, name: &str) -> Result<&'v str, EventError> {
        let text = members.get(name).and_then(Value::as_str);
        let text = text.filter(|text| !text.is_empty());
        text.ok_or_else(|| self.malformed())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://issuer.example/";

    fn read(identifier: &Value) -> Result<Subject<'_>, EventError> {
        Subject::read(identifier, "sub_id", ISSUER)
    }

    #[test]
    fn users_sessions_and_tokens_are_identified() {
        let user = json!({"format": "iss_sub", "iss": ISSUER, "sub": "ada"});
        let session = json!({"format": "opaque", "id": "s1"});
        let tenant = json!({"format": "opaque", "id": "t1"});
        for (identifier, expected) in [
            (user.clone(), Subject::User("ada")),
            (
                json!({"format": "opaque", "id": "ada"}),
                Subject::User("ada"),
            ),
            (
                json!({"subject_type": "iss-sub", "iss": ISSUER, "sub": "ada"}),
                Subject::User("ada"),
            ),
            (
                json!({"format": "jwt_id", "iss": ISSUER, "jti": "j1"}),
                Subject::Token("j1"),
            ),
            (
                json!({"format": "complex", "user": user, "session": session, "tenant": tenant}),
                Subject::Session("s1"),
            ),
            (
                json!({"format": "complex", "session": session}),
                Subject::Session("s1"),
            ),
            (
                json!({"format": "complex", "user": user}),
                Subject::User("ada"),
            ),
            (
                json!({"user": user, "tenant": tenant}),
                Subject::User("ada"),
            ),
        ] {
            assert_eq!(read(&identifier), Ok(expected), "{identifier}");
        }
    }

    #[test]
    fn subjects_of_another_issuer_are_rejected() {
        let other = "https://other.example/";
        let user = json!({"format": "iss_sub", "iss": other, "sub": "ada"});
        for identifier in [
            user.clone(),
            json!({"format": "complex", "user": user}),
            json!({"format": "jwt_id", "iss": other, "jti": "j1"}),
            json!({"format": "iss_sub", "iss": "https://issuer.example", "sub": "ada"}),
        ] {
            let outcome = read(&identifier);
            assert_eq!(outcome, Err(EventError::ForeignSubject), "{identifier}");
        }
    }

    #[test]
    fn subjects_that_identify_no_tokens_are_rejected() {
        let email = json!({"format": "email", "email": "ada@example.com"});
        let deep = json!({"format": "complex", "user": {"format": "complex", "user": email}});
        for identifier in [
            email.clone(),
            json!({"format": "phone_number", "phone_number": "+12065550100"}),
            json!({"format": "account", "uri": "acct:ada@example.com"}),
            json!({"format": "aliases", "identifiers": [email]}),
            json!({"format": "complex", "user": email}),
            json!({"format": "complex", "session": email}),
            json!({"format": "complex", "device": {"format": "opaque", "id": "d"}}),
            json!({"format": "complex"}),
            deep,
        ] {
            let outcome = read(&identifier);
            assert_eq!(outcome, Err(EventError::UnsupportedSubject), "{identifier}");
        }
    }

    #[test]
    fn malformed_identifiers_are_rejected() {
        for identifier in [
            json!(null),
            json!("ada"),
            json!([]),
            json!({}),
            json!({"format": 1}),
            json!({"format": ["iss_sub"], "iss": ISSUER, "sub": "ada"}),
            json!({"format": "iss_sub", "sub": "ada"}),
            json!({"format": "iss_sub", "iss": ISSUER}),
            json!({"format": "iss_sub", "iss": ISSUER, "sub": ""}),
            json!({"format": "iss_sub", "iss": ISSUER, "sub": 1}),
            json!({"format": "opaque"}),
            json!({"format": "jwt_id", "iss": ISSUER}),
            json!({"format": "complex", "user": "ada"}),
            json!({"format": "complex", "session": {"format": "opaque", "id": null}}),
        ] {
            let expected = Err(EventError::Malformed { claim: "sub_id" });
            assert_eq!(read(&identifier), expected, "{identifier}");
        }
    }
}
