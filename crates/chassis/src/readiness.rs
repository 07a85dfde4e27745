//! Whether a process can do its work: named conditions that must all hold, and whether it is draining.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::watch;

/// The name under which a draining process says what is missing.
const DRAINING: &str = "draining";

/// Ready when every condition holds and the process isn't draining. Clones are one and the same.
#[derive(Clone, Debug)]
pub struct Readiness {
    state: Arc<watch::Sender<State>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    conditions: BTreeMap<&'static str, bool>,
    draining: bool,
}

impl State {
    fn missing(&self) -> Vec<&'static str> {
        let unmet = self.conditions.iter().filter(|(_, holds)| !**holds).map(|(name, _)| *name);
        unmet.chain(self.draining.then_some(DRAINING)).collect()
    }

    fn is_ready(&self) -> bool {
        !self.draining && self.conditions.values().all(|holds| *holds)
    }
}

impl Readiness {
    /// Not ready until each of `conditions` has been set; ready at once if there is none.
    pub fn new(conditions: &[&'static str]) -> Self {
        let conditions = conditions.iter().map(|name| (*name, false)).collect();
        Self { state: Arc::new(watch::Sender::new(State { conditions, draining: false })) }
    }

    /// Says whether a condition holds; one that is new counts from now on.
    pub fn set(&self, condition: &'static str, holds: bool) {
        let changed =
            self.state.send_if_modified(|state| state.conditions.insert(condition, holds) != Some(holds));
        if changed {
            tracing::info!(condition, holds, "readiness");
        }
    }

    /// Not ready from now on, whatever holds.
    pub(crate) fn drain(&self) {
        self.state.send_if_modified(|state| !std::mem::replace(&mut state.draining, true));
    }

    /// Whether the process can do its work now.
    pub fn is_ready(&self) -> bool {
        self.state.borrow().is_ready()
    }

    /// What keeps the process from being ready: names of conditions, and `draining`.
    pub fn missing(&self) -> Vec<&'static str> {
        self.state.borrow().missing()
    }

    /// Returns once the process is ready (`true`) or isn't (`false`); at once if that is so.
    pub async fn until(&self, ready: bool) {
        let mut watched = self.state.subscribe();
        // Fails only when the sender is gone, which `self` holds.
        let _ = watched.wait_for(|state| state.is_ready() == ready).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_conditions_must_hold() {
        let readiness = Readiness::new(&["redis", "feed"]);
        assert_eq!(readiness.missing(), ["feed", "redis"]);
        readiness.set("redis", true);
        assert!(!readiness.is_ready());
        readiness.set("feed", true);
        assert!(readiness.is_ready());
        readiness.set("redis", false);
        assert_eq!(readiness.missing(), ["redis"]);
        assert!(Readiness::new(&[]).is_ready());
    }

    #[test]
    fn draining_is_for_good() {
        let readiness = Readiness::new(&["redis"]);
        readiness.drain();
        readiness.set("redis", true);
        assert!(!readiness.is_ready());
        assert_eq!(readiness.missing(), ["draining"]);
    }

    #[tokio::test]
    async fn changes_can_be_waited_for() {
        let readiness = Readiness::new(&["redis"]);
        let watcher = readiness.clone();
        let waiting = tokio::spawn(async move { watcher.until(true).await });
        readiness.set("redis", true);
        waiting.await.unwrap();
        readiness.until(true).await;
    }
}
