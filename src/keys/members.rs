//! The keys in the text of a JWK set, each parsed separately.
//!
//! Parsed as a whole, a document of 1 MiB could take more than a hundred times as much memory.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::content::{self, Content};
use crate::jose::jwk::{Jwk, JwkError};

/// A JWK set whose keys have not been parsed (RFC 7517 §5).
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Option<Vec<&'a RawValue>>,
}

/// The keys of a set in order, each parsed or with its error. An empty object is a set without keys.
///
/// # Errors
/// [`Content`] if the text is not a JWK set.
pub(super) fn keys(body: &[u8]) -> Result<impl Iterator<Item = Result<Jwk, JwkError>>, Content> {
    let document: Document<'_> = content::parse(body)?;
    let keys = match document.keys {
        Some(keys) => keys,
        None => absent(body)?,
    };
    Ok(keys.into_iter().enumerate().map(|(number, member)| {
        if number < MOST_KEYS {
            read(member.get())
        } else {
            Err(JwkError::TooMany)
        }
    }))
}

/// No keys, if the document claims to be nothing else: an error in JSON must not withdraw the keys in use.
fn absent<T>(body: &[u8]) -> Result<Vec<T>, Content> {
    let members: HashMap<String, IgnoredAny> = content::parse(body)?;
    if members.is_empty() || members.contains_key("keys") {
        Ok(Vec::new())
    } else {
        Err(Content::NoKeys)
    }
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
