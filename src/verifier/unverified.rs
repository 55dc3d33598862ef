//! The little that may be read before the signature holds ([RFC 7515 §4]).
//!
//! [RFC 7515 §4]: https://www.rfc-editor.org/rfc/rfc7515#section-4

use std::hash::{DefaultHasher, Hash, Hasher};

use super::VerifyError;
use crate::claims::{Audience, Claims};
use crate::jose::Algorithm;
use crate::jose::compact::{Compact, CompactError};
use crate::jose::json::Member;
use crate::jose::jwk::Jwk;

/// A token in the right form; nothing in it is trusted yet.
#[derive(Debug)]
pub(crate) struct Unverified<'t> {
    compact: Compact<'t>,
    algorithm: Algorithm,
    token_type: TokenType,
    payload: Vec<u8>,
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
pub(crate) struct SignatureVerified {
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
        let payload = compact.payload()?;
        let claims = Claims::parse(&payload).map_err(|_| VerifyError::MalformedPayload)?;
        Ok(Self {
            compact,
            algorithm,
            token_type,
            payload,
            claims,
        })
    }
}

impl Unverified<'_> {
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn key_id(&self) -> Option<&str> {
        self.compact.header.key_id.valid().map(String::as_str)
    }

    pub(crate) fn token_type(&self) -> TokenType {
        self.token_type
    }

    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// A number that stands for the key ID. A token without one needs a key of which nothing but its signature is
    /// known, so that this stands for it: what a forged one lacks says nothing about the key of a good one.
    pub(crate) fn key_fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        match self.key_id() {
            Some(id) => id.hash(&mut hasher),
            None => self.compact.encoded_signature().hash(&mut hasher),
        }
        hasher.finish()
    }

    /// Who the token says has issued it.
    pub(crate) fn issuer(&self) -> Result<&str, VerifyError> {
        match &self.claims.issuer {
            Member::Valid(issuer) => Ok(issuer),
            Member::Absent => Err(VerifyError::Missing { claim: "iss" }),
            Member::Malformed => Err(VerifyError::Malformed { claim: "iss" }),
        }
    }

    /// Whom the token says that it is for.
    pub(crate) fn audience(&self) -> Result<&Audience, VerifyError> {
        match &self.claims.audience {
            Member::Valid(audience) => Ok(audience),
            Member::Absent => Err(VerifyError::Missing { claim: "aud" }),
            Member::Malformed => Err(VerifyError::Malformed { claim: "aud" }),
        }
    }

    /// Refuses a signature that is not even encoded as one, where there is no key to decode it for.
    pub(crate) fn check_signature_encoding(&self) -> Result<(), VerifyError> {
        if self.compact.has_encoded_signature() {
            Ok(())
        } else {
            Err(CompactError::Base64Url.into())
        }
    }

    /// The signature, which is decoded only where there is a key that it may be of.
    pub(crate) fn signature(&self) -> Result<Vec<u8>, VerifyError> {
        Ok(self.compact.signature()?)
    }

    /// Whether `signature`, which is the token's, is that of `key`.
    pub(crate) fn is_signed_by(&self, key: &Jwk, signature: &[u8]) -> bool {
        key.verifies(self.algorithm, self.compact.signing_input, signature)
    }

    /// Takes the token for its issuer's word; to be called once a signature holds.
    pub(crate) fn into_signature_verified(self) -> SignatureVerified {
        SignatureVerified {
            payload: self.payload,
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
            Member::Malformed => return Err(VerifyError::WrongType),
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
            Err(VerifyError::WrongType)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::CompactError;
    use data_encoding::BASE64URL_NOPAD;

    fn refusal(header: &str, payload: &str) -> Option<VerifyError> {
        let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        let token = format!("{}.{}.AAAA", encode(header), encode(payload));
        Unverified::parse(&token).err()
    }

    #[test]
    fn only_known_algorithms_are_read_on() {
        for header in [
            "{}",
            r#"{"alg":"none"}"#,
            r#"{"alg":"NONE"}"#,
            r#"{"alg":""}"#,
            r#"{"alg":null}"#,
            r#"{"alg":["RS256"]}"#,
            r#"{"alg":"rs256"}"#,
            r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#,
            r#"{"alg":"ES256K"}"#,
        ] {
            assert_eq!(
                refusal(header, "{}"),
                Some(VerifyError::UnknownAlgorithm),
                "{header}"
            );
        }
    }

    #[test]
    fn extensions_are_refused() {
        for header in [
            r#"{"alg":"RS256","crit":["exp"]}"#,
            r#"{"alg":"RS256","crit":[]}"#,
            r#"{"alg":"RS256","b64":true}"#,
        ] {
            assert_eq!(
                refusal(header, "{}"),
                Some(VerifyError::CriticalHeader),
                "{header}"
            );
        }
    }

    #[test]
    fn a_type_is_that_of_an_access_token_or_jwt() {
        for typ in [
            "JWT",
            "jwt",
            "at+jwt",
            "AT+JWT",
            "application/at+jwt",
            "Application/AT+jwt",
        ] {
            assert_eq!(
                refusal(&format!(r#"{{"alg":"RS256","typ":"{typ}"}}"#), "{}"),
                None,
                "{typ}"
            );
        }
        assert_eq!(refusal(r#"{"alg":"RS256"}"#, "{}"), None);
        for typ in [
            r#""""#,
            r#""id+jwt""#,
            r#""dpop+jwt""#,
            r#""logout+jwt""#,
            r#""application/jwt""#,
            r#""JWT ""#,
            "null",
            "1",
            r#"["JWT"]"#,
        ] {
            assert_eq!(
                refusal(&format!(r#"{{"alg":"RS256","typ":{typ}}}"#), "{}"),
                Some(VerifyError::WrongType),
                "{typ}"
            );
        }
    }

    #[test]
    fn a_key_identifier_is_a_text() {
        assert_eq!(refusal(r#"{"alg":"RS256","kid":""}"#, "{}"), None);
        for kid in ["null", "1", r#"["k"]"#, "{}"] {
            let header = format!(r#"{{"alg":"RS256","kid":{kid}}}"#);
            assert_eq!(
                refusal(&header, "{}"),
                Some(VerifyError::MalformedKeyId),
                "{kid}"
            );
        }
    }

    #[test]
    fn the_payload_is_one_object() {
        let header = r#"{"alg":"RS256"}"#;
        for payload in ["", "[]", r#"{"a":1,"a":1}"#] {
            assert_eq!(
                refusal(header, payload),
                Some(VerifyError::MalformedPayload),
                "{payload}"
            );
        }
        assert_eq!(
            Unverified::parse("a").err(),
            Some(VerifyError::Form(CompactError::Segments))
        );
    }

    #[test]
    fn an_issuer_is_a_text_that_is_there() {
        let issuer = |payload: &str| {
            let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
            let token = format!("{}.{}.", encode(r#"{"alg":"RS256"}"#), encode(payload));
            let unverified = Unverified::parse(&token).expect("well-formed");
            unverified.issuer().map(str::to_owned)
        };
        assert_eq!(issuer(r#"{"iss":"a"}"#), Ok("a".to_owned()));
        assert_eq!(issuer("{}"), Err(VerifyError::Missing { claim: "iss" }));
        assert_eq!(
            issuer(r#"{"iss":["a"]}"#),
            Err(VerifyError::Malformed { claim: "iss" })
        );
    }
}
