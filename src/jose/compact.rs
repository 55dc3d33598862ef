//! Splits a compact JWS into its three strict segments ([RFC 7515 §3.1, §7.1]) and reads its header.
//!
//! [RFC 7515 §3.1, §7.1]: https://www.rfc-editor.org/rfc/rfc7515#section-3.1

use std::rc::Rc;

use base64_simd::URL_SAFE_NO_PAD;
use serde::de::MapAccess;
use serde_json::{Map, Value};

use super::json::{self, Member, Members, Unique};
use super::known_headers;

/// A compact JWS with a parsed header and undecoded other segments; nothing about it is verified.
#[derive(Debug)]
pub(crate) struct Compact<'t, H = Rc<Header>> {
    /// The bytes under the signature: the first two segments and the dot between them.
    pub(crate) signing_input: &'t [u8],
    pub(crate) header: H,
    encoded_header: &'t str,
    payload: &'t str,
    signature: &'t str,
}

impl<'t> Compact<'t> {
    /// Reads exactly three segments, the first one a JSON object in unpadded base64url. The caller limits the length.
    ///
    /// # Errors
    /// [`CompactError`] names the part that is malformed.
    pub(crate) fn parse(token: &'t str) -> Result<Self, CompactError> {
        Self::read(token, |encoded| match known_headers::find(encoded) {
            Some(header) => Ok(header),
            None => read_header(encoded).map(Rc::new),
        })
    }

    /// Notes that the signature is valid, so that the header need not be parsed for the next token with the same one.
    pub(crate) fn keep_header(&self) {
        // One that is kept is shared.
        if Rc::strong_count(&self.header) == 1 {
            known_headers::insert(self.encoded_header, &self.header);
        }
    }
}

impl<'t> Compact<'t, HeaderWithJwk> {
    /// Reads the same form with a header that may hold the signer's own key; at most 16 KiB.
    ///
    /// # Errors
    /// [`CompactError`] names the part that is malformed.
    pub(crate) fn parse_with_jwk(token: &'t str) -> Result<Self, CompactError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(CompactError::TooLong);
        }
        Self::read(token, read_header)
    }
}

impl<'t, H> Compact<'t, H> {
    fn read(
        token: &'t str,
        read_header: impl FnOnce(&str) -> Result<H, CompactError>,
    ) -> Result<Self, CompactError> {
        let [header, payload, signature] = segments(token).ok_or(CompactError::Segments)?;
        let signed = header.len().saturating_add(1).saturating_add(payload.len());
        Ok(Self {
            signing_input: token.as_bytes().get(..signed).unwrap_or_default(),
            header: read_header(header)?,
            encoded_header: header,
            payload,
            signature,
        })
    }

    /// Decodes the second segment.
    ///
    /// # Errors
    /// It is not unpadded base64url.
    pub(crate) fn payload(&self) -> Result<Vec<u8>, CompactError> {
        decode(self.payload)
    }

    /// Decodes the third segment.
    ///
    /// # Errors
    /// It is not unpadded base64url.
    pub(crate) fn signature(&self) -> Result<Vec<u8>, CompactError> {
        decode(self.signature)
    }

    /// Whether the third segment is base64url, without decoding all of it.
    pub(crate) fn has_encoded_signature(&self) -> bool {
        URL_SAFE_NO_PAD.check(self.signature.as_bytes()).is_ok()
    }

    /// The third segment, still encoded.
    pub(crate) fn encoded_signature(&self) -> &str {
        self.signature
    }
}

fn read_header<H: for<'h> Members<'h>>(encoded: &str) -> Result<H, CompactError> {
    json::read_object(&decode(encoded)?).map_err(|_| CompactError::Header)
}

/// The parts between exactly two dots.
fn segments(token: &str) -> Option<[&str; 3]> {
    let mut dots = memchr::memchr_iter(b'.', token.as_bytes());
    let (first, second) = (dots.next()?, dots.next()?);
    if dots.next().is_some() {
        return None;
    }
    let between = |from: usize, to| token.get(from.checked_add(1)?..to);
    Some([
        token.get(..first)?,
        between(first, second)?,
        between(second, token.len())?,
    ])
}

