//! The keys in the text of a JWK set, each parsed separately.
//!
//! Parsed as a whole, a document of 1 MiB could take more than a hundred times as much memory.

use std::collections::BTreeMap;
use std::iter;
use std::sync::Arc;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use webpki::EndEntityCert;

use super::content::{self, Content};
use crate::jose::digest::sha256;
use crate::jose::jwk::{Jwk, JwkError};
use crate::jose::public_key::{self, PublicKeyError};

/// A JWK set whose keys have not been parsed (RFC 7517 §5).
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Option<Vec<&'a RawValue>>,
}

/// The keys of a document, each parsed or with its error.
type Keys<'a> = Box<dyn Iterator<Item = Result<Jwk, JwkError>> + 'a>;

/// The keys of a JWK set in order, or of Google's map from key IDs to certificates. An empty object is a set without keys.
///
/// # Errors
/// [`Content`] if the text is neither.
pub(super) fn keys(body: &[u8]) -> Result<Keys<'_>, Content> {
    let document: Document<'_> = content::parse(body)?;
    let Some(keys) = document.keys else {
        return without_list(body);
    };
    Ok(Box::new(keys.into_iter().enumerate().map(
        |(number, member)| {
            if number < MOST_KEYS {
                read(member.get())
            } else {
                Err(JwkError::TooMany)
            }
        },
    )))
}

/// No keys, if the document claims to be nothing else: an error in JSON must not withdraw the keys in use.
fn without_list(body: &[u8]) -> Result<Keys<'_>, Content> {
    let members: BTreeMap<String, IgnoredAny> = content::parse(body)?;
    if members.is_empty() || members.contains_key("keys") {
        return Ok(Box::new(iter::empty()));
    }
    let texts: BTreeMap<String, String> = content::parse(body).map_err(|_| Content::NoKeys)?;
    let is_certificate = |text: &String| text.trim_start().starts_with(CERTIFICATE);
    if !texts.values().all(is_certificate) {
        return Err(Content::NoKeys);
    }
    let keys = texts.into_iter().take(MOST_KEYS);
    Ok(Box::new(keys.map(|(id, pem)| of_certificate(id, &pem))))
}

/// The key of a certificate in PEM. The certificate's validity is not judged: a JWK has none either, and the issuer
/// removes keys that must not be used.
fn of_certificate(key_id: String, pem: &str) -> Result<Jwk, JwkError> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| JwkError::Malformed)?;
    let certificate = EndEntityCert::try_from(&der).map_err(|_| JwkError::Malformed)?;
    let der = certificate.subject_public_key_info();
    let encoded = BASE64.encode(&der);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{encoded}\n-----END PUBLIC KEY-----\n");
    let key = public_key::read(&pem).map_err(|error| match error {
        PublicKeyError::Key(error) => error,
        _ => JwkError::Malformed,
    });
    let key = key?.usable.pop().and_then(Arc::into_inner);
    Ok(Jwk {
        key_id: Some(key_id),
        thumbprint: BASE64URL_NOPAD.encode(&sha256(&der)),
        ..key.ok_or(JwkError::Malformed)?
    })
}

fn read(member: &str) -> Result<Jwk, JwkError> {
    if member.len() > LONGEST_KEY {
        return Err(JwkError::TooLong);
    }
    let member: Value = serde_json::from_str(member).map_err(|_| JwkError::Malformed)?;
    Jwk::parse(&member)
}

/// More than any provider publishes; a thousand RSA keys, parsed for each algorithm, take some MiB.
const MOST_KEYS: usize = 1000;

/// RFC 7468 §5.1.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// An RSA key of 8192 bits with a chain of certificates is shorter.
const LONGEST_KEY: usize = 32 * 1024;

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use super::*;
    use crate::jose::Algorithm;
    use crate::test_kit::shared;
    use serde_json::json;

    fn errors(body: &Value) -> Vec<Option<JwkError>> {
        let body = body.to_string();
        let keys = keys(body.as_bytes()).expect("a set");
        keys.map(Result::err).collect()
    }

    #[test]
    fn a_thousand_keys_of_a_set_are_read() {
        let key = shared(Algorithm::Es256).public_jwk();
        let errors = errors(&json!({ "keys": vec![key; 1_002] }));
        assert_eq!(
            errors[999..],
            [None, Some(JwkError::TooMany), Some(JwkError::TooMany)]
        );
    }

    #[test]
    fn a_key_of_32_kib_is_read_and_a_longer_one_is_not() {
        let padded = |length: usize| {
            let mut key = shared(Algorithm::Es256).public_jwk().expect("a public key");
            key["pad"] = "".into();
            let missing = length - key.to_string().len();
            key["pad"] = "p".repeat(missing).into();
            key
        };
        let keys = json!({ "keys": [padded(LONGEST_KEY), padded(LONGEST_KEY + 1)] });
        assert_eq!(errors(&keys), [None, Some(JwkError::TooLong)]);
    }
}
