//! One method of one path, with its handler.

use std::fmt;

use actix_web::Route;
use actix_web::http::Method;

use super::protected::{Protected, ProtectedArgs, ProtectedHandler};
use crate::extract::{Access, Caller, Requirement};
use crate::rejection::Rejection;

/// One method of one path, with its handler.
pub struct Endpoint {
    pub(super) method: Method,
    pub(super) requirement: Requirement,
    pub(super) grant: fn(Option<Caller>) -> Result<(), Rejection>,
    pub(super) handler: &'static str,
    pub(super) summary: Option<&'static str>,
    pub(super) route: Route,
    /// A `GET` route serves `HEAD` too.
    pub(super) head: Option<Route>,
}

impl Endpoint {
    /// Sets a short summary of the route.
    #[must_use]
    pub fn summary(mut self, summary: &'static str) -> Self {
        self.summary = Some(summary);
        self
    }

    fn new<F, T>(method: Method, handler: F) -> Self
    where
        F: ProtectedHandler<T>,
        T: ProtectedArgs,
    {
        let head = (method == Method::GET).then(|| {
            Route::new()
                .method(Method::HEAD)
                .to(Protected::new(handler.clone()))
        });
        Self {
            requirement: T::First::requirement(),
            grant: |caller| T::First::grant(caller).map(drop),
            handler: std::any::type_name::<F>(),
            summary: None,
            route: Route::new()
                .method(method.clone())
                .to(Protected::new(handler)),
            head,
            method,
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.method, self.handler, self.requirement)
    }
}

/// `GET`, and with it `HEAD`.
///
/// The first argument of the handler must be an [`Access`] type, as with `post`, `put`, `patch` and `delete`.
pub fn get<F, T>(handler: F) -> Endpoint
where
    F: ProtectedHandler<T>,
    T: ProtectedArgs,
{
    Endpoint::new(Method::GET, handler)
}

/// `POST`.
pub fn post<F, T>(handler: F) -> Endpoint
where
    F: ProtectedHandler<T>,
    T: ProtectedArgs,
{
    Endpoint::new(Method::POST, handler)
}

/// `PUT`.
pub fn put<F, T>(handler: F) -> Endpoint
where
    F: ProtectedHandler<T>,
    T: ProtectedArgs,
{
    Endpoint::new(Method::PUT, handler)
}

/// `PATCH`.
pub fn patch<F, T>(handler: F) -> Endpoint
where
    F: ProtectedHandler<T>,
    T: ProtectedArgs,
{
    Endpoint::new(Method::PATCH, handler)
}

/// `DELETE`.
pub fn delete<F, T>(handler: F) -> Endpoint
where
    F: ProtectedHandler<T>,
    T: ProtectedArgs,
{
    Endpoint::new(Method::DELETE, handler)
}
