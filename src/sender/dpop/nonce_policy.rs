//! Which proofs must repeat a nonce of this server: all of them, or those that may have been used before its start.
//!
//! A replay store in memory is empty after a restart. So a proof that was made before the start is
//! accepted only with a nonce that was issued after it, which shows that the proof is new and the
//! client's clock slow. All such proofs have expired one lifetime after the start.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::HeaderValue;

use super::{NonceError, NonceIssuer, Proof};

/// Issues nonces, and checks that a proof has one if it needs one.
#[derive(Clone, Debug)]
pub(crate) struct NoncePolicy {
    nonces: Arc<NonceIssuer>,
    /// Whether every proof needs one.
    always: bool,
    /// When the replay store was created, since 1970; 0 if it outlives the process.
    started_at: Duration,
}

impl NoncePolicy {
    /// Requires `nonces` in every proof, or without them, random ones in proofs from before `started_at`.
    ///
    /// # Errors
    /// The system provides no random numbers.
    pub(crate) fn new(
        nonces: Option<Arc<NonceIssuer>>,
        started_at: Duration,
    ) -> Result<Self, NonceError> {
        let always = nonces.is_some();
        let random = || NonceIssuer::new(None, NonceIssuer::LIFETIME).map(Arc::new);
        Ok(Self {
            nonces: nonces.map_or_else(random, Ok)?,
            always,
            started_at,
        })
    }

    /// The same, but only for proofs from before the start.
    #[cfg(feature = "dev-issuer")]
    pub(crate) fn only_at_start(&self) -> Self {
        Self {
            always: false,
            ..self.clone()
        }
    }

    /// Whether the proof has the nonce that it needs at `now` since 1970, if it needs one.
    pub(crate) fn accepts(&self, proof: &Proof<'_>, now: Duration) -> bool {
        let is_older = proof.issued_at() < self.started_at;
        if !is_older && !self.always {
            return true;
        }
        self.nonces.accepts(proof.nonce(), now)
            && (!is_older || self.nonces.is_not_before(proof.nonce(), self.started_at))
    }

    /// A nonce for a client that needs one.
    pub(crate) fn issue(&self, now: Duration) -> HeaderValue {
        self.nonces.issue_from(self.started_at, now)
    }

    /// A nonce for the client's next proof, if every proof needs one.
    pub(crate) fn renewal(&self, now: Duration) -> Option<HeaderValue> {
        self.always.then(|| self.issue(now))
    }
}

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::jose::Algorithm;
    use crate::test_kit::{ProofBuilder, shared};

    const START: Duration = Duration::from_millis(1_700_000_000_500);

    const SECRET: &str = "a secret that outlives the process";

    fn with_secret() -> Option<Arc<NonceIssuer>> {
        NonceIssuer::new(Some(SECRET), NonceIssuer::LIFETIME)
            .ok()
            .map(Arc::new)
    }

    fn policy(nonces: Option<Arc<NonceIssuer>>, started_at: Duration) -> NoncePolicy {
        NoncePolicy::new(nonces, started_at).unwrap()
    }

    /// Whether a proof that was made then is accepted a second after the start.
    fn accepts(policy: &NoncePolicy, made: Duration, nonce: Option<&HeaderValue>) -> bool {
        let key = shared(Algorithm::Es256);
        let proof = ProofBuilder::new(&key, "GET", "https://api.example/");
        let proof = proof.issued_at(SystemTime::UNIX_EPOCH + made);
        let proof = match nonce {
            Some(nonce) => proof.nonce(nonce.to_str().unwrap()),
            None => proof,
        };
        let proof = proof.build();
        policy.accepts(&Proof::parse(&proof).unwrap(), START + SECOND)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_proof_from_before_the_start_needs_a_nonce_and_a_later_one_none() {
        let policy = policy(None, START);
        let nonce = policy.issue(START);
        for (made, is_accepted) in [
            (START - Duration::from_secs(200), false),
            (START - SECOND, false),
            // The second in which the start was.
            (Duration::from_secs(START.as_secs()), false),
            (START, true),
            (START + SECOND, true),
        ] {
            assert_eq!(accepts(&policy, made, None), is_accepted, "{made:?}");
            assert!(accepts(&policy, made, Some(&nonce)), "{made:?}");
        }
        assert_eq!(policy.renewal(START), None);
    }

    #[test]
    fn a_nonce_from_before_the_start_does_not_help_even_when_its_secret_is_the_same() {
        let before = policy(with_secret(), START - Duration::from_secs(60));
        let policy = policy(with_secret(), START);
        let old = before.issue(START - Duration::from_millis(1));
        assert!(!accepts(&policy, START - SECOND, Some(&old)));
        // It is valid for a proof that was made after the start.
        assert!(accepts(&policy, START + SECOND, Some(&old)));
        for now in [START, START + SECOND, START + Duration::from_secs(200)] {
            assert!(accepts(&policy, START - SECOND, Some(&policy.issue(now))));
        }
    }

    #[test]
    fn a_nonce_of_another_server_does_not_help() {
        let other = policy(None, START).issue(START);
        assert!(!accepts(&policy(None, START), START - SECOND, Some(&other)));
    }

    #[test]
    fn a_store_that_outlives_the_process_needs_no_nonces() {
        let policy = policy(None, Duration::ZERO);
        assert!(accepts(&policy, START - SECOND, None));
    }

    #[test]
    fn configured_nonces_are_needed_in_every_proof() {
        let policy = policy(with_secret(), Duration::ZERO);
        assert!(!accepts(&policy, START + SECOND, None));
        let nonce = policy.renewal(START).unwrap();
        assert!(accepts(&policy, START + SECOND, Some(&nonce)));
    }
}