/// Whether a text has three segments, of which the first is a JSON object in base64url: whether it is meant as a signed
/// JWT, however malformed it is otherwise (RFC 7519 §7.2).
pub(crate) fn has_form_of_jwt(text: &str) -> bool {
    let mut segments = text.split('.');
    let header = segments.next().unwrap_or_default();
    segments.count() == 2
        && decode(header)
            .is_ok_and(|header| serde_json::from_slice::<Map<String, Value>>(&header).is_ok())
}

fn decode(segment: &str) -> Result<Vec<u8>, CompactError> {
    URL_SAFE_NO_PAD
        .decode_to_vec(segment)
        .map_err(|_| CompactError::Base64Url)
}

/// The header parameters that are used (RFC 7515 §4.1); `jwk`, `jku`, `x5u` and `x5c` are ignored.
#[derive(Debug, Default)]
pub(crate) struct Header {
    pub(crate) algorithm: Member<String>,
    pub(crate) key_id: Member<String>,
    pub(crate) token_type: Member<String>,
    /// `crit` is present, or `b64`, which is only valid together with it (RFC 7797 §6).
    pub(crate) has_critical: bool,
}

impl<'de> Members<'de> for Header {
    fn read<A: MapAccess<'de>>(&mut self, name: &str, values: &mut A) -> Result<(), A::Error> {
        match name {
            "alg" => self.algorithm = values.next_value()?,
            "kid" => self.key_id = values.next_value()?,
            "typ" => self.token_type = values.next_value()?,
            other => {
                self.has_critical |= matches!(other, "b64" | "crit");
                values.next_value::<Unique>()?;
            }
        }
        Ok(())
    }
}

/// A header with the public key of its signature (RFC 7515 §4.1.3), which is not trusted by itself.
#[derive(Debug, Default)]
pub(crate) struct HeaderWithJwk {
    pub(crate) plain: Header,
    /// `jwk`, of any type.
    pub(crate) key: Option<Value>,
}

impl<'de> Members<'de> for HeaderWithJwk {
    fn read<A: MapAccess<'de>>(&mut self, name: &str, values: &mut A) -> Result<(), A::Error> {
        match name {
            "jwk" => self.key = Some(values.next_value::<Unique<Value>>()?.0),
            other => self.plain.read(other, values)?,
        }
        Ok(())
    }
}

/// Why a text is not a compact JWS.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompactError {
    /// A segment is not unpadded base64url (RFC 7515 §2).
    #[error("a segment is not unpadded base64url")]
    Base64Url,
    /// The header is not one JSON object without duplicate members (RFC 7515 §4).
    #[error("the header is not one JSON object without duplicate members")]
    Header,
    /// There are more or fewer than three segments (RFC 7515 §7.1).
    #[error("the token has not exactly three segments")]
    Segments,
    /// The token is longer than the limit.
    #[error("the token is longer than the limit")]
    TooLong,
}

