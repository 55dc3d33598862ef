//! The keys in the text of a JWK set, each parsed separately.
//!
//! Parsed as a whole, a document of 1 MiB could take more than a hundred times as much memory.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::jose::jwk::{Jwk, JwkError};

/// A JWK set whose keys have not been parsed (RFC 7517 §5).
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

/// The keys of a set in order, each parsed or with its error; `None` if the text is not a JWK set.
pub(super) fn keys(body: &[u8]) -> Option<impl Iterator<Item = Result<Jwk, JwkError>>> {
    let document: Document<'_> = serde_json::from_slice(body).ok()?;
    let members = document.keys.into_iter().enumerate();
    Some(members.map(|(number, member)| {
        if number < MOST_KEYS {
            read(member.get())
        } else {
            Err(JwkError::TooMany)
        }
    }))
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
