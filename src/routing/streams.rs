//! What a route for WebSockets or streams does before its access is checked: it looks at `Origin`, and moves the token from
//! `Sec-WebSocket-Protocol` to where the access check reads it.

use std::rc::Rc;

use actix_web::body::{BoxBody, EitherBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, SEC_WEBSOCKET_PROTOCOL};
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, HttpRequest, Route};

use super::origin::foreign_origin;
use crate::rejection::Rejection;
use crate::subprotocol::{Subprotocols, is_websocket_upgrade};

/// How an endpoint takes the credentials of clients that cannot set `Authorization`.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    /// Whether `Sec-WebSocket-Protocol` may carry the token.
    pub(super) takes_token: bool,
    /// The application's own subprotocols.
    pub(super) protocols: Rc<[&'static str]>,
    /// Completes a rejection by what the route requires.
    reject: fn(Rejection, &HttpRequest) -> Rejection,
}

impl Stream {
    pub(super) fn new(reject: fn(Rejection, &HttpRequest) -> Rejection) -> Self {
        Self {
            takes_token: false,
            protocols: Rc::new([]),
            reject,
        }
    }

    /// Whether clients may send their credentials elsewhere than in `Authorization`.
    pub(super) fn is_on(&self) -> bool {
        self.takes_token
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
        let subprotocols = match self.prepare(&mut request) {
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
    fn prepare(&self, request: &mut ServiceRequest) -> Result<Option<Subprotocols>, Rejection> {
        if self.is_on() {
            foreign_origin(request.request())?;
        }
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
        if let Some(protocol) = subprotocols.select(&self.protocols) {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
    }
}
