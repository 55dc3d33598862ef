//! The refresh budget: whether and when a key set may be fetched again.
//!
//! A client can send any `kid`, so misses must not flood the issuer: fetches for unknown keys are
//! taken from a token bucket of [`BURST`], refilled by one each cool-down. Security events have a bucket of their own, so
//! that a flood of them costs no fetch that access tokens need, and the other way round. Time is an argument.

use std::time::{Duration, Instant};

use crate::issuer::Fetching;

/// The history of an issuer's fetches, and the budget for the next ones.
#[derive(Clone, Debug)]
pub(crate) struct RefreshBudget {
    limits: Fetching,
    for_access_tokens: Bucket,
    for_events: Bucket,
    /// When a fetch last succeeded, and for how long its keys are fresh.
    succeeded_at: Option<Instant>,
    lifetime: Duration,
    /// When the last failed fetch began, and how many failed in a row; reset on success.
    failed_at: Option<Instant>,
    failures: u32,
    /// How many empty sets have counted since the last usable one, and when the last did; see [`is_emptied`](Self::is_emptied).
    empty: u32,
    empty_at: Option<Instant>,
}

/// Whose key a fetch is made for; each has a bucket of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    AccessTokens,
    /// Logout tokens and security events.
    Events,
}

/// Fetches that may be made.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    capacity: u32,
    /// When the bucket held `left` fetches.
    counted_at: Instant,
    left: u32,
}

/// Whether a fetch may be made for an unknown key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// A fetch has been taken from the budget.
    Allowed,
    /// The bucket is empty; the time until it is refilled.
    Denied(Duration),
}

impl RefreshBudget {
    pub(crate) fn new(limits: Fetching, now: Instant) -> Self {
        Self {
            limits,
            for_access_tokens: Bucket::full(BURST, now),
            for_events: Bucket::full(EVENT_BURST, now),
            succeeded_at: None,
            lifetime: limits.cache_max_age,
            failed_at: None,
            failures: 0,
            empty: 0,
            empty_at: None,
        }
    }

    /// The same history under other limits.
    pub(crate) fn limited_to(&self, limits: Fetching) -> Self {
        Self {
            limits,
            lifetime: self.lifetime.min(limits.cache_max_age),
            ..self.clone()
        }
    }

    /// Takes a fetch for a key that is not in the set.
    pub(crate) fn try_take(&mut self, purpose: Purpose, now: Instant) -> Refresh {
        let bucket = match purpose {
            Purpose::AccessTokens => &mut self.for_access_tokens,
            Purpose::Events => &mut self.for_events,
        };
        bucket.try_take(self.limits.cooldown, now)
    }

    /// While fetches fail, the time until the next scheduled retry; `None` otherwise.
    pub(crate) fn failing(&self, now: Instant) -> Option<Duration> {
        self.failed_at.map(|_| self.pause(now).unwrap_or_default())
    }

    /// The deadline of the next fetch: shorter after a failure, so that the recovery of an issuer that stalls is
    /// noticed in time.
    pub(crate) fn deadline(&self) -> Duration {
        match self.failed_at {
            Some(_) => self.limits.timeout.min(LONGEST_PAUSE),
            None => self.limits.timeout,
        }
    }

    /// Whether the last fetch succeeded.
    pub(crate) fn is_well(&self) -> bool {
        self.succeeded_at.is_some() && self.failed_at.is_none()
    }

    /// Whether any fetch has succeeded.
    pub(crate) fn has_succeeded(&self) -> bool {
        self.succeeded_at.is_some()
    }

    /// The time since the last successful fetch.
    pub(crate) fn age(&self, now: Instant) -> Option<Duration> {
        self.succeeded_at
            .map(|at| now.saturating_duration_since(at))
    }

    /// How long the keys of the last successful fetch are fresh.
    #[cfg(feature = "service")]
    pub(crate) fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Whether the last successful fetch is older than the longest outage, so that its keys must not be used.
    pub(crate) fn is_stale_beyond_limit(&self, now: Instant) -> bool {
        self.age(now)
            .is_some_and(|age| age > self.limits.longest_outage)
    }

