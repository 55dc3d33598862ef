//! An app → what serves one connection of it, by actix's own HTTP service.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::{ConnectionType, HttpService, KeepAlive, Protocol, Request, Response};
use actix_service::{
    IntoServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_service, map_config,
};
use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{AppConfig, Extensions, Service, ServiceFactory, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::connection::{Activity, Connection, InProgress};
use super::deadline_stream::{DeadlineStream, TLS_READ_SIZE};
use super::timeouts::ConnectionTimeouts;
use super::tls::{self, Tls};
use crate::metrics::reached_during;
use crate::rejection::problem;
use crate::sender::OverTls;
use crate::service::observer::{Observation, Observed, Observer};

/// An app, as each worker makes it for itself.
#[derive(Clone)]
pub(crate) struct Http(Arc<Make>);

type Make =
    dyn Fn(Rc<ConnectionTimeouts>, Option<Tls>) -> Boxed<io::Result<ServeConnection>> + Send + Sync;

/// Serves one connection to its end.
pub(super) type ServeConnection = Box<dyn Fn(Accepted) -> Boxed<()>>;

pub(super) type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// A connection as its worker gets it.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) activity: Arc<Activity>,
}

impl Http {
    /// Makes what serves the connections of one worker, on its thread.
    ///
    /// # Errors
    /// The app cannot be made.
    pub(super) async fn make(
        &self,
        timeouts: Rc<ConnectionTimeouts>,
        tls: Option<Tls>,
    ) -> io::Result<ServeConnection> {
        (self.0)(timeouts, tls).await
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

/// Takes `app` as actix's own server does: a closure that makes one, called once by each worker. Its requests are measured and
/// logged where they are `observed`.
pub(crate) fn http<F, I, S, B>(observed: Option<Observed>, app: F) -> Http
where
    F: Fn() -> I + Send + Sync + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse<B>> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: fmt::Debug,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    Http(Arc::new(move |timeouts, tls| {
        let app = app().into_factory();
        let observer = observed.as_ref().map(Observed::observer);
        Box::pin(async move {
            Ok(match tls {
                Some(tls) => {
                    let service = service(app, observer, &timeouts, remember);
                    encrypted(service.await?, timeouts, tls)
                }
                None => {
                    let service = service(app, observer, &timeouts, |_, _| ());
                    plain(service.await?, timeouts)
                }
            })
        })
    }))
}

/// The stream, its HTTP version, and the client's address.
type Client<Io> = (DeadlineStream<Io>, Protocol, Option<SocketAddr>);

fn plain<H>(service: H, timeouts: Rc<ConnectionTimeouts>) -> ServeConnection
where
    H: Service<Client<TcpStream>, Future: 'static> + 'static,
{
    Box::new(move |accepted| {
        let client = DeadlineStream::new(accepted.stream, Rc::clone(&timeouts), accepted.activity);
        let served = service.call((client, Protocol::Http1, Some(accepted.peer)));
        // Errors of a connection are caused by its client, and are not logged.
        Box::pin(async move { drop(served.await) })
    })
}

fn encrypted<H>(service: H, timeouts: Rc<ConnectionTimeouts>, tls: Tls) -> ServeConnection
where
    H: Service<Client<TlsStream<TcpStream>>, Future: 'static> + 'static,
{
    let service = Rc::new(service);
    Box::new(move |accepted| {
        let (service, timeouts) = (Rc::clone(&service), Rc::clone(&timeouts));
        let tls = tls.clone();
        Box::pin(async move {
            // A handshake that fails is not logged either.
            let Ok(stream) = tls.accept(accepted.stream, &timeouts).await else {
                return;
            };
            let client = DeadlineStream::new(stream, timeouts, accepted.activity);
            let client = client.reading(TLS_READ_SIZE);
            drop(
                service
                    .call((client, Protocol::Http1, Some(accepted.peer)))
                    .await,
            );
        })
    })
}

/// Keeps what a handshake has proven about a connection and its client.
fn remember(client: &DeadlineStream<TlsStream<TcpStream>>, connection: &mut Extensions) {
    connection.insert(OverTls);
    if let Some(certificate) = tls::certificate(client.io()) {
        connection.insert(certificate);
    }
}

/// Serves the connections of one worker, over TLS or in plain text.
async fn service<Io, S, B>(
    app: S,
    observer: Option<Rc<Observer>>,
    timeouts: &Rc<ConnectionTimeouts>,
    remember: fn(&DeadlineStream<Io>, &mut Extensions),
) -> io::Result<impl Service<Client<Io>, Future: 'static> + 'static>
where
    Io: AsyncRead + AsyncWrite + Unpin + 'static,
    S: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse<B>> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: fmt::Debug,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let leaving = Rc::clone(timeouts);
    let app = app.map_err(HttpResponse::from_error);
    let app = apply_fn_factory(app, move |request, app: &_| {
        respond(app, request, observer.as_ref(), Rc::clone(&leaving))
    });
    HttpService::build()
        .keep_alive(KeepAlive::Os)
        .client_request_timeout(timeouts.first_head())
        .client_disconnect_timeout(LINGER)
        .expect(fn_service(expect))
        .on_connect_ext(move |client, data| {
            data.insert(Rc::clone(DeadlineStream::connection(client)));
            remember(client, data);
        })
        .finish(map_config(app, |()| AppConfig::default()))
        .new_service(())
        .await
        .map_err(|()| io::Error::other("the app cannot be made"))
}

