//! What is measured and logged of each request: around the whole app, so that every response counts.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::Request;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};

use super::audit;
use super::request_log::{self, Line, SubjectHasher, User};
use crate::extract::{DecisionRecord, Rejected};
use crate::metrics::{
    METHODS, RejectionReason, Requests, RouteNumber, WorkerRequests, method_index,
};
use crate::trace::X_REQUEST_ID;
use crate::{Caller, Rejection, TraceContext, TrustedProxies};

/// What is observed; each worker makes its own observer of it.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    pub(crate) requests: Arc<Requests>,
    /// Whose IDs are used.
    pub(crate) proxies: TrustedProxies,
    /// Set where the line of a request tells its client and subject.
    pub(crate) subjects: Option<Arc<SubjectHasher>>,
    /// Set where decisions are written to the audit log.
    pub(crate) audit: Option<Arc<SubjectHasher>>,
}

impl Observed {
    pub(crate) fn observer(&self) -> Rc<Observer> {
        Rc::new(Observer {
            counters: self.requests.add_worker(),
            observed: self.clone(),
        })
    }
}

/// Observes the requests of one worker.
#[derive(Debug)]
pub(crate) struct Observer {
    counters: Arc<WorkerRequests>,
    observed: Observed,
}

/// A request that is observed until its response.
#[derive(Debug)]
pub(crate) struct Observation {
    observer: Rc<Observer>,
    method: usize,
    route: RouteNumber,
    /// Set where the request is logged, or the decision on it.
    trace: Option<TraceContext>,
    /// Set where the decision is logged.
    record: Option<DecisionRecord>,
}

impl Observation {
    pub(crate) fn begin(observer: &Rc<Observer>, request: &mut Request) -> Self {
        let record = observer.observed.audit.as_ref().map(|_| {
            let record = DecisionRecord::default();
            request.extensions_mut().insert(record.clone());
            record
        });
        Self {
            method: method_index(request.method()),
            route: RouteNumber::NONE,
            trace: (record.is_some() || request_log::is_on()).then(|| {
                let peer = request.peer_addr().map(|peer| peer.ip());
                let proxies = &observer.observed.proxies;
                let trace = TraceContext::of(request.headers(), peer, proxies);
                request.extensions_mut().insert(trace.clone());
                trace
            }),
            record,
            observer: Rc::clone(observer),
        }
    }

    /// Notes the route that the request has reached, if it has reached one now.
    pub(crate) fn reach(&mut self, route: RouteNumber) {
        if route != RouteNumber::NONE {
            self.route = route;
        }
    }

    /// Counts and logs the response, and names the request in it.
    pub(crate) fn end<B>(
        mut self,
        response: &mut Result<ServiceResponse<B>, HttpResponse>,
        duration: Duration,
    ) {
        let status = match response {
            Ok(response) => {
                // That of the decided request, where the request was one for a decision.
                self.method = method_index(response.request().method());
                response.status()
            }
            Err(response) => response.status(),
        };
        let reason = rejection_reason(response, status);
        let counters = &self.observer.counters;
        counters.count(self.route, self.method, status, duration);
        if let Some(reason) = reason {
            counters.count_rejected(self.route, reason);
        }
        if self.trace.is_some() {
            self.log(response, status, reason, duration);
        }
    }

    #[cold]
    fn log<B>(
        &self,
        response: &mut Result<ServiceResponse<B>, HttpResponse>,
        status: StatusCode,
        reason: Option<RejectionReason>,
        duration: Duration,
    ) {
        let Some(trace) = &self.trace else { return };
        let request = response.as_ref().ok().map(ServiceResponse::request);
        let pattern = request.and_then(|request| self.pattern(request));
        let own = self.observer.observed.requests.pattern(self.route);
        let route = own.or(pattern.as_deref()).unwrap_or(NO_ROUTE);
        if request_log::is_on() {
            Line {
                method: method_name(self.method),
                route,
                status: status.as_u16(),
                duration,
                trace,
                reason,
                user: request.and_then(|request| self.user(request)),
            }
            .write();
        }
        self.audit(route, Some(status), reason);
        let headers = match response {
            Ok(response) => response.headers_mut(),
            Err(response) => response.headers_mut(),
        };
        if let Ok(id) = HeaderValue::from_str(trace.request_id()) {
            headers.insert(X_REQUEST_ID, id);
        }
    }

    /// Logs the decision on the request, if one was made and is not logged yet.
    fn audit(&self, route: &str, status: Option<StatusCode>, answered: Option<RejectionReason>) {
        let record = self.record.as_ref().and_then(DecisionRecord::take);
        let subjects = self.observer.observed.audit.as_ref();
        let Some(((decided, subjects), trace)) = record.zip(subjects).zip(self.trace.as_ref())
        else {
            return;
        };
        let request = audit::Request {
            method: method_name(method_index(&decided.method)),
            route,
            status: status.map(|status| status.as_u16()),
            id: trace.request_id(),
        };
        audit::write(&decided, answered, request, subjects);
    }

    /// The pattern of a service that stands beside the tables.
    fn pattern(&self, request: &HttpRequest) -> Option<String> {
        if self.route == RouteNumber::NONE {
            request.match_pattern()
        } else {
            None
        }
    }

    fn user(&self, request: &HttpRequest) -> Option<User> {
        let subjects = self.observer.observed.subjects.as_ref()?;
        let extensions = request.extensions();
        extensions
            .get()
            .map(|caller: &Caller| subjects.user(caller))
    }
}

/// A client that leaves before its response was granted access, or rejected, all the same.
impl Drop for Observation {
    fn drop(&mut self) {
        if self.record.is_some() {
            let route = self.observer.observed.requests.pattern(self.route);
            self.audit(route.unwrap_or(NO_ROUTE), None, None);
        }
    }
}

fn method_name(index: usize) -> &'static str {
    let known = METHODS.get(index).filter(|method| **method != OTHER);
    known.unwrap_or(&OTHER_METHOD)
}

/// Why the request was rejected, if it was. Middleware may have replaced the response to the rejected caller.
fn rejection_reason<B>(
    response: &Result<ServiceResponse<B>, HttpResponse>,
    status: StatusCode,
) -> Option<RejectionReason> {
    if status.is_success() {
        return None;
    }
    let error = match response {
        Ok(response) => {
            let extensions = response.request().extensions();
            if let Some(Rejected(reason)) = extensions.get() {
                return Some(*reason);
            }
            response.response().error()
        }
        Err(response) => response.error(),
    };
    error?.as_error::<Rejection>()?.reason()
}

/// The label of unknown methods, which has another form in the log.
const OTHER: &str = "other";

const OTHER_METHOD: &str = "(other method)";

const NO_ROUTE: &str = "(no route)";
