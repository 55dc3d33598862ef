//! Sender-constrained tokens: the key and the certificate that a client proves to hold (RFC 9449
//! §5, §8, RFC 8705 §3), and the tokens that are bound to them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;
use serde_json::{Map, Value};

use crate::sender::{
    ClientCertificate, Dpop, NonceError, NonceIssuer, NoncePolicy, Proof, ProofError, Replay,
    ReplayAnswer, ReplayOutcome, TargetUri, TimeWindow, VerifiedProof,
};
use crate::verifier::clock::since_epoch;

use super::error::OAuthError;

/// Thousands of proofs, which is more than a developer's machine makes in five minutes.
const REPLAY_BYTES: usize = 1024 * 1024;

/// The thumbprints of what a client proved to hold, or of what it has to prove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SenderBinding {
    pub(super) key: Option<String>,
    pub(super) certificate: Option<String>,
}

impl SenderBinding {
    /// What `request` proves: this key, if any, and the certificate of its connection.
    fn of_request(request: &HttpRequest, key: Option<String>) -> Self {
        let certificate = request.conn_data::<ClientCertificate>();
        Self {
            key,
            certificate: certificate.map(|certificate| certificate.thumbprint().to_string()),
        }
    }

    /// Whether everything that is `required` was proven.
    pub(super) fn satisfies(&self, required: &Self) -> bool {
        (required.key.is_none() || required.key == self.key)
            && (required.certificate.is_none() || required.certificate == self.certificate)
    }

    /// The `cnf` claim of a token that is bound to this (RFC 9449 §6.1, RFC 8705 §3.1); `None` for
    /// a bearer token.
    pub(super) fn confirmation(&self) -> Option<Map<String, Value>> {
        let key = self.key.as_deref().map(|jkt| ("jkt", jkt));
        let certificate = self.certificate.as_deref().map(|x5t| ("x5t#S256", x5t));
        let methods = key.into_iter().chain(certificate);
        let methods: Map<_, _> = methods
            .map(|(name, thumbprint)| (name.to_owned(), thumbprint.into()))
            .collect();
        (!methods.is_empty()).then_some(methods)
    }

    /// The `token_type` of a response, which is the scheme that the token is sent with (RFC 9449 §5).
    pub(super) fn token_type(&self) -> &'static str {
        if self.key.is_some() { "DPoP" } else { "Bearer" }
    }
}

/// Checks the DPoP proofs of token requests.
#[derive(Debug)]
pub(super) struct DpopVerifier {
    replay: Replay,
    nonces: NoncePolicy,
}

impl DpopVerifier {
    /// Requires nonces in all proofs, or only in those that were made before the start at `now`.
    ///
    /// # Errors
    /// The system gives no random numbers for nonces.
    pub(super) fn new(requires_nonces: bool, now: SystemTime) -> Result<Self, NonceError> {
        let nonces = requires_nonces.then(|| NonceIssuer::new(None, NonceIssuer::LIFETIME));
        let nonces = nonces.transpose()?.map(Arc::new);
        Ok(Self {
            replay: Replay::in_memory(REPLAY_BYTES),
            nonces: NoncePolicy::new(nonces, since_epoch(now))?,
        })
    }

    /// What the client of a request to the token endpoint at `url` proves to hold.
    ///
    /// # Errors
    /// `invalid_dpop_proof` for a proof that is invalid or was used before;
    /// [`OAuthError::USE_DPOP_NONCE`]; [`OAuthError::REPLAY_STORE_FULL`].
    pub(super) async fn sender(
        &self,
        request: &HttpRequest,
        url: &str,
        now: SystemTime,
    ) -> Result<SenderBinding, OAuthError> {
        let Some(proof) = Proof::find(request.headers())? else {
            return Ok(SenderBinding::of_request(request, None));
        };
        let now = since_epoch(now);
        let target = TargetUri::parse(url).map_err(ProofError::MalformedTarget)?;
        let window = TimeWindow {
            now,
            iat_offset: Dpop::IAT_OFFSET,
            iat_leeway: Dpop::IAT_LEEWAY,
        };
        let verified = proof.verify_token_request(&target, &window)?;
        if !self.nonces.accepts(&proof, now) {
            return Err(OAuthError::USE_DPOP_NONCE);
        }
        self.check_replay(&verified, now).await?;
        Ok(SenderBinding::of_request(
            request,
            Some(verified.key_thumbprint),
        ))
    }

    /// A nonce where one is `needed`, or for the client's next proof where all proofs need one.
    pub(super) fn nonce(&self, needed: bool, now: SystemTime) -> Option<HeaderValue> {
        let now = since_epoch(now);
        if needed {
            Some(self.nonces.issue(now))
        } else {
            self.nonces.renewal(now)
        }
    }

    /// The policy for requests with an access token: the same replay store, and nonces only in
    /// proofs that were made before the start.
    pub(super) fn policy_for_resources(&self) -> Dpop {
        let dpop = Dpop::default().replay(self.replay.clone());
        dpop.nonce_policy(self.nonces.only_at_start())
    }

    async fn check_replay(&self, proven: &VerifiedProof, now: Duration) -> Result<(), OAuthError> {
        let claim = self.replay.claim(&proven.id, proven.acceptable_until, now);
        let verdict = match claim {
            ReplayAnswer::Decided(verdict) => verdict,
            ReplayAnswer::Pending(pending) => pending.await,
        };
        match verdict {
            ReplayOutcome::First => Ok(()),
            ReplayOutcome::Replayed => Err(OAuthError::PROOF_REPLAYED),
            ReplayOutcome::Full | ReplayOutcome::OverShare | ReplayOutcome::Unavailable => {
                Err(OAuthError::REPLAY_STORE_FULL)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::jose::Algorithm;
    use crate::test_kit::{ProofBuilder, shared};

    const URL: &str = "http://localhost:3011/oauth/token";

    #[actix_web::test]
    async fn a_proof_that_cannot_be_remembered_is_rejected() {
        let now = SystemTime::now();
        let dpop = DpopVerifier {
            replay: Replay::in_memory(0),
            ..DpopVerifier::new(false, now).unwrap()
        };
        let mut accepted = 0;
        let error = loop {
            let proof = ProofBuilder::new(&shared(Algorithm::Es256), "POST", URL);
            let request = TestRequest::post().insert_header(("DPoP", proof.build()));
            match dpop.sender(&request.to_http_request(), URL, now).await {
                Ok(_) => accepted += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error, OAuthError::REPLAY_STORE_FULL);
        assert!(accepted > 90, "{accepted}");
    }
}
