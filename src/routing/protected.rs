//! Handlers whose access argument is resolved before the others.
//!
//! Actix polls all extractors of a handler together, so that a malformed body could be answered before the token is
//! verified. Here the first argument is resolved alone and without the payload: the body of a rejected caller is not read.

use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderValue;
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, Handler, HttpMessage, HttpRequest, Responder, Route};
use pin_project_lite::pin_project;

use super::dpop_nonce::{WithNonce, WithNonceFuture, add_nonce};
#[cfg(feature = "service")]
use crate::extract::note_rejected;
use crate::extract::{Access, NextNonce, rejected_by};
use crate::rejection::Rejection;

/// Wraps a handler so that its first argument, an [`Access`] type, is resolved before all others.
///
/// The app needs a [`Verifier`](crate::Verifier), as `app_data` of the app or of a scope around the route, itself or as
/// `web::Data`; without one, requests get 500, and the log names this remedy. The routes of an [`Api`](crate::Api) have that
/// of the table.
///
/// It does not compile for other handlers. The result is an actix handler; [`ProtectedRoute::protected`] is a shorter form.
///
/// # Examples
/// ```
/// use actix_resource_server::{AuthenticatedUser, Verifier, protected};
/// use actix_web::{App, web};
///
/// async fn create(user: AuthenticatedUser, body: web::Bytes) -> String {
///     format!("{} bytes from {}", body.len(), user.subject().unwrap_or("unknown"))
/// }
///
/// # #[actix_web::main]
/// # async fn main() -> std::io::Result<()> {
/// let verifier = Verifier::start([/* the issuers */])?;
/// let app = App::new()
///     .app_data(verifier)
///     .route("/messages", web::post().to(protected(create)));
/// # let app = actix_web::test::init_service(app).await;
/// # let request = actix_web::test::TestRequest::post().uri("/messages").to_request();
/// # assert_eq!(actix_web::test::call_service(&app, request).await.status(), 401);
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail
/// async fn create(body: actix_web::web::Bytes) -> String {
///     format!("{} bytes", body.len())
/// }
///
/// actix_resource_server::protected(create);
/// ```
pub fn protected<F, T>(handler: F) -> Protected<F, T>
where
    F: ProtectedHandler<T>,
    T: ProtectedArgs,
{
    USED_OUTSIDE_OF_TABLES.set(true);
    Protected::new(handler)
}

/// Whether this thread has protected handlers outside of tables, whose paths the tables do not know.
pub(super) fn is_used_outside_of_tables() -> bool {
    USED_OUTSIDE_OF_TABLES.get()
}

thread_local! {
    static USED_OUTSIDE_OF_TABLES: Cell<bool> = const { Cell::new(false) };
}

/// Extends actix's routes with [`protected`](ProtectedRoute::protected).
pub trait ProtectedRoute {
    /// As [`Route::to`], for a handler whose first argument is an access type.
    ///
    /// # Examples
    /// ```
    /// use actix_resource_server::{AuthenticatedUser, ProtectedRoute, Verifier};
    /// use actix_web::{App, web};
    ///
    /// async fn create(user: AuthenticatedUser, body: web::Bytes) -> String {
    ///     format!("{} bytes from {}", body.len(), user.subject().unwrap_or("unknown"))
    /// }
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let verifier = Verifier::start([/* the issuers */])?;
    /// let app = App::new()
    ///     .app_data(verifier)
    ///     .route("/messages", web::post().protected(create));
    /// # let app = actix_web::test::init_service(app).await;
    /// # let request = actix_web::test::TestRequest::post().uri("/messages").to_request();
    /// # assert_eq!(actix_web::test::call_service(&app, request).await.status(), 401);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    fn protected<F, T>(self, handler: F) -> Route
    where
        F: ProtectedHandler<T>,
        T: ProtectedArgs;
}

impl ProtectedRoute for Route {
    fn protected<F, T>(self, handler: F) -> Route
    where
        F: ProtectedHandler<T>,
        T: ProtectedArgs,
    {
        self.to(protected(handler))
    }
}

