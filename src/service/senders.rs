//! Settings → how senders prove that tokens are theirs.

use super::config::{Dpop, Mtls, NonceRule, ReplayStore, Server, Settings};
use super::failure::Failure;
use crate::Verifier;
use crate::sender::{ClientCertificates, Dpop as Proofs, NonceIssuer, Replay, TargetUriSource};
use crate::verifier::VerifierBuilder;

/// Tells `verifier` what the settings say of senders.
///
/// # Errors
/// The system gives no random numbers, or no thread to ask Redis from.
pub(super) fn judged(
    verifier: VerifierBuilder,
    settings: &Settings,
) -> Result<VerifierBuilder, Failure> {
    let verifier = verifier.target_uri(origin(&settings.server)?);
    let verifier = match &settings.dpop {
        Some(dpop) => verifier.dpop(proofs(dpop)?),
        None => verifier.without_dpop(),
    };
    Ok(match &settings.mtls {
        Some(mtls) => verifier.client_certificates(certificates(mtls)),
        None => verifier,
    })
}

/// A verifier that offers the schemes which the service does, and judges no sender.
pub(super) fn offered(settings: &Settings) -> VerifierBuilder {
    let verifier = Verifier::builder();
    match &settings.dpop {
        None => verifier.without_dpop(),
        Some(dpop) if dpop.required.is_some() => verifier.dpop(Proofs::default().required()),
        Some(_) => verifier,
    }
}

fn origin(server: &Server) -> Result<TargetUriSource, Failure> {
    match &server.public_url {
        Some(url) => Ok(TargetUriSource::public_url(url.as_str())?),
        None => Ok(TargetUriSource::behind(
            server.trusted_proxies.iter().copied(),
        )),
    }
}

fn proofs(dpop: &Dpop) -> Result<Proofs, Failure> {
    let mut proofs = Proofs::default()
        .iat_offset(dpop.iat_offset)
        .iat_leeway(dpop.iat_leeway)
        .replay(replay(&dpop.store)?);
    if dpop.required.is_some() {
        proofs = proofs.required();
    }
    if dpop.accepts_unchecked {
        proofs = proofs.accept_unchecked();
    }
    if let Some(NonceRule { secret, lifetime }) = &dpop.nonces {
        let secret = secret.as_ref().map(|secret| secret.as_str());
        proofs = proofs.nonces(NonceIssuer::new(secret, *lifetime)?);
    }
    Ok(proofs)
}

fn replay(store: &ReplayStore) -> Result<Replay, Failure> {
    match store {
        ReplayStore::Memory(bytes) => Ok(Replay::in_memory(*bytes)),
        #[cfg(feature = "redis")]
        ReplayStore::Redis(url) => Ok(Replay::in_redis(url, REDIS_PREFIX)?),
    }
}

fn certificates(mtls: &Mtls) -> ClientCertificates {
    let certificates = ClientCertificates::from_source(mtls.source.clone());
    match mtls.required {
        true => certificates.required(),
        false => certificates,
    }
}

/// What the keys of all replicas begin with.
#[cfg(feature = "redis")]
const REDIS_PREFIX: &str = "actix-resource-server:dpop:";
