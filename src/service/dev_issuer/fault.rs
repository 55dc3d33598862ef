//! Tokens that an API must reject, issued on request to see what happens.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use crate::jose::Algorithm;
use crate::jose::sign::{SigningKey, random_id};
use crate::test_kit::TokenBuilder;

use super::error::OAuthError;
use super::parameters::Parameters;

/// What is wrong with a token: the parameter `dev_fault` of a `client_credentials` request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It expired an hour ago.
    Expired,
    /// It names the key of the issuer, and another one signed it.
    ForeignKey,
    /// It is an ID token of the client.
    IdToken,
    /// It is for the API of the parameter `audience`, or for another one.
    WrongAudience,
    /// It is of the issuer of the parameter `issuer`, or of another one.
    WrongIssuer,
}

const WRONG_AUDIENCE: &str = "https://wrong-audience.example/";
const WRONG_ISSUER: &str = "https://wrong-issuer.example/";

impl Fault {
    /// # Errors
    /// [`OAuthError::DEV_FAULT`].
    pub(super) fn read(parameters: &Parameters) -> Result<Option<Self>, OAuthError> {
        Ok(Some(match parameters.get("dev_fault") {
            None => return Ok(None),
            Some("expired") => Self::Expired,
            Some("foreign_key") => Self::ForeignKey,
            Some("id_token") => Self::IdToken,
            Some("wrong_audience") => Self::WrongAudience,
            Some("wrong_issuer") => Self::WrongIssuer,
            Some(_) => return Err(OAuthError::DEV_FAULT),
        }))
    }

    /// Spoils a token of the client that `key` is to sign.
    pub(super) fn apply(
        self,
        token: TokenBuilder,
        parameters: &Parameters,
        (client_id, key): (&str, &SigningKey),
        lifetime: Duration,
        now: SystemTime,
    ) -> TokenBuilder {
        match self {
            Self::Expired => {
                let ago = lifetime.saturating_add(Duration::from_secs(60 * 60));
                token.issued_at(now.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH))
            }
            Self::ForeignKey => {
                let foreign = foreign_key().clone().with_algorithm(key.algorithm());
                token.signed_by(&foreign).header("kid", key.kid())
            }
            Self::IdToken => token
                .header("typ", "JWT")
                .claim("aud", client_id)
                .claim("nonce", random_id())
                .without("client_id")
                .without("gty")
                .without("jti")
                .without("scope"),
            Self::WrongAudience => {
                let audience = parameters.get("audience");
                token.claim("aud", audience.unwrap_or(WRONG_AUDIENCE))
            }
            Self::WrongIssuer => {
                let issuer = parameters.get("issuer");
                token.claim("iss", issuer.unwrap_or(WRONG_ISSUER))
            }
        }
    }
}

/// A key that no issuer publishes, generated when it is first needed.
fn foreign_key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate(Algorithm::Rs256))
}
