//! A handler's response, with a nonce for the client's next DPoP proof ([RFC 9449 §8.2]); a panic becomes a response, too.
//!
//! [RFC 9449 §8.2]: https://www.rfc-editor.org/rfc/rfc9449#section-8.2

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::EitherBody;
use actix_web::http::header::{CACHE_CONTROL, HeaderMap, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Responder};
use pin_project_lite::pin_project;

use crate::rejection::{ErrorFormat, problem};
use crate::sender::{DPOP_NONCE, NO_STORE};

pin_project! {
    /// The future of a protected handler.
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct WithNonceFuture<F> {
        #[pin]
        pub(super) handled: F,
        pub(super) nonce: Option<HeaderValue>,
    }
}

impl<F: Future> Future for WithNonceFuture<F> {
    type Output = WithNonce<F::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // The future is not polled again after a panic.
        let handled = catch_unwind(AssertUnwindSafe(|| this.handled.poll(context)));
        Poll::Ready(WithNonce {
            answer: ready!(handled.map_or(Poll::Ready(None), |handled| handled.map(Some))),
            nonce: this.nonce.take(),
        })
    }
}

/// Adds the header to a response.
pub(super) fn add_nonce(headers: &mut HeaderMap, nonce: HeaderValue) {
    headers.insert(DPOP_NONCE, nonce);
    // A stale nonce from a cache would cost the client a request (RFC 9449 §8.2).
    headers.insert(CACHE_CONTROL, NO_STORE);
}

/// A handler's response, with a `DPoP-Nonce` header if the client is to get one.
#[derive(Debug)]
pub struct WithNonce<R> {
    /// `None` if the handler panicked.
    answer: Option<R>,
    nonce: Option<HeaderValue>,
}

impl<R: Responder> Responder for WithNonce<R> {
    type Body = EitherBody<R::Body>;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse<Self::Body> {
        let mut response = match self.answer {
            Some(answer) => answer.respond_to(request).map_into_left_body(),
            None => problem::internal_error(ErrorFormat::of(request)).map_into_right_body(),
        };
        if let Some(nonce) = self.nonce {
            add_nonce(response.headers_mut(), nonce);
        }
        response
    }
}
