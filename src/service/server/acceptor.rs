//! One socket: whoever connects is handed to a worker, as long as there are seats.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;

use super::Phase;
use super::worker::{Connection, Workers};

/// A socket and what is behind it.
#[derive(Debug)]
pub(super) struct Acceptor {
    pub(super) socket: TcpListener,
    /// Clients without a seat wait in the backlog.
    pub(super) seats: Arc<Semaphore>,
    pub(super) workers: Arc<Workers>,
}

impl Acceptor {
    /// Lets clients in until the phase is no longer open, then those who wait already, and closes.
    pub(super) async fn keep(self, mut phase: watch::Receiver<Phase>) {
        tokio::select! {
            biased;
            _ = phase.wait_for(|phase| *phase != Phase::Open) => {}
            never = self.let_in() => match never {},
        }
        self.let_in_who_waits();
    }

    async fn let_in(&self) -> Infallible {
        let mut is_failing = false;
        loop {
            // A semaphore that nobody closes gives a permit in the end.
            let Ok(seat) = Arc::clone(&self.seats).acquire_owned().await else {
                return std::future::pending().await;
            };
            let accepted = self.socket.accept().await;
            match accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer))) {
                Ok((stream, peer)) => {
                    is_failing = false;
                    self.workers.hand(Connection { stream, peer, seat });
                }
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

    /// Whoever has connected so far; a socket that is closed resets those who wait.
    fn let_in_who_waits(self) {
        let Ok(socket) = self.socket.into_std() else {
            return;
        };
        while let Ok(seat) = Arc::clone(&self.seats).try_acquire_owned() {
            match socket.accept() {
                Ok((stream, peer)) if stream.set_nonblocking(true).is_ok() => {
                    self.workers.hand(Connection { stream, peer, seat });
                }
                Ok(_) => {}
                Err(error) if is_of_one_client(&error) => {}
                // Nobody waits any more, or the system gives no more files.
                Err(_) => break,
            }
        }
    }
}

/// Whether the next client may fare better.
fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}

/// As actix's own server: long enough for files to be closed where there are too many.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(500);
