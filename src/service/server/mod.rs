//! Sockets → connections → workers, and every connection answered before the service ends.
//!
//! When a worker of actix's own server is stopped, it drops connections that it has not begun to serve,
//! and requests that are just arriving on idle connections. Here the sockets are closed
//! first and their backlogs served; only then are connections closed.

mod acceptor;
mod admission;
mod connection;
mod deadline_stream;
mod file_limit;
mod http;
#[cfg(test)]
mod tests;
mod timeouts;
mod tls;
mod worker;

use std::io;
#[cfg(feature = "dev-issuer")]
use std::net::{Ipv4Addr, Ipv6Addr};
use std::net::{SocketAddr, ToSocketAddrs};
use std::num::{NonZeroU16, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::acceptor::{Acceptor, Dispatcher};
use self::admission::Admission;
use self::worker::Workers;

pub(crate) use self::http::{Http, http};
pub(crate) use self::tls::{AcceptAnyCertificate, Tls};

/// Linux's default limit (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;

/// A free port of one address is taken on the other once in a few thousand times.
#[cfg(feature = "dev-issuer")]
const ATTEMPTS: u8 = 8;

/// How connections are served.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Threads; `None` where the number of cores is unknown.
    pub(crate) workers: Option<NonZeroUsize>,
    /// Connections that are open at once, over all workers.
    pub(crate) max_connections: usize,
    /// Connections of one client address; trusted proxies are exempt.
    pub(crate) max_connections_per_address: Option<NonZeroU16>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// What a client may take to send a request, head and body, or to take in a response.
    pub(crate) client_timeout: Duration,
    /// How long a connection may be idle between two requests.
    pub(crate) keep_alive: Duration,
}

#[cfg(test)]
impl Options {
    /// One worker, and timeouts that no test reaches.
    pub(crate) fn for_tests() -> Self {
        Self {
            workers: Some(NonZeroUsize::MIN),
            max_connections: 9,
            max_connections_per_address: None,
            trusted_proxies: Vec::new(),
            client_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(60),
        }
    }
}

/// Sockets that are bound; connections are refused until they are [served](Self::serve).
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

    /// Binds `port` of every loopback address, since `localhost` may mean any of them; port 0 is any
    /// that is free on all of them.
    ///
    /// # Errors
    /// The port is in use on one of them: `localhost` could then mean another program.
    #[cfg(feature = "dev-issuer")]
    pub(crate) fn bind_loopback(port: u16) -> io::Result<Self> {
        let mut attempts_left = if port == 0 { ATTEMPTS } else { 1 };
        loop {
            attempts_left -= 1;
            match bind_loopback(port) {
                Err(taken) if taken.kind() == io::ErrorKind::AddrInUse && attempts_left > 0 => {}
                bound => return bound.map(|sockets| Self { sockets }),
            }
        }
    }

    /// The bound addresses, with the real ports.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let addresses = self.sockets.iter().map(TcpSocket::local_addr);
        addresses.filter_map(Result::ok)
    }

    /// Starts the workers, and serves clients until [`Serving::end`]; over `tls`, or in plain text.
    ///
    /// # Errors
    /// No thread or event queue can be created, or the app cannot be made.
    pub(crate) fn serve(
        self,
        http: &Http,
        options: &Options,
        tls: Option<&Tls>,
    ) -> io::Result<Serving> {
        let (phase, reached) = watch::channel(Phase::Open);
        let admission = Arc::new(Admission::new(
            file_limit::connections(options.max_connections),
            options.max_connections_per_address,
            &options.trusted_proxies,
        ));
        let dispatcher = Dispatcher {
            admission: Arc::clone(&admission),
            workers: Arc::new(Workers::start(http, options, tls, &reached)?),
        };
        let acceptors = self.sockets.into_iter().map(|socket| {
            let acceptor = Acceptor::new(socket.listen(BACKLOG)?, dispatcher.clone());
            Ok(actix_web::rt::spawn(acceptor.run(reached.clone())))
        });
        Ok(Serving {
            acceptors: acceptors.collect::<io::Result<_>>()?,
            admission,
            phase,
            _workers: dispatcher.workers,
        })
    }
}

/// Connections that are accepted and answered.
#[derive(Debug)]
pub(crate) struct Serving {
    acceptors: Vec<JoinHandle<()>>,
    admission: Arc<Admission>,
    phase: watch::Sender<Phase>,
    _workers: Arc<Workers>,
}

/// The number of connections of a [`Serving`].
#[derive(Clone, Debug)]
pub(crate) struct OpenConnections(Arc<Admission>);

impl OpenConnections {
    pub(crate) fn count(&self) -> usize {
        self.0.open()
    }
}

impl Serving {
    pub(crate) fn connections(&self) -> OpenConnections {
        OpenConnections(Arc::clone(&self.admission))
    }

    /// Stops accepting, answers every accepted client, and returns how many were not done in time.
    pub(crate) async fn end(self, shutdown_timeout: Duration) -> usize {
        self.phase.send_replace(Phase::Closed);
        for acceptor in self.acceptors {
            if let Err(error) = acceptor.await {
                log::error!("a socket was closed by a defect: {error}");
            }
        }
        self.phase.send_replace(Phase::Leaving);
        self.admission.drain(shutdown_timeout).await
    }
}

/// The stage of the shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Connections are accepted.
    Open,
    /// The sockets are closed; open connections are still served.
    Closed,
    /// Connections are closed after their current request.
    Leaving,
}

#[cfg(feature = "dev-issuer")]
fn bind_loopback(port: u16) -> io::Result<Vec<TcpSocket>> {
    let v4 = bind((Ipv4Addr::LOCALHOST, port).into())?;
    let port = v4.local_addr()?.port();
    match bind((Ipv6Addr::LOCALHOST, port).into()) {
        Ok(v6) => Ok(vec![v4, v6]),
        Err(taken) if taken.kind() == io::ErrorKind::AddrInUse => Err(taken),
        Err(_no_such_address) => Ok(vec![v4]),
    }
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
