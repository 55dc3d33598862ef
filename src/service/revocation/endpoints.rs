//! Which listener has which endpoints.

use actix_web::web;

use super::{events, operator};
use crate::metrics::RouteNumber;
use crate::service::config::{EventEndpoints, EventsListener, OperatorToken, Revocation};
use crate::{Api, Verifier};

/// The endpoints of both listeners.
pub(crate) struct Listening {
    pub(crate) api: Endpoints,
    /// Not used without that listener.
    pub(crate) operations: Endpoints,
}

/// The endpoints of one listener, of which there may be none.
#[derive(Clone)]
pub(crate) struct Endpoints {
    verifier: Verifier,
    events: Option<EventEndpoints>,
    operator: Option<web::Data<OperatorToken>>,
}

impl Listening {
    /// Operators are served where clients of the API are not, if there is such a listener.
    pub(crate) fn of(
        settings: Option<&Revocation>,
        has_operations: bool,
        verifier: &Verifier,
    ) -> Self {
        let on = |listener| {
            let is_for_operators = (listener == EventsListener::Operations) == has_operations;
            let events = settings.and_then(|of| of.events.clone());
            let operator = settings.and_then(|of| of.operator_token.clone());
            Endpoints {
                verifier: verifier.clone(),
                events: events.filter(|events| events.listener == listener),
                operator: operator.filter(|_| is_for_operators).map(web::Data::new),
            }
        };
        Self {
            api: on(EventsListener::Api),
            operations: on(EventsListener::Operations),
        }
    }
}

impl Endpoints {
    /// Their routes.
    pub(crate) fn apis(&self) -> Vec<Api> {
        let events = self.events.as_ref();
        let events = events.map(|paths| events::api(&paths.logout_path, &paths.events_path));
        let operator = self.operator.as_ref().map(|_| operator::api());
        events.into_iter().chain(operator).collect()
    }

    /// The paths of their routes.
    pub(crate) fn paths(&self) -> Vec<String> {
        let apis = self.apis();
        let routes = apis.iter().flat_map(Api::routes);
        routes.map(|route| route.path).collect()
    }

    /// Adds them to an app, whose requests are counted under the numbers of their paths.
    pub(crate) fn configure(
        &self,
        app: &mut web::ServiceConfig,
        number_of: impl Fn(&str) -> RouteNumber,
    ) {
        app.app_data(web::Data::new(self.verifier.clone()));
        if let Some(token) = &self.operator {
            app.app_data(token.clone());
        }
        for api in self.apis() {
            let api = api.leaving_unknown_paths().numbered(&number_of);
            app.service(api.verified_by(self.verifier.clone()));
        }
    }
}
