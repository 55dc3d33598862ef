//! Settings → the verifier: how senders prove possession, and the wait for the first keys.

use tokio::time::timeout;

use super::config::{
    Dpop, Mtls, NonceRule, ReplayStore, Revocation, RevocationStore, Server, Settings, Startup,
    StartupMode,
};
use super::error::Error;
use crate::sender::{ClientCertificates, Dpop as Proofs, Replay, TargetUriSource};
use crate::verifier::VerifierBuilder;
use crate::{Revocations, Verifier};

/// Configures `verifier`: the authorities that it trusts, its limits and its sender constraints.
///
/// # Errors
/// A file of certificates cannot be used, the system gives no random numbers, or no thread for the connection to Redis.
pub(super) fn configure(
    verifier: VerifierBuilder,
    settings: &Settings,
) -> Result<VerifierBuilder, Error> {
    let verifier = trusting(verifier, settings)?
        .max_token_length(settings.max_token_length)
        .target_uri(target_uri(&settings.server)?);
    let verifier = match &settings.dpop {
        Some(dpop) => verifier.dpop(proofs(dpop)?),
        None => verifier.without_dpop(),
    };
    let verifier = match &settings.revocation {
        Some(revocation) => verifier.revocations(revocations(revocation)?),
        None => verifier,
    };
    Ok(with_certificates(verifier, settings))
}

/// A verifier that fetches as the service does and offers the same schemes, without its replay store and nonces.
///
/// # Errors
/// A file of certificates cannot be used.
pub(super) fn schemes_only(settings: &Settings) -> Result<VerifierBuilder, Error> {
    let verifier = trusting(Verifier::builder(), settings)?;
    let verifier = verifier.max_token_length(settings.max_token_length);
    Ok(match &settings.dpop {
        None => verifier.without_dpop(),
        Some(dpop) => verifier.dpop(demanded(Proofs::default(), dpop)),
    })
}

/// A verifier that describes the tokens that the service accepts, without its replay store and nonces.
///
/// # Errors
/// A file of certificates cannot be used.
pub(super) fn described(settings: &Settings) -> Result<VerifierBuilder, Error> {
    let verifier = schemes_only(settings)?;
    Ok(with_certificates(verifier, settings))
}

/// Lets `verifier` trust the authorities of `auth.ca_file`.
fn trusting(verifier: VerifierBuilder, settings: &Settings) -> Result<VerifierBuilder, Error> {
    let Some(file) = &settings.ca_file else {
        return Ok(verifier);
    };
    let verifier = verifier.root_certificates_pem(&file.bytes()?);
    Ok(verifier.map_err(|_| file.reject("must name a PEM file with X.509 certificates"))?)
}

/// Waits until keys have been fetched from every issuer, or until the limit of the settings.
///
/// # Errors
/// [`Error::NoKeys`] when the settings require them.
pub(super) async fn await_keys(verifier: &Verifier, startup: Startup) -> Result<(), Error> {
    if startup.mode == StartupMode::Background
        || timeout(startup.limit, verifier.ready()).await.is_ok()
    {
        return Ok(());
    }
    let reasons: Vec<_> = verifier
        .unready()
        .iter()
        .map(|unready| format!("{}: {}", unready.issuer, unready.details))
        .collect();
    let reasons = reasons.join("; ");
    if startup.mode == StartupMode::Require {
        return Err(Error::NoKeys { reasons });
    }
    log::warn!("the service starts without keys ({reasons})");
    Ok(())
}

pub(super) fn target_uri(server: &Server) -> Result<TargetUriSource, Error> {
    match &server.public_url {
        Some(url) => Ok(TargetUriSource::public_url(url.as_str())?),
        None => {
            let source = TargetUriSource::behind(server.trusted_proxies.iter().copied());
            let source = source.allowed_hosts(&server.allowed_hosts)?;
            Ok(if server.is_called_on_loopback() {
                source.on_loopback()
            } else {
                source
            })
        }
    }
}

fn with_certificates(verifier: VerifierBuilder, settings: &Settings) -> VerifierBuilder {
    match &settings.mtls {
        Some(mtls) => verifier.client_certificates(certificates(mtls)),
        None => verifier,
    }
}

fn proofs(dpop: &Dpop) -> Result<Proofs, Error> {
    let proofs = Proofs::default()
        .iat_offset(dpop.iat_offset)
        .iat_leeway(dpop.iat_leeway)
        .replay(replay(&dpop.store)?);
    let mut proofs = demanded(proofs, dpop);
    if let Some(NonceRule { secret, lifetime }) = &dpop.nonces {
        let secret = secret.as_ref().map(|secret| secret.as_str());
        proofs = proofs.nonces(secret, *lifetime)?;
    }
    Ok(proofs)
}

/// Whether a proof is required, and accepted without the replay store.
fn demanded(mut proofs: Proofs, dpop: &Dpop) -> Proofs {
    if dpop.required.is_some() {
        proofs = proofs.required();
    }
    if dpop.accepts_unchecked {
        proofs = proofs.accept_unchecked();
    }
    proofs
}

fn replay(store: &ReplayStore) -> Result<Replay, Error> {
    match store {
        ReplayStore::Memory(bytes) => Ok(Replay::in_memory(*bytes)),
        #[cfg(feature = "redis")]
        ReplayStore::Redis(url) => Ok(Replay::in_redis(url, REDIS_PREFIX)?),
    }
}

/// The store of cut-offs.
#[cfg_attr(
    not(feature = "redis"),
    expect(clippy::unnecessary_wraps, reason = "a Redis may not be reachable")
)]
fn revocations(settings: &Revocation) -> Result<Revocations, Error> {
    let revocations = match &settings.store {
        RevocationStore::Memory => Revocations::in_memory(settings.max_entries),
        #[cfg(feature = "redis")]
        RevocationStore::Redis(url) => {
            Revocations::in_redis(url, REVOCATIONS_PREFIX, settings.max_entries)
                .map_err(Error::RevocationStore)?
        }
    };
    Ok(if settings.accepts_unchecked {
        revocations.accept_unchecked()
    } else {
        revocations
    })
}

fn certificates(mtls: &Mtls) -> ClientCertificates {
    let certificates = ClientCertificates::from_source(mtls.source.clone());
    if mtls.required {
        certificates.required()
    } else {
        certificates
    }
}

/// The prefix of keys in Redis, the same for all replicas.
#[cfg(feature = "redis")]
const REDIS_PREFIX: &str = "actix-resource-server:dpop:";

/// That of cut-offs.
#[cfg(feature = "redis")]
const REVOCATIONS_PREFIX: &str = "actix-resource-server:revocation:";
