//! How long to wait before trying again, and how often.

use std::time::Duration;

/// A delay that doubles from one try to the next, up to a most, for so many tries.
/// Between half of it and the whole is waited, by chance, so that those who failed
/// together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Before the first repetition.
    pub first: Duration,
    /// Never longer than this.
    pub most: Duration,
    /// How many repetitions there are; 0 for none.
    pub limit: u32,
}

impl Backoff {
    /// What calls use if nothing else is said: three repetitions within about a second.
    pub const CALLS: Self =
        Self { first: Duration::from_millis(100), most: Duration::from_secs(1), limit: 3 };

    /// What subscriptions use if nothing else is said: about half a minute in all.
    pub const SUBSCRIPTIONS: Self =
        Self { first: Duration::from_millis(100), most: Duration::from_secs(5), limit: 12 };

    /// Nothing is tried again.
    pub const NONE: Self = Self { first: Duration::ZERO, most: Duration::ZERO, limit: 0 };

    /// How long to wait after `failed` repetitions before the next one; `None` when
    /// it is enough. `chance` is a number from 0 to 1.
    pub fn delay(&self, failed: u32, chance: f64) -> Option<Duration> {
        if failed >= self.limit {
            return None;
        }
        let doubled = self.first.saturating_mul(1_u32.checked_shl(failed).unwrap_or(u32::MAX));
        let whole = doubled.min(self.most);
        Some(whole.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff =
        Backoff { first: Duration::from_millis(100), most: Duration::from_millis(500), limit: 40 };

    #[test]
    fn doubles_up_to_the_most() {
        let delays: Vec<_> = (0..4).map(|failed| BACKOFF.delay(failed, 1.0).unwrap().as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 500]);
        assert_eq!(BACKOFF.delay(39, 1.0), Some(BACKOFF.most), "doubling does not wrap around");
    }

    #[test]
    fn chance_spreads_over_the_upper_half() {
        assert_eq!(BACKOFF.delay(0, 0.0), Some(Duration::from_millis(50)));
        assert_eq!(BACKOFF.delay(0, 0.5), Some(Duration::from_millis(75)));
    }

    #[test]
    fn tries_are_bounded() {
        assert_eq!(BACKOFF.delay(40, 0.0), None);
        assert_eq!(Backoff::NONE.delay(0, 0.0), None);
    }
}
