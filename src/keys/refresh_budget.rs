//! Decides whether the key set may be fetched again.
//!
//! A stranger can send any `kid`, so misses must not flood the issuer: refreshes are drawn from
//! a bucket of [`BURST`], refilled one each cool-down. Time is an argument.

use std::time::{Duration, Instant};

use crate::issuer::Fetching;

/// What is known of past fetches, and what may be spent on the next.
#[derive(Debug)]
pub(crate) struct RefreshBudget {
    limits: Fetching,
    /// When the bucket held `left` draws.
    counted_at: Instant,
    left: u32,
    /// When keys last came, and for how long they are fresh.
    succeeded_at: Option<Instant>,
    lifetime: Duration,
    /// When the last fetch failed, and how many did in a row; forgotten on success.
    failed_at: Option<Instant>,
    failures: u32,
    /// How many empty sets came since the last usable one, each a refresh after the one before, and when the last did.
    empty: u32,
    empty_at: Option<Instant>,
}

/// What a request that lacks a key may expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// A fetch may be spent on it.
    Allowed,
    /// The bucket is empty for this time.
    Denied(Duration),
}

impl RefreshBudget {
    pub(crate) fn new(limits: Fetching, now: Instant) -> Self {
        Self {
            limits,
            counted_at: now,
            left: BURST,
            succeeded_at: None,
            lifetime: limits.cache_max_age,
            failed_at: None,
            failures: 0,
            empty: 0,
            empty_at: None,
        }
    }

