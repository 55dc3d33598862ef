//! Middleware that the program adds to the app.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actix_service::ServiceExt;
use actix_service::boxed::{self, BoxService};
use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};

/// The app, or a middleware around it, as the next middleware gets it.
pub type WrappedService = BoxService<ServiceRequest, ServiceResponse<BoxBody>, Error>;

/// Makes a middleware: a function such as `Logger::default`, or a closure.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function that makes a middleware of actix",
    label = "expected a function such as `Logger::default`, or a closure such as `|| Cors::permissive()`",
    note = "each worker makes its own: write `.wrap(|| middleware)`"
)]
pub trait MakeMiddleware: Send + Sync + 'static {
    /// Wraps the app of one worker.
    #[doc(hidden)]
    fn wrap(&self, service: WrappedService) -> Wrapping;
}

type Wrapping = Pin<Box<dyn Future<Output = Result<WrappedService, ()>>>>;

// The compiler's message is about `MakeMiddleware`, not about its parts.
#[diagnostic::do_not_recommend]
impl<F, M, B> MakeMiddleware for F
where
    F: Fn() -> M + Send + Sync + 'static,
    M: Transform<
            WrappedService,
            ServiceRequest,
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        >,
    M::Transform: 'static,
    M::Future: 'static,
    B: MessageBody + 'static,
{
    fn wrap(&self, service: WrappedService) -> Wrapping {
        let wrapped = self().new_transform(service);
        Box::pin(async { wrapped.await.map(with_boxed_body) })
    }
}

/// Middleware in the order of registration: the last is called first.
#[derive(Clone, Default)]
pub(super) struct Middleware(Vec<Arc<dyn MakeMiddleware>>);

impl Middleware {
    pub(super) fn add(&mut self, make: impl MakeMiddleware) {
        self.0.push(Arc::new(make));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<S, B> Transform<S, ServiceRequest> for Middleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = WrappedService;
    type InitError = ();
    type Future = Wrapping;

    fn new_transform(&self, service: S) -> Wrapping {
        let layers = self.0.clone();
        Box::pin(async move {
            let mut service = with_boxed_body(service);
            for layer in layers {
                service = layer.wrap(service).await?;
            }
            Ok(service)
        })
    }
}

fn with_boxed_body<S, B>(service: S) -> WrappedService
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    boxed::service(service.map(ServiceResponse::map_into_boxed_body))
}

impl fmt::Debug for Middleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Middleware").finish_non_exhaustive()
    }
}
