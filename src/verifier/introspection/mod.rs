//! Introspected tokens: which tokens are introspected, one call for all requests with a token, and the validation of
//! responses ([RFC 7662 §2.2], [RFC 9701 §5]).
//!
//! [RFC 7662 §2.2]: https://www.rfc-editor.org/rfc/rfc7662#section-2.2
//! [RFC 9701 §5]: https://www.rfc-editor.org/rfc/rfc9701#section-5

mod response;
mod signed;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use log::Level;
use quick_cache::sync::Cache;
#[cfg(feature = "service")]
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::time::timeout;
use url::Url;
use zeroize::Zeroizing;

use self::response::{ResponseError, ValidResponse};
use self::signed::Recipient;
#[cfg(feature = "service")]
use super::Verifier;
use super::clock::since_epoch;
use super::token_cache::TokenCache;
use super::verified::{Basis, Origin};
use super::{Verified, VerifyError};
use crate::introspection::call::{CallError, Question, Response};
use crate::introspection::limits::{CallLimits, CallOutcome};
use crate::issuer::{Introspection, SignedResponses};
use crate::jose::digest::sha256;
use crate::keys::IssuerKeys;
use crate::keys::fetch::Client;
use crate::keys::fetch_error::{Chain, FetchError};
use crate::metrics::{Counters, Introspected};

/// The SHA-256 of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(token: &[u8]) -> Self {
        Self(sha256(token))
    }
}

/// An issuer that a token must be introspected by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeededIntrospection {
    pub(super) issuer: u64,
}

/// Introspects the tokens of one issuer.
#[derive(Debug)]
pub(crate) struct Introspector {
    pub(super) keys: Arc<IssuerKeys>,
    settings: Arc<Introspection>,
    state: Mutex<State>,
    /// Tokens that are not active, or not for this API: why, and until when they are not introspected again.
    rejected: Cache<Fingerprint, (VerifyError, Instant)>,
    /// Tokens that were active before; they have a share of the calls for themselves.
    known: Cache<Fingerprint, ()>,
}

#[derive(Debug)]
struct State {
    limits: CallLimits,
    /// The calls in progress.
    calls: HashMap<Fingerprint, watch::Receiver<Option<Outcome>>>,
    /// When a failure was last logged as a warning.
    reported_at: Option<Instant>,
}

pub(super) type Outcome = Result<Arc<Verified>, VerifyError>;

/// What a call needs of the verifier.
#[derive(Debug)]
pub(super) struct CallContext {
    pub(super) cache: Option<Arc<TokenCache>>,
    pub(super) counters: Arc<Counters>,
    pub(super) origin: Arc<Origin>,
}

/// A call that will decide about a token.
#[derive(Debug)]
pub(crate) struct PendingIntrospection(watch::Receiver<Option<Outcome>>);

impl PendingIntrospection {
    /// Waits for the end of the call; `None` if the issuer has been removed or replaced meanwhile, so that its response
    /// does not count.
    pub(super) async fn wait(mut self) -> Option<Outcome> {
        let outcome = self.0.wait_for(Option::is_some).await;
        match outcome.ok().and_then(|outcome| outcome.clone()) {
            Some(Ok(verified)) if !verified.key_is_current() => None,
            Some(outcome) => Some(outcome),
            None => Some(Err(UNAVAILABLE)),
        }
    }
}

/// How a token is decided.
#[derive(Debug)]
pub(super) enum Decision {
    /// The token was rejected a moment ago, or no call may be made now.
    Rejected(VerifyError),
    /// Another request's call decides about this token, too.
    Joined(PendingIntrospection),
    /// A call must be made.
    Call(Call, PendingIntrospection),
}

/// A call to be made; its end is recorded even if it is dropped.
#[derive(Debug)]
pub(super) struct Call {
    introspector: Arc<Introspector>,
    token: Fingerprint,
    outcome: watch::Sender<Option<Outcome>>,
    end: CallOutcome,
}

impl Introspector {
    /// The introspector of an issuer that is configured so.
    pub(super) fn new(keys: &Arc<IssuerKeys>) -> Option<Arc<Self>> {
        let settings = Arc::clone(keys.issuer.introspection.as_ref()?);
        Some(Arc::new(Self {
            keys: Arc::clone(keys),
            state: Mutex::new(State {
                limits: CallLimits::new(settings.calls_per_second, Instant::now()),
                calls: HashMap::new(),
                reported_at: None,
            }),
            rejected: Cache::new(MOST_REJECTED),
            known: Cache::new(MOST_KNOWN),
            settings,
        }))
    }

    /// Whether the issuer is still trusted; calls in progress keep the introspector of one that is not.
    pub(super) fn is_trusted(&self) -> bool {
        !self.keys.is_removed()
    }

    /// The error of a token that this introspector must decide about.
    pub(super) fn needed(&self) -> VerifyError {
        VerifyError::IntrospectionNeeded(NeededIntrospection {
            issuer: self.keys.id,
        })
    }

    /// Whether JWTs of this issuer are introspected, too.
    pub(super) fn takes_jwts(&self) -> bool {
        self.settings.introspects_jwts
    }