/// A handler whose access argument is resolved first; made by [`protected`].
pub struct Protected<F, T> {
    handler: F,
    arguments: PhantomData<fn() -> T>,
}

impl<F, T> Protected<F, T> {
    pub(super) fn new(handler: F) -> Self {
        Self {
            handler,
            arguments: PhantomData,
        }
    }
}

impl<F: Clone, T> Clone for Protected<F, T> {
    fn clone(&self) -> Self {
        Self::new(self.handler.clone())
    }
}

impl<F, T> std::fmt::Debug for Protected<F, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Protected")
    }
}

impl<F, T> Handler<Resolved<T>> for Protected<F, T>
where
    F: Handler<T>,
    T: ProtectedArgs,
{
    type Output = WithNonce<F::Output>;
    type Future = WithNonceFuture<F::Future>;

    fn call(&self, arguments: Resolved<T>) -> Self::Future {
        WithNonceFuture {
            handled: self.handler.call(arguments.values),
            nonce: arguments.nonce,
        }
    }
}

/// An actix handler. A separate trait, for its compiler message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler that can be protected",
    label = "expected an async function or closure",
    note = "a function with `#[get]` or another of actix's attributes is a service, not a handler: remove the attribute"
)]
pub trait ProtectedHandler<T>: Handler<T, Output: Responder + 'static> {}

impl<F: Handler<T>, T> ProtectedHandler<T> for F where F::Output: Responder + 'static {}

/// The arguments of a handler, the first of which is an access type. Implemented for tuples of up to sixteen arguments.
#[diagnostic::on_unimplemented(
    message = "this handler has no arguments: the first argument must declare who may call it",
    label = "expected an access type as first argument",
    note = "begin the arguments with `AuthenticatedUser`, `Scoped<S>` or `MaybeUser`, or with `Public` for an open route"
)]
pub trait ProtectedArgs: Sized + 'static {
    /// The access type.
    type First: Access;
    /// The arguments that are resolved after it has accepted the caller.
    type Others: FromRequest + 'static;

    /// Puts the arguments together again.
    fn join(first: Self::First, others: Self::Others) -> Self;
}

macro_rules! access_first {
    ($first:ident $($other:ident)*) => {
        impl<$first: Access, $($other: FromRequest + 'static),*> ProtectedArgs for ($first, $($other,)*) {
            type First = $first;
            type Others = ($($other,)*);

            #[expect(clippy::allow_attributes, reason = "whether it is needed depends on the number of arguments")]
            fn join(first: $first, others: Self::Others) -> Self {
                #[allow(non_snake_case, clippy::let_unit_value)]
                let ($($other,)*) = others;
                (first, $($other,)*)
            }
        }
    };
}

access_first! { A }
access_first! { A B }
access_first! { A B C }
access_first! { A B C D }
access_first! { A B C D E }
access_first! { A B C D E G }
access_first! { A B C D E G H }
access_first! { A B C D E G H I }
access_first! { A B C D E G H I J }
access_first! { A B C D E G H I J K }
access_first! { A B C D E G H I J K L }
access_first! { A B C D E G H I J K L M }
access_first! { A B C D E G H I J K L M N }
access_first! { A B C D E G H I J K L M N O }
access_first! { A B C D E G H I J K L M N O P }
access_first! { A B C D E G H I J K L M N O P Q }

/// The arguments, resolved in order.
#[derive(Debug)]
pub struct Resolved<T> {
    values: T,
    /// For the client's next proof.
    nonce: Option<HeaderValue>,
}

impl<T: ProtectedArgs> FromRequest for Resolved<T> {
    type Error = Error;
    type Future = ResolveFuture<T>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let granted = request.extensions_mut().remove();
        if let Some(Granted(first)) = granted {
            return ResolveFuture {
                step: Step::Others {
                    first: Some(first),
                    nonce: None,
                    others: T::Others::from_request(request, payload),
                },
            };
        }
        ResolveFuture {
            step: Step::Access {
                access: T::First::extract(request),
                request: request.clone(),
                payload: payload.take(),
            },
        }
    }
}

/// The access argument of a handler behind a middleware; it was resolved before that.
struct Granted<A>(A);

