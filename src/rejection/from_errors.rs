//! Errors of the other modules → cause.
//!
//! There is no catch-all arm: a new error does not compile until its response is decided here.

use std::time::Duration;

use super::Cause;
use crate::authorization::CredentialsError;
use crate::jose::compact::CompactError;
use crate::sender::{ProofError, SenderError};
use crate::verifier::{ClaimsMismatch, VerifyError};

impl From<CredentialsError> for Cause {
    fn from(error: CredentialsError) -> Self {
        match error {
            CredentialsError::MalformedHost => {
                Self::InvalidRequest("The Host header is malformed.")
            }
            CredentialsError::NoToken => {
                Self::InvalidToken("The credentials are not an access token.")
            }
            CredentialsError::ProofAlone => {
                Self::InvalidRequest("A DPoP proof was sent without an access token.")
            }
            CredentialsError::ProofMissing => {
                Self::InvalidRequest("The scheme DPoP needs a proof in the DPoP header.")
            }
            CredentialsError::Several => {
                Self::InvalidRequest("More than one access token was sent.")
            }
            CredentialsError::Subprotocol => Self::Unauthenticated(
                "In Sec-WebSocket-Protocol, bearer must be followed by one access token.",
            ),
            CredentialsError::Unusable => Self::Unauthenticated(
                "The Authorization header must be a scheme of this API and one access token.",
            ),
        }
    }
}

impl From<ClaimsMismatch> for Cause {
    fn from(_: ClaimsMismatch) -> Self {
        Self::InvalidToken("The token's claims are not what this API expects.")
    }
}

impl From<SenderError> for Cause {
    fn from(error: SenderError) -> Self {
        match error {
            SenderError::CannotRemember => Self::ReplayUnknown,
            SenderError::Certificate(_) => {
                Self::InvalidRequest("The client certificate is malformed.")
            }
            SenderError::MalformedConfirmation => {
                Self::InvalidToken("The token's confirmation is malformed.")
            }
            SenderError::NoCertificate => {
                Self::InvalidToken("The token is bound to a client certificate, and none was sent.")
            }
            SenderError::NoCertificateBound => {
                Self::InvalidToken("The token is not bound to a certificate.")
            }
            SenderError::NoKeyBound => Self::InvalidToken("The token is not bound to a key."),
            SenderError::Nonce => Self::NonceNeeded,
            SenderError::OtherCertificate => {
                Self::InvalidToken("The token is bound to another certificate.")
            }
            SenderError::Proof(error) => proof(&error),
            SenderError::ProofForBearer => Self::InvalidRequest(
                "A DPoP proof needs the scheme DPoP and a token bound to its key.",
            ),
            SenderError::Replayed => Self::InvalidProof("The proof was used before."),
            SenderError::Target(_) => {
                Self::InvalidRequest("The URL of the request cannot be determined.")
            }
            SenderError::TooManyProofs => Self::TooManyProofs,
            SenderError::Unproven => {
                Self::InvalidToken("The token is bound to its sender and is not a bearer token.")
            }
        }
    }
}

fn proof(error: &ProofError) -> Cause {
    Cause::InvalidProof(match error {
        ProofError::OtherKey => {
            return Cause::InvalidToken("The token is bound to another key than the proof's.");
        }
        ProofError::CriticalHeader => {
            "The proof's header requires extensions that are not supported."
        }
        ProofError::Expired { .. } | ProofError::TooOld => "The proof is too old.",
        ProofError::Form(_) => "The DPoP header is not one signed JWT.",
        ProofError::IssuedAhead | ProofError::NotYetValid => "The proof was made in the future.",
        ProofError::Key(_) => "The proof's key cannot be used.",
        ProofError::Malformed { .. } => "A claim of the proof is malformed.",
        ProofError::MalformedPayload => "The proof's payload is malformed.",
        ProofError::MalformedTarget(_) => "The proof's htu is not a URL of an API.",
        ProofError::Missing { .. } => "A required claim is missing from the proof.",
        ProofError::MissingKey => "The proof's header has no key.",
        ProofError::OtherMethod => "The proof is for another method.",
        ProofError::OtherTarget => "The proof is for another URL.",
        ProofError::OtherToken => "The proof is for another access token.",
        ProofError::WrongType => "The proof is not of the type dpop+jwt.",
        ProofError::Several => "More than one proof was sent.",
        ProofError::Signature => "The proof's signature is invalid.",
        ProofError::UnknownAlgorithm => "The proof's algorithm is not accepted.",
    })
}

