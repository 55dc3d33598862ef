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

/// Why an issuer has no keys yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    Failed(FetchFailure),
    Fetching,
}

impl Problem {
    pub(crate) fn reason(&self) -> UnreadyReason {
        match self {
            Self::Fetching => UnreadyReason::NotReached,
            Self::Failed(failure) => reason(failure),
        }
    }

    /// The failure and its causes, for the log and for commands.
    pub(crate) fn details(&self) -> String {
        match self {
            Self::Fetching => "its keys are being fetched".to_owned(),
            Self::Failed(failure) => Chain(failure).to_string(),
        }
    }
}

fn reason(failure: &FetchFailure) -> UnreadyReason {
    match failure {
        FetchFailure::Deadline(_)
        | FetchFailure::Discovery(DiscoveryError::Fetch(_))
        | FetchFailure::KeySetFetch(_) => UnreadyReason::NotReached,
        FetchFailure::Discovery(DiscoveryError::OtherIssuer) => UnreadyReason::OtherIssuer,
        FetchFailure::KeySet(KeySetError::Empty | KeySetError::NoUsableKey { .. }) => {
            UnreadyReason::NoUsableKey
        }
        FetchFailure::Discovery(_)
        | FetchFailure::KeySet(KeySetError::Malformed)
        | FetchFailure::NoJwksUri => UnreadyReason::UnusableAnswer,
    }
}
