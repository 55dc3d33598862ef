//! Tickets: random texts that stand once, and for a few seconds, for the credentials of a caller.
//!
//! A ticket may stand in a URL, where an access token must not: by the time it is read in a log, it is used or expired. Only
//! its hash is kept. A ticket that is presented is forgotten, whether or not it is accepted.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Verified;
use crate::authorization::Credentials;
use crate::jose::digest::sha256;
use crate::jose::random;
use crate::sender::SenderProof;

/// How long a ticket is valid.
pub(crate) const LIFETIME: Duration = Duration::from_secs(10);

/// What a ticket stands for.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    pub(crate) verified: Arc<Verified>,
    pub(crate) credentials: Credentials,
    pub(crate) sender: SenderProof,
}

/// What a ticket is for: a route, as it is called, and the origin of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TicketTarget([u8; 32]);

impl TicketTarget {
    /// `origin` is `None` for the server's own pages and for other clients.
    pub(crate) fn new(path: &str, origin: Option<&[u8]>) -> Self {
        let origin = origin.unwrap_or_default();
        // A path contains no line break.
        Self(sha256(&[path.as_bytes(), b"\n", origin].concat()))
    }
}

/// The tickets that are neither used nor expired.
#[derive(Default)]
pub(crate) struct TicketStore {
    tickets: Mutex<Tickets>,
    hasher: RandomState,
}

#[derive(Default)]
struct Tickets {
    by_hash: HashMap<TicketHash, Issued>,
    /// In the order of their issue, which is that of their expiry; also of tickets that are used.
    order: VecDeque<(TicketHash, Duration)>,
    /// How many each caller has, and their bytes.
    of_caller: HashMap<u64, Share>,
    bytes: usize,
}

#[derive(Clone, Copy, Default)]
struct Share {
    tickets: usize,
    bytes: usize,
}

type TicketHash = [u8; 32];

struct Issued {
    ticket: Ticket,
    target: TicketTarget,
    /// Since 1970.
    at: Duration,
    caller: u64,
    bytes: usize,
}

/// The store has no memory for another ticket, or the caller has its share; or the system provides no random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoTicket;

impl TicketStore {
    /// Issues a ticket at `now` since 1970.
    ///
    /// # Errors
    /// See [`NoTicket`].
    pub(crate) fn issue(
        &self,
        ticket: Ticket,
        target: TicketTarget,
        now: Duration,
    ) -> Result<String, NoTicket> {
        let text = random::text_256().ok_or(NoTicket)?;
        let issued = Issued {
            caller: self.hasher.hash_one(caller(&ticket)),
            bytes: ticket.bytes(),
            ticket,
            target,
            at: now,
        };
        let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.forget_expired(now);
        tickets.insert(sha256(text.as_bytes()), issued)?;
        Ok(text)
    }

    /// What a ticket stands for at `now` since 1970, if it is for this target; afterwards it is used.
    pub(crate) fn redeem(&self, text: &str, target: TicketTarget, now: Duration) -> Option<Ticket> {
        let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.forget_expired(now);
        let issued = tickets.remove(&sha256(text.as_bytes()))?;
        let is_usable = issued.target == target && is_valid(issued.at, now);
        is_usable.then_some(issued.ticket)
    }
}

impl Tickets {
    fn insert(&mut self, hash: TicketHash, issued: Issued) -> Result<(), NoTicket> {
        let bytes = self.bytes.saturating_add(issued.bytes);
        let before = self.of_caller.get(&issued.caller).copied();
        let before = before.unwrap_or_default();
        let share = Share {
            tickets: before.tickets.saturating_add(1),
            bytes: before.bytes.saturating_add(issued.bytes),
        };
        let is_over_share = share.tickets > SHARE || share.bytes > SHARE_BYTES;
        if self.by_hash.len() >= MOST || bytes > MOST_BYTES || is_over_share {
            return Err(NoTicket);
        }
        if self.order.len() >= 2 * MOST {
            let by_hash = &self.by_hash;
            self.order.retain(|(hash, _)| by_hash.contains_key(hash));
        }
        self.bytes = bytes;
        self.of_caller.insert(issued.caller, share);
        self.order.push_back((hash, issued.at));
        self.by_hash.insert(hash, issued);
        Ok(())
    }

