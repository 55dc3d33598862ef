//! How many calls may be made now: a rate, a number at once, and a pause while the endpoint fails. Time is an argument.
//!
//! A client can send any string as a token. What such strings may cost is bounded, and tokens that were active before
//! have a share that they cannot use up.

use std::time::{Duration, Instant};

/// The limits of calls to one endpoint.
#[derive(Debug)]
pub(crate) struct CallLimits {
    unknown: Bucket,
    known: Bucket,
    in_flight: u32,
    /// How many calls failed in a row, and when the next one is allowed.
    failures: u32,
    retry_at: Option<Instant>,
}

/// What a call says about the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallOutcome {
    /// It answers.
    Answered,
    /// It failed in a way that does not depend on the token.
    Failed,
}

impl CallLimits {
    pub(crate) fn new(calls_per_second: u32, now: Instant) -> Self {
        Self {
            unknown: Bucket::new(calls_per_second, now),
            known: Bucket::new(calls_per_second, now),
            in_flight: 0,
            failures: 0,
            retry_at: None,
        }
    }

    /// Takes a call for a token; `is_known` if it was active before.
    ///
    /// # Errors
    /// No call may be made now; the time until one may be.
    pub(crate) fn begin(&mut self, is_known: bool, now: Instant) -> Result<(), Duration> {
        if let Some(retry_at) = self.retry_at {
            let pause = retry_at.saturating_duration_since(now);
            // After the pause, one call finds out whether the endpoint answers again.
            if !pause.is_zero() || self.in_flight > 0 {
                return Err(pause.max(SHORTEST_PAUSE));
            }
        }
        let (bucket, most) = if is_known {
            (&mut self.known, MOST_AT_ONCE)
        } else {
            (&mut self.unknown, MOST_UNKNOWN_AT_ONCE)
        };
        if self.in_flight >= most {
            return Err(SHORTEST_PAUSE);
        }
        bucket.take(now)?;
        self.in_flight = self.in_flight.saturating_add(1);
        Ok(())
    }

    /// Whether the endpoint failed, and has not answered since.
    pub(crate) const fn is_paused(&self) -> bool {
        self.retry_at.is_some()
    }

    /// Ends a call.
    pub(crate) fn end(&mut self, outcome: CallOutcome, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match outcome {
            CallOutcome::Answered => {
                self.failures = 0;
                self.retry_at = None;
            }
            CallOutcome::Failed => {
                // Calls that began together fail together, and count once.
                if self.retry_at.is_some_and(|retry_at| now < retry_at) {
                    return;
                }
                let doublings = self.failures.min(MOST_DOUBLINGS);
                self.failures = self.failures.saturating_add(1);
                let pause = SHORTEST_PAUSE.saturating_mul(1 << doublings);
                self.retry_at = now.checked_add(pause);
            }
        }
    }
}

/// A token bucket that holds one second's calls.
#[derive(Debug)]
struct Bucket {
    rate: u32,
    /// Calls in it at `counted_at`, as a number of [`PARTS`] of a call.
    parts: u64,
    counted_at: Instant,
}

impl Bucket {
    fn new(rate: u32, now: Instant) -> Self {
        Self {
            rate,
            parts: u64::from(rate).saturating_mul(PARTS),
            counted_at: now,
        }
    }

    fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let rate = u64::from(self.rate);
        let micros = now.saturating_duration_since(self.counted_at).as_micros();
        let refilled = u64::try_from(micros)
            .unwrap_or(u64::MAX)
            .saturating_mul(rate);
        let full = rate.saturating_mul(PARTS);
        self.parts = self.parts.saturating_add(refilled).min(full);
        self.counted_at = now;
        match self.parts.checked_sub(PARTS) {
            Some(parts) => {
                self.parts = parts;
                Ok(())
            }
            None => {
                let missing = PARTS.saturating_sub(self.parts);
                Err(Duration::from_micros(missing.div_ceil(rate.max(1))))
            }
        }
    }
}

/// Parts of a call: a rate of one a second refills one part each microsecond.
const PARTS: u64 = 1_000_000;

/// The pause after the first failure; it is doubled with each further one, up to 8 s.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);

const MOST_DOUBLINGS: u32 = 5;

/// Calls at once; a slow endpoint must not gather all waiting requests.
const MOST_AT_ONCE: u32 = 64;

/// Of them, calls for tokens that were never active.
const MOST_UNKNOWN_AT_ONCE: u32 = 48;

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn take(limits: &mut CallLimits, is_known: bool, now: Instant) -> Result<(), Duration> {
        limits.begin(is_known, now)?;
        limits.end(CallOutcome::Answered, now);
        Ok(())
    }

    #[test]
    fn unknown_tokens_use_up_their_rate_and_not_that_of_known_ones() {
        let now = Instant::now();
        let mut limits = CallLimits::new(10, now);
        for _ in 0..10 {
            assert_eq!(take(&mut limits, false, now), Ok(()));
        }
        let refill = Duration::from_millis(100);
        assert_eq!(take(&mut limits, false, now), Err(refill));
        assert_eq!(take(&mut limits, true, now), Ok(()));
        assert_eq!(
            take(&mut limits, false, now + refill - MILLISECOND),
            Err(MILLISECOND)
        );
        assert_eq!(take(&mut limits, false, now + refill), Ok(()));
        assert_eq!(take(&mut limits, false, now + refill), Err(refill));
        let later = now + Duration::from_secs(3600);
        let granted = (0..100).filter(|_| take(&mut limits, false, later).is_ok());
        assert_eq!(granted.count(), 10);
    }

    #[test]
    fn calls_at_once_are_bounded_and_some_are_left_to_known_tokens() {
        let now = Instant::now();
        let mut limits = CallLimits::new(1000, now);
        let begun = |limits: &mut CallLimits, is_known| {
            (0..100)
                .filter(|_| limits.begin(is_known, now).is_ok())
                .count()
        };
        assert_eq!(begun(&mut limits, false), 48);
        assert_eq!(begun(&mut limits, true), 16);
        limits.end(CallOutcome::Answered, now);
        assert_eq!(limits.begin(true, now), Ok(()));
    }

    #[test]
    fn calls_that_fail_together_count_once() {
        let now = Instant::now();
        let mut limits = CallLimits::new(1000, now);
        for _ in 0..10 {
            assert_eq!(limits.begin(false, now), Ok(()));
        }
        for _ in 0..10 {
            limits.end(CallOutcome::Failed, now);
        }
        assert_eq!(limits.begin(false, now), Err(SHORTEST_PAUSE));
        assert_eq!(limits.begin(false, now + SHORTEST_PAUSE), Ok(()));
    }

    #[test]
    fn after_a_failure_one_call_is_made_after_each_pause_until_one_succeeds() {
        let mut now = Instant::now();
        let mut limits = CallLimits::new(1000, now);
        assert_eq!(limits.begin(false, now), Ok(()));
        limits.end(CallOutcome::Failed, now);
        for pause in [250, 500, 1000, 2000, 4000, 8000, 8000].map(Duration::from_millis) {
            assert_eq!(limits.begin(true, now), Err(pause));
            now += pause;
            assert_eq!(limits.begin(false, now), Ok(()));
            assert_eq!(limits.begin(false, now), Err(SHORTEST_PAUSE));
            limits.end(CallOutcome::Failed, now);
        }
        now += Duration::from_secs(8);
        assert_eq!(take(&mut limits, false, now), Ok(()));
        assert_eq!(limits.begin(false, now), Ok(()));
        assert_eq!(limits.begin(false, now), Ok(()));
    }
}
