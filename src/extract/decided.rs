//! What was decided on a request, for its counters and for the audit log.
//!
//! Middleware may replace the response to a rejected caller, and a client may leave before its response, so both are noted
//! when the decision is made.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::Method;
use actix_web::{HttpMessage, HttpRequest};

use super::Caller;
use crate::metrics::RejectionReason;
use crate::rejection::Rejection;

/// Why the request was rejected; in its extensions from then on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rejected(pub(crate) RejectionReason);

/// The last decision on a request: a handler may ask a further access type itself.
#[derive(Debug)]
pub(crate) struct Decided {
    /// Of the request that was decided on; a proxy asks for decisions with a method of its own.
    pub(crate) method: Method,
    /// Whose token was verified, rejected or not.
    pub(crate) caller: Option<Caller>,
    /// `None` for a request that was granted.
    pub(crate) rejected: Option<RejectionReason>,
}

/// Where the decision on a request is noted, if it stands in the request's extensions.
#[derive(Clone, Debug, Default)]
pub(crate) struct DecisionRecord(Rc<RefCell<Option<Decided>>>);

/// Whether any request has a record: looking for one takes longer.
static IS_RECORDED: AtomicBool = AtomicBool::new(false);

impl DecisionRecord {
    /// To be called before requests get records.
    pub(crate) fn enable() {
        IS_RECORDED.store(true, Ordering::Relaxed);
    }

    /// Of this request.
    fn of(request: &HttpRequest) -> Option<Self> {
        if !IS_RECORDED.load(Ordering::Relaxed) {
            return None;
        }
        request.extensions().get().cloned()
    }

    fn note(&self, decided: Decided) {
        *self.0.borrow_mut() = Some(decided);
    }

    /// The decision, if one was made; once.
    pub(crate) fn take(&self) -> Option<Decided> {
        self.0.borrow_mut().take()
    }
}

/// Notes the caller that an access type is asked about; it has granted the request unless a rejection is noted, too.
pub(super) fn note_caller(request: &HttpRequest, caller: Option<&Caller>) {
    if let Some(record) = DecisionRecord::of(request) {
        record.note(Decided {
            method: request.method().clone(),
            caller: caller.cloned(),
            rejected: None,
        });
    }
}

/// Notes that an access type rejects the request; the record keeps the caller that it has.
pub(crate) fn note_rejected(request: &HttpRequest, rejection: &Rejection) {
    let Some(reason) = rejection.reason() else {
        return;
    };
    if let Some(record) = DecisionRecord::of(request) {
        let caller = record.take().and_then(|decided| decided.caller);
        record.note(Decided {
            method: request.method().clone(),
            caller,
            rejected: Some(reason),
        });
    }
    request.extensions_mut().insert(Rejected(reason));
}

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use actix_web::FromRequest;
    use actix_web::test::TestRequest;

    use super::*;
    use crate::extract::{AuthenticatedUser, MaybeUser, Scoped, StepUp};
    use crate::test_kit::{SigningKey, TokenBuilder};
    use crate::{Algorithm, Issuer, Verifier};

    crate::scope!(Read = "read");
    crate::step_up!(Gold = acr "gold");

    const ISSUER: &str = "https://issuer.example/";

    fn token() -> TokenBuilder {
        let key = SigningKey::from_secret(&"s".repeat(32), Algorithm::Hs256);
        TokenBuilder::new(ISSUER, "api", &key)
    }

    fn request(token: Option<String>) -> (HttpRequest, DecisionRecord) {
        DecisionRecord::enable();
        let issuer = Issuer::with_secret(ISSUER, &"s".repeat(32), Algorithm::Hs256);
        let issuer = issuer.audience("api").build().unwrap();
        let request = TestRequest::default().app_data(Verifier::start([issuer]).unwrap());
        let request = match token {
            Some(token) => request.insert_header(("Authorization", format!("Bearer {token}"))),
            None => request,
        };
        let (request, record) = (request.to_http_request(), DecisionRecord::default());
        request.extensions_mut().insert(record.clone());
        (request, record)
    }

    /// The subject and the reason that are noted, and the reason in the extensions.
    type Noted = (
        Option<String>,
        Option<RejectionReason>,
        Option<RejectionReason>,
    );

    async fn noted<A: crate::Access>(token: Option<String>) -> Noted {
        let (request, record) = request(token);
        drop(A::extract(&request).await);
        let decided = record.take().unwrap();
        let subject = decided.caller.as_ref().and_then(|caller| caller.subject());
        let rejected = request.extensions().get().map(|Rejected(reason)| *reason);
        (subject.map(str::to_owned), decided.rejected, rejected)
    }

    #[actix_web::test]
    async fn a_decision_is_noted_with_the_caller_whose_token_was_verified() {
        use RejectionReason::{
            InsufficientLogin, InsufficientScope, InvalidToken, Unauthenticated,
        };

        let good = || Some(token().build());
        let user = || Some("user-1".to_owned());
        assert_eq!(
            noted::<AuthenticatedUser>(good()).await,
            (user(), None, None)
        );
        assert_eq!(noted::<MaybeUser>(None).await, (None, None, None));
        let rejected = |reason| (Some(reason), Some(reason));
        let (reason, marked) = rejected(InsufficientScope);
        assert_eq!(
            noted::<Scoped<Read>>(good()).await,
            (user(), reason, marked)
        );
        let (reason, marked) = rejected(InsufficientLogin);
        assert_eq!(
            noted::<StepUp<Gold>>(good()).await,
            (user(), reason, marked)
        );
        let (reason, marked) = rejected(InvalidToken);
        let forged = Some(token().raw_signature([1]).build());
        assert_eq!(
            noted::<AuthenticatedUser>(forged).await,
            (None, reason, marked)
        );
        let (reason, marked) = rejected(Unauthenticated);
        assert_eq!(
            noted::<AuthenticatedUser>(None).await,
            (None, reason, marked)
        );
    }

    #[actix_web::test]
    async fn the_last_decision_counts_and_keeps_the_caller() {
        let (request, record) = request(Some(token().build()));
        assert!(<AuthenticatedUser>::extract(&request).await.is_ok());
        let own = crate::Cause::UnfulfilledRule("The token is for another tenant.");
        note_rejected(&request, &own.into());
        let decided = record.take().unwrap();
        assert!(decided.caller.is_some());
        assert_eq!(decided.rejected, Some(RejectionReason::InsufficientScope));
        assert!(record.take().is_none());
        assert!(Scoped::<Read>::extract(&request).await.is_err());
        assert!(<AuthenticatedUser>::extract(&request).await.is_ok());
        assert_eq!(record.take().unwrap().rejected, None);
    }
}
