//! One thread and the connections that it serves.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread;

use actix_web::rt::{Runtime, spawn};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};

use super::admission::{Open, Slot};
use super::connection::Activity;
use super::http::{Accepted, Boxed, Http, ServeConnection};
use super::timeouts::ConnectionTimeouts;
use super::tls::Tls;
use super::{Options, Phase};

/// All threads that serve; each ends once this is dropped.
#[derive(Debug)]
pub(super) struct Workers(Vec<Worker>);

#[derive(Debug)]
struct Worker {
    inbox: Inbox,
    /// Cloned for each of its connections, and so counts them.
    load: Arc<()>,
}

/// Where a worker receives what it has to do.
#[derive(Clone, Debug)]
pub(super) struct Inbox(UnboundedSender<Message>);

#[derive(Debug)]
enum Message {
    Serve(Box<Client>),
    /// Closes a connection unless it has a request in progress, and answers whether it does.
    Close(Arc<Activity>, oneshot::Sender<bool>),
}

/// A client whose connection was admitted.
#[derive(Debug)]
struct Client {
    stream: TcpStream,
    peer: SocketAddr,
    activity: Arc<Activity>,
    /// Dropped as the connection ends.
    slot: (Slot, Arc<()>),
}

impl Inbox {
    pub(super) fn close(&self, activity: Arc<Activity>, closed: oneshot::Sender<bool>) {
        // A worker that has ended has closed its connections; the receiver sees the dropped sender.
        drop(self.0.send(Message::Close(activity, closed)));
    }
}

impl Workers {
    /// Starts the threads, and waits until each of them can serve.
    ///
    /// # Errors
    /// No thread or event queue can be created, or the app cannot be made.
    pub(super) fn start(
        http: &Http,
        options: &Options,
        tls: Option<&Tls>,
        phase: &watch::Receiver<Phase>,
    ) -> io::Result<Self> {
        let count = options.workers.map_or(DEFAULT_WORKERS, NonZeroUsize::get);
        let (started, starts) = mpsc::channel();
        let mut workers = Vec::with_capacity(count);
        for number in 0..count {
            let (inbox, messages) = unbounded_channel();
            let work = Work {
                http: http.clone(),
                tls: tls.cloned(),
                timeouts: ConnectionTimeouts::new(options.client_timeout, options.keep_alive),
                phase: phase.clone(),
                messages,
            };
            let started = started.clone();
            thread::Builder::new()
                .name(format!("worker {number}"))
                .spawn(move || work.run(&started))?;
            workers.push(Worker {
                inbox: Inbox(inbox),
                load: Arc::new(()),
            });
        }
        starts.iter().take(count).collect::<io::Result<()>>()?;
        Ok(Self(workers))
    }

    /// Gives a connection to the worker that has the fewest.
    pub(super) fn dispatch(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        slot: Slot,
        activity: Arc<Activity>,
    ) -> Option<Open> {
        let load = |worker: &&Worker| Arc::strong_count(&worker.load);
        let worker = self.0.iter().min_by_key(load)?;
        let open = Open {
            activity: Arc::downgrade(&activity),
            worker: worker.inbox.clone(),
        };
        let client = Client {
            stream,
            peer,
            activity,
            slot: (slot, Arc::clone(&worker.load)),
        };
        if worker
            .inbox
            .0
            .send(Message::Serve(Box::new(client)))
            .is_err()
        {
            log::error!("a connection is dropped: its worker has ended");
        }
        Some(open)
    }
}

/// The arguments of a worker's thread.
struct Work {
    http: Http,
    tls: Option<Tls>,
    timeouts: ConnectionTimeouts,
    phase: watch::Receiver<Phase>,
    messages: UnboundedReceiver<Message>,
}

impl Work {
    /// Serves until no connection can be dispatched to it any more, and closes those that are left.
    fn run(self, started: &mpsc::Sender<io::Result<()>>) {
        let outcome = Runtime::new().and_then(|runtime| {
            runtime.block_on(async {
                let timeouts = Rc::new(self.timeouts);
                let serve = self.http.make(Rc::clone(&timeouts), self.tls).await?;
                spawn(watch_shutdown(self.phase, Rc::clone(&timeouts)));
                drop(started.send(Ok(())));
                serve_all(self.messages, &serve, &timeouts).await;
                Ok(())
            })
        });
        if outcome.is_err() {
            drop(started.send(outcome));
        }
    }
}

async fn serve_all(
    mut messages: UnboundedReceiver<Message>,
    serve: &ServeConnection,
    timeouts: &Rc<ConnectionTimeouts>,
) {
    while let Some(message) = messages.recv().await {
        match message {
            Message::Serve(client) => serve_client(*client, serve, Rc::clone(timeouts)),
            // The acceptor may have stopped waiting for the answer.
            Message::Close(activity, closed) => drop(closed.send(activity.close())),
        }
    }
}

fn serve_client(client: Client, serve: &ServeConnection, timeouts: Rc<ConnectionTimeouts>) {
    let Ok(stream) = tokio::net::TcpStream::from_std(client.stream) else {
        return;
    };
    let activity = client.activity;
    let served = serve(Accepted {
        stream,
        peer: client.peer,
        activity: Arc::clone(&activity),
    });
    let task = spawn(async move {
        serve_connection(served, &timeouts).await;
        drop(client.slot);
    });
    activity.serve_by(task.abort_handle());
}

/// Serves a connection, and ends it after its current request once shutdown has come that far.
async fn serve_connection(mut served: Boxed<()>, timeouts: &ConnectionTimeouts) {
    tokio::select! {
        biased;
        () = &mut served => {}
        () = timeouts.over() => served.await,
    }
}

/// Shortens the timeouts of a worker once connections are to be closed.
async fn watch_shutdown(mut phase: watch::Receiver<Phase>, timeouts: Rc<ConnectionTimeouts>) {
    // A sender that is gone means shutdown, too.
    drop(phase.wait_for(|phase| *phase == Phase::Leaving).await);
    timeouts.end();
}

/// As actix's own server, where the number of cores is unknown.
const DEFAULT_WORKERS: usize = 2;