impl From<VerifyError> for Cause {
    fn from(error: VerifyError) -> Self {
        Self::InvalidToken(match error {
            VerifyError::KeysUnavailable { retry_after } => {
                return Self::KeysUnavailable { retry_after };
            }
            VerifyError::IssuerUndetermined { retry_after }
            | VerifyError::KeyUndetermined { retry_after } => {
                return Self::KeyUndetermined { retry_after };
            }
            // Without an introspector the token is only reached through the synchronous `verify`.
            VerifyError::IntrospectionNeeded(_) => {
                return Self::IntrospectionUnavailable {
                    retry_after: Duration::from_secs(1),
                };
            }
            VerifyError::IntrospectionUnavailable { retry_after } => {
                return Self::IntrospectionUnavailable { retry_after };
            }
            VerifyError::RevocationUnknown => return Self::RevocationUnknown,
            VerifyError::Revoked => "The token has been revoked.",
            VerifyError::Inactive => "The token is not active.",
            VerifyError::Bound => "The token is bound to its sender and is not a bearer token.",
            VerifyError::CriticalHeader => {
                "The token's header requires extensions that are not supported."
            }
            VerifyError::Expired { .. } => "The token has expired.",
            VerifyError::Form(error) => form(&error),
            VerifyError::IdToken => "The token is an ID token; an access token is needed.",
            VerifyError::IssuedAhead => "The token was issued in the future.",
            VerifyError::LogoutToken => "The token is a logout token; an access token is needed.",
            VerifyError::Malformed { .. } | VerifyError::MalformedAudience => {
                "A claim of the token is malformed."
            }
            VerifyError::MalformedActor => "The token's actor is malformed.",
            VerifyError::MalformedKeyId => "The token's key identifier is malformed.",
            VerifyError::MalformedPayload => "The token's payload is malformed.",
            VerifyError::Missing { .. } => "A required claim is missing from the token.",
            VerifyError::RefreshToken => "The token is a refresh token; an access token is needed.",
            VerifyError::UnknownKind => "Nothing shows that the token is an access token.",
            VerifyError::RequiredClaim(_) => "A claim of the token is not what this API requires.",
            VerifyError::NotYetValid => "The token is not valid yet.",
            VerifyError::AlgorithmNotAllowed => "The token's algorithm is not accepted here.",
            VerifyError::WrongAudience => "The token is for another audience.",
            VerifyError::WrongType => "The token is of a type that is not accepted here.",
            VerifyError::OutdatedKey(_) | VerifyError::Signature => {
                "The token's signature is invalid."
            }
            VerifyError::SeveralAudiences => {
                "The token is for several audiences of which this API accepts only one at a time."
            }
            VerifyError::TooManyAudiences => "The token has more than 1,000 audiences.",
            VerifyError::TooManyScopes => "The token has more than 1,000 scopes.",
            VerifyError::TooOld => "The token is too old.",
            VerifyError::UnknownAlgorithm => "The token's algorithm is not supported.",
            VerifyError::KeyOfOtherTenant | VerifyError::OtherTenant => {
                "The token's tenant, issuer and key do not belong together."
            }
            VerifyError::UnknownTenant => "The token is from a tenant that is not trusted here.",
            VerifyError::UnknownIssuer => "The token is from an issuer that is not trusted here.",
            VerifyError::UnknownKey(_) => "The token's key is not known.",
        })
    }
}

fn form(error: &CompactError) -> &'static str {
    match error {
        CompactError::Base64Url | CompactError::Segments => "The token is not a signed JWT.",
        CompactError::Header => "The token's header is malformed.",
        CompactError::TooLong => "The token is too long.",
    }
}
