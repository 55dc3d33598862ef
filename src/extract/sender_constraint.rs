//! A verified token and its request → a caller whose sender is proven as far as the token demands.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix_web::{HttpMessage, HttpRequest};
use tokio::sync::Mutex;

use super::Caller;
use super::authenticate::NextNonce;
use crate::authorization::{AuthScheme, Credentials};
use crate::rejection::Rejection;
use crate::sender::{
    Claimed, ClientCertificate, Judged, OverTls, Pending, Sender, SenderError, Sent, Verdict,
};
use crate::verifier::clock::since_epoch;
use crate::verifier::{Verified, Verifier};

/// A token that is good, and the moment of which that is said.
pub(super) struct Checked {
    pub(super) verified: Arc<Verified>,
    pub(super) now: SystemTime,
}

/// What became of a sender.
pub(super) enum Proving {
    Done(Caller),
    /// Whether the proof was used before is being asked for.
    Pending(Caller, Claim),
    Refused(Rejection),
}

/// Holds what the request proves of its sender against what its token demands; of most tokens that is nothing.
pub(super) fn prove(
    verifier: &Verifier,
    request: &HttpRequest,
    credentials: &Credentials,
    Checked { verified, now }: Checked,
) -> Proving {
    let (scheme, senders) = (credentials.scheme(), verifier.senders());
    if !senders.concern(scheme, request.headers(), verified.confirmation()) {
        let caller = Caller::new(verified, scheme, Sender::default(), now);
        return Proving::Done(caller);
    }
    if let Some((sender, claim)) = SenderCache::find(verifier, request, credentials) {
        return proven(Caller::new(verified, scheme, sender, now), claim);
    }
    let token = credentials.as_str().unwrap_or_default();
    let moment = since_epoch(now);
    let sent = sent(request, scheme, token, moment);
    let (sender, claim) = match senders.judge(&sent, verified.confirmation()) {
        Ok(Judged::Known(sender)) => (sender, None),
        Ok(Judged::Pending(sender, pending)) => (sender, Some(Claim::from(pending))),
        Err(error) => return Proving::Refused(unproven(verifier, scheme, error)),
    };
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
        claim: claim.clone(),
    });
    proven(Caller::new(verified, scheme, sender, now), claim)
}

fn proven(caller: Caller, claim: Option<Claim>) -> Proving {
    match claim {
        Some(claim) => Proving::Pending(caller, claim),
        None => Proving::Done(caller),
    }
}

/// Lets the caller in unless the proof was used before.
pub(super) async fn settle(
    verifier: &Verifier,
    caller: Caller,
    claim: Claim,
) -> Result<Caller, Rejection> {
    match verifier.senders().settle(claim.verdict().await) {
        Ok(()) => Ok(caller),
        Err(error) => Err(unproven(verifier, caller.scheme(), error)),
    }
}

/// Whether a request's proof was used before, asked once for all arguments that await it together.
#[derive(Clone)]
pub(super) struct Claim(Arc<Mutex<Claimed>>);

impl From<Pending> for Claim {
    fn from(pending: Pending) -> Self {
        Self(Arc::new(Mutex::new(Claimed::Pending(pending))))
    }
}

impl Claim {
    async fn verdict(&self) -> Verdict {
        let mut claimed = self.0.lock().await;
        let verdict = match &mut *claimed {
            Claimed::Decided(verdict) => return *verdict,
            Claimed::Pending(pending) => pending.await,
        };
        *claimed = Claimed::Decided(verdict);
        verdict
    }
}

/// What the sender of a request has shown already: a handler may have several arguments that ask, and a
/// proof is taken once.
struct SenderCache {
    /// Another verifier may demand more.
    verifier: Verifier,
    credentials: Credentials,
    sender: Sender,
    /// Where that is being asked for, or was.
    claim: Option<Claim>,
}

impl SenderCache {
    fn find(
        verifier: &Verifier,
        request: &HttpRequest,
        credentials: &Credentials,
    ) -> Option<(Sender, Option<Claim>)> {
        let extensions = request.extensions();
        let before = extensions.get::<Self>()?;
        let is_same = before.verifier.is(verifier) && before.credentials == *credentials;
        is_same.then(|| (before.sender, before.claim.clone()))
    }
}

fn sent<'r>(
    request: &'r HttpRequest,
    scheme: AuthScheme,
    token: &'r str,
    now: Duration,
) -> Sent<'r> {
    let is_secure = request.app_config().secure() || request.conn_data::<OverTls>().is_some();
    Sent {
        scheme,
        token,
        method: request.method().as_str(),
        uri: request.uri(),
        headers: request.headers(),
        peer: request.peer_addr().map(|peer| peer.ip()),
        is_secure,
        certificate: request.conn_data::<ClientCertificate>(),
        now,
    }
}

fn unproven(verifier: &Verifier, scheme: AuthScheme, error: SenderError) -> Rejection {
    log::debug!("a sender is refused: {error}");
    let needs_nonce = error == SenderError::Nonce;
    let rejection = Rejection::from(error).after(Some(scheme));
    if needs_nonce && let Some(nonce) = verifier.senders().nonce(since_epoch(verifier.now())) {
        return rejection.with_nonce(nonce);
    }
    rejection
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
