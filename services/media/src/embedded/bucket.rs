//! An allowance: so many a second, and so many at once.

use std::time::{Duration, Instant};

/// Lets a number through each second, and a burst after a pause; counts in time, so that it has nothing to refill.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    interval: Duration,
    ahead: Duration,
    next: Instant,
}

impl Bucket {
    /// Lets `burst` through at once, and `each_second` in the long run. Both are 1 at least.
    pub(super) fn new(each_second: u32, burst: u32, now: Instant) -> Self {
        Self::every(Duration::from_secs(1) / each_second.max(1), burst, now)
    }

    /// Lets `burst` through at once, and one each time so much has passed.
    pub(super) fn every(interval: Duration, burst: u32, now: Instant) -> Self {
        Self { interval, ahead: interval * burst.max(1).saturating_sub(1), next: now }
    }

    /// Whether one more may pass.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let next = self.next.max(now);
        let passes = next <= now + self.ahead;
        if passes {
            self.next = next + self.interval;
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 3, start);
        let passed = |bucket: &mut Bucket, at: u64| bucket.take(start + Duration::from_millis(at));
        assert_eq!([0, 0, 0, 0].map(|at| passed(&mut bucket, at)), [true, true, true, false]);
        assert_eq!([99, 100, 101, 200].map(|at| passed(&mut bucket, at)), [false, true, false, true]);
        assert_eq!([900; 4].map(|at| passed(&mut bucket, at)), [true, true, true, false], "it's whole again");
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_sees_more_than_the_burst_and_the_rate(
            rate in 1u32..300,
            burst in 1u32..50,
            gaps in prop::collection::vec(0u64..200, 1..400),
        ) {
            let start = Instant::now();
            let mut bucket = Bucket::new(rate, burst, start);
            let mut at = Duration::ZERO;
            let mut passed = Vec::new();
            for gap in gaps {
                at += Duration::from_millis(gap);
                if bucket.take(start + at) {
                    passed.push(at);
                }
            }
            for (first, from) in passed.iter().enumerate() {
                for (last, to) in passed.iter().enumerate().skip(first) {
                    let most = f64::from(burst) + (*to - *from).as_secs_f64() * f64::from(rate);
                    prop_assert!((last - first + 1) as f64 <= most + 1e-3);
                }
            }
        }
    }
}
