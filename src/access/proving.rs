//! A verified token and its request → a caller whose sender is proven as far as the token demands.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix_web::{HttpMessage, HttpRequest};

use super::Caller;
use super::renewing::FreshNonce;
use crate::credentials::{AuthScheme, Credentials};
use crate::proof::{ClientCertificate, Judged, OverTls, Pending, Sender, SenderError, Sent};
use crate::rejection::Rejection;
use crate::verify::{Verified, Verifier};

/// A token that is good, and the moment of which that is said.
pub(super) struct Checked {
    pub(super) verified: Arc<Verified>,
    pub(super) now: SystemTime,
}

/// What became of a sender.
pub(super) enum Proving {
    Done(Caller),
    /// Whether the proof was used before is being asked for.
    Pending(Credentials, Caller, Pending),
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
    if let Some(sender) = ProvenBefore::find(verifier, request, credentials) {
        return Proving::Done(Caller::new(verified, scheme, sender, now));
    }
    let token = credentials.as_str().unwrap_or_default();
    let moment = since_epoch(now);
    let sent = sent(request, scheme, token, moment);
    let (sender, pending) = match senders.judge(&sent, verified.confirmation()) {
        Ok(Judged::Known(sender)) => (sender, None),
        Ok(Judged::Pending(sender, pending)) => (sender, Some(pending)),
        Err(error) => return Proving::Refused(unproven(verifier, scheme, error)),
    };
    if let Some(nonce) = senders.nonce(moment).filter(|_| sender.by_key) {
        request.extensions_mut().insert(FreshNonce(nonce));
    }
    let caller = Caller::new(verified, scheme, sender, now);
    match pending {
        Some(pending) => Proving::Pending(credentials.clone(), caller, pending),
        None => {
            ProvenBefore::remember(verifier, request, credentials, &caller);
            Proving::Done(caller)
        }
    }
}

/// Lets the caller in unless the proof was used before.
pub(super) async fn settle(
    verifier: &Verifier,
    request: &HttpRequest,
    credentials: &Credentials,
    caller: Caller,
    pending: Pending,
) -> Result<Caller, Rejection> {
    let verdict = pending.await;
    match verifier.senders().settle(verdict) {
        Ok(()) => {
            ProvenBefore::remember(verifier, request, credentials, &caller);
            Ok(caller)
        }
        Err(error) => Err(unproven(verifier, caller.scheme(), error)),
    }
}

/// What the sender of a request has proven already: a handler may have several arguments that ask, and a
/// proof is taken once.
struct ProvenBefore {
    /// Another verifier may demand more.
    verifier: Verifier,
    credentials: Credentials,
    sender: Sender,
}

impl ProvenBefore {
    fn find(
        verifier: &Verifier,
        request: &HttpRequest,
        credentials: &Credentials,
    ) -> Option<Sender> {
        let extensions = request.extensions();
        let before = extensions.get::<Self>()?;
        let is_same = before.verifier.is(verifier) && before.credentials == *credentials;
        is_same.then_some(before.sender)
    }

    fn remember(
        verifier: &Verifier,
        request: &HttpRequest,
        credentials: &Credentials,
        caller: &Caller,
    ) {
        request.extensions_mut().insert(Self {
            verifier: verifier.clone(),
            credentials: credentials.clone(),
            sender: caller.sender(),
        });
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
    let rejection = Rejection::from(error).after(Some(scheme));
    let now = since_epoch(verifier.now());
    let nonce = verifier.senders().nonce(now);
    match nonce.filter(|_| error == SenderError::Nonce) {
        Some(nonce) => rejection.with_nonce(nonce),
        None => rejection,
    }
}

fn since_epoch(now: SystemTime) -> Duration {
    now.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use actix_web::FromRequest;
    use actix_web::http::header::{AUTHORIZATION, HOST};
    use actix_web::test::TestRequest;

    use crate::credentials::DPOP;
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
