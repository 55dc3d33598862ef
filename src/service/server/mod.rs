//! Sockets → connections → workers, and every connection answered before the service ends.
//!
//! A worker of actix's own server drops what it was handed but had not begun when it is told to
//! stop, and the requests that idle connections are just sending. Here the sockets are closed
//! first, their backlogs taken to the end; only then are clients asked to leave.

mod acceptor;
mod deadline_stream;
mod file_limit;
mod http;
#[cfg(test)]
mod tests;
mod timeouts;
mod tls;
mod worker;

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::acceptor::Acceptor;
use self::worker::Workers;
use super::settings::Server;

pub(crate) use self::http::{Http, http};
pub(crate) use self::tls::{AcceptAnyCertificate, Tls};

/// Sockets that are bound; whoever connects is turned away until they are [served](Self::serve).
#[derive(Debug)]
pub(crate) struct Listener {
    sockets: Vec<TcpSocket>,
}

impl Listener {
    /// Binds every address that `host` has; port 0 is any free one.
    ///
    /// # Errors
    /// The host has no address, none of them can be bound, or one of them is another program's.
    pub(crate) fn bind(host: &str, port: u16) -> io::Result<Self> {
        let mut sockets = Vec::new();
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in (host, port).to_socket_addrs()? {
            match bind(address) {
                Ok(socket) => sockets.push(socket),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
                Err(error) => failure = error,
            }
        }
        if sockets.is_empty() {
            return Err(failure);
        }
        Ok(Self { sockets })
    }

    /// Where clients find it, with the real ports.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let addresses = self.sockets.iter().map(TcpSocket::local_addr);
        addresses.filter_map(Result::ok)
    }

    /// Starts the workers, and hands them whoever connects, until [`Serving::end`]; over `tls`, or
    /// in plain text.
    ///
    /// # Errors
    /// The system gives no thread or event queue, or the app cannot be made.
    pub(crate) fn serve(
        self,
        http: &Http,
        server: &Server,
        tls: Option<&Tls>,
    ) -> io::Result<Serving> {
        let (phase, reached) = watch::channel(Phase::Open);
        let most = file_limit::connections(server.max_connections.into());
        let seats = Arc::new(Semaphore::new(most));
        let workers = Arc::new(Workers::start(http, server, tls, &reached)?);
        let acceptors = self.sockets.into_iter().map(|socket| {
            let acceptor = Acceptor {
                socket: socket.listen(BACKLOG)?,
                seats: Arc::clone(&seats),
                workers: Arc::clone(&workers),
            };
            Ok(actix_web::rt::spawn(acceptor.keep(reached.clone())))
        });
        Ok(Serving {
            acceptors: acceptors.collect::<io::Result<_>>()?,
            most,
            seats,
            phase,
            _workers: workers,
        })
    }
}

/// Connections that are accepted and answered.
#[derive(Debug)]
pub(crate) struct Serving {
    acceptors: Vec<JoinHandle<()>>,
    most: usize,
    /// One of them is taken by each open connection.
    seats: Arc<Semaphore>,
    phase: watch::Sender<Phase>,
    _workers: Arc<Workers>,
}

impl Serving {
    /// Accepts nobody any more, answers who was accepted, and says how many were not done in time.
    pub(crate) async fn end(self, shutdown_timeout: Duration) -> usize {
        self.phase.send_replace(Phase::Closed);
        for acceptor in self.acceptors {
            if let Err(error) = acceptor.await {
                log::error!("a socket was closed by a defect: {error}");
            }
        }
        self.phase.send_replace(Phase::Leaving);
        let all = u32::try_from(self.most).unwrap_or(u32::MAX);
        drop(timeout(shutdown_timeout, self.seats.acquire_many(all)).await);
        self.most.saturating_sub(self.seats.available_permits())
    }
}

/// How far the service has come towards its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Connections are accepted.
    Open,
    /// The sockets are closed; clients that have a connection do not notice.
    Closed,
    /// Clients are asked to close their connections.
    Leaving,
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// As many as Linux lets wait by default (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;
