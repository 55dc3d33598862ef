//! Names the checks in the order in which the server makes them, and finds the one that failed.

use super::case::Case;
use super::verdict::Verdict;
use crate::verifier::VerifyError;

/// One thing that the server checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Credentials,
    Form,
    KnownAlgorithm,
    Extensions,
    Type,
    KeyName,
    Payload,
    Issuer,
    Algorithm,
    Key,
    Signature,
    Audience,
    Expiry,
    NotBefore,
    Age,
    Texts,
    Kind,
    Numbers,
    Profile,
    Sender,
    Scope,
    Login,
}

impl Check {
    /// Every check, in order.
    pub(super) const ALL: [Self; 22] = [
        Self::Credentials,
        Self::Form,
        Self::KnownAlgorithm,
        Self::Extensions,
        Self::Type,
        Self::KeyName,
        Self::Payload,
        Self::Issuer,
        Self::Algorithm,
        Self::Key,
        Self::Signature,
        Self::Audience,
        Self::Expiry,
        Self::NotBefore,
        Self::Age,
        Self::Texts,
        Self::Kind,
        Self::Numbers,
        Self::Profile,
        Self::Sender,
        Self::Scope,
        Self::Login,
    ];

    /// What the check demands.
    pub(super) const fn demand(self) -> &'static str {
        match self {
            Self::Credentials => "one bearer token, in characters that a header may carry",
            Self::Form => "three parts of base64url between dots, the first a JSON object",
            Self::KnownAlgorithm => "alg is a signature algorithm that is known, never none",
            Self::Extensions => "the header demands no extensions (crit, b64)",
            Self::Type => "typ is JWT, at+jwt or absent",
            Self::KeyName => "kid is a text, or absent",
            Self::Payload => "the second part is a JSON object without duplicate members",
            Self::Issuer => "iss names an issuer that is trusted, to the letter",
            Self::Algorithm => "alg is one that this issuer's keys are used with",
            Self::Key => "the issuer publishes the key that the token names",
            Self::Signature => "the signature is that key's",
            Self::Audience => "aud names this API",
            Self::Expiry => "exp has not passed",
            Self::NotBefore => "nbf has come, where there is one",
            Self::Age => "iat is a time, and not too long ago where max_token_age is set",
            Self::Texts => "sub, client_id and jti are texts, where they are there",
            Self::Kind => "the token is an access token: no ID token, no logout token",
            Self::Numbers => "the token has at most 1,000 audiences and 1,000 scopes",
            Self::Profile => "in strict mode: typ is at+jwt; iat, sub, client_id and jti are there",
            Self::Sender => "the token is bound to no sender (cnf)",
            Self::Scope => "the token grants what the route asks for",
            Self::Login => "the login is one that the route asks for (acr, amr, auth_time)",
        }
    }

    /// The check that led to the verdict; `None` where all were passed, or none was made.
    pub(super) fn failed(verdict: &Verdict, case: &Case<'_>) -> Option<Self> {
        match verdict {
            Verdict::Granted(_) | Verdict::Open => None,
            Verdict::KeysUnavailable | Verdict::KeyUndetermined(_) => Some(Self::Key),
            Verdict::Refused(error) => Some(Self::behind(error, case)),
            Verdict::TooLittleScope(..) => Some(Self::Scope),
            Verdict::TooWeakLogin(..) => Some(Self::Login),
            Verdict::Unusable(_) => Some(Self::Credentials),
        }
    }

    fn behind(error: &VerifyError, case: &Case<'_>) -> Self {
        match error {
            VerifyError::Bound => Self::Sender,
            VerifyError::CriticalHeader => Self::Extensions,
            VerifyError::Expired { .. } => Self::Expiry,
            VerifyError::Form(_) => Self::Form,
            VerifyError::IdToken | VerifyError::LogoutToken => Self::Kind,
            VerifyError::IssuedAhead | VerifyError::TooOld => Self::Age,
            VerifyError::Malformed { claim } => Self::of_claim(claim),
            VerifyError::MalformedKeyId => Self::KeyName,
            VerifyError::MalformedPayload => Self::Payload,
            VerifyError::Missing { claim: "iat" } if case.has_maximal_age() => Self::Age,
            VerifyError::Missing {
                claim: claim @ ("iss" | "aud" | "exp"),
            } => Self::of_claim(claim),
            VerifyError::Missing { .. } => Self::Profile,
            VerifyError::NotYetValid => Self::NotBefore,
            VerifyError::AlgorithmNotAllowed => Self::Algorithm,
            VerifyError::WrongAudience | VerifyError::SeveralAudiences => Self::Audience,
            VerifyError::WrongType if case.has_plain_type() => Self::Profile,
            VerifyError::WrongType => Self::Type,
            VerifyError::OutdatedKey(_) | VerifyError::Signature => Self::Signature,
            VerifyError::TooManyAudiences | VerifyError::TooManyScopes => Self::Numbers,
            VerifyError::UnknownAlgorithm => Self::KnownAlgorithm,
            VerifyError::UnknownIssuer => Self::Issuer,
            VerifyError::UnknownKey(_) => Self::Key,
        }
    }

    fn of_claim(claim: &str) -> Self {
        match claim {
            "iss" => Self::Issuer,
            "aud" => Self::Audience,
            "exp" => Self::Expiry,
            "nbf" => Self::NotBefore,
            "iat" => Self::Age,
            _ => Self::Texts,
        }
    }
}