/// Calls the app; the request is in progress until the body of its response is complete.
fn respond<S, B>(
    app: &S,
    mut request: Request,
    observer: Option<&Rc<Observer>>,
    timeouts: Rc<ConnectionTimeouts>,
) -> impl Future<Output = Result<Response<TrackedBody<B>>, HttpResponse>> + use<S, B>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = HttpResponse>,
    B: MessageBody,
{
    let connection = request.conn_data::<Rc<Connection>>().cloned();
    let in_progress = connection.map(|connection| InProgress::begin(&connection, &mut request));
    let mut observation = observer.map(|observer| Observation::begin(observer, &mut request));
    let (response, route) = reached_during(|| app.call(request));
    async move {
        let response = async {
            if let Some(observation) = &mut observation {
                observation.reach(route);
            }
            let mut response = unless_it_panics(response, observation.as_mut()).await;
            if let Some((observation, in_progress)) = observation.take().zip(in_progress.as_ref()) {
                observation.end(&mut response, in_progress.elapsed());
            }
            response.map(Into::into)
        };
        let response: Response<B> = match &in_progress {
            Some(in_progress) => {
                let response = in_progress.respond(response).await?;
                if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                    in_progress.upgrade();
                }
                in_progress.await_turn(response.body().size()).await;
                response
            }
            None => response.await?,
        };
        Ok(response.map_body(|head, body| {
            if timeouts.is_over() {
                head.set_connection_type(ConnectionType::Close);
            }
            TrackedBody {
                body,
                _request_in_progress: in_progress,
            }
        }))
    }
}

/// The response, or 500 if the app panics: a connection outlives the panic of a request.
async fn unless_it_panics<R>(
    response: impl Future<Output = Result<R, HttpResponse>>,
    mut observation: Option<&mut Observation>,
) -> Result<R, HttpResponse> {
    let mut response = pin!(response);
    poll_fn(|context| {
        let (polled, route) =
            reached_during(|| catch_unwind(AssertUnwindSafe(|| response.as_mut().poll(context))));
        if let Some(observation) = &mut observation {
            observation.reach(route);
        }
        polled.unwrap_or_else(|_| Poll::Ready(Err(problem::internal_error(None))))
    })
    .await
}

/// Lets the service judge a request with `Expect: 100-continue`. actix-http writes the interim
/// response before it calls the service; the stream leaves it out again where the final response is
/// ready at once ([RFC 9110 §10.1.1](https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1)).
async fn expect(request: Request) -> Result<Request, actix_web::Error> {
    if let Some(connection) = request.conn_data::<Rc<Connection>>().cloned() {
        connection.before_interim().await;
    }
    Ok(request)
}

pin_project_lite::pin_project! {
    /// A response's body; its request is in progress until the body is complete.
    struct TrackedBody<B> {
        #[pin]
        body: B,
        _request_in_progress: Option<InProgress>,
    }
}

impl<B: MessageBody> MessageBody for TrackedBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.project().body.poll_next(cx)
    }
}

/// As actix's own server: how long a client may take to read a response that was sent before its
/// request was complete.
const LINGER: Duration = Duration::from_secs(1);