    /// Records a success. `lifetime` comes from the response's headers and is clamped.
    pub(crate) fn succeeded(&mut self, now: Instant, lifetime: Option<Duration>) {
        let longest = self.limits.cache_max_age;
        let shortest = SHORTEST_LIFETIME.min(longest);
        self.lifetime = lifetime.map_or(longest, |lifetime| lifetime.clamp(shortest, longest));
        self.succeeded_at = Some(now);
        self.failed_at = None;
        self.failures = 0;
        self.empty = 0;
        self.empty_at = None;
    }

    /// Records an empty set; returns whether there have been enough to believe them. One that comes sooner than a
    /// refresh after the last that counted, by a retry or for an unknown key, may have the same cause and does not
    /// count.
    pub(crate) fn is_emptied(&mut self, now: Instant) -> bool {
        let since = |at| now.saturating_duration_since(at);
        if self.empty_at.is_none_or(|at| since(at) >= self.lifetime) {
            self.empty = self.empty.saturating_add(1);
            self.empty_at = Some(now);
        }
        self.empty >= BELIEVED_EMPTY
    }

    /// Records the failure of a fetch that began at `begun`; the pause before the retry counts from there.
    pub(crate) fn failed(&mut self, begun: Instant) {
        self.failed_at = Some(begun);
        self.failures = self.failures.saturating_add(1);
    }

    #[cfg(test)]
    pub(super) fn make_older(&mut self, by: Duration) {
        self.succeeded_at = self.succeeded_at.and_then(|at| at.checked_sub(by));
    }

    /// The time until the next scheduled fetch.
    pub(crate) fn until_refresh(&self, now: Instant) -> Duration {
        if let Some(pause) = self.failing(now) {
            return pause;
        }
        match self.succeeded_at {
            Some(at) => self
                .lifetime
                .saturating_sub(now.saturating_duration_since(at)),
            None => Duration::ZERO,
        }
    }

    /// The rest of the pause after a failure, which doubles with each failure up to [`LONGEST_PAUSE`].
    fn pause(&self, now: Instant) -> Option<Duration> {
        let failed_at = self.failed_at?;
        let doublings = self.failures.saturating_sub(1).min(16);
        let pause = SHORTEST_PAUSE
            .saturating_mul(1 << doublings)
            .min(LONGEST_PAUSE);
        let left = pause.saturating_sub(now.saturating_duration_since(failed_at));
        (!left.is_zero()).then_some(left)
    }
}

impl Bucket {
    fn full(capacity: u32, now: Instant) -> Self {
        Self {
            capacity,
            counted_at: now,
            left: capacity,
        }
    }

    fn try_take(&mut self, cooldown: Duration, now: Instant) -> Refresh {
        self.refill(cooldown, now);
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Refresh::Allowed
            }
            None => Refresh::Denied(self.until_refill(cooldown, now)),
        }
    }

    /// The time until an empty bucket is refilled by one.
    fn until_refill(&self, cooldown: Duration, now: Instant) -> Duration {
        let since = now.saturating_duration_since(self.counted_at);
        cooldown.saturating_sub(since)
    }

    fn refill(&mut self, cooldown: Duration, now: Instant) {
        while self.left < self.capacity {
            let Some(next) = self
                .counted_at
                .checked_add(cooldown)
                .filter(|next| *next <= now)
            else {
                return;
            };
            self.counted_at = next;
            self.left = self.left.saturating_add(1);
        }
        self.counted_at = now;
    }
}

/// The number of fetches for unknown keys that may be made without a cool-down between them.
pub(crate) const BURST: u32 = 3;

/// The same for keys of security events, which are few.
const EVENT_BURST: u32 = 1;

/// The number of empty sets in a row after which the issuer is taken to have withdrawn its keys.
const BELIEVED_EMPTY: u32 = 3;

