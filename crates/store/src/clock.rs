//! Redis's clock as a process sees it, so that the age of a commit is told by one clock alone.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What Redis's clock showed, and when. Clones are one and the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock(Arc<Mutex<Option<Reading>>>);

#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Instant,
    micros: i64,
}

impl Clock {
    /// Takes what Redis said, in µs, when it was asked and answered then. It is taken to be of the middle,
    /// so it is wrong by half of that time at the most.
    pub(crate) fn set(&self, asked: Instant, answered: Instant, micros: i64) {
        let at = asked + answered.saturating_duration_since(asked) / 2;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Reading { at, micros });
    }

    /// How long ago a moment of Redis's was, in ms; nothing where that is still to come, none where
    /// Redis has never said what time it is.
    pub(crate) fn since(&self, millis: i64, now: Instant) -> Option<Duration> {
        let Reading { at, micros } = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        let later = i64::try_from(now.saturating_duration_since(at).as_micros()).unwrap_or(i64::MAX);
        let age = micros.saturating_add(later).saturating_sub(millis.saturating_mul(1_000));
        Some(Duration::from_micros(u64::try_from(age).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_by_redis_clock_as_it_was_read_last() {
        let (clock, began) = (Clock::default(), Instant::now());
        assert_eq!(clock.since(0, began), None);
        let after = |ms| began + Duration::from_millis(ms);
        clock.set(began, after(4), 1_000_000_000);
        assert_eq!(clock.since(1_000_000, after(2)), Some(Duration::ZERO));
        assert_eq!(clock.since(999_990, after(32)), Some(Duration::from_millis(40)));
        assert_eq!(clock.since(1_000_500, after(2)), Some(Duration::ZERO), "it is still to come there");
        clock.set(after(100), after(100), 500_000_000);
        assert_eq!(clock.since(499_999, after(100)), Some(Duration::from_millis(1)), "it went back");
    }
}
