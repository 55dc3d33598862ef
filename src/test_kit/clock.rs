//! A clock for tests, which only moves when it is set.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// A clock that returns the time it was set to; clones share the time.
///
/// # Examples
/// ```
/// use std::time::{Duration, SystemTime};
/// use actix_resource_server::test_kit::TestClock;
///
/// let clock = TestClock::at(SystemTime::UNIX_EPOCH);
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now(), SystemTime::UNIX_EPOCH + Duration::from_secs(60));
/// ```
#[derive(Clone, Debug)]
pub struct TestClock(Arc<Mutex<SystemTime>>);

impl TestClock {
    /// A clock set to `time`.
    #[must_use]
    pub fn at(time: SystemTime) -> Self {
        Self(Arc::new(Mutex::new(time)))
    }

    /// The current time of the clock.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the time, which may go back.
    pub fn set(&self, time: SystemTime) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = time;
    }

    /// Advances the time by `step`, unless the result cannot be represented.
    pub fn advance(&self, step: Duration) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *shown = shown.checked_add(step).unwrap_or(*shown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_the_time() {
        let clock = TestClock::at(SystemTime::UNIX_EPOCH);
        let clone = clock.clone();
        clone.advance(Duration::from_secs(5));
        assert_eq!(clock.now(), SystemTime::UNIX_EPOCH + Duration::from_secs(5));
        clock.set(SystemTime::UNIX_EPOCH);
        assert_eq!(clone.now(), SystemTime::UNIX_EPOCH);
    }

    #[test]
    fn a_step_that_would_overflow_is_ignored() {
        let clock = TestClock::at(SystemTime::UNIX_EPOCH);
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), SystemTime::UNIX_EPOCH);
    }
}