    fn remove(&mut self, hash: &TicketHash) -> Option<Issued> {
        let issued = self.by_hash.remove(hash)?;
        self.bytes = self.bytes.saturating_sub(issued.bytes);
        if let Some(share) = self.of_caller.get_mut(&issued.caller) {
            share.tickets = share.tickets.saturating_sub(1);
            share.bytes = share.bytes.saturating_sub(issued.bytes);
            if share.tickets == 0 {
                self.of_caller.remove(&issued.caller);
            }
        }
        Some(issued)
    }

    fn forget_expired(&mut self, now: Duration) {
        while let Some((hash, _)) = self.order.front().filter(|(_, at)| !is_valid(*at, now)) {
            let hash = *hash;
            self.order.pop_front();
            self.remove(&hash);
        }
    }
}

/// A ticket of the future shows that the clock was set back.
fn is_valid(issued_at: Duration, now: Duration) -> bool {
    now.checked_sub(issued_at).is_some_and(|age| age < LIFETIME)
}

/// Two tokens without a subject and a client are not of the same caller.
fn caller(ticket: &Ticket) -> (&str, Option<&str>, Option<&[u8]>) {
    let Ticket {
        verified,
        credentials,
        ..
    } = ticket;
    let name = verified.subject().or_else(|| verified.client_id());
    let token = name.is_none().then(|| credentials.as_bytes());
    (verified.issuer(), name, token)
}

impl Ticket {
    /// What it keeps in memory beside what is counted as a token, in bytes; more rather than less.
    fn bytes(&self) -> usize {
        let token = self.credentials.as_bytes().len();
        let payload = self.verified.payload().len();
        token.saturating_add(payload).saturating_add(OWN_BYTES)
    }
}

impl fmt::Debug for TicketStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketStore").finish_non_exhaustive()
    }
}

/// How many tickets may be valid at once.
const MOST: usize = 10_000;

/// How many of them one caller may have: enough for the pages that a browser restores at once.
const SHARE: usize = 100;

/// How much memory those of one caller may take: 1 % of all.
const SHARE_BYTES: usize = MOST_BYTES / 100;

