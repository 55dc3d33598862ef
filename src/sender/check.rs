//! Checks that the sender of a token holds what the token is bound to.
//!
//! Every known method of confirmation that the token names must be proven, and at least one; a bearer
//! token names none ([RFC 7800 §3.1]).
//!
//! [RFC 7800 §3.1]: https://www.rfc-editor.org/rfc/rfc7800#section-3.1

use std::net::IpAddr;
use std::time::Duration;

use actix_web::http::Uri;
use actix_web::http::header::HeaderMap;

use super::dpop::ResourceRequest;
use super::{
    CertificateError, ClientCertificate, PendingOutcome, Proof, ProofError, ReplayAnswer,
    ReplayOutcome, RequestUri, SenderPolicy, TargetUriError, TimeWindow, VerifiedProof,
};
use crate::authorization::{AuthScheme, DPOP};
use crate::claims::Confirmation;
use crate::jose::json::Member;

/// The parts of a request that prove possession; without `Debug`, so that the token cannot be printed.
#[derive(Clone, Copy)]
pub(crate) struct RequestEvidence<'r> {
    pub(crate) scheme: AuthScheme,
    pub(crate) token: &'r str,
    pub(crate) method: &'r str,
    pub(crate) uri: &'r Uri,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) is_secure: bool,
    pub(crate) certificate: Option<&'r ClientCertificate>,
    /// Since 1970.
    pub(crate) now: Duration,
}

/// What the sender of a token has proven to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SenderProof {
    /// The key that the token is bound to.
    pub(crate) by_key: bool,
    /// The certificate that the token is bound to.
    pub(crate) by_certificate: bool,
}

impl SenderProof {
    pub(crate) fn is_proven(self) -> bool {
        self.by_key || self.by_certificate
    }
}

impl SenderPolicy {
    /// Whether a request needs a check; most, with a bearer token and no proof, do not.
    pub(crate) fn applies_to(
        &self,
        scheme: AuthScheme,
        headers: &HeaderMap,
        is_sender_constrained: bool,
    ) -> bool {
        scheme == AuthScheme::Dpop
            || is_sender_constrained
            || (self.dpop.is_some() && headers.contains_key(DPOP))
            || self
                .certificates
                .as_ref()
                .is_some_and(|certificates| certificates.is_required)
    }

    /// Checks the evidence of a request against the confirmation of its token. The answer of the replay store may be
    /// pending.
    ///
    /// # Errors
    /// [`SenderError`], the cheapest first.
    pub(crate) fn check(
        &self,
        request: &RequestEvidence<'_>,
        confirmation: &Confirmation,
    ) -> Result<(SenderProof, Option<PendingOutcome>), SenderError> {
        let by_certificate = self.check_certificate(request, confirmation)?;
        let proof = self.check_proof(request, confirmation)?;
        let sender = SenderProof {
            by_key: proof.is_some(),
            by_certificate,
        };
        if confirmation.binds() && !sender.is_proven() {
            return Err(SenderError::Unproven);
        }
        if !by_certificate && confirmation.certificate_thumbprint != Member::Absent {
            return Err(SenderError::NoCertificate);
        }
        let Some(VerifiedProof {
            id,
            acceptable_until,
            ..
        }) = proof
        else {
            return Ok((sender, None));
        };
        // The proof is recorded as used (RFC 9449 §11.1).
        let dpop = self.dpop.as_ref().ok_or(SenderError::Unproven)?;
        match dpop.replay.claim(&id, acceptable_until, request.now) {
            ReplayAnswer::Pending(pending) => Ok((sender, Some(pending))),
            ReplayAnswer::Decided(outcome) => self.check_replay(outcome).map(|()| (sender, None)),
        }
    }

    /// Decides by the answer of the replay store.
    ///
    /// # Errors
    /// The proof was used before, or the store cannot answer.
    pub(crate) fn check_replay(&self, outcome: ReplayOutcome) -> Result<(), SenderError> {
        let accepts_unchecked = self
            .dpop
            .as_ref()
            .is_some_and(|dpop| dpop.accepts_unchecked);
        match outcome {
            ReplayOutcome::First => Ok(()),
            ReplayOutcome::Replayed => Err(SenderError::Replayed),
            ReplayOutcome::Full | ReplayOutcome::Unavailable if accepts_unchecked => {
                log::debug!("a proof is accepted unchecked");
                Ok(())
            }
            ReplayOutcome::OverShare => Err(SenderError::TooManyProofs),
            ReplayOutcome::Full | ReplayOutcome::Unavailable => Err(SenderError::CannotRemember),
        }
    }