    /// Draws a fetch for a key that is not in the set.
    pub(crate) fn try_take(&mut self, now: Instant) -> Refresh {
        self.refill(now);
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Refresh::Allowed
            }
            None => Refresh::Denied(self.until_draw(now)),
        }
    }

    /// How long until an empty bucket holds a draw again.
    fn until_draw(&self, now: Instant) -> Duration {
        let since = now.saturating_duration_since(self.counted_at);
        self.limits.cooldown.saturating_sub(since)
    }

    /// While fetches fail, how long until the next retry, which nobody has to ask for; `None` while all is well.
    pub(crate) fn failing(&self, now: Instant) -> Option<Duration> {
        self.failed_at.map(|_| self.pause(now).unwrap_or_default())
    }

    /// What the next fetch may take: less than usual after a failure, so that an issuer which stalls
    /// is found recovered in time.
    pub(crate) fn deadline(&self) -> Duration {
        match self.failed_at {
            Some(_) => self.limits.timeout.min(LONGEST_PAUSE),
            None => self.limits.timeout,
        }
    }

    /// Whether the last fetch brought keys.
    pub(crate) fn is_well(&self) -> bool {
        self.succeeded_at.is_some() && self.failed_at.is_none()
    }

    /// Whether keys have ever come.
    pub(crate) fn has_succeeded(&self) -> bool {
        self.succeeded_at.is_some()
    }

    /// How long ago keys last came.
    pub(crate) fn age(&self, now: Instant) -> Option<Duration> {
        self.succeeded_at
            .map(|at| now.saturating_duration_since(at))
    }

    /// Whether no fetch has succeeded for so long that the last keys may not be used any more.
    pub(crate) fn is_stale_beyond_limit(&self, now: Instant) -> bool {
        self.age(now)
            .is_some_and(|age| age > self.limits.longest_outage)
    }

    /// Keys came; their server would have them kept for `lifetime`, which is honoured within bounds.
    pub(crate) fn succeeded(&mut self, now: Instant, lifetime: Option<Duration>) {
        let longest = self.limits.cache_max_age;
        let shortest = SHORTEST_LIFETIME.min(longest);
        self.lifetime = lifetime.map_or(longest, |said| said.clamp(shortest, longest));
        self.succeeded_at = Some(now);
        self.failed_at = None;
        self.failures = 0;
        self.empty = 0;
        self.empty_at = None;
    }

    /// An empty set came; says whether that is the issuer's word by now. Those that come sooner than a refresh after
    /// the last one that counted, by retries or for unknown keys, do not count: they may be one and the same mishap.
    pub(crate) fn is_emptied(&mut self, now: Instant) -> bool {
        let since = |at| now.saturating_duration_since(at);
        if self.empty_at.is_none_or(|at| since(at) >= self.lifetime) {
            self.empty = self.empty.saturating_add(1);
            self.empty_at = Some(now);
        }
        self.empty >= BELIEVED_EMPTY
    }

    /// A fetch failed that began at `begun`: the pause after it counts from there.
    pub(crate) fn failed(&mut self, begun: Instant) {
        self.failed_at = Some(begun);
        self.failures = self.failures.saturating_add(1);
    }

    #[cfg(test)]
    pub(super) fn make_older(&mut self, by: Duration) {
        self.succeeded_at = self.succeeded_at.and_then(|at| at.checked_sub(by));
    }

    /// How long until the next fetch that nobody has to ask for.
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

    /// What is left of the pause after a failure, which doubles up to [`LONGEST_PAUSE`].
    fn pause(&self, now: Instant) -> Option<Duration> {
        let failed_at = self.failed_at?;
        let doublings = self.failures.saturating_sub(1).min(16);
        let pause = SHORTEST_PAUSE
            .saturating_mul(1 << doublings)
            .min(LONGEST_PAUSE);
        let left = pause.saturating_sub(now.saturating_duration_since(failed_at));
        (!left.is_zero()).then_some(left)
    }

    fn refill(&mut self, now: Instant) {
        while self.left < BURST {
            let Some(next) = self
                .counted_at
                .checked_add(self.limits.cooldown)
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

/// Fetches for unknown keys that may follow one another at once.
pub(crate) const BURST: u32 = 3;

/// So many empty sets in a row are no mishap of the issuer's.
const BELIEVED_EMPTY: u32 = 3;

/// A server that wants its keys asked for each second is asked each minute; nobody waits for that.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(60);

/// The pause after a first failed fetch.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);

/// Retries while an issuer is down are at most this far apart, so that its recovery is noticed within 5 s.
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
                if budget.try_take(start + Duration::from_secs(second)) == Refresh::Allowed {
                    allowed.push(second);
                }
            }
        }
        assert_eq!(allowed, [0, 0, 0, 30, 60, 90]);
    }

    #[test]
    fn who_is_denied_learns_when_the_next_fetch_is_allowed() {
        let (mut budget, start) = fresh();
        for _ in 0..BURST {
            assert_eq!(budget.try_take(start), Refresh::Allowed);
        }
        let at = |second| start + Duration::from_secs(second);
        for (second, wait) in [(0, 30), (1, 29), (29, 1)] {
            let denied = Refresh::Denied(Duration::from_secs(wait));
            assert_eq!(budget.try_take(at(second)), denied, "{second}");
        }
        assert_eq!(budget.try_take(at(30)), Refresh::Allowed);
        assert_eq!(
            budget.try_take(at(45)),
            Refresh::Denied(Duration::from_secs(15))
        );
    }

    #[test]
    fn a_quiet_time_fills_the_bucket_to_the_brim_and_no_further() {
        let (mut budget, start) = fresh();
        for _ in 0..4 {
            budget.try_take(start);
        }
        let later = start + Duration::from_secs(3600);
        let drawn: Vec<_> = (0..4).map(|_| budget.try_take(later)).collect();
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
    fn a_cooldown_of_nothing_never_denies() {
        let start = Instant::now();
        let limits = Fetching {
            cooldown: Duration::ZERO,
            ..LIMITS
        };
        let mut budget = RefreshBudget::new(limits, start);
        budget.succeeded(start, None);
        assert!((0..100).all(|_| budget.try_take(start) == Refresh::Allowed));
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
        assert_eq!(budget.try_take(start), Refresh::Allowed);
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
    fn what_the_server_says_is_honoured_within_bounds() {
        let (mut budget, start) = fresh();
        for (said, expected) in [
            (None, 600),
            (Some(300), 300),
            (Some(0), 60),
            (Some(15), 60),
            (Some(86400), 600),
        ] {
            budget.succeeded(start, said.map(Duration::from_secs));
            assert_eq!(
                budget.until_refresh(start),
                Duration::from_secs(expected),
                "{said:?}"
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
    fn keys_are_outlived_when_an_outage_lasts_too_long() {
        let (mut budget, start) = fresh();
        budget.failed(start + Duration::from_secs(600));
        assert!(!budget.is_stale_beyond_limit(start + LIMITS.longest_outage));
        assert!(
            budget.is_stale_beyond_limit(start + LIMITS.longest_outage + Duration::from_secs(1))
        );
    }
}
