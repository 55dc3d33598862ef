//! Responses that carry a nonce for the client's next DPoP proof ([RFC 9449 §8.2]).
//!
//! [RFC 9449 §8.2]: https://www.rfc-editor.org/rfc/rfc9449#section-8.2

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Responder};
use pin_project_lite::pin_project;

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
        let answer = ready!(this.handled.poll(context));
        Poll::Ready(WithNonce {
            answer,
            nonce: this.nonce.take(),
        })
    }
}

/// A handler's response, with a `DPoP-Nonce` header if the client is to get one.
#[derive(Debug)]
pub struct WithNonce<R> {
    answer: R,
    nonce: Option<HeaderValue>,
}

impl<R: Responder> Responder for WithNonce<R> {
    type Body = R::Body;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse<R::Body> {
        let mut response = self.answer.respond_to(request);
        if let Some(nonce) = self.nonce {
            let headers = response.headers_mut();
            headers.insert(DPOP_NONCE, nonce);
            // A stale nonce from a cache would cost the client a request (RFC 9449 §8.2).
            headers.insert(CACHE_CONTROL, NO_STORE);
        }
        response
    }
}
