//! What a client sends, until the access of the stream ends.
//!
//! actix-http reads on while the client does not read the response: without this, a handler would get the messages of a
//! client whose access has ended.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_core::Stream;

use super::{StreamAccess, StreamEnd};

impl StreamAccess {
    /// The body of the request, which ends with the access.
    pub(super) fn limit_body(&self, body: Payload) -> Payload {
        if matches!(body, Payload::None) {
            return body;
        }
        let payload = Box::pin(Incoming {
            body: Some(body),
            ended: Box::pin(self.ended()),
        });
        Payload::Stream { payload }
    }
}

struct Incoming {
    /// `None` once it, or the access, has ended.
    body: Option<Payload>,
    ended: Pin<Box<dyn Future<Output = StreamEnd>>>,
}

impl Stream for Incoming {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        if this.ended.as_mut().poll(context).is_ready() {
            this.body = None;
            return Poll::Ready(None);
        }
        let polled = Pin::new(body).poll_next(context);
        if let Poll::Ready(None) = polled {
            this.body = None;
        }
        polled
    }
}

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use std::future::poll_fn;

    use actix_http::BoxedPayloadStream;

    use super::*;
    use crate::authorization::{AuthScheme, Credentials};
    use crate::sender::SenderProof;
    use crate::test_kit::{SigningKey, TokenBuilder};
    use crate::{Algorithm, Caller, Issuer, Verifier};

    /// The access of a valid token.
    fn access(verifier: &Verifier) -> StreamAccess {
        let key = SigningKey::from_secret(&"s".repeat(32), Algorithm::Hs256);
        let token = TokenBuilder::new("issuer", "api", &key).build();
        let verified = verifier.verify(&token, verifier.now());
        let credentials = Credentials::new(AuthScheme::Bearer, &token);
        let caller = Caller::new(
            verified.expect("a valid token"),
            credentials.expect("a token"),
            SenderProof::default(),
            verifier.now(),
        );
        StreamAccess::new(&caller, None)
    }

    /// A client that sends as fast as it can.
    struct Endless;

    impl Stream for Endless {
        type Item = Result<Bytes, PayloadError>;

        fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(Some(Ok(Bytes::from_static(b"message"))))
        }
    }

    async fn next(body: &mut Payload) -> Option<Bytes> {
        let next = poll_fn(|context| Pin::new(&mut *body).poll_next(context)).await;
        next.map(|chunk| chunk.expect("a message"))
    }

    #[actix_web::test]
    async fn nothing_is_received_after_the_end_of_the_access() {
        let issuer = Issuer::with_secret("issuer", &"s".repeat(32), Algorithm::Hs256);
        let issuer = issuer.audience("api").build().expect("an issuer");
        let verifier = Verifier::start([issuer]).expect("a verifier");
        let access = access(&verifier);
        let payload: BoxedPayloadStream = Box::pin(Endless);
        let mut body = access.limit_body(Payload::Stream { payload });
        for _ in 0..3 {
            assert_eq!(
                next(&mut body).await.as_deref(),
                Some(b"message".as_slice())
            );
        }
        access.0.state().end = Some(StreamEnd::Revoked);
        access.0.wake();
        for _ in 0..2 {
            assert_eq!(next(&mut body).await, None);
        }
        assert!(matches!(access.limit_body(Payload::None), Payload::None));
    }
}
