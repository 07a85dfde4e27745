//! Ends what has passed its deadline: leases of clients that went silent, invitations that
//! nobody answered. Every replica does; each expiry is an ordinary commit, guarded by the
//! deadline that was seen.

use std::time::Duration;

use gochat_domain::{Millis, rules::Due};
use gochat_store::{Error, Store, StoreArgs, Sweep};
use tokio::time::{MissedTickBehavior, interval};

const EVERY: Duration = Duration::from_secs(1);
/// Deadlines taken from one partition in one sweep.
const MOST: usize = 1_000;

/// Sweeps for ever.
pub(crate) async fn run(store: Store) {
    let mut grace = Grace::new(store.args());
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match store.sweep(MOST).await {
            Ok(sweep) => {
                let evict = grace.allows(sweep.now);
                expire(&store, sweep, evict).await;
            }
            Err(error) => tracing::warn!(%error, "sweep failed"),
        }
    }
}

async fn expire(store: &Store, sweep: Sweep, evict: bool) {
    for entry in sweep.due {
        let is_lease = matches!(entry.due, Due::Lease(..));
        if is_lease && !evict {
            continue;
        }
        match store.expire(entry).await {
            Ok(true) => {
                let kind = if is_lease { "lease" } else { "invitation" };
                metrics::counter!("gochat_expired_total", "kind" => kind).increment(1);
                tracing::debug!(room = %entry.room, due = ?entry.due, "expired");
            }
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(room = %entry.room, %error, "expiry failed");
                // One that can't be done must not hold up those behind it.
                if matches!(error, Error::Unavailable(_)) {
                    return;
                }
            }
        }
    }
}

/// Silence of ours is not death of theirs: nobody is evicted for one lease after the
/// sweeps' answers had a gap, in which heartbeats may have been lost as well.
struct Grace {
    lease: Duration,
    gap: Duration,
    last: Option<Millis>,
    from: Millis,
}

impl Grace {
    fn new(args: &StoreArgs) -> Self {
        let gap = Duration::from_secs(3).min((args.lease - args.heartbeat()) / 2);
        Self { lease: args.lease, gap, last: None, from: Millis(0) }
    }

    /// Whether leases may be ended by an answer of this moment (Redis's time).
    fn allows(&mut self, now: Millis) -> bool {
        let steady = self.last.is_some_and(|last| now >= last && now <= last + self.gap);
        self.last = Some(now);
        if !steady {
            self.from = now + self.lease;
        }
        now >= self.from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grace() -> Grace {
        Grace { lease: Duration::from_secs(25), gap: Duration::from_secs(3), last: None, from: Millis(0) }
    }

    /// Sweeps once a second from one moment to another; the first that may evict.
    fn first_allowed(grace: &mut Grace, seconds: std::ops::Range<i64>) -> Option<i64> {
        seconds.into_iter().find(|second| grace.allows(Millis(second * 1_000)))
    }

    #[test]
    fn who_has_just_started_waits_for_a_lease() {
        assert_eq!(first_allowed(&mut grace(), 100..200), Some(125));
    }

    #[test]
    fn an_outage_is_forgiven_for_a_lease() {
        let mut grace = grace();
        first_allowed(&mut grace, 100..150);
        assert!(grace.allows(Millis(128_000)), "a gap of three seconds is none");
        assert_eq!(first_allowed(&mut grace, 160..250), Some(185));
    }

    #[test]
    fn a_clock_that_went_back_is_forgiven_too() {
        let mut grace = grace();
        first_allowed(&mut grace, 100..150);
        assert_eq!(first_allowed(&mut grace, 90..200), Some(115));
    }
}
