//! The payload of a token, and what has been parsed of it.

use std::cell::OnceCell;

use serde_json::Value;

use super::VerifyError;
use crate::claims::Claims;
use crate::claims::claim_name::ClaimName;

/// A payload that is one JSON object without duplicate members; nothing in it is trusted by itself.
#[derive(Debug)]
pub(crate) struct Payload<'p> {
    pub(crate) bytes: &'p [u8],
    pub(crate) claims: Claims<'p>,
    /// The whole payload, parsed when a rule needs a claim that is not in `claims`.
    document: OnceCell<Value>,
}

impl<'p> Payload<'p> {
    /// # Errors
    /// [`VerifyError::MalformedPayload`].
    pub(crate) fn parse(bytes: &'p [u8]) -> Result<Self, VerifyError> {
        let claims = Claims::parse(bytes).map_err(|_| VerifyError::MalformedPayload)?;
        Ok(Self::new(bytes, claims))
    }

    /// A payload with the claims that have been read of it.
    pub(crate) fn new(bytes: &'p [u8], claims: Claims<'p>) -> Self {
        Self {
            bytes,
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
            .get_or_init(|| serde_json::from_slice(self.bytes).unwrap_or_default())
    }
}
