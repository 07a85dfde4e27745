//! Whether heartbeats get through this replica, and the stamps that say so.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use gochat_store::{Carrier, Error, Result, Store};
use tokio::time::{MissedTickBehavior, interval};

/// Leaves stamps while heartbeats get through. Clones are one and the same.
#[derive(Clone)]
pub(crate) struct Pulse {
    store: Store,
    heartbeats: Arc<Heartbeats>,
}

impl Pulse {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, heartbeats: Arc::default() }
    }

    /// Takes note of what became of a heartbeat.
    pub(crate) fn note<T>(&self, heartbeat: &Result<T>) {
        self.heartbeats.note(heartbeat);
    }

    /// Leaves a carrier's stamp, if heartbeats get through here.
    pub(crate) async fn stamp(&self, carrier: Carrier) -> Result<()> {
        if !self.heartbeats.get_through() {
            return Err(Error::Unavailable("heartbeats fail".to_owned()));
        }
        self.store.stamp(carrier).await
    }

    /// Leaves the account service's own stamp, for ever, and tells each time whether heartbeats
    /// get through.
    pub(crate) async fn run(self, tell: impl Fn(bool)) {
        let mut ticks = interval(self.store.args().pulse());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.heartbeats.beat();
            let stamped = self.stamp(Carrier::Account).await;
            tell(stamped.is_ok());
            if let Err(error) = stamped {
                tracing::warn!(%error, "no stamp left; nobody is given up until there is one");
            }
        }
    }
}

/// What became of the heartbeats since the beat before the last.
#[derive(Default)]
struct Heartbeats {
    failed: AtomicBool,
    failed_before: AtomicBool,
}

impl Heartbeats {
    fn note<T>(&self, heartbeat: &Result<T>) {
        if let Err(Error::Unavailable(_)) = heartbeat {
            self.failed.store(true, Ordering::Relaxed);
        }
    }

    fn beat(&self) {
        self.failed_before.store(self.failed.swap(false, Ordering::Relaxed), Ordering::Relaxed);
    }

    fn get_through(&self) -> bool {
        !self.failed.load(Ordering::Relaxed) && !self.failed_before.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_that_failed_withholds_stamps_for_a_beat() {
        let heartbeats = Heartbeats::default();
        heartbeats.note(&Ok(()));
        heartbeats.note::<()>(&Err(Error::NotLoggedIn));
        assert!(heartbeats.get_through());
        heartbeats.note::<()>(&Err(Error::Unavailable("gone".to_owned())));
        heartbeats.note(&Ok(()));
        assert!(!heartbeats.get_through());
        heartbeats.beat();
        assert!(!heartbeats.get_through());
        heartbeats.beat();
        assert!(heartbeats.get_through());
    }
}
