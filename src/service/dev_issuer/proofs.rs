//! Which key the client of a token request has: the proof that says so, checked and taken once (RFC
//! 9449 §5, §8).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;

use crate::proof::{
    Claimed, Dpop, NonceError, NoncePolicy, Nonces, Proof, ProofError, Proven, Replay, Target,
    TokenRequest, Verdict,
};

use super::error::Refusal;
use crate::verify::clock::since_epoch;

/// How proofs are judged, and which were used.
#[derive(Debug)]
pub(super) struct Proofs {
    replay: Replay,
    nonces: NoncePolicy,
}

impl Proofs {
    /// Takes proofs as clients make them from `now` on, or with its nonces alone; what was made earlier needs a nonce.
    ///
    /// # Errors
    /// The system gives no random numbers to make nonces of.
    pub(super) fn new(with_nonces: bool, now: SystemTime) -> Result<Self, NonceError> {
        let nonces = with_nonces.then(|| Nonces::new(None, Nonces::LIFETIME));
        let nonces = nonces.transpose()?.map(Arc::new);
        Ok(Self {
            replay: Replay::in_memory(REPLAY_BYTES),
            nonces: NoncePolicy::new(nonces, since_epoch(now))?,
        })
    }

    /// The thumbprint of the key that a request to the token endpoint at `url` proves to have, if it has a proof.
    ///
    /// # Errors
    /// [`Refusal::Proof`] for a proof that does not hold, [`Refusal::NonceNeeded`] without a nonce that is still good,
    /// [`Refusal::ProofReplayed`], and [`Refusal::TooManyProofs`] when no more can be remembered.
    pub(super) async fn key_of(
        &self,
        request: &HttpRequest,
        url: &str,
        now: SystemTime,
    ) -> Result<Option<String>, Refusal> {
        let Some(proof) = Proof::find(request.headers())? else {
            return Ok(None);
        };
        let now = since_epoch(now);
        let holder = proof.holder(&TokenRequest {
            target: &Target::parse(url).map_err(ProofError::MalformedTarget)?,
            now,
            iat_offset: Dpop::IAT_OFFSET,
            iat_leeway: Dpop::IAT_LEEWAY,
        })?;
        if !self.nonces.accepts(&proof, now) {
            return Err(Refusal::NonceNeeded);
        }
        self.take(&holder.proven, now).await?;
        Ok(Some(holder.key_thumbprint))
    }

    /// A nonce for a client whose proof needs one, or for its next proof where every proof does.
    pub(super) fn nonce(&self, is_needed: bool, now: SystemTime) -> Option<HeaderValue> {
        let now = since_epoch(now);
        if is_needed {
            Some(self.nonces.issue(now))
        } else {
            self.nonces.renewal(now)
        }
    }

    /// The same for requests with a token, of which a nonce is wanted only in proofs from before the start.
    pub(super) fn of_resources(&self) -> Dpop {
        let dpop = Dpop::default().replay(self.replay.clone());
        dpop.nonce_policy(self.nonces.only_at_start())
    }

    async fn take(&self, proven: &Proven, now: Duration) -> Result<(), Refusal> {
        let claim = self.replay.claim(&proven.id, proven.acceptable_until, now);
        let verdict = match claim {
            Claimed::Decided(verdict) => verdict,
            Claimed::Pending(pending) => pending.await,
        };
        match verdict {
            Verdict::First => Ok(()),
            Verdict::Replayed => Err(Refusal::ProofReplayed),
            Verdict::Full | Verdict::OverShare | Verdict::Unavailable => {
                Err(Refusal::TooManyProofs)
            }
        }
    }
}

/// Thousands of proofs, which is more than a developer's machine makes in five minutes.
const REPLAY_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::jose::Algorithm;
    use crate::test_kit::{ProofBuilder, shared};

    const URL: &str = "http://localhost:3011/oauth/token";

    #[actix_web::test]
    async fn a_proof_that_cannot_be_remembered_is_not_taken() {
        let now = SystemTime::now();
        let proofs = Proofs {
            replay: Replay::in_memory(0),
            ..Proofs::new(false, now).unwrap()
        };
        let mut taken = 0;
        let refusal = loop {
            let proof = ProofBuilder::new(&shared(Algorithm::Es256), "POST", URL);
            let request = TestRequest::post().insert_header(("DPoP", proof.build()));
            match proofs.key_of(&request.to_http_request(), URL, now).await {
                Ok(_) => taken += 1,
                Err(refusal) => break refusal,
            }
        };
        assert_eq!(refusal, Refusal::TooManyProofs);
        assert!(taken > 90, "{taken}");
    }
}
