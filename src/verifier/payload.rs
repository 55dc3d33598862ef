//! The payload of a token, and what has been parsed of it.

use std::cell::OnceCell;

use serde_json::Value;

use super::VerifyError;
use crate::claims::Claims;
use crate::claims::claim_name::ClaimName;

/// A payload that is one JSON object without duplicate members; nothing in it is trusted by itself.
#[derive(Debug)]
pub(crate) struct Payload<'p> {
    pub(crate) text: &'p str,
    pub(crate) claims: Claims<'p>,
    /// The whole payload, parsed when a rule needs a claim that is not in `claims`.
    document: OnceCell<Value>,
}

impl<'p> Payload<'p> {
    /// # Errors
    /// [`VerifyError::MalformedPayload`].
    pub(crate) fn parse(bytes: &'p [u8]) -> Result<Self, VerifyError> {
        let text = std::str::from_utf8(bytes).map_err(|_| VerifyError::MalformedPayload)?;
        let claims = Claims::parse(text).map_err(|_| VerifyError::MalformedPayload)?;
        Ok(Self::new(text, claims))
    }

    /// A payload with the claims that have been read of it.
    pub(crate) fn new(text: &'p str, claims: Claims<'p>) -> Self {
        Self {
            text,
            claims,
            document: OnceCell::new(),
        }
    }

    /// Any claim.
    pub(super) fn claim(&self, name: &ClaimName) -> Option<&Value> {
        name.find(self.document())
    }

    /// The whole payload; cannot fail to parse, because its claims have been parsed.
    pub(super) fn document(&self) -> &Value {
        self.document
            .get_or_init(|| serde_json::from_str(self.text).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_text() {
        let error = Payload::parse(b"{\"sub\":\"\xff\"}").map(drop);
        assert_eq!(error, Err(VerifyError::MalformedPayload));
    }
}
