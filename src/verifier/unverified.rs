//! A parsed token before its signature is verified ([RFC 7515 §4]).
//!
//! [RFC 7515 §4]: https://www.rfc-editor.org/rfc/rfc7515#section-4

use std::hash::{DefaultHasher, Hash, Hasher};

use super::VerifyError;
use super::payload::Payload;
use super::validate::required;
use crate::claims::Claims;
use crate::issuer::TokenType;
use crate::jose::Algorithm;
use crate::jose::compact::{Compact, CompactError};
use crate::jose::json::Member;
use crate::jose::jwk::Jwk;

/// A token whose header has been read and whose payload has been decoded; its type is one of the kind `T`.
#[derive(Debug)]
pub(crate) struct Decoded<'t, T = TokenType> {
    compact: Compact<'t>,
    algorithm: Algorithm,
    token_type: T,
    payload: Vec<u8>,
}

/// A well-formed token of a type of the kind `T`; nothing in it is trusted yet.
#[derive(Debug)]
pub(crate) struct Unverified<'d, T = TokenType> {
    decoded: &'d Decoded<'d, T>,
    payload: Payload<'d>,
}

/// The types of one kind of token.
pub(crate) trait HeaderType: Copy {
    /// Reads `typ`, which may be absent; `None` for a type of another kind.
    fn read(typ: Option<&str>) -> Option<Self>;
}

/// An access token is a [`TokenType::Jwt`] where it names no type.
impl HeaderType for TokenType {
    fn read(typ: Option<&str>) -> Option<Self> {
        typ.map_or(Some(Self::Jwt), |typ| typ.parse().ok())
    }
}

impl<'t, T: HeaderType> Decoded<'t, T> {
    /// Decodes a token; rejects what no signature could make valid.
    pub(crate) fn parse(token: &'t str) -> Result<Self, VerifyError> {
        let compact = Compact::parse(token)?;
        let algorithm = algorithm(&compact.header.algorithm)?;
        if compact.header.has_critical {
            return Err(VerifyError::CriticalHeader);
        }
        let token_type = token_type(&compact.header.token_type)?;
        if compact.header.key_id == Member::Malformed {
            return Err(VerifyError::MalformedKeyId);
        }
        Ok(Self {
            algorithm,
            token_type,
            payload: compact.payload()?,
            compact,
        })
    }

    /// Reads the claims.
    pub(crate) fn read(&self) -> Result<Unverified<'_, T>, VerifyError> {
        Ok(Unverified {
            decoded: self,
            payload: Payload::parse(&self.payload)?,
        })
    }
}

impl<'d, T: HeaderType> Unverified<'d, T> {
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.decoded.algorithm
    }

    pub(crate) fn key_id(&self) -> Option<&str> {
        self.decoded
            .compact
            .header
            .key_id
            .valid()
            .map(String::as_str)
    }

    pub(crate) fn token_type(&self) -> T {
        self.decoded.token_type
    }

    pub(crate) fn claims(&self) -> &Claims<'_> {
        &self.payload.claims
    }

    pub(crate) fn payload(&self) -> &Payload<'_> {
        &self.payload
    }

    /// A hash of the key ID, or of the signature if there is no `kid`: then nothing else identifies the key, and the
    /// missing key of a forged token must not stand for that of a valid one.
    pub(crate) fn key_fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        match self.key_id() {
            Some(id) => id.hash(&mut hasher),
            None => self.decoded.compact.encoded_signature().hash(&mut hasher),
        }
        hasher.finish()
    }

    /// The claim `iss`.
    pub(crate) fn issuer(&self) -> Result<&str, VerifyError> {
        required(&self.payload.claims.issuer, "iss").map(|issuer| &**issuer)
    }

    /// Checks the signature's encoding, without decoding it, if there is no key to verify it with.
    pub(crate) fn check_signature_encoding(&self) -> Result<(), VerifyError> {
        if self.decoded.compact.has_encoded_signature() {
            Ok(())
        } else {
            Err(CompactError::Base64Url.into())
        }
    }

    /// Decodes the signature; only needed if there is a key to verify it with.
    pub(crate) fn signature(&self) -> Result<Vec<u8>, VerifyError> {
        Ok(self.decoded.compact.signature()?)
    }

    /// Whether `signature`, the token's decoded signature, is valid under `key`.
    pub(crate) fn is_signed_by(&self, key: &Jwk, signature: &[u8]) -> bool {
        let Decoded {
            compact, algorithm, ..
        } = self.decoded;
        let is_signed = key.verifies(*algorithm, compact.signing_input, signature);
        if is_signed {
            compact.keep_header();
        }
        is_signed
    }

    /// The payload, which is authentic; must only be called after [`is_signed_by`](Self::is_signed_by).
    pub(crate) fn into_verified_payload(self) -> Payload<'d> {
        self.payload
    }
}

