//! Ends what has passed its deadline: leases of clients that went silent, invitations that
//! nobody answered. Every replica does; each expiry is an ordinary commit, guarded by the
//! deadline that was seen.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use gochat_domain::rules::Due;
use gochat_store::{DueEntry, Error, Reaper, Store};
use rand::seq::SliceRandom;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{grace::Grace, meters};

/// Deadlines taken from one partition in one sweep.
const MOST: usize = 1_000;
/// Expiries on their way at a time: what spreads a mass eviction.
const AT_ONCE: usize = 32;
/// As many leases at once are no people that go one by one.
const MANY: usize = 100;

/// Sweeps for ever. What isn't done by the next sweep waits for it, so that none is late: a
/// late one would look like an outage.
pub(crate) async fn run(store: Store) {
    meters::register();
    let reaper = Reaper(rand::random());
    let mut grace = Grace::new(store.args());
    let every = store.args().pulse();
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let until = Instant::now() + every;
        match sweep(&store, reaper, &mut grace).await {
            Ok(due) => {
                meters::swept("ok");
                let more = due.len() >= MOST;
                expire(&store, due, until).await;
                if more {
                    ticks.reset_immediately();
                }
            }
            Err(error) => {
                meters::swept("failed");
                tracing::warn!(%error, "sweep failed");
            }
        }
    }
}

/// What is due and may be ended now.
async fn sweep(store: &Store, reaper: Reaper, grace: &mut Grace) -> Result<Vec<DueEntry>, Error> {
    let ages = store.ages().await?;
    let stamp = rand::random();
    let (mut due, mut spared) = (Vec::new(), 0);
    let mut overdue = 0;
    for (partition, sweep) in store.sweep(reaper, stamp, MOST).await?.into_iter().enumerate() {
        let evicts = grace.allows(partition, &sweep, ages, stamp);
        let oldest = sweep.due.iter().filter(|entry| is_lease(entry)).map(|entry| entry.deadline).min();
        overdue = overdue.max(oldest.map_or(0, |deadline| sweep.now.0 - deadline.0));
        let (leases, others): (Vec<_>, Vec<_>) = sweep.due.into_iter().partition(is_lease);
        due.extend(others);
        if evicts { due.extend(leases) } else { spared += leases.len() }
    }
    meters::overdue(Duration::from_millis(overdue.unsigned_abs()));
    told(due.iter().filter(|entry| is_lease(entry)).count(), spared);
    Ok(due)
}

fn told(ending: usize, spared: usize) {
    metrics::gauge!("gochat_leases_spared").set(spared as f64);
    if ending >= MANY {
        tracing::warn!(leases = ending, "many leases end at once");
    }
    if spared > 0 {
        tracing::info!(leases = spared, "leases are past their end, but heartbeats may have been lost");
    }
}

/// In an order of this replica's own, so that several rarely meet at the same one.
async fn expire(store: &Store, mut due: Vec<DueEntry>, until: Instant) {
    due.shuffle(&mut rand::rng());
    let due = stream::iter(due).take_while(|_| std::future::ready(Instant::now() < until)).map(Ok);
    // What can't be done now is due at the next sweep.
    let _ = due.try_for_each_concurrent(AT_ONCE, |entry| expire_one(store, entry)).await;
}

/// Fails where it is no use to go on.
async fn expire_one(store: &Store, entry: DueEntry) -> Result<(), ()> {
    match store.expire(entry).await {
        Ok(true) => {
            let kind = if is_lease(&entry) { "lease" } else { "invitation" };
            metrics::counter!("gochat_expired_total", "kind" => kind).increment(1);
            tracing::debug!(room = %entry.room, due = ?entry.due, "expired");
            Ok(())
        }
        Ok(false) => Ok(()),
        Err(error) => {
            tracing::warn!(room = %entry.room, %error, "expiry failed");
            // One that can't be done must not hold up the others.
            if matches!(error, Error::Unavailable(_)) { Err(()) } else { Ok(()) }
        }
    }
}

fn is_lease(entry: &DueEntry) -> bool {
    matches!(entry.due, Due::Lease(..))
}
