//! How many connections may be open, in all and for one address, and which is closed for a new one.
//!
//! A full server must still accept clients: a client that holds all connections without sending a request
//! would keep every other client out. So a new client takes the place of the connection that is
//! needed least: one without a complete request first, then the one that has been idle longest, then
//! one whose client has stopped taking its response or sending its body. While the service works on
//! a request, its connection is never closed.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout};

use super::connection::{Activity, Stage};
use super::worker::Inbox;
use crate::sender::is_trusted;

/// A connection that is asked to close returns its permit shortly after.
const CLOSING: Duration = Duration::from_secs(1);

/// How long a client waits before the connections are looked at again, where each has a request in progress.
const ALL_BUSY: Duration = Duration::from_millis(50);

/// How long the result of a pass is used: meanwhile new connections without a request may have been accepted.
const VALID: Duration = Duration::from_millis(100);

/// The share of the connections that one pass selects to be closed: a hundredth of them, so that
/// the cost of a pass is spread over many new clients.
const PASS: usize = 100;

/// The limits, and the connections that are open.
#[derive(Debug)]
pub(super) struct Admission {
    permits: Arc<Semaphore>,
    limit: usize,
    addresses: Option<Arc<AddressLimit>>,
    started: Instant,
    open: Mutex<OpenConnections>,
}

/// The permit of an open connection, returned when it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    _permit: OwnedSemaphorePermit,
    _address: AddressSlot,
}

/// An open connection, and the worker that serves it.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) activity: Weak<Activity>,
    pub(super) worker: Inbox,
}

impl Admission {
    pub(super) fn new(limit: usize, per_address: Option<NonZeroU16>, exempt: &[IpNet]) -> Self {
        let addresses = per_address.map(|limit| AddressLimit {
            limit,
            exempt: exempt.to_vec(),
            counts: Mutex::default(),
        });
        Self {
            permits: Arc::new(Semaphore::new(limit)),
            limit,
            addresses: addresses.map(Arc::new),
            started: Instant::now(),
            open: Mutex::default(),
        }
    }

    /// A permit for one more connection. Where none is left, another connection is closed for it.
    pub(super) async fn permit(&self) -> OwnedSemaphorePermit {
        loop {
            if let Some(permit) = self.try_permit() {
                return permit;
            }
            let is_closing = self.close_one().await;
            let wait = if is_closing { CLOSING } else { ALL_BUSY };
            let freed = timeout(wait, Arc::clone(&self.permits).acquire_owned()).await;
            if let Ok(Ok(permit)) = freed {
                return permit;
            }
        }
    }

    pub(super) fn try_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    /// One of the connections that an address may have; `None` if it has them all.
    pub(super) fn admit(&self, peer: IpAddr) -> Option<AddressSlot> {
        match &self.addresses {
            Some(addresses) if !is_trusted(&addresses.exempt, Some(peer)) => {
                let counted = Some(AddressLimit::take(addresses, peer)?);
                Some(AddressSlot { _counted: counted })
            }
            _ => Some(AddressSlot { _counted: None }),
        }
    }

    /// The state of a connection that is opened now.
    pub(super) fn activity(&self) -> Arc<Activity> {
        Arc::new(Activity::new(self.started))
    }

    /// Takes note of a connection, so that it can be closed for another one.
    pub(super) fn track(&self, connection: Open) {
        let mut open = lock(&self.open);
        // Entries of closed connections are removed once the list has twice the permitted length.
        if open.connections.len() >= self.limit.saturating_mul(2) {
            open.connections
                .retain(|connection| connection.activity.strong_count() > 0);
        }
        open.connections.push(connection);
    }

    /// Closes the connection that is needed least; false if each has a request in progress.
    async fn close_one(&self) -> bool {
        loop {
            let candidate = lock(&self.open).next_candidate(Instant::now());
            let Some(candidate) = candidate else {
                return false;
            };
            if candidate.close().await {
                return true;
            }
        }
    }

    /// Waits until no connection is open, but no longer than `limit`; how many are left.
    pub(super) async fn drain(&self, limit: Duration) -> usize {
        let all = u32::try_from(self.limit).unwrap_or(u32::MAX);
        drop(timeout(limit, self.permits.acquire_many(all)).await);
        self.open()
    }

