//! What a route for WebSockets or streams does before its access is checked: it looks at `Origin`, moves the token from
//! `Sec-WebSocket-Protocol` to where the access check reads it, and redeems tickets.

use std::rc::Rc;

use actix_web::body::{BoxBody, EitherBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use actix_web::http::{Method, Uri};
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, HttpRequest, HttpResponse, Route};
use serde::Serialize;

use super::origin::foreign_origin;
use super::protected::rejected;
use crate::authorization::{Credentials, CredentialsError};
use crate::extract::{Access, issue_ticket, redeem_ticket, rejected_early};
use crate::rejection::Rejection;
use crate::sender::NO_STORE;
use crate::subprotocol::{Subprotocols, is_websocket_upgrade};
use crate::verifier::tickets::LIFETIME;

/// Follows the path of a route that takes tickets.
pub(super) const TICKET_PATH: &str = "/ticket";

/// How an endpoint takes the credentials of clients that cannot set `Authorization`.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    /// Whether `Sec-WebSocket-Protocol` may carry the token.
    pub(super) takes_token: bool,
    pub(super) takes_tickets: bool,
    /// Whether its responses are tickets.
    pub(super) issues_tickets: bool,
    /// The application's own subprotocols.
    pub(super) protocols: Rc<[&'static str]>,
    /// Completes a rejection by what the route requires.
    reject: fn(Rejection, &HttpRequest) -> Rejection,
}

impl Stream {
    pub(super) fn new(reject: fn(Rejection, &HttpRequest) -> Rejection) -> Self {
        Self {
            takes_token: false,
            takes_tickets: false,
            issues_tickets: false,
            protocols: Rc::new([]),
            reject,
        }
    }

    /// Whether clients may send their credentials elsewhere than in `Authorization`.
    pub(super) fn is_on(&self) -> bool {
        self.takes_token || self.takes_tickets || self.issues_tickets
    }

    /// The route, behind what is done before its access is checked.
    pub(super) fn before(&self, route: Route) -> Route {
        if !self.is_on() && self.protocols.is_empty() {
            return route;
        }
        let stream = Rc::new(self.clone());
        route.wrap(from_fn(
            move |request: ServiceRequest, next: Next<BoxBody>| {
                let stream = Rc::clone(&stream);
                async move { stream.serve(request, next).await }
            },
        ))
    }

    async fn serve(
        &self,
        mut request: ServiceRequest,
        next: Next<BoxBody>,
    ) -> Result<ServiceResponse<EitherBody<BoxBody>>, Error> {
        let subprotocols = match self.prepare(&mut request).await {
            Ok(subprotocols) => subprotocols,
            Err(rejection) => {
                let rejection = (self.reject)(rejection, request.request());
                return Ok(request.error_response(rejection).map_into_right_body());
            }
        };
        let mut response = next.call(request).await?.map_into_left_body();
        if response.status() == StatusCode::SWITCHING_PROTOCOLS
            && let Some(subprotocols) = subprotocols
        {
            self.select(&subprotocols, response.headers_mut());
        }
        Ok(response)
    }

    /// Puts the credentials of the request to where the access check reads them.
    async fn prepare(
        &self,
        request: &mut ServiceRequest,
    ) -> Result<Option<Subprotocols>, Rejection> {
        let origin = if self.is_on() {
            foreign_origin(request.request())?
        } else {
            None
        };
        let subprotocols = self.move_token(request)?;
        if self.takes_tickets
            && *request.method() == Method::GET
            && let Some(ticket) = ticket(request.uri())?
        {
            Credentials::check_none(request.headers(), request.uri())?;
            if subprotocols.as_ref().is_some_and(Subprotocols::has_token) {
                return Err(CredentialsError::Several.into());
            }
            redeem_ticket(request.request(), &ticket, origin.as_ref()).await?;
        }
        Ok(subprotocols)
    }

    fn move_token(&self, request: &mut ServiceRequest) -> Result<Option<Subprotocols>, Rejection> {
        if !is_websocket_upgrade(request.method(), request.headers()) {
            return Ok(None);
        }
        if !self.takes_token {
            // A malformed list of subprotocols is the handler's matter.
            return Ok(Subprotocols::parse(request.headers()).ok());
        }
        let subprotocols = Subprotocols::parse(request.headers()).map_err(Rejection::from)?;
        let headers = request.headers_mut();
        subprotocols.move_token(headers).map_err(Rejection::from)?;
        Ok(Some(subprotocols))
    }

    /// Selects a subprotocol, unless the application has; a token is never repeated.
    fn select(&self, subprotocols: &Subprotocols, headers: &mut HeaderMap) {
        let selected = headers.get(SEC_WEBSOCKET_PROTOCOL);
        if selected.is_some_and(|selected| !subprotocols.is_repeated_by(selected)) {
            return;
        }
        headers.remove(SEC_WEBSOCKET_PROTOCOL);
        if let Some(protocol) = subprotocols.select(&self.protocols, self.takes_token) {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
    }
}

/// The ticket in the query, if there is one.
fn ticket(uri: &Uri) -> Result<Option<String>, CredentialsError> {
    let query = uri.query().unwrap_or_default();
    let parameters = url::form_urlencoded::parse(query.as_bytes());
    let mut tickets = parameters.filter(|(name, _)| name == "ticket");
    let ticket = tickets.next();
    match tickets.next() {
        Some(_) => Err(CredentialsError::Several),
        None => Ok(ticket.map(|(_, ticket)| ticket.into_owned())),
    }
}

/// The response to a request for a ticket.
#[derive(Serialize)]
struct Issued {
    ticket: String,
    /// In seconds.
    expires_in: u64,
}

/// Issues a ticket for the route whose path precedes [`TICKET_PATH`].
pub(super) async fn issue<A: Access>(
    _: A,
    request: HttpRequest,
) -> Result<HttpResponse, Rejection> {
    let issued = || -> Result<String, Rejection> {
        let origin: Option<HeaderValue> = foreign_origin(&request)?;
        let path = request.path();
        let route = path.strip_suffix(TICKET_PATH).unwrap_or(path);
        issue_ticket(&request, route, origin.as_ref())
    };
    let ticket = issued().map_err(|rejection| {
        let rejection = rejected_early::<A>(rejection, &request);
        rejected::<A>(rejection, &request)
    })?;
    let issued = Issued {
        ticket,
        expires_in: LIFETIME.as_secs(),
    };
    let mut response = HttpResponse::Ok();
    Ok(response
        .insert_header((CACHE_CONTROL, NO_STORE))
        .json(issued))
}
