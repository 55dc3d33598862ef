//! Decides whether the key set may be fetched again.
//!
//! A stranger can send any `kid`, so misses must not flood the issuer: refreshes are drawn from
//! a bucket of [`BURST`], refilled one each cool-down. Time is an argument.

use std::time::{Duration, Instant};

/// What is known of past fetches, and what may be spent on the next.
#[derive(Debug)]
pub(crate) struct Freshness {
    cooldown: Duration,
    max_age: Duration,
    /// When the bucket held `left` draws.
    counted_at: Instant,
    left: u32,
    /// When keys last came.
    succeeded_at: Option<Instant>,
    /// When the last fetch failed, and how many did in a row; forgotten on success.
    failed_at: Option<Instant>,
    failures: u32,
}

/// What a request that lacks a key may expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// A fetch may be spent on it.
    Allowed,
    /// The bucket is empty.
    Denied,
    /// The last fetch failed a moment ago; the next is tried after this time.
    Failing(Duration),
}

impl Freshness {
    pub(crate) fn new(cooldown: Duration, max_age: Duration, now: Instant) -> Self {
        Self {
            cooldown,
            max_age,
            counted_at: now,
            left: BURST,
            succeeded_at: None,
            failed_at: None,
            failures: 0,
        }
    }

    /// Draws a fetch for a key that is not there.
    pub(crate) fn draw(&mut self, now: Instant) -> Refresh {
        if let Some(pause) = self.pause(now) {
            return Refresh::Failing(pause);
        }
        self.refill(now);
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Refresh::Allowed
            }
            None => Refresh::Denied,
        }
    }

    /// Whether the last fetch brought keys.
    pub(crate) fn is_well(&self) -> bool {
        self.succeeded_at.is_some() && self.failed_at.is_none()
    }

    pub(crate) fn succeeded(&mut self, now: Instant) {
        self.succeeded_at = Some(now);
        self.failed_at = None;
        self.failures = 0;
    }

    pub(crate) fn failed(&mut self, now: Instant) {
        self.failed_at = Some(now);
        self.failures = self.failures.saturating_add(1);
    }

    /// How long until the next fetch that nobody has to ask for.
    pub(crate) fn until_refresh(&self, now: Instant) -> Duration {
        if self.failed_at.is_some() {
            return self.pause(now).unwrap_or_default();
        }
        match self.succeeded_at {
            Some(at) => self
                .max_age
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
                .checked_add(self.cooldown)
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

/// The pause after a first failed fetch.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);

/// Retries while an issuer is down are at most this far apart, so that its recovery is noticed within 5 s.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

#[cfg(test)]
mod tests {
    use super::*;

    const COOLDOWN: Duration = Duration::from_secs(30);
    const MAX_AGE: Duration = Duration::from_secs(600);

    fn fresh() -> (Freshness, Instant) {
        let start = Instant::now();
        let mut freshness = Freshness::new(COOLDOWN, MAX_AGE, start);
        freshness.succeeded(start);
        (freshness, start)
    }

    #[test]
    fn a_flood_costs_three_fetches_and_then_one_each_cooldown() {
        let (mut freshness, start) = fresh();
        let mut allowed = Vec::new();
        for second in 0..120 {
            for _ in 0..100 {
                if freshness.draw(start + Duration::from_secs(second)) == Refresh::Allowed {
                    allowed.push(second);
                }
            }
        }
        assert_eq!(allowed, [0, 0, 0, 30, 60, 90]);
    }

    #[test]
    fn a_quiet_time_fills_the_bucket_to_the_brim_and_no_further() {
        let (mut freshness, start) = fresh();
        for _ in 0..4 {
            freshness.draw(start);
        }
        let later = start + Duration::from_secs(3600);
        let drawn: Vec<_> = (0..4).map(|_| freshness.draw(later)).collect();
        assert_eq!(
            drawn,
            [
                Refresh::Allowed,
                Refresh::Allowed,
                Refresh::Allowed,
                Refresh::Denied
            ]
        );
    }

    #[test]
    fn a_cooldown_of_nothing_never_denies() {
        let start = Instant::now();
        let mut freshness = Freshness::new(Duration::ZERO, MAX_AGE, start);
        assert!((0..100).all(|_| freshness.draw(start) == Refresh::Allowed));
    }

    #[test]
    fn after_a_failure_nothing_is_drawn_until_the_pause_is_over() {
        let (mut freshness, start) = fresh();
        freshness.failed(start);
        assert_eq!(freshness.draw(start), Refresh::Failing(SHORTEST_PAUSE));
        assert_eq!(freshness.draw(start + SHORTEST_PAUSE), Refresh::Allowed);
    }

    #[test]
    fn pauses_double_up_to_four_seconds() {
        let (mut freshness, start) = fresh();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            freshness.failed(start);
            pauses.push(freshness.until_refresh(start).as_millis());
        }
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 4000, 4000, 4000]);
    }

    #[test]
    fn keys_are_refreshed_when_they_reach_their_age() {
        let (freshness, start) = fresh();
        assert_eq!(
            freshness.until_refresh(start + Duration::from_secs(200)),
            Duration::from_secs(400)
        );
        assert_eq!(
            freshness.until_refresh(start + Duration::from_secs(900)),
            Duration::ZERO
        );
    }

    #[test]
    fn a_success_ends_the_pauses() {
        let (mut freshness, start) = fresh();
        freshness.failed(start);
        freshness.succeeded(start);
        assert_eq!(freshness.until_refresh(start), MAX_AGE);
        assert_eq!(freshness.draw(start), Refresh::Allowed);
    }
}
