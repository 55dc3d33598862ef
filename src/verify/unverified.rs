//! The little that may be read before the signature holds ([RFC 7515 §4]).
//!
//! [RFC 7515 §4]: https://www.rfc-editor.org/rfc/rfc7515#section-4

use super::VerifyError;
use crate::claims::Claims;
use crate::jose::Algorithm;
use crate::jose::compact::Compact;
use crate::jose::json::Member;
use crate::keys::document::Key;

/// A token in the right form; nothing in it is trusted yet.
#[derive(Debug)]
pub(crate) struct Unverified<'t> {
    compact: Compact<'t>,
    algorithm: Algorithm,
    token_type: TokenType,
    claims: Claims,
}

/// What the header's `typ` says (RFC 9068 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenType {
    AccessToken,
    /// `JWT`, or nothing at all.
    Jwt,
}

/// A token whose signature holds: its issuer's word, not yet judged.
#[derive(Debug)]
pub(crate) struct Authentic {
    pub(crate) payload: Vec<u8>,
    pub(crate) token_type: TokenType,
    pub(crate) claims: Claims,
}

impl<'t> Unverified<'t> {
    /// Reads a token, and refuses at once what no signature could mend.
    pub(crate) fn parse(token: &'t str) -> Result<Self, VerifyError> {
        let compact = Compact::parse(token)?;
        let algorithm = algorithm(&compact.header.algorithm)?;
        if compact.header.has_critical {
            return Err(VerifyError::CriticalHeader);
        }
        let token_type = TokenType::read(&compact.header.token_type)?;
        if compact.header.key_id == Member::Malformed {
            return Err(VerifyError::MalformedKeyId);
        }
        let claims = Claims::parse(&compact.payload).map_err(|_| VerifyError::MalformedPayload)?;
        Ok(Self {
            compact,
            algorithm,
            token_type,
            claims,
        })
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn key_id(&self) -> Option<&str> {
        self.compact.header.key_id.valid().map(String::as_str)
    }

    /// Who the token says has issued it.
    pub(crate) fn issuer(&self) -> Result<&str, VerifyError> {
        match &self.claims.issuer {
            Member::Valid(issuer) => Ok(issuer),
            Member::Absent => Err(VerifyError::Missing { claim: "iss" }),
            Member::Malformed => Err(VerifyError::Malformed { claim: "iss" }),
        }
    }

    /// Whether the token carries the signature of `key`.
    pub(crate) fn is_signed_by(&self, key: &Key) -> bool {
        key.verifies(
            self.algorithm,
            self.compact.signing_input,
            &self.compact.signature,
        )
    }

    /// Takes the token for its issuer's word; to be called once a signature holds.
    pub(crate) fn into_authentic(self) -> Authentic {
        Authentic {
            payload: self.compact.payload,
            token_type: self.token_type,
            claims: self.claims,
        }
    }
}

fn algorithm(named: &Member<String>) -> Result<Algorithm, VerifyError> {
    let name = named.valid().ok_or(VerifyError::UnknownAlgorithm)?;
    name.parse().map_err(|_| VerifyError::UnknownAlgorithm)
}

impl TokenType {
    fn read(named: &Member<String>) -> Result<Self, VerifyError> {
        let name = match named {
            Member::Absent => return Ok(Self::Jwt),
            Member::Malformed => return Err(VerifyError::OtherType),
            Member::Valid(name) => name,
        };
        if name.eq_ignore_ascii_case("JWT") {
            Ok(Self::Jwt)
        } else if ["at+jwt", "application/at+jwt"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
        {
            Ok(Self::AccessToken)
        } else {
            Err(VerifyError::OtherType)
        }
    }
}