    /// The length of the prefix that makes an opaque token this issuer's; `None` if the token does not begin with it.
    pub(super) fn matched_prefix(&self, token: &str) -> Option<usize> {
        let prefix = self.settings.token_prefix.as_deref();
        prefix
            .filter(|prefix| token.starts_with(*prefix))
            .map(str::len)
    }

    /// Whether opaque tokens without a known prefix are this issuer's.
    pub(super) fn takes_others(&self) -> bool {
        self.settings.token_prefix.is_none()
    }

    /// Decides about a token as far as that is possible without waiting.
    pub(super) fn decide(self: &Arc<Self>, token: &str, counters: &Counters) -> Decision {
        let (token, now) = (Fingerprint::of(token.as_bytes()), Instant::now());
        if let Some((error, until)) = self.rejected.get(&token)
            && now < until
        {
            return Decision::Rejected(error);
        }
        let is_known = self.known.get(&token).is_some();
        let mut state = self.state();
        if let Some(call) = state.calls.get(&token) {
            return Decision::Joined(PendingIntrospection(call.clone()));
        }
        if let Err(retry_after) = state.limits.begin(is_known, now) {
            counters.introspections_denied.add(1);
            return Decision::Rejected(VerifyError::IntrospectionUnavailable { retry_after });
        }
        let (outcome, pending) = watch::channel(None);
        state.calls.insert(token, pending.clone());
        let call = Call {
            introspector: Arc::clone(self),
            token,
            outcome,
            // Unless the endpoint answers.
            end: CallOutcome::Failed,
        };
        Decision::Call(call, PendingIntrospection(pending))
    }