/// Enough for an RS512 signature and more claims than usual limits for headers allow.
pub(crate) const MAX_TOKEN_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;

    use super::*;

    fn encode(text: &str) -> String {
        BASE64URL_NOPAD.encode(text.as_bytes())
    }

    fn error(token: &str) -> CompactError {
        let parts = || {
            let compact = Compact::parse(token)?;
            Ok((compact.payload()?, compact.signature()?))
        };
        parts().expect_err("no compact JWS")
    }

    #[test]
    fn three_segments_are_parsed() {
        let token = format!(
            "{}.{}.{}",
            encode(r#"{"alg":"RS256","kid":"k"}"#),
            encode("{}"),
            encode("sig")
        );
        let compact = Compact::parse(&token).expect("well-formed");
        assert_eq!(compact.header.algorithm, Member::Valid("RS256".to_owned()));
        assert_eq!(compact.header.key_id, Member::Valid("k".to_owned()));
        assert_eq!(compact.payload().as_deref(), Ok(b"{}".as_slice()));
        assert_eq!(compact.signature().as_deref(), Ok(b"sig".as_slice()));
        assert_eq!(compact.signing_input, &token.as_bytes()[..token.len() - 5]);
    }

    #[test]
    fn any_other_number_of_segments_is_rejected() {
        for token in [
            "",
            "e30",
            "e30.e30",
            "e30.e30.e30.e30",
            "e30.e30.e30.e30.e30",
        ] {
            assert_eq!(error(token), CompactError::Segments, "{token}");
        }
    }

    #[test]
    fn only_canonical_unpadded_base64url_is_read() {
        for segment in [
            "e30=", "e3+0", "e3/0", "e30\n", " e30", "e31", "e", "e3.0", "ä", "e%30",
        ] {
            for token in [
                format!("{segment}.e30.e30"),
                format!("e30.{segment}.e30"),
                format!("e30.e30.{segment}"),
            ] {
                assert!(
                    matches!(
                        error(&token),
                        CompactError::Base64Url | CompactError::Segments
                    ),
                    "{token}"
                );
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn segments_are_decoded_as_by_another_library(text in "[A-Za-z0-9_-]{0,70}[A-Za-z0-9_=+/ -]?") {
            let other = BASE64URL_NOPAD.decode(text.as_bytes()).ok();
            proptest::prop_assert_eq!(URL_SAFE_NO_PAD.check(text.as_bytes()).is_ok(), other.is_some());
            proptest::prop_assert_eq!(decode(&text).ok(), other);
        }
    }

    #[test]
    fn the_header_is_one_object_without_duplicates() {
        for header in [
            "",
            "null",
            "[]",
            "{",
            "{}{}",
            r#"{"alg":"RS256","alg":"none"}"#,
            r#"{"x":1,"x":1}"#,
        ] {
            assert_eq!(
                error(&format!("{}.e30.e30", encode(header))),
                CompactError::Header,
                "{header}"
            );
        }
    }

    #[test]
    fn crit_and_b64_are_noticed_with_any_value() {
        for header in [
            r#"{"crit":[]}"#,
            r#"{"crit":null}"#,
            r#"{"b64":true}"#,
            r#"{"\u0062\u00364":1}"#,
        ] {
            let token = format!("{}.e30.e30", encode(header));
            assert!(
                Compact::parse(&token)
                    .expect("well-formed")
                    .header
                    .has_critical,
                "{header}"
            );
        }
    }

    #[test]
    fn a_header_may_bring_its_key_without_duplicates() {
        let parse = |header: &str| {
            let token = format!("{}.e30.e30", encode(header));
            Compact::parse_with_jwk(&token).map(|compact| compact.header)
        };
        let jwk = r#"{"a":[null,true,-1,1,1.5,"x",{"b":{}}]}"#;
        let header = parse(&format!(r#"{{"alg":"ES256","jwk":{jwk}}}"#)).expect("well-formed");
        assert_eq!(header.plain.algorithm, Member::Valid("ES256".to_owned()));
        assert_eq!(header.key, Some(serde_json::from_str(jwk).expect("JSON")));
        assert_eq!(parse("{}").expect("well-formed").key, None);
        for header in [
            r#"{"jwk":{"x":1,"x":1}}"#,
            r#"{"jwk":{"x":1,"\u0078":1}}"#,
            r#"{"jwk":{"a":[{"x":1,"x":2}]}}"#,
            r#"{"jwk":{},"jwk":{}}"#,
            r#"{"crit":{"x":1,"x":2}}"#,
        ] {
            assert_eq!(parse(header).err(), Some(CompactError::Header), "{header}");
        }
    }

    #[test]
    fn a_proof_of_more_than_16_kib_is_rejected() {
        let token = |length: usize| format!("e30.{}.", "A".repeat(length - 5));
        let parse = |length| Compact::parse_with_jwk(&token(length)).map(drop);
        assert_eq!(parse(16 * 1024 + 1), Err(CompactError::TooLong));
        assert_eq!(parse(16 * 1024), Ok(()));
    }
}
