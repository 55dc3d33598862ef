//! One thread and the connections that it serves.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread::{self, available_parallelism};

use actix_web::rt::{Runtime, spawn};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::Phase;
use super::http::{Boxed, Http, Serve};
use super::timeouts::ConnectionTimeouts;
use super::tls::Tls;
use crate::service::settings::Server;

/// A client that was let in.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: std::net::TcpStream,
    pub(super) peer: SocketAddr,
    /// Given back as the connection ends.
    pub(super) seat: OwnedSemaphorePermit,
}

/// All threads that serve; each ends once this is dropped.
#[derive(Debug)]
pub(super) struct Workers(Vec<Worker>);

#[derive(Debug)]
struct Worker {
    inbox: UnboundedSender<(Connection, Arc<()>)>,
    /// Cloned for each of its connections, and so counts them.
    load: Arc<()>,
}

impl Workers {
    /// Starts the threads, and waits until each of them can serve.
    ///
    /// # Errors
    /// The system gives no thread or event queue, or the app cannot be made.
    pub(super) fn start(
        http: &Http,
        server: &Server,
        tls: Option<&Tls>,
        phase: &watch::Receiver<Phase>,
    ) -> io::Result<Self> {
        let count = server.workers.or_else(|| available_parallelism().ok());
        let count = count.map_or(DEFAULT_WORKERS, NonZeroUsize::get);
        let (started, starts) = mpsc::channel();
        let mut workers = Vec::with_capacity(count);
        for number in 0..count {
            let (inbox, connections) = unbounded_channel();
            let work = Work {
                http: http.clone(),
                tls: tls.cloned(),
                timeouts: ConnectionTimeouts::new(server.client_timeout, server.keep_alive),
                phase: phase.clone(),
                connections,
            };
            let started = started.clone();
            thread::Builder::new()
                .name(format!("worker {number}"))
                .spawn(move || work.run(&started))?;
            let load = Arc::new(());
            workers.push(Worker { inbox, load });
        }
        starts.iter().take(count).collect::<io::Result<()>>()?;
        Ok(Self(workers))
    }

    /// Gives a connection to the worker that has the fewest.
    pub(super) fn hand(&self, connection: Connection) {
        let load = |worker: &&Worker| Arc::strong_count(&worker.load);
        let Some(worker) = self.0.iter().min_by_key(load) else {
            return;
        };
        let load = Arc::clone(&worker.load);
        if worker.inbox.send((connection, load)).is_err() {
            log::error!("a connection is dropped: its worker has ended");
        }
    }
}

/// What a worker's thread is given.
struct Work {
    http: Http,
    tls: Option<Tls>,
    timeouts: ConnectionTimeouts,
    phase: watch::Receiver<Phase>,
    connections: UnboundedReceiver<(Connection, Arc<()>)>,
}

impl Work {
    /// Serves until nobody can hand it a connection any more, and cuts those that are left.
    fn run(self, started: &mpsc::Sender<io::Result<()>>) {
        let outcome = Runtime::new().and_then(|runtime| {
            runtime.block_on(async {
                let timeouts = Rc::new(self.timeouts);
                let serve = self.http.make(Rc::clone(&timeouts), self.tls).await?;
                spawn(announce(self.phase, Rc::clone(&timeouts)));
                drop(started.send(Ok(())));
                serve_all(self.connections, &serve, &timeouts).await;
                Ok(())
            })
        });
        if outcome.is_err() {
            drop(started.send(outcome));
        }
    }
}

async fn serve_all(
    mut connections: UnboundedReceiver<(Connection, Arc<()>)>,
    serve: &Serve,
    timeouts: &Rc<ConnectionTimeouts>,
) {
    while let Some((connection, load)) = connections.recv().await {
        let Connection { stream, peer, seat } = connection;
        let Ok(stream) = TcpStream::from_std(stream) else {
            continue;
        };
        let served = serve(stream, peer);
        let timeouts = Rc::clone(timeouts);
        spawn(async move {
            attend(served, &timeouts).await;
            drop((seat, load));
        });
    }
}

/// Serves a connection, and has it notice when its client is to be asked to leave.
async fn attend(mut served: Boxed<()>, timeouts: &ConnectionTimeouts) {
    tokio::select! {
        biased;
        () = &mut served => {}
        () = timeouts.over() => served.await,
    }
}

/// Ends the timeouts of a worker once the clients are to be asked to leave.
async fn announce(mut phase: watch::Receiver<Phase>, timeouts: Rc<ConnectionTimeouts>) {
    // A sender that is gone means an end, too.
    drop(phase.wait_for(|phase| *phase == Phase::Leaving).await);
    timeouts.end();
}

/// As actix's own server, where the number of cores cannot be had.
const DEFAULT_WORKERS: usize = 2;
