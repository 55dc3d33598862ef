//! Who calls: the verified token, and what only this request proves.

use std::sync::Arc;

use crate::verify::Verified;

/// The caller of one request.
///
/// It dereferences to the [`Verified`] token. Only this crate makes one, of a token that it has verified.
#[derive(Clone, Debug)]
pub struct Caller {
    verified: Arc<Verified>,
}

impl Caller {
    pub(super) fn new(verified: Arc<Verified>) -> Self {
        Self { verified }
    }
}

impl std::ops::Deref for Caller {
    type Target = Verified;

    fn deref(&self) -> &Verified {
        &self.verified
    }
}

#[cfg(all(test, feature = "test-kit"))]
pub(super) mod tests {
    use std::time::SystemTime;

    use serde_json::Value;

    use super::*;
    use crate::jose::Algorithm;
    use crate::test_kit::{SigningKey, TokenBuilder};
    use crate::{Issuer, Verifier};

    const ISSUER: &str = "https://issuer.example/";

    /// A caller whose token carries these claims beside those of every good one.
    pub(in crate::access) fn caller_with(claims: &[(&str, Value)]) -> Caller {
        let secret = "s".repeat(32);
        let key = SigningKey::from_secret(&secret, Algorithm::Hs256);
        let issuer = Issuer::with_secret(ISSUER, &secret, Algorithm::Hs256).audience("api");
        let verifier = Verifier::start([issuer.build().expect("an issuer")]).expect("a verifier");
        let token = TokenBuilder::new(ISSUER, "api", &key);
        let token = claims.iter().fold(token, |token, (name, value)| {
            token.claim(name, value.clone())
        });
        let verified = verifier.verify(&token.build(), SystemTime::now());
        Caller::new(verified.expect("a good token"))
    }

    #[test]
    fn a_caller_is_who_the_token_says() {
        let caller = caller_with(&[("sub", "somebody".into())]);
        assert_eq!(caller.subject(), "somebody");
        assert_eq!(caller.issuer(), ISSUER);
        assert!(!format!("{caller:?}").contains("somebody"));
    }
}
