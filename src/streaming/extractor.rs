//! `Streaming`: a caller whose access goes on after the response has begun.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use pin_project_lite::pin_project;

use super::StreamAccess;
use super::renewal::Renewal;
use crate::extract::{Access, Caller, Identified, Requirement};
use crate::rejection::Rejection;

/// A caller that `A` accepts, for a handler whose response is a stream.
///
/// It rejects whatever `A` rejects, and dereferences to `A`. Its [`stream_access`](Self::stream_access) ends the stream when the
/// access of the caller ends.
///
/// # Examples
/// Server-sent events:
/// ```
/// use std::time::Duration;
///
/// use actix_resource_server::streams::Streaming;
/// use actix_resource_server::{Api, Scoped, get, scope};
/// use actix_web::body::BodyStream;
/// use actix_web::web::Bytes;
/// use actix_web::{Error, HttpResponse, rt};
///
/// scope!(ReadNews = "read:news");
///
/// async fn news(user: Streaming<Scoped<ReadNews>>) -> HttpResponse {
///     let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
///     rt::spawn(async move {
///         // It fails once the stream has ended.
///         while sender.send(Bytes::from_static(b"data: news\n\n")).await.is_ok() {
///             rt::time::sleep(Duration::from_secs(1)).await;
///         }
///     });
///     let events = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
///     let events = futures_util::StreamExt::map(events, Ok::<_, Error>);
///     user.stream_access().sse(BodyStream::new(events))
/// }
///
/// let api = Api::new("/api").route("/news", get(news).tickets());
/// ```
/// A WebSocket, whose client sends a new token before the old one expires:
/// ```
/// use actix_resource_server::streams::Streaming;
/// use actix_resource_server::{Api, AuthenticatedUser, get};
/// use actix_web::{Error, HttpRequest, HttpResponse, rt, web};
/// use actix_ws::Message;
///
/// async fn chat(
///     user: Streaming<AuthenticatedUser>,
///     request: HttpRequest,
///     body: web::Payload,
/// ) -> Result<HttpResponse, Error> {
///     let (response, mut session, mut messages) = actix_ws::handle(&request, body)?;
///     let access = user.stream_access();
///     let response = access.websocket(response);
///     rt::spawn(async move {
///         while let Some(Ok(Message::Text(text))) = messages.recv().await {
///             let reply = match text.strip_prefix("token ") {
///                 Some(token) if access.renew(token).await.is_ok() => "renewed",
///                 Some(_) => "not renewed",
///                 None => "received",
///             };
///             if session.text(reply).await.is_err() {
///                 break;
///             }
///         }
///     });
///     Ok(response)
/// }
///
/// let api = Api::new("/api").route("/chat", get(chat).websocket_token());
/// ```
pub struct Streaming<A> {
    access: A,
    stream: StreamAccess,
}

impl<A: Identified> Streaming<A> {
    /// The access of the stream that the response is.
    #[must_use]
    pub fn stream_access(&self) -> StreamAccess {
        self.stream.clone()
    }

    fn new(access: A) -> Self {
        let caller = access.caller();
        let renewal = caller.verified().verifier().map(|verifier| Renewal {
            verifier,
            grant: |caller| A::grant(Some(caller)).map(drop),
            scheme: caller.scheme(),
            sender: caller.sender(),
        });
        Self {
            stream: StreamAccess::new(caller, renewal),
            access,
        }
    }
}

impl<A: Identified> Access for Streaming<A> {
    fn requirement() -> Requirement {
        A::requirement()
    }

    fn grant(caller: Option<Caller>) -> Result<Self, Rejection> {
        A::grant(caller).map(Self::new)
    }

    fn limit_body(&self, body: Payload) -> Payload {
        self.stream.limit_body(body)
    }
}

impl<A: Identified> Identified for Streaming<A> {
    fn caller(&self) -> &Caller {
        self.access.caller()
    }
}

impl<A> Deref for Streaming<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.access
    }
}

impl<A: Identified> FromRequest for Streaming<A> {
    type Error = Rejection;
    type Future = StreamingFuture<A>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        StreamingFuture {
            access: A::from_request(request, payload),
        }
    }
}

pin_project! {
    /// The future of [`Streaming`].
    #[must_use = "futures do nothing unless polled"]
    pub struct StreamingFuture<A: FromRequest> {
        #[pin]
        access: A::Future,
    }
}

impl<A: Identified> Future for StreamingFuture<A> {
    type Output = Result<Streaming<A>, Rejection>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let access = ready!(self.project().access.poll(context));
        Poll::Ready(access.map(Streaming::new))
    }
}

impl<A: FromRequest> fmt::Debug for StreamingFuture<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamingFuture")
    }
}

impl<A> fmt::Debug for Streaming<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming").finish_non_exhaustive()
    }
}
