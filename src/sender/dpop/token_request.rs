//! Whose a proof is that comes with a token request, before there is a token ([RFC 9449 §5]).
//!
//! [RFC 9449 §5]: https://www.rfc-editor.org/rfc/rfc9449#section-5

use std::time::Duration;

use super::statement::Window;
use super::{Proof, Proven};
use crate::sender::replay::ProofId;
use crate::sender::{ProofError, Target};

/// What a proof must say to be good for a request to a token endpoint, which is a POST without an access token.
#[derive(Clone, Copy, Debug)]
pub struct TokenRequest<'a> {
    /// The URL of the token endpoint.
    pub target: &'a Target,
    /// The time since 1970.
    pub now: Duration,
    /// For how long a proof is good.
    pub iat_offset: Duration,
    /// How far the client's clock may be ahead.
    pub iat_leeway: Duration,
}

/// Whoever made a proof that holds, unless it was used before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The key, as `cnf.jkt` of the tokens names it that are bound to it.
    pub key_thumbprint: String,
    /// The proof.
    pub proven: Proven,
}

impl Proof<'_> {
    /// Whose key made the proof, if it is good for a token request: method, time and URL, and then the signature.
    ///
    /// # Errors
    /// What does not hold.
    pub fn holder(&self, request: &TokenRequest<'_>) -> Result<Holder, ProofError> {
        let window = Window {
            now: request.now,
            iat_offset: request.iat_offset,
            iat_leeway: request.iat_leeway,
        };
        let acceptable_until = self.check_request(METHOD, request.target, &window)?;
        let key = self.key()?;
        let key_thumbprint = key.thumbprint.clone();
        self.check_signature(key)?;
        let id = ProofId::new(&key_thumbprint, request.target, &self.statement.id);
        Ok(Holder {
            key_thumbprint,
            proven: Proven {
                id,
                acceptable_until,
            },
        })
    }
}

/// RFC 6749 §3.2.
const METHOD: &str = "POST";