/// How much memory their tokens may take: enough for ten thousand tokens of common size.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// An entry of each of the collections, and the parts of a verified token.
const OWN_BYTES: usize = 1024;

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::jose::Algorithm;
    use crate::test_kit::{SigningKey, TokenBuilder};
    use crate::{Issuer, Verifier};

    const ISSUER: &str = "https://issuer.example/";
    const START: Duration = Duration::from_secs(1_000);

    fn ticket(subject: &str) -> Ticket {
        let secret = "s".repeat(32);
        let key = SigningKey::from_secret(&secret, Algorithm::Hs256);
        let issuer = Issuer::with_secret(ISSUER, &secret, Algorithm::Hs256).audience("api");
        let verifier = Verifier::start([issuer.build().expect("an issuer")]).expect("a verifier");
        let token = TokenBuilder::new(ISSUER, "api", &key)
            .claim("sub", subject)
            .build();
        Ticket {
            verified: verifier.verify(&token, SystemTime::now()).expect("a token"),
            credentials: Credentials::bearer(&token),
            sender: SenderProof::default(),
        }
    }

    fn target() -> TicketTarget {
        TicketTarget::new("/api/news", None)
    }

    #[test]
    fn a_ticket_is_accepted_once_within_ten_seconds() {
        let store = TicketStore::default();
        let issue = || store.issue(ticket("a"), target(), START).expect("a ticket");
        let redeem = |text: &str, after| store.redeem(text, target(), START + after).is_some();
        let (first, second, third) = (issue(), issue(), issue());
        assert_eq!(first.len(), 43);
        assert_ne!(first, second);
        assert!(redeem(&first, LIFETIME - Duration::from_nanos(1)));
        assert!(!redeem(&first, Duration::ZERO), "it is used");
        assert!(!redeem(&second, LIFETIME));
        assert!(!redeem(&second, Duration::ZERO), "it was presented");
        assert!(
            store
                .redeem(&third, target(), START - Duration::from_secs(1))
                .is_none()
        );
        assert!(!redeem("", Duration::ZERO));
    }

    #[test]
    fn a_ticket_is_for_one_path_and_one_origin() {
        let page = Some(b"https://app.example".as_slice());
        let bound = TicketTarget::new("/api/news", page);
        for other in [
            TicketTarget::new("/api/news/", page),
            TicketTarget::new("/api/news", None),
            TicketTarget::new("/api/news", Some(b"https://app.example:81")),
            TicketTarget::new("/api/newshttps://app.example", None),
        ] {
            let store = TicketStore::default();
            let text = store.issue(ticket("a"), bound, START).expect("a ticket");
            assert!(store.redeem(&text, other, START).is_none(), "{other:?}");
        }
    }

    #[test]
    fn large_tokens_of_one_caller_leave_room_for_others() {
        let store = TicketStore::default();
        let large = ticket(&"a".repeat(8 * 1024));
        let issue = || store.issue(large.clone(), target(), START).ok();
        let issued = std::iter::from_fn(issue).take(SHARE).count();
        assert!((2..SHARE / 2).contains(&issued), "{issued}");
        assert!(store.issue(ticket("b"), target(), START).is_ok());
        // They expire together.
        assert!(store.issue(large, target(), START + LIFETIME).is_ok());
    }

    #[test]
    fn racing_redemptions_succeed_once() {
        let store = TicketStore::default();
        let text = store.issue(ticket("a"), target(), START).expect("a ticket");
        let redeemed = std::thread::scope(|scope| {
            let redeem = || store.redeem(&text, target(), START).is_some();
            let racing: Vec<_> = (0..8).map(|_| scope.spawn(redeem)).collect();
            let racing = racing.into_iter().map(|one| one.join().expect("no panic"));
            racing.filter(|redeemed| *redeemed).count()
        });
        assert_eq!(redeemed, 1);
    }

    #[test]
    fn a_caller_has_a_share_and_gets_it_back() {
        let store = TicketStore::default();
        let (first, other) = (ticket("a"), ticket("b"));
        let issue = |ticket: &Ticket, at| store.issue(ticket.clone(), target(), at);
        let texts: Vec<_> = (0..SHARE)
            .map(|_| issue(&first, START).expect("a ticket"))
            .collect();
        assert_eq!(issue(&first, START), Err(NoTicket));
        assert!(issue(&other, START).is_ok());
        assert!(store.redeem(&texts[0], target(), START).is_some());
        assert!(issue(&first, START).is_ok());
        assert_eq!(issue(&first, START), Err(NoTicket));
        assert!(
            issue(&first, START + LIFETIME).is_ok(),
            "the others have expired"
        );
    }

    #[test]
    fn the_store_is_bounded_and_forgets_what_has_expired() {
        let store = TicketStore::default();
        let tickets: Vec<_> = (0..MOST / SHARE)
            .map(|number| ticket(&number.to_string()))
            .collect();
        for ticket in tickets
            .iter()
            .flat_map(|ticket| (0..SHARE).map(move |_| ticket))
        {
            assert!(store.issue(ticket.clone(), target(), START).is_ok());
        }
        let late = ticket("late");
        assert_eq!(store.issue(late.clone(), target(), START), Err(NoTicket));
        assert!(store.issue(late, target(), START + LIFETIME).is_ok());
        let tickets = store.tickets.lock().expect("no panic");
        assert_eq!(
            (
                tickets.by_hash.len(),
                tickets.order.len(),
                tickets.of_caller.len()
            ),
            (1, 1, 1)
        );
    }

    #[test]
    fn tickets_that_are_used_at_once_take_no_memory() {
        let store = TicketStore::default();
        let ticket = ticket("a");
        for _ in 0..3 * MOST {
            let text = store
                .issue(ticket.clone(), target(), START)
                .expect("a ticket");
            assert!(store.redeem(&text, target(), START).is_some());
        }
        let tickets = store.tickets.lock().expect("no panic");
        assert!(tickets.order.len() <= 2 * MOST);
        assert_eq!((tickets.bytes, tickets.of_caller.len()), (0, 0));
    }
}