    /// How many connections are open.
    pub(super) fn open(&self) -> usize {
        self.limit.saturating_sub(self.permits.available_permits())
    }
}

#[derive(Debug, Default)]
struct OpenConnections {
    connections: Vec<Open>,
    /// The next ones to close, the first at the end; found in one pass over all of them.
    candidates: Vec<Candidate>,
    found: Option<Instant>,
}

impl OpenConnections {
    fn next_candidate(&mut self, now: Instant) -> Option<Candidate> {
        let is_old = self.found.is_none_or(|found| now > found + VALID);
        if self.candidates.is_empty() || is_old {
            self.find_candidates(now);
            self.found = Some(now);
        }
        self.candidates.pop()
    }

    fn find_candidates(&mut self, now: Instant) {
        // The candidates of the last pass would keep closed connections alive.
        self.candidates.clear();
        self.connections
            .retain(|connection| connection.activity.strong_count() > 0);
        let open = self.connections.iter();
        let mut candidates: Vec<_> = open.filter_map(|open| Candidate::of(open, now)).collect();
        let count = (candidates.len() / PASS).max(1);
        if count < candidates.len() {
            candidates.select_nth_unstable_by_key(count, Candidate::order);
            candidates.truncate(count);
        }
        candidates.sort_unstable_by_key(|candidate| std::cmp::Reverse(candidate.order()));
        self.candidates = candidates;
    }
}

/// A connection that may be closed for another one.
#[derive(Debug)]
struct Candidate {
    activity: Arc<Activity>,
    worker: Inbox,
    stage: Stage,
    since: u64,
}

impl Candidate {
    fn of(open: &Open, now: Instant) -> Option<Self> {
        let activity = open.activity.upgrade()?;
        let (stage, since) = (activity.stage(now), activity.since());
        (stage != Stage::Busy).then(|| Self {
            activity,
            worker: open.worker.clone(),
            stage,
            since,
        })
    }

    fn order(&self) -> (Stage, u64) {
        (self.stage, self.since)
    }

    /// Has its worker close it; false if it has been used or has ended since it was found.
    async fn close(self) -> bool {
        let is_as_found =
            (self.activity.stage(Instant::now()), self.activity.since()) == self.order();
        if !is_as_found || Arc::strong_count(&self.activity) == 1 {
            return false;
        }
        let (closed, is_closed) = oneshot::channel();
        self.worker.close(self.activity, closed);
        is_closed.await.unwrap_or(false)
    }
}

/// How many connections each client address may have.
#[derive(Debug)]
struct AddressLimit {
    limit: NonZeroU16,
    exempt: Vec<IpNet>,
    counts: Mutex<HashMap<IpAddr, u16>>,
}

/// One of the connections that an address may have, where that is limited.
#[derive(Debug)]
pub(super) struct AddressSlot {
    _counted: Option<CountedAddress>,
}

#[derive(Debug)]
struct CountedAddress {
    limit: Arc<AddressLimit>,
    address: IpAddr,
}

impl Slot {
    pub(super) fn new(permit: OwnedSemaphorePermit, address: AddressSlot) -> Self {
        Self {
            _permit: permit,
            _address: address,
        }
    }
}

impl AddressLimit {
    fn take(limit: &Arc<Self>, peer: IpAddr) -> Option<CountedAddress> {
        let address = client_of(peer);
        let mut counts = lock(&limit.counts);
        let count = counts.entry(address).or_default();
        if *count >= limit.limit.get() {
            return None;
        }
        *count += 1;
        Some(CountedAddress {
            limit: Arc::clone(limit),
            address,
        })
    }
}

impl Drop for CountedAddress {
    fn drop(&mut self) {
        let mut counts = lock(&self.limit.counts);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// One client: an IPv4 address, or the /64 network that a host has of IPv6.
fn client_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(peer) => IpAddr::V6(Ipv6Addr::from_bits(peer.to_bits() & !u128::from(u64::MAX))),
        peer @ IpAddr::V4(_) => peer,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