/// The middleware that resolves the access argument of a handler before other middleware runs.
pub(super) async fn check_access<A: Access, B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let access = match A::extract(request.request()).await {
        Ok(access) => access,
        Err(rejection) => {
            let rejection = rejected::<A>(rejection, request.request());
            return Ok(request.error_response(rejection).map_into_right_body());
        }
    };
    let nonce = request.extensions_mut().remove();
    request.extensions_mut().insert(Granted(access));
    let mut response = next.call(request).await?.map_into_left_body();
    if let Some(NextNonce(nonce)) = nonce {
        add_nonce(response.headers_mut(), nonce);
    }
    Ok(response)
}

/// The rejection in the format of the table, with what its challenges say of the route.
pub(super) fn rejected<A: Access>(rejection: Rejection, request: &HttpRequest) -> Rejection {
    // An access type of the application may reject a caller that another one has granted access.
    #[cfg(feature = "service")]
    if A::requirement().takes_token() {
        note_rejected(request, &rejection);
    }
    rejected_by::<A>(rejection, request, None).formatted_for(request)
}

pin_project! {
    /// The future of a protected handler's arguments.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResolveFuture<T: ProtectedArgs> {
        #[pin]
        step: Step<T>,
    }
}

pin_project! {
    #[project = StepPinned]
    enum Step<T: ProtectedArgs> {
        // The first argument decides, without the payload.
        Access {
            #[pin]
            access: <T::First as FromRequest>::Future,
            request: HttpRequest,
            payload: Payload,
        },
        // The caller is accepted.
        Others {
            first: Option<T::First>,
            nonce: Option<HeaderValue>,
            #[pin]
            others: <T::Others as FromRequest>::Future,
        },
    }
}

impl<T: ProtectedArgs> Future for ResolveFuture<T> {
    type Output = Result<Resolved<T>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut step = self.project().step;
        loop {
            let next = match step.as_mut().project() {
                StepPinned::Access {
                    access,
                    request,
                    payload,
                } => {
                    let first = ready!(access.poll(context))
                        .map_err(|rejection| rejected::<T::First>(rejection, request))?;
                    let nonce = request.extensions_mut().remove();
                    let mut body = first.limit_body(payload.take());
                    let others = T::Others::from_request(request, &mut body);
                    Step::Others {
                        first: Some(first),
                        nonce: nonce.map(|NextNonce(nonce)| nonce),
                        others,
                    }
                }
                StepPinned::Others {
                    first,
                    nonce,
                    others,
                } => {
                    let others = ready!(others.poll(context)).map_err(Into::into)?;
                    let Some(first) = first.take() else {
                        panic!("ResolveFuture polled after completion");
                    };
                    return Poll::Ready(Ok(Resolved {
                        values: T::join(first, others),
                        nonce: nonce.take(),
                    }));
                }
            };
            step.set(next);
        }
    }
}

