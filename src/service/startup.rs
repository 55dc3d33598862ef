//! Waits for the first keys, where the settings say so.

use tokio::time::timeout;

use super::config::{Startup, StartupMode};
use super::failure::Failure;
use crate::Verifier;

/// Waits until every issuer's keys are there, or as long as is allowed.
///
/// # Errors
/// [`Failure::NoKeys`] when they are required and do not come.
pub(crate) async fn await_keys(verifier: &Verifier, startup: Startup) -> Result<(), Failure> {
    if startup.mode == StartupMode::Background
        || timeout(startup.limit, verifier.ready()).await.is_ok()
    {
        return Ok(());
    }
    let unready = verifier.unready();
    let reasons: Vec<_> = unready
        .iter()
        .map(|of| format!("{}: {}", of.issuer, of.details))
        .collect();
    let reasons = reasons.join("; ");
    if startup.mode == StartupMode::Require {
        return Err(Failure::NoKeys { reasons });
    }
    log::warn!("the service starts without keys ({reasons})");
    Ok(())
}