    /// Asks the endpoint about a made-up token, outside the limits.
    ///
    /// # Errors
    /// Why there is no response that can be used.
    async fn probe(
        &self,
        client: &Client,
        now: Duration,
        counters: &Counters,
    ) -> Result<(), String> {
        let prefix = self.settings.token_prefix.as_deref().unwrap_or_default();
        let token = format!("{prefix}not-a-token");
        let asked = self.ask_in_time(client, &token, now).await;
        let response = asked.map_err(|error| Chain(&error).to_string())?;
        match self.judge(response, now, counters).await {
            Ok(_) | Err(ResponseError::Token(_)) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Asks the endpoint about a token, within the time limit of a fetch.
    async fn ask_in_time(
        &self,
        client: &Client,
        token: &str,
        now: Duration,
    ) -> Result<Response, CallError> {
        let limit = self.keys.issuer.fetching.timeout;
        let asked = timeout(limit, self.ask(client, token, now)).await;
        asked.unwrap_or(Err(CallError::Fetch(FetchError::Timeout)))
    }

    /// Whether the endpoint answers about another token: what stands in front of it may break the connection because of
    /// what is in a token, and then a client must not be able to suspend the calls for others. While it is known to
    /// fail, it is not asked.
    async fn answers_another(&self, client: &Client, now: Duration, context: &CallContext) -> bool {
        let is_known_to_fail = self.state().limits.is_paused();
        !is_known_to_fail && self.probe(client, now, &context.counters).await.is_ok()
    }

    /// Asks the endpoint about a token.
    async fn ask(
        &self,
        client: &Client,
        token: &str,
        now: Duration,
    ) -> Result<Response, CallError> {
        let (endpoint, offers_signatures) = self.endpoint().await?;
        let wants_signature = match self.settings.signed_responses {
            SignedResponses::Offered => offers_signatures,
            SignedResponses::Required => true,
            SignedResponses::Off => false,
        };
        let name = self.keys.name();
        let question = Question {
            endpoint: &endpoint,
            client: &self.settings.client,
            token,
            issuer: name.as_deref().unwrap_or(endpoint.as_str()),
            wants_signature,
            now,
        };
        question.ask(client).await
    }

    /// Judges a response; a signed one may have to wait for the issuer's key.
    async fn judge(
        &self,
        response: Response,
        now: Duration,
        counters: &Counters,
    ) -> Result<ValidResponse, ResponseError> {
        let name = self.keys.name().ok_or(ResponseError::NoKeys)?;
        let body = match response {
            Response::Plain(_) if self.settings.signed_responses == SignedResponses::Required => {
                return Err(ResponseError::NotSigned);
            }
            Response::Plain(body) => body,
            Response::Signed(text) => {
                let recipient = Recipient {
                    keys: &self.keys,
                    issuer: &name,
                    client_id: &self.settings.client.id,
                    now,
                };
                let limit = self.keys.issuer.fetching.timeout;
                let opened = timeout(limit, recipient.open(&text, counters)).await;
                opened.unwrap_or(Err(ResponseError::NoKeys))?
            }
        };
        response::validate(
            body,
            &self.keys.issuer,
            &name,
            self.settings.cache_max_age,
            now,
        )
    }

    /// The endpoint, once it is known; whether it offers signed responses.
    async fn endpoint(&self) -> Result<(Url, bool), CallError> {
        // The name of the issuer comes from the discovery document, too.
        self.keys.first_fetch().await;
        let discovered = self.keys.discovered();
        let offers_signatures = discovered
            .as_ref()
            .is_some_and(|found| found.offers_signed_introspection);
        let configured = self.keys.issuer.introspection_endpoint.clone();
        let endpoint = configured.or_else(|| discovered?.introspection.clone());
        let endpoint = endpoint.ok_or(CallError::NoEndpoint)?;
        Ok((endpoint, offers_signatures))
    }

    fn remember_rejected(&self, token: Fingerprint, error: &VerifyError) {
        if let Some(until) = Instant::now().checked_add(REJECTED_AGE) {
            self.rejected.insert(token, (error.clone(), until));
        }
    }

    /// Logs why there is no response that can be used; clients must not be able to fill the log.
    fn report(&self, error: &(dyn std::error::Error + 'static)) {
        let now = Instant::now();
        let mut state = self.state();
        let is_news = state
            .reported_at
            .is_none_or(|at| now.saturating_duration_since(at) >= REPORT_INTERVAL);
        if is_news {
            state.reported_at = Some(now);
        }
        drop(state);
        let level = if is_news { Level::Warn } else { Level::Debug };
        let label = self.keys.issuer.label();
        log::log!(level, "introspection: {label}: {}", Chain(error));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(feature = "service")]
impl Verifier {
    /// For each issuer in the order of the configuration, whether tokens can be introspected, or why not; `None` where
    /// they are not.
    pub(crate) async fn probe_introspection(&self) -> Vec<Option<Result<(), String>>> {
        let trust = self.0.trust.load_full();
        let mut probed = Vec::new();
        for keys in &trust.issuers {
            probed.push(match trust.introspector(keys.id) {
                Some(introspector) => Some(self.probe(Arc::clone(introspector)).await),
                None => None,
            });
        }
        probed
    }

    async fn probe(&self, introspector: Arc<Introspector>) -> Result<(), String> {
        let (now, counters) = (since_epoch(self.now()), Arc::clone(&self.0.counters));
        let (sender, receiver) = oneshot::channel();
        self.run(async move |client| {
            let probed = introspector.probe(&client, now, &counters).await;
            drop(sender.send(probed));
        });
        receiver
            .await
            .unwrap_or_else(|_| Err("there is no thread for requests".to_owned()))
    }
}

impl Call {
    /// Makes the call, validates the response, and tells all requests that wait for it.
    pub(super) async fn make(
        mut self,
        client: Arc<Client>,
        token: Zeroizing<String>,
        context: CallContext,
    ) {
        let outcome = self.outcome_for(&client, &token, &context).await;
        let count = match &outcome {
            Ok(_) => Introspected::Active,
            Err(VerifyError::IntrospectionUnavailable { .. }) => Introspected::Failed,
            Err(_) => Introspected::Rejected,
        };
        context.counters.count_introspected(count);
        if let (Ok(verified), Some(cache)) = (&outcome, &context.cache) {
            // Before the call ends: a request that comes later finds the token here.
            cache.insert_introspected(token.as_bytes(), verified);
        }
        // A token is valid while its introspector is trusted, which the call must not prolong: it ends first.
        let waiting = self.outcome.clone();
        drop(self);
        waiting.send_replace(Some(outcome));
    }

    async fn outcome_for(
        &mut self,
        client: &Client,
        token: &str,
        context: &CallContext,
    ) -> Outcome {
        let introspector = Arc::clone(&self.introspector);
        let now = || since_epoch(context.origin.clock.now());
        let response = match introspector.ask_in_time(client, token, now()).await {
            Ok(response) => {
                self.end = CallOutcome::Answered;
                response
            }
            Err(error) => {
                introspector.report(&error);
                // Nobody waits for the second call.
                self.outcome.send_replace(Some(Err(UNAVAILABLE)));
                let is_of_token = error.may_be_of_token()
                    || (error.may_be_of_connection()
                        && introspector.answers_another(client, now(), context).await);
                if is_of_token {
                    self.end = CallOutcome::Answered;
                }
                return Err(UNAVAILABLE);
            }
        };
        match introspector.judge(response, now(), &context.counters).await {
            Ok(valid) => {
                introspector.known.insert(self.token, ());
                let basis = Basis::Introspection(Arc::downgrade(&introspector));
                let verified = Verified::new(valid.payload, valid.claims, basis, &context.origin);
                Ok(Arc::new(verified))
            }
            Err(ResponseError::Token(error)) => {
                introspector.remember_rejected(self.token, &error);
                Err(error)
            }
            Err(error) => {
                introspector.report(&error);
                Err(UNAVAILABLE)
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut state = self.introspector.state();
        state.calls.remove(&self.token);
        state.limits.end(self.end, Instant::now());
    }
}

/// How many rejected tokens are kept; a limit of 100 calls a second fills a quarter of it.
const MOST_REJECTED: usize = 4096;

const REJECTED_AGE: Duration = Duration::from_secs(10);

/// At most one warning in this time; further failures are logged at `debug`.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

const MOST_KNOWN: usize = 16 * 1024;

/// The error of requests that waited for a failed call; the next call is allowed before they retry.
const UNAVAILABLE: VerifyError = VerifyError::IntrospectionUnavailable {
    retry_after: Duration::from_secs(1),
};
