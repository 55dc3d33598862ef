//! Why an issuer's keys have not been fetched yet: a reason for clients, and details for operators.

use std::fmt;

use super::discovery::DiscoveryError;
use super::fetch_error::Chain;
use super::jwk_set::KeySetError;
use super::refresher::FetchFailure;

/// Why an issuer's keys have not been fetched yet; contains nothing that the network sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnreadyReason {
    /// The issuer has not been reached, or has responded with an error.
    NotReached,
    /// The issuer's discovery document or key set cannot be used.
    UnusableAnswer,
    /// The discovery document is that of another issuer.
    OtherIssuer,
    /// The key set has no usable key.
    NoUsableKey,
}

impl UnreadyReason {
    /// The reason in a few fixed words.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotReached => "not reached",
            Self::UnusableAnswer => "answer not usable",
            Self::OtherIssuer => "other issuer's document",
            Self::NoUsableKey => "no usable key",
        }
    }
}

impl fmt::Display for UnreadyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// An issuer whose keys have not been fetched yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unready {
    /// The configured issuer.
    pub issuer: String,
    /// Why its keys are missing; may be shown to clients.
    pub reason: UnreadyReason,
    /// What failed and why, for operators: status codes and kinds of errors, no text from the network.
    pub details: String,
}

impl Unready {
    /// Without a `failure`, the first fetch has not ended.
    pub(super) fn new(issuer: &str, failure: Option<&FetchFailure>) -> Self {
        let details = failure.map(|failure| Chain(failure).to_string());
        Self {
            issuer: issuer.to_owned(),
            reason: failure.map_or(UnreadyReason::NotReached, reason),
            details: details.unwrap_or_else(|| "its keys are being fetched".to_owned()),
        }
    }
}

fn reason(failure: &FetchFailure) -> UnreadyReason {
    match failure {
        FetchFailure::Deadline(_)
        | FetchFailure::Discovery(DiscoveryError::Fetch(_))
        | FetchFailure::KeySetFetch(_) => UnreadyReason::NotReached,
        FetchFailure::Discovery(DiscoveryError::OtherIssuer { .. }) => UnreadyReason::OtherIssuer,
        FetchFailure::KeySet(KeySetError::Empty | KeySetError::NoUsableKey(_)) => {
            UnreadyReason::NoUsableKey
        }
        FetchFailure::Discovery(_)
        | FetchFailure::KeySet(KeySetError::Malformed(_))
        | FetchFailure::NoJwksUri => UnreadyReason::UnusableAnswer,
    }
}
