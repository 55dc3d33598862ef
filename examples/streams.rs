//! A WebSocket and a stream of server-sent events, which end with the access of their caller.
//!
//! `cargo run --example streams`, and then the browser's code of docs/streams.md.

use std::process::ExitCode;
use std::time::Duration;

use actix_resource_server::streams::{StreamAccess, Streaming};
use actix_resource_server::{Api, Scoped, Service, get, scope};
use actix_web::body::BodyStream;
use actix_web::web::Bytes;
use actix_web::{Error, HttpRequest, HttpResponse, rt, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, Session};
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;

scope!(pub Chat = "chat");
scope!(pub ReadNews = "read:news");

/// A message of the client that begins with this carries a new token.
const RENEWAL: &str = "token ";

/// A comment from time to time keeps proxies from closing the stream.
const INTERVAL: Duration = Duration::from_secs(15);

async fn chat(
    user: Streaming<Scoped<Chat>>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, Error> {
    let (response, session, messages) = actix_ws::handle(&request, body)?;
    let messages = messages.aggregate_continuations();
    rt::spawn(reply(user.stream_access(), session, messages));
    Ok(user.stream_access().websocket(response))
}

/// Until the client, or the end of its access, closes the WebSocket.
async fn reply(access: StreamAccess, mut session: Session, mut messages: AggregatedMessageStream) {
    while let Some(Ok(message)) = messages.recv().await {
        let sent = match message {
            AggregatedMessage::Text(text) => match text.strip_prefix(RENEWAL) {
                Some(token) if access.renew(token).await.is_ok() => session.text("renewed").await,
                Some(_) => session.text("not renewed").await,
                None => session.text(text).await,
            },
            AggregatedMessage::Ping(bytes) => session.pong(&bytes).await,
            AggregatedMessage::Close(reason) => {
                // The session may have ended already.
                drop(session.close(reason).await);
                return;
            }
            _ => Ok(()),
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn news(user: Streaming<Scoped<ReadNews>>) -> HttpResponse {
    let (sender, receiver) = mpsc::channel(1);
    rt::spawn(async move {
        let mut event = Bytes::from_static(b"data: hello\n\n");
        // It fails once the stream has ended.
        while sender.send(event).await.is_ok() {
            event = Bytes::from_static(b": still here\n\n");
            rt::time::sleep(INTERVAL).await;
        }
    });
    let events = stream::unfold(receiver, async |mut receiver| {
        let event = receiver.recv().await?;
        Some((Ok::<_, Error>(event), receiver))
    });
    user.stream_access()
        .sse(BodyStream::new(events.boxed_local()))
}

fn api() -> Api {
    let chat = get(chat).websocket_protocols(&["chat.v1"]);
    Api::new("/api")
        .route("/chat", chat.websocket_token().tickets())
        .route("/news", get(news).tickets())
}

fn main() -> ExitCode {
    Service::new(api).run()
}

#[cfg(test)]
mod tests {
    use actix_resource_server::Verifier;
    use actix_resource_server::test_kit::TestIssuer;
    use actix_resource_server::{Algorithm, Issuer};
    use actix_web::body::to_bytes;
    use actix_web::test::{TestRequest, call_service, init_service};
    use actix_web::{App, http::header::AUTHORIZATION};

    use super::*;

    #[actix_web::test]
    async fn the_news_end_with_the_token() {
        let issuer = TestIssuer::start_with(Algorithm::Es256);
        let trusted = Issuer::discover(issuer.url()).audience(issuer.audience());
        let trusted = trusted.build().expect("an issuer");
        let verifier = Verifier::start([trusted]).expect("a verifier");
        let app = init_service(App::new().service(api().verified_by(verifier))).await;
        let token = issuer
            .token()
            .scope("read:news")
            .expires_in(Duration::from_secs(2));
        let request = TestRequest::get().uri("/api/news");
        let request = request.insert_header((AUTHORIZATION, format!("Bearer {}", token.build())));
        let response = call_service(&app, request.to_request()).await;
        assert_eq!(response.status(), 200);
        let body = to_bytes(response.into_body()).await.expect("a whole body");
        let expected = "data: hello\n\nevent: expired\ndata: {\"reason\":\"expired\"}\n\n";
        assert_eq!(body, expected);
    }
}
