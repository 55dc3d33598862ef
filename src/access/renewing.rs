//! An answer to a good proof, with a nonce for the caller's next one ([RFC 9449 §8.2]).
//!
//! [RFC 9449 §8.2]: https://www.rfc-editor.org/rfc/rfc9449#section-8.2

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, Responder};
use pin_project_lite::pin_project;

use crate::proof::nonce::{DPOP_NONCE, NO_STORE};
use crate::rejection::Rejection;

/// Left with a request by its access argument, for the answer.
pub(super) struct FreshNonce(pub(super) HeaderValue);

impl FreshNonce {
    /// Gives it to a caller who is known, and turned away for what the token grants.
    pub(super) fn give(request: &HttpRequest, rejection: Rejection) -> Rejection {
        match request.extensions().get() {
            Some(Self(nonce)) => rejection.with_nonce(nonce.clone()),
            None => rejection,
        }
    }
}

pin_project! {
    /// The future of a protected handler.
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct Handling<F> {
        #[pin]
        pub(super) handled: F,
        pub(super) nonce: Option<HeaderValue>,
    }
}

impl<F: Future> Future for Handling<F> {
    type Output = Renewing<F::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.handled.poll(context));
        Poll::Ready(Renewing {
            answer,
            nonce: this.nonce.take(),
        })
    }
}

/// An answer that gives its caller a nonce, where there is one to give.
#[derive(Debug)]
pub struct Renewing<R> {
    answer: R,
    nonce: Option<HeaderValue>,
}

impl<R: Responder> Responder for Renewing<R> {
    type Body = R::Body;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse<R::Body> {
        let mut response = self.answer.respond_to(request);
        if let Some(nonce) = self.nonce {
            let headers = response.headers_mut();
            headers.insert(DPOP_NONCE, nonce);
            // A stale nonce out of a cache would cost the client a request (RFC 9449 §8.2).
            headers.insert(CACHE_CONTROL, NO_STORE);
        }
        response
    }
}
