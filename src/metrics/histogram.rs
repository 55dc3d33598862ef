//! Durations, counted in buckets.

use std::time::Duration;

use super::Count;

/// The upper bounds of the buckets in nanoseconds; a last bucket has no bound. The first ones tell apart requests that are
/// decided in memory, the others those that wait for something.
pub(crate) const BOUNDS: [u64; 16] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// How often which durations occurred.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [Count; BOUNDS.len() + 1],
    /// In nanoseconds; overflows after centuries.
    sum: Count,
}

/// What a histogram has counted.
#[cfg(feature = "service")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Distribution {
    /// Not cumulative; the last one has no upper bound.
    pub(crate) buckets: [u64; BOUNDS.len() + 1],
    pub(crate) sum: Duration,
}

impl Histogram {
    pub(crate) fn observe(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|bound| nanoseconds <= *bound);
        if let Some(count) = self.buckets.get(bucket.unwrap_or(BOUNDS.len())) {
            count.add(1);
        }
        self.sum.add(nanoseconds);
    }

    #[cfg(feature = "service")]
    pub(crate) fn read(&self) -> Distribution {
        Distribution {
            buckets: self.buckets.each_ref().map(Count::read),
            sum: Duration::from_nanos(self.sum.read()),
        }
    }
}

#[cfg(feature = "service")]
impl Distribution {
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Adds what another histogram has counted.
    pub(crate) fn add(&mut self, other: &Self) {
        for (total, count) in self.buckets.iter_mut().zip(other.buckets) {
            *total += count;
        }
        self.sum += other.sum;
    }
}

#[cfg(all(test, feature = "service"))]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let histogram = Histogram::default();
        for nanoseconds in [0, 100_000, 100_001, 10_000_000_000, 10_000_000_001] {
            histogram.observe(Duration::from_nanos(nanoseconds));
        }
        let mut read = histogram.read();
        assert_eq!(
            [
                read.buckets[0],
                read.buckets[1],
                read.buckets[15],
                read.buckets[16]
            ],
            [2, 1, 1, 1]
        );
        assert_eq!(
            (read.count(), read.sum),
            (5, Duration::from_nanos(20_000_200_002))
        );
        read.add(&histogram.read());
        assert_eq!((read.count(), read.buckets[0]), (10, 4));
    }
}
