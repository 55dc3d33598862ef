//! Says in plain words why a token is turned away, and what to do about it.

mod claims;
mod form;
mod login;
mod scope;
mod trust;

use serde::Serialize;

use super::case::Case;
use super::verdict::Verdict;
use crate::authorization::CredentialsError;
use crate::verifier::VerifyError;

/// A cause, and its remedy.
#[derive(Debug, Serialize)]
pub(super) struct Explanation {
    /// The cause as scripts know it.
    pub(super) code: &'static str,
    pub(super) why: String,
    pub(super) remedy: String,
}

impl Explanation {
    /// What led to the verdict; `None` where nothing has to be explained.
    pub(super) fn of(verdict: &Verdict, case: &Case<'_>) -> Option<Self> {
        match verdict {
            Verdict::Granted(_) | Verdict::Open => None,
            Verdict::KeysUnavailable => Some(trust::keys_unavailable(case)),
            Verdict::KeyUndetermined(wait) => Some(trust::key_undetermined(*wait)),
            Verdict::Refused(error) => Some(refused(error, case)),
            Verdict::TooLittleScope(token, ways) => Some(scope::too_little(token, ways, case)),
            Verdict::TooWeakLogin(_, demand) => Some(login::too_weak(demand, case)),
            Verdict::Unusable(error) => Some(unusable(error)),
        }
    }

    fn new(code: &'static str, why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            code,
            why: why.into(),
            remedy: remedy.into(),
        }
    }
}

fn refused(error: &VerifyError, case: &Case<'_>) -> Explanation {
    match error {
        VerifyError::Bound => claims::bound(),
        VerifyError::CriticalHeader => form::critical_header(),
        VerifyError::Expired { ago } => claims::expired(*ago, case),
        VerifyError::Form(error) => form::form(error, case),
        VerifyError::IdToken => claims::id_token(case),
        VerifyError::IssuedAhead => claims::ahead("iat", "issued_ahead", case),
        VerifyError::LogoutToken => claims::logout_token(),
        VerifyError::Malformed { claim } => claims::malformed(claim, case),
        VerifyError::MalformedKeyId => form::malformed_key_id(),
        VerifyError::MalformedPayload => form::malformed_payload(),
        VerifyError::Missing { claim } => claims::missing(claim, case),
        VerifyError::NotYetValid => claims::ahead("nbf", "not_yet_valid", case),
        VerifyError::AlgorithmNotAllowed => trust::other_algorithm(case),
        VerifyError::WrongAudience => claims::other_audience(case),
        VerifyError::WrongType => claims::other_type(case),
        VerifyError::OutdatedKey(_) | VerifyError::Signature => trust::signature(case),
        VerifyError::SeveralAudiences => trust::several_audiences(),
        VerifyError::TooManyAudiences => claims::too_many("audiences"),
        VerifyError::TooManyScopes => claims::too_many("scopes"),
        VerifyError::TooOld => claims::too_old(case),
        VerifyError::UnknownAlgorithm => form::unknown_algorithm(case),
        VerifyError::UnknownIssuer => trust::unknown_issuer(case),
        VerifyError::UnknownKey(_) => trust::unknown_key(case),
    }
}

fn unusable(error: &CredentialsError) -> Explanation {
    match error {
        CredentialsError::MalformedHost
        | CredentialsError::ProofAlone
        | CredentialsError::ProofMissing
        | CredentialsError::Several
        | CredentialsError::Unusable => Explanation::new(
            "no_token",
            "There is not exactly one word where the token should be: it is empty, or a blank or line break is in its middle.",
            "Copy the value of access_token alone and in one piece.",
        ),
        CredentialsError::NoToken => Explanation::new(
            "no_bearer_token",
            "This is no token: it holds characters that no token has, such as quotation marks, commas or percent signs.",
            "Copy the value of access_token alone, without quotation marks and without URL encoding.",
        ),
    }
}