/// The least lifetime of a key set, regardless of `Cache-Control`. No request waits for a scheduled fetch.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(60);

/// The pause after a first failed fetch.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause between retries, so that an issuer's recovery is noticed within 5 s.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Fetching = Fetching {
        cache_max_age: Duration::from_secs(600),
        cooldown: Duration::from_secs(30),
        timeout: Duration::from_secs(5),
        longest_outage: Duration::from_secs(3600),
    };

    fn fresh() -> (RefreshBudget, Instant) {
        let start = Instant::now();
        let mut budget = RefreshBudget::new(LIMITS, start);
        budget.succeeded(start, None);
        (budget, start)
    }

    #[test]
    fn a_flood_costs_three_fetches_and_then_one_each_cooldown() {
        let (mut budget, start) = fresh();
        let mut allowed = Vec::new();
        for second in 0..120 {
            for _ in 0..100 {
                if budget.try_take(Purpose::AccessTokens, start + Duration::from_secs(second))
                    == Refresh::Allowed
                {
                    allowed.push(second);
                }
            }
        }
        assert_eq!(allowed, [0, 0, 0, 30, 60, 90]);
    }

    #[test]
    fn a_denial_has_the_time_until_the_next_fetch_is_allowed() {
        let (mut budget, start) = fresh();
        for _ in 0..BURST {
            assert_eq!(
                budget.try_take(Purpose::AccessTokens, start),
                Refresh::Allowed
            );
        }
        let at = |second| start + Duration::from_secs(second);
        for (second, wait) in [(0, 30), (1, 29), (29, 1)] {
            let denied = Refresh::Denied(Duration::from_secs(wait));
            assert_eq!(
                budget.try_take(Purpose::AccessTokens, at(second)),
                denied,
                "{second}"
            );
        }
        assert_eq!(
            budget.try_take(Purpose::AccessTokens, at(30)),
            Refresh::Allowed
        );
        assert_eq!(
            budget.try_take(Purpose::AccessTokens, at(45)),
            Refresh::Denied(Duration::from_secs(15))
        );
    }

    #[test]
    fn events_have_a_bucket_of_one_fetch_and_take_none_from_access_tokens() {
        let (mut budget, start) = fresh();
        let at = |second| start + Duration::from_secs(second);
        let mut allowed = Vec::new();
        for second in 0..70 {
            for _ in 0..10 {
                if budget.try_take(Purpose::Events, at(second)) == Refresh::Allowed {
                    allowed.push(second);
                }
            }
        }
        assert_eq!(allowed, [0, 30, 60]);
        for _ in 0..BURST {
            let taken = budget.try_take(Purpose::AccessTokens, at(70));
            assert_eq!(taken, Refresh::Allowed);
        }
        let denied = budget.try_take(Purpose::AccessTokens, at(89));
        assert_eq!(denied, Refresh::Denied(Duration::from_secs(11)));
        assert_eq!(
            budget.try_take(Purpose::Events, at(90)),
            Refresh::Allowed,
            "access tokens take none from events"
        );
    }

    #[test]
    fn an_unused_bucket_refills_to_its_capacity() {
        let (mut budget, start) = fresh();
        for _ in 0..4 {
            budget.try_take(Purpose::AccessTokens, start);
        }
        let later = start + Duration::from_secs(3600);
        let drawn: Vec<_> = (0..4)
            .map(|_| budget.try_take(Purpose::AccessTokens, later))
            .collect();
        assert_eq!(
            drawn,
            [
                Refresh::Allowed,
                Refresh::Allowed,
                Refresh::Allowed,
                Refresh::Denied(LIMITS.cooldown)
            ]
        );
    }

    #[test]
    fn a_zero_cooldown_never_denies() {
        let start = Instant::now();
        let limits = Fetching {
            cooldown: Duration::ZERO,
            ..LIMITS
        };
        let mut budget = RefreshBudget::new(limits, start);
        budget.succeeded(start, None);
        assert!(
            (0..100).all(|_| budget.try_take(Purpose::AccessTokens, start) == Refresh::Allowed)
        );
    }

    #[test]
    fn it_is_failing_from_a_failure_to_the_next_success() {
        let (mut budget, start) = fresh();
        assert_eq!(budget.failing(start), None);
        budget.failed(start);
        assert_eq!(budget.failing(start), Some(SHORTEST_PAUSE));
        let later = start + SHORTEST_PAUSE;
        assert_eq!(budget.failing(later), Some(Duration::ZERO));
        budget.succeeded(later, None);
        assert_eq!(budget.failing(later), None);
    }

    #[test]
    fn pauses_double_up_to_four_seconds() {
        let (mut budget, start) = fresh();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            budget.failed(start);
            pauses.push(budget.until_refresh(start).as_millis());
        }
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 4000, 4000, 4000]);
    }

    #[test]
    fn keys_are_refreshed_when_they_reach_their_age() {
        let (budget, start) = fresh();
        assert_eq!(
            budget.until_refresh(start + Duration::from_secs(200)),
            Duration::from_secs(400)
        );
        assert_eq!(
            budget.until_refresh(start + Duration::from_secs(900)),
            Duration::ZERO
        );
    }

    #[test]
    fn a_success_ends_the_pauses() {
        let (mut budget, start) = fresh();
        budget.failed(start);
        budget.succeeded(start, None);
        assert_eq!(budget.until_refresh(start), LIMITS.cache_max_age);
        assert_eq!(
            budget.try_take(Purpose::AccessTokens, start),
            Refresh::Allowed
        );
    }

    #[test]
    fn an_issuer_that_stalls_is_tried_again_every_four_seconds() {
        let (mut budget, start) = fresh();
        assert_eq!(budget.deadline(), LIMITS.timeout);
        for _ in 0..8 {
            budget.failed(start);
        }
        assert_eq!(budget.deadline(), LONGEST_PAUSE);
        assert_eq!(budget.until_refresh(start + LONGEST_PAUSE), Duration::ZERO);
    }

    #[test]
    fn the_lifetime_of_the_response_is_clamped() {
        let (mut budget, start) = fresh();
        for (lifetime, expected) in [
            (None, 600),
            (Some(300), 300),
            (Some(0), 60),
            (Some(15), 60),
            (Some(86400), 600),
        ] {
            budget.succeeded(start, lifetime.map(Duration::from_secs));
            assert_eq!(
                budget.until_refresh(start),
                Duration::from_secs(expected),
                "{lifetime:?}"
            );
        }
        let limits = Fetching {
            cache_max_age: Duration::from_secs(1),
            ..LIMITS
        };
        let mut budget = RefreshBudget::new(limits, start);
        budget.succeeded(start, Some(Duration::from_secs(300)));
        assert_eq!(budget.until_refresh(start), Duration::from_secs(1));
    }

    #[test]
    fn an_empty_set_is_believed_when_it_comes_three_times_each_a_refresh_apart() {
        let (mut budget, start) = fresh();
        let mut believed = Vec::new();
        for second in (0..=1300).step_by(4) {
            let now = start + Duration::from_secs(second);
            budget.failed(now);
            if budget.is_emptied(now) {
                believed.push(second);
            }
        }
        assert_eq!(believed.first(), Some(&1200));
        budget.succeeded(start, None);
        assert!(!budget.is_emptied(start + Duration::from_secs(2000)));
        assert!(!budget.is_emptied(start + Duration::from_secs(3000)));
        assert!(budget.is_emptied(start + Duration::from_secs(4000)));
    }

    #[test]
    fn keys_are_stale_after_the_longest_outage() {
        let (mut budget, start) = fresh();
        budget.failed(start + Duration::from_secs(600));
        assert!(!budget.is_stale_beyond_limit(start + LIMITS.longest_outage));
        assert!(
            budget.is_stale_beyond_limit(start + LIMITS.longest_outage + Duration::from_secs(1))
        );
    }
}
