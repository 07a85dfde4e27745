//! How often one user may offer: an answer costs milliseconds of a core.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use gochat_domain::Uid;
use tokio::time::Instant;

/// Offers that a user may make at once after a pause; somebody whose connection is bad comes again and again.
const AT_ONCE: u32 = 10;
/// Above so many users, those who have their whole allowance are forgotten.
const MANY: usize = 4_096;

/// Counts the offers of each user, in time: when those that were made are paid off.
pub(crate) struct Offers {
    each: Duration,
    paid: Mutex<HashMap<Uid, Instant>>,
}

impl Offers {
    /// So many a minute in the long run.
    pub(crate) fn new(a_minute: NonZeroU32) -> Self {
        Self { each: Duration::from_secs(60) / a_minute.get(), paid: Mutex::default() }
    }

    /// Whether this user may make one more now.
    pub(crate) fn admit(&self, uid: Uid, now: Instant) -> bool {
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        if paid.len() >= MANY {
            paid.retain(|_, paid| *paid > now);
        }
        let owed_until = paid.get(&uid).copied().unwrap_or(now).max(now);
        let admitted = owed_until <= now + self.each * (AT_ONCE - 1);
        if admitted {
            paid.insert(uid, owed_until + self.each);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(number: u32) -> Uid {
        number.try_into().unwrap()
    }

    #[test]
    fn a_few_pass_at_once_and_then_the_rate() {
        let (offers, start) = (Offers::new(NonZeroU32::new(30).unwrap()), Instant::now());
        let passed = |uid, at| (0..20).filter(|_| offers.admit(uid, start + Duration::from_secs(at))).count();
        assert_eq!([0, 1, 2, 8].map(|at| passed(uid(7), at)), [AT_ONCE as usize, 0, 1, 3]);
        assert_eq!(passed(uid(8), 8), AT_ONCE as usize, "of each by itself");
        assert_eq!(passed(uid(7), 600), AT_ONCE as usize);
    }

    #[test]
    fn only_who_still_owes_is_remembered() {
        let (offers, start) = (Offers::new(NonZeroU32::new(60).unwrap()), Instant::now());
        for number in 1..=3 * MANY as u32 {
            assert!(offers.admit(uid(number), start + Duration::from_millis(u64::from(number))));
        }
        assert!(offers.paid.lock().unwrap().len() <= MANY);
    }
}
