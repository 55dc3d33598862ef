//! The types of token that are accepted, by the `typ` of the header.

use std::fmt;
use std::str::FromStr;

/// The type of a token by the `typ` of its header ([RFC 9068 §2.1]).
///
/// [RFC 9068 §2.1]: https://www.rfc-editor.org/rfc/rfc9068#section-2.1
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenType {
    /// `at+jwt`, or `application/at+jwt`.
    AccessToken,
    /// `JWT`, or no `typ`.
    Jwt,
    /// `JOSE`, as in JWT-SVIDs of SPIFFE.
    Jose,
}

impl TokenType {
    pub(crate) const DEFAULT: [Self; 2] = [Self::AccessToken, Self::Jwt];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AccessToken => "at+jwt",
            Self::Jwt => "JWT",
            Self::Jose => "JOSE",
        }
    }
}

impl fmt::Display for TokenType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads the value of `typ`, in any case (RFC 7515 §4.1.9).
impl FromStr for TokenType {
    type Err = UnknownTokenType;

    fn from_str(typ: &str) -> Result<Self, UnknownTokenType> {
        let short = match typ.split_at_checked(APPLICATION.len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case(APPLICATION) => rest,
            _ => typ,
        };
        let known = [Self::AccessToken, Self::Jwt, Self::Jose].into_iter();
        let mut named = known.filter(|known| short.eq_ignore_ascii_case(known.name()));
        // `application/jwt` and `application/jose` are media types of their own (RFC 7519 §10.3.1, RFC 7515 §9.2.1).
        named
            .find(|known| short.len() == typ.len() || *known == Self::AccessToken)
            .ok_or(UnknownTokenType)
    }
}

const APPLICATION: &str = "application/";

/// The text is not the `typ` of a token that can be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a type of token; known are at+jwt, JWT and JOSE")]
pub struct UnknownTokenType;
