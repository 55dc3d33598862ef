//! Makes the issuer's one key without anybody waiting for it.

use std::io;
use std::thread;

use serde_json::Value;
use tokio::sync::watch;

use crate::jose::Algorithm;
use crate::jose::sign::SigningKey;

use super::error::Refusal;

/// The key that signs, once it is made.
#[derive(Clone, Debug)]
pub(super) struct Keys(watch::Receiver<Option<SigningKey>>);

impl Keys {
    /// Begins to make an RSA key on a thread of its own.
    ///
    /// # Errors
    /// No thread can be had.
    pub(super) fn generate() -> io::Result<Self> {
        let (made, key) = watch::channel(None);
        let maker = thread::Builder::new().name("dev-issuer-key".to_owned());
        maker.spawn(move || made.send_replace(Some(SigningKey::generate(Algorithm::Rs256))))?;
        Ok(Self(key))
    }

    /// Waits for the key.
    ///
    /// # Errors
    /// [`Refusal::NoKey`] when none can be made.
    pub(super) async fn signing(&self) -> Result<SigningKey, Refusal> {
        let mut key = self.0.clone();
        let made = key.wait_for(Option::is_some).await;
        made.map_or(None, |key| key.clone()).ok_or(Refusal::NoKey)
    }

    /// Waits for the key's public half.
    ///
    /// # Errors
    /// [`Refusal::NoKey`] when none can be made.
    pub(super) async fn public(&self) -> Result<Value, Refusal> {
        self.signing().await?.public_jwk().ok_or(Refusal::NoKey)
    }
}

#[cfg(test)]
impl From<SigningKey> for Keys {
    fn from(key: SigningKey) -> Self {
        Self(watch::channel(Some(key)).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn who_needs_the_key_waits_until_it_is_made() {
        let keys = Keys::generate().unwrap();
        let key = keys.signing().await.unwrap();
        assert_eq!(key.algorithm(), Algorithm::Rs256);
        assert_eq!(keys.public().await.unwrap(), key.public_jwk().unwrap());
    }

    #[actix_web::test]
    async fn a_key_that_cannot_be_made_is_a_refusal() {
        let keys = Keys(watch::channel(None).1);
        assert_eq!(keys.signing().await.unwrap_err(), Refusal::NoKey);
    }
}