fn algorithm(named: &Member<String>) -> Result<Algorithm, VerifyError> {
    let name = named.valid().ok_or(VerifyError::UnknownAlgorithm)?;
    name.parse().map_err(|_| VerifyError::UnknownAlgorithm)
}

fn token_type<T: HeaderType>(named: &Member<String>) -> Result<T, VerifyError> {
    let named = match named {
        Member::Absent => T::read(None),
        Member::Malformed => None,
        Member::Valid(name) => T::read(Some(name)),
    };
    named.ok_or(VerifyError::WrongType)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::CompactError;
    use data_encoding::BASE64URL_NOPAD;

    fn parse_error(token: &str) -> Option<VerifyError> {
        let decoded = Decoded::<TokenType>::parse(token);
        decoded.and_then(|decoded| decoded.read().map(drop)).err()
    }

    fn error(header: &str, payload: &str) -> Option<VerifyError> {
        let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        let token = format!("{}.{}.AAAA", encode(header), encode(payload));
        parse_error(&token)
    }

    #[test]
    fn unknown_algorithms_are_rejected() {
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
                error(header, "{}"),
                Some(VerifyError::UnknownAlgorithm),
                "{header}"
            );
        }
    }

    #[test]
    fn header_extensions_are_rejected() {
        for header in [
            r#"{"alg":"RS256","crit":["exp"]}"#,
            r#"{"alg":"RS256","crit":[]}"#,
            r#"{"alg":"RS256","b64":true}"#,
        ] {
            assert_eq!(
                error(header, "{}"),
                Some(VerifyError::CriticalHeader),
                "{header}"
            );
        }
    }

    #[test]
    fn the_type_must_be_a_known_one_or_absent() {
        for typ in [
            "JWT",
            "jwt",
            "at+jwt",
            "AT+JWT",
            "application/at+jwt",
            "Application/AT+jwt",
            "JOSE",
            "jose",
        ] {
            assert_eq!(
                error(&format!(r#"{{"alg":"RS256","typ":"{typ}"}}"#), "{}"),
                None,
                "{typ}"
            );
        }
        assert_eq!(error(r#"{"alg":"RS256"}"#, "{}"), None);
        for typ in [
            r#""""#,
            r#""id+jwt""#,
            r#""dpop+jwt""#,
            r#""logout+jwt""#,
            r#""application/jwt""#,
            r#""application/JOSE""#,
            r#""application/""#,
            r#""JWT ""#,
            "null",
            "1",
            r#"["JWT"]"#,
        ] {
            assert_eq!(
                error(&format!(r#"{{"alg":"RS256","typ":{typ}}}"#), "{}"),
                Some(VerifyError::WrongType),
                "{typ}"
            );
        }
    }

    #[test]
    fn a_key_id_must_be_a_string() {
        assert_eq!(error(r#"{"alg":"RS256","kid":""}"#, "{}"), None);
        for kid in ["null", "1", r#"["k"]"#, "{}"] {
            let header = format!(r#"{{"alg":"RS256","kid":{kid}}}"#);
            assert_eq!(
                error(&header, "{}"),
                Some(VerifyError::MalformedKeyId),
                "{kid}"
            );
        }
    }

    #[test]
    fn the_payload_must_be_one_object() {
        let header = r#"{"alg":"RS256"}"#;
        for payload in ["", "[]", r#"{"a":1,"a":1}"#] {
            assert_eq!(
                error(header, payload),
                Some(VerifyError::MalformedPayload),
                "{payload}"
            );
        }
        assert_eq!(
            parse_error("a"),
            Some(VerifyError::Form(CompactError::Segments))
        );
    }

    #[test]
    fn the_issuer_must_be_a_string() {
        let issuer = |payload: &str| {
            let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
            let token = format!("{}.{}.", encode(r#"{"alg":"RS256"}"#), encode(payload));
            let decoded = Decoded::<TokenType>::parse(&token).expect("well-formed");
            let unverified = decoded.read().expect("an object");
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
