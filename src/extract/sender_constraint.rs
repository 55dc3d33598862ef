//! The proof of possession of a request: DPoP and client certificates, as far as the token or the settings require one.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix_web::{HttpMessage, HttpRequest};
use tokio::sync::Mutex;

use super::Caller;
use super::authenticate::{AuthenticationError, NextNonce};
use crate::authorization::{AuthScheme, Credentials};
use crate::sender::{
    ClientCertificate, OverTls, PendingOutcome, ReplayAnswer, ReplayOutcome, RequestEvidence,
    SenderProof,
};
use crate::verifier::clock::since_epoch;
use crate::verifier::{Verified, Verifier};

/// The caller of a verified token, whose proof of possession is checked as far as the token and the verifier require one.
/// Whether the proof was used before may still have to be awaited.
pub(super) fn prove_sender(
    verifier: &Verifier,
    request: &HttpRequest,
    credentials: &Credentials,
    verified: Arc<Verified>,
    now: SystemTime,
) -> Result<(Caller, Option<ReplayCheck>), AuthenticationError> {
    let (sender, check) = check_sender(verifier, request, credentials, &verified, now)?;
    let caller = Caller::new(verified, credentials.clone(), sender, now);
    Ok((caller, check))
}

fn check_sender(
    verifier: &Verifier,
    request: &HttpRequest,
    credentials: &Credentials,
    verified: &Verified,
    now: SystemTime,
) -> Result<(SenderProof, Option<ReplayCheck>), AuthenticationError> {
    let (scheme, senders) = (credentials.scheme(), verifier.senders());
    if !senders.applies_to(scheme, request.headers(), verified.is_sender_constrained()) {
        return Ok((SenderProof::default(), None));
    }
    if let Some(before) = SenderCache::find(verifier, request, credentials) {
        return Ok(before);
    }
    let moment = since_epoch(now);
    let sent = sent(request, scheme, credentials.as_str()?, moment);
    let checked = senders.check(&sent, verified.confirmation());
    let (sender, pending) = checked.map_err(|error| AuthenticationError::Sender(scheme, error))?;
    let check = pending.map(ReplayCheck::from);
    let mut extensions = request.extensions_mut();
    if sender.by_key
        && let Some(nonce) = senders.renewed_nonce(moment)
    {
        extensions.insert(NextNonce(nonce));
    }
    extensions.insert(SenderCache {
        verifier: verifier.clone(),
        credentials: credentials.clone(),
        sender,
        check: check.clone(),
    });
    Ok((sender, check))
}

/// The question to the replay store whether a request's proof was used before; asked once for all arguments of a
/// handler that await the answer.
#[derive(Clone)]
pub(crate) struct ReplayCheck(Arc<Mutex<ReplayAnswer>>);

impl From<PendingOutcome> for ReplayCheck {
    fn from(pending: PendingOutcome) -> Self {
        Self(Arc::new(Mutex::new(ReplayAnswer::Pending(pending))))
    }
}

impl ReplayCheck {
    /// Waits for the answer.
    ///
    /// # Errors
    /// The proof was used before, or that is unknown.
    pub(super) async fn accept(
        self,
        verifier: &Verifier,
        scheme: AuthScheme,
    ) -> Result<(), AuthenticationError> {
        let settled = verifier.senders().check_replay(self.verdict().await);
        settled.map_err(|error| AuthenticationError::Sender(scheme, error))
    }

    async fn verdict(self) -> ReplayOutcome {
        let mut claimed = self.0.lock().await;
        let verdict = match &mut *claimed {
            ReplayAnswer::Decided(verdict) => return *verdict,
            ReplayAnswer::Pending(pending) => pending.await,
        };
        *claimed = ReplayAnswer::Decided(verdict);
        verdict
    }
}

/// The proven sender of a request, kept in its extensions: a handler may have several arguments that require a proof, and
/// a proof is accepted once.
struct SenderCache {
    /// Another verifier may require more.
    verifier: Verifier,
    credentials: Credentials,
    sender: SenderProof,
    check: Option<ReplayCheck>,
}

impl SenderCache {
    fn find(
        verifier: &Verifier,
        request: &HttpRequest,
        credentials: &Credentials,
    ) -> Option<(SenderProof, Option<ReplayCheck>)> {
        let extensions = request.extensions();
        let before = extensions.get::<Self>()?;
        let is_same = before.verifier.is(verifier) && before.credentials == *credentials;
        is_same.then(|| (before.sender, before.check.clone()))
    }
}

/// Whether the connection is TLS.
pub(super) fn is_secure(request: &HttpRequest) -> bool {
    request.app_config().secure() || request.conn_data::<OverTls>().is_some()
}

fn sent<'r>(
    request: &'r HttpRequest,
    scheme: AuthScheme,
    token: &'r str,
    now: Duration,
) -> RequestEvidence<'r> {
    RequestEvidence {
        scheme,
        token,
        method: request.method().as_str(),
        uri: request.uri(),
        headers: request.headers(),
        peer: request.peer_addr().map(|peer| peer.ip()),
        is_secure: is_secure(request),
        certificate: request.conn_data::<ClientCertificate>(),
        now,
    }
}

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use actix_web::FromRequest;
    use actix_web::http::header::{AUTHORIZATION, HOST};
    use actix_web::test::TestRequest;

    use crate::authorization::DPOP;
    use crate::jose::Algorithm;
    use crate::rejection::Cause;
    use crate::test_kit::{ProofBuilder, SigningKey, TokenBuilder, shared};
    use crate::{Bound, Issuer, Verifier};

    const ISSUER: &str = "https://issuer.example/";

    fn verifier() -> Verifier {
        let issuer = Issuer::with_secret(ISSUER, &"s".repeat(32), Algorithm::Hs256);
        let issuer = issuer.audience("api").build().expect("an issuer");
        Verifier::start([issuer]).expect("a verifier")
    }

    #[actix_web::test]
    async fn a_proof_serves_one_request_however_many_arguments_ask_for_it() {
        let verifier = verifier();
        let secret = SigningKey::from_secret(&"s".repeat(32), Algorithm::Hs256);
        let key = shared(Algorithm::Es256);
        let token = TokenBuilder::new(ISSUER, "api", &secret).bound_to_key(&key);
        let token = token.build();
        let proof = ProofBuilder::new(&key, "GET", "http://api.test/").token(&token);
        let proof = proof.build();
        let request = |verifier: &Verifier| {
            TestRequest::default()
                .app_data(verifier.clone())
                .insert_header((HOST, "api.test"))
                .insert_header((AUTHORIZATION, format!("DPoP {token}")))
                .insert_header((DPOP, proof.clone()))
                .to_http_request()
        };
        let first = request(&verifier);
        for _ in 0..3 {
            assert!(
                Bound::<crate::AuthenticatedUser>::extract(&first)
                    .await
                    .is_ok()
            );
        }
        let second = Bound::<crate::AuthenticatedUser>::extract(&request(&verifier)).await;
        let replayed = second.err().map(|rejection| rejection.into_cause());
        assert_eq!(
            replayed,
            Some(Cause::InvalidProof("The proof was used before."))
        );
    }
}
