//! Which key the client of a token request has: the proof that says so, checked and taken once (RFC
//! 9449 §5, §8).

use std::time::{Duration, SystemTime};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;

use crate::proof::{
    Claimed, Dpop, Nonce, NonceError, Nonces, Proof, ProofError, Proven, Replay, Target,
    TokenRequest, Verdict,
};

use super::refusal::Refusal;
use crate::verify::clock::since_epoch;

/// How proofs are judged, and which were used.
#[derive(Debug)]
pub(super) struct Proofs {
    replay: Replay,
    nonces: Option<Nonces>,
}

impl Proofs {
    /// Takes proofs as clients make them, or with its nonces alone.
    ///
    /// # Errors
    /// The system gives no random numbers to make nonces of.
    pub(super) fn new(with_nonces: bool) -> Result<Self, NonceError> {
        let nonces = with_nonces.then(|| Nonces::new(None, Nonces::LIFETIME));
        Ok(Self {
            replay: Replay::in_memory(REPLAY_BYTES),
            nonces: nonces.transpose()?,
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
        self.check_nonce(proof.nonce(), now)?;
        self.take(&holder.proven, now).await?;
        Ok(Some(holder.key_thumbprint))
    }

    /// A nonce for the client to use from now on, where proofs need one.
    pub(super) fn nonce(&self, now: SystemTime) -> Option<HeaderValue> {
        let nonces = self.nonces.as_ref()?;
        Some(nonces.issue(since_epoch(now)))
    }

    /// The same for requests with a token, of which no nonce is wanted.
    pub(super) fn of_resources(&self) -> Dpop {
        Dpop::default().replay(self.replay.clone())
    }

    fn check_nonce(&self, nonce: Option<&str>, now: Duration) -> Result<(), Refusal> {
        let nonces = self.nonces.as_ref();
        match nonces.map(|nonces| nonces.judge(nonce, now)) {
            None | Some(Nonce::Aging | Nonce::Fresh) => Ok(()),
            Some(Nonce::Missing | Nonce::Stale | Nonce::Unknown) => Err(Refusal::NonceNeeded),
        }
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
            Verdict::Full | Verdict::Unavailable => Err(Refusal::TooManyProofs),
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
        let proofs = Proofs {
            replay: Replay::in_memory(0),
            nonces: None,
        };
        let now = SystemTime::now();
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
        assert!(taken > 100, "{taken}");
    }
}
