//! New keys under an old key ID, detected by a signature that is invalid under the old key.

use std::time::{Duration, Instant};

use super::refresh_budget::{Purpose, Refresh};
use super::{FetchState, IssuerKeys, KeyRequest};
use crate::metrics::Counters;

impl IssuerKeys {
    /// Whether the key set is so old that the issuer may have replaced a key in it under the same ID.
    pub(crate) fn may_be_outdated(&self, now: Instant) -> bool {
        let is_old = |age| age > FRESH;
        self.is_fetched() && !self.is_configured() && self.age(now).is_some_and(is_old)
    }

    /// Requests a new set because a signature is invalid under the key of its ID in the set of `generation`.
    /// Uses the budget of unknown key IDs; without budget, and while fetches fail, the signature stays invalid. The
    /// fetch makes the set fresh, so that a flood of such signatures costs at most one fetch a minute.
    pub(crate) fn request_refresh(
        &self,
        generation: u64,
        purpose: Purpose,
        counters: &Counters,
        now: Instant,
    ) -> KeyRequest {
        if !self.may_be_outdated(now) {
            return KeyRequest::Denied;
        }
        let mut state = self.state();
        if self.generation() != generation {
            return KeyRequest::Arrived;
        }
        if !state.budget.is_well() {
            return KeyRequest::Denied;
        }
        if state.fetch_state == FetchState::Idle
            && state.budget.try_take(purpose, now) != Refresh::Allowed
        {
            return KeyRequest::Denied;
        }
        self.join_fetch(&mut state, counters)
    }
}

#[cfg(test)]
impl IssuerKeys {
    /// Makes the set older by this time.
    pub(crate) fn make_older(&self, by: Duration) {
        self.state().budget.make_older(by);
    }
}

/// The age below which a set is not fetched again because of a signature.
const FRESH: Duration = Duration::from_secs(60);

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use actix_web::FromRequest;
    use actix_web::http::header::AUTHORIZATION;
    use actix_web::test::TestRequest;
    use serde_json::json;

    use super::super::Fetch;
    use super::*;
    use crate::jose::sign::SigningKey;
    use crate::rejection::Cause;
    use crate::test_kit::{Document, Fault, TestIssuer};
    use crate::{Algorithm, AuthenticatedUser, Issuer, Rejection, Verifier};

    const OLD: Duration = Duration::from_secs(61);

    fn issuer() -> TestIssuer {
        TestIssuer::start_with(Algorithm::Es256)
    }

    /// Another key under the ID of the issuer's own.
    fn successor(issuer: &TestIssuer) -> SigningKey {
        SigningKey::generate(Algorithm::Es256).with_kid(issuer.key().kid())
    }

    fn signed_by(issuer: &TestIssuer, key: &SigningKey) -> String {
        issuer.token().signed_by(key).build()
    }

    async fn admit(verifier: &Verifier, token: &str) -> Result<(), Cause> {
        let request = TestRequest::get().app_data(verifier.clone());
        let request = request.insert_header((AUTHORIZATION, format!("Bearer {token}")));
        let user: Result<AuthenticatedUser, _> =
            AuthenticatedUser::extract(&request.to_http_request()).await;
        user.map(drop).map_err(Rejection::into_cause)
    }

    async fn warm_verifier(issuer: &TestIssuer) -> Verifier {
        let trusted = Issuer::discover(issuer.url()).audience(issuer.audience());
        let verifier = Verifier::start([trusted.build().expect("an issuer")]);
        let verifier = verifier.expect("a verifier");
        assert_eq!(admit(&verifier, &issuer.token().build()).await, Ok(()));
        verifier
    }

    fn bad_signature() -> Result<(), Cause> {
        Err(Cause::InvalidToken("The token's signature is invalid."))
    }

    #[actix_web::test]
    async fn a_new_key_under_the_old_id_is_found_once_the_set_is_old() {
        let issuer = issuer();
        let verifier = warm_verifier(&issuer).await;
        let old = issuer.token().build();
        let successor = successor(&issuer);
        issuer.publish(json!({"keys": [successor.public_jwk()]}));
        let new = signed_by(&issuer, &successor);
        assert_eq!(admit(&verifier, &new).await, bad_signature());
        assert_eq!(issuer.requests().jwks, 1, "the set is fresh");
        verifier.make_keys_older(OLD);
        assert_eq!(admit(&verifier, &new).await, Ok(()));
        assert_eq!(admit(&verifier, &old).await, bad_signature());
        assert_eq!(issuer.requests().jwks, 2);
    }

    #[actix_web::test]
    async fn a_flood_of_bad_signatures_uses_the_budget_and_at_most_once_a_minute() {
        let issuer = issuer();
        let verifier = warm_verifier(&issuer).await;
        let forged = signed_by(&issuer, &successor(&issuer));
        for fetches in [1, 2, 3, 3, 3] {
            verifier.make_keys_older(OLD);
            for _ in 0..5 {
                assert_eq!(admit(&verifier, &forged).await, bad_signature());
            }
            assert_eq!(issuer.requests().jwks, 1 + fetches);
        }
    }

    #[actix_web::test]
    async fn a_token_that_no_key_would_make_valid_costs_no_fetch() {
        let issuer = issuer();
        let verifier = warm_verifier(&issuer).await;
        verifier.make_keys_older(OLD);
        let forged = || issuer.token().signed_by(&successor(&issuer));
        for token in [forged().claim("exp", 1), forged().claim("aud", "other")] {
            assert_eq!(admit(&verifier, &token.build()).await, bad_signature());
        }
        assert_eq!(issuer.requests().jwks, 1);
    }

    #[actix_web::test]
    async fn while_the_issuer_fails_a_bad_signature_is_rejected() {
        let issuer = issuer();
        let verifier = warm_verifier(&issuer).await;
        let forged = signed_by(&issuer, &successor(&issuer));
        verifier.make_keys_older(OLD);
        issuer.set_fault(Document::Jwks, Some(Fault::status(500)));
        for _ in 0..3 {
            assert_eq!(admit(&verifier, &forged).await, bad_signature());
        }
        assert_eq!(admit(&verifier, &issuer.token().build()).await, Ok(()));
    }

    #[test]
    fn all_requests_wait_for_one_fetch() {
        let issuer = Issuer::with_jwks_uri("a", "https://a.example/keys").audience("api");
        let keys = IssuerKeys::new(issuer.build().expect("an issuer"), 0);
        let now = Instant::now();
        let ask = |generation, now| {
            let purpose = Purpose::AccessTokens;
            keys.request_refresh(generation, purpose, &Counters::default(), now)
        };
        keys.state().fetch_state = FetchState::Idle;
        keys.state().budget.succeeded(now, None);
        assert!(matches!(ask(0, now), KeyRequest::Denied));
        let later = now.checked_add(OLD).expect("a moment");
        for _ in 0..10 {
            let request = ask(0, later);
            assert!(
                matches!(
                    request,
                    KeyRequest::Fetching(Fetch {
                        is_late: false,
                        number: 1,
                        ..
                    })
                ),
                "{request:?}"
            );
        }
        assert!(matches!(ask(1, later), KeyRequest::Arrived));
        keys.state().fetch_state = FetchState::Idle;
        assert!(matches!(ask(0, later), KeyRequest::Fetching(_)));
        keys.state().budget.failed(later);
        for fetch_state in [FetchState::Idle, FetchState::InFlight] {
            keys.state().fetch_state = fetch_state;
            assert!(
                matches!(ask(0, later), KeyRequest::Denied),
                "{fetch_state:?}"
            );
        }
    }
}