impl<T: ProtectedArgs> std::fmt::Debug for ResolveFuture<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResolveFuture")
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use actix_web::HttpMessage;
    use actix_web::test::TestRequest;
    use tokio::sync::oneshot;

    use super::*;
    use crate::extract::{Authentication, Caller, Requirement};

    /// What has been asked, in order; kept in the request.
    #[derive(Default)]
    struct Asked(Vec<String>);

    fn note(request: &HttpRequest, what: String) {
        let mut extensions = request.extensions_mut();
        if extensions.get::<Asked>().is_none() {
            extensions.insert(Asked::default());
        }
        if let Some(asked) = extensions.get_mut::<Asked>() {
            asked.0.push(what);
        }
    }

    fn asked(request: &HttpRequest) -> Vec<String> {
        let extensions = request.extensions();
        extensions
            .get::<Asked>()
            .map(|asked| asked.0.clone())
            .unwrap_or_default()
    }

    fn kind(payload: &Payload) -> &'static str {
        match payload {
            Payload::None => "no payload",
            _ => "the payload",
        }
    }

    /// Ready once the test decides.
    #[derive(Debug)]
    struct Decided;

    impl Access for Decided {
        fn requirement() -> Requirement {
            Requirement::of(Authentication::Required)
        }

        fn grant(_: Option<Caller>) -> Result<Self, Rejection> {
            Ok(Self)
        }
    }

    type Verdict = oneshot::Receiver<Result<(), Rejection>>;

    impl FromRequest for Decided {
        type Error = Rejection;
        type Future = Pin<Box<dyn Future<Output = Result<Self, Rejection>>>>;

        fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
            note(request, format!("access, with {}", kind(payload)));
            let verdict = request.extensions_mut().remove::<Verdict>();
            Box::pin(async move {
                let verdict = verdict.expect("the test decides").await;
                verdict.expect("the test decides").map(|()| Self)
            })
        }
    }

    /// One of the other arguments.
    #[derive(Debug)]
    struct Other<const FAILS: bool>;

    impl<const FAILS: bool> FromRequest for Other<FAILS> {
        type Error = Error;
        type Future = std::future::Ready<Result<Self, Error>>;

        fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
            note(request, format!("other, with {}", kind(&payload.take())));
            let broken = || actix_web::error::ErrorBadRequest("broken");
            std::future::ready((!FAILS).then_some(Self).ok_or_else(broken))
        }
    }

    fn request() -> (HttpRequest, oneshot::Sender<Result<(), Rejection>>) {
        let (decide, verdict) = oneshot::channel();
        let request = TestRequest::default().to_http_request();
        request.extensions_mut().insert::<Verdict>(verdict);
        (request, decide)
    }

    fn payload() -> Payload {
        Payload::from(vec![1])
    }

    fn poll<T: ProtectedArgs>(resolving: Pin<&mut ResolveFuture<T>>) -> Poll<Result<T, Error>> {
        let polled = resolving.poll(&mut Context::from_waker(Waker::noop()));
        polled.map_ok(|arguments| arguments.values)
    }

    type Arguments<const FAILS: bool> = (Decided, Other<FAILS>, Other<false>);

    #[test]
    fn the_first_argument_decides_alone_and_without_the_payload() {
        let (request, decide) = request();
        let arguments = Resolved::<Arguments<false>>::from_request(&request, &mut payload());
        let mut arguments = pin!(arguments);
        for _ in 0..3 {
            assert!(poll(arguments.as_mut()).is_pending());
            assert_eq!(asked(&request), ["access, with no payload"]);
        }
        assert!(decide.send(Ok(())).is_ok());
        assert!(matches!(poll(arguments), Poll::Ready(Ok(_))));
        assert_eq!(
            asked(&request),
            [
                "access, with no payload",
                "other, with the payload",
                "other, with no payload"
            ]
        );
    }

    #[test]
    fn a_rejection_is_the_response_and_no_other_argument_is_resolved() {
        let (request, decide) = request();
        let arguments = Resolved::<Arguments<true>>::from_request(&request, &mut payload());
        assert!(decide.send(Err(Rejection::no_credentials())).is_ok());
        let Poll::Ready(Err(error)) = poll(pin!(arguments)) else {
            panic!("a refusal is final");
        };
        let rejection = error.as_error::<Rejection>();
        assert_eq!(
            rejection.map(Rejection::cause),
            Some(Rejection::no_credentials().cause())
        );
        assert_eq!(asked(&request), ["access, with no payload"]);
    }

    #[test]
    fn the_other_arguments_may_fail_once_the_caller_is_accepted() {
        let (request, decide) = request();
        let arguments = Resolved::<Arguments<true>>::from_request(&request, &mut payload());
        assert!(decide.send(Ok(())).is_ok());
        let Poll::Ready(Err(error)) = poll(pin!(arguments)) else {
            panic!("one of the others fails");
        };
        assert_eq!(error.to_string(), "broken");
    }

    #[test]
    fn the_access_argument_may_be_the_only_one() {
        let (request, decide) = request();
        let arguments = Resolved::<(Decided,)>::from_request(&request, &mut payload());
        assert!(decide.send(Ok(())).is_ok());
        assert!(matches!(poll(pin!(arguments)), Poll::Ready(Ok((Decided,)))));
        assert_eq!(asked(&request), ["access, with no payload"]);
    }
}
