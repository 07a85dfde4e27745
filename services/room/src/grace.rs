//! Silence of ours is not death of theirs: when a reaper may end leases, judged by Redis's
//! time in the answers of its sweeps.

use std::time::Duration;

use gochat_domain::Millis;
use gochat_store::{Ages, StoreArgs, Sweep};

/// A reaper ends no lease for the length of one after any of these: the answer before is
/// older than the gap, so that heartbeats may have been lost as well; no stamp of a carrier
/// is younger than that, so that none got through; its own stamp isn't there, so that Redis
/// has gone back to before heartbeats that it had taken.
pub(crate) struct Grace {
    lease: Duration,
    gap: Duration,
    partitions: Vec<Option<Seen>>,
}

/// A partition as the last sweep left it.
#[derive(Clone, Copy)]
struct Seen {
    at: Millis,
    stamp: u64,
    /// When leases may be ended there.
    from: Millis,
}

impl Grace {
    pub(crate) fn new(args: &StoreArgs) -> Self {
        Self { lease: args.lease, gap: args.gap(), partitions: vec![None; usize::from(args.partitions)] }
    }

    /// Whether leases may be ended in a partition, by the answer of a sweep that left `stamp`
    /// there.
    pub(crate) fn allows(&mut self, partition: usize, sweep: &Sweep, ages: Ages, stamp: u64) -> bool {
        let calm = self.is_heard(ages);
        let now = sweep.now;
        let seen = &mut self.partitions[partition];
        let from = seen.filter(|seen| {
            calm && sweep.former == Some(seen.stamp) && now >= seen.at && now <= seen.at + self.gap
        });
        let from = from.map_or(now + self.lease, |seen| seen.from);
        *seen = Some(Seen { at: now, stamp, from });
        now >= from
    }

    fn is_heard(&self, ages: Ages) -> bool {
        ages.account.is_some_and(|age| age <= self.gap) && ages.gateway.is_none_or(|age| age <= self.gap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: i64 = 25;
    const FRESH: Ages = Ages { account: Some(Duration::from_millis(400)), gateway: None };
    const STALE: Duration = Duration::from_secs(4);

    /// A reaper of one partition, with its stamp of each second being the second's number.
    fn grace() -> Grace {
        Grace {
            lease: Duration::from_secs(LEASE as u64),
            gap: Duration::from_secs(3),
            partitions: vec![None],
        }
    }

    /// Sweeps at a second; the stamp before is that of `former`.
    fn sweep(grace: &mut Grace, second: i64, former: i64, ages: Ages) -> bool {
        let sweep = Sweep { now: Millis(second * 1_000), former: u64::try_from(former).ok(), due: vec![] };
        grace.allows(0, &sweep, ages, second as u64)
    }

    /// Sweeps once a second while all is well; the first that may end leases.
    fn first_allowed(grace: &mut Grace, seconds: std::ops::Range<i64>) -> Option<i64> {
        seconds.into_iter().find(|second| sweep(grace, *second, second - 1, FRESH))
    }

    /// A reaper that may end leases, and did its last sweep at second 130.
    fn settled() -> Grace {
        let mut grace = grace();
        assert_eq!(first_allowed(&mut grace, 100..131), Some(100 + LEASE));
        assert_eq!(first_allowed(&mut grace, 126..131), Some(126));
        for second in 127..=130 {
            assert!(sweep(&mut grace, second, second - 1, FRESH));
        }
        grace
    }

    /// After a sweep at second 131 that wasn't as it should be, leases end a lease later.
    fn is_forgiven(mut grace: Grace) {
        assert_eq!(first_allowed(&mut grace, 132..200), Some(131 + LEASE));
    }

    #[test]
    fn who_has_just_started_waits_for_a_lease() {
        settled();
    }

    #[test]
    fn an_outage_is_forgiven_for_a_lease() {
        let mut grace = settled();
        assert!(sweep(&mut grace, 133, 130, FRESH), "a gap of three seconds is none");
        assert!(!sweep(&mut grace, 137, 133, FRESH));
        assert_eq!(first_allowed(&mut grace, 138..200), Some(137 + LEASE));
    }

    /// Redis stood still while the sweep waited in its socket: judged by when it was sent, it would be calm.
    #[test]
    fn a_sweep_that_waited_is_judged_by_the_moment_of_its_answer() {
        let mut grace = settled();
        assert!(!sweep(&mut grace, 131 + 30, 130, FRESH));
        assert_eq!(first_allowed(&mut grace, 162..250), Some(161 + LEASE));
    }

    /// Two outages, neither of which is a gap, and a client that tries again within a second.
    #[test]
    fn a_lease_outlasts_a_heartbeat_and_two_gaps() {
        #[derive(clap::Parser)]
        struct Flags {
            #[command(flatten)]
            store: StoreArgs,
        }
        for lease in ["5s", "7s", "10s", "25s", "5m"] {
            let args: Flags = clap::Parser::parse_from(["test", "--lease", lease]);
            let StoreArgs { lease, .. } = args.store;
            assert!(lease >= args.store.heartbeat() + args.store.gap() * 2, "{lease:?}");
            assert!(args.store.pulse() * 3 <= args.store.gap(), "a late pulse or two is no gap: {lease:?}");
        }
    }

    #[test]
    fn a_clock_that_went_back_is_forgiven() {
        let mut grace = settled();
        assert!(!sweep(&mut grace, 90, 130, FRESH));
        assert_eq!(first_allowed(&mut grace, 91..200), Some(90 + LEASE));
    }

    #[test]
    fn silence_of_the_account_service_is_forgiven_while_it_lasts_and_a_lease_longer() {
        for account in [None, Some(STALE)] {
            let mut grace = settled();
            for second in [129, 130] {
                assert!(!sweep(&mut grace, second, 130.min(second + 1), Ages { account, gateway: None }));
            }
            assert!(!sweep(&mut grace, 131, 130, Ages { account, gateway: None }));
            is_forgiven(grace);
        }
    }

    #[test]
    fn silence_of_a_gateway_is_forgiven_where_there_is_one() {
        let mut grace = settled();
        assert!(!sweep(&mut grace, 131, 130, Ages { gateway: Some(STALE), ..FRESH }));
        is_forgiven(grace);
        let mut grace = settled();
        assert!(sweep(&mut grace, 131, 130, Ages { gateway: Some(Duration::from_secs(1)), ..FRESH }));
        assert!(sweep(&mut grace, 132, 131, Ages { gateway: None, ..FRESH }), "there is none any more");
    }

    #[test]
    fn a_redis_that_went_back_is_forgiven() {
        for former in [-1, 120] {
            let mut grace = settled();
            assert!(!sweep(&mut grace, 131, former, FRESH));
            is_forgiven(grace);
        }
    }

    #[test]
    fn a_partition_is_judged_by_itself() {
        let mut grace = settled();
        grace.partitions.push(None);
        let first = Sweep { now: Millis(131_000), former: None, due: vec![] };
        assert!(!grace.allows(1, &first, FRESH, 131));
        assert!(sweep(&mut grace, 131, 130, FRESH));
    }
}
