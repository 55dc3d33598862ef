//! The end of the access that a token gives, for sockets and streams, which outlive the check at their beginning.

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::sleep;

use super::Verified;
use super::verified::{Basis, Origin};
use crate::keys::KeyChanges;
use crate::revocation::RevocationKeys;

/// Why the access that a token gives has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// The token has expired, or reached its maximum age.
    Expired,
    /// The token was revoked.
    Revoked,
    /// The issuer has withdrawn the key of the token, or is no longer trusted.
    KeyWithdrawn,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "the access token has expired",
            Self::Revoked => "the access token has been revoked",
            Self::KeyWithdrawn => "the access token is no longer trusted",
        })
    }
}

impl Verified {
    /// Completes when the token expires ([`expires_at`](Self::expires_at)), by the verifier's clock.
    /// [`until_ended`](Self::until_ended) also completes when the token is revoked.
    ///
    /// It needs a runtime of tokio with timers, as Actix has. The future holds no part of the token.
    pub fn until_expiry(&self) -> impl Future<Output = ()> + use<> {
        let (origin, expires_at) = (Arc::clone(&self.origin), self.expires_at());
        async move {
            while let Some(left) = left(&origin, expires_at) {
                sleep(left).await;
            }
        }
    }

    /// Completes when the access that the token gives ends: when it expires or reaches its maximum age, by the verifier's
    /// clock; when it is revoked; or when its issuer withdraws the key or is no longer trusted. For sockets and streams.
    ///
    /// It needs a runtime of tokio with timers, as Actix has. The future holds no part of the token. While the store of
    /// revocations is unavailable, streams go on; what was revoked meanwhile ends them once it is available again.
    ///
    /// # Examples
    /// ```
    /// use actix_resource_server::AuthenticatedUser;
    ///
    /// async fn watch(user: AuthenticatedUser, mut news: tokio::sync::mpsc::Receiver<String>) {
    ///     let ended = user.until_ended();
    ///     tokio::pin!(ended);
    ///     loop {
    ///         tokio::select! {
    ///             _reason = &mut ended => break,
    ///             Some(_news) = news.recv() => { /* send it */ }
    ///             else => break,
    ///         }
    ///     }
    /// }
    /// ```
    pub fn until_ended(&self) -> impl Future<Output = Ended> + use<> {
        let revocations = self.origin.revocations.as_ref();
        let watch = Watch {
            ends_at: self.ends_at(),
            cut_offs: revocations.map(|of| of.subscribe()),
            revocation_keys: revocations.map(|_| self.revocation_keys()),
            key_changes: self.basis.changes(),
            basis: self.basis.clone(),
            origin: Arc::clone(&self.origin),
        };
        watch.end()
    }
}

/// What a stream needs to know of its token.
struct Watch {
    ends_at: SystemTime,
    /// `None` if tokens cannot be revoked.
    cut_offs: Option<watch::Receiver<()>>,
    revocation_keys: Option<RevocationKeys>,
    /// `None` once the keys are gone.
    key_changes: Option<KeyChanges>,
    basis: Basis,
    origin: Arc<Origin>,
}

impl Watch {
    async fn end(mut self) -> Ended {
        let mut longest = LONGEST_SLEEP;
        loop {
            let left = match self.state() {
                Ok(left) => left.min(longest),
                Err(ended) => return ended,
            };
            longest = LONGEST_SLEEP;
            tokio::select! {
                () = sleep(left) => {}
                () = changed(&mut self.cut_offs) => {}
                () = key_changed(&mut self.key_changes) => {
                    // A request that is being verified may hold the withdrawn key for a moment.
                    longest = MOMENT;
                }
            }
        }
    }

    /// The time that is left, or why there is none.
    fn state(&self) -> Result<Duration, Ended> {
        let Some(left) = left(&self.origin, self.ends_at) else {
            return Err(Ended::Expired);
        };
        if let (Some(revocations), Some(keys)) = (&self.origin.revocations, &self.revocation_keys)
            && revocations.revokes(keys)
        {
            return Err(Ended::Revoked);
        }
        if self.basis.is_current() {
            Ok(left)
        } else {
            Err(Ended::KeyWithdrawn)
        }
    }
}

/// The time to wait before the clock is read again, which may be set meanwhile; `None` once `end` has come.
fn left(origin: &Origin, end: SystemTime) -> Option<Duration> {
    let left = end.duration_since(origin.clock.now()).ok()?;
    (!left.is_zero()).then(|| left.min(LONGEST_SLEEP))
}

async fn changed(changes: &mut Option<watch::Receiver<()>>) {
    match changes {
        Some(receiver) => {
            if receiver.changed().await.is_err() {
                *changes = None;
            }
        }
        None => pending().await,
    }
}

async fn key_changed(changes: &mut Option<KeyChanges>) {
    match changes {
        Some(receiver) => {
            if !receiver.next().await {
                *changes = None;
            }
        }
        None => pending().await,
    }
}

const LONGEST_SLEEP: Duration = Duration::from_secs(60);

const MOMENT: Duration = Duration::from_millis(100);