    /// Whether the token is bound to the client's certificate (RFC 8705 §3).
    fn check_certificate(
        &self,
        request: &RequestEvidence<'_>,
        confirmation: &Confirmation,
    ) -> Result<bool, SenderError> {
        let Some(certificates) = &self.certificates else {
            return Ok(false);
        };
        let bound_to = match &confirmation.certificate_thumbprint {
            Member::Absent if certificates.is_required => {
                return Err(SenderError::NoCertificateBound);
            }
            Member::Absent => return Ok(false),
            Member::Malformed => return Err(SenderError::MalformedConfirmation),
            Member::Valid(thumbprint) => thumbprint,
        };
        let presented =
            certificates
                .source
                .find(request.headers, request.peer, request.certificate);
        match presented.map_err(SenderError::Certificate)? {
            None => Err(SenderError::NoCertificate),
            Some(thumbprint) if thumbprint.as_str() == bound_to => Ok(true),
            Some(_) => Err(SenderError::OtherCertificate),
        }
    }

    /// Checks the proof of a request with the scheme DPoP; with Bearer, a proof is neither needed nor allowed.
    fn check_proof(
        &self,
        request: &RequestEvidence<'_>,
        confirmation: &Confirmation,
    ) -> Result<Option<VerifiedProof>, SenderError> {
        if request.scheme == AuthScheme::Bearer {
            return without_proof(request, confirmation, self.dpop.is_some());
        }
        let dpop = self.dpop.as_ref().ok_or(SenderError::Unproven)?;
        let key_thumbprint = match &confirmation.key_thumbprint {
            Member::Absent => return Err(SenderError::NoKeyBound),
            Member::Malformed => return Err(SenderError::MalformedConfirmation),
            Member::Valid(thumbprint) => thumbprint,
        };
        let target = self.target_uri.of_request(RequestUri {
            headers: request.headers,
            uri: request.uri,
            peer: request.peer,
            is_secure: request.is_secure,
        });
        let target = target.map_err(SenderError::Target)?;
        let proof = Proof::find(request.headers)?.ok_or(SenderError::Unproven)?;
        let proven = proof.verify(&ResourceRequest {
            method: request.method,
            target: &target,
            token: request.token,
            key_thumbprint,
            window: TimeWindow {
                now: request.now,
                iat_offset: dpop.iat_offset,
                iat_leeway: dpop.iat_leeway,
            },
        })?;
        let nonces = self.nonce_policy();
        if !nonces.is_some_and(|nonces| nonces.accepts(&proof, request.now)) {
            return Err(SenderError::Nonce);
        }
        Ok(Some(proven))
    }
}

/// A bearer token is bound to no key and is sent without a proof (RFC 9449 §7.1, §7.2).
fn without_proof(
    request: &RequestEvidence<'_>,
    confirmation: &Confirmation,
    dpop_is_on: bool,
) -> Result<Option<VerifiedProof>, SenderError> {
    if confirmation.key_thumbprint != Member::Absent {
        return Err(SenderError::Unproven);
    }
    if dpop_is_on && request.headers.contains_key(DPOP) {
        return Err(SenderError::ProofForBearer);
    }
    Ok(None)
}

/// Why a sender is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SenderError {
    /// The replay store cannot answer whether the proof was used before.
    #[error("the replay store is full or unavailable")]
    CannotRemember,
    /// The certificate in the request is malformed (RFC 9440 §2).
    #[error(transparent)]
    Certificate(CertificateError),
    /// A member of `cnf` is not a string (RFC 7800 §3.1).
    #[error("the token's confirmation is malformed")]
    MalformedConfirmation,
    /// The token is bound to a certificate, and the request has none (RFC 8705 §3).
    #[error("the token is bound to a certificate, and the request has none")]
    NoCertificate,
    /// Certificates are required, and the token is bound to none (RFC 8705 §3).
    #[error("the token is bound to no certificate")]
    NoCertificateBound,
    /// The scheme is DPoP, and the token is bound to no key (RFC 9449 §7.1).
    #[error("the token is bound to no key")]
    NoKeyBound,
    /// The proof needs a valid nonce of this server, and has none (RFC 9449 §9).
    #[error("the proof needs a nonce and has no valid one")]
    Nonce,
    /// The request's certificate is not the one that the token is bound to (RFC 8705 §3).
    #[error("the token is bound to another certificate")]
    OtherCertificate,
    /// The proof is not valid for the request (RFC 9449 §4.3).
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The request has a proof and a bearer token (RFC 9449 §7.1).
    #[error("the request has a proof and a bearer token")]
    ProofForBearer,
    /// The proof was used before (RFC 9449 §11.1).
    #[error("the proof was used before")]
    Replayed,
    /// The key has reached its share of the replay store.
    #[error("the key has too many proofs that are still valid")]
    TooManyProofs,
    /// The URL of the request cannot be determined (RFC 9110 §7.2).
    #[error("the URL of the request cannot be determined: {0}")]
    Target(TargetUriError),
    /// The token is bound to its sender, and the request proves nothing (RFC 9449 §7.2, RFC 8705 §3).
    #[error("the token is bound to its sender, and the request has no proof")]
    Unproven,
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn the_error_of_a_proof_is_printed_once() {
        let error = SenderError::from(ProofError::Signature);
        assert_eq!(error.to_string(), ProofError::Signature.to_string());
        assert!(error.source().is_none());
    }
}
