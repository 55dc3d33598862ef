//! One listening socket: accepts clients and dispatches them to the workers.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;

use super::Phase;
use super::admission::{AddressSlot, Admission, Slot};
use super::worker::Workers;

/// As actix's own server: long enough for files to be closed where too many are open.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(500);

/// A listening socket, and where its clients are dispatched.
#[derive(Debug)]
pub(super) struct Acceptor {
    socket: TcpListener,
    dispatcher: Dispatcher,
    /// A client that was admitted and waits for a permit; kept here so that a shutdown does not lose it.
    waiting: Option<(Client, AddressSlot)>,
}

/// Dispatches clients to the workers, within the limits of admission.
#[derive(Clone, Debug)]
pub(super) struct Dispatcher {
    pub(super) admission: Arc<Admission>,
    pub(super) workers: Arc<Workers>,
}

type Client = (TcpStream, SocketAddr);

impl Acceptor {
    pub(super) fn new(socket: TcpListener, dispatcher: Dispatcher) -> Self {
        Self {
            socket,
            dispatcher,
            waiting: None,
        }
    }

    /// Accepts clients until shutdown begins, then those in the backlog, and closes the socket.
    pub(super) async fn run(mut self, mut phase: watch::Receiver<Phase>) {
        tokio::select! {
            biased;
            _ = phase.wait_for(|phase| *phase != Phase::Open) => {}
            never = self.accept_all() => match never {},
        }
        self.drain_backlog();
    }

    async fn accept_all(&mut self) -> Infallible {
        loop {
            if self.waiting.is_none() {
                let client = self.accept().await;
                self.waiting = self.dispatcher.admit(client);
                continue;
            }
            let permit = self.dispatcher.admission.permit().await;
            if let Some((client, address)) = self.waiting.take() {
                self.dispatcher.dispatch(client, Slot::new(permit, address));
            }
        }
    }

    async fn accept(&self) -> Client {
        let mut is_failing = false;
        loop {
            let accepted = self.socket.accept().await;
            match accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer))) {
                Ok(client) => return client,
                Err(error) if is_of_one_client(&error) => {}
                Err(error) => {
                    if !is_failing {
                        log::error!("connections cannot be accepted: {error}");
                    }
                    is_failing = true;
                    sleep(PAUSE_AFTER_FAILURE).await;
                }
            }
        }
    }

    /// Serves the clients in the backlog: closing the socket would reset their connections.
    fn drain_backlog(self) {
        let Ok(socket) = self.socket.into_std() else {
            return;
        };
        let mut waiting = self.waiting;
        while let Some(permit) = self.dispatcher.admission.try_permit() {
            let admitted = match waiting.take() {
                Some(admitted) => Some(admitted),
                None => match socket.accept() {
                    Ok(client) if client.0.set_nonblocking(true).is_ok() => {
                        self.dispatcher.admit(client)
                    }
                    Ok(_) => None,
                    Err(error) if is_of_one_client(&error) => None,
                    // The backlog is empty, or no more files can be opened.
                    Err(_) => break,
                },
            };
            if let Some((client, address)) = admitted {
                self.dispatcher.dispatch(client, Slot::new(permit, address));
            }
        }
    }
}

impl Dispatcher {
    /// Admits a client; its connection is closed if its address has too many.
    fn admit(&self, client: Client) -> Option<(Client, AddressSlot)> {
        let address = self.admission.admit(client.1.ip())?;
        Some((client, address))
    }

    fn dispatch(&self, (stream, peer): Client, slot: Slot) {
        // The responses to pipelined requests are written in several pieces. With Nagle's algorithm each piece but the
        // first would wait until the client's delayed acknowledgement, 40 ms, of the one before.
        if let Err(error) = stream.set_nodelay(true) {
            log::debug!("TCP_NODELAY cannot be set: {error}");
        }
        let activity = self.admission.activity();
        if let Some(open) = self.workers.dispatch(stream, peer, slot, activity) {
            self.admission.track(open);
        }
    }
}

/// Whether accepting the next client may succeed.
fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}
