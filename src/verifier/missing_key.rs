//! Verification of a token whose key is missing: requests a fetch of keys and waits for it.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use zeroize::Zeroizing;

use super::introspection::{CallContext, Decision, NeededIntrospection, PendingIntrospection};
use super::{Verified, Verifier, VerifyError};
use crate::keys::fetch::Client;
use crate::keys::{Fetch, FetchEnd, KeyRequest, WantedKey};

/// A key that a token needs and the issuer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingKey {
    pub(super) issuer: u64,
    pub(super) key: WantedKey,
}

/// The outcome of a verification that may need a fetch of keys.
#[derive(Debug)]
pub(crate) enum Verification {
    Done(Arc<Verified>),
    /// The token's key or the issuer's response is still to come.
    Pending(Pending),
}

/// What decides about a token, and is still to come.
#[derive(Debug)]
pub(crate) enum Pending {
    /// A fetch in progress may bring the token's key.
    Key(PendingKey),
    /// The issuer is being asked about the token.
    Introspection(PendingIntrospection),
}

/// A key that a fetch in progress may bring.
#[derive(Debug)]
pub(crate) struct PendingKey {
    /// The error without that key.
    pub(super) error: VerifyError,
    pub(super) fetch: Fetch,
}

/// What a request has waited for.
pub(super) enum Waited {
    /// A fetch that began after its key was requested: the keys that are there now decide.
    InTime,
    /// A fetch that began before, and may have read the set before the key was in it.
    Late,
    /// The issuer has been removed or replaced meanwhile.
    InVain,
}

impl PendingKey {
    pub(super) async fn wait(self) -> Result<Waited, VerifyError> {
        let is_late = self.fetch.is_late;
        match self.fetch.end().await {
            FetchEnd::Keys if is_late => Ok(Waited::Late),
            FetchEnd::Keys => Ok(Waited::InTime),
            FetchEnd::Removed => Ok(Waited::InVain),
            FetchEnd::Failed => Err(match self.error {
                // The known key decides; whether the issuer has another one stays unknown.
                error @ VerifyError::OutdatedKey(_) => error,
                _ => VerifyError::KeysUnavailable {
                    retry_after: AFTER_FAILED_FETCH,
                },
            }),
        }
    }
}

impl Verifier {
    /// Verifies a token that is not cached; requests a fetch if the token's key is missing and the issuer may have it.
    ///
    /// # Errors
    /// Those of [`verify`](Self::verify), and [`VerifyError::KeysUnavailable`] or [`VerifyError::KeyUndetermined`] if
    /// no fetch is made for the key now.
    pub(crate) fn verify_or_request_key(
        &self,
        token: &str,
        now: SystemTime,
    ) -> Result<Verification, VerifyError> {
        loop {
            let error = match self.verify_uncached(token, now) {
                Ok(verified) => return Ok(Verification::Done(verified)),
                Err(VerifyError::IntrospectionNeeded(needed)) => {
                    match self.introspect(needed, token)? {
                        Some(pending) => {
                            return Ok(Verification::Pending(Pending::Introspection(pending)));
                        }
                        None => continue,
                    }
                }
                Err(error) => error,
            };
            match self.request_key(&error) {
                // Other keys have been published since: verify again.
                KeyRequest::Arrived => {}
                KeyRequest::Fetching(fetch) => {
                    let key = PendingKey { error, fetch };
                    return Ok(Verification::Pending(Pending::Key(key)));
                }
                KeyRequest::Denied => return Err(error),
                KeyRequest::Failing(retry_after) => {
                    return Err(VerifyError::KeysUnavailable { retry_after });
                }
                KeyRequest::Undetermined(retry_after) => {
                    return Err(VerifyError::KeyUndetermined { retry_after });
                }
            }
        }
    }

    /// Asks the token's issuer about it, or joins the call that another request has caused; `None` if the issuer has been
    /// removed or replaced since, so that the token must be verified again.
    fn introspect(
        &self,
        needed: NeededIntrospection,
        token: &str,
    ) -> Result<Option<PendingIntrospection>, VerifyError> {
        let trust = self.0.trust.load();
        let Some(introspector) = trust.introspector(needed.issuer) else {
            return Ok(None);
        };
        match introspector.decide(token, &self.0.counters) {
            Decision::Rejected(error) => Err(error),
            Decision::Joined(pending) => Ok(Some(pending)),
            Decision::Call(call, pending) => {
                let context = CallContext {
                    cache: self.0.cache.clone(),
                    counters: Arc::clone(&self.0.counters),
                    origin: Arc::clone(&self.0.origin),
                };
                let token = Zeroizing::new(token.to_owned());
                self.run(move |client| call.make(client, token, context));
                Ok(Some(pending))
            }
        }
    }

    /// Runs a task on the thread that sends requests to issuers; it is dropped if there is none.
    pub(super) fn run<F: Future<Output = ()> + 'static>(
        &self,
        task: impl FnOnce(Arc<Client>) -> F + Send + 'static,
    ) {
        let refresher = self
            .0
            .refresher
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(refresher) = &*refresher {
            refresher.run(task);
        }
    }

    /// Waits for the issuer's response, or for the token's key, and then verifies the token with the current keys.
    ///
    /// # Errors
    /// As of [`verify_or_request_key`](Self::verify_or_request_key); a key that the fetch did not bring is [`VerifyError::UnknownKey`].
    pub(crate) async fn verify_with(
        &self,
        token: &str,
        mut pending: Pending,
    ) -> Result<Arc<Verified>, VerifyError> {
        let mut may_be_late = true;
        loop {
            let waited = match pending {
                Pending::Introspection(call) => match call.wait().await {
                    Some(outcome) => return self.unrevoked(outcome?),
                    None => Waited::InVain,
                },
                Pending::Key(key) => key.wait().await?,
            };
            match waited {
                Waited::InVain => {}
                Waited::Late if may_be_late => may_be_late = false,
                Waited::Late | Waited::InTime => return self.verify_known(token, self.now()),
            }
            pending = match self.verify_or_request_key(token, self.now())? {
                Verification::Done(verified) => return Ok(verified),
                Verification::Pending(pending) => pending,
            };
        }
    }

    pub(super) fn request_key(&self, error: &VerifyError) -> KeyRequest {
        let (counters, now) = (&self.0.counters, Instant::now());
        let trust = self.0.trust.load();
        let of = |missing: &MissingKey| trust.with_id(missing.issuer);
        let request = match error {
            VerifyError::OutdatedKey(outdated) => of(outdated).map(|issuer| {
                let WantedKey {
                    generation,
                    purpose,
                    ..
                } = outdated.key;
                issuer.request_refresh(generation, purpose, counters, now)
            }),
            VerifyError::UnknownKey(missing) => {
                of(missing).map(|issuer| issuer.request_key(missing.key, counters, now))
            }
            _ => return KeyRequest::Denied,
        };
        // An issuer that is gone was removed or replaced after the token was verified: the current ones decide.
        request.unwrap_or(KeyRequest::Arrived)
    }
}

/// `Retry-After` for a request that waited for a failed fetch; retries begin 250 ms after the first failure.
const AFTER_FAILED_FETCH: Duration = Duration::from_secs(1);
