//! An app → what serves one connection of it, by actix's own HTTP service.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::{ConnectionType, HttpService, KeepAlive, Protocol, Request, Response};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, map_config};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Extensions, Service, ServiceFactory};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::deadline_stream::DeadlineStream;
use super::timeouts::ConnectionTimeouts;
use super::tls::{self, Tls};
use crate::proof::OverTls;

/// An app, as each worker makes it for itself.
#[derive(Clone)]
pub(crate) struct Http(Arc<Make>);

type Make = dyn Fn(Rc<ConnectionTimeouts>, Option<Tls>) -> Boxed<io::Result<Serve>> + Send + Sync;

/// Serves one connection to its end.
pub(super) type Serve = Box<dyn Fn(TcpStream, SocketAddr) -> Boxed<()>>;

pub(super) type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

impl Http {
    /// Makes what serves the connections of one worker, on its thread.
    ///
    /// # Errors
    /// The app cannot be made.
    pub(super) async fn make(
        &self,
        timeouts: Rc<ConnectionTimeouts>,
        tls: Option<Tls>,
    ) -> io::Result<Serve> {
        (self.0)(timeouts, tls).await
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

/// Takes `app` as actix's own server does: a closure that makes one, called once by each worker.
pub(crate) fn http<F, I, S, B>(app: F) -> Http
where
    F: Fn() -> I + Send + Sync + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    Http(Arc::new(move |timeouts, tls| {
        let app = app().into_factory();
        Box::pin(async move {
            Ok(match tls {
                Some(tls) => encrypted(
                    service(app, &timeouts, Some(remember)).await?,
                    timeouts,
                    tls,
                ),
                None => plain(service(app, &timeouts, None).await?, timeouts),
            })
        })
    }))
}

/// What is served, the HTTP that it speaks, and its client's address.
type Client<Io> = (DeadlineStream<Io>, Protocol, Option<SocketAddr>);

fn plain<H>(service: H, timeouts: Rc<ConnectionTimeouts>) -> Serve
where
    H: Service<Client<TcpStream>, Future: 'static> + 'static,
{
    Box::new(move |stream, peer| {
        let client = DeadlineStream::new(stream, Rc::clone(&timeouts));
        let served = service.call((client, Protocol::Http1, Some(peer)));
        // What goes wrong with a connection is its client's affair, and nothing of it is logged.
        Box::pin(async move { drop(served.await) })
    })
}

fn encrypted<H>(service: H, timeouts: Rc<ConnectionTimeouts>, tls: Tls) -> Serve
where
    H: Service<Client<TlsStream<TcpStream>>, Future: 'static> + 'static,
{
    let service = Rc::new(service);
    Box::new(move |stream, peer| {
        let (service, timeouts) = (Rc::clone(&service), Rc::clone(&timeouts));
        let tls = tls.clone();
        Box::pin(async move {
            // Nor is anything logged of a handshake that fails.
            let Ok(stream) = tls.accept(stream, &timeouts).await else {
                return;
            };
            let client = DeadlineStream::new(stream, timeouts);
            drop(service.call((client, Protocol::Http1, Some(peer))).await);
        })
    })
}

/// Keeps what a handshake has proven of a connection and its client.
fn remember(client: &DeadlineStream<TlsStream<TcpStream>>, connection: &mut Extensions) {
    connection.insert(OverTls);
    if let Some(certificate) = tls::certificate(client.io()) {
        connection.insert(certificate);
    }
}

/// Serves the connections of one worker, whatever they are made of.
async fn service<Io, S, B>(
    app: S,
    timeouts: &Rc<ConnectionTimeouts>,
    remember: Option<fn(&DeadlineStream<Io>, &mut Extensions)>,
) -> io::Result<impl Service<Client<Io>, Future: 'static> + 'static>
where
    Io: AsyncRead + AsyncWrite + Unpin + 'static,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let leaving = Rc::clone(timeouts);
    let app = app
        .map_err(|error| error.into().error_response())
        .map(move |response| {
            let mut response: Response<B> = response.into();
            if leaving.is_over() {
                let head = response.head_mut();
                head.set_connection_type(ConnectionType::Close);
            }
            response
        });
    let mut builder = HttpService::build()
        .keep_alive(KeepAlive::Os)
        .client_request_timeout(timeouts.request)
        .client_disconnect_timeout(LINGER);
    if let Some(remember) = remember {
        builder = builder.on_connect_ext(remember);
    }
    builder
        .finish(map_config(app, |()| AppConfig::default()))
        .new_service(())
        .await
        .map_err(|()| io::Error::other("the app cannot be made"))
}

/// As actix's own server: how long a client may take to read an answer that came before it had
/// sent its whole request.
const LINGER: Duration = Duration::from_secs(1);
